"""Small pictures of faces: cut from the photos once, kept in a file, and put together to sheets."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from finetune import files
from finetune.arrays import Doubles
from finetune.clustering.faces import ADVICE, Faces
from finetune.errors import DataError
from finetune.images import ImageError, Pixels, hash_image, read_image
from finetune.paths import Place
from finetune.progress import track

SIDE = 48
"""Side of a thumbnail in pixels. It is a multiple of 16, so that no JPEG block of a sheet shows two faces."""
WIDER = 1.2
"""Side of the square that is shown, as a multiple of the longer side of the face's box."""
KEPT, SHOWN = 90, 60
"""JPEG qualities of the file and of a sheet."""

Thumbnails = Mapping[str, bytes]
"""JPEG of each face by `DIGEST:NUMBER`."""


def thumbnail(pixels: Pixels, box: Doubles) -> Image.Image:
    """Cut the square around a face, clipped to the photo, and resize it.

    Args:
        pixels: pixels of the photo, uint8 [height, width, 3].
        box: left, top, right, bottom of the face in pixels, [4]; NaN for the whole photo.

    Returns:
        Picture of SIDE x SIDE pixels. What is not square, such as a whole photo, is cropped about its centre.
    """
    image = Image.fromarray(pixels)
    if not np.isnan(box).any():
        centre, half = (box[:2] + box[2:]) / 2, WIDER * (box[2:] - box[:2]).max() / 2
        left, top = np.clip(centre - half, 0, None).astype(int).tolist()
        right, bottom = np.clip(centre + half, None, image.size).astype(int).tolist()
        if right > left and bottom > top:
            image = image.crop((left, top, right, bottom))
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BICUBIC)


def cut_thumbnails(faces: Faces, photos: Mapping[str, Place], known: Thumbnails) -> dict[str, bytes]:
    """Return the thumbnail of each face. Known ones are taken over, and the others are cut from the photos.

    Args:
        faces: faces.
        photos: a path of each photo by its digest. A photo that is missing, changed or damaged gives no thumbnail.
        known: thumbnails that were cut before; those of other faces are left out.
    """
    keys, new = faces.keys(), dict[str, list[int]]()
    for row, key in enumerate(keys):
        digest = key.partition(":")[0]
        if key not in known and digest in photos:
            new.setdefault(digest, []).append(row)

    def cut(digest: str) -> dict[str, bytes]:
        record = hash_image(Path(photos[digest]))
        if record.digest.hex() != digest:
            return {}
        try:
            pixels = read_image(record.path, checksum=record.checksum)
        except ImageError:
            return {}
        return {keys[row]: _jpeg(thumbnail(pixels, faces.boxes[row]), KEPT) for row in new[digest]}

    found = {key: known[key] for key in keys if key in known}
    with ThreadPoolExecutor() as pool:
        for cuts in track(pool.map(cut, new), len(new), "cutting thumbnails"):
            found |= cuts
    return found


def sheet(thumbnails: Sequence[bytes]) -> bytes:
    """Return one JPEG with the thumbnails below one another; a damaged one is grey."""
    whole = Image.new("RGB", (SIDE, SIDE * len(thumbnails)), (128, 128, 128))
    for place, jpeg in enumerate(thumbnails):
        try:
            with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
                if image.size == (SIDE, SIDE):
                    whole.paste(image, (0, place * SIDE))
        except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged files
            continue
    return _jpeg(whole, SHOWN)


def write_thumbnails(path: Path, thumbnails: Thumbnails) -> None:
    """Write thumbnails as an .npz that only its owner may read. A power failure may lose them; they are cut again.

    Raises:
        RunError: the file can't be written; the previous one is intact.
    """
    digests = b"".join(bytes.fromhex(key.partition(":")[0]) for key in thumbnails)
    arrays: dict[str, Any] = {
        "digests": np.frombuffer(digests, np.uint8).reshape(-1, 32),
        "numbers": np.array([int(key.partition(":")[2]) for key in thumbnails], np.int64),
        "lengths": np.array([len(jpeg) for jpeg in thumbnails.values()], np.int64),
        "jpegs": np.frombuffer(b"".join(thumbnails.values()), np.uint8),
    }
    files.write(path, lambda file: np.savez(file, **arrays), sync=False, private=True)


def read_thumbnails(path: Path) -> dict[str, bytes]:
    """Read what `write_thumbnails` wrote; nothing if the file is missing or damaged, since it can be made again."""
    try:
        with files.reading(path, ADVICE), path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            digests, numbers = stored["digests"], stored["numbers"].tolist()
            ends, jpegs = np.cumsum(stored["lengths"]).tolist(), stored["jpegs"].tobytes()
            keys = [f"{digest.tobytes().hex()}:{number}" for digest, number in zip(digests, numbers, strict=True)]
            parts = [jpegs[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
            return dict(zip(keys, parts, strict=True))
    except DataError:
        return {}


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
    return buffer.getvalue()
