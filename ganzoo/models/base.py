"""The contracts of generators and discriminators: what they take, what they give, which sizes they accept."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError, did_you_mean, in_short, listed, shortened
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry

MOST_OF_A_KIND, LARGEST_NUMBER = 16_384, 1e9
"""Bounds of what a recipe may ask of a part: whole numbers of something (layers, features), and other numbers."""

ConditionView = Literal["onehot", "signed", "difference", "index", "action_units", "code"]
"""How a network wants its condition: one-hot, ±1 one-hot, target minus source one-hot, each ``(N, K)``; index ``(N,)``;
action units in [0, 1], ``(N, NUM_ACTION_UNITS)``; expression code in [-1, 1], ``(N, K * CODE_SIZE)``: each class has a block,
above 0 for the one shown and below for the others, and the distance from 0 is the intensity."""

NUM_ACTION_UNITS = 17
"""Width of the action-unit view: the units that OpenFace measures, as in GANimation."""

CODE_SIZE = 5
"""Length of a class's block in an expression code, as in ExprGAN."""


def condition_width(view: ConditionView | None, num_classes: int) -> int:
    """Length of the vector that a view other than ``index`` is; 0 for none."""
    if view is None:
        return 0
    return {"action_units": NUM_ACTION_UNITS, "code": CODE_SIZE * num_classes}.get(view, num_classes)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """What every network declares about itself.

    Attributes:
        condition: View of the condition it takes; None when it takes none.
        gives: Names of the output fields it fills.
        size_multiple_px: Image sizes must be multiples of this.
        min_size_px: Smallest image size.
        couples_batch: Whether an output depends on the other samples of the batch (batch norm, minibatch statistics);
            gradient penalties are refused on such a discriminator. Of any other network several batches may be asked in one
            pass.
        tiny: Arguments that make it small, for tests.
        no_gradient: Parameters (patterns such as ``*.bias``) that no gradient need reach, such as a bias before a norm, which
            takes it away again; the model says why. The conformance checks excuse them.
        revision: Raised when the network comes to compute something else from the same weights, or starts from other ones: runs
            of the earlier one are then another experiment.
    """

    condition: ConditionView | None
    gives: frozenset[str]
    size_multiple_px: int = 1
    min_size_px: int = 1
    couples_batch: bool = False
    tiny: Mapping[str, Any] = field(default_factory=dict)
    no_gradient: frozenset[str] = frozenset()
    revision: int = 1

    @property
    def uses_action_units(self) -> bool:
        """Whether the network takes or gives action units."""
        return self.condition == "action_units" or "action_units" in self.gives

    def size_problem(self, image_size_px: int) -> str | None:
        """Why the network cannot work at this size, or None."""
        if image_size_px < self.min_size_px:
            return f"needs images of at least {self.min_size_px} px, not {image_size_px}"
        if image_size_px % self.size_multiple_px:
            return f"needs a size that is a multiple of {self.size_multiple_px} px, not {image_size_px}"
        return None


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec(NetworkSpec):
    """What a generator declares.

    ``gives`` names what it gives beside the ``image``: ``attention``, or, for a :class:`LatentGenerator`, ``sample``, ``latent``
    and ``class_logits``, or ``style``, for a :class:`StyledGenerator`.

    Attributes:
        takes_image: Whether it translates a source image; False for noise-to-image.
        noise_size: Length of the standard-normal or uniform noise vector it takes, or encodes an image to; 0 for none.
        noise: Distribution of that vector.
        largest_value: Bound of its images' absolute values; above 1 for one that adds to the source and does not clamp.
        continuous: Whether it was made for conditions between the classes: ``GeneratorTranslator`` then offers intensities.
    """

    gives: frozenset[str] = frozenset({"image"})
    takes_image: bool = True
    noise_size: int = 0
    noise: Literal["normal", "uniform"] = "normal"
    largest_value: float = 1.0
    continuous: bool = False


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSpec(NetworkSpec):
    """What a discriminator declares.

    ``gives`` holds ``"scores"`` and perhaps ``"class_logits"``, ``"action_units"``, ``"code"``, or, for a
    :class:`LatentDiscriminator`, ``"latent_scores"``.

    Attributes:
        latent_size: Length of the latents it judges; 0 for none.
    """

    gives: frozenset[str] = frozenset({"scores"})
    latent_size: int = 0


class GeneratorOutput(NamedTuple):
    """What a generator returns.

    Attributes:
        image: float ``(N, C, H, W)``, nominally in [-1, 1].
        attention: float ``(N, 1, H, W)`` in [0, 1]; 1 keeps the source pixel.
        style: float ``(N, S)``, the style the image was made with.
    """

    image: Tensor
    attention: Tensor | None = None
    style: Tensor | None = None


class DiscriminatorOutput(NamedTuple):
    """What a discriminator returns.

    Attributes:
        scores: Realness logits ``(N, 1, h, w)`` (a patch map) or ``(N, 1)``; unbounded.
        class_logits: Class logits ``(N, K)``, where the discriminator classifies.
        action_units: Estimated action units ``(N, NUM_ACTION_UNITS)``, nominally in [0, 1], where it measures them.
        code: Estimated expression code ``(N, K * CODE_SIZE)`` in [-1, 1], where it measures it.
    """

    scores: Tensor
    class_logits: Tensor | None = None
    action_units: Tensor | None = None
    code: Tensor | None = None


