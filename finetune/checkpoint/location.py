"""The search for the files of a checkpoint, given a folder, a prefix, or any of its files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from finetune import files
from finetune.checkpoint.archives import unpacked
from finetune.checkpoint.formats import (
    ARCHIVES,
    SAVED_MODEL,
    SAVED_MODEL_FILE,
    SAVED_MODEL_VARIABLES,
    SINGLE_FILES,
    TF1,
    Format,
    in_folder,
    is_archive,
    of_file,
    refusal,
)
from finetune.errors import CheckpointError, Problem
from finetune.words import listed

STATE_FILE = "checkpoint"
"""TensorFlow's file with the name of a folder's latest checkpoint."""

CLASS_NAMES = "class_names.txt"
"""File beside a checkpoint with the names of the head's classes, one per line, in order."""

EXPECTED = "give a folder, a prefix or any file of a TF1 checkpoint, or a file that ends in " + listed(
    [*(form.suffixes[0] for form in SINGLE_FILES), ARCHIVES[0]], "or"
)
"""Advice for a path without a checkpoint."""

DEPTH, SHOWN = 3, 5
"""Levels of folders that are searched for a checkpoint, and number of those found that are named."""
_TABLE_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # the last 8 bytes of every table file of TensorFlow
_SHARD = re.compile(r"\.data-\d{5}-of-(\d{5})$")
_STEP = re.compile(r"-(\d+)$")


@dataclasses.dataclass(frozen=True)
class Located:
    """The files of one checkpoint, all of which exist.

    Attributes:
        format: format of the files.
        prefix: TensorFlow's name of the checkpoint, such as `…/model-20180402-114759.ckpt-275`; for a single file, its
            path.
        files: files that hold the values: the `.index` and each `.data-…` shard, or the single file.
    """

    format: Format
    prefix: Path
    files: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """The folder of the checkpoint."""
        return self.prefix.parent

    @property
    def name(self) -> str:
        """The checkpoint's name, such as `model-20180402-114759.ckpt-275`, or `20180402-114759` for a .pb."""
        return self.prefix.name if self.format is TF1 else self.prefix.stem


def locate(path: str | Path) -> Located:
    """Find the checkpoint at a path.

    Args:
        path: folder, prefix with or without step, a `.index`, `.data-…`, `.meta` or `checkpoint` file, a file in one
            of `SINGLE_FILES`, such as a frozen `.pb`, or an archive of one of these. In a folder, the `checkpoint` file
            decides; without it, the latest step. Where the folder holds none, the only folder below it with a
            checkpoint does. `~` is expanded.

    Raises:
        CheckpointError: there is no checkpoint, more than one is possible, or one of its files is missing.
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError as error:  # `~nobody`
        raise CheckpointError(Problem(path, "no such home folder", EXPECTED)) from error
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.name == STATE_FILE and path.is_file():
            return _named_by_state(path)
        if path.name == SAVED_MODEL_FILE and path.is_file():
            return _saved_model(path)
        if form := of_file(path):
            return _single_file(path, form)
        if is_archive(path):
            return _in_archive(path)
        return _with_prefix(_prefix_of(path), path)
    except OSError as error:
        raise CheckpointError(Problem(path, f"can't be read ({error.strerror})", EXPECTED)) from error


def _in_folder(folder: Path, depth: int = DEPTH, *, unpack: bool = True) -> Located:
    if (folder / STATE_FILE).is_file():
        return _named_by_state(folder / STATE_FILE)
    if (folder / SAVED_MODEL_FILE).is_file():
        return _saved_model(folder / SAVED_MODEL_FILE)
    prefixes = _prefixes(folder)
    if prefixes:
        return _with_prefix(_latest(prefixes, folder), folder)
    single = in_folder(folder)
    if len(single) > 1:
        raise CheckpointError(Problem(folder, f"holds {_names(single)}", "name the one that is meant"))
    for path in single:
        if form := of_file(path):
            return _single_file(path, form)
    shards = [path for path in sorted(folder.iterdir()) if _SHARD.search(path.name)]
    if shards:
        return _with_prefix(_prefix_of(shards[0]), folder)  # raises an error about the missing .index
    within = list(_folders_with_checkpoints(folder, depth))
    if len(within) == 1:
        return _in_folder(within[0], depth=0, unpack=unpack)
    archives = [path for path in sorted(folder.iterdir()) if path.name.endswith(ARCHIVES) and path.is_file()]
    if unpack and not within and len(archives) == 1:
        return _in_archive(archives[0])
    several = [str(path.relative_to(folder)) for path in within] or [path.name for path in archives]
    advice = f"give one of those in it: {', '.join(several[:SHOWN])}" if several else EXPECTED
    raise CheckpointError(Problem(folder, "holds no checkpoint", advice))


def _in_archive(path: Path) -> Located:
    """Find the checkpoint in an archive. Problems name the archive, and not where it was unpacked."""
    folder = unpacked(path)
    try:
        return _in_folder(folder, unpack=False)  # an archive may hold itself
    except CheckpointError as error:
        inside = (Path(problem.where).is_relative_to(folder) for problem in error.problems)
        told = (
            dataclasses.replace(one, where=path / Path(one.where).relative_to(folder)) if within else one
            for one, within in zip(error.problems, inside, strict=True)
        )
        raise CheckpointError(*(dataclasses.replace(one, advice=f"unpack it; {one.advice}") for one in told)) from error


def _folders_with_checkpoints(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the topmost folders below a folder that hold a checkpoint."""
    for child in sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink()):
        if _holds_checkpoint(child):
            yield child
        elif depth > 1:
            yield from _folders_with_checkpoints(child, depth - 1)


