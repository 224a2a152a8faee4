"""One row an epoch."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochRow:
    """What one epoch gave; None is what does not apply, or was not measured.

    Attributes:
        stage: its name.
        attempt: counted from 1; a stage that was rolled back may be tried again.
        epoch: counted from 1 within the attempt.
        learning_rate: of the classifier, after the warm-up.
        loss: mean over images of the loss with all terms.
        cross_entropy, triplet: the loss itself, with its margin or smoothing.
        prelogits_norm, center_loss, distillation: means over images, without their factors.
        weight_decay, l2_sp: as they enter the loss.
        gradient_norm: mean over steps of the global norm, before it is clipped.
        accuracy: share of training images classified rightly as they were trained on, 0..1.
        active_triplets: share of the mined triplets with a loss above 0.
        positive_distance, negative_distance: means over the mined triplets.
        drawn_mean, drawn_std: how often each training image was drawn since the attempt began, over the images.
        validation_loss: mean loss of the held-back images, without margin, smoothing and the other terms.
        validation_accuracy: share of them classified rightly, 0..1.
        learned_accuracy: share of them named rightly by the nearest class mean of embeddings, 0..1.
        learned_low, learned_high: 95 % interval of its difference to before the run.
        strangers_accuracy: on pairs of people held out from training, 0..1.
        strangers_low, strangers_high: 95 % interval of its difference to before the run.
        strangers_val: validation rate on these pairs, at FAR 0.001.
        strangers_dir: share of the held-back images that are named rightly, above the score that 1 % of
            strangers reach.
        seconds: wall time of the epoch.
    """

    stage: str
    attempt: int
    epoch: int
    learning_rate: float
    loss: float
    cross_entropy: float | None = None
    triplet: float | None = None
    prelogits_norm: float | None = None
    center_loss: float | None = None
    weight_decay: float | None = None
    l2_sp: float | None = None
    distillation: float | None = None
    gradient_norm: float | None = None
    accuracy: float | None = None
    active_triplets: float | None = None
    positive_distance: float | None = None
    negative_distance: float | None = None
    drawn_mean: float | None = None
    drawn_std: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    learned_accuracy: float | None = None
    learned_low: float | None = None
    learned_high: float | None = None
    strangers_accuracy: float | None = None
    strangers_low: float | None = None
    strangers_high: float | None = None
    strangers_val: float | None = None
    strangers_dir: float | None = None
    seconds: float = 0.0


FIELDS = tuple(field.name for field in dataclasses.fields(EpochRow))
WHOLE = ("attempt", "epoch")
NUMBERS = tuple(name for name in FIELDS if name not in ("stage", *WHOLE))


def to_csv(rows: Iterable[EpochRow]) -> str:
    """The history as CSV, a header first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[EpochRow]:
    """The rows that `to_csv` wrote; of an older finetune's, what it did not know is None."""
    return [_row(values) for values in csv.DictReader(io.StringIO(text))]


def _row(values: Mapping[str, str]) -> EpochRow:
    given = {name: text for name, text in values.items() if name in FIELDS and text}
    numbers = {name: int(text) if name in WHOLE else float(text) for name, text in given.items() if name != "stage"}
    return EpochRow(**{"attempt": 1} | numbers | {"stage": given["stage"]})  # type: ignore[arg-type]
