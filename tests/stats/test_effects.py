import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refuses
from scipy.stats import binom, ttest_rel

from deltarule.stats.effects import effects, parameters_of
from deltarule.stats.ranking import ranking

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
        by_hand = [scores[parameter.index == value].mean() - scores.mean() for value in range(len(parameter.values))]
        np.testing.assert_allclose(marginal[key], by_hand, atol=1e-9)
        assert marginal[key].sum() == pytest.approx(0, abs=1e-9)
    for pair in found.pairwise:
        first, second = (next(one for one in found.parameters if one.key == key) for key in pair.keys)
        for i, j in np.ndindex(*pair.mean.shape):
            cell = scores[(first.index == i) & (second.index == j)].mean()
            assert pair.mean[i, j] == pytest.approx(cell - scores.mean(), abs=1e-9)
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


RATES = [{"rate": rate, "scale": scale} for rate, scale in ((0.001, 1.0), (0.3, 1.0), (0.3, 0.2))]


def test_what_was_trained_with_the_better_values_of_others_is_worth_no_more_by_that():
    """A second sweep of the better rate alone, at another scale: what that is worth is told where the rates are one."""
    random = np.random.default_rng(4)
    scores = np.array([[0.56], [0.98], [0.97]]) + random.normal(0, 0.002, (3, 6)) + random.normal(0, 0.1, 6)
    found = effects(RATES, scores)
    [rate, scale], [by_rate, by_scale] = found.parameters, found.marginal
    assert (rate.key, scale.key) == ("rate", "scale")
    assert by_scale.mean[0] - by_scale.mean[1] == pytest.approx((scores[2] - scores[1]).mean(), abs=1e-12)
    assert by_rate.mean[1] - by_rate.mean[0] == pytest.approx((scores[1] - scores[0]).mean(), abs=1e-12)
    for effect, parameter in ((by_rate, rate), (by_scale, scale)):  # of all configurations they are nothing
        assert effect.mean[parameter.index].sum() == pytest.approx(0, abs=1e-12)
    # The interval of a difference is that of a paired t-test: here two thirds of it are on one side.
    by_scipy = ttest_rel(scores[2], scores[1]).confidence_interval(0.95)
    assert by_scale.half.sum() == pytest.approx((by_scipy.high - by_scipy.low) / 2)


@given(st.sets(st.integers(0, len(GRID) - 1), min_size=4), st.integers(0, 2**32 - 1))
def test_effects_that_add_up_are_found_in_whatever_part_of_a_grid_reports_them(places, seed):
    """What is told is the truth; and told are two values exactly where no other numbers give the same scores."""
    random, settings = np.random.default_rng(seed), [GRID[place] for place in sorted(places)]
    parameters, _ = parameters_of(settings)
    worth = {one.key: random.normal(size=len(one.values)) for one in parameters}
    truth = sum(worth[one.key][one.index] for one in parameters) if parameters else np.zeros(len(settings))
    found = effects(settings, truth[:, None] + random.normal(size=3))
    design = np.hstack([np.eye(len(one.values))[one.index] for one in parameters] + [np.ones((len(settings), 1))])
    start = 0
    for one in parameters:
        mean = next(effect.mean for effect in found.marginal if effect.keys == (one.key,))
        for i, j in itertools.combinations(range(len(one.values)), 2):
            contrast = np.zeros(design.shape[1])
            contrast[[start + i, start + j]] = 1, -1
            is_told = np.linalg.matrix_rank(np.vstack([design, contrast])) == np.linalg.matrix_rank(design)
            if not np.isnan(mean[[i, j]]).any():
                assert is_told and mean[i] - mean[j] == pytest.approx(worth[one.key][i] - worth[one.key][j], abs=1e-9)
            elif len(one.values) == 2:
                assert not is_told
        start += len(one.values)


