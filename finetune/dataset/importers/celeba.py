"""The import of CelebA (Liu et al. 2015): photos in one folder, and an identity file with one line per photo."""

from __future__ import annotations

from pathlib import Path

from finetune.dataset import Quarantined
from finetune.dataset.importers.listing import Listed, Listing
from finetune.errors import DataError, Problem, attempt
from finetune.files import read_text
from finetune.paths import excerpt, open_folder

FORM = "an identity file such as CelebA's identity_CelebA.txt"


def read_celeba(images: Path, identities: Path) -> Listing:
    """Read lines of `photo identity`, separated by white space.

    Args:
        images: folder of the photos.
        identities: identity file.

    Raises:
        DataError: the folder or the file can't be read.
    """
    unread: list[Problem] = []
    text = attempt(unread, lambda: read_text(identities, FORM))
    inside = attempt(unread, lambda: open_folder(images, "the folder that holds CelebA's photos"))
    if text is None or inside is None:
        raise DataError(*unread)
    beside = {path.name: path for path in inside}
    photos: list[Listed] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case []:
                continue
            case [photo, identity]:
                photos.append(Listed(images / photo, identity, f"{identities}:{number}"))
                beside.pop(photo, None)
            case _:
                problems.append(Problem(f"{identities}:{number}", f"found {excerpt(line)}", "write PHOTO IDENTITY"))
    left_out = [Quarantined(path, f"not in {identities}") for path in beside.values()]
    return Listing(identities, images, photos, left_out, problems, images)
