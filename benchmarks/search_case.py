"""Program that searches a gallery: `python -m benchmarks.search_case GALLERY PROBES.npy K`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.peak import peak_mib
from finetune.gallery.storage import read_gallery
from finetune.identification.search import nearest


def main() -> None:
    """Search the gallery, and print the peak memory and the size of the embeddings as JSON on the last line."""
    gallery, probes, k = Path(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
    embeddings = read_gallery(gallery).embeddings
    nearest(embeddings, probes, k)
    print(json.dumps({"peak_mib": peak_mib(), "embeddings_mib": embeddings.nbytes / 2**20}))


if __name__ == "__main__":
    main()
