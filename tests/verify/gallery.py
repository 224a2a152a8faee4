"""Galleries on LFW: people enrolled one at a time and beside all others, look-alikes, kills."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import OUT, SHARED, crops, write

from finetune.files import sha256
from finetune.gallery.classifiers import KNearest
from finetune.gallery.contract import Contract
from finetune.gallery.enrolment import enroll
from finetune.gallery.gallery import Gallery
from finetune.gallery.lookalikes import look_alike
from finetune.gallery.photos import Photos
from finetune.gallery.prototypes import NearestPrototype
from finetune.gallery.storage import read_gallery
from finetune.gallery.svm import LinearSVM
from finetune.model import Model

CHECKPOINT = SHARED / "facenet"
KILLS = 30
FINETUNE = [sys.executable, "-m", "finetune"]


def main() -> None:
    """Make all parts, in ten minutes."""
    parts = {
        "One person at a time": one_at_a_time,
        "One more person beside everybody": one_more,
        "Look-alikes": lookalikes,
        "Kills": kills,
    }
    write_parts("gallery", parts)


def write_parts(table: str, parts: dict[str, Callable[[Path], tuple[list[str], object]]]) -> None:
    """Make the parts of a table from LFW's faces, print each as soon as it is there, and keep the table."""
    faces = crops("lfw_160", 160, 32)
    lines: list[str] = []
    figures: dict[str, object] = {}
    for title, part in parts.items():
        told, figures[title] = part(faces)
        lines += [f"**{title}**", "", *told, ""]
        print("\n".join(told), flush=True)
    write(table, lines, figures)


def many(faces: Path, least: int) -> dict[str, list[Path]]:
    """Return the people with at least this many photos, and their photos."""
    people = {folder.name: sorted(folder.iterdir()) for folder in sorted(faces.iterdir()) if folder.is_dir()}
    return {name: photos for name, photos in people.items() if len(photos) >= least}


def fresh(name: str) -> Path:
    """Return the path of a gallery, where none is left."""
    path = OUT / name
    path.unlink(missing_ok=True)
    return path


def one_at_a_time(faces: Path) -> tuple[list[str], object]:
    """Enrol 158 people one after the other from the whole folder. Compare with one call, and with plain fits."""
    people = many(faces, 10)
    generator = np.random.default_rng(1)
    learn, probes = {}, {}
    for name, photos in people.items():
        order = generator.permutation(len(photos))
        part = int(0.7 * len(photos))
        learn[name], probes[name] = ([photos[i] for i in side] for side in (order[:part], order[part:]))
    model = Model.restore(CHECKPOINT)
    passed = count_passes(model)
    grown = fresh("grown.h5")
    prototypes, neighbours, svm = NearestPrototype(), KNearest(), LinearSVM()
    tests = {name: model.embed(paths) for name, paths in probes.items()}
    passed.clear()
    rows, embedded, agreements, retrained = [], 0, [], []
    for number, name in enumerate(learn, 1):
        now = list(learn)[:number]
        done = enroll(grown, {name: learn[name] for name in now}, model, cache="off")
        embedded += done.embedded
        new = done.gallery.labels == number - 1
        x, y = done.gallery.embeddings[new], done.gallery.labels[new]
        prototypes.partial_fit(x, y)
        neighbours.partial_fit(x, y)
        if number == 2:
            svm.fit(done.gallery.embeddings, done.gallery.labels)
        elif number > 2:
            svm.partial_fit(x, y)
            retrained.append(svm.retrained_)
        probe = np.concatenate([tests[name] for name in now])
        truth = np.repeat(np.arange(number), [len(tests[name]) for name in now])
        whole = NearestPrototype().fit(done.gallery.embeddings, done.gallery.labels)
        same = [np.mean(prototypes.predict(probe) == whole.predict(probe))]
        again = KNearest().fit(done.gallery.embeddings, done.gallery.labels)
        same.append(np.mean(neighbours.predict(probe) == again.predict(probe)))
        if number > 1 and (number % 20 == 0 or number in (2, len(learn))):
            full = LinearSVM().fit(done.gallery.embeddings, done.gallery.labels)
            ours, theirs = svm.decision_function(probe), full.decision_function(probe)
            right = [float(np.mean(c.predict(probe) == truth)) for c in (prototypes, neighbours, svm, full)]
            agree = float(np.mean(ours.argmax(1) == theirs.argmax(1)))
            furthest = float(np.abs(ours - theirs).max())
            same.append(agree)
            rows.append([number, *right, agree, furthest])
        agreements.append(min(map(float, same)))
    photos = sum(map(len, learn.values()))
    in_one = fresh("in_one.h5")
    enroll(in_one, learn, model)
    one, other = read_gallery(grown), read_gallery(in_one)
    probe = np.concatenate(list(tests.values()))
    answers = [NearestPrototype().fit(g.embeddings, g.labels).predict(probe) for g in (one, other)]
    lines = [
        "| people | prototypes | 3 nearest | SVM | SVM trained anew | SVMs agree | largest difference of a decision |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *("| " + " | ".join([str(row[0]), *(f"{value:.4f}" for value in row[1:])]) + " |" for row in rows),
        "",
        f"{len(learn)} people, {photos} photos, the folder so far given each time: {embedded} embedded, {sum(passed)} "
        f"passed through the network. After each person the answers equal those of fits of everything: least "
        f"agreement {min(agreements):.4f}. Against the gallery built in one go: answers that differ "
        f"{int((answers[0] != answers[1]).sum())} of {len(probe)}; rows the same: "
        f"{sorted(one.photos.hashes()) == sorted(other.photos.hashes())}. SVMs trained again for a new person: "
        f"{statistics.mean(retrained):.1f} on average, {max(retrained)} at the most.",
    ]
    return lines, {"rows": rows, "agreements": agreements, "retrained": retrained, "embedded": embedded}


