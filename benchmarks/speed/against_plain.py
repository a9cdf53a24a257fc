"""ganzoo's StarGAN against the plain step, alternating in one process from the same weights on the same batches, as JSON.

python benchmarks/speed/against_plain.py --batch-size 8 --windows 12
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from itertools import chain, count, islice
from typing import Annotated

import torch
import typer
from plain_stargan import PlainStarGAN
from torch import Tensor
from train_step import IMAGES, build_trainer

from ganzoo.cli import carry_out
from ganzoo.data.conditions import permuted
from ganzoo.devices import describe_device
from ganzoo.overrides import resolve_recipe
from ganzoo.training.seeding import derived_seed
from ganzoo.training.trainer import Trainer


def plain_twin(trainer: Trainer, every: int, width: int) -> PlainStarGAN:
    """The plain step, set up to do what a fresh trainer on a CPU is about to do."""
    random = torch.Generator().manual_seed(derived_seed(0, "training"))
    coming = chain.from_iterable(trainer.batches[0].epoch(epoch, 0) for epoch in count())

    def asked() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Draws targets when the trainer does, so that both draw the same numbers."""
        step = 0
        while True:
            batches = list(islice(coming, trainer.lookaheads[0].batches(step)))
            targets = [permuted(batch.labels, IMAGES.num_classes, random) for batch in batches]
            yield from ((batch.images, batch.labels, wanted) for batch, wanted in zip(batches, targets, strict=True))
            step += len(batches)

    lr = trainer.recipe.optimizer.lr
    plain = PlainStarGAN(asked(), random, classes=IMAGES.num_classes, width=width, every=every, lr=lr)
    plain.start_from(trainer.generator, trainer.discriminator)
    return plain


def window_losses(trainer: Trainer) -> list[float]:
    """Losses since the last call, in the order in which the steps computed them."""
    trainer.losses.fetch()
    values = [value for _, value, _ in trainer.losses.pending]
    trainer.losses.pending = []
    return values


def main(
    batch_size: Annotated[int, typer.Option(help="Images per batch.")] = 8,
    width: Annotated[int, typer.Option(help="Of both networks.")] = 64,
    every: Annotated[int, typer.Option(help="Discriminator steps for one generator step.")] = 5,
    windows: Annotated[int, typer.Option(min=1, help="Timed windows; two more go before.")] = 12,
    precision: Annotated[str, typer.Option(help="Of ganzoo's step, 32 or bf16; the plain one is in float32.")] = "32",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile ganzoo's step.")] = False,
) -> None:
    """Prints images per second of both, the ratio, and how far their losses part, window by window (CPU)."""
    changes = [f"batch_size={batch_size}", f"generator.width={width}", f"discriminator.width={width}", f"every={every}"]
    trainer = build_trainer(resolve_recipe("stargan", changes=changes), "cpu", precision)
    plain = plain_twin(trainer, every, width)
    if compiled:
        trainer.compile()
    steps = trainer.steps()
    seconds: dict[str, list[float]] = {"plain": [], "ganzoo": []}
    apart: list[float] = []
    for _ in range(windows + 2):
        began = time.perf_counter()
        expected = plain.window()
        between = time.perf_counter()
        for _ in range(every):
            next(steps)
        found = window_losses(trainer)
        seconds["plain"].append(between - began)
        seconds["ganzoo"].append(time.perf_counter() - between)
        apart.append(max(abs(mine - theirs) for mine, theirs in zip(found, expected, strict=True)))
    medians = {name: statistics.median(times[2:]) for name, times in seconds.items()}
    ratios = [theirs / mine for theirs, mine in zip(seconds["plain"][2:], seconds["ganzoo"][2:], strict=True)]
    result = {
        "batch_size": batch_size,
        "width": width,
        "every": every,
        "precision": precision,
        "compiled": compiled,
        "device": describe_device(trainer.fabric.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images_per_second": {name: round(every * batch_size / median, 1) for name, median in medians.items()},
        "ratio": {
            "median": round(statistics.median(ratios), 3),
            "smallest": round(min(ratios), 3),
            "largest": round(max(ratios), 3),
        },
        "largest_loss_difference": {"first window": apart[0], "second window": apart[1], "last window": apart[-1]},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
