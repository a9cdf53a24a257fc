"""Keeps decoded data on disk under a key made of the content it came from.

A key never goes stale, because it is a hash of the source's bytes; a damaged file is rebuilt; and where nothing can be
written the data is simply built again next time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, Split
from ganzoo.runs.writing import write_atomically
from ganzoo.surroundings import expanded

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class CacheEntry:
    """What is kept under one key.

    Attributes:
        tensors: Name -> tensor, on the CPU.
        facts: Plain JSON: strings, numbers, booleans, None, lists and dicts of them.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)


def cache_folder() -> Path:
    """``$GANZOO_CACHE``, else ``$XDG_CACHE_HOME/ganzoo``, else ``~/.cache/ganzoo``."""
    if own := os.environ.get("GANZOO_CACHE"):
        return expanded(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return expanded(shared) / "ganzoo"
    return expanded("~/.cache/ganzoo")


def cache_key(kind: str, *parts: str) -> str:
    """A key, usable as a file name: the kind of data, readable, and a hash of everything it depends on."""
    return f"{kind}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"


def cached(key: str, build: Callable[[], CacheEntry], *, enabled: bool = True) -> CacheEntry:
    """Returns what is kept under ``key``, building and keeping it if there is nothing.

    Args:
        key: Made with `cache_key` from the content that ``build`` reads, so that it can never be stale.
        build: Makes the entry.
        enabled: False builds, and neither reads nor writes the disk.
    """
    if not enabled:
        return build()
    path = cache_folder() / f"{key}.safetensors"
    entry = _read(path)
    if entry is None:
        entry = build()
        _write(path, entry)
    return entry


def _read(path: Path) -> CacheEntry | None:
    # Absent, cut short, or written by something else: all mean that it has to be built (again).
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return CacheEntry({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _write(path: Path, entry: CacheEntry) -> None:
    # The cache is a convenience: a full disk or a read-only home must not stop anybody from training.
    tensors = {name: tensor.contiguous() for name, tensor in entry.tensors.items()}
    with suppress(OSError, SafetensorError):
        write_atomically(path, lambda file: save_file(tensors, file, metadata={"facts": json.dumps(entry.facts)}))


def files_digest(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 (hex) over names and contents of files, in the order given; unreadable ones count as such."""
    digest = hashlib.sha256()
    for name, path in files:
        content = hashlib.sha256()
        try:
            if path.exists() and not path.is_file():
                raise OSError(f"{path} is no plain file")
            with path.open("rb") as file:
                while block := file.read(_READ_BYTES):
                    content.update(block)
            digest.update(f"{name}\n{content.hexdigest()}\n".encode(errors="surrogateescape"))
        except OSError:
            digest.update(f"{name}\nunreadable\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def tensor_digest(*tensors: Tensor) -> str:
    """SHA-256 (hex) over the shape and the bytes of each tensor, in the order given."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(repr(tuple(tensor.shape)).encode())
        hashed.update(tensor.contiguous().cpu().numpy().data)
    return hashed.hexdigest()


def content_hash(splits: Mapping[str, Split], class_names: Sequence[str]) -> str:
    """SHA-256 (hex) over class names and every part's pixels (with their shape) and labels: `Dataset.content_hash`."""
    digest = hashlib.sha256(json.dumps(list(class_names)).encode())
    for part in SPLIT_NAMES:
        split = splits[part]
        digest.update(json.dumps([part, list(split.images.shape)]).encode())
        digest.update(split.images.contiguous().numpy().data)
        digest.update(split.labels.contiguous().numpy().data)
    return digest.hexdigest()
