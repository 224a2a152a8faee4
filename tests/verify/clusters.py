"""Clusters of LFW's people by this and other methods, planted photos, the promised rate, and large libraries."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from added import one_photo, table
from common import OUT, SHARED, crops, write
from library import planted_library
from rivals import EPS, WHISPERED, Labels, Rows, dbscan, graph, hdbscan, whispers

from finetune.clustering import (
    BCubed,
    Clusters,
    Constraints,
    Library,
    Metric,
    average_linkage,
    bcubed,
    estimate_threshold,
    expand,
    find_people,
    learn_metric,
    similar_pairs,
)
from finetune.clustering.linkage import SLACK, _Clusters
from finetune.clustering.people import MARGIN
from finetune.model import Model

FAR = 0.001
SPLITS = range(20, 40)
"""Seeds of the random halves. The margin of the threshold was chosen on those of the seeds 0 to 19."""
DISTANCES = np.arange(0.70, 0.951, 0.025)
SIMILARITIES = np.arange(0.50, 0.751, 0.025)
SIZES = (10_000, 30_000)
"""Numbers of made-up faces, or those of FINETUNE_FACES, with commas between them."""


def main() -> None:
    """Make the tables, in an hour on two cores that have nothing else to do."""
    faces, people = embedded()
    unseen = set((SHARED / "lfw/novel.txt").read_text().split())
    counts = Counter(people)
    novel = np.array([name in unseen and counts[name] > 1 for name in people])
    labels = np.unique(people, return_inverse=True)[1].astype(np.int64)
    chosen = set(filter(None, os.environ.get("FINETUNE_PARTS", "").split(",")))
    parts: dict[str, Callable[[], tuple[list[str], object]]] = {
        "novel": lambda: methods("novel people with two photos or more", faces[novel], labels[novel]),
        "all": lambda: methods("all people", faces, labels),
        "planted": planted_library,
        "splits": lambda: splits(faces, labels),
        "sizes": sizes,
        "added": lambda: one_more(faces, labels),
    }
    for name, part in parts.items():
        if not chosen or name in chosen:
            lines, figures = part()
            write(f"clusters-{name}", lines, figures)


def embedded() -> tuple[Rows, list[str]]:
    """Return the embeddings of all faces of LFW in a random order, which are kept, and their people."""
    folder, kept = crops("lfw_160", 160, 32), OUT / "clusters.npz"
    photos = sorted(folder.glob("*/*.png"))
    if not kept.exists():
        np.savez(kept, embeddings=Model.restore(SHARED / "facenet").embed(photos))
    with np.load(kept) as stored:
        rows = stored["embeddings"]
    order = np.random.default_rng(1).permutation(len(photos))
    return rows[order], [photos[row].parent.name for row in order]


def methods(title: str, faces: Rows, people: Labels) -> tuple[list[str], object]:
    """Compare methods with their own settings, and with the one that is best by the labels."""
    found = {
        "ours": bcubed(people, find_people(faces, far=FAR).labels),
        "ours, by the plain cosine": bcubed(people, find_people(faces, far=FAR, metric=Metric()).labels),
    }
    rows, free = expand(learn_metric(faces).rows(faces)), Constraints.none(len(faces))
    swept = {
        f"ours, threshold {value:.3f} by labels": bcubed(people, average_linkage(rows, value, free).labels)
        for value in np.arange(0.40, 0.76, 0.025).tolist()
    }
    found |= best(swept)
    similar = graph(faces, min(1 - EPS**2 / 2, SIMILARITIES.min()) - 1e-3)
    found[f"DBSCAN, distance {EPS}, as FaceNet's script"] = bcubed(people, dbscan(similar, EPS))
    found |= best(
        {
            f"DBSCAN, distance {eps:.2f}, {least} or more, by labels": bcubed(people, dbscan(similar, eps, least))
            for eps in DISTANCES.tolist()
            for least in (1, 2, 3)
        }
    )
    name = f"Chinese whispers, similarity {WHISPERED}, as FaceNet's script"
    found[name] = bcubed(people, whispers(similar, WHISPERED))
    found |= best(
        {
            f"Chinese whispers, similarity {value:.2f}, by labels": bcubed(people, whispers(similar, value))
            for value in SIMILARITIES.tolist()
        }
    )
    for least in (5, 2):
        found[f"HDBSCAN, {least} or more"] = bcubed(people, hdbscan(faces, least))
    lines = [
        f"{len(faces)} faces, {len(np.unique(people))} people: {title}",
        "",
        "| method | precision | recall | F | wrong pairs |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {one.precision:.3f} | {one.recall:.3f} | {one.f:.3f} | {one.merged:.5f} |"
            for name, one in found.items()
        ),
    ]
    return lines, {name: [*one, one.f] for name, one in found.items()}


def best(found: dict[str, BCubed]) -> dict[str, BCubed]:
    """Return the best by F, and the best of those within the rate."""
    name = max(found, key=lambda name: found[name].f)
    kept = {name: found[name]}
    within = {name: one for name, one in found.items() if one.merged <= FAR}
    if within:
        name = max(within, key=lambda name: within[name].f)
        kept[f"{name}, of those within {FAR}"] = within[name]
    return kept


def splits(faces: Rows, people: Labels) -> tuple[list[str], object]:
    """Calibrate on one half of the people, and judge the share of wrong pairs of the other half.

    Labels decide only where the merging stops, so that the merges are recorded once for all splits.
    """
    rows = expand(learn_metric(faces).rows(faces))
    least = estimate_threshold(faces, rows, FAR) / 2
    whole = Recorded(np.array(rows, np.float64), Constraints.none(len(faces)), least, None)
    whole.merge_all(similar_pairs(rows, least - SLACK))
    rates = []
    for seed in SPLITS:
        known = np.random.default_rng(seed).permutation(people.max() + 1)[people] % 2 == 0
        stopped = until(whole.merges, np.where(known, people, -1))
        rates.append(bcubed(people[~known], stopped[~known]).merged)
        print(f"split {seed}: {rates[-1]:.6f}", file=sys.stderr, flush=True)
    within = sum(rate <= FAR for rate in rates)
    line = (
        f"{len(SPLITS)} random halves of {len(np.unique(people))} people, promise {FAR}: within it {within}, "
        f"mean {np.mean(rates):.5f}, smallest {min(rates):.5f}, largest {max(rates):.5f}"
    )
    return [line], rates


class Recorded(_Clusters):
    """Clusters that record which of them are merged, in turn."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.merges: list[tuple[int, int]] = []

    def _merge(self, one: int, other: int) -> None:
        self.merges.append((one, other))
        super()._merge(one, other)


