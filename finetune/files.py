"""Atomic writing of files and folders, under a temporary name and then renamed; locks; and reading of texts."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from finetune.errors import DataError, FinetuneError, Problem, RunError

LONGEST = 240
"""Largest length of a file name in bytes that leaves room for `.` and `.partial`."""
LARGEST = 2**28
"""Largest size in bytes of a text or a list that is read."""
SMALL = 2**20
"""Largest size in bytes of a handwritten file that is read, such as a recipe."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
State = tuple[int, int, int, int]
"""Inode and size of a file, and the times in nanoseconds at which its content and its inode changed last."""
NO_FILE: State = (0, 0, 0, 0)
UNSETTLED = 2 * 10**9
"""Nanoseconds after a file's change in which another change might leave its times as they are."""


def write(path: Path, fill: Callable[[BinaryIO], object], *, sync: bool = True, private: bool = False) -> None:
    """Write a file whole. After any failure, the previous file is unchanged and no temporary file is left.

    A symbolic link stays, and its target is written. An existing file keeps its mode and its owner.

    Args:
        path: path of the file.
        fill: function that writes the content into the open file.
        sync: whether to wait until the content is on disk, so that even a power failure leaves the file whole. This
            takes some milliseconds per file.
        private: whether a new file is only for its owner (mode 600).

    Raises:
        DataError: `path` exists and is not a regular file.
        RunError: the file can't be written: the disk is full, or the folder is not writable.
    """
    place = Path(os.path.realpath(path))
    name = (
        place.name if len(os.fsencode(place.name)) <= LONGEST else hashlib.sha256(os.fsencode(place.name)).hexdigest()
    )
    partial = place.with_name(f".{name}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        standing = place.stat() if place.exists() else None
        if standing and not stat.S_ISREG(standing.st_mode) and not place.is_dir():
            raise DataError(Problem(path, "not a regular file, so it can't be replaced by one", "give another path"))
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()  # a killed process may have left it, perhaps with another mode
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600 if standing or private else 0o666)
        with open(descriptor, "w+b") as file:
            if standing:
                _as(descriptor, standing)
            fill(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, place)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if not isinstance(error, OSError):
            raise
        advice = "make room" if error.errno in NO_ROOM else "choose another place"
        raise RunError(
            Problem(path, f"can't be written ({error.strerror or error}); what stood there before is whole", advice)
        ) from error


def _as(descriptor: int, standing: os.stat_result) -> None:
    """Give a file the owner and the mode of another, as far as permitted."""
    if (standing.st_uid, standing.st_gid) != (os.geteuid(), os.fstat(descriptor).st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, standing.st_uid, standing.st_gid)
    with contextlib.suppress(OSError):  # some file systems have no modes
        os.fchmod(descriptor, stat.S_IMODE(standing.st_mode))


@contextlib.contextmanager
def restored(*paths: Path) -> Iterator[None]:
    """Put files back as they were if the context ends with an error; files that were not there are removed.

    Second names (hard links) keep the old files meanwhile, so that a full disk does not matter. On a file system
    without them, files that were written before the error stay.
    """
    places = [Path(os.path.realpath(path)) for path in paths]
    kept = {place: place.with_name(f".{place.name}.kept") for place in places}
    there = {place for place in places if place.exists()}
    linked = set()
    try:
        for place in there:
            with contextlib.suppress(OSError):
                kept[place].unlink(missing_ok=True)  # a killed process may have left it
                os.link(place, kept[place])
                linked.add(place)
        yield
    except BaseException:
        for place in places:
            with contextlib.suppress(OSError):
                if place in linked:
                    os.replace(kept[place], place)
                elif place not in there:
                    place.unlink(missing_ok=True)
        raise
    finally:
        for place in linked:
            with contextlib.suppress(OSError):
                kept[place].unlink(missing_ok=True)


