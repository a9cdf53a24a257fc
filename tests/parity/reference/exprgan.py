"""ExprGAN, from its layer table: encoder, decoder, discriminators of images and of latents, and the regulariser Q."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from parity.reference.layers import Weights, batch_norm, conv, doubled, leaky, linear, relu, with_planes
from parity.reference.patches import Facts, Methods

BATCH_NORM = {"eps": 1e-3, "momentum": 0.001, "gain": False}


def _halved(w: Weights, name: str, x: Tensor, outputs: int) -> Tensor:
    """A 5 x 5 convolution of stride 2 on an even side, with one row and column before it and two behind, as TensorFlow pads."""
    return conv(w, name, pad(x, (1, 2, 1, 2)), outputs, 5, 2)


def generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    """As many halvings as leave 4 x 4 or more; the code stands at the start 50 // K times and at every convolution once."""
    colors, size_px, classes = facts
    levels = 0
    while size_px // 2**levels % 2 == 0 and size_px // 2 ** (levels + 1) >= 4:
        levels += 1
    side = size_px // 2**levels

    def encode(image: Tensor) -> dict[str, Tensor]:
        x = image
        for level in range(levels):
            x = relu(_halved(w, f"encoder.{2 * level}", x, width * 2**level))
        return {"": linear(w, f"encoder.{2 * levels + 1}", x.flatten(1), 50).tanh()}

    def sample(noise: Tensor, code: Tensor) -> dict[str, Tensor]:
        start = torch.cat([noise, *[code] * (50 // classes)], 1)
        x = relu(linear(w, "decoder.start", start, 16 * width * side**2)).reshape(len(noise), 16 * width, side, side)
        for level in range(levels + 1):
            x = doubled(x) if level < levels else x
            outputs = 16 * width // 2 ** (level + 1)
            x = relu(conv(w, f"decoder.convolutions.{level}", with_planes(x, code), outputs, 3, 1, 1, bias=False))
        return {"image": conv(w, "decoder.last", with_planes(x, code), colors, 3, 1, 1, bias=False).tanh()}

    return {
        "encode": encode,
        "sample": sample,
        "forward": lambda image, code: sample(encode(image)[""], code),
    }


def discriminator(w: Weights, facts: Facts, *, width: int, features: int) -> Methods:
    def dense(name: str, place: int, x: Tensor, outputs: int, slope: float) -> Tensor:
        return leaky(batch_norm(w, f"{name}.{place + 1}", linear(w, f"{name}.{place}", x, outputs), **BATCH_NORM), slope)

    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = with_planes(image, condition)
        for level in range(4):
            x = _halved(w, f"image.convolutions.{level}.0", x, width * 2**level)
            x = with_planes(relu(batch_norm(w, f"image.convolutions.{level}.1", x, **BATCH_NORM)), condition)
        shared = torch.cat([dense("image.shared", 0, x.flatten(1), features, 0.2), condition], 1)
        scores = linear(w, "image.score", shared, 1)
        inner = dense("image.code", 0, shared, 128, 0.2)
        blocks = [
            linear(w, f"image.blocks.{k}.3", dense(f"image.blocks.{k}", 0, inner, 64, 0.2), 5).tanh() for k in range(facts[2])
        ]
        return {"scores": scores, "code": torch.cat(blocks, 1)}

    def judge_latent(latent: Tensor) -> dict[str, Tensor]:
        x = latent
        for place, outputs in ((0, 64), (3, 32), (6, 16)):
            x = dense("latent", place, x, outputs, 0.0)
        return {"": linear(w, "latent.9", x, 1)}

    return {"forward": forward, "judge_latent": judge_latent}
