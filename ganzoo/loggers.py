"""TensorBoard and Weights & Biases, through Fabric's loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError

LOGGERS = ("tensorboard", "wandb")


def create_logger(name: str, folder: Path) -> Any:
    """A Fabric logger that writes beside the run.

    Raises:
        GanzooError: Unknown logger, or its library is not installed.
    """
    try:
        if name == "tensorboard":
            from lightning_fabric.loggers.tensorboard import TensorBoardLogger

            return TensorBoardLogger(root_dir=folder, name="tensorboard", version="")
        if name == "wandb":
            from wandb.integration.lightning.fabric import WandbLogger

            return WandbLogger(project="ganzoo", save_dir=str(folder))
    except ImportError as error:
        raise GanzooError(f"The {name} logger needs its library: pip install 'ganzoo[{name}]'.") from error
    raise GanzooError(f"Unknown logger '{name}'. Known: {', '.join(LOGGERS)}.")
