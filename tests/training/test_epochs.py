import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule import MLPRegressor, Network, create_problem
from deltarule.engines.base import Trace
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths import random
from deltarule.problem import batches
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.training.epochs import Epoch, EpochRules, Validation, one_epoch, train_epochs
from deltarule.training.rules import MAX_SPECULATIVE_EPOCHS, Patience
from deltarule.training.run import Run

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 2))
Y = X[:, :1] * X[:, 1:]


def problem(**given: Any) -> Problem:
    return create_problem(Network([2, 5, 1], "tanh"), X, Y, **{"optimizer": "adam", "seeds": range(3), **given})


@given(
    values=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    tolerance=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
)
def test_patience_counts_as_scikit_learn(values: list[int], tolerance: float) -> None:
    """The rule in words: an epoch that beats the best by the tolerance ends the count, another is counted."""
    one = problem(seeds=[0])
    rule, state = Patience(one, 3, tolerance, None), initial_state(one)
    best, count = np.inf, 0
    for value in values:
        count, best = count + 1 if value > best - tolerance else 0, min(best, value)
        is_stalled = rule.update(state, np.array([0]), np.array([float(value)]))
        assert (rule.lowest.item(), rule.waited.item(), is_stalled.item()) == (best, count, count >= 3)


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("in_order", [False, True])
def test_chunks_do_not_change_results(batch_size: int | None, in_order: bool) -> None:
    """Watched, every epoch is advanced by itself; unwatched, many at once, and the ends are found afterwards."""
    given = problem(batch_size=batch_size, learning_rate=[0.03, 0.01, 0.1])
    rules = EpochRules(150, 3e-3, 5)
    seen = []
    alone = train_epochs(given, initial_state(given), rules, in_order=in_order)
    watched = train_epochs(
        given, initial_state(given), rules, in_order=in_order, after_epoch=lambda e, _: bool(seen.append(e.loss))
    )
    np.testing.assert_array_equal(alone.state.theta, watched.state.theta)
    np.testing.assert_array_equal(losses_of(alone), losses_of(watched))
    assert [np.nanmean(losses) for losses in losses_of(alone)] == seen
    assert alone.reasons == watched.reasons == ("stalled",) * 3
    assert len(set(epochs_of(alone).tolist())) > 1, "members end at different epochs"


def losses_of(run: Run) -> Any:
    return run.history.series("loss")


def epochs_of(run: Run) -> Any:
    return run.steps // run.problem.steps_per_epoch(0) + (np.array(run.reasons) == "diverged")


class Counting(ReferenceEngine):
    """The reference engine, which counts its calls and the updates that it makes, of all members together."""

    updates = calls = 0

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        self.calls += 1
        self.updates += n * len(state.members)
        return super().advance(problem, state, n)


def test_few_epochs_are_trained_in_vain() -> None:
    given, rules = problem(learning_rate=[0.03, 0.01, 0.1]), EpochRules(150, 3e-3, 5)
    engine, alone = Counting(), Counting()
    run = train_epochs(given, initial_state(given), rules, engine=engine)
    assert set(run.reasons) == {"stalled"}
    assert (
        epochs_of(run).sum()
        <= engine.updates
        <= epochs_of(run).sum() + 2 * min(MAX_SPECULATIVE_EPOCHS, 6) * given.members
    )
    one = given.take(np.array([0]))
    train_epochs(one, initial_state(one), EpochRules(150, 3e-3, np.inf), engine=alone)
    assert alone.updates == 150, "who cannot end before is not asked"


def test_rows_in_order() -> None:
    """With one row a batch and the gradient 2 (b − y), each update of b is known."""
    given = create_problem(
        Network([1, 1]), np.zeros((3, 1)), [1.0, 10.0, 100.0], learning_rate=0.25, batch_size=1, data_seeds=5
    )
    run = train_epochs(given, initial_state(given), EpochRules(1), in_order=True)
    assert run.state.theta[0, 1] == 0.5 * 100 + 0.25 * 10 + 0.125 * 1
    assert losses_of(run)[0, 0] == pytest.approx((1 + 9.5**2 + (100 - 5.25) ** 2) / 3)


def test_cached_orders_are_freed() -> None:
    rows = batches.DRAWN_AT_ONCE + 1
    given = create_problem(Network([1, 1]), np.zeros((rows, 1)), np.zeros(rows), batch_size=4500)
    train_epochs(given, initial_state(given), EpochRules(2), engine="reference")
    assert not batches._cached_orders and not batches._long_orders.cache_info().currsize


