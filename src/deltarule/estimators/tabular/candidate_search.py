"""Choose a tabular model's hyperparameters within a budget of training.

The budget decides how many rows are searched, how many epochs a network is trained and how many an ensemble has.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import ParameterGrid

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import require_complete_fit, suppress_fit_warnings
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.tabular.splits import RowDivision, take
from deltarule.problem.problem import Floats, Integers
from deltarule.training.populations import plan_populations

PRESETS = ("default", "fast", "best")
SEARCH_SHARE = 0.4
"""Share of a limit of seconds after which no further settings are tried."""


@dataclass
class Budget:
    """What a fit may cost, and whom it tells what it is doing.

    preset    one of `PRESETS`
    seconds   the limit that the user gave
    progress  a function of a text and of the share that is done
    was_short whether candidates were left out for lack of time
    """

    preset: str = "default"
    seconds: float = math.inf
    progress: Callable[[str, float], None] = lambda text, share: None
    started: float = field(default_factory=perf_counter)
    done: float = 0.0
    total: float = 1.0
    was_short: bool = False

    @property
    def seconds_left(self) -> float:
        return self.seconds - (perf_counter() - self.started)

    def may_search(self, seconds: float = 0.0) -> bool:
        """Whether there is time to try further settings, which take so many seconds."""
        return math.isinf(self.seconds) or self.seconds_left - seconds >= (1 - SEARCH_SHARE) * self.seconds

    def begin(self, text: str, work: float) -> None:
        """Report that a part begins that is so much of the `total` work."""
        self.progress(text, min(self.done / self.total, 1.0))
        self.done += work

    def affordable(self, members: int, seconds_each: float) -> int:
        """How many networks can be trained twice (to score, to keep) in the time left."""
        if math.isinf(self.seconds) or not seconds_each:
            return members
        return max(1, min(members, int(self.seconds_left / (2 * seconds_each))))


DEEP_HIDDEN_SIZES, LARGE_DEEP_HIDDEN_SIZES = (64, 64, 64), (128, 128, 128)
"""Of deep networks. Smaller ones are as good on small tables, in a tenth of the time."""
CANDIDATES: tuple[dict[str, Sequence[Any]], ...] = (
    {"hidden_layer_sizes": [()], "solver": ["lbfgs"], "alpha": [0.01, 1.0, 10.0, 100.0], "max_iter": [200]},
    {"hidden_layer_sizes": [(64,)], "learning_rate_init": [0.01], "alpha": [1e-4, 0.01, 0.1, 3.0], "max_iter": [50]},
    {"hidden_layer_sizes": [DEEP_HIDDEN_SIZES], "learning_rate_init": [0.01], "alpha": [1e-4], "max_iter": [50, 100]},
)
"""Grids of the candidates: linear models, often the best for little data; small networks; and deep ones
(`TableNetwork`). `max_iter` bounds the epochs."""
UPDATES, MIN_EPOCHS = 10_000, 10
"""The number of updates of a network, and its least number of epochs, which takes precedence."""
MAX_SEARCH_MULTIPLICATIONS = 1e11
"""Multiplications of a search, for which a larger table is sampled: a few seconds."""
SECONDS_OF_MULTIPLICATION = 1e-10
"""About how long a multiplication takes, by which a limit of seconds is kept. Measured on 5,000 rows of 20 columns."""
MAX_MEMBERS, MIN_MEMBERS = 8, 2
MAX_ENSEMBLE_MULTIPLICATIONS = 1.5e11
"""Multiplications for which an ensemble may have more than the least number of networks: a few seconds."""
LARGE_TABLE_ROWS = 20_000
"""Rows from which on deep networks are larger."""
MIN_LONG_TRAINING_ROWS = 1000
"""Rows from which on deep networks are also tried with more than 50 epochs."""
MIN_CONTINUED_ROWS = 2000
"""Rows from which on the ensemble that was scored is trained on with all rows. For fewer it is trained anew, which
costs little, and had 11 % fewer errors on the table mpg."""
CONTINUED_SHARE = 0.25, 0.5
"""The shares of epochs and of the learning rate with which it is. Errors on eight tables were 0.996 of those of a new
training."""


class Choice(NamedTuple):
    """The best of so many candidates in a cross-validation.

    `searched` rows are divided into folds, and the network of a fold is trained on `rows` of them, in so many
    `seconds`. `out_of_fold` has for each fold the network trained on all others, and the rows x, y of the fold with
    their weights. `scores` are the primary and the tie-breaking one, and the difference below which primary ones are
    equal; `kinds` are the best for each number of hidden layers, deep ones first.
    """

    settings: dict[str, Any]
    candidates: int
    rows: int
    seconds: float
    out_of_fold: list[tuple[BaseMLP, Floats, Any, Floats | None]]
    scores: tuple[float, float, float] = (0.0, 0.0, 0.0)
    searched: int = 0
    kinds: Sequence["Choice"] = ()

    def is_better_than(self, other: "Choice") -> bool:
        """Whether the scores on the same rows are better.

        Squared errors must be better by more than 2 %, which is no accident.
        """
        if self.scores[0] < 0:
            return self.scores[0] > 0.98 * other.scores[0]
        primary, tie_breaking = np.array([other.scores[:2], self.scores[:2]]).T
        return best_candidate(primary, tie_breaking, max(self.scores[2], other.scores[2])) == 1


def choose_candidate(
    make_network: Callable[..., BaseMLP],
    x: Floats,
    y: Any,
    division: RowDivision,
    outputs: int,
    seed: int,
    score_pair: Callable[[Any, Floats, Any, Floats | None], tuple[float, float]],
    budget: Budget,
    earlier: Choice | None = None,
) -> Choice:
    """Cross-validate all candidates, on a sample of the rows, and return the best.

    `score_pair` gives the primary and the tie-breaking score of a network on rows. After an `earlier` choice the best
    of its kinds are compared, on the same rows.
    """
    random = np.random.default_rng(seed)
    table_rows, inputs = x.shape
    if earlier is None:
        candidates = candidates_for(table_rows, budget.preset)
        searched = search_rows(candidates, inputs, table_rows, outputs)
    else:
        candidates = [kind.settings for kind in earlier.kinds]
        searched = earlier.searched
    rows = np.sort(random.permutation(table_rows)[:searched])
    x = x[rows]
    y = y[rows]
    division = division.take(rows)
    splits = division.folds(5 if len(rows) < 1000 else 3, random)
    weights = division.weights
    training_rows = len(rows) - len(rows) // len(splits)
    work = [_multiplications(each, inputs, outputs) * each["max_iter"] for each in candidates]
    fold_work = [len(splits) * training_rows * each for each in work]
    if earlier is None:
        trained = 2 * table_rows * member_count(candidates[-1], inputs, table_rows)
        budget.total = sum(fold_work) + max(work) * trained
    search = SearchFits(make_network(), x, y, {} if weights is None else {"sample_weight": weights})
    fits, seconds = _train_candidates(search, candidates, fold_work, splits, training_rows, budget)
    scores = np.full((len(candidates), len(splits), 2), -np.inf)
    for (candidate, fold), model in fits.items():
        if not isinstance(model, Exception):
            test = splits[fold][1]
            scores[candidate, fold] = score_pair(model, x[test], y[test], take(weights, test))
    primary, tie_breaking = scores.mean(axis=1).T
    # A quarter of the standard error of an accuracy; 0 for negative squared errors.
    best_score = float(primary.max())
    tolerance = 0.25 * math.sqrt(max(0.0, best_score * (1 - best_score)) / len(x))
    best = best_candidate(primary, tie_breaking, tolerance)

    def choice_of(index: int) -> Choice:
        """Leave out the folds whose fit failed."""
        own = [(fits[index, fold], x[test], y[test], take(weights, test)) for fold, (_, test) in enumerate(splits)]
        return Choice(
            candidates[index],
            len(fits) // len(splits),
            training_rows,
            float(seconds[index].mean()),
            [fit for fit in own if not isinstance(fit[0], Exception)],
            (float(primary[index]), float(tie_breaking[index]), tolerance),
            len(rows),
        )

    return choice_of(best)._replace(kinds=[choice_of(index) for index in _best_of_kinds(candidates, primary)])


def _train_candidates(
    search: SearchFits,
    candidates: Sequence[dict[str, Any]],
    work: Sequence[float],
    splits: list[tuple[Integers, Integers]],
    training_rows: int,
    budget: Budget,
) -> tuple[dict[tuple[int, int], Any], Floats]:
    """Train candidates on all splits, one shape of networks after another until the budget ends.

    The results are fits by candidate and split, and their seconds [candidates, splits].
    """
    fits: dict[tuple[int, int], Any] = {}
    seconds = np.zeros((len(candidates), len(splits)))
    for shape in plan_populations((each["hidden_layer_sizes"], each["max_iter"]) for each in candidates).values():
        shape_work = sum(work[number] for number in shape)
        if fits and not budget.may_search(shape_work * SECONDS_OF_MULTIPLICATION):
            budget.was_short = True
            continue
        text = f"settings are compared, {len(fits) // len(splits)} of {len(candidates)}"
        budget.begin(text, shape_work)
        with suppress_fit_warnings():  # the user did not choose the candidates
            settings = [network_settings(candidates[number], training_rows) for number in shape]
            own, seconds[shape] = search.train(settings, splits)
        fits |= {(shape[number], fold): fit for (number, fold), fit in own.items()}
    return fits, seconds


def _best_of_kinds(candidates: Sequence[dict[str, Any]], primary: Floats) -> list[int]:
    """The indices of the best candidate for each number of hidden layers.

    If several are equal, the first is the best.
    """
    best: dict[int, int] = {}
    for index in np.flatnonzero(np.isfinite(primary)).tolist():
        kind = len(candidates[index]["hidden_layer_sizes"])
        if kind not in best or primary[index] > primary[best[kind]]:
            best[kind] = index
    return [*reversed(best.values())]  # deep ones first, while there is time


def train_ensemble(
    make_network: Callable[..., BaseMLP], x: Floats, y: Any, choice: Choice, members: int, weights: Floats | None = None
) -> BaseMLP:
    settings = network_settings(choice.settings, len(x))
    if not is_linear(choice.settings):
        settings["alpha"] = scale_alpha(settings["alpha"], choice.rows, len(x))
        settings["n_members"] = members
    return _fit_completely(make_network(**settings), x, y, weights)


def continue_ensemble(ensemble: BaseMLP, x: Floats, y: Any, choice: Choice, weights: Floats | None = None) -> BaseMLP:
    """Train an ensemble on with all rows, for some further epochs."""
    settings = network_settings(choice.settings, len(x))
    epoch_share, rate_share = CONTINUED_SHARE
    settings |= {
        "alpha": scale_alpha(settings["alpha"], choice.rows, len(x)),
        "learning_rate_init": rate_share * settings["learning_rate_init"],
        **_epochs(math.ceil(epoch_share * settings["max_iter"])),
    }
    return _fit_completely(ensemble.set_params(**settings, warm_start=True), x, y, weights)


def _fit_completely(model: Any, x: Floats, y: Any, weights: Floats | None) -> BaseMLP:
    with suppress_fit_warnings(), require_complete_fit():  # it is meant to train for `max_iter` epochs
        fitted: BaseMLP = model.fit(x, y, weights)
    return fitted


def candidates_for(rows: int, preset: str = "default") -> list[dict[str, Any]]:
    """The settings to compare for a table of so many rows.

    The preset "fast" leaves out settings that are extreme or train long.
    """
    candidates = []
    for candidate in ParameterGrid(CANDIDATES):
        is_left_out = preset == "fast" and candidate["alpha"] not in (1e-4, 0.1, 10.0)
        is_long = candidate["max_iter"] == 100
        if is_left_out or (is_long and (preset == "fast" or rows < MIN_LONG_TRAINING_ROWS)):
            continue
        if rows >= LARGE_TABLE_ROWS and candidate["hidden_layer_sizes"] == DEEP_HIDDEN_SIZES:
            candidate |= {"hidden_layer_sizes": LARGE_DEEP_HIDDEN_SIZES}
        candidates.append(candidate)
    return candidates


def is_linear(candidate: Mapping[str, Any]) -> bool:
    return candidate.get("solver") == "lbfgs"


def best_candidate(primary: Floats, tie_breaking: Floats, tolerance: float = 0.0) -> int:
    """The index of the candidate with the best primary score, −∞ where there is none."""
    # Means of the same scores may differ by rounding, by 1e-12 at most.
    return int(np.where(primary >= primary.max() - tolerance - 1e-12, tie_breaking, -np.inf).argmax())


# --- the budget ------------------------------------------------------------------------------------------------------


def search_rows(candidates: Sequence[Mapping[str, Any]], inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of rows on which a search takes a few seconds."""
    per_row = sum(_multiplications(candidate, inputs, outputs) * candidate["max_iter"] for candidate in candidates)
    return min(rows, max(1000, int(MAX_SEARCH_MULTIPLICATIONS / (2 * per_row))))  # two of three folds each time


