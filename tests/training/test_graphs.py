"""Steps that are recorded and replayed: what a CUDA graph would do, kernel for kernel and on the same memory, on a processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

    def __init__(self, trainer: Trainer, objection: str = "") -> None:
        self.trainer, self.objection = trainer, objection
        self.tapes: list[Tape] = []

    def carry_out(self, work: Callable[[], list[Tensor]]) -> list[Tensor]:
        return work()

    def try_out(self, work: Callable[[], list[Tensor]]) -> tuple[list[Tensor], str]:
        return work(), self.objection

    def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
        everything = self.trainer._changed()
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
    assert all(torch.equal(one, other) for one, other in zip(replayed._changed(), plain._changed(), strict=True))
    assert recorder.tapes and not replayed.refused
    assert replayed.position.updates == plain.position.updates


def test_a_recording_stands_for_its_kind_of_step_alone() -> None:
    trainer = _trainer("stargan", 5)
    recorder = TapeRecorder(trainer)
    trainer.record_steps(recorder)
    list(trainer.steps())
    ahead, answered, both = (len(tape.calls) for tape in recorder.tapes)
    assert both > ahead > 0 and both > answered > 0


class Sums:
    """A recorder that notes what it is asked, of work that adds up a batch; ``adds`` is what Python changes meanwhile."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.adds = 0.0

    def work(self, batch: Batch) -> list[Tensor]:
        return [batch.images.sum() + self.adds]

    def carry_out(self, work: Callable[[], list[Tensor]]) -> list[Tensor]:
        return work()

    def try_out(self, work: Callable[[], list[Tensor]]) -> tuple[list[Tensor], str]:
        self.done.append("try out")
        return work(), ""

    def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
        self.done.append("record")
        frozen, values = self.adds, work()

        def replay() -> None:
            self.done.append("replay")
            now, self.adds = self.adds, frozen
            values[0].copy_(work()[0])
            self.adds = now

        return replay, values


def _steps(sums: Sums) -> StepGraphs:
    return StepGraphs(sums, list, torch.Generator())


def test_steps_warm_up_before_they_are_recorded() -> None:
    sums = Sums()
    steps = _steps(sums)
    assert [float(steps.run("sum", sums.work, _batch(value))[0]) for value in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert sums.done == ["try out"] * graphs.WARM_UP + ["record"] + ["replay"] * 3


def test_what_python_changes_between_steps_is_noticed_and_stays_in_python() -> None:
    sums = Sums()
    steps = _steps(sums)
    found = []
    for value in range(12):
        sums.adds = 0.0 if value < 8 else 100.0
        found.append(float(steps.run("sum", sums.work, _batch(value))[0]))
    # The replays are those of batches 2, 3, 4, ...; the 8th, of batch 9, is held against Python.
    assert found == [*range(9), 109, 110, 111]
    assert "changes from step to step outside of tensors" in steps.refused
    assert sums.done.count("replay") == 8


def test_a_term_that_counts_in_python_is_not_replayed_frozen() -> None:
    trainer = _trainer("stargan-r3", 12)
    (phases,) = trainer.stages
    calls: list[float] = []

    def counted(context: Any) -> Tensor:
        calls.append(1.0)
        return phases[0].terms[0](context) + len(calls)

    trainer.stages = [[phases[0]._replace(terms=(counted, *phases[0].terms[1:])), *phases[1:]]]  # type: ignore[arg-type]
    trainer.record_steps(TapeRecorder(trainer))
    values = _values(trainer.steps(), trainer, phase=0)
    assert "outside of tensors" in trainer.refused
    rises = [later - earlier for earlier, later in zip(values[4:], values[5:], strict=False)]
    assert rises == pytest.approx([1.0] * len(rises), abs=0.5), "every step of Python counts on"


def test_what_the_device_cannot_record_is_carried_out_in_python() -> None:
    trainer, plain = _trainer("stargan", 5), _trainer("stargan", 5)
    recorder = TapeRecorder(trainer, "my_term.py:7 reads a value back")
    trainer.record_steps(recorder)
    for (column, value, _), (name, expected, _) in zip(_losses(trainer), _losses(plain), strict=True):
        assert column == name
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert not recorder.tapes
    assert trainer.refused == "my_term.py:7 reads a value back"


def _batch(value: float) -> Batch:
    return Batch(torch.full((1,), value), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))


def test_results_of_a_replay_outlast_the_next() -> None:
    trainer = _trainer("stargan-r3", 6)
    trainer.record_steps(TapeRecorder(trainer))
    values = _values(trainer.steps(), trainer)
    assert len(set(values)) == len(values)


def _values(steps: Iterable[Any], trainer: Trainer, phase: int = -1) -> list[float]:
    """The first term of one of a step's two phases, after each step."""
    return [float(trainer.losses._on_device[-2:][phase].values[0]) for _ in steps]
