"""Import a dataset into one folder per person, OUT/NAME/NAME_0001.jpg, as links to its photos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from finetune.cli.arguments import path, say_left_out, whole_number
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.dataset.importers import Listing


EXAMPLES = (
    "finetune import csv faces.csv ~/people",
    "finetune import arrays X_train.npy y_train.npy ~/people",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand per kind of source."""
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)

    celeba = sources.add_parser("celeba", help="CelebA: photos in one folder, and an identity file")
    celeba.add_argument("images", type=path, metavar="IMAGES", help="folder of the photos, img_align_celeba")
    celeba.add_argument("identities", type=path, metavar="IDENTITIES", help="file with lines of 'photo identity'")

    table = sources.add_parser("csv", help="CSV file of paths and names")
    table.add_argument("file", type=path, metavar="FILE", help="CSV file with lines of path,name; a header is optional")
    table.add_argument(
        "--root", type=path, metavar="DIR", help="base folder of relative paths (default: the CSV's folder)"
    )

    for name, title in (("vggface2", "VGGFace2: n000001/0001_01.jpg"), ("casia", "CASIA-WebFace: 0000045/001.jpg")):
        layout = sources.add_parser(name, help=title)
        layout.add_argument("folder", type=path, metavar="DIR", help="folder of the people, or of train and test")

    for links in (celeba, table, *(sources.choices[name] for name in ("vggface2", "casia"))):
        links.add_argument("out", type=path, metavar="OUT", help="new folder")
        links.add_argument("--copy", action="store_true", help="copy the photos instead of linking to them")

    arrays = sources.add_parser("arrays", help="NumPy arrays of pixels and labels")
    arrays.add_argument("pixels", type=path, metavar="X.npy", help="images [n, height, width(, 3)], or flat grey rows")
    arrays.add_argument("labels", type=path, metavar="y.npy", help="labels [n], whole numbers or names")
    arrays.add_argument("out", type=path, metavar="OUT", help="new folder")
    arrays.add_argument("--height", type=whole_number(1), metavar="PIXELS", help="image height, for flat rows")
    arrays.add_argument("--width", type=whole_number(1), metavar="PIXELS", help="image width, for flat rows")
    arrays.add_argument("--names", type=path, metavar="FILE", help="text file with the name of label k in line k + 1")


def run(options: argparse.Namespace) -> None:
    """Import the dataset, and print the result and the place of the manifest; files left out go to stderr."""
    if options.source == "arrays":
        from finetune.dataset.importers import import_arrays

        size = {"height": options.height, "width": options.width}
        made, how = import_arrays(options.pixels, options.labels, options.out, names=options.names, **size)
        how = f"{how}; written as PNG"
    else:
        from finetune.dataset.importers import import_photos

        made = import_photos(_listing(options), options.out, copy=options.copy)
        how = "copied" if options.copy else "links to the photos, nothing was copied; keep the photos where they are"
    say_left_out(made.left_out)
    mean = made.images / made.people
    say(
        f"{in_one_line(made.out)}: {counted(made.people, 'person', ',')}, "
        f"{counted(made.images, 'image', ',')}, {mean:.1f} per person ({how})"
    )
    say(f"{in_one_line(made.manifest)}: where each image came from")


def _listing(options: argparse.Namespace) -> Listing:
    from finetune.dataset.importers import CASIA, VGGFACE2, read_celeba, read_csv, read_layout

    if options.source == "celeba":
        return read_celeba(options.images, options.identities)
    if options.source == "csv":
        return read_csv(options.file, options.root)
    return read_layout(options.folder, {"vggface2": VGGFACE2, "casia": CASIA}[options.source])
