"""A training that begins at given arrays, or where another one ended."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses

from deltarule import BadInput, Network, create_problem, train
from deltarule.maths.network import views
from deltarule.training import loop

RNG = np.random.default_rng(0)
X, NOISE, ASIDE = RNG.normal(size=(30, 2)), RNG.normal(size=30), RNG.normal(size=(8, 2))
Y = np.sin(X[:, 0]) + 0.3 * NOISE
VALIDATION = (ASIDE, np.sin(ASIDE[:, 0]))
SIZES = [9, 30, 17]


def problem_of(batch_norm=False, **options):
    network = Network([2, 4, 1], "tanh", batch_norm=batch_norm)
    return create_problem(network, X, Y, **{"seeds": range(3), "learning_rate": [0.02, 0.1, 0.3], **options})


PROBLEMS = {
    "momentum in full batches": {"optimizer": "momentum"},
    "adam, batches and dropout": {"optimizer": "adam", "batch_size": 4, "dropout": 0.3},
    "batch norm": {"batch_norm": True, "batch_size": 7},
    "adaptive": {"batch_size": 7, "schedule": {"name": "adaptive", "tolerance": 0.05, "patience": 1}},
    "unequal rows": {"batch_size": 4, "rows": [range(size) for size in SIZES], "optimizer": "adam"},
}
RULES = {
    "none": {},
    "threshold": {"threshold": 0.35, "times": 4},
    "tolerance": {"tolerance": 0.01},
    "patience": {"patience": 2, "validation": VALIDATION},
    "metric": {"threshold": 0.45, "times": 2, "metric": "mean_absolute_error", "validation": VALIDATION},
}


def assert_same(run, other):
    assert run.reasons == other.reasons
    assert (run.best_steps is None) == (other.best_steps is None)
    assert run.best_steps is None or np.array_equal(run.best_steps, other.best_steps)
    for name in ("steps", "objective"):
        assert np.array_equal(getattr(run, name), getattr(other, name), equal_nan=True), name
    assert run.state.step == other.state.step
    for name in ("theta", "buffers", "factor"):
        assert np.array_equal(getattr(run.state, name), getattr(other.state, name), equal_nan=True), name
    assert run.state.slots.keys() == other.state.slots.keys()
    assert all(np.array_equal(run.state.slots[name], slot, equal_nan=True) for name, slot in other.state.slots.items())


def assert_same_history(run, other):
    assert run.history.steps == other.history.steps and set(run.history.names) == set(other.history.names)
    for name in run.history.names:
        assert np.array_equal(run.history.series(name), other.history.series(name), equal_nan=True), name


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=examples(12))  # for each of ten
@given(problem_name=st.sampled_from(sorted(PROBLEMS)), breaks=st.lists(st.integers(0, 11), max_size=3))
def test_a_continued_run_is_one_longer_training(engine, rule, problem_name, breaks):
    problem, rules = problem_of(**PROBLEMS[problem_name]), {"history_every": 5, "engine": engine, **RULES[rule]}
    whole, run = train(problem, max_steps=60, **rules), None
    for limit in [*sorted(5 * each for each in breaks), 60]:
        run = train(problem, start=run, max_steps=limit, **rules)
    assert_same(run, whole)
    assert_same_history(run, whole)


def test_more_steps_count_from_where_each_member_ended():
    problem = problem_of(**PROBLEMS["unequal rows"])
    run = train(problem, max_epochs=2, history_every=1)
    continued = train(problem, start=run, more_steps=7, history_every=1)
    assert_same(continued, train(problem, max_steps=(run.steps + 7).tolist(), history_every=1))
    seen = []
    train(problem, max_steps=5, record={"moment": lambda moment: seen.append(moment)}, every=[5])
    assert train(problem, start=seen[0], more_steps=3).state.step == 8
    assert train(problem, more_steps=3).state.step == 3
    for wrong in ({"more_steps": 3, "max_steps": 9}, {"more_steps": -1}, {"more_steps": "a"}):
        with refuses("more_steps"):
            train(problem, start=run, **wrong)


@pytest.mark.parametrize("before", ["sgd", "adam"])
def test_another_optimizer_begins_with_the_arrays_of_a_run(before):
    other, moments = problem_of(True, batch_size=7, optimizer="momentum"), []
    look = {"record": {"look": moments.append}, "every": [10]}
    run = train(problem_of(True, batch_size=7, optimizer=before), max_steps=20, **look)
    for start, state in ((run, run.state), (moments[0], moments[0].state)):
        network = run.problem.network
        arrays = views(state.theta, network.entries) | views(state.buffers, network.buffers)
        assert_same(train(other, start=start, more_steps=30), train(other, start=arrays, max_steps=30))


@pytest.mark.slow
def test_runs_whose_members_end_at_steps_of_their_own_are_continued():
    problem = problem_of(**PROBLEMS["unequal rows"])
    for rules in ({"history_every": 1}, {"history_every": 1, "tolerance": 0.01}):
        run = train(problem, max_epochs=2, **rules)
        assert len(set(run.steps.tolist())) > 1
        whole = train(problem, max_epochs=6, **rules)
        continued = train(problem, start=run, max_epochs=6, **rules)
        assert_same(continued, whole)
        assert_same_history(continued, whole)


@pytest.mark.parametrize("way", ["run", "checkpoint"])
def test_a_lower_threshold_continues_the_members_that_the_higher_one_ended(way, tmp_path):
    problem, file = problem_of(), tmp_path / "file"
    first = train(problem, max_steps=300, threshold=0.45, history_every=10, checkpoint=file, engine="compiled")
    assert "threshold" in first.reasons and len(set(first.steps.tolist())) > 1
    rules = {"max_steps": 900, "threshold": 0.2, "history_every": 10, "engine": "compiled"}
    place = {"start": first} if way == "run" else {"checkpoint": file, "resume": True}
    continued, whole = train(problem, **place, **rules), train(problem, **rules)
    assert_same(continued, whole)
    assert set(whole.history.steps) <= set(continued.history.steps)


@pytest.mark.slow
def test_a_checkpoint_is_resumed_to_a_later_limit(tmp_path):
    for rule in RULES.values():
        problem, file, rules = problem_of(**PROBLEMS["adaptive"]), tmp_path / "file", {"history_every": 5, **rule}
        train(problem, max_steps=25, checkpoint=file, **rules)
        resumed, whole = (
            train(problem, max_steps=80, checkpoint=file, resume=True, **rules),
            train(problem, max_steps=80, **rules),
        )
        assert_same(resumed, whole)
        assert_same_history(resumed, whole)


def test_a_rule_that_is_left_out_ends_no_member():
    problem = problem_of()
    ended = train(problem, max_steps=300, threshold=0.45)
    assert "threshold" in ended.reasons
    assert_same(train(problem, start=ended, max_steps=400), train(problem, max_steps=400))


@pytest.mark.parametrize("settings", sorted(set(PROBLEMS) - {"adaptive"}))
def test_a_moment_is_continued(settings):
    problem, moments = problem_of(**PROBLEMS[settings]), []
    whole = train(problem, max_steps=50, history_every=5, every=[20], record={"look": moments.append})
    continued = train(problem, start=moments[0], max_steps=50, history_every=5)
    assert_same(continued, whole)
    later = [step for step in whole.history.steps if step >= 20]
    assert continued.history.steps == later
    assert np.array_equal(continued.history.objective, whole.history.objective[-len(later) :])


def test_a_moment_of_some_members_is_continued_with_their_problem():
    problem, moments = problem_of(), []
    train(problem, max_steps=[10, 50, 50], every=[20], record={"look": moments.append})
    chosen = moments[0].members
    assert chosen.tolist() == [1, 2]
    run = train(problem.take(chosen), start=moments[0], max_steps=50)
    assert_same(run, train(problem.take(chosen), max_steps=50))


def test_some_members_of_a_run_are_continued():
    problem, rules = problem_of(), {"threshold": [0.45, 0.3, 0.3], "times": 3}
    run = train(problem, max_steps=100, **rules)
    rules["threshold"] = rules["threshold"][1:]
    chosen = np.array([1, 2])
    continued = train(problem.take(chosen), start=run.take(chosen), max_steps=300, **rules)
    assert_same(continued, train(problem.take(chosen), max_steps=300, **rules))


def test_a_run_is_continued_at_another_learning_rate():
    run = train(problem_of(learning_rate=0.02), max_steps=30)
    slower = problem_of(learning_rate=0.01)
    begun = run.parameters
    continued = train(slower, start=run, max_steps=100)
    assert np.array_equal(continued.state.theta, train(slower, start=begun, max_steps=70).state.theta)
    assert continued.steps.tolist() == [100] * 3 and continued.history.steps[:2] == [0, 1]


def test_members_that_have_learned_one_task_train_on_at_another():
    run = train(problem_of(), max_steps=500, threshold=0.45)
    assert set(run.reasons) == {"threshold"}
    network, options = run.problem.network, {"seeds": range(3), "learning_rate": 0.05}
    continued = train(create_problem(network, X, 1 - 2 * Y, **options), start=run, max_steps=900, threshold=0.45)
    assert set(continued.reasons) == {"threshold"} and (continued.steps > run.steps).all()


def test_continuing_changes_neither_run_nor_moment():
    problem, moments = problem_of(optimizer="adam"), []
    run = train(problem, max_steps=20, every=[10], record={"look": moments.append})
    theta, objective, points = run.state.theta.copy(), run.history.objective.copy(), list(run.history.steps)
    at_ten = moments[0].state.theta.copy()
    for start in (run, moments[0]):
        train(problem, start=start, max_steps=40)
    assert np.array_equal(run.state.theta, theta) and np.array_equal(moments[0].state.theta, at_ten)
    assert run.history.steps == points and np.array_equal(run.history.objective, objective, equal_nan=True)


@given(st.integers(1, 5), st.booleans())
def test_arrays_start_afresh(members, is_for_each):
    problem = problem_of(seeds=range(members), learning_rate=0.1, batch_norm=True)
    shapes = {"W1": (2, 4), "b1": (1, 4), "gamma1": (1, 4), "mean1": (1, 4)}
    lead = (members,) if is_for_each else ()
    arrays = {name: np.random.default_rng(1).normal(size=(*lead, *shape)) for name, shape in shapes.items()}
    run = train(problem, start=arrays, max_steps=0)
    moments = []
    train(problem, start=arrays, max_steps=3, every=[0], record={"look": moments.append})
    fresh = train(problem, max_steps=0)
    for member in range(members):
        for name, array in run.parameters.items():
            expected = arrays[name] if name in arrays else fresh.parameters[name][member]
            assert np.array_equal(array[member], expected[member] if is_for_each and name in arrays else expected)
    assert np.array_equal(moments[0].parameters["W1"], np.broadcast_to(arrays["W1"], (members, 2, 4)))
    means = np.broadcast_to(arrays["mean1"], (members, 1, 4))[:, 0]
    assert run.state.step == 0 and np.array_equal(run.state.buffers[:, :4], means)


def test_arrays_of_a_run_start_what_it_was():
    problem = problem_of()
    run = train(problem, max_steps=30)
    arrays = run.parameters
    started = train(problem, start=arrays, max_steps=0)
    assert np.array_equal(started.state.theta, run.state.theta) and started.history.steps == [0]
    started, whole = train(problem, start=arrays, max_steps=10), train(problem, max_steps=40)
    assert np.array_equal(started.state.theta, whole.state.theta)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (3, "start is 3; give a run, a moment, or arrays by name"),
        ({"W9": 1.0}, "start has 'W9', which the network lacks; its arrays: W1, b1, W2, b2"),
        ({"W1": np.ones((4, 2))}, r"start has an array of the shape \(4, 2\) as W1; give \(2, 4\) for all members"),
        ({"W1": [["x"]]}, "as W1; give .2, 4. for all members"),
        ({"W1": np.full((2, 4), np.nan)}, "start has W1 with numbers that are not finite in float64"),
    ],
)
def test_what_is_no_start_is_refused(start, sentence):
    with pytest.raises(BadInput, match=sentence):
        train(problem_of(), start=start, max_steps=5)


def test_a_start_that_does_not_fit_is_refused():
    problem, moments = problem_of(), []
    run = train(problem, max_steps=20, every=[10], record={"look": moments.append})
    for other in (problem_of(dtype="float32"), problem.take(np.array([0, 1]))):
        for start in (run, moments[0]):
            with refuses(f"{other.members} × Network 2-4-1", other.x.dtype):
                train(other, start=start, max_steps=30)
    for start, made in ((run, 20), (moments[0], 10)):
        with refuses(5, made):
            train(problem, start=start, max_steps=5)
    unknown = replace(run, continuation=None)  # as a record of a run that `train` did not make
    assert train(problem, start=unknown, max_steps=30).history.steps[0] == 20


@pytest.mark.parametrize("rule", ["none", "threshold", "tolerance"])
def test_the_history_does_not_depend_on_the_sizes_of_chunks(rule, monkeypatch):
    problem, rules = problem_of(optimizer="momentum"), {"history_every": 1, "max_steps": 60, **RULES[rule]}

    class Sizer(loop.ChunkSizer):
        size = 1

        def learn(self, n, seconds):
            self.updates = self.size

    monkeypatch.setattr(loop, "ChunkSizer", Sizer)
    first = train(problem, **rules)
    for Sizer.size in (2, 3, 7, 100):
        run = train(problem, **rules)
        assert_same(run, first)
        assert_same_history(run, first)
