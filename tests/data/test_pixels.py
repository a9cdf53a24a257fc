from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from ganzoo.data.pixels import dequantized, resize_uint8, to_minus1_1, to_uint8

LEVELS = torch.arange(256, dtype=torch.uint8)


def test_the_ends_and_the_middle_are_exact() -> None:
    floats = to_minus1_1(LEVELS)
    assert floats.dtype == torch.float32
    assert floats[0] == -1 and floats[255] == 1
    assert torch.equal(floats, -floats.flip(0))


def test_every_grey_level_survives_the_round_trip() -> None:
    assert torch.equal(to_uint8(to_minus1_1(LEVELS)), LEVELS)


def test_values_are_rounded_and_clamped() -> None:
    floats = torch.tensor([-3.0, 3.0, 0.6 / 127.5 - 1, 0.4 / 127.5 - 1])
    assert to_uint8(floats).tolist() == [0, 255, 1, 0]


def test_dequantized_levels_fill_the_width_of_a_level() -> None:
    noise = torch.rand(256, generator=torch.Generator().manual_seed(0))
    spread = dequantized(to_minus1_1(torch.arange(256, dtype=torch.uint8)), noise)
    torch.testing.assert_close(spread, (torch.arange(256) + noise) / 128 - 1)
    assert spread.min() >= -1 and spread.max() < 1
    assert ((spread + 1) * 128).floor().tolist() == list(range(256))


def test_the_arguments_are_left_alone() -> None:
    levels, floats = LEVELS.clone(), to_minus1_1(LEVELS)
    kept = floats.clone()
    to_minus1_1(levels)
    to_uint8(floats)
    assert torch.equal(levels, LEVELS) and torch.equal(floats, kept)


def test_resizing_agrees_with_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    for size_px in (20, 48, 64):
        expected = np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR), dtype=int)
        ours = resize_uint8(torch.from_numpy(image)[None, None], size_px)
        assert ours.dtype == torch.uint8 and ours.shape == (1, 1, size_px, size_px)
        assert np.abs(ours[0, 0].numpy().astype(int) - expected).max() <= 1