def batch_by_batch(given: Problem, state: State, orders: Any) -> tuple[State, Any, Any]:
    """A pass as it is defined: a batch after another, each of which is all the rows that there are."""
    size, losses, bad = given.batch_rows(0), [], np.zeros(given.members, bool)
    for start in range(0, orders.shape[1], size):
        rows = orders[:, start : start + size]
        if given.row_table is not None:
            rows = np.take_along_axis(given.row_table, rows, axis=1)
        one = replace(given, rows=tuple(rows), batch_size=None)
        state, trace = ReferenceEngine().advance(one, state, 1)
        losses.append(trace.objective[0] * rows.shape[1])
        bad |= trace.bad >= 0
    return state, np.sum(losses, axis=0) / orders.shape[1], np.where(bad, "diverged", "max_epochs")


@given(
    rows=st.integers(1, 30),
    batch_size=st.integers(1, 31),
    step=st.integers(0, 40),
    own=st.booleans(),
    each=st.booleans(),
    rates=st.sampled_from([0.01, (0.01, 1e300, 0.1)]),
)
def test_one_epoch_equals_its_batches(rows: int, batch_size: int, step: int, own: bool, each: bool, rates: Any) -> None:
    drawn = np.random.default_rng(step)
    of_members = [drawn.permutation(30)[:rows] for _ in range(3)] if own else [np.arange(rows)] * 3
    orders = np.array([drawn.permutation(rows) for _ in range(3)])
    given = problem(optimizer="adam", rows=of_members, batch_size=batch_size, learning_rate=rates)
    start = replace(initial_state(given), step=step)
    run = one_epoch(given, start, orders if each else orders[0])
    expected, losses, reasons = batch_by_batch(given, start, orders if each else orders[[0, 0, 0]])
    np.testing.assert_array_equal(run.state.theta, expected.theta)
    np.testing.assert_allclose(losses_of(run)[0], losses, rtol=1e-12)
    assert run.reasons == tuple(reasons) and run.state.step == expected.step


def test_one_epoch_equals_an_epoch_of_training() -> None:
    given = problem(batch_size=7, dropout=0.3)
    run = train_epochs(given, initial_state(given), EpochRules(3))
    state, losses = initial_state(given), []
    for epoch in range(3):
        one = one_epoch(given, state, random.permutation(given.data_seeds, epoch, 30))
        state, losses = one.state, [*losses, losses_of(one)[0]]
    np.testing.assert_array_equal(state.theta, run.state.theta)
    np.testing.assert_array_equal(losses, losses_of(run))


@pytest.mark.parametrize("step", [0, 1])
def test_one_epoch_takes_few_calls(step: int) -> None:
    given, engine = problem(batch_size=1), Counting()
    one_epoch(given, replace(initial_state(given), step=step), np.arange(30), engine)
    assert engine.calls <= 10 < 30


def test_members_with_rows_of_their_own() -> None:
    rows = [np.arange(0, 12), np.arange(10, 22), np.arange(18, 30)]
    given = problem(rows=rows, batch_size=5, seeds=[0, 0, 0])
    run = train_epochs(given, initial_state(given), EpochRules(4), in_order=True)
    for member, own in enumerate(rows):
        alone = create_problem(Network([2, 5, 1], "tanh"), X[own], Y[own], optimizer="adam", batch_size=5)
        found = train_epochs(alone, initial_state(alone), EpochRules(4), in_order=True)
        np.testing.assert_allclose(run.state.theta[member], found.state.theta[0], rtol=1e-12)


@pytest.mark.parametrize("watch", [None, lambda epoch, state: False], ids=["unwatched", "watched"])
def test_divergence_ends_in_its_epoch(watch: Any) -> None:
    """Whatever the length of the chunk, and at the very first step, too."""
    given = create_problem(Network([2, 1]), X, Y, learning_rate=[1e-3, 1e60, 1e150], seeds=range(3))
    run = train_epochs(given, initial_state(given), EpochRules(20, 0.0, np.inf), after_epoch=watch)
    assert run.reasons == ("max_epochs", "diverged", "diverged")
    _, trace = ReferenceEngine().advance(given, initial_state(given), 20)
    assert epochs_of(run).tolist() == [20, *(trace.bad[1:] + 1).tolist()] and 2 < epochs_of(run)[1] < 20
    far = create_problem(Network([2, 1]), X * 1e300, Y)
    first = train_epochs(far, initial_state(far), EpochRules(3), after_epoch=watch)
    assert first.reasons == ("diverged",) and epochs_of(first).tolist() == [1]


