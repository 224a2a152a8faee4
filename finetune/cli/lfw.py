"""Download Labeled Faces in the Wild and its pairs file, through scikit-learn."""

from __future__ import annotations

import argparse
import os
import shlex

from finetune.cli.values import path
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

EXAMPLES = (
    "finetune lfw fetch ~/lfw",
    "finetune lfw fetch /data/lfw",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action and its folder."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="download LFW (some 240 MB) into DIR/images and DIR/pairs.txt")
    fetch.add_argument("folder", metavar="DIR", help="folder for the dataset, created if needed")


def run(options: argparse.Namespace) -> None:
    """Download LFW, and print the places of images and pairs and the next command."""
    from finetune.downloads import fetch_lfw

    folder = path(options.folder)
    fetched = fetch_lfw(folder)
    say(
        f"{in_one_line(fetched.images)}: {counted(fetched.n_images, 'photo', ',')} of "
        f"{counted(fetched.n_people, 'person', ',')}; "
        f"{in_one_line(fetched.pairs)}: {counted(fetched.n_pairs, 'pair', ',')}"
    )
    aligned = f"{os.path.realpath(folder)}_160"  # resolves `.` to a name
    photos, crops = (shlex.quote(in_one_line(place)) for place in (fetched.images, aligned))
    say(f"next: finetune align {photos} {crops} --size 160 --margin 32")
