"""Conformance checks for networks and recipes: what the built-in ones pass, for authors of others.

Each check takes a registered name (or a recipe's name or file), returns nothing, and raises ``AssertionError`` with one line
that says what is wrong. They work from the specs alone, at the specs' ``tiny`` settings, on the CPU, in seconds::

    import pytest
    from ganzoo.testing import NETWORK_CHECKS

    @pytest.mark.parametrize("check", NETWORK_CHECKS.values(), ids=NETWORK_CHECKS)
    def test_my_generator(check):
        check("generator", "my_generator")
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any, Literal, TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from ganzoo.compatibility import find_problems
from ganzoo.config import Phase, Recipe, load_recipe
from ganzoo.data.conditions import Condition
from ganzoo.errors import GanzooError
from ganzoo.models.base import (
    NUM_ACTION_UNITS,
    LabelEncodingGenerator,
    LatentDiscriminator,
    PiecewiseLinearDiscriminator,
    StyledGenerator,
    argument_problems,
    create_discriminator,
    create_generator,
    output_problems,
)
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry
from ganzoo.rehearsal import SIZES_PX, alone, facts_of, rehearse, rendered_faces, smallest_size, tiny_recipe
from ganzoo.training.optim import trained_parameters
from ganzoo.training.trainer import Trainer

Kind = Literal["generator", "discriminator"]
NetworkCheck = Callable[[Kind, str], None]
AnyModule = TypeVar("AnyModule", bound=nn.Module)
RecipeCheck = Callable[[str | Recipe], None]

CHANNELS, MOST_CLASSES, CLASSES, COUNT = (1, 3), 8, 4, 8
VISIBLE = 1e-6
"""Smallest difference of two outputs that counts as one."""
COUPLED = 1e-4
"""Largest difference that rounding alone makes when the other samples of a batch change."""
FIT_STEPS, FIT_RATE, FIT_SHARE = 30, 1e-2, 0.9
"""Steps and rate of overfitting, and the share of its start that a loss must fall below."""
GENTLER_RATE = 3e-3
"""Rate at which a recipe may try again: a deep generator without norms takes no larger steps."""


def check_spec(kind: Kind, name: str) -> None:
    """It declares a spec, its tiny arguments exist, and ``no_gradient`` names parameters that it has."""
    network = _class(kind, name)
    spec = getattr(network, "spec", None)
    assert spec is not None, f"{kind} '{name}' declares no spec."
    assert "scores" in spec.gives or kind == "generator", f"discriminator '{name}' does not declare that it gives scores."
    problems = argument_problems(network, spec.tiny)
    assert not problems, f"the tiny setting of {kind} '{name}' {'; '.join(problems)}."
    names = [key for key, _ in _create(kind, name).named_parameters()]
    unknown = [pattern for pattern in spec.no_gradient if not any(fnmatch(key, pattern) for key in names)]
    assert not unknown, f"{kind} '{name}' has no parameter '{unknown[0]}', which its no_gradient names."


def check_shapes(kind: Kind, name: str) -> None:
    """Its outputs have the shapes of the contract, in float32, and are those that its spec declares."""
    _assert_shapes(kind, name, 1, _size(kind, name), CLASSES)


def check_sizes(kind: Kind, name: str) -> None:
    """It works at 32, 48, 64 and 128 px where its spec says so, and is refused with the reason where not."""
    spec = _class(kind, name).spec
    for size_px in SIZES_PX:
        problem = spec.size_problem(size_px)
        if problem is None:
            _assert_shapes(kind, name, 1, size_px, CLASSES, count=2)
            continue
        try:
            _create(kind, name, size_px=size_px)
        except GanzooError as error:
            assert problem in str(error), f"{kind} '{name}' is refused at {size_px} px without the reason: {error}"
        else:
            raise AssertionError(f"{kind} '{name}' is built at {size_px} px, where its spec says that it {problem}.")


def check_channels(kind: Kind, name: str) -> None:
    """It works on grey and on coloured images."""
    for channels in CHANNELS:
        _assert_shapes(kind, name, channels, _size(kind, name), CLASSES, count=2)


def check_classes(kind: Kind, name: str) -> None:
    """It works with 2 to 8 classes."""
    for classes in range(2, MOST_CLASSES + 1):
        _assert_shapes(kind, name, 1, _size(kind, name), classes, count=2)


def check_value_range(kind: Kind, name: str) -> None:
    """Images stay within ``spec.largest_value``, attention within [0, 1]; a discriminator has nothing to keep within."""
    if kind == "discriminator":
        return
    network = _create(kind, name)
    output = _outputs(network, _source(network))
    largest, bound = float(output["image"].detach().abs().max()), network.spec.largest_value
    assert largest <= bound, f"{kind} '{name}' gives images up to {largest:.3g}, beyond its largest value {bound:g}."
    if "attention" in output:
        low, high = (float(value) for value in output["attention"].detach().aminmax())
        assert low >= 0 and high <= 1, f"attention of {kind} '{name}' lies between {low:.3g} and {high:.3g}, not within [0, 1]."


def check_finite(kind: Kind, name: str) -> None:
    """Every output is finite, in training and in evaluation, for black, white and random images."""
    network = _create(kind, name)
    random = _source(network)
    for mode in (True, False):
        network.train(mode)
        for source in (random, torch.full_like(random, -1), torch.full_like(random, 1)):
            for key, value in _outputs(network, source).items():
                where = "training" if mode else "evaluation"
                assert value.isfinite().all(), f"{key} of {kind} '{name}' is not finite in {where}."


def check_gradients(kind: Kind, name: str) -> None:
    """A finite gradient, not zero, reaches every parameter in a pass through all classes, but for ``spec.no_gradient``."""
    network = _create(kind, name)
    parts = [*_outputs(network, _source(network)).values(), *_further_outputs(network)]
    torch.stack([part.square().sum() + part.sum() for part in parts]).sum().backward()
    dead = []
    for key, parameter in network.named_parameters():
        gradient = parameter.grad
        assert gradient is None or gradient.isfinite().all(), f"{kind} '{name}': the gradient of {key} is not finite."
        if (gradient is None or not gradient.any()) and not _exempt(network, key):
            dead.append(key)
    assert not dead, f"{kind} '{name}': no gradient reaches {', '.join(dead)}."


def nudged(network: AnyModule) -> AnyModule:
    """The network with N(0, 0.02²) added to every parameter, the same each time, as if it had trained a little."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=random))
    return network


