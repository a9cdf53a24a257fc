"""Devices and precision through Lightning Fabric, and what they are called in provenance."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric

from ganzoo.errors import GanzooError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32", "bf16")
Precision = Literal["32", "bf16"]
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_PROCESS_STATUS, _CLEAR_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def choose_device(name: str) -> str:
    """Resolves ``auto`` to the best device there is.

    Raises:
        GanzooError: Unknown device, or not on this machine.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name not in DEVICES:
        raise GanzooError(f"Unknown device '{name}'. Known: {', '.join(DEVICES)}.")
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    if not present[name]:
        usable = ", ".join(kind for kind, is_there in present.items() if is_there)
        raise GanzooError(f"Device '{name}' is not available here. Usable: {usable}.")
    return name


def choose_precision(name: str, device: str) -> Precision:
    """Resolves ``auto``: bf16 only where the hardware computes it natively.

    Raises:
        GanzooError: Unknown precision.
    """
    if name not in PRECISIONS:
        raise GanzooError(f"Unknown precision '{name}'. Known: {', '.join(PRECISIONS)}.")
    if name == "auto":
        return "bf16" if _computes_bf16(device) else "32"
    return "bf16" if name == "bf16" else "32"


def create_fabric(device: str, precision: Precision) -> Fabric:
    """Fabric on one device."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(accelerator=device, devices=1, precision="bf16-mixed" if precision == "bf16" else "32-true")


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Lets torch take algorithms alone that give the same bits each time; those of a processor always do.

    On CUDA they are slower, and an operation that has none fails with its name (PyTorch: "Reproducibility").
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(_WORKSPACE)
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # cuBLAS reads it when it is first used
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)


def describe_device(device: torch.device) -> str:
    """A device in words, such as ``NVIDIA H200`` or ``CPU (AVX512), 2 threads``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple {platform.machine()} GPU"
    threads = torch.get_num_threads()
    return f"CPU ({torch.backends.cpu.get_cpu_capability()}), {threads} thread{'s' if threads > 1 else ''}"


def _computes_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return _has_amx() or _has_fast_avx512_bf16()
    return False


def _has_amx() -> bool:
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def _has_fast_avx512_bf16() -> bool:
    """On AMD StarGAN trains 1.1 (width 16) to 1.6 times (64) as fast in it as in float32; on Intel, without AMX, slower."""
    can: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("avx512_bf16")) and str(can.get("cpu_name", "")).startswith("AMD")


def reason_against_compiling(device: torch.device, has_plugins: bool = False) -> str | None:
    """Why training is better not compiled unless asked for: no gain, or none known, or parts that nobody has tried it with.

    Args:
        device: Where it trains. Processors with AMX gain by it, and CUDA, where steps are recorded too.
        has_plugins: Whether a network or term is somebody else's: a recording freezes what Python counts in it.
    """
    if device.type == "cpu":
        return None if _has_amx() else "nothing is gained on a processor without AMX"
    if device.type != "cuda":
        return "its gain has not been measured on this kind of device; --compile on tries it"
    return (
        "recorded steps freeze what Python counts in parts of plugins; --compile on if yours count nothing"
        if has_plugins
        else None
    )


def reset_peak_memory(device: torch.device) -> None:
    """Lets `peak_memory_bytes` count from now on, where the system can: a suite carries out many runs in one process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # Linux alone
            _CLEAR_PEAK.write_text("5")


def peak_memory_bytes(device: torch.device) -> int | None:
    """Most memory in use at once: tensors on a CUDA device, else the whole process; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in _PROCESS_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
