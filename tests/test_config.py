"""Recipes: strictness, presets, ``--set`` in every form, lengths, schedules, and every shipped recipe."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganzoo import config
from ganzoo.compatibility import ImageFacts, check_compatible
from ganzoo.config import Recipe, RunConfig, Schedule, Term, differences, load_recipe, parse_recipe, read_run_config, recipe_names
from ganzoo.errors import GanzooError
from ganzoo.overrides import Preset, apply_preset, load_preset, resolve_recipe, with_epochs
from ganzoo.registry import GENERATORS
from ganzoo.session import training_fingerprint

SHIPPED = sorted(file.stem for file in config.configs_folder().glob("*.yaml"))
FER = ImageFacts(image_channels=1, image_size_px=48, num_classes=4)


def _record(**changes: Any) -> dict[str, Any]:
    stage = {
        "epochs": 2,
        "batch_size": 8,
        "phases": [
            {"update": "discriminator", "terms": {"adversarial": None}},
            {"update": "generator", "every": 2, "terms": {"adversarial": {"loss": "wgan"}, "cycle": 10}},
        ],
    }
    return {"name": "mine", "generator": "stargan", "discriminator": "patch_classifier", "stages": [stage], **changes}


def _set(*changes: str, recipe: str = "stargan") -> Recipe:
    return resolve_recipe(recipe, changes=changes)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_valid_and_fits_fer(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    check_compatible(recipe, FER)
    check_compatible(apply_preset(recipe, _quick()), FER)


def test_the_recipes_of_the_benchmark_are_shipped() -> None:
    assert {"stargan", "stargan-eq1", "dcgan", "dcgan-rec", "cdcgan"} <= set(SHIPPED) <= set(recipe_names())


def test_stargan_has_the_founding_papers_settings() -> None:
    recipe = load_recipe("stargan")
    (stage,) = recipe.stages
    critic, maker = stage.phases
    assert (stage.epochs, stage.batch_size, maker.every, critic.every) == (400, 8, 5, 1)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (1e-4, (0.5, 0.999), "permute")
    assert recipe.generator.arguments == {"width": 64, "residual_blocks": 6}
    assert {name: term.weight for name, term in critic.terms.items()} == {
        "adversarial": 1,
        "gradient_penalty": 10,
        "classification": 1,
    }
    assert {name: term.weight for name, term in maker.terms.items()} == {"adversarial": 1, "classification": 1, "cycle": 10}


def test_short_forms_are_read() -> None:
    recipe = parse_recipe(_record(), "test")
    critic, maker = recipe.stages[0].phases
    assert recipe.generator.name == "stargan" and recipe.generator.arguments == {}
    assert critic.update == ("discriminator",) and critic.side == "discriminator"
    assert maker.side == "generator" and maker.networks == {"generator"}
    assert critic.terms["adversarial"].weight == 1.0
    assert maker.terms["cycle"].weight == 10
    assert maker.terms["adversarial"].arguments == {"loss": "wgan"}


def test_a_part_of_a_network_belongs_to_its_side() -> None:
    record = _record()
    record["stages"][0]["phases"][1]["update"] = ["generator.decoder", "generator.encoder"]
    phase = parse_recipe(record, "test").stages[0].phases[1]
    assert phase.networks == {"generator"} and phase.side == "generator"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": {}}, r"unknown key 'optimiser'\. Did you mean 'optimizer'\?"),
        ({"optimizer": {"learning_rate": 1}}, "unknown key 'optimizer.learning_rate'"),
        ({"optimizer": {"lr": -1}}, "optimizer.lr: must be above 0, not -1"),
        ({"optimizer": {"name": "sgd"}}, "optimizer.name: must be 'adam' or 'adamw', not 'sgd'"),
        ({"targets": "random"}, "targets: must be 'permute', 'uniform'"),
        ({"stages": []}, "stages: it must not be empty"),
        ({"ema": 1.0}, "ema: must be below 1, not 1.0"),
        ({"generator": 3}, "generator: keys with values are needed, not 3"),
        ({"generator": {"width": 3}}, "generator.name: it is needed, and is missing"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        parse_recipe(_record(**changes), "test")


def test_all_mistakes_are_reported_at_once_with_their_place() -> None:
    record = _record(flipped=True)
    record["stages"][0]["batch_size"] = 0
    record["stages"][0]["phases"][1]["evry"] = 5
    with pytest.raises(GanzooError) as caught:
        parse_recipe(record, "my.yaml")
    text = str(caught.value)
    assert text.startswith("my.yaml: ") and "\n" not in text
    assert "unknown key 'flipped'. Did you mean 'flip'?" in text
    assert "stages.0.batch_size: must be above 0, not 0" in text
    assert "unknown key 'stages.0.phases.1.evry'. Did you mean 'every'?" in text
    assert "must not be empty" not in text


@pytest.mark.parametrize("lengths", [{"epochs": None}, {"images": 100}])
def test_a_stage_has_one_length(lengths: dict[str, Any]) -> None:
    record = _record()
    record["stages"][0].update(lengths)
    with pytest.raises(GanzooError, match="give either epochs or images"):
        parse_recipe(record, "test")


def test_stage_lengths_in_steps() -> None:
    (stage,) = parse_recipe(_record(), "test").stages
    assert stage.steps(steps_per_epoch=10, batch_size=8) == 20
    by_images = stage.model_copy(update={"epochs": None, "images": 100})
    assert by_images.steps(steps_per_epoch=10, batch_size=8) == 12
    assert stage.model_copy(update={"epochs": 0.01}).steps(10, 8) == 1


def test_a_schedule_moves_linearly_and_then_stays() -> None:
    schedule = Schedule(start=0.0, end=10.0, over=0.5)
    assert [schedule.at(progress) for progress in (0, 0.25, 0.5, 1)] == [0, 5, 10, 10]
    term = Term.model_validate({"weight": {"start": 1, "end": 0}})
    assert [term.weight_at(progress) for progress in (0, 0.25, 1)] == [1, 0.75, 0]
    assert Term(weight=3).weight_at(0.7) == 3


def test_recipes_are_read_from_a_file_and_called_after_it(tmp_path: Path) -> None:
    file = tmp_path / "my_recipe.yaml"
    record = _record()
    del record["name"]
    file.write_text(yaml.safe_dump(record))
    assert load_recipe(str(file)).name == "my_recipe"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("- a\n- b", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("\x00", "not valid YAML"),
        ("description: !!int 2024-13-45", "not valid YAML"),
        ("images: !!int abc", "not valid YAML"),
        ("flip: !!bool [maybe]", "not valid YAML"),
        ("description: !!timestamp x", "not valid YAML"),
        ("images: " + 5000 * "9", "not valid YAML"),
        ("a: {b: 1, b: 2}", "the key 'b' stands twice"),
        ("[" * 3000 + "]" * 3000, "not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(GanzooError, match=message) as caught:
        load_recipe(str(file))
    assert "\n" not in str(caught.value)


def test_unknown_recipes_are_refused() -> None:
    with pytest.raises(GanzooError, match=r"Unknown recipe 'sargan'\. Did you mean 'stargan'\? 'ganzoo list recipes'"):
        load_recipe("sargan")
    with pytest.raises(GanzooError, match=r"Recipe file nowhere/my\.yaml does not exist"):
        load_recipe("nowhere/my.yaml")


def _quick() -> Preset:
    preset = load_preset("quick")
    assert preset is not None
    return preset


def test_quick_changes_scale_alone() -> None:
    quick, before = _quick(), load_recipe("stargan")
    after = apply_preset(before, quick)
    changed = differences(_run_config(before), _run_config(after))
    # The discriminator gets settings of its own; that nothing but the rate differs in them is asserted below.
    names = {change.split(":")[0].removeprefix("recipe.") for change in changed}
    assert {name for name in names if not name.startswith("optimizers.discriminator.")} <= {
        "generator.width",
        "discriminator.width",
        "optimizer.lr",
        "stages.0.batch_size",
        "stages.0.epochs",
        "stages.0.images",
        "stages.0.linear_decay_from",
        "stages.0.phases.1.every",
        "stages.0.phases.1.start",
    }
    assert after.generator.arguments["width"] == after.discriminator.arguments["width"] == quick.width
    (stage,) = after.stages
    assert (stage.images, stage.epochs, stage.batch_size) == (quick.images, None, quick.batch_size)
    assert [(phase.every, phase.start) for phase in stage.phases] == [(1, 0), (quick.every, quick.start)]
    assert (after.optimizer.lr, stage.linear_decay_from) == (quick.lr, quick.linear_decay_from)
    discriminator = before.optimizer_for("discriminator").model_copy(update={"lr": quick.discriminator_lr})
    assert after.optimizer_for("discriminator") == discriminator


def test_a_preset_keeps_ratios_and_shares() -> None:
    record = _record(optimizer={"lr": 1e-4}, optimizers={"discriminator": {"lr": 4e-4}})
    record["stages"] = [record["stages"][0], {**record["stages"][0], "epochs": 6}]
    after = apply_preset(parse_recipe(record, "test"), Preset(lr=2e-4, images=800))
    assert after.optimizer_for("generator").lr == pytest.approx(2e-4)
    assert after.optimizer_for("discriminator").lr == pytest.approx(8e-4)
    assert [stage.images for stage in after.stages] == [200, 600]
    assert [stage.linear_decay_from for stage in after.stages] == [1.0, 1.0]
    assert after.generator.arguments == {}


def test_a_preset_can_have_a_rate_for_the_discriminator_alone() -> None:
    record = _record(optimizer={"lr": 1e-4}, optimizers={"generator.head": {"lr": 2e-4}})
    after = apply_preset(parse_recipe(record, "test"), Preset(discriminator_lr=5e-4))
    rates = {part: after.optimizer_for(part).lr for part in ("generator", "generator.head", "discriminator")}
    assert rates == pytest.approx({"generator": 1e-4, "generator.head": 2e-4, "discriminator": 5e-4})


def test_a_trial_does_not_wait_for_late_phases() -> None:
    record = _record()
    record["stages"][0]["phases"][1]["start"] = 0.5
    recipe = parse_recipe(record, "test")
    assert [phase.start for phase in recipe.stages[0].phases] == [0, 0.5]
    assert [phase.start for phase in recipe.at_full_work().stages[0].phases] == [0, 0]


def test_presets_are_known_by_name() -> None:
    assert load_preset("paper") is None
    with pytest.raises(GanzooError, match=r"Unknown preset 'quik'\. Did you mean 'quick'\? Known: paper, quick"):
        load_preset("quik")


def _dig(recipe: Recipe, path: str) -> Any:
    value: Any = recipe.model_dump(mode="json")
    for part in path.split("."):
        value = value[int(part) if isinstance(value, list) else part]
    return value


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("generator=dcgan", "generator", {"name": "dcgan"}),
        ("generator={name: stargan, width: 8}", "generator", {"name": "stargan", "width": 8}),
        ("generator.width=32", "generator", {"name": "stargan", "width": 32, "residual_blocks": 6}),
        ("batch_size=16", "stages.0.batch_size", 16),
        ("epochs=3", "stages.0.epochs", 3.0),
        ("images=500", "stages.0.epochs", None),
        ("linear_decay_from=0.5", "stages.0.linear_decay_from", 0.5),
        ("stages.0.images=500", "stages.0.images", 500),
        ("every=2", "stages.0.phases", "1 2"),
        ("stages.0.phases.0.every=3", "stages.0.phases", "3 5"),
        ("clip_gradient_norm=1", "stages.0.phases.1.clip_gradient_norm", 1.0),
        ("terms.cycle.weight=5", "stages.0.phases.1.terms.cycle.weight", 5.0),
        ("terms.cycle=5", "stages.0.phases.1.terms.cycle.weight", 5.0),
        ("terms.adversarial.loss=hinge", "stages.0.phases.0.terms.adversarial.loss", "hinge"),
        ("terms.adversarial.loss=hinge", "stages.0.phases.1.terms.adversarial.loss", "hinge"),
        ("terms.cycle.weight={start: 0, end: 10}", "stages.0.phases.1.terms.cycle.weight", {"start": 0, "end": 10, "over": 1}),
        ("optimizer.lr=4e-4", "optimizer.lr", 4e-4),
        ("optimizer.betas=[0, 0.99]", "optimizer.betas", [0, 0.99]),
        ("optimizer.betas.0=0", "optimizer.betas", [0, 0.999]),
        ("optimizers.discriminator.lr=4e-4", "optimizers.discriminator.lr", 4e-4),
        ("optimizers.discriminator.lr=4e-4", "optimizers.discriminator.betas", [0.5, 0.999]),
        ("flip=false", "flip", False),
        ("ema=0.999", "ema", 0.999),
        ("targets=uniform_other", "targets", "uniform_other"),
        ("name=mine", "name", "mine"),
    ],
)
def test_set_reaches_every_setting(change: str, path: str, value: Any) -> None:
    found = _dig(_set(change), path)
    if path == "stages.0.phases":
        found = " ".join(str(phase["every"]) for phase in found)
    assert found == value


def test_changes_apply_in_order_and_on_top_of_a_preset() -> None:
    recipe = resolve_recipe("stargan", _quick(), ["generator.width=8", "generator.width=16", "images=64"])
    assert recipe.generator.arguments["width"] == 16
    assert recipe.stages[0].images == 64
    assert recipe.discriminator.arguments["width"] == _quick().width


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("generator", "--set takes key=value, not 'generator'"),
        ("=3", "--set takes key=value, not '=3'"),
        ("batchsize=3", r"unknown key 'batchsize'\. Did you mean 'batch_size'\?"),
        ("lr=3e-4", r"unknown key 'lr': 'lr' belongs to optimizer\."),
        ("data=3", r"unknown key 'data': 'data' belongs to run config\."),
        ("weight=2", r"unknown key 'weight': 'weight' belongs to term\."),
        ("generater.width=3", r"there is no 'generater'\. Did you mean 'generator'\?"),
        ("terms.cicle.weight=3", r"no phase has a term 'cicle'\. Did you mean 'cycle'\?"),
        ("stages.1.epochs=3", r"--set stages\.1\.epochs: there is no '1'"),
        ("stages.0.phases.7=3", "a list of 2 has no item '7'"),
        ("flip.left=3", "'left' cannot be set inside the value True"),
        ("epochs=-1", "stages.0.epochs: must be above 0, not -1"),
        ("epochs=many", "stages.0.epochs: a number is needed, not 'many'"),
        ("optimizer.betas=[0", "'\\[0' is not a YAML value"),
        ("batch_size=2024-13-45", "batch_size: a whole number is needed, not '2024-13-45'"),
        ("batch_size=!!int x", "'!!int x' is not a YAML value"),
        ("optimizer.betas=[0.5, 1]", "optimizer.betas.1: must be below 1, not 1"),
        ("optimizer.lr=.inf", "optimizer.lr: must be at most 1e.30, not inf"),
        ("terms.cycle.weight=.nan", r"stages\.0\.phases\.1\.terms\.cycle\.weight: must be at (most|least) .*, not nan"),
        ("terms.gradient_penalty.center=.nan", r"terms\.gradient_penalty\.center: numbers must be finite"),
    ],
)
def test_a_wrong_change_is_refused(change: str, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        _set(change)


def test_every_alone_needs_a_phase_that_skips_batches() -> None:
    with pytest.raises(GanzooError, match=r"every phase runs on every batch; say which one: stages\.0\.phases\.1\.every"):
        _set("every=5", recipe="dcgan")


def test_start_moves_the_phases_that_start_late() -> None:
    stage = resolve_recipe("stargan", _quick(), ["start=0.25"]).stages[0]
    assert [phase.start for phase in stage.phases] == [0, 0.25]
    with pytest.raises(GanzooError, match=r"every phase runs from the first batch; say which one: stages\.0\.phases\.1\.start"):
        _set("start=0.25")


def test_epochs_are_shared_by_the_stages() -> None:
    record = _record()
    record["stages"] = [record["stages"][0], {**record["stages"][0], "epochs": 6}]
    after = with_epochs(parse_recipe(record, "test"), 4)
    assert [stage.epochs for stage in after.stages] == [1, 3]
    assert with_epochs(apply_preset(load_recipe("stargan"), _quick()), 0.5).stages[0].epochs == 0.5
    for wrong in (0, float("inf"), float("nan")):
        with pytest.raises(GanzooError, match=f"--epochs must be positive and finite, not {wrong}"):
            with_epochs(after, wrong)


def _run_config(recipe: Recipe, **changes: Any) -> RunConfig:
    return RunConfig(recipe=recipe, data="synth4", seed=0, precision="32", **changes)


def test_a_run_config_survives_its_file(tmp_path: Path) -> None:
    before = _run_config(load_recipe("dcgan-rec"), image_size_px=32, max_sources=8)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(before.model_dump(mode="json")))
    assert read_run_config(file) == before
    assert differences(before, read_run_config(file)) == []


def test_differences_name_key_and_both_values() -> None:
    before = _run_config(load_recipe("stargan"))
    now = _run_config(_set("epochs=5", "generator=dcgan", "description=other words"), max_sources=8)
    assert differences(before, now) == [
        "max_sources: None, now 8",
        "recipe.generator.name: stargan, now dcgan",
        "recipe.generator.residual_blocks: 6, now None",
        "recipe.generator.width: 64, now None",
        "recipe.stages.0.epochs: 400.0, now 5.0",
    ]


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ("epochs=3", True),
        ("images=9", True),
        ("description=x", True),
        ("batch_size=9", False),
        ("lr_factor=0.1", False),
        ("generator.width=9", False),
        ("stages.0.simultaneous=true", False),
        ("stages.0.simultaneous=false", True),
        ("stages.0.fresh_optimizers=true", False),
    ],
)
def test_identity_leaves_out_length_and_words(change: str, is_same: bool) -> None:
    assert (_set(change).identity() == _set().identity()) is is_same


@pytest.mark.parametrize(
    ("first", "second"), [("generator", "generator"), ("generator.main", "generator"), ("generator", "generator.main.0")]
)
def test_simultaneous_phases_that_share_parameters_are_refused(first: str, second: str) -> None:
    terms = {"adversarial": None}
    phases = [{"update": first, "terms": terms}, {"update": "discriminator", "terms": terms}, {"update": second, "terms": terms}]
    record = {**load_recipe("stargan").model_dump(), "stages": [{"epochs": 1, "batch_size": 8, "phases": phases}]}
    assert parse_recipe(record, "test").stages
    record["stages"][0]["simultaneous"] = True
    with pytest.raises(GanzooError, match="simultaneous phases must not share parameters, as 'generator") as refusal:
        parse_recipe(record, "test")
    assert "\n" not in str(refusal.value)


def test_what_is_read_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("stargan").flip = False  # type: ignore[misc]  # that it is refused is the point


@pytest.fixture
def recipe_points(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    from importlib.metadata import EntryPoint

    def offer(**points: str) -> None:
        found = [EntryPoint(name.rstrip("_"), value, config.RECIPE_GROUP) for name, value in points.items()]
        monkeypatch.setattr(config, "entry_points", lambda group: found)

    return offer


def test_recipes_of_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe_points: Callable[..., None]) -> None:
    package = tmp_path / "recipe_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.yaml").write_text(yaml.safe_dump({**_record(), "name": "one"}))
    monkeypatch.syspath_prepend(tmp_path)
    recipe_points(
        one="recipe_package:first.yaml", first="recipe_package", gone="recipe_package:gone.yaml", broken="no_such_package:a.yaml"
    )
    assert {"one", "first", "gone", "broken", "stargan"} <= set(recipe_names())
    assert load_recipe("one").name == "one"
    assert load_recipe("first").generator.name == "stargan"
    with pytest.raises(GanzooError, match=r"The recipe 'gone' names recipe_package:gone\.yaml, which is not there"):
        load_recipe("gone")
    with pytest.raises(GanzooError, match="The recipe 'broken' cannot be loaded from 'no_such_package:a.yaml': Module"):
        load_recipe("broken")


def test_recipes_that_take_a_name_are_ignored_with_a_warning(recipe_points: Callable[..., None]) -> None:
    recipe_points(stargan="thief:stargan.yaml", mine="a:mine.yaml", mine_="b:mine.yaml")
    with pytest.warns(UserWarning) as seen:
        names = recipe_names()
    assert [str(warning.message) for warning in seen] == [
        "thief:stargan.yaml offers a recipe called 'stargan', a name already taken; it is ignored.",
        "b:mine.yaml offers a recipe called 'mine', a name already taken; it is ignored.",
    ]
    assert names.count("stargan") == 1 and names.count("mine") == 1
    assert load_recipe("stargan").discriminator.name == "patch_classifier"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("optimizer.lr=true", "optimizer.lr"),
        ("optimizer.betas=[false, 0.9]", "optimizer.betas.0"),
        ("batch_size=true", "stages.0.batch_size"),
        ("ema=true", "ema"),
        ("terms.cycle.weight=true", "stages.0.phases.1.terms.cycle.weight"),
        ("terms.cycle.weight={start: true, end: 0}", "stages.0.phases.1.terms.cycle.weight.start"),
        ("terms.cycle=true", "stages.0.phases.1.terms.cycle"),
    ],
)
def test_true_and_false_are_no_numbers(change: str, place: str) -> None:
    with pytest.raises(GanzooError, match=f"{place}: ") as caught:
        _set(change)
    assert "\n" not in str(caught.value)
    assert _set("flip=false").flip is False


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"config\.yaml is missing"):
        read_run_config(tmp_path / "config.yaml")


def test_settings_of_later_versions_leave_earlier_recipes_what_they_were() -> None:
    recipe = load_recipe("stargan")
    identity = recipe.identity()
    assert {"sampling", "dequantize"}.isdisjoint(identity)
    assert {"flip", "simultaneous", "fresh_optimizers"}.isdisjoint(identity["stages"][0])
    changed = _set("sampling=balanced", "dequantize=true", "stages.0.flip=false")
    assert (changed.sampling, changed.dequantize, changed.stages[0].flip) == ("balanced", True, False)
    named = changed.identity()
    assert (named["sampling"], named["dequantize"], named["stages"][0]["flip"]) == ("balanced", True, False)
    assert parse_recipe(changed.model_dump(mode="json"), "again") == changed


def test_the_references_of_unchanged_recipes_have_their_fingerprints_still() -> None:
    for name in ("stargan", "usgan-asc", "decgan"):
        (folder,) = Path(__file__).parents[1].joinpath("results/reference/synth4", name).iterdir()
        config = read_run_config(folder / "seed_0" / "config.yaml")
        content = json.loads((folder / "seed_0" / "run.json").read_text())["data"]["content_hash"]
        assert training_fingerprint(config, content).startswith(folder.name)


def test_a_network_of_a_later_revision_makes_another_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RunConfig(recipe=load_recipe("stargan"), data="synth4", seed=0, precision="32")
    before = training_fingerprint(settings, "0" * 64)
    network = GENERATORS.get("stargan")
    monkeypatch.setattr(network, "spec", dataclasses.replace(network.spec, revision=2))
    assert training_fingerprint(settings, "0" * 64) != before
