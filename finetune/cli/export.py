"""Export a checkpoint to another format, load it again in that format's own runtime, and compare the results."""

from __future__ import annotations

import argparse
import functools

from finetune.cli.arguments import add_checkpoint, add_lfw, lfw_section
from finetune.cli.restored import restore_network
from finetune.cli.values import path
from finetune.export import FORMATS, NAMES, QUANTIZATIONS
from finetune.progress import say
from finetune.words import listed

EXAMPLES = (
    "finetune export runs/mine/3-last-repeat exports/mine --to onnx",
    "finetune export ~/model exports/small --to tflite --quantize int8",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the format, the output folder, and the pairs for validation."""
    add_checkpoint(parser, computes=False)
    parser.add_argument(
        "--to",
        required=True,
        choices=tuple(FORMATS),
        metavar="FORMAT",
        help="; ".join(f"{format.name}: {format.summary}" for format in FORMATS.values()),
    )
    parser.add_argument("out", metavar="OUT", help="new folder for the export and its certificate.json")
    parser.add_argument(
        "--head", action="store_true", help="include the classifier: logits, probabilities, class names"
    )
    quantized = listed((format.name for format in FORMATS.values() if format.quantized), "or")
    parser.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help=f"store the weights in a half or a quarter of the bytes; only for {quantized}",
    )
    parser.add_argument(
        "--names",
        choices=NAMES,
        help="write weights for this program's own code; only for h5",
    )
    add_lfw(parser)


def run(options: argparse.Namespace) -> None:
    """Export the checkpoint, and print the comparisons and their differences."""
    from finetune.checkpoint import locate

    out = path(options.out)
    lfw = lfw_section(options)
    locate(options.checkpoint)  # reports a missing checkpoint before the import of TensorFlow
    from finetune.export import export

    restored = functools.partial(restore_network, options)
    asked = {"head": options.head, "quantize": options.quantize, "names": options.names}
    certificate = export(restored, options.to, out, **asked, lfw=lfw)
    say(f"{out}: {certificate.format.name} of {certificate.made_from['checkpoint']}")
    for line in certificate.lines():
        say(f"  {line}")
