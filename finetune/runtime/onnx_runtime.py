"""ONNX Runtime: the versions of the graphs that it is given, and how they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

RUNTIME = "ONNX Runtime"
OPSET, IR_VERSION = 17, 8
"""Versions of ONNX's operators and of its files, which every ONNX Runtime since 2022 supports."""


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session.

    Args:
        threads: number of threads within an operation.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; a warning says that an optimized graph is for one processor, as it is
    options.intra_op_num_threads = threads
    # Threads that spin while they wait would take the cores from those that decode the images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(graph: Path | bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Open a graph, a file or its bytes, to compute on the CPU."""
    import onnxruntime

    given = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
