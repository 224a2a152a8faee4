"""A graph in ONNX Runtime, which starts in milliseconds: the file holds it optimized, and its weights are mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune.runtime import refuse_fork

if TYPE_CHECKING:
    import onnxruntime

RUNTIME = "ONNX Runtime"
GRAPH, WEIGHTS = "graph.onnx", "weights.bin"
"""Files of a graph: its nodes, and its weights beside it."""
IMAGES, PRELOGITS = "images", "prelogits"
"""Names of the input, standardized images float32 [n, c, s, s], and of the output, float32 [n, E]."""
CHUNK = 16
"""Images per pass. More are not faster on a CPU, and take more memory. An embedding does not depend on the number."""


class Session:
    """A graph that is ready to compute, in the process that opened it.

    Args:
        folder: folder of the graph's files.
    """

    def __init__(self, folder: Path) -> None:
        refuse_fork(RUNTIME)
        self._session = _open(folder / GRAPH)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the prelogits, float32 [n, E], of standardized images, float32 [n, s, s, c] with n of at least 1.

        Raises:
            UserError: this process was forked after the graph was opened.
        """
        refuse_fork(RUNTIME)
        chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
        given = ({IMAGES: np.ascontiguousarray(chunk.transpose(0, 3, 1, 2))} for chunk in chunks)  # [n, c, s, s]
        return np.concatenate([np.asarray(self._session.run(None, feed)[0]) for feed in given])


def optimize(source: Path, folder: Path) -> None:
    """Write a graph for this processor: folded, fused, and with its weights in the order that the kernels want."""
    import onnxruntime

    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(folder / GRAPH)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _open(path: Path) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file holds it optimized
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _options() -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; a warning says that an optimized graph is for one processor, as it is
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # Threads that spin while they wait would take the cores from those that decode the images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
