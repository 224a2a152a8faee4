"""InsightFace's `.bin` files are read whoever wrote them, and nothing in them is executed."""

from __future__ import annotations

import os
import pickle
import random
import struct
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError, RunError
from finetune.images import inspect_images, write_faces
from finetune.paths import cache_entries
from finetune.recipe import LFW
from finetune.verification import measure, open_pairs, read_pairs, resolve, usable, write_pairs
from finetune.verification.formats import bin_set
from tests.pickled import Call, Name, Raw, pickled

PNG = b"\x89PNG\r\n\x1a\n"
JPG = b"\xff\xd8\xff\xe0"
IMAGES = [PNG + bytes([i]) * (300 + i) for i in range(3)] + [JPG + bytes(range(256)) * 2]
SET = ([IMAGES[i] for i in (0, 1, 2, 3, 0, 2)], [True, False, False])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))


def write(folder: Path, content: bytes, name: str = "set.bin") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_pairs(path)
    (line,) = map(str, raised.value.problems)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    assert cache_entries("pairs") == []
    return line[len(f"{path}: ") :].partition("; give a .bin file")[0]


def same_as_set(path: Path) -> None:
    found = read_pairs(path)
    images = [(found.folder / name).read_bytes() for pair in found.pairs for name in pair[:2]]
    assert images == SET[0]
    assert [pair.is_same for pair in found.pairs] == SET[1]
    assert {Path(pair.first).suffix for pair in found.pairs} == {".png"}
    assert Path(found.pairs[1].second).suffix == ".jpg"


def python_2(value: tuple[list[bytes], list[bool]], protocol: int) -> bytes:
    """Return a pickle as Python 2 writes it, whose strings are bytes."""
    images, labels = value
    if protocol == 0:
        strings = b"".join(
            b"S" + repr(image.decode("latin1").encode("latin1"))[1:].encode() + b"\np1\na" for image in images
        )
        return (
            b"((lp0\n"
            + strings
            + b"(lp2\n"
            + b"".join(b"I01\na" if label else b"I00\na" for label in labels)
            + b"tp3\n."
        )
    strings = b"".join(
        (b"U" + bytes([len(image)]) if len(image) < 256 else b"T" + struct.pack("<I", len(image))) + image + b"q\x01"
        for image in images
    )
    return b"\x80\x02](" + strings + b"e](" + bytes(0x88 if label else 0x89 for label in labels) + b"e\x86."


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["bytes", "bytearray", "array", "column", "label array", "label scalars", "list"])
def test_sets_are_read_whichever_python_and_library_wrote_them(tmp_path, kind, protocol):
    images, labels = SET
    match kind:
        case "bytearray":
            images = list(map(bytearray, images))
        case "array":
            images = [np.frombuffer(image, np.uint8) for image in images]
        case "column":
            images = [np.frombuffer(image, np.uint8)[:, None] for image in images]
        case "label array":
            labels = np.array(labels)
        case "label scalars":
            labels = list(np.array(labels))
    value = [images, labels] if kind == "list" else (images, labels)
    same_as_set(write(tmp_path, pickle.dumps(value, protocol)))


@pytest.mark.parametrize("protocol", [0, 2])
def test_sets_of_python_2_are_read(tmp_path, protocol):
    content = python_2(SET, protocol)
    assert pickle.loads(content, encoding="bytes") == SET  # as InsightFace's tools read it
    same_as_set(write(tmp_path, content))


def test_a_set_is_recognised_by_its_bytes_too(tmp_path):
    same_as_set(write(tmp_path, pickle.dumps(SET, 4), "agedb.dat"))


