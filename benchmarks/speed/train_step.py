"""Training throughput of a recipe's own steps on this machine, as JSON.

python benchmarks/speed/train_step.py stargan --batch-size 8 --precision 32
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Annotated

import torch
import typer

from ganzoo.cli import carry_out
from ganzoo.compatibility import ImageFacts
from ganzoo.config import Recipe
from ganzoo.data.base import Split
from ganzoo.data.resident import make_batches
from ganzoo.devices import choose_device, choose_precision, create_fabric, describe_device
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.overrides import resolve_recipe
from ganzoo.training.trainer import Trainer

IMAGES = ImageFacts(image_channels=1, image_size_px=48, num_classes=4)


def build_trainer(recipe: Recipe, device: str, precision: str) -> Trainer:
    """A trainer on random images: speed does not depend on what is in them."""
    fabric = create_fabric(device, choose_precision(precision, device))
    shape = (4096, IMAGES.image_channels, IMAGES.image_size_px, IMAGES.image_size_px)
    split = Split(torch.randint(256, shape, dtype=torch.uint8), torch.randint(IMAGES.num_classes, (4096,)))
    facts = IMAGES._asdict()
    return Trainer(
        recipe,
        create_generator(recipe.generator.name, **facts, **recipe.generator.arguments).to(fabric.device),
        create_discriminator(recipe.discriminator.name, **facts, **recipe.discriminator.arguments).to(fabric.device),
        lambda batch_size, flip: make_batches(split, device=fabric.device, batch_size=batch_size, seed=0, flip=flip),
        IMAGES.num_classes,
        fabric,
        seed=0,
    )


def main(
    recipe: Annotated[str, typer.Argument(help="Recipe name or YAML file.")] = "stargan",
    batch_size: Annotated[int, typer.Option(help="Images per batch.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32 or bf16.")] = "auto",
    windows: Annotated[int, typer.Option(min=1, help="Timed windows; a window is one generator step and what precedes it.")] = 12,
    compiled: Annotated[bool, typer.Option("--compile", help="As ganzoo run --compile on.")] = False,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value change of the recipe.")] = None,
) -> None:
    """Prints images per second over windows of one generator step: median, fastest, slowest."""
    device = choose_device(device)
    resolved = resolve_recipe(recipe, changes=[f"batch_size={batch_size}", *(changes or [])])
    precision = choose_precision(precision, device)
    trainer = build_trainer(resolved, device, precision)
    if compiled:
        trainer.compile()
    window = max(phase.every for phase in resolved.stages[0].phases)
    steps = trainer.steps()
    rates = []
    for index in range(windows + 2):
        began = time.perf_counter()
        for _ in range(window):
            next(steps)
        trainer.losses.fetch()  # Waits for the device.
        if index >= 2:
            rates.append(window * batch_size / (time.perf_counter() - began))
    result = {
        "recipe": recipe,
        "batch_size": batch_size,
        "precision": precision,
        "compiled": compiled,
        "device": describe_device(trainer.fabric.device),
        "torch": torch.__version__,
        "images_per_second": {
            "median": round(statistics.median(rates), 1),
            "fastest": round(max(rates), 1),
            "slowest": round(min(rates), 1),
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
