"""The pickle in a `.bin` file of InsightFace: encoded images and the labels of their pairs, without running its code.

Each image is handed on as soon as it is read, so that the memory does not grow with the file. What stands for it in
the pickle is its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from finetune import pickles
from finetune.pickles import Bounded, Function, Refused, Rules, Stateful
from finetune.words import counted

MOST_BYTES = 4 * 2**30
"""Largest size of a file."""
LONGEST = 2**26
"""Largest size of a single value: an image, in Python 2's longest spelling."""
MOST_STEPS = 4_000_000
"""Largest number of instructions, some 300 times as many as in the published sets."""
MOST_IMAGES = 200_000
MOST_OTHERS = 2**22
"""Largest size in bytes of all texts that are not images."""
_SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_BUILT_BY = """
PROTO FRAME STOP MARK POP POP_MARK MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET
NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL STACK_GLOBAL REDUCE BUILD
"""
CONTENTS = "images and labels"


class Stored(NamedTuple):
    """Image that was handed on.

    Attributes:
        name: name that it was given.
        size: its size in bytes.
    """

    name: str
    size: int


class Content(NamedTuple):
    """Names of the images, two per pair, and whether each pair is of one person."""

    images: list[str]
    is_same: list[bool]


def load(path: Path, store: Callable[[bytes, str], str]) -> Content:
    """Read the pairs of a file.

    Args:
        path: file.
        store: function that keeps an encoded image, given with the suffix of its format, and returns its name.

    Raises:
        Refused: the file holds something else. No code of it has run.
        OSError: the file can't be read, or the images can't be kept.
        Exception: the file is damaged. Any kind of exception may be raised, none of it by the file's code.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        texts = _Texts(store)
        rules = Rules(CONTENTS, frozenset(_BUILT_BY.split()), _find, most_steps=MOST_STEPS, text=texts.keep)
        return _content(pickles.load(Bounded(file, size, LONGEST), rules, size))


class _Texts:
    """Texts and bytes of a pickle: images are handed on, and others are kept while they are small."""

    def __init__(self, store: Callable[[bytes, str], str]) -> None:
        self._store, self._names, self._others = store, set[str](), 0

    def keep(self, value: str | bytes | bytearray) -> Any:
        """Return what stands for a text: an image's name, or the text itself. Python 2 has text for bytes."""
        try:
            content = value.encode("latin1") if isinstance(value, str) else bytes(value)
        except UnicodeEncodeError:
            raise Refused("holds text, not images") from None
        suffix = next((suffix for start, suffix in _SIGNATURES.items() if content.startswith(start)), None)
        if suffix is None:
            self._others += len(content)
            if self._others > MOST_OTHERS:
                raise Refused("holds images that are neither JPEG nor PNG")
            return value
        stored = Stored(self._store(content, suffix), len(content))
        self._names.add(stored.name)
        if len(self._names) > MOST_IMAGES:
            raise Refused(f"holds more than {MOST_IMAGES:,} images")
        return stored


class _Array(Stateful):
    """NumPy's array of bytes, or of truth values. `value` is set with its state."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = None

    def set_state(self, state: Any) -> None:
        """Take the content, of which there must be one byte per item."""
        _, shape, dtype, _, content = state
        self.value = _checked(content, shape, dtype)


class _DType(Stateful):
    """NumPy's data type, by its short code."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code

    def set_state(self, state: Any) -> None:
        """Ignore the byte order: items have one byte."""


def _checked(content: Any, shape: Any, dtype: Any) -> Any:
    size = content.size if isinstance(content, Stored) else len(content)
    one_byte = isinstance(dtype, _DType) and dtype.code in ("u1", "i1", "b1", "B", "b", "?", "|u1", "|b1", "|i1")
    if not one_byte or not all(type(side) is int and side >= 0 for side in shape) or math.prod(shape) != size:
        raise Refused("holds arrays that are not encoded images")
    if isinstance(content, Stored):
        return content
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def _made_bytes(content: Any = b"", *_: Any) -> Any:
    """Return bytes as Python's `bytearray`, or `_codecs.encode` with Latin-1, would make them."""
    if not isinstance(content, (Stored, str, bytes)):
        raise Refused("holds bytes of no known kind")
    return content.encode("latin1") if isinstance(content, str) else content


def _from_buffer(content: Any, dtype: Any, shape: Any, *_: Any) -> Any:
    return _checked(content, shape, dtype)


def _scalar(dtype: Any, content: Any) -> Any:
    value = _checked(content, (1,), dtype)
    return value[0] if isinstance(value, bytes) else value


_KNOWN = {
    "_reconstruct": Function(_Array),
    "ndarray": Function(_Array),
    "dtype": Function(_DType),
    "scalar": Function(_scalar),
    "_frombuffer": Function(_from_buffer),
    "encode": Function(_made_bytes),
    "bytearray": Function(_made_bytes),
}
"""Replacements of the functions that make arrays and bytes."""
_MODULES = ("numpy", "_codecs", "builtins", "__builtin__")


def _find(module: str, name: str) -> Any:
    """Return the replacement of a function that makes arrays or bytes; refuse every other name."""
    if isinstance(module, str) and module.partition(".")[0] in _MODULES and name in _KNOWN:
        return _KNOWN[name]
    raise Refused(pickles.legible(f"holds {module}.{name}") + ", which is not run")


def _content(value: Any) -> Content:
    """Return the images and labels of the pickle's object, which is a pair of lists."""
    parts = [part.value if isinstance(part, _Array) else part for part in value] if _is_list(value) else []
    if len(parts) != 2 or not _is_list(parts[0]) or not (_is_list(parts[1]) or isinstance(parts[1], bytes)):
        raise Refused("holds something else than a list of images and a list of labels")
    images = [image.value if isinstance(image, _Array) else image for image in parts[0]]
    labels = list(parts[1])
    if not labels or len(images) != 2 * len(labels):
        found = f"holds {counted(len(images), 'image')} and {counted(len(labels), 'label')}"
        raise Refused(f"{found}, where each pair has two images and a label")
    other = next((place for place, image in enumerate(images) if not isinstance(image, Stored)), None)
    if other is not None:
        raise Refused(f"holds as image {other + 1} of {len(images)} what is neither JPEG nor PNG")
    if not all(isinstance(label, int) and label in (0, 1) for label in labels):
        raise Refused("holds labels that are neither true nor false")
    return Content([image.name for image in images], [bool(label) for label in labels])


def _is_list(value: Any) -> bool:
    return type(value) in (list, tuple)
