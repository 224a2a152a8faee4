"""State of a clustering that later additions of faces go on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.clustering.adding import NOWHERE, Centres
from finetune.clustering.metric import PLAIN, Metric


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Earlier(Brief):
    """State of a clustering that lets later faces join.

    Attributes:
        centres: centres of the faces, then of a gallery's photos.
        faces: number of the faces.
        changed: number of faces that were added or removed since all were clustered.
        stamp: digest of what the clusters follow from beside the faces.
        metric: metric in which the faces were compared.
        threshold: mean similarity in that metric above which clusters were merged; None in files of older versions.
    """

    centres: Centres
    faces: int
    changed: int = 0
    stamp: str = ""
    metric: Metric = PLAIN
    threshold: float | None = None

    def keeping(self, there: npt.NDArray[np.bool_]) -> Earlier:
        """Return what is left of it when only some of the faces are still there. Their clusters' centres stay."""
        whole = np.concatenate([there, np.ones(len(self.centres.of) - self.faces, bool)])
        removed = int((self.centres.of[~whole] != NOWHERE).sum())
        centres = self.centres._replace(of=self.centres.of[whole])
        return dataclasses.replace(self, centres=centres, faces=int(np.sum(there)), changed=self.changed + removed)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that a file keeps."""
        of, means, sizes = self.centres
        arrays: dict[str, npt.NDArray[Any]] = {
            "centre_of": of,
            "centre_means": means,
            "centre_sizes": sizes,
            "changed": np.array(self.changed),
            "stamp": np.array(self.stamp),
        }
        if self.threshold is not None:
            arrays["threshold"] = np.array(float(self.threshold))
        return arrays if self.metric.matrix is None else arrays | {"metric": self.metric.matrix}

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
        matrix, threshold = (stored.get(name) for name in ("metric", "threshold"))
        fits = [part.dtype.kind for part in (of, means, sizes)] == ["i", "f", "i"]
        fits = fits and means.shape == (len(sizes), size) and of.ndim == 1 and len(of) >= faces
        fits = fits and of.min(initial=0) >= NOWHERE and of.max(initial=-1) < len(sizes)
        fits = fits and _is_finite(matrix, (size, size)) and _is_finite(threshold, ())
        if not fits:
            return None
        metric = PLAIN if matrix is None else Metric(matrix)
        value = None if threshold is None else float(threshold)
        return cls(Centres(of, means, sizes), faces, int(stored["changed"]), str(stored["stamp"]), metric, value)


def _is_finite(part: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> bool:
    """Return whether an array that may be missing has a shape and finite numbers."""
    return part is None or (part.dtype.kind == "f" and part.shape == shape and bool(np.isfinite(part).all()))