def check_condition(kind: Kind, name: str) -> None:
    """Every wanted class gives another output; a network that declares no condition takes none.

    A network may start blind to its condition (conditional norms whose gains are all 1, last layers of zeros), so its weights are
    moved a little first.
    """
    network = nudged(_create(kind, name)).eval()
    if network.spec.condition is None:
        assert kind == "discriminator", f"generator '{name}' declares no condition, so it cannot be asked for an expression."
        return
    source, key = _source(network), "image" if kind == "generator" else "scores"
    answers = [_outputs(network, source, [target] * COUNT)[key].detach() for target in range(CLASSES)]
    for first in range(CLASSES):
        for second in range(first):
            change = float((answers[first] - answers[second]).abs().max())
            assert change > VISIBLE, f"{kind} '{name}' gives the same for classes {second} and {first}: it ignores its condition."


def check_source(kind: Kind, name: str) -> None:
    """Another image, or other noise, gives another output."""
    network = _create(kind, name)
    targets = [1] * COUNT
    first, second = (_outputs(copy.deepcopy(network), _source(network, seed=seed), targets) for seed in (1, 2))
    for key in first.keys() - {"style"}:
        change = float((first[key] - second[key]).detach().abs().max())
        assert change > VISIBLE, f"{key} of {kind} '{name}' is the same for every source: it ignores what it is given."


