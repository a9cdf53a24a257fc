"""How steps are recorded on CUDA."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from ganzoo.errors import GanzooError
from ganzoo.training.graphs import Parts


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
