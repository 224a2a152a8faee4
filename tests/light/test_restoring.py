"""A checkpoint is restored to embed with by a kept graph, which is made once, proved, and made again when damaged."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf

from finetune import checkpoint, files  # noqa: E402
from finetune.cli.restored import restore as restore_for  # noqa: E402
from finetune.errors import CheckpointError, DataError, UserError  # noqa: E402
from finetune.images import Choice, standardize_array  # noqa: E402
from finetune.light import LightModel, kept, making, restore, restoring  # noqa: E402
from finetune.light.session import GRAPH, WEIGHTS  # noqa: E402
from finetune.model import Model  # noqa: E402
from finetune.runtime import starting  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(monkeypatch) -> list[Path]:
    """Return a list that receives the folder of each graph that is made."""
    folders: list[Path] = []
    make = making.make
    monkeypatch.setattr(
        making, "make", lambda model, found, folder: folders.append(folder) or make(model, found, folder)
    )
    return folders


def test_it_gives_what_tensorflow_gives(small_checkpoint, small_model, pixels):
    light = restore(small_checkpoint)
    assert isinstance(light, LightModel)
    assert light.runtime == "onnxruntime"
    assert np.abs(light.embed(pixels) - small_model.embed(pixels)).max() < 1e-6
    assert np.abs(light.embed(pixels, flip=True) - small_model.embed(pixels, flip=True)).max() < 1e-6
    np.testing.assert_allclose(light.logits(pixels), small_model.logits(pixels), atol=1e-5)
    assert light.predict(pixels).names == small_model.predict(pixels).names
    standardized = standardize_array(pixels, "fixed")
    np.testing.assert_array_equal(light.embed(standardized, standardized=True), light.embed(pixels))
    assert (light.class_names, light.num_classes, light.embedding_size) == (("Ann", "Bob", "Cid"), 3, 16)
    assert (light.backbone, light.preprocessing) == (small_model.backbone, small_model.preprocessing)
    assert (light.where, light.source, light.remarks) == (small_model.where, small_model.source, small_model.remarks)


def test_it_knows_the_variables_as_tensorflow_does(small_checkpoint, small_model):
    light = restore(small_checkpoint)
    assert light.names == small_model.names
    assert light.digests() == small_model.digests()
    assert light.weights_sha256(light.names[:3]) == small_model.weights_sha256(light.names[:3])
    for name, value in small_model.tensors().items():
        np.testing.assert_array_equal(light.tensors([name])[name], value)
    assert light.multiply_adds() == small_model.multiply_adds()
    assert [light.shape_before(unit) for unit in range(light.backbone.head_index + 1)] == [
        small_model.shape_before(unit) for unit in range(light.backbone.head_index + 1)
    ]
    fit = light.standardization_fit(np.zeros([16, 64, 64, 3], np.uint8))
    assert fit == small_model.standardization_fit(np.zeros([16, 64, 64, 3], np.uint8))


def test_an_embedding_does_not_depend_on_the_other_images(small_checkpoint):
    light = restore(small_checkpoint)
    pixels = np.random.default_rng(0).integers(0, 256, [37, 64, 64, 3], dtype=np.uint8)
    together = light.embed(pixels)
    np.testing.assert_array_equal(together, np.concatenate([light.embed(one[np.newaxis]) for one in pixels]))
    prelogits = light.prefix(light.backbone.head_index)(pixels)
    np.testing.assert_allclose(together, prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True), atol=1e-7)
    with pytest.raises(ValueError, match="the graph ends before unit"):
        light.prefix(1)


def test_a_graph_is_made_once(small_checkpoint, made, pixels, cache_of_one_test):
    first, second = restore(small_checkpoint), restore(str(small_checkpoint / "model-small.ckpt-7.index"))
    assert len(made) == 1
    np.testing.assert_array_equal(first.embed(pixels), second.embed(pixels))
    (folder,) = cache_of_one_test.iterdir()
    assert sorted(file.name for file in folder.iterdir()) == sorted([GRAPH, WEIGHTS, kept.RECORD])
    assert cache_of_one_test.stat().st_mode & 0o777 == 0o700
    assert json.loads((folder / kept.RECORD).read_text())["largest_difference"] < 1e-6


def test_another_checkpoint_another_size_and_another_version_get_graphs_of_their_own(
    small_checkpoint, small_model, made, tmp_path, monkeypatch
):
    restore(small_checkpoint)
    changed = Model.restore(small_checkpoint)
    changed.assign({name: value + 0.01 for name, value in changed.tensors([changed.names[0]]).items()})
    changed.save(tmp_path / "changed", "small", 7)
    restore(tmp_path / "changed")
    assert len(made) == 2
    restore(small_checkpoint, Choice(standardization="per_image"))
    assert len(made) == 3
    monkeypatch.setattr(restoring, "VERSION", restoring.VERSION + 1)
    restore(small_checkpoint)
    assert len(made) == 4
    monkeypatch.setattr(kept, "processor", lambda: "flags: another")
    restore(small_checkpoint)
    assert len(made) == 5


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Return a list that receives the path of each checkpoint that is read. New files count as old."""
    monkeypatch.setattr(files, "UNSETTLED", -(10**12))
    paths: list[str] = []
    account = checkpoint.account
    monkeypatch.setattr(checkpoint, "account", lambda path, **given: paths.append(str(path)) or account(path, **given))
    return paths


