"""PyTorch module that is built from the nodes of a TensorFlow graph of constants, for inference and training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.graph import Graph, constants
from finetune.backbones import BatchNorm

Step = Callable[[dict[str, Tensor]], Tensor]
"""Function of one node: it computes the node's value from the values so far."""


class TorchNetwork(nn.Module):
    """Network that runs the graph's nodes in order, with channels last, which is fastest on CPUs.

    Args:
        graph: graph from `benchmarks.graph`.
        source: name of its input.
        output: name of its output.
        training: True if batch normalization uses the statistics of the batch, and updates the stored ones.

    Attributes:
        weights: parameters by the TF1 names of the variables; those of convolutions are [out, in, h, w].
    """

    def __init__(self, graph: Graph, source: str, output: str, *, training: bool = False) -> None:
        super().__init__()
        self.source, self.output, self._training = source, output, training
        self.weights: dict[str, nn.Parameter] = {}
        self._values = constants(graph)
        self._moving: list[str] = []
        self._last_use: dict[str, list[str]] = {}
        self._steps: list[tuple[str, Step]] = []
        for name, user in {name: node.name for node in graph.node for name in node.input}.items():
            self._last_use.setdefault(user, []).append(name)
        self._layers = {node.name for node in graph.node if node.op in ("Conv2D", "MatMul")}
        self._biases = {node.input[0]: node.input[1] for node in graph.node if node.op == "BiasAdd"}
        for node in graph.node:
            if node.op not in ("Const", "Placeholder"):
                self._steps.append((node.name, getattr(self, f"_{node.op.lower()}")(node)))
        for name, weight in self.weights.items():
            self.register_parameter(name.replace("/", "_"), weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the output from images [n, s, s, 3]. A value is deleted after its last use."""
        image = inputs.permute(0, 3, 1, 2)  # [n, h, w, c] in memory: already channels last
        values = {self.source: image}
        for name, step in self._steps:
            values[name] = step(values)
            for used in self._last_use.get(name, ()):
                values.pop(used, None)
        return values[self.output]

    @property
    def statistics(self) -> dict[str, Tensor]:
        """Current moving means and variances by TF1 name."""
        return {name: self.get_buffer(name.replace("/", "_")) for name in self._moving}

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(iter(self.weights.values())).dtype

    def _weight(self, name: str, axes: tuple[int, ...] | None = None) -> nn.Parameter:
        if name not in self.weights:
            value = self._values[name] if axes is None else self._values[name].transpose(axes)
            tensor = torch.from_numpy(np.array(value, order="C", copy=True))
            if tensor.ndim == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.weights[name] = nn.Parameter(tensor, requires_grad=self._training)
        return self.weights[name]

    def _unary(self, node: tf.compat.v1.NodeDef, operation: Callable[[Tensor], Tensor]) -> Step:
        name = node.input[0]
        return lambda values: operation(values[name])

    def _binary(self, node: tf.compat.v1.NodeDef, operation: Callable[[Tensor, Tensor], Tensor]) -> Step:
        """Make the step of an operation on two values, either of which may be a constant."""
        a, b = node.input
        fixed = {name: torch.from_numpy(np.array(self._values[name])) for name in (a, b) if name in self._values}
        return lambda values: operation(*(fixed[name] if name in fixed else values[name] for name in (a, b)))

    def _conv2d(self, node: tf.compat.v1.NodeDef) -> Step:
        weight = self._weight(node.input[1], (3, 2, 0, 1))
        stride = tuple(node.attr["strides"].list.i[1:3])
        padding = tuple(size // 2 for size in weight.shape[2:]) if node.attr["padding"].s == b"SAME" else (0, 0)
        if any(padding) and stride != (1, 1):
            raise NotImplementedError(f"{node.name}: SAME padding with a stride is lopsided in TensorFlow")
        bias = self._weight(self._biases[node.name]) if node.name in self._biases else None
        return self._unary(node, lambda x: functional.conv2d(x, weight, bias, stride, padding))

    def _matmul(self, node: tf.compat.v1.NodeDef) -> Step:
        weight = self._weight(node.input[1], (1, 0))
        bias = self._weight(self._biases[node.name]) if node.name in self._biases else None
        return self._unary(node, lambda x: functional.linear(x, weight, bias))

    def _biasadd(self, node: tf.compat.v1.NodeDef) -> Step:
        if node.input[0] in self._layers:  # the layer before adds the bias itself, in one pass over its output
            return self._unary(node, lambda x: x)
        bias = self._weight(node.input[1])
        return self._unary(node, lambda x: x + bias[:, None, None])

    def _fusedbatchnormv3(self, node: tf.compat.v1.NodeDef) -> Step:
        beta, epsilon = self._weight(node.input[2]), node.attr["epsilon"].f
        names = [name.replace("/", "_") for name in node.input[3:5]]
        for name, buffer in zip(node.input[3:5], names, strict=True):
            self._moving.append(name)
            self.register_buffer(buffer, torch.from_numpy(self._values[name].copy()))
        training, momentum = self._training, 1.0 - BatchNorm().decay

        def normalize(x: Tensor) -> Tensor:
            # Buffers are looked up in each call, because converting the module replaces them.
            mean, variance = (self.get_buffer(name) for name in names)
            return functional.batch_norm(x, mean, variance, None, beta, training, momentum, epsilon)

        return self._unary(node, normalize)

    def _stridedslice(self, node: tf.compat.v1.NodeDef) -> Step:
        """Make the step that adds or removes the image axes of a vector, for batch normalization."""
        if node.attr["new_axis_mask"].i:
            return self._unary(node, lambda x: x[:, :, None, None])
        return self._unary(node, lambda x: x[:, :, 0, 0])

    def _maxpool(self, node: tf.compat.v1.NodeDef) -> Step:
        size, stride = (tuple(node.attr[name].list.i[1:3]) for name in ("ksize", "strides"))
        return self._unary(node, lambda x: functional.max_pool2d(x, size, stride))

    def _avgpool(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, lambda x: x.mean((2, 3), keepdim=True))  # the pool covers the whole image

    def _squeeze(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, lambda x: x[:, :, 0, 0])

    def _concatv2(self, node: tf.compat.v1.NodeDef) -> Step:
        names = node.input[:-1]
        return lambda values: torch.cat([values[name] for name in names], 1)

    def _cast(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, lambda x: x.to(self.dtype))

    def _relu(self, node: tf.compat.v1.NodeDef) -> Step:
        # In place, as in torchvision's networks: the input is not used elsewhere.
        return self._unary(node, torch.relu_)

    def _sum(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, lambda x: x.sum(1, keepdim=True))

    def _maximum(self, node: tf.compat.v1.NodeDef) -> Step:
        least = float(self._values[node.input[1]])
        return self._unary(node, lambda x: x.clamp_min(least))

    def _sub(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._binary(node, torch.sub)

    def _realdiv(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._binary(node, torch.div)

    def _mul(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._binary(node, torch.mul)

    def _addv2(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._binary(node, torch.add)

    def _square(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, torch.square)

    def _rsqrt(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, torch.rsqrt)

    def _identity(self, node: tf.compat.v1.NodeDef) -> Step:
        return self._unary(node, lambda x: x)
