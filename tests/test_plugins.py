"""Parts from elsewhere: an installed package, a broken one, a scratch file, and ``module:Class``, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parent.parent
PACKAGE = Path(__file__).parent / "plugin_package"
TINY = ["generator.width=4", "discriminator.width=4", "batch_size=8", "images=32"]

# Several commands in one process, for importing torch takes longer than they do.
SESSION = """
import contextlib, io, json, sys
from ganzoo.cli import main
answers = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["ganzoo", *command]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


def _python(*arguments: str, site: Path | None, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder) for folder in (REPOSITORY, site) if folder)
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
    )


def _ganzoo(*arguments: str, site: Path | None = None) -> Answer:
    """Runs one command where ``site`` holds further packages."""
    done = _python("-m", "ganzoo", *arguments, site=site)
    return Answer(done.returncode, done.stdout, done.stderr)


def _session(*commands: Sequence[str | Path], site: Path | None = None, **environment: str) -> list[Answer]:
    """Runs commands one after the other in a process of their own."""
    texts = [[str(argument) for argument in command] for command in commands]
    done = _python("-c", SESSION, json.dumps(texts), site=site, **environment)
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, installed into a folder of its own, without a network."""
    place = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PACKAGE, place / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(place / "site"), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return place / "site"


@pytest.fixture
def broken_site(site: Path, tmp_path: Path) -> Path:
    """The example beside a package whose modules raise, whose recipe has no package, and which takes two names."""
    both = shutil.copytree(site, tmp_path / "site")
    (both / "broken_plugin.py").write_text("raise RuntimeError('this plugin\\nis broken')\n")
    metadata = both / "broken_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[ganzoo.generators]\nbroken = broken_plugin:Broken\nstargan = broken_plugin:Thief\n"
        "[ganzoo.recipes]\nbroken_recipe = broken_plugin:broken.yaml\nstargan = broken_plugin:thief.yaml\n"
    )
    return both


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of small pictures whose class is the height of a bright bar."""
    root = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 8), ("test", 8)):
        for row, name in enumerate(("angry", "happy", "sad")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 120, (32, 32), dtype=np.uint8)
                pixels[4 + 9 * row : 8 + 9 * row, 6:-6] += 120
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


def test_an_installed_package_adds_its_parts(site: Path) -> None:
    listed = _ganzoo("list", site=site)
    assert listed.code == 0, listed.err
    assert "  example_unet  (ganzoo-plugin-example)\n" in listed.out
    assert "  example_total_variation  (ganzoo-plugin-example)\n" in listed.out
    assert "  example\n" in listed.out
    assert "example" not in _ganzoo("list").out


def test_its_recipe_is_shown_trained_and_scored(site: Path, faces: Path, tmp_path: Path) -> None:
    data, results = f"folder:{faces}", tmp_path / "results"
    changes = [part for change in TINY for part in ("--set", change)]
    shown, judged, done = _session(
        ["show", "example", "--image-size", "32"],
        ["judge", "train", "--data", data, "--minutes", "0.05", "--device", "cpu"],
        ["run", "example", "--data", data, "--preset", "quick", *changes, "--results", results, "--device", "cpu"],
        site=site,
        GANZOO_CACHE=str(tmp_path / "cache"),
    )
    assert shown.code == 0, shown.err
    # Weights and biases of its five convolutions at width 32: 1472 + 32832 + 36928 + 32800 + 577.
    assert "name: example_unet" in shown.out and "104,609" in shown.out
    assert judged.code == 0, judged.err
    assert done.code == 0, done.err
    (info_file,) = results.rglob("run.json")
    info = json.loads(info_file.read_text())
    assert (info["status"], info["recipe"], info["progress"]["images_seen"]) == ("finished", "example", 32)
    assert {"ganzoo_plugin_example.generator", "ganzoo_plugin_example.loss"} <= info["environment"]["plugins"].keys()
    assert "generator.example_total_variation" in (info_file.parent / "history.csv").read_text().splitlines()[0]
    metrics = json.loads((info_file.parent / "metrics.json").read_text())["metrics"]
    assert 0 <= metrics["acc"] <= 1 and metrics["fid"] is None


