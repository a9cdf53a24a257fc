"""Shows comparison tables: in the terminal, as Markdown and as LaTeX."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ganzoo.compare.collect import Problem
from ganzoo.compare.costs import COST_HEADINGS, COST_LEGEND
from ganzoo.compare.remarks import FRONT
from ganzoo.compare.tables import NOT_DISCRIMINATING, Cell, Row, Table

_GAP = 3
"""Characters between two columns in the terminal."""
_SHORT_HEADING = 12
"""Characters of a heading that stays on one line."""
_SUPERSCRIPTS = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "–": "--", "·": r"$\cdot$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "†": r"$^\dagger$",
    "σ": r"$\sigma$", "\"": "''", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "±": r"$\pm$", FRONT: r"$\diamond$",
}  # fmt: skip


def show(console: Console, tables: Sequence[Table], problems: Sequence[Problem]) -> None:
    """Prints the tables with their costs, then what is not in them."""
    for table in tables:
        console.print(Text(table.title, style="bold"))
        left = _label_width(table, console) + len("  seeds  ")
        for start, stop in _blocks([_column_width(table, at) for at in range(len(table.columns))], console.width - left):
            console.print(_metric_block(table, start, stop, _label_width(table, console)))
        console.print(_notes(table))
        console.print(Text("Cost", style="bold"))
        left = _label_width(table, console) + 2
        shown = zip(COST_HEADINGS, *([amount.text for amount in row.cost] for row in table.models), strict=True)
        for start, stop in _blocks([max(map(len, texts)) for texts in shown], console.width - left):
            console.print(_cost_block(table, start, stop, _label_width(table, console)))
        console.print(Text(COST_LEGEND + "\n", style="dim"))
    if problems:
        console.print(_problem_block(problems))


def _label_width(table: Table, console: Console) -> int:
    """Long names are folded, so that numbers keep their place."""
    return min(max(len(_name(row)) for row in (*table.models, *table.controls)), max(12, console.width // 4))


def _name(row: Row) -> str:
    """The row's label, marked where it is on the Pareto front."""
    return f"{row.label} {FRONT}" if row.on_front else row.label


def _rank(cell: Cell) -> str:
    return f"rank {cell.rank}" if cell.rank else ""


def _blocks(widths: Sequence[int], room: int) -> Iterable[tuple[int, int]]:
    """Column ranges that fit, so that a narrow terminal gets several short tables and no broken numbers."""
    start = 0
    while start < len(widths):
        stop, used = start + 1, widths[start] + _GAP
        while stop < len(widths) and used + widths[stop] + _GAP <= room:
            used += widths[stop] + _GAP
            stop += 1
        yield start, stop
        start = stop


def _column_width(table: Table, at: int) -> int:
    cells = [row.cells[at] for row in (*table.models, *table.controls)]
    numbers = max(max(len(cell.text) + len(cell.mark), len(cell.spread), len(_rank(cell))) for cell in cells)
    return max(numbers, *map(len, _heading_lines(table, at, numbers)))


def _heading_lines(table: Table, at: int, numbers: int) -> list[str]:
    """A heading in several lines where it is wider than its numbers and than a short heading."""
    return textwrap.wrap(table.columns[at].heading, max(numbers, _SHORT_HEADING), break_long_words=False)


def _new_block(label_width: int) -> RichTable:
    shown = RichTable(box=box.HORIZONTALS, pad_edge=False, padding=(0, 1), header_style="bold")
    shown.add_column("recipe", overflow="fold", max_width=label_width, min_width=label_width)
    return shown


def _metric_block(table: Table, start: int, stop: int, label_width: int) -> RichTable:
    shown = _new_block(label_width)
    shown.add_column("seeds", justify="right")
    for at in range(start, stop):
        heading = "\n".join(_heading_lines(table, at, _column_width(table, at)))
        shown.add_column(Text(heading), justify="right", no_wrap=True)
    for row in table.models:
        shown.add_row(Text(_name(row)), str(row.seeds), *(_rich_cell(cell) for cell in row.cells[start:stop]))
    shown.add_section()
    for row in table.controls:
        cells = (Text(cell.text, style="dim") for cell in row.cells[start:stop])
        shown.add_row(Text(row.label, style="dim italic"), "", *cells)
    return shown


def _rich_cell(cell: Cell) -> Text:
    text = Text(cell.text, style="bold green" if cell.best else "")
    text.append(_raised(cell.mark), style="dim")
    for line in (cell.spread, _rank(cell)):
        if line:
            text.append("\n" + line, style="not bold dim")
    return text


def _raised(mark: str) -> str:
    return mark.translate(_SUPERSCRIPTS)


def _notes(table: Table) -> Text:
    lines = [*table.remarks, *(f"{_raised(mark)} {text}" for mark, text in table.footnotes)]
    return Text("\n".join(lines) + "\n", style="dim")


