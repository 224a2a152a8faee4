"""Output and files of the commands that prepare data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.images import read_image
from finetune.verification import read_pairs, resolve

LINKS = "links to the photos, nothing was copied; keep the photos where they are"


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_import_csv_links_and_says_what_was_made(finetune, work: Path):
    ended = finetune("import", "csv", "list.csv", "out")
    assert ended == (
        0,
        [f"out: 10 people, 40 images, 4.0 per person ({LINKS})", "out/.manifest.csv: where each image came from"],
        [],
    )
    assert files(work / "out") == {".manifest.csv", *files(work / "faces")}
    again = finetune("import", "csv", "out/.manifest.csv", "again", "--copy")
    assert again.out[0] == "again: 10 people, 40 images, 4.0 per person (copied)"
    assert not any(path.is_symlink() for path in (work / "again").rglob("*"))


def test_import_celeba_says_what_was_left_out(finetune, work: Path):
    (work / "identity.txt").write_text("Ann 0_0001.jpg 7\n".replace(" 0", "0"))
    (work / "photos").mkdir()
    for name in ("Ann0_0001.jpg", "b.jpg", "c.jpg"):
        (work / "photos" / name).touch()
    ended = finetune("import", "celeba", "photos", "identity.txt", "out")
    assert ended.out[0] == f"out: 1 person, 1 image, 1.0 per person ({LINKS})"
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
            "out: 2 people, 8 images, 4.0 per person (floats from 0 to 1, taken times 255; written as PNG)",
            "out/.manifest.csv: where each image came from",
        ],
        [],
    )


def test_import_enlarges_images_and_numbers_those_without_labels(finetune, work: Path):
    form = ["--height", "4", "--width", "3", "--scale", "4"]
    ended = finetune("import", "arrays", "X.npy", "y.npy", "out", *form)
    assert ended.out[0].endswith("(floats from 0 to 1, taken times 255; written as PNG, 4 times as large)")
    ended = finetune("import", "unlabelled", "X.npy", "test", *form)
    assert (ended.status, ended.err) == (0, [])
    assert ended.out == [
        "test: 8 images (floats from 0 to 1, taken times 255; written as PNG, 4 times as large)",
        "test/.manifest.csv: where each image came from",
    ]
    assert files(work / "test") == {".manifest.csv", *(f"000{row}.png" for row in range(8))}


@pytest.mark.parametrize("scale", ["0", "4.5", "17", "-1", "x"])
@pytest.mark.parametrize("source", ["arrays X.npy y.npy", "unlabelled X.npy"])
def test_a_scale_is_a_whole_number(source, scale, finetune, work: Path):
    ended = finetune("import", *source.split(), "out", "--scale", scale)
    name = f"import {source.split()[0]}"
    line = f"finetune {name}: argument --scale: found '{scale}'; give a whole number from 1 to 16"
    assert ended == (2, [], [f"{line}; see finetune {name} --help"])
    assert not (work / "out").exists()


@pytest.mark.parametrize("size", ["0", "4.5", "4097", "-1", "x"])
@pytest.mark.parametrize("source", ["arrays X.npy y.npy", "unlabelled X.npy"])
def test_a_size_is_a_whole_number_and_stands_alone(source, size, finetune, work: Path):
    name, form = f"import {source.split()[0]}", ["--height", "4", "--width", "3"]
    ended = finetune("import", *source.split(), "out", *form, "--size", size)
    line = f"finetune {name}: argument --size: found '{size}'; give a whole number from 1 to 4096"
    assert ended == (2, [], [f"{line}; see finetune {name} --help"])
    ended = finetune("import", *source.split(), "out", *form, "--size", "8", "--scale", "2")
    assert (ended.status, ended.out) == (2, [])
    assert "not allowed with argument --size" in ended.err[0]
    assert not (work / "out").exists()


def test_import_writes_square_images_of_a_size(finetune, work: Path):
    ended = finetune("import", "arrays", "X.npy", "y.npy", "out", "--height", "4", "--width", "3", "--size", "8")
    assert ended.out[0].endswith("written as PNG, 8 x 8 pixels)")
    assert {read_image(path).shape for path in (work / "out").rglob("*.png")} == {(8, 8, 3)}


def test_split_prints_each_parts_identities_and_photos(finetune, work: Path):
    ended = finetune("split", "faces", "out", "--by", "images", "--parts", "train=0.75", "test=0.25", "--seed", "3")
    assert ended == (
        0,
        [
            "part   identities     photos  per person  of photos",
            "train          10         30         3.0      75.0%",
            "test           10         10         1.0      25.0%",
            "out: links to the photos in faces, seed 3",
        ],
        [],
    )
    assert files(work / "out/train") | files(work / "out/test") == files(work / "faces")


def test_split_leaves_out_people_with_few_images_and_what_is_no_image(finetune, work: Path):
    (work / "faces/Ann 0/Ann 0_0004.jpg").rename(work / "faces/Ann 0/notes.txt")
    ended = finetune("split", "faces", "out", "--by", "identities", "--parts", "all=1", "--min-images", "4")
    assert ended.out[-1] == ("out: links to the photos in faces, seed 666; 1 person with fewer than 4 images left out")
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


def test_pairs_of_few_people_with_any_names_say_what_is_not_as_in_lfw(finetune, work: Path):
    (work / "faces/Ann 0/Ann 0_0004.jpg").rename(work / "faces/Ann 0/holiday.jpg")
    ended = finetune("pairs", "faces", "pairs.txt")
    # With four images each, two people make 12 pairs of one person and 16 of two.
    assert (ended.status, ended.out) == (
        0,
        [
            "pairs.txt: 60 pairs of one person and 60 of two in 5 folds that share nobody, "
            "drawn from 40 images of 10 people, seed 666"
        ],
    )
    assert ended.err == [
        "few people or images: 5 folds in place of LFW's 10 and 12 pairs of each kind in a fold in place of LFW's 300; "
        "the fewer, the less certain a result",
        "1 image not named NAME_0001: the pairs name such files, which finetune reads and other programs may not; "
        "finetune import numbers them",
    ]


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
"""A name of one byte that is not text in UTF-8, which file systems allow."""


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
    """Write two people of LFW as a fetch leaves them, with two pairs per fold."""
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
    root = Path(__file__).resolve().parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)}
    )
    told = ended.stdout.splitlines()[-1]
    assert told.startswith("[0, 0, 0] ")
    assert "tensorflow" not in told.split()
