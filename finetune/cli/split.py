"""Parts a folder of people by the images of each person, or by identities: OUT/PART/NAME/file, as links."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_seed, path, say_left_out, whole_number
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and how to part it."""
    parser.add_argument("folder", metavar="FOLDER", help="one folder of images per person")
    parser.add_argument("out", metavar="OUT", help="a new folder, for a folder of each part")
    parser.add_argument(
        "--by",
        required=True,
        choices=("images", "identities"),
        help="each person's images over the parts, or each person whole into one of them",
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        metavar="NAME=SHARE",
        default=["train=0.8", "test=0.2"],
        help="any number of them, whose shares sum to 1; train=0.8 test=0.2",
    )
    parser.add_argument(
        "--min-images", type=whole_number(1), default=1, metavar="N", help="leave out people with fewer images"
    )
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Prints a line a part; what was left out goes to stderr."""
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
    say(f"{'part':{width}}  identities     photos  a person  of photos")
    for part in parted.parts:
        mean = part.photos / part.identities
        share = part.photos / total
        say(f"{part.name:{width}}  {part.identities:>10,} {part.photos:>10,}  {mean:>8.1f}  {share:>9.1%}")
    few = (
        f"; {counted(len(parted.too_few), 'person', ',')} with fewer than {options.min_images} images left out"
        if parted.too_few
        else ""
    )
    out, folder = in_one_line(options.out), in_one_line(options.folder)
    say(f"{out}: links to the photos in {folder}, seed {options.seed}{few}")
