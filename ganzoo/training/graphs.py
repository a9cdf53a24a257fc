"""Steps recorded once and replayed: the device gets a whole step at once, instead of hundreds of small pieces of work.

Small networks leave a GPU waiting for Python. What a step does depends on nothing but tensors (`Trainer._device_work`), so its
kernels can be recorded, with the memory they read and write, and launched again as one (CUDA graphs). What Python counts or
decides inside a step is frozen: what changes from step to step must stand in a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ganzoo.errors import GanzooError

Parts = TypeVar("Parts", bound=Sequence[Tensor | None])
"""A list or a named tuple of tensors, some of which may be missing."""
Given = TypeVar("Given", bound=Sequence[Tensor | None])
WARM_UP = 2
"""Steps of a kind that are carried out before one is recorded: optimisers and libraries make what they need only once."""


class Recorder(Protocol):
    """How work is recorded on one kind of device."""

    def warm_up(self, work: Callable[[], Parts]) -> Parts:
        """Carries work out, as it must be done before recording."""
        ...

    def record(self, work: Callable[[], Parts]) -> tuple[Callable[[], None], Parts]:
        """What does the work, each time it is called, and where its results then stand; nothing is done yet."""
        ...


class _Recorded(NamedTuple):
    given: Any
    replay: Callable[[], None]
    made: Any


class StepGraphs:
    """The recordings of a trainer's steps: one for each kind of step, by the phases that are due in it.

    Args:
        recorder: Of the device.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: dict[Hashable, int] = {}
        self._recorded: dict[Hashable, _Recorded] = {}

    def run(self, kind: Hashable, work: Callable[[Given], Parts], given: Given) -> Parts:
        """What ``work(given)`` gives; work of one kind does the same on tensors of the same sizes."""
        self._seen[kind] = seen = self._seen.get(kind, 0) + 1
        if seen <= WARM_UP:
            return self._recorder.warm_up(lambda: work(given))
        if kind not in self._recorded:
            own = _copy(given)
            self._recorded[kind] = _Recorded(own, *self._recorder.record(lambda: work(own)))
        recorded = self._recorded[kind]
        for kept, part in zip(recorded.given, given, strict=True):
            if part is not None:
                kept.copy_(part)
        recorded.replay()
        made: Parts = _copy(recorded.made)
        return made


def _copy(parts: Parts) -> Parts:
    make: Callable[[Iterable[Tensor | None]], Parts] = getattr(type(parts), "_make", type(parts))  # of a named tuple
    return make(None if part is None else part.clone() for part in parts)


class CudaGraphs:
    """Records by CUDA graphs (PyTorch: "CUDA semantics", CUDA Graphs).

    Args:
        random: The generator that steps draw from; a replay moves it on as the step itself would.
    """

    def __init__(self, random: torch.Generator) -> None:
        self._random = random
        self._stream = torch.cuda.Stream()

    def warm_up(self, work: Callable[[], Parts]) -> Parts:
        """Carries work out on a stream of its own, so that nothing autograd keeps belongs to another stream."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            values = work()
        torch.cuda.current_stream().wait_stream(self._stream)
        return values

    def record(self, work: Callable[[], Parts]) -> tuple[Callable[[], None], Parts]:
        """Records work without doing it."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._random)
        try:
            # Threads that load batches go on with their copies meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                values = work()
        except RuntimeError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise GanzooError(
                f"A step cannot be recorded ({reason}): a network or term reads values back, or makes tensors on the host. "
                "--compile off trains without recording."
            ) from error
        return graph.replay, values
