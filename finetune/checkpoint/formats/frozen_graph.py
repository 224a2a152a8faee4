"""Frozen graphs as `tf.graph_util` makes them, with each variable as a constant of the same name."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from finetune.checkpoint.formats.format import Format, Variables
from finetune.errors import CheckpointError, Problem
from finetune.files import read as read_bytes

LARGEST = 2**31
"""Largest size of a graph in bytes, more than protocol buffers can hold."""
MOST_REPEATED = 2**24
"""Largest number of values in a constant that repeats one stored value, more than any FaceNet variable has."""
QUANTIZED = frozenset({"Dequantize", "QuantizeV2", "QuantizedConv2D", "FakeQuantWithMinMaxVars"})
"""Operations of graphs whose weights are whole numbers."""
_VARIABLES = frozenset({"weights", "biases", "beta", "gamma", "moving_mean", "moving_variance"})
"""Last parts of tf-slim's variable names."""


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Parse a graph and return its constants that were variables.

    Raises:
        CheckpointError: the graph holds no such constants.
        ValueError: two constants share a name, or a constant has too few values for its shape.
    """
    import tensorflow as tf

    graph = _parsed(path)
    if any(node.op in QUANTIZED for node in graph.node):
        found = "holds quantized weights, from which nothing can be trained"
        raise CheckpointError(Problem(path, found, "give the graph that it was made from"))
    readers = {node.name for node in graph.node if node.op == "Identity"}
    nodes = [
        node
        for node in sorted(graph.node, key=lambda node: node.name)
        if node.op == "Const" and (node.name.split("/")[-1] in _VARIABLES or f"{node.name}/read" in readers)
    ]
    values = {node.name: node.attr["value"].tensor for node in nodes}
    if len(values) < len(nodes):
        twice = next(one.name for one, other in itertools.pairwise(nodes) if one.name == other.name)
        raise ValueError(f"{twice} stands in it twice")
    if not values:
        advice = "freeze it with them, or give a TF1 checkpoint"
        raise CheckpointError(Problem(path, "holds no frozen variables", advice))
    for name, value in values.items():
        _refuse_absurd(name, value)
    return Variables(
        {name: tuple(dim.size for dim in value.tensor_shape.dim) for name, value in values.items()},
        {name: np.dtype(tf.as_dtype(value.dtype).as_numpy_dtype) for name, value in values.items()},
        lambda name: tf.make_ndarray(values[name]),
    )


def _parsed(path: Path) -> Any:
    """Return the graph in a file, in the binary or, in a `.pbtxt`, in the text form of protocol buffers."""
    import tensorflow as tf
    from google.protobuf import text_format

    graph = tf.compat.v1.GraphDef()
    content = read_bytes(path, LARGEST)
    if path.suffix != ".pbtxt":
        graph.ParseFromString(content)
        return graph
    try:
        text_format.Parse(content, graph)
    except text_format.ParseError as error:
        raise ValueError(error) from error
    return graph


def _refuse_absurd(name: str, value: Any) -> None:
    """Refuse a constant with an invalid shape, or with far more values than are stored.

    Up to `MOST_REPEATED` values may repeat the last stored one.

    Raises:
        ValueError: the constant is refused.
    """
    dims = [dim.size for dim in value.tensor_shape.dim]
    values = math.prod(dims)
    if value.tensor_shape.unknown_rank or min(dims, default=0) < 0:
        raise ValueError(f"{name} has no shape: {dims}")
    if values > MOST_REPEATED and values > len(value.tensor_content) + len(value.float_val):
        raise ValueError(f"{name} says that it has {values} values, which are not there")


FORMAT = Format("frozen", "frozen graph", (".pb",), read)
TEXT_FORMAT = Format("frozen_text", "frozen graph in text form", (".pbtxt",), read)
