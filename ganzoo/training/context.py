"""One batch and what the networks make of it: forward passes that happen once, and only if a term asks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from ganzoo.data.conditions import Condition, other_of_batch, uniform_other
from ganzoo.data.resident import Batch
from ganzoo.errors import GanzooError
from ganzoo.losses.base import Generated, Judged, Reduction, Side
from ganzoo.models.base import (
    CODE_SIZE,
    ConditionView,
    Discriminator,
    DiscriminatorOutput,
    Generator,
    GeneratorOutput,
    LabelEncodingGenerator,
    LatentDiscriminator,
    LatentGenerator,
    PiecewiseLinearDiscriminator,
    StyledGenerator,
)
from ganzoo.training.features import layer_inputs

Role = Literal["source", "target"]
StyleFrom = Literal["noise", "reference"]
_REAL: frozenset[Judged] = frozenset({"real", "mismatched", "mismatched_as_data"})


class _Kept(NamedTuple):
    """A product, the networks it came from (an update of one of them makes it stale), and what their layers were fed with."""

    value: GeneratorOutput | DiscriminatorOutput
    networks: frozenset[str]
    features: tuple[Tensor, ...] = ()


class Asked(NamedTuple):
    """A batch of faces, what is asked of them, and, where it was made ahead, what the generator answers.

    Attributes:
        images: float ``(N, C, H, W)`` in [-1, 1].
        labels: Present expressions, int64 ``(N,)``.
        targets: Wanted expressions, int64 ``(N,)``.
        source_units: Action units of the faces, float32 ``(N, 17)``, where a network works in them.
        target_units: Those wanted, likewise.
        fake: G(x, target), like the images, without a graph; None where the step makes it.
        attention: What the generator gave beside it, float ``(N, 1, H, W)``, if anything.
        references: Two pictures of each target, float ``(N, 2, C, H, W)`` in [-1, 1], where the recipe draws them.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor
    source_units: Tensor | None = None
    target_units: Tensor | None = None
    fake: Tensor | None = None
    attention: Tensor | None = None
    references: Tensor | None = None


Parts = TypeVar("Parts", Asked, Batch)
"""A batch, before and after something is asked of it."""


def depends_on_asked_alone(generator: Generator) -> bool:
    """Whether G(x, target) follows from what is asked of the batch; styles and intensities are drawn by the step itself."""
    return not isinstance(generator, StyledGenerator) and generator.spec.condition != "code"


