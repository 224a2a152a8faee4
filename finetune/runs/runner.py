"""Run of a recipe, from its first stage to its last."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.interruption import interruptible
from finetune.progress import say, show
from finetune.recipe import Recipe
from finetune.record import RunFolder, StageResult, ended
from finetune.report import REPORT_FILE, tables
from finetune.runs.begun import refuse_other_recipe
from finetune.runs.opening import Inputs
from finetune.runs.planning import show_plan
from finetune.runs.tuner import FineTuner
from finetune.runtime import create_strategy, planned_strategy


def run(
    recipe: Recipe,
    *,
    resume: bool = False,
    how_to_resume: str = "continue it with resume=True",
    recheck: bool = False,
) -> Sequence[StageResult]:
    """Run a recipe: check and plan everything first, then run the stages in order.

    Args:
        resume: True to continue the run in the recipe's output after its last finished epoch. If there is no run, a new
            one starts.
        how_to_resume: hint that is shown when SIGTERM or Ctrl-C ends the run.

        recheck: True to read images again that were read before and have not changed since, by their times.

    Returns:
        One result per stage.

    Raises:
        UserError: an input can't be used, or the output holds another run; one line per problem.
        RunError: the loss became NaN, or the disk is full. Finished stages are kept.
        Interrupted: SIGTERM or Ctrl-C came. The run can be resumed.

    Example:
        After `finetune demo`:

        >>> from finetune import Recipe, run
        >>> stages = [{"name": "head", "train_from": "Logits", "epochs": 1, "learning_rate": 0.005}]
        >>> results = run(Recipe.load("recipes/demo.yaml", {"output": "runs/again", "stages": stages}))
        >>> [result.name for result in results]
        ['head']
    """
    folder = RunFolder(recipe.output)
    is_chief = planned_strategy(recipe.strategy).is_chief
    if is_chief:
        folder.refuse_if_locked()
    with interruptible(how_to_resume):
        begun = resume and (folder.path / "recipe.yaml").exists()
        if begun:
            folder.refuse_changed_recipe()
            refuse_other_recipe(recipe, folder.path / "recipe.yaml")
        elif is_chief:
            folder.refuse_if_used(resumable=not resume)
            if resume:
                say(f"nothing to resume in {folder.path}; starting")
        inputs = Inputs.open(recipe, create_strategy(recipe.strategy), recheck=recheck)
        show_plan(inputs)
        tuner = FineTuner.from_inputs(inputs)
        with tuner.folder.locked():
            _train(tuner, recipe, begun=begun)
            inputs.strategy.wait()  # until the chief has written everything
    if is_chief:
        _say_results(tuner, recipe)
    return tuner.results


def _train(tuner: FineTuner, recipe: Recipe, *, begun: bool) -> None:
    """Train the stages that are not finished yet."""
    if begun:
        tuner.resume()
    tuner.strategy.must_agree(f"{begun} {len(tuner.results)}", tuner.unlike)
    try:
        tuner.begin()
        for stage in recipe.stages[len(tuner.results) :]:
            if not ended(recipe, tuner.results):
                tuner.run(stage)
    except BaseException:
        tuner.report()  # a run that ends early needs a report too
        raise


def _say_results(tuner: FineTuner, recipe: Recipe) -> None:
    """Print the tables of a finished run, the weights to use, and the next command."""
    if ended(recipe, tuner.results) and len(tuner.results) < len(recipe.stages):
        say(f"the run ends here: stage {tuner.results[-1].name!r} was rolled back, and the recipe says stop")
    show(tables.stages(tuner.baseline, tuner.results))
    if tuner.start.others:
        show(tables.sets(tuner.start, tuner.results))
    if tuner.start.trade_off:
        show(tables.trade_offs(tuner.start.trade_off, tuner.results))
    verdict = tuner.verdict()
    say(f"verdict: {verdict}")
    if verdict.folder is not None:
        say(f"next: {tables.gallery_command(recipe, verdict.folder if verdict.place else None)}")
        say(f"then: {tables.naming_command(recipe, len(tuner.inputs.scan.dataset.class_names))}")
    if (recipe.output / REPORT_FILE).exists():
        say(f"report: {recipe.output / REPORT_FILE}")
