import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deltarule.engines.base import Trace
from deltarule.problem.batches import batch, batch_sizes, batch_weights
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.loop import NEVER, Chunk
from deltarule.training.options import StopRules
from deltarule.training.rules import EpochMeans, Threshold, continue_sum
from deltarule.training.train import train

NUMBERS = st.floats(-1e6, 1e6)
LIMITS = st.integers(0, 2**70)
BEYOND = 2**63
"""More than any array of steps can hold."""


def with_batches(*rows, **given):
    """A problem whose members have so many rows, each a batch of its own where no size is given."""
    given = {"batch_size": 1, "rows": [range(count) for count in rows], **given}
    return create_problem(Network([1, 1]), np.ones((max(rows), 1)), np.ones(max(rows)), **given)


@given(LIMITS | st.none(), LIMITS | st.none(), st.lists(st.integers(1, 9), min_size=1, max_size=3))
@example(None, BEYOND // 2, [2])
@example(None, BEYOND, [1, 2])
@example(BEYOND, None, [1])
def test_limits_may_be_huge(steps, epochs, batches):
    assume(steps is not None or epochs is not None)
    limits = StopRules(steps, epochs).limits(with_batches(*batches)).tolist()
    for limit, each in zip(limits, batches, strict=True):
        allowed = [*([steps] if steps is not None else []), *([epochs * each] if epochs is not None else [])]
        assert limit == min(*allowed, BEYOND - 1)


@given(st.lists(NUMBERS, max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_sum_is_independent_of_chunks(values, cuts):
    values, total = np.array(values), np.zeros(1)
    for part in np.split(values, sorted(min(cut, len(values)) for cut in cuts)):
        total = continue_sum(total, part[:, None])
    expected = 0.0
    for value in values.tolist():
        expected += value
    assert total == expected


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=9), st.integers(0, 3), st.integers(1, 5))
def test_threshold_counts_what_is_below(objective, before, times):
    under = [step for step, value in enumerate(objective) if value < 0.2]
    rule = Threshold(with_batches(1), 0.2, times)
    rule.counts[:] = before
    chunk = Chunk(np.array([0]), 7, Trace(np.array(objective)[:, None], np.array([-1])))
    rule.judge(None, chunk)
    assert rule.counts.tolist() == [before + len(under)]
    if before < times:
        steps = [7 + step for step in under] + [NEVER] * times
        assert chunk.ends.tolist() == [steps[times - before - 1]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 9), st.integers(1, 9))
def test_batch_sizes(rows, size, step, n):
    problem = with_batches(*rows, batch_size=size)
    for member in range(len(rows)):
        drawn = [batch(problem, np.array([member]), one).x.shape[-2] for one in range(step, step + n)]
        assert batch_sizes(problem, np.array([member]), step, n)[:, 0].tolist() == drawn


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 9), st.integers(1, 9))
@example([9], 9, 3, 5)
def test_weights_of_batches_do_not_depend_on_the_sizes_of_chunks(rows, size, step, n):
    """To the last bit, however the clock divides a training; and those of a member's own weights, too."""
    for shape in ((max(rows),), (len(rows), max(rows))):
        weights = 10 ** np.random.RandomState(0).uniform(-3, 3, shape)
        problem = with_batches(*rows, batch_size=size, weights=weights)
        everybody = np.arange(len(rows))
        found = batch_weights(problem, everybody, step, n)
        apart = [batch_weights(problem, everybody, one, 1) for one in range(step, step + n)]
        np.testing.assert_array_equal(found, np.concatenate(apart))
        for member in everybody:
            drawn = [batch(problem, np.array([member]), one).w.sum() for one in range(step, step + n)]
            assert found[:, member].tolist() == pytest.approx(drawn, rel=1e-14)
            np.testing.assert_array_equal(found[:, [member]], batch_weights(problem, np.array([member]), step, n))


def test_huge_weights_count_by_their_shares():
    x, y = np.arange(8.0).reshape(4, 2), np.arange(4.0)[:, None] * 1000 + 500
    given = {"batch_size": 3, "learning_rate": 1e-9}
    large, plain = (
        train(create_problem(Network([2, 2, 1]), x, y, weights=[one] * 4, **given), max_epochs=30, tolerance=0.5)
        for one in (1e307, 1.0)
    )
    assert (large.reasons, large.steps.tolist()) == (plain.reasons, plain.steps.tolist()) == (("tolerance",), [4])


@pytest.mark.parametrize("reduction", ["mean_samples", "mean_elements"])
def test_epoch_mean_is_weighted(reduction):
    """With a rate of 0 it is the same in every epoch, whichever batches the heavy rows come to be in."""
    x = np.random.RandomState(0).normal(size=(20, 2))
    weights = np.where(np.arange(20) < 10, 100.0, 0.01)
    given = {"learning_rate": 0.0, "batch_size": 4, "weights": weights, "reduction": reduction}
    problem = create_problem(Network([2, 1]), x, np.arange(20.0), **given)
    run = train(problem, max_epochs=50, tolerance=1e-6)
    assert (run.reasons, run.steps.tolist()) == (("tolerance",), [10])
    slowed = create_problem(
        Network([2, 1]), x, np.arange(20.0), schedule={"name": "adaptive", "tolerance": 1e-9, "patience": 1}, **given
    )
    # The first epoch is better than none; each of the others is no better than it.
    assert train(slowed, max_epochs=4).state.factor[0] == 1 / 5**3


@pytest.mark.parametrize("reduction", ["mean_samples", "sum"])
@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=3),
    st.integers(1, 4),
    st.lists(st.integers(1, 9), max_size=3),
    st.data(),
)
def test_epoch_objective_is_that_of_all_rows(reduction, rows, size, cuts, data):
    """Members of other rows, some of which have ended, and chunks that ignore epochs."""
    problem = with_batches(*rows, batch_size=size, reduction=reduction)
    chosen = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(rows))), min_size=1))))
    means, step, completed = EpochMeans(problem), 0, []
    steps = problem.steps_per_epoch(chosen[0])
    objective = np.array(data.draw(st.lists(NUMBERS, min_size=steps, max_size=steps)))
    for _ in range(2):
        for part in np.split(objective, sorted({min(cut, steps - 1) for cut in cuts} - {0})):
            trace = Trace(np.stack([part + member for member in chosen], axis=1), np.full(len(chosen), -1))
            means.judge(None, Chunk(chosen, step, trace))
            completed += [mean for mean in means.completed if 0 in mean.indices]
            step += len(part)
    values, sizes = objective + chosen[0], batch_sizes(problem, chosen[:1], 0, steps)[:, 0]
    expected = values.sum() if reduction == "sum" else (values * sizes).sum() / rows[chosen[0]]
    assert [mean.step for mean in completed] == [steps, 2 * steps]
    assert completed[0].values[0] == completed[1].values[0] == pytest.approx(expected, rel=1e-9, abs=1e-3)
