import copy
import os
import pickle  # noqa: TID251 (somebody else may)
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.data.load import load
from deltarule.engines import base
from deltarule.engines.reference import ReferenceEngine, whole_objective
from deltarule.errors import BadInput, RunFailed
from deltarule.platforms import interrupts
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.training.history import Recorded, evaluate
from deltarule.training.options import StopRules, history_intervals
from deltarule.training.train import Progress, train

EYE = np.eye(8)


def encoder(**given):
    settings = {"loss": "binary_cross_entropy", "learning_rate": 8.0, **given}
    return create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), EYE, EYE, **settings)


def digits(**given):
    data = load("digits")
    x, y = data.train.x[:300] / 16, data.encode(data.train, 10)[:300]
    settings = {"loss": "cross_entropy", "optimizer": "adam", "learning_rate": 0.01, "batch_size": 64, **given}
    return create_problem(Network([64, 8, 10], "relu", "softmax"), x, y, **settings)


def same(one, other):
    """Bit for bit the same states, steps and reasons."""
    return (
        np.array_equal(one.state.theta, other.state.theta, equal_nan=True)
        and all(np.array_equal(one.state.slots[name], other.state.slots[name]) for name in one.state.slots)
        and np.array_equal(one.state.buffers, other.state.buffers)
        and one.steps.tolist() == other.steps.tolist()
        and one.reasons == other.reasons
        and one.history.steps == other.history.steps
        and all(
            np.array_equal(one.history.series(n), other.history.series(n), equal_nan=True) for n in one.history.names
        )
    )


def stopped_by_hand(problem, member, threshold, times, limit):
    """Where the report's own loop stops: it looks at the loss, counts, and only then updates."""
    state, met = initial_state(problem).take(np.array([member])), 0
    for step in range(limit):
        after, trace = ReferenceEngine().advance(problem, state, 1)
        met += trace.objective[0, 0] < threshold
        if met == times:
            return step, state.theta[0]
        state = after
    return limit, state.theta[0]


@pytest.mark.slow
@given(st.integers(1, 4), st.floats(0.3, 1.2), st.integers(1, 60))
def test_threshold_stops_each_member_at_its_own_step(times, threshold, limit):
    problem = encoder(seeds=range(3), learning_rate=[2.0, 20.0, 60.0], reduction="mean_samples")
    run = train(problem, max_steps=limit, threshold=threshold, times=times)
    for member in range(3):
        step, theta = stopped_by_hand(problem, member, threshold, times, limit)
        assert run.steps[member] == step
        assert np.array_equal(run.state.theta[member], theta)
        assert run.reasons[member] == ("threshold" if step < limit else "max_steps")


def test_members_stop_alone_as_together():
    problem = encoder(seeds=range(12), reduction="mean_elements", learning_rate=40.0)
    together = train(problem, max_steps=3000, threshold=0.05, times=3)
    assert 1 < len(set(together.steps.tolist())) and "threshold" in together.reasons
    for member in (0, 5, 11):
        alone = train(problem.take(np.array([member])), max_steps=3000, threshold=0.05, times=3)
        assert alone.steps[0] == together.steps[member]
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])


LOOKED_AT = (
    {"patience": 2},
    {"patience": 1, "metric": "r_squared"},
    {"threshold": 0.3, "times": 3, "metric": "mean_absolute_error"},
)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "compiled"])
@given(
    sizes=st.lists(st.integers(3, 40), min_size=2, max_size=4),
    rule=st.sampled_from(LOOKED_AT),
    every=st.sampled_from([None, 1, 4, 10]),
    broken=st.integers(0, 60),
)
@example(sizes=[9, 30], rule=LOOKED_AT[0], every=10, broken=15)
@example(sizes=[9, 30], rule=LOOKED_AT[0], every=None, broken=15)
@example(sizes=[4, 30, 9], rule=LOOKED_AT[2], every=None, broken=6)
def test_history_rules_end_a_member_alone_as_together(tmp_path_factory, engine, sizes, rule, every, broken):
    """Members of unequally many rows come to their limits, and to the ends of epochs, at steps of their own."""
    rng = np.random.RandomState(0)
    x, aside = rng.randn(40, 2), rng.randn(8, 2)
    network, y = Network([2, 3, 1], "tanh"), np.sin(x[:, 0]) + 0.3 * rng.randn(40)
    given = {"rows": [range(size) for size in sizes], "seeds": range(len(sizes)), "data_seeds": range(len(sizes))}
    problem = create_problem(network, x, y, batch_size=4, learning_rate=0.3, **given)
    rules = {"max_epochs": 5, "history_every": every, "validation": (aside, np.sin(aside[:, 0])), **rule}
    together = train(problem, engine=engine, **rules)
    for member in range(len(sizes)):
        alone = train(problem.take(np.array([member])), engine=engine, **rules)
        assert (alone.steps[0], alone.reasons[0]) == (together.steps[member], together.reasons[member])
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])
        assert "patience" not in rule or alone.best_steps[0] == together.best_steps[member]
    file = tmp_path_factory.mktemp("resume") / "run.safetensors"
    broken_off(problem, file, broken, engine=engine, **rules)
    assert same(train(problem, engine=engine, checkpoint=file, resume=True, **rules), together)


