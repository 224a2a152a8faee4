"""The page of commands: every command with its arguments and options, from the parsers that read them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from docs.generate.markdown import bullet, escape, link
from finetune.cli import build_parser

INTRO = """# Commands

Every command ends with status 0 where it did its work, with 2 where the input must be mended, and with 1 for any other
fault. `finetune COMMAND --help` prints the options of one command.

`finetune --print-completion bash` prints the completion of commands, options and paths for a shell; `zsh` and `tcsh`
are known too. It needs the extra `completion`.
"""
NEEDLESS = (None, False, argparse.SUPPRESS, [], ())


def page() -> str:
    """Return the page."""
    _, parsers = build_parser()
    parts = [INTRO, "\n".join(f"- {link(f'`{parser.prog}`')}" for parser in parsers.values())]
    for parser in parsers.values():
        parts += _command(parser, "##", parser.description or "")
    return "\n\n".join(parts)


def _command(parser: argparse.ArgumentParser, mark: str, about: str) -> Iterator[str]:
    """Yield the parts of one command and of its subcommands."""
    yield f"{mark} `{parser.prog}`"
    yield escape(" ".join(about.split()).rstrip(".") + ".")
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    actions = [action for action in parser._actions if action.dest != "help" and action not in below]
    if not below:
        yield "```\n" + _usage(parser.prog, actions) + "\n```"
    if parser.epilog:
        yield "Examples:"
        yield "```bash\n" + "\n".join(line.strip() for line in parser.epilog.splitlines()[1:]) + "\n```"
    for title, group in (
        ("Arguments", [action for action in actions if not action.option_strings]),
        ("Options", [action for action in actions if action.option_strings]),
    ):
        if group:
            yield f"{title}:"
            yield "\n".join(_entry(action) for action in group)
    for action in below:
        for told in action._choices_actions:
            yield from _command(action.choices[told.dest], mark + "#", told.help or "")


def _usage(program: str, actions: list[argparse.Action]) -> str:
    """Return the form of a command: arguments, then required options, then the rest."""
    required = [_form(action) for action in actions if action.option_strings and action.required]
    places = [_form(action) for action in actions if not action.option_strings]
    rest = ["[OPTION …]"] if any(action.option_strings and not action.required for action in actions) else []
    return " ".join([program, *places, *required, *rest])


def _form(action: argparse.Action) -> str:
    """Return an argument or option with its values, as a user types it."""
    names = action.metavar or (action.dest.upper() if action.choices is None else "|".join(map(str, action.choices)))
    if action.nargs == 0:
        values = ""
    elif isinstance(names, tuple):
        values = " ".join(names)
    else:
        values = {"?": f"[{names}]", "*": f"[{names} …]", "+": f"{names} [{names} …]"}.get(str(action.nargs), names)
    return f"{action.option_strings[-1]} {values}".strip() if action.option_strings else values


def _entry(action: argparse.Action) -> str:
    """Return the list entry of one argument or option."""
    told = (action.help or "") % vars(action) if action.help else ""
    facts = [told.strip()]
    if action.metavar and action.choices is not None:
        facts.append("One of " + ", ".join(f"`{choice}`" for choice in action.choices))
    if action.option_strings and action.required:
        facts.append("Required")
    if action.default not in NEEDLESS and action.nargs != 0:
        values = action.default if isinstance(action.default, (list, tuple)) else [action.default]
        facts.append(f"Default: `{' '.join(map(str, values))}`")
    text = ". ".join(fact.rstrip(".") for fact in facts if fact)
    return bullet(_form(action), text + "." if text else "")
