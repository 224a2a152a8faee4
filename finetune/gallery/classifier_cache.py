"""Fitted classifiers of a gallery, with a cache of SVMs.

The SVMs are kept in the user's cache between commands. After people were added, only the SVMs that this changes are
trained again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.errors import CheckpointError, Problem, RunError
from finetune.gallery.classifiers import Classifier, Name, SoftmaxHead, make
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Embeddings
from finetune.paths import cache_folder
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery.svm import LinearSVM
    from finetune.model import EmbeddingModel

ARRAYS = ("coef", "intercept", "slack", "labels", "embeddings", "people")


def fitted(name: Name, gallery: Gallery, path: Path) -> Classifier:
    """Return a classifier of the gallery's people.

    Args:
        path: path of the gallery, the key of the cache.

    Raises:
        DataError: the classifier can't tell that many, or that few, people apart.
    """
    classifier = make(name, len(gallery.people))
    if name == "svm":
        return fitted_svm(gallery, path)
    classifier.fit(gallery.embeddings, gallery.labels)
    return classifier


def fitted_head(model: EmbeddingModel) -> tuple[tuple[str, ...], SoftmaxHead]:
    """Return a checkpoint's class names, and its own classifier.

    Raises:
        CheckpointError: the checkpoint has no classifier, or its class names are missing.
    """
    if not model.class_names:
        has = (
            "holds no classifier"
            if model.num_classes is None
            else f"has {counted(model.num_classes, 'class')} without names"
        )
        raise CheckpointError(
            Problem(model.checkpoint, has, "give a checkpoint of a run, with class_names.txt, or another classifier")
        )
    tensors = model.tensors(model.backbone.head_variables)
    return model.class_names, SoftmaxHead(*(tensors[name] for name in model.backbone.head_variables))


def fitted_svm(gallery: Gallery, path: Path) -> LinearSVM:
    """Return the gallery's SVMs: updated from the cache if possible, else trained; what was trained is cached.

    Args:
        path: path of the gallery, the key of the cache.
    """
    from finetune.gallery.svm import LinearSVM

    name = hashlib.sha256(os.path.realpath(path).encode(errors="surrogateescape")).hexdigest()[:32]
    place = cache_folder("classifiers") / f"{name}.npz"
    svm = _resumed(gallery, place) or LinearSVM().fit(gallery.embeddings, gallery.labels)
    if svm.retrained_:
        values = (svm.coef_, svm.intercept_, svm.slack_, gallery.labels, _digest(gallery.embeddings))
        people = np.array([person.encode() for person in gallery.people], "S")
        arrays: dict[str, Any] = dict(zip(ARRAYS, (*values, people), strict=True))
        with contextlib.suppress(RunError):  # without a cache they are trained again next time
            files.write(place, lambda file: np.savez(file, **arrays), private=True)
    return svm


def _resumed(gallery: Gallery, place: Path) -> LinearSVM | None:
    """Return the cached SVMs, updated with the photos added since; None if the gallery changed otherwise."""
    import zipfile

    from finetune.gallery.svm import LinearSVM

    try:
        with np.load(place, allow_pickle=False) as kept:
            coef, intercept, slack, labels, embeddings, people = (kept[name] for name in ARRAYS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    n, p = len(labels), len(people)
    same = n <= len(gallery) and np.array_equal(embeddings, _digest(gallery.embeddings[:n]))
    same = same and np.array_equal(labels, gallery.labels[:n])
    same = same and people.tolist() == [person.encode() for person in gallery.people[:p]]
    if not same or coef.shape != (p, gallery.embedding_size) or not (intercept.shape == slack.shape == (p,)):
        return None
    svm = LinearSVM().resume(gallery.embeddings[:n], gallery.labels[:n], coef, intercept, slack)
    return svm if n == len(gallery) else svm.partial_fit(gallery.embeddings[n:], gallery.labels[n:])


def _digest(embeddings: Embeddings) -> npt.NDArray[np.uint8]:
    """Return the sha256 of the rows' values: the same photos have other embeddings under another checkpoint."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(embeddings).data).digest(), np.uint8)
