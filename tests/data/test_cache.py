from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganzoo.data.base import Split
from ganzoo.data.cache import CacheEntry, cache_folder, cache_key, cached, content_hash, files_digest, tensor_digest


class Builder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> CacheEntry:
        self.calls += 1
        return CacheEntry({"pixels": torch.arange(6, dtype=torch.uint8).reshape(2, 3).T}, {"names": ["é", None, 1.5]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_time_nothing_is_built(folder: Path) -> None:
    build = Builder()
    first, second = cached("faces-1", build), cached("faces-1", build)
    assert build.calls == 1
    assert torch.equal(first.tensors["pixels"], second.tensors["pixels"])
    assert second.facts == {"names": ["é", None, 1.5]}
    assert [path.name for path in folder.iterdir()] == ["faces-1.safetensors"]


def test_another_key_is_another_entry(folder: Path) -> None:
    build = Builder()
    cached(cache_key("faces", "1"), build)
    cached(cache_key("faces", "2"), build)
    assert build.calls == 2
    assert cache_key("faces", "a", "bc") != cache_key("faces", "ab", "c")


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "folder"])
def test_a_broken_file_is_rebuilt(folder: Path, damage: str) -> None:
    build = Builder()
    cached("faces-1", build)
    path = folder / "faces-1.safetensors"
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": content[:-3], "garbage": b"\xff" * 50, "empty": b""}[damage])
    assert cached("faces-1", build).facts["names"][0] == "é"
    assert build.calls == 2
    assert not list(folder.glob(".*"))
    if damage != "folder":
        assert path.read_bytes() == content


def test_disabled_touches_no_disk(folder: Path) -> None:
    build = Builder()
    cached("faces-1", build, enabled=False)
    assert build.calls == 1 and not folder.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "file" / "cache"))
    build = Builder()
    cached("faces-1", build)
    cached("faces-1", build)
    assert build.calls == 2


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("GANZOO_CACHE")
    assert cache_folder() == Path("/b/ganzoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder() == Path("/c/.cache/ganzoo")


def test_files_digest_sees_names_contents_and_absence(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"1")
    digests = {files_digest([("x", path)]), files_digest([("y", path)]), files_digest([("x", tmp_path / "absent")])}
    path.write_bytes(b"2")
    digests.add(files_digest([("x", path)]))
    assert len(digests) == 4


def test_content_hash_sees_pixels_labels_classes_and_parts() -> None:
    def splits(value: int = 0, label: int = 0) -> dict[str, Split]:
        empty = Split(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
        one = Split(torch.full((1, 1, 2, 2), value, dtype=torch.uint8), torch.tensor([label]))
        return {"train": one, "val": empty, "test": empty}

    moved = splits()
    moved["train"], moved["val"] = moved["val"], moved["train"]
    hashes = [
        content_hash(splits(), ["a", "b"]),
        content_hash(splits(value=1), ["a", "b"]),
        content_hash(splits(label=1), ["a", "b"]),
        content_hash(splits(), ["a", "c"]),
        content_hash(moved, ["a", "b"]),
    ]
    assert len(set(hashes)) == 5
    assert content_hash(splits(), ("a", "b")) == hashes[0]


def test_digest_tells_bytes_and_shapes_apart() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert tensor_digest(images) == tensor_digest(images.clone())
    assert len({tensor_digest(images), tensor_digest(images + 1), tensor_digest(images.view(2, 1, 2, 8))}) == 3
