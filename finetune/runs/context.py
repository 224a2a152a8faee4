"""The context of a run: what all of its stages share."""

from __future__ import annotations

import dataclasses

from finetune.model import Model
from finetune.recipe import Recipe
from finetune.record import Histories, RunFolder
from finetune.runs.evaluation import Evaluation
from finetune.runs.opening import Inputs


@dataclasses.dataclass(frozen=True)
class Context:
    """A run's inputs, its measurements and where both are written.

    Attributes:
        inputs: the recipe, the images and the model, whose weights move from stage to stage.
        folder: the run's folder.
        histories: the figures of each epoch, as the folder keeps them.
        evaluation: the measurements, always on the same images and pairs.
    """

    inputs: Inputs
    folder: RunFolder
    histories: Histories
    evaluation: Evaluation

    @classmethod
    def of(cls, inputs: Inputs) -> Context:
        """Return the context of a run on these inputs; only the chief writes."""
        folder = RunFolder(inputs.recipe.output, is_chief=inputs.strategy.is_chief)
        return cls(inputs, folder, Histories(folder, inputs.recipe.history), Evaluation(inputs))

    @property
    def recipe(self) -> Recipe:
        """The settings that the run was opened with."""
        return self.inputs.recipe

    @property
    def model(self) -> Model:
        """The network with the weights as they stand."""
        return self.inputs.model
