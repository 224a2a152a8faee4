"""Inception-ResNet-v1 and v2 as FaceNet built them, unit by unit.

The networks follow Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning" (arXiv:1602.07261). Widths, paddings and residual scales are those of davidsandberg/facenet's
`models/inception_resnet_v1.py` and `models/inception_resnet_v2.py`. The names are the variable scopes of FaceNet's
graphs, and therefore also the names in its checkpoints.
"""

from __future__ import annotations

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.specs import (
    AveragePool,
    Branch,
    Convolution,
    Dense,
    GlobalAveragePool,
    MaxPool,
    Mixed,
    Reduction,
    Residual,
)


def _halving(filters: int) -> tuple[str, Convolution]:
    """Return the last convolution of a reduction's branch, which has stride 2."""
    return "Conv2d_1a_3x3", Convolution(filters, 3, stride=2, padding="VALID")


def _crossed(size: int, filters: tuple[int, int, int, int]) -> tuple[Branch, Branch]:
    """Return the branches of a block with a 1 x `size` convolution followed by a `size` x 1 convolution.

    Args:
        size: length of the kernels.
        filters: filters of the first branch's convolution, then of the second branch's three.
    """
    first, narrow, across, down = filters
    return (
        (("Conv2d_1x1", Convolution(first, 1)),),
        (
            ("Conv2d_0a_1x1", Convolution(narrow, 1)),
            (f"Conv2d_0b_1x{size}", Convolution(across, (1, size))),
            (f"Conv2d_0c_{size}x1", Convolution(down, (size, 1))),
        ),
    )


def _block35(middle: int, last: int) -> tuple[Branch, ...]:
    """Return the branches of a block of 3 x 3 convolutions; the arguments are the third branch's filters."""
    return (
        (("Conv2d_1x1", Convolution(32, 1)),),
        (("Conv2d_0a_1x1", Convolution(32, 1)), ("Conv2d_0b_3x3", Convolution(32, 3))),
        (
            ("Conv2d_0a_1x1", Convolution(32, 1)),
            ("Conv2d_0b_3x3", Convolution(middle, 3)),
            ("Conv2d_0c_3x3", Convolution(last, 3)),
        ),
    )


def _mixed_6a(narrow: int, middle: int, last: int) -> Reduction:
    """Return the first reduction; the arguments are the second branch's filters."""
    return Reduction(
        (
            (_halving(384),),
            (("Conv2d_0a_1x1", Convolution(narrow, 1)), ("Conv2d_0b_3x3", Convolution(middle, 3)), _halving(last)),
        )
    )


def _mixed_7a(second: int, middle: int, last: int) -> Reduction:
    """Return the second reduction.

    Args:
        second: filters of the second branch's last convolution.
        middle, last: filters of the third branch's last two convolutions.
    """
    narrow = ("Conv2d_0a_1x1", Convolution(256, 1))
    return Reduction(
        (
            (narrow, _halving(384)),
            (narrow, _halving(second)),
            (narrow, ("Conv2d_0b_3x3", Convolution(middle, 3)), _halving(last)),
        )
    )


def _repeat(name: str, count: int, made_of: Residual) -> tuple[Unit, ...]:
    """Return the units of a repeat, numbered from 1."""
    return tuple(Unit(f"{name}_{i}", made_of) for i in range(1, count + 1))


_STEM = (  # the first units of both networks
    Unit("Conv2d_1a_3x3", Convolution(32, 3, stride=2, padding="VALID")),  # 79 x 79 x 32
    Unit("Conv2d_2a_3x3", Convolution(32, 3, padding="VALID")),  # 77 x 77 x 32
    Unit("Conv2d_2b_3x3", Convolution(64, 3)),  # 77 x 77 x 64
    Unit("MaxPool_3a_3x3", MaxPool()),  # 38 x 38 x 64
    Unit("Conv2d_3b_1x1", Convolution(80, 1, padding="VALID")),  # 38 x 38 x 80
    Unit("Conv2d_4a_3x3", Convolution(192, 3, padding="VALID")),  # 36 x 36 x 192
)
_ENDS = (  # the last units of both networks
    Unit("AvgPool_1a_8x8", GlobalAveragePool()),
    Unit("Bottleneck", Dense(batch_norm=True)),
    Unit("Logits", Dense(batch_norm=False)),
)
_FLOAT32 = frozenset({"Conv2d_1a_3x3", "Bottleneck", "Logits"})
"""Units that compute in float32 at any precision.

The first convolution has only 0.4 % of the multiply-adds. Computing it in float32 avoids rounding the pixels to 8 bits.
Embeddings in bfloat16 then lie a third nearer to those in float32.
"""

