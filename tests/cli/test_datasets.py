"""The commands that bring data into shape: what they print and write, and what they answer to bad input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.evaluation import read_pairs, resolve

LINKS = "links to the photos, nothing was copied; keep the photos where they are"
USED = "already there and not an empty folder; give another, or remove it"
ONE_PER_PERSON = "give the folder that holds one folder of images per person"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ten people of four images in `faces`, and lists and arrays of them."""
    folder = tmp_path / "work"
    rows = []
    for person in range(10):
        place = folder / f"faces/Ann {person}"
        place.mkdir(parents=True)
        for image in range(1, 5):
            path = place / f"Ann {person}_{image:04d}.jpg"
            path.write_text(f"{person} {image}")
            rows.append((path.relative_to(folder).as_posix(), f"Ann {person}"))
    (folder / "list.csv").write_text("path,name\n" + "".join(f"{path},{name}\n" for path, name in rows))
    (folder / "used").mkdir()
    (folder / "used/mine").touch()
    np.save(folder / "X.npy", np.linspace(0, 1, 8 * 12, dtype=np.float32).reshape(8, 12))
    np.save(folder / "y.npy", np.repeat(["ann", "bob"], 4))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    """Lists and arrays that can't be used."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "identity.txt").write_text("1.jpg\n1.jpg 1 2\n")
    (folder / "list.csv").write_text("path,name\nfaces/x.jpg,ann\nfaces/Ann 0/Ann 0_0001.jpg\n")
    (folder / "clash.csv").write_text(
        "../work/faces/Ann 0/Ann 0_0001.jpg,ann\n../work/faces/Ann 0/Ann 0_0001.jpg,bob\n"
        "../work/faces/Ann 1/Ann 1_0001.jpg,Bob\n"
    )
    np.save(folder / "y.npy", np.arange(7))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "photos").mkdir()
    (folder / "photos/1.jpg").touch()
    for name in ("photos.txt", "photos/ids.txt"):
        (folder / name).write_text("1.jpg 7\n")
    (folder / "photos.csv").write_text("1.jpg,ann\n")
    (folder / "singles").mkdir()
    for name in "ab":
        (folder / "singles" / name).mkdir()
        (folder / "singles" / name / f"{name}_0001.jpg").touch()
    return folder


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_import_csv_links_and_says_what_was_made(finetune, work: Path):
    ended = finetune("import", "csv", "list.csv", "out")
    assert ended == (
        0,
        [f"out: 10 people, 40 images, 4.0 a person ({LINKS})", "out/.manifest.csv: where each image came from"],
        [],
    )
    assert files(work / "out") == {".manifest.csv", *files(work / "faces")}
    again = finetune("import", "csv", "out/.manifest.csv", "again", "--copy")
    assert again.out[0] == "again: 10 people, 40 images, 4.0 a person (copied)"
    assert not any(path.is_symlink() for path in (work / "again").rglob("*"))


def test_import_celeba_says_what_was_left_out(finetune, work: Path):
    (work / "identity.txt").write_text("Ann 0_0001.jpg 7\n".replace(" 0", "0"))
    (work / "photos").mkdir()
    for name in ("Ann0_0001.jpg", "b.jpg", "c.jpg"):
        (work / "photos" / name).touch()
    ended = finetune("import", "celeba", "photos", "identity.txt", "out")
    assert ended.out[0] == f"out: 1 people, 1 images, 1.0 a person ({LINKS})"
    assert ended.err == ["left out:       2 not in identity.txt: photos/b.jpg, …"]


@pytest.mark.parametrize(("source", "photo"), [("vggface2", "train/n000001/0001_01.jpg"), ("casia", "0000045/001.jpg")])
def test_import_knows_published_layouts(source: str, photo: str, finetune, work: Path):
    (work / "data" / photo).parent.mkdir(parents=True)
    (work / "data" / photo).touch()
    ended = finetune("import", source, "data", "out")
    name = Path(photo).parent.name
    assert (ended.status, ended.err) == (0, [])
    assert files(work / "out") == {".manifest.csv", f"{name}/{name}_0001.jpg"}


def test_import_arrays_says_how_the_values_were_taken(finetune, work: Path):
    ended = finetune("import", "arrays", "X.npy", "y.npy", "out", "--height", "4", "--width", "3")
    assert ended == (
        0,
        [
            "out: 2 people, 8 images, 4.0 a person (floats from 0 to 1, taken times 255; written as PNG)",
            "out/.manifest.csv: where each image came from",
        ],
        [],
    )


def test_split_prints_each_parts_identities_and_photos(finetune, work: Path):
    ended = finetune("split", "faces", "out", "--by", "images", "--parts", "train=0.75", "test=0.25", "--seed", "3")
    assert ended == (
        0,
        [
            "part   identities     photos  a person  of photos",
            "train          10         30       3.0      75.0%",
            "test           10         10       1.0      25.0%",
            "out: links to the photos in faces, seed 3",
        ],
        [],
    )
    assert files(work / "out/train") | files(work / "out/test") == files(work / "faces")


def test_split_leaves_out_people_with_few_images_and_what_is_no_image(finetune, work: Path):
    (work / "faces/Ann 0/Ann 0_0004.jpg").rename(work / "faces/Ann 0/notes.txt")
    ended = finetune("split", "faces", "out", "--by", "identities", "--parts", "all=1", "--min-images", "4")
    assert ended.out[-1] == ("out: links to the photos in faces, seed 666; 1 people with fewer than 4 images left out")
    assert ended.err == ["left out:       1 not named as an image: faces/Ann 0/notes.txt"]


def test_pairs_are_those_that_validate_reads(finetune, work: Path):
    ended = finetune("pairs", "faces", "pairs.txt", "--folds", "5", "--pairs", "6")
    assert ended == (
        0,
        [
            "pairs.txt: 30 pairs of one person and 30 of two in 5 folds that share nobody, "
            "drawn from 40 images of 10 people, seed 666"
        ],
        [],
    )
    pairs = resolve(read_pairs("pairs.txt"), "faces")
    assert (pairs.n_folds, len(pairs.is_same), int(pairs.is_same.sum())) == (5, 60, 30)


def test_the_whole_way_from_a_list_to_pairs_of_strangers(finetune, work: Path):
    commands = (
        "import csv list.csv people",
        "split people parts --by identities --parts learn=0.5 strangers=0.5 --seed 1",
        "pairs parts/strangers pairs.txt --folds 2 --pairs 3",
    )
    assert [finetune(*command.split()).status for command in commands] == [0, 0, 0]
    shown = {pair.first.split("/")[0] for pair in read_pairs("pairs.txt").pairs}
    assert shown.isdisjoint({path.name for path in (work / "parts/learn").iterdir()})


NAMELESS = os.fsdecode(b"\xff")
"""A byte that is no text in UTF-8, as file systems allow it."""


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("import csv list.csv {}", 0),
        ("import csv list.csv {}", 1),
        ("split faces {} --by images", -1),
        ("split {} out --by images", -1),
        ("pairs faces {} --folds 2 --pairs 2", 0),
        ("lfw fetch {}", 0),
        ("lfw fetch {}", 1),
        ("lfw fetch {}", 2),
    ],
)
def test_a_place_whose_name_is_no_text_is_shown_by_its_bytes(command: str, line: int, finetune, work: Path):
    if command.startswith("lfw"):
        lfw_in(work / NAMELESS)
    elif command.startswith("split {}"):
        (work / "faces").rename(work / NAMELESS)
    ended = finetune(*command.format(NAMELESS).split())
    assert ended.status == 0, ended.err
    assert r"\udcff" in ended.out[line]


def lfw_in(folder: Path) -> None:
    """Two people of LFW as a fetch leaves them, two pairs a fold."""
    for name in ("Ann_Lee", "Bob_Ray"):
        (folder / "images" / name).mkdir(parents=True)
        for number in (1, 2):
            (folder / f"images/{name}/{name}_000{number}.jpg").touch()
    (folder / "pairs.txt").write_text("1\t1\nAnn_Lee\t1\t2\nAnn_Lee\t1\tBob_Ray\t2\n")


@pytest.mark.parametrize(("typed", "within"), [("lfw", "."), (".", "lfw"), ("..", "lfw/images"), ("../lfw", "lfw")])
def test_lfw_proposes_crops_beside_its_folder_however_it_was_typed(typed, within, finetune, work: Path, monkeypatch):
    lfw_in(work / "lfw")
    monkeypatch.chdir(work / within)
    ended = finetune("lfw", "fetch", typed)
    photos = Path(typed) / "images"
    assert ended == (
        0,
        [
            f"{Path(typed)}: fetched already",
            f"{photos}: 4 photos of 2 people; {Path(typed) / 'pairs.txt'}: 2 pairs",
            f"next: finetune align {photos} {work}/lfw_160 --size 160 --margin 32",
        ],
        [],
    )


def test_a_root_that_holds_the_table_may_hold_what_is_made_of_it(finetune, work: Path):
    ended = finetune("import", "csv", "list.csv", "out", "--root", ".")
    assert (ended.status, ended.err) == (0, [])
    assert files(work / "out") == {".manifest.csv", *files(work / "faces")}


def bad(about: str, command: str, *lines: str) -> Any:
    """A command and the lines that answer it."""
    return pytest.param(command, lines, id=about)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        bad("nothing to import from", "import", "the following arguments are required: SOURCE; see ..."),
        bad(
            "an unknown source",
            "import imagenet a b",
            "argument SOURCE: invalid choice: 'imagenet' (choose from ...); see finetune import --help",
        ),
        bad(
            "malformed lines and a folder in use",
            "import celeba faces bad/identity.txt used",
            f"used: {USED}",
            "bad/identity.txt:1: found '1.jpg'; write PHOTO IDENTITY",
            "bad/identity.txt:2: found '1.jpg 1 2'; write PHOTO IDENTITY",
        ),
        bad(
            "a table with a missing photo and a short line",
            "import csv bad/list.csv out --root .",
            "out: lies in ., which stays as it is; give a place beside it",
            "bad/list.csv:3: found 'faces/Ann 0/Ann 0_0001.jpg', 1 fields where 2 belong",
            "bad/list.csv:2: faces/x.jpg: No such file or directory; add it, or take it out",
        ),
        bad(
            "an output among the photos of a list",
            "import celeba bad/photos bad/photos.txt bad/photos/out",
            "bad/photos/out: lies in bad/photos, which stays as it is; give a place beside it",
        ),
        bad(
            "an output among the photos of a list that lies there too",
            "import celeba bad/photos bad/photos/ids.txt bad/photos/out",
            "bad/photos/out: lies in bad/photos, which stays as it is; give a place beside it",
        ),
        bad(
            "an output among the photos of a table",
            "import csv bad/photos.csv bad/photos/out --root bad/photos",
            "bad/photos/out: lies in bad/photos, which stays as it is; give a place beside it",
        ),
        bad(
            "one photo under two names, and two names for one folder",
            "import csv bad/clash.csv out",
            "bad/clash.csv: 'bob' and 'Bob' would share a folder, or do on file systems without case; rename one, or "
            "give both one name",
            "bad/clash.csv:2: bad/../work/faces/Ann 0/Ann 0_0001.jpg: is 'ann' in bad/clash.csv:1 and 'bob' here; "
            "keep one of them",
        ),
        bad(
            "no such table",
            "import csv lists.csv out",
            "lists.csv: can't be read (No such file or directory); give ...",
        ),
        bad(
            "another layout",
            "import vggface2 faces out",
            "faces: no folder named as its people are; give the folder that holds VGGFace2's people, as "
            "n000001/0001_01.jpg; found the folders Ann 0, Ann 1, Ann 2, …",
        ),
        bad(
            "no height and width, and labels of others",
            "import arrays X.npy bad/y.npy out",
            "X.npy: rows of 12 values; give --height and --width, such as 4 and 3 or 3 and 4",
        ),
        bad(
            "a height that does not fit, and labels that are objects",
            "import arrays X.npy bad/objects.npy out --height 5 --width 5",
            "X.npy: rows of 12 values, where --height 5 --width 5 make 25; give others, such as 4 and 3 or 3 and 4",
            "bad/objects.npy: no array of numbers or strings, or a damaged one; save it anew with numpy.save",
        ),
        bad(
            "labels of another number of images",
            "import arrays X.npy bad/y.npy out --height 4 --width 3",
            "bad/y.npy: 7 labels for the 8 images in X.npy; give a label for each",
        ),
        bad("a split by nothing", "split faces out", "the following arguments are required: --by; see ..."),
        bad(
            "shares that can't be read",
            "split faces out --by images --parts train train=x a/b=0.5 c=1/0",
            "--parts: 'train': no NAME=SHARE; name a part with letters, digits, _ and -",
            "--parts: 'train=x': found the share 'x'; give one above 0, up to 1, such as 0.8 or 4/5",
            "--parts: 'a/b=0.5': no NAME=SHARE; name a part with letters, digits, _ and -",
            "--parts: 'c=1/0': found the share '1/0'; give one above 0, up to 1, such as 0.8 or 4/5",
        ),
        bad(
            "a part named twice",
            "split faces out --by images --parts a=0.5 A=0.5",
            "--parts: 'A=0.5': a second part of that name; give it another",
        ),
        bad(
            "shares of more than there is",
            "split faces out --by images --parts a=0.5 b=0.6",
            "--parts: the shares sum to 1.1; let them sum to 1",
        ),
        bad(
            "an output in use, and no folder",
            "split face used --by images",
            f"used: {USED}",
            f"face: ...; {ONE_PER_PERSON}",
        ),
        bad(
            "an output in the folder itself",
            "split faces faces/parts --by images",
            "faces/parts: lies in faces, which stays as it is; give a place beside it",
        ),
        bad(
            "more images than anybody has",
            "split faces out --by images --min-images 9",
            "faces: nobody in it with 9 images or more; give one folder of images per person",
        ),
        bad(
            "a person's folder for that of the people",
            "split 'faces/Ann 0' out --by images",
            "faces/Ann 0: no image in a person's folder; give one folder of images per person",
        ),
        bad(
            "shares that nearly sum to 1",
            "split faces out --by images --parts a=0.3333333 b=0.3333333 c=0.3333333",
            "--parts: the shares sum to 0.9999999; let them sum to 1",
        ),
        bad(
            "a share that nothing falls to",
            "split faces out --by images --parts a=0.99 b=0.01",
            "faces: of 40 images none falls to 'b'; give it a larger share",
        ),
        bad(
            "more pairs than there are",
            "pairs faces pairs.txt",
            "faces: 10 people, 10 with two images or more; each of 10 folds needs two people of its own, one of "
            "them with two images; ask for 5 folds or fewer",
        ),
        bad(
            "more pairs than the folds can have",
            "pairs faces pairs.txt --folds 5",
            "faces: 10 people, 10 with two images or more; each of 5 folds can have 12 pairs of one person and 16 of "
            "two; ask for 12 pairs or fewer, or for fewer folds",
        ),
        bad(
            "nobody with two images",
            "pairs bad/singles pairs.txt --folds 2",
            "bad/singles: 2 people, 0 with two images or more; ...; add people or images",
        ),
        bad(
            "a pairs file that is there",
            "pairs faces list.csv",
            "list.csv: already there; give another name, or remove it",
        ),
        bad(
            "one fold", "pairs faces pairs.txt --folds 1", "argument --folds: found '1'; give a whole number from 2 ..."
        ),
        bad(
            "no pairs", "pairs faces pairs.txt --pairs 0", "argument --pairs: found '0'; give a whole number from 1 ..."
        ),
        bad("a seed below 0", "pairs faces pairs.txt --seed -1", "argument --seed: ..."),
        bad("nothing to do with LFW", "lfw", "the following arguments are required: ACTION; see finetune lfw --help"),
        bad(
            "a home of nobody's for what is imported",
            "import csv ~nobody-at-all/a.csv out",
            "~nobody-at-all/a.csv: can't be read (No such file or directory); give a CSV file of paths and names",
        ),
        bad(
            "a home of nobody's for what is parted",
            "split ~nobody-at-all out --by images",
            f"~nobody-at-all: no such file or folder; {ONE_PER_PERSON}",
        ),
        bad(
            "a home of nobody's for what pairs are drawn from",
            "pairs ~nobody-at-all pairs.txt",
            f"~nobody-at-all: no such file or folder; {ONE_PER_PERSON}",
        ),
        bad(
            "a home of nobody's for what the doctor writes",
            "doctor faces --json ~nobody-at-all/found.json",
            "~nobody-at-all: no such folder; make it first",
        ),
        bad(
            "homes of nobody's for pairs and their faces",
            "doctor faces --lfw ~nobody-at-all --pairs ~nobody-at-all/pairs.txt",
            "~nobody-at-all/pairs.txt: can't be read (No such file or directory); give a pairs file in LFW's form",
        ),
        bad(
            "LFW within a file",
            "lfw fetch list.csv",
            "list.csv/images: list.csv is no folder, and none can be made ...",
        ),
    ],
)
def test_bad_input_is_answered_by_its_lines(command: str, lines: tuple[str, ...], refused: Callable[..., None]):
    refused(command, *lines)


def test_a_mistake_below_a_source_names_that_source(finetune):
    ended = finetune("import", "csv", "list.csv")
    assert ended == (
        2,
        [],
        ["finetune import csv: the following arguments are required: OUT; see finetune import csv --help"],
    )


def test_lfw_without_a_network_ends_with_status_1_and_leaves_nothing(finetune, work: Path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    before = {path.name for path in work.iterdir()}
    ended = finetune("lfw", "fetch", "lfw")
    assert (ended.status, ended.out) == (1, ["lfw: fetching LFW, some 240 MB"])
    (line,) = ended.err
    assert re.match(r"finetune lfw: lfw: LFW can't be fetched \(.*\); by hand: put lfw-funneled\.tgz \(https://", line)
    assert {path.name for path in work.iterdir()} == before


def test_these_commands_do_not_wait_for_tensorflow(work: Path):
    commands = [
        ["import", "csv", "list.csv", "people"],
        ["split", "people", "parts", "--by", "images"],
        ["pairs", "people", "pairs.txt", "--folds", "2", "--pairs", "2"],
    ]
    script = f"import sys; from finetune.cli import main; print([main(c) for c in {commands}], *sys.modules)"
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)}
    )
    told = ended.stdout.splitlines()[-1]
    assert told.startswith("[0, 0, 0] ")
    assert "tensorflow" not in told.split()
