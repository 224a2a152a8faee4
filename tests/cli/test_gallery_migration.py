"""`finetune gallery --migrate`: a gallery goes on with a fine-tuned checkpoint, or stays as it was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from finetune.gallery.storage import read_gallery, write_gallery
from tests.cli.test_bad_options import bad
from tests.gallery.conftest import gallery
from tests.gallery.test_storage import equal

pytestmark = pytest.mark.tf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def migrating(work, newer_checkpoint, finetune):
    """Enrol copies of the drawn people in `people.h5`, link `newer`, and return the working folder."""
    (work / "newer").symlink_to(newer_checkpoint)
    shutil.copytree(work / "faces/learn", work / "mine")
    assert finetune("enroll", "people.h5", "mine", "--checkpoint", "model").status == 0
    return work


@pytest.fixture(scope="session")
def worse_checkpoint(drawn_checkpoint, tmp_path_factory):
    """Return a folder with a checkpoint whose embeddings lie on one line, so that they tell few people apart."""
    from finetune.model import Model

    model = Model.restore(drawn_checkpoint)
    (name,) = (name for name in model.variables if name.endswith("Bottleneck/weights"))
    weights = model.tensors([name])[name]
    model.assign({name: np.broadcast_to(weights[..., :1], weights.shape).copy()})
    folder = tmp_path_factory.mktemp("worse")
    model.save(folder, "worse")
    return folder


@pytest.fixture(scope="session")
def other_checkpoint(tmp_path_factory):
    """Return a folder with a small network's checkpoint, whose embeddings have 8 values."""
    from finetune.backbones import by_name
    from finetune.images import Preprocessing
    from finetune.model import Model

    folder = tmp_path_factory.mktemp("other")
    model = Model.fresh(by_name("small_cnn"), 8, 3, preprocessing=Preprocessing(75, "fixed"), seed=1)
    model.save(folder, "other")
    return folder


def test_a_gallery_goes_on_with_the_new_checkpoint(migrating, finetune):
    assert finetune("enroll", "anew.h5", "mine", "--checkpoint", "newer").status == 0
    ended = finetune("gallery", "people.h5", "--migrate", "newer", "--max-drop", "1")
    assert (ended.status, ended.err) == (0, [])
    assert ended.out[:2] == [
        "people.h5: 24 photos embedded again, 0 mapped",
        "rank-1 identification rate on 24 enrolled photos of 4 people, each left out in turn:",
    ]
    names = ("old gallery, old probes: ", "old gallery, new probes: ", "new gallery, new probes: ")
    assert all(line.startswith(f"  {name}") for line, name in zip(ended.out[2:5], names, strict=True))
    assert ended.out[5].startswith("people.h5: written, for ")
    assert equal(read_gallery("people.h5"), read_gallery("anew.h5"))
    assert finetune("enroll", "people.h5", "mine").out[0] == "0 photos enrolled (nobody new), 24 there already"
    answered = finetune("identify", "people.h5", "mine/person_001/person_001_0001.png", "--threshold", "0.1")
    assert "person_001_0001.png: person_001 " in answered.out[0]


def test_a_gallery_says_which_of_its_embeddings_are_mapped(migrating, finetune):
    for number in (1, 2):
        (migrating / f"mine/person_001/person_001_000{number}.png").unlink()
    ended = finetune("gallery", "people.h5", "--migrate", "newer", "--max-drop", "1", "--output", "new.h5")
    assert ended.out[0] == "people.h5: 22 photos embedded again, 2 mapped"
    certificate = ended.out[1]
    assert certificate.startswith("map fitted on 22 images of 4 people: mapped and new embeddings have a cosine ")
    listed = finetune("gallery", "new.h5").out
    assert listed[6:8] == ["2 embeddings mapped from another checkpoint, not computed by this one", certificate]
    assert read_gallery("people.h5").n_mapped == 0
    removal = [part for number in (1, 2) for part in ("--remove-photo", f"person_001/person_001_000{number}.png")]
    assert not [line for line in finetune("gallery", "new.h5", *removal).out if "mapped" in line]


def test_a_dry_run_measures_and_writes_nothing(migrating, finetune, tree):
    before = (migrating / "people.h5").read_bytes()
    inside = set(os.listdir(migrating))
    ended = finetune("gallery", "people.h5", "--migrate", "newer", "--dry-run", "--max-drop", "0")
    assert ended.status == 0
    assert ended.out[1].startswith("rank-1 identification rate on 24 enrolled photos")
    assert (migrating / "people.h5").read_bytes() == before
    assert set(os.listdir(migrating)) == inside


def test_a_loss_is_refused_and_leaves_the_gallerys_bytes(migrating, finetune, worse_checkpoint):
    (migrating / "worse").symlink_to(worse_checkpoint)
    before = (migrating / "people.h5").read_bytes()
    ended = finetune("gallery", "people.h5", "--migrate", "worse")
    assert (ended.status, len(ended.err)) == (2, 1)
    assert ended.err[0].startswith("finetune gallery: people.h5: would lose 0.")
    assert ended.err[0].endswith("enrol the photos again, or allow more than --max-drop 0.01")
    assert (migrating / "people.h5").read_bytes() == before
    assert finetune("gallery", "people.h5", "--migrate", "worse", "--force").status == 0
    assert (migrating / "people.h5").read_bytes() != before


def test_what_can_not_be_measured_is_refused_unless_it_is_forced(migrating, finetune):
    (migrating / "mine").rename(migrating / "gone")
    before = (migrating / "people.h5").read_bytes()
    command = ("gallery", "people.h5", "--migrate", "newer", "--photos", "faces/strangers")
    ended = finetune(*command)
    assert ended.status == 2
    assert ended.err == [
        "finetune gallery: people.h5: nothing to measure the loss on: no photos of two people are there; give "
        "--labelled FOLDER, or --force"
    ]
    assert (migrating / "people.h5").read_bytes() == before
    assert finetune(*command, "--force").status == 0
    assert read_gallery("people.h5").n_mapped == 24


