"""Steps recorded once and replayed: the device gets a whole step at once, instead of hundreds of small pieces of work.

Small networks leave a GPU waiting for Python. What a step does depends on nothing but tensors (`Trainer._device_work`), so its
kernels can be recorded, with the memory they read and write, and launched again as one (CUDA graphs). What Python counts or
decides inside a step is frozen: what changes from step to step must stand in a tensor.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.training.seeding import random_state, restore_random_state

Parts = TypeVar("Parts", bound=Sequence[Tensor | None])
"""A list or a named tuple of tensors, some of which may be missing."""
Given = TypeVar("Given", bound=Sequence[Tensor | None])
WARM_UP = 2
"""Steps of a kind that are carried out before one is recorded: optimisers and libraries make what they need only once."""


class Recorder(Protocol):
    """How work is recorded on one kind of device."""

    def carry_out(self, work: Callable[[], Parts]) -> Parts:
        """Does work in Python, beside recordings."""
        ...

    def try_out(self, work: Callable[[], Parts]) -> tuple[Parts, str]:
        """The same; also tells why it cannot be recorded, in words, if so."""
        ...

    def record(self, work: Callable[[], Parts]) -> tuple[Callable[[], None], Parts]:
        """What does the work, each time it is called, and where its results then stand; nothing is done yet."""
        ...


class _Recorded(NamedTuple):
    given: Any
    replay: Callable[[], None]
    made: Any


class StepGraphs:
    """The recordings of a trainer's steps: one for each kind of work, by the phases that are due in it.

    A recording does not notice what Python would decide anew, so the 1st, 2nd, 4th, 8th, ... replay of each is held against the
    same work in Python. Work that waits for the device, or comes out otherwise, stays in Python.

    Args:
        recorder: Of the device.
        changed: Gives all tensors that steps change, themselves.
        random: What steps draw from, beside the global generators.

    Attributes:
        refused: Why some steps are not replayed, in words; empty as long as all are.
    """

    def __init__(self, recorder: Recorder, changed: Callable[[], Sequence[Tensor]], random: torch.Generator) -> None:
        self.refused = ""
        self._recorder, self._changed, self._random = recorder, changed, random
        self._seen: dict[Hashable, int] = {}
        self._recorded: dict[Hashable, _Recorded] = {}
        self._in_python: set[Hashable] = set()

    def run(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """What ``work(given)`` gives; work of one kind does the same on tensors of the same sizes."""
        if kind in self._in_python:
            return self._recorder.carry_out(lambda: work(given))
        self._seen[kind] = seen = self._seen.get(kind, 0) + 1
        if seen <= WARM_UP:
            values, objection = self._recorder.try_out(lambda: work(given))
            if seen == WARM_UP and objection:
                self._refuse(kind, objection)
            return values
        if kind not in self._recorded:
            own = _copy(given)
            self._recorded[kind] = _Recorded(own, *self._recorder.record(lambda: work(own)))
        replays = seen - WARM_UP
        if replays & (replays - 1) == 0:
            return self._checked(kind, work, given)
        replayed: Parts = _replay(self._recorded[kind], given)
        return replayed

    def _checked(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """Does the work in Python and again from its recording; keeps what Python made where they part."""
        before = self._state()
        expected = _copy(self._recorder.carry_out(lambda: work(given)))
        in_python = self._state()
        self._restore(before)
        found: Parts = _replay(self._recorded[kind], given)
        if _alike(found, expected) and _moved_alike(before.tensors, self._changed(), in_python.tensors):
            return found
        self._restore(in_python)
        self._refuse(kind, "replayed, one came out otherwise: something in it changes from step to step outside of tensors")
        return expected

    def _refuse(self, kind: Hashable, reason: str) -> None:
        self.refused = reason
        self._in_python.add(kind)
        self._recorded.pop(kind, None)

    def _state(self) -> _State:
        return _State([tensor.detach().clone() for tensor in self._changed()], self._random.get_state(), random_state())

    def _restore(self, state: _State) -> None:
        with torch.no_grad():
            for tensor, value in zip(self._changed(), state.tensors, strict=True):
                tensor.copy_(value)
        self._random.set_state(state.random)
        restore_random_state(state.global_random)


class _State(NamedTuple):
    tensors: list[Tensor]
    random: Tensor
    global_random: dict[str, Any]


def _copy(parts: Parts) -> Parts:
    make: Callable[[Iterable[Tensor | None]], Parts] = getattr(type(parts), "_make", type(parts))  # of a named tuple
    return make(None if part is None else part.clone() for part in parts)


def _replay(recorded: _Recorded, given: Sequence[Tensor | None]) -> Any:
    for kept, part in zip(recorded.given, given, strict=True):
        if part is not None:
            kept.copy_(part)
    recorded.replay()
    return _copy(recorded.made)


def _alike(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> bool:
    """Whether results are the same but for rounding, which a GPU does in another order each time."""
    pairs = [
        (one.double(), other.double())
        for one, other in zip(found, expected, strict=True)
        if one is not None and other is not None and bool(other.isfinite().all())  # What is not, ends the run elsewhere.
    ]
    return all(bool((one - other).abs().mean() <= 1e-3 + 0.05 * other.abs().mean()) for one, other in pairs)


def _moved_alike(before: Sequence[Tensor], found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether two steps from one state went the same way; where a gradient is nearly nothing, Adam follows its rounding."""
    moved = apart = torch.zeros((), dtype=torch.float64)
    for old, one, other in zip(before, found, expected, strict=True):
        moved = moved + (other.double() - old.double()).abs().sum().cpu()
        apart = apart + (one.double() - other.double()).abs().sum().cpu()
    return not bool(moved.isfinite()) or bool(apart <= 0.25 * moved)


