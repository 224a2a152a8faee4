"""Evaluation on pairs of faces: pairs files, FaceNet's protocol, and comparisons of two results."""

from __future__ import annotations

from finetune.evaluation.comparison import Difference, compare
from finetune.evaluation.lfw import measure
from finetune.evaluation.overlap import find_overlap, read_names
from finetune.evaluation.pairs import ImagePairs, Pair, PairsFile, read_pairs, resolve
from finetune.evaluation.protocol import evaluate_pairs
from finetune.evaluation.result import LFWResult, Overlap

__all__ = [
    "Difference",
    "ImagePairs",
    "LFWResult",
    "Overlap",
    "Pair",
    "PairsFile",
    "compare",
    "evaluate_pairs",
    "find_overlap",
    "measure",
    "read_names",
    "read_pairs",
    "resolve",
]
