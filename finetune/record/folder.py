"""The run's folder: every file is written beside and renamed, so a kill at any moment leaves it whole."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from finetune import checkpoint as checkpoints, files
from finetune.errors import DataError, Problem, RunError, UserError
from finetune.model import Model
from finetune.progress import say
from finetune.recipe import Recipe, Stage
from finetune.record.listing import refuse_damaged, sealed, unsealed, write_list
from finetune.record.stat_h5 import Stat
from finetune.record.tensorboard import TensorBoard
from finetune.training import EpochRow, StageState

ADVICE = "put back what the run wrote, or begin another run"
"""What to do about a damaged file of a run."""
RESUME, LOCK = ".resume", ".lock"
STAT = "stat.h5"
_PLAIN = ("attempt", "scale", "epoch", "step", "kept_epoch", "kept_step", "best", "rejected", "epoch_steps")
"""Of a stage's state, what JSON can hold."""


Write = TypeVar("Write", bound=Callable[..., Any])


def by_the_chief(write: Write) -> Write:
    """Let a method of `RunFolder` act where the folder is the chief's, and do nothing elsewhere."""

    @functools.wraps(write)
    def method(folder: RunFolder, *arguments: Any, **options: Any) -> Any:
        return write(folder, *arguments, **options) if folder.is_chief else None

    return cast(Write, method)


