"""Which precisions this finetune offers; the only place that asks."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from benchmarks.data import Data
from finetune import Model, Recipe


def model_precisions() -> tuple[str, ...]:
    """What `Model.restore` can be asked for."""
    offered = "precision" in inspect.signature(Model.restore).parameters
    return ("float32", "bfloat16") if offered else ("float32",)


def stage_precisions() -> tuple[str, ...]:
    """What the frozen units of a stage can be computed in."""
    offered = "precision" in {field.name for field in dataclasses.fields(Recipe)}
    return ("float32", "bfloat16") if offered else ("float32",)


def restore(data: Data, precision: str = "float32") -> Model:
    """The checkpoint's network, in a precision of `model_precisions`."""
    options: dict[str, Any] = {} if precision == "float32" else {"precision": precision}
    return Model.restore(data.checkpoint, **options)


def settings(precision: str) -> dict[str, str]:
    """What FineTuner is given for a precision of `stage_precisions`."""
    return {} if precision == "float32" else {"precision": precision}
