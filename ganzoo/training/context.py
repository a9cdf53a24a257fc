"""One batch and what the networks make of it: forward passes that happen once, and only if a term asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from ganzoo.data.conditions import Condition, uniform_other
from ganzoo.losses.base import Generated, Side
from ganzoo.models.base import Discriminator, DiscriminatorOutput, Generator, GeneratorOutput

Judged = Generated | Literal["real", "mismatched"]
Product = TypeVar("Product")


class _Kept(NamedTuple):
    """A product and the networks it came from; an update of one of them makes it stale."""

    value: GeneratorOutput | DiscriminatorOutput
    networks: frozenset[str]


class StepContext:
    """The step context of :class:`ganzoo.losses.base.StepContext`, shared by all phases that run on one batch.

    It owns detaching: on the discriminator's side a generated image carries no graph to the generator. Its graph is kept
    all the same where a later phase of the batch trains the generator on the same image, which then need not be made again.

    Args:
        generator: Maker of faces.
        discriminator: Judge of faces.
        real: float ``(N, C, H, W)`` in [-1, 1].
        source_labels: int64 ``(N,)``.
        target_labels: int64 ``(N,)``.
        num_classes: K.
        random: Random generator on the images' device.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        real: Tensor,
        source_labels: Tensor,
        target_labels: Tensor,
        num_classes: int,
        random: torch.Generator,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.real, self.source_labels, self.target_labels = real, source_labels, target_labels
        self.num_classes, self.random = num_classes, random
        self.side: Side = "discriminator"
        self._with_graph: Collection[str] = ()
        self._kept: dict[tuple[str, bool], _Kept] = {}

    def begin(self, side: Side, with_graph: Collection[str]) -> None:
        """Starts a phase.

        Args:
            side: Player that it trains.
            with_graph: Generated images that this phase, or a later one on this batch, sends gradients through.
        """
        self.side, self._with_graph = side, with_graph

    def updated(self, networks: Collection[str]) -> None:
        """Forgets what came from networks that an optimiser has changed."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.networks.isdisjoint(networks)}

    def spent(self) -> None:
        """Forgets what carries a graph, which a backward pass has used up."""
        self._kept = {(name, graph): kept for (name, graph), kept in self._kept.items() if not graph}

    def generated(self, which: Generated) -> GeneratorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        output = self._once(which, which in self._with_graph)
        return output if self.side == "generator" else _detached(output)

    def scores(self, of: Judged) -> DiscriminatorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        key = (f"scores({of})", self.side == "generator")
        if key not in self._kept:
            if of == "real" or of == "mismatched":
                images, sources = self.real, frozenset({"discriminator"})
            else:
                images, sources = self.generated(of).image, frozenset({"discriminator", "generator"})
            self._kept[key] = _Kept(self.discriminate(images, of), sources)
        value = self._kept[key].value
        assert isinstance(value, DiscriminatorOutput)
        return value

    def discriminate(self, images: Tensor, like: Judged) -> DiscriminatorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        view = self.discriminator.spec.condition
        return self.discriminator(images) if view is None else self.discriminator(images, self._condition(like).view(view))

    def uniform(self, *shape: int) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return torch.rand(shape, device=self.real.device, generator=self.random)

    def normal(self, *shape: int) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return torch.randn(shape, device=self.real.device, generator=self.random)

    def _once(self, which: Generated, with_graph: bool) -> GeneratorOutput:
        for key in ((which, True), (which, with_graph)):
            if key in self._kept:
                value = self._kept[key].value
                assert isinstance(value, GeneratorOutput)
                return value
        with torch.set_grad_enabled(with_graph):
            value = self._generate(which)
        self._kept[which, with_graph] = _Kept(value, frozenset({"generator"}))
        return value

    def _generate(self, which: Generated) -> GeneratorOutput:
        spec = self.generator.spec
        condition = Condition(self.target_labels, self.source_labels, self.num_classes)
        if which == "cycle":
            start = self._once("fake", "cycle" in self._with_graph).image
            condition = Condition(self.source_labels, self.target_labels, self.num_classes)
        elif which == "self_reconstruction":
            start = self.real
            condition = Condition(self.source_labels, self.source_labels, self.num_classes)
        else:
            start = self.real if spec.takes_image else self._noise()
        return self.generator(start, condition.view(spec.condition or "onehot"))

    def _noise(self) -> Tensor:
        size = (len(self.real), self.generator.spec.noise_size)
        return self.normal(*size) if self.generator.spec.noise == "normal" else 2 * self.uniform(*size) - 1

    def _condition(self, of: Judged) -> Condition:
        if of == "mismatched":
            wrong = uniform_other(self.source_labels, self.num_classes, self.random)
            return Condition(wrong, self.source_labels, self.num_classes)
        target = self.target_labels if of == "fake" else self.source_labels
        return Condition(target, self.source_labels, self.num_classes)


def _detached(output: GeneratorOutput) -> GeneratorOutput:
    return output._replace(**{name: part.detach() for name, part in output._asdict().items() if part is not None})
