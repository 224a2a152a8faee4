"""Lists of templates are read in IJB-C's published forms and as CSV, and malformed lines are refused all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.errors import DataError
from finetune.verification.template_lists import read_subjects, read_template_pairs, read_templates


def written(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1.jpg 7 100\n2.jpg 7 100\nsub/3.jpg 9 101\n\n4.jpg 7 102\n",
        "TEMPLATE_ID,FILENAME,SIGHTING_ID\n7,1.jpg,100\n7,2.jpg,100\n9,sub/3.jpg,101\n7,4.jpg,102\n",
        'image,subject,template,media\n1.jpg,a,7,100\n2.jpg,a,7,100\n"sub/3.jpg",b,9,101\n4.jpg, a , 7 ,102\n',
    ],
)
def test_images_are_read_by_template_and_media(text, tmp_path):
    found = read_templates(written(tmp_path, text))
    assert found.images == ("1.jpg", "2.jpg", "sub/3.jpg", "4.jpg")
    assert found.names == ("7", "9")
    assert found.templates.tolist() == [0, 0, 1, 0]
    assert found.media.tolist() == [0, 0, 1, 2]
    assert found.rows(["9", "7", "9"], "pairs").tolist() == [1, 0, 1]


@pytest.mark.parametrize("text", ["7 9 1\n7 8 0\n", "template2,template1,label\n9,7,1\n8,7,0\n"])
def test_pairs_are_read(text, tmp_path):
    found = read_template_pairs(written(tmp_path, text))
    assert (found.first, found.second, found.is_same.tolist()) == (("7", "7"), ("9", "8"), [True, False])


def test_subjects_are_read_once_per_template(tmp_path):
    lines = "TEMPLATE_ID,SUBJECT_ID,FILENAME\n7,a,1.jpg\n7,a,2.jpg\n9,b,3.jpg\n"
    assert read_subjects(written(tmp_path, lines)) == {"7": "a", "9": "b"}


@pytest.mark.parametrize(
    ("read", "text", "lines"),
    [
        (read_templates, "", ["{}: found no line; give a CSV with the columns image, template, media"]),
        (
            read_templates,
            "1.jpg 7 100\n2.jpg 7\n3.jpg 7 1 2\n",
            [
                "{}:2: found '2.jpg 7'; write image template media",
                "{}:3: found '3.jpg 7 1 2'; write image template media",
            ],
        ),
        (
            read_templates,
            "image,template\n1.jpg,7\n",
            [
                "{}:1: the header 'image,template' lacks the column media; "
                "give a CSV with the columns image, template, media"
            ],
        ),
        (
            read_templates,
            "image,template,media\n1.jpg,,100\n2.jpg\n",
            ["{}:2: found '1.jpg,,100'; write image template media", "{}:3: found '2.jpg'; write image template media"],
        ),
        (
            read_templates,
            "image,template,media\n",
            ["{}: found a header alone; give a CSV with the columns image, template, media"],
        ),
        (read_template_pairs, "7 9 2\n", ["{}: found the label '2'; write 1 for one person, 0 for two"]),
        (
            read_subjects,
            "template,subject\n7,a\n7,b\n",
            ["{}: template '7' is of 'a' and of 'b'; give each template one subject"],
        ),
    ],
)
def test_a_malformed_list_is_refused(read, text, lines, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(DataError) as refused:
        read(path)
    assert str(refused.value).splitlines() == [line.format(path) for line in lines]


def test_templates_without_images_are_refused(tmp_path):
    found = read_templates(written(tmp_path, "1.jpg 7 100\n"))
    with pytest.raises(DataError, match="names 2 templates that the list of images lacks, such as '8'"):
        found.rows(["7", "8", "9", "8"], "pairs.txt")
