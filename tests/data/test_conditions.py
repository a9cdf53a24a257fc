"""Conditions and their views, and how targets are drawn."""

from __future__ import annotations

import pytest
import torch

from ganzoo.data.base import Dataset, Split
from ganzoo.data.conditions import (
    TARGET_SAMPLERS,
    ActionUnits,
    Condition,
    other_of_batch,
    shared_prototypes,
    without_prototype,
)
from ganzoo.data.expressions import class_prototypes
from ganzoo.errors import GanzooError

CONDITION = Condition(target=torch.tensor([2, 0, 1]), source=torch.tensor([0, 0, 2]), num_classes=3)


def _sample(name: str, labels: torch.Tensor, classes: int, seed: int = 0) -> torch.Tensor:
    return TARGET_SAMPLERS[name](labels, classes, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("index", [2, 0, 1]),
        ("onehot", [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        ("signed", [[-1.0, -1, 1], [1, -1, -1], [-1, 1, -1]]),
        ("difference", [[-1.0, 0, 1], [0, 0, 0], [0, 1, -1]]),
    ],
)
def test_views(view: str, expected: list[object]) -> None:
    torch.testing.assert_close(CONDITION.view(view), torch.tensor(expected))


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(GanzooError, match="no view 'soft' of a condition. Known: onehot, signed, difference, index"):
        CONDITION.view("soft")


@pytest.mark.parametrize("name", sorted(TARGET_SAMPLERS))
def test_targets_are_classes_and_depend_on_the_generator_alone(name: str) -> None:
    labels = torch.arange(40) % 4
    targets = _sample(name, labels, 4)
    assert targets.dtype == torch.int64 and targets.min() >= 0 and targets.max() < 4
    assert len(targets) == (120 if name == "all_other" else 40)
    state = torch.get_rng_state()
    assert torch.equal(targets, _sample(name, labels, 4))
    assert torch.equal(state, torch.get_rng_state())
    if name not in ("own", "all_other"):
        assert not torch.equal(targets, _sample(name, labels, 4, seed=1))


def test_permute_keeps_the_classes_of_the_batch() -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, 3, 3])
    targets = _sample("permute", labels, 5)
    assert targets.sort().values.tolist() == labels.tolist()
    assert targets.tolist() != labels.tolist()


def test_uniform_draws_every_class_equally_often() -> None:
    counts = torch.bincount(_sample("uniform", torch.zeros(8000, dtype=torch.int64), 4), minlength=4)
    assert (counts - 2000).abs().max() < 200  # five standard deviations


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_uniform_other_never_draws_the_own_class_and_the_others_equally(classes: int) -> None:
    labels = torch.arange(7000) % classes
    targets = _sample("uniform_other", labels, classes)
    assert not (targets == labels).any()
    counts = torch.bincount(targets[labels == 0], minlength=classes)[1:]
    share = 7000 / classes / (classes - 1)
    assert (counts - share).abs().max() < 5 * share**0.5


def test_all_other_gives_each_face_its_targets_in_a_row() -> None:
    assert _sample("all_other", torch.tensor([0, 2, 1]), 3).tolist() == [1, 2, 0, 1, 2, 0]


def test_another_class_of_the_batch_is_as_frequent_as_its_faces() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    drawn = torch.stack([other_of_batch(labels, 4, torch.Generator().manual_seed(seed)) for seed in range(2000)])
    assert not (drawn == labels).any() and not (drawn == 3).any()
    assert float((drawn[:, 0] == 1).float().mean()) == pytest.approx(3 / 4, abs=0.05)
    assert float((drawn[:, 9] == 0).float().mean()) == pytest.approx(6 / 9, abs=0.055)
    alone = other_of_batch(torch.tensor([2, 2, 2]), 4, torch.Generator().manual_seed(0))
    assert not (alone == 2).any()


def test_own_asks_for_what_is_there() -> None:
    labels = torch.tensor([3, 1, 2])
    assert torch.equal(_sample("own", labels, 4), labels)


def _dataset(units: bool, names: tuple[str, ...] = ("angry", "happy", "sad")) -> Dataset:
    labels = torch.tensor([2, 0, 1, 0, 2, 2])
    known = torch.arange(6.0)[:, None].expand(6, 17) / 10 if units else None
    split = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), labels, action_units=known)
    return Dataset("toy", names, {"train": split, "val": split, "test": split}, "0" * 64)


def test_known_units_of_faces_and_targets() -> None:
    units = ActionUnits(_dataset(units=True), torch.device("cpu"))
    assert units.of_faces(torch.tensor([2, 1]), torch.tensor([4, 2]))[:, 0].tolist() == pytest.approx([0.4, 0.2])
    targets = torch.tensor([0, 1, 2]).repeat(400)
    drawn = units.draw_targets(targets, torch.Generator().manual_seed(0))
    assert drawn.shape == (1200, 17) and -0.1 <= drawn.min() < -0.09  # face 0 shows nothing; as published, nothing is cut off
    # Faces 1 and 3 are angry, 2 is happy, 0, 4 and 5 are sad; the noise is at most 0.1 either way.
    nearest = [(drawn[targets == label].mean(1) * 10).round() for label in range(3)]
    assert [set(found.tolist()) for found in nearest] == [{1.0, 3.0}, {2.0}, {0.0, 4.0, 5.0}]
    assert (drawn[targets == 1] - 0.2).abs().max() <= 0.1 + 1e-6


def test_prototypes_where_no_units_are_known() -> None:
    units = ActionUnits(_dataset(units=False), torch.device("cpu"))
    prototypes = class_prototypes(("angry", "happy", "sad"))
    torch.testing.assert_close(units.of_faces(torch.tensor([1, 0]), torch.tensor([5, 5])), prototypes[[1, 0]])
    drawn = units.draw_targets(torch.full((500,), 2), torch.Generator().manual_seed(0))
    active = prototypes[2] > 0
    strength = drawn[:, active] / prototypes[2, active]
    assert 0.5 <= strength.min() < 0.51 and 0.99 < strength.max() <= 1
    torch.testing.assert_close(strength, strength[:, :1].expand_as(strength))
    assert not drawn[:, ~active].any()


def test_classes_without_prototype_are_named() -> None:
    assert without_prototype(("happy", "smug", "sad", "coy")) == ["smug", "coy"]


def test_prototypes_go_by_synonyms_in_any_case() -> None:
    assert without_prototype(("Angry", "HAPPINESS", "Sadness", "surprised", "Contempt")) == ["Contempt"]
    assert torch.equal(class_prototypes(("Anger", "Joy")), class_prototypes(("angry", "happy")))
    assert shared_prototypes(("happy", "joy", "sad", "smug", "coy")) == ["happy", "joy"]