# All shapes in this file are for a 160 x 160 image.
INCEPTION_RESNET_V1 = Backbone(
    name="inception_resnet_v1",
    title="Inception-ResNet-v1",
    scope="InceptionResnetV1",
    units=(
        *_STEM,
        Unit("Conv2d_4b_3x3", Convolution(256, 3, stride=2, padding="VALID")),  # 17 x 17 x 256
        *_repeat("Repeat/block35", 5, Residual(_block35(32, 32), scale=0.17)),  # 17 x 17 x 256
        Unit("Mixed_6a", _mixed_6a(192, 192, 256)),  # 8 x 8 x 896
        *_repeat("Repeat_1/block17", 10, Residual(_crossed(7, (128, 128, 128, 128)), scale=0.10)),  # 8 x 8 x 896
        Unit("Mixed_7a", _mixed_7a(256, 256, 256)),  # 3 x 3 x 1792
        *_repeat("Repeat_2/block8", 5, Residual(_crossed(3, (192, 192, 192, 192)), scale=0.20)),  # 3 x 3 x 1792
        Unit("Block8", Residual(_crossed(3, (192, 192, 192, 192)), scale=1.0, relu=False)),  # 3 x 3 x 1792
        *_ENDS,  # 1792
    ),
    least_image_size=75,
    float32_units=_FLOAT32,
)

INCEPTION_RESNET_V2 = Backbone(
    name="inception_resnet_v2",
    title="Inception-ResNet-v2",
    scope="InceptionResnetV2",
    units=(
        *_STEM,
        Unit("MaxPool_5a_3x3", MaxPool()),  # 17 x 17 x 192
        Unit(
            "Mixed_5b",  # 17 x 17 x 320
            Mixed(
                (
                    (("Conv2d_1x1", Convolution(96, 1)),),
                    (("Conv2d_0a_1x1", Convolution(48, 1)), ("Conv2d_0b_5x5", Convolution(64, 5))),
                    (
                        ("Conv2d_0a_1x1", Convolution(64, 1)),
                        ("Conv2d_0b_3x3", Convolution(96, 3)),
                        ("Conv2d_0c_3x3", Convolution(96, 3)),
                    ),
                    (("AvgPool_0a_3x3", AveragePool()), ("Conv2d_0b_1x1", Convolution(64, 1))),
                )
            ),
        ),
        *_repeat("Repeat/block35", 10, Residual(_block35(48, 64), scale=0.17)),  # 17 x 17 x 320
        Unit("Mixed_6a", _mixed_6a(256, 256, 384)),  # 8 x 8 x 1088
        *_repeat("Repeat_1/block17", 20, Residual(_crossed(7, (192, 128, 160, 192)), scale=0.10)),  # 8 x 8 x 1088
        Unit("Mixed_7a", _mixed_7a(288, 288, 320)),  # 3 x 3 x 2080
        *_repeat("Repeat_2/block8", 9, Residual(_crossed(3, (192, 192, 224, 256)), scale=0.20)),  # 3 x 3 x 2080
        Unit("Block8", Residual(_crossed(3, (192, 192, 224, 256)), scale=1.0, relu=False)),  # 3 x 3 x 2080
        Unit("Conv2d_7b_1x1", Convolution(1536, 1)),  # 3 x 3 x 1536
        *_ENDS,  # 1536
    ),
    least_image_size=75,
    float32_units=_FLOAT32,
)
