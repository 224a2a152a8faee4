"""Staged fine-tuning of TF1-era FaceNet checkpoints, validated on LFW after each stage.

Public names are loaded on first use, so that `from finetune import Stage` does not wait for TensorFlow.
"""

from __future__ import annotations

import os
import platform
import sys

import lazy_loader

from finetune.runtime import TensorFlowFinder

__version__ = "0.1.0"

if platform.machine() in ("x86_64", "AMD64"):
    # By default TensorFlow uses oneDNN's convolutions only on CPUs with AVX-512's neural-network instructions. They are
    # faster on other CPUs too. TensorFlow reads this variable once, at its first import.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, TensorFlowFinder())

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
