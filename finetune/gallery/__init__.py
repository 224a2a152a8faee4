"""Enrolled people: who they are, who a face is of, and when it is nobody's."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.gallery.calibration import Threshold, calibrate
    from finetune.gallery.classifiers import KNearest, Logistic, SoftmaxHead
    from finetune.gallery.enrolment import enroll, enroll_strangers, import_features
    from finetune.gallery.gallery import Contract, Gallery
    from finetune.gallery.identification import Identification, faces_of, identify
    from finetune.gallery.legacy import read_features
    from finetune.gallery.photos import Photos
    from finetune.gallery.prototypes import NearestPrototype
    from finetune.gallery.storage import read_gallery, update, write_gallery
    from finetune.gallery.svm import LinearSVM, PublishedSVM

_DEFINED_IN = {
    "Contract": "gallery",
    "Gallery": "gallery",
    "Identification": "identification",
    "KNearest": "classifiers",
    "LinearSVM": "svm",
    "Logistic": "classifiers",
    "NearestPrototype": "prototypes",
    "Photos": "photos",
    "PublishedSVM": "svm",
    "SoftmaxHead": "classifiers",
    "Threshold": "calibration",
    "calibrate": "calibration",
    "enroll": "enrolment",
    "enroll_strangers": "enrolment",
    "faces_of": "identification",
    "identify": "identification",
    "import_features": "enrolment",
    "read_features": "legacy",
    "read_gallery": "storage",
    "update": "storage",
    "write_gallery": "storage",
}

__all__ = [
    "Contract",
    "Gallery",
    "Identification",
    "KNearest",
    "LinearSVM",
    "Logistic",
    "NearestPrototype",
    "Photos",
    "PublishedSVM",
    "SoftmaxHead",
    "Threshold",
    "calibrate",
    "enroll",
    "enroll_strangers",
    "faces_of",
    "identify",
    "import_features",
    "read_features",
    "read_gallery",
    "update",
    "write_gallery",
]


def __getattr__(name: str) -> object:
    """The public names, loaded when they are first used: some wait for TensorFlow."""
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)
