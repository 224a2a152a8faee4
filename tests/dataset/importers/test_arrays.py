from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset.importers.arrays import Resizing, import_arrays, import_unlabelled
from finetune.errors import DataError

LABELS = np.array([7, 7, 2, 7, 2])


@pytest.fixture
def bring(tmp_path):
    def run(pixels, labels=LABELS, **options):
        np.save(tmp_path / "X.npy", pixels)
        np.save(tmp_path / "y.npy", labels)
        return import_arrays(tmp_path / "X.npy", tmp_path / "y.npy", tmp_path / "out", **options)

    return run


def pixels(dtype=np.uint8, *, shape=(5, 6, 4)):
    return np.random.default_rng(1).integers(0, 256, shape).astype(dtype)


def written(root: Path) -> dict[str, np.ndarray]:
    return {path.relative_to(root).as_posix(): np.asarray(Image.open(path)) for path in sorted(root.rglob("*.png"))}


def expected(images: np.ndarray) -> dict[str, np.ndarray]:
    order = {"2/2_0001.png": 2, "2/2_0002.png": 4, "7/7_0001.png": 0, "7/7_0002.png": 1, "7/7_0003.png": 3}
    return {name: images[row] for name, row in order.items()}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("shape", [(5, 6, 4), (5, 6, 4, 3)], ids=["grey", "colour"])
def test_bytes_are_written_as_they_are(shape, bring, tmp_path, manifest):
    images = pixels(shape=shape)
    made, how = bring(images)
    assert (made.people, made.images) == (2, 5)
    assert how == f"uint8 from {images.min()} to {images.max()}, taken as they are"
    assert_same(written(tmp_path / "out"), expected(images))
    assert manifest(tmp_path / "out")[:2] == [
        ["image", "source", "name"],
        ["7/7_0001.png", f"{tmp_path}/X.npy[0]", "7"],
    ]


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_other_numbers_up_to_255_are_taken_as_they_are(dtype, bring, tmp_path):
    images = pixels()
    _, how = bring(images.astype(dtype))
    assert how.endswith("taken as they are")
    assert_same(written(tmp_path / "out"), expected(images))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares_of_one_are_taken_times_255(dtype, bring, tmp_path):
    images = pixels()
    images[0, 0] = [0, 255, 0, 255]
    _, how = bring((images / 255).astype(dtype))
    assert how == "floats from 0 to 1, taken times 255"
    assert_same(written(tmp_path / "out"), expected(images))


@pytest.mark.parametrize(("most", "how"), [(255, "float32 from"), (1, "floats from")])
def test_floats_that_leave_their_range_a_little_are_taken(most, how, bring, tmp_path):
    images = pixels()
    images[0, 0] = [0, 255, 0, 255]
    resized = (images * (most / 255)).astype(np.float32)
    resized[0, 0] = np.float32([-0.00003, 1.0000002, -0.0009, 1.0009]) * most
    assert bring(resized)[1].startswith(how)
    assert_same(written(tmp_path / "out"), expected(images))


def test_flat_rows_become_images_of_their_height_and_width(bring, tmp_path):
    images = pixels()
    bring(images.reshape(5, -1), height=6, width=4)
    assert_same(written(tmp_path / "out"), expected(images))


def test_labels_may_be_names_or_be_named_by_a_file(bring, tmp_path):
    bring(pixels(), np.array(["Ann Lee", "bob", "Ann Lee", "bob", "bob"]))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"Ann Lee", "bob", ".manifest.csv"}
    (tmp_path / "out").rename(tmp_path / "before")
    (tmp_path / "names.txt").write_text("".join(f"person {i}\n" for i in range(8)))
    bring(pixels(), names=tmp_path / "names.txt")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"person 2", "person 7", ".manifest.csv"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_name_ends_where_its_line_does_and_nowhere_else(end, bring, tmp_path, manifest):
    names = [f"person {i}\f{i}\u2028{i}\x85{i}" for i in range(8)]
    (tmp_path / "names.txt").write_bytes("".join(f"{name}{end}" for name in names).encode())
    bring(pixels(), names=tmp_path / "names.txt")
    assert [row[2] for row in manifest(tmp_path / "out")[1:]] == [names[label] for label in LABELS]


