"""An output file may be a link. Its target is checked, and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune import files
from finetune.cli.values import new_file
from finetune.errors import FinetuneError


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_whether_its_file_is_there_or_is_to_be_made(tmp_path: Path, there: bool):
    link, target = tmp_path / "link", tmp_path / "disk/file"
    target.parent.mkdir()
    link.symlink_to(target)
    if there:
        target.write_text("before")
    files.write_text(new_file(str(link)), "after")
    assert link.is_symlink()
    assert target.read_text() == "after"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("disk", "link: a folder; give the name of a file to write"),
        ("/dev/null", "link: a device; give the name of a file to write"),
        ("none/file", "none: no such folder; make it first"),
        ("disk/file/below", "disk/file: no such folder; make it first"),
        ("photos/new", "link: lies in "),
    ],
)
def test_where_a_link_leads_nowhere_that_can_be_written_it_is_refused(tmp_path: Path, target: str, said: str):
    for name in ("disk", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "disk/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(FinetuneError) as refused:
        new_file(str(tmp_path / "link"), tmp_path / "photos")
    assert str(refused.value).startswith(f"{tmp_path}/{said}")
    assert refused.value.exit_status == 2
