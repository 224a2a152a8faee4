"""Output, files and moves of `finetune doctor`, and the lines that answer its wrong uses."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from finetune.checkpoint.location import EXPECTED
from finetune.paths import in_one_line
from finetune.verification.formats.registry import FORMS

pytestmark = pytest.mark.tf

ALONE = "give it alone, it only moves files back"


@pytest.fixture
def mine(work: Path) -> Path:
    """Make a folder for this test alone: drawn people, a page that is not an image, a copy under another name."""
    shutil.copytree(work / "faces" / "strangers", work / "mine")
    (work / "mine" / "person_011" / "page.jpg").write_text("<html>not found</html>")
    shutil.copy(work / "mine/person_012/person_012_0001.png", work / "mine/person_013/copy.png")
    return work / "mine"


def test_it_tells_counts_and_reasons_and_changes_nothing(finetune, mine: Path, tree):
    before = tree(mine)
    ended = finetune("doctor", "mine", "--image-size", "75")
    assert (ended.status, ended.err) == (0, [])
    assert ended.out[0] == "25 images of 6 people, 1 file that can't be read; 3 findings"
    rows = [line.split()[:3] for line in ended.out if line.split()[1:2] == line.split()[2:3] != []]
    assert rows == [["not-image", "1", "1"], ["copy-across", "2", "2"]]
    assert "  person_011/page.jpg: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)" in ended.out
    assert "  person_013/copy.png: the same pixels as person_012/person_012_0001.png" in ended.out
    assert tree(mine) == before


def test_it_does_not_wait_for_tensorflow_without_a_checkpoint(mine: Path):
    code = "import sys; from finetune.cli import main; main(['doctor', 'mine']); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "tensorflow" not in done.stdout.split()


def test_it_writes_every_finding_and_a_sheet(finetune, mine: Path):
    ended = finetune("doctor", "mine", "--image-size", "75", "--json", "report.json", "--sheet", "sheet.png")
    assert (ended.status, ended.err) == (0, [])
    assert ended.out[-1] == "2 suspects in sheet.png; 1 findings are not on it: a sheet takes 60 that have a picture"
    told = json.loads(Path("report.json").read_text())
    assert told["counts"] == {"not-image": 1, "copy-across": 2}
    assert (told["people"], told["files"], told["images"], told["settings"]["crop"]) == (6, 26, 25, 75)
    with Image.open("sheet.png") as image:
        assert image.format == "PNG"


def test_poor_faces_are_told_with_their_measures_and_written_as_a_table(finetune, mine: Path, tree):
    dark = mine / "person_011" / "person_011_0002.png"
    with Image.open(dark) as image:
        image.point(lambda value: value // 10).save(dark)
    before = tree(mine)
    ended = finetune("doctor", "mine", "--image-size", "75", "--csv", "quality.csv")
    assert (ended.status, ended.err) == (0, [])
    assert any(line.startswith("  person_011/person_011_0002.png: 95 percent of the face has") for line in ended.out)
    assert ended.out[-1] == "quality.csv: the quality of 25 faces"
    rows = list(csv.DictReader(Path("quality.csv").read_text().splitlines()))
    assert len(rows) == 25
    assert [row["file"] for row in rows if row["defects"]] == ["person_011/person_011_0002.png"]
    assert (rows[0]["file"], rows[0]["defects"]) == ("person_011/person_011_0002.png", "dark")
    assert 0 < float(rows[0]["score"]) < 0.01
    assert tree(mine) == before


def test_fix_moves_the_suspects_and_undo_brings_them_back(finetune, mine: Path, tree):
    before = tree(mine)
    ended = finetune("doctor", "mine", "--image-size", "75", "--fix")
    place = mine.resolve().with_name("mine.quarantine")
    assert ended.out[-1] == f"3 files moved to {place}; finetune doctor mine --undo moves them back"
    assert sorted(path.name for path in place.glob("*/*")) == ["copy.png", "page.jpg", "person_012_0001.png"]
    ended = finetune("doctor", "mine", "--image-size", "75", "--fix")
    assert ended.out == ["23 images of 6 people, 0 files that can't be read; 0 findings", "no file to move"]
    assert finetune("doctor", "mine", "--undo") == (0, ["3 files moved back to mine"], [])
    assert tree(mine) == before
    assert not place.exists()


@pytest.mark.parametrize("name", ["my faces", "it's", os.fsdecode(b"caf\xe9"), "two\nlines"])
def test_the_line_that_tells_of_the_undo_can_be_typed_and_printed(finetune, mine: Path, tree, name: str):
    mine = mine.rename(mine.with_name(name))
    before = tree(mine)
    ended = finetune("doctor", name, "--image-size", "75", "--fix")
    assert (ended.status, ended.err) == (0, [])
    command = ended.out[-1].partition("; ")[2].removesuffix(" moves them back")
    if name.isprintable():
        assert shlex.split(command) == ["finetune", "doctor", name, "--undo"]
    line = f"3 files moved back to {in_one_line(name)}"
    assert finetune("doctor", name, "--undo") == (0, [line], [])
    assert tree(mine) == before


def test_an_undo_tells_which_file_has_a_new_name(finetune, mine: Path):
    page = mine / "person_011" / "page.jpg"
    assert finetune("doctor", "mine", "--image-size", "75", "--fix").status == 0
    page.write_text("another page")
    assert finetune("doctor", "mine", "--image-size", "75", "--fix").status == 0
    ended = finetune("doctor", "mine", "--undo")
    assert (ended.status, ended.out) == (0, ["4 files moved back to mine"])
    new = mine.resolve() / "person_011" / "page~1.jpg"
    assert ended.err == [f"brought back under a new name, the old one is taken: {new}"]
    assert (page.read_text(), new.read_text()) == ("<html>not found</html>", "another page")


@pytest.mark.slow
def test_with_a_checkpoint_a_second_run_embeds_nothing(finetune, mine: Path, monkeypatch):
    from finetune.model import Model

    passed: list[int] = []
    prefix = Model.prefix

    def counting(self: Model, stop: int):
        forward = prefix(self, stop)

        def call(pixels: Any):
            passed.append(len(pixels))
            return forward(pixels)

        return call

    monkeypatch.setattr(Model, "prefix", counting)
    monkeypatch.setenv("FINETUNE_CACHE", str(mine.parent / "cache"))
    options = ("--checkpoint", "model", "--lfw", "faces/strangers", "--pairs", "faces/pairs.txt", "--json", "r.json")
    assert finetune("doctor", "mine", *options).status == 0
    assert sum(passed) == 24  # the copy is of one content, and the pairs' images are the folder's
    told = json.loads(Path("r.json").read_text())
    assert told["settings"]["crop"] == 75
    assert {"lfw-name": 6, "lfw-image": 25}.items() <= told["counts"].items()
    passed.clear()
    assert finetune("doctor", "mine", *options).status == 0
    assert passed == []
    assert json.loads(Path("r.json").read_text()) == told


def bad(about: str, command: str, *lines: str) -> Any:
    """Return a test case: a command and the lines that answer it."""
    return pytest.param(command, lines, id=about)


WRONG = [
    bad(
        "no such folder",
        "doctor gone",
        "gone: no such file or folder; give the folder that holds one folder of images per person",
    ),
    bad(
        "a file for a folder",
        "doctor recipe.yaml",
        "recipe.yaml: not a folder; give the folder that holds one folder of images per person",
    ),
    bad(
        "an empty folder",
        "doctor bad/empty",
        "bad/empty: nothing in it; give the folder that holds one folder of images per person",
    ),
    bad("undone, a folder that is gone", "doctor gone --undo", "gone: no such folder; give the one that was examined"),
    bad(
        "nothing to undo",
        "doctor bad/small --undo",
        "...small.quarantine: no undo.json in it; nothing was moved there, or all is back",
    ),
    bad("both ways at once", "doctor bad/small --fix --undo", f"--undo: given with --fix; {ALONE}"),
    bad(
        "an undo with other options",
        "doctor bad/small --undo --checkpoint model --json r.json --image-size 80",
        f"--undo: given with --checkpoint, --json, --image-size; {ALONE}",
    ),
    bad(
        "LFW without its pairs",
        "doctor bad/small --lfw faces/strangers",
        "--lfw: given alone; give --pairs FILE too",
    ),
    bad("pairs without LFW", "doctor bad/small --pairs faces/pairs.txt", "--pairs: given alone; give --lfw DIR too"),
    bad(
        "LFW itself",
        "doctor faces/strangers --lfw faces/learn/../strangers --pairs faces/pairs.txt --fix",
        "--lfw: faces/learn/../strangers and faces/strangers are one folder, or one lies in the other; "
        "give LFW's own, apart from it",
    ),
    bad(
        "a folder that holds LFW",
        "doctor faces --lfw faces/strangers --pairs faces/pairs.txt",
        "--lfw: faces/strangers and faces are one folder, or one lies in the other; give LFW's own, apart from it",
    ),
    bad(
        "several at once",
        "doctor bad/small --pairs faces/pairs.txt --standardization fixed --sheet s.jpg",
        "--pairs: given alone; give --lfw DIR too",
        "--standardization: given without a checkpoint; give --checkpoint too",
        "s.jpg: give a file name that ends in .png",
    ),
    bad(
        "every input at once",
        "doctor gone --checkpoint models --lfw faces/strangers --pairs bad/empty.txt --json faces",
        "gone: no such file or folder; give the folder that holds one folder of images per person",
        "faces: a folder; give the name of a file to write",
        f"bad/empty.txt: found no pairs; give {FORMS}",
        f"models: no such file or folder; {EXPECTED}",
    ),
    bad("the root of all", "doctor / --fix", "/: nothing can lie beside it; give a folder below it"),
    bad(
        "no number of images",
        "doctor bad/small --min-images 0",
        "argument --min-images: found '0'; give a whole number from 1 to 1000000; see finetune doctor --help",
    ),
    bad(
        "a table that is no table",
        "doctor bad/small --csv faces/learn/person_001/person_001_0001.png",
        "faces/learn/person_001/person_001_0001.png: give a file name that ends in .csv",
    ),
    bad(
        "a table in the dataset",
        "doctor bad/small --csv bad/small/quality.csv",
        "bad/small/quality.csv: ...",
    ),
    bad("a table beside --undo", "doctor bad/small --undo --csv q.csv", f"--undo: given with --csv; {ALONE}"),
    bad("JSON in a missing folder", "doctor bad/small --json gone/r.json", "gone: no such folder; make it first"),
    bad(
        "a sheet in place of a folder",
        "doctor bad/small --sheet bad/folder.png",
        "bad/folder.png: a folder; give the name of a file to write",
    ),
    bad(
        "no such pairs file",
        "doctor bad/small --lfw faces/strangers --pairs pairs.txt",
        f"pairs.txt: can't be read (No such file or directory); give {FORMS}",
    ),
    bad(
        "another folder than LFW's",
        "doctor bad/small --lfw faces/learn --pairs faces/pairs.txt",
        "faces/learn: missing 24 of the 24 images in the pairs: ...; is it the folder of aligned faces?",
    ),
    bad(
        "no such checkpoint",
        "doctor bad/small --checkpoint gone",
        f"gone: no such file or folder; {EXPECTED}",
    ),
]


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_a_wrong_use_is_answered_by_its_lines(command: str, lines: tuple[str, ...], refused, bad_files: Path):
    (bad_files / "folder.png").mkdir(exist_ok=True)
    refused(command, *lines)


def test_a_quarantine_that_is_a_file_is_refused(finetune, mine: Path, tree):
    (mine.parent / "mine.quarantine").write_text("mine")
    before = tree(mine.parent)
    ended = finetune("doctor", "mine", "--image-size", "75", "--fix")
    place = mine.resolve().with_name("mine.quarantine")
    assert ended.status == 2
    assert ended.err == [f"finetune doctor: {place}: a file, where the suspects are to go; move it away"]
    assert tree(mine.parent) == before
