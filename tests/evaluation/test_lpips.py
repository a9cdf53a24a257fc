"""LPIPS with a file of AlexNet's weights that the test makes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation import lpips, scoring
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.lpips import LINEAR_SHA256, WEIGHTS, Lpips
from ganzoo.evaluation.paired import each_pair
from ganzoo.evaluation.scoring import Scorer
from ganzoo.reporting import Reporter

NAMES = ("lpips_edit", "lpips_paired")
SETTINGS = EvaluationSettings(metrics=NAMES, reference_per_class=2, max_sources=6)


def _pictures(count: int, channels: int, side: int, seed: int) -> Tensor:
    shape = (count, channels, side, side)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def _faces(images: Tensor) -> Faces:
    return Faces(Pool(images, fixed=False), torch.arange(len(images)), torch.zeros(len(images), dtype=torch.int64))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of torch's with a file in the layout of the published weights: random ones, and a small classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.alexnet(weights=None, num_classes=1)
    state = {name: values for name, values in network.state_dict().items() if not name.startswith("classifier")}
    state |= {"classifier.6.weight": torch.zeros(1, 1)}
    folder = tmp_path_factory.mktemp("hub")
    (folder / "checkpoints").mkdir()
    torch.save(state, folder / "checkpoints" / WEIGHTS.name)
    return folder


@pytest.fixture
def cached(hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in torch's cache."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(hub))
    return hub / "checkpoints" / WEIGHTS.name


@pytest.fixture
def accepted(cached: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, taken for the published one."""
    monkeypatch.setattr(lpips, "WEIGHTS", replace(WEIGHTS, sha256=hashlib.sha256(cached.read_bytes()).hexdigest()))
    return cached


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """An empty cache and no network; what was asked for."""
    asked: list[Any] = []

    def refuse(url: str, *_: Any, **__: Any) -> None:
        asked.append(url)
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return asked


def _reference(weights: Path, monkeypatch: pytest.MonkeyPatch) -> LearnedPerceptualImagePatchSimilarity:
    """torchmetrics' own class with the same file, which it would load by way of torchvision."""
    build = torchvision.models.alexnet

    def from_file(**_: Any) -> torch.nn.Module:
        network: torch.nn.Module = build(weights=None, num_classes=1)
        state = torch.load(weights, weights_only=True)
        network.features.load_state_dict(  # type: ignore[union-attr]
            {name.removeprefix("features."): values for name, values in state.items() if name.startswith("features.")}
        )
        return network

    with monkeypatch.context() as patch:
        patch.setattr(torchvision.models, "alexnet", from_file)
        return LearnedPerceptualImagePatchSimilarity(net_type="alex")


def test_the_known_hash_is_the_one_in_the_published_name() -> None:
    assert WEIGHTS.name == "alexnet-owt-7be5be79.pth" and WEIGHTS.url.startswith("https://download.pytorch.org/")
    assert WEIGHTS.sha256.startswith("7be5be79") and len(WEIGHTS.sha256) == len(LINEAR_SHA256) == 64


