"""Steps that are recorded and replayed: what a CUDA graph would do, kernel for kernel and on the same memory, on a processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganzoo.config import load_recipe, recipe_names
from ganzoo.data.resident import Batch
from ganzoo.rehearsal import rehearse, rendered_faces, smallest_size, tiny_recipe
from ganzoo.training import graphs
from ganzoo.training.graphs import StepGraphs
from ganzoo.training.trainer import Trainer


class Tape(TorchDispatchMode):
    """Every kernel that is called, with the memory it reads and where its results went."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []

    def __torch_dispatch__(self, kernel: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        results = kernel(*args, **(kwargs or {}))
        if not kernel.is_view:
            self.calls.append((kernel, args, kwargs or {}, _tensors(results)))
        return results

    def replay(self) -> None:
        """Calls the same kernels on the same memory; no line of Python in between is carried out again."""
        for kernel, args, kwargs, kept in self.calls:
            with torch.no_grad():
                for old, new in zip(kept, _tensors(kernel(*args, **kwargs)), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class TapeRecorder:
    """Records on a processor: what recording did to the trainer is undone, for a CUDA graph does nothing meanwhile either."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.tapes: list[Tape] = []

    def warm_up(self, work: Callable[[], list[Tensor]]) -> list[Tensor]:
        return work()

    def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
        everything = list(_state(self.trainer))
        before = [tensor.clone() for tensor in everything]
        drawn, drawn_globally = self.trainer.random.get_state(), torch.get_rng_state()
        with Tape() as tape:
            values = work()
        with torch.no_grad():
            for tensor, old in zip(everything, before, strict=True):
                tensor.copy_(old)
        self.trainer.random.set_state(drawn)
        torch.set_rng_state(drawn_globally)
        self.tapes.append(tape)
        return tape.replay, values


def _tensors(results: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]


def _state(trainer: Trainer) -> Iterator[Tensor]:
    """All tensors that training changes, themselves."""
    modules = [*trainer.networks.values(), *trainer._stateful_terms().values()]
    for module in modules:
        yield from module.parameters()
        yield from module.buffers()
    for optimizer in trainer.optimizers.values():
        yield from _tensors(list(optimizer.state.values()))


def _trainer(name: str, steps: int) -> Trainer:
    recipe = tiny_recipe(load_recipe(name), steps)
    return rehearse(recipe, rendered_faces(smallest_size(recipe), count=32))


def _losses(trainer: Trainer) -> list[tuple[str, float, float]]:
    torch.manual_seed(0)  # for dropout
    list(trainer.steps())
    trainer.losses.fetch()
    return trainer.losses.pending


@pytest.mark.parametrize("name", recipe_names())
def test_replayed_steps_give_the_bits_of_steps_in_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, rates, targets and noise go their way: nothing that Python decides from step to step is frozen in a recording."""
    replayed, plain = _trainer(name, 5), _trainer(name, 5)
    recorder = TapeRecorder(replayed)
    replayed.record_steps(recorder)
    found = _losses(replayed)
    monkeypatch.setattr(graphs, "WARM_UP", replayed.position.step)
    plain.record_steps(TapeRecorder(plain))
    assert found == _losses(plain)
    assert all(torch.equal(one, other) for one, other in zip(_state(replayed), _state(plain), strict=True))
    assert recorder.tapes
    assert replayed.position.updates == plain.position.updates


def test_a_recording_stands_for_its_kind_of_step_alone() -> None:
    trainer = _trainer("stargan", 5)
    recorder = TapeRecorder(trainer)
    trainer.record_steps(recorder)
    list(trainer.steps())
    ahead, answered, both = (len(tape.calls) for tape in recorder.tapes)
    assert both > ahead > 0 and both > answered > 0


def test_steps_warm_up_before_they_are_recorded() -> None:
    done: list[str] = []

    class Noting:
        def warm_up(self, work: Callable[[], list[Tensor]]) -> list[Tensor]:
            done.append("warm up")
            return work()

        def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
            done.append("record")
            values = work()
            return lambda: values[0].copy_(work()[0]), values  # type: ignore[return-value]

    steps = StepGraphs(Noting())
    sums = [float(steps.run("sum", lambda batch: [batch.images.sum()], _batch(value))[0]) for value in range(5)]
    assert sums == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert done == ["warm up"] * graphs.WARM_UP + ["record"]


def _batch(value: float) -> Batch:
    return Batch(torch.full((1,), value), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))


def test_results_of_a_replay_outlast_the_next() -> None:
    trainer = _trainer("stargan-r3", 6)
    trainer.record_steps(TapeRecorder(trainer))
    values = _values(trainer.steps(), trainer)
    assert len(set(values)) == len(values)


def _values(steps: Iterable[Any], trainer: Trainer) -> list[float]:
    return [float(trainer.losses._on_device[-1].values[0]) for _ in steps]
