"""Fine-tunes TF1-era FaceNet checkpoints, stage by stage, validated on LFW after each.

The public names are loaded when they are first used, so that `from finetune import Stage` does not
wait for TensorFlow.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING

from finetune.runtime import TensorFlowFinder

if TYPE_CHECKING:
    from finetune.errors import FinetuneError
    from finetune.evaluation import LFWResult, evaluate_pairs
    from finetune.model import Model
    from finetune.recipe import Recipe, Stage
    from finetune.runner import run
    from finetune.tuner import FineTuner

__version__ = "0.1.0"

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow uses oneDNN's convolutions by itself only on CPUs with AVX-512's units for neural networks; they are
    # faster on others too. Read once, when TensorFlow is first imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, TensorFlowFinder())

__all__ = [
    "FineTuner",
    "FinetuneError",
    "LFWResult",
    "Model",
    "Recipe",
    "Stage",
    "__version__",
    "evaluate_pairs",
    "run",
]

_DEFINED_IN = {
    "FineTuner": "finetune.tuner",
    "FinetuneError": "finetune.errors",
    "LFWResult": "finetune.evaluation",
    "Model": "finetune.model",
    "Recipe": "finetune.recipe",
    "Stage": "finetune.recipe",
    "evaluate_pairs": "finetune.evaluation",
    "run": "finetune.runner",
}


def __getattr__(name: str) -> object:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_DEFINED_IN[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_DEFINED_IN})
