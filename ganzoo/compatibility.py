"""Whether a recipe fits together and fits a dataset: every mismatch at once, in words, before anything is allocated."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ganzoo.config import Component, Phase, Recipe
from ganzoo.data.conditions import shared_prototypes, without_prototype
from ganzoo.data.expressions import EMOTIONS
from ganzoo.errors import GanzooError, in_one_line, in_short, is_interrupt, listed, shortened
from ganzoo.faults import reason_in_words
from ganzoo.losses.base import LossTerm
from ganzoo.models.base import DiscriminatorSpec, GeneratorSpec, NetworkSpec, argument_problems, zero_problems
from ganzoo.models.cost import trial_problems
from ganzoo.registry import DISCRIMINATORS, GENERATORS, LOSSES

NETWORKS = ("generator", "discriminator")
_MOST_PROBLEMS = 50
"""Problems that are looked for; fewer are told."""
_TRIED: dict[tuple[Any, str, ImageFacts], list[str]] = {}
_SPECS: dict[str, type[NetworkSpec]] = {"generator": GeneratorSpec, "discriminator": DiscriminatorSpec}


class ImageFacts(NamedTuple):
    """What networks must know of the data: channels, side in pixels, number of classes."""

    image_channels: int
    image_size_px: int
    num_classes: int


def check_compatible(recipe: Recipe, images: ImageFacts, class_names: Sequence[str] = ()) -> None:
    """Checks networks, terms and data against one another.

    Raises:
        GanzooError: There is no such network, or they do not fit; the message gives every reason.
    """
    GENERATORS.get(recipe.generator.name)
    DISCRIMINATORS.get(recipe.discriminator.name)
    problems = list(dict.fromkeys(islice(find_problems(recipe, images, class_names), _MOST_PROBLEMS)))
    if problems:
        raise GanzooError(f"Recipe '{shortened(recipe.name)}' cannot run on this data: {listed(problems, '; ', most=20)}.")


def check_terms(recipe: Recipe) -> None:
    """Checks the terms of a recipe by themselves: what can be told before any data are read.

    Raises:
        GanzooError: A term is unknown or cannot be built as the recipe has it; the message gives the reasons.
    """
    phases = (phase for stage in recipe.stages for phase in stage.phases)
    found = (problem for phase in phases for problem in _phase_problems(phase, {}))
    if problems := list(dict.fromkeys(islice(found, _MOST_PROBLEMS))):
        raise GanzooError(f"Recipe '{shortened(recipe.name)}' cannot run: {listed(problems, '; ')}.")


def find_problems(recipe: Recipe, images: ImageFacts, class_names: Sequence[str] = ()) -> Iterator[str]:
    """Every mismatch, in words; the names of the classes matter to networks that work in action units."""
    specs: dict[str, Any] = {}
    for role, registry, component in (
        ("generator", GENERATORS, recipe.generator),
        ("discriminator", DISCRIMINATORS, recipe.discriminator),
    ):
        try:
            network = registry.get(component.name)
        except GanzooError as error:
            yield str(error).rstrip(".")
            continue
        if not isinstance(getattr(network, "spec", None), _SPECS[role]):
            yield f"{role} '{component.name}' declares no spec: it must be a {_SPECS[role].__name__}"
            continue
        specs[role] = network.spec
        problems = argument_problems(network, component.arguments)
        if problem := network.spec.size_problem(images.image_size_px):
            problems.append(problem)
        if not problems and (problems := _trial_problems(role, network, component, images)):
            problems = zero_problems(network, component.arguments) or problems
        yield from (f"{role} '{component.name}' {problem}" for problem in problems)
    if any(spec.uses_action_units for spec in specs.values()):
        if strangers := without_prototype(class_names):
            known = ", ".join(EMOTIONS)
            yield (
                f"it works in action units, and there is no prototype for the expressions {', '.join(strangers)} "
                f"(there is one for {known}, in any case and by other names such as anger or happiness)"
            )
        if twins := shared_prototypes(class_names):
            yield f"it works in action units, in which the classes {', '.join(twins)} are the same"
    if images.num_classes < 2:
        yield f"translation needs at least 2 classes, not {images.num_classes}"
    yield from (f"optimizers names no network '{name}'" for name in recipe.optimizers if name.split(".")[0] not in NETWORKS)
    for stage in recipe.stages:
        for phase in stage.phases:
            yield from _phase_problems(phase, specs)
            if phase.style == "reference" and recipe.targets != "reference":
                yield "style: reference needs targets: reference, which draws pictures of each target"


def _trial_problems(role: str, network: Any, component: Component, images: ImageFacts) -> list[str]:
    """What a forward pass that traces shapes alone runs into, such as a width of -4 or an output of a wrong shape.

    It is made once: seeds and suites ask for the same networks again and again.
    """
    key = (network, repr(component), images)
    if key not in _TRIED:
        _TRIED[key] = _tried(role, component, images)
    return _TRIED[key]


def _tried(role: str, component: Component, images: ImageFacts) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of empty layers, which the reason names anyway
            return trial_problems(component.name, component.arguments, images, role)
    except GanzooError as error:
        return [f"cannot be built: {str(error).rstrip('.')}"]
    except BaseException as error:  # whatever a network from elsewhere raises
        if is_interrupt(error):
            raise
        settings = listed([f"{name}={in_short(value)}" for name, value in component.arguments.items()])
        reason = reason_in_words(error).rstrip(".")
        return [f"cannot work with {settings or 'its own settings'} on such images ({reason})"]


def _phase_problems(phase: Phase, specs: dict[str, Any]) -> Iterator[str]:
    yield from (f"there is no network '{name}' to update" for name in sorted(phase.networks) if name not in NETWORKS)
    if phase.networks >= set(NETWORKS):
        yield "a phase updates generator and discriminator by the same terms; give each its own phase"
    for name, settings in phase.terms.items():
        try:
            factory = LOSSES.get(settings.loss_term or name)
            unknown = argument_problems(factory, settings.arguments)
            term = None if unknown else factory(**settings.arguments)
        except GanzooError as error:
            yield str(error).rstrip(".")
            continue
        except BaseException as error:  # whatever a term from elsewhere raises
            if is_interrupt(error):
                raise
            reason = in_one_line(error).removeprefix(f"{type(error).__name__}: ")
            yield f"term '{name}' cannot be built: {reason if isinstance(error, TypeError | ValueError) else in_one_line(error)}"
            continue
        yield from (f"term '{shortened(name)}' {problem}" for problem in unknown)
        if settings.least_weight < 0 and not getattr(term or factory, "takes_negative_weights", False):
            yield f"term '{shortened(name)}' has the weight {settings.least_weight:g}; it takes none below 0"
        if term is not None and (missing := [part for part in ("sides", "needs", "__call__") if not hasattr(term, part)]):
            yield f"term '{name}' is no loss term: it has no {', '.join(missing)}"
        elif term is not None:
            yield from _term_problems(name, term, phase, specs)


def _term_problems(name: str, term: LossTerm, phase: Phase, specs: dict[str, Any]) -> Iterator[str]:
    if phase.side not in term.sides:
        yield f"term '{name}' cannot train the {phase.side}"
        return
    for need in sorted(term.needs(phase.side)):
        if need not in _NEEDS:
            yield f"term '{name}' needs '{need}', which no step offers. Known: {', '.join(_NEEDS)}"
            continue
        role, met, reason = _NEEDS[need]
        if role in specs and not met(specs[role]):
            yield f"term '{name}' needs {reason}"
    if "latent_scores" in term.needs(phase.side) and specs.keys() >= set(NETWORKS):
        made, judged = specs["generator"].noise_size, specs["discriminator"].latent_size
        if judged and made != judged:
            yield f"term '{name}' needs latents of {judged} numbers, which the discriminator judges; the generator's have {made}"


def _is_translator(spec: GeneratorSpec) -> bool:
    return spec.takes_image


_NEEDS: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "fake": ("generator", lambda spec: True, ""),
    "cycle": ("generator", _is_translator, "a generator that translates images; this one starts from noise"),
    "self_reconstruction": ("generator", _is_translator, "a generator that translates images; this one starts from noise"),
    "sample": ("generator", lambda spec: "sample" in spec.gives, "a generator that also draws from noise; this one does not"),
    "latent": ("generator", lambda spec: "latent" in spec.gives, "a generator that encodes a face to a latent vector"),
    "label_encoder": ("generator", lambda spec: "class_logits" in spec.gives, "a generator with a label encoder"),
    "style": ("generator", lambda spec: "style" in spec.gives, "a generator that works with styles"),
    "fake_again": ("generator", lambda spec: "style" in spec.gives, "a generator that works with styles"),
    "source": ("generator", _is_translator, "a generator that translates images; this one starts from noise"),
    "attention": ("generator", lambda spec: "attention" in spec.gives, "a generator that blends by an attention mask"),
    "action_units": (
        "discriminator",
        lambda spec: "action_units" in spec.gives,
        "a discriminator that measures action units; this one does not",
    ),
    "scores": ("discriminator", lambda spec: "scores" in spec.gives, "a discriminator that scores realness"),
    "features": ("discriminator", lambda spec: True, ""),
    "code": ("generator", lambda spec: spec.condition == "code", "a generator that is told an expression code"),
    "code_estimate": ("discriminator", lambda spec: "code" in spec.gives, "a discriminator that measures expression codes"),
    "latent_scores": ("discriminator", lambda spec: "latent_scores" in spec.gives, "a discriminator that judges latents"),
    "class_logits": (
        "discriminator",
        lambda spec: "class_logits" in spec.gives,
        "a discriminator that classifies; this one does not",
    ),
    "condition": (
        "discriminator",
        lambda spec: spec.condition is not None,
        "a discriminator that reads the expression; this one does not",
    ),
    "input_gradient": (
        "discriminator",
        lambda spec: not spec.couples_batch,
        "a discriminator that judges each image by itself; this one couples the images of a batch (batch norm)",
    ),
}
