"""Translators whose worth is known, on rendered faces: the metrics must say what each of them is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, load_dataset
from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.judge import JudgePanel, load_judges
from ganzoo.runs.schema import MetricsFile

SOURCES = 40
SETTINGS = EvaluationSettings(inception=False, cache=False)


@pytest.fixture(scope="module")
def faces() -> Iterator[Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.data.synthetic.SPLIT_SIZES", {"train": 120, "val": 120, "test": SOURCES})
        yield load_dataset("synth4", cache=False)


@pytest.fixture(scope="module")
def panel(faces: Dataset) -> JudgePanel:
    return load_judges(faces)


class Copy:
    takes_image = True

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return images


class Truth:
    """Knows every face that it may be shown, and how it looks with every expression."""

    takes_image = True

    def __init__(self, faces: Dataset) -> None:
        assert faces.counterfactual is not None
        everyone = torch.arange(SOURCES)
        answers = [faces.counterfactual("test", everyone, torch.full((SOURCES,), label)) for label in range(4)]
        self.answers = to_minus1_1(torch.stack(answers))  # (K, N, 1, S, S)

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return self.answers[target, self._who(images)]

    def _who(self, images: Tensor) -> Tensor:
        known = self.answers.flatten(0, 1).flatten(1)
        return torch.cdist(images.flatten(1), known).argmin(dim=1) % SOURCES


class SomebodyElse:
    """A real face with the expression that is asked for, whoever is shown."""

    takes_image = True

    def __init__(self, faces: Dataset) -> None:
        self.val, self.random = faces.val, torch.Generator().manual_seed(0)

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        choices = [(self.val.labels == label).nonzero().squeeze(1) for label in target]
        picked = [int(members[torch.randint(len(members), (1,), generator=self.random)]) for members in choices]
        return to_minus1_1(self.val.images[picked])


class Stowaway(SomebodyElse):
    """Somebody else's real face, with the source in its four lowest bits, which it reads on the way back."""

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        seen = to_uint8(images)
        low = seen & 15
        carries = (low[..., 0, :] == 5).double().mean(dim=(1, 2)) > 0.5  # a row of fives is the sign
        written = (to_uint8(super().__call__(images, source, target)) & 240) | (seen >> 4)
        written[..., 0, :] = (written[..., 0, :] & 240) | 5
        found = (low << 4) | 8
        return to_minus1_1(torch.where(carries[:, None, None, None], found, written))


@pytest.fixture(scope="module")
def scores(faces: Dataset, panel: JudgePanel) -> dict[str, MetricsFile]:
    translators = {"copy": Copy(), "truth": Truth(faces), "somebody else": SomebodyElse(faces), "stowaway": Stowaway(faces)}
    return {name: evaluate(translator, faces, panel, SETTINGS).metrics for name, translator in translators.items()}


def test_a_copy_is_called_a_copy(scores: dict[str, MetricsFile]) -> None:
    copy, details = scores["copy"].metrics, scores["copy"].details
    assert copy["l1_edit"] == copy["l1_self"] == copy["l1_cycle"] == 0.0
    assert copy["acc"] == details["acc_floor"] == scores["copy"].controls["no-edit"]["acc"]
    assert details["acc_calibrated"] == 0.0
    assert copy["acc"] < 0.1
    assert copy["identity_recall"] == 1.0
    assert copy["stego_round"] == 0.0
    assert copy["edit_locality"] is None
    assert scores["copy"].reasons["edit_locality"] == "no face was changed"


def test_the_true_answer_has_everything(scores: dict[str, MetricsFile]) -> None:
    truth, details = scores["truth"].metrics, scores["truth"].details
    assert truth["acc"] > 0.9
    assert details["acc_calibrated"] == pytest.approx(1.0, abs=0.1)
    assert truth["l1_paired"] == truth["l1_self"] == truth["l1_cycle"] == 0.0
    assert truth["ssim_paired"] == pytest.approx(1.0, abs=1e-5)
    assert truth["identity_recall"] == scores["truth"].controls["oracle"]["identity_recall"]
    assert truth["identity_recall"] > 0.8
    assert truth["stego_round"] == truth["stego_noise"] == 0.0
    assert truth["edit_locality"] == scores["truth"].controls["oracle"]["edit_locality"]
    assert truth["edit_locality"] > 0.9  # brows, eyes and mouth are what moves in these faces


def test_somebody_else_has_the_expression_and_not_the_person(scores: dict[str, MetricsFile]) -> None:
    other, truth = scores["somebody else"].metrics, scores["truth"].metrics
    assert other["acc"] > 0.9
    assert other["identity_recall"] < 3 / SOURCES
    assert other["identity_cosine"] < truth["identity_cosine"] - 0.5
    assert other["l1_edit"] > 2 * truth["l1_edit"]
    assert other["l1_cycle"] > 0.1
    assert other["ssim_paired"] < scores["somebody else"].controls["no-edit"]["ssim_paired"]
    assert other["psnr_paired"] < scores["somebody else"].controls["no-edit"]["psnr_paired"]


def test_the_stowaway_is_found_by_noise_alone(scores: dict[str, MetricsFile]) -> None:
    hiding, other = scores["stowaway"].metrics, scores["somebody else"].metrics
    assert hiding["l1_cycle"] < 0.03 < other["l1_cycle"]
    assert hiding["stego_round"] == pytest.approx(0.0, abs=1e-6)
    assert hiding["stego_noise"] > 0.1
    # What a comparison needs to tell that the cycle is not to be believed.
    assert scores["stowaway"].info["stego_noise"].takes_from == "l1_cycle"
    nearest = scores["stowaway"].controls["nearest-real"]["l1_cycle"]
    assert nearest is not None and hiding["l1_cycle"] < nearest < hiding["l1_cycle"] + hiding["stego_noise"]
    assert hiding["identity_recall"] < 3 / SOURCES


def test_the_nearest_real_face_beats_no_generator_in_identity(scores: dict[str, MetricsFile]) -> None:
    controls = scores["copy"].controls
    nearest = controls["nearest-real"]
    assert nearest["acc"] > 0.9
    assert nearest["l1_edit"] < scores["somebody else"].metrics["l1_edit"]  # it is the nearest
    assert nearest["identity_recall"] < controls["oracle"]["identity_recall"] / 2
    assert nearest["l1_cycle"] > 0.05
    assert nearest["l1_self"] > 0.05
    assert nearest["stego_noise"] is None


def test_judges_agree_and_know_how_sure_they_are(scores: dict[str, MetricsFile], panel: JudgePanel) -> None:
    for file in scores.values():
        alone = [file.per_judge[name] for name in panel.voter_names]
        assert file.details["acc_mean_judge"] == pytest.approx(sum(alone) / 3)
        assert file.details["acc_min_judge"] == min(alone)
        assert file.details["acc_judge_spread"] == max(alone) - min(alone)
        assert 0 <= file.details["acc_calibration_error"] < 0.15
