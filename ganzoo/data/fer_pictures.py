"""FER2013 as pictures in class folders, ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``, unpacked or in zip or tar archives.

Class folders alone are read too, and split by pixel hash. Classes may bear any name that is known for their expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.data.archives import ARCHIVE_ERRORS, archives_in, contents, is_zip, members
from ganzoo.data.cache import files_digest
from ganzoo.data.decoding import BadItemError, decode_all, decode_grey, is_picture, read_file
from ganzoo.data.fer_sources import CSV_CLASSES, FACE_SIZE_PX, PART_OF_USAGE, Faces, FerSource, sizes_of, stack_faces
from ganzoo.data.naming import expression_of, files_below, is_machine_made, part_of, readable
from ganzoo.data.splitting import UNKNOWN_PART
from ganzoo.errors import GanzooError

_NOT_READ = "files that are no pictures in class folders"


@dataclass(frozen=True)
class _Picture:
    """One picture file; ``folder`` is that of its part, ``member`` its name inside the archive ``file``; either may be empty."""

    folder: str
    spelled_class: str
    file_name: str
    file: Path
    member: str = ""
    checksum: int = 0

    @property
    def name(self) -> str:
        return "/".join(filter(None, (self.folder, self.spelled_class, self.file_name)))

    @property
    def class_name(self) -> str:
        meant = expression_of(self.spelled_class)
        return meant if meant in CSV_CLASSES else self.spelled_class

    @property
    def official_part(self) -> str | None:
        """The part that the file name tells: ``PublicTest_123.jpg``."""
        return PART_OF_USAGE.get(self.file_name.split("_")[0].lower())

    @property
    def part(self) -> str:
        return self.official_part or part_of(self.folder) or UNKNOWN_PART


@dataclass(frozen=True)
class _Pictures:
    """Picture files in class folders, archived or not."""

    form: str
    pictures: Sequence[_Picture]
    archives: Sequence[Path] = ()
    bad_archives: Sequence[str] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def remarks(self) -> Sequence[str]:
        renamed = {picture.spelled_class: picture.class_name for picture in self.pictures}
        read = [f"'{spelled}' as '{name}'" for spelled, name in sorted(renamed.items()) if spelled != name]
        return [f"Class names are read as FER2013's: {', '.join(read)}."] if read else []

    def has_all(self, class_names: Sequence[str]) -> bool:
        here = {(part, picture.class_name) for picture in self.pictures for part in self._may_be_in(picture)}
        return all((in_train, class_name) in here for class_name in class_names for in_train in (True, False))

    def fingerprint(self, class_names: Sequence[str]) -> str:
        files = [(archive.name, archive) for archive in self.archives] or [
            (picture.name, picture.file) for picture in self._asked_for(class_names)
        ]
        return "\n".join([files_digest(files), *self._bad_at_sight()])

    def read(self, class_names: Sequence[str]) -> Faces:
        asked = self._asked_for(class_names)
        arrays, bad, changed = decode_all(_contents(asked), lambda data: decode_grey(data, FACE_SIZE_PX))
        good = [(picture, array) for picture, array in zip(asked, arrays, strict=True) if array is not None]
        return Faces(
            stack_faces([array for _, array in good]),
            [picture.class_name for picture, _ in good],
            [picture.part for picture, _ in good],
            [picture.name for picture, _ in good],
            [*self._bad_at_sight(), *bad],
            dict(changed),
        )

    def facts(self) -> dict[str, Any]:
        official = [picture.official_part is not None for picture in self.pictures]
        folders = "folders" if any(picture.folder for picture in self.pictures) else "no folders: split by pixel hash"
        told_by = "file names" if all(official) else f"file names, else {folders}" if any(official) else folders
        files = self.archives or sorted({picture.file for picture in self.pictures})
        sizes = {"files": sizes_of(self.archives)} if self.archives else {}
        return {
            "form": self.form,
            **sizes,
            "num_files": len(files),
            "total_bytes": sum(file.stat().st_size for file in files if file.exists()),
            "parts_told_by": told_by,
            "num_other_files_ignored": sum(self.left_out.values()),
        }

    @staticmethod
    def _may_be_in(picture: _Picture) -> tuple[bool, ...]:
        """Whether in train, whether held out: of unknown part, either."""
        return (True, False) if picture.part == UNKNOWN_PART else (picture.part == "train",)

    def _bad_at_sight(self) -> list[str]:
        strangers = [picture for picture in self.pictures if picture.class_name not in CSV_CLASSES]
        return [*self.bad_archives, *(f"{picture.name} has the unknown label '{picture.class_name}'" for picture in strangers)]

    def _asked_for(self, class_names: Sequence[str]) -> list[_Picture]:
        return [picture for picture in self.pictures if picture.class_name in class_names]


def find_folders(place: Path) -> FerSource | None:
    """Kaggle's folders directly in ``place``, or None."""
    return _find_below(place, [sub for sub in place.iterdir() if part_of(sub.name) and sub.is_dir()], "folders")


