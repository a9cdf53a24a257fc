"""One run of a suite before it runs: where it goes, how far it is, and how long it takes where that can be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganzoo.config import RunConfig
from ganzoo.errors import GanzooError
from ganzoo.reporting import duration
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import RunInfo
from ganzoo.session import OtherSettingsError, differences_to, earlier_run
from ganzoo.training.checkpoint import checkpoint_path

State = Literal["done", "to resume", "to do"]


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite.

    Attributes:
        place: The entry it comes from, for messages.
        config: All that decides what it computes.
        folder: Where it goes.
        images: Training images of the whole run.
        extend: Whether a finished run is trained further.
    """

    place: str
    config: RunConfig
    folder: RunFolder
    images: float
    extend: bool

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.config.recipe.name} on {self.config.data}, seed {self.config.seed}"

    def info(self) -> RunInfo | None:
        """What is there of it.

        Raises:
            GanzooError: Its folder holds a run of other settings, or a damaged one.
        """
        return earlier_run(self.folder, self.config, self.extend)

    def state(self) -> State:
        """How far it is: ``done`` is finished and scored.

        Raises:
            GanzooError: As :meth:`info`.
        """
        info = self.info()
        if info is None:
            return "to do"
        if info.status != "finished":
            return "to resume" if checkpoint_path(self.folder).is_file() else "to do"
        longer = self.extend and differences_to(self.folder, self.config)
        return "to resume" if longer or not self.folder.is_scored() else "done"

    def conflict(self) -> str | None:
        """What about its folder keeps it from starting, in words; None if nothing."""
        try:
            self.state()
        except OtherSettingsError as error:
            return f"other settings: {'; '.join(error.changed)}"
        except GanzooError as error:
            return str(error)
        return None

    def whole_seconds(self, device: str) -> float | None:
        """About how long all of it takes, as measured on ``device`` (in words) by itself or another seed; None if unknown."""
        info = self._measured(device)
        return None if info is None else self.images / info.progress.images_per_second + (info.evaluation_seconds or 0.0)

    def seconds_left(self, device: str) -> float | None:
        """About how long the rest of it takes; None if unknown."""
        try:
            state, own = self.state(), self.info()
        except GanzooError:  # Its folder changed since it was planned; it will fail, and say why.
            return None
        if state == "done":
            return 0.0
        whole = self.whole_seconds(device)
        if whole is None or own is None:
            return whole
        rate = own.progress.images_per_second
        return whole - min(own.progress.images_seen, self.images) / rate if rate else whole

    def _measured(self, device: str) -> RunInfo | None:
        """The run itself, or another seed of the same experiment, that tells how fast it is; scored ones first."""
        found = []
        for place in (self.folder.path, *sorted(self.folder.path.parent.glob("seed_*"))):
            try:
                info = RunFolder(place).read_info()
            except GanzooError:  # Not there, or damaged: it tells nothing.
                continue
            if info.progress.images_per_second > 0 and info.environment.device == device:
                found.append(info)
        return next((info for info in found if info.evaluation_seconds), found[0] if found else None)


def seconds_left(runs: Sequence[PlannedRun], device: str) -> float | None:
    """About how long runs still take; one of which nothing is known counts as the mean of the known. None if none is."""
    left = [run.seconds_left(device) for run in runs]
    whole = [seconds for run in runs if (seconds := run.whole_seconds(device)) is not None]
    if not whole and any(seconds is None for seconds in left):
        return None
    return sum(sum(whole) / len(whole) if seconds is None else seconds for seconds in left)


def in_words(runs: Sequence[PlannedRun], device: str) -> str:
    """``10 runs: 3 done, 1 to resume, 6 to do; about 2.1 h left``; those in conflict with what is there are counted beside."""
    sound = [run for run in runs if run.conflict() is None]
    states, seconds = [run.state() for run in sound], seconds_left(sound, device)
    counts = [f"{states.count(state)} {state}" for state in ("done", "to resume", "to do") if state in states]
    counts += [f"{len(runs) - len(sound)} in conflict"] if len(sound) < len(runs) else []
    left = f"; about {duration(seconds)} left" if seconds else ""
    return f"{len(runs)} run{'s' if len(runs) != 1 else ''}: {', '.join(counts)}{left}"
