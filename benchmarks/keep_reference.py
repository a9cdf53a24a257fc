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
from functools import partial
from pathlib import Path

from ganzoo.compare.collect import REFERENCE
from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder, find_runs, write_json
from ganzoo.runs.writing import write_together

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
        try:
            info, _ = run.read_info(), run.read_metrics()
        except GanzooError as error:
            print(f"left out: {error}")
            continue
        if info.status != "finished":
            print(f"left out, not finished: {run.path}")
            continue
        copy = RunFolder(kept / place)
        names = ["config", "metrics", "history", "per_image", *(["gallery"] if RENDERED in info.data.facts else [])]
        write_together({getattr(copy, name): partial(shutil.copyfile, getattr(run, name)) for name in names})
        command = DATA_ROOT.sub(r"\1PLACE", info.environment.command)
        environment = info.environment.model_copy(update={"command": command})
        write_json(copy.info, info.model_copy(update={"environment": environment}))
        print(copy.path)


if __name__ == "__main__":
    main()
