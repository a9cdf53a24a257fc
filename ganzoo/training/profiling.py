"""Where the time of training steps goes: by phase, by network and term, forward and backward, and by operator.

The steps that are profiled are the trainer's own. Networks and terms are marked from outside, on the instance, so the hot loop
knows nothing of it. What a backward pass does is counted for the network whose forward pass recorded it: autograd numbers both
alike.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganzoo.errors import GanzooError
from ganzoo.losses.base import LossTerm
from ganzoo.models.base import methods_of
from ganzoo.training.phases import ReadyPhase
from ganzoo.training.trainer import Trainer

OUTSIDE = "outside phases"
"""Batches, targets, fakes of several batches at once, moving average and bookkeeping."""
_NETWORK, _TERM, _BACKWARD, _OPTIMIZER = (
    "ganzoo network ",
    "ganzoo term ",
    "autograd::engine::evaluate_function",
    "Optimizer.step#",
)
_LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
_CEILING_SIDE = 2048


@dataclass(frozen=True)
class StepProfile:
    """Where the time of a window of training steps goes.

    Attributes:
        steps: Batches of the window: one cycle of the recipe's phases.
        seconds: Time of a window without the profiler, median.
        images: Images of the window.
        shares: Phase (or ``outside phases``) -> part -> share of the window's time, such as ``forward generator``,
            ``backward discriminator``, ``forward terms`` (their own arithmetic), ``optimizer``; all together they are 1.
        terms: Term, as in the history -> share of its forward pass; the first that asks for a product pays for it.
        operators: Operator -> share, most expensive first.
        flops: Floating-point operations of the window; a multiply-accumulate counts as two.
        ceiling: Operations per second that a product of two square matrices of 2,048 reaches in this precision.
        kernels: Operators called in a window that compute or copy, views left out; on an accelerator each launches at least one
            kernel.
        launches: What a window launches on the accelerator (kernels, graphs, copies); 0 on a processor.
    """

    steps: int
    seconds: float
    images: int
    shares: Mapping[str, Mapping[str, float]]
    terms: Mapping[str, float]
    operators: Mapping[str, float]
    flops: int
    ceiling: float
    kernels: int
    launches: int


def profile_steps(trainer: Trainer, windows: int = 5) -> StepProfile:
    """Trains a few windows of steps and says where their time went.

    A window is one cycle of the first stage's phases: a generator step and what precedes it. The first window is not timed.

    Args:
        trainer: Freshly made, all of its phases due from the first batch (`Recipe.at_full_work`); it is trained on the way.
        windows: How many windows are timed, at least 1; one more is profiled, one more counted.

    Raises:
        GanzooError: The first stage is too short.
    """
    size = max(phase.settings.every for phase in trainer.stages[0])
    steps, needed = trainer.steps(), size * (windows + 3)
    if trainer.stage_steps[0] < needed:
        raise GanzooError(f"The first stage has {trainer.stage_steps[0]} steps; a profile of {windows} windows takes {needed}.")

    def window() -> None:
        for _ in islice(steps, size):
            pass
        trainer.losses.fetch()  # Waits for the device.

    window()
    seconds = sorted(_timed(window) for _ in range(windows))[windows // 2]
    with _OperationCounter() as counter:
        window()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # It writes to stderr when it starts and where there is no GPU.
    on_accelerator = trainer.fabric.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_accelerator else [])]
    with _marked(trainer), profile(activities=activities) as profiler:
        window()
    events = list(profiler.events() or [])
    costs = _Costs(events, on_accelerator)
    return StepProfile(
        steps=size,
        seconds=seconds,
        images=size * trainer.batches[0].batch_size,
        shares=costs.by_phase(),
        terms=costs.by_term(),
        operators=costs.by_operator(),
        flops=counter.operations,
        ceiling=_ceiling(trainer),
        kernels=counter.kernels,
        launches=sum(event.name.startswith(_LAUNCHES) for event in events),
    )


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class _OperationCounter(TorchDispatchMode):
    """Counts operators, and adds up torch's own formulas.

    torch's ``FlopCounterMode`` tracks modules as well, which a double backward does not bear.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.operations = self.kernels = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(named or {}))
        self.kernels += not function.is_view
        if formula := flop_registry.get(function._overloadpacket):
            self.operations += formula(*arguments, **(named or {}), out_val=result)
        return result


def _ceiling(trainer: Trainer) -> float:
    """Operations per second of a large matrix product as the trainer computes it."""
    with trainer.fabric.autocast(), torch.no_grad():
        matrix = torch.randn(_CEILING_SIDE, _CEILING_SIDE, device=trainer.fabric.device)

        def multiply() -> None:
            (matrix @ matrix)[0, 0].item()

        multiply()
        return 2.0 * _CEILING_SIDE**3 / min(_timed(multiply) for _ in range(5))


