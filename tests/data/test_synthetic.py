"""Rendered faces: the same bytes always, the right true answers, and expressions that no linear reading of pixels gives away."""

from __future__ import annotations

import time

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ganzoo.data import rendering, synthetic
from ganzoo.data.base import Dataset, load_dataset
from ganzoo.data.expressions import AU_EFFECTS, AU_NAMES, EMFACS_PROTOTYPES, EMOTIONS, class_prototypes
from ganzoo.data.face_parameters import IDENTITY_NAMES, FaceParameters, draw_faces
from ganzoo.data.rendering import render
from ganzoo.errors import GanzooError


@pytest.fixture
def small_splits(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(synthetic, "SPLIT_SIZES", {"train": 300, "val": 60, "test": 80})


@pytest.fixture
def synth4(small_splits: None) -> Dataset:
    return load_dataset("synth4")


def shown(faces: FaceParameters, emotion: str) -> Tensor:
    return faces.expressions[:, EMOTIONS.index(emotion)]


def identity_of(faces: FaceParameters, name: str) -> Tensor:
    return faces.identity[:, IDENTITY_NAMES.index(name), None, None]


def test_a_seed_gives_the_same_faces_and_a_longer_draw_begins_with_them() -> None:
    short, long = draw_faces(9, seed=5), draw_faces(40, seed=5)
    assert torch.equal(short.identity, long.identity[:9])
    assert torch.equal(short.expressions, long.expressions[:9])
    assert not torch.equal(short.identity, draw_faces(9, seed=6).identity)


def test_bytes_depend_neither_on_the_batch_nor_on_the_number_of_threads() -> None:
    faces = draw_faces(70, seed=1)
    together = render(faces, shown(faces, "happy"))
    alone = [render(one, shown(one, "happy")) for one in (faces.select(torch.tensor([i])) for i in range(0, 70, 7))]
    assert torch.equal(together[::7], torch.cat(alone))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 if threads == 1 else 1)
        assert torch.equal(render(faces, shown(faces, "happy")), together)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_devices_agree_within_one_grey_level() -> None:
    faces = draw_faces(200, seed=1)
    here, there = render(faces, shown(faces, "fear")), render(faces, shown(faces, "fear"), device="cuda").cpu()
    assert (here.int() - there.int()).abs().max() <= 1


@pytest.mark.parametrize("size_px", [16, 33, 44])
def test_other_sizes_show_the_same_face(size_px: int) -> None:
    faces = draw_faces(6, seed=2)
    large = render(faces, shown(faces, "sad"), size_px=4 * size_px).float()
    small = render(faces, shown(faces, "sad"), size_px=size_px)
    assert small.shape == (6, 1, size_px, size_px)
    assert small.dtype == torch.uint8
    # Edges are drawn at least a pixel wide, so a small image is a little softer than a reduced large one.
    assert (torch.nn.functional.avg_pool2d(large, 4) - small).abs().mean() < 6


def test_every_expression_of_a_face_differs_visibly_from_every_other() -> None:
    faces = draw_faces(12, seed=3)
    images = [render(faces, shown(faces, emotion)).float() for emotion in EMOTIONS]
    for first in range(len(EMOTIONS)):
        for second in range(first):
            assert ((images[first] - images[second]).abs().flatten(1).max(dim=1).values > 10).all()


@pytest.mark.parametrize("unit", AU_NAMES)
def test_every_action_unit_moves_something_and_is_documented(unit: str) -> None:
    faces = draw_faces(12, seed=4)
    rest = torch.zeros(12, len(AU_NAMES))
    # Framing may put the moving part outside the picture on some faces, so it is enough that most faces change.
    rest[:, AU_NAMES.index("AU25")] = 0.2
    moved = rest.clone()
    moved[:, AU_NAMES.index(unit)] = 1.0
    changed = (render(faces, moved).int() - render(faces, rest).int()).abs().flatten(1).max(dim=1).values
    assert (changed > 5).sum() >= 9
    assert AU_EFFECTS[unit]


