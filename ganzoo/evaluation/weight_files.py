"""Published weight files: found in torch's cache or downloaded into it, and opened only if they are what they should be."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.evaluation.features import NotAvailable
from ganzoo.tensor_files import check_file, read_tensors

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class WeightFile:
    """A published file of a network's weights.

    Attributes:
        network: Whose weights they are, in words.
        url: Where they are published.
        sha256: Hash (hex) of the file; no other is accepted.
        option: Option of the command line that names such a file; empty where there is none.
    """

    network: str
    url: str
    sha256: str
    option: str = ""

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def way_out(self) -> str:
        """How a user gets the file, as a sentence."""
        named = f"name it with {self.option}, or " if self.option else ""
        return f"Get {self.url} and {named}put it into torch's cache of checkpoints (~/.cache/torch/hub/checkpoints)."

    def find(self, *, download: bool = True) -> Path:
        """The file in torch's cache, else a download into it.

        Raises:
            NotAvailable: It is not cached, and cannot be downloaded.
        """
        kept: Path = Path(torch.hub.get_dir()) / "checkpoints" / self.name
        if not kept.is_file():
            if not download:
                raise NotAvailable(f"no {self.network} weights. {self.way_out}")
            self._download(kept)
        return kept

    def read(self, file: Path) -> dict[str, Tensor]:
        """The tensors in ``file``, on the CPU.

        Raises:
            GanzooError: It cannot be read, is another file, or holds more than tensors.
        """
        check_file(file, f"{self.network} weights", self.way_out)
        try:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise GanzooError(f"{file} cannot be read: {error}. {self.way_out}") from error
        if found != self.sha256:
            raise GanzooError(
                f"{file} is not {self.name}: its SHA-256 begins {found[:8]} and should begin {self.sha256[:8]}. {self.way_out}"
            )
        return read_tensors(file, f"{self.network} weights", self.way_out)

    def _download(self, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _short_timeout():
                torch.hub.download_url_to_file(self.url, str(target), hash_prefix=self.sha256, progress=False)
        except (OSError, RuntimeError) as error:  # no network, a full disk; a hash that differs
            raise NotAvailable(f"no {self.network} weights, and the download failed ({error}). {self.way_out}") from error


@contextmanager
def _short_timeout() -> Iterator[None]:
    """Without a network, scoring must not hang: the standard library's default is to wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
