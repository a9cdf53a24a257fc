"""Trains a family of judges for any dataset and writes it with its card: what ``ganzoo judge train`` does.

The networks see ``train`` alone, less the images that stand in ``val`` or ``test`` too. ``val`` fits one temperature for
each network. The card's figures are measured on ``test``, with the weights as they were written (half precision).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.data.pixels import resize_uint8
from ganzoo.errors import GanzooError
from ganzoo.evaluation.judge import judge_cache_folder
from ganzoo.evaluation.judge_card import JudgeCard, NetworkCard, Scores, as_stored, write_card, write_network
from ganzoo.evaluation.judge_descent import Log, TrainedNetwork, TrainingSettings, train_network
from ganzoo.evaluation.judge_measuring import fit_temperature, measure, restricted_to, view_logits
from ganzoo.evaluation.judge_networks import JudgeNetwork, Precision

VOTERS = ("residual", "parallel", "squeeze")
DESCRIBER = "dense"
ARCHITECTURES = (*VOTERS, DESCRIBER)
# The founding paper's four expressions: judges of a larger set serve them too, so they are given extra weight.
FOUR_EXPRESSIONS = ("angry", "happy", "sad", "surprise")
LARGEST_SIZE_PX = 64
DEFAULT_MINUTES = 20.0


def train_judges(
    dataset: Dataset,
    out_dir: Path | None = None,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "32",
    seed: int = 0,
    scale: float = 1.0,
    flip_averaging: bool = True,
    command: str | None = None,
    remarks: Sequence[str] = (),
    log: Log = lambda line: None,
) -> JudgeCard:
    """Trains three voters and one network for features, measures them, and writes them with their card.

    Args:
        dataset: Any dataset of at least two classes, 1 or 3 channels, images of at least 32 pixels a side.
        out_dir: Folder for the card and the weights; None: the cache, where `load_judges` finds them.
        minutes: Wall-clock budget of the whole family, shared equally among the networks; without it and ``epochs``, 20 minutes.
            A small dataset takes less, because no network sees it more than 200 times.
        epochs: Passes over the training images for each network instead; repeatable whatever the machine's speed.
        device: Where to train.
        precision: ``32`` or ``bf16``, of training; judges always answer in float32.
        seed: Seed of the first network; the others take the numbers after it.
        scale: Multiplies the networks' widths.
        flip_averaging: Whether answers are averaged over the image and its mirror image.
        command: What the card gives as the training command; None: ``ganzoo judge train`` with these settings.
        remarks: Further lines for the card.
        log: Receives a line every few seconds.

    Raises:
        GanzooError: A dataset that judges cannot be trained on, or both ``minutes`` and ``epochs``.
    """
    data = prepare(dataset)
    if minutes is None and epochs is None:
        minutes = DEFAULT_MINUTES
    rounds = math.ceil(len(ARCHITECTURES) / _side_by_side(device))
    length = None if minutes is None else minutes / rounds
    settings = TrainingSettings(length, epochs, focus=data.focus_columns, scale=scale, precision=precision)
    members = _train_members(data, settings, seed, torch.device(device), log)
    folder = judge_cache_folder(dataset.content_hash) if out_dir is None else out_dir
    command = command or _command(dataset.name, minutes, epochs, seed, scale, flip_averaging)
    card = write_family(data, folder, members, seed=seed, flip_averaging=flip_averaging, command=command, remarks=remarks)
    log(f"vote: accuracy {card.vote.accuracy:.3f}, macro {card.vote.macro_accuracy:.3f} on {card.vote.images} test images")
    log(f"written to {folder}")
    return card


def _side_by_side(device: torch.device | str) -> int:
    """How many networks are trained at a time: on a CPU one per thread, because such small networks share work badly."""
    return min(len(ARCHITECTURES), torch.get_num_threads()) if torch.device(device).type == "cpu" else 1


def _train_members(
    data: JudgeData, settings: TrainingSettings, seed: int, device: torch.device, log: Log
) -> list[TrainedNetwork]:
    """Trains the networks, several at a time; their lines in the log begin with their names."""
    threads, side_by_side, stop = torch.get_num_threads(), _side_by_side(device), Event()
    images, labels, classes = data.train.images, data.train.labels, data.dataset.num_classes

    def train(index: int) -> TrainedNetwork:
        architecture = ARCHITECTURES[index]
        torch.set_num_threads(max(1, threads // side_by_side))  # of this thread
        named_log = partial(_say, log, architecture)
        return train_network(
            architecture, images, labels, classes, settings, seed=seed + index, device=device, log=named_log, stop=stop
        )

    try:
        with ThreadPoolExecutor(side_by_side) as pool:
            try:
                return list(pool.map(train, range(len(ARCHITECTURES))))
            except BaseException:
                stop.set()  # or else Ctrl-C would wait for the others
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)


def _say(log: Log, name: str, line: str) -> None:
    log(f"{name}: {line}")


@dataclass(frozen=True)
class JudgeData:
    """A dataset as its judges see it.

    Attributes:
        dataset: The dataset itself.
        image_size_px: Side of the judges' images: the dataset's, at most 64.
        train: Images used for training.
        excluded: Number of training images left out.
        focus_columns: Indices of the smaller set of classes that gets extra weight.
    """

    dataset: Dataset
    image_size_px: int
    train: Split
    excluded: int
    focus_columns: tuple[int, ...]

    @property
    def focus_classes(self) -> tuple[str, ...]:
        return tuple(self.dataset.class_names[column] for column in self.focus_columns)


def prepare(dataset: Dataset) -> JudgeData:
    """Checks that judges can be trained, and leaves out training images that are also held out.

    Raises:
        GanzooError: Fewer than two classes, images under 32 pixels, or a class without training images.
    """
    if dataset.num_classes < 2:
        raise GanzooError(f"Judges need at least 2 classes; '{dataset.name}' has {dataset.num_classes}.")
    if dataset.image_size_px < 32:
        raise GanzooError(
            f"Judges need images of at least 32 pixels a side; those of '{dataset.name}' have {dataset.image_size_px}."
        )
    held_out = {digest for part in ("val", "test") for digest in _digests(dataset.splits[part].images)}
    kept = torch.tensor([digest not in held_out for digest in _digests(dataset.train.images)])
    labels = dataset.train.labels[kept]
    counts = torch.bincount(labels, minlength=dataset.num_classes)
    if absent := [name for name, count in zip(dataset.class_names, counts.tolist(), strict=True) if count == 0]:
        raise GanzooError(f"'{dataset.name}' has no training images of {', '.join(absent)} that are not also held out.")
    size = min(dataset.image_size_px, LARGEST_SIZE_PX)
    train = Split(resize_uint8(dataset.train.images[kept], size), labels)
    return JudgeData(dataset, size, train, int((~kept).sum()), _focus(dataset.class_names))


def write_family(
    data: JudgeData,
    folder: Path,
    members: Sequence[TrainedNetwork],
    *,
    seed: int,
    flip_averaging: bool,
    command: str,
    remarks: Sequence[str] = (),
) -> JudgeCard:
    """Measures trained networks as they will be stored, and writes their weights and, last, their card."""
    measurements = _Measurements(data, [as_stored(member.network) for member in members], flip_averaging)
    voters = [index for index, member in enumerate(members) if member.architecture != DESCRIBER]
    focus = data.focus_columns or None
    card = JudgeCard(
        dataset=data.dataset.name,
        content_hash=data.dataset.content_hash,
        class_names=data.dataset.class_names,
        image_size_px=data.image_size_px,
        image_channels=data.dataset.image_channels,
        flip_averaging=flip_averaging,
        training_images=len(data.train),
        excluded_images=data.excluded,
        focus_classes=data.focus_classes,
        command=command,
        seed=seed,
        torch_version=torch.__version__.split("+")[0],
        selection="none: the moving average of the weights at the end of the budget",
        networks=tuple(_entry(folder, member, index, measurements, focus) for index, member in enumerate(members)),
        vote=measurements.scores(voters, ("test",)),
        vote_restricted=measurements.scores(voters, ("test",), focus) if focus else None,
        vote_held_out=measurements.scores(voters, ("val", "test")),
        vote_held_out_restricted=measurements.scores(voters, ("val", "test"), focus) if focus else None,
        remarks=tuple(remarks),
    )
    write_card(folder, card)
    return card


def _entry(
    folder: Path, member: TrainedNetwork, index: int, measurements: _Measurements, focus: tuple[int, ...] | None
) -> NetworkCard:
    """Writes one network's weights and returns its entry in the card."""
    file = f"{member.architecture}.safetensors"
    return NetworkCard(
        name=member.architecture,
        architecture=member.architecture,
        scale=member.scale,
        votes=member.architecture != DESCRIBER,
        parameters=sum(parameter.numel() for parameter in member.network.parameters()),
        file=file,
        sha256=write_network(folder / file, member.network),
        seed=member.seed,
        epochs=round(member.epochs, 2),
        seconds=round(member.seconds, 1),
        temperature=measurements.temperatures[index],
        test=measurements.scores([index], ("test",)),
        test_restricted=measurements.scores([index], ("test",), focus) if focus else None,
    )


