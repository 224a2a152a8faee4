"""The objective of a search: the figure that a trial is judged by, the higher the better."""

from __future__ import annotations

from typing import NamedTuple

from finetune.errors import Problem, UserError
from finetune.recipe import WORST_GROUP, Accept, Recipe
from finetune.record import Evidence
from finetune.runs import Inputs
from finetune.training import EpochRow
from finetune.verification import worst_group

HELD_BACK = "validation_accuracy"
"""Column of the history with the accuracy on the validation images."""


class Objective(NamedTuple):
    """Figure that a trial is judged by: of its last stage's gate, or the accuracy on the validation images.

    Attributes:
        gate: gate of the last stage; None without one.
    """

    gate: Accept | None

    @property
    def title(self) -> str:
        """Name of the figure in a sentence."""
        if self.gate is None:
            return "accuracy on the validation images after the last stage"
        figure = f"lowest {self.gate.worst} of all sets" if self.gate.worst else self.gate.metric
        return f"{figure} after the last stage, as in its accept section"

    def after(self, evidence: Evidence) -> float:
        """Return the figure of the weights that a stage ended with."""
        if self.gate is None:
            assert evidence.held_back is not None  # `refuse_unjudged` sees to it
            return evidence.held_back.accuracy
        if self.gate.worst:
            return min(float(getattr(result, self.gate.worst)) for result in evidence.sets.values())
        if self.gate.pairs == "strangers":
            assert evidence.trade_off is not None  # the recipe's rules see to it
            return float(getattr(evidence.trade_off.strangers, self.gate.figure))
        result = evidence.sets[self.gate.pairs]
        if self.gate.figure == WORST_GROUP:
            assert result.groups is not None  # the recipe's rules see to it
            return worst_group(result, result.groups).accuracy
        return float(getattr(result, self.gate.figure))

    def within(self, row: EpochRow) -> float | None:
        """Return the figure after an epoch, or None if it is not measured there."""
        return row.get(HELD_BACK if self.gate is None else self.gate.metric or "")


def objective_of(recipe: Recipe) -> Objective:
    """Return the objective of a recipe's trials.

    Raises:
        UserError: nothing of the recipe judges the trials.
    """
    gate = recipe.stages[-1].accept
    if gate is None and not recipe.data.validates:
        raise UserError(
            Problem("data", "no validation images judge the trials", "give data.validation_split=0.2, or a folder")
        )
    return Objective(gate)


def refuse_unjudged(inputs: Inputs, objective: Objective) -> None:
    """Refuse inputs without any validation image where the objective needs some.

    Raises:
        UserError: there are none.
    """
    if objective.gate is None and not len(inputs.validation):
        raise UserError(
            Problem(
                inputs.recipe.data.train,
                "no image is left to validate on",
                "give more images per person, or a smaller --held-out",
            )
        )
