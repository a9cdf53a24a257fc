"""The training steps of StarGAN, US-GAN, GANimation, AttGAN, STGAN, StarGAN v2 and IcGAN, from their published losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from parity.reference import attributes, drawn, patches, starganv2
from parity.reference.layers import Weights
from parity.reference.learning import (
    Adam,
    Record,
    binary_cross_entropy,
    cross_entropy,
    distance,
    input_gradient,
    softplus,
)
from parity.reference.patches import Methods
from parity.training_cases import CLASSES, FACTS, TrainingCase

Terms = dict[str, tuple[float, Tensor]]
Pair = tuple[Weights, Methods, Weights, Methods]
"""Weights and methods of a generator, and of what judges it."""

CRITIC_STEPS = 5
PENALTY = 10.0
MASK_SIZE, MASK_ROUGHNESS, UNITS_FACTOR = 0.1, 0.5, 160.0
DIVERSITY, DIVERSITY_BATCHES = 2.0, 100_000


def _classes(labels: Tensor, low: float = 0.0) -> Tensor:
    """1 for each label's class, ``low`` for the others."""
    return low + (1 - low) * one_hot(labels, CLASSES).double()


def _both(case: TrainingCase, generator: Callable[..., Methods], judge: Callable[..., Methods]) -> Pair:
    of_generator, of_judge = Weights(), Weights()
    makes = generator(of_generator, FACTS, **case.generator)
    return of_generator, makes, of_judge, judge(of_judge, FACTS, **case.discriminator)