def check_batch_coupling(kind: Kind, name: str) -> None:
    """An output depends on the other samples of the batch in training just where its spec says so; in evaluation never."""
    network = _create(kind, name)
    declared = network.spec.couples_batch
    assert _coupling(network.eval()) <= COUPLED, f"{kind} '{name}' couples the samples of a batch in evaluation."
    couples = _coupling(network.train()) > COUPLED
    assert declared or not couples, f"{kind} '{name}' couples the samples of a batch in training without saying so."
    assert couples or not declared, f"{kind} '{name}' says that it couples the samples of a batch, and does not."


def check_score_gradient(kind: Kind, name: str) -> None:
    """The gradient of its scores that a discriminator gives in closed form is the one that differentiating gives."""
    network = _create(kind, name)
    if not isinstance(network, PiecewiseLinearDiscriminator):
        return
    for mean in (False, True):
        given = copy.deepcopy(network).score_gradient(_source(network), mean=mean)
        points = _source(network).requires_grad_(True)
        scores = copy.deepcopy(network)(points).scores.flatten(1)
        (expected,) = torch.autograd.grad(scores.mean(1).sum() if mean else scores.sum(), points)
        same = given.shape == expected.shape and torch.allclose(given, expected, rtol=1e-3, atol=1e-5)
        assert same, f"score_gradient of {kind} '{name}' is not the gradient of its {'mean' if mean else 'summed'} scores."


def check_save_load(kind: Kind, name: str) -> None:
    """Weights saved and loaded into a network of another seed give the same outputs to the bit."""
    before, after = _create(kind, name).eval(), _create(kind, name, seed=5).eval()
    saved = save({key: value.detach().clone().contiguous() for key, value in before.state_dict().items()})
    after.load_state_dict(load(saved))
    source = _source(before)
    first, second = _outputs(before, source), _outputs(after, source)
    for key in first:
        assert torch.equal(first[key], second[key]), f"{key} of {kind} '{name}' changes when its weights are saved and loaded."


def check_seed(kind: Kind, name: str) -> None:
    """The same seed gives the same weights and the same outputs, to the bit."""
    first, second = (_create(kind, name, seed=7) for _ in range(2))
    before, after = first.state_dict(), second.state_dict()
    for key in before:
        assert torch.equal(before[key], after[key]), f"{key} of {kind} '{name}' differs between two networks of one seed."
    one, other = (_outputs(network, _source(network)) for network in (first, second))
    for key in one:
        assert torch.equal(one[key], other[key]), f"{key} of {kind} '{name}' differs between two runs of one seed."


def check_overfits(kind: Kind, name: str) -> None:
    """It learns one batch: a generator a picture, a discriminator to tell pictures apart; the loss falls in a few steps."""
    network = _create(kind, name)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=FIT_RATE)
    source, losses = _source(network), []
    for _ in range(FIT_STEPS):
        loss = _fit(network, source)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    start, end = losses[0], min(losses[-5:])
    assert end < FIT_SHARE * start, f"{kind} '{name}' does not learn one batch: its loss goes from {start:.3g} to {end:.3g}."


def check_fits(recipe: str | Recipe) -> None:
    """Its networks, terms and phases fit together on small rendered faces."""
    settings, dataset = _rehearsed(recipe)
    problems = list(find_problems(settings, facts_of(dataset), dataset.class_names))
    assert not problems, f"recipe '{settings.name}': {'; '.join(problems)}."


