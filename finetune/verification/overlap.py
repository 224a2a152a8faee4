"""Identities that stand both in what was trained on and in the pairs: the overlap that flatters a result."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, Problem
from finetune.files import read_text
from finetune.names import same_identities
from finetune.paths import open_folder
from finetune.verification.pairs import ImagePairs
from finetune.verification.result import Overlap

PEOPLE = "a folder of people, or a text file with a name a line"


def find_overlap(trained: Iterable[str], image_pairs: ImagePairs) -> tuple[Overlap, npt.NDArray[np.bool_]]:
    """The overlap of a training set with pairs, and bool [n]: the pairs that name nobody of it.

    Args:
        trained: identities of the training set.
        image_pairs: their identities are the names of the images' folders.
    """
    identities = image_pairs.identities
    shared = same_identities(trained, identities)
    strange = np.array([name not in shared for name in identities], dtype=bool)
    clean = strange[image_pairs.index1] & strange[image_pairs.index2]
    return Overlap(tuple(shared), len(set(identities)), int(np.count_nonzero(~clean))), clean


def read_names(path: str | Path) -> tuple[str, ...]:
    """The identities of a training set: the folders in a folder, or the lines of a text file.

    Raises:
        DataError: it can't be read, or names nobody.
    """
    path = Path(os.path.expanduser(path))
    if path.is_file():
        names = tuple(line.strip() for line in read_text(path, PEOPLE).splitlines() if line.strip())
    else:
        names = tuple(entry.name for entry in open_folder(path, PEOPLE) if os.path.isdir(entry))
    if not names:
        raise DataError(Problem(path, "names nobody", f"give {PEOPLE}"))
    return names
