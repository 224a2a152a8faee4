"""The recipe of a run: its sections, and how they are read from YAML and written back."""

from finetune.recipe.learning_rate import LearningRate
from finetune.recipe.optimizer import Optimizer
from finetune.recipe.recipe import Recipe
from finetune.recipe.sections import LFW, Accept, Augment, Data, PrelogitsNorm, PreprocessingSection
from finetune.recipe.stage import Stage

__all__ = [
    "LFW",
    "Accept",
    "Augment",
    "Data",
    "LearningRate",
    "Optimizer",
    "PrelogitsNorm",
    "PreprocessingSection",
    "Recipe",
    "Stage",
]
