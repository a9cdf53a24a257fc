"""A recipe's phases made ready: their terms built, their weights on the device, their parameters found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import torch
from torch import nn

from ganzoo.config import Phase
from ganzoo.losses.base import Generated, LossTerm
from ganzoo.losses.frozen import UsesFaceNetwork
from ganzoo.registry import LOSSES
from ganzoo.training.face_network import InstanceNetwork
from ganzoo.training.optim import trained_parameters

_GENERATED = frozenset(get_args(Generated)) - {"fake_again"}


class Weights:
    """Weights of a phase's terms, on the device; copied there only when they change."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.on_device = torch.zeros(count, device=device)
        self._now: tuple[float, ...] = ()

    def set(self, values: Iterable[float]) -> tuple[float, ...]:
        """Takes new values, and gives them back."""
        wanted = tuple(values)
        if wanted != self._now:
            for place, value in zip(self.on_device, wanted, strict=True):
                place.fill_(value)  # A copy from the host would wait for the device.
            self._now = wanted
        return wanted


class ReadyPhase(NamedTuple):
    """A phase with its terms built and its parameters found.

    Attributes:
        settings: As the recipe has them.
        label: What it is called in the history.
        names: Of its terms.
        terms: In the order of their names.
        weights: In the same order.
        parameters: Those it trains.
        needs: What its terms need.
    """

    settings: Phase
    label: str
    names: tuple[str, ...]
    terms: tuple[LossTerm, ...]
    weights: Weights
    parameters: list[nn.Parameter]
    needs: frozenset[str]

    @property
    def generated(self) -> frozenset[str]:
        """Generated images that its terms need."""
        return self.needs & _GENERATED

    @property
    def always_shows_fakes(self) -> bool:
        """Whether it shows G(x, target) to the discriminator on every batch."""
        settings = self.settings
        return settings.side == "discriminator" and settings.every == 1 and settings.start == 0 and "fake" in self.needs


def ready_phase(
    phase: Phase, networks: Mapping[str, nn.Module], device: torch.device, face_network: Callable[[], InstanceNetwork]
) -> ReadyPhase:
    """Makes a phase ready.

    Args:
        phase: Of the recipe.
        networks: The generator and the discriminator, by these names.
        device: Where they are.
        face_network: Makes the network that describes faces, for terms that bring none.

    Raises:
        GanzooError: It updates what there is not.
    """
    terms = tuple(LOSSES.get(settings.loss_term or name)(**settings.arguments) for name, settings in phase.terms.items())
    for term in terms:
        if isinstance(term, UsesFaceNetwork) and term.face_network is None:
            term.face_network = face_network()
        if isinstance(term, nn.Module):
            term.to(device)
    needs = frozenset[str]().union(*(term.needs(phase.side) for term in terms))
    parameters = [parameter for part in phase.update for parameter in trained_parameters(networks, part)]
    label = "+".join(phase.update) + ("" if phase.style == "noise" else f"-{phase.style}")
    return ReadyPhase(phase, label, tuple(phase.terms), terms, Weights(len(terms), device), parameters, needs)


def images_with_graph(phases: Sequence[ReadyPhase]) -> frozenset[str]:
    """Generated images that one of the phases sends gradients through."""
    images = frozenset[str]().union(*(phase.generated for phase in phases if phase.settings.side == "generator"))
    return images | {"fake"} if "cycle" in images else images
