"""Makers of odd checkpoints: what people hold of FaceNet, as small files."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from finetune.backbones import by_name
from finetune.checkpoint.saver import write
from tests.tiny import narrowed

V1 = narrowed(by_name("inception_resnet_v1"))
SCOPE = "InceptionResnetV1"
FIRST = f"{SCOPE}/Conv2d_1a_3x3"
BLOCK = f"{SCOPE}/Repeat_1/block17_3"
BOTTLENECK = f"{SCOPE}/Bottleneck"
NAME = "model-20200102-030405"
CLASSES = 5

Tensors = dict[str, np.ndarray]


def network(seed: int = 0) -> Tensors:
    """Draw the variables of the narrow network, with embeddings of 8 values and a head of 5 classes."""
    from finetune.backbones import variable_shapes

    generator = np.random.default_rng(seed)
    shapes = variable_shapes(V1, 8, CLASSES)
    return {
        name: generator.uniform(0.5, 1.5, shape).astype(np.float32) * (1 if "moving" in name else 0.3)
        for name, shape in shapes.items()
    }


def saved(folder: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write a Saver's files, and return their prefix."""
    return write(folder, "20200102-030405", 3, tensors)


def renamed(tensors: Tensors, old: str, new: str) -> Tensors:
    return {new + name.removeprefix(old) if name.startswith(old) else name: value for name, value in tensors.items()}


def graph(tensors: Mapping[str, np.ndarray]) -> object:
    """Return a frozen graph, with a node that reads each constant."""
    import tensorflow as tf

    made = tf.compat.v1.GraphDef()
    for name, value in tensors.items():
        node = made.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        made.node.add(name=f"{name}/read", op="Identity", input=[name])
    return made


def frozen(path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph(tensors).SerializeToString())
    return path


def frozen_text(path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    from google.protobuf import text_format

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_format.MessageToString(graph(tensors)))
    return path


def saved_model(folder: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write a SavedModel of TensorFlow 1, whose graph nothing reads."""
    prefix = saved(folder / "variables", tensors)
    for path in list(prefix.parent.iterdir()):
        if path.name.startswith(prefix.name):
            path.rename(path.with_name(path.name.replace(prefix.name, "variables")))
        else:
            path.unlink()
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder


def of_objects(folder: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write a checkpoint of objects, as TensorFlow 2 does, with the variables in a list."""
    import tensorflow as tf

    variables = [tf.Variable(value, name=name) for name, value in tensors.items()]
    return Path(tf.train.Checkpoint(mine=variables).write(str(folder / "model.ckpt-3")))


def zipped(path: Path, folder: Path, inside: str = "20200102-030405") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}/{file.relative_to(folder)}")
    return path


def tarred(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "20200102-030405")
    return path


def tar_with(path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w") as archive:
        member.size = len(content) if member.isreg() else 0
        archive.addfile(member, io.BytesIO(content))
    return path


def zip_with(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path