def count_passes(model: Model) -> list[int]:
    """Return a list that receives the number of images of each later pass through the network."""
    counts: list[int] = []
    prefix = model.prefix

    def counted(stop: int):  # type: ignore[no-untyped-def]
        inner = prefix(stop)

        def call(pixels):  # type: ignore[no-untyped-def]
            counts.append(int(pixels.shape[0]))
            return inner(pixels)

        return call

    model.prefix = counted  # type: ignore[method-assign]
    return counts


def one_more(faces: Path) -> tuple[list[str], object]:
    """Time whole commands in turn: enrolling one person beside all others, and embedding the same photos."""
    people = many(faces, 1)
    name = next(name for name, photos in people.items() if len(photos) == 10)
    model = Model.restore(CHECKPOINT)
    everybody = fresh("everybody.h5")
    enroll(everybody, {other: photos for other, photos in people.items() if other != name}, model)
    photos = people[name]
    alone, cache = OUT / "one_more", os.environ | {"FINETUNE_CACHE": str(OUT / "empty-cache")}
    seconds: dict[str, list[float]] = {"enroll": [], "embed": []}
    for _ in range(5):
        for what in seconds:
            subprocess.run(
                ["rm", "-rf", alone, OUT / "empty-cache", OUT / "one_more.npz", OUT / "one_more.h5"], check=True
            )
            (alone / name).mkdir(parents=True)
            for photo in photos:
                (alone / name / photo.name).symlink_to(photo)
            (OUT / "one_more.h5").write_bytes(everybody.read_bytes())
            command = {
                "enroll": ["enroll", OUT / "one_more.h5", alone],
                "embed": ["embed", CHECKPOINT, alone, OUT / "one_more.npz"],
            }[what]
            start = time.perf_counter()
            subprocess.run([*FINETUNE, *map(str, command)], check=True, env=cache, capture_output=True)
            seconds[what].append(time.perf_counter() - start)
    middle = {what: statistics.median(times) for what, times in seconds.items()}
    found = read_gallery(OUT / "one_more.h5")
    line = (
        f"`finetune enroll` of {len(photos)} photos of one person beside {len(people) - 1} people with "
        f"{len(found) - len(photos)} photos: {middle['enroll']:.2f} s; `finetune embed` of the same photos: "
        f"{middle['embed']:.2f} s; so {middle['enroll'] - middle['embed']:+.2f} s beyond it (medians of 5 in turn)."
    )
    return [line], seconds


def named(people: list[str], embeddings: list[np.ndarray]) -> tuple[list[str], Photos]:
    """Return one name per row, and the rows."""
    names = [person for person, rows in zip(people, embeddings, strict=True) for _ in rows]
    digests = [
        f"{person} {row}".encode().ljust(32)[-32:]
        for person, rows in zip(people, embeddings, strict=True)
        for row in range(len(rows))
    ]
    return names, Photos.of(np.concatenate(embeddings), digests, names)


