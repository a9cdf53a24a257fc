"""The registry: where names come from, what happens to unknown, duplicate and broken ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ganzoo import registry
from ganzoo.cli import Kind
from ganzoo.errors import GanzooError
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.registry import DATASETS, DISCRIMINATORS, GENERATORS, LOSSES, METRICS, Registry, load_plugin_file

SHIPPED_REGISTRIES = [GENERATORS, DISCRIMINATORS, LOSSES, DATASETS, METRICS]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    return Registry("part", "tests.parts", {"encoder": "json.encoder", "shipped": "json.decoder"})


@pytest.fixture
def with_entry_points(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry[Any]]:
    def make(**points: str) -> Registry[Any]:
        found = [EntryPoint(name.rstrip("_"), value, "tests.parts") for name, value in points.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)
        return Registry("part", "tests.parts", {"shipped": "json.decoder"})

    return make


@pytest.mark.parametrize("parts", SHIPPED_REGISTRIES, ids=lambda parts: parts.kind)
def test_a_message_names_a_list_that_there_is(parts: Registry[Any]) -> None:
    with pytest.raises(GanzooError) as error:
        parts.get("zzz")
    assert str(error.value).endswith("' shows all.")
    assert str(error.value).split("'ganzoo list ")[1].split("'")[0] in list(Kind)


def test_where_there_is_no_list_a_message_names_all() -> None:
    with pytest.raises(GanzooError, match=r"^Unknown backbone 'zzz'\. There are dinov2, identity, inception, judge\.$"):
        BACKBONES.get("zzz")


def test_names_are_known_without_an_import(with_entry_points: Callable[..., Registry[Any]]) -> None:
    parts = with_entry_points(far="no_such_module:Thing")
    parts.add("near", object(), origin="here")
    assert parts.names() == ["far", "near", "shipped"]
    assert "far" in parts and "near" in parts and "nearer" not in parts
    assert [parts.origin(name) for name in parts.names()] == ["no_such_module:Thing", "here", "ganzoo"]


def test_the_decorator_registers(parts: Registry[Any]) -> None:
    @parts.register("mine")
    class Mine: ...

    assert parts.get("mine") is Mine
    assert parts.origin("mine") == __name__


def test_a_duplicate_is_an_error_that_names_both(parts: Registry[Any]) -> None:
    parts.add("mine", object(), origin="first.py")
    with pytest.raises(GanzooError, match=r"Two parts are called 'mine': first\.py and second\.py\. Rename"):
        parts.add("mine", object(), origin="second.py")


def test_a_shipped_name_cannot_be_taken(parts: Registry[Any]) -> None:
    with pytest.raises(GanzooError, match="Two parts are called 'shipped': ganzoo and thief"):
        parts.add("shipped", object(), origin="thief")


def test_an_unknown_name_gets_a_suggestion(parts: Registry[Any]) -> None:
    with pytest.raises(GanzooError, match=r"Unknown part 'shiped'\. Did you mean 'shipped'\? 'ganzoo list parts' shows all\."):
        parts.get("shiped")


def test_a_shipped_module_must_keep_its_promise(parts: Registry[Any]) -> None:
    with pytest.raises(GanzooError, match=r"json\.encoder does not register the part 'encoder'"):
        parts.get("encoder")


def test_an_entry_point_is_loaded_when_asked_for(with_entry_points: Callable[..., Registry[Any]]) -> None:
    import fractions

    parts = with_entry_points(ratio="fractions:Fraction")
    assert parts.get("ratio") is fractions.Fraction
    assert parts.origin("ratio") == "fractions:Fraction"


def test_a_broken_entry_point_is_reported_when_chosen_and_breaks_nothing_else(
    with_entry_points: Callable[..., Registry[Any]],
) -> None:
    parts = with_entry_points(broken="no_such_module:Thing", ratio="fractions:Fraction")
    assert parts.get("ratio")
    with pytest.raises(GanzooError, match="The part 'broken' from no_such_module:Thing cannot be loaded: ModuleNotFoundError"):
        parts.get("broken")


def test_entry_points_that_take_a_name_are_ignored_with_a_warning(with_entry_points: Callable[..., Registry[Any]]) -> None:
    import fractions

    parts = with_entry_points(shipped="fractions:Decimal", twice="fractions:Fraction", twice_="decimal:Decimal")
    with pytest.warns(UserWarning) as seen:
        assert parts.names() == ["shipped", "twice"]
    assert [str(warning.message) for warning in seen] == [
        "fractions:Decimal offers a part called 'shipped', a name already taken; it is ignored.",
        "decimal:Decimal offers a part called 'twice', a name already taken; it is ignored.",
    ]
    assert parts.get("twice") is fractions.Fraction


def test_module_and_class_name_a_part(parts: Registry[Any]) -> None:
    import fractions

    assert parts.get("fractions:Fraction") is fractions.Fraction
    with pytest.raises(GanzooError, match=r"fractions has no part 'Fractoin'\. Did you mean 'Fraction'\?"):
        parts.get("fractions:Fractoin")
    with pytest.raises(GanzooError, match="Cannot import 'no_such_module' for a part: ModuleNotFoundError"):
        parts.get("no_such_module:Thing")


def test_a_module_may_lie_in_the_current_folder(parts: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part_of_here.py").write_text("class Thing:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert parts.get("part_of_here:Thing").__name__ == "Thing"
    assert sys.path == before
    del sys.modules["part_of_here"]


def test_a_module_that_raises_is_reported_in_one_line(
    parts: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising_module.py").write_text("raise ValueError('first line\\nsecond line')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(GanzooError, match="for a part: ValueError: first line second line$"):
        parts.get("raising_module:Thing")


def test_a_file_and_class_name_a_part(parts: Registry[Any], tmp_path: Path) -> None:
    file = tmp_path / "scratch_part.py"
    file.write_text("class Thing:\n    pass\n")
    assert parts.get(f"{file}:Thing").__name__ == "Thing"


def test_a_plugin_file_is_imported_once(tmp_path: Path) -> None:
    file = tmp_path / "counted_plugin.py"
    file.write_text("from ganzoo.registry import LOSSES\n\n@LOSSES.register('counted_term')\nclass Term:\n    pass\n")
    assert load_plugin_file(file) is load_plugin_file(str(file))
    assert LOSSES.get("counted_term").__name__ == "Term"
    assert LOSSES.origin("counted_term") == "ganzoo_plugin_counted_plugin"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("raise type('Halt', (BaseException,), {})('now')", "Halt: now"),
        (
            "from ganzoo.registry import GENERATORS\nGENERATORS.register('stargan')(object)",
            "Two generators are called 'stargan': ganzoo and",
        ),
    ],
)
def test_a_plugin_file_that_fails_says_why_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "failing_plugin.py"
    file.write_text(text)
    with pytest.raises(GanzooError, match=message.replace("(", r"\(")) as caught:
        load_plugin_file(file)
    assert "\n" not in str(caught.value)
    assert "ganzoo_plugin_failing_plugin" not in sys.modules


def test_a_user_may_stop_the_import_of_a_plugin_file(tmp_path: Path) -> None:
    file = tmp_path / "slow_plugin.py"
    file.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugin_file(file)
    assert "ganzoo_plugin_slow_plugin" not in sys.modules


def test_a_missing_plugin_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"Plugin file .* is no file\.$"):
        load_plugin_file(tmp_path)
    with pytest.raises(GanzooError, match=r"Plugin file .*nowhere\.py does not exist"):
        load_plugin_file(tmp_path / "nowhere.py")


@pytest.mark.parametrize("shipped", SHIPPED_REGISTRIES, ids=lambda shipped: shipped.kind)
def test_every_shipped_name_loads(shipped: Registry[Any]) -> None:
    for name in shipped.names():
        assert callable(shipped.get(name)), name