WRONG = [
    bad("no checkpoint", "--migrate nowhere", "nowhere: no such file or folder; give ..."),
    bad(
        "the same checkpoint",
        "--migrate model",
        "people.h5: has embeddings of ...model... already; give --migrate another checkpoint",
    ),
    bad(
        "another embedding size",
        "--migrate other",
        "people.h5: has embeddings of 512 values, and ... gives 8; enrol the photos in a gallery of their own",
    ),
    bad(
        "a folder without photos",
        "--migrate newer --photos bad/empty",
        "bad/empty: no files in it; give an image or a folder of images",
    ),
    bad(
        "a folder of texts",
        "--migrate newer --photos bad/texts",
        "bad/texts: no image in it that can be used; give aligned faces",
    ),
    bad(
        "labelled photos of nobody",
        "--migrate newer --labelled faces/strangers",
        "faces/strangers: no usable photo of an enrolled person, beside those that are enrolled; give one folder of "
        "aligned faces per person, named as in the gallery",
    ),
    bad(
        "labelled photos that are the enrolled ones",
        "--migrate newer --labelled faces/learn",
        "faces/learn: no usable photo of an enrolled person, beside those that are enrolled; give ...",
    ),
    bad(
        "options without the checkpoint",
        "--photos faces/learn --force",
        "--photos: given without --migrate; give both",
        "--force: given without --migrate; give both",
    ),
    bad(
        "changes at the same time",
        "--migrate newer --remove person_001 --export out.csv",
        "--remove: given with --migrate; give one at a time",
        "--export: given with --migrate; give one at a time",
    ),
    bad(
        "an output of a dry run",
        "--migrate newer --dry-run --output new.h5",
        "--output: given with --dry-run, which writes nothing; drop one",
    ),
    bad(
        "the gallery as output",
        "--migrate newer --output people.h5",
        "people.h5: the gallery itself; leave --output out, or give another file",
    ),
    bad(
        "an output that is there",
        "--migrate newer --output recipe.yaml",
        "recipe.yaml: is there already; give a new file",
    ),
    bad(
        "a margin that is none",
        "--migrate newer --max-drop 2",
        "argument --max-drop: found '2'; give a number from 0 to 1; see finetune gallery --help",
    ),
]


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_what_is_wrong_is_said(migrating, other_checkpoint, refused, command, lines):
    (migrating / "other").symlink_to(other_checkpoint)
    refused(f"gallery people.h5 {command}", *lines)


def test_another_checkpoints_gallery_says_how_it_goes_on(migrating, refused):
    refused(
        "identify people.h5 mine --checkpoint newer --threshold 0",
        "people.h5: made with ... whose weights differ from those of ...; give the checkpoint that it was made with, "
        "or migrate the gallery (finetune gallery --migrate)",
    )


def test_what_is_no_gallery_is_said(work, refused):
    refused("gallery recipe.yaml --migrate model", "recipe.yaml: not a gallery, or damaged; ...")


def test_nothing_to_fit_on_and_a_lost_checkpoint_are_said(migrating, refused):
    (migrating / "mine").rename(migrating / "gone")
    refused(
        "gallery people.h5 --migrate newer",
        "people.h5: 24 photos not found, and 0 images to fit a map on, of 10 at least; give aligned faces by --photos "
        "FOLDER",
    )
    (migrating / "model").unlink()
    refused(
        "gallery people.h5 --migrate newer --photos faces/strangers",
        "...: no such file or folder; ...; the gallery's checkpoint was there: give --checkpoint",
    )


KILLS = """
import os, random, signal, sys, time
from dataclasses import replace
from finetune.gallery.migration import Migration, write_migration
from finetune.gallery.storage import read_gallery
from tests.gallery.conftest import gallery
from tests.gallery.test_storage import equal
path, moments = sys.argv[1], random.Random(5)
old = gallery(people=40)
new = replace(gallery(people=40, seed=8), contract=replace(old.contract, weights="cd" * 32))
killed = 0
for _ in range(30):
    child = os.fork()
    if not child:
        now, then = (old, new) if equal(read_gallery(path), old) else (new, old)
        while True:
            write_migration(path, Migration(now, then, 0, 0, None))
            now, then = then, now
    time.sleep(moments.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    killed += os.waitpid(child, 0)[1] == signal.SIGKILL
    assert equal(read_gallery(path), old) or equal(read_gallery(path), new)
print(killed)
"""


@pytest.mark.slow
def test_a_migration_killed_while_it_writes_leaves_one_gallery_whole(tmp_path):
    """Kill processes that migrate a gallery to and fro without end, at 30 random moments."""
    path = tmp_path / "g.h5"
    write_gallery(path, gallery(people=40))
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "30\n"), done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.6, 0.97])
def test_the_command_killed_at_any_moment_leaves_the_old_or_the_new_gallery(migrating, share):
    path, random_ = migrating / "people.h5", random.Random(3)
    shutil.copy(path, "old.h5")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "finetune", "gallery", "people.h5", "--migrate", "newer", "--force"]
    start = time.perf_counter()
    subprocess.run([*command, "--output", "new.h5"], check=True, capture_output=True, env=environment)
    lasts = time.perf_counter() - start
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        time.sleep(lasts * (share + random_.uniform(-0.03, 0.03)))
        process.send_signal(signal.SIGKILL)
    found = read_gallery(path)
    assert equal(found, read_gallery("old.h5")) or equal(found, read_gallery("new.h5"))