def check_phases(recipe: str | Recipe) -> None:
    """Each phase moves parameters of the networks (or parts) that it updates and no others; together they move every one."""
    settings, dataset = _rehearsed(recipe)
    waiting: dict[str, None] = {}
    moved: set[str] = set()
    updated: set[str] = set()
    for phase in _phases(settings):
        for name, term in phase.terms.items() if len(phase.terms) > 1 else ():
            by_itself = phase.model_copy(update={"terms": {name: term.model_copy(update={"weight": 1.0})}})
            try:
                next(rehearse(alone(settings, by_itself, steps=1), dataset).steps())
            except GanzooError as error:
                raise AssertionError(f"recipe '{settings.name}', term '{name}' by itself: {error}") from None
        trainer = rehearse(alone(settings, phase, steps=3), dataset)
        before = {key: value.detach().clone() for key, value in _parameters(trainer).items()}
        list(trainer.steps())
        changed = {key for key, value in _parameters(trainer).items() if not torch.equal(value, before[key])}
        for part in phase.update:
            members = {id(parameter) for parameter in trained_parameters(trainer.networks, part)}
            keys = {key for key, value in _parameters(trainer).items() if id(value) in members}
            assert keys & changed, f"recipe '{settings.name}': no gradient reaches {part} in the phase that updates it."
        own = _updated(trainer, phase)
        strays = changed - own
        phase_name = "+".join(phase.update)
        assert not strays, f"recipe '{settings.name}': the phase of {phase_name} changes {', '.join(sorted(strays))} as well."
        waiting |= dict.fromkeys(key for key in before if not _exempt_in(trainer, key))
        moved |= changed
        updated |= own
    left = [key for key in waiting if key not in updated]
    assert not left, f"recipe '{settings.name}': no phase trains {', '.join(left)}."
    still = [key for key in waiting if key not in moved]
    assert not still, (
        f"recipe '{settings.name}': no gradient reaches {', '.join(still)} in any phase; leave it out (a bias that cancels: "
        "bias=False), or name it in the spec's no_gradient, even if it moves later, as the last bias under hinge does."
    )


def check_trains(recipe: str | Recipe) -> None:
    """A few steps of the whole recipe give finite losses."""
    settings, dataset = _rehearsed(recipe)
    trainer = rehearse(settings, dataset)
    list(trainer.steps())
    try:
        trainer.losses.fetch()
    except GanzooError as error:
        raise AssertionError(f"recipe '{settings.name}': {error}") from None


def check_same_bits(recipe: str | Recipe) -> None:
    """The same seed trains to the same bits, and so does a run that is saved after its first step and goes on."""
    settings, dataset = _rehearsed(recipe)
    straight = rehearse(settings, dataset)
    list(straight.steps())
    again = rehearse(settings, dataset)
    steps = again.steps()
    next(steps)
    state = copy.deepcopy(again.state())
    list(steps)
    resumed = rehearse(settings, dataset)
    resumed.load_state(state)
    list(resumed.steps())
    for trainer, what in ((again, "the same seed"), (resumed, "a resumed run")):
        for key, value in _state(straight).items():
            assert torch.equal(value, _state(trainer)[key]), f"recipe '{settings.name}': {what} gives other bits in {key}."


def check_recipe_overfits(recipe: str | Recipe) -> None:
    """On one batch, against a discriminator that stands still, the loss of every phase of the generator falls."""
    settings, _ = _rehearsed(recipe)
    for phase in (phase for phase in _phases(settings) if phase.side == "generator"):
        for rate in (FIT_RATE, GENTLER_RATE):
            start, end = _overfitted(settings, phase, rate)
            falls = end < start - (1 - FIT_SHARE) * abs(start)
            if falls:
                break
        name = "+".join(phase.update)
        assert falls, (
            f"recipe '{settings.name}': the loss of {name} does not fall on one batch; it goes from {start:.3g} to {end:.3g}."
        )


NETWORK_CHECKS: dict[str, NetworkCheck] = {
    "spec": check_spec,
    "shapes": check_shapes,
    "sizes": check_sizes,
    "channels": check_channels,
    "classes": check_classes,
    "value range": check_value_range,
    "finite values": check_finite,
    "gradients": check_gradients,
    "condition": check_condition,
    "source": check_source,
    "batch coupling": check_batch_coupling,
    "score gradient": check_score_gradient,
    "save and load": check_save_load,
    "seed": check_seed,
    "overfits": check_overfits,
}
"""Checks of a network by kind and registered name."""

