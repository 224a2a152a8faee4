"""A small network for grey faces of 64 x 64 pixels, to be trained from scratch on a few people.

It has the shape of the network in Chollet 2016, "Building powerful image classification models using very little data"
(blog.keras.io), with a softmax layer in place of one sigmoid unit. For three people it has 175,779 parameters.
"""

from __future__ import annotations

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.specs import Convolution, Dense, Flatten, MaxPool


def _convolution(filters: int) -> Convolution:
    return Convolution(filters, 3, padding="VALID", batch_norm=False)


SMALL_CNN = Backbone(
    name="small_cnn",
    title="small CNN",
    scope="small_cnn",
    units=(
        Unit("Conv2d_1", _convolution(32)),  # 62 x 62 x 32 of 64 x 64
        Unit("MaxPool_1", MaxPool(2)),  # 31 x 31 x 32
        Unit("Conv2d_2", _convolution(32)),  # 29 x 29 x 32
        Unit("MaxPool_2", MaxPool(2)),  # 14 x 14 x 32
        Unit("Conv2d_3", _convolution(64)),  # 12 x 12 x 64
        Unit("MaxPool_3", MaxPool(2)),  # 6 x 6 x 64
        Unit("Flatten", Flatten()),  # 2304
        Unit("Bottleneck", Dense(batch_norm=False, relu=True)),
        Unit("Logits", Dense(batch_norm=False)),
    ),
    least_image_size=22,
    float32_units=frozenset({"Conv2d_1", "Bottleneck", "Logits"}),
    dropout_before="Logits",
    image_size=64,
    standardization="unit",
    channels="grey",
    embedding_size=64,
)
