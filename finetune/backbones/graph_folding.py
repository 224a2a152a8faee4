"""Folding of a graph's batch normalizations into the layers before them."""

from __future__ import annotations

import dataclasses
from collections import Counter

from finetune.backbones.graph import Graph, Node
from finetune.backbones.layer_kinds import BatchNormalization, Identity, Kernel


def foldable(graph: Graph) -> dict[str, str]:
    """Return each batch normalization that folds into the layer before it, with the name of that layer.

    The layer must have a kernel and no activation, and nothing else may use its output.
    """
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    layers = {node.name: node.layer for node in graph.nodes}
    return {
        node.name: source
        for node in graph.nodes
        if isinstance(node.layer, BatchNormalization)
        for source in node.inputs
        if isinstance(layer := layers.get(source), Kernel) and layer.activation == "linear" and uses[source] == 1
    }


def folded_graph(graph: Graph) -> Graph:
    """Return the graph after folding: layers with a folded batch normalization have a bias, and it does nothing."""
    folds = foldable(graph)
    biased = set(folds.values())

    def folded(node: Node) -> Node:
        if node.name in folds:
            return node._replace(layer=Identity())
        if node.name in biased and isinstance(node.layer, Kernel):
            return node._replace(layer=dataclasses.replace(node.layer, use_bias=True))
        return node

    return Graph(tuple(map(folded, graph.nodes)))
