"""What people write is read as YAML 1.2 means it, within bounds, and as text that both versions understand when written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes, read_yaml, yaml_text, yaml_value

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-4", 1e-4),
        ("4E+2", 400.0),
        ("-.5", -0.5),
        ("true", True),
        ("~", None),
        ("[1, two]", [1, "two"]),
    ],
)
def test_values_are_those_of_version_1_2(text: str, value: Any) -> None:
    found = yaml_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("&a [*a]", "an anchor holds itself"),
        ("&a {b: {c: *a}}", "an anchor holds itself"),
        (LAUGHS, "it holds too many values"),
        ("9" * 5000, "too many digits"),
        ("[" * 900 + "]" * 900, "it is nested too deeply"),
        ("{a: 1, a: 2}", "the key 'a' stands twice"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("'\ud800'", "not a YAML value"),
        ("x" * 1_000_000, "it is too long"),
    ],
)
def test_what_is_no_value_is_told_short_and_at_once(text: str, words: str) -> None:
    began = time.perf_counter()
    with pytest.raises(GanzooError, match=words) as caught:
        yaml_value(text)
    assert time.perf_counter() - began < 1 and len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["1e-4", "0o17", "yes", "1:30", "010", "~", "null", "<<", "=", "2024-01-31", "1_000", "", "a: b"]
)
def test_text_stays_text_in_both_versions(text: str) -> None:
    written = yaml_text({"key": text, "number": 1e-5})
    assert yaml_value(written) == yaml.safe_load(written) == {"key": text, "number": 1e-5}


def test_a_file_that_never_ends_or_is_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(2_500_000_000)
    for path, words in (
        (tmp_path / "pipe.yaml", "it is no plain file"),
        (tmp_path, "it is a folder"),
        (large, "too large to be read: 2.5 GB"),
        (tmp_path / "none.yaml", "none.yaml is missing"),
    ):
        with pytest.raises(GanzooError, match=words):
            read_yaml(path)
    with pytest.raises(GanzooError, match="too large"):
        read_bytes(large, 100)


def test_50000_keys_are_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text("".join(f"key{number}: 1\n" for number in range(50_000)))
    began = time.perf_counter()
    with pytest.raises(GanzooError, match="too large to be read"):
        read_yaml(file)
    assert time.perf_counter() - began < 1
