"""A trained generator as a function from faces and expressions to faces."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ganzoo.data.conditions import Condition
from ganzoo.models.base import Generator
from ganzoo.training.seeding import derived_seed


class GeneratorTranslator:
    """Runs a generator in evaluation mode, without gradients.

    Args:
        generator: On its device; its training mode is left as it was.
        num_classes: K.
        device: Where it runs.
        autocast: Precision of its forward passes; float32 where left out.
        noise_seed: Seed of the noise of a generator that takes noise, so that scoring it again gives the same faces.
    """

    def __init__(
        self,
        generator: Generator,
        num_classes: int,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        noise_seed: int = 0,
    ) -> None:
        self.generator, self.num_classes, self.device, self.autocast = generator, num_classes, device, autocast
        self.takes_image = generator.spec.takes_image
        self._noise_seed = derived_seed(noise_seed, "noise")
        self._noise = torch.Generator().manual_seed(self._noise_seed)

    def restart_noise(self) -> None:
        """Goes back to the first noise, so that the same calls give the same faces again."""
        self._noise.manual_seed(self._noise_seed)

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Translates faces.

        Args:
            images: float ``(N, C, H, W)`` in [-1, 1]; only their number matters to a generator that takes noise.
            source: Present class, int64 ``(N,)``.
            target: Wanted class, int64 ``(N,)``.

        Returns:
            float32 ``(N, C, H, W)``, nominally in [-1, 1], not clamped, on the generator's device.
        """
        spec = self.generator.spec
        was_training = self.generator.training
        self.generator.eval()
        start = images.to(self.device) if spec.takes_image else self._draw(len(target))
        condition = Condition(target.to(self.device), source.to(self.device), self.num_classes).view(spec.condition or "onehot")
        with torch.inference_mode(), self.autocast():
            output = self.generator(start, condition).image.float()
        self.generator.train(was_training)
        return output

    def _draw(self, count: int) -> Tensor:
        spec = self.generator.spec
        if spec.noise == "normal":
            noise = torch.randn(count, spec.noise_size, generator=self._noise)
        else:
            noise = 2 * torch.rand(count, spec.noise_size, generator=self._noise) - 1
        return noise.to(self.device)
