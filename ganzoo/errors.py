"""The exceptions ganzoo raises for problems that a user can cure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GanzooError(Exception):
    """Something the user asked for cannot be done; the message says what, why and the way out.

    The command line prints the message on one line and exits with code 2.
    """


class DivergedError(GanzooError):
    """Training produced a loss that is not finite."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'stargan'?"`` for a near miss of a known word, or an empty string."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
