"""Steps that are recorded and replayed: what a CUDA graph would do, kernel for kernel and on the same memory, on a processor."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ganzoo.config import load_recipe, recipe_names
from ganzoo.data.resident import Batch
from ganzoo.errors import GanzooError
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
        named = kwargs or {}
        # Memory is kept, not tensors: their shapes may change in place.
        memory = tree_map_only(Tensor, torch.Tensor.detach, (args, named))
        results = kernel(*args, **named)
        if not kernel.is_view and torch.Tag.inplace_view not in kernel.tags:
            self.calls.append((kernel, *memory, tree_map_only(Tensor, torch.Tensor.detach, _tensors(results))))
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
        everything = _tensors(self.trainer.changed())
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
    assert all(
        torch.equal(one, other) for one, other in zip(_tensors(replayed.changed()), _tensors(plain.changed()), strict=True)
    )
    assert recorder.tapes and not replayed.refused
    assert replayed.position.updates == plain.position.updates


@pytest.mark.parametrize("every", [5, 6])
def test_each_kind_of_work_has_its_own_recording(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three batches answered at once, then one that answers itself; and of three, then two."""
    monkeypatch.setattr("ganzoo.training.lookahead._IMAGES_ON_CPU", 24)
    recipe = load_recipe("stargan")
    judge, maker = recipe.stages[0].phases
    stage = recipe.stages[0].model_copy(update={"phases": (judge, maker.model_copy(update={"every": every}))})
    recipe = tiny_recipe(recipe.model_copy(update={"stages": (stage,)}), 5)
    replayed, plain = (rehearse(recipe, rendered_faces(32, count=32)) for _ in range(2))
    recorder = TapeRecorder(replayed)
    replayed.record_steps(recorder)
    found = _losses(replayed)
    assert len(recorder.tapes) == 4 and not replayed.refused
    monkeypatch.setattr(graphs, "WARM_UP", replayed.position.step)
    plain.record_steps(TapeRecorder(plain))
    assert found == _losses(plain)


def test_a_recording_that_leaves_out_one_network_is_noticed() -> None:
    """The discriminator's part of a step counts for itself, however far the generator moves."""

    class Forgetful(TapeRecorder):
        def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
            replay, values = super().record(work)
            calls = self.tapes[-1].calls
            calls.remove(next(call for call in calls if "_fused_adam_" in str(call[0])))
            return replay, values

    trainer, plain = _trainer("stargan-r3", 8), _trainer("stargan-r3", 8)
    trainer.record_steps(Forgetful(trainer))
    plain.record_steps(TapeRecorder(plain, "leave it"))
    assert _losses(trainer) == _losses(plain)
    assert "came out otherwise" in trainer.refused


class _Counts:
    calls = 0

    def __call__(self) -> float:
        self.calls += 1
        return 0.0


class _Draws:
    def __call__(self) -> float:
        return random.random()


class _Keeps:
    def __call__(self) -> float:
        self.last = torch.ones(3) * 0.0
        return float(self.last[0])


@pytest.mark.parametrize("changes", [_Counts, _Draws, _Keeps])
def test_what_changes_beside_tensors_is_seen_beforehand(changes: Any) -> None:
    trainer = _trainer("stargan-r3", 5)
    (phases,) = trainer.stages
    term: Any = phases[0].terms[0]

    class Changing(changes):  # type: ignore[misc]
        def __call__(self, context: Any) -> Tensor:
            return term(context) + super().__call__()  # type: ignore[no-any-return]

    trainer.stages = [[phases[0]._replace(terms=(Changing(), *phases[0].terms[1:])), *phases[1:]]]
    recorder = TapeRecorder(trainer)
    trainer.record_steps(recorder)
    list(trainer.steps())
    assert "changes what is no tensor" in trainer.refused
    assert not recorder.tapes


