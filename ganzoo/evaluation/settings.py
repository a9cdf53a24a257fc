"""How a generator is scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganzoo.data.base import SPLIT_NAMES
from ganzoo.errors import GanzooError


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a generator is scored.

    Attributes:
        split: Part whose images are translated.
        max_sources: Score at most so many sources, the same number of each class; None scores all.
        inception: Whether ``fid``, and what else needs ImageNet's networks (LPIPS), is computed.
        inception_weights: File of the Inception weights; None looks in torch's cache, then tries a download.
        dinov2_weights: File of DINOv2's weights; what needs it is left out without.
        reference_per_class: Training faces of each class, at most, that distribution metrics compare with; fewer where the
            smallest class has fewer, so that the classes stay balanced.
        metrics: Metrics to compute; None computes all registered ones.
        batch_size: Images at once; changes no result.
        cache: Whether features of real faces may be kept on disk.
        precision: Of judges, ``32`` or ``bf16``; the generator's is its translator's business, backbones work in float32.
    """

    split: str = "test"
    max_sources: int | None = None
    inception: bool = True
    inception_weights: Path | None = None
    dinov2_weights: Path | None = None
    reference_per_class: int = 1500
    metrics: tuple[str, ...] | None = None
    batch_size: int = 128
    cache: bool = True
    precision: str = "32"

    def __post_init__(self) -> None:
        if self.split not in SPLIT_NAMES:
            raise GanzooError(f"Sources cannot come from '{self.split}'; the parts are {', '.join(SPLIT_NAMES)}.")
        for name, least in (("max_sources", 1), ("reference_per_class", 2), ("batch_size", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise GanzooError(f"{name} must be at least {least}, not {value}.")
