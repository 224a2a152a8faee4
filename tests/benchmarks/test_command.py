"""`python -m benchmarks` reports a mistake in one line with status 2; a quick run leaves figures, tables and a plot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import main, parse

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["heads"],
            "no suite 'heads'; choose from input, known, head, blocks, boundaries, embed, start, validate, memory, "
            "scaling, align, mining, search, mapped, training",
        ),
        (["head", "x", "y"], "no suite 'x', 'y'; choose from"),
        (["--rounds", "0"], "argument --rounds: found 0; give a whole number, 1 or more"),
        (["--rounds", "many"], "argument --rounds: found many; give a whole number, 1 or more"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["--output"], "argument --output: expected one argument"),
    ],
)
def test_a_bad_argument_is_one_line(arguments, message, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks: ")
    assert message in line


def test_the_whole_needs_the_real_data(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("FINETUNE_SHARED", str(tmp_path / "nowhere"))
    assert main(["head", "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"benchmarks: {tmp_path}/nowhere: no facenet in it; set FINETUNE_SHARED")
    assert not list((tmp_path / "out").iterdir())


def test_an_output_that_is_a_file_is_one_line(tmp_path, capsys) -> None:
    (tmp_path / "file").touch()
    assert main(["head", "--output", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"benchmarks: {tmp_path}/file: a file; --output takes a folder"


def test_suites_run_in_their_order_and_all_of_them_without_a_word() -> None:
    assert parse(["embed", "head", "embed"]).names == ["head", "embed"]
    assert len(parse([]).names) == 15
    assert (parse([]).rounds, parse(["--quick"]).rounds, parse(["--quick", "--rounds", "4"]).rounds) == (5, 2, 4)


@pytest.mark.tf
@pytest.mark.slow
def test_a_quick_run_on_drawn_faces(tmp_path) -> None:
    pytest.importorskip("tensorflow")
    command = [sys.executable, "-m", "benchmarks", "validate", "--quick", "--output", tmp_path / "out"]
    environment = os.environ | {"FINETUNE_SHARED": str(tmp_path / "nowhere"), "FINETUNE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "validate / embedding alone" in done.stdout
    assert "not to judge by" in done.stdout
    stored = json.loads((tmp_path / "out/benchmarks.json").read_text())
    assert stored["settings"] == {"rounds": 2, "quick": True, "real_data": False, "suites": ["validate"]}
    assert {len(values) for values in stored["suites"][0]["timings"].values()} == {2}
    assert stored["machine"]["packages"]["tensorflow"]
    left = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"benchmarks.png"} if find_spec("matplotlib") else set()
    assert left == {"benchmarks.json", "benchmarks.md"} | pictures
    assert not (tmp_path / "cache").exists()
