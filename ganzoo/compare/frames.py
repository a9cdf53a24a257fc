"""Comparison tables as tidy DataFrames, for the CSV files and for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import pandas as pd

from ganzoo.compare.tables import Table
from ganzoo.runs.tables import as_text

SUMMARY_COLUMNS = (
    "data", "protocol", "kind", "label", "metric", "direction", "mean", "min", "max", "n", "best", "discriminating",
    "rank_low", "rank_high", "ties", "pareto",
)  # fmt: skip
PAIR_COLUMNS = (
    "data", "protocol", "metric", "better", "worse", "difference", "n_better", "n_worse", "p", "p_holm", "smallest_p",
    "distinguishable", "more_seeds",
)  # fmt: skip


def to_csv(frame: pd.DataFrame) -> str:
    """A frame as the text of a CSV file in which no cell is a formula: names come from files that anybody may have written."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    return frame.assign(**{name: frame[name].map(as_text) for name in texts}).to_csv(index=False, lineterminator="\n")


def to_frame(tables: Iterable[Table]) -> pd.DataFrame:
    """All tables as one: a line per (table, row, metric) with mean, range and number of seeds, ranks, ties and front."""
    records = []
    for table in tables:
        rows = [*(("model", row) for row in table.models), *(("control", row) for row in table.controls)]
        for kind, row in rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                values, ranking = cell.values, table.statistics.rankings.get(column.metric)
                numbers = (fmean(values), min(values), max(values)) if values else (None, None, None)
                place = (table.group.data, table.group.protocol, kind, row.label, column.metric, column.info.direction)
                ranks = ranking.ranks.get(row.label, (None, None)) if ranking else (None, None)
                ties = ranking.ties.get(row.label) if ranking else None
                told = (cell.best, column.discriminating, *ranks, ties, row.on_front)
                records.append((*place, *numbers, len(values), *told))
    kinds = (
        dict.fromkeys(("mean", "min", "max"), "float64") | dict.fromkeys(("rank_low", "rank_high"), "Int64") | {"ties": "string"}
    )
    return pd.DataFrame(records, columns=list(SUMMARY_COLUMNS)).astype(kinds)


def pairs_frame(tables: Iterable[Table]) -> pd.DataFrame:
    """Every tested pair of rows: a line per (table, metric, pair); ``more_seeds`` is empty where none would tell, or need to."""
    records = [
        (
            table.group.data, table.group.protocol, ranking.metric, pair.better, pair.worse, pair.difference, *pair.seeds,
            pair.p, pair.p_holm, pair.smallest_p, pair.distinguishable, pair.more_seeds,
        )
        for table in tables
        for ranking in table.statistics.rankings.values()
        for pair in ranking.pairs
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(PAIR_COLUMNS)).astype({"more_seeds": "Int64"})