def broken_off(problem, file, step, **rules):
    """Train until so many updates are made, and leave a checkpoint of each chunk, including the last."""

    class Enough(Exception):
        pass

    def breaking(progress: Progress):
        if progress.step >= step:
            raise Enough

    from deltarule.training import checkpoint as module

    with pytest.MonkeyPatch.context() as patched, suppress(Enough):
        patched.setattr(module, "CHECKPOINT_INTERVAL_SECONDS", 0.0)
        patched.setattr(module, "MAX_CHECKPOINT_TIME_SHARE", np.inf)
        train(problem, **rules, checkpoint=file, progress=breaking)
    assert file.exists()


def test_metric_threshold_counts_evaluations():
    run = train(encoder(), max_steps=5000, threshold=0.99, times=2, metric="thresholded", history_every=50)
    series = run.history.series("thresholded")[:, 0]
    met = [step for step, value in zip(run.history.steps, series, strict=True) if value > 0.99]
    assert run.reasons == ("threshold",)
    assert run.steps[0] == met[1] == run.history.steps[-1]


def test_tolerance_compares_epochs_relatively():
    problem = digits(learning_rate=0.001)
    run = train(problem, max_epochs=200, tolerance=0.01, engine="reference")
    assert run.reasons == ("tolerance",)
    state, means = initial_state(problem), []
    sizes = [64, 64, 64, 64, 44]
    for _ in range(200):
        state, trace = ReferenceEngine().advance(problem, state, 5)
        means.append(float(np.average(trace.objective[:, 0], weights=sizes)))
        if len(means) > 1 and abs(means[-2] - means[-1]) < 0.01 * abs(means[-2]):
            break
    assert run.steps[0] == 5 * len(means)
    assert np.array_equal(run.state.theta, state.theta)


def test_patience_restores_the_best_weights():
    data = load("digits")
    validation = data.train.x[300:500] / 16, data.encode(data.train, 10)[300:500]
    problem = digits(learning_rate=[0.003, 0.03])
    options = {"validation": validation, "metric": "accuracy", "patience": 4, "engine": "compiled"}
    run = train(problem, max_epochs=300, **options)
    assert run.reasons == ("patience", "patience")
    series = run.history.series("validation accuracy")
    for member in range(2):
        best = run.history.steps[int(np.nanargmax(series[:, member]))]
        assert run.best_steps[member] == best and run.steps[member] == best + 4 * 5
        expected = train(problem.take(np.array([member])), max_steps=best, engine="compiled")
        assert np.array_equal(run.state.theta[member], expected.state.theta[0])


def test_adaptive_schedule_divides_the_rate():
    schedule = {"name": "adaptive", "divide": 5.0, "tolerance": 1e9, "patience": 3}
    run = train(digits(optimizer="sgd", schedule=schedule), max_epochs=7)
    # An improvement by 10⁹ never comes: the rate falls after epochs 3 and 6, whatever the objective does.
    assert run.state.factor[0] == 1 / 5 / 5
    falling = train(digits(optimizer="sgd", learning_rate=0.1, schedule={**schedule, "tolerance": 0.0}), max_epochs=7)
    assert falling.state.factor[0] == 1 and np.all(np.diff(falling.history.objective[:, 0]) < 0)


