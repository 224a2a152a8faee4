"""A search over keys of a recipe: trials one after another, the best of them, and its test on images held out."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from finetune import files
from finetune.dataset import Dataset, split_validation
from finetune.errors import Problem, UserError
from finetune.interruption import stop_if_asked
from finetune.progress import printing, say, track
from finetune.recipe import Recipe
from finetune.record import RunFolder, StageResult
from finetune.runs import Inputs, Rehearsal, without_pairs
from finetune.training import EpochRow, StageFailed
from finetune.tuning.begun import refuse_missing_optuna, refuse_other_files, refuse_other_search
from finetune.tuning.contest import Contest
from finetune.tuning.objective import Objective, objective_of, refuse_unjudged
from finetune.tuning.space import Load, Space, own_values
from finetune.tuning.trial import TABLE, Trial, best_of, read_trials, write_trials
from finetune.words import counted

BEST, TEST = "best.yaml", "test.json"
STEP_OF_STAGE = 1_000_000
"""Distance of the steps of two stages, above any number of epochs."""


class Plan(NamedTuple):
    """Settings of a search.

    Attributes:
        load: function that returns the recipe with some values replaced.
        space: range or choices of each searched key.
        trials: number of trials, with the recipe as given among them.
        held_out: share of each person's images that the search never sees, from 0, below 1.
        output: folder of the search.
    """

    load: Load
    space: Space
    trials: int
    held_out: float
    output: Path


class Found(NamedTuple):
    """Outcome of a search.

    Attributes:
        trials: all trials, in order. Trial 0 is the recipe as given.
        best: trial with the highest score.
        recipe: recipe of the best trial, which `best.yaml` holds.
        contest: test of the best and of the recipe as given on the images held out; None without such images, or if
            the recipe as given is the best.
    """

    trials: list[Trial]
    best: Trial
    recipe: Recipe
    contest: Contest | None


class _Hopeless(Exception):
    """End of a trial that is worse than most."""


class _Course:
    """Scores of a trial on the way.

    Args:
        objective: objective of the search.
        stages: number of stages of the recipe.
        hopeless: function from a step and a score to whether the trial ends there.
    """

    def __init__(self, objective: Objective, stages: int, hopeless: Callable[[int, float], bool]) -> None:
        self._objective, self._stages, self._hopeless = objective, stages, hopeless
        self._done = 0
        self.scores: dict[int, float] = {}

    def epoch(self, row: EpochRow) -> None:
        """Note the score after an epoch, if it is measured there. A stage that is tried again is noted once."""
        score = self._objective.within(row)
        if score is not None and row.attempt == 1:
            self._note(row.epoch, score)

    def stage(self, result: StageResult) -> None:
        """Note the score after a stage that is not the last."""
        self._done += 1
        if self._done < self._stages:
            self._note(0, self._objective.after(result.standing))

    def _note(self, epoch: int, score: float) -> None:
        step = self._done * STEP_OF_STAGE + epoch
        self.scores[step] = score
        if self._hopeless(step, score):
            raise _Hopeless


def search(plan: Plan) -> Found:
    """Try recipes, and write the best into the folder. A search that was stopped goes on where it ended.

    Raises:
        UserError: Optuna is not installed, an input can't be used, or the folder holds something else.
        RunError: an image can no longer be read, or the disk is full. Finished trials are kept.
    """
    refuse_missing_optuna()
    recipe = _settled(plan.load({}), plan.output)
    objective = objective_of(recipe)
    if recipe.strategy != "none":
        raise UserError(Problem("strategy", "trials run on one device", "give strategy=none"))
    with RunFolder(plan.output).locked():
        refuse_other_files(plan.output)
        inputs, apart = _parted(Inputs.open(recipe), plan.held_out)
        refuse_unjudged(inputs, objective)
        refuse_other_search(plan.output, recipe, inputs, plan.space, plan.held_out)
        return _Search(plan, objective, Rehearsal(inputs), apart).run()


class _Search:
    """Trials on open inputs.

    Args:
        plan: settings of the search.
        objective: figure that the trials are judged by.
        rehearsal: training of a recipe on the images of the search.
        apart: images that the search never sees.
    """

    def __init__(self, plan: Plan, objective: Objective, rehearsal: Rehearsal, apart: Dataset) -> None:
        self._plan, self._objective, self._rehearsal, self._apart = plan, objective, rehearsal, apart
        recipe = rehearsal.inputs.recipe
        self._seed, self._own = recipe.seed, own_values(recipe.to_value(), plan.space)

    def run(self) -> Found:
        """Try what has not been tried yet, test the best, and write the files."""
        plan, trials = self._plan, read_trials(self._plan.output)
        self._introduce(len(trials))
        if not trials:
            say("trial 0 is the recipe as given")
            self._keep(trials, self._tried(0, {}, lambda *_: False))
        for _ in track(range(len(trials), plan.trials), max(0, plan.trials - len(trials)), "trials"):
            stop_if_asked()
            with printing(wanted=False):
                trial = self._next(trials)
            self._keep(trials, trial)
        best = best_of(trials)
        if best is None:
            raise UserError(Problem(plan.output / TABLE, "no trial was finished", "it says why; give other ranges"))
        contest = self._contest(trials, best)
        recipe = plan.load(best.values)
        files.write_text(plan.output / BEST, self._header(trials, best, contest) + recipe.to_yaml())
        return Found(trials, best, recipe, contest)

    def _introduce(self, done: int) -> None:
        inputs = self._rehearsal.inputs
        say(
            f"{counted(self._plan.trials, 'trial')} over {counted(len(self._plan.space), 'setting')}, judged by: "
            f"{self._objective.title}\n{len(inputs.train)} training, {len(inputs.validation)} validation images; "
            f"{len(self._apart)} held out from the search"
        )
        if done:
            say(f"{counted(done, 'trial')} of {self._plan.output} {'is' if done == 1 else 'are'} done; going on")

    def _next(self, trials: Sequence[Trial]) -> Trial:
        """Propose values and try them. Values that were tried before get the trial's outcome without training."""
        from finetune.tuning.proposal import Proposal  # it imports Optuna

        proposal = Proposal(self._plan.space, trials, self._own, self._seed)
        known = next((trial for trial in trials if trial.values == proposal.values), None)
        if known:
            return dataclasses.replace(known, number=len(trials))
        return self._tried(len(trials), proposal.values, proposal.hopeless)

    def _tried(self, number: int, values: Mapping[str, Any], hopeless: Callable[[int, float], bool]) -> Trial:
        """Train the recipe with these values, and return the trial.

        Raises:
            UserError: the recipe as given can't be trained.
        """
        try:
            recipe = _settled(self._plan.load(values), self._plan.output)
            course = _Course(self._objective, len(recipe.stages), hopeless)
            with self._rehearsal.run(recipe, course.epoch, course.stage) as results:
                score = self._objective.after(results[-1].standing)
        except _Hopeless:
            return Trial(number, values, "pruned", None, course.scores)
        except (UserError, StageFailed) as error:
            if number == 0 and isinstance(error, UserError):
                raise
            return Trial(number, values, "failed", reason=" | ".join(map(str, error.problems)))
        return Trial(number, values, "finished", score, course.scores)

    def _keep(self, trials: list[Trial], trial: Trial) -> None:
        """Add a trial to the files, and print its line."""
        trials.append(trial)
        write_trials(self._plan.output, trials, list(self._plan.space))
        best = best_of(trials)
        so_far = f" (best {best.outcome}, trial {best.number})" if best else ""
        values = " ".join(f"{key}={value}" for key, value in trial.texts.items())
        say(f"trial {trial.number}: {trial.outcome}{so_far}  {values or 'as given'}")

    def _contest(self, trials: Sequence[Trial], best: Trial) -> Contest | None:
        """Test the best and the recipe as given on the images that the search never saw."""
        if not len(self._apart) or not best.number or trials[0].score is None:
            return None
        say(f"training both again, for {counted(len(self._apart), 'image')} that the search never saw")
        with printing(wanted=False):
            given, found = (
                self._rehearsal.named(_settled(self._plan.load(values), self._plan.output), self._apart)
                for values in ({}, best.values)
            )
        contest = Contest(given, found)
        files.write_json(self._plan.output / TEST, contest.to_json())
        return contest

    def _header(self, trials: Sequence[Trial], best: Trial, contest: Contest | None) -> str:
        """Return the comment lines above the best recipe."""
        chosen = (
            f"Trial {best.number}, the best of {counted(len(trials), 'trial')} by {self._objective.title}: "
            f"{best.outcome}; as given: {trials[0].outcome}."
        )
        tested = [f"{contest}."] if contest else []
        changed = [f"{key}={text}{_was(key, self._own)}" for key, text in best.texts.items()]
        lines = [line for text in (chosen, *tested, *changed) for line in textwrap.wrap(text, 116)]
        return "".join(f"# {line}\n" for line in (f"finetune run {self._plan.output / BEST}", "", *lines)).replace(
            "# \n", "#\n"
        )


