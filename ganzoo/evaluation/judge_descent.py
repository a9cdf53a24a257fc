"""Trains one judge network by stochastic gradient descent on warped, flipped and partly hidden faces.

Nothing is selected: the state that is kept is the moving average of the weights at the end of the budget. Early on the
images are smaller (three quarters of the side), which sees nearly twice as many of them in the same time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from ganzoo.errors import GanzooError
from ganzoo.evaluation.judge_augmentation import augment
from ganzoo.evaluation.judge_networks import JudgeNetwork, Precision, build_network

Log = Callable[[str], None]

# Networks are trained side by side, and their first weights come from the one global generator.
_GLOBAL_GENERATOR = Lock()

_SMALL_UNTIL = 0.75  # share of the budget spent on smaller images
_WARM_UP = 0.15  # share of the budget in which the learning rate rises
_AVERAGE_DECAY = 0.998
_SMALLEST_BATCH = 16  # an epoch of a small dataset still takes 16 steps, but a batch norm needs images
_MOST_EPOCHS = 200  # time alone would have a small dataset seen thousands of times over; the shipped judges saw theirs under 20
_CLASS_WEIGHT_POWER = 0.25  # 0: every image counts alike; 1: every class counts alike


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how a judge network is trained.

    Attributes:
        minutes: Wall-clock budget of one network, used where ``epochs`` is None; 200 epochs end it sooner.
        epochs: Passes over the training part; makes a run repeatable whatever the machine's speed.
        batch_size: Images per step, at most; a small dataset takes fewer.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: L2 penalty.
        label_smoothing: Share of the target spread over all classes.
        focus: Classes among which a second cross-entropy, restricted to them, is taken: a smaller set the judge will serve.
        focus_weight: Weight of that second cross-entropy.
        others_share: Share of the images outside the focus classes that an epoch takes; all of them come up in time.
        scale: Multiplies the widths of the networks.
        precision: ``32`` or ``bf16``, of the forward and backward passes.
    """

    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 64
    learning_rate: float = 0.06
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    focus: tuple[int, ...] = ()
    focus_weight: float = 2.0
    others_share: float = 0.5
    scale: float = 1.0
    precision: Precision = "32"

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.epochs is None):
            raise GanzooError(f"Give either minutes or epochs to train judges (minutes={self.minutes}, epochs={self.epochs}).")
        length = self.minutes if self.epochs is None else self.epochs
        if length is None or not 0 < length < math.inf:
            raise GanzooError(f"The length of judge training must be above 0, not {length}.")


@dataclass(frozen=True)
class TrainedNetwork:
    """An averaged network in eval mode, what it was made with, and how far its training went."""

    network: JudgeNetwork
    architecture: str
    scale: float
    seed: int
    epochs: float
    seconds: float


class _Budget:
    """Tells how much of the budget is spent, in [0, 1], by epochs, or by time and the most epochs worth that time."""

    def __init__(self, settings: TrainingSettings, steps_per_epoch: float) -> None:
        self._seconds = math.inf if settings.minutes is None else 60.0 * settings.minutes
        epochs = _MOST_EPOCHS if settings.epochs is None else settings.epochs
        self._steps = max(1.0, epochs * steps_per_epoch)
        self._start = time.monotonic()

    def spent(self, step: int) -> float:
        return min(1.0, max(step / self._steps, self.elapsed() / self._seconds))

    def elapsed(self) -> float:
        return time.monotonic() - self._start


def train_network(
    architecture: str,
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    settings: TrainingSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    log: Log = lambda line: None,
    stop: Event | None = None,
) -> TrainedNetwork:
    """Trains one network and returns the moving average of its weights.

    Args:
        architecture: A key of ``ARCHITECTURES``.
        images: uint8 ``(N, C, H, W)``.
        labels: int64 ``(N,)``.
        num_classes: Number of classes.
        settings: Length and hyperparameters.
        seed: Of the weights, order and augmentation; the same seed and ``epochs`` give the same network on one machine.
        device: Where to train.
        log: Receives a line every few seconds.
        stop: Ends the training early when set; the network is then worth nothing.
    """
    with _GLOBAL_GENERATOR, torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(architecture, channels=images.shape[1], num_classes=num_classes, scale=settings.scale)
    network = network.to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(network, avg_fn=_average, use_buffers=True)
    generator = torch.Generator().manual_seed(seed)
    epochs, seconds = _descend(network, average, images, labels, settings, generator, log, stop or Event())
    averaged = average.module
    assert isinstance(averaged, JudgeNetwork)
    return TrainedNetwork(averaged.eval(), architecture, settings.scale, seed, epochs, seconds)


