"""The trainer against the same mathematics in plain PyTorch: every shortcut of the step context leaves the losses as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganzoo.overrides import resolve_recipe

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture
def against_plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    import against_plain  # type: ignore[import-not-found]  # a script beside its README, found by its folder

    return against_plain


@pytest.mark.parametrize("every", [1, 3])
def test_stargan_has_the_losses_of_the_plain_step(against_plain: Any, every: int) -> None:
    torch.manual_seed(0)
    changes = ["generator.width=8", "discriminator.width=8", f"every={every}"]
    trainer = against_plain.build_trainer(resolve_recipe("stargan", changes=changes), "cpu", "32")
    plain = against_plain.plain_twin(trainer, every, 8)
    steps = trainer.steps()
    before = [parameter.detach().clone() for parameter in plain.generator.parameters()]
    for _ in range(2):
        expected = plain.window()
        for _ in range(every):
            next(steps)
        found = against_plain.window_losses(trainer)
        assert len(found) == 3 * every + 3
        assert found == pytest.approx(expected, abs=1e-4)
    # The networks moved, and moved alike. Adam's first steps are of the size of the learning rate whatever the gradient, so that
    # where it is next to nothing its rounding decides: 6 % of all movement has been seen to differ. A term without gradient
    # makes it more than all; a wrong weight is for the losses to tell.
    moved = apart = torch.zeros(())
    for start, mine, theirs in zip(before, trainer.generator.parameters(), plain.generator.parameters(), strict=True):
        assert (mine - start).abs().max() > 1e-5
        moved, apart = moved + (mine - start).abs().sum(), apart + (mine - theirs).abs().sum()
    assert apart < 0.2 * moved
