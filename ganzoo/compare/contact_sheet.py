"""Draws the same faces as every model translated them: one row per (face, expression asked for), one column per model."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ganzoo.compare.figures import DPI, GREY, literal, new_figure
from ganzoo.compare.gallery import Bytes, Gallery, read_gallery
from ganzoo.compare.groups import ScoredRun
from ganzoo.compare.tables import Table

FACE_PX = 96
"""Side of one face on the sheet: 48×48 faces at twice their size."""
GAP_PX, GROUP_GAP_PX, BANK_GAP_PX, LABEL_PX = 4, 24, 20, 108
"""Between faces, between source faces, between the sheet's halves; and the room for the expressions' names."""
TITLE_PX, FOOT_PX = 44, 20
LINE_PX = 15
MOST_ROWS, MOST_COLUMNS = 14, 9
WHITE = 255


def contact_sheet(table: Table) -> tuple[Figure | None, list[str]]:
    """The sheet of a table's models, and why some are not on it.

    Each model is shown by its first seed that has a gallery. A model whose source faces differ from those that most
    models were given is left out: side by side, different faces would be no comparison.

    Returns:
        The figure, None where no run has a gallery; and one note for each model left out.
    """
    galleries: dict[str, Gallery] = {}
    notes = []
    for label in table.group.labels:
        gallery = _first(table.group.of(label))
        if isinstance(gallery, Gallery):
            galleries[label] = gallery
        else:
            notes.append(f"{label} is not on the contact sheet: {gallery}.")
    if not galleries:
        return None, notes
    most = max(galleries.values(), key=lambda one: sum(one.shows_same_faces(other) for other in galleries.values()))
    for label in [label for label, gallery in galleries.items() if not gallery.shows_same_faces(most)]:
        del galleries[label]
        notes.append(f"{label} is not on the contact sheet: its source faces are not those of the others.")
    return _sheet(table, galleries), notes


def _first(runs: list[ScoredRun]) -> Gallery | str:
    """The first readable gallery, or why there is none."""
    why = "it has no gallery.npz"
    for run in runs:
        if run.folder.gallery.exists():
            found = read_gallery(run.folder.gallery)
            if isinstance(found, Gallery):
                return found
            why = found
    return why


def _chosen(gallery: Gallery, banks: int) -> list[int]:
    """Sources to show: as many as fit into the banks, every class in turn."""
    labels = gallery.labels.tolist()
    turns = [(labels[:index].count(label), label, index) for index, label in enumerate(labels)]
    room = banks * max(1, MOST_ROWS // (len(gallery.class_names) - 1))
    return [index for _, _, index in sorted(turns)[:room]]


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in pixels from the top left. Few models stand in several banks side by side."""

    columns: int
    targets: int
    banks: int
    per_bank: int
    names_px: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        width = self.left(self.banks - 1, self.columns) + GROUP_GAP_PX
        return max(width, 620), self.top(self.per_bank, 0) + FOOT_PX

    def left(self, bank: int, column: int) -> int:
        bank_width = LABEL_PX + self.columns * (FACE_PX + GAP_PX) + BANK_GAP_PX
        # The source stands a little apart from the models.
        return bank * bank_width + LABEL_PX + column * (FACE_PX + GAP_PX) + (GROUP_GAP_PX // 2 if column else 0)

    def top(self, place: int, row: int) -> int:
        group = self.targets * (FACE_PX + GAP_PX) + GROUP_GAP_PX
        return TITLE_PX + self.names_px + place * group + row * (FACE_PX + GAP_PX)


def _sheet(table: Table, galleries: dict[str, Gallery]) -> Figure:
    gallery = next(iter(galleries.values()))
    heads = ["source", *(_folded(name) for name in galleries)]
    banks = max(1, MOST_COLUMNS // (len(heads) + 1))
    sources = _chosen(gallery, banks)
    banks = min(banks, len(sources))
    names_px = LINE_PX * max(head.count("\n") + 1 for head in heads) + 8
    layout = _Layout(len(heads), len(gallery.class_names) - 1, banks, -(-len(sources) // banks), names_px)
    width, height = layout.size
    figure = new_figure(width / DPI, height / DPI)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    faces = _faces(layout, list(galleries.values()), sources)
    axes.imshow(faces, interpolation="none", aspect="auto", extent=(0, width, height, 0))
    axes.set_axis_off()
    _write_names(axes, layout, gallery, sources, heads)
    title = f"{table.title}\nthe same faces, first seed of each model"
    literal(axes.text(GROUP_GAP_PX, TITLE_PX / 2, title, fontsize=8, fontweight="bold", va="center"))
    return figure


def _faces(layout: _Layout, galleries: list[Gallery], sources: list[int]) -> Bytes:
    """The sheet without words, uint8 (height, width, 3)."""
    width, height = layout.size
    canvas = np.full((height, width, 3), WHITE, np.uint8)
    for place, index in enumerate(sources):
        bank, line = divmod(place, layout.per_bank)
        for row, target in enumerate(_targets(galleries[0], index)):
            first = [galleries[0].sources[index]] if row == 0 else [None]
            for column, image in enumerate([*first, *(gallery.translations[index, target] for gallery in galleries)]):
                if image is not None:
                    left, top = layout.left(bank, column), layout.top(line, row)
                    canvas[top : top + FACE_PX, left : left + FACE_PX] = _readable(image)
    return canvas


def _targets(gallery: Gallery, index: int) -> list[int]:
    return [target for target in range(len(gallery.class_names)) if target != gallery.labels[index]]


def _readable(image: Bytes) -> Bytes:
    """One face, (C, H, W), as (FACE_PX, FACE_PX, 3); one channel is grey, of more than three the first three are shown."""
    channels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    picture = Image.fromarray(np.ascontiguousarray(channels.transpose(1, 2, 0)))
    return np.asarray(picture.resize((FACE_PX, FACE_PX), Image.Resampling.BICUBIC))


def _write_names(axes: Axes, layout: _Layout, gallery: Gallery, sources: list[int], heads: list[str]) -> None:
    for bank in range(layout.banks):
        for column, head in enumerate(heads):
            x = layout.left(bank, column) + FACE_PX / 2
            literal(axes.text(x, layout.top(0, 0) - 6, head, ha="center", va="bottom", fontsize=6.5, linespacing=1.05))
    for place, index in enumerate(sources):
        bank, line = divmod(place, layout.per_bank)
        middle = layout.left(bank, 0) + FACE_PX / 2
        is_class = gallery.class_names[gallery.labels[index]]
        literal(axes.text(middle, layout.top(line, 0) + FACE_PX + 5, is_class, ha="center", va="top", fontsize=7, color=GREY))
        for row, target in enumerate(_targets(gallery, index)):
            y = layout.top(line, row) + FACE_PX / 2
            name = f"→ {gallery.class_names[target]}"
            literal(axes.text(layout.left(bank, 0) - 8, y, name, ha="right", va="center", fontsize=7))


def _folded(name: str) -> str:
    """A name in at most three lines of a column's width."""
    lines = textwrap.wrap(name, 11, break_on_hyphens=False) or [name]
    return "\n".join(lines if len(lines) <= 3 else [*lines[:2], lines[2][:10] + "…"])
