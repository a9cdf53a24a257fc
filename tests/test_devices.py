"""Which precision ``auto`` takes on a processor."""

import pytest
import torch

from ganzoo.devices import choose_precision
from ganzoo.errors import GanzooError


@pytest.mark.parametrize(
    ("amx", "capabilities", "expected"),
    [
        (True, {"avx512_bf16": True, "cpu_name": "Intel Xeon Platinum 8481C"}, "bf16"),
        (False, {"avx512_bf16": True, "cpu_name": "Intel Xeon Platinum 8481C"}, "32"),
        (False, {"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bf16"),
        (False, {"avx512_bf16": False, "cpu_name": "AMD EPYC"}, "32"),
        (False, {}, "32"),
    ],
)
def test_auto_takes_bf16_where_the_processor_is_faster_in_it(
    monkeypatch: pytest.MonkeyPatch, amx: bool, capabilities: dict[str, object], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", "cpu") == expected


def test_auto_takes_float32_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == "32"


def test_a_named_precision_is_taken_as_it_is() -> None:
    assert choose_precision("32", "cpu") == "32"
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(GanzooError, match="Known: auto, 32, bf16"):
        choose_precision("16", "cpu")
