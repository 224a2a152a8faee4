"""Pickles are read as their own module reads them, if they hold plain values. Nothing that they name is ever run."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from finetune.pickles import Bounded, Function, Inert, Refused, Rules, Stateful, key, legible, load
from tests.pickled import Call, Name, New, Persistent, Raw, With, pickled

PLAIN = """
PROTO FRAME STOP MARK POP POP_MARK MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET DUP
NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET
GLOBAL STACK_GLOBAL REDUCE NEWOBJ NEWOBJ_EX BUILD BINPERSID
"""
INERT = Rules("plain values", frozenset(PLAIN.split()), lambda module, name: Inert(f"{module}.{name}"), lambda key: key)


def read(content: bytes, rules: Rules = INERT) -> Any:
    return load(io.BytesIO(content), rules, len(content))


KEYS = st.text(max_size=5) | st.integers(-(2**59), 2**59) | st.binary(max_size=5) | st.booleans() | st.none()
VALUES = st.recursive(
    KEYS | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple) | st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.sampled_from((0, 1, 2, 3, 4, 5)))
def test_plain_values_come_back_at_every_protocol(value: Any, protocol: int):
    without_bytes = protocol < 3  # whose bytes are a call of _codecs.encode
    rules = Rules("plain values", INERT.opcodes, lambda *_: Function(lambda text, *_: text.encode("latin1")))
    content = pickle.dumps(value, protocol)
    if without_bytes and b"__builtin__" in content:  # how empty bytes are told
        return
    found = read(content, rules)
    assert found == value
    assert repr(found) == repr(value)


def test_a_value_that_stands_twice_is_one_object():
    inner = [1]
    first, second = read(pickle.dumps([inner, inner], 4))
    assert first is second


def test_pickles_one_after_another_are_read_from_one_stream():
    content = pickle.dumps([1], 2) + pickle.dumps("two", 4) + b"tail"
    stream = Bounded(io.BytesIO(content), len(content))
    assert [load(stream, INERT, len(content)), load(stream, INERT, len(content))] == [[1], "two"]
    assert stream.read(100) == b"tail"


def test_strings_of_python_2_keep_their_bytes():
    assert read(b"S'\\xe9a'\n.") == "\xe9a"
    assert read(b'S"it\'s"\n.') == "it's"
    assert read(b"U\x02\xe9a.") == "\xe9a"
    with pytest.raises(ValueError, match="without quotes"):
        read(b"Sabc\n.")


def test_what_is_unknown_becomes_a_placeholder_at_which_nothing_happens():
    argparse = Name("argparse", "Namespace")
    found = read(pickled({"options": With(New(argparse, ()), {"rate": 1}, {"a": 2}), "set": Raw(b"\x8f(K\x01\x90")}))
    assert (type(found["options"]), found["options"].name) == (Inert, "argparse.Namespace")
    assert found["set"].name == "set"
    assert not hasattr(found["options"], "__dict__")
    called = read(pickled(Call(Call(argparse, (1,)), (2,))))
    assert called.name == "argparse.Namespace"
    assert read(b"\x80\x04ca\nb\n)}\x92.").name == "a.b"  # NEWOBJ_EX
    assert read(b"\x80\x04(K\x01\x91.").name == "frozenset"


def test_a_known_function_is_called_and_cannot_be_changed():
    rules = Rules("sums", INERT.opcodes, lambda *_: Function(lambda *numbers: sum(numbers)))
    assert read(pickled(Call(Name("a", "b"), (1, 2))), rules) == 3
    with pytest.raises(Refused, match="holds a change to a function"):
        read(pickled(With(Name("a", "b"), {"_function": 1})), rules)


def test_a_state_is_taken_by_what_has_one():
    class Box(Stateful):
        def set_state(self, state: Any) -> None:
            self.state = state

    rules = Rules("boxes", INERT.opcodes, lambda *_: Function(Box))
    assert read(pickled(With(Call(Name("a", "b"), ()), {"x": 1})), rules).state == {"x": 1}
    with pytest.raises(NotImplementedError):
        Stateful().set_state(None)


def test_a_persistent_id_is_asked_for():
    assert read(pickled([Persistent(("storage", 3))])) == [("storage", 3)]
    with pytest.raises(TypeError, match="persistent"):
        read(pickled(Persistent(1)), Rules("plain", INERT.opcodes, INERT.find))


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def hostile(proof: Path) -> dict[str, bytes]:
    """Return pickles that leave a file when their code runs."""
    command, code = f"touch {proof}", f"open({str(proof)!r}, 'w')"
    system, evil = Name("os", "system"), Name("builtins", "exec")
    return {
        "a command": pickled(Call(system, (command,))),
        "code": pickled(Call(evil, (code,))),
        "within a list": pickled([[{"a": Call(Name("builtins", "eval"), (code,))}]]),
        "as a class": pickled(New(system, (command,))),
        "an attribute": pickled(Call(Call(Name("builtins", "getattr"), (Name("os", "path"), "os.system")), (command,))),
        "a state": pickled(With(New(Name("subprocess", "Popen"), ((command,),)), {"a": Call(system, (command,))})),
        "by the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c"
        + bytes([len(command)])
        + command.encode()
        + b"\x85R.",
        "an import": pickled(Call(Name("builtins", "__import__"), ("antigravity",))),
    }


def test_nothing_runs_and_real_pickles_would_have_run(proof: Path):
    for content in hostile(proof).values():
        read(content)
    assert read(hostile(proof)["code"]).name == "builtins.exec"
    assert not proof.exists()
    pickle.loads(hostile(proof)["a command"])  # shows that the test could see it
    assert proof.exists()


@pytest.mark.parametrize("case", [*hostile(Path())])
def test_a_caller_may_refuse_all_names(case: str, proof: Path):
    def refuse(module: str, name: str) -> Any:
        raise Refused(f"holds {module}.{name}")

    with pytest.raises(Refused, match="holds "):
        read(hostile(proof)[case], Rules("plain", INERT.opcodes, refuse))
    assert not proof.exists()


REFUSED: dict[str, tuple[bytes, type[Exception]]] = {
    "an extension": (b"\x80\x02\x82\x01.", Refused),
    "a large extension": (b"\x80\x02\x84\x01\x00\x00\x00.", Refused),
    "an old object": (b"(i__main__\nA\n.", Refused),
    "a persistent id as text": (b"Pabc\n.", Refused),
    "a buffer": (b"\x80\x05\x97.", Refused),
    "an absurd place": (b"\x80\x02]r\xff\xff\xff\xff.", Refused),
    "an absurd place in text": (b"]p4000000000\n.", Refused),
    "a place never used": (b"h\x05.", KeyError),
    "absurd bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc.", ValueError),
    "absurd text": (b"X\xff\xff\xff\x7fabc.", ValueError),
    "a number of absurd length": (b"\x8b\xff\xff\xff\x7f1.", ValueError),
    "a name of numbers": (b"\x80\x04K\x01K\x02\x93.", ValueError),
    "a name that is cut": (b"cos\nsystem", ValueError),
    "a call of a number": (b"K\x01)R.", TypeError),
    "a call with a list": (b"ca\nb\n]R.", TypeError),
    "a call of nothing": (b")R.", IndexError),
    "an item of a list": (b"]K\x01K\x02s.", TypeError),
    "half an item": (b"}(K\x01u.", ValueError),
    "an element of a number": (b"K\x01K\x02a.", TypeError),
    "a state of a list": (b"]}b.", TypeError),
    "more than there is": (b"K\x01\x86.", ValueError),
    "no mark": (b"t.", IndexError),
    "no end": (b"K\x01", ValueError),
    "no value": (b".", IndexError),
    "nothing": (b"", Exception),
    "no pickle": (b"\xfe\xfe", ValueError),
    "a later protocol": (b"\x80\x63N.", ValueError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damage_is_one_exception(case: str):
    content, kind = REFUSED[case]
    with pytest.raises(kind):
        read(content)


def test_an_instruction_that_is_not_allowed_is_told_before_a_name():
    def refuse(module: str, name: str) -> Any:
        raise Refused(f"holds {module}.{name}")

    rules = Rules("plain values", INERT.opcodes - {"NEWOBJ"}, refuse)
    with pytest.raises(Refused, match=r"holds more than plain values \(NEWOBJ\)"):
        read(pickled(New(Name("a", "b"), ())), rules)


def laughs() -> dict[str, bytes]:
    """Return small pickles of values that take ages to walk through, to hash or to compare."""
    pairs = b"K\x01K\x01\x86" + b"2\x86" * 200
    numbers = b"".join(
        b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little", signed=True) + b"N" for n in range(20_000)
    )
    return {
        "pairs of pairs": pairs + b".",
        "a key of pairs": b"}" + pairs + b"Ns.",
        "an element of pairs": b"\x8f(" + pairs + b"\x90.",
        "a fixed set of pairs": b"(" + pairs + b"\x91.",
        "keys with one hash": b"}(" + numbers + b"u.",
        "deep lists": b"]" * 100_000 + b"a" * 99_999 + b".",
        "deep marks": b"(" * 100_000 + b"N" + b"t" * 100_000 + b".",
        "deep calls": b"ca\nb\n" + b")R" * 100_000 + b".",
    }


@pytest.mark.parametrize("case", laughs())
def test_small_pickles_take_little_time(case: str):
    started = time.process_time()
    try:
        found = read(laughs()[case])
    except (IndexError, TypeError, ValueError, Refused):
        found = None
    del found  # deep values are released too
    assert time.process_time() - started < 5


def test_a_pickle_of_too_many_steps_is_refused():
    rules = Rules("plain values", INERT.opcodes, INERT.find, None, 1000)
    assert read(b"0".join([b"]"] * 500) + b".", rules) == []
    with pytest.raises(Refused, match="holds a pickle that is too long"):
        read(b"]" * 1001, rules)


def test_an_absurd_length_takes_no_memory(tmp_path: Path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a")
    tracemalloc.start()
    with path.open("rb") as file, pytest.raises(ValueError, match="1099511627776"):
        load(Bounded(file, path.stat().st_size), INERT, path.stat().st_size)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 12))
def test_a_changed_pickle_is_read_or_refused(noise: bytes, place: int, cut: int):
    whole = pickled({"a": [1, 2.0, None], "b": With(Call(Name("os", "system"), ("x",)), {}), "c": Persistent((1, "d"))})
    content = whole[:place] + noise + whole[place + cut :]
    with contextlib.suppress(Refused, ValueError, TypeError, LookupError, struct.error):
        read(content)


@pytest.mark.parametrize("value", ["a", b"a", 1, -(2**60) + 1, 1.5, True, None])
def test_plain_keys_stay(value: Any):
    assert key(value) is value


@pytest.mark.parametrize("value", [(1, 2), 2**60, -(2**61), Inert("a"), Function(print)])
def test_other_keys_become_placeholders(value: Any):
    assert type(key(value)) is Inert


def test_a_text_for_a_message_is_one_short_line_of_ascii():
    assert legible("os\nsystem\x1b[é") == "os?system?[?"
    assert len(legible("a" * 1000)) == 80


def reads(stream_of: Callable[[bytes], Any]) -> list[bytes]:
    stream = stream_of(b"one\ntwo")
    return [stream.readline(), stream.read(10), stream.read(1)]


def test_a_bounded_stream_ends_where_it_should():
    assert reads(lambda content: Bounded(io.BytesIO(content), 6)) == [b"one\n", b"tw", b""]
    assert Bounded(io.BytesIO(b"abc"), 2).readline() == b"ab"
