"""Pickles made by hand, instruction by instruction, so that tests can name what no module has."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any


@dataclasses.dataclass
class Name:
    """Name in a module."""

    module: str
    name: str


@dataclasses.dataclass
class Call:
    """Call of a function."""

    function: Any
    arguments: tuple


@dataclasses.dataclass
class New:
    """Object of a class, as protocol 2 makes it."""

    kind: Any
    arguments: tuple


@dataclasses.dataclass
class With:
    """Object that is given a state, or items."""

    value: Any
    state: Any = None
    items: dict | None = None


@dataclasses.dataclass
class Persistent:
    """Object that a persistent id stands for."""

    key: Any


@dataclasses.dataclass
class Raw:
    """Instructions as they are."""

    code: bytes


def pickled(value: Any) -> bytes:
    """Return the pickle of a value in protocol 2, in which each text, tuple, list and dictionary is kept for later."""
    count = [0]

    def kept(code: bytes) -> bytes:
        count[0] += 1
        return code + b"r" + struct.pack("<I", count[0] - 1)

    def made(value: Any) -> bytes:
        match value:
            case Raw(code):
                return code
            case Name(module, name):
                return kept(f"c{module}\n{name}\n".encode())
            case Call(function, arguments):
                return kept(made(function) + made(arguments) + b"R")
            case New(kind, arguments):
                return kept(made(kind) + made(arguments) + b"\x81")
            case With(inner, state, items):
                code = made(inner)
                if items:
                    code += b"(" + b"".join(made(key) + made(item) for key, item in items.items()) + b"u"
                return code + (made(state) + b"b" if state is not None else b"")
            case Persistent(key):
                return made(key) + b"Q"
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                length = (value.bit_length() + 8) // 8
                return b"\x8a" + bytes([length]) + value.to_bytes(length, "little", signed=True)
            case float():
                return b"G" + struct.pack(">d", value)
            case str():
                text = value.encode()
                return kept(b"X" + struct.pack("<I", len(text)) + text)
            case tuple():
                return kept(b"(" + b"".join(map(made, value)) + b"t")
            case list():
                return kept(b"]") + b"(" + b"".join(map(made, value)) + b"e"
            case dict():
                return kept(b"}") + b"(" + b"".join(made(key) + made(item) for key, item in value.items()) + b"u"
            case _:
                raise TypeError(type(value))

    return b"\x80\x02" + made(value) + b"."
