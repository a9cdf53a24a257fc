"""One registry for every kind of interchangeable part: networks, loss terms, datasets, metrics, recipes.

A name resolves, in this order, to

1. a built-in, whose module is imported when the name is first asked for;
2. a part registered by a ``--plugin file.py``;
3. an entry point of an installed package (groups ``ganzoo.generators``, ``ganzoo.losses``, ...);
4. ``module:Class``, installed or in the current folder, or ``file.py:Class``, for scratch work.

Names are known without importing anything; a broken plugin is reported when it is asked for and breaks nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ganzoo.errors import GanzooError, did_you_mean, in_one_line, in_short, is_interrupt, one_line, shortened
from ganzoo.surroundings import expanded

if TYPE_CHECKING:
    from ganzoo.data.base import DatasetLoader
    from ganzoo.evaluation.metrics import Metric
    from ganzoo.losses.base import LossTerm
    from ganzoo.models.base import Discriminator, Generator

T = TypeVar("T")

FOREIGN_PACKAGES: set[str] = set()
"""Top-level packages of the parts from elsewhere that were asked for so far."""


def _note_foreign(module: str) -> None:
    """Remembers the package of a module, unless it is ganzoo's own, which may be named by its path too."""
    package = module.split(".")[0]
    if package != __name__.split(".")[0]:
        FOREIGN_PACKAGES.add(package)


class Registry(Generic[T]):
    """Named parts of one kind.

    Args:
        kind: What the parts are, in the singular, for messages: ``"generator"``.
        group: Entry-point group that other packages use: ``"ganzoo.generators"``.
        builtins: Built-in name -> module whose import registers it.
        listed: Whether ``ganzoo list`` shows them; else messages name them all.
    """

    def __init__(self, kind: str, group: str, builtins: Mapping[str, str] | None = None, *, listed: bool = True) -> None:
        self.kind = kind
        self.group = group
        self._listed = listed
        self._builtin_modules = dict(builtins or {})
        self._registered: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._entry_points: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers a part under ``name``.

        Raises:
            GanzooError: The name is taken by another part.
        """

        def decorate(part: T) -> T:
            self.add(name, part, origin=getattr(part, "__module__", "?"))
            return part

        return decorate

    def add(self, name: str, part: T, origin: str) -> None:
        """Registers ``part`` as ``name``; ``origin`` (a module or file) is shown by ``ganzoo list``."""
        if not isinstance(name, str) or not name or name != one_line(name):
            raise GanzooError(f"A {self.kind} cannot be called {in_short(name)}: a name is a line of characters that are seen.")
        builtin = self._builtin_modules.get(name)
        taken = name in self._registered or name in self._plugin_points() or builtin is not None
        if taken and builtin != origin:
            raise GanzooError(f"Two {self.kind}s are called '{name}': {self.origin(name)} and {origin}. Rename one of them.")
        self._registered[name] = part
        self._origins[name] = origin

    def names(self) -> list[str]:
        """All known names, sorted; nothing is imported."""
        return sorted({*self._builtin_modules, *self._registered, *self._plugin_points()})

    def origin(self, name: str) -> str:
        """Where a name comes from: ``"ganzoo"`` for built-ins, else a module, distribution or file."""
        if name in self._builtin_modules:
            return "ganzoo"
        if name in self._origins:
            return self._origins[name]
        point = self._plugin_points()[name]
        return point.dist.name if point.dist else point.value

    def __contains__(self, name: str) -> bool:
        return name in self._builtin_modules or name in self._registered or name in self._plugin_points()

    def get(self, name: str) -> T:
        """Returns the part called ``name``, importing its module if need be.

        Raises:
            GanzooError: No such name, or its module cannot be imported.
        """
        if name not in self._registered:
            self._load(name)
        return self._registered[name]

    def _load(self, name: str) -> None:
        if name in self._builtin_modules:
            importlib.import_module(self._builtin_modules[name])
            if name not in self._registered:
                raise GanzooError(f"{self._builtin_modules[name]} does not register the {self.kind} '{name}'.")
        elif name in self._plugin_points():
            point = self._plugin_points()[name]
            _note_foreign(point.module)
            try:
                part = point.load()
            except BaseException as error:
                if is_interrupt(error):
                    raise
                raise GanzooError(
                    f"The {self.kind} '{name}' from {self.origin(name)} cannot be loaded: {in_one_line(error)}"
                ) from error
            self._registered[name] = part
            self._origins[name] = self.origin(name)
        elif ":" in name:
            module, _, attribute = name.rpartition(":")
            self._registered[name] = _attribute(_import(module, self.kind), attribute, self.kind)
            self._origins[name] = module
        else:
            names = self.names()
            kinds = f"{self.kind}es" if self.kind.endswith("s") else f"{self.kind}s"
            known = f"'ganzoo list {kinds}' shows all." if self._listed else f"There are {', '.join(names)}."
            raise GanzooError(f"Unknown {self.kind} '{shortened(name)}'.{did_you_mean(name, names)} {known}")

    def _plugin_points(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=self.group):
                if point.name in self._builtin_modules or (point.name in found and found[point.name].value != point.value):
                    owner = point.dist.name if point.dist else point.value
                    warnings.warn(
                        f"{owner} offers a {self.kind} called '{point.name}', a name already taken; it is ignored.",
                        stacklevel=2,
                    )
                    continue
                found[point.name] = point
            self._entry_points = found
        return self._entry_points


def load_plugin_file(path: str | Path) -> ModuleType:
    """Imports a ``.py`` file, whose decorators register its parts.

    Raises:
        GanzooError: The file does not exist or fails to import.
    """
    file = Path(os.path.realpath(expanded(path)))  # Path.resolve() fails at links that lead to themselves.
    if not file.is_file():
        raise GanzooError(f"Plugin file {path} {'is no file' if file.exists() else 'does not exist'}.")
    name = f"ganzoo_plugin_{file.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise GanzooError(f"Plugin file {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    FOREIGN_PACKAGES.add(name)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if is_interrupt(error) or isinstance(error, GanzooError):
            raise
        raise GanzooError(f"Plugin file {path} cannot be imported: {in_one_line(error)}") from error
    return module


def _import(module: str, kind: str) -> ModuleType:
    if module.endswith(".py"):
        return load_plugin_file(module)
    _note_foreign(module)
    try:
        with _current_folder_first():
            return importlib.import_module(module)
    except BaseException as error:
        if is_interrupt(error) or isinstance(error, GanzooError):
            raise
        raise GanzooError(f"Cannot import '{shortened(module)}' for a {kind}: {in_one_line(error)}") from error


@contextmanager
def _current_folder_first() -> Iterator[None]:
    """Modules are looked for in the current folder first, as ``python -m`` does; ``sys.path`` is as before afterwards."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    importlib.invalidate_caches()  # A file may have been written just now.
    try:
        yield
    finally:
        with suppress(ValueError):  # The module may have taken it away itself.
            sys.path.remove(folder)


