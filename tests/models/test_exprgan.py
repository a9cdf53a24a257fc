"""ExprGAN: sizes, its code, its latents, and that its stages train one part after the other."""

from __future__ import annotations

import pytest
import torch

from ganzoo.compatibility import ImageFacts, find_problems
from ganzoo.config import load_recipe, parse_recipe
from ganzoo.data import conditions
from ganzoo.data.conditions import Condition
from ganzoo.models.base import CODE_SIZE, LatentDiscriminator, LatentGenerator, create_discriminator, create_generator
from ganzoo.models.cost import count_parameters, macs_per_image
from ganzoo.models.exprgan import _HalvingConv2d
from ganzoo.rehearsal import rehearse, rendered_faces, tiny_recipe
from ganzoo.training.translator import GeneratorTranslator

FER = (1, 48, 4)


def exprgan(width: int = 4) -> LatentGenerator:
    torch.manual_seed(0)
    network = create_generator("exprgan", image_channels=1, image_size_px=48, num_classes=4, width=width)
    assert isinstance(network, LatentGenerator)
    return network


def judge(**arguments: int) -> LatentDiscriminator:
    torch.manual_seed(0)
    network = create_discriminator("exprgan", image_channels=1, image_size_px=48, num_classes=4, **arguments)
    assert isinstance(network, LatentDiscriminator)
    return network


def test_size_of_the_sheet() -> None:
    network = exprgan(width=64)
    assert count_parameters(network.get_submodule("encoder")) == 1_486_898
    assert count_parameters(network.get_submodule("decoder")) == 17_167_860
    assert count_parameters(exprgan(width=32).get_submodule("decoder")) == 7_017_300
    # A translation is one pass of the encoder and one of the decoder.
    assert macs_per_image("exprgan", {}, FER) == pytest.approx((60 + 2340) * 1e6, rel=0.01)
    assert macs_per_image("exprgan", {"width": 32}, FER) == pytest.approx((60 / 4 + 618) * 1e6, rel=0.01)


def test_size_of_the_discriminators_by_hand() -> None:
    def normed(inputs: int, outputs: int, kernel: int = 1) -> int:
        return inputs * outputs * kernel**2 + outputs + outputs  # The norm only shifts.

    convolutions = normed(1 + 4, 16, 5) + normed(16 + 4, 32, 5) + normed(32 + 4, 64, 5) + normed(64 + 4, 128, 5)
    heads = normed((128 + 4) * 9, 1024) + (1024 + 4 + 1) + normed(1024 + 4, 128) + 4 * (normed(128, 64) + 64 * 5 + 5)
    assert count_parameters(judge().get_submodule("image")) == convolutions + heads == 1_679_689
    latent = normed(50, 64) + normed(64, 32) + normed(32, 16) + 17
    assert count_parameters(judge().get_submodule("latent")) == latent


def test_a_code_has_a_block_for_each_class() -> None:
    assert CODE_SIZE == conditions.CODE_SIZE == 5
    code = Condition(torch.tensor([1]), torch.tensor([0]), 3).view("code")
    assert code.tolist() == [[-1.0] * 5 + [1.0] * 5 + [-1.0] * 5]


def test_a_translation_decodes_the_latent_with_another_code() -> None:
    network = exprgan().eval()
    image, code = torch.rand(3, 1, 48, 48), Condition(torch.tensor([0, 1, 1]), torch.zeros(3, dtype=torch.int64), 4).view("code")
    latent = network.encode(image)
    assert latent.shape == (3, network.spec.noise_size) and latent.abs().max() < 1
    torch.testing.assert_close(network(image, code).image, network.sample(latent, code).image)


def test_the_code_reaches_the_decoder_at_every_level() -> None:
    network = exprgan()
    decoder = network.get_submodule("decoder")
    latent, code = torch.zeros(1, 50), torch.ones(1, 20)
    for layer in [*decoder.get_submodule("convolutions").children(), decoder.get_submodule("last")]:
        assert isinstance(layer, torch.nn.Conv2d) and layer.bias is None
        with torch.no_grad():
            before, weight = network.sample(latent, code).image, layer.weight[:, -20:].clone()
            layer.weight[:, -20:] = 0
            assert not torch.equal(before, network.sample(latent, code).image)
            layer.weight[:, -20:] = weight


def test_intensity_scales_the_code_from_no_expression_or_goes_between_two() -> None:
    heard: list[torch.Tensor] = []
    network = exprgan()
    network.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[1]))
    translate = GeneratorTranslator(network, ("angry", "happy", "sad", "surprise"), torch.device("cpu"))
    faces, source, target = torch.zeros(1, 1, 48, 48), torch.tensor([0]), torch.tensor([2])
    translate(faces, None, target, intensity=0.25)
    translate(faces, source, target, intensity=0.5)
    assert heard[0][0, ::5].tolist() == [-0.25, -0.25, 0.25, -0.25]
    assert heard[1][0, ::5].tolist() == [0.0, -1.0, 0.0, -1.0]


