"""LPIPS: how different two pictures look, by the features of AlexNet weighted after people's judgements.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (arXiv 1801.03924), version 0.1,
computed by torchmetrics, which ships the weights of the features; AlexNet's own are torchvision's file.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.functional.image.lpips import _NoTrainLpips
from torchvision.models import AlexNet_Weights

from ganzoo.data.pixels import to_minus1_1
from ganzoo.errors import GanzooError
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces, NotAvailable, full_float32
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.paired import each_pair, mean_of_pairs
from ganzoo.evaluation.rows import Row
from ganzoo.evaluation.weight_files import WeightFile
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

WEIGHTS = WeightFile(
    "AlexNet",
    AlexNet_Weights.IMAGENET1K_V1.url,
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
"""Of the weights of the features that torchmetrics ships, the authors' version 0.1."""
LEAST_SIDE_PX = 64
"""Side of the patches that people compared; below 31 pixels AlexNet's last layers have nothing left to see."""
_UNIT = "0 for equal pictures, seldom above 1"


class Lpips:
    """LPIPS of pairs of uint8 images, grey or colour; those smaller than 64 pixels a side are enlarged to it, bilinearly.

    Args:
        device: Where it works.

    Raises:
        NotAvailable: The weights are not cached and cannot be downloaded.
        GanzooError: The cached file is another one, or torchmetrics is one that weights the features otherwise.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        _check_linear()
        state = WEIGHTS.read(WEIGHTS.find())
        with torch.random.fork_rng(devices=[]):  # random weights first, all of which are replaced
            # torchmetrics' public class would load the file by itself, as a pickle without restraint.
            network = _NoTrainLpips(net="alex", pnet_rand=True)
        alexnet = {name.partition(".")[2]: name for name in network.net.state_dict()}  # 3.weight -> slice2.3.weight
        features = {name.removeprefix("features."): values for name, values in state.items() if name.startswith("features.")}
        network.net.load_state_dict({alexnet[name]: values for name, values in features.items()})
        self._network, self._device = network.to(device).eval(), device

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """LPIPS of each pair of uint8 ``(N, 1 or 3, H, W)``: float32 ``(N,)``, at least 0, on the CPU."""
        with torch.no_grad(), full_float32():
            distances: Tensor = self._network(self._prepare(first), self._prepare(second))
        return distances.flatten().cpu()

    def _prepare(self, images: Tensor) -> Tensor:
        """uint8 ``(N, 1 or 3, H, W)`` as float32 ``(N, 3, h, w)`` in [-1, 1] with sides of at least 64 pixels."""
        scaled = to_minus1_1(images.to(self._device)).expand(-1, 3, -1, -1)
        size = [max(side, LEAST_SIDE_PX) for side in images.shape[-2:]]
        return interpolate(scaled, size, mode="bilinear", align_corners=False)  # the same pixels where the size is kept


def _check_linear() -> None:
    shipped = Path(inspect.getfile(_NoTrainLpips)).parent / "lpips_models" / "alex.pth"
    if not shipped.is_file() or hashlib.sha256(shipped.read_bytes()).hexdigest() != LINEAR_SHA256:
        raise GanzooError("The installed torchmetrics has other weights of LPIPS; torchmetrics 1.9 has those of version 0.1.")


def find_lpips(context: EvaluationContext) -> Lpips | NotAvailable:
    """The network of an evaluation, or why there is none; asked once, so that no download is tried twice."""
    if not context.settings.inception:
        return NotAvailable("not asked for: these settings (the quick preset's, for one) leave LPIPS out, as they do Inception")
    try:
        return Lpips(context.device)
    except (NotAvailable, GanzooError) as reason:  # a wrong file must not cost a finished training its other scores
        return NotAvailable(str(reason))


class LpipsMetric(Metric):
    """Mean LPIPS between each translation and another picture."""

    column: ClassVar[str]

    def compare(self, context: EvaluationContext, row: Row, others: Faces) -> MetricResult:
        """The result of a row whose faces are compared with ``others``, ``(P,)``."""
        network = context.once(find_lpips)
        if isinstance(network, NotAvailable):
            raise network
        return mean_of_pairs(self.column, each_pair(network, row.faces, others), context)

    def parameters(self) -> Mapping[str, Any]:
        return {
            "network": "alexnet",
            "weights_sha256": WEIGHTS.sha256,
            "linear_sha256": LINEAR_SHA256,
            "least_side_px": LEAST_SIDE_PX,
            "enlarged": "bilinear",
        }


@METRICS.register("lpips_edit")
class LpipsEdit(LpipsMetric):
    """Mean LPIPS of each translation and its source: how much a face changed to the eye, neither good nor bad by itself."""

    column = "lpips_edit"
    needs = frozenset({"sources", "translations"})
    info = MetricInfo(label="LPIPS edit", direction="none", ranked=False, unit=_UNIT, headline=False)

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return self.compare(context, row, context.source_of_pair)


@METRICS.register("lpips_paired")
class LpipsPaired(LpipsMetric):
    """Mean LPIPS of each translation and the true answer."""

    column = "lpips_paired"
    needs = frozenset({"sources", "translations", "counterfactuals"})
    info = MetricInfo(label="LPIPS to truth", direction="lower", ranked=False, beats="no-edit", unit=_UNIT, headline=False)

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return self.compare(context, row, context.counterfactuals)
