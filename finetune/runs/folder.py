"""The run's folder: every file is written beside and renamed, so a kill at any moment leaves it whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finetune import files
from finetune.errors import UserError
from finetune.training import EpochRow, StageState

RESUME = ".resume"


class RunFolder:
    """The folder of one run.

    Args:
        path: made at the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse_if_used(self) -> None:
        """Raises UserError where the folder holds anything, or is none."""
        if self.path.is_dir() and any(not path.name.endswith(".partial") for path in self.path.iterdir()):
            raise UserError(
                f"{self.path}: the output folder is not empty; choose another output, or continue it with --resume"
            )
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path}: the output is a file; choose a folder")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file of the folder, whole or not at all."""
        files.write_text(self.path / name, text)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a JSON file of the folder, whole or not at all."""
        files.write_json(self.path / name, value)

    def stage_path(self, index: int, slug: str) -> Path:
        """The folder of stage `index` (0 is the baseline); it exists once the stage is finished."""
        return self.path / f"{index}-{slug}"

    @contextlib.contextmanager
    def finishing(self, index: int, slug: str) -> Iterator[RunFolder]:
        """A folder to write a stage into, which becomes `stage_path` at the end."""
        target = self.stage_path(index, slug)
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        yield RunFolder(partial)
        partial.mkdir(parents=True, exist_ok=True)  # a baseline without LFW holds nothing
        os.replace(partial, target)
        shutil.rmtree(self.path / RESUME, ignore_errors=True)

    def write_state(self, index: int, state: StageState, trained: Mapping[str, np.ndarray]) -> None:
        """Writes where an unfinished stage is, after an epoch."""
        meta = {
            "stage": index,
            "epoch": state.epoch,
            "step": state.step,
            "kept_epoch": state.kept_epoch,
            "best": state.best,
            "rows": [dataclasses.asdict(row) for row in state.rows],
        }
        arrays = {f"trained/{name}": value for name, value in trained.items()}
        arrays |= {f"kept/{name}": value for name, value in state.kept.items()}
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        files.write(self.path / RESUME / "state.npz", lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def read_state(self, index: int) -> tuple[StageState, dict[str, np.ndarray]] | None:
        """What `write_state` wrote for this stage, or None."""
        path = self.path / RESUME / "state.npz"
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            if meta.pop("stage") != index:
                return None
            groups: dict[str, dict[str, np.ndarray]] = {"trained": {}, "kept": {}}
            for key in stored.files:
                group, _, name = key.partition("/")
                if name:
                    groups[group][name] = stored[key]
        rows = [EpochRow(**row) for row in meta.pop("rows")]
        return StageState(**meta, rows=rows, kept=groups["kept"]), groups["trained"]
