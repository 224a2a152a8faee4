"""Which images an epoch draws, in which order: int64 indices into the training images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

BLOCK = 2**22
"""Values of candidates' embeddings that are compared at a time, 16 MiB."""


def weighted(labels: Rows, power: float, generator: np.random.Generator) -> Rows:
    """As many draws as there are images, with replacement; a person of n images is drawn in proportion to n^power.

    Args:
        labels: int64 [n].
        power: 0 makes people equally likely, 0.5 is the square root, 1 makes images equally likely.

    Returns:
        int64 [n].
    """
    counts = np.bincount(labels)
    weights = counts[labels].astype(float) ** (power - 1)
    return generator.choice(len(labels), len(labels), p=weights / weights.sum())


def people_times_images(labels: Rows, people: int, images: int, generator: np.random.Generator) -> Rows:
    """Batches of `people` people with `images` images each, about as many images as there are.

    People come in turn, in an order that is drawn anew when all have come, and so do the images of each; so all are
    drawn about equally often. Of a person with fewer images some come twice in a batch.

    Args:
        labels: int64 [n].
        people: in a batch, at most as many as there are.
        images: of each.

    Returns:
        int64 [batches * people * images]: batch after batch, person after person.
    """
    able = np.unique(labels)
    everyone = _Deck(able, generator)
    decks = {person: _Deck(np.flatnonzero(labels == person), generator) for person in able.tolist()}
    n_batches = max(1, round(len(labels) / (people * images)))
    chosen = (person for _ in range(n_batches) for person in everyone.deal(people))
    return np.array([image for person in chosen for image in decks[person].deal(images)], np.int64)


class _Deck:
    """Items in turn, shuffled anew when all have come."""

    def __init__(self, items: Rows, generator: np.random.Generator) -> None:
        self._items, self._generator = items, generator
        self._left: list[int] = []

    def deal(self, n: int) -> list[int]:
        """The next `n`: all different where there are so many."""
        dealt: list[int] = []
        later: list[int] = []
        while len(dealt) < n:
            if not self._left:
                self._left = self._generator.permutation(self._items).tolist()
            item = self._left.pop(0)
            (later if item in dealt and len(self._items) >= n else dealt).append(item)
        self._left = later + self._left
        return dealt


def triplets(
    labels: Rows,
    generator: np.random.Generator,
    bank: npt.NDArray[np.float32] | None = None,
    candidates: int = 1,
) -> Rows:
    """A triplet for each image whose person has another: it is the anchor; a positive and a negative are drawn.

    Args:
        labels: int64 [n], of two people or more.
        bank: unit embeddings [n, E]; with them, the negative is the nearest of `candidates` that are drawn, with
            replacement, from all images of other people; of equals, the first that was drawn.
        candidates: from 1.

    Returns:
        int64 [t, 3], anchor, positive and negative, in a drawn order.
    """
    by_person = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    place = np.empty_like(by_person)
    place[by_person] = np.arange(len(labels))
    anchors = generator.permutation(np.flatnonzero(counts[labels] > 1))
    own = labels[anchors]
    # One of the others of the person: so many places on, around the person's own.
    step = generator.integers(1, counts[own])
    positives = by_person[starts[own] + (place[anchors] - starts[own] + step) % counts[own]]
    drawn = generator.integers(0, (len(labels) - counts[own])[:, np.newaxis], size=(len(anchors), candidates))
    others = by_person[np.where(drawn < starts[own][:, np.newaxis], drawn, drawn + counts[own][:, np.newaxis])]
    if bank is None:
        return np.stack([anchors, positives, others[:, 0]], axis=1)
    nearest = np.empty(len(anchors), np.int64)
    size = max(1, BLOCK // (candidates * bank.shape[1]))
    for start in range(0, len(anchors), size):
        rows = slice(start, start + size)
        similarity = np.einsum("ace,ae->ac", bank[others[rows]], bank[anchors[rows]])
        nearest[rows] = others[rows][np.arange(len(similarity)), similarity.argmax(1)]
    return np.stack([anchors, positives, nearest], axis=1)
