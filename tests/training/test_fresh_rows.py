"""Rows that a function makes for each update, as an online learner or a generator of noise gives them."""

from dataclasses import replace

import numpy as np
import pytest
from all_engines import all_engines
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

import deltarule
from deltarule.engines.compiled import windows
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.export.training_script import training_script
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.training.train import train

TEACHER = np.random.default_rng(5).normal(size=(4, 2))


def rows_of(seed, members=()):
    def rows(step):
        x = np.random.default_rng([seed, step]).normal(size=(*members, 6, 4))
        return x, np.tanh(x @ TEACHER)

    return rows


ROWS = {"shared": rows_of(0), "members' own": rows_of(0, (3,))}
HELD_OUT = rows_of(1)(0)
SETTINGS = {
    "plain": {},
    "adam by epochs": {"optimizer": "adam", "schedule": {"name": "step", "every": 5, "per": "epoch"}},
    "dropout": {"dropout": 0.3, "reduction": "sum", "learning_rate": 0.01},
}
NETWORK = Network([4, 5, 2], "tanh")


def problem_of(rows, network=NETWORK, **settings):
    given = {"learning_rate": [0.1, 0.05, 0.02], "seeds": range(3)} | settings
    return create_problem(network, *HELD_OUT, rows=rows, **given)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("whose", ROWS)
def test_each_update_is_that_of_a_problem_with_its_rows(whose, settings):
    """The engines together with a training that makes a new problem for each step."""
    rows, given = ROWS[whose], {"seeds": range(3), **SETTINGS[settings]}
    problem = problem_of(rows, **given)
    engines = all_engines()
    state = initial_state(problem)
    for step in range(12):
        state, _ = engines["reference"].advance(
            create_problem(NETWORK, *rows(step), **problem_numbers(given)), state, 1
        )
    for engine in engines.values():
        after, trace = engine.advance(problem, initial_state(problem), 12)
        assert np.allclose(after.theta, state.theta, rtol=0, atol=1e-12)
        assert trace.objective.shape == (12, 3)
        assert after.step == 12


def problem_numbers(given):
    return {"learning_rate": [0.1, 0.05, 0.02], **given}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(sorted(ROWS)), st.integers(1, 5))
def test_the_division_into_calls_and_windows_changes_no_bit(divided, whose, window):
    problem = problem_of(ROWS[whose], dropout=0.3)
    engine, whole = CompiledEngine(), sum(divided)
    expected, trace = engine.advance(problem, initial_state(problem), whole)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "MAX_UPDATES", window)
        problem = replace(problem)
        state, objectives = initial_state(problem), []
        for count in divided:
            state, part = engine.advance(problem, state, count)
            objectives.append(part.objective)
    assert np.array_equal(state.theta, expected.theta)
    assert np.array_equal(np.concatenate(objectives), trace.objective)


@pytest.mark.parametrize("whose", ROWS)
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_member_alone_has_the_weights_of_the_population(whose, engine):
    problem = problem_of(ROWS[whose], dropout=0.2)
    together = train(problem, max_steps=20, engine=engine)
    for member in range(3):
        alone = train(problem.take([member]), max_steps=20, engine=engine)
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_members_that_end_early_leave_the_others_their_rows(engine):
    problem = problem_of(ROWS["members' own"])
    ended = train(problem, max_steps=[5, 40, 17], engine=engine)
    whole = train(problem, max_steps=40, engine=engine)
    assert np.array_equal(ended.state.theta[1], whole.state.theta[1])
    assert np.array_equal(ended.state.theta[2], train(problem.take([2]), max_steps=17, engine=engine).state.theta[0])


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_resumed_training_is_the_unbroken_one(tmp_path, engine):
    problem, file = problem_of(ROWS["shared"], dropout=0.2), tmp_path / "file"
    whole = train(problem, max_steps=60, engine=engine, history_every=10)
    run = train(problem, max_steps=20, engine=engine, history_every=10, checkpoint=file)
    resumed = train(problem, max_steps=60, history_every=10, checkpoint=file, resume=True)
    continued = train(problem_of(rows_of(0), dropout=0.2), start=run, more_steps=40, history_every=10)
    for again in (resumed, continued):
        assert np.array_equal(again.state.theta, whole.state.theta)
        assert np.array_equal(again.history.objective, whole.history.objective)


