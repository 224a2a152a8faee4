"""Feature files of older tools: pickles of embeddings, labels and names, read without running their code.

Scripts around FaceNet's `classifier.py` write them as `all_features.pkl`. A pickle may only call the functions that
arrays are made with. Even these are replaced by the ones below.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune import pickles
from finetune.errors import DataError, Problem
from finetune.gallery.photos import LEAST_NORM, MOST_NORM, Embeddings
from finetune.pickles import Function, Refused, Rules, Stateful
from finetune.words import counted

MOST_BYTES = 8 * 2**30
_BUILT_BY = """
PROTO FRAME STOP MARK POP POP_MARK MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET DUP
NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_DICT DICT SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD
"""
OPCODES = frozenset(_BUILT_BY.split())
DEPTH, MOST_PARTS = 3, 16
"""Depth and length of the containers that hold the embeddings, labels and names."""
LAYOUT = "embeddings [n, E], labels [n] and names"


def read_features(path: str | os.PathLike[str]) -> tuple[Embeddings, list[str]]:
    """Return the embeddings of a feature file, and the name of each row's person.

    The file holds an array [n, E] of numbers, n integer labels, and strings, one per label or one per row. With n
    strings, the labels may be missing. The parts may be in any order: in a tuple, in a list, as the values of a
    dictionary, or as consecutive pickles.

    Raises:
        DataError: the file holds something else than arrays, lists, numbers and strings, or lacks one of these parts.
            No code of the file has run.
    """
    path = Path(os.path.expanduser(path))
    advice = f"give a pickle of {LAYOUT}"
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MOST_BYTES:
            raise DataError(Problem(path, "not a file" if not path.is_file() else "too large", advice))
        content = path.read_bytes()
    except OSError as error:
        raise DataError(Problem(path, f"can't be read ({error.strerror})", advice)) from error
    try:
        return _features(list(_parts(list(_values(content)), len(content))))
    except Refused as problem:
        raise DataError(Problem(path, str(problem), advice)) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(Problem(path, "not a pickle, or damaged", advice)) from error


def _values(content: bytes) -> Iterator[Any]:
    """Yield the objects of a file that holds one or several consecutive pickles."""
    stream = io.BytesIO(content)
    while stream.tell() < len(content):
        yield pickles.load(stream, _RULES, len(content))


def _find(module: str, name: str) -> Any:
    """Return the replacement of a function that makes arrays; refuse every other name."""
    package = module.partition(".")[0]
    if package in ("numpy", "_codecs") and name in _KNOWN:
        return _KNOWN[name]
    raise Refused(pickles.legible(f"holds {module}.{name}") + ", which is not run")


class _DType(Stateful):
    """Data type of plain numbers or strings, by NumPy's short code."""

    def __init__(self, code: Any, *_: Any) -> None:
        code = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not code or code[0] not in "fiuSUO" or not (code[1:] or "0").isdigit():
            raise Refused(f"holds an array of {str(code)[:20]!r}")
        self.code, self.order = code, "="

    def set_state(self, state: Any) -> None:
        """Take the byte order."""
        self.order = state[1] if state[1] in ("<", ">", "=", "|") else "="

    def numpy(self) -> np.dtype[Any]:
        """Return NumPy's data type."""
        return np.dtype(f"{self.order}{self.code}" if self.code[0] in "fiuSU" else self.code)


