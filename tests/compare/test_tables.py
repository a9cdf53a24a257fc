from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ganzoo.compare.collect import collect
from ganzoo.compare.frames import pairs_frame, to_frame
from ganzoo.compare.tables import Cell, Table, build_table
from ganzoo.runs.schema import Selected


def _table(results: Path) -> Table:
    return build_table(collect(results).groups[0])


def _cell(table: Table, label: str, metric: str) -> Cell:
    at = [column.metric for column in table.columns].index(metric)
    return next(row.cells[at] for row in (*table.models, *table.controls) if row.label == label)


def test_mean_and_range_over_seeds(tmp_path: Path, make_run) -> None:
    for seed, acc in enumerate([0.60, 0.70, 0.83]):
        make_run(seed=seed, scores={"acc": acc})
    cell = _cell(_table(tmp_path), "stargan", "acc")
    assert (cell.text, cell.spread) == ("0.710", "0.600–0.830")


def test_one_seed_has_no_range_and_the_table_says_so(tmp_path: Path, make_run) -> None:
    make_run()
    table = _table(tmp_path)
    assert _cell(table, "stargan", "acc").spread == ""
    assert "One seed each" in table.remarks[0] and "300 translations of 100 sources" in table.remarks[0]


def test_the_best_follows_the_direction_and_descriptive_metrics_have_none(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.8, "fid": 50.0, "l1_edit": 0.01})
    make_run(recipe="b", scores={"acc": 0.7, "fid": 40.0, "l1_edit": 0.09})
    table = _table(tmp_path)
    best = {(label, metric) for label in "ab" for metric in ("acc", "fid", "l1_edit") if _cell(table, label, metric).best}
    assert best == {("a", "acc"), ("b", "fid")}
    assert [column.heading for column in table.columns] == ["FID ↓", "acc ↑", "L1 cycle ↓", "L1 edit"]


def test_ties_at_the_shown_precision_are_all_best(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.8001})
    make_run(recipe="b", scores={"acc": 0.7999})
    make_run(recipe="c", scores={"acc": 0.7989})
    table = _table(tmp_path)
    assert [_cell(table, label, "acc").best for label in "abc"] == [True, True, False]


def test_one_model_alone_is_not_the_best(tmp_path: Path, make_run) -> None:
    make_run()
    table = _table(tmp_path)
    assert not any(cell.best for cell in table.models[0].cells)
    assert "Bold" not in table.remarks[0]


@pytest.mark.parametrize("status", ["diverged", "failed", "running"])
def test_a_run_that_did_not_end_as_meant_is_shown_but_not_ranked(tmp_path: Path, make_run, status: str) -> None:
    make_run(recipe="a", scores={"acc": 0.9}, status=status)
    make_run(recipe="b", scores={"acc": 0.6})
    make_run(recipe="c", scores={"acc": 0.5})
    table = _table(tmp_path)
    assert not _cell(table, f"a ({status})", "acc").best and _cell(table, "b", "acc").best
    assert any("not ranked" in remark and f"a ({status})" in remark for remark in table.remarks)


def test_null_is_a_dash_with_its_reason_once(tmp_path: Path, make_run) -> None:
    for recipe in "ab":
        make_run(recipe=recipe, scores={"fid": None}, reasons={"fid": "no Inception weights"})
    table = _table(tmp_path)
    assert (_cell(table, "a", "fid").text, _cell(table, "a", "fid").mark) == ("–", "a")
    assert table.footnotes == (("a", "FID: no Inception weights"),)


def test_a_value_that_only_some_seeds_have_says_so(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1, scores={"fid": None})
    table = _table(tmp_path)
    assert _cell(table, "stargan", "fid").text == "40.00"
    assert table.footnotes == (("a", "FID: 1 of 2 seeds have a value"),)


def test_a_metric_on_which_no_model_beats_its_control_is_marked_and_has_no_winner(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.04})
    make_run(recipe="b", scores={"acc": 0.05})
    table = _table(tmp_path)
    assert table.columns[1].heading == "acc† ↑"
    assert ("†", "Not discriminating here, no model beats the control: acc (no-edit).") in table.footnotes
    assert not _cell(table, "b", "acc").best


def test_one_model_above_the_control_is_enough(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.04})
    make_run(recipe="b", scores={"acc": 0.06})
    assert _table(tmp_path).columns[1].discriminating


def test_controls_are_means_over_the_runs_and_stand_apart(tmp_path: Path, make_run) -> None:
    make_run(seed=0, controls={"oracle": {"acc": 1.0}, "no-edit": {"acc": 0.1}, "real": {"acc": 0.8}})
    make_run(seed=1, controls={"no-edit": {"acc": 0.2}, "real": {"acc": None}})
    table = _table(tmp_path)
    assert [row.label for row in table.controls] == ["real", "no-edit", "oracle"]
    assert _cell(table, "no-edit", "acc").values == pytest.approx((0.15,))
    assert _cell(table, "real", "acc").text == "0.800"


