"""The objects in PyTorch's pickles: tensors as places in a file, and placeholders for everything else.

Nothing of PyTorch is imported, and nothing that a pickle names is called; see `finetune.pickles`.
"""

from __future__ import annotations

import dataclasses
import math
from io import BytesIO
from typing import Any

import ml_dtypes  # a dependency of TensorFlow
import numpy as np

from finetune import pickles
from finetune.pickles import Bounded, Function, Inert, Refused, Rules

MOST_BYTES = 2**26
"""Largest size of a pickle in bytes; one of FaceNet's state dict has 60,000."""
MOST_STEPS = 2**20
"""Largest number of instructions in a pickle. A tensor takes twenty; each may take a hundred bytes of memory."""
MOST_VALUES = 2**59
"""Largest number of values, and largest step between two of them, beyond any file."""
MOST_DIMENSIONS = 32
_BUILT_BY = """
PROTO FRAME STOP MARK POP POP_MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET DUP
NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT
BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET
GLOBAL STACK_GLOBAL REDUCE NEWOBJ NEWOBJ_EX BUILD BINPERSID
"""
OPCODES = frozenset(_BUILT_BY.split())
"""The instructions of protocols 2 to 5. `torch.save` writes protocol 2 unless it is told otherwise."""
_DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


@dataclasses.dataclass(frozen=True)
class Storage:
    """Part of the values that a file holds under one key.

    Attributes:
        key: key of the values in the file.
        dtype: type of the values.
        start: index of the first value.
        values: number of values.
    """

    key: str
    dtype: np.dtype[Any]
    start: int
    values: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """View of a storage.

    Attributes:
        storage: storage with the values.
        offset: index of the first value in the storage.
        shape: shape of the tensor.
        strides: steps in the storage between neighbours along each dimension, in values.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> int:
        """Number of the storage's values from the first to the last of the tensor, 0 for an empty tensor."""
        return _span(self.shape, self.strides)

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes, with empty dimensions counted as 1."""
        return math.prod(max(side, 1) for side in self.shape) * self.storage.dtype.itemsize


class Objects:
    """Reader of the pickles of one file.

    Attributes:
        dtypes: types of the values by key.
    """

    def __init__(self) -> None:
        self.dtypes: dict[str, np.dtype[Any]] = {}
        self._rules = Rules("tensors and plain values", OPCODES, _find, self._storage, MOST_STEPS)

    def load(self, stream: Bounded | BytesIO) -> Any:
        """Return the object of a pickle, with `Tensor` for tensors and `Inert` for all that is unknown.

        Raises:
            Refused: the pickle holds instructions or names that are not allowed.
            Exception: the pickle is damaged.
        """
        return pickles.load(stream, self._rules, MOST_BYTES)

    def _storage(self, persistent_id: Any) -> Any:
        """Return the storage of a persistent id; or the class, for an id that gives the source of a module's class."""
        if not isinstance(persistent_id, tuple):
            raise ValueError("a storage that is not described")
        if persistent_id[0] == "module":
            return persistent_id[1]
        word, dtype, key, _, values, *rest = persistent_id
        if isinstance(dtype, Inert):
            return dtype
        start, count = 0, values
        if rest and rest[0] is not None:  # PyTorch before 0.4 knew storages that are parts of others
            _, start, count = rest[0]
        known = word == "storage" and isinstance(dtype, np.dtype) and isinstance(key, str)
        if not known or not all(map(_counts, (values, start, count))) or start + count > values:
            raise ValueError("a storage that is not described")
        if self.dtypes.setdefault(key, dtype) != dtype:
            raise ValueError(f"storage {pickles.legible(key)} has two types")
        return Storage(key, dtype, start, count)


def _counts(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_VALUES


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    if 0 in shape:
        return 0
    return 1 + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor | Inert:
    """Build a tensor, after checking that its values lie in the storage.

    It gets what PyTorch's `_rebuild_tensor_v2` gets. The rest are gradients and hooks.
    """
    if isinstance(storage, Inert):
        return Inert(storage.name)
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor that is not described")
    if len(shape) > MOST_DIMENSIONS or len(shape) != len(strides) or not all(map(_counts, (offset, *shape, *strides))):
        raise ValueError("a tensor without a shape")
    if offset + _span(shape, strides) > storage.values:
        raise ValueError("a tensor that leaves its storage")
    return Tensor(storage, offset, shape, strides)


def _ordered(*arguments: Any) -> dict[Any, Any]:
    """Return the dictionary for an ordered one. Python 2 gives its pairs as a list of lists.

    The list is emptied, so that a pickle can't make many dictionaries from one list.
    """
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    found = {pickles.key(key): value for key, value in pairs}
    pairs.clear()
    return found


def _given(*arguments: Any) -> Any:
    """Return the tensor that a parameter is made of."""
    return arguments[0]


def _of_type(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    """Return the tensor for one that has attributes of its own, which are not read."""
    return function(*arguments) if isinstance(function, Function) else Inert("torch._tensor._rebuild_from_type_v2")


_KNOWN: dict[tuple[str, str], Any] = {
    **{("torch", name): np.dtype(dtype) for name, dtype in _DTYPES.items()},
    ("torch._utils", "_rebuild_tensor"): Function(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
    ("torch._utils", "_rebuild_parameter"): Function(_given),
    ("torch._utils", "_rebuild_parameter_with_state"): Function(_given),
    ("torch._tensor", "_rebuild_from_type_v2"): Function(_of_type),
    ("collections", "OrderedDict"): Function(_ordered),
    ("collections", "defaultdict"): Function(_ordered),
}


def _find(module: str, name: str) -> Any:
    """Return the replacement of a name; a placeholder if it is not known."""
    if (module, name) == ("torch.storage", "_load_from_bytes"):
        raise Refused("holds a file within the file (torch.storage._load_from_bytes), which is not read")
    known = _KNOWN.get((module, name))
    return Inert(pickles.legible(f"{module}.{name}")) if known is None else known