class _Array(Stateful):
    """Array under construction; `value` is the array once its state is set."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = None

    def set_state(self, state: Any) -> None:
        """Take shape, type and content, which make the array."""
        _, shape, dtype, fortran, content = state
        self.value = _made(shape, dtype, "F" if fortran else "C", content)


def _made(shape: Any, dtype: Any, order: Any, content: Any) -> Any:
    """Build an array, after checking that the content fits its shape and type."""
    if not isinstance(dtype, _DType) or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise Refused("holds an array of no known kind")
    if dtype.code[0] == "O":
        if not isinstance(content, list) or math.prod(shape) != len(content):
            raise Refused("holds an array whose size is not that of its values")
        return content
    content = content.encode("latin1") if isinstance(content, str) else bytes(content)
    kind = dtype.numpy()
    if not kind.itemsize or math.prod(shape) * kind.itemsize != len(content):
        raise Refused("holds an array whose size is not that of its values")
    return np.frombuffer(content, kind).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "utf-8", "ascii"):
        raise Refused("holds bytes of no known kind")
    return text.encode(encoding)


_KNOWN: dict[str, Any] = {
    "_reconstruct": Function(_Array),
    "ndarray": Function(_Array),
    "dtype": Function(_DType),
    "scalar": Function(lambda dtype, content: _made((), dtype, "C", content).item()),
    "_frombuffer": Function(lambda content, dtype, shape, order: _made(shape, dtype, order, content)),
    "encode": Function(_encode),
}
_RULES = Rules("arrays, lists and strings", OPCODES, _find)


def _parts(value: Any, most: int, depth: int = 0) -> Iterator[Any]:
    """Yield what may be embeddings, labels or names from the containers that hold them.

    Args:
        most: number of values that the file can hold; a list may repeat another list many times.
    """
    value = value.value if isinstance(value, _Array) else value
    held = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(held, (list, tuple)):
        yield held
        return
    rows = [part.value if isinstance(part, _Array) else part for part in held]
    if not any(isinstance(row, (list, tuple, dict, np.ndarray)) for row in rows):
        yield rows
        return
    if sum(len(row) for row in rows if isinstance(row, (list, tuple))) > most:
        raise Refused("holds lists within lists that are larger than the file")
    table = _table(rows)
    if table is not None:
        yield table
    elif depth > DEPTH or len(rows) > MOST_PARTS:
        raise Refused("holds lists within lists")
    else:
        for row in rows:
            yield from _parts(row, most, depth + 1)


def _table(rows: list[Any]) -> npt.NDArray[Any] | None:
    """Return embeddings that were kept as a list of rows; None for anything else."""
    if not all(
        row.ndim == 1 if isinstance(row, np.ndarray) else isinstance(row, list) and {*map(type, row)} <= {int, float}
        for row in rows
    ):
        return None
    if len({len(row) for row in rows}) != 1 or not len(rows[0]) or len(rows) == 1:
        return None
    array = np.stack([np.asarray(row) for row in rows])
    return array if array.dtype.kind == "f" else None


def _features(parts: list[Any]) -> tuple[Embeddings, list[str]]:
    tables = [part for part in parts if isinstance(part, np.ndarray) and part.ndim == 2 and part.dtype.kind in "fiu"]
    flat = [np.asarray(part).ravel().tolist() for part in parts if not any(part is table for table in tables)]
    texts = [_texts(values) for values in flat if values and all(isinstance(value, (str, bytes)) for value in values)]
    numbers = [values for values in flat if values and all(type(value) is int for value in values)]
    if len(tables) != 1 or len(texts) != 1 or len(numbers) > 1 or len(tables) + len(texts) + len(numbers) != len(parts):
        raise Refused(f"holds {len(tables)} tables, {len(numbers)} lists of whole numbers, {len(texts)} of strings")
    table, names = tables[0].astype(np.float64), texts[0]
    lengths = np.linalg.norm(table, axis=1)
    if not len(table) or not ((lengths > LEAST_NORM) & (lengths < MOST_NORM)).all():  # NaN fails both comparisons
        raise Refused("holds embeddings that are not numbers, zero, or none")
    labels = numbers[0] if numbers else []
    if len(names) == len(table) and (not labels or len(set(names)) < len(names) or len(labels) != len(table)):
        whose = names
    elif len(labels) == len(table) and min(labels) >= 0 and max(labels) < len(names):
        whose = [names[label] for label in labels]
    else:
        raise Refused(
            f"{counted(len(table), 'embedding')}, {counted(len(labels), 'label')} and {len(names)} "
            f"names, which don't fit together"
        )
    return table.astype(np.float32), whose


def _texts(values: list[Any]) -> list[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
