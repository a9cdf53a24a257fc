from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import NoTrainInceptionV3

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation import inception
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.frechet import frechet_distance
from ganzoo.evaluation.inception import WEIGHTS_NAME, WEIGHTS_SHA256, Inception, find_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the format of the published weights, with random ones."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("random", ["2048"])
        for layer in network.modules():  # the usual start would let activations fade to nothing over 48 layers
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
    file = tmp_path_factory.mktemp("weights") / WEIGHTS_NAME
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture
def accepted(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same file, taken for the published one."""
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", _sha256(weights))
    return weights


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


class Colour(torch.utils.data.Dataset[Tensor]):
    """Grey images uint8 ``(N, 1, H, W)`` as torch-fidelity takes them."""

    def __init__(self, grey: Tensor) -> None:
        self.grey = grey

    def __len__(self) -> int:
        return len(self.grey)

    def __getitem__(self, at: int) -> Tensor:
        return self.grey[at].repeat(3, 1, 1)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_known_hash_is_the_one_in_the_published_name() -> None:
    assert WEIGHTS_NAME == "weights-inception-2015-12-05-6726825d.pth"
    assert WEIGHTS_SHA256.startswith("6726825d")
    assert len(WEIGHTS_SHA256) == 64


def test_features_are_those_of_torchmetrics_and_grey_is_repeated(weights: Path) -> None:
    network = Inception(weights, sha256=_sha256(weights))
    grey = torch.randint(0, 256, (2, 1, 48, 48), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    expected = NoTrainInceptionV3("check", ["2048"], str(weights), antialias=False)(grey.repeat(1, 3, 1, 1))
    features = network(grey)
    assert features.shape == (2, 2048)
    assert float(features.std()) > 0.01
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4 * float(features.std()))


def test_torch_fidelity_gives_the_same_fid_for_the_same_bytes_and_weights(weights: Path) -> None:
    random = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (20, 1, 48, 48), generator=random).to(torch.uint8)
    fake = (real[:16] // 2 + torch.randint(0, 100, (16, 1, 48, 48), generator=random)).to(torch.uint8)
    network = Inception(weights, sha256=_sha256(weights))
    ours = frechet_distance(network(fake), network(real))
    theirs = calculate_metrics(
        input1=Colour(fake),
        input2=Colour(real),
        fid=True,
        feature_extractor_weights_path=str(weights),
        batch_size=16,
        cuda=False,
        cache=False,
        verbose=False,
    )
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)


def test_another_file_is_refused(weights: Path) -> None:
    with pytest.raises(GanzooError, match=f"begins {_sha256(weights)[:8]} and should begin 6726825d"):
        Inception(weights)


def test_a_file_that_could_run_code_is_not_opened(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps(Harm(), protocol=2))
    with pytest.raises(GanzooError, match="not a file of tensors"):
        Inception(file, sha256=_sha256(file))
    assert not (tmp_path / "harm").exists()


@pytest.mark.usefixtures("no_network")
def test_weights_come_from_the_path_given_or_from_the_cache(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="do not exist.*--inception-weights"):
        find_weights(tmp_path / "nowhere.pth")
    with pytest.raises(NotAvailable, match="download failed.*no route to host.*--inception-weights"):
        find_weights(None)
    kept = tmp_path / "hub" / "checkpoints" / WEIGHTS_NAME
    kept.touch()
    assert find_weights(None) == kept
    (given := tmp_path / "given.pth").write_bytes(b"weights")
    assert find_weights(given) == given


def test_fid_is_scored_with_the_file_and_is_part_of_the_fingerprint(
    plain_toy: Dataset, judges: Any, make_translator: Any, accepted: Path
) -> None:
    base: dict[str, Any] = {"reference_per_class": 2, "max_sources": 3, "metrics": ("fid",)}
    scored = evaluate(make_translator(), plain_toy, judges, EvaluationSettings(**base, inception_weights=accepted)).metrics
    skipped = evaluate(make_translator(), plain_toy, judges, EvaluationSettings(**base, inception=False)).metrics
    assert scored.metrics["fid"] is not None
    assert scored.metrics["fid"] > 0
    assert scored.controls["real"]["fid"] is not None
    assert scored.protocol["backbones"]["inception"]["dimensions"] == 2048
    assert skipped.metrics["fid"] is None
    assert "quick preset" in skipped.reasons["fid"]
    assert scored.fingerprint != skipped.fingerprint


@pytest.mark.usefixtures("no_network")
def test_without_weights_fid_is_empty_and_says_how_to_get_it(
    plain_toy: Dataset, judges: Any, make_translator: Any, weights: Path
) -> None:
    absent = evaluate(make_translator(), plain_toy, judges).metrics
    wrong = evaluate(make_translator(), plain_toy, judges, EvaluationSettings(inception_weights=weights)).metrics
    assert (absent.metrics["fid"], wrong.metrics["fid"]) == (None, None)
    assert "--inception-weights" in absent.reasons["fid"]
    assert "should begin 6726825d" in wrong.reasons["fid"]
    assert absent.metrics["acc"] == 1.0
