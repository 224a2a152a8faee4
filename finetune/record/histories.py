"""The history of a run, in each form that its recipe requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finetune import files
from finetune.recipe import History
from finetune.record.folder import ADVICE, STAT, RunFolder
from finetune.record.results import StageResult
from finetune.record.stat_h5 import Stat
from finetune.record.tensorboard import TensorBoard
from finetune.training import EpochRow, StageState, from_csv, to_csv
from finetune.verification import VerificationResult

HISTORY = "history.csv"


class Histories:
    """The writer of a run's history, epoch by epoch.

    Args:
        folder: folder of the run.
        asked: forms to write beside `history.csv`.
        sampled: True if a sample of LFW's pairs is measured, whose figures `stat.h5` does not show.
        sets: names of the recipe's sets of `measure`, each of which has columns.

    Attributes:
        rows: rows of the finished stages.
    """

    def __init__(self, folder: RunFolder, asked: History, *, sampled: bool = False, sets: Sequence[str] = ()) -> None:
        self._folder, self._asked, self._sampled, self._sets = folder, asked, sampled, tuple(sets)
        self.rows: list[EpochRow] = []
        self._stat = Stat.empty()
        self._tensorboard: TensorBoard | None = None

    def resume(self, results: Sequence[StageResult]) -> None:
        """Read the histories of the finished stages, and write the run's own files again from them.

        Raises:
            DataError: a file is missing or damaged.
        """
        if not all((result.folder / HISTORY).exists() for result in results):
            self._resume_earlier(results)
            return
        self.rows = [row for result in results for row in _rows(result.folder / HISTORY)]
        path, text = self._folder.path / HISTORY, to_csv(self.rows, self._sets)
        if not path.exists() or not files.read(path).startswith(text.encode()):
            self._folder.write_text(HISTORY, text)
        if self._asked.stat_h5:
            with files.reading(results[-1].folder / STAT, ADVICE):
                self._stat = Stat.read(results[-1].folder / STAT)
            self._folder.write_stat(self._stat)

    def _resume_earlier(self, results: Sequence[StageResult]) -> None:
        """Resume a run of an earlier finetune, whose stages have no separate histories."""
        attempts = {result.name: len(result.rejected) + 1 for result in results}
        self.rows = [row for row in _rows(self._folder.path / HISTORY) if row.stage in attempts]
        if self._asked.stat_h5:
            judged = [row.stage for row in self.rows if row.attempt == attempts[row.stage]]
            with files.reading(self._folder.path / STAT, ADVICE):
                self._stat = Stat.read(self._folder.path / STAT).first(len(judged))
            ends = {stage: epoch for epoch, stage in enumerate(judged)}
            for result in results:  # a kill may have prevented the writing of the last stage's figures
                if (lfw := result.measured) and lfw.sample_of is None:
                    self._stat = self._stat.measured(ends[result.name], lfw.accuracy, lfw.val)
            self._folder.write_stat(self._stat)

    def write_stage(self, folder: RunFolder, state: StageState, lfw: VerificationResult | None) -> None:
        """Write the history of a finished stage into its own folder, from which a resumed run reads it."""
        folder.write_text(HISTORY, to_csv(state.rows, self._sets))
        if self._asked.stat_h5:
            folder.write_stat(self._with(state, lfw))

    def epoch(self, state: StageState) -> None:
        """Write the history, including a stage's epochs so far."""
        rows = self.rows + state.rows
        self._folder.write_text(HISTORY, to_csv(rows, self._sets))
        if self._asked.tensorboard:
            self._tensorboard = self._folder.add_to_tensorboard(self._tensorboard, rows)
        if self._asked.stat_h5:
            self._folder.write_stat(self._with(state, None))

    def finished(self, state: StageState, lfw: VerificationResult | None) -> None:
        """Add a finished stage and its result on LFW."""
        self.rows += state.rows
        if self._asked.stat_h5:
            self._stat = self._with(state, lfw)
            self._folder.write_stat(self._stat)

    def _with(self, state: StageState, lfw: VerificationResult | None) -> Stat:
        """Return `stat.h5` with the epochs of a stage and its result on LFW."""
        parts = state.current, state.steps, state.epoch_steps, state.spread
        stat = self._stat.joined(*parts, lfw=not self._sampled)
        return stat.measured(-1, lfw.accuracy, lfw.val) if lfw and lfw.sample_of is None else stat


def _rows(path: Path) -> list[EpochRow]:
    with files.reading(path, ADVICE):
        return from_csv(files.read(path).decode())