def test_divergence_ends_one_member_only():
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.zeros((20, 1))
    problem = create_problem(Network([3, 4, 1], "relu", "identity"), x, y + 5, learning_rate=[0.01, 1e200])
    run = train(problem, max_steps=50)
    assert run.reasons == ("max_steps", "diverged") and run.steps[0] == 50
    (one,) = run.diverged
    assert (one.member, one.step) == (1, int(run.steps[1])) and one.layer in (1, 2)
    assert np.isfinite(run.state.theta).all()
    alone = train(problem.take(np.array([0])), max_steps=50)
    assert np.array_equal(alone.state.theta[0], run.state.theta[0])
    # One update further, and the member is not finite any more.
    state = replace(run.state.take(np.array([1])), step=one.step)
    after, trace = ReferenceEngine().advance(problem, state, 1)
    assert not np.isfinite(trace.objective).all() or not np.isfinite(after.theta).all()


def test_divergence_names_the_array():
    # θ is finite and z1 is not: 1e200 · 1e200.
    problem = create_problem(
        Network([1, 2, 1], "identity", initializer={"name": "constant", "value": 1e200}), [[1e200]], [0.0]
    )
    run = train(problem, max_steps=5)
    assert [(one.member, one.step, one.layer, one.where) for one in run.diverged] == [(0, 0, 1, "z1")]


@pytest.mark.slow
@given(st.integers(1, 37))
def test_resume_gives_identical_weights(tmp_path_factory, looked):
    file = tmp_path_factory.mktemp("resume") / "run.safetensors"
    data = load("digits")
    rules = {
        "max_epochs": 12,
        "patience": 5,
        "validation": (data.train.x[300:400] / 16, data.encode(data.train, 10)[300:400]),
        "record": ["accuracy"],
        "tolerance": 1e-6,
        "history_every": 7,
    }
    problem = digits(dropout=0.2, seeds=range(2), schedule={"name": "adaptive", "tolerance": 0.05, "patience": 1})

    unbroken = train(problem, **rules)
    broken_off(problem, file, looked, **rules)
    assert same(train(problem, **rules, checkpoint=file, resume=True), unbroken)
    assert same(train(problem, **rules, checkpoint=file, resume=True), unbroken)  # a finished one is simply read


def test_checkpoint_of_another_training_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    train(encoder(), max_steps=5, checkpoint=file)
    with refuses(file):
        train(encoder(learning_rate=9.0), max_steps=5, checkpoint=file, resume=True)
    file.write_bytes(b"nonsense")
    with pytest.raises(BadInput):
        train(encoder(), max_steps=5, checkpoint=file, resume=True)


@pytest.mark.slow
def test_ctrl_c_returns_what_was_reached():
    problem = encoder(seeds=range(50))
    threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
    run = train(problem, max_steps=10_000_000, engine="reference")
    assert run.interrupted and set(run.reasons) == {"interrupted"} and run.steps.min() > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again, _ = ReferenceEngine().advance(problem, initial_state(problem), int(run.steps[0]))
    assert np.array_equal(again.theta, run.state.theta)


def test_ctrl_c_in_the_last_chunk_is_reported():
    def press(seen):
        if not seen.training:
            signal.raise_signal(signal.SIGINT)

    run = train(encoder(), max_steps=3, progress=press)
    assert run.interrupted and set(run.reasons) == {"max_steps"}


