"""What functions of `record` give: series of the history, which can stop members too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refuses

from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.history import History
from deltarule.training.moment import Moment
from deltarule.training.train import train

EYE = np.eye(8)


def encoder(batch_size=None, **given):
    network = Network([8, 3, 8], "sigmoid", "sigmoid")
    return create_problem(network, EYE, EYE, loss="binary_cross_entropy", batch_size=batch_size, **given)


def size(moment):
    return np.abs(moment.parameters["W1"]).sum((1, 2))


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(
    every=st.one_of(st.integers(1, 12), st.lists(st.integers(0, 40), min_size=1).filter(lambda steps: min(steps) < 31)),
    points=st.integers(1, 12),
)
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
    due = sorted(set(every)) if isinstance(every, list) else [s for s in range(31) if s % every == 0 or s in limits]
    assert run.history.steps_of("size") == [step for step in due if step <= 30]
    for index, step in enumerate(run.history.steps_of("size")):
        for member in range(3):
            expected = np.nan
            if step <= limits[member]:
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
        # The first run ended at step 30, where its function was called too.
        steps = [later.history.steps_of("size").index(step) for step in range(0, 64, 7)]
        assert whole.history.steps_of("size") == [*range(0, 64, 7)]
        assert np.array_equal(later.history.series("size")[steps], whole.history.series("size"))


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("record", [{"size": size}, {"size": size, "accuracy": "accuracy"}, ["outputs", "gradients"]])
@pytest.mark.parametrize(("every", "steps"), [(10, [*range(0, 31, 10)]), ([0, 5, 30], [0, 5, 30]), (20, [0, 20, 30])])
def test_every_gives_series_and_frame_these_steps_without_gaps(batch_size, record, every, steps):
    for rules in ({}, {"history_every": 3}, {"metric": "accuracy", "threshold": 2.0}):
        run = train(encoder(batch_size, seeds=range(2)), max_steps=30, record=record, every=every, **rules)
        names = [name for name in run.history.names if name in record or name.startswith("gradient ")]
        frame = run.frame()
        assert names and frame.step.tolist() == np.repeat(steps, 2).tolist() and not frame.isna().any(axis=None)
        for name in names:
            series = run.history.series(name)
            if name != "accuracy":
                assert run.history.steps_of(name) == steps and len(series) == len(steps) and np.isfinite(series).all()
        assert rules or run.history.steps == steps


def test_a_function_that_returns_none_has_no_row_there(tmp_path):
    run = train(
        encoder(seeds=range(2)),
        max_steps=20,
        record={"size": lambda moment: size(moment) if moment.step % 10 == 0 else None},
        every=5,
        checkpoint=tmp_path / "file",
    )
    again = History.from_arrays(run.history.take(1).arrays())
    for history in (run.history, again):
        assert history.steps == [0, 5, 10, 15, 20] and history.steps_of("size") == [0, 10, 20]
        assert history.steps_of("objective") == history.steps and len(history.series("size")) == 3
    assert np.array_equal(again.series("size")[:, 0], run.history.series("size")[:, 1])


def test_no_step_of_a_function_is_refused():
    with refuses("size", "every"):
        train(encoder(), max_steps=5, record={"size": size, "accuracy": "accuracy"}, every=0)
