"""State of a clustering that later additions of faces go on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.clustering.adding import NOWHERE, Centres


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Earlier(Brief):
    """State of a clustering that lets later faces join.

    Attributes:
        centres: centres of the faces, then of a gallery's photos.
        faces: number of the faces.
        changed: number of faces that were added or removed since all were clustered.
        stamp: digest of what the clusters follow from beside the faces.
    """

    centres: Centres
    faces: int
    changed: int = 0
    stamp: str = ""

    def keeping(self, there: npt.NDArray[np.bool_]) -> Earlier:
        """Return what is left of it when only some of the faces are still there. Their clusters' centres stay."""
        whole = np.concatenate([there, np.ones(len(self.centres.of) - self.faces, bool)])
        removed = int((self.centres.of[~whole] != NOWHERE).sum())
        centres = self.centres._replace(of=self.centres.of[whole])
        return dataclasses.replace(self, centres=centres, faces=int(np.sum(there)), changed=self.changed + removed)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that a file keeps."""
        of, means, sizes = self.centres
        return {
            "centre_of": of,
            "centre_means": means,
            "centre_sizes": sizes,
            "changed": np.array(self.changed),
            "stamp": np.array(self.stamp),
        }

    @classmethod
    def from_arrays(cls, stored: Mapping[str, npt.NDArray[Any]], faces: int, size: int) -> Earlier | None:
        """Return what `to_arrays` gave; None if it is missing, as in older files, or does not fit.

        Args:
            stored: arrays of the file.
            faces: number of the faces beside it.
            size: number of values of their embeddings.
        """
        if "centre_of" not in stored:
            return None
        of, means, sizes = (stored[f"centre_{name}"] for name in Centres._fields)
        left = cls(Centres(of, means, sizes), faces, int(stored["changed"]), str(stored["stamp"]))
        fits = [part.dtype.kind for part in left.centres] == ["i", "f", "i"] and means.shape == (len(sizes), size)
        fits = fits and of.ndim == 1 and len(of) >= faces
        return left if fits and of.min(initial=0) >= NOWHERE and of.max(initial=-1) < len(sizes) else None