def test_expression_leaves_everything_outside_the_head_alone() -> None:
    faces = draw_faces(400, seed=8)  # close-ups: few heads leave a corner free
    images = torch.cat([render(faces, shown(faces, emotion)) for emotion in EMOTIONS], dim=1)
    centres = (2 * torch.arange(48) + 1) / 48 - 1
    right, below = centres[None, None, :] - identity_of(faces, "shift_x"), centres[None, :, None] - identity_of(faces, "shift_y")
    # The widest and longest possible head, in whatever rotation, with the softest edge.
    reach = (right.square() + below.square()).sqrt() / identity_of(faces, "scale")
    outside = (reach > 1.2)[:, None].expand_as(images)
    assert outside.any()
    assert torch.equal(images[outside], images[:, :1].expand_as(images)[outside])


def test_light_comes_from_above_in_every_picture_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = draw_faces(20, seed=11)
    lit = render(faces, shown(faces, "sad")).float()
    monkeypatch.setattr(rendering, "_FALLOFF", 0.0)
    plain = render(faces, shown(faces, "sad")).float()
    inside_range = (lit > 0) & (lit < 255) & (plain > 0) & (plain < 255)
    added = -0.2 * 255 * ((2 * torch.arange(48) + 1) / 48 - 1)[:, None]
    assert inside_range.float().mean() > 0.8
    assert ((lit - plain - added).abs()[inside_range] <= 1).all()


def test_action_units_are_in_range_and_follow_their_prototypes() -> None:
    expressions = draw_faces(2000, seed=9).expressions
    assert expressions.shape == (2000, 7, 17)
    assert expressions.min() >= 0 and expressions.max() <= 1
    # Mean strength 0.85, mean stray activity 0.0625; strong units are cut off at 1.
    assert (expressions.mean(dim=0) - (0.85 * class_prototypes() + 0.0625)).abs().max() < 0.1
    assert (expressions.std(dim=0)[class_prototypes() > 0.5] > 0.04).all()


def test_prototypes_are_given_in_the_order_asked_for() -> None:
    rows = class_prototypes(("happy", "neutral"))
    assert rows.shape == (2, 17)
    assert rows[0, AU_NAMES.index("AU12")] == pytest.approx(EMFACS_PROTOTYPES["happy"]["AU12"])
    assert rows[1].eq(0).all()
    with pytest.raises(GanzooError, match="No action-unit prototype for 'hapy'. Did you mean 'happy'?"):
        class_prototypes(("hapy",))


def test_dataset_is_complete(synth4: Dataset) -> None:
    assert synth4.class_names == ("angry", "happy", "sad", "surprise")
    assert synth4.judge_family == "synth"
    assert synth4.action_unit_names == AU_NAMES
    assert synth4.train.images.shape == (300, 1, 48, 48)
    assert min(synth4.train.class_counts(4)) > 45
    assert synth4.facts["renderer_version"] == synthetic.RENDERER_VERSION
    for split in synth4.splits.values():
        assert split.action_units is not None and split.action_units.shape == (len(split), 17)


def test_synth7_has_seven_classes_and_another_content(small_splits: None, synth4: Dataset) -> None:
    synth7 = load_dataset("synth7")
    assert synth7.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert min(synth7.train.class_counts(7)) > 15
    assert synth7.content_hash != synth4.content_hash


def test_nobody_is_in_two_splits(synth4: Dataset) -> None:
    identities = torch.cat([split.identities for split in synth4.splits.values() if split.identities is not None])
    assert len(identities) == len(identities.unique()) == 440
    faces = torch.cat([draw_faces(2000, seed).identity for seed in synthetic._FACE_SEEDS.values()])
    assert len(faces.unique(dim=0)) == 6000


@pytest.mark.parametrize("name", ["synth4", "synth7"])
def test_true_answer_to_the_own_label_is_the_image_itself(small_splits: None, name: str) -> None:
    dataset = load_dataset(name)
    truth = dataset.counterfactual
    assert truth is not None
    for part, split in dataset.splits.items():
        assert torch.equal(truth(part, torch.arange(len(split)), split.labels), split.images)


