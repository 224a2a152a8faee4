"""TFLite model, for phones and small devices, with quantized weights if requested."""

from __future__ import annotations

import functools
from pathlib import Path

from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write(content: Content, folder: Path, quantize: str | None = None) -> None:
    """Write `NAME.tflite`.

    Args:
        content: content to write.
        folder: empty folder.
        quantize: None for float32 weights. `float16` stores them in half the bytes. `int8` stores them in a quarter and
            quantizes the activations at run time (dynamic range).
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
    "a TFLite model (extra: pip install 'facenet-finetune[tflite]')",
    write,
    quantized={name: functools.partial(write, quantize=name) for name in ("float16", "int8")},
    suffix=".tflite",
    packages=("ai_edge_litert",),
)