def test_second_ctrl_c_restores_the_handler():
    before, profiled = signal.getsignal(signal.SIGINT), sys.getprofile()

    def press(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "__exit__":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as told, interrupts():
        signal.raise_signal(signal.SIGINT)
        sys.setprofile(press)
    sys.setprofile(profiled)
    assert signal.getsignal(signal.SIGINT) is before
    del told  # which has held what was broken off


def test_second_ctrl_c_within_a_library():
    """One that falls into what C calls, as while a program is compiled, is lost there, and what C does fails."""
    with pytest.raises(KeyboardInterrupt), interrupts() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("no compiled object yet for <CodeLibrary>")
    with pytest.raises(RuntimeError, match="of its own"), interrupts():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("of its own")
    for error in (ValueError("of a callback"), BadInput("of a rule"), RunFailed("of a full disk")):
        with pytest.raises(type(error), match="^of a "), interrupts():
            signal.raise_signal(signal.SIGINT)
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            raise error


def test_foreign_signal_handler_stays(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # as where a program in C has Python in it
    monkeypatch.setattr(signal, "signal", lambda *given: pytest.fail("it could not be put back"))
    assert not train(encoder(), max_steps=3).interrupted


def test_history_intervals():
    x = np.linspace(-1, 1, 12)[:, None]
    problem = create_problem(Network([1, 1]), x, x, batch_size=8, rows=[range(7), range(12)], seeds=[0, 1])
    assert history_intervals(problem, StopRules(max_steps=2000)).tolist() == [2, 2]
    assert history_intervals(problem, StopRules(max_steps=2000, patience=3)).tolist() == [10, 2]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_history_of_full_batches_is_that_of_evaluations(engine, dtype, tmp_path):
    """It is the trace of the engine, whatever the chunks: alone, among members of other limits, and resumed."""
    rows = [range(8), range(3), range(5)]
    problem = encoder(
        seeds=range(3), rows=rows, learning_rate=[8.0, 1e3, 8.0], penalty="l2", strength=1e-4, dtype=dtype
    )
    rules = {"engine": engine, "history_every": 10, "threshold": 0.5}
    limits = [65, 65, 35]
    run = train(problem, **rules, max_steps=limits)
    assert run.history.steps[:5] == [0, 10, 20, 30, 35]
    for index, step in enumerate(run.history.steps):
        values, limit = run.history.objective[index], np.minimum(run.steps, limits)
        assert (np.isfinite(values) == (limit >= step)).all()
        for member in np.flatnonzero(np.isfinite(values)):
            alone = train(problem.take(np.array([member])), max_steps=step, engine=engine)
            expected = whole_objective(alone.problem, alone.state)[0]
            assert values[member] == pytest.approx(expected, rel=1e-12 if dtype == "float64" else 1e-5)
    for member in (0, 2):
        alone = train(problem.take(np.array([member])), **rules, max_steps=limits[member]).history
        common = [run.history.steps.index(step) for step in alone.steps]
        assert np.array_equal(alone.objective[:, 0], run.history.objective[common, member])
    broken_off(problem, tmp_path / "file", 33, **rules, max_steps=limits)
    assert same(train(problem, **rules, max_steps=limits, checkpoint=tmp_path / "file", resume=True), run)


@pytest.mark.parametrize("limits", [30, [20, 30]])
def test_a_list_of_points_may_hold_the_last_step(limits):
    rules = {"max_steps": limits, "history_every": [0, 20, 30]}
    traced, evaluated = (train(encoder(seeds=range(2)), **rules, record=one).history for one in ((), ["accuracy"]))
    assert traced.steps == evaluated.steps == [0, 20, 30]
    np.testing.assert_allclose(traced.objective, evaluated.objective, rtol=1e-12)


def test_history_holds_the_requested_series():
    problem = encoder(seeds=range(2), penalty="l2", strength=0.01)
    run = train(
        problem,
        max_steps=25,
        history_every=10,
        record=["accuracy", "half_mean_squared_error", "outputs", "gradients"],
        validation=(EYE[:3], EYE[:3]),
    )
    assert run.history.steps == [0, 10, 20, 25]
    assert run.history.series("outputs").shape == (4, 2, 8, 8)
    state = initial_state(problem)
    assert np.array_equal(run.history.objective[0], whole_objective(problem, state))
    assert np.array_equal(run.history.objective[-1], run.objective)
    outputs = run.history.series("outputs")
    assert np.allclose(
        run.history.series("half_mean_squared_error"), ((outputs - EYE) ** 2).mean((-2, -1)) / 2, rtol=1e-14
    )
    assert np.array_equal(
        run.history.series("accuracy"), (outputs.argmax(-1) == np.arange(8)).mean(-1, dtype=np.float64)
    )
    assert {"gradient W1", "gradient b2", "validation accuracy", "validation objective"} <= set(run.history.names)
    assert run.history.series("gradient W1").shape == (4, 2)


def test_validation_takes_labels_as_training_does():
    problem = create_problem(Network([8, 3, 8], "tanh", "softmax"), EYE, range(8), loss="cross_entropy")
    labels, columns = (train(problem, max_steps=5, validation=(EYE, y)).history for y in (np.arange(8), EYE))
    assert np.array_equal(labels.series("validation objective"), columns.series("validation objective"))


def test_members_with_own_rows_train_as_alone():
    x, y = digits().x, digits().y
    folds = [np.arange(0, 200), np.arange(50, 251), np.arange(100, 300)]
    settings = {
        "loss": "cross_entropy",
        "optimizer": "adam",
        "batch_size": 64,
        "dropout": 0.3,
    }
    network = Network([64, 8, 10], "relu", "softmax", batch_norm=True)
    together = train(create_problem(network, x, y, rows=folds, seeds=range(3), **settings), max_epochs=3)
    for member, rows in enumerate(folds):
        alone = train(create_problem(network, x[rows], y[rows], seeds=[member], **settings), max_epochs=3)
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])
        assert np.array_equal(alone.state.buffers[0], together.state.buffers[member])
        assert alone.steps[0] == together.steps[member] and alone.objective[0] == together.objective[member]


