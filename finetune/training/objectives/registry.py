"""All losses and terms, and the columns of their metrics in `history.csv`."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator

from finetune.schema import Wants, form_of, read_kind
from finetune.training.objectives.adaface import AdaFace
from finetune.training.objectives.arcface import ArcFace
from finetune.training.objectives.center_loss import CenterLoss
from finetune.training.objectives.combined import Combined
from finetune.training.objectives.cosface import CosFace
from finetune.training.objectives.curricularface import CurricularFace
from finetune.training.objectives.distillation import Distillation
from finetune.training.objectives.loss import Loss
from finetune.training.objectives.metric import GRADIENT_NORM, LOSS, Metric
from finetune.training.objectives.no_loss import NoLoss
from finetune.training.objectives.penalties import L2SP, WeightDecay
from finetune.training.objectives.prelogits_norm import PrelogitsNorm
from finetune.training.objectives.softmax import Softmax
from finetune.training.objectives.sub_arcface import SubArcFace
from finetune.training.objectives.term import Term
from finetune.training.objectives.triplet import Triplet
from finetune.words import listed

LOSSES: dict[str, type[Loss]] = {
    "softmax": Softmax,
    "arcface": ArcFace,
    "cosface": CosFace,
    "combined": Combined,
    "curricularface": CurricularFace,
    "adaface": AdaFace,
    "sub_arcface": SubArcFace,
    "triplet": Triplet,
    "none": NoLoss,
}
"""Losses by their names in recipes."""
AnyLoss = Annotated[
    Loss,
    PlainValidator(lambda value: read_kind(LOSSES, value), form_of(LOSSES)),
    Wants(f"{listed(LOSSES, 'or')}, or {{name: softmax, label_smoothing: 0.1}}"),
]
"""Loss in a recipe: its name, or its name and constants."""
TERMS: tuple[type[Term], ...] = (PrelogitsNorm, CenterLoss, WeightDecay, L2SP, Distillation)


def all_metrics() -> tuple[Metric, ...]:
    """Return every metric that a stage may have, in the order of the columns of `history.csv`.

    The order is: the loss with all terms, each loss itself, the terms, the gradient norm, and other metrics of losses.
    """
    losses = LOSSES.values()
    itself = [loss.metrics[0] for loss in losses]
    others = [metric for loss in losses for metric in loss.metrics[1:]]
    ordered = (LOSS, *itself, *(term.metric for term in TERMS), GRADIENT_NORM, *others)
    return tuple(dict.fromkeys(ordered))  # several losses may share a metric
