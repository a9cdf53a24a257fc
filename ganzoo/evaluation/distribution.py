"""Distances between the distributions of translated and of real faces, and how the two lie among each other.

All compare equal numbers of faces for each target class (`EvaluationContext.faces_per_class`) with a class-balanced sample of
training faces, and read the cached features of one backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any, ClassVar

from torch import Tensor

from ganzoo.evaluation import frechet_infinity as infinity
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.frechet import Gaussian, fit_gaussian, frechet_distance
from ganzoo.evaluation.kernel_distance import DEGREE, KernelDistance, kernel_distance, mean_kernel
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.neighbours import NEIGHBOURS, NeighbourScores, neighbour_radii, neighbour_scores
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

_SQUARED = "squared feature distance"


class DistributionMetric(Metric):
    """Faces of a row against the reference, in the features of one backbone."""

    backbone: ClassVar[str]
    per_class: ClassVar[bool] = False

    def labels(self, context: EvaluationContext) -> range:
        """The classes that have a value of their own."""
        return range(context.num_classes if self.per_class else 0)


def _seen(context: EvaluationContext, backbone: str, row: Row, label: int | None = None) -> Tensor:
    """Features of the balanced faces of a row, of all or of those meant to show one class: float32 ``(M, D)``."""
    faces = context.balanced(row)
    features = context.features(backbone, faces)
    return features if label is None else features[faces.targets == label]


def _real(context: EvaluationContext, backbone: str, label: int | None = None) -> Tensor:
    """Features of the reference, of all of it or of one class: float32 ``(M, D)``."""
    features = context.features(backbone, context.reference)
    return features if label is None else features[context.reference.targets == label]


def _real_gaussian(context: EvaluationContext, backbone: str, label: int | None) -> Gaussian:
    return fit_gaussian(_real(context, backbone, label))


def _frechet_distance(context: EvaluationContext, backbone: str, row: Row, label: int | None) -> float:
    return frechet_distance(_seen(context, backbone, row, label), context.once(_real_gaussian, backbone, label))


def _real_mean_kernel(context: EvaluationContext, backbone: str, label: int | None) -> float:
    return mean_kernel(_real(context, backbone, label))


class FrechetMetric(DistributionMetric):
    """Fréchet distance from a class-balanced sample of training faces, in the features of one backbone.

    Lower is better; biased upward at small numbers, which are therefore equal in all rows (see
    `EvaluationContext.faces_per_class`): read it beside the control ``real``, its floor at that number.
    """

    version = 2

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        by_class = {label: self._distance(context, row, label) for label in self.labels(context)}
        return MetricResult(self._distance(context, row), per_class=by_class)

    def _distance(self, context: EvaluationContext, row: Row, label: int | None = None) -> float:
        return context.once(_frechet_distance, self.backbone, row, label)


@METRICS.register("fid")
class Fid(FrechetMetric):
    """Fréchet Inception distance (Heusel et al., arXiv 1706.08500): Inception of December 2015, 2048 features.

    Not given per class: a few hundred faces leave most of 2048 dimensions empty.
    """

    backbone = "inception"
    needs = frozenset({"faces", "features:inception"})
    info = MetricInfo(label="FID", direction="lower", ranked=True, unit=_SQUARED, aspect="distribution")


@METRICS.register("fd_judge")
class FdJudge(FrechetMetric):
    """Fréchet distance in the features of a judge that does not vote: at most 256, of this kind of face, always at hand."""

    backbone = "judge"
    per_class = True
    needs = frozenset({"faces", "features:judge"})
    info = MetricInfo(label="FD judge", direction="lower", ranked=True, unit=_SQUARED, aspect="distribution")


@METRICS.register("intra_fd_judge")
class IntraFdJudge(FrechetMetric):
    """Mean over the targets of ``fd_judge`` within each (intra FID of Miyato and Koyama, arXiv 1802.05637, section 4).

    Sources as they are look real and lie far from the faces that show the wanted expression: ``fd_judge`` cannot tell that.
    """

    backbone = "judge"
    per_class = True
    needs = frozenset({"faces", "features:judge"})
    info = MetricInfo(label="intra-FD judge", direction="lower", ranked=True, beats="no-edit", unit=_SQUARED)

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        by_class = {label: self._distance(context, row, label) for label in self.labels(context)}
        return MetricResult(fmean(by_class.values()))  # by class it is fd_judge


@METRICS.register("fd_dinov2")
class FdDinoV2(FrechetMetric):
    """Fréchet distance in DINOv2's class token (Stein et al., arXiv 2306.04675): no classes of ImageNet, no expressions."""

    backbone = "dinov2"
    needs = frozenset({"faces", "features:dinov2"})
    info = MetricInfo(label="FD DINOv2", direction="lower", ranked=False, unit=_SQUARED, headline=False)


class FrechetInfinityMetric(DistributionMetric):
    """The Fréchet distance extrapolated to endlessly many fakes (Chong and Forsyth, arXiv 1911.07023).

    Descriptive: it takes out the fakes' part of the bias and pays with spread; the reals' part stays.
    """

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        if context.faces_per_class < infinity.LEAST_PER_CLASS:
            raise NotAvailable(f"needs at least {infinity.LEAST_PER_CLASS} faces of each class, not {context.faces_per_class}")
        real = context.once(_real_gaussian, self.backbone, None)
        features = _seen(context, self.backbone, row)
        return MetricResult(infinity.frechet_infinity(features, context.balanced(row).targets, real))

    def parameters(self) -> Mapping[str, Any]:
        return {"points": infinity.POINTS, "smallest_share": infinity.SMALLEST_SHARE, "seed": infinity.SEED}


