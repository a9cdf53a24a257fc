from __future__ import annotations

import math
from pathlib import Path

import pytest

from ganzoo.compare.collect import METRIC_COLUMNS, RUN_COLUMNS, collect
from ganzoo.errors import GanzooError
from ganzoo.runs.schema import Progress


def test_one_row_per_run_and_metric_with_what_the_run_cost(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1, scores={"acc": 0.8})
    frame = collect(tmp_path).frame
    assert tuple(frame.columns) == RUN_COLUMNS + METRIC_COLUMNS
    assert len(frame) == 2 * 4
    row = frame[(frame.seed == 1) & (frame.metric == "acc")].iloc[0]
    assert (row.value, row.direction, row.ranked) == (0.8, "higher", True)
    assert (row.parameters, row.macs_per_image, row.generator_updates, row.images_seen) == (8_414_848, 1.5e9, 25, 1000)
    assert row.folder == f"fer4/stargan/{'a' * 8}/seed_1"


def test_updates_of_a_generator_trained_in_parts_are_those_of_its_most_trained_part() -> None:
    parts = {"discriminator.image": 90, "generator.encoder": 40, "generator.decoder": 70}
    assert Progress(updates=parts).generator_updates == 70
    assert Progress(updates={"discriminator": 90}).generator_updates == 0


def test_metrics_come_in_the_usual_order(tmp_path: Path, make_run) -> None:
    make_run(scores={"another": 1.0})
    assert list(collect(tmp_path).groups[0].metric_info) == ["fid", "acc", "l1_cycle", "l1_edit", "another"]


def test_an_empty_folder_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no run.json.*ganzoo run stargan --data synth4"):
        collect(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no folder .*nowhere.*--results"):
        collect(tmp_path / "nowhere")


def test_broken_and_foreign_files_are_listed_and_do_not_stop_the_rest(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    cut = make_run(seed=1)
    cut.info.write_text(cut.info.read_text()[:50])
    half = make_run(seed=2)
    half.metrics.write_text(half.metrics.read_text()[:50])
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "run.json").write_bytes(b"\xff\x00 not json")
    found = collect(tmp_path)
    assert [run.info.seed for run in found.groups[0].runs] == [0]
    assert [(problem.run.split("/")[-1], problem.status) for problem in found.problems] == [
        ("seed_1", "unreadable"), ("seed_2", "unreadable"), ("foreign", "unreadable"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["running", "stopped", "diverged", "failed"])
def test_a_run_without_scores_is_listed_with_its_status_and_message(tmp_path: Path, make_run, status: str) -> None:
    make_run(scored=False, status=status, message="the loss was nan\nat step 7")
    found = collect(tmp_path)
    assert found.groups == () and len(found.frame) == 0
    assert found.problems[0].status == status
    assert "the loss was nan at step 7" in found.problems[0].message


def test_a_finished_run_without_scores_names_the_command_that_scores_it(tmp_path: Path, make_run) -> None:
    make_run(scored=False)
    assert "ganzoo evaluate" in collect(tmp_path).problems[0].message


def test_values_that_are_not_finite_are_missing_with_a_reason(tmp_path: Path, make_run) -> None:
    folder = make_run()
    folder.metrics.write_text(folder.metrics.read_text().replace("40.0", "NaN", 1))
    row = collect(tmp_path).frame.query("metric == 'fid'").iloc[0]
    assert math.isnan(row.value) and row.reason == "the value was nan"


def test_one_recipe_with_one_fingerprint_is_called_by_its_name(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=10)
    make_run(seed=2)
    group = collect(tmp_path).groups[0]
    assert group.labels == ["stargan"] and [run.info.seed for run in group.runs] == [0, 2, 10]


def test_two_fingerprints_of_one_recipe_are_two_rows(tmp_path: Path, make_run) -> None:
    make_run(fingerprint="3f2a91c0" * 8)
    make_run(fingerprint="b" * 64)
    make_run(recipe="dcgan")
    assert collect(tmp_path).groups[0].labels == ["dcgan", "stargan (3f2a91c0)", "stargan (bbbbbbbb)"]


def test_seeds_trained_for_different_lengths_are_not_averaged(tmp_path: Path, make_run) -> None:
    make_run(seed=0, epochs=400)
    make_run(seed=1, epochs=5)
    assert collect(tmp_path).groups[0].labels == ["stargan (400 epochs)", "stargan (5 epochs)"]


def test_unfinished_and_reference_runs_are_rows_of_their_own(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1, status="stopped", message="--max-minutes 1")
    make_run(seed=0, under="reference")
    found = collect(tmp_path)
    assert found.groups[0].labels == ["stargan", "stargan (reference)", "stargan (stopped)"]
    assert [(problem.status, problem.message) for problem in found.problems] == [("stopped", "--max-minutes 1")]


def test_a_copied_run_counts_once_by_its_latest_scores(tmp_path: Path, make_run) -> None:
    make_run(scores={"acc": 0.1})
    make_run(under="copy", scores={"acc": 0.2}, scored_at="2025-02-01T00:00:00Z")
    found = collect(tmp_path)
    assert found.frame.query("metric == 'acc'").value.tolist() == [0.2]
    assert [problem.status for problem in found.problems] == ["duplicate"]


def test_another_protocol_is_another_group_that_names_the_fields(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1)
    make_run(recipe="dcgan", eval="f" * 64, protocol={"version": 2, "judge": {"hash": "1" * 64}, "extra": True})
    first, second = collect(tmp_path).groups
    assert first.differences == {} and first.slug == "fer4" and second.slug == "fer4_ffffffff"
    assert second.differences == {
        "version": ("1", "2"), "judge.hash": ("dddddddd", "11111111"), "extra": ("absent", "True"),
    }  # fmt: skip


def test_another_content_is_another_group_even_under_one_protocol(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(recipe="dcgan", content="9" * 64)
    groups = collect(tmp_path).groups
    assert len(groups) == 2
    assert list(groups[1].differences) == ["data.content_hash"]


def test_names_from_files_cannot_steer_the_terminal(tmp_path: Path, make_run) -> None:
    make_run(recipe="star\x1b[31m\ngan")
    assert collect(tmp_path).groups[0].labels == ["star[31m gan"]
