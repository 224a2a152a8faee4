from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.dataset.importers.people import LONGEST, name_folders
from finetune.paths import printable


@pytest.mark.parametrize(
    ("identity", "folder"),
    [
        ("Ann Lee", "Ann Lee"),
        ("  Zoë  ", "Zoë"),
        ("a/b\\c", "a_b_c"),
        ("../../etc", "___.._etc"),
        (".hidden", "_hidden"),
        ("..", "__"),
        ("tab\there\nline\x00", "tab_here_line_"),
        ("\udcff", "_"),
        ("2880", "2880"),
    ],
)
def test_a_name_becomes_a_folder_of_its_own(identity, folder):
    assert name_folders([identity], "list.csv") == ({identity: folder}, [])


@given(st.lists(st.text(), max_size=8))
def test_every_folder_is_one_that_a_scan_reads_and_none_is_shared_without_a_word(identities):
    folders, problems = name_folders(identities, Path("list.csv"))
    assert set(folders) == set(identities)
    for folder in filter(None, folders.values()):
        assert printable(folder)
        assert not folder.startswith(".")
        assert folder == folder.strip()
        assert not {"/", "\\"} & set(folder)
    distinct = {unicodedata.normalize("NFC", folder).casefold() for folder in folders.values() if folder}
    assert len(folders) == len(distinct) + len(problems)


@pytest.mark.parametrize(
    ("identities", "line"),
    [
        (["Ann", "ann"], "list.csv: 'Ann' and 'ann' would share a folder, or do on file systems without case; rename"),
        (["a/b", "a_b"], "list.csv: 'a/b' and 'a_b' would share a folder"),
        (["Zo\u00eb", "Zoe\u0308"], "list.csv: 'Zo\u00eb' and 'Zoe\u0308' would share a folder"),
        (["Ann", "  "], "list.csv: an image has an empty name; give each image a name"),
        (["x" * (LONGEST + 1)], f"list.csv: the name {'x' * 40!r}… is longer than 240 bytes; shorten it"),
        (["é" * 121], "list.csv: the name"),
    ],
)
def test_names_that_can_have_no_folder_of_their_own_are_told(identities, line):
    _, (problem,) = name_folders(identities, Path("list.csv"))
    assert str(problem).startswith(line)
