"""A run folder: its place, its files, and writing them so that a kill never leaves half a file."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes, yaml_text
from ganzoo.runs.schema import MetricsFile, RunInfo

Model = TypeVar("Model", bound=BaseModel)
SAMPLE_CELL_PX, SAMPLE_HEADER_PX = 96, 22
"""Layout of ``samples/images_<seen>.png``: a header line, then square cells; a row per face: source, every target, cycle."""
EDIT_LOCALITY = "edit_locality.csv"
MOST_JSON_BYTES = 64 * 1024 * 1024
_TEMPORARY = re.compile(r"\.[^.]+\.\d+(\.\w+)?")


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
    """All run folders (those with a ``run.json``) anywhere under ``results``, in path order."""
    for file in sorted(results.rglob("run.json")):
        yield RunFolder(file.parent)


def read_json(path: Path, model: type[Model]) -> Model:
    """Reads and validates a JSON file.

    Raises:
        GanzooError: Missing, truncated or not of this format.
    """
    try:
        return model.model_validate_json(read_bytes(path, MOST_JSON_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GanzooError(f"{path} is not a valid {model.__name__}: {where + ': ' if where else ''}{first['msg']}.") from error


def as_json(record: BaseModel) -> str:
    """A record as the text of its file; floats must be finite."""
    return json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def write_json(path: Path, record: BaseModel) -> None:
    """Writes a record as JSON, atomically; floats must be finite."""
    write_atomically(path, lambda file: file.write_text(as_json(record)))


def write_yaml(path: Path, record: BaseModel) -> None:
    """Writes a record as YAML, atomically, its fields in order."""
    write_atomically(path, lambda file: file.write_text(yaml_text(record.model_dump(mode="json")), encoding="utf-8"))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary file beside ``path``, flushes it to disk, then renames it to ``path``."""
    write_together({path: write})


def write_together(writes: Mapping[Path, Callable[[Path], object]]) -> None:
    """The same for files that belong together: where one of them cannot be written, none is replaced."""
    for path in writes:
        if not path.name:  # "." or "/"
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporaries = {path: path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}") for path in writes}
    try:
        for path, write in writes.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporaries[path])
            with open(temporaries[path], "rb+") as file:
                os.fsync(file.fileno())
        for path, temporary in temporaries.items():
            os.replace(temporary, path)
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Takes away the temporary files of writers that were killed; nobody may be writing in the folder now."""
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name):
            file.unlink()


def _as_name(text: str) -> str:
    kept = "".join(character if character.isalnum() or character in "-_.+" else "_" for character in text)
    return kept.strip("._") or "unnamed"
