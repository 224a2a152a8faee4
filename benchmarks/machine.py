"""Description of the machine and of the packages that are timed."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that decide the speed of convolutions. The last two multiply bfloat16."""
PACKAGES = (
    "finetune",
    "tensorflow",
    "keras",
    "tf-slim",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "mtcnn",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "tf2onnx",
)


def machine() -> dict[str, Any]:
    """Return CPU, cores, instruction sets, memory, load, and the versions of the packages."""
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "cpu": cpu.get("model name", platform.processor() or platform.machine()),
        "cores": usable_cores(),
        "instruction_sets": {name: name in flags for name in INSTRUCTION_SETS},
        "memory_gib": round(_memory() / 2**30, 1),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lines(found: dict[str, Any]) -> list[str]:
    """Return the description as two lines, to print below tables."""
    sets = [name for name, there in found["instruction_sets"].items() if there]
    versions = ", ".join(f"{name} {version}" for name, version in found["packages"].items() if version)
    return [
        f"{found['cpu']}, {found['cores']} cores ({', '.join(sets) or 'instruction sets unknown'}), "
        f"{found['memory_gib']} GiB, load {found['load_average_at_start'][0]} at the start, {found['date']}.",
        f"Python {found['python']}; {versions}.",
    ]


def _cpu() -> dict[str, str]:
    """Return the first core's entries of Linux's /proc/cpuinfo; empty on other systems."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
