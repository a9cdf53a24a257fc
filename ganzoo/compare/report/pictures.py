"""Pictures of the page, embedded as PNG: the wall of translated faces, and the sample grids through training."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ganzoo.compare.attempt import attempt, read_verdicts
from ganzoo.compare.gallery import Gallery, read_gallery
from ganzoo.compare.groups import ScoredRun, plain
from ganzoo.compare.tables import Table
from ganzoo.runs.folder import SAMPLE_CELL_PX, SAMPLE_HEADER_PX

FACES_BYTES, FILMS_BYTES = 10_000_000, 10_000_000
"""Room for the faces, and for the sample grids, of all tables together; runs that find no room are counted in a note."""
FILM_FRAMES, FILM_FACES = 8, 4
"""Points in time, and faces of each, that the page keeps of a run's sample grids."""
NO_ROOM = "no room left on this page"
_SAMPLE = re.compile(r"images_(\d{1,15})\.png")

Bytes = npt.NDArray[np.uint8]


class Budget:
    """Room for pictures, in bytes of the page."""

    def __init__(self, left: int) -> None:
        self.left = left

    def allows(self, uris: Iterable[str]) -> bool:
        """Takes the room of these pictures if there is enough of it; the first that find none end it for all later ones."""
        size = sum(map(len, uris))
        self.left = self.left - size if size <= self.left else 0
        return self.left > 0


@dataclass(frozen=True)
class Tile:
    """One translated face.

    Attributes:
        uri: The picture.
        target: Class asked for.
        own: Whether that is the class the source has.
        seen: Class that the judges see, None where the run did not keep it.
        p_target: The judges' probability of the target, in [0, 1].
    """

    uri: str
    target: str
    own: bool
    seen: str | None
    p_target: float | None

    @property
    def right(self) -> bool:
        """Whether the judges see what was asked for."""
        return self.seen == self.target


@dataclass(frozen=True)
class WallRow:
    """One run on the wall: ``tiles[source][target]``."""

    label: str
    seed: int
    first: bool
    tiles: tuple[tuple[Tile, ...], ...]


@dataclass(frozen=True)
class Wall:
    """The same faces by every run.

    Attributes:
        class_names: Emotions.
        sources: Picture and class of each source.
        rows: The first seed of every model before all further seeds.
        notes: Who is not on it, and why.
    """

    class_names: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]
    rows: tuple[WallRow, ...]
    notes: tuple[str, ...]

    @property
    def has_more_seeds(self) -> bool:
        """Whether some model is there with several seeds."""
        return any(not row.first for row in self.rows)


@dataclass(frozen=True)
class Frame:
    """A run's sample grid at one time."""

    uri: str
    images: int
    epoch: float | None


@dataclass(frozen=True)
class Film:
    """A run's sample grids through training; every frame has the same columns and faces."""

    label: str
    seed: int
    headings: tuple[str, ...]
    faces: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Films:
    """The films of a table, and who has none."""

    films: tuple[Film, ...]
    notes: tuple[str, ...] = field(default=())


def picture_wall(table: Table, labels: Sequence[str], budget: Budget) -> Wall | None:
    """The wall of a table's runs, models in the order of ``labels``; None where no run kept faces."""
    seeds = [table.group.of(label) for label in labels]
    runs = [one[0] for one in seeds] + [run for one in seeds for run in one[1:]]
    read = [(run, read_gallery(run.folder.gallery) if run.folder.gallery.exists() else "no gallery.npz") for run in runs]
    galleries = [gallery for _, gallery in read if isinstance(gallery, Gallery)]
    if not galleries:
        return None
    # Side by side, different faces would be no comparison: those that most runs were given are shown.
    shared = max(galleries[:50], key=lambda one: sum(one.shows_same_faces(other) for other in galleries[:50]))
    rows: list[WallRow] = []
    without: dict[str, list[str]] = {}
    for run, gallery in read:
        reason = gallery if isinstance(gallery, str) else "other source faces than most runs"
        if isinstance(gallery, Gallery) and gallery.shows_same_faces(shared):
            row = _wall_row(run, gallery, run.label not in {row.label for row in rows}) if budget.left else None
            if row and budget.allows(tile.uri for tiles in row.tiles for tile in tiles):
                rows.append(row)
                continue
            reason = NO_ROOM
        without.setdefault(reason, []).append(_name(run))
    names = shared.class_names
    sources = tuple((png(face), names[label]) for face, label in zip(shared.sources, shared.labels.tolist(), strict=True))
    return Wall(names, sources, tuple(rows), tuple(_left_out(without)))


