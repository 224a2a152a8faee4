"""Files are written whole or not at all."""

from __future__ import annotations

import errno

import pytest

from finetune import files
from finetune.errors import RunError


def test_a_failure_in_the_middle_leaves_what_stood_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def fill(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"a\.txt: can't be written \(No space left on device\)"):
        files.write(path, fill)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_json_reads_back(tmp_path):
    import json

    path = tmp_path / "new/deep/a.json"
    files.write_json(path, {"ä": [1, 2.5, None]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ä": [1, 2.5, None]}


def test_a_folder_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't be written"):
        files.write_text(tmp_path / "file/a.txt", "")
