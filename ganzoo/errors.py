"""The exceptions ganzoo raises for problems that a user can cure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GanzooError(Exception):
    """Something the user asked for cannot be done; the message says what, why and the way out.

    The command line prints the message on one line and exits with code 2.
    """


class InUseError(GanzooError):
    """Another process is training the run."""


class DivergedError(GanzooError):
    """A loss, or an image of the trained generator, is not finite."""


def in_one_line(error: BaseException) -> str:
    """What an error says, without line breaks; the type goes before it where the words are not ganzoo's or the system's."""
    text = " ".join(part.strip() for part in str(error).splitlines())
    return text if isinstance(error, GanzooError | OSError) and text else f"{type(error).__name__}: {text}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'stargan'?"`` for a near miss of a known word, or an empty string."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
