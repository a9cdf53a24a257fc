"""Steps recorded once and replayed: the device gets a whole step at once, instead of hundreds of small pieces of work.

Small networks leave a GPU waiting for Python. What a step does depends on nothing but tensors (`Trainer._device_work`), so its
kernels can be recorded, with the memory they read and write, and launched again as one (CUDA graphs). What Python counts or
decides inside a step is frozen: what changes from step to step must stand in a tensor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
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
_VALUES = (type(None), bool, int, float, str, bytes)
_LATE = "an optimiser or network makes tensors that it keeps only after some steps"


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


class Trained(Protocol):
    """What a trainer shows of itself, so that its steps can be done twice and compared.

    Attributes:
        random: What steps draw from, beside the global generators.
    """

    random: torch.Generator

    def changed(self) -> Mapping[str, Sequence[Tensor]]:
        """All tensors that steps change, themselves, by what they are."""
        ...

    def python_state(self) -> Sequence[object]:
        """What steps should not change, because a recording would freeze it."""
        ...


class StepGraphs:
    """The recordings of a trainer's steps: one for each kind of work, by the phases that are due in it.

    A recording does not notice what Python would decide anew. Work stays in Python where it is seen to wait for the device, to
    change what is no tensor, or, the 1st, 2nd, 4th, 8th, ... time it is replayed, to come out otherwise than in Python.

    Args:
        recorder: Of the device.
        trained: What is trained.

    Attributes:
        refused: Why some steps are not replayed, in words; empty as long as all are.
    """

    def __init__(self, recorder: Recorder, trained: Trained) -> None:
        self.refused = ""
        self._recorder, self._trained = recorder, trained
        self._seen: dict[Hashable, int] = {}
        self._recorded: dict[Hashable, _Recorded] = {}
        self._in_python: set[Hashable] = set()

    def run(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """What ``work(given)`` gives; work of one kind does the same on tensors of the same sizes."""
        if kind in self._in_python:
            return self._recorder.carry_out(lambda: work(given))
        self._seen[kind] = seen = self._seen.get(kind, 0) + 1
        if seen < WARM_UP:
            return self._recorder.carry_out(lambda: work(given))
        if seen == WARM_UP:
            return self._tried(kind, work, given)
        if kind not in self._recorded:
            self._record(kind, work, given)
        replays = seen - WARM_UP
        if replays & (replays - 1) == 0:
            return self._checked(kind, work, given)
        replayed: Parts = _replay(self._recorded[kind], given)
        return replayed

    def forget(self) -> None:
        """Lets recordings and their memory go: their stage is over."""
        self._recorded.clear()

    def _tried(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """Does the work in Python, and finds out whether it can be recorded."""
        before, python_before = self._tensors(), self._trained.python_state()
        values, objection = self._recorder.try_out(lambda: work(given))
        if not objection and not _same(python_before, self._trained.python_state()):
            objection = "a network or term changes what is no tensor (a counter, a random state, what an attribute names)"
        if not objection and not _same(before, self._tensors()):
            objection = _LATE
        if objection:
            self._refuse(kind, objection)
        return values

    def _record(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> None:
        before, own = self._tensors(), _copy(given)
        self._recorded[kind] = _Recorded(own, *self._recorder.record(lambda: work(own)))
        if not _same(before, self._tensors()):
            raise GanzooError(f"A step cannot be recorded: {_LATE}. --compile off trains without recording.")

    def _checked(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """Does the work in Python and again from its recording; keeps what Python made where they part."""
        before, tensors = self._state(), self._tensors()
        expected = _copy(self._recorder.carry_out(lambda: work(given)))
        if not _same(tensors, self._tensors()):
            self._refuse(kind, _LATE)
            return expected
        in_python = self._state()
        self._restore(before)
        found: Parts = _replay(self._recorded[kind], given)
        if _alike(found, expected) and _moved_alike(before.tensors, self._trained.changed(), in_python.tensors):
            return found
        self._restore(in_python)
        self._refuse(kind, "replayed, one came out otherwise: something in it changes from step to step outside of tensors")
        return expected

    def _refuse(self, kind: Hashable, reason: str) -> None:
        self.refused = reason
        self._in_python.add(kind)
        self._recorded.pop(kind, None)

    def _tensors(self) -> list[Tensor]:
        return [tensor for group in self._trained.changed().values() for tensor in group]

    def _state(self) -> _State:
        copies = {name: [tensor.clone() for tensor in group] for name, group in self._trained.changed().items()}
        return _State(copies, self._trained.random.get_state(), random_state())

    def _restore(self, state: _State) -> None:
        with torch.no_grad():
            for name, group in self._trained.changed().items():
                for tensor, value in zip(group, state.tensors[name], strict=True):
                    tensor.copy_(value)
        self._trained.random.set_state(state.random)
        restore_random_state(state.global_random)


class _State(NamedTuple):
    tensors: dict[str, list[Tensor]]
    random: Tensor
    global_random: dict[str, Any]


def attributes_of(owner: object) -> Iterator[object]:
    """What the attributes of a network, module or term are now: values, tensors, and what containers hold."""
    for value in getattr(owner, "__dict__", {}).values():
        if isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list | tuple | set | deque):
            yield from value
        elif isinstance(value, (*_VALUES, Tensor)):
            yield value


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


def _moved_alike(
    before: Mapping[str, Sequence[Tensor]], found: Mapping[str, Sequence[Tensor]], expected: Mapping[str, Sequence[Tensor]]
) -> bool:
    """Whether two steps from one state changed each group of tensors alike; Adam follows the rounding of small gradients."""
    return all(_changed_alike(before[name], found[name], expected[name]) for name in before)


def _changed_alike(before: Sequence[Tensor], found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    moved = apart = torch.zeros((), dtype=torch.float64)
    for old, one, other in zip(before, found, expected, strict=True):
        moved = moved + (other.double() - old.double()).abs().sum().cpu()
        apart = apart + (one.double() - other.double()).abs().sum().cpu()
    return not bool(moved.isfinite()) or bool(apart <= 0.25 * moved)


def _same(before: Sequence[object], after: Sequence[object]) -> bool:
    """Whether tensors stand on the same memory, values are equal, and all else is the same thing."""
    return len(before) == len(after) and all(_is_same(one, other) for one, other in zip(before, after, strict=True))


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.data_ptr() == other.data_ptr()
    return one is other or (isinstance(one, _VALUES) and isinstance(other, _VALUES) and one == other)
