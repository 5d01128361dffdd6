import itertools
import math
import operator
from functools import partial
from typing import Any

import numpy as np
import pytest

from deltarule import MLPRegressor
from deltarule.estimators.tabular import candidate_search
from deltarule.estimators.tabular.candidate_search import (
    Budget,
    Choice,
    candidates_for,
    choose_candidate,
    continue_ensemble,
    member_count,
    network_settings,
    scale_alpha,
    train_ensemble,
    training_settings,
)
from deltarule.estimators.tabular.splits import RowDivision
from deltarule.estimators.tabular.table_network import TableNetworkRegressor

EVERY = [*range(5, 4200), *range(4200, 20_001, 13), *range(20_001, 10**7, 99_991)]


def batches(rows: int) -> list[int]:
    """Of how many rows each batch of an epoch is."""
    size = training_settings(rows)["batch_size"]
    return [min(size, rows - start) for start in range(0, rows, size)]


def test_the_last_batch_is_no_small_one() -> None:
    """Whose penalty would be many times that of the others; and there are about as many batches as are meant."""
    for rows in EVERY:
        size = training_settings(rows)["batch_size"]
        count = math.ceil(rows / size)
        assert size <= rows and 3 * (rows - (count - 1) * size) >= size, rows
        meant = math.ceil(rows / min(max(rows // 16, min(rows // 8, 32), 8), 256))
        assert -(0.1 if rows >= 300 else 0.15) * meant <= count - meant <= (0.1 if rows >= 300 else 0.23) * meant, rows
        assert rows < 4096 or abs(size - 256) <= 16, rows


def test_a_training_makes_ten_thousand_updates_or_as_many_as_a_hundred_epochs_have() -> None:
    for rows in EVERY[::7]:
        training = training_settings(rows)
        epochs, updates = training["max_iter"], math.ceil(rows / training["batch_size"])
        assert epochs in (10, 100) or abs(epochs * updates - 10_000) <= 2 * updates, rows
        assert epochs < 100 or updates <= 100, rows
        assert epochs > 10 or updates >= 900, rows
        assert training["learning_rate"] == {"name": "cosine", "steps": epochs, "per": "epoch"}
        assert np.isinf(training["n_iter_no_change"])  # all of them


@pytest.mark.parametrize("searched", [8, 121, 359, 360, 1000])
def test_a_penalty_stays_what_it_was_against_the_sum_of_the_losses(searched: int) -> None:
    """Over an epoch: of batches that are means over B rows, each with alpha / B."""

    def against_the_sum(alpha: float, rows: int) -> float:
        return rows * float(np.mean([alpha / size for size in batches(rows)]))

    for rows in (searched, 450, 4097, 123_457):
        alpha = scale_alpha(0.1, searched, rows)
        assert against_the_sum(alpha, rows) == pytest.approx(against_the_sum(0.1, searched))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("rows", [448, 449, 450])
def test_an_alpha_means_the_same_ridge_whatever_the_number_of_rows(rows: int) -> None:
    """Of which the solution is known in closed form: (Xᵀ X + λ)⁻¹ Xᵀ y, where λ is alpha · rows / batch."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 80))
    y = x @ random.normal(size=80) + 9 * random.normal(size=rows)
    new = random.normal(size=(500, 80)) - x.mean(axis=0)
    training = training_settings(rows)
    settings = training | {"hidden_layer_sizes": (), "alpha": 3.0, "learning_rate_init": 0.003}
    model = MLPRegressor(**settings, scale_target=True, random_state=0)
    answers = model.fit(x, y).predict(new + x.mean(axis=0)) - y.mean()
    left, sizes, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    strengths = np.logspace(1, 3, 101)
    shrunk = sizes * (left.T @ (y - y.mean())) / (sizes**2 + strengths[:, None])  # [101, 80]
    nearest = strengths[np.square(answers - shrunk @ right @ new.T).mean(axis=1).argmin()]
    assert nearest == pytest.approx(3.0 * rows / training["batch_size"], rel=0.15)


@pytest.mark.parametrize("candidate", candidates_for(10**6) + candidates_for(100))
@pytest.mark.parametrize("rows", [60, 1000, 16_274, 200_000])
def test_an_ensemble_has_as_many_networks_as_can_be_afforded(candidate: dict[str, Any], rows: int) -> None:
    """Counted from the products: three of them for each weight and row, and half as much for a deep network, which
    is trained in float32. Linear models would all be the same."""
    for inputs, outputs in itertools.product((1, 127, 5000), (1, 500)):
        members = member_count(candidate, inputs, rows, outputs)
        if candidate["hidden_layer_sizes"] == ():
            assert members == 1
            continue
        sizes = (inputs, *candidate["hidden_layer_sizes"], outputs)
        products = sum(map(operator.mul, sizes, sizes[1:])) / (2 if len(sizes) > 3 else 1)
        one = 2 * 3 * products * rows * network_settings(candidate, rows)["max_iter"]
        assert 2 <= members <= 8
        assert members == 2 or members * one <= candidate_search.MAX_ENSEMBLE_MULTIPLICATIONS
        assert members == 8 or (members + 1) * one > candidate_search.MAX_ENSEMBLE_MULTIPLICATIONS


def test_candidates_grow_with_the_table() -> None:
    few, some, many = ([each["hidden_layer_sizes"] for each in candidates_for(rows)] for rows in (999, 1000, 20_000))
    assert len(few) == 9 and len(some) == len(many) == 10
    assert {(), (64,), (64, 64, 64)} == {*few} == {*some} and (128, 128, 128) in many


@pytest.mark.slow
def test_a_limit_of_seconds_stops_the_search_and_makes_the_ensemble_smaller() -> None:
    told: list[tuple[str, float]] = []
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 2)), random.normal(size=60)
    make = partial(TableNetworkRegressor, output_bias="prior", scale_target=True, random_state=0)
    division = RowDivision(np.zeros(60, np.int64))

    def search(seconds: float) -> Choice:
        budget = Budget(seconds=seconds, progress=lambda text, share: told.append((text, share)))
        return choose_candidate(make, x, y, division, 1, 0, lambda model, *_: (0.0, -len(model.coefs_)), budget)

    assert search(1e-9).candidates == 4 and len(told) == 1
    assert search(math.inf).candidates == 9
    assert [text for text, _ in told[1:]] == [f"settings are compared, {count} of 9" for count in (0, 4, 8)]
    shares = [share for _, share in told[1:]]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] < 1
    assert Budget(seconds=10.0).affordable(8, seconds_each=2.0) == 2 and Budget().affordable(8, 1e9) == 8
    assert (
        Budget(seconds=10.0).may_search(3.0) and not Budget(seconds=10.0).may_search(5.0) and Budget().may_search(1e9)
    )


@pytest.mark.slow
def test_a_continued_ensemble_learns_of_the_further_rows() -> None:
    """Of a class that the ensemble does not know yet, all of whose rows are new."""
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2))
    y = np.where(x[:, 0] > 1, 3 * x[:, 1], x[:, 0])
    candidate = candidates_for(len(x))[-1] | {"max_iter": 40}
    choice = Choice(candidate, 1, len(x), 1.0, [])
    known = x[:, 0] <= 1
    make = partial(TableNetworkRegressor, output_bias="prior", scale_target=True, random_state=0)
    ensemble = train_ensemble(make, x[known], y[known], choice, 2)
    before = ensemble.score(x[~known], y[~known])
    assert before < 0.3 and continue_ensemble(ensemble, x, y, choice).score(x[~known], y[~known]) > 0.7


@pytest.mark.parametrize(
    ("scores", "others", "is_better"),
    [
        ((-0.5, -0.5, 0.0), (-1.0, -1.0, 0.0), True),
        ((-0.99, -0.99, 0.0), (-1.0, -1.0, 0.0), False),  # a squared error that is 1 % lower
        ((0.9, -0.3, 0.01), (0.8, -0.2, 0.01), True),
        ((0.9, -0.3, 0.01), (0.895, -0.2, 0.01), False),  # as accurate, and less likely
        ((0.895, -0.2, 0.01), (0.9, -0.3, 0.01), True),
    ],
)
def test_choices_are_compared_by_their_scores(scores: Any, others: Any, is_better: bool) -> None:
    one, other = (Choice({}, 1, 10, 1.0, [], each) for each in (scores, others))
    assert one.is_better_than(other) == is_better
