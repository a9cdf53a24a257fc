"""The Inception network of the FID: where its weights come from, and the network as a backbone.

Only the network of December 2015, with the weights that torch-fidelity and torchmetrics use and their resizing
(``antialias=False``), may be called ``fid``; any other file is refused.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from ganzoo.evaluation.weight_files import WeightFile
from ganzoo.tensor_files import check_file

WEIGHTS_NAME = URL_INCEPTION_V3.rpartition("/")[2]
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FEATURE_SIZE = 2048


class Inception:
    """Inception-2015 up to its last pooling: 2048 features of uint8 images of any size, grey or colour.

    Args:
        weights: File of its weights.
        device: Where it works.
        sha256: What the file's hash must be; that of the published weights where left out.

    Raises:
        GanzooError: The file cannot be read, or is another one.
    """

    name = "inception"

    def __init__(self, weights: Path, device: torch.device | str = "cpu", sha256: str | None = None) -> None:
        published = _published(sha256)
        published.read(weights)  # torch-fidelity unpickles without restraint; what passes here holds tensors alone
        self.identity = f"inception-2015-12-05:{published.sha256}:torch-fidelity-resize"
        self._network = FeatureExtractorInceptionV3(self.name, [str(FEATURE_SIZE)], str(weights)).to(device).eval()

    def __call__(self, images: Tensor) -> Tensor:
        """Describes uint8 ``(N, 1 or 3, H, W)`` by float32 ``(N, 2048)``; grey becomes three equal channels."""
        features: Tensor = self._network(images.expand(-1, 3, -1, -1))[0]
        return features


def find_weights(given: Path | None, *, download: bool = True) -> Path:
    """The weight file: the one given, else the one in torch's cache, else a download into that cache.

    Raises:
        GanzooError: The given file does not exist.
        NotAvailable: None was given, none is cached, and it cannot be downloaded.
    """
    published = _published()
    if given is None:
        return published.find(download=download)
    check_file(given, "Inception weights", published.way_out)
    return given


def _published(sha256: str | None = None) -> WeightFile:
    return WeightFile("Inception", URL_INCEPTION_V3, sha256 or WEIGHTS_SHA256, option="--inception-weights")
