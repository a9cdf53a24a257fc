"""A trained generator as a function from faces and expressions to faces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganzoo.config import ScorePrecision
from ganzoo.data.conditions import Condition
from ganzoo.data.expressions import class_prototypes
from ganzoo.errors import GanzooError
from ganzoo.models.base import ConditionView, Generator, GeneratorOutput, StyledGenerator
from ganzoo.training.compilation import as_written
from ganzoo.training.seeding import derived_seed


class GeneratorTranslator:
    """Runs a generator in evaluation mode, without gradients.

    Args:
        generator: On its device; its training mode is left as it was.
        class_names: Expression of each label.
        device: Where it runs.
        precision: ``32`` or ``bf16``, of its forward passes.
        noise_seed: Seed of the noise of a generator that takes noise, so that scoring it again gives the same faces.
    """

    def __init__(
        self,
        generator: Generator,
        class_names: Sequence[str],
        device: torch.device,
        precision: ScorePrecision = "32",
        noise_seed: int = 0,
    ) -> None:
        self.generator, self.class_names, self.device, self.precision = generator, tuple(class_names), device, precision
        self.takes_image = generator.spec.takes_image
        self._noise_seed = derived_seed(noise_seed, "noise")
        self._noise = torch.Generator().manual_seed(self._noise_seed)

    def restart_noise(self) -> None:
        """Goes back to the first noise, so that the same calls give the same faces again."""
        self._noise.manual_seed(self._noise_seed)

    def __call__(
        self, images: Tensor, source: Tensor | None, target: Tensor, *, intensity: float = 1.0, style: int | None = None
    ) -> Tensor:
        """Translates faces.

        Args:
            images: float ``(N, C, H, W)`` in [-1, 1]; only their number matters to a generator that takes noise.
            source: Present class, int64 ``(N,)``; None where unknown.
            target: Wanted class, int64 ``(N,)``.
            intensity: How far to go from the present expression (0) to the wanted one (1), or beyond.
            style: Seed of a random style, one for all faces, for a generator that works with styles; None for its mean style.

        Returns:
            float32 ``(N, C, H, W)``, nominally in [-1, 1], not clamped, on the generator's device.

        Raises:
            GanzooError: The generator offers no intensities or styles, or must know the present expression.
        """
        start = images if self.takes_image else self._drawn(len(target), self._noise)
        styles = None if style is None else self._seeded(torch.tensor([style])).expand(len(target), -1)
        return self._run(start, self._condition(source, target, intensity), styles)

    @property
    def varies(self) -> bool:
        """Whether one face may be given one expression in several ways: by styles, or by the noise it is drawn from."""
        return isinstance(self.generator, StyledGenerator) or not self.takes_image

    def vary(self, images: Tensor, source: Tensor | None, target: Tensor, seeds: Tensor) -> Tensor:
        """Translates faces as a call does, each in the style, or from the noise, of its own seed.

        Args:
            images: float ``(N, C, H, W)`` in [-1, 1]; only their number matters to a generator that takes noise.
            source: Present class, int64 ``(N,)``; None where unknown.
            target: Wanted class, int64 ``(N,)``.
            seeds: int64 ``(N,)``; the same seed gives the same style, whatever the other faces are.

        Raises:
            GanzooError: The generator has neither styles nor noise.
        """
        if not self.varies:
            raise GanzooError("This generator has neither styles nor noise: it gives one face for each expression.")
        noise, condition = self._seeded(seeds), self._condition(source, target, 1.0)
        return self._run(images, condition, noise) if self.takes_image else self._run(noise, condition, None)

    def _run(self, start: Tensor, condition: Tensor, styles: Tensor | None) -> Tensor:
        """One forward pass; ``styles`` are the noise ``(N, noise_size)`` that styles are made of."""
        was_training = self.generator.training
        self.generator.eval()
        in_precision = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with as_written(self.generator), torch.inference_mode(), in_precision:
            output = self._generated(start.to(self.device), condition.to(self.device), styles).image.float()
        self.generator.train(was_training)
        return output

    def _generated(self, start: Tensor, condition: Tensor, styles: Tensor | None) -> GeneratorOutput:
        if styles is None:
            return self.generator(start, condition)
        if not isinstance(self.generator, StyledGenerator):
            raise GanzooError("This generator has no styles: it gives one face for each expression.")
        return self.generator.restyle(start, self.generator.style_from_noise(styles.to(self.device), condition))

    def _condition(self, source: Tensor | None, target: Tensor, intensity: float) -> Tensor:
        spec = self.generator.spec
        view = spec.condition or "onehot"
        if view == "difference" and source is None:
            raise GanzooError("This generator is told the difference of expressions: give the present one as source=.")
        wanted = self._view(view, target, target if source is None else source)
        if intensity == 1:
            return wanted
        if not spec.continuous:
            raise GanzooError(f"This generator knows whole expressions only: the intensity must be 1, not {intensity:g}.")
        if source is None and view not in ("action_units", "code"):
            raise GanzooError("An intensity lies between two expressions: give the present one as source=.")
        # No action units at all, or a code of zeros, is a face without expression.
        present = torch.zeros_like(wanted) if source is None else self._view(view, source, source)
        return present + intensity * (wanted - present)

    def _view(self, view: ConditionView, target: Tensor, source: Tensor) -> Tensor:
        if view == "action_units":
            return class_prototypes(self.class_names)[target.cpu()]
        return Condition(target, source, len(self.class_names)).view(view)

    def _seeded(self, seeds: Tensor) -> Tensor:
        """Noise of seeds ``(N,)``: float ``(N, noise_size)``."""
        return torch.cat([self._drawn(1, torch.Generator().manual_seed(seed)) for seed in seeds.tolist()])

    def _drawn(self, count: int, random: torch.Generator) -> Tensor:
        spec = self.generator.spec
        if spec.noise == "normal":
            return torch.randn(count, spec.noise_size, generator=random)
        return 2 * torch.rand(count, spec.noise_size, generator=random) - 1
