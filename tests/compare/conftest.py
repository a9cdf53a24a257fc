"""Small run folders for the tests of the comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ganzoo.config import load_recipe
from ganzoo.runs.folder import SAMPLE_CELL_PX, SAMPLE_HEADER_PX, RunFolder, write_json
from ganzoo.runs.schema import Confusion, DataFacts, Environment, MetricInfo, MetricsFile, Progress, RunInfo

MakeRun = Callable[..., RunFolder]
CLASSES = ["angry", "happy", "neutral", "sad"]
INFO = {
    "acc": MetricInfo(label="acc", direction="higher", ranked=True, beats="no-edit", unit="share", aspect="expression"),
    "fid": MetricInfo(label="FID", direction="lower", ranked=True, aspect="distribution"),
    "l1_cycle": MetricInfo(label="L1 cycle", direction="lower", ranked=True, aspect="identity"),
    "l1_edit": MetricInfo(label="L1 edit", direction="none", ranked=False),
}
SCORES = {"acc": 0.7, "fid": 40.0, "l1_cycle": 0.03, "l1_edit": 0.06}
PROTOCOL = {"version": 1, "judge": {"hash": "d" * 64}}
CONTROLS = {"real": {"acc": 0.9, "fid": 10.0}, "no-edit": {"acc": 0.05, "fid": 9.0, "l1_cycle": 0.0}}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes one run under ``tmp_path`` and returns its folder; keywords change what differs."""

    def make(recipe: str = "stargan", seed: int = 0, fingerprint: str = "a" * 64, **changes: Any) -> RunFolder:
        root, data = tmp_path / changes.get("under", ""), changes.get("data", "fer4")
        folder = RunFolder.place(root, data, recipe, fingerprint, seed)
        write_json(folder.info, _info(recipe, seed, fingerprint, data, changes))
        if changes.get("scored", True):
            write_json(folder.metrics, _metrics(changes))
        return folder

    return make


def _info(recipe: str, seed: int, fingerprint: str, data: str, changes: dict[str, Any]) -> RunInfo:
    content = changes.get("content", "c" * 64)
    return RunInfo(
        recipe=recipe, fingerprint=fingerprint, seed=seed, status=changes.get("status", "finished"),
        message=changes.get("message"), started="2025-01-01T00:00:00Z",
        data=DataFacts(name=data, content_hash=content, class_names=CLASSES, counts={}),
        environment=Environment(ganzoo="0", python="3", packages={}, device="CPU", precision="32", threads=1, command="python"),
        parameters={"generator": 8_414_848, "discriminator": 1}, macs_per_image=1_500_000_000, peak_memory_bytes=2_340_000_000,
        progress=Progress(images_seen=1000, updates={"generator": 25}, epochs=changes.get("epochs", 5), train_seconds=65,
                          images_per_second=15.4),
        selected=changes.get("selected"),
    )  # fmt: skip


def _metrics(changes: dict[str, Any]) -> MetricsFile:
    scored_at = changes.get("scored_at", "2025-01-01T01:00:00Z")
    confused = (np.eye(4, dtype=int) * 60 + 10).tolist()
    return MetricsFile(
        protocol=changes.get("protocol", PROTOCOL), fingerprint=changes.get("eval", "e" * 64), reasons=changes.get("reasons", {}),
        metrics=SCORES | changes.get("scores", {}), intervals=changes.get("intervals", {}),
        controls=changes.get("controls", CONTROLS), confusion=Confusion(class_names=CLASSES, counts=confused),
        info=INFO | changes.get("info", {}),
        judge_note=changes.get("judge_note"), sources=100, translations=300, scored=scored_at,
    )  # fmt: skip


@pytest.fixture
def add_pictures() -> Callable[..., None]:
    """Gives a run a history, the places of its edits and a gallery."""

    def add(folder: RunFolder, faces: int = 0, channels: int = 1, sources: int = 5) -> None:
        heads = "step,epoch,images,seconds,images_per_second,generator.cycle,generator.cycle.weighted,generator.total"
        rows = [f"{at},{at},{at * 8},{at},8,{1 / (at + 1)},{10 / (at + 1)},{11 / (at + 1)}" for at in range(200)]
        folder.history.write_text("\n".join([heads, *rows]) + "\n")
        folder.samples.mkdir(exist_ok=True)
        folder.edit_locality.write_text("images,mouth,eyes,brows,rest,energy\n8,0.7,0.1,0.1,0.1,0.2\n16,0.5,0.2,0.2,0.1,0.2\n")
        rng = np.random.default_rng(faces)
        images = rng.integers(0, 256, (sources, channels, 8, 8), dtype=np.uint8)
        labels = np.arange(sources) % 4
        translations = np.repeat(images[:, None], 4, axis=1)
        np.savez(folder.gallery, sources=images, labels=labels, translations=translations, class_names=np.array(CLASSES))

    return add


@pytest.fixture
def sample_grids() -> Callable[[RunFolder], None]:
    """Gives a run pictures of eight faces at three times: source, four targets, cycle."""

    def add(folder: RunFolder) -> None:
        folder.samples.mkdir(exist_ok=True)
        for at in range(3):
            size = (6 * SAMPLE_CELL_PX, SAMPLE_HEADER_PX + 8 * SAMPLE_CELL_PX)
            Image.new("RGB", size, (40 * at,) * 3).save(folder.samples / f"images_{at * 100:09d}.png")

    return add


def _verdicts(folder: RunFolder) -> None:
    """Says of every face that it is seen as happy, with 0.75 for the target."""
    with np.load(folder.gallery) as arrays:
        kept = dict(arrays)
    index = np.arange(len(kept["labels"])) * 3 + 10
    np.savez(folder.gallery, **kept, source_index=index)
    pairs = [(place, target) for place in index for target in range(4)]
    frame = pd.DataFrame(pairs, columns=["source_index", "target"]).assign(predicted=1, p_target=0.75)
    pd.concat([frame, frame.assign(source_index=999, predicted=2)]).to_parquet(folder.per_image)


@pytest.fixture
def whole(
    tmp_path: Path, make_run: MakeRun, add_pictures: Callable[..., None], sample_grids: Callable[[RunFolder], None]
) -> Path:
    """Two models, one of them with two seeds, with all that a run keeps; and runs that went wrong."""
    for recipe, seed, acc in (("stargan", 0, 0.6), ("stargan", 1, 0.8), ("dcgan", 0, 0.5)):
        fingerprint = ("a" if recipe == "stargan" else "b") * 64
        folder = make_run(
            recipe=recipe, seed=seed, fingerprint=fingerprint, scores={"acc": acc, "l1_cycle": 0.01 if acc == 0.5 else 0.05}
        )
        add_pictures(folder)
        _verdicts(folder)
        sample_grids(folder)
        config = {"recipe": load_recipe(recipe).model_dump(mode="json"), "data": "fer4", "seed": seed, "precision": "32"}
        folder.config.write_text(yaml.safe_dump(config))
    make_run(recipe="usgan", scored=False, status="diverged", message="nan at step 7")
    make_run(recipe="attgan", scored=False, status="running")
    make_run(recipe="sngan-pd").info.write_text('{"recipe": "sngan')
    return tmp_path
