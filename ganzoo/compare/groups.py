"""Which runs may stand in one table, and what its rows are called."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import yaml

from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import Confusion, MetricInfo, MetricsFile, RunInfo

SHORT = 8
"""Characters of a fingerprint that are shown."""
METRIC_ORDER = (
    "fid", "fd_judge", "intra_fd_judge", "acc", "l1_cycle", "l1_self", "l1_edit", "l1_paired", "diversity",
    "fid_infinity", "kid", "fd_judge_infinity", "kd_judge", "fd_dinov2", "precision", "recall", "density", "coverage",
)  # fmt: skip


@dataclass(frozen=True)
class ScoredRun:
    """One run with its scores.

    Attributes:
        folder: Where it lies.
        info: Its ``run.json``.
        metrics: Its ``metrics.json``; values that are not finite have become None with a reason.
        origin: ``results``, or ``reference`` for a committed reference run.
        label: Name of the table row it belongs to; the seeds of one experiment share it.
    """

    folder: RunFolder
    info: RunInfo
    metrics: MetricsFile
    origin: str = "results"
    label: str = ""

    @property
    def may_rank(self) -> bool:
        """Runs that ended as meant (also by a time limit) rank; the scores of others describe a state nobody chose."""
        return self.info.status in ("finished", "stopped")


@dataclass(frozen=True)
class Group:
    """Runs that may be ranked together: the same images and the same protocol.

    Attributes:
        data: Data set name.
        content_hash: SHA-256 of its content.
        protocol: Fingerprint of the protocol.
        runs: The runs, ordered by label and seed.
        slug: A file name for this group, unique among the groups.
        differences: Against the data set's first group: protocol field -> (value there, value here); empty for the first.
    """

    data: str
    content_hash: str
    protocol: str
    runs: tuple[ScoredRun, ...]
    slug: str
    differences: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Row names, in order."""
        return list(dict.fromkeys(run.label for run in self.runs))

    def of(self, label: str) -> list[ScoredRun]:
        """The runs (seeds) of one row."""
        return [run for run in self.runs if run.label == label]

    def confusion(self, label: str) -> Confusion | None:
        """Target × predicted of one row, counts added over its seeds; None where no seed has it."""
        each = [run.metrics.confusion for run in self.of(label) if run.metrics.confusion]
        if not each:
            return None
        names = each[0].class_names
        same = [one.counts for one in each if one.class_names == names]
        counts = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*same, strict=True)]
        return Confusion.model_construct(class_names=[plain(name) for name in names], counts=counts)  # Sums, known to be square.

    @property
    def metric_info(self) -> dict[str, MetricInfo]:
        """Every metric that a run of the group has, in the order of the columns."""
        found: dict[str, MetricInfo] = {}
        for run in self.runs:
            for name in run.metrics.metrics:
                found.setdefault(name, run.metrics.info.get(name) or MetricInfo(label=name, direction="none", ranked=False))
        return dict(sorted(found.items(), key=lambda item: column_place(item[0])))


def group_runs(runs: Iterable[ScoredRun]) -> tuple[Group, ...]:
    """Sorts runs into rankable groups; within a data set, the group with the most runs comes first."""
    by_key: dict[tuple[str, str, str], list[ScoredRun]] = defaultdict(list)
    for run in runs:
        by_key[(plain(run.info.data.name), run.info.data.content_hash, run.metrics.fingerprint)].append(run)
    groups: list[Group] = []
    first_of: dict[str, ScoredRun] = {}
    taken: set[str] = set()
    for (data, content, protocol), members in sorted(by_key.items(), key=lambda item: (item[0][0], -len(item[1]), item[0])):
        differences = _differences(first_of[data], members[0]) if data in first_of else {}
        first_of.setdefault(data, members[0])
        slug = _unique_slug(data, f"{content}_{protocol}", taken)
        groups.append(Group(data, content, protocol, _labelled(members), slug, differences))
    return tuple(groups)


def column_place(metric: str) -> tuple[int, str]:
    """Sort key of a metric: the known ones in their usual order, then the others by name."""
    return (METRIC_ORDER.index(metric) if metric in METRIC_ORDER else len(METRIC_ORDER), metric)


