"""Commands that need no TensorFlow answer before it is imported, and near names are proposed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from finetune.cli import COMMANDS, main

WITHOUT_TENSORFLOW = """
import contextlib, io, json, sys
sys.modules["tensorflow"] = None  # an import of it fails
from finetune.cli import main
answers = []
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        answers.append([main(line), stderr.getvalue()])
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_what_is_missing_is_told_before_tensorflow_is_imported(tmp_path):
    nowhere, used = str(tmp_path / "nowhere"), str(tmp_path)
    (tmp_path / "face.png").write_bytes(b"anything")
    people = tmp_path / "people"
    people.mkdir()
    face = str(tmp_path / "face.png")
    lines = [
        ["run", nowhere],
        ["plan", nowhere],
        ["check", nowhere],
        ["inspect", nowhere],
        ["validate", nowhere, "--lfw", used, "--pairs", face],
        ["embed", used, nowhere, "out.npz"],
        ["embed", nowhere, used, str(tmp_path / "out.npz")],
        ["classify", used, nowhere],
        ["export", nowhere, str(tmp_path / "out"), "--to", "onnx"],
        ["identify", nowhere, face],
        ["compare", face, face, "--gallery", nowhere],
        ["compare", face, face, "--checkpoint", nowhere],
        ["enroll", str(tmp_path / "g.h5"), nowhere],
        ["enroll", str(tmp_path / "g.h5"), str(people), "--checkpoint", nowhere],
        ["doctor", nowhere, "--checkpoint", nowhere],
        ["demo", "--output", used],
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, json.dumps(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for line, (status, answer) in zip(lines, json.loads(done.stdout), strict=True):
        assert (line, status) == (line, 2), answer
        assert answer.startswith(f"finetune {line[0]}: ")
        assert nowhere in answer or line[0] == "demo"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("algin", "finetune: 'algin' is not a command; did you mean 'align'?\n"),
        ("Identify", "finetune: 'Identify' is not a command; did you mean 'identify'?\n"),
        ("xyzzy", f"finetune: 'xyzzy' is not a command; give one of {', '.join([*COMMANDS][:-1])} or demo; see "),
    ],
)
def test_a_command_that_is_nearly_one_is_asked_for(typed, answer, capsys):
    with pytest.raises(SystemExit) as ended:
        main([typed])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(answer)


@pytest.mark.parametrize(
    "line",
    [["check", "{recipe}"], ["doctor", "{folder}/\x1b[2J\u202e"]],
)
def test_what_a_terminal_acts_on_is_printed_as_an_escape(tmp_path, capsys, line):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('"\\e[2J\\u202Ekey": 1\n')
    assert main([part.format(recipe=recipe, folder=tmp_path) for part in line]) == 2
    captured = capsys.readouterr()
    assert "\\x1b[2J\\u202e" in captured.err
    assert "\x1b" not in captured.err + captured.out
    assert "\u202e" not in captured.err + captured.out


def test_what_a_checkpoint_file_names_is_printed_with_escapes(tmp_path, capsys):
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "/old/\\033]0;owned\\007\\342\\200\\256gnp"\n')
    assert main(["inspect", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "names /old/\\x1b]0;owned\\x07\\u202egnp, which isn't there" in said
    assert {"\x1b", "\x07", "\u202e"}.isdisjoint(said)


@pytest.mark.parametrize(
    "line", [["check", "{name}"], ["gallery", "{name}"], ["report", "{name}"], ["lfw", "fetch", "{name}"]]
)
def test_a_name_that_is_too_long_is_one_line_of_advice(tmp_path, capsys, line):
    assert main([part.format(name=tmp_path / ("x" * 300)) for part in line]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("a name that is too long; give a shorter one")


def test_a_recipe_names_no_path_that_is_too_long(tmp_path, capsys):
    (tmp_path / "r.yaml").write_text(f"checkpoint: a\noutput: {'x' * 300}\ndata: {{train: b}}\nstages: []\n")
    assert main(["check", str(tmp_path / "r.yaml")]) == 2
    assert "r.yaml:2 output: found a name of 300 bytes; give one of at most 255" in capsys.readouterr().err
