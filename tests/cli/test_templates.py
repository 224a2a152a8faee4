"""`finetune templates` verifies and identifies templates of images, or says what is wrong with its lists."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf


@pytest.fixture
def lists(work: Path) -> Path:
    """Write lists of two templates per drawn person, of a photo and a video of two frames; half are enrolled."""
    people = sorted((work / "faces/strangers").iterdir())
    images, subjects = ["image,template,media"], ["template,subject"]
    gallery, probes, pairs = [*subjects], [*subjects], []
    for number, person in enumerate(people):
        photos = [f"{person.name}/{photo.name}" for photo in sorted(person.iterdir())[:2]]
        images += [f"{photos[0]},{number}a,{number}", f"{photos[1]},{number}a,{number}", f"{photos[1]},{number}b,x"]
        gallery += [f"{number}a,{person.name}"] * (number % 2)
        probes.append(f"{number}b,{person.name}")
        pairs += [f"{number}a {other}b {int(other == number)}" for other in range(len(people))] * 5
    for name, lines in {"list": images, "gallery": gallery, "probes": probes, "pairs": pairs}.items():
        (work / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return work


def test_it_prints_and_stores_what_the_library_computes(lists: Path, finetune, drawn_checkpoint: Path):
    from finetune import Model
    from finetune.identification import identify_templates, verification_errors
    from finetune.verification import (
        pool,
        read_subjects,
        read_template_pairs,
        read_templates,
        template_pairs,
        verify_templates,
    )

    sides = "--gallery gallery.csv --probes probes.csv --pairs pairs.csv --far 0.1,0.05 --json out.json"
    ended = finetune("templates", "model", "list.csv", "faces/strangers", *sides.split())
    assert ended.status == 0, ended.err
    templates = read_templates("list.csv")
    model = Model.restore(drawn_checkpoint)
    pooled = pool(model.embed([Path("faces/strangers", image) for image in templates.images]), templates)
    pairs = template_pairs(templates, read_template_pairs("pairs.csv"), "pairs.csv")
    verified = verify_templates(pooled, pairs, (0.1, 0.05))
    gallery, probes = read_subjects("gallery.csv"), read_subjects("probes.csv")
    rows = [templates.rows([*side], "") for side in (gallery, probes)]
    identified = identify_templates(pooled[rows[0]], [*gallery.values()], pooled[rows[1]], [*probes.values()])
    people = len(probes)
    assert ended.out == [
        f"{2 * people} templates of {3 * people} images",
        f"{5 * people**2} pairs, {5 * people} of one person",
        *verified.lines(),
        *identified.lines(),
    ]
    assert [line for line in ended.err if "validation rate" in line] == list(verified.notes[:2])
    stored = json.loads((lists / "out.json").read_text())
    assert stored["verification"] == verified.to_json() | {"error_rates": verification_errors(verified)}
    assert stored["identification"] == identified.to_json()
    assert (stored["images"], stored["settings"]["pairs"]) == (3 * people, "pairs.csv")
    assert np.mean(verified.distances[verified.is_same]) < np.mean(verified.distances[~verified.is_same])


def test_without_rates_those_that_the_pairs_are_enough_for_are_told(lists: Path, finetune):
    ended = finetune("templates", "model", "list.csv", "faces/strangers", "--pairs", "pairs.csv")
    assert ended.status == 0
    (rate,) = [line for line in ended.out if line.startswith("Validation rate: ")]
    assert " @ FAR=0.00" in rate  # one rate alone: the measured one, as `validate` prints it


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ("list.csv faces/strangers", ["nothing to measure; give --pairs, or --gallery and --probes"]),
        (
            "list.csv faces/strangers --gallery gallery.csv --far 0.1",
            ["--gallery: given without --probes; give both, or neither", "--far: given without --pairs; leave it out"],
        ),
        (
            "list.csv faces/strangers --pairs pairs.csv --far 2",
            ["argument --far: found '2'; give a rate above 0 and below 1; see finetune templates --help"],
        ),
        (
            "list.csv faces/strangers --pairs pairs.csv --far 1e-6",
            ["pairs.csv: ... pairs of two people can't tell a false accept rate of 1e-06; ..."],
        ),
        ("none.csv faces/strangers --pairs pairs.csv", ["none.csv: ..."]),
        ("list.csv faces/none --pairs pairs.csv", ["faces/none: found no folder; give the one that holds ..."]),
        (
            "list.csv faces/learn --pairs pairs.csv",
            ["faces/learn: missing ... of ... images in the list, such as ...; is it the folder of ..."],
        ),
        (
            "gallery.csv faces/strangers --pairs pairs.csv",
            ["gallery.csv:1: the header 'template,subject' lacks the column image; give a CSV with the columns ..."],
        ),
        (
            "list.csv faces/strangers --gallery foreign.csv --probes probes.csv",
            ["foreign.csv: names 1 templates that the list of images lacks, such as 'z'; give the lists of ..."],
        ),
        ("damaged.csv bad/lfw_damaged --pairs one.txt", ["bad/lfw_damaged/person_013/person_013_0001.png: ..."]),
    ],
)
def test_what_can_not_be_measured_is_refused(arguments, lines, lists: Path, refused):
    (lists / "foreign.csv").write_text("template,subject\nz,ann\n")
    images = "".join(f"person_0{n}/person_0{n}_0001.png {n} {n}\n" for n in (13, 11, 12))
    (lists / "damaged.csv").write_text(images)
    (lists / "one.txt").write_text("13 13 1\n" + "13 11 0\n11 12 0\n" * 50)
    refused(f"templates model {arguments}", *lines)
