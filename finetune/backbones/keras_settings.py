"""The settings of a layer in the configuration that Keras stores, each of a type and in a range that can be used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from finetune.backbones.layer_kinds import Function, Padding, Size
from finetune.words import described

LARGEST = 2**16
"""Largest number of filters, units or places that a setting may have."""
MOST_SHOWN = 10**18
"""Largest number that a message shows."""
FUNCTIONS: Mapping[str, Function] = {
    **{function: function for function in get_args(Function)},
    "swish": "silu",
    "hard_swish": "hard_silu",
}
"""Activation functions by the names that Keras gives them."""


class Unreadable(Exception):
    """A setting or a connection of a layer that can't be used; the text says which."""


class Settings:
    """The settings of one layer.

    Args:
        config: configuration of the layer.
        rank: number of axes of its input without that of the batch, or None if it is not known.
    """

    def __init__(self, config: Mapping[str, Any], rank: int | None = None) -> None:
        self._config, self._rank = config, rank

    def get(self, key: str, default: object = None) -> Any:
        """Return a setting as it stands."""
        return self._config.get(key, default)

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a whole number from 1."""
        return whole_number(key, self.get(key, default))

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        return _number(key, self.get(key, default))

    def numbers(self, key: str, default: float) -> tuple[float, ...]:
        """Return one number, or one per channel."""
        found = self.get(key, default)
        found = found if isinstance(found, list) else [found]
        while len(found) == 1 and isinstance(found[0], list):
            found = found[0]  # Keras may store them as [1, 1, 1, channels]
        if not 1 <= len(found) <= LARGEST:
            raise Unreadable(f"has {len(found)} numbers as its {key}")
        return tuple(_number(key, number) for number in found)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        found = self.get(key, default)
        if not isinstance(found, bool):
            raise Unreadable(f"has {shown(found)} as its {key}, not true or false")
        return found

    def size(self, key: str, default: Any = None, least: int = 1) -> Size:
        """Return two whole numbers; one stands for both."""
        found = self.get(key, default)
        found = found if isinstance(found, list) else [found, found]
        if len(found) != 2:
            raise Unreadable(f"has {len(found)} numbers as its {key}, not 2")
        return whole_number(key, found[0], least), whole_number(key, found[1], least)

    def edges(self, key: str) -> tuple[Size, Size]:
        """Return amounts at the edges, as ((top, bottom), (left, right)), from Keras's one, two or four numbers."""
        found = self.get(key)
        found = found if isinstance(found, list) else [found, found]
        if len(found) != 2:
            raise Unreadable(f"has {len(found)} numbers as its {key}, not 2")
        first, second = (Settings({key: one}).size(key, least=0) for one in found)
        return first, second

    def padding(self) -> Padding:
        """Return the padding of a window."""
        found = self.get("padding", "valid")
        if found not in ("same", "valid"):
            raise Unreadable(f"has {shown(found)} as its padding, not 'same' or 'valid'")
        return "same" if found == "same" else "valid"

    def function(self, key: str = "activation") -> Function:
        """Return an activation function."""
        found = self.get(key) or "linear"
        if not isinstance(found, str) or found not in FUNCTIONS:
            raise Unreadable(f"has {shown(found)} as its {key}, not one of {', '.join(FUNCTIONS)}")
        return FUNCTIONS[found]

    def require(self, key: str, *values: object) -> None:
        """Require that a setting is missing or has one of these values."""
        found = self.get(key, values[0])
        if not any(found == value and type(found) is type(value) for value in values):
            raise Unreadable(f"has {shown(found)} as its {key}, where only {shown(values[0])} can be used")

    def last_axis(self, key: str = "axis") -> None:
        """Require that a setting names the last axis."""
        found = self.get(key, -1)
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        known = isinstance(found, int) and not isinstance(found, bool)
        if not known or (found != -1 and self._rank is not None and found != self._rank):
            raise Unreadable(f"has {shown(self.get(key))} as its {key}, where only the last axis can be used")


def shown(value: object) -> str:
    """Return a description of a value in a configuration, in few words."""
    if isinstance(value, int) and abs(value) > MOST_SHOWN:
        return "a huge number"
    return described(value)


def whole_number(key: str, found: object, least: int = 1) -> int:
    """Return a setting that is a whole number from `least` to `LARGEST`."""
    if not isinstance(found, int) or isinstance(found, bool):
        raise Unreadable(f"has {shown(found)} as its {key}, not a whole number")
    if not least <= found <= LARGEST:
        raise Unreadable(f"has a number outside {least} to {LARGEST} as its {key}")
    return found


def _number(key: str, found: object) -> float:
    try:
        if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
            return float(found)
    except OverflowError:
        pass
    raise Unreadable(f"has {shown(found)} as its {key}, not a number")
