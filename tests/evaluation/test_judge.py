"""Judges: training, cards, votes, restriction to fewer classes, and what happens to damaged or missing files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Split, load_dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation import judge_descent
from ganzoo.evaluation.judge import SHIPPED_FOLDER, judge_cache_folder, load_judges, open_judges
from ganzoo.evaluation.judge_augmentation import augment
from ganzoo.evaluation.judge_card import read_card
from ganzoo.evaluation.judge_descent import TrainingSettings, train_network
from ganzoo.evaluation.judge_measuring import fit_temperature, measure, restricted_to
from ganzoo.evaluation.judge_networks import ARCHITECTURES, build_network
from ganzoo.evaluation.judge_training import prepare, train_judges

CLASS_NAMES = ("angry", "calm", "happy", "sad", "surprise")
SHIPPED = sorted(path.parent for path in SHIPPED_FOLDER.glob("*/card.json"))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Operations this small get slower, not faster, with threads that wait for one another on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _faces(count: int, seed: int, channels: int = 1, size_px: int = 32) -> Split:
    """Noisy images whose class is the height of a bright bar: easy, but not after a look at one pixel."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASS_NAMES)
    images = torch.randint(0, 120, (count, channels, size_px, size_px), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        top = 2 + label * (size_px - 6) // (len(CLASS_NAMES) - 1)
        image[:, top : top + 3, 6:-6] += 120
    return Split(images.to(torch.uint8), labels)


def _dataset(channels: int = 1, **changes: object) -> Dataset:
    splits = {"train": _faces(300, 0, channels), "val": _faces(60, 1, channels), "test": _faces(60, 2, channels)}
    dataset = Dataset("bars", CLASS_NAMES, splits, content_hash="ab" * 32)
    return replace(dataset, **changes)  # type: ignore[arg-type]  # the tests name real fields


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    train_judges(_dataset(), folder, epochs=6, scale=0.25, seed=3)
    return folder


def test_a_short_training_learns_and_says_so_on_the_card(trained: Path) -> None:
    card = read_card(trained)
    panel = open_judges(trained)
    test = _dataset().test
    accuracy = (panel.probabilities(test.images).argmax(dim=1) == test.labels).float().mean()
    assert accuracy > 0.9
    assert card.vote.accuracy == pytest.approx(float(accuracy), abs=0.02)
    assert card.vote.images == 60 and card.vote_held_out.images == 120
    assert [entry.votes for entry in card.networks] == [True, True, True, False]
    assert card.command == "ganzoo judge train --data bars --epochs 6 --seed 3 --scale 0.25"
    assert [entry.seed for entry in card.networks] == [3, 4, 5, 6]


def test_the_smaller_set_is_measured_too(trained: Path) -> None:
    card = read_card(trained)
    assert card.focus_classes == ("angry", "happy", "sad", "surprise")
    assert card.vote_restricted is not None
    assert card.vote_restricted.images == 48
    assert set(card.vote_restricted.per_class) == set(card.focus_classes)


def test_training_for_epochs_repeats(tmp_path: Path) -> None:
    hashes = []
    for name in ("one", "two"):
        card = train_judges(_dataset(), tmp_path / name, epochs=0.5, scale=0.25)
        hashes.append([entry.sha256 for entry in card.networks])
    assert hashes[0] == hashes[1]


def test_the_vote_is_the_mean_of_the_judges(trained: Path) -> None:
    panel = open_judges(trained)
    images = _faces(10, 5).images
    each = panel.each(images)
    assert each.shape == (3, 10, 5) and each.dtype == torch.float32
    torch.testing.assert_close(panel.probabilities(images), each.mean(dim=0))
    torch.testing.assert_close(each.sum(dim=2), torch.ones(3, 10))


def test_answers_depend_on_neither_batch_size_nor_order(trained: Path) -> None:
    panel = open_judges(trained)
    images = _faces(23, 6).images
    order = torch.randperm(23, generator=torch.Generator().manual_seed(0))
    for ask in (panel.probabilities, panel.features):
        whole = ask(images)
        torch.testing.assert_close(torch.cat([ask(image[None]) for image in images]), whole, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(ask(images[order]), whole[order], atol=1e-5, rtol=1e-4)


def test_flip_averaging_makes_mirror_images_equal(trained: Path) -> None:
    panel = open_judges(trained)
    images = _faces(8, 7).images
    torch.testing.assert_close(panel.probabilities(images.flip(3)), panel.probabilities(images), atol=1e-6, rtol=1e-5)


def test_restriction_to_fewer_classes_renormalises(trained: Path) -> None:
    images = _faces(20, 8).images
    everything, few = open_judges(trained), open_judges(trained, ("sad", "angry"))
    # By hand for one voter and one view: the softmax over two logits is the ratio of the two probabilities to their sum.
    temperature = everything.card.networks[0].temperature
    views = (everything.logits(images)[0] / temperature).softmax(dim=2)[..., [3, 0]]
    expected = (views / views.sum(dim=2, keepdim=True)).mean(dim=0)
    torch.testing.assert_close(few.each(images)[0], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(few.probabilities(images).sum(dim=1), torch.ones(20))


@pytest.mark.parametrize(("channels", "size_px"), [(3, 32), (1, 48), (3, 64)])
def test_images_of_other_sizes_and_channels_are_brought_to_the_judges(trained: Path, channels: int, size_px: int) -> None:
    panel = open_judges(trained)
    plain = _faces(40, 9)
    shown = plain.images.expand(-1, channels, -1, -1).float()
    shown = torch.nn.functional.interpolate(shown, (size_px, size_px), mode="bilinear").round().to(torch.uint8)
    assert (panel.probabilities(shown).argmax(dim=1) == plain.labels).float().mean() > 0.8


def test_grey_faces_are_shown_to_colour_judges_by_repetition(tmp_path: Path) -> None:
    train_judges(_dataset(channels=3), tmp_path, epochs=0.2, scale=0.25)
    panel, grey = open_judges(tmp_path), _faces(4, 1).images
    torch.testing.assert_close(panel.probabilities(grey), panel.probabilities(grey.repeat(1, 3, 1, 1)))


def test_judges_can_be_trained_in_bf16(tmp_path: Path) -> None:
    exact, rounded = (
        train_judges(_dataset(), tmp_path / precision, epochs=0.5, scale=0.25, precision=precision)
        for precision in ("32", "bf16")
    )
    for one, other in zip(exact.networks, rounded.networks, strict=True):
        assert one.sha256 != other.sha256
    images = _dataset().test.images
    answers = [open_judges(tmp_path / precision).probabilities(images) for precision in ("32", "bf16")]
    assert (answers[0] - answers[1]).abs().max() < 0.1


def test_bfloat16_stays_near_float32(trained: Path) -> None:
    images = _faces(20, 4).images
    exact, quick = (open_judges(trained, precision=precision).probabilities(images) for precision in ("32", "bf16"))
    assert quick.dtype == torch.float32
    assert (exact - quick).abs().max() < 0.05


def test_features_are_few_and_no_gradient_flows(trained: Path) -> None:
    panel = open_judges(trained)
    features = panel.features(_faces(7, 2).images)
    assert features.shape == (7, panel.feature_size) and panel.feature_size <= 256
    assert not features.requires_grad and not features.is_inference()
    assert panel.features(torch.empty(0, 1, 32, 32, dtype=torch.uint8)).shape == (0, panel.feature_size)


@pytest.mark.parametrize("images", [torch.rand(2, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.uint8)])
def test_images_that_are_not_uint8_batches_are_refused(trained: Path, images: Tensor) -> None:
    with pytest.raises(GanzooError, match="uint8 images"):
        open_judges(trained).probabilities(images)


def test_a_tampered_weight_file_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tampered"
    shutil.copytree(trained, folder)
    file = folder / "squeeze.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(GanzooError, match=r"squeeze\.safetensors have SHA-256 .* changed or damaged"):
        open_judges(folder)
    file.unlink()
    with pytest.raises(GanzooError, match="cannot be read: No such file"):
        open_judges(folder)


def test_a_damaged_card_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "damaged")
    (tmp_path / "damaged" / "card.json").write_text("{}")
    with pytest.raises(GanzooError, match="card .* cannot be used"):
        open_judges(tmp_path / "damaged")


def test_own_judges_are_kept_by_content_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    with pytest.raises(GanzooError, match="no judges for 'bars' .*'ganzoo judge train --data bars'"):
        load_judges(_dataset())
    card = train_judges(_dataset(), epochs=0.2, scale=0.25)
    assert (judge_cache_folder(card.content_hash) / "card.json").is_file()
    panel = load_judges(_dataset())
    assert panel.class_names == CLASS_NAMES
    assert panel.weight_hashes == {entry.name: entry.sha256 for entry in card.networks}
    with pytest.raises(GanzooError, match="no judges for"):
        load_judges(_dataset(content_hash="cd" * 32))


def test_unknown_classes_are_refused(trained: Path) -> None:
    with pytest.raises(GanzooError, match="do not know bored"):
        open_judges(trained, ("angry", "bored"))


def test_training_leaves_out_what_is_held_out() -> None:
    train, test = _faces(300, 0), _faces(60, 2)
    leaky = Split(torch.cat((train.images, test.images[:7])), torch.cat((train.labels, test.labels[:7])))
    data = prepare(_dataset(splits={"train": leaky, "val": _faces(60, 1), "test": test}))
    assert data.excluded == 7 and len(data.train) == 300


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (_dataset(class_names=("angry",)), "at least 2 classes"),
        (_dataset(splits={part: _faces(20, 0, size_px=28) for part in ("train", "val", "test")}), "at least 32 pixels"),
        (_dataset(splits={part: _faces(20, 0) for part in ("train", "val", "test")}), "no training images of angry"),
    ],
)
def test_datasets_that_cannot_have_judges_are_refused(dataset: Dataset, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        prepare(dataset)


@pytest.mark.parametrize("lengths", [{}, {"minutes": 1.0, "epochs": 1.0}, {"epochs": 0.0}, {"minutes": float("nan")}])
def test_a_senseless_length_is_refused(lengths: dict[str, float]) -> None:
    with pytest.raises(GanzooError, match="minutes|length"):
        TrainingSettings(**lengths)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_takes_any_size(architecture: str) -> None:
    network = build_network(architecture, channels=3, num_classes=4, scale=0.25).eval()
    for size_px in (32, 47, 64):
        images = torch.randn(2, 3, size_px, size_px)
        assert network(images).shape == (2, 4)
        assert network.features(images).shape == (2, network.feature_size)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(GanzooError, match="Did you mean 'residual'"):
        build_network("residuals", channels=1, num_classes=2)


def test_augmentation_keeps_shape_and_range_and_repeats() -> None:
    images = _faces(16, 0).images
    once, again = (augment(images, 24, torch.Generator().manual_seed(1)) for _ in range(2))
    assert once.shape == (16, 1, 24, 24)
    assert once.abs().max() <= 2 * 1.2 + 0.3 + 5 * 0.4  # relit, and five deviations of the strongest grain
    assert torch.equal(once, again)
    assert not torch.equal(once, augment(images, 24, torch.Generator().manual_seed(2)))


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    assert fit_temperature(5 * logits[None], labels) == pytest.approx(5.0, rel=0.1)


def test_scores_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    scores = measure(probabilities, probabilities, torch.tensor([0, 1, 1, 1]), ("a", "b"))
    assert scores.per_class == {"a": 1.0, "b": 0.6667}
    assert scores.accuracy == 0.75 and scores.macro_accuracy == pytest.approx(0.8333, abs=1e-3)
    # Each face stands alone in its bin: (0.1 + 0.8 + 0.3 + 0.4) / 4.
    assert scores.calibration_error == pytest.approx(0.4, abs=1e-4)


def test_restriction_keeps_the_faces_of_those_classes() -> None:
    logits = torch.arange(12.0).view(1, 4, 3)
    kept, labels = restricted_to(logits, torch.tensor([0, 1, 2, 2]), (2, 0))
    assert torch.equal(labels, torch.tensor([1, 0, 0]))
    assert torch.equal(kept, torch.tensor([[[2.0, 0.0], [8.0, 6.0], [11.0, 9.0]]]))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_judges_match_their_card_and_are_small(folder: Path) -> None:
    panel = open_judges(folder)  # checks every hash
    assert len(panel.voter_names) == 3 and panel.feature_size <= 256
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12e6
    assert {path.name for path in folder.iterdir()} == {"card.json", *(entry.file for entry in panel.card.networks)}
    architectures = [entry.architecture for entry in panel.card.networks]
    assert len(set(architectures)) == len(architectures)
    assert panel.card.vote.macro_accuracy >= 0.5 and panel.card.command.startswith("ganzoo judge train --data ")


def test_the_shipped_vote_knows_rendered_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    dataset = load_dataset("synth4")
    panel = load_judges(dataset)
    chosen = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))[:400]
    probabilities = panel.probabilities(dataset.test.images[chosen])
    assert panel.class_names == dataset.class_names
    assert (probabilities.argmax(dim=1) == dataset.test.labels[chosen]).float().mean() > 0.97


def test_a_tiny_dataset_does_not_use_up_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_descent, "_MOST_EPOCHS", 3)
    images = torch.randint(0, 256, (24, 1, 32, 32), dtype=torch.uint8)
    settings = TrainingSettings(minutes=10.0, scale=0.25)
    trained = train_network("squeeze", images, torch.arange(24) % 2, 2, settings, seed=0)
    assert 3 <= trained.epochs < 4 and trained.seconds < 60


def test_a_budget_of_time_is_all_that_counts_where_it_ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = judge_descent._Budget(TrainingSettings(minutes=28 / 4), steps_per_epoch=28358 / 64)
    monkeypatch.setattr(budget, "elapsed", lambda: 105.0)
    assert budget.spent(step=1000) == 105.0 / (60 * 7)  # as for the shipped judges: 11 epochs in all
