"""DINOv2 as a backbone: features that know neither ImageNet's classes nor expressions, from a file of its published weights.

Source: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision" (arXiv 2304.07193); as the features of
a Fréchet distance: Stein et al., "Exposing flaws of generative model evaluation metrics" (arXiv 2306.04675).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.errors import GanzooError, in_one_line, one_line
from ganzoo.tensor_files import read_tensors

IMAGE_SIZE_PX = 224
ARCHITECTURES = {
    384: "vit_small_patch14_dinov2",
    768: "vit_base_patch14_dinov2",
    1024: "vit_large_patch14_dinov2",
    1536: "vit_giant_patch14_dinov2",
}
"""Width of a file's features -> the network of timm that it belongs to."""
WAY_OUT = (
    "Get https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth (1.2 GB; vits14, 88 MB, for a CPU) "
    "and name it with --dinov2-weights."
)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as in DINOv2's training


class DinoV2:
    """DINOv2's class token: features of uint8 images of any size, grey or colour.

    The file says which of the four sizes it is (the literature's Fréchet distances take the large one); its hash is part
    of the protocol, so that distances of different sizes never stand in one ranking.

    Args:
        weights: The published file (``.pth``), or timm's (``.safetensors``).
        device: Where it works.

    Raises:
        GanzooError: The file does not exist, cannot be read, or holds something else.
    """

    name = "dinov2"

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        state = read_tensors(weights, "DINOv2 weights", WAY_OUT)
        architecture = _architecture(state, weights)
        import timm  # takes seconds, and a wrong file is told before

        with weights.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.identity = f"{architecture}:{sha256}:class-token:{IMAGE_SIZE_PX}px-bicubic"
        try:
            network = timm.create_model(
                architecture, pretrained=True, pretrained_cfg_overlay={"state_dict": state}, img_size=IMAGE_SIZE_PX, num_classes=0
            )
        except Exception as error:  # the right width, and other tensors
            reason = one_line(in_one_line(error), 160)
            raise GanzooError(f"{weights} does not fit {architecture} ({reason}). {WAY_OUT}") from error
        self._network = network.to(device).eval()
        self._mean, self._std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (_MEAN, _STD))

    def __call__(self, images: Tensor) -> Tensor:
        """Describes uint8 ``(N, 1 or 3, H, W)`` by float32 ``(N, D)``; grey becomes three equal channels."""
        size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
        enlarged = interpolate(images.float() / 255, size, mode="bicubic", antialias=True).clamp(0, 1)
        features: Tensor = self._network((enlarged - self._mean) / self._std)  # one grey channel becomes three here
        return features


def _architecture(state: dict[str, Tensor], weights: Path) -> str:
    token = state.get("cls_token")
    width = token.shape[-1] if token is not None and token.ndim else None
    if width not in ARCHITECTURES or "patch_embed.proj.weight" not in state:
        raise GanzooError(f"{weights} holds no weights of DINOv2. {WAY_OUT}")
    with_registers = "register_tokens" in state or "reg_token" in state
    return ARCHITECTURES[width].replace("_dinov2", "_reg4_dinov2") if with_registers else ARCHITECTURES[width]
