"""Write the embeddings of aligned faces, from a folder of any depth or one image, to an .npz file."""

from __future__ import annotations

import argparse
from pathlib import Path

from finetune.cli.arguments import add_checkpoint
from finetune.cli.restored import restore, standardization_notes
from finetune.cli.values import new_file, path
from finetune.errors import DataError, Problem
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

EXAMPLES = (
    "finetune embed ~/model ~/faces_160 faces.npz",
    "finetune embed ~/model ~/faces_160 faces.npz --precision bfloat16",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the images and the output file."""
    add_checkpoint(parser)
    parser.add_argument("images", metavar="IMAGES", help="folder of aligned faces, of any depth, or one image")
    parser.add_argument(
        "out",
        metavar="OUT.npz",
        help="file to write: names [n], embeddings float32 [n, size], and the settings of the model",
    )
    parser.add_argument("--flip", action="store_true", help="append the embedding of the mirror image")


def run(options: argparse.Namespace) -> None:
    """Write the embeddings, and print their number and each file left out, with the reason."""
    import numpy as np

    from finetune import files
    from finetune.images import header_sizes, size_notes
    from finetune.paths import find_images

    target = new_file(options.out)
    if target.suffix != ".npz":
        raise DataError(Problem(target, "", "give a file name that ends in .npz"))
    paths = find_images(options.images)
    model = restore(options)
    bad: dict[Path, str] = {}
    embeddings = model.embed(paths, flip=options.flip, bad=bad)
    good = [i for i, path in enumerate(paths) if path not in bad]
    if not good:
        raise DataError(
            Problem(
                options.images,
                "no usable image",
                f"give faces aligned to {model.preprocessing.image_size} pixels; "
                f"the first of {len(paths)} not used is {paths[0]}: {bad[paths[0]]}",
            )
        )
    used = [paths[i] for i in good]
    for note in [*size_notes(header_sizes(used), model.preprocessing.image_size), *standardization_notes(model, used)]:
        say_aside(note)
    for image, reason in bad.items():
        say_aside(f"left out: {in_one_line(image)}: {reason}")
    root = _root(options.images)
    arrays = {
        "names": np.array([paths[i].relative_to(root).as_posix() for i in good]),
        "embeddings": embeddings[good],
        "image_size": np.array(model.preprocessing.image_size),
        "standardization": np.array(model.preprocessing.standardization),
        "precision": np.array(model.precision),
        "runtime": np.array(model.runtime),
        "flip": np.array(options.flip),
        "checkpoint": np.array(model.source.name),
    }
    files.write(target, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    say(
        f"{counted(len(good), 'embedding')} of {model.embedding_size} values in {in_one_line(target)}; "
        f"{counted(len(bad), 'file')} left out"
    )


def _root(images: str) -> Path:
    given = path(images)
    return given if given.is_dir() else given.parent
