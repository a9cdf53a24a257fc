"""A device's training steps, each way of carrying them out: do they agree with a processor's, and how fast are they; as a table.

python benchmarks/speed/check_device.py --device cuda
"""

from __future__ import annotations

import copy
import gc
import statistics
import time
from collections.abc import Callable
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from train_step import build_trainer

from ganzoo.cli import carry_out
from ganzoo.config import Recipe
from ganzoo.devices import deterministic_algorithms, peak_memory_bytes, reset_peak_memory
from ganzoo.overrides import resolve_recipe
from ganzoo.training.compilation import compile_networks
from ganzoo.training.cuda_graphs import CudaGraphs
from ganzoo.training.profiling import profile_steps
from ganzoo.training.trainer import Trainer

PAPER_IMAGES = 400 * 19_211
"""400 epochs of the training part of FER2013's four classes."""
EVERY = 5
"""Discriminator steps for one of the generator, as the recipe has them."""
COMPARED_WINDOWS = 3


def as_it_is(trainer: Trainer) -> None:
    """Step by step."""


def recorded(trainer: Trainer) -> None:
    """CUDA graphs of whole steps."""
    trainer.record_steps(CudaGraphs(trainer.random))


def compiled(trainer: Trainer) -> None:
    """Networks compiled."""
    compile_networks(trainer.generator, trainer.discriminator, {"input_gradient"})


def both(trainer: Trainer) -> None:
    """What ``--compile on`` does on the device."""
    trainer.compile()


def ways(device: str) -> dict[str, Callable[[Trainer], None]]:
    """How steps can be carried out on a device."""
    on_cuda = {"graphs": recorded, "compiled, graphs": both} if device == "cuda" else {}
    return {"as it is": as_it_is, "compiled": compiled, **on_cuda}


def made(recipe: Recipe, device: str, precision: str) -> Trainer:
    """A trainer whose networks and data are the same each time."""
    torch.manual_seed(0)
    return build_trainer(recipe, device, precision)


def window(trainer: Trainer) -> list[float]:
    """Trains for a window; its losses."""
    steps = trainer.steps()
    for _ in range(EVERY):
        next(steps)
    trainer.losses.fetch()  # Waits for the device.
    values = [value for _, value, _ in trainer.losses.pending]
    trainer.losses.pending = []
    return values


def apart(found: list[list[float]], expected: list[list[float]]) -> str:
    """Largest difference of losses, window by window."""
    largest = [
        max(abs(one - other) for one, other in zip(mine, theirs, strict=True))
        for mine, theirs in zip(found, expected, strict=True)
    ]
    return ", ".join(f"{difference:.0e}" for difference in largest)


def from_the_processor(changes: list[str], device: str) -> str:
    """How far a device's losses part from a processor's in float32, where nothing is drawn: each draws other numbers."""
    recipe = resolve_recipe("stargan", changes=[*changes, "targets=own", "terms.gradient_penalty.where=real"])
    here, there = made(recipe, device, "32"), made(recipe, "cpu", "32")
    return apart([window(here) for _ in range(COMPARED_WINDOWS)], [window(there) for _ in range(COMPARED_WINDOWS)])


def resumes_to_the_bit(recipe: Recipe, device: str, way: Callable[[Trainer], None]) -> bool:
    """Whether a run that goes on from a state ends as one that was not cut, with deterministic algorithms."""
    with deterministic_algorithms(True):
        whole = made(recipe, device, "32")
        way(whole)
        window(whole)
        state = copy.deepcopy(whole.state())
        expected = window(whole)
        resumed = made(recipe, device, "32")
        resumed.load_state(state)
        way(resumed)
        return window(resumed) == expected


def main(
    device: Annotated[str, typer.Option(help="cuda, mps or cpu.")] = "cuda",
    batch_size: Annotated[int, typer.Option(help="Images per batch.")] = 8,
    windows: Annotated[int, typer.Option(help="Timed windows of five discriminator steps and one generator step.")] = 20,
    width: Annotated[int, typer.Option(help="Of both networks.")] = 64,
) -> None:
    """Prints how far losses part from a processor's and way from way, speed, memory, and the paper's 400 epochs at that speed."""
    changes = [f"batch_size={batch_size}", f"generator.width={width}", f"discriminator.width={width}"]
    recipe = resolve_recipe("stargan", changes=changes)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    table = Table(box=None, title=f"stargan, width {width}, batch {batch_size}, {device}, torch {torch.__version__}")
    for head in ("precision", "way", "first window s", "images/s", "peak MB", "losses part from those as it is", "400 epochs, h"):
        table.add_column(head, justify="left" if head in ("precision", "way") else "right")
    refused = dict[str, str]()
    for precision in ("32", "bf16"):
        expected: list[list[float]] = []
        for name, way in ways(device).items():
            trainer = made(recipe, device, precision)
            way(trainer)
            reset_peak_memory(trainer.fabric.device)
            began = time.perf_counter()
            found = [window(trainer)]
            first = time.perf_counter() - began
            found += [window(trainer) for _ in range(COMPARED_WINDOWS - 1)]
            expected = expected or found
            seconds = []
            for _ in range(windows):
                began = time.perf_counter()
                window(trainer)
                seconds.append(time.perf_counter() - began)
            rate = EVERY * batch_size / statistics.median(seconds)
            if trainer.refused:
                refused[f"{precision}, {name}"] = trainer.refused
            memory = (peak_memory_bytes(trainer.fabric.device) or 0) / 1e6
            hours = PAPER_IMAGES / rate / 3600
            table.add_row(
                precision, name, f"{first:.1f}", f"{rate:,.0f}", f"{memory:,.0f}", apart(found, expected), f"{hours:.2f}"
            )
            del trainer
            gc.collect()  # With it go its graphs and their memory.
    console = Console(width=140)
    console.print(f"losses part from a processor's by {from_the_processor(changes, device)}")
    for name, way in ways(device).items():
        console.print(f"resumes to the bit, {name}: {'yes' if resumes_to_the_bit(recipe, device, way) else 'NO'}")
    profile = profile_steps(made(recipe, device, "32"), windows=1)  # Last: a profiler may disturb recordings.
    kernels, launches = (count / profile.steps for count in (profile.kernels, profile.launches))
    console.print(f"{kernels:,.0f} operators that compute and {launches:,.0f} launches for each step, as it is")
    for name, reason in refused.items():
        console.print(f"not all steps were replayed ({name}): {reason}")
    console.print(table)


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