def _descend(
    network: JudgeNetwork,
    average: AveragedModel,
    images: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    generator: torch.Generator,
    log: Log,
    stop: Event,
) -> tuple[float, float]:
    """Runs the optimisation until the budget is spent; returns epochs and seconds."""
    optimizer = _optimizer(network, settings)
    criterion = _Criterion(labels, network.head.out_features, settings, next(network.parameters()).device)
    batch_size = min(settings.batch_size, max(_SMALLEST_BATCH, len(labels) // 16), len(labels))
    budget = _Budget(settings, len(labels) / batch_size)
    step, last_line, order = 0, 0.0, torch.empty(0, dtype=torch.int64)
    while (progress := budget.spent(step)) < 1.0 and not stop.is_set():
        if len(order) < batch_size:
            order = _epoch_order(labels, settings, generator)
        members, order = order[:batch_size], order[batch_size:]
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(progress, settings.learning_rate)
        batch = augment(images[members], _side_px(images.shape[-1], progress), generator).to(criterion.device)
        with torch.autocast(criterion.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            logits = network(batch)
        loss = criterion(logits.float(), labels[members].to(criterion.device))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        average.update_parameters(network)
        step += 1
        if budget.elapsed() - last_line >= 15.0:
            last_line = budget.elapsed()
            log(f"{100 * progress:3.0f} %  epoch {step * batch_size / len(labels):.2f}  loss {loss.item():.3f}")
    return step * batch_size / len(labels), budget.elapsed()


def _average(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Exponential moving average over a window that grows with the number of steps, so that the start is forgotten."""
    if not current.is_floating_point():
        return current
    weight = torch.as_tensor(9.0 / (10.0 + count)).clamp(min=1.0 - _AVERAGE_DECAY)
    return average.lerp(current, weight.to(current))


def _optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; norms and biases are not decayed."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)


def _learning_rate(progress: float, peak: float) -> float:
    """One cycle: a linear rise, then a cosine down to nothing."""
    if progress < _WARM_UP:
        return peak * (0.05 + 0.95 * progress / _WARM_UP)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


def _side_px(side_px: int, progress: float) -> int:
    """Side of the training images: three quarters of the full one early on, never under 32 and a multiple of four."""
    if progress >= _SMALL_UNTIL:
        return side_px
    return min(side_px, max(32, 4 * round(0.75 * side_px / 4)))


def _epoch_order(labels: Tensor, settings: TrainingSettings, generator: torch.Generator) -> Tensor:
    """A random order of an epoch's images, int64: all of the focus classes, and a fresh share of the others."""
    order = torch.randperm(len(labels), generator=generator)
    if not settings.focus:
        return order
    inside = torch.isin(labels[order], torch.tensor(settings.focus))
    taken = torch.rand(len(order), generator=generator) < settings.others_share
    return order[inside | taken]


class _Criterion:
    """Smoothed, mildly balanced cross-entropy, plus the same among the focus classes alone."""

    def __init__(self, labels: Tensor, num_classes: int, settings: TrainingSettings, device: torch.device) -> None:
        counts = torch.bincount(labels, minlength=num_classes).float().clamp(min=1)
        self.weights = (counts.mean() / counts).pow(_CLASS_WEIGHT_POWER).to(device)
        self.focus = torch.tensor(settings.focus, dtype=torch.int64, device=device)
        self.focus_weight, self.smoothing, self.device = settings.focus_weight, settings.label_smoothing, device

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, labels, self.weights, label_smoothing=self.smoothing)
        if len(self.focus) == 0:
            return loss
        matches = labels[:, None] == self.focus[None, :]  # (B, focus)
        inside = matches.any(dim=1)
        if not inside.any():
            return loss
        restricted, targets = logits[inside][:, self.focus], matches[inside].float().argmax(dim=1)
        second = functional.cross_entropy(restricted, targets, self.weights[self.focus], label_smoothing=self.smoothing)
        return loss + self.focus_weight * second
