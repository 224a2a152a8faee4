"""Draw faces, make a checkpoint, and fine-tune it in two stages: a complete run that needs no data."""

from __future__ import annotations

import argparse

from finetune.cli.values import path

EXAMPLES = (
    "finetune demo",
    "finetune demo --output ~/demo",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the output folder."""
    parser.add_argument(
        "--output", default="runs/demo", metavar="DIR", help="folder for the data and the run (default: runs/demo)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the demo, and print the plan, one line per epoch, and the table of stages."""
    from finetune.checkpoint import refuse_pattern
    from finetune.files import refuse_used

    output = path(options.output)
    refuse_pattern(output)
    refuse_used(output)
    from finetune.demo import demo  # imports TensorFlow

    demo(output)
