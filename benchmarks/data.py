"""The faces and the checkpoint: the real ones of FINETUNE_SHARED, or drawn ones."""

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
    """What the suites work on.

    Attributes:
        checkpoint: a TF1 checkpoint.
        learn: aligned faces to train on, a folder a person.
        everyone: all aligned faces; those of the pairs are among them.
        pairs: a pairs file over them.
        photos: what faces are looked for in, below a folder; in drawn data, the drawn faces.
        work: a folder for what is made meanwhile; removed at the end.
        real: whether they are the real ones.
    """

    checkpoint: Path
    learn: Path
    everyone: Path
    pairs: Path
    photos: Path
    work: Path
    real: bool

    def subset(self, images: int, people: int = 10) -> Path:
        """A folder of so many different faces, linked, dealt out to so many people whoever they show.

        Timings and memory don't depend on whom an image shows, but they do on the number of classes, which
        so stays the same whatever the number of images.
        """
        root = self.work / f"faces-{images}-{people}"
        if not root.exists():
            link(_some(images, self.learn, self.everyone), root, people)
        return root

    def some_photos(self, number: int) -> Path:
        """A folder of so many photos, linked."""
        root = self.work / f"photos-{number}"
        if not root.exists():
            link(_some(number, self.photos), root, 1)
        return root


def _some(images: int, *folders: Path) -> Sequence[Path]:
    """The first images of the first folder that has so many."""
    for folder in folders:
        found = find_images(folder)
        if len(found) >= images:
            return found[:images]
    raise UserError(Problem(folder, f"{len(found)} images, and {images} are needed"))


def link(images: Sequence[Path], root: Path, people: int) -> None:
    """Deals images out to so many people's folders, as links."""
    for person in range(people):
        (root / f"person_{person:04d}").mkdir(parents=True)
    for number, image in enumerate(images):
        (root / f"person_{number % people:04d}" / f"{number:06d}{image.suffix}").symlink_to(image.resolve())


def open_data(work: Path, *, quick: bool) -> Data:
    """The real data where it is there; in a quick run a part of it, or drawn faces where it is not.

    Raises:
        UserError: the whole of it is needed and not there.
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
    """`tests/verify/common.py`, which knows where the real data is and cuts the faces, once for both tools.

    Loaded from its file: some packages install a `tests` of their own, which hides ours from `import`.
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
