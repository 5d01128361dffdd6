"""Choose configurations without sweeping a whole grid.

`halving` and `ask_and_tell` pass lists of settings to a function that sweeps them, `run`. If it resumes a store,
nothing is trained twice, and a search that was interrupted continues:

    run = lambda settings: deltarule.sweep("mine.toml", settings, out="search", resume=True)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.sweeps.result import Sweep

Settings = Mapping[str, Any]
Run = Callable[[Sequence[Settings]], Sweep]


def sampled(space: Mapping[str, Any], n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Draw n configurations at random, as settings for `sweep`.

    Parameters
    ----------
    space : mapping
        A list of values or a SciPy distribution for each dotted key.
    n : int
        How many to draw, without repetition if there are only lists.
    seed : int
    """
    from sklearn.model_selection import ParameterSampler

    drawn = ParameterSampler(dict(space), n, random_state=seed)
    return [
        {key: value.item() if isinstance(value, np.generic) else value for key, value in one.items()} for one in drawn
    ]


def halving(
    run: Run,
    settings: Sequence[Settings],
    budgets: Sequence[int],
    *,
    key: str = "stopping.max_epochs",
    keep: float = 1 / 3,
) -> list[Settings]:
    """Sweep fewer settings at each higher budget, by successive halving.

    Each round trains from the start, so its rows equal those of any training with that budget. If a third is kept and
    the budget triples, this adds half as much work.

    Parameters
    ----------
    run : callable
        Sweeps settings.
    settings : sequence of mappings
    budgets : sequence of int
        One for each round, ascending.
    key : str
        The setting that is the budget.
    keep : float
        The share of configurations that reaches the next round.

    References
    ----------
    Jamieson & Talwalkar, Non-stochastic best arm identification, AISTATS 2016.
    """
    remaining: list[Settings] = list(settings)
    for round_index, budget in enumerate(budgets):
        if round_index:
            remaining = remaining[: max(1, round(keep * len(remaining)))]
        remaining = [{**setting, key: budget} for setting in remaining]
        scores = scores_of(run(remaining), remaining)
        remaining = [remaining[index] for index in sorted(range(len(remaining)), key=lambda index: -scores[index])]
    return remaining


def ask_and_tell(run: Run, study: Any, space: Mapping[str, Any], *, rounds: int, batch: int = 8) -> None:
    """Let an Optuna study choose the settings that each round sweeps.

    Parameters
    ----------
    run : callable
        Sweeps settings.
    study : optuna.Study
        Whose direction is "maximize": an error is told as a negative number.
    space : mapping
        Optuna's distributions by dotted key.
    rounds, batch : int
        How many sweeps, and how many configurations in each.

    References
    ----------
    https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/009_ask_and_tell.html
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    if study.direction != StudyDirection.MAXIMIZE:
        raise BadInput('the Optuna study minimizes, and more of a score is better; create it with direction="maximize"')
    for _ in range(rounds):
        trials = [study.ask(dict(space)) for _ in range(batch)]
        settings = [trial.params for trial in trials]
        for trial, score in zip(trials, scores_of(run(settings), settings), strict=True):
            if np.isfinite(score):
                study.tell(trial, score)
            else:
                study.tell(trial, state=TrialState.FAIL)


def scores_of(table: Sweep, settings: Sequence[Settings]) -> list[float]:
    """The mean score of each configuration, negative for a metric to be minimized."""
    means = [table.mean(setting) for setting in settings]
    return [-np.inf if mean is None else table.sign * mean for mean in means]
