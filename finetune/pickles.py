"""The reading of pickles without running their code.

A pickle is a program for a small machine with a stack, which Python's own `pickle` runs in full. The machine below
knows only the instructions that its caller allows. It imports nothing and sets no attributes. It calls only the
functions that the caller puts in place of the named ones. What it builds stays small: each step adds at most one small
object, or a text from the file.
"""

from __future__ import annotations

import codecs
import dataclasses
import functools
import pickle
import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

TOLD = 80
"""Largest length of a text from a pickle in a message."""
_LARGEST_KEY = 60
"""Largest number of bits of a whole number as a key."""
_BY_CODE = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class Refused(Exception):
    """Reason why a pickle is not read."""


class Inert:
    """Placeholder for what a pickle names but may not have: a call or a change of it does nothing.

    Args:
        name: module and name, for messages.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Function:
    """Function that a pickle may call. Its results must not be much larger than its arguments."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)


class Stateful:
    """Base of the objects that take a state after they were made."""

    def set_state(self, state: Any) -> None:
        """Take the state that the pickle holds for this object."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Rules:
    """The part of a pickle's language that a caller allows.

    Attributes:
        contents: description of what such a pickle holds, for messages.
        opcodes: names of the allowed instructions, as in `pickletools`.
        find: function from a module and a name to the replacement: a `Function`, an `Inert` or a constant. It raises
            `Refused` for names that make the whole pickle unreadable.
        persistent: function from a persistent id to the object that it stands for; None if no opcode needs it.
        most_steps: largest number of instructions; None for as many as the pickle has bytes.
        text: function from a text or bytes in the pickle to the object that stands for it. It can keep large ones
            elsewhere than in memory. None for the text itself.
    """

    contents: str
    opcodes: frozenset[str]
    find: Callable[[str, str], Any]
    persistent: Callable[[Any], Any] | None = None
    most_steps: int | None = None
    text: Callable[[str | bytes | bytearray], Any] | None = None


def load(stream: Bounded | BytesIO, rules: Rules, most_bytes: int) -> Any:
    """Return the object of the pickle at the stream's position, and leave the stream behind its end.

    Args:
        stream: bytes, or part of a file.
        rules: allowed instructions and names.
        most_bytes: largest size of the pickle.

    Raises:
        Refused: the pickle holds something that the rules do not allow. No code of it has run.
        Exception: the pickle is damaged. Any kind of exception may be raised, none of it by the pickle's code.
    """
    return _Machine(stream, rules, most_bytes).run()


def legible(text: str) -> str:
    """Return a text from a pickle for a message: in printable ASCII, and not too long."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:TOLD])


class Bounded:
    """Stream that ends after a number of bytes, whatever lengths are asked for.

    Args:
        stream: file.
        most: number of bytes after which the stream ends.
        longest: largest number of bytes that may be asked for at once; None for no limit.
    """

    def __init__(self, stream: BinaryIO, most: int, longest: int | None = None) -> None:
        self._stream, self._left, self._longest = stream, most, most if longest is None else longest

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        if min(size, self._left) > self._longest:
            raise Refused(f"holds a single value of more than {self._longest >> 20} MiB")
        return self._counted(self._stream.read(min(size, self._left)))

    def readline(self) -> bytes:
        """Read a line with its end; a line that is longer than allowed has none."""
        return self._counted(self._stream.readline(min(self._left, self._longest)))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data


def _text(source: Bounded | BytesIO) -> str:
    """Read a line of text, without its end."""
    line = source.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a pickle that is cut")
    return line[:-1].decode()


def _quoted(source: Bounded | BytesIO) -> str:
    """Read a line with a quoted string of Python 2, which may hold any bytes."""
    line = source.readline().strip()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin1")


