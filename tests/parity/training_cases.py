"""The training steps that are compared, and what chance would decide in them: both sides draw it from the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from parity import drawing

IMAGES, CLASSES, SIZE_PX = 4, 3, 32
FACTS = (1, SIZE_PX, CLASSES)
KEPT_GRADIENTS = 2
"""Of each optimizer the gradients of so many first steps are compared."""


@dataclass(frozen=True, kw_only=True)
class TrainingCase:
    """A few batches through a recipe.

    Attributes:
        recipe: As shipped, but for the sizes of its networks.
        batches: How many.
        generator: Arguments of the generator.
        discriminator: Arguments of the discriminator.
        stage: Index of the recipe's stage.
    """

    recipe: str
    batches: int
    generator: Mapping[str, int] = field(default_factory=lambda: {"width": 4})
    discriminator: Mapping[str, int] = field(default_factory=lambda: {"width": 4})
    stage: int = 0

    @property
    def name(self) -> str:
        return f"{self.recipe}-{self.stage}"

    def images(self, batch: int) -> Tensor:
        return drawing.uniform(f"{self.name}: images {batch}", IMAGES, 1, SIZE_PX, SIZE_PX, low=-1)

    def labels(self, batch: int) -> Tensor:
        return drawing.integers(f"{self.name}: labels {batch}", IMAGES, CLASSES)

    def targets(self, batch: int) -> Tensor:
        return drawing.integers(f"{self.name}: targets {batch}", IMAGES, CLASSES)

    def wrong_labels(self, batch: int) -> Tensor:
        """Of pairs that do not match."""
        return drawing.other_integers(f"{self.name}: wrong labels {batch}", self.labels(batch), CLASSES)

    def source_units(self, batch: int) -> Tensor:
        return drawing.uniform(f"{self.name}: source units {batch}", IMAGES, 17)

    def target_units(self, batch: int) -> Tensor:
        """Those of other faces, displaced by up to 0.1 and not clamped."""
        return drawing.uniform(f"{self.name}: target units {batch}", IMAGES, 17, low=-0.1, high=1.1)

    def mix(self, batch: int) -> Tensor:
        """Where on the line to the generated image a penalty looks, 1 at the real one."""
        return drawing.uniform(f"{self.name}: uniform {batch}.0", IMAGES, 1, 1, 1)

    def noise(self, batch: int, size: int, draw: int = 0) -> Tensor:
        return drawing.normal(f"{self.name}: normal {batch}.{draw}", IMAGES, size)

    def references(self, batch: int) -> Tensor:
        """Two pictures of each target's class, ``(N, 2, C, H, W)``."""
        return drawing.uniform(f"{self.name}: references {batch}", IMAGES, 2, 1, SIZE_PX, SIZE_PX, low=-1)


_PATCHES = {"generator": {"width": 4, "residual_blocks": 1}}
_STYLED = {"width": 4, "most_channels": 8}

TRAINING_CASES = (
    TrainingCase(recipe="stargan", batches=10, **_PATCHES),
    TrainingCase(recipe="usgan", batches=5, **_PATCHES),
    TrainingCase(recipe="ganimation", batches=5, **_PATCHES),
    TrainingCase(recipe="attgan", batches=5),
    TrainingCase(recipe="stgan", batches=5),
    TrainingCase(
        recipe="starganv2",
        batches=2,
        generator={**_STYLED, "style_size": 4, "mapping_width": 8},
        discriminator=_STYLED,
    ),
    TrainingCase(recipe="icgan", batches=3, generator={"width": 4, "label_features": 8}),
    TrainingCase(recipe="icgan", batches=3, generator={"width": 4, "label_features": 8}, stage=1),
)
