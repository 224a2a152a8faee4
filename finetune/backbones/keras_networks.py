"""Networks of `keras.applications` as backbones: cut into units at their blocks, pooled, then a neck."""

from __future__ import annotations

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.convnext import CONVNEXT_TINY_LEAST_SIZE, CONVNEXT_TINY_UNITS
from finetune.backbones.efficientnet import EFFICIENTNET_B1_LEAST_SIZE, EFFICIENTNET_B1_UNITS
from finetune.backbones.inception_v3 import INCEPTION_V3_LEAST_SIZE, INCEPTION_V3_UNITS
from finetune.backbones.neck import Neck, with_neck


def _network(names: tuple[str, str, str], units: tuple[Unit, ...], features: int, least: int) -> Backbone:
    """Return a network with a neck of one layer.

    Args:
        names: name in recipes, name in `keras.applications`, and title.
        units: units from standardized images to pooled features.
        features: number of pooled features.
        least: smallest image side in pixels.
    """
    name, keras_name, title = names
    network = Backbone(
        name=name,
        title=title,
        scope=name,
        units=units,
        least_image_size=least,
        float32_units=frozenset(),
        standardization="symmetric" if name == "inception_v3" else "imagenet",
        features=features,
        keras_name=keras_name,
    )
    return with_neck(network, Neck())


INCEPTION_V3 = _network(
    ("inception_v3", "InceptionV3", "Inception-v3"), INCEPTION_V3_UNITS, 2048, INCEPTION_V3_LEAST_SIZE
)
EFFICIENTNET_B1 = _network(
    ("efficientnet_b1", "EfficientNetB1", "EfficientNet-B1"), EFFICIENTNET_B1_UNITS, 1280, EFFICIENTNET_B1_LEAST_SIZE
)
CONVNEXT_TINY = _network(
    ("convnext_tiny", "ConvNeXtTiny", "ConvNeXt-Tiny"), CONVNEXT_TINY_UNITS, 768, CONVNEXT_TINY_LEAST_SIZE
)
KERAS_NETWORKS = INCEPTION_V3, EFFICIENTNET_B1, CONVNEXT_TINY
