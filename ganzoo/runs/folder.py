"""A run folder: its place, its files, and how its records are read and written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes, yaml_text
from ganzoo.runs.schema import MetricsFile, RunInfo
from ganzoo.runs.writing import write_atomically

Model = TypeVar("Model", bound=BaseModel)
SAMPLE_CELL_PX, SAMPLE_HEADER_PX = 96, 22
"""Layout of ``samples/images_<seen>.png``: a header line, then square cells; a row per face: source, every target, cycle."""
EDIT_LOCALITY = "edit_locality.csv"


@dataclass(frozen=True)
class RunFolder:
    """``<results>/<data>/<recipe>/<fingerprint8>/seed_<k>/``.

    Files: ``config.yaml``, ``run.json``, ``metrics.json``, ``history.csv``, ``per_image.parquet``, ``gallery.npz``,
    ``generator.safetensors`` (the final generator), ``samples/`` (pictures), ``checkpoints/``.
    """

    path: Path

    @classmethod
    def place(cls, results: Path, data: str, recipe: str, fingerprint: str, seed: int) -> RunFolder:
        """The folder of one run under ``results``; nothing is created."""
        return cls(results / _as_name(data) / _as_name(recipe) / fingerprint[:8] / f"seed_{seed}")

    @classmethod
    def find(cls, results: Path, data: str, content_hash: str, recipe: str, fingerprint: str, seed: int) -> RunFolder:
        """The folder of one run; one that is there already, of the same pictures in a folder that has since moved, goes first."""
        place = cls.place(results, data, recipe, fingerprint, seed)
        if place.info.exists() or not data.startswith("folder:"):
            return place
        for file in sorted(results.glob(f"*/{_as_name(recipe)}/{fingerprint[:8]}/seed_{seed}/run.json")):
            with suppress(GanzooError):  # A damaged one is told where it is asked for.
                there = cls(file.parent).read_info()
                same = (there.fingerprint, there.data.content_hash) == (fingerprint, content_hash)
                if same and there.data.name.startswith("folder:"):
                    return cls(file.parent)
        return place

    @classmethod
    def count(cls, results: Path, data: str) -> tuple[Path, int]:
        """Where the runs on data of this name lie, and how many they are."""
        folder = results / _as_name(data)
        return folder, sum(1 for _ in folder.glob("*/*/seed_*/run.json"))

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def info(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def per_image(self) -> Path:
        return self.path / "per_image.parquet"

    @property
    def gallery(self) -> Path:
        """``sources`` uint8 (n,C,H,W), ``labels`` (n,), ``translations`` uint8 (n,K,C,H,W) by target, ``class_names`` (K,)."""
        return self.path / "gallery.npz"

    @property
    def generator(self) -> Path:
        return self.path / "generator.safetensors"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def edit_locality(self) -> Path:
        """Where in the face the fixed faces were edited, over training: columns images, mouth, eyes, brows, rest, energy."""
        return self.samples / EDIT_LOCALITY

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def read_info(self) -> RunInfo:
        """Reads ``run.json``.

        Raises:
            GanzooError: Missing, truncated or not of this format.
        """
        return read_json(self.info, RunInfo)

    def read_metrics(self) -> MetricsFile:
        """Reads ``metrics.json``.

        Raises:
            GanzooError: Missing, truncated or not of this format.
        """
        return read_json(self.metrics, MetricsFile)

    def is_scored(self) -> bool:
        """Whether ``metrics.json`` is there and whole; where it is not, scoring again makes it so."""
        try:
            self.read_metrics()
        except GanzooError:
            return False
        return True


def describe_run(folder: Path, info: RunInfo, metrics: MetricsFile | None) -> str:
    """A run in one line: ``stargan on synth4, seed 0, finished: acc 0.93, ... (results/synth4/stargan/1a2b3c4d/seed_0)``."""
    scores = metrics.headline_scores() if metrics else {}
    shown = ", ".join(f"{name} {value:.3g}" for name, value in scores.items())
    return f"{info.recipe} on {info.data.name}, seed {info.seed}, {info.status}: {shown or 'no scores'} ({folder})"


def find_runs(results: Path) -> Iterator[RunFolder]:
    """All run folders anywhere under ``results``, in path order: what has a ``run.json``, or has lost it.

    A folder without one is taken for a run where two of the other files of a run are in it; one that cannot be looked into is
    given too, as nobody can tell: reading it says why. Links to folders are not followed.
    """
    blocked: list[str] = []
    walk = os.walk(results, onerror=lambda error: blocked.append(error.filename))
    found = [place for place, folders, files in walk if _holds_run({*folders, *files})]
    yield from map(RunFolder, sorted(map(Path, [*found, *blocked])))


def _holds_run(names: set[str]) -> bool:
    return "run.json" in names or len(names & _FILES) > 1


_FILES = frozenset(
    getattr(RunFolder(Path()), name).name
    for name in ("config", "metrics", "history", "per_image", "gallery", "generator", "checkpoints")
)


def read_json(path: Path, model: type[Model]) -> Model:
    """Reads and validates a JSON file.

    Raises:
        GanzooError: Missing, truncated or not of this format.
    """
    content = read_bytes(path)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GanzooError(f"{path} is not a valid {model.__name__}: {where + ': ' if where else ''}{first['msg']}.") from error


def as_json(record: BaseModel) -> str:
    """A record as the text of its file; floats must be finite."""
    return json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def write_json(path: Path, record: BaseModel) -> None:
    """Writes a record as JSON, atomically; floats must be finite."""
    write_atomically(path, lambda file: file.write_text(as_json(record), encoding="utf-8"))


def write_yaml(path: Path, record: BaseModel) -> None:
    """Writes a record as YAML, atomically, its fields in order."""
    write_atomically(path, lambda file: file.write_text(yaml_text(record.model_dump(mode="json")), encoding="utf-8"))


def _as_name(text: str) -> str:
    kept = "".join(character if character.isalnum() or character in "-_.+" else "_" for character in text)
    return kept.strip("._") or "unnamed"
