"""The network of the training faces: made without labels, once, frozen; and how it reaches the terms that want it."""

from __future__ import annotations

from math import exp, log
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from ganzoo.config import Recipe, parse_recipe
from ganzoo.errors import GanzooError
from ganzoo.rehearsal import rehearse, rendered_faces
from ganzoo.training import face_network as module
from ganzoo.training.face_network import InstanceNetwork, contrastive_loss, face_network
from ganzoo.training.trainer import Trainer

CPU = torch.device("cpu")


def faces(count: int = 16, seed: int = 0) -> torch.Tensor:
    return rendered_faces(32, count, seed).train.images


def recipe(**terms: dict[str, Any]) -> Recipe:
    phases = [{"update": "discriminator", "terms": {"adversarial": {}}}, {"update": "generator", "terms": terms}]
    record = {
        "name": "test",
        "generator": {"name": "stargan", "width": 4, "residual_blocks": 1},
        "discriminator": {"name": "patch_classifier", "width": 4},
        "stages": [{"images": 16, "batch_size": 8, "phases": phases}],
    }
    return parse_recipe(record, "test")


def test_views_of_one_image_are_told_from_others() -> None:
    # Unit vectors a, b; views: a, b | a, b. Each finds its partner at cosine 1 among two others at cosine 0.
    embeddings = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0]])
    assert float(contrastive_loss(embeddings, temperature=0.5)) == pytest.approx(log(exp(2) + 2) - 2)


def found_again(network: InstanceNetwork, images: torch.Tensor) -> float:
    """Share of images whose two views are nearer to each other than to any other image's view."""
    random = torch.Generator().manual_seed(5)
    one, other = (normalize(network(module._view(images, random))[-1].mean(dim=(2, 3))) for _ in range(2))
    return float(((one @ other.T).argmax(dim=1) == torch.arange(len(images))).float().mean())


def test_it_learns_to_find_the_other_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPOCHS", 80)
    torch.manual_seed(0)
    made, unmade = module._made(faces(64), CPU), InstanceNetwork(1, 32)
    images = module.to_minus1_1(faces(64, seed=9))  # of other people
    assert found_again(made, images) > 1.5 * found_again(unmade, images)


def test_it_is_frozen_and_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = face_network(faces(), CPU)
    assert not any(parameter.requires_grad for parameter in first.parameters())
    monkeypatch.setattr(module, "_made", lambda *arguments: pytest.fail("it was made already"))
    again = face_network(faces(), CPU)
    for before, after in zip(first(torch.zeros(1, 1, 32, 32)), again(torch.zeros(1, 1, 32, 32)), strict=True):
        assert torch.equal(before, after)


def test_other_faces_give_another_network() -> None:
    image = torch.rand(1, 1, 32, 32)
    first, second = (face_network(faces(seed=seed), CPU) for seed in (0, 1))
    assert not torch.equal(first(image)[-1], second(image)[-1])


@pytest.mark.parametrize(("size_px", "sides"), [(32, [32, 16, 8, 4]), (48, [48, 24, 12, 6, 3]), (128, [128, 64, 32, 16, 8])])
def test_its_maps_go_from_fine_to_coarse(size_px: int, sides: list[int]) -> None:
    assert [found.shape[-1] for found in InstanceNetwork(3, size_px)(torch.zeros(1, 3, size_px, size_px))] == sides


def test_random_numbers_of_the_run_stay_where_they_are() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    module._made(faces(), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_terms_train_with_it_and_it_stays_as_it_is() -> None:
    trainer = rehearse(recipe(perceptual={"image": "cycle"}, identity={}, feature_matching={}), rendered_faces(32))
    network = trainer._face_network
    before = [parameter.clone() for parameter in network.parameters()]
    state = trainer.state()["terms"]
    list(trainer.steps())
    trainer.losses.fetch()  # raises where a loss is not finite
    assert all(torch.equal(old, now) for old, now in zip(before, network.parameters(), strict=True))
    assert {name.rpartition(".")[2] for name in state} == {"perceptual", "identity"} and all(state.values())


def test_nobody_makes_a_network_that_no_term_wants() -> None:
    trainer = rehearse(recipe(adversarial={}), rendered_faces(32))
    assert "_face_network" not in vars(trainer)


def test_without_training_faces_it_cannot_be_made() -> None:
    settings, dataset = recipe(identity={}), rendered_faces(32)
    trainer = rehearse(recipe(adversarial={}), dataset)
    with pytest.raises(GanzooError, match="a network made from the training faces, and there are none"):
        Trainer(settings, trainer.generator, trainer.discriminator, lambda size: trainer.batches[0], 4, trainer.fabric, 0)
