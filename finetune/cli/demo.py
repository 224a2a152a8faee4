"""Draws faces, makes a checkpoint, and runs two stages on them: the main job without any data of yours."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("--output", default="runs/demo", metavar="DIR", help="default: runs/demo")


def run(options: argparse.Namespace) -> None:
    """Prints the plan, a line an epoch, and the table of stages."""
    from finetune.checkpoint import refuse_pattern
    from finetune.files import refuse_used

    output = path(options.output)
    refuse_pattern(output)
    refuse_used(output)
    from finetune.demo import demo  # imports TensorFlow

    demo(output)
