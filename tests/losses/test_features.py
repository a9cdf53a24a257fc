"""Terms on features against values worked out by hand, and what a frozen network may be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.models import vgg16

from ganzoo.compatibility import ImageFacts, find_problems
from ganzoo.config import parse_recipe
from ganzoo.errors import GanzooError
from ganzoo.losses.features import FeatureMatching, Identity, Perceptual
from ganzoo.losses.frozen import Vgg16
from ganzoo.models.base import GeneratorOutput

FEATURES = {
    "real": (torch.tensor([[1.0, 0.0], [3.0, 2.0]]), torch.tensor([[4.0], [0.0]])),
    "fake": (torch.tensor([[2.0, 1.0], [2.0, 5.0]]), torch.tensor([[1.0], [2.0]])),
}


def matching(**arguments: Any) -> float:
    return float(FeatureMatching(**arguments)(SimpleNamespace(features=FEATURES.__getitem__)))  # type: ignore[arg-type]  # a stub


def test_features_match_by_their_means() -> None:
    # Layer 1: means (2, 1) and (2, 3); layer 2: 2 and 1.5.
    assert matching() == pytest.approx((0 + 2) / 2 + 0.5)


def test_features_match_in_pairs() -> None:
    assert matching(compare="pairs") == pytest.approx((1 + 1 + 1 + 3) / 4 + (3 + 2) / 2)
    assert FeatureMatching("cycle", "pairs").needs("generator") == {"features", "scores", "cycle"}


def two_maps(images: Tensor) -> tuple[Tensor, ...]:
    """The pixels, and two channels of one position: the sums of the left and of the right column."""
    return images, images.sum(dim=2).transpose(1, 2).unsqueeze(-1)


REAL = torch.tensor([[1.0, 0.0], [2.0, 0.0]]).view(1, 1, 2, 2)
FAKE = torch.tensor([[1.0, 1.0], [2.0, 3.0]]).view(1, 1, 2, 2)


def compared(term: Any) -> Tensor:
    term.face_network = two_maps
    images = {"fake": FAKE.clone().requires_grad_(), "self_reconstruction": FAKE, "cycle": REAL}
    context = SimpleNamespace(real=REAL, generated=lambda which: GeneratorOutput(images[which]))
    value: Tensor = term(context)
    return value


def test_perceptual_distance_adds_the_layers_means() -> None:
    # Pixels differ by 0, 1, 0, 3; the sums (3, 0) and (3, 4) by 0 and 4.
    assert float(compared(Perceptual())) == pytest.approx(4 / 4 + 4 / 2)
    assert float(compared(Perceptual(image="cycle"))) == 0


def test_perceptual_distance_can_divide_each_layer_by_its_area() -> None:
    # Means as above; the pixels' map has 4 positions, the sums' one.
    assert float(compared(Perceptual(divide_by_area=True))) == pytest.approx(4 / 4 / 4 + 4 / 2 / 1)


def test_identity_compares_the_last_layer() -> None:
    # cos((3, 0), (3, 4)) = 9 / 15.
    assert float(compared(Identity()).detach()) == pytest.approx(1 - 0.6)
    assert float(compared(Identity(distance="l1")).detach()) == pytest.approx(4 / 2)


def test_the_gradient_goes_through_the_generated_image() -> None:
    assert compared(Identity()).requires_grad


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureMatching(compare="pair"), "compares pairs or means, not 'pair'"),  # type: ignore[arg-type]  # a recipe's slip
        (lambda: FeatureMatching("fake_again"), "no image 'fake_again'"),
        (lambda: Perceptual(image="sample"), "no image 'sample' for a comparison with the source"),
        (lambda: Identity(distance="l2"), "cosine and l1, not 'l2'"),  # type: ignore[arg-type]  # a recipe's slip
        (lambda: Perceptual(weights_kind="vgg-face"), "weights_kind is imagenet or vgg_face, not 'vgg-face'"),  # type: ignore[arg-type]
        (lambda: Identity(weights_kind="vgg_face"), "says what a file holds; name it: weights=FILE"),
        (lambda: Perceptual(weights="nowhere.pth"), "weights nowhere.pth do not exist. Name a local file"),
    ],
)
def test_what_is_not_offered_is_refused(make: Any, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        make()


def test_without_a_network_there_is_no_value() -> None:
    with pytest.raises(GanzooError, match="was given none"):
        Perceptual()(SimpleNamespace())  # type: ignore[arg-type]  # a stub


def test_a_generator_without_a_source_is_refused() -> None:
    recipe = parse_recipe(
        {
            "name": "test",
            "generator": {"name": "cdcgan", "width": 4},
            "discriminator": {"name": "cdcgan", "width": 4},
            "stages": [
                {"epochs": 1, "batch_size": 4, "phases": [{"update": "generator", "terms": {"identity": {"weights": "no.pth"}}}]}
            ],
        },
        "test",
    )
    assert any("no.pth do not exist" in problem for problem in find_problems(recipe, ImageFacts(1, 32, 4)))
    whole = recipe.model_dump()
    whole["stages"][0]["phases"][0]["terms"] = {"identity": {}, "feature_matching": {}}
    (problem,) = find_problems(parse_recipe(whole, "test"), ImageFacts(1, 32, 4))
    assert problem == "term 'identity' needs a generator that translates images; this one starts from noise"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG-16's convolutions with random weights, scaled so that activations keep their size."""
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg16().features.state_dict().items()}
    tensors = {f"features.{name}": torch.randn(shape) / max(shape.numel() / shape[0], 1) ** 0.5 for name, shape in shapes.items()}
    path = tmp_path_factory.mktemp("weights") / "vgg.safetensors"
    save_file(tensors | {"classifier.0.bias": torch.zeros(3)}, path)
    return path


