"""What ``ganzoo list``, ``ganzoo show`` and ``ganzoo data check`` print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganzoo import catalogue
from ganzoo.errors import GanzooError
from ganzoo.reading import yaml_text
from ganzoo.registry import DATASETS, DISCRIMINATORS, GENERATORS, LOSSES, METRICS, Registry, load_plugin_file

if TYPE_CHECKING:
    from ganzoo.data.audit import AuditReport
    from ganzoo.data.pixels import Fit

_REGISTRIES: dict[str, Registry[Any]] = {
    "generators": GENERATORS,
    "discriminators": DISCRIMINATORS,
    "losses": LOSSES,
    "datasets": DATASETS,
    "metrics": METRICS,
}


def print_parts(kind: str | None, plugins: Sequence[Path]) -> None:
    """Prints the names of one kind of part, or of all, with where they come from."""
    for plugin in plugins:
        load_plugin_file(plugin)
    console = Console(highlight=False)
    for name in [kind] if kind else [*_REGISTRIES, "recipes"]:
        console.print(f"[bold]{name}[/bold]")
        if kind == "recipes":
            _print_recipes(console)
            continue
        if name == "recipes":
            entries = [(recipe, "") for recipe in catalogue.list_recipes()]
        else:
            registry = _REGISTRIES[name]
            entries = [(part, registry.origin(part)) for part in registry.names()]
        for part, origin in entries:
            console.print(f"  {part}" + (f"  ({origin})" if origin not in ("", "ganzoo") else ""), markup=False)


def _print_recipes(console: Console) -> None:
    """Each shipped recipe with the beginning of its description."""
    from ganzoo.config import load_recipe

    names = catalogue.list_recipes()
    width = max(map(len, names)) + 2
    for name in names:
        try:
            description = " ".join(load_recipe(name).description.split())
        except GanzooError as error:  # Of a package that is installed beside ganzoo.
            description = f"broken: {error}"
        console.print(f"  {name:<{width}}{description}", markup=False, no_wrap=True, overflow="ellipsis")


def print_recipe(
    name: str,
    data: str,
    preset: str | None,
    changes: Sequence[str],
    images: tuple[int, int, int | None],
    plugins: Sequence[Path],
) -> None:
    """Prints a resolved recipe and what its networks cost on images of a dataset's kind; all of it is a recipe file."""
    from ganzoo.compatibility import ImageFacts, check_compatible
    from ganzoo.models.cost import macs_per_image, traced_parameters
    from ganzoo.overrides import load_preset, overwritten_by_preset, resolve_recipe

    for plugin in plugins:
        load_plugin_file(plugin)
    scale = None if preset is None else load_preset(preset)
    recipe = resolve_recipe(name, scale, changes)
    DATASETS.get("folder" if data.startswith("folder:") else data)  # or the name is unknown
    channels, size_px, classes = images
    facts = ImageFacts(channels, size_px, classes or (7 if data.endswith("7") else 4))
    check_compatible(recipe, facts)
    console = Console(highlight=False)
    record = recipe.model_dump(mode="json", exclude_none=True)
    # Only in UTF-8 is a file of what is printed here a recipe again; elsewhere YAML's own escapes say the same.
    text = yaml_text(record, allow_unicode=console.encoding.lower().startswith("utf"), width=100)
    console.print(text, markup=False, soft_wrap=True)
    if scale is not None and (note := overwritten_by_preset(name, str(preset), resolve_recipe(name, None, changes), recipe)):
        console.print(f"# {note}", markup=False, soft_wrap=True)
    table = Table("#", "network", "name", "parameters", "MACs per image", box=None, header_style="bold", pad_edge=False)
    for role, component in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        parameters = traced_parameters(component.name, component.arguments, facts, role)
        macs = macs_per_image(component.name, component.arguments, facts, role)
        table.add_row("#", role, component.name, f"{parameters:,}", f"{macs / 1e6:,.1f} M")
    console.print(
        f"# On {facts.image_size_px} × {facts.image_size_px} × {facts.image_channels} images of {facts.num_classes} classes:"
    )
    console.print(table)


def print_audit(
    data: str,
    data_root: Path | None,
    skip_bad: bool,
    download: bool,
    image_size_px: int | None,
    picture: Path,
    plugins: Sequence[Path],
    fit: Fit = "crop",
) -> None:
    """Prints a dataset's audit and draws a grid of its faces."""
    from torchvision.io import write_png

    from ganzoo.data.audit import audit, sample_grid
    from ganzoo.data.base import load_dataset
    from ganzoo.runs.writing import write_atomically

    for plugin in plugins:
        load_plugin_file(plugin)
    dataset = load_dataset(data, root=data_root, skip_bad=skip_bad, download=download, image_size_px=image_size_px, fit=fit)
    console = Console(highlight=False)
    _print_report(audit(dataset), console)
    grid = sample_grid(dataset)
    grid = grid.expand(3, -1, -1) if grid.shape[0] == 1 else grid
    try:
        write_atomically(picture, lambda file: write_png(grid.contiguous(), str(file)))
    except OSError as error:
        raise GanzooError(f"Cannot write {picture}: {error.strerror}. Name another place with --picture.") from error
    console.print(
        f"Sample grid: {picture} (training faces, a row for each class in the order above)", markup=False, soft_wrap=True
    )


def _print_report(report: AuditReport, console: Console) -> None:
    shape = " × ".join(str(side) for side in report.image_shape)
    console.print(f"{report.dataset}: {shape}, content {report.content_hash[:12]}", markup=False, soft_wrap=True)
    console.print(_counts(report, console.width))
    facts = {
        "identical images": f"{report.duplicate_images:,} in {report.duplicate_groups:,} groups",
        "groups across parts": _pairs(report.straddling_groups),
        "conflicting labels": f"{report.conflicting_images:,} images in {report.conflicting_groups:,} groups",
        "blank images": f"{report.blank_images:,}",
        "unreadable items": f"{len(report.unreadable_items):,}",
        "persons across parts": _pairs(report.straddling_identities) if report.straddling_identities is not None else "unknown",
    }
    facts |= report.said
    notes = {key.replace("_", " "): _in_words(value) for key, value in report.notes.items()}
    width = max(map(len, [*facts, *notes])) + 2
    for name, value in facts.items():
        console.print(f"  {name:<{width}}{value}", markup=False, soft_wrap=True)
    for item in report.unreadable_items:
        console.print(f"    {item}", markup=False)
    for name, value in notes.items():
        console.print(f"  {name:<{width}}{value}", markup=False, soft_wrap=True)


def _counts(report: AuditReport, width: int) -> Table:
    """Images per part and class: a row for each part or, where the classes do not fit side by side, for each class."""
    columns = {part: [f"{count:,}" for count in (*counts, sum(counts))] for part, counts in report.counts.items()}
    titles = [*report.class_names, "all"]
    if sum(max(cell_len(title), 6) + 2 for title in ["part", *titles]) <= width:
        table = Table("part", *map(escape, titles), box=None, header_style="bold")
        for part, cells in columns.items():
            table.add_row(part, *cells)
        return table
    table = Table("class", *columns, box=None, header_style="bold")
    for title, *cells in zip(titles, *columns.values(), strict=True):
        table.add_row(escape(title), *cells)
    return table


def _in_words(value: object) -> str:
    """Plain JSON as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        numbers = all(isinstance(one, int) for one in value)
        return (" / " if numbers else "; ").join(map(_in_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _pairs(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{pair} {count:,}" for pair, count in counts.items()) or "none"
