"""Scores that are not to be believed, because other metrics of the same runs say what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isclose
from statistics import fmean

from ganzoo.compare.groups import Group, is_number, plain
from ganzoo.runs.schema import MetricInfo


def doubts(group: Group, label: str, floors: Mapping[str, float], controls: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Metric -> why its value in a row is in doubt, in words.

    Four things are told, each by a control. A row that scores in every headline exactly what a control scores does what that
    control does: it copies its sources, or knows the answers. The others go by the control that the metric itself must beat. A
    value that would not beat it under a disturbance that another metric measures
    (:attr:`~ganzoo.runs.schema.MetricInfo.takes_from`): a cycle that comes back because the source is hidden in the picture. And
    an aspect whose headline is good while another metric of it, which the tables need not show, is not clearly better than its
    control (by the worse end of its interval, where a run has one): faces that come back, but are somebody else's in between. The
    same is told of faces that change by as much as a control that shows somebody else does
    (:attr:`~ganzoo.runs.schema.MetricInfo.stays_below`), which takes no network.

    Args:
        group: Runs that may be ranked together.
        label: The row.
        floors: Metric -> what the control scores that a working model must beat.
        controls: Control -> metric -> what it scores.
    """
    infos = group.metric_info
    means = {metric: mean for metric in infos if (mean := _mean(group, label, metric)) is not None}
    good = [metric for metric, floor in floors.items() if metric in means and infos[metric].is_better(means[metric], floor)]
    poor = [metric for metric, floor in floors.items() if metric in means and not clearly_beats(group, label, metric, floor)]
    alike = [f"every headline score is exactly the control {plain(name)}'s" for name in _same_as(infos, means, controls)]
    return {
        metric: "; ".join(reasons)
        for metric in good
        if infos[metric].headline
        if (
            reasons := [
                *alike,
                *_disturbed(metric, infos, means, floors),
                *_contradicted(metric, infos, means, floors, poor),
                *_out_of_bounds(metric, infos, means, controls),
            ]
        )
    }


def clearly_beats(group: Group, label: str, metric: str, floor: float) -> bool:
    """Whether the worse ends of the runs' intervals, or the values of runs without one, beat the control on average."""
    info = group.metric_info[metric]
    worse_end = 0 if info.direction == "higher" else 1
    ends = []
    for run in group.of(label):
        interval, value = run.metrics.intervals.get(metric), run.metrics.metrics.get(metric)
        ends += [interval[worse_end]] if interval else [value] if is_number(value) else []
    return info.is_better(fmean(ends), floor)


def _same_as(
    infos: Mapping[str, MetricInfo], means: Mapping[str, float], controls: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    """Controls whose headline scores the row has, to the last digit."""
    for name, scores in controls.items():
        shared = [metric for metric, info in infos.items() if info.headline and metric in means and metric in scores]
        if len(shared) > 1 and all(isclose(means[metric], scores[metric], rel_tol=1e-9) for metric in shared):
            yield name


def _disturbed(
    metric: str, infos: Mapping[str, MetricInfo], means: Mapping[str, float], floors: Mapping[str, float]
) -> Iterator[str]:
    for other, info in infos.items():
        if info.takes_from == metric and other in means:
            left = means[metric] + means[other]
            if not infos[metric].is_better(left, floors[metric]):
                control = plain(infos[metric].beats or "")
                yield (
                    f"the source is hidden in the picture: with what {plain(info.label)} takes from it, it is {left:.3f}, "
                    f"no better than {control} ({floors[metric]:.3f})"
                )


def _contradicted(
    metric: str, infos: Mapping[str, MetricInfo], means: Mapping[str, float], floors: Mapping[str, float], poor: Iterable[str]
) -> Iterator[str]:
    for other in poor:
        if not infos[other].headline and infos[other].aspect == infos[metric].aspect != "":
            name, control = plain(infos[other].label), plain(infos[other].beats or "")
            yield f"{name} is {means[other]:.3f}, not clearly better than {control} ({floors[other]:.3f})"


def _out_of_bounds(
    metric: str, infos: Mapping[str, MetricInfo], means: Mapping[str, float], controls: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    for other, info in infos.items():
        limit = controls.get(info.stays_below or "", {}).get(other)
        if limit is not None and info.aspect == infos[metric].aspect and means.get(other, 0.0) >= limit:
            yield f"{plain(info.label)} is {means[other]:.3f}, no less than that of {plain(info.stays_below or '')} ({limit:.3f})"


def _mean(group: Group, label: str, metric: str) -> float | None:
    values = [value for run in group.of(label) if is_number(value := run.metrics.metrics.get(metric))]
    return fmean(values) if values else None