def test_a_broken_package_is_reported_when_chosen_and_breaks_nothing_else(broken_site: Path) -> None:
    listed, sound, generator, recipe = _session(
        ["list", "generators"],
        ["show", "example"],
        ["show", "example", "--set", "generator=broken"],
        ["show", "broken_recipe"],
        site=broken_site,
    )
    assert "  broken  (broken-plugin)\n" in listed.out and "  example_unet" in listed.out
    assert (listed.code, sound.code, generator.code, recipe.code) == (0, 0, 2, 2)
    reason = "The generator 'broken' from broken-plugin cannot be loaded: RuntimeError: this plugin is broken"
    assert reason in generator.err.strip().splitlines()[-1] and "Traceback" not in generator.err
    assert "The recipe 'broken_recipe' cannot be loaded from" in recipe.err.strip().splitlines()[-1]


def test_a_name_that_is_taken_stays_with_its_owner(broken_site: Path) -> None:
    listed = _ganzoo("list", site=broken_site)
    assert listed.out.count("  stargan\n") == 2  # the generator and the recipe
    for kind in ("generator", "recipe"):
        assert f"broken-plugin offers a {kind} called 'stargan', a name already taken; it is ignored." in listed.err


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A generator in a file, registered as ``scratch``."""
    source = (PACKAGE / "ganzoo_plugin_example" / "generator.py").read_text()
    text = source.replace("class ExampleUNet", '@GENERATORS.register("scratch")\nclass ScratchUNet')
    file = tmp_path / "scratch_model.py"
    file.write_text(text.replace("import torch\n", "import torch\nfrom ganzoo.registry import GENERATORS\n", 1))
    return file


def test_a_scratch_file_or_a_class_by_its_place_can_be_chosen(site: Path, scratch: Path) -> None:
    listed, *shown = _session(
        ["list", "generators", "--plugin", scratch],
        ["show", "stargan", "--plugin", scratch, "--set", "generator=scratch"],
        ["show", "stargan", "--set", f"generator={scratch}:ScratchUNet"],
        ["show", "stargan", "--set", "generator=ganzoo_plugin_example.generator:ExampleUNet"],
        site=site,
    )
    assert "  scratch  (ganzoo_plugin_scratch_model)\n" in listed.out, listed.err
    for answer in shown:
        assert answer.code == 0 and "104,609" in answer.out, answer.err


def test_what_cannot_be_found_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    missing, module, attribute, broken = _session(
        ["show", "stargan", "--plugin", "nowhere.py"],
        ["show", "stargan", "--set", "generator=no_such_module:Thing"],
        ["show", "stargan", "--set", "generator=json:Thing"],
        ["list", "--plugin", _written(tmp_path / "broken.py", "import no_such_module\n")],
    )
    for answer, reason in (
        (missing, "ganzoo: Plugin file nowhere.py does not exist."),
        (module, "Cannot import 'no_such_module' for a generator: ModuleNotFoundError"),
        (attribute, "json has no generator 'Thing'."),
        (broken, "broken.py cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    ):
        assert answer.code == 2 and answer.out == ""
        assert len(answer.err.strip().splitlines()) == 1 and reason in answer.err


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_the_example_package_passes_the_conformance_checks(site: Path) -> None:
    good, unknown = _session(["check", "example"], ["check", "no_such_recipe"], site=site)
    assert good.code == 0, good.out + good.err
    assert "✓ generator example_unet: gradients" in good.out and "✓ recipe example: overfits" in good.out
    assert "✗" not in good.out
    assert unknown.code == 2 and unknown.err.startswith("ganzoo: Unknown recipe 'no_such_recipe'")


def test_a_check_that_fails_ends_with_1(tmp_path: Path) -> None:
    plugin, recipe = tmp_path / "deaf.py", tmp_path / "deaf.yaml"
    plugin.write_text(
        "from ganzoo.models.stargan import StarGANGenerator\n"
        "from ganzoo.registry import GENERATORS\n"
        "@GENERATORS.register('deaf')\n"
        "class Deaf(StarGANGenerator):\n"
        "    def forward(self, image, condition):\n"
        "        return super().forward(image, 0 * condition)\n"
    )
    recipe.write_text((REPOSITORY / "configs" / "stargan.yaml").read_text().replace("{name: stargan,", "{name: deaf,"))
    (answer,) = _session(["check", recipe, "--plugin", plugin])
    assert answer.code == 1
    assert "✗ generator deaf: condition: generator 'deaf' gives the same for classes 0 and 1" in answer.out


FAULTY = """
import torch
from ganzoo.data.base import Dataset, Split
from ganzoo.losses.base import BOTH
from ganzoo.models.stargan import PatchClassifier, StarGANGenerator
from ganzoo.registry import DATASETS, DISCRIMINATORS, GENERATORS, LOSSES

