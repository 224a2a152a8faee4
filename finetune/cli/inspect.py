"""Show what a checkpoint holds: its network, blocks, classes, preprocessing, source and digests."""

from __future__ import annotations

import argparse

from finetune.cli.values import new_file
from finetune.progress import say

EXAMPLES = (
    "finetune inspect ~/models/20180402-114759",
    "finetune inspect model.pb --json model.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, and a file for the JSON description."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="directory, prefix, or any file of a checkpoint")
    parser.add_argument("--variables", action="store_true", help="list every variable with its shape, unit by unit")
    parser.add_argument("--json", metavar="FILE", help="write the description as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the description."""
    from finetune.checkpoint import describe
    from finetune.files import write_json

    target = new_file(options.json) if options.json else None
    description = describe(options.checkpoint)
    say("\n".join(description.lines(variables=options.variables)))
    if target:
        write_json(target, description.to_json())
