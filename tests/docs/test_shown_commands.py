"""The documentation shows only commands and options that finetune has."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.cli import COMMANDS, Parser, build_parser
from tests.docs import outputs

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
END = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<"}


def shown(path: Path) -> Iterator[list[str]]:
    """Yield the words of each finetune command in a page's blocks of shell code."""
    for block in outputs.code(path, "bash", "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if "finetune " not in line:
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            starts = [place for place, word in enumerate(words) if word == "finetune" or word.endswith("/finetune")]
            for start in starts:
                rest = words[start + 1 :]
                yield rest[: next((place for place, word in enumerate(rest) if word in END), len(rest))]


parsers = functools.cache(build_parser)


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the parser's message about a command; empty if it accepts the command."""
    parser, commands = parsers()
    try:
        if not any(mark in word for word in words for mark in ("…", "...", "[")):
            _, rest = parser.parse_known_args(words)
            return " ".join(word for word in rest if word.startswith("-"))
    except SystemExit as ended:
        return capsys.readouterr().err if ended.code else ""
    if words[0] not in commands:
        return f"{words[0]} is not a command"
    known = {option for part in _parts(commands[words[0]], words) for option in part._option_string_actions}
    options = [word.strip("[]").partition("=")[0] for word in words if word.strip("[]").startswith("--")]
    return " ".join(option for option in options if option not in known)


def _parts(command: Parser, words: list[str]) -> Iterator[Parser]:
    """Yield a command and its subcommands that the words name, including alternatives such as csv|arrays."""
    yield command
    named = {part for word in words for part in word.split("|")}
    for action in command._actions:
        if isinstance(action.choices, dict) and not action.option_strings:
            yield from (below for name, below in action.choices.items() if name in named)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_is_shown_is_one_that_finetune_takes(path, capsys):
    refused = {shlex.join(words): said for words in shown(path) if (said := refusal(words, capsys))}
    assert refused == {}


def test_commands_are_found_in_blocks_and_wrong_ones_are_refused(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nnohup finetune run r.yaml \\\n  a=1 > log &   # says\nfinetune dance | tee x\n"
        "finetune embed C … --wings\nfinetune embed C … --precision bfloat16\n```\n```python\nfinetune no\n```\n"
    )
    commands = list(shown(page))
    assert commands[:2] == [["run", "r.yaml", "a=1"], ["dance"]]
    said = [refusal(words, capsys) for words in commands]
    assert [bool(text) for text in said] == [False, True, True, False]
    assert "not a command" in said[1]
    assert said[2] == "--wings"


def test_the_documentation_shows_every_command_but_a_few():
    words = {command[0] for path in FILES for command in shown(path) if command}
    assert len(words & set(COMMANDS)) > len(COMMANDS) / 2
