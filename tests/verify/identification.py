"""Naming people of LFW, and strangers among them, in 20 splits; and the published classifier's protocol."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

import numpy as np
from common import SHARED
from gallery import CHECKPOINT, FINETUNE, many, named, write_parts
from scipy import stats

from finetune.gallery.calibration import calibrate
from finetune.gallery.classifiers import make
from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery
from finetune.gallery.published import classify
from finetune.model import Model

FAR, SPLITS = 0.01, 20


def main() -> None:
    """Make both parts, in three minutes."""
    write_parts("identification", {"Strangers": strangers, "The published protocol": published})


def strangers(faces: Path) -> tuple[list[str], object]:
    """Identify people whom the checkpoint has never seen, in 20 splits."""
    novel = set((SHARED / "lfw/novel.txt").read_text().split())
    people = {name: photos for name, photos in many(faces, 1).items() if name in novel}
    model = Model.restore(CHECKPOINT)
    embeddings = {name: model.embed(photos) for name, photos in people.items()}
    rows = []
    for mode, names in (
        ("strangers", ("prototype", "k-nearest", "svm", "logistic")),
        ("left out", ("prototype", "k-nearest")),
    ):
        for name in names:
            outcomes = np.array([split_of_strangers(embeddings, mode, name, seed) for seed in range(SPLITS)])
            rows.append((mode, name, outcomes))
    lines = [
        "| threshold from | classifier | enrolled | calibrated by | unseen | FAR, mean of 20 | least and most | "
        "promised (mean) | within | within, counting the chance of the unseen | DIR | rank 1 |",
        "| " + " | ".join(["---"] * 12) + " |",
    ]
    for mode, name, o in rows:
        rate, low, high, least, most = o[:, :5].T
        within = int(((low <= rate) & (rate <= high)).sum())
        counted = int(((least <= rate) & (rate <= most)).sum())
        lines.append(
            f"| {mode} | {name} | {o[0, 7]:.0f} | {o[0, 8]:.0f} | {o[0, 9]:.0f} | {rate.mean():.4f} | "
            f"{rate.min():.4f}, {rate.max():.4f} | {low.mean():.4f} to {high.mean():.4f} | {within} of {SPLITS} | "
            f"{counted} of {SPLITS} | {o[:, 5].mean():.3f} | {o[:, 6].mean():.3f} |"
        )
    return lines, [[mode, name, outcomes.tolist()] for mode, name, outcomes in rows]


def split_of_strangers(embeddings: dict[str, np.ndarray], mode: str, name: str, seed: int) -> tuple[float, ...]:
    """Measure one split: FAR of the unseen, the promised interval, that of such a sample, DIR, rank 1, three counts."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(sorted(embeddings)).tolist()
    if mode == "strangers":
        several = [person for person in order if len(embeddings[person]) > 1]
        enrolled = several[: len(several) // 2]
        rest = [person for person in order if person not in set(enrolled)]
        known, unseen = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    else:
        enrolled, known, unseen = order[: len(order) // 2], [], order[len(order) // 2 :]
    learn, probes = [], []
    for person in enrolled:
        photos = generator.permutation(embeddings[person])
        part = max(1, len(photos) // 2 if known else len(photos) - 1)
        learn.append(photos[:part])
        probes.append(photos[part:])
    gallery = Gallery.empty(Contract("", "", 160, "fixed"), 512).add(*named(enrolled, learn))
    if known:
        labels, photos = named(known, [embeddings[person] for person in known])
        gallery = gallery.add_strangers(np.unique(labels, return_inverse=True)[1].astype(np.int64), photos)
    classifier = make(name, len(enrolled))
    classifier.fit(gallery.embeddings, gallery.labels)
    threshold = calibrate(gallery, classifier, name, FAR)
    shares = [np.mean(classifier.best(embeddings[person]).scores[:, 0] > threshold.value) for person in unseen]
    # A stranger more or less among so few is chance too: the interval of a rate that is counted on these.
    independent = len(known) or len(enrolled) / 2
    k = FAR * (independent + 1)
    least, most = np.array(stats.betabinom(len(unseen), k, independent + 1 - k).ppf([0.025, 0.975])) / len(unseen)
    best = classifier.best(np.concatenate(probes))
    truth = np.repeat(np.arange(len(enrolled)), [len(photos) for photos in probes])
    first = best.labels[:, 0] == truth
    correctly = first & (best.scores[:, 0] > threshold.value)
    promised = (threshold.low, threshold.high, float(least), float(most))
    counts = (len(enrolled), threshold.strangers, len(unseen))
    return float(np.mean(shares)), *promised, float(correctly.mean()), float(first.mean()), *counts


def published(faces: Path) -> tuple[list[str], object]:
    """Classify the recorded embeddings, then the images by the command, under each standardization."""
    recorded = np.load(SHARED / "expected/classify.npz")
    sides = [recorded[name] for name in ("train", "train_labels", "test", "test_labels")]
    of_seeds = [round(2403 * (classify("svc", *sides, seed=seed).accuracy or 0)) for seed in range(30)]
    stored = classify("svc", *sides)
    lines = [
        f"Recorded: {float(recorded['test_accuracy']):.5f} (2313 of 2403). On the recorded embeddings, `svc`, seed "
        f"666: {stored.accuracy:.5f}; seeds 0 to 29: {min(of_seeds)} to {max(of_seeds)} of 2403, median "
        f"{statistics.median(of_seeds):.0f}.",
        "",
        "| standardization | classifier | accuracy | macro F-score |",
        "| --- | --- | --- | --- |",
    ]
    for standardization in ("fixed", "per_image"):
        classifiers = ["svc", "svm", "prototype", "k-nearest", "logistic"]
        named = [word for name in classifiers for word in ("--classifier", name)]
        command = ["classify", CHECKPOINT, faces, "--standardization", standardization, *named]
        done = subprocess.run([*FINETUNE, *map(str, command)], check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines()[1:]:
            name, _, rest = line.partition(": accuracy ")
            accuracy, f_score = rest.split(" (")[0], rest.rsplit(" ", 1)[1]
            lines.append(f"| {standardization} | {name} | {accuracy} | {f_score} |")
    return lines, {"seeds": of_seeds, "stored": stored.accuracy}
