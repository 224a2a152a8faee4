"""Program that runs a command of finetune and tells its peak memory: `python -m benchmarks.start_case [ARGUMENT …]`.

Without arguments it imports what the light path computes with, and nothing else. `gallery CHECKPOINT OUT.h5` writes a
gallery of random embeddings.
"""

from __future__ import annotations

import sys

from benchmarks.peak import peak_mib

PEOPLE = 1000


def main() -> int:
    """Run the command, and print the peak memory in MB as the last line on stderr."""
    try:
        return _run(sys.argv[1:])
    finally:
        sys.stdout.flush()
        print(peak_mib() * 2**20 / 1e6, file=sys.stderr)


def _run(arguments: list[str]) -> int:
    if not arguments:
        import h5py  # noqa: F401
        import numpy as np  # noqa: F401
        import onnxruntime  # noqa: F401

        return 0
    if arguments[0] == "gallery" and len(arguments) == 3:
        _write_gallery(*arguments[1:])
        return 0
    from finetune.cli import main

    return main(arguments)


def _write_gallery(checkpoint: str, path: str) -> None:
    """Write a gallery of random embeddings."""
    import numpy as np

    from finetune.gallery import Contract, Gallery, Photos, write_gallery
    from finetune.light import restore

    model = restore(checkpoint)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=[PEOPLE, model.embedding_size]).astype(np.float32)
    photos = Photos.of(rows, [generator.bytes(32) for _ in rows], [""] * PEOPLE)
    empty = Gallery.empty(Contract.of(model), model.embedding_size)
    write_gallery(path, empty.add([f"Person {number:04}" for number in range(PEOPLE)], photos))


if __name__ == "__main__":
    sys.exit(main())
