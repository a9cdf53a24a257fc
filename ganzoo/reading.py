"""Files that people write, read with bounds: text of a limited size, and YAML 1.2 as it is meant, without surprises.

YAML is read by the core schema of version 1.2 (https://yaml.org/spec/1.2.2/, section 10.3.2): ``1:30``, ``yes``, ``1_000`` and
``2024-01-31`` are words, ``010`` is ten and ``1e-4`` a number, which PyYAML, of version 1.1, reads otherwise. A key that stands
twice, an anchor that holds itself, and aliases that grow beyond all bounds are refused.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import GanzooError, one_line, shortened

MOST_YAML_BYTES = 128 * 1024
"""Size of the largest YAML file that is read; a recipe has 3 kB."""
MOST_YAML_NODES = 20_000
"""Keys and values of a YAML document once its aliases are written out."""
MOST_RECORD_BYTES = 64 * 2**20
"""A record of a run takes kilobytes; what is larger than this is none, and reading it would only take time and memory."""
_MOST_DIGITS, _MOST_LEVELS = 100, 50
_YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises: besides its own errors, those of its constructors (``!!int x``)."""


def read_bytes(path: Path, most: int = MOST_RECORD_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        GanzooError: It is missing, cannot be read, is no file (a pipe would never end), or has more than ``most`` bytes.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise GanzooError(f"Cannot read {path}: it is {'a folder' if stat.S_ISDIR(state.st_mode) else 'no plain file'}.")
        if state.st_size > most:
            raise GanzooError(f"{path} is too large to be read: {_size(state.st_size)}, where {_size(most)} are the most.")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
            raise GanzooError(f"{shortened(path, 200)} is missing.") from error
        raise GanzooError(f"Cannot read {shortened(path, 200)}: {error.strerror}.") from error


def _size(count: int) -> str:
    return next(
        (f"{count / unit:.3g} {name}" for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if count >= unit), f"{count} B"
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping.

    Raises:
        GanzooError: It cannot be read, is too large, not UTF-8, not YAML, or not a mapping.
    """
    try:
        record = _parsed(read_bytes(path, MOST_YAML_BYTES).decode("utf-8-sig"))
    except _YAML_ERRORS as error:
        raise GanzooError(f"{path} is not valid YAML: {_reason(error)}") from error
    if not isinstance(record, dict):
        raise GanzooError(f"{path} must hold a mapping of keys to values.")
    return record


def yaml_value(text: str) -> Any:
    """The value that a YAML text stands for.

    Raises:
        GanzooError: It is no YAML value.
    """
    try:
        if len(text) > MOST_YAML_BYTES:
            raise ValueError("it is too long")
        return _parsed(text)
    except _YAML_ERRORS as error:
        raise GanzooError(f"'{shortened(text)}' is not a YAML value: {_reason(error)}") from error


def yaml_text(record: Any, **style: Any) -> str:
    """A record of plain data as YAML that readers of version 1.1 and 1.2 understand alike, its keys in order."""
    return str(yaml.dump(record, Dumper=_Dumper, sort_keys=False, **style))


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and mark is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {one_line(error.problem, 200)}"
    return one_line(str(error), 200)


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Refuses a document that holds itself, or whose aliases, written out, are too much; looks at every node once."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}
    around: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_left = waiting.pop()
        if is_left:
            around.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in _children(node))
            depths[id(node)] = 1 + max((depths[id(child)] for child in _children(node)), default=0)
            if depths[id(node)] > _MOST_LEVELS:
                raise _error("it is nested too deeply", node)
            if sizes[id(node)] > MOST_YAML_NODES:
                raise _error("it holds too many values", node)
        elif id(node) in around:
            raise _error("an anchor holds itself", node)
        elif id(node) not in sizes:
            around.add(id(node))
            waiting += [(node, True), *((child, False) for child in _children(node))]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _error(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_TAG = "tag:yaml.org,2002:"
_CORE = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": ("<<", ["<"]),
}
"""Tag -> what is written so without quotes, and how that begins; ``<<`` is of version 1.1, and wanted."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the fast one where there is one
    """The core schema alone, and no key twice, of which YAML would silently keep the last."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors = {
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "str", "seq", "map")
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in found:
                    raise _error(f"the key '{shortened(key.value)}' stands twice", key)
                found.add(key.value)
        return dict(super().construct_mapping(node, deep))

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """A whole number: decimal, or octal and hexadecimal after 0o and 0x."""
        text = str(self.construct_scalar(node))
        if len(text) > _MOST_DIGITS:
            raise _error("a number has too many digits", node)
        return int(text[2:], {"0o": 8, "0x": 16}[text[:2]]) if text[:2] in ("0o", "0x") else int(text)

    def construct_number(self, node: yaml.ScalarNode) -> float:
        """A number with a point or an exponent, or one of ``.inf``, ``-.inf`` and ``.nan``."""
        text = str(self.construct_scalar(node)).lower()
        if text.endswith(".nan"):
            return math.nan
        return float(text.replace(".inf", "inf"))


class _Dumper(yaml.SafeDumper):
    """Puts into quotes whatever one of the versions would take for something else than text."""


for _name, (_written, _begins) in _CORE.items():
    _pattern = re.compile(rf"^(?:{_written})$")
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", _pattern, _begins)
    _Dumper.add_implicit_resolver(f"{_TAG}{_name}", _pattern, _begins)
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_whole)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_number)