def _multiplications(candidate: Mapping[str, Any], inputs: int, outputs: int) -> int:
    """Multiplications for a row in an epoch; those in float32 count half."""
    sizes = (inputs, *candidate["hidden_layer_sizes"], outputs)
    products: int = 6 * sum(fan_in * units for fan_in, units in pairwise(sizes))
    return products // 2 if len(sizes) > 3 else products


def scale_alpha(alpha: float, searched_rows: int, rows: int) -> float:
    """Convert alpha, chosen on `searched_rows` rows, for `rows` rows.

    The penalty keeps its weight against the sum of the losses. An estimator adds it to their mean over a batch, so that
    alpha decreases with the number of rows, and increases with the batch size.
    """
    return alpha * _penalty_weight(searched_rows) / _penalty_weight(rows)


def _penalty_weight(rows: int) -> float:
    batch = training_settings(rows)["batch_size"]
    batch_sizes = np.minimum(batch, rows - np.arange(0, rows, batch))
    return rows * float((1 / batch_sizes).mean())


def network_settings(candidate: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """The parameters of a candidate's network for so many rows."""
    if is_linear(candidate):
        return dict(candidate)
    return {**candidate, **training_settings(rows, candidate["max_iter"])}


def training_settings(rows: int, max_epochs: int = 100) -> dict[str, Any]:
    # Alpha is divided by the rows of each batch: a last one of a single row would pull all weights to 0 once an epoch.
    target_count = math.ceil(rows / np.clip(max(rows // 16, min(rows // 8, 32)), 8, 256))
    counts = (target_count + distance * sign for distance in range(target_count) for sign in (1, -1))
    sizes = (math.ceil(rows / count) for count in counts)
    batch = int(next(size for size in sizes if -rows % size <= size * 2 / 3))
    epochs = max(min(UPDATES * batch // rows, max_epochs), MIN_EPOCHS)
    return {"batch_size": batch, "tol": 0.0, "n_iter_no_change": np.inf, **_epochs(epochs)}


def _epochs(count: int) -> dict[str, Any]:
    return {"max_iter": count, "learning_rate": {"name": "cosine", "steps": count, "per": "epoch"}}


def member_count(candidate: Mapping[str, Any], inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of networks of an ensemble, 2 to 8, or 1 linear model."""
    if is_linear(candidate):
        return 1
    epochs = training_settings(rows, candidate["max_iter"])["max_iter"]
    cost = _multiplications(candidate, inputs, outputs) * rows * epochs
    return int(np.clip(MAX_ENSEMBLE_MULTIPLICATIONS // cost, MIN_MEMBERS, MAX_MEMBERS))
