"""The step context's expression codes and scores of latents."""

from __future__ import annotations

import torch

from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.training.context import Asked, StepContext

LABELS, TARGETS = torch.tensor([0, 1, 2, 1]), torch.tensor([1, 1, 0, 2])


def _context() -> StepContext:
    torch.manual_seed(0)
    facts = {"image_channels": 1, "image_size_px": 32, "num_classes": 3}
    generator = create_generator("exprgan", **facts, width=4)
    discriminator = create_discriminator("exprgan", **facts, width=4, features=16)
    random = torch.Generator().manual_seed(0)
    return StepContext(generator, discriminator, Asked(torch.rand(4, 1, 32, 32), LABELS, TARGETS), 3, random)


def test_a_code_is_above_zero_for_its_class_alone() -> None:
    context = _context()
    for role, labels in (("source", LABELS), ("target", TARGETS)):
        blocks = context.code(role).view(4, 3, 5)  # type: ignore[arg-type]  # one of the two roles
        shown = torch.nn.functional.one_hot(labels, 3).bool()
        assert (blocks[shown] > 0).all() and (blocks[~shown] < 0).all() and blocks.abs().max() < 1


def test_intensities_are_those_of_the_face_throughout_the_batch() -> None:
    context = _context()
    source, target = context.code("source"), context.code("target")
    assert torch.equal(source, context.code("source")) and torch.equal(source.abs(), target.abs())
    assert torch.equal(source[:, :5].abs(), source[:, 5:10].abs())
    assert source.abs().unique().numel() == 4 * 5


def test_the_generator_is_told_the_code_that_terms_see() -> None:
    context = _context()
    context.begin("generator", {"self_reconstruction", "sample"})
    told = context.generator(context.real, context.code("source")).image
    torch.testing.assert_close(context.generated("self_reconstruction").image, told)
    drawn = context.generated("sample").image
    assert context.noise().shape == (4, 50) and context.noise().abs().max() < 1 and drawn.shape == (4, 1, 32, 32)


def test_scores_of_latents_train_the_encoder_on_the_generators_side_alone() -> None:
    for side, trains in (("discriminator", False), ("generator", True)):
        context = _context()
        context.begin("generator" if trains else "discriminator", ())
        scores = context.latent_scores("real")
        assert scores.shape == context.latent_scores("prior").shape == (4, 1), side
        scores.sum().backward()
        parameters = context.generator.get_submodule("encoder").parameters()
        assert all((parameter.grad is not None) == trains for parameter in parameters)
        assert all(p.grad is not None for p in context.discriminator.get_submodule("latent").parameters())