def test_progress_estimates_the_time_left():
    told = []
    train(encoder(), max_steps=300, progress=told.append)
    assert told[-1].step == told[-1].limit == 300 and told[-1].training == 0 and told[-1].stopped == 1
    assert all(a.step < b.step for a, b in zip(told, told[1:], strict=False))
    assert told[-1].objective < told[0].objective and told[-1].solved == 0
    assert Progress(step=10, limit=40, training=1, stopped=0, diverged=0, seconds=2.0).seconds_left == 6.0


def test_progress_counts_solved_and_diverged_members():
    told = []
    rates = {"learning_rate": [0.1, 0.1, 1e3], "seeds": range(3)}
    problem = create_problem(Network([1, 1]), [[1.0], [2.0]], [0.0, 1.0], **rates)
    run = train(problem, max_steps=5000, threshold=1e-3, progress=told.append)
    assert (told[-1].solved, told[-1].diverged) == tuple(map(run.reasons.count, ("threshold", "diverged"))) == (2, 1)


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"max_steps": None}, "no limit"),
        ({"threshold": "0.1"}, "threshold is '0.1'; give a finite number"),
        ({"patience": 3}, "needs validation rows"),
        ({"record": ("acuracy",)}, "no metric 'acuracy'"),
        ({"record": "accuracy"}, "^record is 'accuracy'; give a list of names, or functions by name"),
        ({"record": {"accuracy": print}}, "^record has a function named 'accuracy', which is a series already"),
        ({"record": {"validation objective": print}}, "^record has a function named 'validation objective', which"),
        ({"record": {"one": lambda moment: 1}}, "^'one' of record gives 1 for 1 member; return a number or an array"),
        ({"record": {"text": lambda moment: ["a"]}}, r"^'text' of record gives \['a'\] for 1 member; return"),
        (
            {"record": {"grows": lambda moment: np.ones((1, 1 + moment.step))}},
            r"^'grows' of record gives arrays of the shape \(1,\), and \(6,\) at step 5",
        ),
        ({"metric": "acuracy"}, "^there is no metric 'acuracy'"),
        (
            {"metric": "wide", "threshold": 1, "record": {"wide": lambda moment: np.ones((1, 2))}},
            "^the metric 'wide' is",
        ),
        ({"metric": "validation accuracy", "threshold": 1}, "needs validation rows"),
        ({"resume": True}, "resume is True without a checkpoint; name the file to resume from"),
        ({"validation": (np.eye(3), np.eye(3))}, "^validation: the inputs have 3 columns and the network 8 inputs"),
        ({"validation": (EYE, EYE[:3])}, "^validation: there are 8 rows of inputs and 3 of targets"),
        ({"validation": 3}, "validation is no pair; give inputs and targets"),
        ({"engine": ReferenceEngine}, "the engine is <class .*; give one of auto"),
        ({"progress": 3}, "progress is 3; give a function"),
        ({"every": [[1, 1]]}, r"^every is \[\[1, 1\]\]; give a number of updates, a list of steps from 0 on, or"),
        ({"history_every": [-1]}, r"^history_every is \[-1\]; give a number of updates, a list of steps from 0 on, or"),
        ({"history_every": "epochs"}, "^history_every is 'epochs'; give a number of updates, a list of steps from 0"),
        ({"history_every": 0, "record": {"look": print}}, "^record has 'look' and every says no step; give a"),
        ({"max_steps": [5, 6]}, "^max_steps has 2 numbers for 1 member; give one a member"),
        ({"threshold": [0.5, 0.3]}, "^threshold has 2 numbers for 1 member; give one a member"),
        ({"threshold": 0.1, "times": []}, "^times has 0 numbers for 1 member; give one a member"),
        ({"tolerance": ["a"]}, "^tolerance is 'a'; give a"),
        ({"max_epochs": [[5]]}, r"^max_epochs is \[5\]; give a"),
        ({"patience": (1, 2), "validation": (EYE, EYE)}, "^patience has 2 numbers for 1 member"),
        (
            {"history_every": 0, "record": ["accuracy"]},
            "^history_every is 0, and metrics of record and stop rules",
        ),
    ],
)
def test_bad_options_get_a_sentence(rules, sentence):
    with pytest.raises(BadInput, match=sentence):
        train(encoder(), **{"max_steps": 5, **rules})