class RunFolder:
    """The folder of one run.

    Args:
        path: made at the first write.
        is_chief: whether this process writes the run. A worker that is not the chief writes nothing, and may not even
            see the folder.
    """

    def __init__(self, path: Path, *, is_chief: bool = True) -> None:
        self.path, self.is_chief = path, is_chief
        self._locks = 0

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing into the folder; may be entered again while it is held.

        Raises:
            UserError: another process runs in it; names the process.
            RunError: it can't be written to.
        """
        with contextlib.ExitStack() as stack:
            if self.is_chief and not self._locks:
                try:
                    for folder in reversed((self.path, *self.path.parents)):
                        if not folder.exists():
                            stack.callback(_remove_empty, folder)
                    self.path.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(files.locked(self.path / LOCK))
                except files.Held as held:
                    raise UserError(
                        Problem(self.path, f"{held.holder} runs in it", "wait for its end, or stop it first")
                    ) from None
                except OSError as error:
                    raise RunError(
                        Problem(self.path, f"can't be written to ({error.strerror})", "choose another output")
                    ) from error
            self._locks += 1
            try:
                yield
            finally:
                self._locks -= 1

    def refuse_if_locked(self) -> None:
        """Raise UserError where another process runs in the folder."""
        if self.path.is_dir() and (self.path / LOCK).exists():
            with self.locked():
                pass

    @by_the_chief
    def refuse_if_used(self, *, resumable: bool = True) -> None:
        """Raises UserError where the folder holds anything, or is none.

        Args:
            resumable: whether to speak of `--resume`.
        """
        if self.path.is_dir() and any(not _unfinished(path) for path in self.path.iterdir()):
            found = "the output folder is not empty"
            if not resumable:
                raise UserError(Problem(self.path, f"{found}; it holds no run to resume"))
            raise UserError(Problem(self.path, found, "choose another output, or continue it with --resume"))
        if self.path.exists() and not self.path.is_dir():
            raise UserError(Problem(self.path, "the output is a file", "choose a folder"))

    @by_the_chief
    def write_text(self, name: str, text: str) -> None:
        """Writes a text file of the folder, whole or not at all."""
        files.write_text(self.path / name, text)

    @by_the_chief
    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a JSON file of the folder, whole or not at all."""
        files.write_json(self.path / name, value)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write `recipe.yaml`, whose last line is a digest of those above it."""
        self.write_text("recipe.yaml", sealed(recipe.to_yaml()))

    def refuse_changed_recipe(self) -> None:
        """Refuse a `recipe.yaml` that is not what the run wrote; an earlier finetune wrote no digest.

        Raises:
            UserError: it is another.
        """
        path = self.path / "recipe.yaml"
        text = files.read_text(path, "the recipe that the run began with")
        try:
            unsealed(text)
        except ValueError as changed:
            raise UserError(Problem(path, str(changed), ADVICE)) from None

    @by_the_chief
    def write_list(self, *names: str) -> None:
        """Write `files.sha256` of these files of the folder."""
        write_list(self.path, list(names))

    @by_the_chief
    def write_model(self, model: Model, name: str, step: int) -> None:
        """Writes the model as a TF1 checkpoint, `model-NAME.ckpt-STEP`."""
        model.save(self.path, name=name, step=step)

    @by_the_chief
    def add_to_tensorboard(self, writer: TensorBoard | None, rows: Sequence[EpochRow]) -> TensorBoard | None:
        """Writes the last row's scalars, or with no writer yet those of all rows; gives the writer."""
        if writer is None:
            return TensorBoard(self.path / "tensorboard", rows)
        writer.add(rows[-1])
        return writer

    @by_the_chief
    def write_stat(self, stat: Stat) -> None:
        """Writes `stat.h5`."""
        stat.write(self.path / STAT)

    def stage_path(self, index: int, slug: str) -> Path:
        """The folder of stage `index` (0 is the baseline); it exists once the stage is finished."""
        return self.path / f"{index}-{slug}"

    @contextlib.contextmanager
    def finishing(self, index: int, slug: str) -> Iterator[RunFolder]:
        """Give a folder to write a stage into, which becomes `stage_path` at the end; that of others keeps nothing."""
        if not self.is_chief:
            yield self
            return
        target = self.stage_path(index, slug)
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        yield RunFolder(partial)
        partial.mkdir(parents=True, exist_ok=True)  # a baseline without LFW holds nothing
        # The values of a checkpoint have checksums of their own; a digest of them takes as long as some steps.
        write_list(partial, [path.name for path in partial.iterdir() if ".data-" not in path.name])
        os.replace(partial, target)
        shutil.rmtree(self.path / RESUME, ignore_errors=True)

    def refuse_damaged(self) -> None:
        """Refuse a run whose inputs are no longer described as they were when it began.

        Raises:
            DataError: one line for each file that is missing or another.
        """
        refuse_damaged(self.path, ADVICE)

    def refuse_damaged_stage(self, index: int, slug: str) -> None:
        """Refuse a stage's folder whose files are not those that the run wrote.

        Raises:
            DataError: one line for each file that is missing or another.
            CheckpointError: the stage's checkpoint is damaged.
        """
        path = self.stage_path(index, slug)
        advice = f"put back what the run wrote, or remove {path} and the folders of later stages to make them again"
        refuse_damaged(path, advice)
        if index:
            stored = checkpoints.read(checkpoints.locate(path))
            stored.tensors(stored.shapes)  # which verifies their checksums

    @by_the_chief
    def write_state(self, index: int, stage: Stage, state: StageState, trained: Mapping[str, np.ndarray]) -> None:
        """Writes where an unfinished stage is, after an epoch."""
        meta = {name: getattr(state, name) for name in _PLAIN}
        meta |= {"index": index, "stage": json.dumps(stage.to_value())}
        meta["rows"] = [row.to_json() for row in state.rows]
        arrays = {f"trained/{name}": value for name, value in trained.items()}
        arrays |= {f"kept/{name}": value for name, value in state.kept.items()}
        arrays |= {"steps": np.array(state.steps, np.float32), "spread": np.array(state.spread, np.float32)}
        meta["arrays"] = sorted(arrays)
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        files.write(self.path / RESUME / "state.npz", lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def read_state(self, index: int, stage: Stage) -> tuple[StageState, dict[str, np.ndarray]] | None:
        """Return what `write_state` wrote for this very stage, or None; says so where it is damaged."""
        stored = self._state()
        if stored is None:
            return None
        meta, arrays = stored
        if (meta.pop("index"), meta.pop("stage")) != (index, json.dumps(stage.to_value())):
            return None
        groups: dict[str, dict[str, np.ndarray]] = {"trained": {}, "kept": {}}
        for key, value in arrays.items():
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = value
        steps, spread = [tuple(row) for row in arrays["steps"].tolist()], list(arrays["spread"])
        rows = [EpochRow.from_json(row) for row in meta.pop("rows")]
        state = StageState(**meta, rows=rows, kept=groups["kept"], steps=steps, spread=spread)
        return state, groups["trained"]

    @by_the_chief
    def drop_state(self, finished: int) -> None:
        """Remove the state of a stage that has been finished since, or what a kill left of it."""
        stored = self._state()
        if stored is None or stored[0]["index"] <= finished:
            shutil.rmtree(self.path / RESUME, ignore_errors=True)

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Read `state.npz`, whose every part has a checksum; a damaged one is removed."""
        path = self.path / RESUME / "state.npz"
        if not path.exists():
            return None
        try:
            with files.reading(path, "the unfinished stage is trained from its first epoch again"):
                with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                    arrays = {name: stored[name] for name in stored.files}
                meta = json.loads(arrays.pop("meta").tobytes())
                if sorted(arrays) != meta.pop("arrays", sorted(arrays)):
                    raise ValueError("the name of an array is another")
        except DataError as error:
            say(f"warning: {error}")
            shutil.rmtree(self.path / RESUME, ignore_errors=True)
            return None
        return meta, arrays


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _unfinished(path: Path) -> bool:
    """Return whether a file was being written, or is the lock of a run that was killed."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".partial"))