def training_films(table: Table, labels: Sequence[str], budget: Budget) -> Films:
    """The sample grids of the first seed of every model that has them, in the order of ``labels``."""
    films: list[Film] = []
    without: dict[str, list[str]] = {}
    for label in labels:
        reasons = []
        for run in table.group.of(label):
            film = _film(run) if budget.left else NO_ROOM
            if isinstance(film, Film) and budget.allows(frame.uri for frame in film.frames):
                films.append(film)
                break
            reasons.append(NO_ROOM if isinstance(film, Film) else film)
        else:
            without.setdefault(reasons[0], []).append(label)
    return Films(tuple(films), tuple(_left_out(without)))


def png(face: Bytes) -> str:
    """A face (C, H, W) as a data URI; of more than three channels the first three are shown."""
    channels = face[0] if len(face) < 3 else np.ascontiguousarray(face[:3].transpose(1, 2, 0))
    return _as_uri(Image.fromarray(channels))


def _as_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=9)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _wall_row(run: ScoredRun, gallery: Gallery, first: bool) -> WallRow:
    verdicts = _verdicts(run.folder.per_image, gallery)
    names, labels = gallery.class_names, gallery.labels.tolist()
    tiles = []
    for source, faces in enumerate(gallery.translations):
        row = []
        for target, face in enumerate(faces):
            predicted, p_target = verdicts.get((source, target), (None, None))
            row.append(Tile(png(face), names[target], target == labels[source], predicted, p_target))
        tiles.append(tuple(row))
    return WallRow(run.label, run.info.seed, first, tuple(tiles))


def _verdicts(file: Path, gallery: Gallery) -> dict[tuple[int, int], tuple[str, float]]:
    """(source, target) -> class that the judges see and probability of the target; empty where the run kept none."""
    places = {index: source for source, index in enumerate(gallery.source_index.tolist())}
    rows = read_verdicts(file)
    if not isinstance(rows, pd.DataFrame):
        return {}
    names = gallery.class_names
    found = {}
    for row in rows[rows["source_index"].isin(list(places))].itertuples(index=False):
        source, target, predicted, p_target = int(row[0]), int(row[1]), int(row[2]), float(row[3])
        if source in places and 0 <= predicted < len(names):
            found[places[source], target] = (names[predicted], p_target)
    return found


def _film(run: ScoredRun) -> Film | str:
    """The film of a run, or why there is none."""
    pictures = sorted(
        (int(match[1]), file) for file in run.folder.samples.glob("images_*.png") if (match := _SAMPLE.fullmatch(file.name))
    )
    if not pictures:
        return "no sample grids"
    chosen = sorted({round(at) for at in np.linspace(0, len(pictures) - 1, min(FILM_FRAMES, len(pictures)))})
    facts = run.info.data
    per_epoch = sum(facts.counts.get("train", []))
    size = min(facts.image_shape[-1] if facts.image_shape else SAMPLE_CELL_PX, SAMPLE_CELL_PX)
    frames, sizes = [], set()
    for images, file in (pictures[at] for at in chosen):
        grid = attempt(file, lambda content: _cut(Image.open(content).convert("RGB"), size))
        if not isinstance(grid, Image.Image):
            return grid or f"{plain(file.name)} is missing"
        sizes.add(grid.size)
        frames.append(Frame(_as_uri(grid), images, images / per_epoch if per_epoch else None))
    if len(sizes) > 1:
        return "sample grids of several sizes"
    width, height = sizes.pop()
    columns = width // size
    names = ["source", *map(plain, facts.class_names), *(["cycle"] if columns == len(facts.class_names) + 2 else [])]
    headings = tuple(names) if len(names) == columns else ("",) * columns
    return Film(run.label, run.info.seed, headings, height // size, tuple(frames))


def _cut(picture: Image.Image, size: int) -> Image.Image:
    """The first faces of a sample grid without its header, at their own resolution; grey where it has no colour."""
    columns, rows = picture.width // SAMPLE_CELL_PX, (picture.height - SAMPLE_HEADER_PX) // SAMPLE_CELL_PX
    if columns < 1 or rows < 1:
        raise ValueError("not a sample grid")
    rows = min(rows, FILM_FACES)
    box = (0, SAMPLE_HEADER_PX, columns * SAMPLE_CELL_PX, SAMPLE_HEADER_PX + rows * SAMPLE_CELL_PX)
    grid = picture.crop(box).resize((columns * size, rows * size), Image.Resampling.BOX)
    pixels = np.asarray(grid)
    is_grey = bool((pixels == pixels[:, :, :1]).all())
    return grid.convert("L") if is_grey else grid


def _name(run: ScoredRun) -> str:
    return f"{run.label} seed {run.info.seed}"


def _left_out(without: dict[str, list[str]]) -> Iterator[str]:
    for reason, names in without.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield f"Not shown, {reason}: {shown}."
