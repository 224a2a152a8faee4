"""Embeddings are mapped from the files that users have; a file without any is refused in one line."""

from __future__ import annotations

import io
import mmap

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.identification import map_embeddings, nearest
from tests.gallery.conftest import vectors

EMBEDDINGS = vectors(range(23), size=12)


def lies_in_a_file(array: np.ndarray) -> bool:
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_is_mapped(tmp_path, dtype, order):
    np.save(tmp_path / "some.npy", np.asarray(EMBEDDINGS.astype(dtype), order=order))
    mapped = map_embeddings(tmp_path / "some.npy")
    np.testing.assert_array_equal(mapped, EMBEDDINGS.astype(dtype))
    assert (mapped.dtype, lies_in_a_file(mapped), mapped.flags.writeable) == (np.dtype(dtype), True, False)


@pytest.mark.parametrize("length", range(4, 8))  # of a name before it, so that the values lie at any byte
def test_the_embeddings_of_finetune_embed_are_mapped(tmp_path, length):
    np.savez(tmp_path / "faces.npz", **{"n" * length: np.array(["a.png"] * 23), "embeddings": EMBEDDINGS, "flip": True})
    mapped = map_embeddings(str(tmp_path / "faces.npz"))
    np.testing.assert_array_equal(mapped, EMBEDDINGS)
    assert lies_in_a_file(mapped)
    np.testing.assert_array_equal(nearest(mapped, EMBEDDINGS).rows[:, 0], np.arange(23))


def npy(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def npz(save, **arrays) -> bytes:
    content = io.BytesIO()
    save(content, **arrays)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (npz(np.savez_compressed, embeddings=EMBEDDINGS), r"can be mapped \(they are compressed\)"),
        (npz(np.savez, vectors=EMBEDDINGS), "no embeddings that can be mapped"),
        (npy(EMBEDDINGS)[:-1], r"can be mapped \(the file is cut\)"),
        (npy(np.array([[{}]])), r"found object and shape \[1, 1\]"),
        (npy(EMBEDDINGS[0]), r"found float32 and shape \[12\]"),
        (npy(EMBEDDINGS[:0]), r"found float32 and shape \[0, 12\]"),
        (npy(np.eye(3, dtype=int)), r"found int64 and shape \[3, 3\]"),
        (b"", "no embeddings that can be mapped"),
        (b"PK\5\6" + bytes(18), "no embeddings that can be mapped"),
        (b"\x93NUMPY\3\0" + bytes(99), "no embeddings that can be mapped"),
    ],
)
def test_a_file_without_embeddings_is_refused_in_one_line(tmp_path, content, found):
    (tmp_path / "faces").write_bytes(content)
    with pytest.raises(DataError, match=found) as caught:
        map_embeddings(tmp_path / "faces")
    (line,) = str(caught.value).splitlines()
    assert "give embeddings that finetune embed wrote" in line


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.npy: can't be read \(No such file or directory\)"):
        map_embeddings(tmp_path / "nowhere.npy")
