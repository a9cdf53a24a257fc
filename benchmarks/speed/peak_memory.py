"""Memory that a window of StarGAN's training needs beyond what must stand: parameters, optimiser and data; as JSON.

python benchmarks/speed/peak_memory.py ganzoo --batch-size 8
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import torch
import typer
from against_plain import plain_twin
from torch import nn
from train_step import build_trainer

from ganzoo.cli import carry_out
from ganzoo.devices import describe_device, peak_memory_bytes, reset_peak_memory
from ganzoo.overrides import resolve_recipe

ADAM_COPIES = 2
"""Moments beside each parameter."""


def state_bytes(networks: list[nn.Module]) -> int:
    """Parameters and Adam's moments."""
    numbers = sum(parameter.numel() * parameter.element_size() for network in networks for parameter in network.parameters())
    return (1 + ADAM_COPIES) * numbers


def main(
    step: Annotated[Literal["ganzoo", "plain"], typer.Argument(help="Whose step.")],
    batch_size: Annotated[int, typer.Option(help="Images per batch.")] = 8,
    width: Annotated[int, typer.Option(help="Of both networks.")] = 64,
    every: Annotated[int, typer.Option(help="Discriminator steps for one generator step.")] = 5,
    windows: Annotated[int, typer.Option(help="Windows over which the peak is taken.")] = 4,
    precision: Annotated[str, typer.Option(help="32 or bf16; the plain step knows 32 alone.")] = "32",
) -> None:
    """Prints the peak of the process (CPU, Linux) less its size before the first step and less the optimiser's moments."""
    changes = [f"batch_size={batch_size}", f"generator.width={width}", f"discriminator.width={width}", f"every={every}"]
    trainer = build_trainer(resolve_recipe("stargan", changes=changes), "cpu", precision)
    cpu, steps = trainer.fabric.device, trainer.steps()
    standing = state_bytes([trainer.generator, trainer.discriminator])
    if step == "plain":
        plain = plain_twin(trainer, every, width)
    torch.nn.functional.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3))  # the library's own start
    reset_peak_memory(cpu)
    before = peak_memory_bytes(cpu)
    for _ in range(windows):
        if step == "plain":
            plain.window()
        else:
            for _ in range(every):
                next(steps)
            trainer.losses.fetch()
    peak = peak_memory_bytes(cpu)
    assert before is not None and peak is not None
    moments = standing * ADAM_COPIES // (1 + ADAM_COPIES)
    result = {
        "step": step,
        "batch_size": batch_size,
        "precision": precision,
        "device": describe_device(cpu),
        "torch": torch.__version__,
        "standing_mb": round(standing / 1e6, 1),
        "above_mb": round((peak - before - moments) / 1e6, 1),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