def test_a_checkpoint_of_other_rows_is_refused(tmp_path):
    file = tmp_path / "file"
    train(problem_of(rows_of(0)), max_steps=5, checkpoint=file)
    with refuses(file, "problem"):
        train(problem_of(rows_of(7)), max_steps=9, checkpoint=file, resume=True)


def test_history_and_end_are_evaluated_on_x_and_y():
    problem = problem_of(ROWS["shared"])
    run = train(problem, max_steps=200, record=["r_squared"])
    on_rows = create_problem(NETWORK, *HELD_OUT, **problem_numbers({"seeds": range(3)}))
    expected = run.engine.evaluate(on_rows, run.state, None, {})["objective"]
    assert np.array_equal(run.objective, expected)
    assert np.array_equal(run.end.objective, expected)
    assert (run.history.series("r_squared")[-1] > run.history.series("r_squared")[0]).all()


def test_networks_that_see_each_sample_once_generalize():
    """With as many updates on one batch alone they learn it by heart, and err on other rows."""
    held_out = rows_of(1)(0)
    fresh = train(
        create_problem(NETWORK, *held_out, rows=rows_of(0), learning_rate=0.1, seeds=range(3)), max_steps=2000
    )
    fixed = train(create_problem(NETWORK, *rows_of(0)(0), learning_rate=0.1, seeds=range(3)), max_steps=2000)
    assert (fresh.objective < 0.1 * fixed.end.on(*held_out).objective).all()


def test_what_diverges_is_found_in_the_rows_of_its_step():
    problem = problem_of(ROWS["shared"], learning_rate=[0.1, 1e300, 0.1])
    run = train(problem, max_steps=30, engine="compiled")
    assert [(each.member, each.where) for each in run.diverged] == [(1, "loss")] or run.diverged[0].member == 1
    assert run.reasons == ("max_steps", "diverged", "max_steps")


def test_classes_are_labels_of_the_fresh_rows():
    def rows(step):
        x = np.random.default_rng(step).normal(size=(8, 4))
        return x, (x[:, 0] > 0).astype(int)

    network = Network([4, 3, 2], "tanh", "softmax")
    problem = create_problem(network, *rows(10**6), rows=rows, loss="cross_entropy", label_smoothing=0.1)
    assert problem.fresh.at(3)[1].sum(1).tolist() == [1.0] * 8
    assert problem.fresh.at(3)[1].min() == 0.05


def test_an_update_on_fresh_rows_is_proved_and_explained():
    problem = problem_of(ROWS["shared"])
    assert deltarule.check_problem(problem).ok
    reference = ReferenceEngine()
    state, _ = reference.advance(problem, initial_state(problem), 4)
    explained = explain_update(problem, state.take(np.array([1])))
    x, y = ROWS["shared"](4)
    assert np.array_equal(explained["x"], x)
    assert np.array_equal(explained["y"], y)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (lambda step: np.zeros((6, 4)), ["rows(0)", "(x, y)"]),
        (lambda step: (np.zeros((6, 3)), np.zeros((6, 2))), ["rows(0)", "3 columns", "4 inputs"]),
        (lambda step: (np.full((6, 4), np.nan), np.zeros((6, 2))), ["rows(0)", "nan"]),
        (
            lambda step: (np.random.default_rng().normal(size=(6, 4)), np.zeros((6, 2))),
            ["rows(0)", "numpy.random.default_rng([seed, step])"],
        ),
    ],
)
def test_functions_without_rows_are_refused(rows, named):
    with refuses(*named):
        problem_of(rows)


@pytest.mark.parametrize("given", [{"batch_size": 3}, {"weights": np.ones(6)}])
def test_what_is_for_rows_that_stay_is_refused(given):
    with refuses("rows", *given):
        problem_of(ROWS["shared"], **given)


def test_members_and_their_rows_are_counted():
    with refuses("fresh rows", 3, 2):
        problem_of(ROWS["members' own"], seeds=[1, 2], learning_rate=0.1)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_batches_of_another_size_are_refused_at_their_step(engine):
    def rows(step):
        return np.ones((6 if step < 4 else 5, 4)), np.ones((6 if step < 4 else 5, 2))

    problem = problem_of(rows)
    train(problem, max_steps=4, engine=engine)
    with refuses("rows(4)", (5, 4), (6, 4)):
        train(problem, max_steps=5, engine=engine)


def test_a_script_is_refused():
    with refuses("function"):
        training_script(problem_of(ROWS["shared"]), steps=2, losses={})
