"""The network as scripts have it: batch norm by the stored statistics is an operation of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_slim as slim

from finetune.architecture import UNITS
from finetune.network import inception_resnet_v1, layers


def forward(inputs: tf.Tensor, variables: Mapping[str, Any], start: int, stop: int) -> tf.Tensor:
    """The units `UNITS[start:stop]` in the type of their inputs; see `finetune.network.forward`."""
    sizes = (int(variables[f"{scope}/weights"].shape[-1]) for scope in ("InceptionResnetV1/Bottleneck", "Logits"))
    embedding_size, num_classes = sizes
    with (
        layers.existing_variables(variables),
        slim.arg_scope([slim.conv2d, slim.fully_connected], normalizer_fn=layers.stored_batch_norm),
    ):
        net = inputs
        for unit in UNITS[start:stop]:
            net = inception_resnet_v1.build(unit, net, embedding_size, num_classes)
    return net
