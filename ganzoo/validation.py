"""Records built from what people wrote, or all that is wrong with it in plain words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ganzoo.errors import GanzooError, did_you_mean, in_short, listed, shortened

Model = TypeVar("Model", bound=BaseModel)
_MOST_PROBLEMS = 50
"""Problems that are put into words; fewer are told."""


def validated(model: type[Model], record: Any, source: str, records: Sequence[type[BaseModel]]) -> Model:
    """Builds a record, or says in words what is wrong with it; keys of ``records`` may be meant by unknown ones.

    Raises:
        GanzooError: An unknown key or a value of the wrong kind; of many the first are named.
    """
    try:
        built = model.model_validate(record)
    except (ValidationError, RecursionError) as error:
        problems = list(_problems(error, records)) if isinstance(error, ValidationError) else ["it is nested too deeply"]
        text = listed([problem.rstrip(".") for problem in problems[:-1]] + problems[-1:], "; ")
        raise GanzooError(f"{source}: {text}" if text[-1] in ".?" else f"{source}: {text}.") from error
    numbers = dict(_numbers(built.model_dump()))
    if booleans := [place for place, leaf in _leaves(record) if isinstance(leaf, bool) and place in numbers]:
        raise GanzooError(f"{source}: {listed(booleans)}: a number is needed, not true or false.")
    if infinite := [place for place, value in numbers.items() if not math.isfinite(value)]:
        raise GanzooError(f"{source}: {listed(infinite)}: numbers must be finite.")
    return built


def first_problem(error: ValidationError) -> str:
    """What is wrong first, in words, with its place."""
    return next(_problems(error, ()), "it is not of this format")


def _problems(error: ValidationError, records: Sequence[type[BaseModel]]) -> Iterator[str]:
    found = error.errors(include_url=False)
    lists = {problem["loc"] for problem in found if problem["type"] == "too_short" and problem["input"]}
    # A list with a wrong item is also reported as too short, which it is not.
    wrong = [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in lists] or found
    known = {record.__name__: _keys(record) for record in records}
    for problem in islice(wrong, _MOST_PROBLEMS):
        yield _in_words(problem, known)
    yield from ("it has further problems" for _ in wrong[_MOST_PROBLEMS:])


def _in_words(problem: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> str:
    # The tags of a choice between kinds of values have a space, which no key has.
    parts = [str(part) for part in problem["loc"] if " " not in str(part) or problem["type"] == "extra_forbidden"]
    where = ".".join(shortened(part) for part in parts)
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        if owners := [re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower() for name, keys in known.items() if key in keys]:
            return f"unknown key '{where}': '{key}' belongs to {' or '.join(owners)}."
        return f"unknown key '{where}'.{did_you_mean(key, [name for keys in known.values() for name in keys])}"
    message = _message(problem)
    return f"{where}: {message}" if where else message


def _message(problem: Mapping[str, Any]) -> str:
    kind, limits, given = problem["type"], problem.get("ctx", {}), in_short(problem["input"])
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"must be {words} {_number(limits[name])}, not {given}"
    if kind == "literal_error":
        return f"must be {limits['expected']}, not {given}"
    if kind in ("value_error", "assertion_error"):
        return str(limits["error"])
    if wanted := next((words for fits, words in _WANTED if fits(kind)), None):
        return f"{wanted}, not {given}"
    if kind in _OTHERS:
        return _OTHERS[kind]
    message = str(problem["msg"])
    return f"{message[:1].lower()}{shortened(message[1:])}"


def _number(value: float) -> str:
    return f"{int(value):,}" if abs(value) < 1e12 and float(value).is_integer() else f"{value:g}"


_LIMITS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_WANTED: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda kind: kind.startswith("int_"), "a whole number is needed"),
    (lambda kind: kind.startswith("float_"), "a number is needed"),
    (lambda kind: kind.startswith("bool_"), "true or false is needed"),
    (lambda kind: kind.startswith("string_") and kind.endswith(("type", "unicode")), "text is needed"),
    (lambda kind: kind in ("list_type", "tuple_type", "set_type"), "a list is needed"),
    (lambda kind: kind in ("dict_type", "model_type", "model_attributes_type", "mapping_type"), "keys with values are needed"),
)
_OTHERS = {
    "missing": "it is needed, and is missing",
    "too_short": "it must not be empty",
    "string_too_short": "it must not be empty",
    "string_too_long": "it is too long",
    "too_long": "it has too many items",
    "finite_number": "numbers must be finite",
    "invalid_key": "keys must be words",
    "recursion_loop": "it must not hold itself",
}


def _numbers(record: Any) -> Iterator[tuple[str, float]]:
    """Every number in a record, with its place; true and false are none."""
    return ((place, leaf) for place, leaf in _leaves(record) if isinstance(leaf, int | float) and not isinstance(leaf, bool))


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a record that holds nothing itself, with its place."""
    if not isinstance(value, dict | list | tuple):
        yield place, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, f"{place}.{key}" if place else str(key))


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
