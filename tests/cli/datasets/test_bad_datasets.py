"""The commands that prepare data answer unusable input with the lines that say why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from finetune.verification.formats.registry import FORMS

USED = "already there and not an empty folder; give another, or remove it"
ONE_PER_PERSON = "give the folder that holds one folder of images per person"


def bad(about: str, command: str, *lines: str) -> Any:
    """Return a test case: a command and the lines that answer it."""
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
            "bad/objects.npy: not an array of numbers or strings, or damaged; save it anew with numpy.save",
        ),
        bad(
            "labels of another number of images",
            "import arrays X.npy bad/y.npy out --height 4 --width 3",
            "bad/y.npy: 7 labels for the 8 images in X.npy; give a label for each",
        ),
        bad(
            "a folder in use, and no size, without labels",
            "import unlabelled X.npy used",
            f"used: {USED}",
            "X.npy: rows of 12 values; give --height and --width, such as 4 and 3 or 3 and 4",
        ),
        bad("a split by nothing", "split faces out", "the following arguments are required: --by; see ..."),
        bad(
            "shares that can't be read",
            "split faces out --by images --parts train train=x a/b=0.5 c=1/0",
            "--parts: 'train': not NAME=SHARE; name a part with letters, digits, _ and -",
            "--parts: 'train=x': found the share 'x'; give one above 0, up to 1, such as 0.8 or 4/5",
            "--parts: 'a/b=0.5': not NAME=SHARE; name a part with letters, digits, _ and -",
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
            "more folds than people make",
            "pairs faces pairs.txt --folds 10",
            "faces: 10 people, 10 with two images or more; each of 10 folds needs two people of its own, one of "
            "them with two images; ask for 5 folds or fewer",
        ),
        bad(
            "more pairs than the folds can have",
            "pairs faces pairs.txt --folds 5 --pairs 300",
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
            f"~nobody-at-all/pairs.txt: can't be read (No such file or directory); give {FORMS}",
        ),
        bad(
            "LFW within a file",
            "lfw fetch list.csv",
            "list.csv/images: list.csv is not a folder, and none can be made ...",
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
