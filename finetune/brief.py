"""A base class for results whose repr is one short line, whatever their size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

MOST = 10
"""Largest number of items that are shown one by one; of more items, only the number is shown."""


class Brief:
    """The base of dataclasses that hold arrays, long lists or other results; their decorator needs `repr=False`.

    Arrays are shown by type and shape, long collections by length, and results inside by class name.
    """

    def __repr__(self) -> str:
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(self)  # type: ignore[arg-type]
        shown = (f"{field.name}={_brief(getattr(self, field.name))}" for field in fields if field.repr)
        return f"{type(self).__name__}({', '.join(shown)})"


def _brief(value: Any) -> str:
    if isinstance(value, Brief):
        return f"{type(value).__name__}(…)"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"<{value.dtype} {list(value.shape)}>"
    if isinstance(value, (tuple, list, Mapping, Set)):
        if len(value) > MOST:
            return f"<{type(value).__name__} of {len(value):,}>"
        if isinstance(value, (tuple, list)):
            items = ", ".join(map(_brief, value))
            return f"[{items}]" if isinstance(value, list) else f"({items}{',' * (len(value) == 1)})"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key!r}: {_brief(item)}" for key, item in value.items()) + "}"
    return repr(value)