class _Measurements:
    """Logits of every network for the held-out parts, and the temperatures fitted on ``val``."""

    def __init__(self, data: JudgeData, networks: Sequence[JudgeNetwork], flip_averaging: bool) -> None:
        self._class_names = data.dataset.class_names
        self._labels = {part: data.dataset.splits[part].labels for part in ("val", "test")}
        self._logits = {}  # part -> float (J, V, N, K)
        for part in self._labels:
            images = resize_uint8(data.dataset.splits[part].images, data.image_size_px)
            self._logits[part] = torch.stack([view_logits(network, images, flip_averaging) for network in networks])
        self.temperatures = [fit_temperature(logits, self._labels["val"]) for logits in self._logits["val"]]

    def scores(self, members: Sequence[int], parts: Sequence[str], columns: tuple[int, ...] | None = None) -> Scores:
        """Scores of the mean probabilities of some networks on some parts, among all classes or some."""
        names = self._class_names if columns is None else [self._class_names[column] for column in columns]
        logits = torch.cat([self._logits[part] for part in parts], dim=2)[list(members)]
        labels = torch.cat([self._labels[part] for part in parts])
        if columns is not None:
            logits, labels = restricted_to(logits, labels, columns)
        temperatures = torch.tensor([self.temperatures[member] for member in members]).view(-1, 1, 1, 1)
        tempered, plain = (values.softmax(dim=3).mean(dim=(0, 1)) for values in (logits / temperatures, logits))
        return measure(tempered, plain, labels, names)


def _focus(class_names: Sequence[str]) -> tuple[int, ...]:
    """Columns of the four expressions, where a dataset has all of them and others as well."""
    if not set(FOUR_EXPRESSIONS) < set(class_names):
        return ()
    return tuple(class_names.index(name) for name in FOUR_EXPRESSIONS)


def _digests(images: Tensor) -> list[bytes]:
    return [hashlib.sha256(image.tobytes()).digest() for image in images.contiguous().numpy()]


def _command(dataset: str, minutes: float | None, epochs: float | None, seed: int, scale: float, flip_averaging: bool) -> str:
    length = f"--epochs {epochs:g}" if epochs is not None else f"--minutes {minutes:g}"
    width = f" --scale {scale:g}" if scale != 1.0 else ""
    return f"ganzoo judge train --data {dataset} {length} --seed {seed}{width}{'' if flip_averaging else ' --no-flip-averaging'}"
