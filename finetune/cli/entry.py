"""The entry point of the command line: the subcommands, and their errors as single lines and an exit status."""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import keyword
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from finetune import __version__
from finetune.errors import FinetuneError
from finetune.progress import say_aside
from finetune.words import did_you_mean, escaped, listed

GROUPS = {
    "Prepare photos": {
        "import": "import CelebA, VGGFace2, CASIA-WebFace, a CSV or arrays into one folder per person",
        "lfw": "download LFW and its pairs file",
        "align": "find faces in photos and crop them as FaceNet did",
        "doctor": "report the problems of a dataset of faces, and move suspect images aside",
        "split": "split a folder of people by images or by identities",
        "pairs": "draw pairs from a folder of people, as text, a table, or one file with their images",
    },
    "Fine-tune": {
        "check": "check a recipe and report all problems; open none of its files",
        "schema": "print the JSON schema of recipes, for completion and checks in editors",
        "augment": "draw a sheet of training images as a recipe augments them",
        "plan": "show what a recipe would train and cost, without running it",
        "run": "run a recipe: train its stages and validate on LFW after each",
        "tune": "search a recipe's keys for better values, or test a range of learning rates",
        "report": "write the results of runs as one HTML file",
        "validate": "validate a checkpoint on LFW's pairs as FaceNet does",
        "templates": "measure a checkpoint on templates, as for IJB-B and IJB-C",
    },
    "Recognize people": {
        "embed": "write the embeddings of aligned faces",
        "enroll": "add photos of people to a gallery, and create it if needed",
        "gallery": "list a gallery; rename, merge and remove people; export it; migrate it to another checkpoint",
        "identify": "identify faces in photos with a gallery, or answer unknown",
        "cluster": "find the people in a folder of photos without names, and correct what was found",
        "compare": "compare the faces in photos, and decide which of them show the same person",
        "classify": "train and test a classifier on embeddings, as FaceNet's classifier.py does",
    },
    "Look after checkpoints": {
        "export": "export a checkpoint to another format, and check it in that format's runtime",
        "inspect": "list the contents of a checkpoint",
        "cache": "list or clear finetune's caches",
        "demo": "fine-tune on drawn faces, in minutes",
    },
}
"""The commands with their summaries, in groups in the order of the work."""
COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}
SYNONYMS = {
    "train": "run",
    "finetune": "run",
    "evaluate": "validate",
    "test": "validate",
    "verify": "compare",
    "predict": "identify",
    "recognize": "identify",
    "recognise": "identify",
    "detect": "align",
    "convert": "export",
    "freeze": "export",
    "clean": "doctor",
}
"""Commands by the names that other tools have for them."""
WORDS_FOR = {
    "deepface": "--to h5 --names deepface",
    "keras-facenet": "--to h5 --names keras-facenet",
    "facenet-pytorch": "--to pytorch",
}
"""Options of an export by the program that it is for."""


OBJECTS = 10_000
"""New objects after which Python looks for garbage. Imports make many objects and no garbage: with the default of 700 a
short command spends about a twelfth of its time on the search."""


class _Formatter(argparse.HelpFormatter):
    """A formatter that shows the commands in their groups, and examples one per line."""

    def _format_action(self, action: argparse.Action) -> str:
        if action.dest != "command":
            return super()._format_action(action)
        parts = []
        for title, commands in GROUPS.items():
            parts.append(f"\n  {title}:\n")
            for name, summary in commands.items():
                first, *rest = textwrap.wrap(summary, self._width - 14)
                parts += [f"    {name:10}{first}\n", *(f"{'':14}{line}\n" for line in rest)]
        return "".join(parts)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without argparse's usage text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter} | options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print the message as one line and exit with status 2."""
        self.exit(2, f"{self.prog}: {escaped(message)}; see {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Suggest the nearest command or choice for an unknown one."""
        if action.dest == "command" and value not in COMMANDS:
            near = f"did you mean {SYNONYMS[value]!r}?" if value in SYNONYMS else did_you_mean(value, COMMANDS)
            advice = near or f"give one of {listed(COMMANDS, 'or')}; see {self.prog} --help"
            self.exit(2, f"{self.prog}: {value!r} is not a command; {advice}\n")
        if action.choices and value not in action.choices and action.dest in ("to", "names") and value in WORDS_FOR:
            raise argparse.ArgumentError(action, f"{value} takes {WORDS_FOR[value]}")
        if action.choices and value not in action.choices and (near := did_you_mean(value, tuple(action.choices))):
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} ({near})")
        super()._check_value(action, value)


