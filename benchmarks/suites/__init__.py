"""Suites by name. Each is a module, imported when it runs, with a function `run(settings)`."""

from __future__ import annotations

import importlib

from benchmarks.report import Result
from benchmarks.settings import Settings

SUITES = {
    "input": "images read and augmented per second, against the way through TensorFlow's threads",
    "known": "the scan of a folder, once more when its images are known, and its memory up to a million images",
    "head": "a head stage against one embedding pass, against itself without the cache, and against the naive loop",
    "blocks": "stages from later blocks against the naive loop",
    "boundaries": "the cost of an epoch at each boundary",
    "embed": "images per second against TensorFlow, ONNX Runtime, OpenVINO and PyTorch",
    "start": "whole processes that name one face or describe a checkpoint, against TensorFlow and against bare imports",
    "validate": "LFW's protocol against the embedding of its images",
    "memory": "peak memory of a head stage on ten times the images",
    "scaling": "seconds over 1, 2, 4 and 8 times the images",
    "align": "aligning photos against the published detector, and its memory on ten times the photos",
    "mining": "hard negatives from the bank against random ones: active triplets, and the time of an epoch",
    "search": "exact search among a million embeddings against a matrix product, and its memory",
    "mapped": "exact search among ten million embeddings in a file against a matrix product, and its memory",
    "training": "a training step of the whole network against PyTorch's",
}


def run(name: str, settings: Settings) -> Result:
    """Run one suite and return its result."""
    result: Result = importlib.import_module(f"benchmarks.suites.{name}").run(settings)
    return result
