"""The losses that a stage can have, each with the constants of its paper."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any

from finetune.recipe.checks import ABOVE_0, FROM_0_BELOW_1, Check, listed, number, one_of, optional
from finetune.recipe.section import Problem, Section, SectionError, build
from finetune.training import objectives
from finetune.training.objectives import TripletDistance

RADIANS = number("radians from 0, below pi", lambda x: 0 <= x < math.pi)


@dataclasses.dataclass(frozen=True)
class Loss(Section, objectives.Loss):
    """What a stage minimizes over its images; the terms beside it have keys of their own."""

    def to_value(self) -> dict[str, Any]:
        """Return `{name: …, margin: …}`."""
        return {"name": self.name, **super().to_value()}


@dataclasses.dataclass(frozen=True)
class Softmax(Loss, objectives.Softmax):
    """Cross-entropy of the logits, as the published script trains.

    Attributes:
        label_smoothing: the share of the target that all classes have in common, from 0, below 1 (Szegedy et al.
            2016, "Rethinking the Inception architecture"; 0.1 there).
    """

    name = "softmax"

    label_smoothing: Annotated[float, FROM_0_BELOW_1] = 0.0


@dataclasses.dataclass(frozen=True)
class ArcFace(Loss, objectives.ArcFace):
    """An additive angular margin: cos(θ + margin) for an image's own class (Deng et al. 2019, "ArcFace").

    Attributes:
        margin: in radians, from 0, below π.
        scale: what cosines are multiplied by, above 0.
    """

    name = "arcface"

    margin: Annotated[float, RADIANS] = 0.5
    scale: Annotated[float, ABOVE_0] = 64.0


@dataclasses.dataclass(frozen=True)
class CosFace(Loss, objectives.CosFace):
    """An additive cosine margin: cos(θ) - margin for an image's own class (Wang et al. 2018, "CosFace").

    Attributes:
        margin: from 0, below 2.
        scale: what cosines are multiplied by, above 0.
    """

    name = "cosface"

    margin: Annotated[float, number("a number from 0, below 2", lambda x: 0 <= x < 2)] = 0.35
    scale: Annotated[float, ABOVE_0] = 64.0


@dataclasses.dataclass(frozen=True)
class Triplet(Loss, objectives.Triplet):
    """The triplet loss on unit embeddings: max(d(anchor, positive) - d(anchor, negative) + margin, 0).

    Attributes:
        distance: `squared`, of Schroff et al. 2015 ("FaceNet"), or `euclidean`, that of PyTorch's `TripletMarginLoss`.
        margin: above 0; where it is not given, 0.2 of FaceNet or 1.0 of PyTorch.
    """

    name = "triplet"

    distance: Annotated[TripletDistance, one_of(("squared", "euclidean"))] = "squared"
    margin: Annotated[float | None, optional(ABOVE_0)] = None


LOSSES: dict[str, type[Loss]] = {kind.name: kind for kind in (Softmax, ArcFace, CosFace, Triplet)}


def _read(value: object) -> Loss | None:
    if isinstance(value, Loss):
        return value
    if not isinstance(value, (str, Mapping)):
        return None
    constants: dict[Any, object] = {"name": value} if isinstance(value, str) else dict(value)
    try:
        kind = LOSSES[one_of(LOSSES)(constants.pop("name", "softmax"))]
    except ValueError as error:
        raise SectionError("", [Problem(("name",), str(error))], None) from None
    return build(kind, constants)


LOSS = Check(f"{listed(LOSSES, 'or')}, or {{name: softmax, label_smoothing: 0.1}}", _read)
