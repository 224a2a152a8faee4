"""Photos to names in one call, without a gallery's file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from finetune.dataset import layout
from finetune.gallery.calibration import FAR, Threshold, calibrate
from finetune.gallery.enrolment import People, enroll
from finetune.gallery.identification import Identification, faces_of, identify, refuse_nothing
from finetune.gallery.prototypes import NearestPrototype
from finetune.light import restore
from finetune.model import EmbeddingModel
from finetune.paths import Place


def name_faces(
    photos: Place | list[Place],
    people: Place | People,
    model: EmbeddingModel | str | Path,
    *,
    threshold: float | None = None,
    far: float = FAR,
    align: bool = False,
) -> list[Identification]:
    """Name the faces of photos by photos of known people, or say "unknown".

    A gallery (`finetune.gallery.enroll`) keeps the people for later calls, and grows person by person.

    Args:
        photos: paths of aligned faces, or with `align` of photos with any number of faces; folders too.
        people: a folder with one folder of aligned faces per person, or `{name: paths}`.
        model: a model, or the checkpoint that one is restored from.
        threshold: cosine similarity to a person's mean embedding above which a face is named.
        far: the false accept rate by which the threshold is found, where none is given: the share of strangers who may
            be named. The people themselves take the strangers' part, in turn.
        align: whether to find the faces of `photos` first.

    Returns:
        One answer per face.

    Raises:
        DataError: there is nobody, no face, or there are too few people for the rate.
        CheckpointError: the checkpoint can't be restored.

    Example:
        After `finetune demo`:

        >>> from pathlib import Path
        >>> from finetune import name_faces
        >>> people = Path("runs/demo/data/faces")
        >>> photo = next(people.rglob("*.png"))
        >>> (answer,) = name_faces(photo, people, "runs/demo/checkpoint", threshold=-1.0)
        >>> answer.name in {folder.name for folder in people.iterdir()}
        True
    """
    used = model if isinstance(model, EmbeddingModel) else restore(model)
    known = people if isinstance(people, Mapping) else _people_in(Path(os.path.expanduser(people)))
    with tempfile.TemporaryDirectory() as folder:
        gallery = enroll(Path(folder) / "people.h5", known, used).gallery
    prototypes = NearestPrototype().fit(gallery.embeddings, gallery.labels)
    limit = calibrate(gallery, prototypes, "prototype", far) if threshold is None else Threshold(threshold)
    with faces_of(photos, used, detect=align) as faces:
        refuse_nothing(faces)
        return identify(faces, used, gallery.people, prototypes, limit)


def _people_in(folder: Path) -> People:
    return {name: files for name, files in layout(folder).files.items() if files}
