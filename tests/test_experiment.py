"""Whole runs on rendered faces: what they leave behind, and every way to stop and go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import ganzoo
from ganzoo.compare.comparison import compare_runs
from ganzoo.config import read_run_config
from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.errors import DivergedError, GanzooError
from ganzoo.evaluation.scoring import Scorer
from ganzoo.experiment import RunOptions, RunResult
from ganzoo.models.base import GeneratorOutput
from ganzoo.models.stargan import StarGANGenerator
from ganzoo.registry import GENERATORS
from ganzoo.reporting import Reporter
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import Selected
from ganzoo.seeds import run_seeds
from ganzoo.training import face_network
from ganzoo.training.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("few_sources")
TINY = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=8")


def tiny_run(results: Path, *changes: str, images: int = 160, recipe: str = "stargan", **more: Any) -> RunResult:
    sizes = TINY if recipe in ("stargan", "stargan-eq1") else ("generator.width=4", "discriminator.width=4", "batch_size=8")
    return ganzoo.run(
        recipe,
        "synth4",
        preset="quick",
        changes=(*sizes, f"images={images}", *changes),
        results=results,
        device="cpu",
        precision="32",
        **more,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return tiny_run(tmp_path_factory.mktemp("results"))


def test_a_run_leaves_everything_behind(finished: RunResult) -> None:
    place = RunFolder(finished.folder)
    assert finished.info.status == "finished"
    for path in (place.config, place.info, place.metrics, place.history, place.per_image, place.gallery, place.generator):
        assert path.is_file(), path
    assert place.edit_locality.is_file()
    pictures = sorted(file.name for file in place.samples.glob("*.png"))
    assert pictures[0] == "images_000000000.png" and "images_000000160.png" in pictures and "timeline.png" in pictures
    assert not [file for file in finished.folder.rglob(".*") if file.name != ".lock"]


def test_a_run_is_printed_in_one_line(finished: RunResult) -> None:
    assert finished.metrics is not None
    for shown in (repr(finished), repr(ganzoo.load_run(finished.folder))):
        assert "stargan on synth4, seed 0, finished: " in shown and f"({finished.folder})" in shown
        assert f"acc {finished.metrics.metrics['acc']:.3g}" in shown and "\n" not in shown and len(shown) < 500


def test_options_may_be_given_either_way_or_both(finished: RunResult) -> None:
    again = tiny_run(finished.folder.parents[3], options=RunOptions(checkpoint_seconds=1.0), if_exists="skip")
    assert again.info == finished.info


def test_provenance_is_complete(finished: RunResult) -> None:
    info = finished.info
    assert info.data.counts["train"] == ganzoo.load_dataset("synth4").train.class_counts(4)
    assert info.progress.steps == 20 and info.progress.images_seen == 160
    # The generator's first turn falls into the lead that quick gives its discriminator.
    assert info.progress.updates == {"discriminator": 20, "generator": 9}
    assert info.environment.packages["torch"] == version("torch")
    assert info.parameters["generator"] > 0 and info.macs_per_image and info.evaluation_seconds


def test_scores_and_controls(finished: RunResult, few_sources: int) -> None:
    metrics = finished.metrics
    assert metrics is not None
    assert {"fid", "fd_judge", "acc", "l1_cycle", "l1_self", "l1_edit", "l1_paired"} <= set(metrics.metrics)
    assert metrics.metrics["fid"] is None and "fid" in metrics.reasons
    assert metrics.controls["no-edit"]["l1_edit"] == 0
    assert metrics.controls["no-edit"]["acc"] == pytest.approx(0, abs=0.05)
    assert metrics.controls["real"]["acc"] == pytest.approx(1, abs=0.05)
    assert metrics.controls["oracle"]["l1_paired"] == 0
    assert metrics.sources == few_sources and metrics.translations == 3 * few_sources


def test_per_image_scores_recompute_the_table(finished: RunResult) -> None:
    assert finished.metrics is not None
    frame = pd.read_parquet(RunFolder(finished.folder).per_image)
    grid = frame[frame.source != frame.target]
    by_target = (grid.predicted == grid.target).groupby(grid.target).mean()
    assert finished.metrics.metrics["acc"] == pytest.approx(by_target.mean())
    assert finished.metrics.metrics["l1_edit"] == pytest.approx(grid.l1_edit.mean(), rel=1e-5)


def test_doing_it_again_changes_nothing(finished: RunResult) -> None:
    before = {file: file.read_bytes() for file in finished.folder.rglob("*") if file.is_file()}
    again = tiny_run(finished.folder.parents[3])
    assert again.folder == finished.folder
    assert {file: file.read_bytes() for file in before} == before


def test_what_is_missing_of_several_seeds_is_run_beside_the_finished_one(finished: RunResult) -> None:
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()}
    settings = {"preset": "quick", "changes": (*TINY, "images=160"), "precision": "32", "results": finished.folder.parents[3]}
    quiet, options = Reporter(quiet=True), RunOptions(device="cpu")
    outcome = run_seeds([0, 1], "stargan", "synth4", options=options, reporter=quiet, **settings)
    assert [result.folder for result in outcome.results] == [finished.folder, finished.folder.parent / "seed_1"]
    assert all(result.info.status == "finished" for result in outcome.results)
    assert {path: path.read_bytes() for path in before} == before


def test_same_seed_same_bits(finished: RunResult, tmp_path: Path) -> None:
    again = tiny_run(tmp_path)
    assert generator_bytes(again) == generator_bytes(finished)


def test_translating_with_a_finished_run(finished: RunResult) -> None:
    saved = ganzoo.load_run(finished.folder)
    faces = ganzoo.load_dataset("synth4").test.images[:5]
    happy = saved.translate(faces, "happy")
    assert happy.shape == faces.shape and happy.dtype == torch.uint8
    assert torch.equal(happy, saved.translate(faces, saved.class_names.index("happy")))
    # Alone or among others a face is the same but for the last bits of float32, which may turn a pixel at the rounding.
    apart = (happy[0].int() - saved.translate(faces[0].numpy(), "happy").int()).abs()
    assert apart.max() <= 1 and (apart > 0).float().mean() < 0.001
    floats = saved.translate(to_minus1_1(faces), "happy")
    assert floats.dtype == torch.float32
    assert torch.equal(to_uint8(floats), happy)
    with pytest.raises(GanzooError, match="Unknown expression 'hapy'. Did you mean 'happy'"):
        saved.translate(faces, "hapy")
    with pytest.raises(GanzooError, match=r"shape \(1, 48, 48\), not \(3, 48, 48\)"):
        saved.translate(faces.expand(-1, 3, -1, -1), "happy")
    with pytest.raises(GanzooError, match=r"Float images must lie in \[-1, 1\], these reach from 0 to 255"):
        saved.translate(torch.tensor([0.0, 255.0]).repeat(24).expand(1, 48, 48), "happy")
    with pytest.raises(GanzooError, match="There are no images to translate"):
        saved.translate(faces[:0], "happy")
    with pytest.raises(GanzooError, match="one class name or index, not a list"):
        saved.translate(faces, ["happy"])  # type: ignore[arg-type]
    for odd in ("0.5", None, float("nan"), 10**400):
        with pytest.raises(GanzooError, match="The intensity must be a number, at most 1,000 either way"):
            saved.translate(faces, "happy", intensity=odd)  # type: ignore[arg-type]
    for odd in ("1", 1.5, -1, 2**63):
        with pytest.raises(GanzooError, match="A style is a seed"):
            saved.translate(faces, "happy", style=odd)  # type: ignore[arg-type]


def test_gallery_shows_what_the_generator_makes(finished: RunResult) -> None:
    with np.load(RunFolder(finished.folder).gallery, allow_pickle=False) as gallery:
        sources, labels, faces = gallery["sources"], gallery["labels"], gallery["translations"]
    target = (int(labels[0]) + 1) % 4
    made = ganzoo.load_run(finished.folder).translate(sources[0], target, source=int(labels[0]))
    assert np.abs(made.numpy().astype(int) - faces[0, target].astype(int)).max() <= 1


def test_a_real_run_is_on_every_figure(finished: RunResult, tmp_path: Path) -> None:
    comparison = compare_runs(finished.folder, tmp_path)
    assert not comparison.notes and not comparison.problems
    assert (tmp_path / "synth4_contact_sheet.png").is_file()


def test_scoring_again_gives_the_same(finished: RunResult) -> None:
    before = finished.metrics
    again = ganzoo.evaluate_run(finished.folder, device="cpu")
    assert before is not None and again.metrics == before.metrics and again.fingerprint == before.fingerprint


def test_other_protocol_has_another_fingerprint(tmp_path: Path) -> None:
    result = tiny_run(tmp_path, images=16)
    fewer = ganzoo.evaluate_run(result.folder, max_sources=20, device="cpu")
    assert result.metrics is not None and fewer.fingerprint != result.metrics.fingerprint
    assert fewer.sources == 20


def test_val_is_scored_where_asked(tmp_path: Path) -> None:
    result = tiny_run(tmp_path, images=16, split="val")
    assert result.metrics is not None and result.metrics.protocol["sources"]["split"] == "val"
    assert result.metrics.controls["nearest-real"]["l1_edit"]  # of test
    on_test = ganzoo.evaluate_run(result.folder, split="test", device="cpu")
    assert on_test.protocol["sources"]["split"] == "test" and on_test.fingerprint != result.metrics.fingerprint
    assert "nearest-real" in on_test.controls
    assert tiny_run(tmp_path, images=16, split="test").metrics == on_test  # the run counts as made so now
    with pytest.raises(GanzooError, match="split: test, now val. Use 'ganzoo evaluate' with --split to score it so"):
        tiny_run(tmp_path, images=16, split="val")


def test_scoring_in_half_precision_is_another_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = tiny_run(tmp_path, images=16, score_precision="bf16")
    assert half.metrics is not None and half.metrics.protocol["precision"] == "bf16"
    full = ganzoo.evaluate_run(half.folder, score_precision="32", device="cpu", reporter=Reporter())
    replaced = "Its scores (split test, score precision bf16) are replaced by new ones (split test, score precision 32)."
    assert replaced in " ".join(capsys.readouterr().out.split())
    assert full.protocol["precision"] == "32" and full.fingerprint != half.metrics.fingerprint
    assert full.metrics["l1_self"] == pytest.approx(half.metrics.metrics["l1_self"], rel=0.05)
    assert full.metrics["l1_self"] != half.metrics.metrics["l1_self"]
    assert tiny_run(tmp_path, images=16).metrics == full  # the run counts as made so now
    with pytest.raises(GanzooError, match="Use 'ganzoo evaluate' with --score-precision and --split to score it so"):
        tiny_run(tmp_path, images=16, split="val", score_precision="bf16")


def test_longer_is_refused_and_extend_trains_on(tmp_path: Path) -> None:
    # A rate that falls and a generator that begins late depend on the length.
    constant = ("stages.0.linear_decay_from=1", "stages.0.phases.1.start=0")
    short = tiny_run(tmp_path, *constant, images=80)
    with pytest.raises(GanzooError, match=r"other settings: recipe\.stages\.0\.images: 80, now 160.*--extend"):
        tiny_run(tmp_path, *constant, images=160)
    longer = tiny_run(tmp_path, *constant, images=160, extend=True)
    assert longer.folder == short.folder and longer.info.progress.steps == 20
    whole = tiny_run(tmp_path / "whole", *constant, images=160)
    assert generator_bytes(longer) == generator_bytes(whole)
    settings = RunFolder(longer.folder).config.read_bytes()
    with pytest.raises(
        GanzooError, match=r"images: 160, now 80\. It has gone further than is asked for: use 'ganzoo run --if-ex"
    ):
        tiny_run(tmp_path, *constant, images=80)
    with pytest.raises(GanzooError, match=r"epochs: None, now 0\.01.* It has gone further"):
        tiny_run(tmp_path, *constant, "epochs=0.01")
    with pytest.raises(GanzooError, match=r"preset: quick, now paper.*\. Use 'ganzoo run --if-exists"):
        ganzoo.run(read_run_config(RunFolder(longer.folder).config).recipe, results=tmp_path, preset="paper", precision="32")
    with pytest.raises(GanzooError, match="gone 20 steps, further than the 10 asked for"):
        tiny_run(tmp_path, *constant, images=80, extend=True)
    assert RunFolder(longer.folder).config.read_bytes() == settings


def test_skip_and_overwrite(tmp_path: Path) -> None:
    first = tiny_run(tmp_path, images=16)
    stamp = RunFolder(first.folder).generator.stat().st_mtime_ns
    assert tiny_run(tmp_path, images=16, if_exists="skip").info == first.info
    assert RunFolder(first.folder).generator.stat().st_mtime_ns == stamp
    assert tiny_run(tmp_path, images=24, if_exists="overwrite").info.progress.steps == 3


def test_a_kill_in_mid_epoch_costs_no_bit(finished: RunResult, few_sources: int, tmp_path: Path) -> None:
    code = (
        "import ganzoo, sys, torch; torch.set_num_threads(int(sys.argv[2]));"
        "from ganzoo import experiment; from ganzoo.experiment import RunOptions;"
        "load = experiment.load_preset;"
        "experiment.load_preset = lambda name: load(name).model_copy(update={'max_sources': int(sys.argv[3])});"
        f"ganzoo.run('stargan', 'synth4', preset='quick', changes={(*TINY, 'images=160')!r}, results=sys.argv[1],"
        "precision='32', options=RunOptions(device='cpu', checkpoint_seconds=0.0))"
    )
    threads = torch.get_num_threads()
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(threads), str(few_sources)], cwd=tmp_path)
    folder = wait_for_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stopped_at = load_checkpoint(checkpoint_path(folder))["position"]["step"]
    assert 0 < stopped_at < 20 and folder.read_info().status == "running"
    resumed = tiny_run(tmp_path)
    assert resumed.info.status == "finished" and resumed.folder == folder.path
    assert generator_bytes(resumed) == generator_bytes(finished)
    assert losses(resumed) == losses(finished)


def test_time_is_kept_and_the_run_still_scored(tmp_path: Path) -> None:
    stopped = tiny_run(tmp_path, images=8_000_000, max_minutes=0.05)
    assert stopped.info.status == "stopped" and "max-minutes" in (stopped.info.message or "")
    assert stopped.metrics is not None and checkpoint_path(RunFolder(stopped.folder)).is_file()


def test_a_wish_to_stop_saves(tmp_path: Path) -> None:
    options = RunOptions(device="cpu", checkpoint_seconds=1e9)
    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        from ganzoo.training.loop import TrainingLoop

        log = TrainingLoop._log

        def log_and_wish(self: TrainingLoop, position: Any, task: Any) -> None:
            log(self, position, task)
            if position.step == 5:
                os.kill(os.getpid(), signal.SIGINT)

        patch.setattr(TrainingLoop, "_log", log_and_wish)
        stopped = tiny_run(tmp_path, options=options)
    assert signal.getsignal(signal.SIGINT) is before
    assert stopped.info.status == "stopped" and stopped.info.message == "interrupted" and stopped.metrics is None
    resumed = tiny_run(tmp_path)
    assert resumed.info.status == "finished" and resumed.metrics is not None


def test_a_recipe_file_may_be_given_as_a_path(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"Recipe file .*mine\.yaml does not exist"):
        ganzoo.run(tmp_path / "mine.yaml")


def test_divergence_is_told_and_kept(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"became (nan|inf|-inf) in step \d+.*no checkpoint yet"):
        tiny_run(tmp_path, "optimizer.lr=1e30")
    (info,) = tmp_path.rglob("run.json")
    record = json.loads(info.read_text())
    assert record["status"] == "diverged" and "became" in record["message"]


class Tied(StarGANGenerator):
    """Has its layers under two names."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.again = self.main