def test_a_checkpoint_is_read_once_and_again_when_more_is_asked_for(small_checkpoint, small_model, pixels, read):
    first = restore(small_checkpoint)
    read.clear()
    second = restore(small_checkpoint)
    np.testing.assert_array_equal(second.embed(pixels), first.embed(pixels))
    for what in ("names", "embedding_size", "num_classes", "class_names", "preprocessing", "backbone", "remarks"):
        assert getattr(second, what) == getattr(first, what) == getattr(small_model, what), what
    assert (
        (second.where, second.checkpoint) == (first.where, first.source.prefix) == (small_model.where, first.checkpoint)
    )
    assert second.digests() == small_model.digests()
    assert not read
    assert (second.source, second.origin.plan, second.origin.name, second.origin.remarks) == (
        small_model.source,
        small_model.origin.plan,
        small_model.origin.name,
        small_model.origin.remarks,
    )
    np.testing.assert_array_equal(second.logits(pixels), first.logits(pixels))
    assert read == [str(small_checkpoint)]


def test_another_checkpoint_in_its_place_is_read(small_checkpoint, small_model, pixels, read, tmp_path):
    place = tmp_path / "place"
    shutil.copytree(small_checkpoint, place)
    before = restore(place).embed(pixels)
    tensors = {name: np.flip(value) for name, value in small_model.tensors().items()}
    checkpoint.write(tmp_path / "other", "small", 7, tensors)
    for name in ("model-small.ckpt-7.data-00000-of-00001", "model-small.ckpt-7.index"):
        times = (place / name).stat()
        shutil.copyfile(tmp_path / "other" / name, place / name)
        assert (place / name).stat().st_size == times.st_size
        os.utime(place / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = restore(place).embed(pixels)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, Model.restore(place).embed(pixels), atol=1e-6)


def test_what_is_only_assumed_is_said_again(small_checkpoint, small_model, read, tmp_path, capfd):
    tensors = {f"import/{name}": value for name, value in small_model.tensors().items()}
    checkpoint.write(tmp_path / "bare", "small", 7, tensors)
    options = dict.fromkeys(("image_size", "standardization", "convert", "runtime"))
    given = argparse.Namespace(checkpoint=tmp_path / "bare", precision="float32", weights="variables", **options)
    said = []
    for _ in range(2):
        restore_for(given)
        said.append(capfd.readouterr().err)
    assert said[0] == said[1]
    assert "the names lie under import/, which is left out\n" in said[0]
    assert "assumed; nothing beside the checkpoint says otherwise" in said[0]
    assert len(read) == 2  # by the light path and by TensorFlow, which made the graph


def damage(folder: Path, how: str) -> None:
    weights = folder / WEIGHTS
    if how == "a changed byte":
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "a cut graph":
        (folder / GRAPH).write_bytes((folder / GRAPH).read_bytes()[:-10])
    elif how == "no weights":
        weights.unlink()
    elif how == "no record":
        (folder / kept.RECORD).unlink()
    elif how == "a record of another form":
        (folder / kept.RECORD).write_text("[1]")
    else:
        files.write_json(folder / kept.RECORD, {"crc32c": {}})


