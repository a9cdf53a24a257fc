from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from ganzoo import fonts
from ganzoo.fonts import font_file_for, fonts_for


def font_with(letters: str, path: Path, family: str) -> Path:
    """A font that draws a square for each letter."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):X}" for letter in letters})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fonts that count as installed."""
    files: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    for known in (fonts._found, fonts._installed):
        known.cache_clear()
    yield files
    for known in (fonts._found, fonts._installed):
        known.cache_clear()


def test_latin_names_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: pytest.fail("searched"))
    assert fonts_for(["angry", "glücklich"]).more == () and fonts_for(["angry"]).remark() is None
    assert font_file_for("glücklich") is None


def test_the_usual_font_suffices_for_greek_and_cyrillic(installed: list[str]) -> None:
    assert fonts_for(["χαρά", "радость"]) == fonts.Fonts()
    assert font_file_for("радость") == font_manager.findfont(fonts.USUAL_FONT)


def test_fonts_that_have_the_letters_are_chosen(tmp_path: Path, installed: list[str]) -> None:
    one = font_with("生", tmp_path / "one.ttf", "One Sans")
    both = font_with("生气", tmp_path / "both.ttf", "Both Sans")
    korean = font_with("기쁨", tmp_path / "korean.ttf", "Korean Sans")
    installed += [str(one), str(both), str(korean), str(tmp_path / "none.ttf")]
    found = fonts_for(["生气", "기쁨"])
    assert [font.family for font in found.more] == ["Both Sans", "Korean Sans"] and found.remark() is None
    assert font_file_for("기쁨") == str(korean)


def test_letters_that_no_font_has_are_told_in_one_line(installed: list[str]) -> None:
    remark = fonts_for(["生气", "悲伤"]).remark()
    assert remark is not None and remark.startswith("No installed font has ") and "\n" not in remark
    assert all(letter in remark for letter in "生气悲伤")