def test_a_note_on_the_judges_is_repeated(tmp_path: Path, make_run) -> None:
    make_run(judge_note="The judges reach 0.61 on real faces; they describe and do not rank.")
    assert "The judges reach 0.61 on real faces; they describe and do not rank." in _table(tmp_path).remarks


def test_differences_between_protocols_stand_below_the_table(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1)
    make_run(recipe="dcgan", eval="f" * 64, protocol={"version": 2, "judge": {"hash": "d" * 64}})
    second = build_table(collect(tmp_path).groups[1])
    assert second.remarks[-1] == "Not comparable with the first fer4 table. What differs: version (1 there, 2 here)."


def test_costs_are_readable(tmp_path: Path, make_run) -> None:
    make_run()
    shown = tuple(amount.text for amount in _table(tmp_path).models[0].cost)
    assert shown == (
        "–",
        "8.41 M",
        "1.5 G",
        "1:05",
        "15",
        "2.34 GB",
        "25",
        "1,000",
        "5",
    )


def test_the_frame_has_models_and_controls(tmp_path: Path, make_run) -> None:
    make_run(seed=0, scores={"acc": 0.6})
    make_run(seed=1, scores={"acc": 0.8})
    frame = to_frame([_table(tmp_path)])
    row = frame.query("label == 'stargan' and metric == 'acc'").iloc[0]
    assert (row["kind"], row["mean"], row["min"], row["max"], row["n"]) == ("model", pytest.approx(0.7), 0.6, 0.8, 2)
    assert set(frame.query("kind == 'control'").label) == {"real", "no-edit"}


def test_variants_of_a_recipe_say_how_they_differ(tmp_path: Path, make_run) -> None:
    runs = [("a" * 64, {"name": "stargan", "width": 64}, 5), ("b" * 64, {"name": "dcgan"}, 9), ("c" * 64, None, 5)]
    for fingerprint, generator, epochs in runs:
        folder = make_run(fingerprint=fingerprint)
        if generator:
            recipe = {"generator": generator, "stages": [{"epochs": epochs, "batch_size": 8}]}
            folder.config.write_text(yaml.safe_dump({"recipe": recipe}))
    (group,) = collect(tmp_path).groups
    told = [remark for remark in build_table(group).remarks if "is not" in remark]
    wanted = "generator.name stargan there, dcgan here; generator.width 64 there, absent here."
    assert told == [f"stargan (bbbbbbbb) is not stargan (aaaaaaaa): {wanted}"]


def _seeds(make_run, recipe: str, acc: float, count: int = 6, **scores: float) -> None:
    for seed in range(count):
        make_run(recipe=recipe, seed=seed, scores={"acc": acc + 0.001 * seed, **scores})


def test_one_seed_shows_its_interval_over_source_images_and_several_show_their_range(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", intervals={"acc": (0.68, 0.72)})
    for seed in range(2):
        make_run(recipe="b", seed=seed, intervals={"acc": (0.68, 0.72)})
    table = _table(tmp_path)
    assert _cell(table, "a", "acc").spread == "[0.680–0.720]" and _cell(table, "b", "acc").spread == "0.700–0.700"
    assert _cell(table, "a", "fid").spread == "" and "95 % bootstrap interval over the source images" in table.remarks[0]


def test_six_seeds_give_ranks_ties_and_the_way_to_settle_them(tmp_path: Path, make_run) -> None:
    for recipe, acc in (("a", 0.9), ("b", 0.501), ("c", 0.5)):
        _seeds(make_run, recipe, acc)
    table = _table(tmp_path)
    assert [_cell(table, label, "acc").rank for label in "abc"] == ["1 A", "2–3 B", "2–3 B"]
    assert _cell(table, "a", "l1_edit").rank == ""
    (method,) = [remark for remark in table.remarks if "Rank:" in remark]
    assert "Holm over 3 pairs" in method and "Smallest reachable p: 0.0022, 0.0065 after Holm" in method
    (told,) = [remark for remark in table.remarks if remark.startswith("Not distinguishable in acc")]
    assert "b and c (p " in told and "more seeds would tell" in told and "a and" not in told


def test_more_rows_than_six_seeds_can_tell_apart_are_said_to_be(tmp_path: Path, make_run) -> None:
    for at in range(8):
        _seeds(make_run, f"r{at}", 0.1 * at + 0.1)
    table = _table(tmp_path)
    assert _cell(table, "r0", "acc").rank == "1–8 A"
    assert any("no pair can be told apart with fewer than 7 seeds each" in remark for remark in table.remarks)


@pytest.mark.parametrize("count", [1, 5])
def test_under_six_seeds_the_table_speaks_of_no_significance(tmp_path: Path, make_run, count: int) -> None:
    for recipe, acc in (("a", 0.9), ("b", 0.5)):
        _seeds(make_run, recipe, acc, count)
    table = _table(tmp_path)
    assert not any(cell.rank for row in table.models for cell in row.cells)
    assert "No test of significance: that takes 6 seeds of each of two rows." in table.remarks
    assert not any("istinguishable" in remark for remark in table.remarks)


def test_the_front_is_marked_and_named(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.9, "fid": 30.0, "l1_cycle": 0.02})
    make_run(recipe="b", scores={"acc": 0.8, "fid": 40.0, "l1_cycle": 0.03})
    make_run(recipe="copier", scores={"acc": 0.05, "fid": 9.0, "l1_cycle": 0.0})
    table = _table(tmp_path)
    assert [row.label for row in table.models if row.on_front] == ["a"]
    assert any("Pareto front of FID, acc and L1 cycle, by means" in remark for remark in table.remarks)
    assert "Not on the front: copier (does not clearly beat no-edit in acc)." in table.remarks


