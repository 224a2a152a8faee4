"""Translation of a network's forward pass from a graph of TensorFlow to ONNX.

The graph of TensorFlow is the only description of the forward pass. Its operations are few, whatever the network, and
each has a counterpart in ONNX. Feature maps are [n, h, w, c] in TensorFlow and [n, c, h, w] here, as ONNX's
convolutions want them. So each axis and each constant of a feature map is moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from finetune.light.session import IMAGES, PRELOGITS
from finetune.runtime import IR_VERSION, OPSET

TO_ONNX, TO_TENSORFLOW = (0, 3, 1, 2), (0, 2, 3, 1)
"""Order of a feature map's axes: ONNX's from TensorFlow's, and back."""
SAME_NAME = {
    **{name: name for name in ("Relu", "Sigmoid", "Tanh", "Elu", "Selu", "Erf", "Sqrt", "Neg", "Mul", "Sub")},
    **{"AddV2": "Add", "Add": "Add", "BiasAdd": "Add", "RealDiv": "Div", "Maximum": "Max", "Minimum": "Min"},
}
"""Operations that work value by value and have the same meaning in ONNX, with their names there."""
NOTHING = frozenset({"Identity", "IdentityN", "StopGradient"})
"""Operations that give their inputs."""
REDUCTIONS = {"Mean": "ReduceMean", "Max": "ReduceMax"}


class Untranslatable(Exception):
    """An operation has no translation."""


def translate(graph_def: tf.compat.v1.GraphDef) -> onnx.ModelProto:
    """Translate the forward pass of a network.

    Args:
        graph_def: graph from standardized images, float32 [n, s, s, c], to prelogits [n, E], whose weights are
            constants.

    Raises:
        Untranslatable: an operation has no translation.
    """
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    operations = graph.get_operations()
    given = [operation for operation in operations if operation.type == "Placeholder"]
    if len(given) != 1:
        raise Untranslatable(f"{len(given)} inputs")
    translation = _Translation(_constants(graph, operations, given[0].outputs[0]))
    (images,) = given[0].outputs
    translation.names[images.ref()] = IMAGES
    for operation in operations:
        translation.add(operation)
    return translation.model(images, operations[-1].outputs[0])


def _constants(graph: tf.Graph, operations: Sequence[tf.Operation], images: tf.Tensor) -> dict[Any, np.ndarray]:
    """Return the value of each tensor that does not depend on the images."""
    variable = {images.ref()}
    for operation in operations:
        if any(tensor.ref() in variable for tensor in operation.inputs):
            variable.update(tensor.ref() for tensor in operation.outputs)
    fixed = [one for operation in operations for one in operation.outputs if one.ref() not in variable]
    with tf.compat.v1.Session(graph=graph) as session:
        return dict(zip((one.ref() for one in fixed), session.run(fixed), strict=True))