def _penalty(judge: Methods, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    points = (mix * real + (1 - mix) * fake).requires_grad_(True)
    norms = input_gradient(judge["forward"](points)["scores"], points).square().sum(1).sqrt()
    return ((norms - 1) ** 2).mean()


def _critic_training(
    case: TrainingCase,
    networks: Pair,
    rate: float,
    ask: Callable[[int], tuple[Tensor, Tensor]],
    answer: Callable[[Mapping[str, Tensor], int, str], tuple[str, Tensor]],
    factors: tuple[float, float],
    keeping: Callable[[Methods, Tensor, Mapping[str, Tensor], tuple[Tensor, Tensor]], Terms],
) -> Record:
    """A Wasserstein critic with penalty that also reads the condition, and a generator that learns on every fifth batch.

    Args:
        case: Gives the batches.
        networks: Weights and methods of generator and critic.
        rate: Of Adam.
        ask: Batch -> condition for the sources' own expression, and for the wanted one.
        answer: Judgement, batch, ``source`` or ``target`` -> name and value of the loss of what is read.
        factors: Weight of that loss for the critic, and for the generator.
        keeping: Generator, images, translation, conditions -> what else the generator learns by.
    """
    of_generator, makes, of_judge, judges = networks
    record = Record()
    learners = {"generator": Adam(of_generator, "generator", rate), "discriminator": Adam(of_judge, "discriminator", rate)}
    for batch in range(case.batches):
        real, conditions = case.images(batch), ask(batch)
        with torch.no_grad():
            fake = makes["forward"](real, conditions[1])["image"]
        of_real, of_fake = judges["forward"](real), judges["forward"](fake)
        name, value = answer(of_real, batch, "source")
        terms = {
            "adversarial": (1.0, of_fake["scores"].mean() - of_real["scores"].mean()),
            "gradient_penalty": (PENALTY, _penalty(judges, real, fake, case.mix(batch))),
            name: (factors[0], value),
        }
        record.learn([learners["discriminator"]], terms)
        if (batch + 1) % CRITIC_STEPS:
            continue
        made = makes["forward"](real, conditions[1])
        judged = judges["forward"](made["image"])
        name, value = answer(judged, batch, "target")
        terms = {"adversarial": (1.0, -judged["scores"].mean()), name: (factors[1], value)}
        record.learn([learners["generator"]], terms | keeping(makes, real, made, conditions))
    return record


def _read_class(case: TrainingCase, loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., tuple[str, Tensor]]:
    def answer(judged: Mapping[str, Tensor], batch: int, whose: str) -> tuple[str, Tensor]:
        labels = case.labels(batch) if whose == "source" else case.targets(batch)
        return "classification", loss(judged["class_logits"], labels)

    return answer


def _way_back(factor: float) -> Callable[..., Terms]:
    def keeping(makes: Methods, real: Tensor, made: Mapping[str, Tensor], conditions: tuple[Tensor, Tensor]) -> Terms:
        return {"cycle": (factor, distance(makes["forward"](made["image"], conditions[0])["image"], real))}

    return keeping


def _stargan_like(case: TrainingCase, generator: Callable[..., Methods], cycle: float) -> Record:
    return _critic_training(
        case,
        _both(case, generator, patches.patch_classifier),
        1e-4,
        lambda batch: (_classes(case.labels(batch)), _classes(case.targets(batch))),
        _read_class(case, cross_entropy),
        (1.0, 1.0),
        _way_back(cycle),
    )


def stargan(case: TrainingCase) -> Record:
    return _stargan_like(case, patches.stargan_generator, 10.0)


def usgan(case: TrainingCase) -> Record:
    return _stargan_like(case, patches.usgan_generator, 1.0)


def ganimation(case: TrainingCase) -> Record:
    """Units are read by squared error; both masks are to be small and smooth. The penalty stands in the critic's own step."""

    def answer(judged: Mapping[str, Tensor], batch: int, whose: str) -> tuple[str, Tensor]:
        units = case.source_units(batch) if whose == "source" else case.target_units(batch)
        return "action_unit_regression", ((judged["action_units"] - units) ** 2).mean()

    def keeping(makes: Methods, real: Tensor, made: Mapping[str, Tensor], conditions: tuple[Tensor, Tensor]) -> Terms:
        back = makes["forward"](made["image"], conditions[0])
        masks = [made["attention"], back["attention"]]
        rough = [distance(a[..., 1:], a[..., :-1]) + distance(a[..., 1:, :], a[..., :-1, :]) for a in masks]
        return {
            "cycle": (10.0, distance(back["image"], real)),
            "attention_norm": (MASK_SIZE, masks[0].mean() + masks[1].mean()),
            "attention_smoothness": (MASK_ROUGHNESS, rough[0] + rough[1]),
        }

    return _critic_training(
        case,
        _both(case, patches.ganimation_generator, patches.patch_regressor),
        1e-4,
        lambda batch: (case.source_units(batch), case.target_units(batch)),
        answer,
        (UNITS_FACTOR, UNITS_FACTOR),
        keeping,
    )


def attgan(case: TrainingCase) -> Record:
    """The generator is told the wanted class as 1 among -1."""
    return _attribute_training(
        case,
        attributes.attgan_generator,
        lambda batch: (_classes(case.labels(batch), -1), _classes(case.targets(batch), -1)),
    )


def stgan(case: TrainingCase) -> Record:
    """The generator is told the wanted class less the present one, and nothing at all where the face is to come back."""

    def ask(batch: int) -> tuple[Tensor, Tensor]:
        source, wanted = _classes(case.labels(batch)), _classes(case.targets(batch))
        return torch.zeros_like(source), wanted - source

    return _attribute_training(case, attributes.stgan_generator, ask)


def _attribute_training(
    case: TrainingCase, generator: Callable[..., Methods], ask: Callable[[int], tuple[Tensor, Tensor]]
) -> Record:
    def keeping(makes: Methods, real: Tensor, made: Mapping[str, Tensor], conditions: tuple[Tensor, Tensor]) -> Terms:
        return {"self_reconstruction": (100.0, distance(makes["forward"](real, conditions[0])["image"], real))}

    return _critic_training(
        case,
        _both(case, generator, attributes.attgan_discriminator),
        2e-4,
        ask,
        _read_class(case, lambda logits, labels: binary_cross_entropy(logits, _classes(labels))),
        (1.0, 10.0),
        keeping,
    )


def starganv2_steps(case: TrainingCase) -> Record:
    """Critic, then generator, each with styles from noise and then with styles of references; the latter train G alone."""
    of_generator, makes, of_judge, judges = _both(case, starganv2.generator, starganv2.class_branches)
    settings = {"betas": (0.0, 0.99), "decay": 1e-4}
    parts = {
        part: Adam(of_generator, f"generator.{part}", rate, **settings)
        for part, rate in (("synthesis", 1e-4), ("mapping", 1e-6), ("style_encoder", 1e-4))
    }
    judge = Adam(of_judge, "discriminator", 1e-4, **settings)
    record = Record()

    def style(batch: int, kind: str, draw: int) -> Tensor:
        if kind == "noise":
            return makes["style_from_noise"](case.noise(batch, 16, draw), case.targets(batch))[""]
        return makes["style_of"](case.references(batch)[:, draw], case.targets(batch))[""]

    for batch in range(case.batches):
        real, labels, targets = case.images(batch), case.labels(batch), case.targets(batch)
        for kind in ("noise", "reference"):
            with torch.no_grad():
                fake = makes["restyle"](real, style(batch, kind, 0))["image"]
            points = real.clone().requires_grad_(True)
            scores = judges["forward"](points, labels)["scores"]
            cost = softplus(-scores).mean() + softplus(judges["forward"](fake, targets)["scores"]).mean()
            slope = input_gradient(scores, points).square().sum(1).mean() / 2
            suffix = "" if kind == "noise" else "-reference"
            record.learn([judge], {"adversarial": (1.0, cost), "r1": (1.0, slope)}, suffix)
        for kind in ("noise", "reference"):
            wanted = style(batch, kind, 0)
            made = makes["restyle"](real, wanted)["image"]
            with torch.no_grad():
                again = makes["restyle"](real, style(batch, kind, 1))["image"]
            back = makes["restyle"](made, makes["style_of"](real, labels)[""])["image"]
            terms = {
                "adversarial": (1.0, softplus(-judges["forward"](made, targets)["scores"]).mean()),
                "style_reconstruction": (1.0, distance(makes["style_of"](made, targets)[""], wanted)),
                "diversity": (DIVERSITY * (1 - batch / DIVERSITY_BATCHES), -distance(made, again)),
                "cycle": (1.0, distance(back, real)),
            }
            learning = parts.values() if kind == "noise" else [parts["synthesis"]]
            record.learn(learning, terms, "" if kind == "noise" else "-reference")
    return record


def icgan(case: TrainingCase) -> Record:
    return _icgan_encoders(case) if case.stage else _icgan_gan(case)


def _icgan_gan(case: TrainingCase) -> Record:
    """Real pairs against drawn ones and real ones that do not match, the latter two at one half; then the generator."""
    of_generator, makes, of_judge, judges = _both(case, drawn.icgan_generator, drawn.icgan_discriminator)
    decoder, judge, record = Adam(of_generator, "generator.decoder", 2e-4), Adam(of_judge, "discriminator", 2e-4), Record()
    for batch in range(case.batches):
        real, wanted = case.images(batch), _classes(case.targets(batch), -1)
        fake = makes["sample"](case.noise(batch, 100), wanted)["image"]
        scores = [
            judges["forward"](image, condition)["scores"]
            for image, condition in (
                (real, _classes(case.labels(batch), -1)),
                (fake.detach(), wanted),
                (real, _classes(case.wrong_labels(batch), -1)),
            )
        ]
        terms = {
            "adversarial": (1.0, softplus(-scores[0]).mean() + softplus(scores[1]).mean() / 2),
            "matching_aware": (0.5, softplus(scores[2]).mean()),
        }
        record.learn([judge], terms)
        record.learn([decoder], {"adversarial": (1.0, softplus(-judges["forward"](fake, wanted)["scores"]).mean())})
    return record


def _icgan_encoders(case: TrainingCase) -> Record:
    """The noise of drawn images and the labels of real ones are found again, by squared error."""
    weights = Weights()
    makes, record = drawn.icgan_generator(weights, FACTS, **case.generator), Record()
    latent, label = (Adam(weights, f"generator.{part}_encoder", 1e-4, (0.1, 0.999)) for part in ("latent", "label"))
    for batch in range(case.batches):
        noise = case.noise(batch, 100)
        with torch.no_grad():
            image = makes["sample"](noise, _classes(case.targets(batch), -1))["image"]
        found = makes["encode"](image)[""]
        record.learn([latent], {"latent_regression": (1.0, ((found - noise) ** 2).mean())})
        seen = makes["classify"](case.images(batch))[""]
        error = ((seen - _classes(case.labels(batch), -1)) ** 2).mean()
        record.learn([label], {"label_encoding": (1.0, error)})
    return record


STEPS: dict[str, Callable[[TrainingCase], Record]] = {
    "stargan": stargan,
    "usgan": usgan,
    "ganimation": ganimation,
    "attgan": attgan,
    "stgan": stgan,
    "starganv2": starganv2_steps,
    "icgan": icgan,
}