@pytest.mark.parametrize(
    "how",
    ["a changed byte", "cut weights", "a cut graph", "no weights", "no record", "a record of another form", "no sums"],
)
def test_a_damaged_graph_is_made_again(small_checkpoint, made, pixels, cache_of_one_test, capfd, how):
    expected = restore(small_checkpoint).embed(pixels)
    (folder,) = cache_of_one_test.iterdir()
    damage(folder, how)
    again = restore(small_checkpoint)
    assert isinstance(again, LightModel)
    np.testing.assert_array_equal(again.embed(pixels), expected)
    assert len(made) == 2
    assert isinstance(restore(small_checkpoint), LightModel)
    assert len(made) == 2
    assert capfd.readouterr().err == ""


def refused(small_checkpoint: Path, small_model: Model, pixels: np.ndarray, said: str) -> None:
    """Check that TensorFlow computes, and that nothing is left of a graph."""
    model = restore(small_checkpoint)
    assert isinstance(model, Model)
    np.testing.assert_array_equal(model.embed(pixels), small_model.embed(pixels))
    (line,) = said().splitlines()
    assert line.startswith(f"{small_checkpoint / 'model-small.ckpt-7'}: no graph for onnxruntime (")
    assert line.endswith("); TensorFlow computes")


def test_a_graph_that_differs_from_tensorflow_is_refused(
    small_checkpoint, small_model, pixels, monkeypatch, capfd, cache_of_one_test
):
    translate = making.translate

    def wrong(graph):
        model = translate(graph)
        weights = next(one for one in model.graph.initializer if len(one.dims) == 4)
        values = np.frombuffer(weights.raw_data, np.float32).copy()
        values[0] += 0.5
        weights.raw_data = values.tobytes()
        return model

    monkeypatch.setattr(making, "translate", wrong)
    refused(small_checkpoint, small_model, pixels, lambda: _holding(capfd, "embeddings differ by"))
    assert not list(cache_of_one_test.iterdir())


def _holding(capfd, words: str) -> str:
    said = capfd.readouterr().err
    assert words in said
    return said


def test_a_network_without_translation_is_computed_by_tensorflow(
    small_checkpoint, small_model, pixels, monkeypatch, capfd, cache_of_one_test
):
    def untranslatable(_):
        raise making.Untranslatable("the operation Strange")

    monkeypatch.setattr(making, "translate", untranslatable)
    words = "ONNX has no counterpart here for the operation Strange"
    refused(small_checkpoint, small_model, pixels, lambda: _holding(capfd, words))
    assert not list(cache_of_one_test.iterdir())


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_on_a_full_disk_tensorflow_computes(small_checkpoint, cache_of_one_test, share):
    restore(small_checkpoint)
    (whole,) = cache_of_one_test.glob(f"*/{WEIGHTS}")
    limit = int(share * whole.stat().st_size)
    shutil.rmtree(cache_of_one_test)
    script = (
        "import resource, signal, sys\n"
        "from finetune.light import restore\n"
        "import tensorflow, onnx, onnxruntime\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
        "import numpy as np\n"
        "model = restore(sys.argv[1])\n"
        "print(type(model).__name__, model.embed(np.zeros([1, 64, 64, 3], np.uint8)).shape)\n"
    )
    command = [sys.executable, "-c", script, str(small_checkpoint)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Model (1, 16)\n"
    (line,) = [line for line in done.stderr.splitlines() if "0000" not in line and "WARNING" not in line]
    assert "no graph for onnxruntime (" in line
    assert not [path for path in cache_of_one_test.iterdir() if path.is_dir()]


def test_where_the_cache_cannot_be_written_tensorflow_computes(
    small_checkpoint, small_model, pixels, tmp_path, monkeypatch, capfd
):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "file/features"))
    refused(small_checkpoint, small_model, pixels, lambda: capfd.readouterr().err)


def test_only_the_latest_graphs_are_kept(small_checkpoint, monkeypatch, cache_of_one_test):
    monkeypatch.setattr(kept, "MOST", 2)
    names = []
    for version in range(4):
        monkeypatch.setattr(restoring, "VERSION", version)
        restore(small_checkpoint)
        (new,) = {path.name for path in cache_of_one_test.iterdir()} - set(names)
        names.append(new)
        for age, name in enumerate(reversed(names)):
            if (cache_of_one_test / name).exists():
                os.utime(cache_of_one_test / name, (1e9 - age, 1e9 - age))
    assert {path.name for path in cache_of_one_test.iterdir()} == set(names[-2:])


