"""MTCNN's three networks as ONNX graphs, written for the kernels of ONNX Runtime.

ONNX Runtime convolves fastest in a layout with blocks of channels. It has no PReLU there: each one would take the
features out of that layout and back, which costs more than the convolutions. PReLU is therefore written as convolutions
of one pixel, and channels are padded to whole blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from finetune.align.weights import load_weights
from finetune.runtime import IR_VERSION, OPSET

INPUT, FACE = "images", "probabilities"
BLOCK = 16
"""Channels per block, at the most. Where the processor has smaller blocks, these are whole numbers of them."""


def proposal_network() -> onnx.ModelProto:
    """Return P-Net: images float32 [n, h, w, 3] to probabilities [n, 1, rows, columns] and regressions [n, 4, …]."""
    graph = _Graph("pnet", whole=True)
    graph.convolve_and_pool()
    graph.convolve()
    graph.convolve()
    return graph.finished(("h", "w"), "regressions")


def refinement_network() -> onnx.ModelProto:
    """Return R-Net: crops float32 [n, 24, 24, 3] to probabilities [n, 1] and regressions [n, 4]."""
    graph = _Graph("rnet")
    graph.convolve()
    graph.pool(3, padded=True)
    graph.convolve()
    graph.pool(3)
    graph.convolve()
    graph.connect(side=3)
    return graph.finished((24, 24), "regressions")


def output_network() -> onnx.ModelProto:
    """Return O-Net: crops float32 [n, 48, 48, 3] to probabilities [n, 1], regressions [n, 4] and landmarks [n, 10]."""
    graph = _Graph("onet")
    graph.convolve()
    graph.pool(3, padded=True)
    graph.convolve()
    graph.pool(3)
    graph.convolve()
    graph.pool(2, padded=True)
    graph.convolve()
    graph.connect(side=3)
    return graph.finished((48, 48), "regressions", "landmarks")


class _Graph:
    """Graph under construction, layer by layer; its features are [n, channels, rows, columns].

    Args:
        network: network whose weights the layers take, in order.
        whole: True to round the pixels to whole numbers.
    """

    def __init__(self, network: str, *, whole: bool = False) -> None:
        self._weights = iter(load_weights(network))
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._channels = 3
        pixels = self._node("Round", INPUT) if whole else INPUT
        standardized = self._node("Mul", self._node("Sub", pixels, np.array(127.5)), np.array(1 / 128))
        self._features = self._node("Transpose", standardized, perm=(0, 3, 1, 2))

    def convolve(self) -> None:
        """Add a convolution without padding, and its PReLU: x + (1 - alpha) max(-x, 0)."""
        kernel, bias, alpha = self._layer()
        features = self._convolved(kernel, bias)
        below = self._node("Relu", self._scaled(features, np.full_like(alpha, -1)))
        self._features = self._node("Add", self._scaled(below, 1 - alpha), features)

    def convolve_and_pool(self) -> None:
        """Add a convolution, its PReLU, and the maximum of windows of 2 x 2 pixels.

        PReLU comes last here, on a quarter of the pixels. With alpha >= 0 it commutes with the maximum. With
        alpha < 0 the maximum of PReLU is max(p, -alpha q) = p + max(-alpha q - p, 0), where p is the maximum of x and q
        that of -x. The convolution gives x of all channels, then -x of those.
        """
        kernel, bias, alpha = self._layer()
        falling = np.flatnonzero(alpha < 0)
        self._convolved(*(np.concatenate([weights, -weights[falling]]) for weights in (kernel, bias)))
        self.pool(2, padded=True)
        mixed = np.zeros([self._channels, self._channels], np.float32)  # [out, in]
        mixed[range(len(alpha)), range(len(alpha))] = -1
        mixed[falling, len(alpha) + np.arange(len(falling))] = -alpha[falling]
        below = self._node("Relu", self._node("Conv", self._features, mixed[:, :, np.newaxis, np.newaxis]))
        scaled = self._scaled(below, np.where(alpha < 0, 1, 1 - alpha))
        self._features = self._node("Add", scaled, self._features)

    def pool(self, size: int, *, padded: bool = False) -> None:
        """Add the maximum of windows at every second pixel. Where asked, the last windows reach over the edge."""
        padding = {"auto_pad": "SAME_UPPER"} if padded else {}
        self._features = self._node("MaxPool", self._features, kernel_shape=(size, size), strides=(2, 2), **padding)

    def connect(self, side: int) -> None:
        """Add a fully connected layer over features of `side` rows and columns, and its PReLU."""
        kernel, bias, alpha = (next(self._weights) for _ in range(3))
        # The kernel takes columns, rows, channels, in Caffe's order. Features lie as channels, rows, columns.
        kernel = kernel.reshape(side, side, -1, len(bias)).transpose(2, 1, 0, 3).reshape(kernel.shape)
        linear = self._node("Gemm", self._node("Flatten", self._features), kernel, bias)
        self._features = self._node("PRelu", linear, alpha)

    def finished(self, sides: Sequence[int | str], *others: str) -> onnx.ModelProto:
        """Add the last layer, and return the model.

        Args:
            sides: height and width of the input.
            others: names of the outputs beside the probability, in the order of their weights.
        """
        layers = [(next(self._weights), next(self._weights)) for _ in (*others, FACE)]
        *rest, (kernel, bias) = layers
        # Softmax over two classes is 1 / (1 + exp(difference of their logits)). ONNX Runtime's Sigmoid is approximate
        # and not monotone near 1: suppression, which begins with the most probable, would keep other windows.
        layers = [(kernel[..., :1] - kernel[..., 1:], bias[:1] - bias[1:]), *rest]
        kernel, bias = (np.concatenate(parts, axis=-1) for parts in zip(*layers, strict=True))
        if kernel.ndim == 4:
            linear = self._node("Conv", self._features, self._kernel(kernel), bias)
        else:
            linear = self._node("Gemm", self._features, kernel, bias)
        widths = np.array([len(bias) for _, bias in layers])
        self._add("Split", [linear, widths], ["difference", *others], axis=1)
        odds = self._node("Add", self._node("Exp", "difference"), np.array(1.0))
        self._add("Reciprocal", [odds], [FACE])
        images = helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["n", *sides, 3])
        outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (FACE, *others)]
        graph = helper.make_graph(self._nodes, "network", [images], outputs, self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _layer(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the next kernel, bias and alpha."""
        kernel, bias, alpha = (next(self._weights) for _ in range(3))
        return self._kernel(kernel), bias, alpha.ravel()

    def _kernel(self, stored: np.ndarray) -> np.ndarray:
        """Return a kernel [out, in, h, w] from one stored as [h, w, in, out], with zeros for channels of padding."""
        kernel = stored.transpose(3, 2, 0, 1)
        return np.pad(kernel, [(0, 0), (0, self._channels - kernel.shape[1]), (0, 0), (0, 0)])

    def _convolved(self, kernel: np.ndarray, bias: np.ndarray) -> str:
        """Add a convolution whose outputs are padded to whole blocks of channels."""
        kernel, bias = _padded(kernel), _padded(bias)
        self._features, self._channels = self._node("Conv", self._features, kernel, bias), len(bias)
        return self._features

    def _scaled(self, features: str, factors: np.ndarray) -> str:
        """Add a product with one factor per channel, as a convolution; channels without a factor become zeros."""
        kernel = np.pad(factors, (0, self._channels - len(factors))).reshape(-1, 1, 1, 1)
        return self._node("Conv", features, kernel, group=self._channels)

    def _node(self, kind: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        output = f"{kind}_{len(self._nodes)}"
        self._add(kind, inputs, [output], **attributes)
        return output

    def _add(self, kind: str, inputs: Sequence[str | np.ndarray], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node. Its inputs are names or constants; constants of floats become float32."""
        names = [name if isinstance(name, str) else self._constant(name) for name in inputs]
        self._nodes.append(helper.make_node(kind, names, outputs, **attributes))

    def _constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        kept = value.astype(np.float32) if value.dtype.kind == "f" else value
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(kept).reshape(kept.shape), name))
        return name


def _padded(weights: np.ndarray) -> np.ndarray:
    """Return weights [out, ...] with zeros up to whole blocks of channels."""
    return np.pad(weights, [(0, -len(weights) % BLOCK), *[(0, 0)] * (weights.ndim - 1)])
