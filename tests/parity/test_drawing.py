"""The comparison itself: what it notices, what it lets pass, and that the two sides share no implementation."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor

from parity import drawing

HERE = Path(__file__).parent
OTHER_SIDE = [HERE / "make_vectors.py", HERE / "cases.py", HERE / "drawing.py", HERE / "training_cases.py"]


def values(**changes: Tensor) -> dict[str, Tensor]:
    return {"large": drawing.normal("large", 3, 5), "small": 1e-3 * drawing.normal("small", 7), **changes}


@pytest.mark.parametrize("place", range(7))
def test_a_change_of_any_entry_is_noticed(place: int) -> None:
    expected = drawing.digests(values())
    assert drawing.differing(values(), expected) == []
    changed = values()["small"].clone()
    changed[place] *= 1 + 1e-5
    assert drawing.differing(values(small=changed), expected) == ["small"]


def test_what_one_side_lacks_is_named() -> None:
    expected = drawing.digests(values())
    assert drawing.differing({"large": values()["large"]}, expected) == ["small"]
    assert drawing.differing(values(new=torch.ones(2)), expected) == ["new"]


def test_rounding_of_what_cancels_is_no_difference() -> None:
    expected = drawing.digests(values(small=torch.full((7,), 1e-16, dtype=torch.float64)))
    assert drawing.differing(values(small=torch.zeros(7)), expected) == []


def test_not_a_number_is_a_difference() -> None:
    broken = values()["large"].clone()
    broken[0, 0] = float("nan")
    assert drawing.differing(values(large=broken), drawing.digests(values())) == ["large"]


def test_numbers_follow_from_their_names_alone() -> None:
    first = drawing.weights("main.0.weight", 4, 3)
    drawing.weights("main.1.weight", 9)
    assert torch.equal(drawing.weights("main.0.weight", 4, 3), first)
    assert first[0].tolist() == pytest.approx([-2.3981905, -0.2439959, 1.4009536], abs=1e-7)


def test_the_reference_knows_nothing_of_ganzoo() -> None:
    for path in [*OTHER_SIDE, *(HERE / "reference").glob("*.py")]:
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
        imported = {alias.name for node in nodes for alias in node.names} | {getattr(node, "module", "") for node in nodes}
        assert not any(str(name).startswith("ganzoo") for name in imported), path