RECIPE_CHECKS: dict[str, RecipeCheck] = {
    "fits together": check_fits,
    "phases": check_phases,
    "finite losses": check_trains,
    "same bits": check_same_bits,
    "overfits": check_recipe_overfits,
}
"""Checks of a recipe: its name, its file, or itself."""


def _registry(kind: Kind) -> Registry[Any]:
    return GENERATORS if kind == "generator" else DISCRIMINATORS


def _class(kind: Kind, name: str) -> Any:
    return _registry(kind).get(name)


def _size(kind: Kind, name: str) -> int:
    """The smallest of the sizes in use that the network takes."""
    sizes = [size_px for size_px in SIZES_PX if _class(kind, name).spec.size_problem(size_px) is None]
    assert sizes, f"{kind} '{name}' works at none of the sizes {', '.join(map(str, SIZES_PX))} px."
    return sizes[0]


def _create(kind: Kind, name: str, channels: int = 1, size_px: int | None = None, classes: int = CLASSES, seed: int = 0) -> Any:
    create: Any = create_generator if kind == "generator" else create_discriminator
    size_px = _size(kind, name) if size_px is None else size_px
    torch.manual_seed(seed)
    network = create(name, image_channels=channels, image_size_px=size_px, num_classes=classes, **_class(kind, name).spec.tiny)
    network.checked_on = (channels, size_px, classes)
    return network


def _source(network: Any, count: int = COUNT, seed: int = 1) -> Tensor:
    """Images, or noise, as the network takes them, in [-1, 1]."""
    random = torch.Generator().manual_seed(seed)
    if not getattr(network.spec, "takes_image", True):
        return 2 * torch.rand(count, network.spec.noise_size, generator=random) - 1
    channels, size_px, _ = network.checked_on
    return 2 * torch.rand(count, channels, size_px, size_px, generator=random) - 1


def _condition(network: Any, targets: list[int]) -> list[Tensor]:
    view, classes = network.spec.condition, network.checked_on[2]
    if view is None:
        return []
    if view == "action_units":
        return [torch.rand(classes, NUM_ACTION_UNITS, generator=torch.Generator().manual_seed(2))[targets]]
    wanted = torch.tensor(targets)
    return [Condition(wanted, torch.zeros_like(wanted), classes).view(view)]


def _given(network: Any, source: Tensor, targets: list[int] | None = None) -> Any:
    """What a network gives; asked for all classes in turn where no targets are named."""
    wanted = [index % network.checked_on[2] for index in range(len(source))] if targets is None else targets
    torch.manual_seed(3)
    return network(source, *_condition(network, wanted))


def _outputs(network: Any, source: Tensor, targets: list[int] | None = None) -> dict[str, Tensor]:
    """What a network gives, by name."""
    return {key: value for key, value in _given(network, source, targets)._asdict().items() if value is not None}


def _further_outputs(network: nn.Module) -> Iterator[Tensor]:
    """What else a network is asked for in training."""
    classes = torch.arange(COUNT) % CLASSES
    if isinstance(network, LabelEncodingGenerator):
        yield network.classify(_source(network))
    if isinstance(network, LatentDiscriminator):
        yield network.judge_latent(torch.randn(COUNT, network.spec.latent_size, generator=torch.Generator().manual_seed(4)))
    if isinstance(network, StyledGenerator):
        noise = torch.randn(COUNT, network.spec.noise_size, generator=torch.Generator().manual_seed(4))
        yield network.style_from_noise(noise, classes)
        yield network.style_of(_source(network), classes)


def _assert_shapes(kind: Kind, name: str, channels: int, size_px: int, classes: int, count: int = COUNT) -> None:
    network = _create(kind, name, channels, size_px, classes)
    output = _given(network, _source(network, count))
    problems = output_problems(network, output, count, (channels, size_px, classes))
    where = f"{kind} '{name}' at {channels}x{size_px}x{size_px}, {classes} classes"
    assert not problems, f"{where}: it {'; it '.join(problems)}."


