"""OpenVINO, Intel's runtime for CPUs (an extra), which compiles TensorFlow's graphs for this processor."""

from __future__ import annotations

import importlib.util
import queue
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from finetune.errors import Problem, UserError
from finetune.images import Precision, Runtime

Pass = Callable[[tf.Tensor], tf.Tensor]
PRECISION_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class Graphs(Protocol):
    """A source of graphs and weights."""

    def weights(self) -> Mapping[str, np.ndarray]:
        """Return the current weights, folded."""

    def constant(self, weights: Mapping[str, np.ndarray], stop: int, *, standardized: bool = False) -> tf.GraphDef:
        """Return the graph of the units before index `stop`, with these weights as constants."""


def refuse_missing_runtime(runtime: Runtime) -> None:
    """Refuse a runtime that is not installed.

    Raises:
        UserError: the runtime is not installed.
    """
    if runtime == "openvino" and importlib.util.find_spec("openvino") is None:
        advice = "pip install 'facenet-finetune[openvino]', or use tensorflow"
        raise UserError(Problem("runtime", "openvino is not installed", advice))


class OpenVINO:
    """Compiled graphs with constant weights. After a change of weights they are compiled again, in seconds.

    Args:
        graphs: source of the graphs.
        precision: precision of the computation.
        streams: number of parallel passes, which share the cores.

    Raises:
        UserError: OpenVINO is not installed.
    """

    def __init__(self, graphs: Graphs, precision: Precision, streams: int) -> None:
        refuse_missing_runtime("openvino")
        self._graphs = graphs
        self._settings = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "NUM_STREAMS": str(streams)}
        self._streams = streams
        self._weights: Mapping[str, np.ndarray] = {}
        self._passes: dict[tuple[int, bool], Pass] = {}

    def refresh(self) -> None:
        """Take over the current weights."""
        weights = self._graphs.weights()
        if not self._weights or any(not np.array_equal(weights[name], self._weights[name]) for name in weights):
            self._weights = weights
            self._passes.clear()

    def compiled(self, stop: int, *, standardized: bool = False) -> Pass:
        """Return the units before index `stop`."""
        key = stop, standardized
        if key not in self._passes:
            self._passes[key] = self._compile(self._graphs.constant(self._weights, stop, standardized=standardized))
        return self._passes[key]

    def _compile(self, graph: tf.GraphDef) -> Pass:
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.pb"
            path.write_bytes(graph.SerializeToString())
            compiled = openvino.Core().compile_model(str(path), "CPU", self._settings)
        # OpenVINO sets up NumPy when data is first accessed; two threads that do so at once may wait for ever.
        _ = openvino.Tensor(np.zeros(1, np.float32)).data
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._streams):
            requests.put(compiled.create_infer_request())

        def forward(pixels: tf.Tensor) -> tf.Tensor:
            request = requests.get()
            try:
                request.infer([np.asarray(pixels)])
                return tf.constant(request.get_output_tensor(0).data)
            finally:
                requests.put(request)

        return forward
