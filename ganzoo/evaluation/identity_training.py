"""Trains the identity network of rendered faces: two pictures of one person should be described alike, and unlike all others.

The loss is the contrastive one of CLIP (arXiv 2103.00020, figure 3): each first picture has to find its second among those of
all people of the batch, and the other way round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.optim.lr_scheduler import OneCycleLR

from ganzoo.data.rendered_people import Trials, recognition_trials, views_of_people
from ganzoo.data.rendering import DEFAULT_SIZE_PX
from ganzoo.errors import GanzooError
from ganzoo.evaluation.identity_network import IdentityCard, RecognitionScores
from ganzoo.evaluation.judge_card import as_stored, write_card, write_network
from ganzoo.evaluation.judge_networks import JudgeNetwork, build_network, normalise

Log = Callable[[str], None]

ARCHITECTURE, SCALE, FEATURE_SIZE = "parallel", 0.25, 64
DEFAULT_STEPS, PEOPLE = 2000, 64
LEARNING_RATE, WEIGHT_DECAY, WARM_UP, TEMPERATURE = 4e-3, 1e-4, 0.1, 0.1
TRIAL_PEOPLE = 2000
_WEIGHTS = "network.safetensors"
_LINES = 30
_AT_ONCE = 256


def train_identity_network(
    out_dir: Path,
    *,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    trial_people: int = TRIAL_PEOPLE,
    device: torch.device | str = "cpu",
    log: Log = lambda line: None,
) -> IdentityCard:
    """Trains a network on rendered people, measures it as it was written, and writes its card.

    Args:
        out_dir: Folder for weights and card.
        steps: Optimiser steps of 64 people each, none of whom is met twice.
        seed: Of the weights.
        trial_people: People it is measured on.
        device: Where to train.
        log: Receives a line now and then.

    Raises:
        GanzooError: No step, or fewer than two people to be told apart.
    """
    if steps < 1 or trial_people < 2:
        raise GanzooError(f"An identity network takes at least 1 step and 2 people to try it on, not {steps} and {trial_people}.")
    network, seconds = _trained(steps, seed, torch.device(device), log)
    sha256 = write_network(out_dir / _WEIGHTS, network)
    card = IdentityCard(
        faces="rendered people (ganzoo.data.rendered_people)",
        image_size_px=DEFAULT_SIZE_PX,
        image_channels=1,
        feature_size=FEATURE_SIZE,
        architecture=ARCHITECTURE,
        scale=SCALE,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        file=_WEIGHTS,
        sha256=sha256,
        command=f"ganzoo identity train --steps {steps} --seed {seed}",
        seed=seed,
        steps=steps,
        people=PEOPLE,
        seconds=round(seconds, 1),
        torch_version=torch.__version__.split("+")[0],
        test=_measured(as_stored(network), recognition_trials(trial_people), torch.device(device)),
    )
    write_card(out_dir, card)
    log(f"recall@1 among {trial_people} people it never saw: {card.test.recall_same_picture:.3f} with another expression")
    log(f"written to {out_dir}")
    return card


def _measured(network: JudgeNetwork, trials: Trials, device: torch.device) -> RecognitionScores:
    known, same, elsewhere, impostor = (
        _described(network, pictures, device)
        for pictures in (trials.known, trials.same_picture, trials.elsewhere, trials.impostor)
    )

    def recall(found: Tensor) -> float:
        return round(float(((found @ known.T).argmax(dim=1) == torch.arange(len(known))).double().mean()), 4)

    def cosine(found: Tensor) -> float:
        return round(float((found * known).sum(dim=1).mean()), 4)

    return RecognitionScores(
        images=len(known),
        recall_same_picture=recall(same),
        recall_elsewhere=recall(elsewhere),
        recall_impostor=recall(impostor),
        cosine_same_picture=cosine(same),
        cosine_impostor=cosine(impostor),
    )


def _described(network: JudgeNetwork, pictures: Tensor, device: torch.device) -> Tensor:
    """Features of length 1, float32 ``(N, D)`` on the CPU."""
    with torch.no_grad():
        return torch.cat([normalize(network(_seen(part.to(device)))).cpu() for part in pictures.split(_AT_ONCE)])


def _seen(pictures: Tensor) -> Tensor:
    return normalise(pictures).contiguous(memory_format=torch.channels_last)


def _trained(steps: int, seed: int, device: torch.device, log: Log) -> tuple[JudgeNetwork, float]:
    """The network after its last step, in eval mode, and how long that took."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(ARCHITECTURE, channels=1, num_classes=FEATURE_SIZE, scale=SCALE)
    network = network.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1, pct_start=WARM_UP)
    began = time.monotonic()
    for step in range(steps):
        pictures = torch.cat(views_of_people(PEOPLE, step, device=device))
        first, second = normalize(network(_seen(pictures))).chunk(2)
        alike = first @ second.T / TEMPERATURE
        partners = torch.arange(PEOPLE, device=device)
        loss = (cross_entropy(alike, partners) + cross_entropy(alike.T, partners)) / 2
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, steps // _LINES) == 0:
            found = float((alike.argmax(dim=1) == partners).float().mean())
            log(f"step {step + 1} of {steps}: loss {float(loss.detach()):.3f}, {found:.2f} of {PEOPLE} people found")
    return network.eval(), time.monotonic() - began
