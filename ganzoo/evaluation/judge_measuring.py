"""Measures judges on real faces: accuracy, calibration, and the temperature that calibrates them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_calibration_error

from ganzoo.evaluation.judge_card import Scores
from ganzoo.evaluation.judge_networks import JudgeNetwork, normalise

CALIBRATION_BINS = 15
_BATCH_SIZE = 256
_TEMPERATURE_RANGE = (0.05, 20.0)


def view_logits(network: JudgeNetwork, images: Tensor, flip_averaging: bool) -> Tensor:
    """Logits for images and, with flip averaging, their mirror images.

    Args:
        network: In eval mode.
        images: uint8 ``(N, C, H, W)`` at the judges' size.
        flip_averaging: Whether there is a second view.

    Returns:
        float32 ``(V, N, K)`` on the CPU.
    """
    device = next(network.parameters()).device
    views = [images, images.flip(3)] if flip_averaging else [images]
    with torch.no_grad():
        blocks = [
            [network(normalise(block.to(device))).float().cpu() for block in torch.split(view, _BATCH_SIZE)] for view in views
        ]
    return torch.stack([torch.cat(answers) for answers in blocks])


def fit_temperature(view_logits: Tensor, labels: Tensor) -> float:
    """The temperature that makes the probabilities most likely (Guo et al., arXiv:1706.04599).

    Args:
        view_logits: float ``(V, N, K)``; probabilities are averaged over the V views.
        labels: int64 ``(N,)``.

    Returns:
        A number in 0.05..20 to divide the logits by.
    """

    def loss(log_temperature: float) -> float:
        probabilities = (view_logits.double() / float(np.exp(log_temperature))).softmax(dim=2).mean(dim=0)
        return float(functional.nll_loss(probabilities.clamp(min=1e-12).log(), labels))

    bounds = (float(np.log(_TEMPERATURE_RANGE[0])), float(np.log(_TEMPERATURE_RANGE[1])))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def measure(probabilities: Tensor, untempered: Tensor, labels: Tensor, class_names: Sequence[str]) -> Scores:
    """Scores of probabilities ``(N, K)`` against labels ``(N,)``; ``untempered`` are those at temperature 1.

    A class without images is left out of the macro accuracy and of ``per_class``.
    """
    right = (probabilities.argmax(dim=1) == labels).float()
    per_class = {
        name: round(float(right[labels == index].mean()), 4)
        for index, name in enumerate(class_names)
        if bool((labels == index).any())
    }
    return Scores(
        images=len(labels),
        accuracy=round(float(right.mean()), 4),
        macro_accuracy=round(sum(per_class.values()) / len(per_class), 4),
        per_class=per_class,
        calibration_error=calibration_error(probabilities, labels),
        calibration_error_untempered=calibration_error(untempered, labels),
    )


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Expected calibration error over 15 equal bins, in [0, 1]; lower is better."""
    error = multiclass_calibration_error(probabilities, labels, probabilities.shape[1], n_bins=CALIBRATION_BINS, norm="l1")
    return round(float(error), 4)


def restricted_to(logits: Tensor, labels: Tensor, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Keeps the faces whose label is among ``columns``, and those outputs alone.

    Args:
        logits: float ``(..., N, K)``.
        labels: int64 ``(N,)``.
        columns: The classes kept, in their new order.

    Returns:
        Logits ``(..., n, len(columns))`` and labels ``(n,)`` that index ``columns``.
    """
    matches = labels[:, None] == torch.tensor(list(columns))[None, :]
    kept = matches.any(dim=1)
    return logits[..., kept, :][..., list(columns)], matches[kept].int().argmax(dim=1)
