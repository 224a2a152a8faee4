from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is first imported

# The same examples in every run, however busy the machine.
hypothesis.settings.register_profile("finetune", deadline=None, derandomize=True)
hypothesis.settings.load_profile("finetune")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real checkpoint, the LFW images and the figures to expect."""
    folder = Path(os.environ.get("FINETUNE_SHARED", ROOT.parent / "shared")).expanduser()
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set FINETUNE_SHARED to the one with facenet/, lfw/ and expected/")
    missing = [name for name in ("facenet", "lfw", "expected") if not (folder / name).is_dir()]
    if missing:
        pytest.skip(f"{folder} has no {', '.join(f'{name}/' for name in missing)}")
    return folder
