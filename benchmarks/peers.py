"""Peers: the same network in other runtimes, from uint8 pixels [n, s, s, 3] to embeddings [n, e]."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks import graph, machine
from finetune import Model, network
from finetune.images.standardization import standardize

Embed = Callable[[np.ndarray], np.ndarray]
Builder = Callable[[Model, int], Embed]
"""Function that builds a peer from the model and the batch size. Some peers accept only this batch size."""


def tensorflow_float32(model: Model, batch_size: int) -> Embed:
    """Build the network in TensorFlow, as a `tf.function` without any rearrangement."""
    return _tensorflow(model, tf.float32)


def tensorflow_bfloat16(model: Model, batch_size: int) -> Embed:
    """Build the network in TensorFlow, with bfloat16 from the first convolution to the last pooling."""
    return _tensorflow(model, tf.bfloat16)


def onnxruntime_float32(model: Model, batch_size: int) -> Embed:
    """Build the network in ONNX Runtime, converted from the folded graph by tf2onnx."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.usable_cores()
    session = onnxruntime.InferenceSession(_onnx(model), options, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(None, {f"{graph.PIXELS}:0": pixels})[0])


def openvino_float32(model: Model, batch_size: int) -> Embed:
    """Build the network in OpenVINO from the folded graph, with float32 enforced."""
    return _openvino(model, batch_size, "f32")


def openvino_bfloat16(model: Model, batch_size: int) -> Embed:
    """Build the network in OpenVINO with bfloat16 allowed; CPUs without bfloat16 use float32."""
    return _openvino(model, batch_size, "bf16")


def torch_float32(model: Model, batch_size: int) -> Embed:
    """Build the network in PyTorch from the folded graph, with channels last and inference mode."""
    return _torch(model, weights="float32", autocast=False)


def torch_bfloat16(model: Model, batch_size: int) -> Embed:
    """Build the network in PyTorch with bfloat16 weights."""
    return _torch(model, weights="bfloat16", autocast=False)


def torch_autocast(model: Model, batch_size: int) -> Embed:
    """Build the network in PyTorch with float32 weights and autocast to bfloat16."""
    return _torch(model, weights="float32", autocast=True)


PEERS: Mapping[str, tuple[Builder, tuple[str, ...]]] = {
    "TensorFlow, float32": (tensorflow_float32, ()),
    "TensorFlow, bfloat16": (tensorflow_bfloat16, ()),
    "ONNX Runtime, float32": (onnxruntime_float32, ("onnxruntime", "tf2onnx")),
    "OpenVINO, float32": (openvino_float32, ("openvino",)),
    "OpenVINO, bfloat16": (openvino_bfloat16, ("openvino",)),
    "PyTorch, float32": (torch_float32, ("torch",)),
    "PyTorch, bfloat16": (torch_bfloat16, ("torch",)),
    "PyTorch, bfloat16 by autocast": (torch_autocast, ("torch",)),
}
"""Builder of each peer and the packages that it needs, by name."""


def missing(name: str) -> list[str]:
    """Return the packages of a peer that are not installed."""
    return [package for package in PEERS[name][1] if find_spec(package) is None]


def _tensorflow(model: Model, dtype: tf.DType) -> Embed:
    # All convolutions have one type, as in most scripts.
    backbone, size = dataclasses.replace(model.backbone, float32_units=frozenset()), model.preprocessing.image_size
    pooling, embedding = slice(0, backbone.head_index - 1), slice(backbone.head_index - 1, backbone.head_index)
    # The statistics stay float32, which the fused batch norm requires.
    lowered = {
        name: tf.constant(tf.cast(variable, dtype)) if name.endswith(("/weights", "/biases")) else variable
        for name, variable in model.variables.items()
    }

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)], autograph=False)
    def embed(pixels: tf.Tensor) -> tf.Tensor:
        images = standardize(pixels, model.preprocessing.standardization)
        pooled = network.forward_pass(backbone, images, lowered, pooling, batch_norm="stored", precision=dtype.name)
        prelogits = network.forward_pass(backbone, pooled, model.variables, embedding, batch_norm="stored")
        return network.l2_normalize(prelogits)

    return lambda pixels: np.asarray(embed(pixels))


@functools.lru_cache(maxsize=1)
def _folded(model: Model) -> graph.Graph:
    """Return the folded graph, built once for all peers of a model. The weights must not change meanwhile."""
    return graph.embedding_graph(model)


def _onnx(model: Model) -> bytes:
    import tf2onnx

    found, _ = tf2onnx.convert.from_graph_def(
        _folded(model),
        input_names=[f"{graph.PIXELS}:0"],
        output_names=[f"{graph.EMBEDDINGS}:0"],
        opset=17,
    )
    return bytes(found.SerializeToString())


def _openvino(model: Model, batch_size: int, precision: str) -> Embed:
    import openvino

    core = openvino.Core()
    size = model.preprocessing.image_size
    # The latency hint gives all cores to one batch, as in the other runtimes.
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.pb"
        path.write_bytes(_folded(model).SerializeToString())
        read = core.read_model(path)
        read.reshape([batch_size, size, size, 3])
        compiled = core.compile_model(read, "CPU", hints)
    return lambda pixels: np.array(compiled(pixels)[0])


def _torch(model: Model, weights: str, *, autocast: bool) -> Embed:
    import torch

    from benchmarks.torch_network import TorchNetwork

    walked = TorchNetwork(_folded(model), graph.PIXELS, graph.EMBEDDINGS).eval()
    walked.to(getattr(torch, weights))

    def embed(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return np.asarray(walked(torch.from_numpy(pixels)).float().numpy())

    return embed
