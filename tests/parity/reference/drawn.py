"""DCGAN, conditional DCGAN, IcGAN, ACGAN and SNGAN with projection, from their layer tables."""

from __future__ import annotations

import torch
from torch import Tensor

from parity.reference.layers import (
    Weights,
    batch_norm,
    conv,
    conv_up,
    doubled,
    embedding,
    leaky,
    linear,
    pooled,
    relu,
    with_planes,
)
from parity.reference.patches import Facts, Methods

SNGAN_EPS = 2e-5


def dcgan_generator(w: Weights, facts: Facts, *, width: int, bottleneck: int | None = None) -> Methods:
    colors, size_px, _ = facts

    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = leaky(conv(w, "encoder.0", image, width, 4, 2, 1), 0.2)
        for level in (1, 2, 3):
            x = conv(w, f"encoder.{3 * level - 1}", x, width * 2**level, 4, 2, 1)
            x = leaky(batch_norm(w, f"encoder.{3 * level}", x), 0.2)
        if bottleneck is not None:
            shape = x.shape
            x = linear(w, "bottleneck.main.1", x.flatten(1), bottleneck)
            x = linear(w, "bottleneck.main.2", x, shape[1:].numel()).reshape(shape)
            x = relu(batch_norm(w, "bottleneck.main.4", x))
        for place, outputs in enumerate((4 * width, 2 * width, width)):
            x = conv_up(w, f"decoder.{place}", with_planes(x, condition), outputs, 4, 2, 1)
            x = relu(batch_norm(w, f"norms.{place}", x))
        return {"image": conv_up(w, "decoder.3", with_planes(x, condition), colors, 4, 2, 1).tanh()}

    return {"forward": forward}


def cdcgan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(noise: Tensor, condition: Tensor) -> dict[str, Tensor]:
        side = facts[1] // 16
        x = linear(w, "project.0", torch.cat([noise, condition], 1), 8 * width * side**2)
        x = relu(batch_norm(w, "project.1", x)).reshape(-1, 8 * width, side, side)
        for place, outputs in enumerate((4 * width, 2 * width, width)):
            x = conv_up(w, f"decoder.{place}", with_planes(x, condition), outputs, 5, 2, 2, output_padding=1)
            x = relu(batch_norm(w, f"norms.{place}", x))
        x = conv_up(w, "decoder.3", with_planes(x, condition), facts[0], 5, 2, 2, output_padding=1)
        return {"image": x.tanh()}

    return {"forward": forward}


def cdcgan_discriminator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = image
        for level in range(4):
            x = conv(w, f"encoder.{level}", with_planes(x, condition), width * 2**level, 5, 2, 2)
            x = leaky(batch_norm(w, f"norms.{level}", x) if level else x, 0.2)
        return {"scores": linear(w, "score", torch.cat([x.flatten(1), condition], 1), 1)}

    return {"forward": forward}


