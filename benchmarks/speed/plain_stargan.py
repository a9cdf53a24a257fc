"""StarGAN's training step in plain, eager PyTorch: a fixed baseline for speed and for losses.

Nothing here is tuned and nothing of ganzoo's networks, losses or trainer is used, so it stays what it is while those change.
Every image takes its own forward pass, a generated image is made anew for the generator's step, the gradient penalty
differentiates twice, and every loss is read back in every step.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

CLASSIFICATION, CYCLE, PENALTY = 1.0, 10.0, 10.0  # weights of the terms


class PlainGenerator(nn.Module):
    """Residual encoder-decoder (arXiv 1711.09020); parameters in the order of ganzoo's ``stargan``.

    Args:
        channels: Of the images.
        classes: K; the condition is K constant planes beside the image.
        width: Channels after the first convolution.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.encoder = nn.Sequential(
            *_block(nn.Conv2d(channels + classes, width, 7, 1, 3, bias=False)),
            *_block(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)),
            *_block(nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False)),
        )
        self.residuals = nn.ModuleList(
            nn.Sequential(
                *_block(nn.Conv2d(4 * width, 4 * width, 3, 1, 1, bias=False)),
                *_block(nn.Conv2d(4 * width, 4 * width, 3, 1, 1, bias=False))[:2],
            )
            for _ in range(6)
        )
        self.decoder = nn.Sequential(
            *_block(nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False)),
            *_block(nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)),
            nn.Conv2d(width, channels, 7, 1, 3, bias=False),
            nn.Tanh(),
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """float ``(N, C, H, W)`` in [-1, 1] and int64 ``(N,)`` to the same shape as the images."""
        planes = one_hot(labels, self.classes).to(images.dtype)[:, :, None, None]
        features = self.encoder(torch.cat([images, planes.repeat(1, 1, *images.shape[2:])], dim=1))
        for residual in self.residuals:
            features = features + residual(features)
        translated: Tensor = self.decoder(features)
        return translated


class PlainDiscriminator(nn.Module):
    """Patch scores and class logits; four levels for images of 48 px, parameters in the order of ``patch_classifier``."""

    def __init__(self, channels: int, classes: int, width: int, image_size_px: int = 48, levels: int = 4) -> None:
        super().__init__()
        sizes = [channels, *(width * 2**level for level in range(levels))]
        self.trunk = nn.Sequential(
            *(
                layer
                for before, after in zip(sizes, sizes[1:], strict=False)
                for layer in (nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.01))
            )
        )
        self.score_head = nn.Conv2d(sizes[-1], 1, 3, 1, 1, bias=False)
        self.class_head = nn.Conv2d(sizes[-1], classes, image_size_px // 2**levels, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """float ``(N, C, H, W)`` to scores ``(N, 1, 3, 3)`` and logits ``(N, K)``."""
        features = self.trunk(images)
        return self.score_head(features), self.class_head(features).flatten(1)


class PlainStarGAN:
    """Both networks, their optimisers, and the steps of one window: ``every`` of the discriminator, then one of the generator.

    Args:
        batches: Endless triples of images, float ``(N, C, 48, 48)`` in [-1, 1], labels and wanted labels, int64 ``(N,)``.
        random: Generator of penalty points.
        classes: K.
        width: Of both networks.
        every: Discriminator steps for a generator step.
        lr: Of Adam, with betas (0.5, 0.999).
    """

    def __init__(
        self,
        batches: Iterator[tuple[Tensor, Tensor, Tensor]],
        random: torch.Generator,
        *,
        channels: int = 1,
        classes: int = 4,
        width: int = 64,
        every: int = 5,
        lr: float = 1e-4,
    ) -> None:
        self.batches, self.random, self.every = batches, random, every
        self.generator = PlainGenerator(channels, classes, width)
        self.discriminator = PlainDiscriminator(channels, classes, width)
        self.optimizers = [torch.optim.Adam(net.parameters(), lr, (0.5, 0.999)) for net in (self.generator, self.discriminator)]

    def start_from(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Takes over the weights of other networks whose parameters come in the same order."""
        with torch.no_grad():
            for mine, other in ((self.generator, generator), (self.discriminator, discriminator)):
                for parameter, source in zip(mine.parameters(), other.parameters(), strict=True):
                    parameter.copy_(source)

    def window(self) -> list[float]:
        """Trains for a window; every loss of it in order.

        That is adversarial, penalty and classification for each discriminator step, then adversarial, classification and cycle.
        """
        losses: list[float] = []
        for _ in range(self.every):
            images, labels, targets = next(self.batches)
            losses += self._discriminator_step(images, labels, targets)
        return losses + self._generator_step(images, labels, targets)

    def _discriminator_step(self, images: Tensor, labels: Tensor, targets: Tensor) -> list[float]:
        fake = self.generator(images, targets).detach()
        (real_scores, real_logits), (fake_scores, _) = self.discriminator(images), self.discriminator(fake)
        adversarial = fake_scores.mean() - real_scores.mean()
        share = torch.rand(len(images), 1, 1, 1, generator=self.random)
        points = (share * images + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.discriminator(points)[0].sum(), points, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        classification = cross_entropy(real_logits, labels)
        self._step(1, adversarial + PENALTY * penalty + CLASSIFICATION * classification)
        return [adversarial.item(), penalty.item(), classification.item()]

    def _generator_step(self, images: Tensor, labels: Tensor, targets: Tensor) -> list[float]:
        fake = self.generator(images, targets)
        scores, logits = self.discriminator(fake)
        adversarial, classification = -scores.mean(), cross_entropy(logits, targets)
        cycle = (images - self.generator(fake, labels)).abs().mean()
        self._step(0, adversarial + CLASSIFICATION * classification + CYCLE * cycle)
        return [adversarial.item(), classification.item(), cycle.item()]

    def _step(self, which: int, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        self.optimizers[which].step()


def _block(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels, affine=True), nn.ReLU()]
