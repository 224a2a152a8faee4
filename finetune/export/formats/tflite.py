"""TFLite, for phones and small machines, with quantized weights where that is asked for."""

from __future__ import annotations

import functools
from pathlib import Path

from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write(content: Content, folder: Path, quantize: str | None = None) -> None:
    """Write `NAME.tflite`.

    Args:
        content: what it is to hold.
        folder: an empty one.
        quantize: None keeps the weights float32; `float16` stores them in half the bytes; `int8` in a quarter, and
            computes with activations quantized as they come (dynamic range).
    """
    import tensorflow as tf

    from finetune.export.formats.serving import constant_function

    function = constant_function(content)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    (folder / f"{folder.name}.tflite").write_bytes(converter.convert())


TFLITE = Format(
    "tflite",
    "an extra: pip install 'facenet-finetune[tflite]'",
    write,
    quantized={name: functools.partial(write, quantize=name) for name in ("float16", "int8")},
    suffix=".tflite",
    packages=("ai_edge_litert",),
)
