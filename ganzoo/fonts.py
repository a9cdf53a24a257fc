"""Fonts for names in any script: which installed ones have the letters that the usual font lacks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

USUAL_FONT = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and more, but no Chinese, Japanese or Korean."""
_LETTERS_SHOWN = 8


@dataclass(frozen=True)
class Font:
    """An installed font: its family's name, its file, and the letters that it was chosen for."""

    family: str
    file: str
    letters: frozenset[str]


@dataclass(frozen=True)
class Fonts:
    """What a text is drawn with.

    Attributes:
        more: Fonts beside the usual one, those of most letters first.
        missing: Letters that no installed font has.
    """

    more: tuple[Font, ...] = ()
    missing: frozenset[str] = frozenset()

    def remark(self) -> str | None:
        """One line about letters that no font has, if there are any."""
        if not self.missing:
            return None
        letters = sorted(self.missing)
        shown = "".join(letters[:_LETTERS_SHOWN]) + ("..." if len(letters) > _LETTERS_SHOWN else "")
        return (
            f"No installed font has {shown}: boxes stand for these letters in pictures, everything else has them. "
            "A font such as Noto Sans (with CJK) cures it."
        )


USUAL_FONTS = Fonts()


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Finds fonts for all letters of some texts; looks at what is installed only where the usual font does not suffice."""
    letters = frozenset(letter for text in texts for letter in text if letter.isprintable() and not letter.isspace())
    return _found(letters) if any(ord(letter) > 255 for letter in letters) else USUAL_FONTS


def font_file_for(text: str) -> str | None:
    """The file of the font that has most letters of one text; None where any font has them all (Latin)."""
    if all(ord(letter) < 256 for letter in text):
        return None
    from matplotlib import font_manager

    files = [str(font_manager.findfont(USUAL_FONT)), *(font.file for font in fonts_for([text]).more)]
    return max(files, key=lambda file: len(_letters_of(file) & set(text)))


@lru_cache(maxsize=32)
def _found(letters: frozenset[str]) -> Fonts:
    from matplotlib import font_manager

    lacking = letters - _letters_of(font_manager.findfont(USUAL_FONT))
    chosen: list[Font] = []
    candidates = dict(_installed()) if lacking else {}
    while lacking:
        # Sans before serif, upright before slanted, and regular before bold: such names are the shorter ones.
        file = max(
            candidates, key=lambda file: (len(lacking & candidates[file]), "sans" in file.lower(), -len(file)), default=None
        )
        if file is None or not lacking & candidates[file]:
            break
        font_manager.fontManager.addfont(file)
        chosen.append(Font(_family_of(file), file, lacking & candidates.pop(file)))
        lacking -= chosen[-1].letters
    return Fonts(tuple(chosen), lacking)


@lru_cache(maxsize=1)
def _installed() -> dict[str, frozenset[str]]:
    from matplotlib import font_manager

    return {file: letters for file in sorted(font_manager.findSystemFonts()) if (letters := _letters_of(file))}


@lru_cache(maxsize=256)
def _letters_of(file: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError, ValueError) as error:  # No font, or one of a kind that cannot be drawn with.
        logging.getLogger(__name__).debug("%s is left out: %s", file, error)
        return frozenset()


def _family_of(file: str) -> str:
    from matplotlib.ft2font import FT2Font

    return FT2Font(file).family_name
