"""People in a set of embedded faces: metric, expansion, threshold and linkage in one call."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels
from finetune.brief import Brief
from finetune.clustering.constraints import Constraints
from finetune.clustering.linkage import Known, average_linkage
from finetune.clustering.metric import PLAIN, Metric, learn_metric
from finetune.clustering.neighbours import expand
from finetune.clustering.thresholds import estimate_threshold

FAR = 0.001
MARGIN = 0.5
"""Share of the rate that known people may reach, so that other people keep to all of it. Rates vary with the people,
since one with many photos makes many pairs. Halves of LFW's people had up to 1.8 times the rate of the other half."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clusters(Brief):
    """People found among faces.

    Attributes:
        labels: lowest row of each face's cluster, int64 [n].
        threshold: mean similarity of expanded embeddings above which clusters were merged.
        source: description of where the threshold comes from.
        expanded: expanded embeddings in the metric, float32 [n, E].
        metric: metric in which the faces were compared.
    """

    labels: Labels
    threshold: float
    source: str
    expanded: npt.NDArray[np.float32]
    metric: Metric = PLAIN


def find_people(
    embeddings: Floats,
    constraints: Constraints | None = None,
    *,
    far: float = FAR,
    threshold: float | None = None,
    known: Labels | None = None,
    metric: Metric | None = None,
) -> Clusters:
    """Cluster faces by person: average linkage of embeddings that were expanded by their nearest neighbours.

    From 512 faces on, and as many as an embedding has values, they are compared in a metric that is learned from the
    faces themselves (`learn_metric`).

    Args:
        embeddings: rows of unit length, [n, E], in an order that has nothing to do with their people, such as that of
            their digests. The order decides only between equal similarities.
        constraints: pairs of faces that belong together or apart. No cluster breaks them.
        far: share of the pairs of two people's faces that may be merged, 0 < far < 0.1.
        threshold: mean similarity that clusters must exceed to be merged, in place of `far`.
        known: person of each face, int64 [n]; -1 where unknown. If given, the threshold is the lowest one at which no
            more than half of the share `far` of these people's pairs would be merged (`MARGIN`). Without it, it is only
            an estimate.
        metric: metric to use instead of learning one.

    Raises:
        ValueError: the constraints contradict each other.

    Example:
        >>> import numpy as np
        >>> from finetune.clustering import find_people
        >>> faces = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
        >>> find_people(faces, threshold=0.5).labels.tolist()
        [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]
    """
    kept = Constraints.none(len(embeddings)) if constraints is None else constraints
    metric = learn_metric(embeddings) if metric is None else metric
    rows, source = expand(metric.rows(embeddings)), "as given"
    if threshold is None:
        threshold, source = estimate_threshold(embeddings, rows, far), "estimated from the similarities of all pairs"
        if known is not None:
            threshold, source = _calibrated(rows, threshold, Known(known, MARGIN * far)), "measured on known people"
    return Clusters(average_linkage(rows, threshold, kept).labels, threshold, source, rows, metric)


def _calibrated(rows: Floats, estimate: float, known: Known) -> float:
    """Return the lowest threshold that keeps to the rate, at or above half of the estimate."""
    free = Constraints.none(len(rows))
    return average_linkage(rows, min(estimate, max(0.0, estimate / 2)), free, known).threshold