class _Completion(argparse.Action):
    """An action that prints the shell completion of commands, options and paths, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: object = None) -> NoReturn:
        try:
            import shtab
        except ImportError:
            parser.exit(2, "finetune: shtab is not installed; pip install 'facenet-finetune[completion]'\n")
        _complete_paths(parser, shtab.FILE)
        sys.stdout.write(shtab.complete(parser, shell) + "\n")
        parser.exit(0)


def _complete_paths(parser: argparse.ArgumentParser, files: object) -> None:
    """Enable the completion of paths for all values without choices, in a parser and its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command, files)
        elif action.nargs != 0 and not action.choices:
            action.complete = files  # type: ignore[attr-defined]


def build_parser(only: str | None = None) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command line, and the parsers of the commands by name.

    Args:
        only: command that alone is needed. Of another word, only the help's list of commands is. No other module is
            imported then.
    """
    parser = Parser(prog="finetune", description="Fine-tune TF1-era FaceNet checkpoints.")
    parser.add_argument("--version", action="version", version=f"finetune {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "tcsh"),
        action=_Completion,
        help="print the completion of commands and options for this shell",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, summary in COMMANDS.items():
        if only not in (None, name):
            if only not in COMMANDS:
                subparsers.add_parser(name, help=summary)
            continue
        module = _module(name)
        examples = "\n".join(["examples:", *(f"  {example}" for example in module.EXAMPLES)])
        command = subparsers.add_parser(name, help=summary, description=module.__doc__, epilog=examples)
        module.add_arguments(command)
    return parser, subparsers.choices


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for faults of the program, 2 for mistakes of the user."""
    gc.set_threshold(OBJECTS)
    given = [*(sys.argv[1:] if argv is None else argv)]
    # The completion of a shell needs all arguments.
    everything = any(text.startswith("--print") for text in given)
    word = next((text for text in given if not text.startswith("-")), "")
    parser, commands = build_parser(None if everything else word)
    if not given:
        parser.print_help()
        return 0
    options, rest = parser.parse_known_args(given)
    # argparse leaves arguments after an option unparsed: `finetune run RECIPE --resume key=value`.
    several = next(
        (name for name in ("overrides", "photos", "runs") if isinstance(getattr(options, name, None), list)), None
    )
    if rest and several and not any(text.startswith("-") for text in rest):
        getattr(options, several).extend(rest)
    elif rest:
        _refuse(rest, commands[options.command], takes_settings=several == "overrides")
    module = _module(options.command)
    # TensorFlow's notes would hide the one line that matters. Commands import it after all checks that need no
    # TensorFlow.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        module.run(options)
        sys.stdout.flush()
    except FinetuneError as error:
        for problem in error.problems:
            say_aside(f"finetune {options.command}: {escaped(str(problem))}")
        return error.exit_status
    except KeyboardInterrupt:
        say_aside(f"finetune {options.command}: interrupted")
        return 130
    except BrokenPipeError:
        # The reader of the output has closed it, as `| head` does. Python must not write to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno == errno.ENAMETOOLONG:
            say_aside(f"finetune {options.command}: {where}a name that is too long; give a shorter one")
            return 2
        say_aside(f"finetune {options.command}: {where}{error.strerror or error}")
        return 1
    except Exception as error:
        if os.environ.get("FINETUNE_DEBUG"):
            raise
        first = (str(error).strip() or "no message").splitlines()[0]
        say_aside(
            f"finetune {options.command}: internal error: {type(error).__name__}: {first} "
            "(FINETUNE_DEBUG=1 shows where; please report it)",
        )
        return 1
    return 0


def _refuse(rest: Sequence[str], command: Parser, *, takes_settings: bool) -> NoReturn:
    """Exit because of arguments that a command does not know, with the nearest one that it knows."""
    setting = next((text.lstrip("-") for text in rest if text.startswith("-") and "=" in text), None)
    unknown = next((text.partition("=")[0] for text in rest if text.startswith("--")), "")
    hint = ""
    if takes_settings and not setting:
        from finetune.recipe import Recipe

        key = unknown.lstrip("-").replace("-", "_")
        setting = f"{key}=…" if key in Recipe.model_fields else None
    if setting and takes_settings:
        hint = f"; settings of a recipe have no dashes: {setting}"
    elif near := did_you_mean(unknown, tuple(command._option_string_actions)):
        hint = f" ({near})"
    command.error(f"unrecognized arguments: {' '.join(rest)}{hint}")


def _module(command: str) -> ModuleType:
    """Return a command's module. That of `import`, a keyword of Python, has an underscore after its name."""
    return importlib.import_module(f"finetune.cli.{command}" + "_" * keyword.iskeyword(command))
