"""Copies finished runs to where references are kept: scores, history and provenance, without networks, checkpoints and samples.

    python benchmarks/keep_reference.py results/            # to results/reference/, which git keeps

What is copied is what `ganzoo compare` reads, in the layout of a user's runs; pictures only of rendered faces. A run that is
there already is replaced; runs that are not finished and scored are left out and named. Where the data lay on this machine is
nobody's business: --data-root PLACE stands in the command.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from ganzoo.compare.collect import REFERENCE
from ganzoo.runs.folder import RunFolder, find_runs, write_json

RENDERED = "renderer_version"
"""A fact of data whose faces are rendered: pictures of real people's faces are never kept."""
DATA_ROOT = re.compile(r"(--data-root[ =])('[^']*'|\S+)")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("results", type=Path, help="Folder with the runs.")
    arguments.add_argument("--to", type=Path, help="Default: RESULTS/reference.")
    given = arguments.parse_args()
    kept = given.to or given.results / REFERENCE
    for run in find_runs(given.results):
        place = run.path.relative_to(given.results)
        if REFERENCE in place.parts:
            continue
        if not run.is_scored() or (info := run.read_info()).status != "finished":
            print(f"left out, not finished and scored: {run.path}")
            continue
        copy = RunFolder(kept / place)
        copy.path.mkdir(parents=True, exist_ok=True)
        for name in ("config", "metrics", "history", "per_image"):
            shutil.copyfile(getattr(run, name), getattr(copy, name))
        command = DATA_ROOT.sub(r"\1PLACE", info.environment.command)
        environment = info.environment.model_copy(update={"command": command})
        write_json(copy.info, info.model_copy(update={"environment": environment}))
        if RENDERED in info.data.facts:
            shutil.copyfile(run.gallery, copy.gallery)
        print(copy.path)


if __name__ == "__main__":
    main()
