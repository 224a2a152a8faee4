"""Proposals of values by Optuna, an extra: what to try next, and whether to end a trial early.

A proposal depends on the space, the seed and the trials so far, and on nothing else. A search that was killed therefore
goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from finetune.tuning.space import Choices, Space, Span
from finetune.tuning.trial import Trial

RANDOM = 10
"""Number of trials before the sampler learns from them (Bergstra et al. 2011, "Algorithms for Hyper-Parameter
Optimization", call it TPE)."""
UNPRUNED = 5
"""Number of trials that are not ended early."""


class Proposal:
    """Values of the next trial, drawn by TPE from the trials so far.

    Args:
        space: space of the search.
        trials: trials that have ended.
        own: values that the recipe itself has, for trial 0, as far as they lie in the space.
        seed: seed of the recipe. The draw is keyed by the seed and the trial's number.

    Attributes:
        values: value of each key.
    """

    def __init__(self, space: Space, trials: Sequence[Trial], own: Mapping[str, Any], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        number = len(trials)
        drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(n_startup_trials=RANDOM, seed=drawn, multivariate=False),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        )
        distributions = {key: _distribution(domain) for key, domain in space.items()}
        for trial in trials:
            study.add_trial(_stored(trial, trial.values or own, space, distributions))
        self._trial = study.ask(distributions)
        self.values = {key: _value(domain, self._trial.params[key]) for key, domain in space.items()}

    def hopeless(self, step: int, score: float) -> bool:
        """Note the objective at a step, and return whether it is below the median of the earlier trials there."""
        self._trial.report(score, step)
        return self._trial.should_prune()


def _distribution(domain: Span | Choices) -> BaseDistribution:
    """Return a domain for Optuna. Choices are numbered, because they may be anything."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(range(len(domain.ends)))
    if domain.whole:
        return IntDistribution(round(domain.low), round(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _value(domain: Span | Choices, drawn: Any) -> Any:
    """Return the value to try for what Optuna drew."""
    return domain.ends[drawn] if isinstance(domain, Choices) else domain.near(drawn)


def _stored(
    trial: Trial, values: Mapping[str, Any], space: Space, distributions: Mapping[str, BaseDistribution]
) -> optuna.trial.FrozenTrial:
    """Return a trial for Optuna. A failed one, which has no course, counts as the worst of the pruned ones."""
    drawn = {
        key: space[key].ends.index(value) if isinstance(space[key], Choices) else value for key, value in values.items()
    }
    done = trial.score is not None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.PRUNED,
        value=trial.score,
        params=drawn,
        distributions={key: distributions[key] for key in drawn},
        intermediate_values=dict(trial.course),
    )