@GENERATORS.register("leaves")
class Leaves(StarGANGenerator):
    def __init__(self, **settings):
        raise SystemExit(3)

@GENERATORS.register("raises")
class Raises(StarGANGenerator):
    def forward(self, image, condition):
        if image.device.type != "meta":
            raise ValueError("no\\nway")
        return super().forward(image, condition)

@GENERATORS.register("deaf")
class Deaf(StarGANGenerator):
    def forward(self, image, condition):
        output = super().forward(image, condition)
        return output._replace(image=output.image.detach())

@DISCRIMINATORS.register("inplace")
class InPlace(PatchClassifier):
    def forward(self, image):
        output = super().forward(image)
        return output._replace(scores=output.scores.exp().mul_(2).exp().add_(1).sqrt().sub_(1) ** 2)

@LOSSES.register("says_no")
class SaysNo:
    sides = BOTH
    def needs(self, side):
        return frozenset({"fake"})
    def __call__(self, context):
        raise RuntimeError("says no")

@LOSSES.register("many")
class Many(SaysNo):
    def __call__(self, context):
        return context.generated("fake").image.mean((1, 2, 3))

@LOSSES.register("bare")
def bare():
    return lambda context: context

@DATASETS.register("nothing")
def nothing(name, options):
    return None

@DATASETS.register("strange")
def strange(name, options):
    split = Split(torch.zeros(8, 1, 48, 48, dtype=torch.uint8), torch.arange(8))
    return Dataset(name, ("a", "b"), dict.fromkeys(("train", "val", "test"), split), "x")
"""


def test_ganzoos_own_classes_may_be_named_by_path() -> None:
    named = "generator={name: ganzoo.models.stargan:StarGANGenerator, width: 8}"
    for answer in _session(["show", "stargan", "--set", named], ["version"]):
        assert answer.code == 0 and answer.out and not answer.err


def test_a_part_that_fails_is_one_line_that_names_it_and_leaves_no_folder(tmp_path: Path) -> None:
    plugin = _written(tmp_path / "faulty.py", FAULTY)
    tiny = [part for change in TINY for part in ("--set", change)]
    run = ["run", "stargan", "--data", "synth4", "--preset", "quick", *tiny, "--device", "cpu"]
    run += ["--plugin", plugin, "--results", tmp_path / "results"]
    term = "stages.0.phases.1.terms"
    expected = {
        "generator=leaves": "'leaves' cannot work with width=4 on such images (faulty.py, line 11, in Leaves.__init__: "
        "SystemExit: 3)",
        "generator=raises": "faulty.py, line 17, in Raises.forward: ValueError: no way. 'ganzoo --debug' shows the traceback.",
        "generator=deaf": "No gradient comes from the term cycle in the phase of generator: it would train nothing.",
        "discriminator=inplace": "modified by an inplace operation",
        f"{term}.says_no=1": "faulty.py, line 38, in SaysNo.__call__: RuntimeError: says no.",
        f"{term}.many=1": "The term 'many' gives values of shape (8,); a loss is one number, a tensor without dimensions.",
        f"{term}.bare=1": "term 'bare' is no loss term: it has no sides, needs.",
    }
    answers = _session(
        *([*run, "--set", change] for change in expected),
        [*run, "--data", "nothing"],
        [*run, "--data", "strange"],
        ["list", "--plugin", _written(tmp_path / "leaving.py", "raise SystemExit('bye')\n")],
    )
    reasons = [
        *expected.values(),
        "The loader of 'nothing' gives a NoneType, not a Dataset.",
        "Dataset 'strange', part 'train': labels lie between 0 and 7, with 2 classes.",
        "leaving.py cannot be imported: SystemExit: bye",
    ]
    for answer, reason in zip(answers, reasons, strict=True):
        assert answer.code == 2 and len(answer.err.strip().splitlines()) == 1 and reason in answer.err, answer
    assert not (tmp_path / "results").exists()
