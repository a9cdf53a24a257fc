"""The protocol record: everything that must be equal for two scores to be comparable, and its fingerprint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ganzoo.data.cache import tensor_digest
from ganzoo.errors import is_interrupt
from ganzoo.evaluation.backbones import BACKBONES, JudgeVotes
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Backbone, Faces, NotAvailable, describe
from ganzoo.evaluation.metrics import Metric
from ganzoo.runs.fingerprint import fingerprint

VERSION = "ganzoo-eval/1"
QUANTISE = "clamp to [-1, 1], round half to even to 256 levels, uint8; cycles start from the rounded translation"
_CANARY_IMAGES = 4


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricDefinition(_Record):
    """Which definition of a metric was computed."""

    version: int
    parameters: dict[str, Any] = Field(default_factory=dict)


class BackboneRecord(_Record):
    """A network that describes faces.

    Attributes:
        identity: Hashes of all that its answers depend on.
        dimensions: Width of its features.
        canary: Root mean square of its features of each synthetic canary image, to three digits. It changes when a library
            changes the numbers, and not when only a version string does.
    """

    identity: str
    dimensions: int
    canary: list[str]


class Manifest(_Record):
    """A set of images.

    Attributes:
        split: Part of the dataset.
        content: SHA-256 over the images, in order, and their labels.
        counts: Images per class, in class order.
    """

    split: str
    content: str
    counts: list[int]


class EvaluationProtocol(_Record):
    """What two comparable scores have in common.

    Attributes:
        version: Of the protocol as a whole.
        metrics: Metric -> its definition.
        backbones: Backbone -> what it is; None where it could not be had.
        judges: Network -> SHA-256 of its weights.
        quantise: How faces become bytes.
        reference: Training faces that distributions are compared with.
        sources: Faces that were translated.
        held_out: Real faces of the scored split, the ``real`` control.
        class_names: Classes, in order.
        pair_policy: Which targets each source is given.
        faces_per_class: Faces of each target class in every distribution metric.
        precision: Of generator and judges; backbones such as Inception always work in float32.
    """

    version: str = VERSION
    metrics: dict[str, MetricDefinition]
    backbones: dict[str, BackboneRecord | None]
    judges: dict[str, str]
    quantise: str = QUANTISE
    reference: Manifest
    sources: Manifest
    held_out: Manifest
    class_names: list[str]
    pair_policy: str = "off-diagonal"
    faces_per_class: int
    precision: str

    def canonical(self) -> dict[str, Any]:
        """Plain JSON with the same content."""
        return self.model_dump(mode="json")

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return fingerprint(self.canonical())


def describe_protocol(context: EvaluationContext, metrics: Mapping[str, Metric]) -> EvaluationProtocol:
    """The record of an evaluation of these metrics."""
    classes = context.num_classes
    everything = Faces(context.split_pool, torch.arange(len(context.split)), context.split.labels)
    return EvaluationProtocol(
        metrics={name: define(metric) for name, metric in sorted(metrics.items())},
        backbones=_backbones(context, metrics.values()),
        judges=dict(context.judges.weight_hashes) if context.judges else {},
        reference=_manifest("train", context.reference, classes),
        sources=_manifest(context.settings.split, context.source_faces, classes),
        held_out=_manifest(context.settings.split, everything, classes),
        class_names=list(context.dataset.class_names),
        faces_per_class=context.faces_per_class,
        precision=context.settings.precision,
    )


def define(metric: Metric) -> MetricDefinition:
    """Which definition a metric computes."""
    return MetricDefinition(version=metric.version, parameters=dict(metric.parameters()))


def _backbones(context: EvaluationContext, metrics: Iterable[Metric]) -> dict[str, BackboneRecord | None]:
    needs = {need for metric in metrics for need in metric.needs}
    names = sorted(need.removeprefix("features:") for need in needs if need.startswith("features:"))
    records = {name: _available(context, name) for name in names}
    if "votes" in needs:
        records["votes"] = _record(context, JudgeVotes(context.judges)) if context.judges else None
    return records


def _available(context: EvaluationContext, name: str) -> BackboneRecord | None:
    try:
        return _record(context, context.backbone(name))
    except NotAvailable:
        return None
    except BaseException as error:  # another package's: the metrics that need it have no score, and tell why
        if is_interrupt(error) or name in BACKBONES and BACKBONES.origin(name) == "ganzoo":
            raise
        return None


def _record(context: EvaluationContext, backbone: Backbone) -> BackboneRecord:
    images = canary_images(context.dataset.image_channels, context.dataset.image_size_px)
    features = describe(backbone, images, context.device)
    return BackboneRecord(identity=backbone.identity, dimensions=features.shape[1], canary=canary(features))


def canary_images(channels: int, size_px: int) -> Tensor:
    """A fixed batch of waves and gradients, uint8 ``(4, C, H, W)``: the same bytes everywhere."""
    row, column = torch.meshgrid(*(torch.arange(size_px, dtype=torch.float64) / size_px,) * 2, indexing="ij")
    waves = [
        torch.sin(2 * math.pi * (cycle + 1) * row + channel) * torch.cos(2 * math.pi * cycle * column) * 0.4 + 0.2 * column
        for cycle in range(_CANARY_IMAGES)
        for channel in range(channels)
    ]
    grey = torch.stack(waves).view(_CANARY_IMAGES, channels, size_px, size_px)
    return grey.add(0.45).mul(255).round().clamp(0, 255).to(torch.uint8)


def canary(features: Tensor) -> list[str]:
    """One coarse number for each image: means over all features, rounded, hold still across threads and devices."""
    return [f"{float(value):.2e}" for value in features.double().square().mean(dim=1).sqrt()]


def _manifest(split: str, faces: Faces, num_classes: int) -> Manifest:
    labels = torch.bincount(faces.targets, minlength=num_classes).tolist()
    content = fingerprint({"images": tensor_digest(faces.images), "labels": faces.targets.tolist()})
    return Manifest(split=split, content=content, counts=labels)