def _cost_block(table: Table, start: int, stop: int, label_width: int) -> RichTable:
    shown = _new_block(label_width)
    for heading in COST_HEADINGS[start:stop]:
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in table.models:
        shown.add_row(Text(row.label), *(Text(amount.text) for amount in row.cost[start:stop]))
    return shown


def _problem_block(problems: Sequence[Problem]) -> RichTable:
    shown = RichTable(box=box.HORIZONTALS, pad_edge=False, padding=(0, 1), header_style="bold", title="To look at")
    shown.title_justify, shown.title_style = "left", "bold"
    for heading in ("run", "status", "what"):
        shown.add_column(heading, overflow="fold")
    for problem in problems:
        shown.add_row(Text(problem.run), Text(problem.status, style="yellow"), Text(problem.message))
    return shown


def to_markdown(tables: Sequence[Table], problems: Sequence[Problem], figures: Sequence[tuple[str, str]] = ()) -> str:
    """All tables as a Markdown page.

    Args:
        tables: The tables.
        problems: Runs to look at.
        figures: (title, file name) of pictures beside the page.
    """
    parts = ["# Comparison"]
    for table in tables:
        parts += [f"## {_md(table.title)}", _metric_markdown(table)]
        notes = [*map(_md, table.remarks), *(f"<sup>{mark}</sup> {_md(text)}" for mark, text in table.footnotes)]
        parts.append("\n".join(f"* {note}" for note in notes))
        cost = [[_md(row.label), *(_md(amount.text) for amount in row.cost)] for row in table.models]
        parts += ["### Cost", _md_table(["recipe", *COST_HEADINGS], cost), f"{COST_LEGEND}."]
    if problems:
        rows = [[_md(problem.run), _md(problem.status), _md(problem.message)] for problem in problems]
        parts += ["## To look at", _md_table(["run", "status", "what"], rows, numbers=False)]
    parts += ["## Figures"] if figures else []
    parts += [f"![{_md(title)}]({file})" for title, file in figures]
    return "\n\n".join(parts) + "\n"


def _metric_markdown(table: Table) -> str:
    rows = [[_md(_name(row)), str(row.seeds), *(_md_cell(cell) for cell in row.cells)] for row in table.models]
    # Markdown has no rule between rows; an empty row stands in for it.
    rows += [[""] * (2 + len(table.columns))] if table.controls else []
    rows += [[f"*{_md(row.label)}*", "", *(cell.text for cell in row.cells)] for row in table.controls]
    return _md_table(["recipe", "seeds", *(_md(column.heading) for column in table.columns)], rows)


def _md_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    text += f"<sup>{cell.mark}</sup>" if cell.mark else ""
    more = "; ".join(part for part in (cell.spread, _rank(cell)) if part)
    return f"{text} ({_md(more)})" if more else text


def _md_table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    align = ["---", *(["---:" if numbers else "---"] * (len(heads) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, align, *rows])


def _md(text: str) -> str:
    """Escapes what Markdown or HTML would take for markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|#~$" else character for character in text)


def to_latex(tables: Sequence[Table]) -> str:
    """All tables as LaTeX ``table`` environments with booktabs rules."""
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    heads = ["recipe", "seeds", *(column.heading for column in table.columns)]
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_tex(table.title)}. {_tex(table.remarks[0])}}}"]
    lines += [rf"\begin{{tabular}}{{lr{'r' * len(table.columns)}}}", r"\toprule", _tex_line(map(_tex, heads)), r"\midrule"]
    for row in table.models:
        lines.append(_tex_line([_tex(_name(row)), str(row.seeds), *(_tex_cell(cell) for cell in row.cells)]))
        for below in ([cell.spread for cell in row.cells], [_rank(cell) for cell in row.cells]):
            if any(below):
                small = (rf"{{\scriptsize {_tex(text)}}}" if text else "" for text in below)
                lines.append(_tex_line(["", "", *small]))
    lines += [r"\midrule"] if table.controls else []
    lines += [_tex_line([rf"\emph{{{_tex(row.label)}}}", "", *(_tex(cell.text) for cell in row.cells)]) for row in table.controls]
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [*table.remarks[1:], *((mark, text) for mark, text in table.footnotes)]
    for note in notes:
        shown = _tex(note) if isinstance(note, str) else rf"{_tex_mark(note[0])} {_tex(note[1])}"
        lines.append(rf"\par {{\footnotesize {shown}}}")
    return "\n".join([*lines, r"\end{table}", ""])


def _tex_cell(cell: Cell) -> str:
    text = rf"\textbf{{{_tex(cell.text)}}}" if cell.best else _tex(cell.text)
    return text + (_tex_mark(cell.mark) if cell.mark else "")


def _tex_mark(mark: str) -> str:
    return _tex(mark) if mark == NOT_DISCRIMINATING else rf"\textsuperscript{{{mark}}}"


def _tex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex(text: str) -> str:
    """Escapes what LaTeX would take for a command, and replaces signs that plain fonts lack."""
    return "".join(_LATEX.get(character, character) for character in text)