SCRIPT = """
import sys
import numpy as np
from finetune.light import making, restore
make = making.make
making.make = lambda *given: print("made", flush=True) or make(*given)
model = restore(sys.argv[1])
print(type(model).__name__, model.embed(np.full([1, 64, 64, 3], 7, np.uint8)).tobytes().hex())
"""


@pytest.mark.slow
def test_of_two_processes_at_once_one_makes_the_graph(small_checkpoint, cache_of_one_test):
    command = [sys.executable, "-c", SCRIPT, str(small_checkpoint)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].splitlines() for process in both]
    assert sorted(len(lines) for lines in said) == [1, 2]
    assert len({lines[-1] for lines in said}) == 1
    assert said[0][-1].startswith("LightModel ")
    assert len(list(cache_of_one_test.iterdir())) == 1


def test_a_forked_process_is_refused_in_place_of_waiting_forever(small_checkpoint, pixels, monkeypatch):
    light = restore(small_checkpoint)
    monkeypatch.setattr(starting, "_computes_in", lambda: 1)
    with pytest.raises(UserError, match="forked from process 1, which had used ONNX Runtime, and would never answer"):
        light.embed(pixels)


def test_mistakes_are_told_as_tensorflows_model_tells_them(small_checkpoint, small_model, tmp_path):
    light = restore(small_checkpoint)
    for model in (light, small_model):
        with pytest.raises(DataError, match="give uint8"):
            model.prefix(model.backbone.head_index)(np.zeros([1, 64, 64, 3], np.int64))
    with pytest.raises(CheckpointError, match="no such file or folder"):
        restore(tmp_path / "nowhere")
    with pytest.raises(UserError, match="onnxruntime computes in float32"):
        restore(small_checkpoint, precision="bfloat16", runtime="onnxruntime")
    headless = Model.fresh("small_cnn", 16, preprocessing=small_model.preprocessing)
    headless.save(tmp_path / "headless", "none", 1)
    with pytest.raises(DataError, match="holds no Logits"):
        restore(tmp_path / "headless").logits(np.zeros([1, 64, 64, 3], np.uint8))


def test_values_that_are_not_finite_are_refused(small_checkpoint, monkeypatch, pixels):
    light = restore(small_checkpoint)
    monkeypatch.setattr(light, "_session", lambda images: np.full([len(images), 16], 1e30, np.float32))
    with pytest.raises(DataError, match="gives NaN or infinite values"):
        light.embed(pixels)


def test_a_damaged_checkpoint_is_an_error_and_no_fallback(small_checkpoint, tmp_path):
    shutil.copytree(small_checkpoint, tmp_path / "copy")
    data = next((tmp_path / "copy").glob("*.data-*"))
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        restore(tmp_path / "copy")


@pytest.mark.parametrize(
    ("precision", "installed", "gpu", "runtime"),
    [
        ("float32", True, False, "onnxruntime"),
        ("bfloat16", True, False, "tensorflow"),
        ("float32", False, False, "tensorflow"),
        ("float32", True, True, "tensorflow"),
    ],
)
def test_the_usual_runtime(monkeypatch, precision, installed, gpu, runtime):
    find = restoring.importlib.util.find_spec
    monkeypatch.setattr(restoring.importlib.util, "find_spec", lambda name: find(name) if installed else None)
    monkeypatch.setattr(restoring, "_has_gpu", lambda: gpu)
    assert restoring.usual_runtime(precision) == runtime


def test_without_onnxruntime_tensorflow_computes_and_asking_for_it_is_an_error(small_checkpoint, monkeypatch):
    monkeypatch.setattr(restoring.importlib.util, "find_spec", lambda _: None)
    assert isinstance(restore(small_checkpoint), Model)
    with pytest.raises(UserError, match="onnxruntime is not installed; pip install onnxruntime onnx"):
        restore(small_checkpoint, runtime="onnxruntime")


def test_tensorflow_is_asked_for(small_checkpoint, made):
    assert isinstance(restore(small_checkpoint, runtime="tensorflow"), Model)
    assert made == []
