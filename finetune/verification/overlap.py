"""Overlap of identities between the training set and the pairs, which makes a result too good."""

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
    """Return the overlap of a training set with pairs, and the pairs that name none of its people, bool [n].

    Args:
        trained: identities of the training set.
        image_pairs: pairs whose identities are the names of the images' folders.
    """
    identities = image_pairs.identities
    shared = same_identities(trained, identities)
    strange = np.array([name not in shared for name in identities], dtype=bool)
    clean = strange[image_pairs.index1] & strange[image_pairs.index2]
    return Overlap(tuple(shared), len(set(identities) - {""}), int(np.count_nonzero(~clean))), clean


def read_names(path: str | Path) -> tuple[str, ...]:
    """Return the identities of a training set: the folders in a folder, or the lines of a text file.

    Raises:
        DataError: the path can't be read, or it names nobody.
    """
    path = Path(os.path.expanduser(path))
    if path.is_file():
        names = tuple(line.strip() for line in read_text(path, PEOPLE).splitlines() if line.strip())
    else:
        names = tuple(entry.name for entry in open_folder(path, PEOPLE) if os.path.isdir(entry))
    if not names:
        raise DataError(Problem(path, "names nobody", f"give {PEOPLE}"))
    return names