def _was(key: str, own: Mapping[str, Any]) -> str:
    """Return a remark on the recipe's own value of a key, if it is known."""
    return f" (was {own[key]})" if key in own else ""


def _settled(recipe: Recipe, output: Path) -> Recipe:
    """Return a recipe for trials: with the search's folder, and with pairs only if a gate needs them."""
    gated = any(stage.accept for stage in recipe.stages)
    dropped = {} if gated else {"lfw": None, "measure": None, "verification": None}
    return recipe.model_copy(update={"output": output, **dropped})


def _parted(inputs: Inputs, share: float) -> tuple[Inputs, Dataset]:
    """Return the inputs without the images that the search never sees, and these images."""
    recipe, selection = inputs.recipe, inputs.selection
    assert selection is not None  # `Inputs.open` makes it
    seed = int(np.random.SeedSequence([recipe.seed, 1]).generate_state(1)[0] >> 1)
    rest, apart = split_validation(selection.scan.dataset, share, seed)
    remaining = dataclasses.replace(selection, scan=dataclasses.replace(selection.scan, dataset=rest))
    train, validation = remaining.split(recipe.data.validation_split, recipe.seed)
    if not any(stage.accept for stage in recipe.stages):
        inputs = without_pairs(inputs)
    return dataclasses.replace(inputs, train=train, validation=validation), apart
