"""Import a dataset into one folder per person, OUT/NAME/NAME_0001.jpg, as links to its photos, or from arrays."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from finetune.cli.arguments import say_left_out
from finetune.cli.values import path, whole_number
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.dataset.importers import Imported, Listing


EXAMPLES = (
    "finetune import csv faces.csv ~/people",
    "finetune import arrays X_train.npy y_train.npy ~/people",
)
IMAGES: dict[str, Any] = {
    "type": path,
    "metavar": "X.npy",
    "help": "images [n, height, width(, 3)], or flat grey rows; 0 to 255, or 0 to 1; floats may exceed it by a "
    "thousandth, as after resizing",
}
MOST_SCALE = 16
"""Largest enlargement: it makes 160 pixels of 10, the smallest face that shows anything."""


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
    arrays.add_argument("pixels", **IMAGES)
    arrays.add_argument("labels", type=path, metavar="y.npy", help="labels [n], whole numbers or names")
    unlabelled = sources.add_parser("unlabelled", help="NumPy array of pixels alone, such as a contest's test images")
    unlabelled.add_argument("pixels", **IMAGES)
    for source, place in ((arrays, "new folder"), (unlabelled, "new folder: row 17 becomes OUT/0017.png")):
        source.add_argument("out", type=path, metavar="OUT", help=place)
        source.add_argument("--height", type=whole_number(1), metavar="PIXELS", help="image height, for flat rows")
        source.add_argument("--width", type=whole_number(1), metavar="PIXELS", help="image width, for flat rows")
        size = source.add_mutually_exclusive_group()
        size.add_argument(
            "--size",
            type=whole_number(1, 4096),
            metavar="PIXELS",
            help="write square images of this side, whatever their aspect ratio",
        )
        size.add_argument(
            "--scale",
            type=whole_number(1, MOST_SCALE),
            default=1,
            metavar="N",
            help="write each image N times as wide and as high, bicubically (default: 1); images in folders must be at "
            "least as large as the network's input, 160 pixels for the published ones: 5 for 37 x 50 pixels",
        )
    arrays.add_argument("--names", type=path, metavar="FILE", help="text file with the name of label k in line k + 1")


def run(options: argparse.Namespace) -> None:
    """Import the dataset, and print the result and the place of the manifest; files left out go to stderr."""
    if options.source in ("arrays", "unlabelled"):
        made, how = _from_arrays(options)
    else:
        from finetune.dataset.importers import import_photos

        made = import_photos(_listing(options), options.out, copy=options.copy)
        how = "copied" if options.copy else "links to the photos, nothing was copied; keep the photos where they are"
    say_left_out(made.left_out)
    images = counted(made.images, "image", ",")
    if made.people:
        images = f"{counted(made.people, 'person', ',')}, {images}, {made.images / made.people:.1f} per person"
    say(f"{in_one_line(made.out)}: {images} ({how})")
    say(f"{in_one_line(made.manifest)}: where each image came from")


def _from_arrays(options: argparse.Namespace) -> tuple[Imported, str]:
    from finetune.dataset.importers import Resizing, import_arrays, import_unlabelled

    resizing = Resizing(options.scale, options.size)
    form = {"height": options.height, "width": options.width, "resizing": resizing}
    if options.source == "arrays":
        made, how = import_arrays(options.pixels, options.labels, options.out, names=options.names, **form)
    else:
        made, how = import_unlabelled(options.pixels, options.out, **form)
    resized = f", {options.scale} times as large" if options.scale > 1 else ""
    if options.size:
        resized = f", {options.size} x {options.size} pixels"
    return made, f"{how}; written as PNG{resized}"


def _listing(options: argparse.Namespace) -> Listing:
    from finetune.dataset.importers import CASIA, VGGFACE2, read_celeba, read_csv, read_layout

    if options.source == "celeba":
        return read_celeba(options.images, options.identities)
    if options.source == "csv":
        return read_csv(options.file, options.root)
    return read_layout(options.folder, {"vggface2": VGGFACE2, "casia": CASIA}[options.source])
