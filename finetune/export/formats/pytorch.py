"""State dict for facenet-pytorch, written without PyTorch.

The file has the form of `torch.save` since PyTorch 1.6: a zip archive with a pickle, `data.pkl`, that describes the
tensors, and one file with the bytes of each. The pickle's few operations are written out here, by protocol 2.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from finetune.backbones import PORTS, Backbone
from finetune.errors import Problem, UserError
from finetune.export.formats.content import Content
from finetune.export.formats.format import Format

PORT = PORTS["facenet-pytorch"]
EMBEDDING_SIZE = 512
"""Number of values in the embeddings of facenet-pytorch's network."""
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}
COUNT = ".num_batches_tracked"
DATE = (1980, 1, 1, 0, 0, 0)
"""Date of the archive's members, so that the same tensors give the same bytes."""


def state_dict(content: Content) -> dict[str, np.ndarray]:
    """Return the tensors of a content under facenet-pytorch's names, in the order of its network.

    The scales (gamma) of its batch normalizations are ones, as in its own ports of the checkpoints.

    Raises:
        UserError: facenet-pytorch has no such network.
    """
    backbone, size = content.backbone, content.tensors[content.backbone.embedding_weights].shape[1]
    if backbone.name not in PORT.backbones:
        advice = "export to another format, such as onnx or keras"
        raise UserError(Problem("pytorch", f"found {backbone.title}, which facenet-pytorch does not have", advice))
    if size != EMBEDDING_SIZE:
        found = f"embeddings of {size} values, where facenet-pytorch has {EMBEDDING_SIZE}"
        raise UserError(Problem("pytorch", f"found {found}", "export to another format, such as onnx or keras"))
    return dict(_tensors(backbone, content.tensors))


def _tensors(backbone: Backbone, values: Mapping[str, np.ndarray]) -> Iterable[tuple[str, np.ndarray]]:
    for name, theirs in PORT.tensors(backbone).items():
        if theirs.is_scale:
            yield name, np.ones_like(values[theirs.variable.removesuffix("gamma") + "beta"])
        elif theirs.variable in values:
            value = values[theirs.variable]
            yield name, value if theirs.axes is None else value.transpose(np.argsort(theirs.axes))
        if name.endswith(".running_var"):
            yield name.removesuffix(".running_var") + COUNT, np.array(0, np.int64)


def write(content: Content, folder: Path) -> None:
    """Write `NAME.pt`."""
    tensors = {name: np.ascontiguousarray(value) for name, value in state_dict(content).items()}
    root = folder.name
    with zipfile.ZipFile(folder / f"{root}.pt", "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}", DATE), data)

        add("data.pkl", pickled(tensors))
        add("byteorder", b"little")
        for key, value in enumerate(tensors.values()):
            add(f"data/{key}", value.astype(value.dtype.newbyteorder("<")).tobytes())
        add("version", b"3\n")


def pickled(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the pickle of an ordered dictionary of tensors, whose bytes lie in files with numbers as names."""
    items = b"".join(_text(name) + _tensor(str(key), value) for key, (name, value) in enumerate(tensors.items()))
    return b"\x80\x02" + _EMPTY_DICT + b"(" + items + b"u."


_EMPTY_DICT = b"ccollections\nOrderedDict\n)R"


def _tensor(key: str, value: np.ndarray) -> bytes:
    """Return the call that rebuilds a tensor from its storage, offset, size and strides."""
    storage = b"(" + _text("storage") + f"ctorch\n{STORAGES[value.dtype.name]}\n".encode()
    storage += _text(key) + _text("cpu") + _number(value.size) + b"tQ"
    strides = [stride // value.itemsize for stride in value.strides]
    arguments = storage + _number(0) + _tuple(value.shape) + _tuple(strides) + b"\x89" + _EMPTY_DICT
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def _tuple(numbers: Iterable[int]) -> bytes:
    return b"(" + b"".join(map(_number, numbers)) + b"t"


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


PYTORCH = Format(
    "pytorch",
    "a state dict for facenet-pytorch (.pt)",
    write,
    suffix=".pt",
    python="FINETUNE_TORCH_PYTHON",
    proof=("torch", "facenet_pytorch"),
)
