"""Any generator against any discriminator: what their specs allow takes a step, what they do not allow is refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from ganzoo.compatibility import check_compatible
from ganzoo.config import Recipe, parse_recipe
from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.registry import DISCRIMINATORS, GENERATORS
from ganzoo.rehearsal import facts_of, rehearse, rendered_faces, smallest_size, tiny_recipe

PAIRS = [(generator, discriminator) for generator in GENERATORS.names() for discriminator in DISCRIMINATORS.names()]


class Demand(NamedTuple):
    """A loss term, the player it trains, which pairs of specs it fits, and what is said where it does not."""

    term: str
    side: str
    fits: Callable[[Any, Any], bool]
    refusal: str


DEMANDS = [
    Demand("cycle", "generator", lambda g, d: g.takes_image, "a generator that translates images"),
    Demand("self_reconstruction", "generator", lambda g, d: g.takes_image, "a generator that translates images"),
    Demand("identity", "generator", lambda g, d: g.takes_image, "a generator that translates images"),
    Demand("feature_matching", "generator", lambda g, d: True, ""),
    Demand("attention_norm", "generator", lambda g, d: "attention" in g.gives, "an attention mask"),
    Demand("latent_regression", "generator", lambda g, d: "latent" in g.gives, "encodes a face"),
    Demand("label_encoding", "generator", lambda g, d: "class_logits" in g.gives, "a label encoder"),
    Demand("style_reconstruction", "generator", lambda g, d: "style" in g.gives, "works with styles"),
    Demand("classification", "discriminator", lambda g, d: "class_logits" in d.gives, "a discriminator that classifies"),
    Demand("classification", "generator", lambda g, d: "class_logits" in d.gives, "a discriminator that classifies"),
    Demand("action_unit_regression", "discriminator", lambda g, d: "action_units" in d.gives, "measures action units"),
    Demand("matching_aware", "discriminator", lambda g, d: d.condition is not None, "reads the expression"),
    Demand("code_regression", "discriminator", lambda g, d: g.condition == "code" and "code" in d.gives, "expression code"),
    Demand(
        "latent_adversarial",
        "discriminator",
        lambda g, d: "latent" in g.gives and "latent_scores" in d.gives and g.noise_size == d.latent_size,
        "(latents|latent vector)",
    ),
    Demand("total_variation", "generator", lambda g, d: True, ""),
    Demand("gradient_penalty", "discriminator", lambda g, d: not d.couples_batch, "judges each image by itself"),
]


def specs(generator: str, discriminator: str) -> tuple[Any, Any]:
    return GENERATORS.get(generator).spec, DISCRIMINATORS.get(discriminator).spec


def recipe_of(generator: str, discriminator: str, demands: list[Demand]) -> Recipe:
    terms: dict[str, dict[str, Any]] = {side: {"adversarial": {}} for side in ("discriminator", "generator")}
    for demand in demands:
        terms[demand.side][demand.term] = {}
    record = {
        "name": f"{generator} against {discriminator}",
        "generator": generator,
        "discriminator": discriminator,
        "stages": [{"images": 8, "batch_size": 8, "phases": [{"update": side, "terms": these} for side, these in terms.items()]}],
    }
    return tiny_recipe(parse_recipe(record, "test"), steps=1)


def faces(recipe: Recipe) -> Dataset:
    return rendered_faces(smallest_size(recipe), count=8)


@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_a_pair_takes_a_step_with_all_that_its_specs_allow(generator: str, discriminator: str) -> None:
    allowed = [demand for demand in DEMANDS if demand.fits(*specs(generator, discriminator))]
    recipe = recipe_of(generator, discriminator, allowed)
    dataset = faces(recipe)
    check_compatible(recipe, facts_of(dataset), dataset.class_names)
    trainer = rehearse(recipe, dataset)
    before = {name: [p.detach().clone() for p in network.parameters()] for name, network in trainer.networks.items()}
    list(trainer.steps())
    trainer.losses.fetch()  # raises where a loss is not finite
    assert trainer.position.updates == {"discriminator": 1, "generator": 1}
    for name, network in trainer.networks.items():
        assert any(not torch.equal(now, old) for now, old in zip(network.parameters(), before[name], strict=True))


@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_what_the_specs_of_a_pair_do_not_allow_is_refused(generator: str, discriminator: str) -> None:
    refused = [demand for demand in DEMANDS if not demand.fits(*specs(generator, discriminator))]
    assert refused, "no network does everything: each pair must lack something"
    recipe = recipe_of(generator, discriminator, refused)
    dataset = faces(recipe)
    with pytest.raises(GanzooError) as refusal:
        check_compatible(recipe, facts_of(dataset), dataset.class_names)
    for demand in refused:
        assert re.search(f"term '{demand.term}' needs [^;]*{demand.refusal}", str(refusal.value)), demand.term


@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_a_size_that_one_of_a_pair_cannot_take_is_refused(generator: str, discriminator: str) -> None:
    recipe = recipe_of(generator, discriminator, [])
    problems = [spec.size_problem(5) for spec in specs(generator, discriminator)]
    assert any(problems), "5 px is too small for every pair of the built-in networks"
    with pytest.raises(GanzooError) as refusal:
        check_compatible(recipe, facts_of(rendered_faces(32, count=4))._replace(image_size_px=5))
    assert all(problem in str(refusal.value) for problem in problems if problem)
