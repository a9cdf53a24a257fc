"""The trainer: runs any recipe; it knows no model, dataset or loss by name."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property, partial
from itertools import chain, count, islice
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ganzoo.config import Recipe, Stage
from ganzoo.data.base import Dataset
from ganzoo.data.conditions import TARGET_SAMPLERS, ActionUnits
from ganzoo.data.pixels import dequantized
from ganzoo.data.resident import Batch, Batches, make_batches
from ganzoo.errors import GanzooError, listed
from ganzoo.models.base import Discriminator, Generator
from ganzoo.training.compilation import compile_networks
from ganzoo.training.context import Asked, StepContext, joined, share
from ganzoo.training.cuda_graphs import CudaGraphs
from ganzoo.training.face_network import InstanceNetwork, face_network
from ganzoo.training.graphs import Parts, Recorder, StepGraphs, attributes_of
from ganzoo.training.history import LossBuffer, StepLosses, loss_columns
from ganzoo.training.lookahead import Lookahead
from ganzoo.training.optim import MovingAverage, create_optimizers, load_optimizer, make_recordable, set_learning_rate
from ganzoo.training.phases import ReadyPhase, images_with_graph, ready_phase
from ganzoo.training.seeding import derived_seed, random_state, restore_random_state


class BatchesFactory(Protocol):
    """Makes the batches of one stage."""

    def __call__(self, batch_size: int, flip: bool) -> Batches: ...


@dataclass
class Position:
    """How far training has come.

    Attributes:
        stage: Index of the stage.
        stage_step: Batches seen in this stage.
        step: Batches seen in all.
        images: Images seen, counted once per batch.
        epochs: Passes over the training part.
        updates: Network (or part) -> optimiser steps.
        seconds: Time spent in training steps.
    """

    stage: int = 0
    stage_step: int = 0
    step: int = 0
    images: int = 0
    epochs: float = 0.0
    updates: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Trainer:
    """Trains a generator and a discriminator by a recipe, step by step.

    Args:
        recipe: Resolved recipe, found compatible with the networks.
        generator: On the device.
        discriminator: On the device.
        make_batches: Gives batches of a size from the training part, with images mirrored at random or not.
        num_classes: K.
        fabric: Device and precision.
        seed: Seed of targets, penalties and noise.
        action_units: Those of the data, where a network works in them.
        training_faces: Images of the training part, uint8 ``(N, C, H, W)``, where a term describes faces by a network of them.
    """

    def __init__(
        self,
        recipe: Recipe,
        generator: Generator,
        discriminator: Discriminator,
        make_batches: BatchesFactory,
        num_classes: int,
        fabric: Fabric,
        seed: int,
        action_units: ActionUnits | None = None,
        training_faces: Tensor | None = None,
    ) -> None:
        self.recipe, self.fabric, self.num_classes, self.seed = recipe, fabric, num_classes, seed
        self.generator, self.discriminator, self.action_units = generator, discriminator, action_units
        self.networks: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        self.optimizers = create_optimizers(recipe, self.networks)
        self.average = MovingAverage(generator, recipe.ema) if recipe.ema else None
        self.sample_targets = TARGET_SAMPLERS.get(recipe.targets)
        self.random = torch.Generator(fabric.device).manual_seed(derived_seed(seed, "training"))
        self.losses = LossBuffer()
        self.position = Position()
        self.training_faces = training_faces
        self.graphs: StepGraphs | None = None
        self.is_compiled = False
        self.stages = [
            [ready_phase(phase, self.networks, fabric.device, lambda: self._face_network) for phase in stage.phases]
            for stage in recipe.stages
        ]
        self.batches = [
            make_batches(stage.batch_size, recipe.flip if stage.flip is None else stage.flip) for stage in recipe.stages
        ]
        self.stage_steps = [
            stage.steps(batches.steps_per_epoch, batches.batch_size)
            for stage, batches in zip(recipe.stages, self.batches, strict=True)
        ]
        self.lookaheads = [
            Lookahead(phases, generator, batches.batch_size * self._targets_per_face(), fabric.device)
            for phases, batches in zip(self.stages, self.batches, strict=True)
        ]
        self.answered: deque[Asked] = deque()

    @property
    def refused(self) -> str:
        """Why some steps are not replayed from a recording though they should be, in words; empty where all is well."""
        return "" if self.graphs is None else self.graphs.refused

    @property
    def total_steps(self) -> int:
        """Batches of the whole recipe."""
        return sum(self.stage_steps)

    @property
    def total_images(self) -> int:
        """Images of the whole recipe, counted once per batch."""
        return sum(steps * batches.batch_size for steps, batches in zip(self.stage_steps, self.batches, strict=True))

    @property
    def columns(self) -> list[str]:
        """Columns of the history for this recipe's losses."""
        return loss_columns([(phase.label, phase.names) for stage in self.stages for phase in stage])

    def steps(self) -> Iterator[Position]:
        """Trains from the present position to the end of the recipe, yielding after each batch."""
        while self.position.stage < len(self.stages):
            yield from self._stage_steps()
            self.position.stage += 1
            self.position.stage_step = 0
            self.answered.clear()
            if self.graphs is not None:
                self.graphs.forget()
            self._renew_optimizers()

    def compile(self) -> None:
        """Compiles the networks; on CUDA, records the steps too. A state must be loaded before."""
        stages = [phase for stage in self.stages for phase in stage]
        compile_networks(self.generator, self.discriminator, frozenset[str]().union(*(phase.needs for phase in stages)))
        if self.fabric.device.type == "cuda":
            self.record_steps(CudaGraphs(self.random))
        self.is_compiled = True

    def record_steps(self, recorder: Recorder) -> None:
        """From now on steps are recorded, and then replayed; a state must be loaded before."""
        for optimizer in self.optimizers.values():
            make_recordable(optimizer)
        self.graphs = StepGraphs(recorder, self)

    def scored_generator(self) -> Generator:
        """The generator that is sampled and scored: the moving average where the recipe keeps one."""
        if self.average is None:
            return self.generator
        averaged = self.average.module
        assert isinstance(averaged, Generator)
        return averaged

    def settle(self) -> None:
        """Waits until all steps are done, and fetches their losses; the wait is part of their time.

        Raises:
            DivergedError: A loss is not finite.
        """
        began = time.perf_counter()
        self.losses.fetch()
        self.position.seconds += time.perf_counter() - began

    def state(self) -> dict[str, Any]:
        """Everything that has a state, as tensors and plain values."""
        self.settle()
        return {
            "position": asdict(self.position),
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "average": self.average.state_dict() if self.average else None,
            "terms": {name: term.state_dict() for name, term in self._stateful_terms().items()},
            "answered": [asked._asdict() for asked in self.answered],
            "device": self.fabric.device.type,
            "random": self.random.get_state(),
            "global_random": random_state(),
            "pending_losses": [list(entry) for entry in self.losses.pending],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from a state of :meth:`state`; to the bit on a device of the same kind."""
        self.position = Position(**state["position"])
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, state["optimizers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._load_terms(state.get("terms", {}))
        self.answered = deque(Asked(**self.fabric.to_device(asked)) for asked in state.get("answered", []))
        if state.get("device", self.fabric.device.type) == self.fabric.device.type:
            self.random.set_state(state["random"])
        else:  # Another kind of device has another kind of generator.
            self.random.manual_seed(derived_seed(self.seed, f"training from step {self.position.step}"))
        restore_random_state(state["global_random"])
        self.losses.pending = [(column, value, weight) for column, value, weight in state["pending_losses"]]

    def changed(self) -> dict[str, list[Tensor]]:
        """See :class:`ganzoo.training.graphs.Trained`; the moving average follows outside of what is recorded."""
        groups: dict[str, list[Tensor]] = {}
        for name, module in (self.networks | self._stateful_terms()).items():
            groups[f"parameters of {name}"] = [parameter.detach() for parameter in module.parameters()]
            groups[f"buffers of {name}"] = list(module.buffers())
        for name, optimizer in self.optimizers.items():
            for state in optimizer.state.values():
                for key, value in state.items():
                    if isinstance(value, Tensor):
                        groups.setdefault(f"{key} of {name}", []).append(value)
        return groups

    def python_state(self) -> list[object]:
        """See :class:`ganzoo.training.graphs.Trained`: attributes of networks and terms, and random states of the host."""
        modules = (module for network in self.networks.values() for module in network.modules())
        terms = (term for phases in self.stages for phase in phases for term in phase.terms)
        drawn = random_state()
        hosts = [str(drawn["python"]), str(drawn["numpy"])]
        if self.fabric.device.type != "cpu":  # Of a processor they are the device's own, and a recording draws them.
            hosts.append(str(drawn["torch"].tolist()))
        return [*hosts, *(value for owner in chain(modules, terms) for value in attributes_of(owner))]

    def _stateful_terms(self) -> dict[str, nn.Module]:
        """Terms that carry something from step to step, by stage, phase and name."""
        places = ((f"{i}.{j}", phase) for i, phases in enumerate(self.stages) for j, phase in enumerate(phases))
        return {
            f"{place}.{name}": term
            for place, phase in places
            for name, term in zip(phase.names, phase.terms, strict=True)
            if isinstance(term, nn.Module)
        }

    def _load_terms(self, states: Mapping[str, Any]) -> None:
        terms = self._stateful_terms()
        if states.keys() != terms.keys():
            saved, wanted = (", ".join(sorted(names)) or "none" for names in (states, terms))
            raise GanzooError(f"The checkpoint holds the state of other loss terms: {saved}; the recipe has {wanted}.")
        for name, term in terms.items():
            term.load_state_dict(states[name])

    def _stage_steps(self) -> Iterator[Position]:
        position, batches = self.position, self.batches[self.position.stage]
        total = self.stage_steps[position.stage]
        coming = self._coming(position.stage_step + len(self.answered))
        while position.stage_step < total:
            began = time.perf_counter()
            batch = self.answered.popleft() if self.answered else self._next(coming)
            self._step(batch, position.stage_step / total)
            position.stage_step += 1
            position.step += 1
            position.images += batches.batch_size
            position.epochs += 1 / batches.steps_per_epoch
            position.seconds += time.perf_counter() - began
            yield position

    def _coming(self, start: int) -> Iterator[Batch]:
        """The batches of the present stage from number ``start`` on, without end."""
        stage, batches = self.position.stage, self.batches[self.position.stage]
        first, begun = divmod(start, batches.steps_per_epoch)
        for epoch in count(first):
            yield from batches.epoch(1_000_000 * stage + epoch, begun)
            begun = 0

    def _next(self, coming: Iterator[Batch]) -> Batch | Asked:
        """The next batch; where the generator answers several at once, the others wait in ``answered``."""
        number = self.lookaheads[self.position.stage].batches(self.position.stage_step)
        batches = list(islice(coming, number))
        if number == 1:
            return batches[0]
        together = joined(batches)
        asked = self._carry_out((self.position.stage, number), partial(self._answers, number), together)
        self.answered.extend(Asked(*share(asked, index, number)) for index in range(number))
        return self.answered.popleft()

    def _step(self, batch: Batch | Asked, progress: float) -> None:
        """One batch through the phases that are due."""
        stage = self.recipe.stages[self.position.stage]
        phases = self.stages[self.position.stage]
        kind = tuple(
            index
            for index, phase in enumerate(phases)
            if progress >= phase.settings.start and (self.position.stage_step + 1) % phase.settings.every == 0
        )
        due = [phases[index] for index in kind]
        weights = [self._set_numbers(phase, stage, progress) for phase in due]
        values = self._carry_out((self.position.stage, kind, type(batch)), partial(self._device_work, due), batch)
        for phase, phase_values, phase_weights in zip(due, values, weights, strict=True):
            for part in phase.settings.update:
                self.position.updates[part] = self.position.updates.get(part, 0) + 1
            columns = tuple(f"{phase.label}.{name}" for name in phase.names)
            self.losses.add(StepLosses(self.position.step, columns, phase_values, phase_weights))
        if self.average is not None and any("generator" in phase.settings.networks for phase in due):
            self.average.update_parameters(self.generator)

    def _set_numbers(self, phase: ReadyPhase, stage: Stage, progress: float) -> tuple[float, ...]:
        """Hands the rates and weights of this moment to what works on the device; gives the weights."""
        for part in phase.settings.update:
            base = self.recipe.optimizer_for(part).lr * stage.lr_factor
            set_learning_rate(self.optimizers[part], base, progress, stage.linear_decay_from)
        return phase.weights.set(phase.settings.terms[name].weight_at(progress) for name in phase.names)

    def _carry_out(self, kind: Hashable, work: Callable[[Any], Parts], batch: Batch | Asked) -> Parts:
        """What ``work(batch)`` gives; once steps are recorded, work of one kind is done by replaying its recording."""
        return work(batch) if self.graphs is None else self.graphs.run(kind, work, batch)

    def _device_work(self, due: Sequence[ReadyPhase], batch: Batch | Asked) -> list[Tensor]:
        """All that a step does on the device: the values of each phase's terms, each float32 ``(terms,)``.

        It depends on nothing but tensors, so that it may be recorded and replayed.
        """
        context = self._context(batch if isinstance(batch, Asked) else self._ask(batch))
        simultaneous, values = self.recipe.stages[self.position.stage].simultaneous, []
        for index, phase in enumerate(due):
            values.append(self._backward(phase, context, images_with_graph(due[index:])))
            if not simultaneous:
                self._update(phase, context)
        if simultaneous:
            for phase in due:
                self._update(phase, context)
        return values

    def _answers(self, number: int, together: Batch) -> Asked:
        """Asks for expressions in each of several batches, and makes the fakes of all in one pass."""
        asked = joined([self._ask(Batch(*share(together, index, number))) for index in range(number)])
        context = self._context(asked)
        context.begin("discriminator", with_graph=())
        with self.fabric.autocast():
            fake = context.generated("fake")
        return asked._replace(fake=fake.image, attention=fake.attention)

    def _targets_per_face(self) -> int:
        if self.sample_targets is None:
            return 1
        return len(self.sample_targets(torch.zeros(1, dtype=torch.int64), self.num_classes, torch.Generator()))

    def _ask(self, batch: Batch) -> Asked:
        """Draws what is asked of a batch, unless its references say it."""
        targets = batch.reference_labels
        if self.sample_targets is not None:
            targets = self.sample_targets(batch.labels, self.num_classes, self.random)
        assert targets is not None, "the batches bring references where the recipe asks for them"
        repeats = len(targets) // len(batch.labels)
        images, labels, indices = (part.repeat_interleave(repeats, 0) if repeats > 1 else part for part in batch[:3])
        if self.recipe.dequantize:
            images = dequantized(images, torch.rand(images.shape, device=images.device, generator=self.random))
        asked = Asked(images, labels, targets, references=batch.references)
        if self.action_units is None:
            return asked
        wanted = self.action_units.draw_targets(targets, self.random)
        return asked._replace(source_units=self.action_units.of_faces(labels, indices), target_units=wanted)

    def _context(self, asked: Asked) -> StepContext:
        keep_features = any("features" in phase.needs for phase in self.stages[self.position.stage])
        return StepContext(self.generator, self.discriminator, asked, self.num_classes, self.random, keep_features)

    def _backward(self, phase: ReadyPhase, context: StepContext, with_graph: frozenset[str]) -> Tensor:
        """Leaves a phase's gradients with its parameters, and gives the values of its terms."""
        context.begin(phase.settings.side, with_graph, phase.settings.style)
        with self.fabric.autocast():
            found = [_scalar(name, term(context)) for name, term in zip(phase.names, phase.terms, strict=True)]
            values = torch.stack(found)
        total = (values * phase.weights.on_device).sum()
        if without := [name for name, value in zip(phase.names, found, strict=True) if value.grad_fn is None]:
            where = f"the term {listed(without)} in the phase of {phase.label}"
            raise GanzooError(f"No gradient comes from {where}: it would train nothing.")
        # Gradients only for what this phase updates: autograd then skips all work that leads elsewhere.
        if total.requires_grad:
            total.backward(inputs=phase.parameters)
        if all(parameter.grad is None for parameter in phase.parameters):
            raise GanzooError(f"No gradient reaches {phase.label}: its terms ({', '.join(phase.names)}) do not depend on it.")
        context.spent()
        return values.detach()

    def _update(self, phase: ReadyPhase, context: StepContext) -> None:
        """Steps by the gradients that :meth:`_backward` left."""
        if phase.settings.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(phase.parameters, phase.settings.clip_gradient_norm)
        for part in phase.settings.update:
            self.optimizers[part].step()
            self.optimizers[part].zero_grad(set_to_none=True)  # Now, or they would take up memory in the steps that follow.
        context.updated(phase.settings.networks)

    def _renew_optimizers(self) -> None:
        """Empties those of a stage that begins, if it wants them fresh."""
        for stage in self.recipe.stages[self.position.stage : self.position.stage + 1]:
            for part in stage.parts if stage.fresh_optimizers else ():
                self.optimizers[part].state.clear()

    @cached_property
    def _face_network(self) -> InstanceNetwork:
        """The frozen network of the training faces, for terms that bring none."""
        if self.training_faces is None:
            raise GanzooError("A term describes faces by a network made from the training faces, and there are none.")
        return face_network(self.training_faces, self.fabric.device)


def create_trainer(
    recipe: Recipe, generator: Generator, discriminator: Discriminator, dataset: Dataset, fabric: Fabric, seed: int
) -> Trainer:
    """A trainer of these networks, moved to the device, on a dataset's training part."""
    device = fabric.device
    works_in_units = generator.spec.uses_action_units or discriminator.spec.uses_action_units
    order = derived_seed(seed, "batches")

    @cache  # Stages of one batch size share the images on the device.
    def batches(batch_size: int, flip: bool) -> Batches:
        return make_batches(
            dataset.train,
            device=device,
            batch_size=batch_size,
            seed=order,
            flip=flip,
            sampling=recipe.sampling,
            references=recipe.targets == "reference",
        )

    return Trainer(
        recipe,
        generator.to(device),
        discriminator.to(device),
        batches,
        dataset.num_classes,
        fabric,
        seed,
        ActionUnits(dataset, device) if works_in_units else None,
        dataset.train.images,
    )


def _scalar(name: str, value: Any) -> Tensor:
    """The value of a term, which may be somebody else's."""
    if not isinstance(value, Tensor) or value.ndim:
        what = f"values of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise GanzooError(f"The term '{name}' gives {what}; a loss is one number, a tensor without dimensions.")
    if value.is_complex():
        raise GanzooError(f"The term '{name}' gives a complex number; a loss is a real one.")
    return value.float()
