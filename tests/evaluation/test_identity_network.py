from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from ganzoo.data.face_parameters import IDENTITY_NAMES
from ganzoo.data.rendered_people import FRAMING, SURROUNDINGS, recognition_trials, views_of_people
from ganzoo.errors import GanzooError
from ganzoo.evaluation.identity_network import SHIPPED_FOLDER, IdentityNetwork, read_identity_card
from ganzoo.evaluation.identity_training import train_identity_network
from ganzoo.evaluation.judge import SHIPPED_FOLDER as JUDGES

SHIPPED = SHIPPED_FOLDER / "synth"


def test_the_shipped_network_is_the_one_of_its_card_and_small() -> None:
    card = read_identity_card(SHIPPED)
    weights = (SHIPPED / card.file).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card.sha256
    assert len(weights) < 1_000_000
    assert card.command.startswith("ganzoo identity train")
    judges = {hashlib.sha256(file.read_bytes()).hexdigest() for file in JUDGES.rglob("*.safetensors")}
    assert card.sha256 not in judges


def test_the_shipped_network_knows_people_and_not_their_surroundings() -> None:
    network, trials = IdentityNetwork(SHIPPED), recognition_trials(200)
    known = network(trials.known)
    assert known.norm(dim=1).allclose(torch.ones(200), atol=1e-5)

    def recall(pictures: torch.Tensor) -> float:
        return float(((network(pictures) @ known.T).argmax(dim=1) == torch.arange(200)).double().mean())

    assert recall(trials.same_picture) > 0.85
    assert recall(trials.elsewhere) > 0.6
    assert recall(trials.impostor) < 0.05


def test_an_answer_depends_on_its_own_face_alone_and_on_no_size() -> None:
    network = IdentityNetwork(SHIPPED)
    whole, larger = network(recognition_trials(40).known), network(recognition_trials(40, size_px=96).known)
    assert network(recognition_trials(40).known[2:3]).allclose(whole[2:3], atol=1e-5)
    assert ((larger @ whole.T).argmax(dim=1) == torch.arange(40)).double().mean() > 0.9


def test_two_views_show_one_person_and_share_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def remember(parameters, units, size_px, device):  # type: ignore[no-untyped-def]  # as the function it stands in for
        seen.append(parameters.identity)
        return torch.zeros(len(parameters), 1, size_px, size_px, dtype=torch.uint8)

    monkeypatch.setattr("ganzoo.data.rendered_people.render", remember)
    views_of_people(16, 3)
    first, second = seen
    for place, name in enumerate(IDENTITY_NAMES):
        same = torch.equal(first[:, place], second[:, place])
        assert same == (name not in (*FRAMING, *SURROUNDINGS)), name
    framing = torch.cat(seen)[:, [IDENTITY_NAMES.index(name) for name in FRAMING]]
    assert (framing.amax(dim=0) - framing.amin(dim=0)).max() <= 0.24  # the same for all of one batch
    assert torch.equal(*(views_of_people(2, 3)[0] for _ in range(2)))


def test_training_writes_a_network_that_can_be_read_and_says_what_it_is_worth(tmp_path: Path) -> None:
    lines: list[str] = []
    card = train_identity_network(tmp_path, steps=2, seed=5, trial_people=8, log=lines.append)
    assert read_identity_card(tmp_path) == card
    assert (card.steps, card.seed, card.test.images) == (2, 5, 8)
    assert card.command == "ganzoo identity train --steps 2 --seed 5"
    assert IdentityNetwork(tmp_path)(recognition_trials(2).known).shape == (2, card.feature_size)
    assert "step 2 of 2" in lines[1]
    assert train_identity_network(tmp_path / "again", steps=2, seed=5, trial_people=8).sha256 == card.sha256


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="at least 1 step and 2 people to try it on, not 0 and 2000"):
        train_identity_network(tmp_path, steps=0)
    with pytest.raises(GanzooError, match=r"card\.json cannot be used"):
        IdentityNetwork(tmp_path)
