"""Fine-tunes TF1-era FaceNet checkpoints, stage by stage, validated on LFW after each.

The public names are loaded when they are first used, so that `from finetune import Stage` does not
wait for TensorFlow.
"""

from __future__ import annotations

import os
import platform
import sys

import lazy_loader

from finetune.runtime import TensorFlowFinder

__version__ = "0.1.0"

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow uses oneDNN's convolutions by itself only on CPUs with AVX-512's units for neural networks; they are
    # faster on others too. Read once, when TensorFlow is first imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, TensorFlowFinder())

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
