from __future__ import annotations

import pytest
import torch

from ganzoo.data.base import Split
from ganzoo.data.splitting import (
    HELD_OUT_RULE,
    UNKNOWN_RULE,
    complete_parts,
    pixel_digest,
    pixel_digests,
    require_every_class,
)
from ganzoo.errors import GanzooError

DIGESTS = pixel_digests(torch.arange(2000).to(torch.int32)[:, None])


def test_three_known_parts_stand() -> None:
    parts = ["train", "val", "test"]
    assert complete_parts(parts, DIGESTS[:3]) == (parts, None)


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_one_held_out_part_is_halved(held_out: str) -> None:
    parts, rule = complete_parts(["train"] * 10 + [held_out] * 1990, DIGESTS)
    assert rule == HELD_OUT_RULE
    assert parts[:10] == ["train"] * 10
    assert 900 < parts.count("val") < 1090 and parts.count("val") + parts.count("test") == 1990


def test_unknown_parts_are_split_eight_to_one_to_one() -> None:
    parts, rule = complete_parts(["unknown"] * 2000, DIGESTS)
    assert rule == UNKNOWN_RULE
    assert 1530 < parts.count("train") < 1670 and 150 < parts.count("val") < 250


def test_an_image_falls_the_same_way_whatever_stands_beside_it() -> None:
    whole, _ = complete_parts(["test"] * 2000, DIGESTS)
    some, _ = complete_parts(["test"] * 1000, DIGESTS[::-2])
    assert some == whole[::-2]


def test_missing_classes_are_all_named() -> None:
    def split(*labels: int) -> Split:
        return Split(torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8), torch.tensor(labels, dtype=torch.int64))

    require_every_class("data", ["a", "b"], {"train": split(0, 1), "val": split(1, 0), "test": split(0, 1)})
    with pytest.raises(GanzooError, match="data: no images of 'b' in val, 'a' in test"):
        require_every_class("data", ["a", "b"], {"train": split(0, 1), "val": split(0), "test": split(1)})


def test_small_classes_are_divided_by_rank_so_that_no_part_lacks_them() -> None:
    digests = [pixel_digest(bytes([number, 9])) for number in range(40)]
    labels = ["many"] * 34 + ["few"] * 6
    parts, rule = complete_parts(["unknown"] * 40, digests, labels)
    assert rule is not None and rule.startswith("parts unknown")
    for label in ("many", "few"):
        assert {part for part, own in zip(parts, labels, strict=True) if own == label} == {"train", "val", "test"}
    # What has images in every part stays as the plain rule has it.
    plain, _ = complete_parts(["unknown"] * 40, digests)
    whole = [label for label in ("many", "few") if {p for p, o in zip(plain, labels, strict=True) if o == label} == set(parts)]
    assert all(now == then for now, then, own in zip(parts, plain, labels, strict=True) if own in whole)


def test_the_source_s_own_parts_are_never_touched_by_that() -> None:
    digests = [pixel_digest(bytes([number])) for number in range(8)]
    parts, _ = complete_parts(["train"] * 4 + ["test"] * 4, digests, ["a"] * 8)
    assert parts[:4] == ["train"] * 4 and set(parts[4:]) == {"val", "test"}
