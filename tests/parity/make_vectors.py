"""Works out the expected numbers with the implementation in ``reference``; by hand, where a fact about a model changes.

    PYTHONPATH=tests OMP_NUM_THREADS=1 python -m parity.make_vectors [FAMILY ...]

Nothing here, nor in ``reference``, imports ganzoo.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from parity import drawing
from parity.cases import NETWORK_CASES, NetworkCase, dropped, measure
from parity.reference import attributes, drawn, exprgan, patches, starganv2
from parity.reference.layers import Weights
from parity.reference.steps import STEPS
from parity.training_cases import TRAINING_CASES, TrainingCase

FOLDER = Path(__file__).with_name("vectors")

BUILDERS = {
    ("generator", "stargan"): patches.stargan_generator,
    ("generator", "usgan"): patches.usgan_generator,
    ("generator", "ganimation"): patches.ganimation_generator,
    ("generator", "ganimation_onehot"): patches.ganimation_generator,
    ("discriminator", "patch_classifier"): patches.patch_classifier,
    ("discriminator", "patch_regressor"): patches.patch_regressor,
    ("discriminator", "cyclegan"): patches.cyclegan_discriminator,
    ("generator", "starganv2"): starganv2.generator,
    ("discriminator", "class_branches"): starganv2.class_branches,
    ("generator", "attgan"): attributes.attgan_generator,
    ("generator", "stgan"): attributes.stgan_generator,
    ("discriminator", "attgan"): attributes.attgan_discriminator,
    ("generator", "ccyclegan"): attributes.ccyclegan_generator,
    ("discriminator", "ccyclegan"): attributes.ccyclegan_discriminator,
    ("generator", "icgan"): drawn.icgan_generator,
    ("discriminator", "icgan"): drawn.icgan_discriminator,
    ("generator", "dcgan"): drawn.dcgan_generator,
    ("generator", "cdcgan"): drawn.cdcgan_generator,
    ("discriminator", "cdcgan"): drawn.cdcgan_discriminator,
    ("generator", "exprgan"): exprgan.generator,
    ("discriminator", "exprgan"): exprgan.discriminator,
    ("generator", "acgan"): drawn.acgan_generator,
    ("discriminator", "acgan"): drawn.acgan_discriminator,
    ("generator", "sngan"): drawn.sngan_generator,
    ("discriminator", "projection"): drawn.projection_discriminator,
}


def network_vectors(case: NetworkCase) -> dict[str, Any]:
    weights = Weights()
    weights.drop = lambda features, share: dropped(features, share) if weights.training else features
    methods = BUILDERS[case.kind, case.network](weights, case.facts, **case.arguments)
    found = measure(
        case,
        lambda method, *inputs: methods[method](*inputs),
        lambda training: setattr(weights, "training", training),
        lambda: weights.parameters,
        lambda: weights.buffers,
    )
    held = {**weights.parameters, **weights.buffers}
    shapes = {"tensors": {name: list(value.shape) for name, value in sorted(held.items())}}
    return shapes | {section: drawing.digests(values) for section, values in found.items()}


def training_vectors(case: TrainingCase) -> dict[str, Any]:
    record = STEPS[case.recipe](case)
    return {
        "losses": record.losses,
        "factors": record.factors,
        "gradients": drawing.digests(record.gradients),
        "moved": drawing.digests(record.moved()),
    }


def written(value: Any, depth: int = 0) -> str:
    """JSON with a line for each tensor, numbers with ten digits."""
    if isinstance(value, dict):
        inner = f",\n{' ' * (depth + 1)}".join(f"{json.dumps(key)}: {written(item, depth + 1)}" for key, item in value.items())
        return f"{{\n{' ' * (depth + 1)}{inner}\n{' ' * depth}}}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(written(item) for item in value)}]"
    return f"{value:.10g}" if isinstance(value, float) else json.dumps(value)


def main(families: list[str]) -> None:
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for case in NETWORK_CASES:
        if not families or case.family in families:
            found.setdefault(case.family, {})[case.name] = network_vectors(case)
    for training in TRAINING_CASES:
        if not families or f"steps_{training.recipe}" in families:
            found.setdefault(f"steps_{training.recipe}", {})[training.name] = training_vectors(training)
    for family, vectors in found.items():
        (FOLDER / f"{family}.json").write_text(f"{written(vectors)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