class BreaksInEvaluation(StarGANGenerator):
    """Gives numbers in training only."""

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        output = super().forward(image, condition)
        return output if self.training else output._replace(image=output.image / 0)


@pytest.fixture
def odd_generators() -> Iterator[None]:
    """The generators above, registered for the length of a test."""
    odd = {"tied": Tied, "breaks": BreaksInEvaluation}
    for name, network in odd.items():
        GENERATORS.add(name, network, origin="test")
    yield
    for name in odd:
        del GENERATORS._registered[name], GENERATORS._origins[name]


@pytest.mark.usefixtures("odd_generators")
def test_what_is_said_of_a_generator_that_breaks_in_evaluation_is_kept(tmp_path: Path) -> None:
    with pytest.raises(GanzooError) as said:
        tiny_run(tmp_path, "generator=breaks", images=16)
    (info,) = tmp_path.rglob("run.json")
    record = json.loads(info.read_text())
    assert "not finite" in str(said.value) and record["message"] == str(said.value) and record["status"] == "diverged"


@pytest.mark.usefixtures("odd_generators")
def test_tied_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    result = tiny_run(tmp_path, "generator=tied", images=16)
    assert result.info.status == "finished" and result.metrics is not None
    assert ganzoo.evaluate_run(result.folder, device="cpu").metrics == result.metrics.metrics


