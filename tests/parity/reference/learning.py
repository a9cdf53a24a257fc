"""What training is made of: Adam, the parts of networks that learn, losses as they were taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from parity.reference.layers import Weights
from parity.training_cases import KEPT_GRADIENTS


class Adam:
    """Adam (arXiv 1412.6980) on the parameters of a network whose names begin with a part's; decay is added to the gradient.

    Args:
        weights: Of the network.
        name: What this part is called in what is recorded, such as ``generator.decoder``.
        rate: Learning rate.
        betas: Of the two averages.
        decay: Of the weights.
    """

    def __init__(
        self, weights: Weights, name: str, rate: float, betas: tuple[float, float] = (0.5, 0.999), decay: float = 0.0
    ) -> None:
        self.weights, self.name, self.rate, self.betas, self.decay = weights, name, rate, betas, decay
        self.prefix = f"{inner}." if (inner := name.partition(".")[2]) else ""
        self.averages: dict[str, tuple[Tensor, Tensor]] = {}
        self.steps = 0

    def names(self) -> list[str]:
        return [name for name in self.weights.parameters if name.startswith(self.prefix)]

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        self.steps += 1
        for name, gradient in gradients.items():
            old = self.weights.parameters[name].detach()
            slope = gradient + self.decay * old
            mean, square = self.averages.get(name, (torch.zeros_like(old), torch.zeros_like(old)))
            mean = self.betas[0] * mean + (1 - self.betas[0]) * slope
            square = self.betas[1] * square + (1 - self.betas[1]) * slope**2
            self.averages[name] = mean, square
            size = (square / (1 - self.betas[1] ** self.steps)).sqrt() + 1e-8
            new = old - self.rate * mean / (1 - self.betas[0] ** self.steps) / size
            self.weights.parameters[name] = new.requires_grad_(True)


class Record:
    """What is compared of a training: each term's values and weights, first gradients, and how far the weights have moved."""

    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.factors: dict[str, list[float]] = {}
        self.gradients: dict[str, Tensor] = {}
        self.starts: dict[str, Tensor] = {}
        self.learners: dict[str, Adam] = {}

    def learn(self, learners: Iterable[Adam], terms: Mapping[str, tuple[float, Tensor]], suffix: str = "") -> None:
        """One phase: the weighted sum of terms, its gradients, a step of each learner.

        Args:
            learners: Of the parts that learn, each from the gradients before any has stepped.
            terms: Name -> weight and value.
            suffix: What tells this phase from others of the same parts.
        """
        learners = list(learners)
        phase = "+".join(learner.name for learner in learners) + suffix
        for name, (factor, value) in terms.items():
            self.losses.setdefault(f"{phase}.{name}", []).append(value.item())
            self.factors.setdefault(f"{phase}.{name}", []).append(float(factor))
        total = torch.stack([factor * value for factor, value in terms.values()]).sum()
        places = [(learner, name) for learner in learners for name in learner.names()]
        found = torch.autograd.grad(total, [who.weights.parameters[name] for who, name in places], allow_unused=True)
        for learner in learners:
            own = {
                name: torch.zeros_like(who.weights.parameters[name]) if gradient is None else gradient
                for (who, name), gradient in zip(places, found, strict=True)
                if who is learner
            }
            self._note(learner, own)
            learner.step(own)

    def _note(self, learner: Adam, gradients: Mapping[str, Tensor]) -> None:
        network = learner.name.partition(".")[0]
        self.learners[learner.name] = learner
        for name, gradient in gradients.items():
            self.starts.setdefault(f"{network}: {name}", learner.weights.parameters[name].detach())
            if learner.steps < KEPT_GRADIENTS:
                self.gradients[f"{learner.name} {learner.steps}: {name}"] = gradient

    def moved(self) -> dict[str, Tensor]:
        """How far each weight that learns has come from its start."""
        now = {
            f"{learner.name.partition('.')[0]}: {name}": learner.weights.parameters[name].detach()
            for learner in self.learners.values()
            for name in learner.names()
        }
        return {name: now[name] - start for name, start in self.starts.items()}


def softplus(x: Tensor) -> Tensor:
    return torch.where(x > 0, x + (1 + (-x.abs()).exp()).log(), (1 + (-x.abs()).exp()).log())


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log of the softmax's share of each label, averaged."""
    shares = logits - logits.exp().sum(1, keepdim=True).log()
    return -torch.stack([shares[row, label] for row, label in enumerate(labels.tolist())]).mean()


def binary_cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """-log of each sigmoid's share of what is wanted in {0, 1}, averaged over everything."""
    return (wanted * softplus(-logits) + (1 - wanted) * softplus(logits)).mean()


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (one - other).abs().mean()


def input_gradient(scores: Tensor, images: Tensor) -> Tensor:
    """Gradient of each image's summed scores by its own pixels, ``(N, pixels)``, itself to be differentiated."""
    return torch.autograd.grad(scores.sum(), images, create_graph=True)[0].flatten(1)
