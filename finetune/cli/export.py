"""Brings a checkpoint into another format, and proves it: loaded again by that format's own runtime, and compared."""

from __future__ import annotations

import argparse
import functools

from finetune.cli.arguments import add_checkpoint, add_lfw, lfw_section, path, restore
from finetune.progress import say

FORMATS = {
    "tf1": "a model directory that FaceNet's own scripts take, with its .meta",
    "pb": "a frozen graph with FaceNet's names",
    "saved_model": "a SavedModel with the signatures embed and classify",
    "keras": "a Keras model",
    "h5": "a Keras model in the older file format",
    "onnx": "an extra: pip install 'facenet-finetune[onnx]'",
    "tflite": "an extra: pip install 'facenet-finetune[tflite]'",
}
QUANTIZATIONS = ("float16", "int8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The checkpoint, the format, the folder, and the pairs to measure on."""
    add_checkpoint(parser, computes=False)
    parser.add_argument(
        "--to",
        required=True,
        choices=FORMATS,
        metavar="FORMAT",
        help="; ".join(f"{name}: {what}" for name, what in FORMATS.items()),
    )
    parser.add_argument("out", metavar="OUT", help="a new folder for the export and its certificate.json")
    parser.add_argument("--head", action="store_true", help="with the classifier: logits, probabilities, class names")
    parser.add_argument(
        "--quantize", choices=QUANTIZATIONS, help="of tflite: weights in a half or a quarter of the bytes"
    )
    add_lfw(parser, required=False)


def run(options: argparse.Namespace) -> None:
    """Prints what was compared, and how near it came."""
    from finetune.checkpoint import locate

    out = path(options.out)
    lfw = lfw_section(options)
    locate(options.checkpoint)  # a missing one is told before TensorFlow is imported
    from finetune.export import export

    restored = functools.partial(restore, options)
    certificate = export(restored, options.to, out, head=options.head, quantize=options.quantize, lfw=lfw)
    say(f"{out}: {certificate.format.name} of {certificate.made_from['checkpoint']}")
    for line in certificate.lines():
        say(f"  {line}")