def _attribute(module: ModuleType, attribute: str, kind: str) -> Any:
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise GanzooError(
            f"{module.__name__} has no {kind} '{shortened(attribute)}'.{did_you_mean(attribute, dir(module))}"
        ) from None


GENERATORS: Registry[type[Generator]] = Registry(
    "generator",
    "ganzoo.generators",
    {
        "stargan": "ganzoo.models.stargan",
        "dcgan": "ganzoo.models.dcgan",
        "cdcgan": "ganzoo.models.cdcgan",
        "ganimation": "ganzoo.models.ganimation",
        "ganimation_onehot": "ganzoo.models.ganimation",
        "icgan": "ganzoo.models.icgan",
        "starganv2": "ganzoo.models.starganv2",
        "usgan": "ganzoo.models.usgan",
        "ccyclegan": "ganzoo.models.ccyclegan",
        "sngan": "ganzoo.models.sngan",
        "acgan": "ganzoo.models.acgan",
        "attgan": "ganzoo.models.attgan",
        "stgan": "ganzoo.models.stgan",
        "exprgan": "ganzoo.models.exprgan",
    },
)
DISCRIMINATORS: Registry[type[Discriminator]] = Registry(
    "discriminator",
    "ganzoo.discriminators",
    {
        "patch_classifier": "ganzoo.models.stargan",
        "cdcgan": "ganzoo.models.cdcgan",
        "patch_regressor": "ganzoo.models.ganimation",
        "icgan": "ganzoo.models.icgan",
        "class_branches": "ganzoo.models.starganv2",
        "ccyclegan": "ganzoo.models.ccyclegan",
        "cyclegan": "ganzoo.models.cyclegan",
        "projection": "ganzoo.models.sngan",
        "acgan": "ganzoo.models.acgan",
        "attgan": "ganzoo.models.attgan",
        "exprgan": "ganzoo.models.exprgan",
    },
)
LOSSES: Registry[Callable[..., LossTerm]] = Registry(
    "loss",
    "ganzoo.losses",
    {
        "adversarial": "ganzoo.losses.adversarial",
        "matching_aware": "ganzoo.losses.adversarial",
        "gradient_penalty": "ganzoo.losses.penalties",
        "r1": "ganzoo.losses.penalties",
        "r2": "ganzoo.losses.penalties",
        "lecam": "ganzoo.losses.penalties",
        "classification": "ganzoo.losses.condition",
        "action_unit_regression": "ganzoo.losses.condition",
        "latent_regression": "ganzoo.losses.latent",
        "latent_consistency": "ganzoo.losses.latent",
        "label_encoding": "ganzoo.losses.latent",
        "style_reconstruction": "ganzoo.losses.latent",
        "diversity": "ganzoo.losses.latent",
        "null_class": "ganzoo.losses.condition",
        "attention_norm": "ganzoo.losses.mask",
        "attention_smoothness": "ganzoo.losses.mask",
        "code_regression": "ganzoo.losses.condition",
        "latent_adversarial": "ganzoo.losses.latent",
        "total_variation": "ganzoo.losses.content",
        "feature_matching": "ganzoo.losses.features",
        "perceptual": "ganzoo.losses.features",
        "identity": "ganzoo.losses.features",
        "cycle": "ganzoo.losses.content",
        "self_reconstruction": "ganzoo.losses.content",
    },
)
DATASETS: Registry[DatasetLoader] = Registry(
    "dataset",
    "ganzoo.datasets",
    {
        "fer4": "ganzoo.data.fer",
        "fer4-clean": "ganzoo.data.fer",
        "fer7": "ganzoo.data.fer",
        "ferplus4": "ganzoo.data.fer",
        "ferplus7": "ganzoo.data.fer",
        "folder": "ganzoo.data.folder",
        "synth4": "ganzoo.data.synthetic",
        "synth7": "ganzoo.data.synthetic",
    },
)
METRICS: Registry[type[Metric]] = Registry(
    "metric",
    "ganzoo.metrics",
    {
        "fid": "ganzoo.evaluation.distribution",
        "fid_infinity": "ganzoo.evaluation.distribution",
        "kid": "ganzoo.evaluation.distribution",
        "fd_judge": "ganzoo.evaluation.distribution",
        "intra_fd_judge": "ganzoo.evaluation.distribution",
        "fd_judge_infinity": "ganzoo.evaluation.distribution",
        "kd_judge": "ganzoo.evaluation.distribution",
        "fd_dinov2": "ganzoo.evaluation.distribution",
        "precision": "ganzoo.evaluation.distribution",
        "recall": "ganzoo.evaluation.distribution",
        "density": "ganzoo.evaluation.distribution",
        "coverage": "ganzoo.evaluation.distribution",
        "acc": "ganzoo.evaluation.expression",
        "l1_cycle": "ganzoo.evaluation.identity",
        "l1_self": "ganzoo.evaluation.identity",
        "l1_edit": "ganzoo.evaluation.identity",
        "identity_recall": "ganzoo.evaluation.recognition",
        "identity_cosine": "ganzoo.evaluation.recognition",
        "l1_paired": "ganzoo.evaluation.paired",
        "psnr_paired": "ganzoo.evaluation.paired",
        "ssim_paired": "ganzoo.evaluation.paired",
        "lpips_edit": "ganzoo.evaluation.lpips",
        "lpips_paired": "ganzoo.evaluation.lpips",
        "edit_locality": "ganzoo.evaluation.locality",
        "stego_round": "ganzoo.evaluation.steganography",
        "stego_noise": "ganzoo.evaluation.steganography",
        "diversity": "ganzoo.evaluation.diversity",
    },
)
