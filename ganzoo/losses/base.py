"""What a loss term is, and what it may ask of a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from ganzoo.models.base import DiscriminatorOutput, GeneratorOutput

Side = Literal["generator", "discriminator"]
"""Which of the two players a phase trains; a phase that updates the discriminator is its side, any other the generator's."""

Generated = Literal["fake", "cycle", "self_reconstruction", "sample", "fake_again"]
"""Images a generator makes in a step: G(x, target), G(G(x, target), source), G(x, source), from noise and target alone, or
G(x, target) in another style, which never carries a graph."""

Judged = Generated | Literal["real", "mismatched", "mismatched_as_data"]
"""Images that a discriminator judges."""

Reduction = Literal["sum", "mean"]
"""How the patch scores of an image become one number."""

Need = Literal[
    "fake",
    "cycle",
    "self_reconstruction",
    "sample",
    "fake_again",
    "attention",
    "latent",
    "style",
    "label_encoder",
    "scores",
    "class_logits",
    "action_units",
    "condition",
    "input_gradient",
    "features",
    "source",
    "code",
    "code_estimate",
    "latent_scores",
]
"""What a term needs of the networks: images of the generator, its attention masks, latents, styles, label encoder; a
discriminator, one with a classifier, one that measures action units, one that reads the condition, one whose output for an
image depends on that image alone, its layers' features; a generator whose images have a source, or that is told expression
codes; a discriminator that measures those, or that judges latents."""


class StepContext(Protocol):
    """One batch, and the products of the networks that terms may ask for; each is computed once.

    On the discriminator's side the generated images carry no graph to the generator.

    Attributes:
        side: Which player is trained now.
        real: Source images, float ``(N, C, H, W)`` in [-1, 1].
        source_labels: Expression of each source, int64 ``(N,)``.
        target_labels: Wanted expression, int64 ``(N,)``.
        num_classes: K.
    """

    side: Side
    real: Tensor
    source_labels: Tensor
    target_labels: Tensor
    num_classes: int

    def generated(self, which: Generated) -> GeneratorOutput:
        """The generator's output: G(x, target) for ``fake`` and so on."""
        ...

    def noise(self) -> Tensor:
        """The noise that ``sample`` is made of: float ``(N, noise_size)``."""
        ...

    def encoded(self, of: Generated | Literal["real"]) -> Tensor:
        """The generator's latent of real or generated images: float ``(N, noise_size)``."""
        ...

    def classified(self, of: Generated | Literal["real"]) -> Tensor:
        """What the generator's label encoder says of real or generated images: ``(N, K)``."""
        ...

    def style_of(self, of: Generated) -> Tensor:
        """The style that the generator's style encoder finds in a generated image of the target's class: ``(N, S)``."""
        ...

    def action_units(self, of: Literal["source", "target"]) -> Tensor:
        """Action units of the source faces, float32 ``(N, 17)`` in [0, 1], or those wanted, which may leave it by 0.1."""
        ...

    def code(self, of: Literal["source", "target"]) -> Tensor:
        """Expression code of the sources or of the targets, at a random intensity: float ``(N, K * CODE_SIZE)`` in [-1, 1].

        The intensities of a face, one for each number of a class's block, stay the same throughout the batch.
        """
        ...

    def latent_scores(self, of: Literal["real", "prior"]) -> Tensor:
        """The discriminator's realness logits ``(N, 1)`` of the real images' latents, or of ``noise``.

        On the discriminator's side the latents carry no graph to the generator.
        """
        ...

    def scores(self, of: Judged) -> DiscriminatorOutput:
        """The discriminator's output for real or generated images, each with the condition it should have.

        ``mismatched`` are the real images with a wrong expression, any as often as another; ``mismatched_as_data`` with that of
        another image of the batch, so that wrong expressions are as frequent as in the data.
        """
        ...

    def real_and_generated_scores(self, of: Generated) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """:meth:`scores` of the real images and of generated ones, from one pass where the discriminator judges one by one."""
        ...

    def features(self, of: Generated | Literal["real"]) -> tuple[Tensor, ...]:
        """What the discriminator's layers, but for the first, are fed with as it judges ``of``: float ``(N, ...)`` each."""
        ...

    def discriminate(self, images: Tensor, like: Generated | Literal["real"]) -> DiscriminatorOutput:
        """The discriminator's output for other images, under the condition that ``like`` has; not kept."""
        ...

    def score_gradient(self, images: Tensor, like: Generated | Literal["real"], reduction: Reduction) -> Tensor:
        """Gradient of each image's score with respect to its own pixels, float ``(N, C, H, W)``, with a graph to the weights.

        The score of an image is the ``sum`` or the ``mean`` of its patch map, under the condition that ``like`` has; no
        graph leads to ``images``.
        """
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Fresh random numbers, uniform in [0, 1), from the run's generator."""
        ...

    def normal(self, *shape: int) -> Tensor:
        """Fresh random numbers, standard normal, from the run's generator."""
        ...


class LossTerm(Protocol):
    """A callable that returns one scalar; it never steps, detaches or zeroes anything.

    What changes from step to step stands in a tensor, and nothing is read back from the device: steps may be recorded and
    replayed, and what Python counts, draws or keeps is then frozen.
    Registered classes (or functions that return a term) are called with the recipe's keyword arguments. A term that carries
    something from step to step is an ``nn.Module`` with it in buffers: the trainer moves it to the device and saves it.

    Attributes:
        sides: Sides it can serve.

    A term whose weight may be negative says so by a class attribute ``takes_negative_weights = True``: one that is to grow as
    the other terms fall. Of any other a negative weight would train for the opposite of what it measures, and is refused.
    """

    sides: ClassVar[frozenset[Side]]

    def needs(self, side: Side) -> frozenset[Need]:
        """What it needs on that side."""
        ...

    def __call__(self, context: StepContext) -> Tensor:
        """The value for the batch: a float32 scalar, before its weight."""
        ...


BOTH: frozenset[Side] = frozenset({"generator", "discriminator"})
GENERATOR: frozenset[Side] = frozenset({"generator"})
DISCRIMINATOR: frozenset[Side] = frozenset({"discriminator"})

LossFactory = Callable[..., LossTerm]
