"""Where in the face a generator edits, picture by picture of a run: ``samples/edit_locality.csv``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.face_regions import REGIONS, edit_energy, energy_shares
from ganzoo.runs.folder import EDIT_LOCALITY
from ganzoo.runs.tables import as_csv, read_rows
from ganzoo.runs.writing import write_atomically

COLUMNS = ("images", *REGIONS, "energy")


class EditHistory:
    """A row for each time that the fixed faces are translated: the share of every region in the energy of their edits.

    Args:
        folder: Where the table goes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / EDIT_LOCALITY

    def record(self, images_seen: int, sources: Tensor, translations: Tensor, boxes: Tensor) -> None:
        """Adds a row; rows of the same or a later time, left by a run that was set back, are dropped.

        Args:
            images_seen: Training images seen so far.
            sources: uint8 ``(N, C, H, W)``.
            translations: uint8 ``(N, T, C, H, W)``.
            boxes: Where the aligned face lies in each source, float ``(N, 4)``.
        """
        targets = translations.shape[1]
        before, places = (values.repeat_interleave(targets, dim=0) for values in (sources, boxes))
        energies = edit_energy(before, translations.flatten(0, 1), places)
        shares = energy_shares(energies)
        energy = float(energies.sum(dim=1).mean())
        row = {"images": str(images_seen), "energy": f"{energy:.6g}"} | {name: f"{share:.6g}" for name, share in shares.items()}
        earlier = [old for old in read_rows(self.path, COLUMNS, "images")[0] if int(old["images"]) < images_seen]
        text = as_csv(COLUMNS, [*earlier, row])
        write_atomically(self.path, lambda file: file.write_text(text, encoding="utf-8", newline=""))


def other_classes(columns: Tensor, labels: Tensor) -> Tensor:
    """Of translations to every class ``(K, N, C, H, W)``, those to other classes than the face's own: ``(N, K - 1, C, H, W)``."""
    wanted = torch.arange(len(columns))[None, :] != labels[:, None]  # (N, K)
    others = columns.transpose(0, 1)[wanted]
    return others.view(len(labels), len(columns) - 1, *columns.shape[2:])
