"""Fetches Labeled Faces in the Wild and its pairs file, through scikit-learn."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="download it (some 240 MB) into DIR/images and DIR/pairs.txt")
    fetch.add_argument("folder", metavar="DIR", help="a folder, made where it is not there")


def run(options: argparse.Namespace) -> None:
    """Prints where the images and the pairs lie, and what to do next."""
    from finetune.evaluation.fetch_lfw import fetch_lfw

    folder = Path(options.folder).expanduser()
    fetched = fetch_lfw(folder)
    print(
        f"{fetched.images}: {fetched.n_images:,} photos of {fetched.n_people:,} people; "
        f"{fetched.pairs}: {fetched.n_pairs:,} pairs"
    )
    aligned = folder.with_name(f"{folder.name}_160")
    print(f"next: finetune align {shlex.quote(str(fetched.images))} {shlex.quote(str(aligned))} --size 160 --margin 32")
