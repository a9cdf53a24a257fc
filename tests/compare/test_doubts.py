"""What a good score rests on is told beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganzoo.compare.collect import collect
from ganzoo.compare.tables import Table, build_table
from ganzoo.runs.schema import MetricInfo

INFO = {
    "l1_cycle": MetricInfo(label="L1 cycle", direction="lower", ranked=True, beats="nearest-real", aspect="identity"),
    "stego_noise": MetricInfo(label="stego noise", direction="lower", ranked=False, headline=False, takes_from="l1_cycle"),
    "identity_recall": MetricInfo(
        label="identity recall", direction="higher", ranked=True, beats="nearest-real", aspect="identity", headline=False
    ),
    "l1_edit": MetricInfo(label="L1 edit", direction="none", ranked=False, aspect="identity", stays_below="nearest-real"),
    "acc": MetricInfo(label="accuracy", direction="higher", ranked=True, beats="no-edit", aspect="expression"),
}
CONTROLS: dict[str, dict[str, Any]] = {
    "no-edit": {"acc": 0.05, "l1_cycle": 0.0, "stego_noise": 0.006, "identity_recall": 1.0},
    "nearest-real": {"acc": 0.99, "l1_cycle": 0.137, "stego_noise": None, "identity_recall": 0.012},
}
HONEST = {"acc": 0.8, "l1_cycle": 0.045, "stego_noise": 0.001, "identity_recall": 0.36}
HIDING = {"acc": 0.99, "l1_cycle": 0.034, "stego_noise": 0.195, "identity_recall": 0.9}
SOMEBODY_ELSE = {"acc": 0.99, "l1_cycle": 0.004, "stego_noise": 0.0, "identity_recall": 0.013}


@pytest.fixture
def table(tmp_path: Path, make_run: Callable[..., Any]) -> Callable[..., Table]:
    def build(**rows: dict[str, Any]) -> Table:
        for name, scores in rows.items():
            recall = scores["identity_recall"]
            make_run(
                name, scores=scores, controls=CONTROLS, info=INFO, intervals={"identity_recall": (recall - 0.01, recall + 0.01)}
            )
        (group,) = collect(tmp_path).groups
        return build_table(group)

    return build


def _note(table: Table, label: str, metric: str = "l1_cycle") -> str:
    """The footnotes of one cell."""
    at = next(at for at, column in enumerate(table.columns) if column.metric == metric)
    (row,) = [row for row in table.models if row.label == label]
    return "; ".join(text for mark, text in table.footnotes if mark in row.cells[at].mark)


def test_a_cycle_that_noise_undoes_is_doubted(table: Callable[..., Table]) -> None:
    made = table(honest=HONEST, hiding=HIDING)
    note = _note(made, "hiding")
    assert "L1 cycle of hiding in doubt: the source is hidden in the picture" in note
    assert "stego noise" in note and "0.229" in note and "nearest-real (0.137)" in note
    assert _note(made, "honest") == ""


def test_a_cycle_through_somebody_else_is_doubted(table: Callable[..., Table]) -> None:
    made = table(honest=HONEST, memory=SOMEBODY_ELSE)
    assert "identity recall is 0.013, not clearly better than nearest-real (0.012)" in _note(made, "memory")


@pytest.mark.parametrize(("edit", "doubted"), [(0.09, False), (0.135, True), (0.4, True)])
def test_faces_that_change_as_much_as_somebody_else_s_are_doubted_without_a_network(
    edit: float, doubted: bool, tmp_path: Path, make_run: Callable[..., Any]
) -> None:
    """On real faces nothing recognises people; a negative has the cycle of a copy, and a memory that of its choice."""
    info = {name: one for name, one in INFO.items() if name != "identity_recall"}
    controls = {"no-edit": CONTROLS["no-edit"] | {"l1_edit": 0.0}, "nearest-real": CONTROLS["nearest-real"] | {"l1_edit": 0.135}}
    for name, scores in (("negative", HONEST | {"l1_edit": edit}), ("honest", HONEST | {"l1_edit": 0.08, "l1_cycle": 0.046})):
        make_run(name, scores=scores, controls=controls, info=info)
    (group,) = collect(tmp_path).groups
    made = build_table(group)
    said = f"L1 edit is {edit:.3f}, no less than that of nearest-real (0.135)"
    assert (said in _note(made, "negative")) == doubted
    assert _note(made, "negative", "acc") == "" == _note(made, "honest")
    assert made.statistics.pareto is not None
    assert "l1_cycle" in made.statistics.pareto.metrics
    assert ("negative" in made.statistics.pareto.rows) != doubted


def test_a_row_that_scores_what_a_control_scores_is_named_after_it(table: Callable[..., Table]) -> None:
    made = table(honest=HONEST, copy=CONTROLS["no-edit"])
    assert "every headline score is exactly the control no-edit's" in _note(made, "copy")
    nearly = dict(CONTROLS["no-edit"]) | {"l1_cycle": 1e-6}
    assert "exactly" not in _note(table(nearly=nearly), "nearly")


@pytest.mark.parametrize("cheat", [HIDING, SOMEBODY_ELSE])
def test_what_is_doubted_is_neither_best_nor_on_the_front(table: Callable[..., Table], cheat: dict[str, Any]) -> None:
    made = table(honest=HONEST, other=HONEST | {"l1_cycle": 0.05}, cheat=cheat)
    at = next(at for at, column in enumerate(made.columns) if column.metric == "l1_cycle")
    rows = {row.label: row for row in made.models}
    assert rows["honest"].cells[at].best and not rows["cheat"].cells[at].best
    assert rows["honest"].on_front and not rows["cheat"].on_front
    assert made.statistics.pareto is not None
    assert "L1 cycle in doubt" in made.statistics.pareto.left_out["cheat"]


def test_a_row_alone_has_its_note_as_well(table: Callable[..., Table]) -> None:
    assert "hidden in the picture" in _note(table(hiding=HIDING), "hiding")
