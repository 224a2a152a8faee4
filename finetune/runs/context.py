"""Context of a run, which all of its stages share."""

from __future__ import annotations

import dataclasses

from finetune.model import Model
from finetune.recipe import Recipe
from finetune.record import Histories, RunFolder
from finetune.runs.evaluation import Evaluation
from finetune.runs.opening import Inputs


@dataclasses.dataclass(frozen=True)
class Context:
    """Inputs and measurements of a run, and where both are written.

    Attributes:
        inputs: recipe, images and model. The model's weights change from stage to stage.
        folder: folder of the run.
        histories: figures of each epoch, as the folder keeps them.
        evaluation: measurements, always on the same images and pairs.
    """

    inputs: Inputs
    folder: RunFolder
    histories: Histories
    evaluation: Evaluation

    @classmethod
    def of(cls, inputs: Inputs, *, writes: bool = True) -> Context:
        """Return the context of a run on these inputs. Only the chief writes, and nobody if `writes` is False."""
        folder = RunFolder(inputs.recipe.output, is_chief=writes and inputs.strategy.is_chief)
        recipe = inputs.recipe
        sets = [one.name for one in recipe.measure or ()]
        histories = Histories(folder, recipe.history, sampled=bool(recipe.lfw and recipe.lfw.sample), sets=sets)
        return cls(inputs, folder, histories, Evaluation(inputs))

    @property
    def recipe(self) -> Recipe:
        """Settings that the run was opened with."""
        return self.inputs.recipe

    @property
    def model(self) -> Model:
        """Network with the current weights."""
        return self.inputs.model
