"""The comparison as one HTML file that needs nothing else: no network, no other file, scripts or not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ganzoo import __version__
from ganzoo.compare.collect import Collection
from ganzoo.compare.costs import COST_HEADINGS, COST_LEGEND
from ganzoo.compare.groups import plain
from ganzoo.compare.report.content import DETAILED, ROWS_AT_ONCE, build_section
from ganzoo.compare.tables import NOT_DISCRIMINATING, Table
from ganzoo.errors import GanzooError
from ganzoo.runs.writing import write_atomically

HERE = Path(__file__).parent


def write_report(path: Path, collection: Collection, tables: Sequence[Table]) -> None:
    """Writes the page, atomically.

    Args:
        path: Where to; its folder is made if need be.
        collection: What was found under the results.
        tables: The comparison's tables.

    Raises:
        GanzooError: ``path`` cannot be written.
    """
    page = render(collection, tables).encode()
    try:
        write_atomically(path, lambda file: file.write_bytes(page))
    except OSError as error:
        raise GanzooError(
            f"Cannot write the page to {path}: {error.strerror or error}. Name another file with --html."
        ) from error


def render(collection: Collection, tables: Sequence[Table]) -> str:
    """The page. Every text of a run is escaped; the page's own policy forbids it any network, frame or foreign script."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        results=plain(collection.results.as_posix()),
        version=__version__,
        last_scored=max((run.metrics.scored for table in tables for run in table.group.runs), default=""),
        sections=[build_section(collection, table, 1 / len(tables)) for table in tables],
        problems=collection.problems,
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        cost_headings=COST_HEADINGS,
        cost_legend=COST_LEGEND,
        mark_not_discriminating=NOT_DISCRIMINATING,
        rows_at_once=ROWS_AT_ONCE,
        detailed=DETAILED,
    )


def _hash(text: str) -> str:
    """How a content security policy names the one inline style or script that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
