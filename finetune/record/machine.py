"""The versions and the machine of a run, recorded beside its figures."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from finetune import __version__
from finetune.runtime import devices

PACKAGES = ("tensorflow", "openvino", "keras", "tf-slim", "numpy", "pillow", "scipy", "scikit-learn", "h5py", "pyyaml")


def environment(replicas: int) -> dict[str, object]:
    """Return the versions of finetune, Python and packages, and the platform, cores, devices and replicas."""
    return {
        "finetune": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "devices": list(devices.prepare()),
        "replicas": replicas,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
