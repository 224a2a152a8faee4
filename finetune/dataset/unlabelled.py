"""The scan of a folder of faces of which nobody says whose they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from finetune.dataset.scanning import Dataset, Inspect, Quarantined, Scan
from finetune.errors import DataError, Problem
from finetune.images import inspect_images
from finetune.paths import find_images, printable


def scan_unlabelled(
    root: str | os.PathLike[str], *, crop: int | None = None, inspect: Inspect = inspect_images
) -> Scan:
    """Read all images below a folder, whatever its subfolders are called.

    Every file is inspected once, so that no unreadable file reaches training.

    Args:
        root: folder of aligned faces.
        crop: smallest image side in pixels; smaller images are quarantined.
        inspect: function that reads the files.

    Returns:
        Scan without people. Its labels are all 0.

    Raises:
        DataError: the folder is missing, or holds no usable image.
    """
    root = Path(os.path.expanduser(root))
    if root.is_file():
        raise DataError(Problem(root, "not a folder", "give a folder of images"))
    found = find_images(root)
    quarantined = [Quarantined(path, "a name that can't be printed; rename the file") for path in found if _odd(path)]
    files = [path for path in found if not _odd(path)] if quarantined else found
    records = inspect(files)
    reasons = {path: records[path].unusable(crop) for path in files}
    quarantined += [Quarantined(path, reason) for path, reason in reasons.items() if reason]
    usable = tuple(path for path, reason in reasons.items() if reason is None)
    if not usable:
        first = f"the first of {len(quarantined)} not used is {quarantined[0]}"
        raise DataError(Problem(root, "no usable image in it", first))
    dataset = Dataset(root, (), usable, np.zeros(len(usable), np.int64))
    return Scan(dataset, tuple(quarantined), (), records)


def _odd(path: Path) -> bool:
    return not printable(path.name)