def _holds_checkpoint(folder: Path) -> bool:
    return next(folder.glob("*.index"), None) is not None or bool(in_folder(folder))


def _saved_model(path: Path) -> Located:
    """Return the variables of a SavedModel."""
    found = _with_prefix(path.parent / SAVED_MODEL_VARIABLES, path)
    return Located(SAVED_MODEL, path, found.files)


def _content(state: Path) -> bytes:
    try:
        return files.read(state, files.SMALL)
    except OSError as error:
        raise CheckpointError(
            Problem(state, f"can't be read ({error.strerror})", "remove it, or give a checkpoint's prefix")
        ) from error


def _named_by_state(state: Path) -> Located:
    """Find the checkpoint in a `checkpoint` file, first beside that file: the path may be another machine's."""
    match = re.search(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', _content(state), re.MULTILINE)
    if match is None:
        raise CheckpointError(
            Problem(state, "names no model_checkpoint_path", "remove it, or give a checkpoint's prefix")
        )
    try:
        # The text format of protocol buffers escapes UTF-8 bytes in octal, as C does.
        named = match[1].decode("unicode_escape").encode("latin-1").decode("utf-8")
    except UnicodeError as error:
        raise CheckpointError(Problem(state, "is damaged", "remove it, or give a checkpoint's prefix")) from error
    beside = state.parent / PureWindowsPath(named).name  # splits at both kinds of slash
    for prefix in (beside, state.parent / named):
        if _exists(prefix):
            return _with_prefix(prefix, state)
    others = _prefixes(state.parent)
    found = f"names {named}, which isn't there; the folder holds {_names(others) if others else 'no other'}"
    raise CheckpointError(Problem(state, found, "give that one" if others else ""))


def _prefix_of(path: Path) -> Path:
    """Return the prefix that a file of a checkpoint belongs to, or `path` itself if it is a prefix."""
    if path.suffix == ".index":
        return path.with_suffix("")
    if _SHARD.search(path.name):
        return path.with_name(_SHARD.sub("", path.name))
    if path.suffix == ".meta":
        path = path.with_suffix("")
    if _exists(path):
        return path
    # FaceNet writes one model-NAME.meta beside model-NAME.ckpt-STEP for every step.
    start = f"{path.name}.ckpt-"
    steps = [prefix for prefix in _prefixes(path.parent) if prefix.name.startswith(start)]
    return _latest(steps, path.parent) if steps else path


def _exists(prefix: Path) -> bool:
    return prefix.is_file() or _with_suffix(prefix, ".index").is_file() or bool(_shards(prefix))


def _with_suffix(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def _shards(prefix: Path) -> list[Path]:
    if not prefix.parent.is_dir():
        return []
    start = f"{prefix.name}.data-"
    return sorted(p for p in prefix.parent.iterdir() if p.name.startswith(start) and _SHARD.search(p.name))


def _prefixes(folder: Path) -> list[Path]:
    return sorted(path.with_suffix("") for path in folder.glob("*.index")) if folder.is_dir() else []


def _latest(prefixes: list[Path], folder: Path) -> Path:
    """Return the prefix with the highest step. With several trainings in the folder, the user must choose."""
    trainings = {_STEP.sub("", prefix.name) for prefix in prefixes}
    if len(trainings) > 1:
        raise CheckpointError(Problem(folder, f"holds {_names(prefixes)}", "name the one that is meant"))

    def step(prefix: Path) -> int:
        match = _STEP.search(prefix.name)
        return int(match[1]) if match else -1

    return max(prefixes, key=step)


def _with_prefix(prefix: Path, given: Path) -> Located:
    index, shards = _with_suffix(prefix, ".index"), _shards(prefix)
    if not index.is_file() and not shards:
        return _first_format(prefix, given)
    missing = [] if index.is_file() else [index]
    missing += [path for path in _all_shards(prefix, shards) if not path.is_file()]
    if missing:
        raise CheckpointError(
            *(Problem(path, f"is missing, and {prefix.name} can't be read without it") for path in missing)
        )
    return Located(TF1, prefix, (index, *shards))


def _all_shards(prefix: Path, shards: list[Path]) -> list[Path]:
    """Return all shards that should exist, by the total in the last one's name."""
    match = _SHARD.search(shards[-1].name) if shards else None
    total = int(match[1]) if match else 1
    return [_with_suffix(prefix, f".data-{i:05d}-of-{total:05d}") for i in range(total)]


def _first_format(prefix: Path, given: Path) -> Located:
    """Return a checkpoint of TensorFlow before 0.12: one file without index, named like the prefix."""
    if not prefix.is_file():
        found = "no such file or folder" if not given.exists() else f"has no {prefix.name}.index beside it"
        raise CheckpointError(Problem(given, found, EXPECTED))
    with prefix.open("rb") as file:
        file.seek(max(0, prefix.stat().st_size - len(_TABLE_MAGIC)))
        if file.read() != _TABLE_MAGIC:
            raise CheckpointError(refusal(prefix, given) or Problem(given, "is not a checkpoint", EXPECTED))
    return Located(TF1, prefix, (prefix,))


def _single_file(path: Path, form: Format) -> Located:
    if not path.is_file():
        raise CheckpointError(Problem(path, "no such file", EXPECTED))
    return Located(form, path, (path,))


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)