def test_true_answer_to_another_label_is_that_face_with_that_emotion(synth4: Dataset) -> None:
    assert synth4.counterfactual is not None
    indices, targets = torch.tensor([5, 3, 3]), torch.tensor([1, 0, 2])
    answer = synth4.counterfactual("test", indices, targets)
    faces = draw_faces(80, synthetic._FACE_SEEDS["test"]).select(indices)
    emotions = ["happy", "angry", "sad"]
    units = torch.stack([shown(faces, emotion)[row] for row, emotion in enumerate(emotions)])
    assert torch.equal(answer, render(faces, units))


def test_true_answers_refuse_what_does_not_exist(synth4: Dataset) -> None:
    truth = synth4.counterfactual
    assert truth is not None
    one = torch.tensor([0])
    with pytest.raises(GanzooError, match="no part 'dev'; there are train, val, test"):
        truth("dev", one, one)
    with pytest.raises(GanzooError, match="face index lies between 80 and 80; allowed are 0 to 79"):
        truth("test", one + 80, one)
    with pytest.raises(GanzooError, match="target lies between 4 and 4; allowed are 0 to 3"):
        truth("test", one, one + 4)


def test_cached_and_rendered_again_are_the_same(synth4: Dataset) -> None:
    assert load_dataset("synth4").content_hash == synth4.content_hash
    assert load_dataset("synth4", cache=False).content_hash == synth4.content_hash


def test_size_option_renders_at_that_size(small_splits: None) -> None:
    dataset = load_dataset("synth4", image_size_px=32)
    assert dataset.image_size_px == 32
    assert dataset.counterfactual is not None
    assert dataset.counterfactual("val", torch.tensor([0]), torch.tensor([0])).shape == (1, 1, 32, 32)


def test_bad_input_is_refused() -> None:
    faces = draw_faces(2, seed=0)
    units = torch.zeros(2, 17)
    with pytest.raises(GanzooError, match="cannot be rendered at 8 px; choose 16 to 1024"):
        render(faces, units, size_px=8)
    with pytest.raises(GanzooError, match=r"shape \(2, 5\); rendering these faces needs \(2, 17\)"):
        render(faces, units[:, :5])
    with pytest.raises(GanzooError, match=r"must lie in \[0, 1\]"):
        render(faces, units + 1.5)
    with pytest.raises(GanzooError, match="Cannot draw -1 faces"):
        draw_faces(-1, seed=0)


def test_rendering_is_quick() -> None:
    faces = draw_faces(640, seed=0)
    start = time.perf_counter()
    render(faces, shown(faces, "happy"))
    # Thousands a second on two idle cores; the bound only catches a renderer that has become slower by an order of magnitude.
    assert 640 / (time.perf_counter() - start) > 60


def test_logistic_regression_on_pixels_cannot_tell_the_emotions() -> None:
    pixels, labels = labelled_pixels(2500, seed=1)
    unseen_pixels, unseen_labels = labelled_pixels(1000, seed=2)
    scaler = StandardScaler().fit(pixels)
    model = LogisticRegression(C=3e-4, max_iter=300).fit(scaler.transform(pixels), labels)
    assert 0.3 < model.score(scaler.transform(unseen_pixels), unseen_labels) < 0.70


def labelled_pixels(count: int, seed: int) -> tuple[Tensor, Tensor]:
    faces = draw_faces(count, seed)
    labels = torch.randint(4, (count,), generator=torch.Generator().manual_seed(seed))
    images = render(faces, synthetic._shown(faces, labels, synthetic.SYNTH4_CLASSES))
    return images.flatten(1).float(), labels


def test_faces_drawn_otherwise_are_not_found_in_the_cache(synth4: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.data.expressions._STRAY_ACTIVITY", 0.0)
    assert load_dataset("synth4").content_hash != synth4.content_hash


def test_faces_rendered_otherwise_are_not_found_in_the_cache(synth4: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "render", lambda faces, units, size_px: 255 - render(faces, units, size_px))
    assert load_dataset("synth4").content_hash != synth4.content_hash
