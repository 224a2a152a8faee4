"""Result of a verification protocol: figures, settings, and the decision on each pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.notebook import html_table
from finetune.verification.pair_groups import PairGroups
from finetune.words import counted

Distance = Literal["euclidean", "cosine"]

THRESHOLDS_END = 4
"""End of the protocol's thresholds, which is excluded. They begin at 0."""
ACCURACY_STEP = 0.01
VAL_STEP = 0.001

PROTOCOL = {
    "folds": "consecutive pairs",
    "accepted": "distance < threshold",
    "accuracy_thresholds": f"0 to {THRESHOLDS_END} by {ACCURACY_STEP}",
    "val_thresholds": f"0 to {THRESHOLDS_END} by {VAL_STEP}, interpolated linearly at far_target",
}
"""Description of FaceNet's protocol for readers of a result's JSON."""


@dataclasses.dataclass(frozen=True, repr=False)
class Overlap(Brief):
    """Overlap of the pairs with the training set.

    Attributes:
        identities: identities of the pairs that were trained on, with the spelling and order of the pairs.
        n_identities: number of identities in the pairs.
        n_pairs: number of pairs that name one of `identities`.
    """

    identities: tuple[str, ...]
    n_identities: int
    n_pairs: int


class ValidationRate(NamedTuple):
    """Validation rate at one of several false accept rates.

    Attributes:
        far_target: requested false accept rate.
        threshold: distance below which pairs are accepted.
        val: share of the pairs of one person that are accepted: TAR, or 1 - FNMR.
        low, high: 95 % interval of `val` (Wilson).
        far: share of the pairs of two people that are accepted: FAR, or FMR.
    """

    far_target: float
    threshold: float
    val: float
    low: float
    high: float
    far: float


