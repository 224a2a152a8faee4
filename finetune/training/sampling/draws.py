"""Random draws of an epoch's images, in order: int64 indices into the training images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

BLOCK = 2**22
"""Number of values of candidates' embeddings that are compared at a time, 16 MiB."""


def in_turn(
    items: Rows, count: int, number: int, generator: np.random.Generator, rounds: Callable[[int], np.random.Generator]
) -> Rows:
    """Draw the items of an epoch, so that all items come in turn.

    With fewer draws than items, an epoch takes the next part of a shuffled order, and no item twice. A round of as few
    epochs as can hold all items draws each of them at least once. Each round has an order of its own. With more draws
    than items, an epoch takes all items as often as possible, and such a part of them.

    Args:
        items: items, int64 [n].
        count: number of draws, from 1.
        number: number of the epoch, from 1.
        generator: generator of the epoch.
        rounds: function that gives the generator of a round, by its number from 0.

    Returns:
        Items in a random order, int64 [count].
    """
    passes, rest = divmod(count, len(items)) if len(items) else (0, 0)
    drawn = [generator.permutation(items) for _ in range(passes)]
    if rest:
        epochs = -(-len(items) // rest)
        turn, place = divmod(number - 1, epochs)
        part = np.arange(place * rest, (place + 1) * rest) % len(items)
        drawn.append(generator.permutation(rounds(turn).permutation(items)[part]))
    return np.concatenate(drawn) if drawn else items[:0]


def weighted(labels: Rows, power: float, generator: np.random.Generator, count: int | None = None) -> Rows:
    """Draw images with replacement; a person of m images is drawn in proportion to m^power.

    Args:
        labels: people of the images, int64 [n].
        power: 0 makes people equally likely, 0.5 is the square root, 1 makes images equally likely.
        count: number of draws; by default n.

    Returns:
        Indices of images, int64 [count].
    """
    counts = np.bincount(labels)
    weights = counts[labels].astype(float) ** (power - 1)
    return generator.choice(len(labels), count or len(labels), p=weights / weights.sum())


def people_times_images(
    labels: Rows, people: int, images: int, generator: np.random.Generator, n_batches: int | None = None
) -> Rows:
    """Draw batches of `people` people with `images` images each, about as many images in all as there are.

    People come in turn, in a new random order each time all have come. The same holds for the images of each person, so
    all images are drawn about equally often. If a person has fewer images, some come twice in a batch.

    Args:
        labels: people of the images, int64 [n].
        people: number of people per batch, at most as many as there are.
        images: number of images per person.
        n_batches: number of batches; by default the number that draws about as many images as there are.

    Returns:
        Indices of images, int64 [batches * people * images], batch after batch, person after person.
    """
    able = np.unique(labels)
    everyone = _Deck(able, generator)
    decks = {person: _Deck(np.flatnonzero(labels == person), generator) for person in able.tolist()}
    n_batches = n_batches or max(1, round(len(labels) / (people * images)))
    chosen = (person for _ in range(n_batches) for person in everyone.deal(people))
    return np.array([image for person in chosen for image in decks[person].deal(images)], np.int64)


class _Deck:
    """Items that come in turn, shuffled anew each time all have come."""

    def __init__(self, items: Rows, generator: np.random.Generator) -> None:
        self._items, self._generator = items, generator
        self._left: list[int] = []

    def deal(self, n: int) -> list[int]:
        """Return the next `n` items, all different if there are that many."""
        dealt: list[int] = []
        later: list[int] = []
        while len(dealt) < n:
            if not self._left:
                self._left = self._generator.permutation(self._items).tolist()
            item = self._left.pop(0)
            (later if item in dealt and len(self._items) >= n else dealt).append(item)
        self._left = later + self._left
        return dealt


def anchors_of(labels: Rows) -> Rows:
    """Return the images whose person has another image, int64 [t]."""
    return np.flatnonzero(np.bincount(labels)[labels] > 1)


def triplets(
    labels: Rows,
    generator: np.random.Generator,
    bank: npt.NDArray[np.float32] | None = None,
    candidates: int = 1,
    anchors: Rows | None = None,
) -> Rows:
    """Draw one triplet for each anchor. A positive and a negative are drawn at random.

    Args:
        labels: people of the images, int64 [n], at least two people.
        bank: unit embeddings, [n, E]. If given, the negative is the nearest of `candidates` images, on ties the first.
            They are drawn with replacement from all images of other people.
        candidates: number of candidates, from 1.
        anchors: images of `anchors_of`, int64 [t]; by default each of them once, in random order.

    Returns:
        Indices of anchor, positive and negative, int64 [t, 3].
    """
    by_person = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    place = np.empty_like(by_person)
    place[by_person] = np.arange(len(labels))
    anchors = generator.permutation(anchors_of(labels)) if anchors is None else anchors
    own = labels[anchors]
    # Another image of the person: a random number of places further on, with wrap-around.
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
