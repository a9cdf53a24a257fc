"""Pictures of a run: the same faces at a steady cadence, and all of them through time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.data.face_regions import face_boxes
from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.fonts import font_file_for
from ganzoo.runs.folder import SAMPLE_CELL_PX as CELL_PX
from ganzoo.runs.folder import SAMPLE_HEADER_PX as HEADER_PX
from ganzoo.runs.writing import write_atomically
from ganzoo.training.edit_history import EditHistory, other_classes
from ganzoo.training.translator import GeneratorTranslator

FACES = 8
TIMELINE_COLUMNS = 8
INTENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


class SampleGrid:
    """Translations of fixed faces: rows are sources; columns are the source, every target, and the cycle.

    Args:
        dataset: Gives the faces, evenly over the classes of its validation part.
        folder: Where the pictures go.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.folder = folder
        self.class_names = dataset.class_names
        chosen = one_of_each_in_turn(dataset.val, dataset.num_classes, FACES)
        self.sources, self.labels = dataset.val.images[chosen], dataset.val.labels[chosen]
        self._boxes = face_boxes(dataset.val, chosen)
        self._edits = EditHistory(folder)

    def path(self, images_seen: int) -> Path:
        """Where the picture of a moment of training goes."""
        return self.folder / f"images_{images_seen:09d}.png"

    def save(self, translator: GeneratorTranslator, images_seen: int) -> Path:
        """Translates the faces and writes ``images_<seen>.png``, losslessly, and where their edits lie (`EditHistory`)."""
        translator.restart_noise()
        path = self.path(images_seen)
        columns = self._columns(translator)
        picture = with_header(tiled(torch.stack(columns, dim=1)), self._headings(translator))
        _write_png(path, picture)
        if translator.takes_image:
            every_class = torch.stack(columns[1 : 1 + len(self.class_names)])
            self._edits.record(images_seen, self.sources, other_classes(every_class, self.labels), self._boxes)
        return path

    def save_timeline(self, pictures: Sequence[Path]) -> Path:
        """Puts one translation of each face through time into ``timeline.png``, cut from the pictures of the run."""
        step = max(1, -(-len(pictures) // TIMELINE_COLUMNS))
        shown = [pictures[index] for index in range(len(pictures) - 1, -1, -step)][::-1]
        targets = self._timeline_targets()
        height = CELL_PX * len(self.labels)
        timeline = Image.new("RGB", (CELL_PX * (len(shown) + 1), HEADER_PX + height), "white")
        for column, path in enumerate(shown, start=1):
            with Image.open(path) as picture:
                for row, target in enumerate(targets):
                    timeline.paste(_cell(picture, row, 1 + target), (CELL_PX * column, HEADER_PX + CELL_PX * row))
                    if column == 1:
                        timeline.paste(_cell(picture, row, 0), (0, HEADER_PX + CELL_PX * row))
        self._name_targets(timeline)
        write_headings(timeline, ["source", *(f"{int(path.stem.split('_')[1]):,} img" for path in shown)])
        target_path = self.folder / "timeline.png"
        _write_png(target_path, timeline)
        return target_path

    def save_intensities(self, translator: GeneratorTranslator) -> Path | None:
        """Goes from each face's own expression to another in equal steps, into ``intensity.png``; None if not continuous."""
        if not translator.generator.spec.continuous:
            return None
        sources, targets = to_minus1_1(self.sources), torch.tensor(self._timeline_targets())
        steps = [to_uint8(translator(sources, self.labels, targets, intensity=step)).cpu() for step in INTENSITIES]
        picture = with_header(
            tiled(torch.stack([self.sources, *steps], dim=1)), ["source", *(f"{step:g}" for step in INTENSITIES)]
        )
        self._name_targets(picture)
        path = self.folder / "intensity.png"
        _write_png(path, picture)
        return path

    def _name_targets(self, picture: Image.Image) -> None:
        draw = ImageDraw.Draw(picture)
        for row, target in enumerate(self._timeline_targets()):
            place = (4, HEADER_PX + CELL_PX * (row + 1) - 16)
            draw.text(place, f"to {self.class_names[target]}", "yellow", stroke_width=2, stroke_fill="black")

    def _timeline_targets(self) -> list[int]:
        """One other class for each face: the next one for the first round of classes, the one after that for the second."""
        classes = len(self.class_names)
        return [(int(label) + 1 + (row // classes) % (classes - 1)) % classes for row, label in enumerate(self.labels)]

    def _columns(self, translator: GeneratorTranslator) -> list[Tensor]:
        sources = to_minus1_1(self.sources)
        columns = [self.sources]
        for target in range(len(self.class_names)):
            columns.append(to_uint8(translator(sources, self.labels, torch.full_like(self.labels, target))).cpu())
        if translator.takes_image:
            others = (self.labels + 1) % len(self.class_names)
            there = torch.stack([columns[1 + int(other)][row] for row, other in enumerate(others)])
            columns.append(to_uint8(translator(to_minus1_1(there), others, self.labels)).cpu())
        return columns

    def _headings(self, translator: GeneratorTranslator) -> list[str]:
        return ["source", *self.class_names, *(["cycle"] if translator.takes_image else [])]


def one_of_each_in_turn(split: Split, num_classes: int, count: int) -> Tensor:
    """Indices of ``count`` images, the first of every class, then the second of every class, and so on."""
    by_class = [torch.nonzero(split.labels == label).flatten() for label in range(num_classes)]
    ranks = max(len(members) for members in by_class)
    in_turn = [int(members[rank]) for rank in range(ranks) for members in by_class if rank < len(members)]
    return torch.tensor(in_turn[:count])


def tiled(faces: Tensor) -> Image.Image:
    """A picture of uint8 faces ``(rows, columns, C, H, W)`` with square cells."""
    rows, columns = faces.shape[:2]
    picture = Image.new("RGB", (CELL_PX * columns, CELL_PX * rows))
    for row in range(rows):
        for column in range(columns):
            picture.paste(as_picture(faces[row, column]), (CELL_PX * column, CELL_PX * row))
    return picture


def as_picture(face: Tensor) -> Image.Image:
    """One uint8 face ``(C, H, W)`` at the size of a cell."""
    pixels = face.expand(3, -1, -1) if face.shape[0] == 1 else face
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).resize((CELL_PX, CELL_PX), Image.Resampling.BICUBIC)


def with_header(picture: Image.Image, headings: Sequence[str]) -> Image.Image:
    """The picture below a line of column headings."""
    whole = Image.new("RGB", (picture.width, picture.height + HEADER_PX), "white")
    whole.paste(picture, (0, HEADER_PX))
    write_headings(whole, headings)
    return whole


def write_headings(picture: Image.Image, headings: Sequence[str]) -> None:
    """Writes column headings into the header line."""
    draw = ImageDraw.Draw(picture)
    for column, heading in enumerate(headings):
        file = font_file_for(heading)
        font = ImageFont.load_default(12) if file is None else ImageFont.truetype(file, 12)
        draw.text((CELL_PX * column + CELL_PX // 2, HEADER_PX // 2), heading, "black", font=font, anchor="mm")


def _write_png(path: Path, picture: Image.Image) -> None:
    content = io.BytesIO()  # Writing to a file, Pillow does not say what the disk had against it.
    picture.save(content, format="PNG")
    write_atomically(path, lambda file: file.write_bytes(content.getvalue()))


def _cell(picture: Image.Image, row: int, column: int) -> Image.Image:
    left, top = CELL_PX * column, HEADER_PX + CELL_PX * row
    return picture.crop((left, top, left + CELL_PX, top + CELL_PX))
