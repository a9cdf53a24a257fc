"""The exceptions ganzoo raises for problems that a user can cure, and the words in which they are told."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

ECHOED_CHARACTERS = 80
"""Most characters of somebody's text that a message repeats."""
LONGEST_MESSAGE = 1000
"""Most characters of a message on the command line."""
_LONGEST_WORD = 200
_TOLD = 8
_COMPARED = 1000
_CPP_STACK = re.compile(r"\s*(Exception raised from |C\+\+ CapturedTraceback|frame #\d+: ).*", re.DOTALL)
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class GanzooError(Exception):
    """Something the user asked for cannot be done; the message says what, why and the way out.

    The command line prints the message on one line and exits with code 2.
    """


class InUseError(GanzooError):
    """Another process is training the run."""


class DivergedError(GanzooError):
    """A loss, or an image of the trained generator, is not finite."""


def is_interrupt(error: BaseException) -> bool:
    """Whether a user interrupts (Ctrl-C), rather than a part from elsewhere that raises what derives from that."""
    return isinstance(error, KeyboardInterrupt) and type(error).__module__.split(".")[0] in ("builtins", "ganzoo")


def in_one_line(error: BaseException) -> str:
    """What an error says, short and without line breaks; the type goes first where the words are not ganzoo's or the system's.

    The stack of C++ that torch adds to some of its errors is left out.
    """
    try:
        text = str(error)
    except Exception as second:  # the exception of a part from elsewhere
        text = f"(its words cannot be had: {type(second).__name__})"
    text = one_line(_CPP_STACK.sub("", text))
    return text if isinstance(error, GanzooError | OSError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


def one_line(text: str, most: int = LONGEST_MESSAGE) -> str:
    """A message on one line of at most ``most`` characters, without control characters and overlong words."""
    words = (shortened(word, _LONGEST_WORD) for word in _NOT_PRINTED.sub(" ", text[: 100 * most]).split())
    line = " ".join(words)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def shortened(text: object, most: int = ECHOED_CHARACTERS) -> str:
    """Somebody's text on one line; of more than ``most`` characters the middle is left out."""
    told = text if isinstance(text, str) else str(text)
    if len(told) > most:
        told = f"{told[: most * 3 // 4 - 1]}…{told[len(told) - most // 4 :]}"
    return _NOT_PRINTED.sub(" ", told)


def in_short(value: object) -> str:
    """A value as Python writes it, with what is long or deep in it left out."""
    return "null" if value is None else shortened(_SHORT.repr(value))


def listed(names: Sequence[str], separator: str = ", ", most: int = _TOLD) -> str:
    """``a, b, c and 49,997 more``: the first of several names or problems, each shortened."""
    told = separator.join(shortened(name, LONGEST_MESSAGE // 3) for name in names[:most])
    return told if len(names) <= most else f"{told}{separator.rstrip()} and {len(names) - most:,} more"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'stargan'?"`` for a near miss of a known word, or an empty string."""
    if len(word) > ECHOED_CHARACTERS:
        return ""
    matches = get_close_matches(word, list(islice(known, _COMPARED)), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""


class _Short(reprlib.Repr):
    """Python's short form of values, which says of a number of thousands of digits that it is one."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = ECHOED_CHARACTERS
        self.maxlevel = self.maxdict = self.maxlist = self.maxtuple = 3

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 10_000 else "a number of thousands of digits"


_SHORT = _Short()
