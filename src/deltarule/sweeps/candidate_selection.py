"""Ways to choose configurations other than a whole grid: drawn at random, halved, or asked of Optuna.

Each way hands lists of settings to a function that sweeps them, `run`; with a store that is gone on with, nothing is
trained twice, and a search that was ended goes on where it was:

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
    """Draw configurations at random, by scikit-learn's ParameterSampler.

    Parameters: `space`, by dotted key a list of values, or a SciPy distribution; `n`, how many; lists alone are drawn
    from without repetition; `seed`, from 0 to 2**32 - 1.
    Returns: what each configuration sets, as `sweep` takes it.
    Errors: `BadInput` for something that cannot be drawn from, more configurations than there are, and another seed.

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
    """Successive halving: train all configurations a little, the best of them more, the best of these most.

    Each round begins anew, so that its rows are those of any training with that budget; with a third kept and three
    times the budget, this makes half as much work again.

    Parameters: `run`, which sweeps settings; `budgets`, one for each round, rising; `key`, what is set to them; `keep`,
    the share that goes on.
    Returns: the settings of the last round, the best first.
    Errors: `BadInput` for budgets that do not rise, and another share.

    >>> import deltarule
    >>> rates = [{"optimizer.learning_rate": 0.1 * n} for n in range(1, 10)]
    >>> budgets = {"budgets": [50, 500], "key": "stopping.max_steps"}
    >>> best = halving(lambda settings: deltarule.sweep("encoder", settings, seeds=2), rates, **budgets)
    >>> len(best), best[0]["stopping.max_steps"]
    (3, 500)

    Source: Jamieson & Talwalkar, Non-stochastic best arm identification, AISTATS 2016.
    """
    _check_share(keep)
    left: list[Settings] = list(settings)
    for number, budget in enumerate(_check_budgets(budgets)):
        if number:
            left = left[: max(1, round(keep * len(left)))]
        left = [{**one, key: budget} for one in left]
        scores = scores_of(run(left), left)
        left = [left[place] for place in sorted(range(len(left)), key=lambda place: -scores[place])]
    return left


def _check_budgets(budgets: Any) -> list[int]:
    rounds = [whole("a budget", budget) for budget in budgets] if np.iterable(budgets) else []
    if not rounds or any(after <= before for before, after in pairwise(rounds)):
        raise BadInput(f"the budgets are {budgets!r}; give whole numbers that rise")
    return rounds


def _check_share(keep: Any) -> None:
    if not isinstance(keep, Real) or not 0 < float(keep) < 1:
        raise BadInput(f"the share to keep is {keep!r}; give a number above 0 and under 1")


def ask_and_tell(run: Run, study: Any, space: Mapping[str, Any], *, rounds: int, batch: int = 8) -> None:
    """Let Optuna choose: in each round it is asked for a batch of configurations, and told their mean scores.

    Parameters: `run`, which sweeps settings; `study`, an Optuna study whose direction is "maximize"; `space`, Optuna's
    distributions by dotted key; `rounds`; `batch`, how many configurations are one sweep.
    Errors: `BadInput` for a study of another direction, and for what is no number of rounds or of configurations.

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
    """The mean score of each configuration over its folds and seeds, −infinity where a row has no score."""
    means = [table.mean(setting) for setting in settings]
    return [-np.inf if mean is None else mean for mean in means]
