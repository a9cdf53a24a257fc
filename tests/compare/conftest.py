"""Small run folders for the tests of the comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo.runs.folder import RunFolder, write_json
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
        parameters={"generator": 8_414_848, "discriminator": 1}, macs_per_image=1_500_000_000,
        progress=Progress(images_seen=1000, updates={"generator": 25}, epochs=changes.get("epochs", 5), train_seconds=65,
                          images_per_second=15.4),
    )  # fmt: skip


def _metrics(changes: dict[str, Any]) -> MetricsFile:
    scored_at = changes.get("scored_at", "2025-01-01T01:00:00Z")
    confused = (np.eye(4, dtype=int) * 60 + 10).tolist()
    return MetricsFile(
        protocol=changes.get("protocol", PROTOCOL), fingerprint=changes.get("eval", "e" * 64), reasons=changes.get("reasons", {}),
        metrics=SCORES | changes.get("scores", {}), intervals=changes.get("intervals", {}),
        controls=changes.get("controls", CONTROLS), confusion=Confusion(class_names=CLASSES, counts=confused), info=INFO,
        judge_note=changes.get("judge_note"), sources=100, translations=300, scored=scored_at,
    )  # fmt: skip


@pytest.fixture
def add_pictures() -> Callable[..., None]:
    """Gives a run a history and a gallery."""

    def add(folder: RunFolder, faces: int = 0, channels: int = 1, sources: int = 5) -> None:
        heads = "step,epoch,images,seconds,images_per_second,generator.cycle,generator.cycle.weighted,generator.total"
        rows = [f"{at},{at},{at * 8},{at},8,{1 / (at + 1)},{10 / (at + 1)},{11 / (at + 1)}" for at in range(200)]
        folder.history.write_text("\n".join([heads, *rows]) + "\n")
        rng = np.random.default_rng(faces)
        images = rng.integers(0, 256, (sources, channels, 8, 8), dtype=np.uint8)
        labels = np.arange(sources) % 4
        translations = np.repeat(images[:, None], 4, axis=1)
        np.savez(folder.gallery, sources=images, labels=labels, translations=translations, class_names=np.array(CLASSES))

    return add
