"""Archives with a checkpoint: zip and tar files, unpacked into the user's cache once."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from finetune import files
from finetune.errors import CheckpointError, DataError, Problem
from finetune.paths import cache_folder

FOLDER = "archives"
"""Folder of the user's cache."""
MOST_BYTES, MOST_MEMBERS = 2**33, 10_000
MOST_RATIO, SMALL = 100, 2**26
"""Largest ratio of the unpacked size to the archive's size, for archives whose content is larger than `SMALL` bytes."""
DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error),
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError),
)
"""Exceptions for archives that are damaged or encrypted."""
UNPACK_YOURSELF = "if you trust it, unpack it yourself, and give the folder"


class _Member(NamedTuple):
    """File in an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpacked(path: Path) -> Path:
    """Return the folder with the content of an archive. It has the archive's name, and lies in the user's cache.

    Raises:
        CheckpointError: the archive is damaged, or it names files outside itself, links or devices, or it is much
            larger than a checkpoint. Nothing of it is left then.
        RunError: the content can't be written.
    """
    entry = cache_folder(FOLDER) / files.sha256(path)[:32]
    name = path.name.split(".tar")[0].removesuffix(path.suffix) or "archive"
    if not (entry / name).is_dir():
        files.private_folder(entry.parent)
        shutil.rmtree(entry, ignore_errors=True)  # the same archive had another name
        try:
            files.write_folder(entry, lambda folder: _unpack(path, folder / name))
        except DataError:
            if not (entry / name).is_dir():  # unless another process has just unpacked it
                raise
    return entry / name


def _unpack(path: Path, folder: Path) -> None:
    try:
        with _opened(path) as archive:
            members = list(_members(archive))
            if problem := _problem(members, path.stat().st_size):
                raise CheckpointError(Problem(path, problem, UNPACK_YOURSELF))
            for member in members:
                _write(member, folder / member.name)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in files.NO_ROOM:
            raise
        found = f"is an archive that is damaged or encrypted ({error})"
        raise CheckpointError(Problem(path, found, "download it again, or unpack it yourself")) from error


def _opened(path: Path) -> zipfile.ZipFile | tarfile.TarFile:
    return zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path)


def _members(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    """Yield the files of an archive. Of a zip archive, links are files with the target as their content."""
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]
        return
    for number, member in enumerate(archive):
        if number > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS:,} files")
        if not member.isdir():
            size = member.size if member.isreg() else -1
            yield _Member(member.name, size, lambda member=member: archive.extractfile(member))  # type: ignore[misc]


def _problem(members: list[_Member], size: int) -> str | None:
    """Return why an archive is not unpacked, or None."""
    for member in members:
        parts = PurePosixPath(member.name.replace("\\", "/")).parts
        if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in member.name:
            return f"is an archive with a file outside itself ({member.name[:80]!a})"
        if member.size < 0:
            return f"is an archive with a link or a device ({member.name[:80]!a})"
    whole = sum(member.size for member in members)
    if len(members) > MOST_MEMBERS or whole > MOST_BYTES or (whole > SMALL and whole > MOST_RATIO * size):
        return f"is an archive of {len(members):,} files and {whole / 2**20:,.0f} MiB, more than any checkpoint has"
    return None


def _write(member: _Member, target: Path) -> None:
    """Write a member's content, as many bytes as the archive says that it has."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    if source is None:
        raise ValueError(f"{member.name} has no content")
    with source, target.open("xb") as file:
        left = member.size
        while block := source.read(min(1 << 20, left + 1)):
            left -= len(block)
            if left < 0:
                raise ValueError(f"{member.name} is larger than the archive says")
            file.write(block)