@METRICS.register("fid_infinity")
class FidInfinity(FrechetInfinityMetric):
    """FID extrapolated to endlessly many fakes; with fewer than 2048 of them a hint and no more."""

    backbone = "inception"
    needs = frozenset({"faces", "features:inception"})
    info = MetricInfo(label="FID∞", direction="lower", ranked=False, unit=_SQUARED, headline=False)


@METRICS.register("fd_judge_infinity")
class FdJudgeInfinity(FrechetInfinityMetric):
    """``fd_judge`` extrapolated to endlessly many fakes."""

    backbone = "judge"
    needs = frozenset({"faces", "features:judge"})
    info = MetricInfo(label="FD∞ judge", direction="lower", ranked=False, unit=_SQUARED, headline=False)


class KernelMetric(DistributionMetric):
    """Unbiased squared MMD under a cubic kernel, of all faces (Bińkowski et al., arXiv 1801.01401).

    Lower is better; around 0, and so at times below, where the distributions are equal. ``details`` hold its standard error
    over the source images, the reference held fixed: the K-1 translations of one source count as one.
    """

    name: ClassVar[str]

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        whole = self._distance(context, row)
        each = {label: self._distance(context, row, label) for label in self.labels(context)}
        names = context.dataset.class_names
        errors = {f"{self.name}_se": whole.standard_error}
        errors |= {f"{self.name}_se_{names[label]}": distance.standard_error for label, distance in each.items()}
        per_class = {label: distance.value for label, distance in each.items()}
        return MetricResult(whole.value, per_class=per_class, details=errors)

    def _distance(self, context: EvaluationContext, row: Row, label: int | None = None) -> KernelDistance:
        sources = context.balanced_origin(row)
        clusters = sources if label is None else sources[context.balanced(row).targets == label]
        real_mean = context.once(_real_mean_kernel, self.backbone, label)
        seen, real = _seen(context, self.backbone, row, label), _real(context, self.backbone, label)
        return kernel_distance(seen, real, clusters, real_mean=real_mean)

    def parameters(self) -> Mapping[str, Any]:
        return {"kernel": "polynomial", "degree": DEGREE, "estimator": "unbiased, all pairs"}


@METRICS.register("kid")
class Kid(KernelMetric):
    """Kernel Inception distance: like FID in Inception's features, but without bias at small numbers."""

    name, backbone = "kid", "inception"
    needs = frozenset({"faces", "features:inception"})
    info = MetricInfo(label="KID", direction="lower", ranked=False, unit="squared MMD", headline=False)


@METRICS.register("kd_judge")
class KdJudge(KernelMetric):
    """The kernel distance in the features of the judge that does not vote, for each target class too."""

    name, backbone = "kd_judge", "judge"
    per_class = True
    needs = frozenset({"faces", "features:judge"})
    info = MetricInfo(label="KD judge", direction="lower", ranked=False, unit="squared MMD", headline=False)


def _real_radii(context: EvaluationContext) -> Tensor:
    return neighbour_radii(_real(context, "judge"))


def _neighbour_scores(context: EvaluationContext, row: Row) -> NeighbourScores:
    if len(context.balanced(row)) <= NEIGHBOURS or len(context.reference) <= NEIGHBOURS:
        raise NotAvailable(f"needs more than {NEIGHBOURS} faces")
    return neighbour_scores(_seen(context, "judge", row), _real(context, "judge"), real_radii=context.once(_real_radii))


class NeighbourMetric(DistributionMetric):
    """One of the scores by nearest neighbours in the judge's features; see `NeighbourScores`."""

    score: ClassVar[str]
    backbone = "judge"
    needs = frozenset({"faces", "features:judge"})

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return MetricResult(getattr(context.once(_neighbour_scores, row), self.score))

    def parameters(self) -> Mapping[str, Any]:
        return {"neighbours": NEIGHBOURS}


_SHARE = "share, 0 to 1"


@METRICS.register("precision")
class Precision(NeighbourMetric):
    """Share of the faces that look like some real one (Kynkäänniemi et al., arXiv 1904.06991)."""

    score = "precision"
    info = MetricInfo(label="precision", direction="higher", ranked=False, unit=_SHARE, headline=False)


@METRICS.register("recall")
class Recall(NeighbourMetric):
    """Share of the real faces that some translated one looks like (Kynkäänniemi et al., arXiv 1904.06991)."""

    score = "recall"
    info = MetricInfo(label="recall", direction="higher", ranked=False, unit=_SHARE, headline=False)


@METRICS.register("density")
class Density(NeighbourMetric):
    """How densely real faces lie around the translated ones (Naeem et al., arXiv 2002.09797)."""

    score = "density"
    info = MetricInfo(label="density", direction="higher", ranked=False, unit="about 1 for real faces", headline=False)


@METRICS.register("coverage")
class Coverage(NeighbourMetric):
    """Share of the real faces with a translated one near by (Naeem et al., arXiv 2002.09797)."""

    score = "coverage"
    info = MetricInfo(label="coverage", direction="higher", ranked=False, unit=_SHARE, headline=False)
