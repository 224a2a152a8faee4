"""Readers of the options' values; each refuses what it can't use in one line."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.errors import Problem, RecipeError
from finetune.paths import refuse_within


def image_size(text: str) -> int:
    """Read an option's value: an image side in pixels that the network accepts."""
    from finetune.backbones import LEAST_IMAGE_SIZE

    if not (text.isascii() and text.isdigit() and int(text) >= LEAST_IMAGE_SIZE):
        raise argparse.ArgumentTypeError(f"found {text!r}; give a whole number of pixels from {LEAST_IMAGE_SIZE}")
    return int(text)


def whole_number(least: int, most: int = (1 << 31) - 1) -> Callable[[str], int]:
    """Return the reader of an option's value: a whole number in a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"found {text!r}; give a whole number from {least} to {most}")
        return int(text)

    return read


def number(text: str, fits: Callable[[float], bool], wanted: str) -> float:
    """Read an option's value: a number that fits, or the message says what is wanted."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"found {text!r}; give {wanted}")
    return value


def rate(text: str) -> float:
    """Read an option's value: a rate or a share, above 0 and below 1."""
    return number(text, lambda value: 0 < value < 1, "a number above 0 and below 1")


def probability(text: str) -> float:
    """Read an option's value: a number from 0 to 1."""
    return number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def path(text: str) -> Path:
    """Return the path of an argument with `~` expanded; `~USER` stays as it is for an unknown user."""
    return Path(os.path.expanduser(text))


def new_file(text: str, apart_from: Path | None = None) -> Path:
    """Return the path of a file to write. Links are followed, and the target's folder must exist.

    Args:
        text: path as given.
        apart_from: folder that is read, in which nothing may be written.

    Raises:
        UserError: the path is a folder or a device, its folder is missing, or it lies in `apart_from`.
    """
    file = path(text)
    if file.is_dir():
        raise RecipeError(Problem(file, "a folder", "give the name of a file to write"))
    if file.exists() and not file.is_file():
        raise RecipeError(Problem(file, "a device", "give the name of a file to write"))
    if apart_from is not None and apart_from.is_dir():
        refuse_within(file, apart_from)
    place = Path(os.path.realpath(file)).parent if file.is_symlink() else file.parent
    if not place.is_dir():
        raise RecipeError(Problem(place, "no such folder", "make it first"))
    return file


def text_file(text: str, suffixes: Sequence[str], *read: Path) -> Path:
    """Return the path of a text file to write, which is not among the read files and has one of the suffixes.

    The suffix keeps a mistyped command from replacing a photo.

    Raises:
        UserError: the file can't be written there.
    """
    file = new_file(text)
    for place in read:
        file = new_file(text, place)
        if file.resolve() == place.resolve():
            raise RecipeError(Problem(file, "an input of this command", "give another file to write"))
    if file.suffix not in suffixes:
        raise RecipeError(Problem(file, "", f"give a file name that ends in {' or '.join(suffixes)}"))
    return file