def until(merges: list[tuple[int, int]], known: Labels) -> Labels:
    """Return the clusters before the merge with which too many pairs of two known people would be merged."""
    each = np.bincount(known[known >= 0])
    left = MARGIN * FAR * float(each.sum() ** 2 - (each**2).sum()) / 2
    counts = [Counter([person] if person >= 0 else []) for person in known.tolist()]
    labels = np.arange(len(known))
    for one, other in merges:
        mine, theirs = counts[one], counts[other]
        left -= mine.total() * theirs.total() - sum(n * theirs[person] for person, n in mine.items())
        if left < 0:
            break
        mine.update(theirs)
        labels[labels == other] = one
    return labels


def sizes() -> tuple[list[str], object]:
    """Time the clustering of made-up faces of people with 1 to 50 photos, each size in a process of its own."""
    rows = []
    for n in numbers():
        with tempfile.TemporaryFile("w+") as told:
            child = os.fork()
            if not child:
                told.write(" ".join(map(str, timed(n))))
                told.flush()
                os._exit(0)
            usage = os.wait4(child, 0)[2]
            told.seek(0)
            rows.append([n, usage.ru_maxrss / 2**20, *map(float, told.read().split())])
    lines = [
        "| faces | seconds | processor's seconds | GiB | F | one more: seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {n} | {wall:.0f} | {own:.0f} | {memory:.2f} | {f:.3f} | {one:.3f} |"
            for n, memory, wall, own, f, one in rows
        ),
    ]
    return lines, rows


def one_more(faces: Rows, people: Labels) -> tuple[list[str], object]:
    """Time the command when one photo is added to LFW's, and to each number of made-up faces, without the embedding."""
    found = {len(faces) - 1: one_photo(faces, people)}
    for n in numbers():
        found[n] = one_photo(*made_up(n + 1, faces.shape[1]))
    return table(found), {str(n): spent for n, spent in found.items()}


def numbers() -> list[int]:
    """Return the numbers of made-up faces."""
    given = os.environ.get("FINETUNE_FACES", "")
    return [int(text) for text in given.split(",") if text] or list(SIZES)


def made_up(n: int, size: int = 128, seed: int = 0) -> tuple[Rows, Labels]:
    """Return n unit rows of people with 1 to 50 faces in a random order, and their people.

    The spread is such that two faces of one person have a mean similarity of 0.5, as with a good checkpoint.
    """
    draw = np.random.default_rng(seed)
    people = np.repeat(np.arange(n), draw.integers(1, 51, n))[:n]
    people = draw.permutation(people)
    centres = draw.standard_normal([int(people.max()) + 1, size], np.float32)
    rows = draw.standard_normal([n, size], np.float32)
    rows += centres[people]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, people.astype(np.int64)


def added(rows: Rows, found: Clusters) -> float:
    """Return the median seconds in which one face joins a library of all but the last row."""
    library, seconds = Library(rows[:-1], found), []
    for _ in range(9):
        start = time.perf_counter()
        library.add(rows[-1:])
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def timed(n: int) -> list[float]:
    """Return wall and processor's seconds of a clustering, its F, and the seconds to add one face."""
    rows, people = made_up(n + 1)
    start, own = time.perf_counter(), time.process_time()
    found = find_people(rows[:n], far=FAR)
    taken = [time.perf_counter() - start, time.process_time() - own]
    return [*taken, bcubed(people[:n], found.labels).f, added(rows, found)]


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    main()
