"""Weights of MTCNN's three networks, from the installed package `mtcnn`: the same weights as in FaceNet.

The package stores the published arrays with the kernels' height and width swapped. Images therefore need no
transposition.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt

from finetune.errors import Problem, UserError

Weights = list[npt.NDArray[np.float32]]
"""Arrays in the order of the layers: kernel, bias and, if the layer has one, PReLU's alpha."""

SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


@functools.cache
def load_weights(network: str) -> Weights:
    """Return the arrays of `pnet`, `rnet` or `onet`.

    The package's files are pickles. A file is unpickled only if its sha256 is the known one.

    Raises:
        UserError: the package is missing, or holds other weights.
    """
    package = importlib.util.find_spec("mtcnn")
    if package is None or package.origin is None:
        raise UserError(
            Problem("mtcnn", "not installed, and the detector's weights come with it", "pip install mtcnn==1.0.0")
        )
    path = Path(package.origin).parent / "assets" / "weights" / f"{network}.lz4"
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise UserError(
            Problem(path, f"can't be read ({error.strerror})", "pip install --force-reinstall mtcnn==1.0.0")
        ) from error
    if hashlib.sha256(stored).hexdigest() != SHA256[network]:
        raise UserError(Problem(path, "not the weights that FaceNet ran", "pip install --force-reinstall mtcnn==1.0.0"))
    weights: Weights = joblib.load(io.BytesIO(stored))
    return weights
