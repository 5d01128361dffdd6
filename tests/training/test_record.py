"""What functions of `record` give: series of the history, which can stop members too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.moment import Moment
from deltarule.training.train import train

EYE = np.eye(8)


def encoder(batch_size=None, **given):
    network = Network([8, 3, 8], "sigmoid", "sigmoid")
    return create_problem(network, EYE, EYE, loss="binary_cross_entropy", batch_size=batch_size, **given)


def size(moment):
    return np.abs(moment.parameters["W1"]).sum((1, 2))


@settings(deadline=None, max_examples=20)
@given(every=st.one_of(st.integers(1, 12), st.lists(st.integers(0, 40), min_size=1)), points=st.integers(1, 12))
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_function_becomes_a_series(engine, every, points):
    """Of the members that still train, at its own steps; the training and its objective stay as they are."""
    problem, limits = encoder(seeds=range(3), learning_rate=2.0), [20, 13, 30]
    rules = {"max_steps": limits, "engine": engine, "history_every": points}
    run, bare = train(problem, **rules, record={"size": size}, every=every), train(problem, **rules)
    series = run.history.series("size")
    assert np.array_equal(run.state.theta, bare.state.theta)
    is_point = np.isin(run.history.steps, bare.history.steps)
    assert np.array_equal(run.history.objective[is_point], bare.history.objective, equal_nan=True)
    for index, step in enumerate(run.history.steps):
        is_due = step in every if isinstance(every, list) else step % every == 0 or step in limits
        for member in range(3):
            expected = np.nan
            if is_due and step <= limits[member]:
                alone = train(problem.take([member]), max_steps=step, engine=engine, history_every=0)
                expected = size(Moment(alone.problem, ReferenceEngine(), alone.state))[0]
            assert np.array_equal(series[index, member], expected, equal_nan=True)


def test_functions_need_no_history():
    run = train(encoder(seeds=range(2)), max_steps=20, history_every=0, every="epoch", record={"size": size})
    assert run.history.names == ("size",) and run.history.steps == [*range(21)]
    assert np.isnan(run.objective).all()


@pytest.mark.parametrize(
    "problem", [encoder(seeds=range(3), learning_rate=2.0), encoder(3, seeds=range(3), learning_rate=2.0)]
)
def test_a_series_stops_members(problem):
    bound = size(Moment(problem, ReferenceEngine(), train(problem, max_steps=12).state)).min() * 1.0001
    shrinking = {"record": {"left": lambda moment: -size(moment)}, "history_every": 4, "max_steps": 24}
    run = train(problem, **shrinking, metric="left", threshold=-bound)
    whole = train(problem, **shrinking).history
    assert "threshold" in run.reasons
    for member in range(3):
        met = np.flatnonzero(whole.series("left")[:, member] < -bound)
        assert run.steps[member] == (whole.steps[met[0]] if len(met) else 24)


def test_patience_follows_a_series():
    run = train(
        encoder(seeds=[3]),
        max_steps=50,
        record={"step": lambda m: 0 * m.members + abs(m.step - 20)},
        history_every=5,
        metric="step",
        patience=2,
    )
    assert (run.reasons, run.steps.tolist(), run.best_steps.tolist()) == (("patience",), [30], [20])


def test_a_step_beyond_the_end_is_noted():
    run = train(encoder(), max_steps=20, record={"size": size}, every=[0, 500])
    assert "step 500 is to be recorded, and the training ends after 20" in run.notes


def test_a_resumed_run_has_the_series_of_a_whole_one(tmp_path):
    problem, record = encoder(seeds=range(2)), {"record": {"size": size}, "every": 7}
    first = train(problem, max_steps=30, **record, checkpoint=tmp_path / "file")
    whole = train(problem, max_steps=63, **record, history_every=1)
    for later in (
        train(problem, start=first, max_steps=63, **record, history_every=1),
        train(problem, max_steps=63, **record, history_every=1, checkpoint=tmp_path / "file", resume=True),
    ):
        steps = [later.history.steps.index(step) for step in range(0, 64, 7)]
        own = [whole.history.steps.index(step) for step in range(0, 64, 7)]
        assert np.array_equal(later.history.series("size")[steps], whole.history.series("size")[own])
