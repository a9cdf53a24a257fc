"""A finished run as a function: load it, translate faces."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ganzoo.config import LARGEST_IMAGE_PX, LARGEST_SEED, RunConfig, read_run_config
from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.errors import GanzooError, did_you_mean, in_short, one_line, shortened
from ganzoo.given_faces import Faces, given_faces
from ganzoo.models.base import Generator, create_generator
from ganzoo.registry import load_plugin_file
from ganzoo.runs.folder import RunFolder, describe_run
from ganzoo.runs.journal import check_weights
from ganzoo.runs.schema import RunInfo
from ganzoo.training.checkpoint import checkpoint_path
from ganzoo.training.translator import GeneratorTranslator

LARGEST_INTENSITY = 1000


@dataclass(frozen=True, repr=False)
class SavedRun:
    """A trained generator with the names of its classes.

    Attributes:
        folder: The run's folder.
        config: All that decided what it computed.
        info: Status and provenance.
        class_names: Expression of each label.
    """

    folder: Path
    config: RunConfig
    info: RunInfo
    class_names: tuple[str, ...]
    translator: GeneratorTranslator

    def __repr__(self) -> str:
        try:
            metrics = RunFolder(self.folder).read_metrics()
        except GanzooError:  # Not scored, or not readable any more: the run itself is loaded all the same.
            metrics = None
        return f"<SavedRun {describe_run(self.folder, self.info, metrics)}>"

    def translate(
        self,
        images: Faces,
        target: str | int,
        source: str | int | None = None,
        *,
        intensity: float = 1.0,
        style: int | None = None,
    ) -> Tensor:
        """Gives faces another expression.

        Args:
            images: ``(N, C, H, W)`` or one face ``(C, H, W)``; uint8 0..255, or float in [-1, 1]; tensor or array. Or a picture
                of Pillow, the path of a file, or a list of them: square, and then resized, and made grey or coloured.
            target: Class name or index.
            source: Present expression, where the generator needs it: one conditioned on the difference of labels, or an
                intensity between classes.
            intensity: 1 for the whole expression; less or more of it where the generator is continuous, between the present
                expression (0) and the wanted one. A generator that works in action units starts from a neutral face where
                ``source`` is left out.
            style: Seed of a random style where the generator works with styles; None for the mean style of the expression.

        Returns:
            Faces of the same shape and type as ``images``, on the CPU; floats are clamped to [-1, 1]; of pictures and files
            uint8 ``(C, H, W)``, or ``(N, C, H, W)`` of a list.

        Raises:
            GanzooError: Unknown class, images of a wrong shape, type or range, or an intensity or style that the generator does
                not offer.
        """
        batch, one = given_faces(images, _image_shape(self.info))
        if not (isinstance(intensity, Real) and abs(intensity) <= LARGEST_INTENSITY):
            most = f"{LARGEST_INTENSITY:,}"
            raise GanzooError(f"The intensity must be a number, at most {most} either way, not {in_short(intensity)}.")
        if style is not None and not (isinstance(style, Integral) and 0 <= style <= LARGEST_SEED):
            raise GanzooError(f"A style is a seed of at least 0 and below 2**63, not {in_short(style)}.")
        floats = to_minus1_1(batch) if batch.dtype == torch.uint8 else batch.float()
        wanted = torch.full((len(batch),), self._index(target))
        present = None if source is None else torch.full((len(batch),), self._index(source))
        output = self.translator(floats, present, wanted, intensity=intensity, style=style).cpu()
        result = to_uint8(output) if batch.dtype == torch.uint8 else output.clamp(-1, 1).to(batch.dtype)
        return result[0] if one else result

    def _index(self, name: str | int) -> int:
        if isinstance(name, str):
            if name not in self.class_names:
                known = ", ".join(self.class_names)
                raise GanzooError(
                    f"Unknown expression '{shortened(name)}'.{did_you_mean(name, self.class_names)} This run knows: {known}."
                )
            return self.class_names.index(name)
        try:
            label = operator.index(name)
        except TypeError:
            raise GanzooError(f"An expression is one class name or index, not a {type(name).__name__}.") from None
        if not 0 <= label < len(self.class_names):
            raise GanzooError(f"Class index {label} is out of range 0..{len(self.class_names) - 1}.")
        return label


def load_run(folder: str | Path, *, device: str = "cpu", plugins: Sequence[str | Path] = ()) -> SavedRun:
    """Loads the generator of a run; tensors only, never pickles.

    Args:
        folder: A run's folder.
        device: Where translations run.
        plugins: Python files that register the generator, where one did.

    Raises:
        GanzooError: Not a run, or its generator is missing.
    """
    for plugin in plugins:
        load_plugin_file(plugin)
    place = _existing(folder)
    info = place.read_info()
    generator = load_generator(place.path).to(device)
    names = tuple(info.data.class_names)
    translator = GeneratorTranslator(generator, names, torch.device(device))
    return SavedRun(place.path, read_run_config(place.config), info, names, translator)


def load_generator(folder: str | Path) -> Generator:
    """Builds a run's generator and loads its weights, on the CPU.

    Raises:
        GanzooError: Not a run, or its generator is missing or does not fit.
    """
    place = _existing(folder)
    config, info = read_run_config(place.config), place.read_info()
    shape = _image_shape(info)
    if not place.generator.is_file() or shape is None:
        raise GanzooError(f"{folder} has no trained generator (its status is '{info.status}').")
    component = config.recipe.generator
    generator = create_generator(
        component.name,
        image_channels=shape[0],
        image_size_px=shape[1],
        num_classes=len(info.data.class_names),
        **component.arguments,
    )
    check_weights(place, info, place.generator, _way_out(place))
    try:
        generator.load_state_dict(load_file(place.generator))
    except (RuntimeError, SafetensorError, OSError, ValueError) as error:
        raise GanzooError(f"{place.generator} does not fit its recipe: {one_line(str(error), 160)}") from error
    return generator


def _way_out(place: RunFolder) -> str:
    if checkpoint_path(place).is_file():
        return "The command that trained it makes it again from its checkpoint."
    return "It has to be trained again ('ganzoo run --if-exists overwrite'), or copied from where it is whole."


def _existing(folder: str | Path) -> RunFolder:
    place = RunFolder(Path(folder))
    if not place.info.is_file():
        raise GanzooError(
            f"{folder} is not a run: it has no run.json. Runs are folders like results/<data>/<recipe>/<id>/seed_0."
        )
    return place


def _image_shape(info: RunInfo) -> tuple[int, int, int] | None:
    """Channels, height and width of a run's images; None where it has not come so far.

    Raises:
        GanzooError: The record says something else.
    """
    shape = info.data.image_shape
    if not shape:
        return None
    if len(shape) != 3 or not all(1 <= side <= LARGEST_IMAGE_PX for side in shape):
        raise GanzooError(f"run.json is damaged: its image_shape must be channels, height and width, not {in_short(shape)}.")
    return (shape[0], shape[1], shape[2])