class Generator(nn.Module):
    """Base of generators.

    A subclass takes ``image_channels``, ``image_size_px``, ``num_classes`` and its own keyword arguments, sets ``spec``, and
    its ``forward(image, condition)`` (or ``forward(noise, condition)`` where ``spec.takes_image`` is False) returns a
    :class:`GeneratorOutput`. ``image`` is float ``(N, C, H, W)`` in [-1, 1]; ``condition`` is the view named in the spec.
    """

    spec: ClassVar[GeneratorSpec]

    def __call__(self, source: Tensor, condition: Tensor) -> GeneratorOutput:
        output: GeneratorOutput = super().__call__(source, condition)
        return output


class LatentGenerator(Generator, ABC):
    """Base of generators that encode a face to a latent vector and decode that with an expression: G(E(x), c).

    Its parts can be trained in turn (``update: generator.decoder``).
    """

    @abstractmethod
    def sample(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Decodes noise ``(N, noise_size)`` in place of a face's latent."""

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """Latent vectors of images ``(N, C, H, W)``: float ``(N, noise_size)``."""


class LabelEncodingGenerator(LatentGenerator, ABC):
    """Base of latent generators with a second encoder, of the expression."""

    @abstractmethod
    def classify(self, image: Tensor) -> Tensor:
        """What expression the label encoder sees in images: unbounded ``(N, K)``."""


class StyledGenerator(Generator, ABC):
    """Base of generators that give a face a style: a vector that stands for one way to show an expression.

    ``forward`` takes one style for each class, without chance; ``spec.noise_size`` is the length of the noise of a style.
    """

    @abstractmethod
    def style_from_noise(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Styles ``(N, S)`` of an expression from noise ``(N, noise_size)``."""

    @abstractmethod
    def style_of(self, image: Tensor, condition: Tensor) -> Tensor:
        """Styles ``(N, S)`` with which images ``(N, C, H, W)`` show an expression."""

    @abstractmethod
    def restyle(self, image: Tensor, style: Tensor) -> GeneratorOutput:
        """Gives images styles ``(N, S)``."""


class Discriminator(nn.Module):
    """Base of discriminators.

    Constructed like a :class:`Generator`; ``forward(image)``, or ``forward(image, condition)`` where ``spec.condition`` is
    set, returns a :class:`DiscriminatorOutput`.
    """

    spec: ClassVar[DiscriminatorSpec]

    def __call__(self, image: Tensor, condition: Tensor | None = None) -> DiscriminatorOutput:
        output: DiscriminatorOutput = super().__call__(image) if condition is None else super().__call__(image, condition)
        return output


class PiecewiseLinearDiscriminator(Discriminator, ABC):
    """Base of discriminators of images alone that give the gradient of their scores without automatic differentiation.

    Between its kinks such a network is linear in the image, so the gradient is a chain of transposed layers: a gradient
    penalty then costs half of what differentiating twice costs.
    """

    @abstractmethod
    def score_gradient(self, image: Tensor, *, mean: bool) -> Tensor:
        """Gradient of the sum (or mean) of each image's patch scores with respect to its own pixels.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            mean: Whether an image's scores are averaged instead of summed.

        Returns:
            float ``(N, C, H, W)``, with a graph to the weights, and none to the image.
        """


class LatentDiscriminator(Discriminator, ABC):
    """Base of discriminators that also tell the latents of faces from draws of the generator's noise."""

    @abstractmethod
    def judge_latent(self, latent: Tensor) -> Tensor:
        """Realness logits ``(N, 1)`` of latents ``(N, latent_size)``; noise is what counts as real."""


def methods_of(network: nn.Module) -> list[str]:
    """What of a network can be called from outside: its forward pass and its own methods, such as ``encode``."""
    found = inspect.getmembers(network, inspect.ismethod)
    return [name for name, _ in found if not name.startswith("_") and (name == "forward" or not hasattr(nn.Module, name))]


def create_generator(name: str, *, image_channels: int, image_size_px: int, num_classes: int, **arguments: Any) -> Generator:
    """Builds the registered generator ``name``; ``arguments`` are its own, such as ``width``.

    Raises:
        GanzooError: Unknown name or argument, or a size it does not accept.
    """
    generator: Generator = _create(GENERATORS, name, image_channels, image_size_px, num_classes, arguments)
    return generator


def create_discriminator(
    name: str, *, image_channels: int, image_size_px: int, num_classes: int, **arguments: Any
) -> Discriminator:
    """Builds the registered discriminator ``name``; ``arguments`` are its own, such as ``width``.

    Raises:
        GanzooError: Unknown name or argument, or a size it does not accept.
    """
    discriminator: Discriminator = _create(DISCRIMINATORS, name, image_channels, image_size_px, num_classes, arguments)
    return discriminator


def _create(
    registry: Registry[Any], name: str, image_channels: int, image_size_px: int, num_classes: int, arguments: Mapping[str, Any]
) -> Any:
    network = registry.get(name)
    problems = argument_problems(network, arguments)
    if size_problem := network.spec.size_problem(image_size_px):
        problems.append(size_problem)
    if problems:
        raise GanzooError(f"{registry.kind.capitalize()} '{name}' {'; '.join(problems)}.")
    return network(image_channels=image_channels, image_size_px=image_size_px, num_classes=num_classes, **arguments)


def argument_problems(factory: Any, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with keyword ``arguments`` for a class or function, in words: unknown names, and values of another kind."""
    parameters = inspect.signature(factory).parameters
    wrong = [
        f"needs {wanted} for '{name}', not {in_short(value)}"
        for name, value in arguments.items()
        if name in parameters and (wanted := _wanted(value, parameters[name]))
    ]
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return wrong
    known = [name for name in parameters if name not in ("image_channels", "image_size_px", "num_classes", "self")]
    unknown = [name for name in arguments if name not in known]
    if len(unknown) > 1:
        return [*wrong, f"has no arguments {listed(unknown)}. It takes: {', '.join(known) or 'none'}"]
    return wrong + [
        f"has no argument '{shortened(name)}'.{did_you_mean(name, known)} It takes: {', '.join(known) or 'none'}"
        for name in unknown
    ]


def _wanted(value: Any, parameter: inspect.Parameter) -> str | None:
    """What must stand where a number or a word is the default, if ``value`` is none such; elsewhere anything of a sensible size.

    A whole number counts something where its default does; whether there may be none of it is for the network to say.
    """
    default = parameter.default
    if isinstance(value, int | float) and not isinstance(value, bool):
        counts = isinstance(value, int) and (default is None or isinstance(default, int) and default > 0)
        most = MOST_OF_A_KIND if counts else LARGEST_NUMBER
        if not abs(value) <= most:
            return f"at most {most:,.0f}"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a word"
    if isinstance(default, bool) or not isinstance(default, int | float):
        return None
    if value is None and "None" in str(parameter.annotation):
        return None
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return "a whole number" if whole else "a number"
    return "a whole number that is not negative" if whole and default > 0 > value else None


def zero_problems(factory: Any, arguments: Mapping[str, Any]) -> list[str]:
    """Arguments of 0 where the default is a larger whole number, in words: what to look at where a network cannot work."""
    parameters = inspect.signature(factory).parameters
    defaults = {name: parameters[name].default for name in arguments if name in parameters}
    return [
        f"needs at least 1 for '{name}', not 0"
        for name, default in defaults.items()
        if arguments[name] == 0 and isinstance(default, int) and default > 0
    ]


def output_problems(network: Any, output: Any, count: int, images: tuple[int, int, int]) -> list[str]:
    """Where what a network gave departs from the contract: type, shapes, or fields that its spec does not promise.

    Args:
        network: A generator or discriminator with a spec.
        output: What it gave.
        count: Images it was given.
        images: Channels, side in pixels, number of classes.
    """
    makes_images = isinstance(network.spec, GeneratorSpec)
    kind = GeneratorOutput if makes_images else DiscriminatorOutput
    if not isinstance(output, kind):
        return [f"gives a {type(output).__name__}, not a {kind.__name__}"]
    parts = {name: part for name, part in output._asdict().items() if part is not None}
    wanted = _output_shapes(count, images)
    problems = [problem for name, part in parts.items() if (problem := _part_problem(name, part, wanted[name]))]
    promised = network.spec.gives & set(kind._fields)
    problems += [f"gives no {name}, which its spec promises" for name in sorted(promised - parts.keys())]
    return problems + [f"gives {name}, which its spec does not declare" for name in sorted(parts.keys() - promised - {"image"})]


def _output_shapes(count: int, images: tuple[int, int, int]) -> dict[str, tuple[int | None, ...]]:
    """Output field -> its shape; None is any length, and realness may be a map."""
    channels, size_px, classes = images
    return {
        "image": (count, channels, size_px, size_px),
        "attention": (count, 1, size_px, size_px),
        "style": (count, None),
        "scores": (count, 1),
        "class_logits": (count, classes),
        "action_units": (count, NUM_ACTION_UNITS),
        "code": (count, classes * CODE_SIZE),
    }


def _part_problem(name: str, part: Any, wanted: tuple[int | None, ...]) -> str | None:
    if not isinstance(part, Tensor):
        return f"gives a {type(part).__name__} as {name}, not a tensor"
    shape = tuple(part.shape)
    own = shape[:2] if name == "scores" and len(shape) == 4 else shape  # a map of scores
    if len(own) != len(wanted) or any(side not in (None, found) for side, found in zip(wanted, own, strict=True)):
        sides = ", ".join("any" if side is None else str(side) for side in wanted)
        return f"gives {name} of shape {shape}, not ({sides}){' or a map of them' if name == 'scores' else ''}"
    return None if part.dtype == torch.float32 else f"gives {name} as {part.dtype}, not float32"
