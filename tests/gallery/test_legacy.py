"""Pickled features are read if they are arrays, lists and strings. Nothing else is read, and nothing of it runs."""

from __future__ import annotations

import collections
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.gallery.legacy import read_features

ROWS = np.random.default_rng(0).normal(size=(6, 8))
LABELS = np.array([0, 0, 1, 1, 2, 2])
NAMES = ["ann", "bob", "Zoë"]
WHOSE = [NAMES[label] for label in LABELS]
LAYOUTS = {
    "arrays": (ROWS, LABELS, np.array(NAMES)),
    "lists": [ROWS.astype("f4"), LABELS.tolist(), NAMES],
    "rows in a list": ([list(row) for row in ROWS], list(LABELS), NAMES),
    "arrays in a list": (list(ROWS), LABELS, NAMES),
    "names of each": (ROWS, WHOSE),
    "names of each, and labels": (WHOSE, LABELS, ROWS),
    "a dictionary": {"emb": np.asfortranarray(ROWS), "labels": LABELS, "class_names": NAMES},
    "big-endian": (ROWS.astype(">f8"), LABELS.astype(">i4"), NAMES),
    "an array of objects": (ROWS, LABELS, np.array(NAMES, object)),
}


@pytest.fixture
def refused(tmp_path):
    """Return a function that gives the one line with which a file is refused."""

    def why(content: bytes) -> str:
        path = tmp_path / "all_features.pkl"
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            read_features(path)
        (line,) = map(str, error.value.problems)
        assert line.isprintable()
        advice = "; give a pickle of embeddings [n, E], labels [n] and names"
        assert line.endswith(advice)
        return line[len(f"{path}: ") : -len(advice)]

    return why


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_are_read_however_they_were_kept(tmp_path, layout, protocol):
    path = tmp_path / "all_features.pkl"
    path.write_bytes(pickle.dumps(LAYOUTS[layout], protocol))
    rows, whose = read_features(path)
    np.testing.assert_allclose(rows, ROWS, rtol=1e-6)
    assert rows.dtype == np.float32
    assert whose == WHOSE


def test_pickles_one_after_the_other_are_read(tmp_path):
    path = tmp_path / "f.pkl"
    path.write_bytes(b"".join(map(pickle.dumps, (ROWS, LABELS, NAMES))))
    assert read_features(path)[1] == WHOSE


def test_what_python_2_wrote_is_read(tmp_path):
    """Read byte strings, and an array's bytes as a string, under the module's old name."""
    path = tmp_path / "f.pkl"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nI2\ntcnumpy\ndtype\n"
    array += b"(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
    values = np.array([[1, 2], [3, 4]], "<f4").tobytes()
    array += "".join(f"\\x{byte:02x}" for byte in values).encode() + b"'\ntb"
    path.write_bytes(b"(" + array + b"(lp0\nI0\naI1\na(lp1\nS'ann'\naS'bob'\nat.")
    rows, whose = read_features(path)
    assert rows.tolist() == [[1, 2], [3, 4]]
    assert whose == ["ann", "bob"]


class Evil:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_runs(tmp_path, refused, protocol):
    proof = tmp_path / "ran"
    for function, arguments in ((os.system, (f"touch {proof}",)), (eval, (f"open({str(proof)!r}, 'w')",))):
        why = refused(pickle.dumps((ROWS, LABELS, Evil(function, *arguments)), protocol))
        assert why.endswith(f"{function.__name__}, which is not run")
    assert not proof.exists()


