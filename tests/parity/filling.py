"""Fills networks of torch with the numbers that both sides share."""

from __future__ import annotations

from torch import nn

from parity import drawing


def fill(network: nn.Module) -> None:
    """Gives every tensor of a network the numbers of its name, and spectral norms the vectors of their weights."""
    held = network.state_dict()
    drawn = {name: drawing.weights(name, *value.shape) for name, value in held.items()}
    for name in held:
        place, _, vector = name.rpartition(".0._")
        if place.endswith(".parametrizations.weight") and vector in ("u", "v"):
            left, right = drawing.singular_vectors(drawn[f"{place}.original"])
            drawn[name] = left if vector == "u" else right
    network.load_state_dict(drawn)