def find_class_folders(place: Path) -> FerSource | None:
    """Class folders alone, directly in ``place``, or None."""
    return _find_below(place, [sub for sub in place.iterdir() if expression_of(sub.name) and sub.is_dir()], "class folders")


def _find_below(place: Path, folders: Sequence[Path], form: str) -> FerSource | None:
    files = [path for folder in folders for path in files_below(folder)]
    found = [_picture(path.relative_to(place).parts, path) for path in files]
    pictures = [picture for picture in found if picture is not None]
    return _if_fer(_Pictures(form, _in_order(pictures), left_out=_counted(len(files) - len(pictures))))


def find_archived_folders(place: Path) -> FerSource | None:
    """The archives directly in ``place`` that hold Kaggle's folders, or class folders alone, taken together, or None.

    Raises:
        GanzooError: Two of them hold different pictures under one name.
    """
    archives: list[Path] = []
    pictures: dict[str, _Picture] = {}
    bad: list[str] = []
    others = 0
    for path in archives_in(place):
        try:
            inside = members(path)
        except ARCHIVE_ERRORS as error:
            bad.append(f"{path.name} is not a readable {'zip' if is_zip(path) else 'tar'} file ({error})")
            continue
        found = [_picture(member.parts, path, member.name, member.checksum) for member in inside]
        here = [picture for picture in found if picture is not None]
        if any(picture.folder for picture in here):
            here = [picture for picture in here if picture.folder]
        if not any(picture.class_name in CSV_CLASSES for picture in here):
            continue
        archives.append(path)
        others += len(inside) - len(here)
        for picture in here:
            twin = pictures.setdefault(picture.name, picture)
            if twin.checksum != picture.checksum:
                places = f"twice in {path.name}" if twin.file == path else f"in {twin.file.name} and in {path.name}"
                raise GanzooError(
                    f"{picture.name} stands {places} with different contents. Keep only one archive, or unpack the right one."
                )
    form = "zipped folders" if all(map(is_zip, archives)) else "archived folders"
    return _if_fer(_Pictures(form, _in_order(pictures.values()), archives, bad, _counted(others)))


def unknown_classes(place: Path) -> list[str]:
    """Names of folders that stand where classes stand in ``place`` and are no expression's, for messages."""
    tops = [sub for sub in place.iterdir() if part_of(sub.name) and sub.is_dir()]
    subfolders = [sub.name for top in tops for sub in top.iterdir() if sub.is_dir() and not is_machine_made(sub.name)]
    return sorted({name for name in subfolders if expression_of(name) not in CSV_CLASSES})


def _picture(parts: Sequence[str], file: Path, member: str = "", checksum: int = 0) -> _Picture | None:
    """The picture at a path, if it is one in a class folder; the part is told by the nearest folder above that names one."""
    *above, file_name = map(readable, parts)
    if not above or not is_picture(file_name) or any(map(is_machine_made, above)):
        return None
    *higher, class_name = (folder.lower() for folder in above)
    folder = next((folder for folder in reversed(higher) if part_of(folder)), "")
    if not folder and expression_of(class_name) not in CSV_CLASSES:
        return None
    return _Picture(folder, class_name, file_name, file, member, checksum)


def _counted(others: int) -> dict[str, int]:
    return {_NOT_READ: others} if others else {}


def _if_fer(pictures: _Pictures) -> _Pictures | None:
    # An archive that cannot be opened may well be the data: the loader then names it.
    is_fer = any(picture.class_name in CSV_CLASSES for picture in pictures.pictures)
    return pictures if is_fer or pictures.bad_archives else None


def _in_order(pictures: Iterable[_Picture]) -> list[_Picture]:
    return sorted(pictures, key=lambda picture: (picture.name, str(picture.file)))


def _contents(pictures: Sequence[_Picture]) -> Iterator[tuple[str, bytes | BadItemError]]:
    """Names and contents in the order of the pictures; an archive that is no zip is read once, from end to end."""
    names: dict[Path, list[str]] = {}
    for picture in pictures:
        if picture.member:
            names.setdefault(picture.file, []).append(picture.member)
    streams = {file: contents(file, inside) for file, inside in names.items() if is_zip(file)}
    whole = {file: dict(contents(file, inside)) for file, inside in names.items() if not is_zip(file)}
    for picture in pictures:
        if picture.file in streams:
            yield picture.name, next(streams[picture.file])[1]
        elif picture.member:
            yield picture.name, whole[picture.file][picture.member]
        else:
            try:
                yield picture.name, read_file(picture.file)
            except BadItemError as error:
                yield picture.name, error