@pytest.mark.parametrize(
    ("images", "options", "line"),
    [
        (pixels(shape=(5, 2914)), {}, "rows of 2914 values; give --height and --width, such as 62 and 47 or 47 and 62"),
        (
            pixels(shape=(5, 4096)),
            {"height": 60, "width": 60},
            "rows of 4096 values, where --height 60 --width 60 make 3600; give others, such as 64 and 64",
        ),
        (
            pixels(shape=(5, 2909)),
            {},
            "rows of 2909 values; give --height and --width; 2909 is not a face's height times its width: are they "
            "grey, and without a column more?",
        ),
        (
            pixels(shape=(5, 3, 6, 4)),
            {},
            "shape [5, 3, 6, 4]; give [n, height, width], [n, height, width, 3] or flat grey rows",
        ),
        (pixels(), {"height": 4, "width": 6}, "images of height 6 and width 4; leave --height and --width out"),
        (np.full((5, 6, 4), -0.5), {}, "values from -0.5 to -0.5; give 0 to 1, or 0 to 255"),
        (np.full((5, 6, 4), 256), {}, "values from 256 to 256; give 0 to 1, or 0 to 255"),
        (np.full((5, 6, 4), 255.3), {}, "values from 255.3 to 255.3; give 0 to 1, or 0 to 255"),
        (np.linspace(-0.3, 255, 120).reshape(5, 6, 4), {}, "values from -0.3 to 255; give 0 to 1, or 0 to 255"),
        (np.linspace(-0.01, 1, 120).reshape(5, 6, 4), {}, "values from -0.01 to 1; give 0 to 1, or 0 to 255"),
        (np.full((5, 6, 4), np.nan), {}, "holds values that are not numbers, from row 0 on; mend or remove them"),
        (np.full((5, 6, 4), True), {}, "values of bool; give whole numbers or floats"),
        (np.zeros((0, 6, 4)), {}, "an empty array of shape [0, 6, 4]; give one with images"),
    ],
)
def test_pixels_that_can_not_be_taken_are_told(images, options, line, bring, tmp_path):
    with pytest.raises(DataError) as raised:
        bring(images, **options)
    assert str(raised.value.problems[0]).startswith(f"{tmp_path}/X.npy: {line}")
    assert {path.name for path in tmp_path.iterdir()} == {"X.npy", "y.npy"}


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (LABELS[:3], "3 labels for the 5 images in "),
        (LABELS[:, None], "shape [5, 1]; give one label for each image, [n]"),
        (LABELS / 2, "labels of float64; give whole numbers or strings"),
        (np.array(["Ann", "ann", "x", "y", "z"]), "'Ann' and 'ann' would share a folder"),
        (np.array(["Ann", "", "x", "y", "z"]), "an image has an empty name; give each image a name"),
    ],
)
def test_labels_that_can_not_be_taken_are_told(labels, line, bring, tmp_path):
    with pytest.raises(DataError) as raised:
        bring(pixels(), labels)
    (problem,) = map(str, raised.value.problems)
    assert problem.startswith(f"{tmp_path}/y.npy: {line}")