def private_folder(path: Path) -> Path:
    """Make a folder and its parents; a new folder is only for its owner (mode 700)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    write(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Write indented JSON."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Make a folder whole. `fill` writes into it under a temporary name. After a failure nothing is left.

    The remains of a killed process are removed by the next process that makes the same folder.

    Raises:
        DataError: `path` is in use, or another process is making it.
        RunError: the folder can't be written.
    """
    refuse_used(path)
    place = Path(os.path.realpath(path))  # `path` may be a link to an empty folder
    partial = place.with_name(f".{place.name}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f".{place.name}.lock")):
            shutil.rmtree(partial, ignore_errors=True)  # a killed process may have left it
            try:
                folder = partial / place.name
                folder.mkdir(parents=True)
                fill(folder)
                os.replace(folder, place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except Held as held:
        raise DataError(Problem(path, f"{held.holder} writes it", "wait for its end, or give another place")) from None
    except OSError as error:
        advice = "make room" if error.errno in NO_ROOM else ""
        raise RunError(
            Problem(path, f"can't be written ({error.strerror or error}); nothing was left there", advice)
        ) from error


def refuse_used(path: Path) -> None:
    """Refuse a path for a new folder unless it is free or an empty folder.

    Raises:
        DataError: the path is in use, or lies within a file.
    """
    standing = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if standing != path and not standing.is_dir():
        raise DataError(Problem(path, f"{standing} is not a folder, and none can be made in it", "give another place"))
    if standing == path and (not path.is_dir() or any(path.iterdir())):
        raise DataError(Problem(path, "already there and not an empty folder", "give another, or remove it"))


class Held(DataError):
    """A lock that another process holds.

    Args:
        path: file of the lock.
        holder: description of the process.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(Problem(path, f"held by {holder}", "wait for its end"))
        self.holder = holder


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock inside the context. The end of this process also releases it, and a release removes the file.

    Args:
        path: file for the lock, in an existing folder.
        wait: whether to wait until the lock is free.

    Raises:
        Held: another process holds the lock, and `wait` is False.
        OSError: the file can't be made.
    """
    import socket

    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    break
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise Held(path, holder or "another process") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the previous holder has removed the file
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def state(path: str | os.PathLike[str]) -> State:
    """Return the state of a file, by which a later change of it is noticed if the state is settled."""
    try:
        status = os.stat(path)
    except OSError:
        return NO_FILE
    return status.st_ino & (2**63 - 1), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def settled(seen: Sequence[int], began: int) -> bool:
    """Return whether every change of a file since the time `began`, in nanoseconds, gives it another state."""
    return max(seen[2:]) < began - UNSETTLED


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds.

    Raises:
        OSError: it can't be removed.
    """
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read(path: Path, most: int = LARGEST) -> bytes:
    """Return the content of a file.

    Args:
        path: path of the file.
        most: largest accepted size in bytes.

    Raises:
        OSError: the file can't be read, is too large, or is not a regular file. A named pipe would block.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a file")
    if path.exists() and path.stat().st_size > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MiB")
    return path.read_bytes()


@contextlib.contextmanager
def reading(path: Path, advice: str) -> Iterator[None]:
    """Turn any error from reading a missing or damaged file into a one-line error.

    Args:
        path: path of the file.
        advice: advice for the error.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        yield
    except FinetuneError:
        raise
    except OSError as error:
        raise DataError(Problem(path, f"can't be read ({error.strerror or 'damaged'})", advice)) from error
    except Exception as error:  # damaged data can make a parser raise anything
        raise DataError(Problem(path, f"damaged ({type(error).__name__})", advice)) from error


def read_text(path: Path, what: str) -> str:
    """Read UTF-8 text, with or without a byte order mark.

    Raises:
        DataError: the file can't be read or is not text; the advice is to give `what`.
    """
    try:
        text = read(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise DataError(Problem(path, f"can't be read ({error.strerror})", f"give {what}")) from error
    except UnicodeDecodeError as error:
        raise DataError(Problem(path, "not a text file", f"give {what}")) from error
    if "\0" in text:
        raise DataError(Problem(path, "not a text file", f"give {what}"))
    return text