def test_a_generator_that_cannot_be_saved_is_noted_and_saved_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("ganzoo.session.save", lambda tensors: [][0])
        with pytest.raises(IndexError):
            tiny_run(tmp_path, images=16)
    (info,) = tmp_path.rglob("run.json")
    record = json.loads(info.read_text())
    assert record["status"] == "failed" and record["message"] == "IndexError: list index out of range"
    assert tiny_run(tmp_path, images=16).info.message is None


@pytest.mark.parametrize(("error", "status"), [(GanzooError, "finished"), (DivergedError, "diverged")])
def test_why_a_run_has_no_scores_is_kept_until_it_has(
    error: type[GanzooError], status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(*_: Any) -> float:
        raise error("It has no scores.")

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", score)
        with pytest.raises(error):
            tiny_run(tmp_path, images=16)
    (info,) = tmp_path.rglob("run.json")
    record = json.loads(info.read_text())
    assert record["status"] == status and record["message"] == "It has no scores."
    scored = tiny_run(tmp_path, images=16)
    assert scored.info.status == "finished" and scored.info.message is None and scored.metrics is not None


@pytest.mark.parametrize("recipe", sorted(set(ganzoo.list_recipes()) - {"stargan", "example"}))
def test_every_recipe_runs(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_network, "MOST_IMAGES", 256)
    result = tiny_run(tmp_path, images=32, recipe=recipe)
    assert result.info.status == "finished" and result.metrics is not None
    identity = [result.metrics.metrics[name] for name in ("l1_cycle", "l1_self", "l1_edit", "l1_paired")]
    if not ganzoo.load_run(result.folder).translator.takes_image:
        assert identity == [None] * 4 and "noise" in result.metrics.reasons["l1_self"]
        assert ganzoo.evaluate_run(result.folder, device="cpu").metrics == result.metrics.metrics
    else:
        assert all(value is not None for value in identity)


def test_intensity_reaches_notebooks_and_pictures(tmp_path: Path) -> None:
    result = tiny_run(tmp_path, images=32, recipe="ganimation")
    assert (result.folder / "samples" / "intensity.png").is_file()
    saved, faces = ganzoo.load_run(result.folder), ganzoo.load_dataset("synth4").test.images[:4]
    half = saved.translate(faces, "happy", source="sad", intensity=0.5)
    assert not torch.equal(half, saved.translate(faces, "happy"))
    torch.testing.assert_close(saved.translate(faces, "happy", intensity=1.0), saved.translate(faces, "happy", source="sad"))
    with pytest.raises(GanzooError, match="knows whole expressions only"):
        ganzoo.load_run(tiny_run(tmp_path, images=32).folder).translate(faces, "happy", intensity=0.5)


def test_styles_reach_notebooks(tmp_path: Path) -> None:
    saved = ganzoo.load_run(tiny_run(tmp_path, images=32, recipe="starganv2").folder)
    faces = ganzoo.load_dataset("synth4").test.images[:4]
    first, second = (saved.translate(faces, "happy", style=style) for style in (1, 2))
    assert not torch.equal(first, second) and torch.equal(first, saved.translate(faces, "happy", style=1))
    assert torch.equal(saved.translate(faces, "happy"), saved.translate(faces, "happy"))
    with pytest.raises(GanzooError, match="has no styles"):
        ganzoo.load_run(tiny_run(tmp_path, images=32).folder).translate(faces, "happy", style=1)


def test_generators_and_discriminators_mix(tmp_path: Path) -> None:
    result = ganzoo.run(
        "stargan",
        "synth4",
        preset="quick",
        changes=("generator=dcgan", "generator.width=4", "discriminator.width=4", "batch_size=8", "images=16"),
        results=tmp_path,
        device="cpu",
    )
    assert result.info.status == "finished"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "sargan"}, "Unknown recipe 'sargan'. Did you mean 'stargan'"),
        ({"data": "fer5"}, "Unknown dataset 'fer5'. Did you mean"),
        ({"preset": "quik"}, "Unknown preset 'quik'. Did you mean 'quick'"),
        ({"presett": "quick"}, "ganzoo.run takes no 'presett'. Did you mean 'preset'"),
        ({"devise": "cpu"}, "ganzoo.run takes no 'devise'. Did you mean 'device'"),
        ({"epochs": -1}, "--epochs must be positive"),
        ({"epochs": 3, "changes": ("images=160",)}, "--epochs 3 and --set images=160 both say how long to train"),
        ({"seed": -1}, "--seed must not be negative"),
        ({"seed": 2**63}, r"--seed must be below 2\*\*63, not 9223372036854775808"),
        ({"max_minutes": 0}, "--max-minutes must be positive"),
        ({"changes": ("discriminator=cdcgan",)}, "gradient_penalty.*couples the images of a batch"),
        ({"split": "train"}, "--split is test or val, not 'train'"),
        ({"score_precision": "16"}, "--score-precision is 32 or bf16, not '16'"),
        ({"precision": "16"}, "Unknown precision '16'"),
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"if_exists": "replace"}, "Unknown choice 'replace' for if_exists"),
        ({"inception_weights": Path("nowhere.pth")}, "nowhere.pth do not exist"),
        ({"dinov2_weights": Path("nowhere.pth")}, "DINOv2 weights nowhere.pth do not exist"),
        ({"plugins": ("nowhere.py",)}, "nowhere.py does not exist"),
    ],
)
def test_bad_input_leaves_nothing_behind(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = {"recipe": "stargan", "data": "synth4", "results": tmp_path / "results", **arguments}
    with pytest.raises(GanzooError, match=message):
        ganzoo.run(**settings)
    assert not (tmp_path / "results").exists()


def generator_bytes(result: RunResult) -> bytes:
    return RunFolder(result.folder).generator.read_bytes()


def losses(result: RunResult) -> list[list[str]]:
    """The history without its times."""
    frame = pd.read_csv(RunFolder(result.folder).history, dtype=str)
    rows: list[list[str]] = frame.drop(columns=["seconds", "images_per_second"]).fillna("").values.tolist()
    return rows


def wait_for_checkpoint(results: Path, process: subprocess.Popen[bytes]) -> RunFolder:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        for path in results.rglob("last.pt"):
            return RunFolder(path.parents[1])
        time.sleep(0.01)
    raise AssertionError("no checkpoint was written in time")


def test_a_checkpoint_of_another_model_is_refused_in_words(tmp_path: Path) -> None:
    checkpoint = tiny_run(tmp_path).folder / "checkpoints" / "last.pt"
    state = load_checkpoint(checkpoint)
    del state["networks"]["generator"]
    save_checkpoint(checkpoint, state)
    info = json.loads((checkpoint.parents[1] / "run.json").read_text())
    (checkpoint.parents[1] / "run.json").write_text(json.dumps({**info, "weights": {}}))  # a run of before hashes were noted
    with pytest.raises(GanzooError, match=r"last\.pt is not a checkpoint of this run \('generator'\); '--if-exists overwrite'"):
        tiny_run(tmp_path, images=320, extend=True)


def test_what_cannot_start_does_not_cost_the_run_that_is_there(
    tmp_path: Path, finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shutil.copytree(finished.folder.parents[3], tmp_path / "results")
    before = sorted(file for file in place.rglob("*"))
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(GanzooError, match="The wandb logger needs its library"):
        tiny_run(place, if_exists="overwrite", logger="wandb")
    assert sorted(file for file in place.rglob("*")) == before
    with pytest.raises(GanzooError, match="The wandb logger needs its library"):
        tiny_run(tmp_path / "new", logger="wandb")
    assert not (tmp_path / "new").exists()


def test_what_killed_writers_left_is_taken_away(tmp_path: Path) -> None:
    place = RunFolder(tiny_run(tmp_path, images=16).folder)
    left = place.checkpoints / ".last.13881.pt"
    left.write_bytes(b"half a checkpoint")
    own = place.path / ".notes"
    own.write_text("kept")
    tiny_run(tmp_path, images=16)
    assert not left.exists() and own.exists()


# Selecting a state on the validation part


def test_the_best_state_on_val_is_scored(tmp_path: Path) -> None:
    result = tiny_run(tmp_path, select="l1_self")
    best = result.info.selected
    assert best is not None and (best.metric, best.images) == ("l1_self", 8 * best.step) and best.step % 2 == 0
    generator = ganzoo.load_run(result.folder).translator
    last = load_checkpoint(checkpoint_path(RunFolder(result.folder)))
    same = [torch.equal(mine, last["networks"]["generator"][name]) for name, mine in generator.generator.state_dict().items()]
    assert all(same) == (best.step == 20)
    config, cpu = read_run_config(RunFolder(result.folder).config), torch.device("cpu")
    scorer = Scorer.prepare(ganzoo.load_dataset("synth4"), config, cpu, None, None, Reporter(quiet=True))
    assert scorer.on_validation(generator, "l1_self") == pytest.approx(best.value)
    with pytest.raises(GanzooError, match="was made with --select l1_self.*score it on test"):
        ganzoo.evaluate_run(result.folder, split="val", device="cpu")


def test_looking_changes_nothing_that_is_trained(tmp_path: Path, finished: RunResult) -> None:
    looked = tiny_run(tmp_path, select="acc")
    assert looked.info.fingerprint != finished.info.fingerprint
    states = [load_checkpoint(checkpoint_path(RunFolder(run.folder))) for run in (looked, finished)]
    for name, weights in states[0]["networks"]["generator"].items():
        assert torch.equal(weights, states[1]["networks"]["generator"][name])
    assert torch.equal(states[0]["random"], states[1]["random"])


def test_a_selected_state_stays_the_best_when_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.0, 0.3, 0.8, *[0.1] * 30])  # the first is asked for before training
    monkeypatch.setattr(Scorer, "on_validation", lambda self, translator, metric: next(values))
    first = tiny_run(tmp_path, images=80, select="acc")
    assert first.info.selected == Selected(metric="acc", value=0.8, step=2, images=16)
    weights = ganzoo.load_run(first.folder).translator.generator.state_dict()
    longer = tiny_run(tmp_path, images=160, select="acc", extend=True)
    assert longer.info.progress.steps == 20 and longer.info.selected == first.info.selected
    after = ganzoo.load_run(longer.folder).translator.generator.state_dict()
    assert all(torch.equal(after[name], mine) for name, mine in weights.items())


def test_a_look_that_fails_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.0, 0.3])

    def failing(self: Scorer, translator: Any, metric: str) -> float:
        for value in values:
            return value
        raise GanzooError("no value")

    monkeypatch.setattr(Scorer, "on_validation", failing)
    with pytest.raises(GanzooError, match="no value"):
        tiny_run(tmp_path, images=80, select="acc")
    (checkpoint,) = tmp_path.rglob("last.pt")
    state = load_checkpoint(checkpoint)
    assert state["position"]["step"] == 2 and state["selected"]["best"]["step"] == 1
    info = RunFolder(checkpoint.parent.parent).read_info()
    assert (info.status, info.selected) == ("failed", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"select": "accc"}, "accc.*Did you mean 'acc'"),
        ({"select": "l1_edit"}, "--select l1_edit: no value of it is better than another"),
        ({"select": "acc", "split": "val"}, "--select chooses on val; scores on the same part would flatter"),
        ({"select": "fid"}, "--select fid: it has no value here"),
        ({"select": "acc", "score_precision": "bf16"}, "--select compares states in float32"),
    ],
)
def test_what_cannot_select_is_told_before_training(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        tiny_run(tmp_path, images=16, **settings)
    assert not list(tmp_path.rglob("run.json"))
