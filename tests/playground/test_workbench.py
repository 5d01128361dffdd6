import threading
import time
import tracemalloc

import numpy as np
import pytest
from playground_examples import recipe_of

from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput
from deltarule.playground import training_pace, workbench
from deltarule.playground.play import recipe_to_play
from deltarule.playground.training_pace import TrainingPace
from deltarule.playground.workbench import Workbench
from deltarule.problem.state import initial_state
from deltarule.recipes import with_settings
from deltarule.training.train import train


def assert_same(state, expected):
    assert state.step == expected.step
    np.testing.assert_array_equal(state.theta, expected.theta)
    np.testing.assert_array_equal(state.buffers, expected.buffers)
    for name, slot in expected.slots.items():
        np.testing.assert_array_equal(state.slots[name], slot)


def wait_until(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.005)


def test_weights_equal_train(opened):
    bench = opened(network={"dropout": 0.2, "batch_norm": True})
    bench.advance(1)
    bench.advance_epoch()
    bench.play()
    wait_until(lambda: bench.moment.state.step > 50)
    bench.pause()
    wait_until(lambda: not bench.is_playing)
    bench.advance(7)
    moment = bench.moment
    run = train(moment.problem, engine=ReferenceEngine(), max_steps=moment.state.step)
    assert_same(moment.state, run.state)


def test_past_across_a_change(opened):
    bench = opened()
    bench.advance(20)
    before = bench.moment
    bench.change({"optimizer.learning_rate": 0.3})
    assert bench.moment.state.step == 20, "training goes on"
    bench.advance(20)
    assert bench.moment.past.changes == [20]
    problem, state = bench.state_at(12, np.array([0]))
    assert float(problem.rates(np.array([0]), 12)[0]) == 0.03
    assert_same(state, ReferenceEngine().advance(before.problem, initial_state(before.problem), 12)[0].take([0]))
    expected, _ = ReferenceEngine().advance(bench.moment.problem, before.state, 15)
    assert_same(bench.state_at(35, np.arange(3))[1], expected)


def test_curves_have_a_point_while_settings_change(opened, monkeypatch):
    bench, quantile, counts = opened(), np.quantile, []
    monkeypatch.setattr(np, "quantile", lambda *given: counts.append(len(bench.moment.past.points)) or quantile(*given))
    bench.change({"optimizer.learning_rate": 0.3})
    assert counts == [1] and [point.step for point in bench.moment.past.points] == [0]


