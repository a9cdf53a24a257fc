"""Which precision ``auto`` takes on a processor, and the memory that a run took."""

from pathlib import Path

import pytest
import torch

from ganzoo import devices
from ganzoo.devices import choose_precision, peak_memory_bytes, reset_peak_memory
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


def test_peak_memory_grows_with_what_is_used_and_begins_anew() -> None:
    cpu = torch.device("cpu")
    before = peak_memory_bytes(cpu)
    assert before is not None and before > 50e6  # torch alone takes more
    taken = torch.ones(300_000_000, dtype=torch.uint8)
    peak = peak_memory_bytes(cpu)
    assert peak is not None and peak >= 300e6
    del taken
    reset_peak_memory(cpu)
    after = peak_memory_bytes(cpu)
    assert after is not None
    if Path("/proc/self/clear_refs").exists():
        assert after < peak - 100e6


def test_without_the_system_files_the_peak_still_has_the_unit_of_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = peak_memory_bytes(torch.device("cpu"))
    monkeypatch.setattr(devices, "_PROCESS_STATUS", tmp_path / "none")
    monkeypatch.setattr(devices, "_CLEAR_PEAK", tmp_path / "none" / "none")
    reset_peak_memory(torch.device("cpu"))
    other = peak_memory_bytes(torch.device("cpu"))
    assert told is not None and other is not None
    assert 0.5 < other / told < 20
