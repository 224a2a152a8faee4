"""ONNX model, converted with tf2onnx."""

from __future__ import annotations

from pathlib import Path

from finetune.export.formats.content import IMAGES, Content
from finetune.export.formats.format import Format

OPSET = 17
"""Version of ONNX's operators, which every runtime since 2022 supports."""


def write(content: Content, folder: Path) -> None:
    """Write `NAME.onnx`."""
    import tf2onnx

    from finetune.export.formats.serving import constant_function

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
    (folder / f"{folder.name}.onnx").write_bytes(model.SerializeToString())


ONNX = Format(
    "onnx",
    "an ONNX model (extra: pip install 'facenet-finetune[onnx]')",
    write,
    suffix=".onnx",
    packages=("tf2onnx", "onnxruntime"),
)