REFUSED = {
    "another class": (pickle.dumps(collections.OrderedDict(a=1)), "collections.OrderedDict, which is not run"),
    "a name within a module": (b"cnumpy\nos.system\n(S'x'\ntR.", "numpy.os.system, which is not run"),
    "a module beside NumPy's": (b"cnumpyx\ndtype\n(S'f4'\ntR.", "numpyx.dtype, which is not run"),
    "an object": (pickle.dumps(np.array([object()])), "holds more than arrays, lists and strings (NEWOBJ)"),
    "an extension": (b"\x80\x02\x82\x01.", "holds more than arrays, lists and strings (EXT1)"),
    "a persistent id": (b"Pmine\n.", "holds more than arrays, lists and strings (PERSID)"),
    "a change to what is called": (b"cnumpy\nscalar\n(N(dS'_function'\nI1\nstb.", "holds a change to a function"),
    "an absurd memo": (b"\x80\x02]r\xff\xff\xff\xff.", "holds a place that no pickle of its size has"),
    "an absurd memo in text": (b"]p4000000000\n.", "holds a place that no pickle of its size has"),
    "absurd bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc.", "not a pickle, or damaged"),
    "a lying shape": (
        pickle.dumps(ROWS, 2).replace(b"K\x06K\x08\x86", b"K\x06K\x09\x86"),
        "holds an array whose size is not that of its values",
    ),
    "an absurd shape": (
        pickle.dumps(ROWS, 2).replace(b"K\x06K\x08\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        "holds an array whose size is not that of its values",
    ),
    "a type of things": (pickle.dumps(np.zeros(2, "M8[s]")), "holds an array of 'M8'"),
    "no pickle": (b"\x00\x01", "not a pickle, or damaged"),
    "nothing": (b"", "holds 0 tables, 0 lists of whole numbers, 0 of strings"),
    "half of one": (pickle.dumps((ROWS, LABELS, NAMES))[:200], "not a pickle, or damaged"),
    "labels beyond the names": (
        pickle.dumps((ROWS, LABELS + 5, NAMES)),
        "6 embeddings, 6 labels and 3 names, which don't fit together",
    ),
    "too few labels": (pickle.dumps((ROWS, LABELS[:4], NAMES)), "6 embeddings, 4 labels and 3 names"),
    "no embeddings": (pickle.dumps((LABELS, NAMES)), "holds 0 tables, 1 lists of whole numbers, 1 of strings"),
    "two tables": (pickle.dumps((ROWS, ROWS, WHOSE)), "holds 2 tables"),
    "no numbers": (pickle.dumps((ROWS * np.nan, WHOSE)), "embeddings that are not numbers"),
    "numbers that float32 has not": (pickle.dumps((ROWS * 1e300, WHOSE)), "embeddings that are not numbers"),
    "zeros": (pickle.dumps((ROWS * 0, WHOSE)), "embeddings that are not numbers, zero, or none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_everything_else_is_refused_in_one_line(refused, case):
    content, told = REFUSED[case]
    assert told in refused(content)


def test_lists_that_hold_one_another_many_times_over_are_not_walked_through(refused):
    deep = [1.0]
    for _ in range(60):  # 2^60 values in a few hundred bytes
        deep = [deep, deep]
    assert refused(pickle.dumps((ROWS, deep, NAMES))) == "holds lists within lists"
    wide = [[1.0] * 100_000] * 100_000
    assert refused(pickle.dumps((wide, LABELS, NAMES))) == "holds lists within lists that are larger than the file"


def test_a_key_that_takes_ages_to_hash_is_not_hashed(refused):
    pairs = b"I1\nI1\n\x86" + b"2\x86" * 200  # 2^200 numbers
    assert refused(b"}" + pairs + b"Ns.").startswith("holds 0 tables")


@settings(max_examples=300)
@given(st.binary(max_size=80), st.integers(0, 700), st.integers(0, 12))
def test_damaged_files_are_read_or_refused(tmp_path_factory, noise, place, cut):
    path: Path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    whole = pickle.dumps((ROWS, LABELS, NAMES), 2)
    path.write_bytes(whole[:place] + noise + whole[place + cut :])
    try:
        rows, whose = read_features(path)
    except DataError:
        return
    assert len(rows) == len(whose) > 0
    assert np.isfinite(rows).all()
