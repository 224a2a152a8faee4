"""Shells complete commands and options by the script that finetune prints."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from finetune.cli import COMMANDS, main


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_completion_of_each_shell_knows_every_command(shell, capsys):
    text = printed(shell, capsys)
    assert all(command in text for command in COMMANDS)
    assert "subtract-mean" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_each_shell_can_parse_its_completion(shell, tmp_path, capsys):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / f"finetune.{shell}"
    script.write_text(printed(shell, capsys), encoding="utf-8")
    parsed = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")


def test_bash_completes_a_command_and_an_option(tmp_path, capsys):
    script = tmp_path / "finetune.bash"
    script.write_text(printed("bash", capsys), encoding="utf-8")
    asked = """
        source "$1"; COMP_WORDS=($2 "$3"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9
        _shtab_finetune; printf "%s\n" "${COMPREPLY[@]}"
    """

    def completed(before: str, begun: str) -> list[str]:
        command = ["bash", "-c", asked, "bash", str(script), before, begun]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert completed("finetune", "val") == ["validate"]
    assert completed("finetune run recipe.yaml", "--res") == ["--resume"]


def test_without_shtab_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("finetune: shtab is not installed; pip install 'facenet-finetune[completion]'\n")
