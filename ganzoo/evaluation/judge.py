"""Judges: frozen expression classifiers that score translated faces, and never train them.

Three networks of different design vote by the mean of their probabilities; a fourth, which does not vote, gives the
features for ``fd_judge``. Judges of the built-in faces are shipped with the package, so that everybody's numbers come
from the same ones; ``ganzoo judge train`` makes them for other datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.cache import cache_folder
from ganzoo.data.pixels import resize_uint8
from ganzoo.errors import GanzooError
from ganzoo.evaluation.judge_card import CARD_NAME, JudgeCard, NetworkCard, Scores, read_card, read_network
from ganzoo.evaluation.judge_networks import JudgeNetwork, Precision, normalise

__all__ = ["JudgeCard", "JudgePanel", "NetworkCard", "Scores", "judge_cache_folder", "load_judges", "open_judges"]

SHIPPED_FOLDER = Path(__file__).parent / "judges"
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in grey JPEG


class NoJudgesError(GanzooError):
    """Nobody has trained judges for a dataset yet."""


class JudgePanel:
    """The judges of one dataset: three voters and one that gives features.

    All methods take uint8 images ``(N, C, H, W)`` of any size and 1 or 3 channels, and answer on the CPU. An answer
    depends on its own image alone, not on the batch it came in.

    Attributes:
        card: How the judges were made and measured.
        class_names: Classes of the answers, in order; may be fewer than the networks were trained on.
        weight_hashes: Network name -> SHA-256 of its weight file.
        feature_size: Width of the features, at most 256.
        voter_names: Names of the voters, in the order of ``each``.
    """

    def __init__(
        self,
        folder: Path,
        class_names: Sequence[str] | None = None,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "32",
        batch_size: int = 256,
    ) -> None:
        self.card = read_card(folder)
        self.class_names = tuple(self.card.class_names if class_names is None else class_names)
        missing = [name for name in self.class_names if name not in self.card.class_names]
        if missing:
            raise GanzooError(
                f"The judges in {folder} do not know {', '.join(missing)}; they know {', '.join(self.card.class_names)}. "
                "Train judges for your classes with 'ganzoo judge train --data ...'."
            )
        self.weight_hashes = {entry.name: entry.sha256 for entry in self.card.networks}
        self.voter_names = tuple(entry.name for entry in self.card.networks if entry.votes)
        self._device, self._precision, self._batch_size = torch.device(device), precision, batch_size
        self._columns = [self.card.class_names.index(name) for name in self.class_names]
        self._voters = [self._read(folder, entry) for entry in self.card.networks if entry.votes]
        self._describer = self._read(folder, next(entry for entry in self.card.networks if not entry.votes))
        self.feature_size = self._describer.feature_size

    def probabilities(self, images: Tensor) -> Tensor:
        """The vote: mean of the voters' probabilities, float32 ``(N, K)``, rows sum to 1."""
        return self.each(images).mean(dim=0)

    def each(self, images: Tensor) -> Tensor:
        """Each voter's probabilities, float32 ``(J, N, K)``, among the panel's classes alone."""
        temperatures = torch.tensor([entry.temperature for entry in self.card.networks if entry.votes])
        return self.logits(images).div(temperatures[:, None, None, None]).softmax(dim=3).mean(dim=1)

    def logits(self, images: Tensor) -> Tensor:
        """Each voter's logits, before temperature, float32 ``(J, V, N, K)``.

        V counts the views: the image and, with flip averaging, its mirror image.
        """
        prepared = self._prepare(images)
        views = [prepared, prepared.flip(3)] if self.card.flip_averaging else [prepared]
        answers = [torch.stack([self._answers(voter, view) for view in views]) for voter in self._voters]
        return torch.stack(answers)[..., self._columns]

    def features(self, images: Tensor) -> Tensor:
        """Penultimate features of the network that does not vote, float32 ``(N, feature_size)``."""
        return self._answers(self._describer.features, self._prepare(images))

    def _answers(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """What a frozen network says of prepared images, batch by batch; float32, on the CPU."""
        answers = []
        for block in torch.split(images, self._batch_size):
            batch = normalise(block.to(self._device)).contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16"):
                answers.append(network(batch).float().cpu())
        return torch.cat(answers)

    def _prepare(self, images: Tensor) -> Tensor:
        """Brings images to the judges' size and channels, still uint8.

        Raises:
            GanzooError: Not uint8 ``(N, C, H, W)`` with 1 or 3 channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise GanzooError(
                f"Judges take uint8 images (N, C, H, W) with 1 or 3 channels, not {images.dtype} {tuple(images.shape)}; "
                "round to uint8 first (ganzoo.data.pixels.to_uint8)."
            )
        return resize_uint8(_with_channels(images, self.card.image_channels), self.card.image_size_px)

    def _read(self, folder: Path, entry: NetworkCard) -> JudgeNetwork:
        channels, classes = self.card.image_channels, len(self.card.class_names)
        network = read_network(folder, entry, channels=channels, num_classes=classes)
        return network.to(self._device).to(memory_format=torch.channels_last)


def load_judges(dataset: Dataset, *, device: torch.device | str = "cpu", precision: Precision = "32") -> JudgePanel:
    """Finds the judges of a dataset: the shipped ones of its family, else those trained for exactly this content.

    Raises:
        NoJudgesError: There are none.
        GanzooError: Their files are not the ones of their card.
    """
    for folder in _places(dataset):
        if (folder / CARD_NAME).is_file() and set(dataset.class_names) <= set(read_card(folder).class_names):
            return open_judges(folder, dataset.class_names, device=device, precision=precision)
    raise NoJudgesError(
        f"There are no judges for '{dataset.name}' ({', '.join(dataset.class_names)}; content {dataset.content_hash[:12]}). "
        f"Train them once with 'ganzoo judge train --data {dataset.name}'; they are then found again."
    )


def open_judges(
    folder: Path, class_names: Sequence[str] | None = None, *, device: torch.device | str = "cpu", precision: Precision = "32"
) -> JudgePanel:
    """Opens the judges in a folder, with all their classes or only those named, in that order."""
    return JudgePanel(folder, class_names, device=device, precision=precision)


def judge_cache_folder(content_hash: str) -> Path:
    """Where the judges trained for a dataset with this content are kept."""
    return cache_folder() / "judges" / content_hash[:32]


def _places(dataset: Dataset) -> list[Path]:
    own = judge_cache_folder(dataset.content_hash)
    return [own] if dataset.judge_family is None else [SHIPPED_FOLDER / dataset.judge_family, own]


def _with_channels(images: Tensor, channels: int) -> Tensor:
    """Grey to colour by repetition, colour to grey by luma (rounded)."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    weights = torch.tensor(_LUMA, device=images.device).view(1, 3, 1, 1)
    return (images.float() * weights).sum(dim=1, keepdim=True).round().clamp(0, 255).to(torch.uint8)