def _coupling(network: Any) -> float:
    """How much the first output changes with the other samples of its batch."""
    sources = _source(network)
    others = torch.cat([sources[:1], _source(network, seed=9)[1:]])
    with torch.no_grad():
        first, second = (_outputs(copy.deepcopy(network), batch) for batch in (sources, others))
    return max(float((first[key][0] - second[key][0]).abs().max()) for key in first.keys() - {"style"})


def _exempt(network: Any, key: str) -> bool:
    return any(fnmatch(key, pattern) for pattern in network.spec.no_gradient)


def _fit(network: Any, source: Tensor) -> Tensor:
    """Distance of a network's outputs from fixed ones: a grey wave as image; half the scores high; classes in turn."""
    channels, size_px, classes = network.checked_on
    output = _outputs(network, source)
    if "image" in output:
        wave = 0.5 + 0.3 * torch.linspace(0, 6, size_px).sin()
        return mse_loss(output["image"], wave.expand(len(source), channels, size_px, size_px))
    real = (torch.arange(len(source)) % 2).float().reshape(-1, *[1] * (output["scores"].ndim - 1)).expand_as(output["scores"])
    loss = binary_cross_entropy_with_logits(output["scores"], real)
    if "class_logits" in output:
        loss = loss + cross_entropy(output["class_logits"], torch.arange(len(source)) % classes)
    for measured in ("action_units", "code"):
        if measured in output:
            loss = loss + mse_loss(output[measured], torch.full_like(output[measured], 0.5))
    return loss


def _rehearsed(recipe: str | Recipe) -> tuple[Recipe, Any]:
    settings = tiny_recipe(recipe if isinstance(recipe, Recipe) else load_recipe(recipe))
    return settings, rendered_faces(smallest_size(settings))


def _phases(recipe: Recipe) -> list[Phase]:
    return [phase for stage in recipe.stages for phase in stage.phases]


def _overfitted(settings: Recipe, phase: Phase, rate: float) -> tuple[float, float]:
    """The loss of a phase at the start and at the end of training on one batch."""
    dataset = rendered_faces(smallest_size(settings), count=8)
    quick = tiny_recipe(settings, learning_rate=rate).model_copy(update={"flip": False})
    losses = _totals(rehearse(alone(quick, _constant(phase), FIT_STEPS), dataset))
    return losses[0], min(losses[-5:])


def _constant(phase: Phase) -> Phase:
    """The phase with the weights of its start, so that its loss can be followed."""
    terms = {name: term.model_copy(update={"weight": term.weight_at(0.0)}) for name, term in phase.terms.items()}
    return phase.model_copy(update={"terms": terms})


def _totals(trainer: Trainer) -> list[float]:
    """The phase's loss at every step; what is drawn at random is the same each time, as the batch is."""
    totals = []
    trainer.random.manual_seed(0)
    for _ in trainer.steps():
        trainer.random.manual_seed(0)
        trainer.losses.fetch()
        totals.append(next(value for column, value in trainer.losses.row().items() if column.endswith(".total")))
    return totals


def _parameters(trainer: Trainer) -> dict[str, nn.Parameter]:
    return {f"{name}.{key}": value for name, part in trainer.networks.items() for key, value in part.named_parameters()}


def _updated(trainer: Trainer, phase: Phase) -> set[str]:
    own = {id(parameter) for part in phase.update for parameter in trained_parameters(trainer.networks, part)}
    return {key for key, value in _parameters(trainer).items() if id(value) in own}


def _exempt_in(trainer: Trainer, key: str) -> bool:
    network, _, inner = key.partition(".")
    return _exempt(trainer.networks[network], inner)


def _state(trainer: Trainer) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, part in trainer.networks.items() for key, value in part.state_dict().items()}
