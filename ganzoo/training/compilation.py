"""Compilation of a run's networks by torch (inductor): whether it is worth its time, and what of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple, get_args

import torch
from torch import nn

from ganzoo.errors import GanzooError
from ganzoo.models.base import Discriminator, Generator, PiecewiseLinearDiscriminator, methods_of

CompileChoice = Literal["auto", "on", "off"]
WORTH_SECONDS, WORTH_SECONDS_ON_CUDA = 20 * 60.0, 5 * 60.0
"""Training that takes longer is worth a minute or two of compilation; on CUDA sooner, as steps are recorded too."""
COMPILE_SECONDS = 60.0
"""About what it takes; less where torch has compiled the same before."""
_OTHER_BITS, _OTHER_BITS_COMPILED = (
    f"the run was {how} before, and ends in other bits so" for how in ("compiled", "not compiled")
)
_DIFFERENTIATED_TWICE, _LOOKED_INTO = "input_gradient", "features"


class Compilation(NamedTuple):
    """Whether a run is compiled.

    Attributes:
        compiled: Whether it is.
        reason: Why, in words for the user; empty where there is nothing to say.
    """

    compiled: bool
    reason: str = ""


def check_compile(choice: str) -> None:
    """Refuses what is no choice.

    Raises:
        GanzooError: It is none of ``auto``, ``on`` and ``off``.
    """
    if choice not in get_args(CompileChoice):
        raise GanzooError(f"Unknown choice '{choice}' for compile. Known: {', '.join(get_args(CompileChoice))}.")


def decide(
    choice: CompileChoice, device: torch.device, seconds: float, against: str | None = None, before: bool | None = None
) -> Compilation:
    """Whether to compile a run.

    Args:
        choice: ``auto`` compiles long runs on devices that nothing speaks against; it goes on as a run began.
        device: Where it trains.
        seconds: How long training would take as it is.
        against: Why compiled training is no faster on this device, in words, if so.
        before: Whether the run was compiled up to now; None for a new one.
    """
    if choice == "off":
        return Compilation(False, f"no; {_OTHER_BITS}" if before else "no")
    if choice == "auto":
        if before is not None:
            return _possible(device, "as before") if before else Compilation(False, "no, as before")
        if against is not None:
            return Compilation(False, f"no: {against}")
        if seconds < (WORTH_SECONDS_ON_CUDA if device.type == "cuda" else WORTH_SECONDS):
            return Compilation(False, "no: the run is too short to be worth it")
    return _possible(device, _OTHER_BITS_COMPILED if before is False else "")


def _possible(device: torch.device, why: str) -> Compilation:
    """Compilation, if it can be had: it is tried on one function, for much may be missing (a compiler, Python's headers)."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # It warns where there is no GPU.
    try:
        torch.compile(torch.sin, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:
        reason = f"torch cannot compile here ({_essence(error)})"
        if device.type == "cuda":  # Recordings need no compiler.
            return Compilation(True, f"steps are recorded, but {reason}")
        return Compilation(False, f"no: {reason}{f'; {_OTHER_BITS}' if why else ''}")
    return Compilation(True, f"yes{', ' if why else ''}{why}: the first steps wait a minute or two for the compiler")


def _essence(error: BaseException) -> str:
    """What lies at the bottom of an error of the compiler, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def compile_networks(generator: Generator, discriminator: Discriminator, needs: Iterable[str]) -> None:
    """Compiles what training calls of the networks: forward passes, and methods such as ``encode``.

    A discriminator stays as it is where its gradient is differentiated again, which torch does not compile, and where its
    layers are looked into; a gradient that it has a formula for is compiled all the same.

    Args:
        generator: As it is trained.
        discriminator: As it is trained.
        needs: What the terms of the recipe need.
    """
    torch.compiler.reset()  # A suite carries out many runs in one process, and torch compiles a function only so often.
    torch._dynamo.config.suppress_errors = True  # What the compiler fails on runs as it is written.
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)  # It tells of every function that it gives up.
    asked, has_formula = {*needs}, isinstance(discriminator, PiecewiseLinearDiscriminator)
    stays = _LOOKED_INTO in asked or (_DIFFERENTIATED_TWICE in asked and not has_formula)
    _compile(generator, methods_of(generator))
    _compile(discriminator, [name for name in methods_of(discriminator) if name == "score_gradient" or not stays])


def _compile(network: nn.Module, methods: Iterable[str]) -> None:
    for name in methods:
        network.__dict__[name] = torch.compile(getattr(network, name), dynamic=False)


def as_written(network: nn.Module) -> AbstractContextManager[object]:
    """Calls a network without compilation: scores and pictures come in batches of other sizes, each compiled anew."""
    return torch.compiler.set_stance("force_eager") if "forward" in network.__dict__ else nullcontext()
