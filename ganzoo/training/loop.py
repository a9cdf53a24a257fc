"""Training as a run: logs, pictures and checkpoints at their cadence, clean stops, and going on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ganzoo.errors import DivergedError, GanzooError
from ganzoo.interruption import noted_as_wishes
from ganzoo.reporting import Reporter, Task
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import Progress
from ganzoo.runs.writing import Write, write_atomically
from ganzoo.training.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from ganzoo.training.history import History
from ganzoo.training.samples import SampleGrid
from ganzoo.training.selection import LOOKS_PER_RUN, Selection
from ganzoo.training.trainer import Position, Trainer
from ganzoo.training.translator import GeneratorTranslator

ROWS_PER_RUN = 400
PICTURES_PER_RUN = 12
CHECKPOINT_SECONDS = 60.0


class TrainingLoop:
    """Drives a trainer inside a run folder.

    Args:
        trainer: Ready to train.
        folder: Exists.
        samples: Takes pictures of the fixed faces.
        translator: The trainer's scored generator.
        reporter: Shows progress.
        checkpoint_seconds: Time between checkpoints.
        log_metrics: Also receives each history row and its step, for TensorBoard and the like.
        selection: Chooses the state to score, where that is not the last.
        write_weights: Replaces the checkpoint, atomically.

    Attributes:
        wishes: ``interrupted`` once a signal has asked for a stop.
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: RunFolder,
        samples: SampleGrid,
        translator: GeneratorTranslator,
        reporter: Reporter,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        log_metrics: Callable[[dict[str, Any], int], None] | None = None,
        selection: Selection | None = None,
        write_weights: Callable[[Path, Write], object] = write_atomically,
    ) -> None:
        self.trainer, self.folder, self.samples, self.translator = trainer, folder, samples, translator
        self.reporter, self.checkpoint_seconds, self.log_metrics = reporter, checkpoint_seconds, log_metrics
        self.selection, self.write_weights = selection, write_weights
        self.wishes: list[str] = []
        self._kept_history: str | None = None
        self.history = History(folder.history, trainer.columns)
        self.log_every = max(1, min(trainer.total_steps // ROWS_PER_RUN, 200))
        self.picture_every = max(1, trainer.total_steps // PICTURES_PER_RUN)
        self.look_every = max(1, trainer.total_steps // LOOKS_PER_RUN)
        self._last_row = (0, 0.0)
        self._compiles = False
        self._refused = ""
        self._saved_at = time.monotonic()

    def resume(self) -> bool:
        """Goes back to the latest checkpoint, if there is one.

        Raises:
            GanzooError: It cannot be read, or is not of this recipe.
        """
        path = checkpoint_path(self.folder)
        if not path.is_file():
            return False
        try:
            state = load_checkpoint(path)
            self.trainer.load_state(state)
            if self.selection is not None:
                self.selection.load_state(state.get("selected"))
            self._kept_history = state.get("history")
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise GanzooError(
                f"{path} is not a checkpoint of this run ({reason}); '--if-exists overwrite' starts the run anew."
            ) from error
        return True

    def train(self, deadline: float | None = None) -> str | None:
        """Trains to the end, or to a stop.

        Args:
            deadline: ``time.monotonic()`` at which to stop.

        Returns:
            Why it stopped early, or None at the end of the recipe.

        Raises:
            DivergedError: A loss is not finite; the message names step, term and last good checkpoint.
        """
        position = self.trainer.position
        self.folder.samples.mkdir(parents=True, exist_ok=True)
        if problem := self.history.start(position.step, self._kept_history):
            self.reporter.say(f"{problem} The others are kept, and training goes on.")
        self._last_row = (position.images, position.seconds)
        self._compiles = self.trainer.is_compiled
        is_due = position.step % self.picture_every == 0
        if position.step == 0 or is_due and not self.samples.path(position.images).is_file():
            self.samples.save(self.translator, 0)
        try:
            with self.reporter.task("training", self.trainer.total_steps) as task, noted_as_wishes() as self.wishes:
                if self._compiles:
                    task.show("compiling", position.step, self.trainer.total_steps)
                return self._steps(task, deadline)
        except DivergedError as error:
            raise DivergedError(f"{error} {self._last_good()}") from None

    def progress(self) -> Progress:
        """How far the run has come, for ``run.json``."""
        position = self.trainer.position
        return Progress(
            steps=position.step,
            images_seen=position.images,
            updates=dict(position.updates),
            epochs=round(position.epochs, 6),
            train_seconds=round(position.seconds, 3),
            images_per_second=round(position.images / position.seconds, 2) if position.seconds else 0.0,
        )

    def save(self) -> None:
        """Writes a checkpoint now."""
        selected = {} if self.selection is None else {"selected": self.selection.state()}
        state = self.trainer.state() | selected | {"history": self.history.text}
        save_checkpoint(checkpoint_path(self.folder), state, self.write_weights)
        self._saved_at = time.monotonic()

    def _steps(self, task: Task, deadline: float | None) -> str | None:
        total = self.trainer.total_steps
        for position in self.trainer.steps():
            with self._saved_where_refused():
                self._show(position, task)
            if self.selection is not None and (position.step % self.look_every == 0 or position.step == total):
                self._look(self.selection)
            reason = None
            if deadline is not None and time.monotonic() >= deadline:
                reason = "the time given by --max-minutes is used up"
            if self.wishes:
                reason = self.wishes[0]
            if reason and position.step < total:
                self.save()
                return reason
            if time.monotonic() - self._saved_at >= self.checkpoint_seconds or position.step == total:
                self.save()
        return None

    def _show(self, position: Position, task: Task) -> None:
        """Logs, and takes pictures, where it is time."""
        is_end = position.step == self.trainer.total_steps
        if position.step % self.log_every == 0 or is_end:
            self._log(position, task)
        else:
            task.update(position.step)
        if position.step % self.picture_every == 0 or is_end:
            self.trainer.settle()
            self.samples.save(self.translator, position.images)

    @contextmanager
    def _saved_where_refused(self) -> Iterator[None]:
        """Where the disk (or a terminal that is gone) takes no row or picture, it may yet take what was trained."""
        try:
            yield
        except OSError:
            with suppress(OSError):
                self.save()
            raise

    def _look(self, selection: Selection) -> None:
        """Lets the selection look at the generator; what was trained is kept where that fails."""
        self.trainer.settle()
        try:
            selection.look(self.trainer.scored_generator(), self.trainer.position.step, self.trainer.position.images)
        except GanzooError:
            self.save()
            raise

    def _log(self, position: Position, task: Task) -> None:
        self.trainer.settle()
        if self._compiles:  # Only now does the pace tell how long training takes.
            self._compiles = False
            task.show("training", position.step, self.trainer.total_steps)
        if self.trainer.refused != self._refused:
            self._refused = self.trainer.refused
            self.reporter.say(f"Some steps are carried out one by one, more slowly: {self._refused}.")
        images, seconds = self._last_row
        rate = (position.images - images) / max(position.seconds - seconds, 1e-9)
        self._last_row = (position.images, position.seconds)
        losses = self.trainer.losses.row()
        timing = {
            "step": position.step,
            "epoch": round(position.epochs, 4),
            "images": position.images,
            "seconds": round(position.seconds, 3),
            "images_per_second": round(rate, 2),
        }
        self.history.append({**timing, **losses})
        if self.log_metrics is not None:
            self.log_metrics(losses, position.step)
        totals = "  ".join(
            f"{name.removesuffix('.total')} {value:.3f}" for name, value in losses.items() if name.endswith(".total")
        )
        task.update(position.step, f"{rate:.0f} images/s  {totals}")

    def _last_good(self) -> str:
        path = checkpoint_path(self.folder)
        if not path.is_file():
            return "There was no checkpoint yet."
        step = load_checkpoint(path)["position"]["step"]
        return f"The last good checkpoint is checkpoints/{path.name} of step {step}."