@pytest.mark.parametrize(
    "settings",
    [
        {"network.layers": ["auto", 5, "auto"]},
        {"run.seeds": 4},
        {"network.initializer": "he_normal"},
        {"run.dtype": "float32"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_other_parameters_restart(opened, settings):
    bench = opened()
    bench.advance(10)
    bench.change(settings)
    assert bench.moment.state.step == 0
    assert_same(bench.moment.state, initial_state(bench.moment.problem))


@pytest.mark.parametrize(
    "settings",
    [{"network.layers": ["auto", 0, "auto"]}, {"optimizer.learning_rate": -1}, {"data.name": "nothing"}, {"no.key": 1}],
    ids=lambda settings: next(iter(settings)),
)
def test_refused_change(opened, settings):
    bench = opened()
    bench.play()
    wait_until(lambda: bench.moment.state.step > 5)
    version = bench.version
    with pytest.raises(BadInput):
        bench.change(settings)
    step = bench.moment.state.step
    wait_until(lambda: bench.moment.state.step > step)
    assert bench.version == version and bench.is_playing


@pytest.mark.parametrize("load", [Workbench.load_engine, lambda bench: bench.advance(1)])
def test_engine_is_loaded_when_needed(load):
    bench = Workbench(recipe_to_play())
    assert bench.engine_name == ""
    load(bench)
    wait_until(lambda: bench.engine_name == engine_for("auto", bench.moment.problem, 20_000).name)
    bench.close()


@pytest.mark.slow
def test_training_does_not_wait_for_its_program_and_has_its_bits(monkeypatch):
    may_compile = threading.Event()

    def engine_when_allowed(*arguments):
        assert may_compile.wait(60)
        return engine_for(*arguments)

    monkeypatch.setattr(workbench, "engine_for", engine_when_allowed)
    bench = Workbench(recipe_of(run={"seeds": 2, "engine": "compiled"}))
    bench.load_engine()
    bench.advance(40)
    assert bench.engine_name == "" and bench.moment.state.step == 40
    may_compile.set()
    bench.play()
    wait_until(lambda: bench.engine_name == "compiled", 300)
    bench.pause()
    bench.advance(9)
    bench.close()
    moment = bench.moment
    run = train(moment.problem, engine="compiled", max_steps=moment.state.step, history_every=1, record=["accuracy"])
    assert_same(moment.state, run.state)
    steps, curves, _ = moment.past.curves(np.arange(2))
    np.testing.assert_allclose(curves["objective"], run.history.series("objective")[steps], rtol=1e-12)


def test_edited_and_locked_weights(opened):
    bench = opened()
    bench.advance(5)
    before = bench.moment.state.theta
    bench.edit(1, 3, 2.5, None)
    expected = before.copy()
    expected[1, 3] = 2.5
    np.testing.assert_array_equal(bench.moment.state.theta, expected)
    bench.edit(1, 3, None, True)
    bench.advance(12)
    theta = bench.moment.state.theta
    np.testing.assert_array_equal(theta[:, 3], expected[:, 3])
    assert (theta != expected).any(1).all(), "the others are trained"
    assert_same(bench.state_at(5 + 12, np.arange(3))[1], bench.moment.state)
    np.testing.assert_array_equal(bench.state_at(9, np.arange(3))[1].theta[:, 3], expected[:, 3])
    bench.edit(1, 3, None, False)
    bench.advance(12)
    assert (bench.moment.state.theta[:, 3] != expected[:, 3]).all()


def test_pace_starts_anew_after_a_stall(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training_pace.time, "perf_counter", lambda: now[0])
    pace = TrainingPace()
    now[0] = 5.0
    waits = []
    for _ in range(3):
        waits.append(pace.seconds_to_wait(100))
        pace.add_chunk(1, now[0])
    assert waits[1:] == pytest.approx([0.02, 0.03]), "400 updates are not made up for at once"


@pytest.mark.parametrize(
    "grid",
    [{"network.layers": [[2, 3, 2], [2, 4, 2]]}, {"optimizer.learning_rate": [0.1], "loss.strength": [0.0]}],
    ids=["shapes", "two keys"],
)
def test_bad_grid(opened, grid):
    with pytest.raises(BadInput, match="vary"):
        opened(grid=grid)


def test_divergence(opened):
    bench = opened(
        data={"name": "hills"},
        network={"output": "identity", "activation": "relu"},
        loss={"name": "squared_error"},
        optimizer={"name": "sgd", "learning_rate": 1e6, "batch_size": None},
        run={"seeds": 2},
    )
    bench.advance(60)
    run = train(bench.moment.problem, engine=ReferenceEngine(), max_steps=60)
    expected = {(one.member, one.step, one.layer, one.where) for one in run.diverged}
    found = {(one.member, one.step, one.layer, one.where) for one in bench.divergences.values()}
    assert found == expected and expected


def test_curves_equal_history(opened):
    bench = opened(data={"split": {"test": 10}})
    bench.advance(64)
    run = train(bench.moment.problem, engine=ReferenceEngine(), max_steps=64, history_every=1, record=["accuracy"])
    steps, curves, _ = bench.moment.past.curves(np.arange(3))
    assert steps[0] == 0 and steps[-1] <= 64
    for name in ("objective", "accuracy"):
        np.testing.assert_array_equal(curves[name], run.history.series(name)[steps])
    assert "validation accuracy" in curves


@pytest.mark.parametrize("before", ["adagrad", "momentum"])
def test_other_optimizer_has_empty_slots(opened, before):
    bench = opened(optimizer={"name": before})
    bench.advance(10)
    bench.change({"optimizer.name": {"adagrad": "rmsprop", "momentum": "nesterov"}[before]})
    assert not any(slot.any() for slot in bench.moment.state.slots.values())


def test_other_data_begin_a_training(opened):
    bench = opened()
    first = bench.moment.state.theta
    bench.advance(5)
    bench.play()
    bench.change({"data.split.test": 0.25})
    assert bench.is_playing
    bench.pause()
    steps, curves, _ = bench.moment.past.curves(np.array([0]))
    assert steps[0] == 0 and np.isfinite(curves["validation objective"]).all() and not bench.moment.past.changes
    bench.reset()
    np.testing.assert_array_equal(bench.moment.state.theta, first)


def test_other_data_begin_with_kept_weights_where_they_fit(opened):
    bench = opened()
    bench.advance(5)
    trained = bench.moment.state.theta
    bench.change({"data.name": "circles"}, keep=True)
    assert bench.moment.state.step == 0
    np.testing.assert_array_equal(bench.moment.state.theta, trained)
    bench.change({"data.name": "iris"}, keep=True)
    assert bench.moment.problem.network.sizes[0] == 4


@pytest.mark.parametrize("broken", ["Present.evaluate", "engine_for"])
def test_no_error_ends_the_thread(opened, monkeypatch, broken):
    bench = opened()
    with monkeypatch.context() as patched:
        patched.setattr(f"{workbench.__name__}.{broken}", lambda *given: 1 / 0)
        bench._is_loaded = False
        bench.play()
        wait_until(lambda: bench.failure)
        assert bench.failure == "the training failed: division by zero; change a setting, or reset it"
        assert not bench.is_playing
    bench.reset()
    bench.advance(3)
    assert bench.moment.state.step == 3 and bench.failure == ""


@pytest.mark.slow
def test_criterion_of_a_study():
    bench = Workbench(with_settings(recipe_to_play("encoder"), {"run.engine": "reference"}))
    bench.advance(200)
    bench.close()
    moment = bench.moment
    x = moment.dataset.train.x
    outputs = ReferenceEngine().outputs(moment.problem, moment.state, x)[1]
    np.testing.assert_array_equal(moment.is_solved, ((outputs > 0.5) == (x > 0.5)).all((1, 2)))
    assert 0 < moment.is_solved.sum() <= moment.problem.members


@pytest.mark.parametrize(
    "settings",
    [
        {"network.layers": ["auto", 1_000_000, "auto"]},
        {"network.layers": ["auto", 20_000, 20_000, "auto"]},
        {"data.name": {"name": "spirals", "samples": 10**9}},
        {"data.name": {"name": "spirals", "samples": 10**7}, "network.layers": ["auto", 64, "auto"]},
    ],
)
def test_cost_is_estimated_before_anything_is_made(opened, settings):
    bench = opened(data={"name": {"name": "spirals", "samples": 500}})
    before = bench.moment
    tracemalloc.start()
    with pytest.raises(BadInput):
        bench.change(settings)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bench.moment is before and most_bytes < 2**22