def test_start_is_not_modified() -> None:
    given = problem(optimizer="sgd", learning_rate=[0.1, 0.5, 0.01])
    start = initial_state(given)
    before = start.theta.copy()
    train_epochs(given, start, EpochRules(50, 1e-3, 2))
    np.testing.assert_array_equal(start.theta, before)


def test_best_score_restores_its_weights() -> None:
    given = problem(learning_rate=0.1)
    held = RANDOM.normal(size=(20, 2))
    rows = Validation(held, held[:, :1] * held[:, 1:], np.ones((20, 1)), "r_squared", decides=True)
    run = train_epochs(given, initial_state(given), EpochRules(200, 0.0, 3), validation=rows)
    assert {"validation_score", "validation_loss"} < set(run.history.names)
    _, outputs = ReferenceEngine().outputs(given, run.state, held)
    missed = ((outputs - rows.y) ** 2).mean((1, 2))
    np.testing.assert_allclose(np.nanmax(run.history.series("validation_score"), axis=0), 1 - missed / rows.y.var())
    np.testing.assert_allclose(np.nanmin(run.history.series("validation_loss"), axis=0), missed, rtol=1e-9)


def test_validation_without_decision_changes_nothing() -> None:
    given = problem(learning_rate=0.1)
    rows = Validation(X, Y, np.ones((30, 1)), "r_squared", decides=False)
    plain = train_epochs(given, initial_state(given), EpochRules(40))
    scored = train_epochs(given, initial_state(given), EpochRules(40), validation=rows)
    np.testing.assert_array_equal(plain.state.theta, scored.state.theta)


def test_adaptive_schedule_ends_at_the_lowest_rate() -> None:
    given = problem(schedule={"name": "adaptive", "divide": 10.0}, learning_rate=[2e-3, 2e-5, 5e-7])
    run = train_epochs(given, initial_state(given), EpochRules(100, 1e9, 2))
    # The first epoch is better than nothing; the third after it that is not exhausts a patience of 2.
    assert epochs_of(run).tolist() == [1 + 3 * 5, 1 + 3 * 3, 1 + 3]
    assert run.state.factor == pytest.approx([1e-4, 1e-2, 1])


def test_callback_ends_training() -> None:
    given = problem()
    run = train_epochs(given, initial_state(given), EpochRules(50), after_epoch=lambda epoch, state: epoch.number == 4)
    assert run.reasons == ("callback",) * 3
    assert len(losses_of(run)) == 4


@pytest.mark.parametrize(("rules", "rate"), [(EpochRules(1), 0.3), (EpochRules(9, patience=0, tolerance=1e9), 0.3)])
def test_ctrl_c_in_the_last_chunk_is_reported(rules: EpochRules, rate: float) -> None:
    problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=rate, seeds=range(2))
    start = initial_state(problem)

    def press(epoch: Epoch, state: State) -> bool:
        if epoch.number == len(losses_of(alone)):
            signal.raise_signal(signal.SIGINT)
        return False

    alone = train_epochs(problem, start, rules)
    run = train_epochs(problem, start, rules, after_epoch=press)
    assert run.interrupted
    assert np.array_equal(run.state.theta, alone.state.theta) and np.array_equal(epochs_of(run), epochs_of(alone))


def test_ctrl_c_keeps_earlier_reasons() -> None:
    rates = [1e-12, 0.003]
    problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=rates, seeds=range(2))
    rules, start = EpochRules(20, patience=2, tolerance=1e-6), initial_state(problem)

    def press(epoch: Epoch, state: State) -> bool:
        if epoch.number == 20:
            signal.raise_signal(signal.SIGINT)
        return False

    assert train_epochs(problem, start, rules).reasons == ("stalled", "max_epochs")
    assert train_epochs(problem, start, rules, after_epoch=press).interrupted


def test_ctrl_c_without_a_result_is_raised() -> None:
    def press(epoch: Epoch, model: MLPRegressor) -> bool:
        if not np.isfinite(epoch.loss).all():
            signal.raise_signal(signal.SIGINT)
        return False

    model = MLPRegressor(hidden_layer_sizes=4, solver="sgd", learning_rate_init=1e300, max_iter=9, callbacks=[press])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    with pytest.raises(ValueError, match="non-finite"):
        model.set_params(callbacks=None).fit(X, Y)
