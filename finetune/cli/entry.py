"""The command line: which subcommands there are, and how their errors become one line and an exit status."""

from __future__ import annotations

import argparse
import errno
import importlib
import keyword
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from finetune import __version__
from finetune.errors import FinetuneError
from finetune.progress import say_aside
from finetune.words import did_you_mean, escaped, listed

COMMANDS = {
    "import": "bring CelebA, VGGFace2, CASIA-WebFace, a CSV or arrays into one folder per person",
    "lfw": "fetch LFW and its pairs file",
    "align": "find the faces of photos and cut them as FaceNet did",
    "doctor": "say what is wrong with a folder of people's faces, and move suspects aside",
    "split": "part a folder of people by images or by identities",
    "pairs": "draw a pairs file in LFW's form from any folder of people",
    "check": "read a recipe and say everything that is wrong with it",
    "schema": "print the JSON schema of recipes, by which editors complete and check them",
    "plan": "say what a recipe's run would do and cost, without doing it",
    "run": "run a recipe: train its stages, measure LFW after each",
    "report": "show what runs gave as one HTML file",
    "validate": "measure a checkpoint on LFW's pairs as FaceNet does",
    "embed": "write the embeddings of a folder of aligned faces",
    "enroll": "add people's photos to a gallery, or make it",
    "gallery": "list a gallery; rename, merge and remove people; write it out",
    "identify": "name the faces of photos by a gallery, or say unknown",
    "compare": "say how far apart two photos' faces are, and whether they show one person",
    "classify": "train and test a classifier on embeddings, as FaceNet's classifier.py does",
    "export": "bring a checkpoint into another format, and prove it by that format's own runtime",
    "inspect": "list what a checkpoint holds",
    "cache": "list what finetune keeps in the user's cache, and empty it",
    "demo": "run the main job on synthetic faces, within three minutes",
}


class Parser(argparse.ArgumentParser):
    """Answers a mistake in one line, as the rest of finetune does, where argparse puts the usage before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {escaped(message)}; see {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Ask of a command that is nearly one of ours whether that was meant."""
        if action.dest == "command" and value not in COMMANDS:
            near = did_you_mean(value, COMMANDS)
            advice = near or f"give one of {listed(COMMANDS, 'or')}; see {self.prog} --help"
            self.exit(2, f"{self.prog}: {value!r} is not a command; {advice}\n")
        super()._check_value(action, value)


class _Completion(argparse.Action):
    """Prints the completion of commands, options and paths for a shell, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: object = None) -> NoReturn:
        try:
            import shtab
        except ImportError:
            parser.exit(2, "finetune: shtab is not installed; pip install 'facenet-finetune[completion]'\n")
        _complete_paths(parser, shtab.FILE)
        sys.stdout.write(shtab.complete(parser, shell) + "\n")
        parser.exit(0)


def _complete_paths(parser: argparse.ArgumentParser, files: object) -> None:
    """Complete paths wherever a parser, or one of its commands, takes a value without choices."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command, files)
        elif action.nargs != 0 and not action.choices:
            action.complete = files  # type: ignore[attr-defined]


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command line, and the parser of each command by its name."""
    parser = Parser(prog="finetune", description="Fine-tunes TF1-era FaceNet checkpoints.")
    parser.add_argument("--version", action="version", version=f"finetune {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "tcsh"),
        action=_Completion,
        help="print the completion of commands and options for a shell",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        module = _module(name)
        module.add_arguments(subparsers.add_parser(name, help=summary, description=module.__doc__))
    return parser, subparsers.choices


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for our faults, 2 for the user's mistakes."""
    parser, commands = build_parser()
    options, rest = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    # argparse leaves aside what comes after an option: `finetune run RECIPE --resume key=value`.
    several = next(
        (name for name in ("overrides", "photos", "runs") if isinstance(getattr(options, name, None), list)), None
    )
    if rest and several and not any(text.startswith("-") for text in rest):
        getattr(options, several).extend(rest)
    elif rest:
        commands[options.command].error(f"unrecognized arguments: {' '.join(rest)}")
    module = _module(options.command)
    # TensorFlow's notes would stand between the user and the one line that matters. Commands import it when they have
    # checked what needs no TensorFlow.
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
        # The reader of our output has gone, as `| head` does; nothing more can be said to it.
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


def _module(command: str) -> ModuleType:
    """A command's; `import` is Python's own word, so that it has an underscore after it."""
    return importlib.import_module(f"finetune.cli.{command}" + "_" * keyword.iskeyword(command))
