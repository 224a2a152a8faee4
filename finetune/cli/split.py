"""Split a folder of people by the images of each person, or by identities, into links OUT/PART/NAME/file."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_seed, say_left_out
from finetune.cli.values import path, whole_number
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

EXAMPLES = (
    "finetune split ~/people ~/parts --by images",
    "finetune split ~/people ~/parts --by identities",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the settings of the split."""
    parser.add_argument("folder", metavar="FOLDER", help="folder with one folder of images per person")
    parser.add_argument("out", metavar="OUT", help="new folder, with one folder per part")
    parser.add_argument(
        "--by",
        required=True,
        choices=("images", "identities"),
        help="images: split the images of each person; identities: put all images of a person into one part",
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        metavar="NAME=SHARE",
        default=["train=0.8", "test=0.2"],
        help="parts, with shares that sum to 1 (default: train=0.8 test=0.2)",
    )
    parser.add_argument(
        "--min-images",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="leave out people with fewer images (default: 1)",
    )
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Split the folder, and print one line per part; files left out go to stderr."""
    from finetune.dataset import part_folder, read_shares

    parted = part_folder(
        path(options.folder),
        path(options.out),
        read_shares(options.parts),
        by=options.by,
        seed=options.seed,
        min_images=options.min_images,
    )
    say_left_out(parted.left_out)
    width = max(len("part"), *(len(part.name) for part in parted.parts))
    total = sum(part.photos for part in parted.parts)
    say(f"{'part':{width}}  identities     photos  per person  of photos")
    for part in parted.parts:
        mean = part.photos / part.identities
        share = part.photos / total
        say(f"{part.name:{width}}  {part.identities:>10,} {part.photos:>10,}  {mean:>10.1f}  {share:>9.1%}")
    few = (
        f"; {counted(len(parted.too_few), 'person', ',')} with fewer than {options.min_images} images left out"
        if parted.too_few
        else ""
    )
    out, folder = in_one_line(options.out), in_one_line(options.folder)
    say(f"{out}: links to the photos in {folder}, seed {options.seed}{few}")
