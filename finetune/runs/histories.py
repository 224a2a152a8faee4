"""The history of a run, in each form that its recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.evaluation import LFWResult
from finetune.recipe.history import History
from finetune.runs.folder import RunFolder
from finetune.runs.results import StageResult
from finetune.runs.stat_h5 import Stat
from finetune.runs.tensorboard import TensorBoard
from finetune.training import EpochRow, StageState
from finetune.training.history import from_csv, to_csv


class Histories:
    """What is written of each epoch.

    Args:
        folder: of the run.
        asked: the forms beside `history.csv`.

    Attributes:
        rows: of the finished stages.
    """

    def __init__(self, folder: RunFolder, asked: History) -> None:
        self._folder, self._asked = folder, asked
        self.rows: list[EpochRow] = []
        self._stat = Stat.empty()
        self._tensorboard: TensorBoard | None = None

    def resume(self, results: Sequence[StageResult]) -> None:
        """Take up what is there of finished stages."""
        attempts = {result.name: len(result.rejected) + 1 for result in results}
        text = (self._folder.path / "history.csv").read_text(encoding="utf-8")
        self.rows = [row for row in from_csv(text) if row.stage in attempts]
        if self._asked.stat_h5:
            judged = [row.stage for row in self.rows if row.attempt == attempts[row.stage]]
            self._stat = self._folder.read_stat().first(len(judged))
            ends = {stage: epoch for epoch, stage in enumerate(judged)}
            for result in results:  # a kill may have come before the last one's figures were written
                if (lfw := result.measured) and lfw.sample_of is None:
                    self._stat = self._stat.measured(ends[result.name], lfw.accuracy, lfw.val)
            self._folder.write_stat(self._stat)

    def epoch(self, state: StageState) -> None:
        """Writes the history with a stage's epochs so far."""
        rows = self.rows + state.rows
        self._folder.write_text("history.csv", to_csv(rows))
        if self._asked.tensorboard:
            self._tensorboard = self._folder.add_to_tensorboard(self._tensorboard, rows)
        self._write_stat(state)

    def finished(self, state: StageState, lfw: LFWResult | None) -> None:
        """Adds a finished stage, and what LFW gave after it."""
        self.rows += state.rows
        self._stat = self._write_stat(state, lfw)

    def _write_stat(self, state: StageState, lfw: LFWResult | None = None) -> Stat:
        if not self._asked.stat_h5:
            return self._stat
        stat = self._stat.joined(state.current, state.steps, state.epoch_steps, state.spread)
        if lfw and lfw.sample_of is None:
            stat = stat.measured(-1, lfw.accuracy, lfw.val)
        self._folder.write_stat(stat)
        return stat