def test_a_recording_stands_for_its_kind_of_step_alone() -> None:
    trainer = _trainer("stargan", 5)
    recorder = TapeRecorder(trainer)
    trainer.record_steps(recorder)
    list(trainer.steps())
    ahead, answered, both = (len(tape.calls) for tape in recorder.tapes)
    assert both > ahead > 0 and both > answered > 0


class Sums:
    """A recorder that notes what it is asked, of work that adds up a batch; ``adds`` is what Python changes meanwhile.

    It is its own trainer, too.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.adds = 0.0
        self.random = torch.Generator()

    def changed(self) -> dict[str, list[Tensor]]:
        return {}

    def python_state(self) -> list[object]:
        return []

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


def test_steps_warm_up_before_they_are_recorded() -> None:
    sums = Sums()
    steps = StepGraphs(sums, sums)
    assert [float(steps.run("sum", sums.work, _batch(value))[0]) for value in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert sums.done == ["try out", "record"] + ["replay"] * 3


def test_what_python_changes_between_steps_is_noticed_and_stays_in_python() -> None:
    sums = Sums()
    steps = StepGraphs(sums, sums)
    found = []
    for value in range(12):
        sums.adds = 0.0 if value < 8 else 100.0
        found.append(float(steps.run("sum", sums.work, _batch(value))[0]))
    # The replays are those of batches 2, 3, 4, ...; the 8th, of batch 9, is held against Python.
    assert found == [*range(9), 109, 110, 111]
    assert "changes from step to step outside of tensors" in steps.refused
    assert sums.done.count("replay") == 8


class Totals(Sums):
    """Work that adds a batch to a total, with a draw; replayed, it adds ``wrongly``."""

    def __init__(self, wrongly: float = 0.0) -> None:
        super().__init__()
        self.wrongly = wrongly
        self.tensors = [torch.zeros(1)]
        self.grows = ""

    def changed(self) -> dict[str, list[Tensor]]:
        return {"totals": self.tensors}

    def work(self, batch: Batch) -> list[Tensor]:
        self.tensors[0].add_(batch.images.sum() + torch.rand(1, generator=self.random))
        return [torch.ones(1)]

    def carry_out(self, work: Callable[[], list[Tensor]]) -> list[Tensor]:
        self._grow("carry out")
        return work()

    def record(self, work: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
        self._grow("record")

        def replay() -> None:
            work()
            self.tensors[0].add_(self.wrongly)

        return replay, [torch.ones(1)]

    def _grow(self, when: str) -> None:
        if when == self.grows:
            self.tensors = [*self.tensors, torch.zeros(1)]


@pytest.mark.parametrize("wrongly", [0.0, 1000.0])
def test_after_a_check_all_is_as_python_or_the_replay_left_it(wrongly: float) -> None:
    totals, plain = Totals(wrongly), Totals()
    steps = StepGraphs(totals, totals)
    for value in range(1, 9):
        steps.run("add", totals.work, _batch(value))
        plain.work(_batch(value))
        assert torch.equal(totals.tensors[0], plain.tensors[0])
    assert bool(steps.refused) == bool(wrongly)
    assert torch.equal(totals.random.get_state(), plain.random.get_state())


def test_what_is_made_late_is_left_to_python_or_named() -> None:
    totals = Totals()
    steps = StepGraphs(totals, totals)
    steps.run("add", totals.work, _batch(1.0))
    steps.run("add", totals.work, _batch(1.0))
    totals.grows = "carry out"
    steps.run("add", totals.work, _batch(1.0))
    assert "only after some steps" in steps.refused

    totals = Totals()
    steps = StepGraphs(totals, totals)
    steps.run("add", totals.work, _batch(1.0))
    steps.run("add", totals.work, _batch(1.0))
    totals.grows = "record"
    with pytest.raises(GanzooError, match="cannot be recorded.*only after some steps.*--compile off"):
        steps.run("add", totals.work, _batch(1.0))


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
