"""ONNX and TFLite, from the folded network with its weights as constants, for any batch size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from finetune.export.content import Content
from finetune.export.serving import IMAGES, folded, outputs, signature

OPSET = 17
"""Of ONNX: read by every runtime since 2022."""


def write_onnx(content: Content, folder: Path) -> None:
    """Writes `NAME.onnx` by tf2onnx."""
    import tf2onnx

    function = _constant(content)
    names = dict(zip((tensor.name for tensor in function.outputs), sorted(function.structured_outputs), strict=True))
    inputs = {function.inputs[0].name: IMAGES}
    model, _ = tf2onnx.convert.from_graph_def(
        function.graph.as_graph_def(),
        input_names=list(inputs),
        output_names=list(names),
        opset=OPSET,
        tensors_to_rename=inputs | names,
    )
    (folder / f"{folder.name}.onnx").write_bytes(model.SerializeToString())


def tflite_writer(quantize: str | None) -> Callable[[Content, Path], None]:
    """What writes `NAME.tflite`.

    Args:
        quantize: None keeps the weights float32; `float16` stores them in half the bytes; `int8` in a quarter, and
            computes with activations quantized as they come (dynamic range).
    """

    def write(content: Content, folder: Path) -> None:
        function = _constant(content)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        (folder / f"{folder.name}.tflite").write_bytes(converter.convert())

    return write


def _constant(content: Content) -> tf.types.experimental.ConcreteFunction:
    weights = folded(content)
    forward = tf.function(
        lambda images: outputs(content, weights, images), input_signature=[signature(content)], autograph=False
    )
    return forward.get_concrete_function()
