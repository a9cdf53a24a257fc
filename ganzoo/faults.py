"""Finds the part from elsewhere in which an unexpected error arose, so that its author reads one line instead of a traceback."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType

from ganzoo.errors import GanzooError, in_one_line, listed
from ganzoo.registry import FOREIGN_PACKAGES


def fault_in_words(error: BaseException) -> str | None:
    """``my_model.py, line 12, in MyGenerator.forward: ValueError: ...``; None where no part from elsewhere is in use.

    An error that arises in ganzoo or a library although such parts are in use (they may have given it something odd) names
    their packages. Memory that is used up is said as such, whoever asked for it.
    """
    if memory := _out_of_memory(error):
        return memory
    if frames := foreign_frames(error):
        frame, line = frames[-1]
        return f"{Path(frame.f_code.co_filename).name}, line {line}, in {frame.f_code.co_qualname}: {in_one_line(error)}"
    if not FOREIGN_PACKAGES or not isinstance(error, Exception) or isinstance(error, OSError):
        return None
    return f"{in_one_line(error)} (with parts of {listed(sorted(FOREIGN_PACKAGES))} in use)"


def foreign_frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """Where an error went through parts from elsewhere, with the lines; the last is nearest to it."""
    return [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").split(".")[0] in FOREIGN_PACKAGES
    ]


def _out_of_memory(error: BaseException) -> str | None:
    """Says that memory is used up; torch has a type of error for that of a device, and none for that of the CPU."""
    on_device = type(error).__name__ == "OutOfMemoryError"
    if not on_device and not isinstance(error, MemoryError) and "DefaultCPUAllocator" not in str(error):
        return None
    return f"Out of memory{' on the device' if on_device else ''}: smaller networks (width) or batches (batch_size) need less"


def reason_in_words(error: BaseException) -> str:
    """Why something ended, for its record: ganzoo's own words, the fault of a part from elsewhere, or the error itself."""
    return (None if isinstance(error, GanzooError) else fault_in_words(error)) or in_one_line(error)