def test_vgg_gives_its_five_stages_of_grey_images(weights: Path) -> None:
    network = Vgg16(weights, size_px=32)
    maps = network(torch.rand(2, 1, 48, 48) * 2 - 1)
    assert [tuple(found.shape[1:]) for found in maps] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    assert all(found.min() == 0 < found.max() for found in maps)  # after ReLU
    assert not any(found.requires_grad for found in maps)


def test_perceptual_distance_by_vgg_is_zero_for_the_same_face_alone(weights: Path) -> None:
    term, faces = Perceptual("fake", str(weights), size_px=32), torch.rand(2, 3, 32, 32)
    images = {"fake": GeneratorOutput(faces.clone().requires_grad_())}
    context: Any = SimpleNamespace(real=faces, generated=images.__getitem__)
    assert float(term(context).detach()) == 0
    images["fake"] = GeneratorOutput(faces.flip(-1).requires_grad_())
    value = term(context)
    value.backward()
    assert value > 0 and images["fake"].image.grad is not None
    assert not term.state_dict()  # the file is the user's: checkpoints do not repeat it


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    other, broken = tmp_path / "other.safetensors", tmp_path / "broken.pth"
    save_file({"features.0.weight": torch.zeros(1)}, other)
    broken.write_text("no tensors")
    for path, message in ((other, "does not hold the convolutions of VGG-16"), (broken, "is not a file of tensors")):
        with pytest.raises(GanzooError, match=message) as refusal:
            Vgg16(path)
        assert "\n" not in str(refusal.value)


NAMES = {0: "conv1_1", 2: "conv1_2", 5: "conv2_1", 7: "conv2_2", 10: "conv3_1", 12: "conv3_2", 14: "conv3_3"}
NAMES |= {17: "conv4_1", 19: "conv4_2", 21: "conv4_3", 24: "conv5_1", 26: "conv5_2", 28: "conv5_3"}


@pytest.fixture
def vgg_face(weights: Path, tmp_path: Path) -> Path:
    """The same weights under the names that VGG-Face's layers have."""
    tensors = load_file(weights)
    named = {
        f"{layer}.{kind}": tensors[f"features.{place}.{kind}"] for place, layer in NAMES.items() for kind in ("weight", "bias")
    }
    save_file(named | {"fc6.bias": torch.zeros(3)}, tmp_path / "face.safetensors")
    return tmp_path / "face.safetensors"


def test_vgg_face_reads_bytes_less_its_mean_before_the_relu(weights: Path, vgg_face: Path) -> None:
    faces = torch.rand(2, 1, 32, 32) * 2 - 1
    maps = Vgg16(vgg_face, size_px=32, kind="vgg_face")(faces)
    tensors = load_file(weights)
    mean = torch.tensor([129.1863, 104.7624, 93.5940]).view(1, 3, 1, 1)
    levels = 255 * (faces + 1) / 2 - mean  # Red, green, blue; each less its own mean.
    hidden = conv2d(levels, tensors["features.0.weight"], tensors["features.0.bias"], padding=1).relu()
    first = conv2d(hidden, tensors["features.2.weight"], tensors["features.2.bias"], padding=1)
    torch.testing.assert_close(maps[0], first)
    assert [tuple(found.shape[1:]) for found in maps] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    assert all(found.min() < 0 < found.max() for found in maps)
    for found, same in zip(maps, Vgg16(weights, size_px=32, kind="vgg_face")(faces), strict=True):
        assert torch.equal(found, same)  # Either naming of the layers.


def test_a_file_that_is_not_vgg_face_is_refused_in_one_line(vgg_face: Path, tmp_path: Path) -> None:
    save_file({"conv1_1.weight": torch.zeros(1)}, tmp_path / "part.safetensors")
    with pytest.raises(GanzooError, match="does not hold .* by VGG-Face's names") as refusal:
        Perceptual(weights=str(tmp_path / "part.safetensors"), weights_kind="vgg_face")
    assert "\n" not in str(refusal.value)
    with pytest.raises(GanzooError, match="does not hold the convolutions of VGG-16 in torchvision's layout"):
        Vgg16(vgg_face)