def test_what_may_be_no_better_than_the_control_is_not_on_the_front(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.9, "l1_cycle": 0.03})
    make_run(recipe="b", scores={"acc": 0.12, "l1_cycle": 0.01}, intervals={"acc": (0.04, 0.20)})
    make_run(recipe="c", scores={"acc": 0.12, "l1_cycle": 0.02}, intervals={"acc": (0.11, 0.13)})
    table = _table(tmp_path)
    assert [row.label for row in table.models if row.on_front] == ["a", "c"]
    assert "Not on the front: b (does not clearly beat no-edit in acc)." in table.remarks


def test_where_no_row_beats_the_control_none_is_on_the_front(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.04}, intervals={"acc": (0.03, 0.06)})
    make_run(recipe="b", scores={"acc": 0.05}, intervals={"acc": (0.03, 0.08)})
    table = _table(tmp_path)
    assert not any(row.on_front for row in table.models)
    assert table.statistics.pareto is not None and table.statistics.pareto.left_out.keys() == {"a", "b"}


def test_a_long_list_of_rows_that_are_not_on_the_front_is_cut(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.9})
    for number in range(6):
        make_run(recipe=f"copier{number}", scores={"acc": 0.05})
    (said,) = (remark for remark in _table(tmp_path).remarks if remark.startswith("Not on the front"))
    assert said.count("does not clearly beat") == 4 and said.endswith("; and 2 more.")


def test_a_row_says_that_its_state_was_selected(tmp_path: Path, make_run) -> None:
    make_run(recipe="stargan")
    make_run(recipe="stargan", fingerprint="b" * 64, selected=Selected(metric="acc", value=0.7, step=40, images=320))
    assert [row.label for row in _table(tmp_path).models] == ["stargan (aaaaaaaa)", "stargan (bbbbbbbb, best acc on val)"]


def test_a_run_that_did_not_end_as_meant_is_neither_tested_nor_on_the_front(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.99, "fid": 1.0}, status="diverged")
    for recipe in "bc":
        make_run(recipe=recipe)
    table = _table(tmp_path)
    assert "a (diverged)" not in table.statistics.rankings["acc"].order
    assert [row.label for row in table.models if row.on_front] == ["b", "c"]


def test_metrics_that_discriminate_nothing_rank_nothing(tmp_path: Path, make_run) -> None:
    for recipe in "ab":
        make_run(recipe=recipe, scores={"acc": 0.01})
    statistics = _table(tmp_path).statistics
    assert "acc" not in statistics.rankings and statistics.pareto is not None
    assert statistics.pareto.rows == () and statistics.pareto.left_out.keys() == {"a", "b"}


def test_the_frames_have_ranks_pairs_and_front(tmp_path: Path, make_run) -> None:
    _seeds(make_run, "a", 0.9, fid=30.0)
    _seeds(make_run, "b", 0.5)
    tables = [_table(tmp_path)]
    row = to_frame(tables).query("label == 'b' and metric == 'acc'").iloc[0]
    assert (row["rank_low"], row["rank_high"], row["ties"], row["pareto"]) == (2, 2, "B", False)
    pairs = pairs_frame(tables)
    pair = pairs.query("metric == 'acc'").iloc[0]
    assert (pair["better"], pair["worse"], pair["n_better"], pair["distinguishable"]) == ("a", "b", 6, True)
    assert pair["p"] == pair["p_holm"] == pair["smallest_p"] == pytest.approx(2 / 924)
    assert pairs.query("metric == 'l1_cycle'").iloc[0]["p"] == 1.0
