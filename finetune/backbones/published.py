"""The checkpoints that were published with FaceNet's code: their preprocessing and the credit for their data."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

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
        backbone: name of the network.
        image_size: side of the input, in pixels.
    """

    name: str
    standardization: Literal["fixed", "per_image"]
    embedding_size: int
    trained_on: str
    backbone: str = "inception_resnet_v1"
    image_size: int = 160


# The published README says "fixed image standardization" for the two checkpoints of 2018. The two of 2017 predate
# that option: per_image_standardization was the only one.
PUBLISHED: Mapping[str, Published] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Published("20180402-114759", "fixed", 512, VGGFACE2),
        Published("20180408-102900", "fixed", 512, CASIA),
        Published("20170512-110547", "per_image", 128, MS_CELEB),
        Published("20170511-185253", "per_image", 128, CASIA),
    )
}
"""The published checkpoints by name."""


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
