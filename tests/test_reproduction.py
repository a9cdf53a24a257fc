"""The command that a run's folder gives, read by the real command line, makes the same configuration again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ganzoo.cli import app
from ganzoo.config import RunConfig, recipe_names
from ganzoo.errors import GanzooError
from ganzoo.experiment import run_config
from ganzoo.overrides import load_preset, resolve_recipe, with_epochs
from ganzoo.reproduction import named_data_root, reproduce
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import DataFacts, Environment, RunInfo

CHANGES = [
    ("stargan", ["images=2500"]),
    ("stargan", ["batch_size=16", "terms.cycle.weight=5", "optimizer.lr=3e-5"]),
    ("stargan", ["generator=dcgan", "discriminator=patch_classifier", "generator.width=24"]),
    ("stargan", ["stages.0.phases.1.every=2", "terms.classification={weight: {start: 0, end: 1, over: 0.5}}"]),
    ("stargan", ["stages.0.phases.1.terms.mine={loss_term: self_reconstruction, weight: 2}", "ema=0.999", "flip=false"]),
    ("decgan", ["stages.1.epochs=3", "optimizers.discriminator.lr=0.0004"]),
    ("exprgan", ["epochs=2"]),
]


def _written(place: Path, config: RunConfig) -> RunFolder:
    folder = RunFolder(place)
    place.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return folder


def _info(config: RunConfig, command: str = "python", **changes: Any) -> RunInfo:
    environment = Environment(
        ganzoo="0",
        python="3",
        packages={},
        plugins=changes.pop("plugins", {}),
        device="CPU",
        precision="32",
        threads=1,
        command=command,
    )
    data = DataFacts(name=config.data, content_hash="c", class_names=["a", "b"], counts={}, skipped=changes.pop("skipped", []))
    status = changes.pop("status", "finished")
    return RunInfo(
        recipe=config.recipe.name,
        fingerprint="f",
        seed=config.seed,
        status=status,
        started="",
        data=data,
        environment=environment,
    )


def _read_back(command: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunConfig, dict[str, Any]]]:
    """What the command line hands on, one configuration per seed, and everything else it was told."""
    asked: list[tuple[RunConfig, dict[str, Any]]] = []

    def take(
        recipe: str, data: str, *, seed: int, preset: str | None, epochs: float | None, changes: Sequence[str], **more: Any
    ) -> Any:
        resolved = resolve_recipe(recipe, load_preset(preset) if preset else None, changes)
        resolved = with_epochs(resolved, epochs) if epochs else resolved
        scoring = more["image_size_px"], more["split"], more["score_precision"], more["select"]
        asked.append((run_config(resolved, data, seed, more["precision"], preset, *scoring), more))
        return SimpleNamespace(info=SimpleNamespace(status="finished"), metrics=None, folder=Path())

    monkeypatch.setattr("ganzoo.experiment.run", take)
    monkeypatch.setattr("ganzoo.compare.comparison.show_run", lambda folder, console: None)
    words = shlex.split(command)
    assert words[:2] == ["ganzoo", "run"]
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return asked


def _same(config: RunConfig, other: RunConfig) -> bool:
    return config.model_dump() == other.model_dump()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_comes_back_by_its_name_alone(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(resolve_recipe(name, load_preset("quick")), "synth4", 3, "32", "quick")
    made = reproduce(_written(tmp_path, config), _info(config))
    assert made.notes == () and "--set" not in made.command and f" run {name} " in made.command
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


@pytest.mark.parametrize("preset", [None, "quick"])
@pytest.mark.parametrize(("name", "changes"), CHANGES)
def test_changes_come_back(
    tmp_path: Path, name: str, changes: list[str], preset: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(resolve_recipe(name, load_preset(preset) if preset else None, changes), "synth7", 0, "bf16", preset, 32)
    made = reproduce(_written(tmp_path, config), _info(config))
    assert f" run {name} " in made.command
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


def test_the_command_is_as_short_as_what_was_typed(tmp_path: Path) -> None:
    config = run_config(
        resolve_recipe("stargan", load_preset("quick"), ["images=2500", "terms.cycle.weight=5"]), "synth4", 0, "32", "quick"
    )
    command = reproduce(_written(tmp_path, config), _info(config), seeds=[0, 1]).command
    assert command == (
        "ganzoo run stargan --data synth4 --preset quick --set images=2500 --set terms.cycle.weight=5.0 "
        "--precision 32 --seed 0 --seed 1"
    )


def test_how_it_was_scored_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(resolve_recipe("stargan"), "synth4", 0, "32", split="val", score_precision="bf16")
    made = reproduce(_written(tmp_path, config), _info(config))
    assert " --split val --score-precision bf16" in made.command
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


def test_what_selected_the_state_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(resolve_recipe("stargan"), "synth4", 0, "32", select="acc")
    made = reproduce(_written(tmp_path, config), _info(config))
    assert " --select acc" in made.command
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


def test_epochs_for_several_stages_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(with_epochs(resolve_recipe("decgan"), 0.7), "fer4", 0, "32")
    made = reproduce(_written(tmp_path, config), _info(config))
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


def test_every_seed_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(resolve_recipe("stargan"), "synth4", 5, "32")
    made = reproduce(_written(tmp_path, config), _info(config), seeds=[5, 8])
    assert [again.seed for again, _ in _read_back(made.command, monkeypatch)] == [5, 8]


def test_a_recipe_of_ones_own_is_taken_from_the_runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine; rm -rf $HOME.yaml"
    file.write_text(
        yaml.safe_dump(resolve_recipe("stargan", None, ["terms.cycle.weight=3"]).model_dump(mode="json", exclude={"name"}))
    )
    config = run_config(resolve_recipe(str(file), load_preset("quick")), "folder:my faces", 0, "32", "quick")
    folder = _written(tmp_path / "a run", config)
    made = reproduce(folder, _info(config))
    assert str(folder.config) in shlex.split(made.command)
    assert [_same(config, again) for again, _ in _read_back(made.command, monkeypatch)] == [True]


def test_places_of_files_are_those_that_were_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(resolve_recipe("stargan"), "fer4", 0, "32")
    typed = "ganzoo bench s.yaml --data-root '/my data' --plugin=mine.py --max-minutes 3"
    made = reproduce(_written(tmp_path, config), _info(config, typed, plugins={"ganzoo_plugin_mine": "0"}, skipped=["x.png"]))
    ((_, more),) = _read_back(made.command, monkeypatch)
    assert (more["data_root"], more["plugins"], more["skip_bad"]) == (Path("/my data"), [Path("mine.py")], True)
    assert made.notes == ()


def test_what_a_command_cannot_say_is_a_note(tmp_path: Path) -> None:
    config = run_config(resolve_recipe("stargan"), "fer4", 0, "32")
    notes = reproduce(
        _written(tmp_path, config), _info(config, "ganzoo run 'broken", plugins={"my_package.net": "0"}, status="stopped")
    ).notes
    assert "stopped" in notes[0] and "my_package.net" in notes[1]


@pytest.mark.parametrize("content", ["", "recipe: 3", "{", "a: b"])
def test_damaged_settings_are_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    config = run_config(resolve_recipe("stargan"), "fer4", 0, "32")
    folder = _written(tmp_path, config)
    folder.config.write_text(content)
    with pytest.raises(GanzooError, match="config.yaml"):
        reproduce(folder, _info(config))


def test_the_place_of_the_data_is_what_the_command_named_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    config = run_config(resolve_recipe("stargan"), "synth4", 0, "32")
    for command, expected in (
        (f"ganzoo run stargan --data-root {tmp_path / 'faces'} --seed 1", tmp_path / "faces"),
        (f"ganzoo run stargan --data-root={tmp_path / 'faces'}", tmp_path / "faces"),
        (f"ganzoo run stargan --data-root {tmp_path / 'gone'} --plugin {tmp_path / 'faces'}", None),
        ("python", None),
    ):
        assert named_data_root(_info(config, command)) == expected
