import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.errors import BadInput
from deltarule.stats.effects import effects, parameters_of, ranking, said

VALUES = {
    "optimizer.learning_rate": [0.1, 1.0, 0.01],
    "network.layers": [[2, 3, 1], [2, 20, 1]],
    "loss.strength": [0, 1],
}
GRID = [dict(zip(VALUES, one, strict=True)) for one in itertools.product(*VALUES.values())]
number = st.floats(-1e3, 1e3)


@given(arrays(np.float64, (len(GRID), 3), elements=number))
def test_effects_of_a_whole_grid_are_what_an_analysis_of_variance_has(scores):
    """The effects of a parameter add up to nothing, and those of a pair to those of its parameters."""
    found = effects(GRID, scores)
    assert found.overall == pytest.approx(scores.mean(), abs=1e-9)
    marginal = {effect.keys[0]: effect.mean for effect in found.marginal}
    for key, parameter in ((one.key, one) for one in found.parameters):
        by_hand = [scores[parameter.place == value].mean() - scores.mean() for value in range(len(parameter.values))]
        np.testing.assert_allclose(marginal[key], by_hand, atol=1e-9)
        assert marginal[key].sum() == pytest.approx(0, abs=1e-9)
    for pair in found.pairwise:
        np.testing.assert_allclose(pair.mean.mean(1), marginal[pair.keys[0]], atol=1e-9)
        np.testing.assert_allclose(pair.mean.mean(0), marginal[pair.keys[1]], atol=1e-9)


def test_the_parameter_that_matters_most_is_first_and_one_that_does_not_holds_nothing():
    random = np.random.default_rng(0)
    worth = np.array([0.2 * (one["network.layers"][1] == 20) for one in GRID])
    found = effects(GRID, worth[:, None] + random.normal(0, 0.01, (len(GRID), 20)) + random.normal(0, 1, 20))
    assert found.parameters[0].key == "network.layers"
    assert found.marginal[0].mean == pytest.approx([-0.1, 0.1], abs=0.003)
    assert (found.marginal[0].half < 0.003).all(), "a lucky block is lucky for all"
    for effect in found.marginal[1:]:
        assert (np.abs(effect.mean) < 3 * effect.half).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    random, held = np.random.default_rng(1), []
    for _ in range(400):
        found = effects(GRID[:2], [[0.0], [0.3]] + random.normal(0, 1, (2, 5)) + random.normal(0, 9, 5))
        held.append(np.abs(found.marginal[0].mean - [-0.15, 0.15]) <= found.marginal[0].half)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_the_winner_of_noise_is_hardly_ever_more_than_noise():
    random = np.random.default_rng(2)
    surely = [(~ranking(random.normal(0, 1, (30, 5)) + random.normal(0, 9, 5)).is_as_good).any() for _ in range(200)]
    assert np.mean(surely) < 0.35, "the winner was chosen by these very scores, so some more than 5 %"


def test_a_winner_that_is_better_is_more_than_noise():
    random = np.random.default_rng(3)
    scores = random.normal(0, 0.01, (30, 5)) + random.normal(0, 9, 5)
    scores[17] += 1
    found = ranking(scores)
    assert found.place[0] == 17 and found.is_as_good.tolist() == [True] + [False] * 29


@given(arrays(np.float64, (6, 4), elements=number | st.just(np.nan)))
def test_a_ranking_goes_down_and_what_has_no_score_comes_last(scores):
    found = ranking(scores)
    assert sorted(found.place.tolist()) == list(range(6))
    means = [np.mean(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in scores[found.place]]
    np.testing.assert_allclose(found.mean, means, atol=1e-9)
    there = found.mean[~np.isnan(found.mean)]
    assert np.isnan(found.mean[len(there) :]).all() and (np.diff(there) <= 1e-9).all()


def test_with_one_block_nothing_is_known_of_the_noise():
    found = effects(GRID, np.arange(len(GRID))[:, None])
    assert all(np.isnan(effect.half).all() for effect in (*found.marginal, *found.pairwise))
    ranked = ranking(np.arange(4)[:, None])
    assert np.isnan(ranked.half).all() and ranked.is_as_good.all()


def test_numbers_that_are_many_are_grouped_and_words_that_are_many_are_left_out():
    settings = [{"rate": 0.1 * place, "name": f"n{place}"} for place in range(100)]
    [rate], left_out = parameters_of(settings)
    assert left_out == ("name",)
    assert rate.values[0] == "0 to 1.9" and np.bincount(rate.place).tolist() == [20] * 5


def test_values_are_in_their_order_and_equal_ones_are_one():
    [rate, layers], _ = parameters_of([{"rate": rate, "l": [2, n]} for rate, n in ((10, 100), (1.0, 9), (1, 9))])
    assert rate.values == ("1", "10") and rate.place.tolist() == [1, 0, 0]
    assert layers.values == ("2-9", "2-100")


def test_names_of_values_have_no_brackets():
    assert said([["auto", 3], False]) == "auto-3-false"


def test_scores_must_fit_the_settings():
    with pytest.raises(BadInput, match="3 × 2 for 12 configurations; give a row for each"):
        effects(GRID, np.zeros((3, 2)))
