"""Exports for other programs hold their tensors under their names, and give the same tensors when read again."""

from __future__ import annotations

import io
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune import backbones
from finetune.backbones import by_name
from finetune.checkpoint import locate, read
from finetune.errors import UserError
from finetune.export import process
from finetune.export.formats import FORMATS, Content, Format, find
from finetune.export.formats.keras_weights import NAMED
from finetune.images.preprocessing import Preprocessing
from tests.checkpoint import odd

pytestmark = pytest.mark.tf
SIZE = 512


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> Content:
    """Return a narrow network with embeddings of 512 values and a head."""
    monkeypatch.setitem(backbones.BACKBONES, odd.V1.name, odd.V1)
    from finetune.backbones import variable_shapes

    generator = np.random.default_rng(0)
    shapes = variable_shapes(odd.V1, SIZE, 3)
    tensors = {name: generator.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    return Content(odd.V1, tensors, Preprocessing(160), ("a", "b", "c"), 7)


def without_head(content: Content) -> Content:
    tensors = {name: value for name, value in content.tensors.items() if not content.backbone.is_head(name)}
    return Content(content.backbone, tensors, content.preprocessing, (), 7)


def written(format: Format, content: Content, folder: Path) -> Path:
    folder.mkdir()
    format.write(content, folder)
    return folder / f"{folder.name}{format.suffix}"


@pytest.mark.parametrize("to", ["pytorch", "safetensors"])
@pytest.mark.parametrize("head", [True, False])
def test_what_is_written_is_read_again_to_the_byte(to, head, content, tmp_path):
    content = content if head else without_head(content)
    path = written(find(to), content, tmp_path / "mine")
    stored = read(locate(path)).tensors(content.tensors)
    assert {name: value.tobytes() for name, value in stored.items()} == {
        name: value.tobytes() for name, value in content.tensors.items()
    }


def test_the_same_tensors_give_the_same_state_dict(content, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    first, second = (written(FORMATS["pytorch"], content, tmp_path / place / "mine") for place in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_state_dict_is_a_plain_pickle_of_tensors(content, tmp_path):
    with zipfile.ZipFile(written(FORMATS["pytorch"], content, tmp_path / "mine")) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        described = archive.read("mine/data.pkl")
        names = archive.namelist()
        kernel = archive.read("mine/data/0")
    called = {
        argument for _, argument, _ in pickletools.genops(described) if isinstance(argument, str) and " " in argument
    }
    assert called == {
        "collections OrderedDict",
        "torch FloatStorage",
        "torch LongStorage",
        "torch._utils _rebuild_tensor_v2",
    }
    pickletools.dis(described, out=io.StringIO())  # checks the stack
    assert {"mine/version", "mine/byteorder"} < set(names)
    first = content.tensors["InceptionResnetV1/Conv2d_1a_3x3/weights"]
    np.testing.assert_array_equal(np.frombuffer(kernel, "<f4").reshape(2, 3, 3, 3), first.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("names", NAMED)
def test_weights_for_keras_stand_in_the_order_of_its_layers(names, content, tmp_path):
    import h5py

    content = without_head(content)
    with h5py.File(written(NAMED[names], content, tmp_path / "mine")) as file:
        layers = [name.decode() for name in file.attrs["layer_names"]]
        assert len(layers) == 245
        kernel = file[layers[0]][file[layers[0]].attrs["weight_names"][0]]
        np.testing.assert_array_equal(kernel, content.tensors["InceptionResnetV1/Conv2d_1a_3x3/weights"])
        last = file[layers[-1]]
        assert [name.decode().split("/")[-1] for name in last.attrs["weight_names"]] == [
            "beta:0",
            "moving_mean:0",
            "moving_variance:0",
        ]


def test_what_a_program_does_not_have_is_refused(content, tmp_path):
    with pytest.raises(UserError, match=r"deepface: its network has no classifier; leave out --head, or --names"):
        written(NAMED["deepface"], content, tmp_path / "a")
    small = Content(content.backbone, {**content.tensors}, content.preprocessing, (), 0)
    small.tensors["InceptionResnetV1/Bottleneck/weights"] = np.zeros((4, 128), "f4")
    with pytest.raises(UserError, match=r"pytorch: found embeddings of 128 values, where facenet-pytorch has 512"):
        written(FORMATS["pytorch"], small, tmp_path / "b")
    other = Content(by_name("inception_resnet_v2"), small.tensors, content.preprocessing, (), 0)
    with pytest.raises(UserError, match=r"keras-facenet: found Inception-ResNet-v2, which it does not have"):
        written(NAMED["keras-facenet"], other, tmp_path / "c")


@pytest.mark.parametrize(
    ("to", "names", "said"),
    [
        ("keras", "deepface", "names: found 'deepface' for keras; give deepface or keras-facenet, for h5 alone"),
        ("h5", "facenet", "names: found 'facenet' for h5; give deepface or keras-facenet, for h5 alone"),
    ],
)
def test_names_of_other_programs_are_for_h5_alone(to, names, said):
    with pytest.raises(UserError) as caught:
        find(to, names=names)
    assert str(caught.value) == said


def test_finetune_reads_an_export_itself_where_nothing_else_can(monkeypatch):
    monkeypatch.delenv("FINETUNE_TORCH_PYTHON", raising=False)
    monkeypatch.setattr(process, "find_spec", lambda module: None)
    assert not process.is_outside(FORMATS["pytorch"])
    assert not process.is_outside(FORMATS["safetensors"])
    assert process.is_outside(FORMATS["onnx"])
    monkeypatch.setenv("FINETUNE_TORCH_PYTHON", "sh")
    assert process.is_outside(FORMATS["pytorch"])
    monkeypatch.delenv("FINETUNE_TORCH_PYTHON")
    monkeypatch.setattr(process, "find_spec", lambda module: object())
    assert process.is_outside(FORMATS["pytorch"])
    assert not process.is_outside(FORMATS["safetensors"])