@pytest.mark.parametrize(("channels", "side"), [(1, 48), (3, 48), (3, 64), (1, 80)])
def test_it_is_torchmetrics_lpips_of_the_enlarged_pictures(
    accepted: Path, monkeypatch: pytest.MonkeyPatch, channels: int, side: int
) -> None:
    first, second = _pictures(3, channels, side, 0), _pictures(3, channels, side, 1)
    second[0] = first[0].flip(-1)
    reference = _reference(accepted, monkeypatch)

    def seen(images: Tensor) -> Tensor:
        colour = images.repeat(1, 3 // channels, 1, 1).float() / 127.5 - 1
        larger = interpolate(colour, (64, 64), mode="bilinear", align_corners=False) if side < 64 else colour
        return larger.clamp(-1, 1)

    distances = Lpips()(first, second)
    assert distances.shape == (3,) and distances.dtype == torch.float32 and not distances.requires_grad
    for place in range(3):
        expected = reference(seen(first[place : place + 1]), seen(second[place : place + 1])).item()
        assert expected > 0.01
        assert distances[place].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("accepted")
def test_equal_pictures_are_at_zero_and_nothing_else_is() -> None:
    network, pictures = Lpips(), _pictures(2, 1, 8, 0)
    assert network(pictures, pictures).tolist() == [0.0, 0.0]
    assert (network(pictures, pictures.flip(0)) > 0).all()


@pytest.mark.usefixtures("accepted")
def test_each_pair_is_scored_alone_whatever_its_batch() -> None:
    network, first, second = Lpips(), _faces(_pictures(70, 1, 48, 0)), _faces(_pictures(70, 1, 48, 1))
    together = each_pair(network, first, second)
    assert together.shape == (70,) and together.std() > 1e-4
    for place in (0, 63, 64, 69):
        alone = torch.tensor([place])
        assert each_pair(network, first.take(alone), second.take(alone)).item() == pytest.approx(together[place].item(), rel=1e-5)


@pytest.mark.usefixtures("accepted")
def test_every_weight_is_the_files_and_no_global_random_number_is_drawn() -> None:
    pictures = _pictures(2, 1, 48, 0)
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = Lpips()(pictures, pictures.flip(0))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(Lpips()(pictures, pictures.flip(0)), first)


@pytest.mark.usefixtures("accepted")
def test_it_is_scored_on_every_row(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(make_translator(1), toy, judges, SETTINGS)
    metrics, grid = evaluation.metrics, evaluation.per_image.query("source != target")
    edit = metrics.metrics["lpips_edit"]
    assert edit is not None and edit > 0.001
    assert metrics.metrics["lpips_paired"] == metrics.controls["oracle"]["lpips_paired"] == 0.0
    assert metrics.controls["no-edit"]["lpips_edit"] == 0.0
    assert metrics.controls["no-edit"]["lpips_paired"] == pytest.approx(edit, rel=1e-5)  # it does not matter which is first
    assert metrics.controls["real"]["lpips_edit"] is None
    assert grid.lpips_edit.mean() == pytest.approx(edit) and set(metrics.per_class["lpips_edit"]) == {"angry", "happy", "sad"}
    for name, direction in zip(NAMES, ("none", "lower"), strict=True):
        info = metrics.info[name]
        assert (info.direction, info.ranked, info.headline) == (direction, False, False)
        assert metrics.protocol["metrics"][name]["parameters"] == {
            "network": "alexnet",
            "weights_sha256": lpips.WEIGHTS.sha256,
            "linear_sha256": LINEAR_SHA256,
            "least_side_px": 64,
            "enlarged": "bilinear",
        }


@pytest.mark.usefixtures("accepted")
def test_without_true_answers_only_the_edit_is_scored(plain_toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), plain_toy, judges, SETTINGS).metrics
    assert metrics.metrics["lpips_edit"] is not None and metrics.metrics["lpips_paired"] is None
    assert "true answer is not known" in metrics.reasons["lpips_paired"]


def test_another_file_is_refused_in_one_line(cached: Path, toy: Dataset, judges: Any, make_translator: Any) -> None:
    found = hashlib.sha256(cached.read_bytes()).hexdigest()[:8]
    message = f"is not {WEIGHTS.name}: its SHA-256 begins {found} and should begin 7be5be79"
    with pytest.raises(GanzooError, match=message) as caught:
        Lpips()
    assert "\n" not in str(caught.value)
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.metrics == dict.fromkeys(NAMES)
    assert all(message in metrics.reasons[name] for name in NAMES)


@pytest.mark.usefixtures("accepted")
def test_other_weights_of_the_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips, "LINEAR_SHA256", "0" * 64)
    with pytest.raises(GanzooError, match="torchmetrics 1.9"):
        Lpips()


def test_without_file_and_network_it_is_empty_and_says_how_to_get_it(
    downloads: list[Any], toy: Dataset, judges: Any, make_translator: Any
) -> None:
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.metrics == dict.fromkeys(NAMES)
    assert metrics.reasons["lpips_edit"] == metrics.reasons["lpips_paired"]
    reason = metrics.reasons["lpips_edit"]
    assert "no AlexNet weights, and the download failed (no route to host)" in reason
    assert f"Get {WEIGHTS.url} and put it into torch's cache of checkpoints" in reason and "\n" not in reason
    assert downloads == [WEIGHTS.url]  # tried once for both metrics and all rows


@pytest.mark.usefixtures("accepted")
def test_settings_without_inception_leave_it_out(downloads: list[Any], toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), toy, judges, replace(SETTINGS, inception=False)).metrics
    assert metrics.metrics == dict.fromkeys(NAMES) and downloads == []
    assert all("quick preset" in metrics.reasons[name] and "LPIPS" in metrics.reasons[name] for name in NAMES)


@pytest.mark.usefixtures("accepted")
def test_the_estimate_counts_it_where_it_is_computed(
    toy: Dataset, judges: Any, make_translator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "LPIPS_PAIRS_PER_SECOND", 0.001)

    def estimate(dataset: Dataset, **settings: Any) -> float:
        scorer = Scorer(dataset, judges, EvaluationSettings(**settings), torch.device("cpu"), Reporter(quiet=True))
        return scorer.estimate_seconds(make_translator(1))

    # Two metrics on the model and three controls; without true answers one, and no oracle.
    assert estimate(toy) == pytest.approx(8 * 54 * 1000, rel=0.01)
    assert estimate(replace(toy, counterfactual=None)) == pytest.approx(3 * 54 * 1000, rel=0.01)
    assert estimate(toy, inception=False) < 1000
