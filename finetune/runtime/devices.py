"""The devices of TensorFlow and their settings."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import tensorflow as tf

from finetune.runtime.starting import silent_stderr

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


@functools.cache
def prepare() -> tuple[str, ...]:
    """Set up TensorFlow once, before its first operation, and return the names of the devices.

    - Kernels are deterministic: one seed gives one result. Kernels that TensorFlow selected earlier by timing stay
      selected. The setting holds for the whole process: unseeded `tf.random` operations raise from now on.
    - float32 means float32. GPUs otherwise round the inputs of convolutions to 10 bits (TF32). Embeddings would then
      differ from the published ones by more than 1e-4.
    - GPU memory grows on demand. TensorFlow otherwise takes all of it at the first operation.
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    with silent_stderr():  # CUDA reports a missing GPU
        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
        except RuntimeError:
            # The caller already uses TensorFlow on this GPU, and its choice stands.
            continue
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return (*(f"GPU: {name}" for name in names), f"CPU: {platform.machine()}, {os.cpu_count()} cores")


def bfloat16_units() -> bool:
    """Return whether the hardware speeds up bfloat16: AVX-512 BF16, AMX, or a GPU since Ampere."""
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    if any(gpu.get("compute_capability", (0, 0)) >= (8, 0) for gpu in details):
        return True
    try:
        return not BFLOAT16_FLAGS.isdisjoint(CPU_INFO.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return True  # without Linux the answer is unknown, and nobody should be warned
