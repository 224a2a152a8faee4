"""The devices that TensorFlow computes on."""

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
    """Sets TensorFlow up, once, before its first operation, and names the devices.

    - Deterministic kernels: one seed, one result. Kernels that were timed and picked before this is set
      stay picked. It holds for the whole process: unseeded `tf.random` operations raise from here on.
    - float32 means float32: GPUs otherwise round the inputs of convolutions to 10 bits (TF32), and
      embeddings would differ from the published ones by more than 1e-4.
    - GPU memory grows as it is needed, where all of it would be taken at the first operation.
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    with silent_stderr():  # without a GPU, CUDA says that there is none
        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
        except RuntimeError:
            # The caller's own TensorFlow work has already begun on it; its choice stands.
            continue
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return (*(f"GPU: {name}" for name in names), f"CPU: {platform.machine()}, {os.cpu_count()} cores")


def bfloat16_units() -> bool:
    """Whether there are units that compute bfloat16 faster than float32: AVX-512's, AMX, or GPUs from Ampere on."""
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    if any(gpu.get("compute_capability", (0, 0)) >= (8, 0) for gpu in details):
        return True
    try:
        return not BFLOAT16_FLAGS.isdisjoint(CPU_INFO.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return True  # not Linux: unknown, so nothing is said of it
