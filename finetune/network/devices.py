"""The devices that TensorFlow computes on."""

from __future__ import annotations

import functools
import os
import platform

import tensorflow as tf


@functools.cache
def prepare() -> tuple[str, ...]:
    """Lets GPU memory grow as it is needed, once, and names the devices.

    TensorFlow otherwise takes a GPU's whole memory at the first operation.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            # The caller's own TensorFlow work has already begun on it; its choice stands.
            continue
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return (*(f"GPU: {name}" for name in names), f"CPU: {platform.machine()}, {os.cpu_count()} cores")