def test_images_are_unpacked_once_and_again_if_one_is_missing(tmp_path):
    path = write(tmp_path, pickle.dumps(SET, 4))
    entry = read_pairs(path).folder
    assert len(list(entry.iterdir())) == len(IMAGES) + 1
    inodes = {file.name: file.stat().st_ino for file in entry.iterdir()}
    read_pairs(path)
    assert inodes == {file.name: file.stat().st_ino for file in entry.iterdir()}
    next(entry.glob("*.jpg")).unlink()
    same_as_set(path)
    assert cache_entries("pairs") == [entry]
    assert entry.parent.stat().st_mode & 0o077 == 0  # faces are for their owner alone


def test_several_readers_of_one_set_wait_for_the_one_that_unpacks_it(tmp_path):
    images = [PNG + random.Random(n).randbytes(2000) for n in range(400)]
    path = write(tmp_path, pickle.dumps((images, [True] * 200), 4))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read_pairs(path), range(4)))
    assert len({each.pairs for each in found}) == 1
    assert [entry.name for entry in (tmp_path / "cache/pairs").iterdir()] == [found[0].folder.name]


def test_a_written_set_is_what_insightface_reads_and_holds_each_image_once(tmp_path):
    files = [write(tmp_path, image, f"{n}.png") for n, image in enumerate(IMAGES)]
    path = tmp_path / "set.bin"
    bin_set.write(path, [(files[0], files[1], True), (files[2], files[3], False), (files[0], files[2], False)])
    assert pickle.loads(path.read_bytes(), encoding="bytes") == SET
    same_as_set(path)
    assert path.stat().st_size < sum(map(len, IMAGES)) + 100
    with pytest.raises(DataError, match=r"gone\.png: can't be read"):
        bin_set.write(tmp_path / "other.bin", [(files[0], tmp_path / "gone.png", True)])
    assert not (tmp_path / "other.bin").exists()


def mean_color(paths, *, flip):
    from PIL import Image

    rows = np.array([np.asarray(Image.open(path).convert("RGB").resize((6, 6)), np.float64).ravel() for path in paths])
    rows -= rows.mean()
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_set_has_the_figures_of_the_folder_it_was_made_from(tmp_path):
    write_faces(tmp_path / "faces", people=24, images_per_person=3, size=80, seed=3)
    write_pairs(tmp_path / "pairs.txt", tmp_path / "faces", folds=10, pairs_per_fold=3, seed=1)
    text = open_pairs(LFW(dir=tmp_path / "faces", pairs=tmp_path / "pairs.txt"))
    pairs = [
        (text.paths[i], text.paths[j], bool(s)) for i, j, s in zip(text.index1, text.index2, text.is_same, strict=True)
    ]
    bin_set.write(tmp_path / "pairs.bin", pairs)
    packed = open_pairs(LFW(dir=tmp_path / "pairs.bin", pairs=tmp_path / "pairs.bin"))
    first, second = (measure(mean_color, pairs) for pairs in (text, packed))
    assert 0.5 < first.accuracy <= 1
    for figure in ("accuracy", "accuracy_std", "val", "val_std", "far", "auc", "eer", "threshold"):
        assert getattr(second, figure) == pytest.approx(getattr(first, figure), abs=1e-12), figure
    assert (second.distances == first.distances).all()
    assert second.n_folds == 10


def test_small_images_are_refused_with_what_can_be_done(tmp_path):
    write_faces(tmp_path / "faces", people=4, images_per_person=2, size=112, seed=3)
    image = sorted((tmp_path / "faces").rglob("*.png"))
    path = tmp_path / "set.bin"
    bin_set.write(path, [(image[0], image[1], True), (image[0], image[2], False)])
    lfw = LFW(dir=path, pairs=path)
    pairs = open_pairs(lfw)
    records = inspect_images(pairs.paths)
    assert usable(pairs, lfw, 112, records).is_same.tolist() == [True, False]
    with pytest.raises(DataError) as raised:
        usable(pairs, lfw, 160, records)
    assert str(raised.value) == (
        f"{path}: 3 of 3 images are smaller than 160 pixels, down to 112; such sets are aligned for networks of that "
        "size, and are not enlarged: --image-size 112 measures them as they are, if the network takes that size; for "
        "its figures at 160, align the original photos"
    )
    path.write_bytes(pickle.dumps(([PNG + b"none", *(file.read_bytes() for file in image[:3])], [True, False])))
    pairs = open_pairs(lfw)
    with pytest.raises(DataError, match=r"1 of 4 images can't be read, the first one because: .*; get the file again"):
        usable(pairs, lfw, 112, inspect_images(pairs.paths))