@pytest.mark.parametrize("missing", [np.inf, -np.inf, -1e200])
def test_a_value_whose_networks_diverged_is_not_reported_by_its_survivors(missing):
    scores = [[0.5, 0.6, 0.55, 0.5], [0.7, 0.8, 0.75, 0.7], [missing, missing, 0.95, 0.94]]
    found = effects([{"rate": rate} for rate in (0.1, 1, 10)], scores)
    [rate] = found.marginal
    assert rate.mean.tolist() == pytest.approx([-0.1, 0.1, np.nan], nan_ok=True) and np.isnan(rate.half[2])
    assert rate.diverged.tolist() == [0, 0, 2] and rate.rows.tolist() == [4, 4, 4]
    assert found.overall == pytest.approx((0.5375 + 0.7375) / 2)


@given(arrays(np.float64, (len(GRID), 3), elements=number), st.sets(st.integers(0, 2), min_size=1, max_size=2))
def test_what_diverges_with_every_value_of_another_parameter_reports_nothing_of_it(scores, rates):
    """The other parameters are worth what the rates that do not diverge tell."""
    rates = {VALUES["optimizer.learning_rate"][place] for place in rates}
    fell = np.array([one["optimizer.learning_rate"] in rates for one in GRID])
    found = effects(GRID, np.where(fell[:, None], [-np.inf, 0.1, 0.9], scores))
    kept = effects([one for one, is_out in zip(GRID, fell, strict=True) if not is_out], scores[~fell])
    told = {one.keys[0]: one for one in found.marginal}
    for effect in kept.marginal:
        if effect.keys[0] != "optimizer.learning_rate":
            np.testing.assert_allclose(told[effect.keys[0]].mean, effect.mean, atol=1e-9)
    assert np.isnan(told["optimizer.learning_rate"].mean).sum() == (1 if len(rates) == 1 else 3), "one alone is nothing"
    assert found.overall == pytest.approx(kept.overall, abs=1e-9)


def test_parameters_that_always_change_together_are_not_distinguished():
    settings = [{"rate": rate, "scale": 2 * rate, "steps": steps} for rate in (1, 2) for steps in (3, 4)]
    found = effects(settings, [[0.1, 0.2], [0.3, 0.5], [0.6, 0.6], [0.8, 0.9]])
    told = {effect.keys[0]: effect.mean for effect in found.marginal}
    assert np.isnan(told["rate"]).all() and np.isnan(told["scale"]).all()
    # The means of the differences 0.2, 0.3 and 0.2, 0.3.
    assert told["steps"].tolist() == pytest.approx([-0.125, 0.125])
    two = effects([{"rate": 1, "scale": 1}, {"rate": 2, "scale": 1}, {"rate": 3, "scale": 2}], [[0.1], [0.3], [0.7]])
    rate = next(effect.mean for effect in two.marginal if effect.keys == ("rate",))
    assert rate.tolist() == pytest.approx([-0.1, 0.1, np.nan], nan_ok=True)


def test_intervals_hold_the_truth_as_often_as_they_say():
    random, held = np.random.default_rng(1), []
    for _ in range(400):
        found = effects(GRID[:2], [[0.0], [0.3]] + random.normal(0, 1, (2, 5)) + random.normal(0, 9, 5))
        held.append(np.abs(found.marginal[0].mean - [-0.15, 0.15]) <= found.marginal[0].half)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("configurations", "blocks"), [(20, 5), (60, 20)])
def test_of_configurations_that_are_equal_none_is_surely_behind_the_luckiest(configurations, blocks):
    """At most 5 % of the runs may say so, but for the chance of 400 of them."""
    random, alarms = np.random.default_rng(2), 0
    for _ in range(400):
        scores = random.normal(0, 1, (configurations, blocks)) + random.normal(0, 9, blocks)
        alarms += bool((~ranking(scores).is_as_good).any())
    assert alarms <= binom.ppf(0.99, 400, 0.05)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("configurations", [2, 5])
