from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.compare.collect import collect
from ganzoo.compare.contact_sheet import FACE_PX, contact_sheet
from ganzoo.compare.figures import save
from ganzoo.compare.tables import Table, build_table


def _table(results: Path) -> Table:
    return build_table(collect(results).groups[0])


def test_one_column_per_model_after_the_source(tmp_path: Path, make_run, add_pictures) -> None:
    for recipe in ("a", "b"):
        add_pictures(make_run(recipe=recipe))
    figure, notes = contact_sheet(_table(tmp_path))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert notes == []
    assert words[:3] == ["source", "a", "b"]
    assert words.count("→ happy") == 4  # Five sources, one of which is happy already.


def test_the_faces_on_the_sheet_are_those_of_the_gallery(tmp_path: Path, make_run, add_pictures) -> None:
    folder = make_run(recipe="a")
    add_pictures(folder)
    with np.load(folder.gallery) as arrays:
        face = arrays["sources"][0, 0]
    figure, _ = contact_sheet(_table(tmp_path))
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    wanted = np.asarray(Image.fromarray(face).resize((FACE_PX, FACE_PX), Image.Resampling.BICUBIC))
    rows, columns = np.where(sheet[:, :, 0] < 255)
    top, left = rows.min(), columns.min()
    np.testing.assert_array_equal(sheet[top : top + FACE_PX, left : left + FACE_PX, 0], wanted)


def test_a_model_with_other_faces_is_left_out_with_a_note(tmp_path: Path, make_run, add_pictures) -> None:
    for recipe, faces in (("a", 1), ("b", 2), ("c", 2)):
        add_pictures(make_run(recipe=recipe), faces=faces)
    figure, notes = contact_sheet(_table(tmp_path))
    assert notes == ["a is not on the contact sheet: its source faces are not those of the others."]
    assert [text.get_text() for text in figure.axes[0].texts[:3]] == ["source", "b", "c"]


def test_without_galleries_there_is_no_sheet(tmp_path: Path, make_run) -> None:
    make_run(recipe="a")
    assert contact_sheet(_table(tmp_path)) == (None, ["a is not on the contact sheet: it has no gallery.npz."])


def test_a_broken_gallery_is_a_note_and_the_next_seed_stands_in(tmp_path: Path, make_run, add_pictures) -> None:
    make_run(recipe="a", seed=0).gallery.write_bytes(b"PK\x03\x04 cut off")
    make_run(recipe="b", seed=0).gallery.write_bytes(b"")
    add_pictures(make_run(recipe="b", seed=1))
    figure, notes = contact_sheet(_table(tmp_path))
    assert figure is not None and len(notes) == 1 and "a is not on the contact sheet: gallery.npz cannot be read" in notes[0]


def test_pickled_arrays_are_refused(tmp_path: Path, make_run) -> None:
    np.savez(make_run(recipe="a").gallery, sources=np.array([{}], dtype=object), class_names=np.array(["x"]))
    figure, notes = contact_sheet(_table(tmp_path))
    assert figure is None and "cannot be read" in notes[0]


@pytest.mark.parametrize(("channels", "sources"), [(1, 1), (3, 12), (4, 5)])
def test_any_number_of_channels_and_faces(tmp_path: Path, make_run, add_pictures, channels: int, sources: int) -> None:
    add_pictures(make_run(), channels=channels, sources=sources)
    figure, _ = contact_sheet(_table(tmp_path))
    png, _ = save(figure, tmp_path / "sheet")
    with Image.open(png) as picture:
        assert np.asarray(picture.convert("L")).std() > 10