def test_people_that_a_set_does_not_name_are_not_said_to_be_strangers(tmp_path):
    path = write(tmp_path, pickle.dumps(SET, 4))
    pairs = resolve(read_pairs(path), "nowhere")
    rows = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    result = measure(lambda paths, *, flip: rows, pairs, trained=("ann",))
    assert result.overlap is None
    assert "the pairs name no people, so nobody can say whether some of them were trained on" in result.notes


RAN = Path("/tmp/finetune-ran-a-pickle")
RUN = f"touch {RAN}"
I0, I1 = IMAGES[0].decode("latin1"), IMAGES[1].decode("latin1")
DEEP = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
HOSTILE = {
    "runs a command": pickled(Call(Name("os", "system"), (RUN,))),
    "runs a command in the images": pickled(([Call(Name("posix", "system"), (RUN,))] * 2, [True])),
    "evaluates": pickled(([Call(Name("builtins", "eval"), (f"__import__('os').system('{RUN}')",))] * 2, [True])),
    "python 2's eval": pickled(([Call(Name("__builtin__", "eval"), ("1",))] * 2, [True])),
    "gets attributes": pickled(Call(Name("builtins", "getattr"), (Name("os", "system"), "x"))),
    "a numpy function": pickled(Call(Name("numpy", "load"), ("/etc/passwd",))),
    "a numpy function that runs": pickled(Call(Name("numpy.testing._private.utils", "runstring"), (RUN, {}))),
    "an object": b"\x80\x02(cos\nsystem\nS'" + RUN.encode() + b"'\no.",
    "an instance": b"(S'" + RUN.encode() + b"'\nios\nsystem\n.",
    "a persistent id": b"\x80\x02Pid\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a new object": b"\x80\x02cos\nsystem\n)\x81.",
    "a dictionary": pickled({"a": 1}),
    "deep lists": DEEP,
    "a list in itself": b"\x80\x02]q\x00h\x00a](\x88e\x86.",
    "a bomb of tuples": b"\x80\x02]" + b"q\x00h\x00h\x00\x86" * 60 + b".",
    "a huge claim": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + PNG + b".",
    "a large number": b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"\xff" * 100 + b".",
    "a far place": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a text that is long": b"\x80\x02X" + struct.pack("<I", 5 * 2**20) + b"a" * 5 * 2**20 + b".",
    "no end": b"\x80\x02" + b"N" * 5_000_000,
    "an array of objects": pickle.dumps((np.array([PNG, PNG], object), [True]), 2),
    "an array of floats": pickle.dumps(([np.zeros(9), np.zeros(9)], [True]), 4),
    "raw code": pickled(([I0, Raw(b"cposix\nsystem\nq\x01"), I1], [True])),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered_in_one_line_and_nothing_of_it_runs(tmp_path, name):
    began = time.perf_counter()
    assert refused(write(tmp_path, HOSTILE[name]))
    assert time.perf_counter() - began < 30
    assert not RAN.exists()
    assert not any((tmp_path / "cache").rglob("*.png"))


def test_mutated_files_are_read_or_answered_in_one_line(tmp_path):
    generator = random.Random(0)
    whole = [pickle.dumps(SET, 2), pickle.dumps(SET, 4), python_2(SET, 0), python_2(SET, 2)]
    whole.append(pickle.dumps(([np.frombuffer(image, np.uint8) for image in SET[0]], np.array(SET[1])), 4))
    read = 0
    for _ in range(500):
        content = bytearray(generator.choice(whole))
        for _ in range(generator.randint(1, 4)):
            place = generator.randrange(len(content))
            match generator.randrange(4):
                case 0:
                    content[place] = generator.randrange(256)
                case 1:
                    del content[place:]
                case 2:
                    del content[place : place + generator.randint(1, 40)]
                case _:
                    content[place:place] = generator.randbytes(generator.randint(1, 9))
            content = content or bytearray(b".")
        path = write(tmp_path, bytes(content))
        try:
            read_pairs(path)
            read += 1
        except DataError as error:
            (line,) = map(str, error.problems)
            assert line.isprintable()
    assert 0 < read < 500  # a changed byte within an image is still a set
    partial = [entry for entry in (tmp_path / "cache/pairs").iterdir() if entry.name.startswith(".")]
    assert partial == []


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (([IMAGES[0]] * 3, [True]), "holds 3 images and 1 label, where each pair has two images and a label"),
        (([], []), "holds 0 images and 0 labels, where each pair has two images and a label"),
        (([IMAGES[0], b"GIF89a"], [True]), "holds as image 2 of 2 what is neither JPEG nor PNG"),
        (([IMAGES[0], IMAGES[1]], [2]), "holds labels that are neither true nor false"),
        (([IMAGES[0], IMAGES[1]], ["yes"]), "holds labels that are neither true nor false"),
        ((IMAGES[:2], [True], 1), "holds something else than a list of images and a list of labels"),
        ("ann", "holds something else than a list of images and a list of labels"),
        (([IMAGES[0], IMAGES[1]], {"same": 1}), "holds more than images and labels (EMPTY_DICT)"),
        (([IMAGES[0], "日本"], [True]), "holds text, not images"),
    ],
)
def test_what_is_wrong_with_a_set_is_said(tmp_path, value, line):
    assert refused(write(tmp_path, pickle.dumps(value, 4))) == line


