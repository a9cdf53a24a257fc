"""The model card of a family of judges, and the reading and writing of its files.

A family is a folder: ``card.json`` and one safetensors file (half precision) for each network. The card holds every
file's SHA-256, and no file is used whose hash differs.
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load, save

from ganzoo.errors import GanzooError
from ganzoo.evaluation.judge_networks import JudgeNetwork, build_network
from ganzoo.runs.writing import write_atomically

CARD_NAME = "card.json"


class StoredNetwork(Protocol):
    """What is known of a network whose weights lie in a file.

    Attributes:
        architecture: Key of ``judge_networks.ARCHITECTURES``.
        scale: Width multiplier.
        file: Name of the weight file beside its card.
        sha256: Hash of the weight file.
    """

    @property
    def architecture(self) -> str: ...

    @property
    def scale(self) -> float: ...

    @property
    def file(self) -> str: ...

    @property
    def sha256(self) -> str: ...


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scores(_Record):
    """How well faces are told apart; shares in [0, 1].

    Attributes:
        images: Number of faces measured.
        accuracy: Share of faces given their own class.
        macro_accuracy: Mean of the per-class accuracies.
        per_class: Accuracy by class name.
        calibration_error: Expected calibration error over 15 bins, with temperature.
        calibration_error_untempered: The same at temperature 1.
    """

    images: int
    accuracy: float
    macro_accuracy: float
    per_class: dict[str, float]
    calibration_error: float
    calibration_error_untempered: float


class NetworkCard(_Record):
    """One network of the family.

    Attributes:
        name: Its name within the family.
        architecture: Key of ``judge_networks.ARCHITECTURES``.
        scale: Width multiplier.
        votes: Whether it votes; the one that does not gives the features.
        parameters: Number of trained parameters.
        file: Name of the weight file beside the card.
        sha256: Hash of the weight file.
        seed: Seed of its training.
        epochs: Passes over the training images.
        seconds: Training time.
        temperature: Divides the logits; fitted on ``val``.
        test: Scores on ``test``.
        test_restricted: Scores on the focus classes of ``test`` alone, with the outputs restricted to them.
    """

    name: str
    architecture: str
    scale: float
    votes: bool
    parameters: int
    file: str
    sha256: str
    seed: int
    epochs: float
    seconds: float
    temperature: float
    test: Scores
    test_restricted: Scores | None = None


class JudgeCard(_Record):
    """What a family of judges is, how it was made and how far it can be trusted.

    Attributes:
        format: Version of this card.
        dataset: Name of the dataset the judges were trained on.
        content_hash: Its content hash.
        class_names: Expression of each output.
        image_size_px: Side of the images the networks see.
        image_channels: 1 or 3.
        flip_averaging: Whether outputs are averaged over the image and its mirror image.
        training_images: Images of ``train`` that were used.
        excluded_images: Images of ``train`` left out because the same pixels stand in ``val`` or ``test``.
        focus_classes: The smaller set of classes that was given extra weight; empty: none.
        command: Command that trains such a family.
        seed: Its seed.
        torch_version: Version it was trained with.
        selection: How the kept state was chosen.
        networks: Voters first, then the one that gives features.
        vote: Scores of the mean of the voters' probabilities on ``test``: used for neither selection nor temperature.
        vote_restricted: The same on the focus classes alone.
        vote_held_out: The same on ``val`` and ``test`` together; ``val`` fitted the temperatures and nothing else.
        vote_held_out_restricted: The same on the focus classes alone.
        remarks: Anything else a reader should know.
    """

    format: Literal["ganzoo-judges/1"] = "ganzoo-judges/1"
    dataset: str
    content_hash: str
    class_names: tuple[str, ...]
    image_size_px: int
    image_channels: int
    flip_averaging: bool
    training_images: int
    excluded_images: int
    focus_classes: tuple[str, ...] = ()
    command: str
    seed: int
    torch_version: str
    selection: str
    networks: tuple[NetworkCard, ...]
    vote: Scores
    vote_restricted: Scores | None = None
    vote_held_out: Scores
    vote_held_out_restricted: Scores | None = None
    remarks: tuple[str, ...] = ()


def read_card(folder: Path) -> JudgeCard:
    """Reads ``folder/card.json``.

    Raises:
        GanzooError: Absent or not a valid card.
    """
    path = folder / CARD_NAME
    try:
        return JudgeCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise GanzooError(f"The judges' card {path} cannot be used: {reason}. {_way_out(folder)}") from error


def write_card(folder: Path, card: BaseModel) -> None:
    """Writes ``folder/card.json``; it appears whole or not at all."""
    content = (card.model_dump_json(indent=2) + "\n").encode()
    write_atomically(folder / CARD_NAME, lambda file: file.write_bytes(content))


def write_network(path: Path, network: JudgeNetwork) -> str:
    """Writes a network's weights and norm statistics in half precision; returns the file's SHA-256 (hex)."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()  # the norms' step counters mean nothing in a frozen network
    }
    content = save(tensors)
    write_atomically(path, lambda file: file.write_bytes(content))
    return hashlib.sha256(content).hexdigest()


def as_stored(network: JudgeNetwork) -> JudgeNetwork:
    """A copy in eval mode with the numbers that a reader of its file gets: rounded to half precision, computed in float32."""
    return copy.deepcopy(network).half().float().eval()


def read_network(folder: Path, entry: StoredNetwork, *, channels: int, num_classes: int) -> JudgeNetwork:
    """Reads one network in float32 and eval mode, after checking its file's hash.

    Raises:
        GanzooError: The file is absent or is not the one of the card.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GanzooError(f"The judge's weights {path} cannot be read: {error.strerror}. {_way_out(folder)}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise GanzooError(
            f"The judge's weights {path} have SHA-256 {found[:12]}..., the card says {entry.sha256[:12]}...: "
            f"the file was changed or damaged. {_way_out(folder)}"
        )
    network = build_network(entry.architecture, channels=channels, num_classes=num_classes, scale=entry.scale)
    stored = {name: tensor.float() for name, tensor in load(content).items()}
    counters = {name: tensor for name, tensor in network.state_dict().items() if not tensor.is_floating_point()}
    network.load_state_dict(stored | counters)
    return network.requires_grad_(False).eval()


def _way_out(folder: Path) -> str:
    shipped = Path(__file__).parent in folder.resolve().parents
    return "Install ganzoo again." if shipped else "Make the judges again with 'ganzoo judge train --data ...'."