@pytest.mark.parametrize("blocks", [2, 3, 5, 8])
@pytest.mark.parametrize(("rows", "share"), [(1, 0.5), (4, 0.75), (30, 0.95), (360, 0.97)])
def test_equal_ones_are_not_surely_behind_where_scores_are_shares_of_a_few_rows(configurations, blocks, rows, share):
    """Of them two differences may be the same by chance, and say nothing of the noise."""
    random, alarms = np.random.default_rng(6), 0
    for _ in range(400):
        alarms += bool((~ranking(random.binomial(rows, share, (configurations, blocks)) / rows).is_as_good).any())
    assert alarms <= binom.ppf(0.99, 400, 0.05)


@pytest.mark.parametrize("configurations", [2, 3, 6])
def test_one_that_is_as_far_behind_in_more_blocks_than_chance_gives_is_behind(configurations):
    """Of two equal ones all B differences have one sign with a chance of 2 / 2^B at most: enough are as many blocks as
    bring that below the risk of a pair."""
    pairs = configurations * (configurations - 1) // 2
    enough = next(blocks for blocks in range(99) if 2 / 2**blocks <= 0.05 / pairs)
    for blocks in (enough - 1, enough):
        found = ranking([[1.0] * blocks] * 2 + [[0.5] * blocks] * (configurations - 2))
        assert found.is_as_good.all() == (blocks < enough or configurations == 2)
        assert found.is_as_good[:2].all(), "those that learn every time"
        assert found.margin.tolist() == [0 if blocks == enough else pytest.approx(np.nan, nan_ok=True)] * configurations
    worth = [effects([{"a": 1}, {"a": 2}], [[1.0] * blocks, [0.5] * blocks]).marginal[0] for blocks in (5, 6)]
    assert np.isnan(worth[0].half).all() and worth[1].half.tolist() == [0, 0]
    assert worth[1].mean.tolist() == [0.25, -0.25]


def test_effects_compare_configurations_that_have_a_score_in_each_block():
    scores = [[0.9, 0.8, 0.7, 0.8], [0.7, 0.7, 0.4, 0.4], [np.nan, np.nan, np.nan, 0.5]]
    [rate] = effects([{"rate": rate} for rate in (0.1, 1, 3)], scores).marginal
    assert rate.mean.tolist() == pytest.approx([0.125, -0.125, np.nan], nan_ok=True)


@pytest.mark.parametrize(("configurations", "blocks"), [(30, 5), (60, 20)])
def test_a_winner_that_is_better_is_more_than_noise(configurations, blocks):
    random = np.random.default_rng(3)
    scores = random.normal(0, 0.01, (configurations, blocks)) + random.normal(0, 9, blocks)
    scores[17] += 1
    found = ranking(scores)
    assert found.place[0] == 17 and found.is_as_good.tolist() == [True] + [False] * (configurations - 1)


def test_the_margin_is_that_of_a_paired_t_test_with_the_risk_shared_by_all_pairs():
    scores = np.array([[0.9, 0.8, 1.0, 0.9], [0.7, 0.8, 0.8, 0.7], [0.1, 0.3, 0.1, 0.2]])
    by_scipy = ttest_rel(scores[0], scores[1]).confidence_interval(1 - 0.05 / 3)
    found = ranking(scores)
    np.testing.assert_allclose(
        [found.behind[1] - found.margin[1], found.behind[1] + found.margin[1]], [by_scipy.low, by_scipy.high]
    )


