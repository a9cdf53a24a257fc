"""Scores the generator of one run and writes what a run folder keeps of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.config import RunConfig
from ganzoo.data.base import Dataset
from ganzoo.data.pixels import to_minus1_1
from ganzoo.errors import GanzooError
from ganzoo.evaluation.dinov2 import DinoV2
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate, load_metrics
from ganzoo.evaluation.features import NotAvailable, describe
from ganzoo.evaluation.inception import Inception, find_weights
from ganzoo.evaluation.judge import JudgePanel, NoJudgesError, load_judges
from ganzoo.evaluation.judge_training import DEFAULT_MINUTES, train_judges
from ganzoo.evaluation.lpips import WEIGHTS as LPIPS_WEIGHTS
from ganzoo.evaluation.passages import PASSAGES, probed_sources
from ganzoo.evaluation.rows import DRAWS, VARIED_SOURCES
from ganzoo.evaluation.translate import Translator, has_variants
from ganzoo.registry import METRICS
from ganzoo.reporting import Reporter
from ganzoo.runs.folder import RunFolder, as_json
from ganzoo.runs.writing import write_together
from ganzoo.tensor_files import check_file

OVERHEAD_SECONDS = 10.0
"""What scoring takes beside translating: judges, distances, writing."""
INCEPTION_IMAGES_PER_SECOND = 12.0
"""Inception features on two CPU cores in float32, for estimates alone."""
SELECTION_SOURCES = 400
"""Validation faces, at most, by which a state is selected."""
LPIPS_PAIRS_PER_SECOND = 600.0
"""LPIPS of pairs of 64 pixels a side, on one such core."""


def check_selection(metric: str | None, split: str, score_precision: str) -> None:
    """Says in words where no state can be selected by a metric.

    Raises:
        GanzooError: No such metric, or none of whose values is better than another; or the part it is chosen on is also scored,
            or in another precision than states are compared in.
    """
    if metric is None:
        return
    if score_precision != "32":
        raise GanzooError("--select compares states in float32; leave --score-precision at 32.")
    if METRICS.get(metric).info.direction == "none":
        raise GanzooError(f"--select {metric}: no value of it is better than another.")
    if split == "val":
        raise GanzooError("--select chooses on val; scores on the same part would flatter. Score on test.")


def check_weight_files(inception_weights: Path | None, dinov2_weights: Path | None) -> None:
    """Says before anything long begins that a file that was named is no file of weights; that it is the right one is told later.

    Raises:
        GanzooError: What it is instead.
    """
    for path, what in ((inception_weights, "Inception weights"), (dinov2_weights, "DINOv2 weights")):
        if path is not None:
            check_file(path, what)


class Scorer:
    """The judges of a dataset and how runs on it are scored.

    Args:
        dataset: Gives the faces.
        judges: Made for it.
        settings: What is scored.
        device: Where judges and Inception run.
        reporter: Shows progress.
    """

    def __init__(
        self, dataset: Dataset, judges: JudgePanel, settings: EvaluationSettings, device: torch.device, reporter: Reporter
    ) -> None:
        self.dataset, self.judges, self.settings = dataset, judges, settings
        self.device, self.reporter = device, reporter

    @classmethod
    def prepare(
        cls,
        dataset: Dataset,
        config: RunConfig,
        device: torch.device,
        inception_weights: Path | None,
        dinov2_weights: Path | None,
        reporter: Reporter,
    ) -> Scorer:
        """Finds the judges of a dataset, or trains them once and for all.

        Raises:
            GanzooError: Judges that are damaged, or data too small to train any.
        """
        if inception_weights is not None:
            Inception(find_weights(inception_weights), device)  # A wrong file is told before hours of training.
        if dinov2_weights is not None:
            DinoV2(dinov2_weights, device)
        settings = EvaluationSettings(
            split=config.split,
            precision=config.score_precision,
            max_sources=config.max_sources,
            inception=config.inception,
            inception_weights=inception_weights,
            dinov2_weights=dinov2_weights,
        )
        for name, reason in load_metrics(settings.metrics)[1].items():
            reporter.say(f"The metric '{name}' {reason}")
        return cls(dataset, _judges(dataset, device, config, reporter), settings, device, reporter)

    def estimate_seconds(self, translator: Translator, looks: int = 0) -> float:
        """About how long scoring takes here, from the time of one batch, with so many looks at the validation part before."""
        scored = self.dataset.splits[self.settings.split]
        sources, count = min(len(scored), self.settings.max_sources or len(scored)), min(16, len(scored))
        images, labels = to_minus1_1(scored.images[:count]), scored.labels[:count]
        translator(images, labels, labels)
        began = time.perf_counter()
        translator(images, labels, labels)
        per_image = (time.perf_counter() - began) / count
        classes = self.dataset.num_classes
        passes = sources * (2 * (classes - 1) + 1)
        passes += looks * min(SELECTION_SOURCES, sources) * (2 * (classes - 1) + 1)
        passes += probed_sources(self.settings.max_sources) * (classes - 1) * (1 + len(PASSAGES))
        if has_variants(translator):
            passes += min(sources, VARIED_SOURCES * classes) * (classes - 1) * DRAWS
        pairs = sources * (classes - 1)
        inception = 2 * pairs / INCEPTION_IMAGES_PER_SECOND if self._has_inception() else 0.0
        compared = 3 if self.dataset.counterfactual is None else 2 * 4  # rows that are translations, by one metric or by two
        lpips = compared * pairs / LPIPS_PAIRS_PER_SECOND if self._has_lpips() else 0.0
        dinov2 = 2 * pairs * self._dinov2_seconds_per_image()
        return OVERHEAD_SECONDS + passes * per_image + inception + lpips + dinov2

    def on_validation(self, translator: Translator, metric: str) -> float:
        """One metric on (some of) the validation part.

        Raises:
            GanzooError: It has no value.
        """
        sources = min(SELECTION_SOURCES, self.settings.max_sources or SELECTION_SOURCES)
        settings = replace(self.settings, split="val", metrics=(metric,), max_sources=sources)
        metrics = evaluate(translator, self.dataset, self.judges, settings, device=self.device).metrics
        value = metrics.metrics[metric]
        if value is None:
            raise GanzooError(
                f"--select {metric}: it has no value here ({metrics.reasons.get(metric, 'no reason given').rstrip('.')})."
            )
        return value

    def score(self, translator: Translator, folder: RunFolder) -> float:
        """Scores, writes ``metrics.json``, ``per_image.parquet`` and ``gallery.npz``; returns the seconds it took."""
        began = time.perf_counter()
        with self.reporter.task("scoring", 1) as task:
            evaluation = evaluate(translator, self.dataset, self.judges, self.settings, device=self.device, progress=task.show)
        gallery: dict[str, Any] = {**evaluation.gallery, "class_names": np.array(self.dataset.class_names)}
        write_together(
            {
                folder.per_image: lambda file: evaluation.per_image.to_parquet(file, index=False),
                folder.gallery: lambda file: np.savez_compressed(file, allow_pickle=False, **gallery),
                folder.metrics: lambda file: file.write_text(as_json(evaluation.metrics)),
            }
        )
        return time.perf_counter() - began

    def _dinov2_seconds_per_image(self) -> float:
        """Measured, because its sizes differ fiftyfold."""
        if self.settings.dinov2_weights is None:
            return 0.0
        backbone, image = DinoV2(self.settings.dinov2_weights, self.device), self.dataset.train.images[:1]
        describe(backbone, image, self.device)
        began = time.perf_counter()
        describe(backbone, image, self.device)
        return time.perf_counter() - began

    def _has_inception(self) -> bool:
        return self._has(lambda: find_weights(self.settings.inception_weights, download=False))

    def _has_lpips(self) -> bool:
        return self._has(lambda: LPIPS_WEIGHTS.find(download=False))

    def _has(self, find: Callable[[], Path]) -> bool:
        if not self.settings.inception:
            return False
        try:
            find()
        except NotAvailable:
            return False
        return True


def _judges(dataset: Dataset, device: torch.device, config: RunConfig, reporter: Reporter) -> JudgePanel:
    try:
        return load_judges(dataset, device=device, precision=config.score_precision)
    except NoJudgesError:
        reporter.say(
            f"No judges know '{dataset.name}' yet: training them once, in at most {DEFAULT_MINUTES:g} minutes beside the run's "
            "own time; they are kept for its next runs. ('ganzoo judge train --minutes' takes less.)"
        )
    train_judges(dataset, device=device, precision=config.precision, log=reporter.say)
    return load_judges(dataset, device=device, precision=config.score_precision)
