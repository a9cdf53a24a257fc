"""FER2013 as pictures in class folders, ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``, unpacked or in zip files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.data.cache import files_digest
from ganzoo.data.decoding import BadItemError, decode_all, decode_grey, is_picture, read_file
from ganzoo.data.fer_sources import CSV_CLASSES, FACE_SIZE_PX, PART_OF_USAGE, Faces, FerSource, sizes_of, stack_faces, zip_files
from ganzoo.errors import GanzooError

_PART_OF_FOLDER = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class _Picture:
    """One picture file; ``member`` is its name inside the zip ``file``, or empty."""

    folder: str
    class_name: str
    file_name: str
    file: Path
    member: str = ""
    checksum: int = 0

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.class_name}/{self.file_name}"

    @property
    def official_part(self) -> str | None:
        """The part that the file name tells: ``PublicTest_123.jpg``."""
        return PART_OF_USAGE.get(self.file_name.split("_")[0].lower())

    @property
    def part(self) -> str:
        return self.official_part or _PART_OF_FOLDER[self.folder]


@dataclass(frozen=True)
class _Pictures:
    """Picture files in class folders, zipped or not."""

    form: str
    pictures: Sequence[_Picture]
    archives: Sequence[Path] = ()
    bad_archives: Sequence[str] = ()
    num_other_files: int = 0

    def has_all(self, class_names: Sequence[str]) -> bool:
        here = {(picture.part == "train", picture.class_name) for picture in self.pictures}
        return all((in_train, class_name) in here for class_name in class_names for in_train in (True, False))

    def fingerprint(self, class_names: Sequence[str]) -> str:
        files = [(archive.name, archive) for archive in self.archives] or [
            (picture.name, picture.file) for picture in self._asked_for(class_names)
        ]
        return "\n".join([files_digest(files), *self._bad_at_sight()])

    def read(self, class_names: Sequence[str]) -> Faces:
        asked = self._asked_for(class_names)
        arrays, bad = decode_all(_contents(asked), lambda data: decode_grey(data, FACE_SIZE_PX))
        good = [(picture, array) for picture, array in zip(asked, arrays, strict=True) if array is not None]
        return Faces(
            stack_faces([array for _, array in good]),
            [picture.class_name for picture, _ in good],
            [picture.part for picture, _ in good],
            [picture.name for picture, _ in good],
            [*self._bad_at_sight(), *bad],
        )

    def facts(self) -> dict[str, Any]:
        official = [picture.official_part is not None for picture in self.pictures]
        told_by = "file names" if all(official) else "file names, else folders" if any(official) else "folders"
        files = self.archives or sorted({picture.file for picture in self.pictures})
        sizes = {"files": sizes_of(self.archives)} if self.archives else {}
        return {
            "form": self.form,
            **sizes,
            "num_files": len(files),
            "total_bytes": sum(file.stat().st_size for file in files if file.exists()),
            "parts_told_by": told_by,
            "num_other_files_ignored": self.num_other_files,
        }

    def _bad_at_sight(self) -> list[str]:
        strangers = [picture for picture in self.pictures if picture.class_name not in CSV_CLASSES]
        return [*self.bad_archives, *(f"{picture.name} has the unknown label '{picture.class_name}'" for picture in strangers)]

    def _asked_for(self, class_names: Sequence[str]) -> list[_Picture]:
        return [picture for picture in self.pictures if picture.class_name in class_names]


def find_folders(place: Path) -> FerSource | None:
    """Kaggle's folders directly in ``place``, or None."""
    folders = [folder for folder in place.iterdir() if folder.name.lower() in _PART_OF_FOLDER and folder.is_dir()]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    pictures = [
        _Picture(path.parent.parent.name.lower(), path.parent.name.lower(), path.name, path)
        for path in files
        if is_picture(path.name) and path.parent.parent in folders
    ]
    return _if_fer(_Pictures("folders", _in_order(pictures), num_other_files=len(files) - len(pictures)))


def find_zipped_folders(place: Path) -> FerSource | None:
    """The zip files directly in ``place`` that hold Kaggle's folders, taken together, or None.

    Raises:
        GanzooError: Two of them hold different pictures under one name.
    """
    archives: list[Path] = []
    pictures: dict[str, _Picture] = {}
    bad: list[str] = []
    others = 0
    for path in zip_files(place):
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info for info in archive.infolist() if not info.is_dir()]
        except (OSError, zipfile.BadZipFile):
            bad.append(f"{path.name} is not a readable zip file")
            continue
        here = [picture for info in members if (picture := _zipped_picture(path, info)) is not None]
        if not any(picture.class_name in CSV_CLASSES for picture in here):
            continue
        archives.append(path)
        others += len(members) - len(here)
        for picture in here:
            twin = pictures.setdefault(picture.name, picture)
            if twin.checksum != picture.checksum:
                raise GanzooError(
                    f"{picture.name} stands in {twin.file.name} and in {path.name} with different contents. "
                    "Keep only one of the two zip files, or unpack the right one."
                )
    return _if_fer(_Pictures("zipped folders", _in_order(pictures.values()), archives, bad, others))


def _zipped_picture(path: Path, info: zipfile.ZipInfo) -> _Picture | None:
    *above, file_name = info.filename.split("/")
    if len(above) < 2 or "__MACOSX" in above or not is_picture(file_name):
        return None
    folder, class_name = above[-2].lower(), above[-1].lower()
    return _Picture(folder, class_name, file_name, path, info.filename, info.CRC) if folder in _PART_OF_FOLDER else None


def _if_fer(pictures: _Pictures) -> _Pictures | None:
    # A zip file that cannot be opened may well be the data: the loader then names it.
    is_fer = any(picture.class_name in CSV_CLASSES for picture in pictures.pictures)
    return pictures if is_fer or pictures.bad_archives else None


def _in_order(pictures: Iterable[_Picture]) -> list[_Picture]:
    return sorted(pictures, key=lambda picture: (picture.name, str(picture.file)))


def _contents(pictures: Sequence[_Picture]) -> Iterator[tuple[str, bytes | BadItemError]]:
    archives: dict[Path, zipfile.ZipFile] = {}
    try:
        for picture in pictures:
            try:
                if not picture.member:
                    yield picture.name, read_file(picture.file)
                    continue
                if picture.file not in archives:
                    archives[picture.file] = zipfile.ZipFile(picture.file)
                yield picture.name, archives[picture.file].read(picture.member)
            except BadItemError as error:
                yield picture.name, error
            except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
                yield picture.name, BadItemError(f"cannot be read from {picture.file.name} ({error})")
    finally:
        for archive in archives.values():
            archive.close()
