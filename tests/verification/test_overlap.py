"""The overlap of a training set with pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.verification.overlap import find_overlap, read_names
from finetune.verification.pairs import ImagePairs


@given(
    pairs=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=30),
    trained=st.sets(st.integers(0, 12)),
)
def test_the_overlap_is_who_and_which_pairs_by_the_names_of_their_folders(pairs, trained):
    images = sorted({person for pair in pairs for person in pair})
    index = np.array([[images.index(person) for person in pair] for pair in pairs])
    image_pairs = ImagePairs(
        paths=tuple(Path(f"lfw/Ann_{person}/Bob_9_0001.png") for person in images),
        index1=index[:, 0],
        index2=index[:, 1],
        is_same=index[:, 0] == index[:, 1],
        n_folds=2,
    )
    overlap, clean = find_overlap([f"ann {person}" for person in trained] + ["Bob_9"], image_pairs)
    assert overlap.identities == tuple(f"Ann_{person}" for person in images if person in trained)
    assert overlap.n_identities == len(images)
    assert clean.tolist() == [not trained & set(pair) for pair in pairs]
    assert overlap.n_pairs == len(pairs) - clean.sum()


def test_names_are_the_folders_of_a_folder_or_the_lines_of_a_file(tmp_path):
    for name in ("Ann_Lee", "José Serra", ".hidden"):
        (tmp_path / "people" / name).mkdir(parents=True)
    (tmp_path / "people" / "notes.txt").write_text("no person")
    (tmp_path / "names.txt").write_bytes("\ufeffAnn_Lee\r\n\r\n  José Serra  \n".encode())
    assert read_names(tmp_path / "people") == ("Ann_Lee", "José Serra")
    assert read_names(tmp_path / "names.txt") == ("Ann_Lee", "José Serra")


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "no such file or folder"), (b" \n", "names nobody"), (b"\xff\xfeA", "not a text file"), (b"A\0", "not a")],
)
def test_names_that_can_not_be_read_are_refused(content, found, tmp_path):
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"names.txt: {found}.*; give a folder of people, or a text file with a name"):
        read_names(path)
