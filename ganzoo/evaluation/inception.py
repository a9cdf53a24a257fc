"""The Inception network of the FID: where its weights come from, and the network as a backbone.

Only the network of December 2015, with the weights that torch-fidelity and torchmetrics use and their resizing
(``antialias=False``), may be called ``fid``; any other file is refused.
"""

from __future__ import annotations

import hashlib
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from ganzoo.errors import GanzooError
from ganzoo.evaluation.features import NotAvailable

WEIGHTS_NAME = URL_INCEPTION_V3.rpartition("/")[2]
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FEATURE_SIZE = 2048
_CONNECT_SECONDS = 5.0


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
        sha256 = sha256 or WEIGHTS_SHA256
        _check_file(weights, sha256)
        self.identity = f"inception-2015-12-05:{sha256}:torch-fidelity-resize"
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
    if given is not None:
        if not given.is_file():
            raise GanzooError(f"The Inception weights {given} do not exist. {_way_out()}")
        return given
    kept: Path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    if not kept.is_file():
        if not download:
            raise NotAvailable(f"no Inception weights. {_way_out()}")
        _download(kept)
    return kept


def _download(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _short_timeout():
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(target), hash_prefix=WEIGHTS_SHA256, progress=False)
    except (OSError, RuntimeError) as error:  # no network, a full disk; a hash that differs
        raise NotAvailable(f"no Inception weights, and the download failed ({error}). {_way_out()}") from error


def _way_out() -> str:
    return f"Get {URL_INCEPTION_V3} and name it with --inception-weights, or put it into torch's cache of checkpoints."


@contextmanager
def _short_timeout() -> Iterator[None]:
    """Without a network, scoring must not hang: the standard library's default is to wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _check_file(weights: Path, sha256: str) -> None:
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise GanzooError(
            f"{weights} is not {WEIGHTS_NAME}: its SHA-256 begins {found[:8]} and should begin {sha256[:8]}. {_way_out()}"
        )
    # torch-fidelity unpickles without restraint; a file that passes here holds tensors and nothing that can run.
    try:
        torch.load(weights, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise GanzooError(f"{weights} is not a file of tensors: {error}. {_way_out()}") from error
