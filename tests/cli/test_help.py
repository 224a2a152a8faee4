"""Help is shown in the order of the work, with two examples per command, within 80 columns."""

from __future__ import annotations

import pytest

from finetune.cli import COMMANDS, GROUPS, build_parser, main

EIGHTY = 80


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(EIGHTY))


def test_finetune_alone_shows_every_command_in_its_group(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= EIGHTY
    titles = [line.strip().rstrip(":") for line in lines if line.startswith("  ") and line.endswith(":")]
    assert titles == list(GROUPS)
    shown = [line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "]
    assert shown == list(COMMANDS)
    assert main([]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(summary in out for summary in COMMANDS.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_two_examples_that_it_takes(name, capsys):
    parser, commands = build_parser()
    lines = commands[name].format_help().splitlines()
    assert max(map(len, lines)) <= EIGHTY
    *_, title, first, second = lines
    assert title == "examples:"
    for example in (first, second):
        words = example.split(" > ")[0].split()
        assert words[:2] == ["finetune", name]
        options, rest = parser.parse_known_args(words[1:])
        assert (options.command, rest) == (name, [])
