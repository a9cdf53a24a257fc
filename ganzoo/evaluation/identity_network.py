"""Networks that tell people apart whatever their expression: the backbone ``identity``.

For rendered faces one is shipped. It learned from people of its own, without expression labels, to find the same person with
another expression, light and background; no loss uses it, and it shares neither weights nor task with the judges, which suppress
what they would have to keep. For other faces a network from elsewhere serves, where it is to be had.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from torch.nn.functional import normalize

from ganzoo.data.pixels import resize_uint8
from ganzoo.errors import GanzooError
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.features import Backbone, NotAvailable
from ganzoo.evaluation.judge_card import CARD_NAME, read_network
from ganzoo.evaluation.judge_networks import normalise

if TYPE_CHECKING:
    from ganzoo.evaluation.context import EvaluationContext

SHIPPED_FOLDER = Path(__file__).parent / "identity_networks"
OTHER_BACKBONES = ("face", "dinov2")
"""What describes people in other faces, the first that is to be had: a face network that another package registers, DINOv2."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecognitionScores(_Record):
    """How well a network recognises people; each recall is the share of ``images`` whose nearest of all faces is the right one.

    Attributes:
        images: Faces of ``test``, all of which are searched.
        recall_same_picture: Of true answers: the same picture with another expression.
        recall_elsewhere: Of the same people with another expression and other surroundings (light, background, turn).
        recall_impostor: Of other people with the same framing and surroundings, who should not be found: chance is 1 / images.
        cosine_same_picture: Mean cosine of the first with the face they were made from.
        cosine_impostor: Mean cosine of the last with the face whose surroundings they share.
    """

    images: int
    recall_same_picture: float
    recall_elsewhere: float
    recall_impostor: float
    cosine_same_picture: float
    cosine_impostor: float


class IdentityCard(_Record):
    """What an identity network is, how it was made and how far it can be trusted.

    Attributes:
        format: Version of this card.
        faces: What it was trained on.
        image_size_px: Side of the images it sees.
        image_channels: 1 or 3.
        feature_size: Width of its features.
        architecture: Key of ``judge_networks.ARCHITECTURES``.
        scale: Width multiplier.
        parameters: Number of trained parameters.
        file: Name of the weight file beside the card.
        sha256: Hash of the weight file.
        command: Command that trains such a network.
        seed: Seed of its weights.
        steps: Optimiser steps.
        people: People in each step, two pictures of each.
        seconds: Training time.
        torch_version: Version it was trained with.
        test: Measured on faces of people that it never saw, with the weights as they were written.
    """

    format: Literal["ganzoo-identity/1"] = "ganzoo-identity/1"
    faces: str
    image_size_px: int
    image_channels: int
    feature_size: int
    architecture: str
    scale: float
    parameters: int
    file: str
    sha256: str
    command: str
    seed: int
    steps: int
    people: int
    seconds: float
    torch_version: str
    test: RecognitionScores


class IdentityNetwork:
    """A frozen network that describes who is seen (a `Backbone`).

    Args:
        folder: Holds its card and weights.
        device: Where it works.

    Raises:
        GanzooError: No valid card, or weights that are not those of the card.
    """

    name = "identity"

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self.card = read_identity_card(folder)
        self.identity = f"identity:{self.card.sha256}:{self.card.image_size_px}"
        network = read_network(folder, self.card, channels=self.card.image_channels, num_classes=self.card.feature_size)
        self._network, self._device = network.to(device), torch.device(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Describes uint8 ``(N, C, H, W)`` by float32 ``(N, feature_size)`` of length 1."""
        seen = resize_uint8(images, self.card.image_size_px).to(self._device)
        with torch.no_grad():
            return normalize(self._network(normalise(seen)))


def read_identity_card(folder: Path) -> IdentityCard:
    """Reads ``folder/card.json``.

    Raises:
        GanzooError: Absent or not a valid card.
    """
    path = folder / CARD_NAME
    try:
        return IdentityCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise GanzooError(f"The card {path} cannot be used: {str(error).splitlines()[0]}. Install ganzoo again.") from error


@BACKBONES.register("identity")
def identity_backbone(context: EvaluationContext) -> Backbone:
    """The shipped network of the dataset's family of faces, else one of ``OTHER_BACKBONES``.

    Raises:
        NotAvailable: There is none for this family, and no other can be had.
    """
    folder = SHIPPED_FOLDER / (context.dataset.judge_family or "")
    if context.dataset.judge_family and (folder / CARD_NAME).is_file():
        return IdentityNetwork(folder, context.device)
    reasons = []
    for name in OTHER_BACKBONES:
        if name in BACKBONES:
            try:
                return context.backbone(name)
            except NotAvailable as reason:
                reasons.append(str(reason))
    raise NotAvailable("; ".join(reasons) or "no network that recognises such people is shipped")
