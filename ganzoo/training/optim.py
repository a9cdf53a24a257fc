"""Optimisers of a recipe, the decay of their rates, and the moving average of the generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ganzoo.config import Optimizer, Recipe
from ganzoo.errors import GanzooError, did_you_mean


def trained_parameters(networks: Mapping[str, nn.Module], part: str) -> list[nn.Parameter]:
    """Parameters of a network, or of a part of it (``generator.decoder``).

    Raises:
        GanzooError: There is no such network or part, or it has no parameters.
    """
    network, _, inner = part.partition(".")
    if network not in networks:
        raise GanzooError(f"No network '{network}' to update.{did_you_mean(network, networks)} Known: {', '.join(networks)}.")
    module = networks[network]
    try:
        parameters = list(module.get_submodule(inner).parameters())
    except AttributeError:
        parts = [name for name, _ in module.named_modules() if name]
        raise GanzooError(f"The {network} has no part '{inner}' to update.{did_you_mean(inner, parts)}") from None
    if not parameters:
        raise GanzooError(f"'{part}' has no parameters to update.")
    return parameters


def create_optimizers(recipe: Recipe, networks: Mapping[str, nn.Module]) -> dict[str, torch.optim.Optimizer]:
    """One optimiser for each network (or part) that some phase updates, by its name in the recipe."""
    parts = {part: None for stage in recipe.stages for phase in stage.phases for part in phase.update}
    return {part: _create(recipe.optimizer_for(part), trained_parameters(networks, part)) for part in parts}


def _create(settings: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    fused = parameters[0].device.type in ("cpu", "cuda")
    return kind(
        parameters,
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        fused=fused,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, base: float, progress: float, decay_from: float) -> None:
    """Sets the rate at ``progress`` in [0, 1] of a stage: constant up to ``decay_from``, then linear to zero."""
    factor = 1.0 if progress <= decay_from or decay_from >= 1 else (1 - progress) / (1 - decay_from)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(base * factor)
        else:
            group["lr"] = base * factor


def make_recordable(optimizer: torch.optim.Optimizer) -> None:
    """Keeps the rate on the device, where a recorded step (:mod:`ganzoo.training.graphs`) reads it."""
    for group in optimizer.param_groups:
        device = group["params"][0].device
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
        group["capturable"] = device.type == "cuda"
    # Some steps are carried out in Python all the same, which torch would warn of.
    optimizer._warned_capturable_if_run_uncaptured = True


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Goes on from a state, whether its steps were recorded or not; :func:`make_recordable` may follow."""
    optimizer.load_state_dict(state)
    for group in optimizer.param_groups:
        group["lr"], group["capturable"] = float(group["lr"]), False


class MovingAverage(AveragedModel):
    """An exponential moving average of parameters and buffers: ``average = d * average + (1 - d) * new``.

    After n updates ``d = min(decay, (1 + n) / (10 + n))`` (TensorFlow's and timm's warm-up), so that a short run forgets the
    first weights too; 0.999 is reached after 9,000 updates.

    Args:
        network: Averaged.
        decay: d in the long run.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self.decay = decay

    def update_parameters(self, model: nn.Module) -> None:
        """Takes in the network as it is now; unlike torch's own never waits for the device, as the count stays on the host."""
        count = int(self.n_averaged)
        mine, theirs = ([*network.parameters(), *network.buffers()] for network in (self.module, model))
        pairs = [(average.detach(), now.detach()) for average, now in zip(mine, theirs, strict=True)]
        blended = [pair for pair in pairs if count and pair[0].is_floating_point()]
        if blended:
            averages, current = zip(*blended, strict=True)
            get_ema_multi_avg_fn(min(self.decay, (1 + count) / (10 + count)))(averages, current, count)
        for average, now in pairs:
            if not count or not average.is_floating_point():
                average.copy_(now)
        self.n_averaged += 1
