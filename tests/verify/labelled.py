"""Labelled photos of LFW, counted in each way of `identify --faces`, with the figures of the default."""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import write
from gallery import CHECKPOINT
from thresholds import link_photos, run

from finetune.gallery import (
    POLICIES,
    Threshold,
    faces_of,
    fitted,
    identify,
    label_photos,
    measure_labelled,
    owners_of,
    read_gallery,
)
from finetune.model import Model

THRESHOLD = 0.5


def main() -> None:
    """Make the table `labelled`; four minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        link_photos(folder)
        run("enroll", folder / "friends.h5", folder / "photos", "--align", "--checkpoint", CHECKPOINT)
        gallery, model = read_gallery(folder / "friends.h5"), Model.restore(CHECKPOINT)
        classifier = fitted("prototype", gallery, folder / "friends.h5")
        with faces_of([folder / "labelled"], model, detect=True) as faces:
            owners = owners_of({face.photo for face in faces}, gallery.people)
            answers = identify(faces, model, gallery.people, classifier, Threshold(THRESHOLD), owners)
    counted = {policy: label_photos(answers, gallery.people, policy) for policy in POLICIES}
    figures = measure_labelled(counted["centred"], len(gallery.people))
    lines = [line for policy, photos in counted.items() for line in (f"**{policy}**", "", *photos.lines(), "")]
    lines += ["| figure | rate | 95 % interval | photos |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {rate.value:.4f} | {rate.low:.4f} to {rate.high:.4f} | {rate.n} |" for what, rate in figures.rows()
    ]
    write("labelled", lines, figures.to_json())