def test_everything_that_is_wrong_is_told_at_once(bring, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(DataError) as raised:
        bring(pixels(np.float32) * 2, names=tmp_path / "names.txt")
    assert [problem.partition(": ")[0] for problem in map(str, raised.value.problems)] == [
        f"{tmp_path}/out",
        f"{tmp_path}/X.npy",
        f"{tmp_path}/names.txt",
    ]
    assert str(raised.value.problems[2]).endswith("names labels 0 to 1, and none for 2, 7; add a line for each label")


class Harm:
    """An object that leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["objects", "pickle", "cut", "text", "empty", "zip", "vast"])
def test_what_is_no_array_is_told_and_nothing_is_unpickled(kind, tmp_path):
    path, trap = tmp_path / "X.npy", tmp_path / "trap"
    np.save(tmp_path / "y.npy", LABELS)
    if kind == "objects":
        np.save(path, np.array([Harm(trap)], dtype=object), allow_pickle=True)
    elif kind == "cut":
        np.save(path, pixels())
        path.write_bytes(path.read_bytes()[:150])
    elif kind == "vast":
        np.save(path, np.zeros(1, np.uint8))
        path.write_bytes(path.read_bytes().replace(b"(1,), }" + b" " * 20, b"(100000000000000000000,), }"))
    else:
        content = {"pickle": pickle.dumps(Harm(trap)), "text": b"hello", "empty": b"", "zip": b"PK\3\4 and no more"}
        path.write_bytes(content[kind])
    with pytest.raises(DataError, match=r"X\.npy: not an array of numbers or strings, or damaged; save it anew"):
        import_arrays(path, tmp_path / "y.npy", tmp_path / "out")
    assert not trap.exists()


def test_an_archive_is_not_taken_for_the_array_in_it(tmp_path):
    np.save(tmp_path / "y.npy", LABELS)
    with (tmp_path / "X.npy").open("wb") as file:
        np.savez(file, X=pixels())
    with pytest.raises(DataError, match=r"X\.npy: an archive of arrays; save the one that is meant with numpy\.save"):
        import_arrays(tmp_path / "X.npy", tmp_path / "y.npy", tmp_path / "out")


def gradient(height: int, width: int) -> np.ndarray:
    """Return an image that is dark at the top left, brighter to the right, and brightest at the bottom."""
    rows, columns = np.mgrid[:height, :width]
    return (2 * rows + columns).astype(np.uint8)


def test_rows_of_a_contest_are_enlarged_upright_and_in_proportion(bring, tmp_path):
    """Import images of 50 rows and 37 columns: four times as large, every block still has its pixel's value."""
    images = np.stack([gradient(50, 37)] * 5)
    bring(images.reshape(5, -1).astype(np.float32), height=50, width=37, resizing=Resizing(4))
    for image in written(tmp_path / "out").values():
        assert image.shape == (200, 148)
        blocks = image.reshape(50, 4, 37, 4).mean(axis=(1, 3))
        assert np.abs(blocks - images[0])[1:-1, 1:-1].max() <= 0.5  # the enlargement of a plane is that plane
        assert image[0, 0] < image[0, -1] < image[-1, 0] < image[-1, -1]
        assert np.abs(np.diff(image.astype(int), axis=0)).max() == 1  # smooth: no steps of 2 between rows


def test_a_size_makes_square_images_that_show_the_whole(bring, tmp_path):
    images = np.zeros([5, 50, 37], np.uint8)
    images[:, 25:] = 200
    bring(images, resizing=Resizing(side=64))
    for image in written(tmp_path / "out").values():
        assert image.shape == (64, 64)
        assert (image[:28].max(), image[36:].min()) == (0, 200)


def test_without_a_scale_the_pixels_stay_as_they_are(bring, tmp_path):
    images = pixels(shape=(5, 6, 4, 3))
    bring(images, resizing=Resizing(1))
    assert_same(written(tmp_path / "out"), expected(images))


def test_images_without_labels_are_numbered_by_their_rows(tmp_path, manifest):
    images = pixels(shape=(12, 6, 4))
    np.save(tmp_path / "X.npy", images.reshape(12, -1))
    made, how = import_unlabelled(tmp_path / "X.npy", tmp_path / "out", height=6, width=4, resizing=Resizing(2))
    assert (made.people, made.images) == (0, 12)
    assert how.endswith("taken as they are")
    found = written(tmp_path / "out")
    assert list(found) == [f"{row:04d}.png" for row in range(12)]
    assert all(image.shape == (12, 8) for image in found.values())
    assert manifest(tmp_path / "out")[:2] == [["image", "source", "name"], ["0000.png", f"{tmp_path}/X.npy[0]", ""]]


def test_ten_thousand_rows_and_more_keep_their_order_by_name(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(10_001).astype(np.uint16)[:, None, None] % 251)
    import_unlabelled(tmp_path / "X.npy", tmp_path / "out")
    found = written(tmp_path / "out")
    assert [image.item() for image in found.values()] == [row % 251 for row in range(10_001)]


def test_everything_wrong_about_an_array_without_labels_is_told_at_once(tmp_path):
    np.save(tmp_path / "X.npy", pixels(shape=(5, 24)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    with pytest.raises(DataError) as raised:
        import_unlabelled(tmp_path / "X.npy", tmp_path / "out")
    assert [problem.partition(": ")[0] for problem in map(str, raised.value.problems)] == [
        f"{tmp_path}/out",
        f"{tmp_path}/X.npy",
    ]


def test_a_hair_over_255_is_taken_and_told(bring, tmp_path):
    images = pixels().astype(np.float32)
    images[0, 0] = [0, 255.00003, -0.00002, 255]
    _, how = bring(images)
    assert how == "float32 from -2e-05 to 255.00003, taken as they are"
    assert_same(written(tmp_path / "out"), expected(np.clip(images, 0, 255).astype(np.uint8)))