def icgan_generator(w: Weights, facts: Facts, *, width: int, label_features: int) -> Methods:
    side = facts[1] // 16

    def sample(noise: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = torch.cat([noise, condition], 1)[:, :, None, None]
        x = relu(batch_norm(w, "decoder.1", conv_up(w, "decoder.0", x, 8 * width, side)))
        for place, outputs in ((3, 4 * width), (6, 2 * width), (9, width)):
            x = relu(batch_norm(w, f"decoder.{place + 1}", conv_up(w, f"decoder.{place}", x, outputs, 4, 2, 1)))
        return {"image": conv_up(w, "decoder.12", x, facts[0], 4, 2, 1).tanh()}

    def encoder(name: str, image: Tensor, hidden: int, outputs: int) -> Tensor:
        x = image
        for level in range(4):
            x = conv(w, f"{name}.{3 * level}", x, width // 2 * 2**level, 5, 2, 2)
            x = relu(batch_norm(w, f"{name}.{3 * level + 1}", x))
        x = relu(batch_norm(w, f"{name}.14", linear(w, f"{name}.13", x.flatten(1), hidden)))
        return linear(w, f"{name}.16", x, outputs)

    def encode(image: Tensor) -> dict[str, Tensor]:
        return {"": encoder("latent_encoder", image, 4 * width * side**2, 100)}

    return {
        "sample": sample,
        "encode": encode,
        "classify": lambda image: {"": encoder("label_encoder", image, label_features, facts[2])},
        "forward": lambda image, condition: sample(encode(image)[""], condition),
    }


def icgan_discriminator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = with_planes(leaky(conv(w, "first.0", image, width, 4, 2, 1), 0.2), condition)
        for place, outputs in ((0, 2 * width), (3, 4 * width), (6, 8 * width)):
            x = leaky(batch_norm(w, f"main.{place + 1}", conv(w, f"main.{place}", x, outputs, 4, 2, 1)), 0.2)
        return {"scores": conv(w, "main.9", x, 1, facts[1] // 16).flatten(1)}

    return {"forward": forward}


def acgan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(noise: Tensor, index: Tensor) -> dict[str, Tensor]:
        side = facts[1] // 4
        told = noise * embedding(w, "embedding", index, facts[2], 100)
        x = linear(w, "main.0", told, 2 * width * side**2).reshape(-1, 2 * width, side, side)
        x = batch_norm(w, "main.2", x)
        for place, outputs in ((4, 2 * width), (8, width)):
            x = leaky(batch_norm(w, f"main.{place + 1}", conv(w, f"main.{place}", doubled(x), outputs, 3, 1, 1)), 0.2)
        return {"image": conv(w, "main.11", x, facts[0], 3, 1, 1).tanh()}

    return {"forward": forward}


def acgan_discriminator(w: Weights, facts: Facts, *, width: int, dropout: float = 0.25) -> Methods:
    def forward(image: Tensor) -> dict[str, Tensor]:
        x, place = image, 0
        for level in range(4):
            x = w.drop(leaky(conv(w, f"main.{place}", x, width * 2**level, 3, 2, 1), 0.2), dropout)
            x = batch_norm(w, f"main.{place + 3}", x) if level else x
            place += 4 if level else 3
        flat = x.flatten(1)
        return {"scores": linear(w, "score_head", flat, 1), "class_logits": linear(w, "class_head", flat, facts[2])}

    return {"forward": forward}


def sngan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def norm(name: str, x: Tensor, index: Tensor) -> Tensor:
        normed = batch_norm(w, f"{name}.norm", x, eps=SNGAN_EPS, gain=False, shift=False)
        gain, shift = (embedding(w, f"{name}.{key}", index, facts[2], x.shape[1]) for key in ("gain", "bias"))
        return normed * gain[:, :, None, None] + shift[:, :, None, None]

    def forward(noise: Tensor, index: Tensor) -> dict[str, Tensor]:
        side = facts[1] // 8
        x = linear(w, "project", noise, 8 * width * side**2).reshape(-1, 8 * width, side, side)
        for place, outputs in enumerate((4 * width, 2 * width, width)):
            name = f"blocks.{place}"
            inner = conv(w, f"{name}.first", doubled(relu(norm(f"{name}.norms.0", x, index))), outputs, 3, 1, 1)
            inner = conv(w, f"{name}.second", relu(norm(f"{name}.norms.1", inner, index)), outputs, 3, 1, 1)
            x = inner + conv(w, f"{name}.shortcut", doubled(x), outputs, 1)
        x = relu(batch_norm(w, "to_image.0", x, eps=SNGAN_EPS))
        return {"image": conv(w, "to_image.2", x, facts[0], 3, 1, 1).tanh()}

    return {"forward": forward}


def projection_discriminator(w: Weights, facts: Facts, *, width: int) -> Methods:
    """Every weight is divided by its spectral norm; the features are summed over positions."""

    def layer(name: str, x: Tensor, outputs: int, kernel: int) -> Tensor:
        return conv(w, name, x, outputs, kernel, 1, kernel // 2, spectral=True)

    def forward(image: Tensor, index: Tensor) -> dict[str, Tensor]:
        inner = layer("blocks.0.second", relu(layer("blocks.0.first", image, width, 3)), width, 3)
        x = pooled(inner) + layer("blocks.0.shortcut", pooled(image), width, 1)
        for place, outputs in enumerate((2 * width, 4 * width, 8 * width, 16 * width), 1):
            name = f"blocks.{place}"
            inner = layer(f"{name}.second", relu(layer(f"{name}.first", relu(x), x.shape[1], 3)), outputs, 3)
            x = inner + layer(f"{name}.shortcut", x, outputs, 1)
            x = pooled(x) if place < 4 else x
        features = relu(x).sum((2, 3))
        told = embedding(w, "embedding", index, facts[2], features.shape[1], spectral=True)
        return {"scores": linear(w, "score", features, 1, spectral=True) + (told * features).sum(1, keepdim=True)}

    return {"forward": forward}