@pytest.mark.parametrize(
    "rules",
    [
        {"threshold": [0.5, 0.3, 0.2]},
        {"threshold": 0.4, "times": [1, 30, 2]},
        {"threshold": [0.2, 0.5, 0.9], "metric": "thresholded", "history_every": 5},
        {"tolerance": np.array([1e-2, 1e-3, 1e-4])},
        {"patience": [1, 2, 9], "validation": (EYE[:3], EYE[3:6]), "history_every": 2},
        {"max_epochs": (5, 16, 7), "max_steps": None},
    ],
    ids=lambda rules: next(iter(rules)),
)
def test_each_member_may_have_its_own_stop_rule(rules):
    problem = encoder(seeds=range(3), learning_rate=2.0)
    run = train(problem, **{"max_steps": 200, **rules})
    for member in range(3):
        own = {name: rule[member] if np.size(rule) == 3 else rule for name, rule in rules.items()}
        own |= {name: rules[name] for name in ("validation",) if name in rules}
        alone = train(problem.take(np.array([member])), **{"max_steps": 200, **own})
        assert (alone.steps[0], alone.reasons[0]) == (run.steps[member], run.reasons[member])
        assert np.array_equal(alone.state.theta[0], run.state.theta[member])


def test_no_steps_is_a_run_too():
    run = train(encoder(), max_steps=0)
    assert run.steps.tolist() == [0] and run.history.steps == [0]
    assert np.array_equal(run.state.theta, initial_state(encoder()).theta)


def test_activations_are_the_values_on_the_way():
    run = train(encoder(seeds=range(2)), max_steps=20)
    seen, arrays = run.activations(EYE), run.take(1).parameters
    assert list(seen) == ["z1", "a1", "z2", "a2"]
    assert np.allclose(seen["z1"][1], EYE @ arrays["W1"] + arrays["b1"])
    assert np.allclose(seen["a1"], 1 / (1 + np.exp(-seen["z1"])))
    assert np.array_equal(seen["a2"], run.outputs(EYE))


def test_what_becomes_of_the_given_arrays_changes_nothing():
    x, y = np.random.default_rng(0).normal(size=(2, 6, 3))
    problem = create_problem(Network([3, 2, 3]), x, y, penalty="l2", strength=0.1)
    before = train(problem, max_steps=3)
    x += 1.0
    y[:] = 0.0
    assert np.array_equal(train(problem, max_steps=3).state.theta, before.state.theta)


def test_penalty_of_strength_0_is_noted():
    assert any("strength 0" in note for note in train(encoder(penalty="l2"), max_steps=1).notes)


def test_observing_evaluates_nothing_by_itself(monkeypatch):
    evaluated = []
    outputs = ReferenceEngine.outputs
    monkeypatch.setattr(ReferenceEngine, "outputs", lambda *given: evaluated.append(given) or outputs(*given))
    observed = {"every": range(20), "record": {"look": lambda moment: moment.parameters and None}}
    train(encoder(seeds=range(8)), max_steps=20, engine="reference", history_every=20, **observed)
    assert len(evaluated) == 1  # the end of the history


@pytest.mark.parametrize("own", [False, True])
def test_evaluation_in_blocks_is_the_same(own, monkeypatch):
    rows = [range(0, 300, 2), range(100), range(0, 300, 2), range(1, 300, 2)] if own else None
    problem = digits(seeds=range(4), rows=rows)
    state, looks = initial_state(problem), Recorded(("accuracy",))
    aside = (problem.x[:90], problem.y[:90])
    whole = evaluate(problem, ReferenceEngine(), state, looks, aside)
    monkeypatch.setattr(base, "MAX_ROWS_PER_PASS", 32)
    monkeypatch.setattr(base, "MAX_NUMBERS_PER_PASS", 5000)
    for name, values in evaluate(problem, ReferenceEngine(), state, looks, aside).items():
        assert np.allclose(values, whole[name], rtol=1e-13, atol=0)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_run_can_be_copied_and_pickled(engine):
    run = train(encoder(seeds=2), max_steps=20, engine=engine, record=["thresholded"])
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert same(other, run)
        assert np.array_equal(other.outputs(EYE), run.outputs(EYE))
        assert same(train(other.problem, max_steps=20, engine=other.engine, record=["thresholded"]), run)