class StepContext:
    """The step context of :class:`ganzoo.losses.base.StepContext`, shared by all phases that run on one batch.

    It owns detaching: on the discriminator's side a generated image carries no graph to the generator. Its graph is kept
    all the same where a later phase of the batch trains the generator on the same image, which then need not be made again.

    Args:
        generator: Maker of faces.
        discriminator: Judge of faces.
        asked: The batch.
        num_classes: K.
        random: Random generator on the images' device.
        keep_features: Whether the features of the discriminator's layers will be asked for.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        asked: Asked,
        num_classes: int,
        random: torch.Generator,
        keep_features: bool = False,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.real, self.source_labels, self.target_labels = asked.images, asked.labels, asked.targets
        self.num_classes, self.random = num_classes, random
        self._references = asked.references
        self._units = {"source": asked.source_units, "target": asked.target_units}
        self._keep_features = keep_features
        self._sampled_noise: Tensor | None = None
        self._intensities: Tensor | None = None
        self._style_from: StyleFrom = "noise"
        self._style_noise: dict[int, Tensor] = {}
        self.side: Side = "discriminator"
        self._with_graph: Collection[str] = ()
        self._kept: dict[tuple[str, bool], _Kept] = {}
        if asked.fake is not None:
            self._kept["fake", False] = _Kept(GeneratorOutput(asked.fake, asked.attention), frozenset({"generator"}))

    def begin(self, side: Side, with_graph: Collection[str], style_from: StyleFrom = "noise") -> None:
        """Starts a phase.

        Args:
            side: Player that it trains.
            with_graph: Generated images that this phase, or a later one on this batch, sends gradients through.
            style_from: Where the targets' styles come from, for a generator that works with styles.
        """
        self.side, self._with_graph, self._style_from = side, with_graph, style_from

    def updated(self, networks: Collection[str]) -> None:
        """Forgets what came from networks that an optimiser has changed."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.networks.isdisjoint(networks)}

    def spent(self) -> None:
        """Forgets the graphs that the present side's backward pass has used up; images stay, without one."""
        if self.side == "discriminator":
            self.updated({"discriminator"})
            return
        images = {name: kept for (name, graph), kept in self._kept.items() if graph and isinstance(kept.value, GeneratorOutput)}
        self._kept = {(name, graph): kept for (name, graph), kept in self._kept.items() if not graph}
        for name, (value, networks, features) in images.items():
            assert isinstance(value, GeneratorOutput)
            self._kept[name, False] = _Kept(_detached(value), networks, features)

    def generated(self, which: Generated) -> GeneratorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        output = self._once(which, which in self._with_graph)
        return output if self.side == "generator" else _detached(output)

    def noise(self) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        if self._sampled_noise is None:
            self._sampled_noise = self._noise()
        return self._sampled_noise

    def encoded(self, of: Generated | Literal["real"]) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return self._latent_generator().encode(self.real if of == "real" else self.generated(of).image)

    def classified(self, of: Generated | Literal["real"]) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        assert isinstance(self.generator, LabelEncodingGenerator), "its spec promises class logits"
        return self.generator.classify(self.real if of == "real" else self.generated(of).image)

    def latent_scores(self, of: Literal["real", "prior"]) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        assert isinstance(self.discriminator, LatentDiscriminator), "its spec promises scores of latents"
        if of == "prior":
            return self.discriminator.judge_latent(self.noise())
        latent = self.encoded("real")
        return self.discriminator.judge_latent(latent if self.side == "generator" else latent.detach())

    def style_of(self, of: Generated) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        assert isinstance(self.generator, StyledGenerator), "its spec promises styles"
        return self.generator.style_of(self.generated(of).image, self.target_labels)

    def action_units(self, of: Role) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        units = self._units[of]
        if units is None:
            raise GanzooError("Action units are asked for, but the data give none.")
        return units

    def code(self, of: Role) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        if self._intensities is None:
            self._intensities = self.uniform(len(self.real), CODE_SIZE)
        labels = self.source_labels if of == "source" else self.target_labels
        return Condition(labels, labels, self.num_classes).view("code") * self._intensities.repeat(1, self.num_classes)

    def scores(self, of: Judged) -> DiscriminatorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        value = self._judged(of).value
        assert isinstance(value, DiscriminatorOutput)
        return value

    def real_and_generated_scores(self, of: Generated) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """See :class:`ganzoo.losses.base.StepContext`."""
        fresh = self._kept.keys().isdisjoint({self._scores_key("real"), self._scores_key(of)})
        if fresh and self.side == "discriminator" and not self.discriminator.spec.couples_batch:
            self._judge("real", of)
        return self.scores("real"), self.scores(of)

    def features(self, of: Generated | Literal["real"]) -> tuple[Tensor, ...]:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return self._judged(of).features

    def discriminate(self, images: Tensor, like: Judged) -> DiscriminatorOutput:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return self.discriminator(images, self._judged_under(like))

    def score_gradient(self, images: Tensor, like: Generated | Literal["real"], reduction: Reduction) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        if isinstance(self.discriminator, PiecewiseLinearDiscriminator):
            return self.discriminator.score_gradient(images.detach(), mean=reduction == "mean")
        points = images.detach().requires_grad_(True)
        scores = self.discriminate(points, like).scores.flatten(1)
        per_image = scores.sum(1) if reduction == "sum" else scores.mean(1)
        (gradient,) = torch.autograd.grad(per_image.sum(), points, create_graph=True)
        return gradient

    def uniform(self, *shape: int) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return torch.rand(shape, device=self.real.device, generator=self.random)

    def normal(self, *shape: int) -> Tensor:
        """See :class:`ganzoo.losses.base.StepContext`."""
        return torch.randn(shape, device=self.real.device, generator=self.random)

    def _judged(self, of: Judged) -> _Kept:
        key = self._scores_key(of)
        if key not in self._kept:
            self._judge(of)
        return self._kept[key]

    def _judge(self, *kinds: Judged) -> None:
        """One pass of the discriminator over images of each kind, as many of one as of another; keeps each kind's output."""
        images = [self._shown(of) for of in kinds]
        conditions = [condition for of in kinds if (condition := self._judged_under(of)) is not None]
        # No generator is behind real images: on its side their scores are constants, without a graph.
        constant = self.side == "generator" and _REAL.issuperset(kinds)
        watch = layer_inputs(self.discriminator, watch=self._keep_features)
        with torch.no_grad() if constant else nullcontext(), watch as fed:
            output = self.discriminator(_joined(images), _joined(conditions) if conditions else None)
        for index, of in enumerate(kinds):
            networks = frozenset({"discriminator"} if of in _REAL else {"discriminator", "generator"})
            own, features = (share(parts, index, len(kinds)) for parts in (output, fed))
            self._kept[self._scores_key(of)] = _Kept(DiscriminatorOutput(*own), networks, features)

    def _shown(self, of: Judged) -> Tensor:
        if of == "real" or of == "mismatched" or of == "mismatched_as_data":
            return self.real
        return self.generated(of).image

    def _judged_under(self, kind: Judged) -> Tensor | None:
        """The condition under which a discriminator that reads one judges a kind of images."""
        view = self.discriminator.spec.condition
        if view is None:
            return None
        if kind in ("mismatched", "mismatched_as_data"):
            draw = uniform_other if kind == "mismatched" else other_of_batch
            wrong = draw(self.source_labels, self.num_classes, self.random)
            return Condition(wrong, self.source_labels, self.num_classes).view(view)
        return self._condition(view, "target" if kind in ("fake", "sample") else "source")

    def _scores_key(self, of: Judged) -> tuple[str, bool]:
        return self._named(f"scores({of})"), self.side == "generator"

    def _once(self, which: Generated, with_graph: bool) -> GeneratorOutput:
        name = self._named(which)
        for key in ((name, True), (name, with_graph)):
            if key in self._kept:
                value = self._kept[key].value
                assert isinstance(value, GeneratorOutput)
                return value
        with torch.set_grad_enabled(with_graph):
            value = self._generate(which)
        self._kept[name, with_graph] = _Kept(value, frozenset({"generator"}))
        return value

    def _named(self, product: str) -> str:
        """The name under which a product is kept: what comes of other styles is another product."""
        return product if self._style_from == "noise" else f"{product} by {self._style_from}"

    def _generate(self, which: Generated) -> GeneratorOutput:
        spec = self.generator.spec
        view = spec.condition or "onehot"
        if isinstance(self.generator, StyledGenerator):
            return self._restyle(self.generator, which)
        if which == "cycle":
            start = self._once("fake", "cycle" in self._with_graph).image
            return self.generator(start, self._condition(view, "source", of="target"))
        if which == "self_reconstruction":
            return self.generator(self.real, self._condition(view, "source"))
        if which == "sample":
            return self._latent_generator().sample(self.noise(), self._condition(view, "target"))
        return self.generator(self.real if spec.takes_image else self._noise(), self._condition(view, "target"))

    def _restyle(self, generator: StyledGenerator, which: Generated) -> GeneratorOutput:
        if which in ("cycle", "self_reconstruction"):
            start = self._once("fake", "cycle" in self._with_graph).image if which == "cycle" else self.real
            return generator.restyle(start, generator.style_of(self.real, self.source_labels))
        return generator.restyle(self.real, self._target_style(generator, draw=int(which == "fake_again")))

    def _target_style(self, generator: StyledGenerator, draw: int) -> Tensor:
        """The styles of the targets; the same draw, 0 or 1, gives the same ones throughout the batch."""
        if self._style_from == "reference":
            assert self._references is not None, "compatibility.py asks for them"
            return generator.style_of(self._references[:, draw], self.target_labels)
        if draw not in self._style_noise:
            self._style_noise[draw] = self._noise()
        return generator.style_from_noise(self._style_noise[draw], self.target_labels)

    def _latent_generator(self) -> LatentGenerator:
        assert isinstance(self.generator, LatentGenerator), "its spec promises latents"
        return self.generator

    def _noise(self) -> Tensor:
        size = (len(self.real), self.generator.spec.noise_size)
        return self.normal(*size) if self.generator.spec.noise == "normal" else 2 * self.uniform(*size) - 1

    def _condition(self, view: ConditionView, wanted: Role, of: Role = "source") -> Tensor:
        """What is asked of faces that have the expressions ``of``."""
        if view == "action_units":
            return self.action_units(wanted)
        if view == "code":
            return self.code(wanted)
        labels = {"source": self.source_labels, "target": self.target_labels}
        return Condition(labels[wanted], labels[of], self.num_classes).view(view)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def joined(parts: Sequence[Parts]) -> Parts:
    """Several batches as one."""
    columns: Iterable[Any] = zip(*parts, strict=True)
    return type(parts[0])._make(None if column[0] is None else torch.cat(column) for column in columns)


def share(parts: Iterable[Tensor | None], index: int, count: int) -> tuple[Any, ...]:
    """What belongs to one of ``count`` equal shares of a batch."""
    return tuple(part if part is None or count == 1 else part.chunk(count)[index] for part in parts)


def _detached(output: GeneratorOutput) -> GeneratorOutput:
    return output._replace(**{name: part.detach() for name, part in output._asdict().items() if part is not None})