@given(arrays(np.float64, (6, 4), elements=number | st.just(-np.inf)))
def test_a_ranking_goes_down_and_what_lacks_scores_comes_after_what_has_all(scores):
    found = ranking(scores)
    assert sorted(found.place.tolist()) == list(range(6))
    scores = np.where(np.isfinite(scores), scores, np.nan)[found.place]
    means = np.array([np.mean(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in scores])
    scores = scores[:, ~np.isnan(scores).all(0)]
    lacks = np.isnan(scores).any(1) | np.isnan(means)
    np.testing.assert_allclose(found.mean, np.where(lacks, np.nan, means), atol=1e-9)
    assert (np.diff(lacks.astype(int)) >= 0).all() and np.isnan(found.half[lacks]).all()
    for part in (means[~lacks], means[lacks]):
        there = part[~np.isnan(part)]
        assert np.isnan(part[len(there) :]).all() and (np.diff(there) <= 1e-9).all()


@pytest.mark.filterwarnings("error")
def test_what_was_trained_less_is_compared_by_what_it_shares_with_the_others():
    missing = np.nan
    more = ranking([[0.3, 0.34, 0.32, 0.33], [0.95, 0.9, missing, missing]])
    assert more.place.tolist() == [1, 0] and more.blocks == 2 and more.behind.tolist() == pytest.approx([0, 0.605])
    [rate] = effects([{"rate": 1}, {"rate": 2}], [[0.1] * 4, [0.9, 0.9, missing, missing]]).marginal
    assert rate.mean.tolist() == pytest.approx([-0.4, 0.4])
    # No block is common to all: each with the first alone, and not at all where one block is.
    pairs = ranking([[0.9, 0.8, 0.9, 0.8], [0.7, 0.7, missing, missing], [missing, missing, missing, 0.1]])
    assert pairs.behind.tolist() == pytest.approx([0, 0.15, missing], nan_ok=True) and not pairs.alike
    assert pairs.blocks == 2 and pairs.place.tolist() == [0, 1, 2]


@pytest.mark.parametrize("missing", [np.inf, -np.inf, -1e200])
@pytest.mark.filterwarnings("error")
def test_what_diverged_in_a_block_is_not_as_good_by_its_survivors(missing):
    settings = [{"rate": rate} for rate in (0.1, 1.0, 10.0, 100.0)]
    scores = np.array([[0.8, 0.9, 0.8], [0.8, 0.8, 0.9], [0.9, missing, 0.95], [missing] * 3])
    found = ranking(scores)
    assert found.place.tolist() == [0, 1, 2, 3] and found.is_as_good.tolist() == [True, True, False, False]
    assert np.isnan([found.behind[2:], found.mean[2:], found.half[2:]]).all(), "survivors do not stand for all"
    worth = effects(settings, scores)
    kept = effects(settings, np.where(np.abs(scores) < 1, scores, -np.inf))
    np.testing.assert_array_equal(worth.marginal[0].mean, kept.marginal[0].mean)
    assert np.isnan(worth.marginal[0].mean).tolist() == [False, False, True, True] and np.isfinite(worth.overall)


def test_with_one_block_nothing_is_known_of_the_noise():
    found = effects(GRID, np.arange(len(GRID))[:, None])
    assert all(np.isnan(effect.half).all() for effect in (*found.marginal, *found.pairwise))
    ranked = ranking([[0.0], [1.0], [2.0], [np.nan]])
    assert np.isnan(ranked.half).all() and ranked.is_as_good.all()


def test_numbers_that_are_many_are_grouped_and_words_that_are_many_are_left_out():
    settings = [{"rate": 0.1 * place, "name": f"n{place}"} for place in range(100)]
    [rate], left_out = parameters_of(settings)
    assert left_out == ("name",)
    assert rate.values[0] == "0 to 1.9" and np.bincount(rate.index).tolist() == [20] * 5


@pytest.mark.parametrize(
    ("scores", "named"),
    [([["a"], ["b"]], "[['a'], ['b']]"), ([[1], [2, 3]], "[[1], [2, 3]]"), ([1, 2], "(2,)")],
)
def test_scores_are_a_table_of_numbers(scores, named):
    for rate in (ranking, lambda scores: effects(GRID[:2], scores)):
        with refuses("scores", named, "[C, B]"):
            rate(scores)
    with refuses("3 × 2", 12, "[C, B]"):
        effects(GRID, np.zeros((3, 2)))


def test_values_are_in_their_order_and_equal_ones_are_one():
    [rate, layers], _ = parameters_of([{"rate": rate, "l": [2, n]} for rate, n in ((10, 100), (1.0, 9), (1, 9))])
    assert rate.values == ("1", "10") and rate.index.tolist() == [1, 0, 0]
    assert layers.values == ("2-9", "2-100")