def test_the_regulariser_reads_the_image() -> None:
    network = judge(width=4, features=16).train()
    label = torch.eye(4)
    first, second = (network(torch.rand(4, 1, 48, 48), label).code for _ in range(2))
    assert first is not None and second is not None and first.shape == (4, 20) and first.abs().max() < 1
    assert not torch.equal(first, second)


def test_stages_train_the_controller_then_reconstructions_then_all() -> None:
    stages = load_recipe("exprgan").stages
    assert [(stage.epochs, stage.batch_size) for stage in stages] == [(200, 60), (50, 48), (50, 48)]
    faces = ("generator.encoder", "generator.decoder")
    assert [[phase.update for phase in stage.phases] for stage in stages] == [
        [("discriminator.image",), ("generator.decoder",)],
        [("discriminator.image", "discriminator.latent"), faces],
        [("discriminator.image", "discriminator.latent"), faces],
    ]
    assert all(stage.simultaneous for stage in stages)
    assert [stage.fresh_optimizers for stage in stages] == [False, True, True]
    assert stages[1].phases[0] == stages[2].phases[0], "only the generator's realness is left out of the second stage"
    added = set(stages[2].phases[1].terms) - set(stages[1].phases[1].terms)
    assert added == {"adversarial", "latent_adversarial", "total_variation"}
    weights = {name: term.weight for name, term in stages[2].phases[1].terms.items()}
    assert weights["adversarial"] == weights["latent_adversarial"] == 0.01 and weights["total_variation"] == 0.001


@pytest.mark.parametrize(("size", "begin", "end"), [(48, 1, 2), (3, 2, 2)])
def test_every_other_pixel_is_read_where_tensorflow_reads_it(size: int, begin: int, end: int) -> None:
    layer = _HalvingConv2d(1, 1)
    image = torch.rand(1, 1, size, size)
    padded = torch.nn.functional.pad(image, (begin, end, begin, end))
    expected = torch.nn.functional.conv2d(padded, layer.weight, layer.bias, stride=2)
    assert expected.shape[-1] == -(-size // 2)
    torch.testing.assert_close(layer(image), expected)


def test_weights_start_with_the_published_deviations() -> None:
    generator, discriminator = exprgan(width=64), judge()
    first, second = (generator.get_submodule(f"encoder.{place}") for place in (0, 2))
    expected = {
        first: (2 / (25 * (1 * 64) ** 0.5)) ** 0.5,
        second: (2 / (25 * (64 * 128) ** 0.5)) ** 0.5,
        discriminator.get_submodule("image.convolutions.1.0"): (2 / (25 * ((16 + 4) * 32) ** 0.5)) ** 0.5,
        generator.get_submodule("decoder.convolutions.0"): 0.02,
    }
    for layer, deviation in expected.items():
        weight = layer.get_parameter("weight").detach()
        # Drawn again beyond two deviations: the rest deviates by 0.8796 of them.
        assert weight.abs().max() <= 2 * deviation
        assert float(weight.std()) == pytest.approx(0.8796 * deviation, rel=0.05)
    start = generator.get_submodule("decoder.start").get_parameter("weight").detach()
    assert float(start.std()) == pytest.approx((1 / (start.shape[0] * start.shape[1]) ** 0.5) ** 0.5, rel=0.01)
    assert float(start.abs().max()) > 3 * float(start.std())
    biases = [
        parameter for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()] if "bias" in name
    ]
    assert not any(bool(bias.any()) for bias in biases)


def test_the_label_stands_beside_the_features_that_the_regulariser_reads() -> None:
    network = judge(width=4, features=16).eval()
    code = network.get_submodule("image.code.0")
    with torch.no_grad():
        code.get_parameter("weight")[:, :16] = 0
    first, second = (network(torch.rand(4, 1, 48, 48), torch.eye(4).roll(shift, 0)).code for shift in (0, 1))
    assert first is not None and second is not None and not torch.equal(first, second)


def test_a_few_steps_of_the_recipe() -> None:
    trainer = rehearse(tiny_recipe(load_recipe("exprgan"), steps=3), rendered_faces(32))
    list(trainer.steps())
    trainer.losses.fetch()  # raises where a loss is not finite
    updates = {"discriminator.image": 9, "generator.decoder": 9, "generator.encoder": 6, "discriminator.latent": 6}
    assert trainer.position.updates == updates


def test_latents_of_another_length_are_refused() -> None:
    record = load_recipe("exprgan").model_dump()
    record["generator"] = {"name": "icgan"}
    problems = list(find_problems(parse_recipe(record, "test"), ImageFacts(*FER)))
    wanted = "needs latents of 50 numbers, which the discriminator judges; the generator's have 100"
    assert f"term 'latent_adversarial' {wanted}" in problems
    assert "term 'code_regression' needs a generator that is told an expression code" in problems
