"""Fetches Labeled Faces in the Wild and its pairs file, through scikit-learn."""

from __future__ import annotations

import argparse
import os
import shlex

from finetune.cli.arguments import path
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="download it (some 240 MB) into DIR/images and DIR/pairs.txt")
    fetch.add_argument("folder", metavar="DIR", help="a folder, made where it is not there")


def run(options: argparse.Namespace) -> None:
    """Prints where the images and the pairs lie, and what to do next."""
    from finetune.downloads import fetch_lfw

    folder = path(options.folder)
    fetched = fetch_lfw(folder)
    say(
        f"{in_one_line(fetched.images)}: {counted(fetched.n_images, 'photo', ',')} of "
        f"{counted(fetched.n_people, 'person', ',')}; "
        f"{in_one_line(fetched.pairs)}: {counted(fetched.n_pairs, 'pair', ',')}"
    )
    aligned = f"{os.path.realpath(folder)}_160"  # the name that `.` stands for
    photos, crops = (shlex.quote(in_one_line(place)) for place in (fetched.images, aligned))
    say(f"next: finetune align {photos} {crops} --size 160 --margin 32")
