"""Every network against an independent implementation of its published layers: outputs, gradients, running statistics.

The expected numbers stand in ``vectors`` (see ``make_vectors.py``); weights and inputs follow from names on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.registry import DISCRIMINATORS, GENERATORS
from parity import drawing
from parity.cases import DIGESTED, NETWORK_CASES, NetworkCase, dropped, measure
from parity.filling import fill

FOLDER = Path(__file__).with_name("vectors")


def called(network: nn.Module, method: str, *inputs: Tensor) -> Mapping[str, Tensor]:
    answer = network(*inputs) if method == "forward" else getattr(network, method)(*inputs)
    fields = {"": answer} if isinstance(answer, Tensor) else answer._asdict()
    return {name: value for name, value in fields.items() if value is not None}


def expected(case: NetworkCase) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((FOLDER / f"{case.family}.json").read_text())[case.name]
    return vectors


def built(case: NetworkCase) -> nn.Module:
    create = create_generator if case.kind == "generator" else create_discriminator
    channels, size_px, classes = case.facts
    network = create(case.network, image_channels=channels, image_size_px=size_px, num_classes=classes, **case.arguments)
    return network.double()


@pytest.mark.parametrize("case", NETWORK_CASES, ids=lambda case: case.name)
def test_network_equals_its_reference(case: NetworkCase, double_precision: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        nn.functional,
        "dropout2d",
        lambda features, share, training, inplace=False: dropped(features, share) if training else features,
    )
    network, vectors = built(case), expected(case)
    assert {name: list(value.shape) for name, value in sorted(network.state_dict().items())} == vectors["tensors"]
    fill(network)
    found = measure(
        case,
        lambda method, *inputs: called(network, method, *inputs),
        network.train,
        lambda: dict(network.named_parameters()),
        lambda: dict(network.named_buffers()),
    )
    wrong = {section: drawing.differing(found[section], vectors[section]) for section in DIGESTED}
    assert not {section: names for section, names in wrong.items() if names}


def test_every_network_is_compared() -> None:
    compared = {(case.kind, case.network) for case in NETWORK_CASES}
    for registry in (GENERATORS, DISCRIMINATORS):
        own = [name for name in registry.names() if registry.origin(name) == "ganzoo"]
        assert not [name for name in own if (registry.kind, name) not in compared]