class _Machine:
    """Stack machine for one pickle. `stack` holds the values since the last mark, `below` the stacks before it."""

    def __init__(self, source: Bounded | BytesIO, rules: Rules, most_bytes: int) -> None:
        self.source, self.rules, self.most = source, rules, most_bytes
        self.left = rules.most_steps or most_bytes
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        while True:
            name, argument = self.read()
            if name == "STOP":
                return self.stack.pop()
            if name in _STEPS:
                _STEPS[name](self)
            else:
                self.take(name, argument)

    def read(self) -> tuple[str, Any]:
        """Read an instruction, and return its name and its argument."""
        if not self.left:
            raise Refused("holds a pickle that is too long")
        self.left -= 1
        opcode = _BY_CODE.get(self.source.read(1))
        if opcode is None:
            raise ValueError("not a pickle, or one that is cut")
        name = opcode.name
        if name not in self.rules.opcodes or not (opcode.arg or name in _STEPS or name == "STOP"):
            raise Refused(f"holds more than {self.rules.contents} ({name})")
        if opcode.arg is None:
            return name, None
        if name == "GLOBAL":
            return name, (_text(self.source), _text(self.source))
        if name == "STRING":  # the reader of pickletools takes only ASCII
            return name, _quoted(self.source)
        return name, opcode.arg.reader(self.source)  # type: ignore[arg-type]  # it needs read and readline

    def take(self, name: str, argument: Any) -> None:
        """Run an instruction with an argument."""
        if name == "GLOBAL":
            self.push_named(*argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if argument > self.most:
                raise Refused("holds a place that no pickle of its size has")
            self.memo[argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.push(self.memo[argument])
        elif name == "PROTO":
            if argument > pickle.HIGHEST_PROTOCOL:
                raise ValueError("a pickle of an unknown protocol")
        elif name != "FRAME":  # frames only tell how much to read ahead
            keep = self.rules.text if isinstance(argument, (str, bytes, bytearray)) else None
            self.push(argument if keep is None else keep(argument))

    def push_named(self, module: str, name: str) -> None:
        try:
            self.push(self.rules.find(module, name))
        except Refused:
            while self.read()[0] != "STOP":
                pass  # an instruction that is not allowed says more about a file than a name does
            raise

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Take the values since the last mark off the stack."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def drop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def tuple_of(self, length: int) -> None:
        if len(self.stack) < length:
            raise ValueError("a pickle that takes what it did not give")
        self.stack[-length:] = [tuple(self.stack[-length:])]

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(values)
        elif type(target) is not Inert:
            raise TypeError("a pickle that appends to what is not a list")

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is dict:
            target.update(zip(map(key, values[::2]), values[1::2], strict=True))
        elif type(target) is not Inert:
            raise TypeError("a pickle that sets items of what is not a dictionary")

    def make_dict(self) -> None:
        values = self.since_mark()
        self.stack.append({})
        self.set_items(values)

    def freeze(self) -> None:
        self.since_mark()
        self.stack.append(Inert("frozenset"))

    def find(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is not a string")
        self.push_named(module, name)

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise TypeError("a pickle that calls with what are not arguments")
        if type(function) is Inert:
            self.stack.append(Inert(function.name))
        elif isinstance(function, Function):
            self.stack.append(function(*arguments))
        else:
            raise TypeError("a pickle that calls what is not a function")

    def call_with_names(self) -> None:
        self.stack.pop()  # arguments by name, which no function here takes
        self.call()

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Stateful):
            target.set_state(state)
        elif isinstance(target, Function):
            raise Refused("holds a change to a function")
        elif not isinstance(target, (Inert, dict)):  # a dictionary's attributes, which are not read
            raise TypeError("a pickle that changes what has no state")

    def persistent(self) -> None:
        if self.rules.persistent is None:
            raise TypeError("a persistent id that nothing is known of")
        self.stack.append(self.rules.persistent(self.stack.pop()))


def key(value: Any) -> Any:
    """Return a key for a dictionary: the value itself, or a placeholder for what could be slow to hash or compare.

    The hash of a pair that holds another pair twice, and so on, takes twice as long at each level. Large numbers can be
    chosen to have equal hashes.
    """
    small = type(value) is int and value.bit_length() <= _LARGEST_KEY
    return value if small or type(value) in (str, bytes, float, bool, type(None)) else Inert(type(value).__name__)


_STEPS: dict[str, Callable[[_Machine], object]] = {
    **{name: functools.partial(_Machine.push, value=value) for name, value in _CONSTANTS.items()},
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.since_mark,
    "DUP": lambda machine: machine.push(machine.stack[-1]),
    "MEMOIZE": _Machine.memoize,
    "EMPTY_LIST": lambda machine: machine.push([]),
    "EMPTY_DICT": lambda machine: machine.push({}),
    "EMPTY_SET": lambda machine: machine.push(Inert("set")),
    "LIST": lambda machine: machine.push(machine.since_mark()),
    "TUPLE": lambda machine: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.freeze,
    "APPEND": lambda machine: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": lambda machine: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "STACK_GLOBAL": _Machine.find,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
