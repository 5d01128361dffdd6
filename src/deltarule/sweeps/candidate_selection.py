"""Choose configurations without sweeping a whole grid: random sampling, successive halving, Optuna.

`halving` and `ask_and_tell` pass lists of settings to a function that sweeps them, `run`. If it resumes a store,
nothing is trained twice, and a search that was interrupted continues:

    run = lambda settings: deltarule.sweep("mine.toml", settings, out="search", resume=True)
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.validation import whole
from deltarule.sweeps.result import Sweep

Settings = Mapping[str, Any]
Run = Callable[[Sequence[Settings]], Sweep]


def sampled(space: Mapping[str, Any], n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Draw n configurations at random, as settings by dotted key, from lists of values or SciPy distributions.

    This uses scikit-learn's ParameterSampler.

    Parameters: `space`, a list of values or a SciPy distribution for each dotted key; `n`, how many to draw, without
    repetition if there are only lists; `seed`, from 0 to 2**32 - 1.
    Returns: the settings of each configuration, for `sweep`.
    Errors: `BadInput` for a space that cannot be drawn from, for more configurations than it has, and for a seed out of
    range.

    >>> from scipy.stats import loguniform
    >>> drawn = sampled({"optimizer.learning_rate": loguniform(1e-4, 1), "loss.reduction": ["sum"]}, n=3)
    >>> len(drawn), all(1e-4 <= one["optimizer.learning_rate"] <= 1 for one in drawn)
    (3, True)
    """
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    n, seed = whole("n", n), whole("seed", seed, 0)
    if seed >= 2**32:
        raise BadInput(f"seed is {seed}; give a whole number from 0 to 2**32 - 1")
    _check_space(space)
    if not any(hasattr(values, "rvs") for values in space.values()) and n > len(ParameterGrid(dict(space))):
        raise BadInput(f"{n} configurations are to be drawn from {len(ParameterGrid(dict(space)))}; draw fewer of them")
    drawn = ParameterSampler(dict(space), n, random_state=seed)
    return [{key: _to_builtin(value) for key, value in one.items()} for one in drawn]


def _check_space(space: Any) -> None:
    """Raise `BadInput` unless each value of `space` is a list or a SciPy distribution."""
    if not isinstance(space, Mapping):
        raise BadInput(f"the space is {space!r}; give a table of values to draw from, as {{'loss.reduction': ['sum']}}")
    for key, values in space.items():
        if not hasattr(values, "rvs") and (isinstance(values, str) or not isinstance(values, Sequence) or not values):
            raise BadInput(f"{key} is {values!r}; give a list of values, or a SciPy distribution")


def _to_builtin(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def halving(
    run: Run,
    settings: Sequence[Settings],
    budgets: Sequence[int],
    *,
    key: str = "stopping.max_epochs",
    keep: float = 1 / 3,
) -> list[Settings]:
    """Successive halving: `run` sweeps fewer settings at each higher budget; return the last round's, the best first.

    Each round trains from the start, so its rows equal those of any training with that budget. If a third is kept and
    the budget triples, this adds half as much work.

    Parameters: `run`, a function that sweeps settings; `budgets`, one for each round, ascending; `key`, the setting
    that is the budget; `keep`, the share of configurations that reaches the next round.
    Returns: the settings of the last round, the best first.
    Errors: `BadInput` for budgets that do not ascend, and for a share outside of 0 to 1.

    >>> import deltarule
    >>> rates = [{"optimizer.learning_rate": 0.1 * n} for n in range(1, 10)]
    >>> budgets = {"budgets": [50, 500], "key": "stopping.max_steps"}
    >>> best = halving(lambda settings: deltarule.sweep("encoder", settings, seeds=2), rates, **budgets)
    >>> len(best), best[0]["stopping.max_steps"]
    (3, 500)

    Source: Jamieson & Talwalkar, Non-stochastic best arm identification, AISTATS 2016.
    """
    _check_share(keep)
    remaining: list[Settings] = list(settings)
    for round_index, budget in enumerate(_validate_budgets(budgets)):
        if round_index:
            remaining = remaining[: max(1, round(keep * len(remaining)))]
        remaining = [{**setting, key: budget} for setting in remaining]
        scores = scores_of(run(remaining), remaining)
        remaining = [remaining[index] for index in sorted(range(len(remaining)), key=lambda index: -scores[index])]
    return remaining


def _validate_budgets(budgets: Any) -> list[int]:
    """Return the budgets of the rounds as a list of whole numbers, which must ascend."""
    rounds = [whole("a budget", budget) for budget in budgets] if np.iterable(budgets) else []
    if not rounds or any(after <= before for before, after in pairwise(rounds)):
        raise BadInput(f"the budgets are {budgets!r}; give whole numbers that rise")
    return rounds


def _check_share(keep: Any) -> None:
    """Raise `BadInput` unless the share of configurations to keep is between 0 and 1."""
    if not isinstance(keep, Real) or not 0 < float(keep) < 1:
        raise BadInput(f"the share to keep is {keep!r}; give a number above 0 and under 1")


def ask_and_tell(run: Run, study: Any, space: Mapping[str, Any], *, rounds: int, batch: int = 8) -> None:
    """Let an Optuna study choose: in each round, ask it for settings, sweep them by `run`, and tell it the mean scores.

    Parameters: `run`, a function that sweeps settings; `study`, an Optuna study whose direction is "maximize"; `space`,
    Optuna's distributions by dotted key; `rounds`, how many sweeps; `batch`, how many configurations in each.
    Errors: `BadInput` for a study that minimizes, and unless `rounds` and `batch` are whole numbers from 1.

    Source: https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/009_ask_and_tell.html
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    if study.direction != StudyDirection.MAXIMIZE:
        raise BadInput('the Optuna study minimizes, and more of a score is better; create it with direction="maximize"')
    batch = whole("batch", batch)
    for _ in range(whole("rounds", rounds)):
        trials = [study.ask(dict(space)) for _ in range(batch)]
        settings = [trial.params for trial in trials]
        for trial, score in zip(trials, scores_of(run(settings), settings), strict=True):
            if np.isfinite(score):
                study.tell(trial, score)
            else:
                study.tell(trial, state=TrialState.FAIL)


def scores_of(table: Sweep, settings: Sequence[Settings]) -> list[float]:
    """The mean score of each configuration over its folds and seeds in a sweep; −infinity if a row has no score."""
    means = [table.mean(setting) for setting in settings]
    return [-np.inf if mean is None else mean for mean in means]