def test_pipes_and_huge_files_are_refused_before_they_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    assert refused(tmp_path / "pipe.bin") == "not a file"
    path = write(tmp_path, pickle.dumps(SET, 4), "huge.bin")
    os.truncate(path, 5 * 2**30)  # takes no room
    assert refused(path) == "larger than 4 GiB"


def test_texts_that_are_no_images_are_not_collected(tmp_path):
    content = b"\x80\x02](" + (b"X" + struct.pack("<I", 2**20) + b"a" * 2**20) * 5 + b"e](\x88e\x86."
    assert refused(write(tmp_path, content)) == "holds images that are neither JPEG nor PNG"


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch):
    path = write(tmp_path, pickle.dumps(SET, 4))
    monkeypatch.setenv("FINETUNE_CACHE", str(path / "features"))  # a file is no folder
    with pytest.raises(RunError) as raised:
        read_pairs(path)
    (line,) = map(str, raised.value.problems)
    assert line.startswith(f"{path}/pairs: can't be written (")
    assert line.endswith("; name another folder in FINETUNE_CACHE")


def test_a_file_that_is_no_pickle_is_said_so(tmp_path):
    for content in (b"", b"ann\t1\t2\n", b"\x80", pickle.dumps(SET, 4)[:-1]):
        assert refused(write(tmp_path, content)) == "not a pickle, or damaged"
    with pytest.raises(DataError, match=r"none\.bin: can't be read"):
        read_pairs(tmp_path / "none.bin")


def test_the_memory_does_not_grow_with_the_file(tmp_path):
    generator = np.random.default_rng(0)
    images = [PNG + generator.bytes(400_000) for _ in range(60)]
    for protocol in (2, 4):
        path = write(tmp_path, pickle.dumps((images, [True] * 30), protocol))
        tracemalloc.start()
        read_pairs(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6 * 2**20 < os.path.getsize(path) / 3
