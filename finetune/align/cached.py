"""Cache of the crops of a folder of photos: only new and changed photos are aligned."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from finetune.align.aligner import Alignment, align, leftovers
from finetune.align.coverage import Coverage
from finetune.errors import DataError, Problem
from finetune.files import private_folder
from finetune.paths import cache_folder, in_one_line


def aligned(photos: Path, alignment: Alignment, folder: Path | None = None) -> tuple[Path, Coverage]:
    """Return the folder with exactly the crops of these photos, named as the photos are, and their coverage.

    Args:
        photos: folder of any depth, or one photo.
        alignment: settings.
        folder: folder for the crops; by default one in the user's cache.

    Raises:
        DataError: there are no photos, or no photo shows a face.
        RunError: the crops can't be written.
    """
    identity = json.dumps([str(photos.resolve()), alignment.to_json()])
    name = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:32]
    folder = folder or private_folder(cache_folder("aligned")) / name
    coverage = align(photos, folder, alignment)
    if not coverage.found:
        first = coverage.outcomes[0]
        raise DataError(
            Problem(
                photos,
                f"no face found; the first of {len(coverage.outcomes)} photos is {in_one_line(first.photo)}: "
                f"{first.failure}",
            )
        )
    for path in leftovers(folder, coverage, alignment):
        path.unlink()
    return folder, coverage
