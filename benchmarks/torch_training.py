"""Training of the whole network in PyTorch, from the same weights."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from benchmarks.graph import CLASS_LOGITS, IMAGES, Graph
from benchmarks.torch_network import TorchNetwork
from finetune.images import Precision

KERAS_EPSILON = 1e-7


class TorchTrainer:
    """Trainer with Adam and cross-entropy, and batch normalization in training mode.

    Args:
        graph: graph from `benchmarks.graph.training_graph`.
        rate: learning rate.
        precision: `bfloat16` for autocast to it, which keeps weights and batch statistics in float32.

    Attributes:
        network: PyTorch module.
    """

    def __init__(self, graph: Graph, rate: float, precision: Precision = "float32") -> None:
        self._autocast = precision == "bfloat16"
        self.network = TorchNetwork(graph, IMAGES, CLASS_LOGITS, training=True).train()
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, eps=KERAS_EPSILON, fused=True)

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Train on standardized images [b, s, s, 3] and int64 labels [b], and return the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(images, labels)
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradients by TF1 name, in TensorFlow's layout, without a training step."""
        weights = self.network.weights
        found = torch.autograd.grad(self._loss(images, labels), list(weights.values()))
        axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
        return {
            name: gradient.numpy().transpose(axes[gradient.ndim]) for name, gradient in zip(weights, found, strict=True)
        }

    def _loss(self, images: np.ndarray, labels: np.ndarray) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            logits = self.network(torch.from_numpy(images))
        return functional.cross_entropy(logits.to(self.network.dtype), torch.from_numpy(labels))
