"""The checkpoints that were published with FaceNet's code, and the files of well-known ports of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from finetune.backbones.backbone import Standardization

VGGFACE2 = (
    "VGGFace2: Cao, Shen, Xie, Parkhi and Zisserman 2018, “VGGFace2: A dataset for recognising faces across pose and "
    "age” (arXiv:1710.08092)"
)
CASIA = "CASIA-WebFace: Yi, Lei, Liao and Li 2014, “Learning face representation from scratch” (arXiv:1411.7923)"
MS_CELEB = (
    "MS-Celeb-1M: Guo, Zhang, Hu, He and Gao 2016, “MS-Celeb-1M: A dataset and benchmark for large-scale face "
    "recognition” (arXiv:1607.08221)"
)


@dataclasses.dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes:
        name: name of its folder, also part of its file names.
        standardization: standardization in training, as `finetune.images` names it.
        embedding_size: number of values in an embedding.
        trained_on: training data and its paper, to be credited in publications.
        lfw_accuracy: accuracy on LFW that its authors state.
        files: descriptions of published files with its weights, by the SHA-256 of each.
        backbone: name of the network.
        image_size: side of the input, in pixels.
    """

    name: str
    standardization: Standardization
    embedding_size: int
    trained_on: str
    lfw_accuracy: float
    files: Mapping[str, str]
    backbone: str = "inception_resnet_v1"
    image_size: int = 160


GRAPH, DATA = "the published frozen graph", "the published checkpoint"
KERAS, KERAS_WEIGHTS = "keras-facenet's model", "keras-facenet's weights"
STATE_DICT = "facenet-pytorch's state dict"
LICENCE = "MIT, as stated for the code by davidsandberg/facenet; the training images have terms of their own"
"""Licence of the published checkpoints, as stated."""

# The published README says "fixed image standardization" for the two checkpoints of 2018. The two of 2017 predate
# that option: per_image_standardization was the only one. The digests are those that keras-facenet's metadata state,
# and for facenet-pytorch's file the one that many of its users check.
PUBLISHED: Mapping[str, Published] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Published(
            "20180402-114759",
            "fixed",
            512,
            VGGFACE2,
            0.9965,
            {
                "bf2c12f31880aaa865fa5a9c168dcbd619f7a40b1633f6446d416fac2421ab99": GRAPH,
                "5ccfbec36aa87074e96507d1b2957c739ddd1ce928cdc8f31b70fd3f7091f25a": DATA,
                "c99bfb20ca9959afb7bb83a1a6f4b7fc65bacf471c7f945c15a39881057a56be": KERAS,
                "8b71e7045497e841c00ee568f031d1a4d30908fceadf6884aef2dec4d545202b": KERAS_WEIGHTS,
                "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b": STATE_DICT,
            },
        ),
        Published(
            "20180408-102900",
            "fixed",
            512,
            CASIA,
            0.9905,
            {
                "272568219fa6505371ceed76dca6b3925ef69b54962709cf76f763e9d8bf4cfb": GRAPH,
                "15d3109b99a6ca0d49843c183d4b417f7952f2948a1c246e2059813157b9d385": DATA,
                "23cdb7f96553c3baa32fbb4f96aaa398a721ea26cd49de5a72c9beea6150d13e": KERAS,
                "af526097bd89ff84dda94dc071ff39c4cf39922cf0a9d9dea652853cda9616be": KERAS_WEIGHTS,
            },
        ),
        Published(
            "20170512-110547",
            "per_image",
            128,
            MS_CELEB,
            0.992,
            {
                "8bdc3aed34e577113a656b8e5d0274346f8967fa7f0f9d6f3fdcd9608a29b9e4": GRAPH,
                "08bb31fc541d7cd2fcd2c499a1d90de45140828f0d08d23c34b65fab2d172ebb": DATA,
                "0ce0e39b5c8b5a46b7005c520441e9776f058d650a66d7ef0ec28b67a8d06d6c": KERAS,
                "668e950140ad76f1e21e3a2bc1d3ad9c673734ea8ea1abbf4ecc44d1dbdd400b": KERAS_WEIGHTS,
            },
        ),
        Published(
            "20170511-185253",
            "per_image",
            128,
            CASIA,
            0.987,
            {
                "71fb49617aee7b007b66ed1e4474e749212ed9872ff3b47c25ee997c8262baa4": GRAPH,
                "8776a47ef7fd0a5848946295a763c2c10580c621f84f591d731f8c2b6d8eabf5": DATA,
                "d7dbcee552427cd497190894ad5c9763313c3249f0b5dc2d6e0cc3e42d5ea063": KERAS,
                "28db99aaafce0e62b2cdb1db5ac733ffa9e52a365e1a3ca0a13c5159bd4363c4": KERAS_WEIGHTS,
            },
        ),
    )
}
"""The published checkpoints by name."""


def find_published_file(digests: Collection[str]) -> tuple[Published, str] | None:
    """Return the published checkpoint of a file, and the description of the file; None if it is not a known one.

    Args:
        digests: SHA-256 of the files of a checkpoint, in hexadecimal.
    """
    known = ((one, one.files[digest]) for one in PUBLISHED.values() for digest in digests if digest in one.files)
    return next(known, None)


def find_published(folder: Path, name: str) -> Published | None:
    """Return the published checkpoint that the name of a checkpoint or of its folder contains.

    Args:
        folder: folder of the checkpoint.
        name: name of the checkpoint, such as `model-20180402-114759.ckpt-275`.

    Returns:
        The published checkpoint, or None where neither name contains one.
    """
    found = (re.search(r"\d{8}-\d{6}", text) for text in (name, folder.name))
    return next((PUBLISHED[match[0]] for match in found if match and match[0] in PUBLISHED), None)