class CudaGraphs:
    """Records by CUDA graphs (PyTorch: "CUDA semantics", CUDA Graphs).

    Args:
        random: The generator that steps draw from; a replay moves it on as the step itself would.
    """

    def __init__(self, random: torch.Generator) -> None:
        self._random = random
        self._stream = torch.cuda.Stream()

    def carry_out(self, work: Callable[[], Parts]) -> Parts:
        """Does work in Python on the stream of the recordings, so that nothing autograd keeps belongs to another."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            values = work()
        torch.cuda.current_stream().wait_stream(self._stream)
        return values

    def try_out(self, work: Callable[[], Parts]) -> tuple[Parts, str]:
        """See :class:`Recorder`."""
        with _waits() as waits:
            values = self.carry_out(work)
        return values, f"{waits[0]} reads a value back from the device, or makes a tensor on the host" if waits else ""

    def record(self, work: Callable[[], Parts]) -> tuple[Callable[[], None], Parts]:
        """Records work without doing it."""
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        with suppress(AttributeError), warnings.catch_warnings(action="ignore"):
            graph.register_generator_state(self._random)  # Later versions of torch see for themselves, and warn.
        try:
            # Threads that load batches go on with their copies meanwhile.
            with _nothing_collected(), torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                values = work()
        except RuntimeError as error:
            torch.cuda.set_stream(before)
            raise GanzooError(
                f"A step cannot be recorded ({_first_cause(error)}): a network or term waits for the device, or makes tensors on "
                "the host. --compile off trains without recording."
            ) from error
        return graph.replay, values


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No graph of an earlier trainer may be let go while another one is recorded."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _first_cause(error: BaseException) -> str:
    """What went wrong first, on one line: that a recording failed is only its consequence."""
    while error.__context__ is not None:
        error = error.__context__
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def _waits() -> Iterator[list[str]]:
    """Collects the places in Python that wait for the device; no recording can hold them."""
    before, waits = torch.cuda.get_sync_debug_mode(), list[str]()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for warning in told:
        if "called a synchronizing CUDA operation" in str(warning.message):
            waits.append(f"{warning.filename}:{warning.lineno}")
        elif "Synchronization debug mode" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
