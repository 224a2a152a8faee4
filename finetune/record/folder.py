"""The folder of a run. Every file is written under a temporary name and renamed, so a kill leaves the folder whole."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from finetune import checkpoint as checkpoints, files
from finetune.errors import DataError, Problem, RunError, UserError
from finetune.progress import say
from finetune.recipe import Recipe, Stage
from finetune.record.listing import refuse_damaged, sealed, unsealed, write_list
from finetune.record.stat_h5 import Stat
from finetune.training import EpochRow, StageState

if TYPE_CHECKING:
    from finetune.model import Model
    from finetune.record.tensorboard import TensorBoard

ADVICE = "put back what the run wrote, or begin another run"
"""Advice for a damaged file of a run."""
RESUME, LOCK = ".resume", ".lock"
STAT = "stat.h5"
_PLAIN = ("attempt", "scale", "epoch", "step", "kept_epoch", "kept_step", "best", "rejected", "epoch_steps")
"""Fields of a stage's state that JSON can hold."""


Write = TypeVar("Write", bound=Callable[..., Any])


def by_the_chief(write: Write) -> Write:
    """Let a method of `RunFolder` act only in the chief process, and return None in the others."""

    @functools.wraps(write)
    def method(folder: RunFolder, *arguments: Any, **options: Any) -> Any:
        return write(folder, *arguments, **options) if folder.is_chief else None

    return cast(Write, method)


class RunFolder:
    """The folder of one run.

    Args:
        path: path of the folder, which is made at the first write.
        is_chief: whether this process writes the run. Other workers write nothing, and may not even see the folder.
    """

    def __init__(self, path: Path, *, is_chief: bool = True) -> None:
        self.path, self.is_chief = path, is_chief
        self._locks = 0

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing into the folder. The context may be nested.

        Raises:
            UserError: another process runs in the folder; the error names it.
            RunError: the folder can't be written to.
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
        """Raise UserError if another process runs in the folder."""
        if self.path.is_dir() and (self.path / LOCK).exists():
            with self.locked():
                pass

    @by_the_chief
    def refuse_if_used(self, *, resumable: bool = True) -> None:
        """Raise UserError if the folder is not empty, or is a file.

        Args:
            resumable: whether the error mentions `--resume`.
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
        """Write a text file of the folder, whole or not at all."""
        files.write_text(self.path / name, text)

    @by_the_chief
    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file of the folder, whole or not at all."""
        files.write_json(self.path / name, value)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write `recipe.yaml`, with a digest of its lines in a last line."""
        self.write_text("recipe.yaml", sealed(recipe.to_yaml()))

    def refuse_changed_recipe(self) -> None:
        """Refuse a `recipe.yaml` that changed since the run wrote it. Earlier versions of finetune wrote no digest.

        Raises:
            UserError: the file has changed.
        """
        path = self.path / "recipe.yaml"
        text = files.read_text(path, "the recipe that the run began with")
        try:
            unsealed(text)
        except ValueError as changed:
            raise UserError(Problem(path, str(changed), ADVICE)) from None

    @by_the_chief
    def write_list(self, *names: str) -> None:
        """Write `files.sha256` for these files of the folder."""
        write_list(self.path, list(names))

    @by_the_chief
    def write_model(self, model: Model, name: str, step: int) -> None:
        """Write the model as a TF1 checkpoint, `model-NAME.ckpt-STEP`."""
        model.save(self.path, name=name, step=step)

    @by_the_chief
    def add_to_tensorboard(self, writer: TensorBoard | None, rows: Sequence[EpochRow]) -> TensorBoard | None:
        """Write the last row's scalars, or those of all rows without a writer yet, and return the writer."""
        if writer is None:
            from finetune.record.tensorboard import TensorBoard  # imports TensorFlow

            return TensorBoard(self.path / "tensorboard", rows)
        writer.add(rows[-1])
        return writer

    @by_the_chief
    def write_stat(self, stat: Stat) -> None:
        """Write `stat.h5`."""
        stat.write(self.path / STAT)

    def stage_path(self, index: int, slug: str) -> Path:
        """Return the folder of stage `index` (0 is the baseline). It exists once the stage is finished."""
        return self.path / f"{index}-{slug}"

    @contextlib.contextmanager
    def finishing(self, index: int, slug: str) -> Iterator[RunFolder]:
        """Yield a folder for a stage's files, which becomes `stage_path` at the end; the chief alone writes."""
        if not self.is_chief:
            yield self
            return
        target = self.stage_path(index, slug)
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        yield RunFolder(partial)
        partial.mkdir(parents=True, exist_ok=True)  # a baseline without LFW writes nothing
        # The values of a checkpoint have their own checksums, and their digest would take as long as some steps.
        write_list(partial, [path.name for path in partial.iterdir() if ".data-" not in path.name])
        os.replace(partial, target)
        shutil.rmtree(self.path / RESUME, ignore_errors=True)

    def refuse_damaged(self) -> None:
        """Refuse a run whose recorded inputs have changed since it began.

        Raises:
            DataError: a file is missing or changed; one line per file.
        """
        refuse_damaged(self.path, ADVICE)

    def refuse_damaged_stage(self, index: int, slug: str) -> None:
        """Refuse a stage's folder whose files changed since the run wrote them.

        Raises:
            DataError: a file is missing or changed; one line per file.
            CheckpointError: the stage's checkpoint is damaged.
        """
        path = self.stage_path(index, slug)
        advice = f"put back what the run wrote, or remove {path} and the folders of later stages to make them again"
        refuse_damaged(path, advice)
        if index:
            stored = checkpoints.read(checkpoints.locate(path))
            stored.tensors(stored.shapes)  # verifies their checksums

    @by_the_chief
    def write_state(self, index: int, stage: Stage, state: StageState, trained: Mapping[str, np.ndarray]) -> None:
        """Write the state of an unfinished stage after an epoch."""
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
        """Return the state that `write_state` wrote for this very stage, or None. Warn if it is damaged."""
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
        """Remove the state of a stage that is finished by now, or the remains of a killed write."""
        stored = self._state()
        if stored is None or stored[0]["index"] <= finished:
            shutil.rmtree(self.path / RESUME, ignore_errors=True)

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Read `state.npz`, each part of which has a checksum; remove a damaged file."""
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
    """Return whether a file is half-written, or is the lock of a killed run."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".partial"))
