"""How long ``ganzoo compare`` takes on many made-up runs, as JSON: seconds of the whole command, the least of several.

python benchmarks/speed/compare_runs.py --runs 1000 --seeds 10 --tables 5
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ganzoo.cli import carry_out
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import Confusion, DataFacts, Environment, MetricInfo, MetricsFile, Progress, RunInfo

CLASSES = ["angry", "happy", "sad", "surprise"]
METRICS = {
    "fid": (40.0, MetricInfo(label="FID", direction="lower", ranked=True, aspect="distribution")),
    "fd_judge": (3.0, MetricInfo(label="FD judge", direction="lower", ranked=True, aspect="distribution")),
    "acc": (0.7, MetricInfo(label="expression accuracy", direction="higher", ranked=True, beats="no-edit", aspect="expression")),
    "l1_cycle": (0.05, MetricInfo(label="L1 cycle", direction="lower", ranked=True, aspect="identity")),
    "l1_self": (0.03, MetricInfo(label="L1 self", direction="lower", ranked=True, aspect="identity")),
    "l1_edit": (0.06, MetricInfo(label="L1 edit", direction="none", ranked=False)),
    "l1_paired": (0.08, MetricInfo(label="L1 to truth", direction="lower", ranked=True)),
}
ENVIRONMENT = Environment(
    ganzoo="0", python="3", packages={"torch": "2"}, device="CPU", precision="32", threads=1, command="python"
)


def make_runs(results: Path, runs: int, seeds: int, tables: int) -> None:
    """Writes so many scored runs: ``tables`` datasets, each with as many recipes of ``seeds`` seeds as make up the number."""
    rng = np.random.default_rng(0)
    rows = max(1, runs // (seeds * tables))
    for table in range(tables):
        for row in range(rows):
            quality = rng.normal(0, 0.1, len(METRICS))
            for seed in range(seeds):
                values = {
                    name: centre * float(1 + better + rng.normal(0, 0.03))
                    for (name, (centre, _)), better in zip(METRICS.items(), quality, strict=True)
                }
                write_run(results, f"set{table}", f"recipe{row:03d}", seed, values)


def write_run(results: Path, data: str, recipe: str, seed: int, values: dict[str, float]) -> None:
    """Writes the files of one run that ``compare`` reads."""
    folder = RunFolder.place(results, data, recipe, recipe.encode().hex().ljust(64, "0"), seed)
    facts = DataFacts(name=data, content_hash=data, class_names=CLASSES, counts={"test": [400] * 4})
    progress = Progress(images_seen=60_000, updates={"generator": 1500}, epochs=3, train_seconds=600, images_per_second=100)
    info = RunInfo(
        recipe=recipe,
        fingerprint=recipe.encode().hex(),
        seed=seed,
        status="finished",
        started="2025-01-01T00:00:00Z",
        data=facts,
        environment=ENVIRONMENT,
        parameters={"generator": 8_414_848},
        macs_per_image=1_364_600_000,
        progress=progress,
    )
    controls = {"real": {"fid": 10.0, "fd_judge": 0.1, "acc": 0.95}, "no-edit": {"acc": 0.02, "l1_cycle": 0.0, "l1_self": 0.0}}
    metrics = MetricsFile(
        protocol={"version": "ganzoo-eval/1", "metrics": {name: {"version": 1} for name in METRICS}},
        fingerprint="e" * 64,
        metrics=dict(values),
        intervals={name: (0.98 * value, 1.02 * value) for name, value in values.items() if name not in ("fid", "fd_judge")},
        controls={name: dict(row) for name, row in controls.items()},
        confusion=Confusion(class_names=CLASSES, counts=(np.eye(4, dtype=int) * 300 + 20).tolist()),
        info={name: info for name, (_, info) in METRICS.items()},
        sources=1600,
        translations=4800,
        scored="2025-01-01T01:00:00Z",
    )
    folder.path.mkdir(parents=True)
    folder.info.write_text(info.model_dump_json(indent=1))
    folder.metrics.write_text(metrics.model_dump_json(indent=1))
    head = "step,epoch,images,seconds,images_per_second,generator.cycle,generator.total,discriminator.total"
    lines = (f"{at},{at / 50},{at * 8},{at},100,{1 / (at + 1)},{2 / (at + 1)},{3 / (at + 1)}" for at in range(0, 2000, 10))
    folder.history.write_text("\n".join([head, *lines]) + "\n")
    folder.config.write_text(f"recipe:\n  name: {recipe}\n  generator: {{name: stargan, width: 64}}\nseed: {seed}\n")


def seconds_of_compare(results: Path, *arguments: str) -> float:
    """Seconds of one call of the command, interpreter included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ganzoo", "compare", str(results), *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(
    runs: Annotated[int, typer.Option(help="Number of runs.")] = 1000,
    seeds: Annotated[int, typer.Option(help="Seeds of each recipe.")] = 5,
    tables: Annotated[int, typer.Option(help="Datasets, each a table.")] = 5,
    repeats: Annotated[int, typer.Option(help="Calls, of which the fastest counts.")] = 3,
    figures: Annotated[bool, typer.Option(help="Time it with figures as well.")] = True,
) -> None:
    """Makes up the runs in a temporary folder and times the command."""
    with tempfile.TemporaryDirectory() as place:
        make_runs(Path(place), runs, seeds, tables)
        found = {"runs": len(list(Path(place).rglob("run.json"))), "seeds": seeds, "tables": tables}
        ways = {"tables_seconds": ("--no-figures",), **({"figures_seconds": ()} if figures else {})}
        timed = {
            name: round(min(seconds_of_compare(Path(place), *arguments) for _ in range(repeats)), 2)
            for name, arguments in ways.items()
        }
    print(json.dumps(found | timed))


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