class _Translation:
    """ONNX's nodes for operations of TensorFlow, which are added in their order.

    Attributes:
        names: names of the tensors that depend on the images.
    """

    def __init__(self, constants: dict[Any, np.ndarray]) -> None:
        self.names: dict[Any, str] = {}
        self._constants = constants
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def add(self, operation: tf.Operation) -> None:
        """Translate an operation that depends on the images.

        Raises:
            Untranslatable: the operation has no translation.
        """
        if not any(tensor.ref() in self.names for tensor in operation.inputs):
            return
        kind = operation.type
        if kind in NOTHING:
            for taken, given in zip(operation.inputs, operation.outputs, strict=True):
                self.names[given.ref()] = self._value(taken)
            return
        translate = getattr(self, f"_{kind.lower()}", None)
        if kind in SAME_NAME:
            found = self._by_value(SAME_NAME[kind], operation)
        elif kind in REDUCTIONS:
            found = self._reduced(REDUCTIONS[kind], operation)
        elif translate is None:
            raise Untranslatable(f"the operation {kind}")
        else:
            found = translate(operation)
        outputs = [found] if isinstance(found, str) else found
        for tensor, name in zip(operation.outputs, outputs, strict=True):
            self.names[tensor.ref()] = name

    def model(self, images: tf.Tensor, prelogits: tf.Tensor) -> onnx.ModelProto:
        """Return the model from images to prelogits."""
        self._node("Identity", [self._value(prelogits)], name=PRELOGITS)
        ends = []
        for name, tensor in ((IMAGES, images), (PRELOGITS, prelogits)):
            _, *sizes = tensor.shape.as_list()
            sizes = [sizes[-1], *sizes[:-1]] if len(sizes) == 3 else sizes
            ends.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *sizes]))
        graph = helper.make_graph(self._nodes, "network", ends[:1], ends[1:], list(self._weights.values()))
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="finetune")

    def _node(self, kind: str, inputs: Sequence[str], outputs: int = 1, name: str = "", **options: Any) -> Any:
        """Add a node, and return the name of its output, or the names of its outputs."""
        name = name or f"{kind}_{len(self._nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, name, **options))
        return names[0] if outputs == 1 else names

    def _weight(self, value: np.ndarray) -> str:
        """Add a constant, and return its name."""
        name = f"weights_{len(self._weights)}"
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _value(self, tensor: tf.Tensor, rank: int | None = None) -> str:
        """Return the name of a tensor. A constant beside feature maps gets their order of axes.

        Args:
            tensor: tensor of TensorFlow.
            rank: number of axes of what the tensor is combined with, if it is a constant.
        """
        if tensor.ref() in self.names:
            if rank is not None and tensor.shape.rank != rank:
                raise Untranslatable(f"a combination of {tensor.shape.rank} and {rank} axes")
            return self.names[tensor.ref()]
        value = self._constants[tensor.ref()]
        if rank == 4 and value.ndim:
            value = value.reshape((1,) * (4 - value.ndim) + value.shape).transpose(TO_ONNX)
        return self._weight(value)

    def _by_value(self, kind: str, operation: tf.Operation) -> str:
        rank = operation.outputs[0].shape.rank
        found: str = self._node(kind, [self._value(tensor, rank) for tensor in operation.inputs])
        return found

    def _squareddifference(self, operation: tf.Operation) -> str:
        difference = self._by_value("Sub", operation)
        found: str = self._node("Mul", [difference, difference])
        return found

    def _rsqrt(self, operation: tf.Operation) -> str:
        found: str = self._node("Reciprocal", [self._node("Sqrt", [self._value(operation.inputs[0])])])
        return found

    def _relu6(self, operation: tf.Operation) -> str:
        limits = [self._weight(np.array(limit, np.float32)) for limit in (0, 6)]
        found: str = self._node("Clip", [self._value(operation.inputs[0]), *limits])
        return found

    def _leakyrelu(self, operation: tf.Operation) -> str:
        found: str = self._node(
            "LeakyRelu", [self._value(operation.inputs[0])], alpha=float(operation.get_attr("alpha"))
        )
        return found

    def _reduced(self, kind: str, operation: tf.Operation) -> str:
        taken, axes = operation.inputs
        keep = bool(operation.get_attr("keep_dims"))
        rank = taken.shape.rank
        if keep is False and operation.outputs[0].shape.rank == 4:
            raise Untranslatable("a reduction to four axes")
        moved = [_axis(axis, rank) for axis in np.atleast_1d(self._constants[axes.ref()]).tolist()]
        found: str = self._node(kind, [self._value(taken)], axes=sorted(moved), keepdims=int(keep))
        return found

    def _conv2d(self, operation: tf.Operation) -> str:
        kernel = self._constants[operation.inputs[1].ref()].transpose(3, 2, 0, 1)  # [h, w, in, out] to [out, in, h, w]
        return self._windows("Conv", operation, kernel.shape[2:], kernel)

    def _depthwiseconv2dnative(self, operation: tf.Operation) -> str:
        kernel = self._constants[operation.inputs[1].ref()]  # [h, w, in, multiplier]
        height, width, channels, _ = kernel.shape
        kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, height, width)  # [in * multiplier, 1, h, w]
        return self._windows("Conv", operation, (height, width), kernel, group=channels)

    def _maxpool(self, operation: tf.Operation) -> str:
        return self._windows("MaxPool", operation, operation.get_attr("ksize")[1:3])

    def _avgpool(self, operation: tf.Operation) -> str:
        return self._windows("AveragePool", operation, operation.get_attr("ksize")[1:3])

    def _windows(
        self,
        kind: str,
        operation: tf.Operation,
        window: Sequence[int],
        kernel: np.ndarray | None = None,
        **options: int,
    ) -> str:
        """Add a node that moves a window over feature maps, padded as TensorFlow pads them."""
        strides = [int(step) for step in operation.get_attr("strides")[1:3]]
        attributes: dict[str, Any] = {"kernel_shape": [int(side) for side in window], "strides": strides, **options}
        dilations = [1, 1]
        if kernel is not None:
            dilations = [int(step) for step in operation.get_attr("dilations")[1:3]]
            attributes["dilations"] = dilations
        if operation.get_attr("data_format") != b"NHWC":
            raise Untranslatable("feature maps in another order")
        taken, made = operation.inputs[0].shape.as_list()[1:3], operation.outputs[0].shape.as_list()[1:3]
        if operation.get_attr("padding") == b"SAME":
            zeros = [
                max((after - 1) * step + (side - 1) * dilation + 1 - before, 0)
                for before, after, step, side, dilation in zip(taken, made, strides, window, dilations, strict=True)
            ]
            attributes["pads"] = [*(total // 2 for total in zeros), *(total - total // 2 for total in zeros)]
        elif operation.get_attr("padding") != b"VALID":
            raise Untranslatable("explicit padding")
        inputs = [self._value(operation.inputs[0]), *([self._weight(kernel)] if kernel is not None else [])]
        found: str = self._node(kind, inputs, **attributes)
        return found

    def _concatv2(self, operation: tf.Operation) -> str:
        *parts, axis = operation.inputs
        rank = operation.outputs[0].shape.rank
        moved = _axis(int(self._constants[axis.ref()]), rank)
        found: str = self._node("Concat", [self._value(part, rank) for part in parts], axis=moved)
        return found

    def _split(self, operation: tf.Operation) -> list[str]:
        axis, taken = operation.inputs
        moved = _axis(int(self._constants[axis.ref()]), taken.shape.rank)
        count = len(operation.outputs)
        found = self._node("Split", [self._value(taken)], count, axis=moved)
        return [found] if isinstance(found, str) else found

    def _matmul(self, operation: tf.Operation) -> str:
        if operation.get_attr("transpose_a") or operation.get_attr("transpose_b"):
            raise Untranslatable("a transposed matrix product")
        found: str = self._node("MatMul", [self._value(tensor) for tensor in operation.inputs])
        return found

    def _pad(self, operation: tf.Operation) -> str:
        taken, zeros = operation.inputs
        pads = self._constants[zeros.ref()]  # [axes, 2]
        pads = pads[list(TO_ONNX)] if taken.shape.rank == 4 else pads
        found: str = self._node("Pad", [self._value(taken), self._weight(pads.T.ravel().astype(np.int64))])
        return found

    def _reshape(self, operation: tf.Operation) -> str:
        """Reshape in TensorFlow's order of axes, in which the values of a row lie."""
        taken, made = operation.inputs[0], operation.outputs[0]
        name = self._value(taken)
        if taken.shape.rank == 4 and taken.shape[1:3].num_elements() != 1:
            name = self._node("Transpose", [name], perm=TO_TENSORFLOW)
        sizes = made.shape.as_list()
        if None in sizes[1:]:
            raise Untranslatable("a shape that is not known")
        target = self._weight(np.array([-1, *sizes[1:]], np.int64))
        name = self._node("Reshape", [name, target])
        return self._node("Transpose", [name], perm=TO_ONNX) if made.shape.rank == 4 else name

    _squeeze = _expanddims = _reshape

    def _stridedslice(self, operation: tf.Operation) -> str:
        """Cut rows and columns of feature maps."""
        taken, *where = operation.inputs
        masks = {name: int(operation.get_attr(f"{name}_mask")) for name in ("begin", "end", "ellipsis", "new_axis")}
        begin, end, steps = (self._constants[tensor.ref()].tolist() for tensor in where)
        if masks["ellipsis"] or masks["new_axis"] or operation.get_attr("shrink_axis_mask") or min(steps) < 1:
            raise Untranslatable("a slice with other axes")
        axes = range(len(begin))
        starts = [0 if masks["begin"] >> axis & 1 else begin[axis] for axis in axes]
        ends = [np.iinfo(np.int64).max if masks["end"] >> axis & 1 else end[axis] for axis in axes]
        moved = [_axis(axis, taken.shape.rank) for axis in axes]
        parts = [self._weight(np.array(numbers, np.int64)) for numbers in (starts, ends, moved, steps)]
        found: str = self._node("Slice", [self._value(taken), *parts])
        return found


def _axis(axis: int, rank: int) -> int:
    """Return ONNX's number of an axis of TensorFlow."""
    axis %= rank
    return TO_ONNX.index(axis) if rank == 4 else axis
