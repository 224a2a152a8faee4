"""A graph in ONNX Runtime, which starts in milliseconds: the file holds it optimized, and its weights are mapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune.runtime import RUNTIME, cores, open_session, refuse_fork, session_options

if TYPE_CHECKING:
    import onnxruntime

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
    from onnxruntime import GraphOptimizationLevel

    options = session_options(cores())
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(folder / GRAPH)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    open_session(source, options)


def _open(path: Path) -> onnxruntime.InferenceSession:
    from onnxruntime import GraphOptimizationLevel

    options = session_options(cores())
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL  # the file holds it optimized
    return open_session(path, options)
