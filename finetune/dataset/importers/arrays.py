"""The import of faces from NumPy arrays of pixels and labels; the faces are written as PNG."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from finetune.dataset.importers.people import Image, Imported, name_folders, write_numbered, write_people
from finetune.errors import DataError, Problem, attempt, bounded
from finetune.files import read_text, refuse_used
from finetune.images import Pixels
from finetune.progress import track
from finetune.words import counted

Array = npt.NDArray[Any]

ROWS = 256
"""Images that are read at a time; the array stays on disk."""
OVERSHOOT = 0.001
"""Share of the range by which floats may exceed it at either end. Resizing in float32 ends a hair outside, such as at
255.00003. A thousandth is 0.255 of 255: less than half a grey level, so that clipping hides nothing."""
WIDEST = 2.5
"""Largest aspect ratio of a size that an error message proposes."""


class Resizing(NamedTuple):
    """Size of the written images. By default, they keep their size.

    Attributes:
        scale: factor by which width and height are enlarged.
        side: side of square images in pixels, in place of `scale`. The aspect ratio is not kept.
    """

    scale: int = 1
    side: int | None = None

    def of(self, image: Picture.Image) -> Picture.Image:
        """Return an image in this size, resized bicubically."""
        size = (self.side, self.side) if self.side else (image.width * self.scale, image.height * self.scale)
        return image if size == image.size else image.resize(size, Picture.Resampling.BICUBIC)


AS_IT_IS = Resizing()
"""No change of size."""


def import_arrays(
    images: Path,
    labels: Path,
    out: Path,
    *,
    height: int | None = None,
    width: int | None = None,
    names: Path | None = None,
    resizing: Resizing = AS_IT_IS,
) -> tuple[Imported, str]:
    """Write each image as PNG, with one folder per person.

    Args:
        images: .npy file, [n, height * width] grey, [n, height, width] grey or [n, height, width, 3] RGB. Whole
            numbers from 0 to 255 stay as they are. Floats are rounded; if none is above 1, they are first multiplied
            by 255. Floats may exceed either range by a thousandth of it, as they do after resizing.
        labels: .npy file [n] of whole numbers or strings.
        out: folder that does not exist yet, or is empty.
        height, width: image size in pixels, for flat rows.
        names: text file with the name of label k in line k + 1, for labels that are numbers.
        resizing: size of the written images, for images smaller than a network's input.

    Returns:
        The result, and a description of how the values were interpreted.

    Raises:
        DataError: an array can't be read, the numbers of labels and images differ, values are out of range, a size
            does not fit, or a label has no name; one line each.
        RunError: `out` can't be written.
    """
    problems: list[Problem] = []
    attempt(problems, lambda: refuse_used(out))
    pixels = attempt(problems, lambda: open_images(images, height, width))
    called = attempt(problems, lambda: _identities(_load(labels), labels, names))
    if pixels is not None and called is not None and len(pixels) != len(called):
        problems.append(
            Problem(
                labels,
                f"{counted(len(called), 'label')} for the {len(pixels)} images in {images}",
                "give a label for each",
            )
        )
    folders, clashes = name_folders(called or (), labels)
    problems += clashes
    if problems or pixels is None or called is None:
        raise DataError(*bounded(problems, labels, "are they the labels of these images?"))

    made = write_people(out, _rows(images, called), folders, lambda index, path: pixels.save(index, path, resizing))
    return made, pixels.how


def import_unlabelled(
    images: Path,
    out: Path,
    *,
    height: int | None = None,
    width: int | None = None,
    resizing: Resizing = AS_IT_IS,
) -> tuple[Imported, str]:
    """Write each image as PNG into one folder, `0000.png`, … in the order of the rows, such as a contest's test images.

    Args:
        images: .npy file, as in `import_arrays`.
        out: folder that does not exist yet, or is empty.
        height, width: image size in pixels, for flat rows.
        resizing: size of the written images.

    Returns:
        The result, and a description of how the values were interpreted.

    Raises:
        DataError: the array can't be read, its values are out of range, the size does not fit, or `out` is in use.
        RunError: `out` can't be written.
    """
    problems: list[Problem] = []
    attempt(problems, lambda: refuse_used(out))
    pixels = attempt(problems, lambda: open_images(images, height, width))
    if problems or pixels is None:
        raise DataError(*problems)
    rows = _rows(images, [""] * len(pixels))
    return write_numbered(out, rows, lambda index, path: pixels.save(index, path, resizing)), pixels.how


def _rows(images: Path, identities: Sequence[str]) -> list[Image]:
    where = os.path.abspath(images)
    return [Image(identity, f"{where}[{index}]", ".png") for index, identity in enumerate(identities)]


@dataclasses.dataclass(frozen=True, eq=False)
class ImageArray:
    """Images in a .npy file, read on demand.

    Attributes:
        how: description of how the values were interpreted.
    """

    how: str
    _pixels: Array
    _scale: float

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, index: int) -> Picture.Image:
        """Return one image."""
        return Picture.fromarray(_eight_bits(self._pixels[index], self._scale))

    def take(self, rows: Sequence[int]) -> ImageArray:
        """Return the images of some rows."""
        return dataclasses.replace(self, _pixels=self._pixels[list(rows)])

    def save(self, index: int, path: Path, resizing: Resizing = AS_IT_IS) -> None:
        """Write one image."""
        resizing.of(self.image(index)).save(path)


def open_images(images: Path, height: int | None = None, width: int | None = None) -> ImageArray:
    """Open an array of images as `import_arrays` takes them.

    Raises:
        DataError: the array can't be read, its values are out of range, or the size does not fit.
    """
    pixels = _shaped(_load(images), images, height, width)
    how, scale = _taken(pixels, images)
    return ImageArray(how, pixels, scale)


def read_labels(labels: Path, images: int) -> list[str]:
    """Return one label per image, as text.

    Raises:
        DataError: the file can't be read, or holds another number of labels.
    """
    found = _identities(_load(labels), labels, None)
    if len(found) != images:
        raise DataError(Problem(labels, f"{counted(len(found), 'label')} for {images} images", "give a label for each"))
    return found


def _load(path: Path) -> Array:
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # unpickles nothing
    except OSError as error:
        raise DataError(Problem(path, f"can't be read ({error.strerror or error})", "give a .npy file")) from error
    except (ValueError, EOFError, OverflowError) as error:
        if zipfile.is_zipfile(path):
            raise DataError(
                Problem(path, "an archive of arrays", "save the one that is meant with numpy.save")
            ) from error
        raise DataError(
            Problem(path, "not an array of numbers or strings, or damaged", "save it anew with numpy.save")
        ) from error
    if not array.size:
        raise DataError(Problem(path, f"an empty array of shape {list(array.shape)}", "give one with images"))
    return array


def _shaped(array: Array, path: Path, height: int | None, width: int | None) -> Array:
    """Return the array as [n, height, width] or [n, height, width, 3], or raise `DataError`."""
    shape = list(array.shape)
    if array.ndim == 2:
        size = f"rows of {shape[1]} values"
        fitting = _fitting(shape[1])
        if height is None or width is None:
            raise DataError(Problem(path, size, f"give --height and --width{fitting}"))
        if height * width != shape[1]:
            raise DataError(
                Problem(
                    path,
                    f"{size}, where --height {height} --width {width} make {height * width}",
                    f"give others{fitting}",
                )
            )
        return array.reshape(-1, height, width)
    if array.ndim != 3 and (array.ndim != 4 or shape[3] != 3):
        raise DataError(
            Problem(path, f"shape {shape}", "give [n, height, width], [n, height, width, 3] or flat grey rows")
        )
    if (height or shape[1], width or shape[2]) != (shape[1], shape[2]):
        raise DataError(
            Problem(path, f"images of height {shape[1]} and width {shape[2]}", "leave --height and --width out")
        )
    return array


def _fitting(values: int) -> str:
    """Return advice on the possible sizes of a face with this number of values, most square first."""
    sizes = [(height, values // height) for height in range(1, values + 1) if values % height == 0]
    near = [(height, width) for height, width in sizes if max(height, width) <= WIDEST * min(height, width)]
    near.sort(key=lambda size: (max(size), -size[0]))
    if near:
        return ", such as " + " or ".join(f"{height} and {width}" for height, width in near[:4])
    return f"; {values} is not a face's height times its width: are they grey, and without a column more?"


def _taken(array: Array, path: Path) -> tuple[str, float]:
    """Return how the values are interpreted, in words, and their factor."""
    if array.dtype.kind not in "iuf":
        raise DataError(Problem(path, f"values of {array.dtype}", "give whole numbers or floats"))
    low, high = np.inf, -np.inf
    for start in track(range(0, len(array), ROWS), len(array), "reading the array", ROWS):
        part = array[start : start + ROWS]
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        if not np.isfinite([low, high]).all():
            raise DataError(
                Problem(path, f"holds values that are not numbers, from row {start} on", "mend or remove them")
            )
    shares = array.dtype.kind == "f" and high <= 1 + OVERSHOOT
    most = 1 if shares else 255
    if not -OVERSHOOT * most <= low <= high <= (1 + OVERSHOOT) * most:
        raise DataError(Problem(path, f"values from {low:.7g} to {high:.7g}", "give 0 to 1, or 0 to 255"))
    if shares:
        return f"floats from {low:g} to {high:.8g}, taken times 255", 255.0
    return f"{array.dtype} from {low:g} to {high:.8g}, taken as they are", 1.0


def _eight_bits(pixels: Array, scale: float) -> Pixels:
    return np.clip(np.rint(np.asarray(pixels, np.float64) * scale), 0, 255).astype(np.uint8)


def _identities(labels: Array, path: Path, names: Path | None) -> list[str]:
    """Return the name of each image's person."""
    if labels.ndim != 1:
        raise DataError(Problem(path, f"shape {list(labels.shape)}", "give one label for each image, [n]"))
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind not in "iuU":
        raise DataError(Problem(path, f"labels of {labels.dtype}", "give whole numbers or strings"))
    if names is None:
        return [str(label) for label in labels]
    if labels.dtype.kind == "U":
        raise DataError(Problem(path, "the labels are names already", "leave --names out"))
    text = read_text(names, "a text file with a name a line")
    listed = text.removesuffix("\n").split("\n") if text else []  # splitlines would split within names too
    without = [label for label in np.unique(labels).tolist() if not 0 <= label < len(listed)]
    if without:
        shown = ", ".join(map(str, without[:5])) + (", …" if len(without) > 5 else "")
        raise DataError(
            Problem(names, f"names labels 0 to {len(listed) - 1}, and none for {shown}", "add a line for each label")
        )
    return [listed[label] for label in labels.tolist()]
