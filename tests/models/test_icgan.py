"""IcGAN: published sizes, its two ways in, and that the recipes train one part after the other."""

from __future__ import annotations

import pytest
import torch

from ganzoo.config import load_recipe
from ganzoo.models.base import LabelEncodingGenerator, create_discriminator, create_generator
from ganzoo.models.cost import count_parameters, macs_per_image

FER = (1, 48, 4)


def icgan(**arguments: int) -> LabelEncodingGenerator:
    torch.manual_seed(0)
    network = create_generator("icgan", image_channels=1, image_size_px=48, num_classes=4, **arguments)
    assert isinstance(network, LabelEncodingGenerator)
    return network


def test_size_of_the_sheet() -> None:
    network = icgan()
    parts = {"decoder": 3_235_649, "latent_encoder": 6_623_268, "label_encoder": 2_260_676}
    assert {part: count_parameters(network.get_submodule(part)) for part in parts} == parts
    discriminator = create_discriminator("icgan", image_channels=1, image_size_px=48, num_classes=4)
    assert count_parameters(discriminator) == 2_769_089
    # A translation is one pass of the latent encoder and one of the decoder.
    assert macs_per_image("icgan", {}, FER) == pytest.approx((57.7 + 28.1) * 1e6, rel=0.01)
    assert macs_per_image("icgan", {}, FER, "discriminator") == pytest.approx(58.4e6, rel=0.01)


def test_a_translation_decodes_the_latent_with_another_label() -> None:
    network = icgan(width=4, label_features=8).eval()
    image, condition = torch.rand(3, 1, 48, 48), torch.tensor([[1.0, -1, -1, -1]]).expand(3, 4)
    latent = network.encode(image)
    assert latent.shape == (3, network.spec.noise_size) and network.classify(image).shape == (3, 4)
    torch.testing.assert_close(network(image, condition).image, network.sample(latent, condition).image)


@pytest.mark.parametrize("name", ["icgan", "decgan"])
def test_stages_train_decoder_then_encoders(name: str) -> None:
    stages = load_recipe(name).stages
    assert [phase.update for phase in stages[0].phases] == [("discriminator",), ("generator.decoder",)]
    assert [phase.update for phase in stages[1].phases] == [("generator.latent_encoder",), ("generator.label_encoder",)]


def test_encoders_have_their_own_optimiser() -> None:
    recipe = load_recipe("icgan")
    assert recipe.optimizer_for("generator.latent_encoder").betas[0] == 0.1
    assert recipe.optimizer_for("generator.decoder").betas[0] == recipe.optimizer_for("discriminator").betas[0] == 0.5


def test_the_encoders_start_from_torchs_weights_where_the_recipe_says_so() -> None:
    recipe = load_recipe("icgan")
    assert recipe.generator.arguments["encoder_init"] == "default"
    assert "encoder_init" not in load_recipe("decgan").generator.arguments
    for init, deviation in (("dcgan", 0.02), ("default", 1 / (3 * 25 * 128) ** 0.5)):  # of U(-b, b), b = 1 / sqrt(inputs)
        torch.manual_seed(0)
        network = create_generator("icgan", image_channels=1, image_size_px=48, num_classes=4, encoder_init=init)
        weights = network.get_parameter("latent_encoder.9.weight")
        assert float(weights.detach().std()) == pytest.approx(deviation, rel=0.01)
        assert float(network.get_parameter("decoder.0.weight").detach().std()) == pytest.approx(0.02, rel=0.01)
    stage = recipe.stages[1]
    assert recipe.flip is True and stage.flip is False
    assert recipe.stages[0].phases[0].terms["matching_aware"].arguments == {"wrong": "data"}
