"""ONNX model, converted with tf2onnx."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finetune.export.formats.content import IMAGES, Content
from finetune.export.formats.format import Format
from finetune.runtime import OPSET


def write(content: Content, folder: Path) -> None:
    """Write `NAME.onnx`, whose weights have their TF1 names."""
    import tf2onnx

    from finetune.export.formats.serving import constant_function, folded

    function = constant_function(content)
    names = dict(zip((tensor.name for tensor in function.outputs), sorted(function.structured_outputs), strict=True))
    inputs = {function.inputs[0].name: IMAGES}
    model, _ = tf2onnx.convert.from_graph_def(
        function.graph.as_graph_def(),
        input_names=list(inputs),
        output_names=list(names),
        opset=OPSET,
        tensors_to_rename=inputs | names,
    )
    name_weights(model.graph, folded(content))
    (folder / f"{folder.name}.onnx").write_bytes(model.SerializeToString())


def name_weights(graph: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Give the constants of a converted graph the names of the weights that they hold.

    tf2onnx numbers all constants, transposes kernels of convolutions, and keeps equal constants once. Each use takes
    the next name with the same values, so that equal weights have a constant each.

    Args:
        graph: graph of an ONNX model, which is changed.
        weights: folded weights by TF1 name.
    """
    names: dict[tuple[tuple[int, ...], bytes], list[str]] = defaultdict(list)
    for name, value in weights.items():
        value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value  # [h, w, in, out] to [out, in, h, w]
        names[value.shape, value.tobytes()].append(name)
    constants = {constant.name: constant for constant in graph.initializer}
    waiting = {name: names[tuple(one.dims), one.raw_data] for name, one in constants.items()}
    kept = {}
    for node in graph.node:
        for place, source in enumerate(node.input):
            if source not in constants:
                continue
            if waiting[source]:
                node.input[place] = waiting[source].pop(0) if len(waiting[source]) > 1 else waiting[source][0]
            constant = type(constants[source])()
            constant.CopyFrom(constants[source])
            constant.name = node.input[place]
            kept[constant.name] = constant
    del graph.initializer[:]
    graph.initializer.extend(kept.values())


ONNX = Format(
    "onnx",
    "an ONNX model (extra: pip install 'facenet-finetune[onnx]')",
    write,
    suffix=".onnx",
    packages=("tf2onnx", "onnxruntime"),
)
