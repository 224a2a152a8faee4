"""Folder of validation images, for people who are trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from finetune.brief import Brief
from finetune.dataset import Dataset, Inspect, Quarantined, Scan, scan
from finetune.errors import SHOWN, DataError, Problem
from finetune.images import Records
from finetune.names import same_identities
from finetune.recipe import Recipe
from finetune.runs.data import crops
from finetune.words import counted


@dataclasses.dataclass(frozen=True, repr=False)
class Validation(Brief):
    """Images of the folder in `data.validation`.

    Attributes:
        dataset: usable images of the people who are trained on.
        quarantined: unusable files and folders, with reasons.
        left_out: people of the folder who are held out or left out of training.
    """

    dataset: Dataset
    quarantined: tuple[Quarantined, ...]
    left_out: tuple[str, ...] = ()

    def of(self, trained: Dataset) -> Validation:
        """Return the images of those who are trained on, with the class names and labels of the training images.

        Raises:
            DataError: there are none.
        """
        own = self.dataset.class_names
        known = same_identities(trained.class_names, own)
        label = {own.index(name): trained.class_names.index(other) for name, other in known.items()}
        rows = [row for row, of in enumerate(self.dataset.labels.tolist()) if of in label]
        if not rows:
            raise DataError(Problem(self.dataset.root, "nobody in it is trained on", "give images of some who are"))
        labels = np.array([label[of] for of in self.dataset.labels[rows].tolist()], np.int64)
        paths = tuple(self.dataset.paths[row] for row in rows)
        dataset = Dataset(self.dataset.root, trained.class_names, paths, labels)
        return Validation(dataset, self.quarantined, tuple(name for name in own if name not in known))

    def copies(self, trained: Dataset, records: Records) -> int:
        """Count the images whose file is a training image too."""
        digests = {records[path].digest for path in trained.paths}
        return sum(records[path].digest in digests for path in self.dataset.paths)

    def summary(self) -> dict[str, Any]:
        """Return the summary for the run's folder."""
        return {
            "folder": str(self.dataset.root),
            "images": len(self.dataset),
            "quarantined": {str(entry.path): entry.reason for entry in self.quarantined},
            "left_out": list(self.left_out),
        }


def open_validation(recipe: Recipe, scanned: Scan, crop: int | None, inspect: Inspect) -> Validation | None:
    """Scan the folder of validation images; photos are aligned first if the recipe says so.

    Args:
        scanned: scan of the training folder, with all of its people.
        crop: side in pixels of the network's input, if known.
        inspect: function that reads the files.

    Returns:
        Images of all people of the folder, or None if the recipe gives no folder.

    Raises:
        DataError: the folder can't be used, or some of its people are not in the training folder.
        RunError: the crops can't be written.
    """
    folder = recipe.data.validation
    if folder is None:
        return None
    cut, lost = crops(recipe, folder, crop)
    found = scan(cut, crop=crop, inspect=inspect)
    everybody = (*scanned.dataset.class_names, *scanned.left_out)
    known = same_identities(everybody, found.dataset.class_names)
    _refuse_unknown(folder, [name for name in found.dataset.class_names if name not in known], recipe.data.train)
    return Validation(found.dataset, (*found.quarantined, *lost))


def _refuse_unknown(folder: Path, names: list[str], train: Path) -> None:
    """Refuse people who are not in the training folder, all of them in one line."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        found = f"{counted(len(names), 'person')} not in {train}: {', '.join(map(ascii, names[:SHOWN]))}{more}"
        raise DataError(Problem(folder, found, "remove their folders, or add images of them to data.train"))