def plain(text: object) -> str:
    """Text of a foreign file on one line, without characters that steer a terminal."""
    return "".join(character for character in " ".join(str(text).split()) if character.isprintable())


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether a metric has a finite value."""
    return value is not None and math.isfinite(value)


def recipe_differences(there: ScoredRun, here: ScoredRun) -> list[str]:
    """Settings of the recipe, without its length, in which two runs differ; none where a run kept no settings."""
    old, new = _settings(there), _settings(here)
    fields = [name for name in dict.fromkeys([*old, *new]) if old and new and old.get(name) != new.get(name)]
    return [f"{name} {_shown(old.get(name, 'absent'))} there, {_shown(new.get(name, 'absent'))} here" for name in fields]


class _TreeLoader(yaml.SafeLoader):
    """Takes no aliases, which ganzoo writes none of: a page of them stands for more settings than there is memory for."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def _settings(run: ScoredRun) -> dict[str, Any]:
    """Settings of a run's recipe as dotted names, without its length and words; empty where the run kept none."""
    try:
        kept = yaml.load(read_bytes(run.folder.config), _TreeLoader)
        flat = _flat(kept["recipe"]) if isinstance(kept, dict) and isinstance(kept.get("recipe"), dict) else {}
    except (GanzooError, yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return {}  # PyYAML raises all of these.
    return {name: value for name, value in flat.items() if name.rpartition(".")[2] not in ("epochs", "images", "description")}


def _unique_slug(data: str, tail: str, taken: set[str]) -> str:
    name = "".join(character if character.isalnum() or character in "-_" else "_" for character in data).strip("_") or "data"
    choices = [name, *(f"{name}_{part[:SHORT]}" for part in reversed(tail.split("_")))]
    slug = next((choice for choice in choices if choice not in taken), f"{name}_{len(taken)}")
    taken.add(slug)
    return slug


def _labelled(runs: Sequence[ScoredRun]) -> tuple[ScoredRun, ...]:
    """Names the rows of one group: the recipe, and in brackets whatever else is needed to tell two experiments apart."""
    fingerprints: dict[str, set[str]] = defaultdict(set)
    lengths: dict[tuple[str, str], set[float]] = defaultdict(set)
    for run in runs:
        fingerprints[run.info.recipe].add(run.info.fingerprint)
        if run.info.status == "finished":
            lengths[(run.info.recipe, run.info.fingerprint)].add(round(run.info.progress.epochs, 2))
    labelled = []
    for run in runs:
        info, more = run.info, []
        if len(fingerprints[info.recipe]) > 1:
            more.append(plain(info.fingerprint)[:SHORT])
        # The fingerprint leaves out the length of training, so seeds of different length would otherwise be averaged.
        if info.status == "finished" and len(lengths[(info.recipe, info.fingerprint)]) > 1:
            more.append(f"{round(info.progress.epochs, 2):g} epochs")
        more += [f"best {plain(info.selected.metric)} on val"] if info.selected else []
        more += [run.origin] if run.origin != "results" else []
        more += [info.status] if info.status != "finished" else []
        label = (plain(info.recipe) or "unnamed") + (f" ({', '.join(more)})" if more else "")
        labelled.append(replace(run, label=label))
    return tuple(sorted(labelled, key=lambda run: (run.label, run.info.seed)))


def _differences(there: ScoredRun, here: ScoredRun) -> dict[str, tuple[str, str]]:
    """Protocol fields (and the data) in which two runs differ, as readable values."""
    left, right = _flat(there.metrics.protocol), _flat(here.metrics.protocol)
    if there.info.data.content_hash != here.info.data.content_hash:
        left["data.content_hash"], right["data.content_hash"] = there.info.data.content_hash, here.info.data.content_hash
    fields = [name for name in dict.fromkeys([*left, *right]) if left.get(name) != right.get(name)]
    # A canary follows from what differs otherwise; it is for what nothing else tells.
    fields = [name for name in fields if not name.endswith(".canary")] or fields
    found = {name: (_shown(left.get(name, "absent")), _shown(right.get(name, "absent"))) for name in fields}
    return found or {"fingerprint": (_shown(there.metrics.fingerprint), _shown(here.metrics.fingerprint))}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names; lists of plain values stay whole."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value:
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{name}.{key}" if name else str(key))
    return flat


def _shown(value: Any) -> str:
    text = plain(value)
    is_hash = len(text) >= 32 and all(character in "0123456789abcdef" for character in text)
    return text[:SHORT] if is_hash else text if len(text) <= 60 else text[:57] + "..."