def lookalikes(faces: Path) -> tuple[list[str], object]:
    """Enrol 50 people whom the checkpoint has never seen, some of them again under another name, and new ones."""
    people = {name: photos for name, photos in many(faces, 5).items() if name in (SHARED / "lfw/learn.txt").read_text()}
    model = Model.restore(CHECKPOINT)
    embeddings = {name: model.embed(photos) for name, photos in people.items()}
    base, new = list(embeddings)[:50], list(embeddings)[50:]
    names, photos = named(base, [embeddings[name] for name in base])
    whole = Gallery.empty(Contract("", "", 160, "fixed"), 512).add(names, photos)

    def warned(gallery: Gallery, name: str, added: Photos) -> list[str]:
        """Return the people whom new photos under this name are said to look like."""
        grown = gallery.add([name] * len(added), added)
        rows = np.arange(len(gallery), len(grown))
        return [one.other for one in look_alike(grown, rows)]

    def without(rows: np.ndarray) -> tuple[Gallery, Photos]:
        kept = np.setdiff1d(np.arange(len(whole)), rows)
        return (
            Gallery.empty(whole.contract, 512).add([whole.people[i] for i in whole.labels[kept]], photos.take(kept)),
            photos.take(rows),
        )

    found = {"a second name": 0, "a wrong name": 0, "a right name": 0, "somebody new": 0}
    for label, name in enumerate(base):
        rows = np.flatnonzero(whole.labels == label)
        gallery, half = without(rows[len(rows) // 2 :])
        found["a second name"] += name in warned(gallery, "alias", half)
        gallery, last = without(rows[-1:])
        found["a wrong name"] += name in warned(gallery, base[(label + 7) % len(base)], last)
        found["a right name"] += bool(warned(gallery, name, last))
    for name in new:
        found["somebody new"] += bool(warned(whole, name, named([name], [embeddings[name]])[1]))
    line = (
        f"{len(base)} people enrolled. Warned of: {found['a second name']} of {len(base)} whose other half of photos "
        f"was enrolled under another name; {found['a wrong name']} of {len(base)} photos under a wrong name; "
        f"{found['a right name']} of {len(base)} under the right one; {found['somebody new']} of {len(new)} new people."
    )
    return [line], found


def kills(faces: Path) -> tuple[list[str], object]:
    """Kill `finetune enroll` at 30 random moments, by two names of the gallery at once; then fill the disk."""
    people = dict(list(many(faces, 5).items())[: 2 * KILLS + 5])
    place, generator = OUT / "killed", random.Random(5)
    subprocess.run(["rm", "-rf", place], check=True)
    for name in people:
        (place / "people").mkdir(parents=True, exist_ok=True)
        (place / "people" / name).symlink_to(faces / name)
    gallery, link, acknowledged, whole, killed = place / "g.h5", place / "link.h5", set(), 0, 0
    link.symlink_to(gallery)

    def command(path: Path, name: str) -> list[str]:
        enroll = [*FINETUNE, "enroll", "--checkpoint", str(CHECKPOINT), str(path)]
        return [*enroll, str(place / "people" / name), "--name", name]

    first = next(iter(people))
    start = time.perf_counter()
    subprocess.run(command(link, first), check=True, capture_output=True)
    lasts = time.perf_counter() - start
    acknowledged.add(first)
    names = list(people)[1 : 1 + 2 * KILLS]
    for pair in zip(names[::2], names[1::2], strict=True):
        # Most of a command is its start and the network: half of the kills fall on its last tenth.
        share = generator.uniform(0, 1.05) if generator.random() < 0.5 else generator.uniform(0.9, 1.05)
        both = [
            subprocess.Popen(command(path, name), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for path, name in zip((gallery, link), pair, strict=True)
        ]
        time.sleep(share * lasts)
        for process in both:
            process.send_signal(signal.SIGKILL)
        for process, name in zip(both, pair, strict=True):
            told = process.communicate()[0].decode()
            killed += process.returncode == -signal.SIGKILL
            acknowledged |= {name} if "photos enrolled" in told else set()
        whole += acknowledged <= set(read_gallery(gallery).people) and link.is_symlink()
    rest = list(people)[1 + 2 * KILLS :]
    both = [
        subprocess.Popen(command(path, name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for path, name in zip((gallery, link, gallery, link), rest, strict=True)
    ]
    statuses = [process.wait() for process in both]
    together = set(rest) <= set(read_gallery(gallery).people)
    before = sha256(gallery)
    limit = f"ulimit -f 200; trap '' XFSZ; exec {' '.join(command(link, first)[:-3])} {place / 'people'}"
    full = subprocess.run(
        ["bash", "-c", limit],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"FINETUNE_CACHE": str(OUT / "full-cache")},
    )
    kept = sha256(gallery) == before
    lines = [
        f"{KILLS} times two enrolments at once, one through a link, {killed} of {2 * KILLS} killed before their end: "
        f"readable, with everything acknowledged and the link a link after {whole} of {KILLS}. "
        f"{len(rest)} at once: exit statuses {statuses}, all their people there: {together}. "
        f"A disk with room for 100 KiB: exit status {full.returncode}, the gallery is the same: {kept}; it says: "
        f"{full.stderr.strip().splitlines()[-1].rsplit('/', 1)[-1]}"
    ]
    return lines, {"killed": killed, "whole": whole, "statuses": statuses, "full": full.returncode, "kept": kept}
