"""A network of the user's own comes from a `.keras` file and travels beside its checkpoints."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from finetune.backbones import NETWORK_FILE, by_name, stored_network
from finetune.errors import CheckpointError, UserError


def layer(kind: str, name: str, **settings: object) -> dict[str, object]:
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **settings}, "registered_name": None}


def config(*layers: dict[str, object], shape: tuple[int | None, ...] = (None, 20, 20, 1)) -> dict[str, object]:
    """Return a sequential model's configuration, as Keras 3 writes it."""
    first = layer("InputLayer", "input", batch_shape=list(shape), dtype="float32")
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "mine", "layers": [first, *layers]}}


CONVOLUTION = layer("Conv2D", "first", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="valid",
                    activation="relu", use_bias=True)  # fmt: skip
POOL = layer("GlobalAveragePooling2D", "pool", keepdims=False)


def archive(path, content, name="config.json"):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_network_is_its_file_s_layers_with_a_neck(tmp_path):
    path = archive(tmp_path / "my net.keras", config(CONVOLUTION, POOL))
    backbone = by_name(str(path))
    assert (backbone.name, backbone.scope, backbone.title) == ("my_net", "network_my_net", "my_net")
    assert backbone.boundaries == ("first", "Bottleneck", "Logits")
    assert (backbone.features, backbone.image_shape, backbone.standardization) == (4, (20, 20, 1), "unit")
    assert backbone.least_image_size == 3
    assert by_name(str(path)) is backbone


def test_a_network_that_standardizes_by_itself_gets_the_pixels(tmp_path):
    rescaling = layer("Rescaling", "scale", scale=1 / 255, offset=0.0)
    assert by_name(str(archive(tmp_path / "a.keras", config(rescaling, CONVOLUTION, POOL)))).standardization == "none"


def test_a_network_in_one_row_takes_its_own_size_alone(tmp_path):
    flat = layer("Flatten", "flat", data_format="channels_last")
    backbone = by_name(str(archive(tmp_path / "a.keras", config(CONVOLUTION, flat))))
    assert (backbone.features, backbone.least_image_size) == (18 * 18 * 4, 20)


def test_its_description_gives_it_back(tmp_path):
    backbone = by_name(str(archive(tmp_path / "a.keras", config(CONVOLUTION, POOL))))
    assert stored_network(tmp_path) is None
    (tmp_path / NETWORK_FILE).write_text(backbone.description)
    assert stored_network(tmp_path) == backbone
    assert by_name(str(tmp_path / NETWORK_FILE)) == backbone


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (config(layer("Lambda", "odd", function="x"), POOL), "layer 'odd' "),
        (config(layer("Dense", "Logits", units=3, use_bias=True, activation="relu"), shape=(None, 4)), "has "),
        (config(CONVOLUTION, POOL, shape=(None, 20, 30, 3)), "takes images of 20 x 30 pixels with 3 channels; only"),
        (config(CONVOLUTION, POOL, shape=(None, 20, 20, 5)), "takes images of 20 x 20 pixels with 5 channels; only"),
        ("[[[", "its description is not JSON; save the model again"),
        ("[" * 100_000, "its description is not JSON; save the model again"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_file(content, told, tmp_path):
    path = archive(tmp_path / "bad.keras", content)
    with pytest.raises(UserError) as caught:
        by_name(str(path))
    assert str(caught.value).startswith(f"{path}: {told}")


@pytest.mark.parametrize("cut", [0, 10, 60, -30])
def test_a_damaged_file_is_one_line(cut, tmp_path):
    buffer = io.BytesIO()
    archive(buffer, config(CONVOLUTION, POOL))
    (tmp_path / "cut.keras").write_bytes(buffer.getvalue()[:cut])
    with pytest.raises(CheckpointError) as caught:
        by_name(str(tmp_path / "cut.keras"))
    (problem,) = caught.value.problems
    assert problem.found.startswith("is not a .keras file, or it is damaged (")


def test_a_file_that_is_not_there_and_a_folder_are_one_line(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.keras: can't be read \(No such file or directory\)"):
        by_name(str(tmp_path / "gone.keras"))
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(CheckpointError, match=r"folder\.keras: is not a \.keras file"):
        by_name(str(tmp_path / "folder.keras"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": "../x", "config": {}}', '{"name": 3, "config": {}}'])
def test_a_damaged_description_is_one_line(text, tmp_path):
    (tmp_path / NETWORK_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="not a network's description; copy the checkpoint again"):
        stored_network(tmp_path)
