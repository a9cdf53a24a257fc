"""FER2013 (Goodfellow et al. 2013, "Challenges in Representation Learning", arXiv 1307.0414): 48 x 48 grey faces, 7 emotions.

``fer4``: the founding paper's four emotions, untouched. ``fer4-clean``: the same without exact duplicates, label conflicts,
blanks, and whatever is held out although it also stands in train. ``fer7``: all seven. ``ferplus4``, ``ferplus7``: the same
expressions by the votes of FER+ (see `ganzoo.data.fer_plus`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.base import SPLIT_NAMES, DataNotFoundError, DataOptions, Dataset, Split
from ganzoo.data.cache import CacheEntry, cache_key, cached, content_hash
from ganzoo.data.cleaning import clean
from ganzoo.data.csv_files import CsvFile
from ganzoo.data.decoding import refuse_bad_items
from ganzoo.data.fer_pictures import find_archived_folders, find_class_folders, find_folders
from ganzoo.data.fer_places import found_instead, places_in
from ganzoo.data.fer_plus import TABLE_NAME, PlusLabels, find_plus_table
from ganzoo.data.fer_sources import Faces, FerSource
from ganzoo.data.fer_table import FerTable, find_archived_csv, find_csv
from ganzoo.data.naming import missing_place
from ganzoo.data.pixels import resize_uint8
from ganzoo.data.splitting import complete_parts, pixel_digests, require_every_class
from ganzoo.errors import GanzooError
from ganzoo.registry import DATASETS
from ganzoo.surroundings import expanded

KAGGLE_NAME = "msambare/fer2013"
_FOUR = ("angry", "happy", "sad", "surprise")
_SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
CLASS_NAMES = {"fer4": _FOUR, "fer4-clean": _FOUR, "fer7": _SEVEN, "ferplus4": _FOUR, "ferplus7": _SEVEN}
_WITH_VOTES = ("ferplus4", "ferplus7")
# Training images of the whole FER2013 per class, before any cleaning.
FULL_TRAIN_COUNTS = {
    "angry": 3995,
    "disgust": 436,
    "fear": 4097,
    "happy": 7215,
    "neutral": 4965,
    "sad": 4830,
    "surprise": 3171,
}
# In the order in which they are preferred, if several hold every class asked for.
_FORMS: tuple[Callable[[Path], FerSource | None], ...] = (
    find_folders,
    find_archived_folders,
    find_csv,
    find_archived_csv,
)
# Part of the cache key: raise it when the same files decode to something else.
_DECODER_VERSION = "4"


@DATASETS.register("fer4")
@DATASETS.register("fer4-clean")
@DATASETS.register("fer7")
@DATASETS.register("ferplus4")
@DATASETS.register("ferplus7")
def load_fer(name: str, options: DataOptions) -> Dataset:
    """Loads FER2013 from any form it is found in.

    Args:
        name: ``fer4``, ``fer4-clean``, ``fer7``, ``ferplus4`` or ``ferplus7``.
        options: Where to look and what to do with bad items; ``image_size_px`` resizes (bilinear, anti-aliased).

    Raises:
        DataNotFoundError: Not found.
        GanzooError: Bad items without ``skip_bad``, or a class without images.
    """
    class_names = CLASS_NAMES[name]
    source, others, notes = _find(name, class_names, options)
    faces = _read(source, class_names, options)
    refuse_bad_items(faces.bad, skip_bad=options.skip_bad, dataset=name)
    parts, split_rule = complete_parts(faces.parts, pixel_digests(faces.images), faces.labels)
    splits = _splits(faces, parts, class_names)
    facts = {
        **source.facts(),
        "other_forms_present": [other.form for other in others],
        "split_rule": split_rule or "the source's own parts",
        "counts": _counts(splits, class_names),
        **({} if name in _WITH_VOTES else _expected_counts(splits, class_names)),
    }
    if name == "fer4-clean":
        splits, cleaning_facts = clean(splits)
        facts |= {"cleaning": cleaning_facts, "counts_after_cleaning": _counts(splits, class_names)}
    require_every_class(name, class_names, splits, faces.bad)
    if options.image_size_px is not None:
        splits = {part: _resized(split, options.image_size_px) for part, split in splits.items()}
    return Dataset(
        name=name,
        class_names=class_names,
        splits=splits,
        content_hash=content_hash(splits, class_names),
        judge_family="fer",
        skipped=tuple(faces.bad),
        facts=facts,
        changed=faces.changed,
        left_out=source.left_out,
        remarks=(*source.remarks, *([f"Split: {split_rule}."] if split_rule else []), *notes),
    )


def _find(name: str, class_names: Sequence[str], options: DataOptions) -> tuple[FerSource, list[FerSource], list[str]]:
    """The source to read, those that are present as well, and what else a user should know of what lies there."""
    root = _root(options, name)
    places = places_in(root) if root.is_dir() else []
    sources = _sources_in(places)
    complete = [source for source in sources if source.has_all(class_names)]
    if not complete and options.download:
        places = places_in(_download())
        sources = complete = _sources_in(places)
    if not sources:
        raise _not_found(name, root, places)
    table = next((table for place in places if (table := find_plus_table(place))), None)
    if name in _WITH_VOTES:
        tables = [source for source in sources if isinstance(source, FerTable)]
        if table is None or not tables:
            raise _votes_not_found(name, root, TABLE_NAME if table is None else "fer2013.csv")
        return tables[0].with_labels(PlusLabels(table)), [source for source in sources if source is not tables[0]], []
    # An incomplete source still tells more than "not found": the loader names the classes that it lacks.
    chosen = (complete or sources)[0]
    others = [source for source in sources if source is not chosen]
    return chosen, others, [_votes_are_there(table)] if table else []


def _votes_are_there(table: CsvFile) -> str:
    return f"{table.name} lies there too: FER+'s labels of the same faces, read by --data {' or '.join(_WITH_VOTES)}."


def _sources_in(places: Sequence[Path]) -> list[FerSource]:
    """All forms of FER2013 in some folders, most preferred first."""
    found = [find(place) for find in _FORMS for place in places]
    # Class folders alone are the last resort: beside another form they may be a part of it by a name that nobody knows.
    found = found if any(found) else [find_class_folders(place) for place in places]
    return [source for source in found if source is not None]


def _root(options: DataOptions, name: str) -> Path:
    from_environment = os.environ.get("GANZOO_DATA")
    if options.root is not None:
        root, origin = options.root, "--data-root"
    elif from_environment:
        root, origin = expanded(from_environment), "$GANZOO_DATA"
    else:
        return Path("data")
    if root.is_file():
        raise DataNotFoundError(f"{origin} {root} is a file; give the folder that holds it.")
    if not root.is_dir():
        raise DataNotFoundError(
            f"{origin} {root} does not exist; give a folder that holds FER2013 for {name}, or use --data synth4. "
            f"{missing_place(root)}."
        )
    return root


def _not_found(name: str, root: Path, places: Sequence[Path]) -> GanzooError:
    return DataNotFoundError(
        f"{name}: FER2013 is not in {root.absolute()} or its subfolders (looked for train/<class>/*.jpg, fer2013.csv and "
        "icml_face_data.csv, in zip and tar files too; the folder comes from --data-root, else $GANZOO_DATA, else ./data). "
        f"{found_instead(root, places)} Get it from Kaggle ({KAGGLE_NAME}) or with --download (needs pip install "
        "'ganzoo[download]'); --data synth4 needs no files at all."
    )


def _votes_not_found(name: str, root: Path, missing: str) -> GanzooError:
    return DataNotFoundError(
        f"{name}: {missing} is not in {root.absolute()} or its subfolders. It needs FER2013 as fer2013.csv, whose rows the votes "
        f"belong to (pictures in folders do not tell theirs), and {TABLE_NAME} from github.com/microsoft/FERPlus beside it. "
        f"{found_instead(root, places_in(root))}"
    )


def _download() -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise GanzooError(
            f"--download needs kagglehub: pip install 'ganzoo[download]', or get {KAGGLE_NAME} from Kaggle by hand."
        ) from error
    try:
        return Path(kagglehub.dataset_download(KAGGLE_NAME))
    except Exception as error:  # whatever the network, Kaggle or the user's credentials come up with
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GanzooError(
            f"Cannot download {KAGGLE_NAME} from Kaggle: {reason} Get it by hand and name its folder with --data-root."
        ) from error


def _read(source: FerSource, class_names: Sequence[str], options: DataOptions) -> Faces:
    def build() -> CacheEntry:
        faces = source.read(class_names)
        columns = {"labels": faces.labels, "parts": faces.parts, "names": faces.names, "bad": faces.bad}
        facts = {title: list(column) for title, column in columns.items()}
        return CacheEntry({"images": faces.images}, {**facts, "changed": dict(faces.changed)})

    key = cache_key("fer", _DECODER_VERSION, source.form, *class_names, source.fingerprint(class_names)) if options.cache else ""
    entry = cached(key, build, enabled=options.cache)
    return Faces(entry.tensors["images"], **entry.facts)


def _splits(faces: Faces, parts: Sequence[str], class_names: Sequence[str]) -> dict[str, Split]:
    """Parts with their images ordered by class, and within a class as the source has them (by name or row)."""
    labels = torch.tensor([class_names.index(label) for label in faces.labels], dtype=torch.int64)
    splits = {}
    for part in SPLIT_NAMES:
        members = torch.tensor([index for index, own in enumerate(parts) if own == part], dtype=torch.int64)
        members = members[torch.argsort(labels[members], stable=True)]
        names = tuple(faces.names[index] for index in members.tolist())
        splits[part] = Split(faces.images[members], labels[members], names)
    return splits


def _resized(split: Split, size_px: int) -> Split:
    return Split(resize_uint8(split.images, size_px), split.labels, split.names)


def _counts(splits: dict[str, Split], class_names: Sequence[str]) -> dict[str, list[int]]:
    return {part: split.class_counts(len(class_names)) for part, split in splits.items()}


def _expected_counts(splits: dict[str, Split], class_names: Sequence[str]) -> dict[str, Any]:
    expected = [FULL_TRAIN_COUNTS[class_name] for class_name in class_names]
    return {"expected_train_counts": expected, "train_counts_match": _counts(splits, class_names)["train"] == expected}