class AccuracyInterval(NamedTuple):
    """95 % interval of an accuracy.

    Attributes:
        low, high: ends of the interval, 0 to 1.
        n: number of independent trials that it counts.
        of: what a trial is, `people` or `pairs`.
    """

    low: float
    high: float
    n: int
    of: str

    def __str__(self) -> str:
        return f"Interval of the accuracy (95 %, {self.n} {self.of}): {self.low:.3f} to {self.high:.3f}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class VerificationResult(Brief):
    """Figures of a verification protocol for one set of pairs, LFW's or any other.

    `LFWResult`, its former name, is the same class.

    Example:
        >>> import numpy as np
        >>> from finetune import evaluate_pairs
        >>> result = evaluate_pairs(np.eye(40), np.eye(40), [True, False] * 20, n_folds=2)
        >>> print(result.lines()[0])
        Accuracy: 0.50000+-0.00000

    Attributes:
        accuracy: mean of `fold_accuracy`, 0 to 1.
        accuracy_std: standard deviation of `fold_accuracy` over the folds.
        val: validation rate (true accepts divided by pairs of one person) at `far_target`, mean over the folds.
        val_std: standard deviation of the validation rate over the folds.
        far: false accept rate measured on the folds at the thresholds that gave `val`, mean over the folds.
        auc: area under the ROC curve over the protocol's thresholds.
        eer: equal error rate, at which false accepts and false rejects cross. None if they do not cross within the
            thresholds.
        threshold: mean over the folds of the threshold with the best accuracy, a distance.
        fold_accuracy: accuracy on each fold, at the threshold that is best on the other folds.
        n_pairs: number of pairs.
        n_same: number of pairs of one person.
        n_folds: number of folds of the cross-validation. It is 1 for a protocol without folds, and every deviation is
            then 0.
        distance: `euclidean` (squared, as in FaceNet) or `cosine` (the angle divided by π).
        subtract_mean: True if the mean of the other folds was subtracted from each fold's embeddings.
        flip: True if the mirror image's embedding is appended to each embedding.
        far_target: false accept rate at which `val` is measured.
        notes: remarks on the figures, one sentence each.
        correct: True for each pair that was decided correctly in its own fold, bool [n_pairs].
        distances: distance of each pair in its own fold, float32 [n_pairs]. This and the next two are None in results
            of older versions, which did not keep them.
        is_same: True for each pair of one person, bool [n_pairs].
        folds: number of each pair's fold, from 0, int16 [n_pairs].
        pairs_sha256: digest of the pairs' names, if known. `compare` requires equal digests.
        overlap: identities of the pairs that were trained on; None if they are unknown.
        without_overlap: figures on the pairs that name none of these identities, with each pair in its original fold.
            None without an overlap, or if too few pairs are left, which `notes` then says.
        sample_of: number of pairs that the measured ones are a sample of; None if all were measured.
        protocol: description of the protocol for readers of the JSON.
        name: name of the measured set in a recipe's `measure`; None for LFW's pairs and any others.
        rates: validation rates, if several false accept rates were requested. `val` is the first of them.
        accuracy_interval: 95 % interval of the accuracy for pairs of few people; None for ten folds.
        groups: groups of the people in the pairs, from which `group_rates` makes rates; None if they are not known.
    """

    accuracy: float
    accuracy_std: float
    val: float
    val_std: float
    far: float
    auc: float
    eer: float | None
    threshold: float
    fold_accuracy: tuple[float, ...]
    n_pairs: int
    n_same: int
    n_folds: int
    distance: Distance
    subtract_mean: bool
    flip: bool
    far_target: float
    notes: tuple[str, ...]
    correct: npt.NDArray[np.bool_]
    distances: npt.NDArray[np.float32] | None = None
    is_same: npt.NDArray[np.bool_] | None = None
    folds: npt.NDArray[np.int16] | None = None
    pairs_sha256: str | None = None
    overlap: Overlap | None = None
    without_overlap: VerificationResult | None = None
    sample_of: int | None = None
    protocol: Mapping[str, str] = dataclasses.field(default_factory=lambda: PROTOCOL, repr=False)
    name: str | None = None
    rates: tuple[ValidationRate, ...] = ()
    accuracy_interval: AccuracyInterval | None = None
    groups: PairGroups | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerificationResult) and self.to_json() == other.to_json()

    def lines(self) -> list[str]:
        """Return the four lines that FaceNet's `validate_on_lfw.py` prints; with one fold, without deviations.

        Several false accept rates have one line each. For pairs of few people, the interval of the accuracy is one more
        line.
        """
        accuracy_std, val_std = (f"+-{std:.5f}" * (self.n_folds > 1) for std in (self.accuracy_std, self.val_std))
        eer = "none within the thresholds" if self.eer is None else f"{self.eer:.3f}"
        return [
            f"Accuracy: {self.accuracy:.5f}{accuracy_std}",
            *(
                [f"Validation rate: {rate.val:.5f} @ FAR={rate.far_target:g}" for rate in self.rates]
                or [f"Validation rate: {self.val:.5f}{val_std} @ FAR={self.far:.5f}"]
            ),
            f"Area Under Curve (AUC): {self.auc:.3f}",
            f"Equal Error Rate (EER): {eer}",
            *([] if self.accuracy_interval is None else [str(self.accuracy_interval)]),
        ]

    def _repr_html_(self) -> str:
        eer = "none within the thresholds" if self.eer is None else f"{self.eer:.4f}"
        rows = [
            ("accuracy", f"{self.accuracy:.4f} ± {self.accuracy_std:.4f}"),
            (f"validation rate (1 - FNMR) at FAR (FMR) {self.far_target:g}", f"{self.val:.4f} ± {self.val_std:.4f}"),
            ("area under the ROC curve", f"{self.auc:.4f}"),
            ("equal error rate", eer),
            ("threshold", f"{self.threshold:.4f} ({self.distance})"),
            ("pairs", f"{self.n_pairs:,}, of one person {self.n_same:,}, in {counted(self.n_folds, 'fold')}"),
        ]
        return html_table(f"Verification on {self.of_what}", rows)

    @property
    def of_what(self) -> str:
        """Word for the measured pairs: the set's name or `LFW`, or `sample`: figures of a sample are not LFW's."""
        if self.sample_of is None:
            return self.name or "LFW"
        return f"{self.name} sample" if self.name else "sample"

    @property
    def accuracy_name(self) -> str:
        """Name of the accuracy, which says so if it is a sample's."""
        if self.sample_of is None:
            return f"{self.name or 'LFW'} accuracy"
        of = f"{self.name} " if self.name else ""
        return f"{of}accuracy on a sample of {self.n_pairs:,} of {self.sample_of:,} pairs"

    @property
    def left_out(self) -> str:
        """Description of the pairs that `without_overlap` leaves out; empty without an overlap."""
        if self.overlap is None or not self.overlap.identities:
            return ""
        return (
            f"the {len(self.overlap.identities)} of {self.overlap.n_identities} identities trained on "
            f"({self.overlap.n_pairs} of {self.n_pairs} pairs left out)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, ready for `json.dump`.

        `correct` and `is_same` are strings of 0 and 1, one digit per pair. `distances` and `folds` are lists.
        `sample_of`, `name`, `rates`, `accuracy_interval` and `groups` are present only if they are known.
        """
        optional = {
            "sample_of": self.sample_of,
            "name": self.name,
            "rates": [rate._asdict() for rate in self.rates] or None,
            "accuracy_interval": self.accuracy_interval and self.accuracy_interval._asdict(),
            "groups": self.groups and self.groups.to_json(),
        }
        apart = {*optional, "protocol"}
        names = [field.name for field in dataclasses.fields(self) if field.name not in apart]
        return {
            **{name: getattr(self, name) for name in names},
            **{name: value for name, value in optional.items() if value is not None},
            "fold_accuracy": list(self.fold_accuracy),
            "notes": list(self.notes),
            "correct": digits(self.correct),
            "is_same": None if self.is_same is None else digits(self.is_same),
            "distances": None if self.distances is None else [float(str(value)) for value in self.distances],
            "folds": None if self.folds is None else self.folds.tolist(),
            "overlap": dataclasses.asdict(self.overlap) if self.overlap else None,
            "without_overlap": self.without_overlap.to_json() if self.without_overlap else None,
            "protocol": dict(self.protocol),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> VerificationResult:
        """Return the result that `to_json` wrote; other keys in `stored` are ignored.

        Results of older versions have no overlap and no distances.

        Raises:
            DataError: `stored` lacks some fields, or their lengths differ from the number of pairs.
        """
        names = [field.name for field in dataclasses.fields(cls) if _is_required(field)]
        missing = ", ".join(name for name in names if name not in stored)
        if missing:
            raise DataError(Problem("result of verification", f"found no {missing}", "give a file that finetune wrote"))
        fields = {name: stored[name] for name in names}
        fields["fold_accuracy"] = tuple(stored["fold_accuracy"])
        fields["notes"] = tuple(stored["notes"])
        fields["correct"] = decisions(stored["correct"])
        if stored.get("distances") is not None:
            fields["is_same"] = decisions(stored["is_same"])
            fields["distances"] = np.array(stored["distances"], np.float32)
            fields["folds"] = np.array(stored["folds"], np.int16)
        for name in ("correct", "is_same", "distances", "folds"):
            if len(fields.get(name, fields["correct"])) != stored["n_pairs"]:
                found = f"found {len(fields[name])} values of {name} for {stored['n_pairs']} pairs"
                raise DataError(Problem("result of verification", found, "give a file that finetune wrote"))
        overlap, without = stored.get("overlap"), stored.get("without_overlap")
        interval = stored.get("accuracy_interval")
        return cls(
            **fields,
            overlap=Overlap(**overlap | {"identities": tuple(overlap["identities"])}) if overlap else None,
            without_overlap=cls.from_json(without) if without else None,
            pairs_sha256=stored.get("pairs_sha256"),
            sample_of=stored.get("sample_of"),
            protocol=stored.get("protocol", PROTOCOL),
            name=stored.get("name"),
            rates=tuple(ValidationRate(**rate) for rate in stored.get("rates", ())),
            accuracy_interval=AccuracyInterval(**interval) if interval else None,
            groups=PairGroups.from_json(stored["groups"]) if stored.get("groups") else None,
        )


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


LFWResult = VerificationResult
"""Former name of `VerificationResult`."""


def digits(values: npt.NDArray[np.bool_]) -> str:
    """Return truth values as a string of 0 and 1."""
    return "".join("01"[value] for value in values.astype(int))


def decisions(text: str) -> npt.NDArray[np.bool_]:
    """Return the truth values that `digits` wrote."""
    return np.array([digit == "1" for digit in text], dtype=bool)