@contextmanager
def _marked(trainer: Trainer) -> Iterator[None]:
    """Names for the profiler what happens inside each network and each term."""
    stages = trainer.stages
    with ExitStack() as stack:
        for name, network in trainer.networks.items():
            stack.enter_context(_marked_methods(network, _NETWORK + name))
        trainer.stages = [[phase._replace(terms=_marked_terms(phase)) for phase in stage] for stage in stages]
        try:
            yield
        finally:
            trainer.stages = stages


def _marked_terms(phase: ReadyPhase) -> tuple[LossTerm, ...]:
    named = zip(phase.names, phase.terms, strict=True)
    return tuple(_as_range(term, f"{_TERM}{phase.label}.{name}") for name, term in named)


@contextmanager
def _marked_methods(network: nn.Module, label: str) -> Iterator[None]:
    """Marks whatever of a network can be called from outside: its forward pass and other methods, such as ``encode``."""
    methods = methods_of(network)
    for name in methods:
        network.__dict__[name] = _as_range(getattr(network, name), label)
    try:
        yield
    finally:
        for name in methods:
            del network.__dict__[name]


def _as_range(function: Callable[..., Any], label: str) -> Any:
    @wraps(function)
    def marked(*arguments: Any, **named: Any) -> Any:
        with record_function(label):
            return function(*arguments, **named)

    return marked


class _Costs:
    """The events of one window, each counted once, by its own time without that of what it calls.

    Args:
        events: What the profiler saw.
        on_accelerator: Whether kernels count, each with the operator that launched it, and not the processor's time.
    """

    def __init__(self, events: list[FunctionEvent], on_accelerator: bool) -> None:
        self._events = [event for event in events if event.device_type.name == "CPU"]
        self._on_accelerator = on_accelerator
        self._networks = {
            event.sequence_nr: network
            for event in self._events
            if event.sequence_nr >= 0 and not event.name.startswith(_BACKWARD) and (network := self._above(event, _NETWORK))
        }
        self._phases = self._find_phases()
        self._total = sum(map(self._own_time, self._events)) or 1.0

    def by_phase(self) -> dict[str, dict[str, float]]:
        """See :class:`StepProfile`."""
        shares: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for event in self._events:
            shares[self._phase(event)][self._part(event)] += self._own_time(event) / self._total
        return {phase: dict(parts) for phase, parts in shares.items()}

    def by_term(self) -> dict[str, float]:
        """See :class:`StepProfile`."""
        shares: dict[str, float] = defaultdict(float)
        for event in self._events:
            if term := self._above(event, _TERM):
                shares[term] += self._own_time(event) / self._total
        return dict(shares)

    def by_operator(self) -> dict[str, float]:
        """See :class:`StepProfile`."""
        shares: dict[str, float] = defaultdict(float)
        for event in self._events:
            if not event.name.startswith(("ganzoo ", _BACKWARD)):
                shares[event.name] += self._own_time(event) / self._total
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def _own_time(self, event: FunctionEvent) -> float:
        if self._on_accelerator:
            return float(sum(kernel.duration for kernel in event.kernels))
        return float(event.self_cpu_time_total)

    def _part(self, event: FunctionEvent) -> str:
        for above in _upwards(event):
            if above.name.startswith(_NETWORK):
                return f"forward {above.name.removeprefix(_NETWORK)}"
            if above.name.startswith(_BACKWARD):
                network = self._networks.get(above.sequence_nr)
                return f"backward {network}" if network else "backward terms"
            if above.name.startswith(_OPTIMIZER):
                return "optimizer"
            if above.name.startswith(_TERM):
                return "forward terms"
        return "rest"

    def _above(self, event: FunctionEvent, kind: str) -> str | None:
        return next((above.name.removeprefix(kind) for above in _upwards(event) if above.name.startswith(kind)), None)

    def _find_phases(self) -> list[tuple[float, float, str]]:
        """When each phase ran, and its name: from its first term to its last optimiser step, or to the next phase's first term
        where they step together (then the steps count for the last)."""
        phases: list[tuple[float, float, str]] = []
        marks = [event for event in self._events if event.name.startswith((_TERM, _OPTIMIZER))]
        began: float | None = None
        label = ""
        for event in sorted(marks, key=lambda mark: mark.time_range.start):
            if event.name.startswith(_TERM):
                of = event.name.removeprefix(_TERM).rpartition(".")[0]
                if began is not None and of != label:
                    phases.append((began, event.time_range.start, label))
                    began = None
                if began is None:
                    began, label = event.time_range.start, of
            elif began is not None:
                phases.append((began, event.time_range.end, label))
                began = None
            elif phases:  # A phase of several optimisers.
                phases[-1] = (phases[-1][0], event.time_range.end, phases[-1][2])
        return phases

    def _phase(self, event: FunctionEvent) -> str:
        middle = (event.time_range.start + event.time_range.end) / 2
        return next((label for began, ended, label in self._phases if began <= middle <= ended), OUTSIDE)


def _upwards(event: FunctionEvent) -> Iterator[FunctionEvent]:
    above: FunctionEvent | None = event
    while above is not None:
        yield above
        above = above.cpu_parent
