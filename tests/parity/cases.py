"""The networks that are compared, at tiny widths, and what each is given; names are those of the registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from parity import drawing

IMAGES = 3
DIGESTED = ("outputs", "gradients", "input_gradients", "buffers", "evaluated")


@dataclass(frozen=True, kw_only=True)
class NetworkCase:
    """A network and the calls to it whose results are compared.

    Attributes:
        name: Unique; also the name from which its inputs are drawn.
        family: The file of vectors in which it stands.
        kind: Registry.
        network: Name there.
        calls: Method -> kinds of its inputs, as :func:`drawn_input` knows them.
        arguments: Its own.
        facts: Channels, side in pixels, classes.
    """

    name: str
    family: str
    kind: Literal["generator", "discriminator"]
    network: str
    calls: Mapping[str, tuple[str, ...]]
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"width": 4})
    facts: tuple[int, int, int] = (1, 48, 4)


def _generator(name: str, family: str, *inputs: str, network: str = "", **changes: Any) -> NetworkCase:
    calls = changes.pop("calls", {"forward": inputs})
    return NetworkCase(name=name, family=family, kind="generator", network=network or name, calls=calls, **changes)


def _discriminator(name: str, family: str, *inputs: str, network: str = "", **changes: Any) -> NetworkCase:
    calls = changes.pop("calls", {"forward": inputs})
    return NetworkCase(name=f"{name}_d", family=family, kind="discriminator", network=network or name, calls=calls, **changes)


_STYLED = {"width": 4, "most_channels": 12, "style_size": 6, "mapping_width": 8}
_ENCODING: dict[str, tuple[str, ...]] = {"sample": ("noise_100", "signed"), "encode": ("image",), "classify": ("image",)}
_CODED: dict[str, tuple[str, ...]] = {"forward": ("image", "code"), "encode": ("image",), "sample": ("noise_50", "code")}
_COLOR = (3, 32, 5)

NETWORK_CASES = (
    _generator("stargan", "stargan", "image", "onehot", arguments={"width": 4, "residual_blocks": 2}),
    _generator("stargan_color", "stargan", "image", "onehot", network="stargan", facts=_COLOR),
    _generator("usgan", "stargan", "image", "onehot"),
    _discriminator("patch_classifier", "stargan", "image"),
    _discriminator("patch_classifier_color", "stargan", "image", network="patch_classifier", facts=_COLOR),
    _discriminator("cyclegan", "stargan", "image", "index"),
    _generator("ganimation", "ganimation", "image", "units", arguments={"width": 4, "residual_blocks": 2}),
    _generator("ganimation_onehot", "ganimation", "image", "onehot", arguments={"width": 4, "residual_blocks": 1}, facts=_COLOR),
    _discriminator("patch_regressor", "ganimation", "image"),
    _generator(
        "starganv2",
        "starganv2",
        arguments=_STYLED,
        calls={
            "forward": ("image", "index"),
            "restyle": ("image", "style_6"),
            "style_from_noise": ("noise_16", "index"),
            "style_of": ("image", "index"),
        },
    ),
    _discriminator("class_branches", "starganv2", "image", "index", arguments={"width": 4, "most_channels": 12}),
    _generator("attgan", "attgan", "image", "signed"),
    _generator("attgan_deep", "attgan", "image", "signed", network="attgan", arguments={"width": 2}, facts=(3, 96, 2)),
    _generator("stgan", "attgan", "image", "difference"),
    _discriminator("attgan", "attgan", "image"),
    _generator("icgan", "icgan", arguments={"width": 4, "label_features": 8}, calls=_ENCODING),
    _generator(
        "icgan_forward",
        "icgan",
        network="icgan",
        calls={"forward": ("image", "signed"), "classify": ("image",)},
        arguments={"width": 2, "label_features": 4},
        facts=_COLOR,
    ),
    _discriminator("icgan", "icgan", "image", "signed"),
    _generator("dcgan", "dcgan", "image", "onehot"),
    _generator(
        "dcgan_bottleneck", "dcgan", "image", "onehot", network="dcgan", arguments={"width": 2, "bottleneck": 6}, facts=_COLOR
    ),
    _generator("cdcgan", "dcgan", "noise_100", "onehot"),
    _discriminator("cdcgan", "dcgan", "image", "onehot"),
    _generator("ccyclegan", "ccyclegan", "image", "onehot"),
    _discriminator("ccyclegan", "ccyclegan", "image"),
    _generator("exprgan", "exprgan", calls=_CODED, arguments={"width": 2}),
    _discriminator(
        "exprgan",
        "exprgan",
        arguments={"width": 4, "features": 16},
        calls={"forward": ("image", "onehot"), "judge_latent": ("noise_50",)},
    ),
    _generator("acgan", "acgan", "noise_100", "index"),
    _discriminator("acgan", "acgan", "image"),
    _generator("sngan", "sngan", "noise_128", "index"),
    _discriminator("projection", "sngan", "image", "index", arguments={"width": 2}),
)


def drawn_input(case: NetworkCase, kind: str) -> Tensor:
    """What a network is given: images in [-1, 1], classes in one of their views, noise or styles of a length."""
    channels, size_px, classes = case.facts
    name, _, length = kind.partition("_")
    target = (drawing.integers(f"{case.name}: target", 1, classes) + torch.arange(IMAGES)) % classes
    wanted = one_hot(target, classes).double()
    if name == "image":
        return drawing.uniform(f"{case.name}: image", IMAGES, channels, size_px, size_px, low=-1)
    if name in ("noise", "style"):
        return drawing.normal(f"{case.name}: {name}", IMAGES, int(length))
    if name == "units":
        return drawing.uniform(f"{case.name}: units", IMAGES, 17)
    if name == "code":
        return (2 * wanted - 1).repeat_interleave(5, 1) * drawing.uniform(f"{case.name}: intensity", IMAGES, 5).repeat(1, classes)
    source = drawing.other_integers(f"{case.name}: source", target, classes)
    views = {
        "index": target,
        "onehot": wanted,
        "signed": 2 * wanted - 1,
        "difference": wanted - one_hot(source, classes).double(),
    }
    return views[name]


def dropped(features: Tensor, share: float) -> Tensor:
    """Dropout of whole channels without chance: every fourth one of each image, from another one on in every image."""
    place = torch.arange(features.shape[1]) + torch.arange(len(features))[:, None]
    return features * (place % 4 != 1).to(features.dtype)[:, :, None, None] / (1 - share)


def measure(
    case: NetworkCase,
    call: Callable[..., Mapping[str, Tensor]],
    train: Callable[[bool], object],
    parameters: Callable[[], Mapping[str, Tensor]],
    buffers: Callable[[], Mapping[str, Tensor]],
) -> dict[str, dict[str, Tensor]]:
    """What is compared of a network.

    Args:
        case: The network's.
        call: ``call(method, *inputs)`` gives its outputs by name.
        train: Switches between training and evaluation.
        parameters: Its parameters by name.
        buffers: Its buffers by name.

    Returns:
        Outputs in training, gradients of a weighted sum of them by parameter and by input, buffers after it, outputs in
        evaluation with these buffers.
    """
    inputs = {kind: drawn_input(case, kind) for kinds in case.calls.values() for kind in kinds}
    given = {kind: value.requires_grad_(value.is_floating_point()) for kind, value in inputs.items()}

    def outputs() -> dict[str, Tensor]:
        answers = {method: call(method, *(given[kind] for kind in kinds)) for method, kinds in case.calls.items()}
        return {f"{method}.{name}".rstrip("."): value for method, answer in answers.items() for name, value in answer.items()}

    train(True)
    trained = outputs()
    sources = {**parameters(), **{f"input {kind}": value for kind, value in given.items() if value.requires_grad}}
    gradients = torch.autograd.grad(
        torch.stack([drawing.probe(value) for value in trained.values()]).sum(), [*sources.values()], allow_unused=True
    )
    found = {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(sources.items(), gradients, strict=True)
    }
    moved = {name: value.clone() for name, value in buffers().items()}
    train(False)
    with torch.no_grad():
        evaluated = outputs()
    return {
        "outputs": trained,
        "gradients": {name: value for name, value in found.items() if not name.startswith("input ")},
        "input_gradients": {name: value for name, value in found.items() if name.startswith("input ")},
        "buffers": moved,
        "evaluated": evaluated,
    }
