"""DINOv2 from weight files that the test makes in the published layout."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation import dinov2
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.dinov2 import DinoV2
from ganzoo.evaluation.evaluator import EvaluationSettings
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.protocol import describe_protocol
from ganzoo.evaluation.rows import Row
from ganzoo.runs.schema import MetricInfo

GREY = torch.randint(0, 256, (3, 1, 48, 48), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


class NeedsDinoV2(Metric):
    info = MetricInfo(label="needs DINOv2", direction="none", ranked=False)
    needs = frozenset({"features:dinov2"})

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        raise AssertionError("never asked for")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
    # In the published layout: positions of 37 x 37 patches, and a token that only training uses.
    return {**network.state_dict(), "mask_token": torch.zeros(1, 384)}


@pytest.fixture(scope="module")
def weights(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "dinov2_vits14_pretrain.pth"
    torch.save(state, file)
    return file


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dinov2, "IMAGE_SIZE_PX", 56)


def test_features_are_the_class_token_of_each_image_alone(weights: Path, state: dict[str, Tensor]) -> None:
    backbone = DinoV2(weights)
    with torch.inference_mode():
        together, alone, coloured = backbone(GREY), backbone(GREY[1:2]), backbone(GREY.expand(-1, 3, -1, -1))
    assert together.shape == (3, 384) and together.std() > 0.01
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together, coloured)
    network = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=56, dynamic_img_pad=False).eval()
    kept = timm.models.vision_transformer.checkpoint_filter_fn(dict(state), network)
    network.load_state_dict(kept)
    prepared = timm.data.create_transform(
        (3, 56, 56), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic", crop_pct=1.0
    )
    picture = to_pil_image(GREY[1]).convert("RGB")
    with torch.inference_mode():
        expected = network.forward_features(prepared(picture)[None])[:, 0]
    # Pillow rounds the enlarged picture to whole grey levels.
    assert torch.nn.functional.cosine_similarity(expected, alone) > 0.9999


def test_safetensors_are_read_as_well_and_the_file_counts(weights: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    first, second = DinoV2(weights), DinoV2(file)
    assert torch.equal(first(GREY), second(GREY))
    assert first.identity != second.identity and "vit_small_patch14_dinov2" in first.identity


def test_the_width_is_probed_and_timms_word_not_taken(
    weights: Path, plain_toy: Dataset, judges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timm.models.VisionTransformer, "num_features", property(lambda self: 7, lambda *_: None), raising=False)
    context = EvaluationContext(plain_toy, judges, EvaluationSettings(dinov2_weights=weights, cache=False))
    protocol = describe_protocol(context, {"needs": NeedsDinoV2()})
    record = protocol.backbones["dinov2"]
    assert record is not None and record.dimensions == 384
    assert context.features("dinov2", context.source_faces).shape == (27, 384)


def test_without_weights_it_is_not_available_and_says_how_to_get_them(plain_toy: Dataset, judges: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.pth").write_bytes(b"no weights")
    absent = EvaluationContext(plain_toy, judges, EvaluationSettings())
    wrong = EvaluationContext(plain_toy, judges, EvaluationSettings(dinov2_weights=tmp_path / "wrong.pth"))
    with pytest.raises(NotAvailable, match="dinov2_vitl14_pretrain.pth.*--dinov2-weights"):
        absent.backbone("dinov2")
    with pytest.raises(NotAvailable, match="not a file of tensors.*--dinov2-weights"):
        wrong.backbone("dinov2")


def test_other_files_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    (tmp_path / "harm.pth").write_bytes(pickle.dumps(Harm(), protocol=2))
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    torch.save({name: tensor for name, tensor in state.items() if "blocks.3." not in name}, tmp_path / "part.pth")
    for name, message in (
        ("nowhere.pth", "do not exist.*--dinov2-weights"),
        ("harm.pth", "not a file of tensors"),
        ("other.pth", "no weights of DINOv2"),
        ("part.pth", "does not fit vit_small_patch14_dinov2"),
    ):
        with pytest.raises(GanzooError, match=message):
            DinoV2(tmp_path / name)
    assert not (tmp_path / "harm").exists()
