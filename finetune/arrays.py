"""Rows of numbers: type aliases, unit length, distinct labels, sums and means by class, and digests as text."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Real = TypeVar("Real", bound=np.floating[Any])


def unit_rows(rows: npt.NDArray[Real], least: float = 1e-12) -> npt.NDArray[Real]:
    """Return rows [n, E] scaled to unit length; rows shorter than `least` are divided by `least`."""
    unit: npt.NDArray[Real] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), least)
    return unit


def distinct(labels: Labels) -> Labels:
    """Return the distinct labels of [n], sorted, as `np.unique` does, which would import `numpy.ma`."""
    ordered = np.sort(labels)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]


def hexadecimal(rows: npt.NDArray[Any]) -> list[str]:
    """Return rows of bytes, such as digests, as hexadecimal text, [n]."""
    text = rows.tobytes().hex()
    each = len(text) // len(rows) if len(rows) else 1
    return [text[start : start + each] for start in range(0, len(text), each)]


def add_rows(sums: Doubles, labels: Labels, rows: Floats) -> None:
    """Add each row, [n, E], to the sum of its class, float64 [classes, E], one after another in the rows' order.

    It gives the bits of `np.add.at` in a tenth of the time: the first rows of all classes are added at once, then the
    second ones, and so on.
    """
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)  # of a row within its class
    by_place = order[np.argsort(place, kind="stable")]
    for some in np.split(by_place, np.cumsum(np.bincount(place))[:-1]):
        sums[labels[some]] += rows[some]


def class_sums(rows: Floats, labels: Labels, n_classes: int) -> Doubles:
    """Return the sum of each class's rows, added in order: [n, E] to float64 [n_classes, E]."""
    sums = np.zeros([n_classes, rows.shape[1]])
    add_rows(sums, labels, rows)
    return sums


def class_means(rows: Floats, labels: Labels, n_classes: int) -> Doubles:
    """Return the mean of each class's rows: [n, E] to float64 [n_classes, E]; 0 for a class without rows."""
    counts = np.bincount(labels, minlength=n_classes)
    means: Doubles = class_sums(rows, labels, n_classes) / np.maximum(counts, 1)[:, np.newaxis]
    return means
