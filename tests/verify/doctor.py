"""Recall and precision of the doctor on faults that were planted among LFW's faces, by kind.

The people are those of LFW with five images and more, at most 20 of each, under other names. If a person has that
many images that the pairs don't name, only these are taken. Then only the face can find the person in the pairs. Pairs
that name the other people are left out. Each fault is planted on an image that has no other fault.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from common import OUT, SHARED, crops, write
from PIL import Image

from finetune.doctor import sheet
from finetune.doctor.examination import examine
from finetune.doctor.finding import KINDS, Finding
from finetune.doctor.report import Report
from finetune.model import Model
from finetune.verification import PairsFile, read_pairs, resolve

SEEDS = (1, 2, 3)
LEAST, MOST = 5, 20
ABOUT_PEOPLE = {"few-images", "no-images", "same-person", "lfw-name", "lfw-face"}
ABOUT_PAIRS = {"copy-within", "copy-across", "near-copy-within", "near-copy-across", "same-person"}

Case = frozenset[Path]


class Planted:
    """A dataset under `root`, and the faults that were planted in it.

    Attributes:
        cases: `{kind: cases}`; a case is the path that is to be found, or the two.
        wrong: images that lie under a wrong name.
        also_right: (kind, case) that is not counted as planted: the image of the pairs is there, and so the face.
        known: people whose images the checkpoint has seen in its training.
    """

    def __init__(self, root: Path, faces: Path, in_all_pairs: set[str], in_pairs: set[str], seed: int = 1) -> None:
        self.root, self.faces = root, faces
        self.draw = np.random.default_rng(seed)
        self.cases: dict[str, set[Case]] = defaultdict(set)
        self.wrong: set[Path] = set()
        self.known: set[Path] = set()
        self.also_right: set[tuple[str, Case]] = set()
        self.used: set[Path] = set()
        self.folders: dict[str, Path] = {}
        self.images: dict[Path, list[Path]] = {}
        self._people(in_all_pairs)
        for plant in (
            self._one_person_in_two,
            self._mislabelled,
            self._copies,
            self._near_copies,
            self._no_images,
            self._small_and_unaligned,
            self._few,
            lambda: self._of_the_pairs(in_pairs),
        ):
            plant()

    def _people(self, in_pairs: set[str]) -> None:
        trained = set((SHARED / "facenet/class_names.txt").read_text().split("\n"))
        for number, person in enumerate(sorted(self.faces.iterdir())):
            mine = images_of(person, in_pairs)
            if len(mine) < LEAST:
                continue
            folder = self.root / f"person_{number:04d}"
            folder.mkdir(parents=True)
            self.folders[person.name] = folder
            for path in mine[:MOST]:
                shutil.copy(path, folder / f"{number:04d}_{path.stem[-4:]}.png")
            self.images[folder] = sorted(folder.iterdir())
            if person.name in trained:
                self.known.add(folder)

    def take(self, folder: Path | None = None) -> Path:
        """Take an image on which nothing was planted yet, of this person or of anybody."""
        pool = self.images[folder] if folder else [path for paths in self.images.values() for path in paths]
        path = self.draw.choice([path for path in pool if path not in self.used])
        self.used.add(path)
        return path

    def somebody_else(self, path: Path) -> Path:
        return self.draw.choice([folder for folder in self.images if folder != path.parent])

    def _one_person_in_two(self) -> None:
        many = [folder for folder, paths in self.images.items() if len(paths) >= 12]
        for folder in self.draw.choice(many, 16, replace=False):
            other = self.root / f"{folder.name}_again"
            other.mkdir()
            moved = self.images[folder][1::2]
            self.images[folder] = self.images[folder][::2]
            self.images[other] = [path.rename(other / path.name) for path in moved]
            self.cases["same-person"].add(frozenset({folder, other}))
            if folder in self.known:
                self.known.add(other)

    def _mislabelled(self) -> None:
        for _ in range(120):
            path = self.take()
            target = self.somebody_else(path) / f"m_{path.name}"
            while frozenset({path.parent, target.parent}) in self.cases["same-person"]:
                target = self.somebody_else(path) / f"m_{path.name}"
            path.rename(target)
            self.wrong.add(target)
            self.cases["mislabelled"].add(frozenset({target}))

    def _copies(self) -> None:
        for number in range(80):
            path = self.take()
            where = "within" if number < 40 else "across"
            folder = path.parent if where == "within" else self.somebody_else(path)
            target = folder / f"c_{path.stem}.{'png' if number % 2 else 'bmp'}"
            if number % 2:
                shutil.copy(path, target)
            else:
                Image.open(path).save(target)
            self._pair(f"copy-{where}", path, target)

    def _near_copies(self) -> None:
        changes = (self._saved_again, self._resized, self._brighter, self._cropped, self._cropped)
        for number in range(150):
            path = self.take()
            where = "within" if number < 75 else "across"
            folder = path.parent if where == "within" else self.somebody_else(path)
            image, quality = changes[number % 5](Image.open(path))
            target = folder / f"n_{path.stem}.jpg"
            image.save(target, quality=quality)
            self._pair(f"near-copy-{where}", path, target)

    def _pair(self, kind: str, path: Path, target: Path) -> None:
        self.cases[kind].add(frozenset({path, target}))
        if path.parent != target.parent:
            self.wrong.add(target)

    def _saved_again(self, image: Image.Image) -> tuple[Image.Image, int]:
        return image, int(self.draw.integers(50, 90))

    def _resized(self, image: Image.Image) -> tuple[Image.Image, int]:
        side = int(self.draw.integers(160, 199))
        return image.resize((side, side)), 75

    def _brighter(self, image: Image.Image) -> tuple[Image.Image, int]:
        change = self.draw.uniform(0.85, 1.15)
        return image.point(lambda level: min(255, int(level * change))), 90

    def _cropped(self, image: Image.Image) -> tuple[Image.Image, int]:
        """Cut up to 6 percent off each side at random, and resize to a square as aligned faces are."""
        left, top, right, bottom = self.draw.uniform(0, 0.06, 4) * image.width
        box = (int(left), int(top), image.width - int(right), image.height - int(bottom))
        return image.crop(box).resize((182, 182)), int(self.draw.integers(50, 95))

    def _no_images(self) -> None:
        folders = list(self.images)
        for number in range(20):
            target = self.draw.choice(folders) / f"x{number}.jpg"
            target.write_bytes(self.draw.bytes(2000) if number % 2 else b"<html>not found</html>")
            self.cases["not-image"].add(frozenset({target}))
            target = self.draw.choice(folders) / f"e{number}.jpg"
            target.touch()
            self.cases["empty"].add(frozenset({target}))
            target = self.draw.choice(folders) / f"t{number}.{'jpg' if number % 2 else 'png'}"
            content = io.BytesIO()
            Image.open(self.take()).save(content, "JPEG" if number % 2 else "PNG")
            target.write_bytes(content.getvalue()[: int(len(content.getvalue()) * self.draw.uniform(0.2, 0.9))])
            self.cases["unreadable"].add(frozenset({target}))
        for number in range(10):
            stray = self.root / f"stray_{number}.png"
            shutil.copy(self.take(), stray)
            nested = self.draw.choice(folders) / f"more_{number}"
            nested.mkdir()
            shutil.copy(self.take(), nested / "1.png")
            self.cases["misplaced"] |= {frozenset({stray}), frozenset({nested})}

    def _small_and_unaligned(self) -> None:
        names = {folder: name for name, folder in self.folders.items()}
        for _ in range(20):
            path = self.take()
            Image.open(path).resize((96, 96)).save(path)
            self.cases["too-small"].add(frozenset({path}))
            path = self.take(self.draw.choice(list(names)))
            name = names[path.parent]
            original = SHARED / "lfw/images" / name / f"{name}_{path.stem[-4:]}.jpg"
            target = path.with_suffix(".jpg")
            path.unlink()
            shutil.copy(original, target)
            self.cases["unaligned"].add(frozenset({target}))

    def _few(self) -> None:
        lonely = [p for p in sorted(self.faces.iterdir()) if len(list(p.iterdir())) == 1][:15]
        for number, person in enumerate(lonely):
            folder = self.root / f"lonely_{number}"
            shutil.copytree(person, folder)
            self.cases["few-images"].add(frozenset({folder}))
            empty = self.root / f"nobody_{number}"
            empty.mkdir()
            self.cases["no-images"].add(frozenset({empty}))

    def _of_the_pairs(self, in_pairs: set[str]) -> None:
        """Give some people their own name, and images of the pairs saved again. The others are there by face alone."""
        in_both = sorted(person for person in {name.split("/")[0] for name in in_pairs} if person in self.folders)
        by_name = set(self.draw.choice(in_both, 40, replace=False))
        names = sorted(name for name in in_pairs if name.split("/")[0] in by_name)
        for name in self.draw.choice(names, 100, replace=False):
            person, stem = name.split("/")
            target = self.folders[person] / f"l_{stem[-4:]}.jpg"
            Image.open(self.faces / person / f"{stem}.png").save(target, quality=75)
            self.cases["lfw-image"].add(frozenset({target}))
        for lonely in {path for case in self.cases["few-images"] for path in case}:
            (image,) = lonely.iterdir()
            if f"{image.stem[:-5]}/{image.stem}" in in_pairs:
                self.cases["lfw-image"].add(frozenset({image}))
                self.also_right.add(("lfw-face", frozenset({lonely})))
        for person in in_both:
            folder = self.folders[person]
            again = self.root / f"{folder.name}_again"
            if again.is_dir():
                self.cases["lfw-face"].add(frozenset({again}))
            if person in by_name:
                self._rename(folder, self.root / person.replace("_", " ").lower())
            else:
                self.cases["lfw-face"].add(frozenset({folder}))

    def _rename(self, folder: Path, target: Path) -> None:
        """Give a person another name, also in everything that was planted."""
        folder.rename(target)

        def moved(path: Path) -> Path:
            return target / path.relative_to(folder) if path.is_relative_to(folder) else path

        for kind, cases in self.cases.items():
            self.cases[kind] = {frozenset(map(moved, case)) for case in cases}
        self.wrong, self.known = set(map(moved, self.wrong)), set(map(moved, self.known))
        self.cases["lfw-name"].add(frozenset({target}))


def images_of(person: Path, in_pairs: set[str]) -> list[Path]:
    """Return a person's images that the pairs don't name where these are enough, else all."""
    every = sorted(person.iterdir())
    rest = [path for path in every if f"{person.name}/{path.stem}" not in in_pairs]
    return rest if len(rest) >= LEAST else every


def without_people_of_the_dataset(pairs: PairsFile, faces: Path) -> PairsFile:
    """Return the pairs that name no image of the dataset."""
    named = {name for pair in pairs.pairs for name in pair[:2]}
    taken = {person.name for person in faces.iterdir() if len(images_of(person, named)) >= LEAST}
    taken = {name for name in taken if any(f"{name}/{path.stem}" in named for path in images_of(faces / name, named))}
    kept = [pair for pair in pairs.pairs if not taken & {name.split("/")[0] for name in pair[:2]}]
    return dataclasses.replace(pairs, pairs=tuple(kept))


def main() -> None:
    """Plant faults by each seed, examine, and tabulate the sums."""
    faces = crops("all_182", 182, 44)
    every = read_pairs(SHARED / "lfw/pairs.txt")
    pairs = resolve(without_people_of_the_dataset(every, faces), crops("lfw_160", 160, 32))
    named = {name for pair in every.pairs for name in pair[:2]}
    kept = {f"{path.parent.name}/{path.stem}" for path in pairs.paths}
    model = Model.restore(SHARED / "facenet")
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    notes: list[str] = []
    for seed in SEEDS:
        root = OUT / "planted"
        shutil.rmtree(root, ignore_errors=True)
        planted = Planted(root, faces, named, kept, seed)
        report = examine(root, model=model, lfw=pairs)
        for name, counts in _counts(report, planted).items():
            sums[name] += counts
        unplanted = [finding for finding in report.findings if not _right(finding, planted)]
        notes += [f"- seed {seed}, {finding.kind}: {report.line(finding)}" for finding in unplanted]
        sheet.write(report, OUT / f"doctor-{seed}.png")
        sheet.write(dataclasses.replace(report, findings=tuple(unplanted)), OUT / f"doctor-{seed}-not-planted.png")
        several = len(planted.images)
    of_all = f"{report.images} images of {report.people} people, {several} of them with several (the last seed's)"
    under_two = sums.pop("under two people")
    lines = ["| kind | planted | found of them | recall | findings | precision |", f"|{' --- |' * 6}"]
    lines += [_row(name, counts) for name, counts in sums.items()]
    lines += ["", f"{len(SEEDS)} seeds; {of_all}; pairs of {len(pairs.paths)} images."]
    lines += ["", f"Of pictures under two people, --fix leaves: {dict(under_two)}.", "", "Not planted:", *notes]
    write("doctor", lines, {name: dict(counts) for name, counts in sums.items()})


def _counts(report: Report, planted: Planted) -> dict[str, Counter[str]]:
    """Count planted, found and correctly found cases by kind, and for the mislabelled also by who the person is."""
    counts: dict[str, Counter[str]] = {}
    for kind in KINDS:
        cases, findings = planted.cases[kind], [finding for finding in report.findings if finding.kind == kind]
        counts[kind] = _count(cases, findings, planted)
        for name, known in (("strangers", False), ("known", True)) if kind == "mislabelled" else ():
            part = {case for case in cases if (next(iter(case)).parent in planted.known) == known}
            theirs = [finding for finding in findings if (finding.path.parent in planted.known) == known]
            counts[f"{kind}: {name}"] = _count(part, theirs, planted)
    moved = {finding.path for finding in report.findings if finding.moves}
    left = [pair - moved for kind in ("copy-across", "near-copy-across") for pair in planted.cases[kind]]
    wrong = sum(bool(rest & planted.wrong) for rest in left)
    neither = sum(not rest for rest in left)
    counts["under two people"] = Counter({"right": len(left) - wrong - neither, "wrong": wrong, "neither": neither})
    return counts


def _count(cases: set[Case], findings: list[Finding], planted: Planted) -> Counter[str]:
    found = len(cases & set(map(_case, findings)))
    right = sum(_right(finding, planted) for finding in findings)
    return Counter({"planted": len(cases), "found": found, "findings": len(findings), "right": right})


def _row(name: str, counts: Counter[str]) -> str:
    recall, precision = counts["found"] / counts["planted"], counts["right"] / max(1, counts["findings"])
    cells = [name, counts["planted"], counts["found"], f"{recall:.3f}", counts["findings"], f"{precision:.3f}"]
    return f"| {' | '.join(map(str, cells))} |"


def _case(finding: Finding) -> Case:
    return frozenset({finding.path, finding.other} if finding.kind in ABOUT_PAIRS else {finding.path})  # type: ignore[arg-type]


def _right(finding: Finding, planted: Planted) -> bool:
    if finding.kind == "mislabelled" and finding.path in planted.wrong:
        return True
    case = _case(finding)
    return case in planted.cases.get(finding.kind, set()) or (finding.kind, case) in planted.also_right
