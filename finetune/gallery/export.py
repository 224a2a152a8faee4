"""Export of a gallery for other tools: arrays, or a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from finetune import files
from finetune.cells import csv_text
from finetune.gallery.gallery import Gallery
from finetune.paths import in_one_line


def write_export(path: Path, gallery: Gallery) -> None:
    """Write a gallery as `.csv` or `.npz`, by the suffix of the path.

    - `.csv` has one line per photo: name, file and sha256.
    - `.npz` holds `names` [n], `files` [n], `digests` uint8 [n, 32] and `embeddings` float32 [n, E]. The fields of the
      contract (`checkpoint`, `weights`, `image_size`, `standardization`, `backbone`, `channels`, `convert`) are in it
      too.

    Raises:
        RunError: the file can't be written.
    """
    names = [gallery.people[label] for label in gallery.labels.tolist()]
    photos = [file.decode("utf-8", "replace") for file in gallery.photos.files.tolist()]
    if path.suffix == ".csv":
        digests = (bytes(digest).hex() for digest in gallery.photos.digests)
        rows = zip(names, map(in_one_line, photos), digests, strict=True)
        files.write_text(path, csv_text([("name", "file", "sha256"), *rows]))
        return
    contract = gallery.contract
    arrays = {
        "names": np.array(names, "U"),
        "files": np.array(photos, "U"),
        "digests": gallery.photos.digests,
        "embeddings": gallery.embeddings,
        **{name: np.array(value) for name, value in dataclasses.asdict(contract).items()},
    }
    files.write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
