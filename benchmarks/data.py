"""Faces and checkpoint for the benchmarks: real ones from FINETUNE_SHARED, or drawn ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from finetune.errors import Problem, UserError
from finetune.images.drawn_people import write_faces
from finetune.paths import find_images
from finetune.verification.pair_drawing import write_pairs

VERIFY = Path(__file__).resolve().parent.parent / "tests/verify/common.py"
DRAWN_PEOPLE, DRAWN_IMAGES, DRAWN_SIZE = 20, 16, 80


@dataclass(frozen=True)
class Data:
    """Data that the suites work on.

    Attributes:
        checkpoint: TF1 checkpoint.
        learn: folder of aligned faces to train on, one folder per person.
        everyone: folder of all aligned faces, including those of the pairs.
        pairs: pairs file for `everyone`.
        photos: folder of photos to find faces in; in drawn data, the drawn faces.
        work: folder for temporary files, deleted at the end.
        real: True if the data are the real ones.
    """

    checkpoint: Path
    learn: Path
    everyone: Path
    pairs: Path
    photos: Path
    work: Path
    real: bool

    def subset(self, images: int, people: int = 10) -> Path:
        """Return a folder with links to this many different faces, dealt to this many people.

        The faces are dealt regardless of whom they show, because timings and memory don't depend on that. They do
        depend on the number of classes, which therefore stays the same for any number of images.
        """
        root = self.work / f"faces-{images}-{people}"
        if not root.exists():
            link(_some(images, self.learn, self.everyone), root, people)
        return root

    def some_photos(self, number: int) -> Path:
        """Return a folder with links to this many photos."""
        root = self.work / f"photos-{number}"
        if not root.exists():
            link(_some(number, self.photos), root, 1)
        return root


def _some(images: int, *folders: Path) -> Sequence[Path]:
    """Return the first images of the first folder that has enough."""
    for folder in folders:
        found = find_images(folder)
        if len(found) >= images:
            return found[:images]
    raise UserError(Problem(folder, f"{len(found)} images, and {images} are needed"))


def link(images: Sequence[Path], root: Path, people: int) -> None:
    """Deal images to the folders of this many people, as links."""
    for person in range(people):
        (root / f"person_{person:04d}").mkdir(parents=True)
    for number, image in enumerate(images):
        (root / f"person_{number % people:04d}" / f"{number:06d}{image.suffix}").symlink_to(image.resolve())


def open_data(work: Path, *, quick: bool) -> Data:
    """Return the real data, or in a quick run a part of it. A quick run without real data draws faces.

    Raises:
        UserError: the real data are missing, and the run is not quick.
    """
    verify = _verify()
    shared: Path = verify.SHARED
    missing = [name for name in ("facenet", "lfw/crop.py", "lfw/learn.txt") if not (shared / name).exists()]
    if missing and quick:
        return _drawn(work)
    if missing:
        raise UserError(
            Problem(
                shared,
                f"no {missing[0]} in it",
                "set FINETUNE_SHARED to the folder with facenet/ and lfw/, or give --quick, which draws its own faces",
            )
        )
    learn = verify.crops("learn_160", 160, 32, "learn.txt")
    photos = shared / "lfw/images"
    if quick:
        return Data(shared / "facenet", learn, learn, _pairs(work, learn), photos, work, real=True)
    everyone, pairs = verify.crops("lfw_160", 160, 32), shared / "lfw/pairs.txt"
    return Data(shared / "facenet", learn, everyone, pairs, photos, work, real=True)


def _verify() -> ModuleType:
    """Return the module `tests/verify/common.py`, which finds the real data and crops the faces for both tools.

    It is loaded from its file, because some packages install a package `tests`, which hides this one from `import`.
    """
    spec = importlib.util.spec_from_file_location("verify_common", VERIFY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _drawn(work: Path) -> Data:
    from finetune.demo import drawn

    faces, checkpoint = work / "drawn-faces", work / "drawn-checkpoint"
    write_faces(faces, people=DRAWN_PEOPLE, images_per_person=DRAWN_IMAGES, size=DRAWN_SIZE, seed=1)
    drawn(find_images(faces)[:64], DRAWN_SIZE, DRAWN_PEOPLE).save(checkpoint, "drawn")
    return Data(checkpoint, faces, faces, _pairs(work, faces), faces, work, real=False)


def _pairs(work: Path, faces: Path) -> Path:
    path = work / "pairs.txt"
    write_pairs(path, faces, folds=10, pairs_per_fold=1, seed=1)
    return path
