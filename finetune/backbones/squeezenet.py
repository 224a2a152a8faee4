"""SqueezeNet as FaceNet built it, unit by unit.

The network follows Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size" (arXiv:1602.07360), with batch normalization and a layer for the embedding. Widths and paddings are those of
davidsandberg/facenet's `models/squeezenet.py`, and the names are the variable scopes of its graph.
"""

from __future__ import annotations

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.specs import Convolution, Dense, Fire, GlobalAveragePool, MaxPool

# All shapes in this file are for a 160 x 160 image.
SQUEEZENET = Backbone(
    name="squeezenet",
    title="SqueezeNet",
    scope="squeezenet",
    units=(
        Unit("conv1", Convolution(96, 7, stride=2)),  # 80 x 80 x 96
        Unit("maxpool1", MaxPool()),  # 39 x 39 x 96
        Unit("fire2", Fire(16, 64)),  # 39 x 39 x 128
        Unit("fire3", Fire(16, 64)),  # 39 x 39 x 128
        Unit("fire4", Fire(32, 128)),  # 39 x 39 x 256
        Unit("maxpool4", MaxPool(2)),  # 19 x 19 x 256
        Unit("fire5", Fire(32, 128)),  # 19 x 19 x 256
        Unit("fire6", Fire(48, 192)),  # 19 x 19 x 384
        Unit("fire7", Fire(48, 192)),  # 19 x 19 x 384
        Unit("fire8", Fire(64, 256)),  # 19 x 19 x 512
        Unit("maxpool8", MaxPool()),  # 9 x 9 x 512
        Unit("fire9", Fire(64, 256)),  # 9 x 9 x 512
        Unit("conv10", Convolution(1000, 1, batch_norm=False, relu=False)),  # 9 x 9 x 1000
        Unit("avgpool10", GlobalAveragePool()),  # 1000
        Unit("Bottleneck", Dense(batch_norm=True)),
        Unit("Logits", Dense(batch_norm=False)),
    ),
    least_image_size=25,
    float32_units=frozenset({"conv1", "Bottleneck", "Logits"}),
    dropout_before="conv10",
    embedding_size=128,
)
