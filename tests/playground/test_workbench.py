import time

import numpy as np
import pytest

from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.selection import choose
from deltarule.errors import BadInput
from deltarule.playground import workbench
from deltarule.playground.play import recipe_to_play
from deltarule.playground.population import carry_over
from deltarule.playground.training_pace import TrainingPace
from deltarule.playground.workbench import Workbench
from deltarule.problem.state import initial_state
from deltarule.studies.recipes import dataset_of
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


def test_weights_equal_those_of_train_however_training_is_divided(opened):
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


def test_any_step_of_the_past_is_exact(opened):
    bench = opened()
    bench.advance(300)
    problem = bench.moment.problem
    for step in (0, 1, 17, 123, 299, 300):
        _, state = bench.state_at(step, np.array([2]))
        expected, _ = ReferenceEngine().advance(problem, initial_state(problem).take(np.array([2])), step)
        assert_same(state, expected)


def test_the_past_is_exact_across_a_change_of_settings(opened):
    bench = opened()
    bench.advance(20)
    before = bench.moment
    bench.change({"optimizer.learning_rate": 0.3})
    assert bench.moment.state.step == 20, "training goes on"
    bench.advance(20)
    assert bench.past.changes == [(20, "learning rate 0.3")]
    problem, state = bench.state_at(12, np.array([0]))
    assert float(problem.rates(np.array([0]), 12)[0]) == 0.03
    assert_same(state, ReferenceEngine().advance(before.problem, initial_state(before.problem), 12)[0].take([0]))
    expected, _ = ReferenceEngine().advance(bench.moment.problem, before.state, 15)
    assert_same(bench.state_at(35, np.arange(3))[1], expected)


def test_another_optimizer_begins_with_empty_slots_and_the_same_weights(opened):
    bench = opened()
    bench.advance(10)
    theta = bench.moment.state.theta
    bench.change({"optimizer.name": "momentum", "optimizer.momentum": 0.5})
    state = bench.moment.state
    np.testing.assert_array_equal(state.theta, theta)
    assert state.step == 10 and not state.slots["v"].any()


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
def test_other_parameters_restart_the_training(opened, settings):
    bench = opened()
    bench.advance(10)
    bench.change(settings)
    assert bench.moment.state.step == 0
    assert_same(bench.moment.state, initial_state(bench.moment.problem))


def test_other_data_are_loaded_once_and_fitted_by_the_network(opened, monkeypatch):
    bench, loaded = opened(), []
    monkeypatch.setattr(workbench, "dataset_of", lambda recipe: loaded.append(recipe) or dataset_of(recipe))
    bench.change({"data.name": "hills"})
    problem = bench.moment.problem
    assert (problem.network.output.name, problem.loss.name, len(loaded)) == ("identity", "squared_error", 1)


@pytest.mark.parametrize(
    "settings",
    [{"network.layers": ["auto", 0, "auto"]}, {"optimizer.learning_rate": -1}, {"data.name": "nothing"}, {"no.key": 1}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_refused_change_leaves_the_running_training_as_it_was(opened, settings):
    bench = opened()
    bench.play()
    wait_until(lambda: bench.moment.state.step > 5)
    version = bench.version
    with pytest.raises(BadInput):
        bench.change(settings)
    step = bench.moment.state.step
    wait_until(lambda: bench.moment.state.step > step)
    assert bench.version == version and bench.is_playing


def test_reset_returns_to_the_same_first_weights(opened):
    bench = opened()
    first = bench.moment.state.theta.copy()
    bench.advance(25)
    bench.reset()
    np.testing.assert_array_equal(bench.moment.state.theta, first)
    assert bench.moment.state.step == 0 and not bench.is_playing


def test_the_fastest_engine_is_loaded_after_the_first_picture_or_with_the_first_update():
    for load in (Workbench.load_engine, lambda bench: bench.advance(1)):
        bench = Workbench(recipe_to_play())
        assert bench.engine_name == ""
        load(bench)
        wait_until(lambda: bench.engine_name == choose("auto", bench.moment.problem, 20_000).engine.name)  # noqa: B023
        bench.close()


def test_a_limited_speed_is_kept(opened):
    bench = opened()
    bench.play(updates_per_second=50)
    time.sleep(1.0)
    bench.pause()
    assert 5 <= bench.moment.state.step <= 60, "50 updates a second, fewer on a busy machine"


def test_a_varied_number_gives_each_value_members_of_its_own(opened):
    bench = opened(grid={"optimizer.learning_rate": [0.01, 0.1]}, run={"seeds": 2})
    assert bench.moment.problem.numbers["learning_rate"].tolist() == [0.01, 0.01, 0.1, 0.1]


@pytest.mark.parametrize(
    "grid",
    [{"network.layers": [[2, 3, 2], [2, 4, 2]]}, {"optimizer.learning_rate": [0.1], "loss.strength": [0.0]}],
    ids=["shapes", "two keys"],
)
def test_what_cannot_be_one_population_is_refused(opened, grid):
    with pytest.raises(BadInput, match="vary"):
        opened(grid=grid)


def test_a_member_that_diverges_is_noted_with_its_step_and_layer(opened):
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


def test_curves_hold_what_history_holds(opened):
    bench = opened(data={"split": {"test": 10}})
    bench.advance(64)
    run = train(bench.moment.problem, engine=ReferenceEngine(), max_steps=64, history_every=1, metrics=("accuracy",))
    steps, curves, _ = bench.past.curves(np.arange(3))
    assert steps[0] == 0 and steps[-1] <= 64
    for name in ("objective", "accuracy"):
        np.testing.assert_array_equal(curves[name], run.history.series(name)[steps])
    assert "validation accuracy" in curves


@pytest.mark.parametrize("before", ["adagrad", "momentum"])
def test_slots_of_another_optimizer_are_not_kept(opened, before):
    bench = opened(optimizer={"name": before})
    bench.advance(10)
    bench.change({"optimizer.name": {"adagrad": "rmsprop", "momentum": "nesterov"}[before]})
    assert not any(slot.any() for slot in bench.moment.state.slots.values())


def test_test_rows_are_set_apart_while_it_trains(opened):
    bench = opened()
    bench.play()
    wait_until(lambda: bench.moment.state.step > 20)
    bench.change({"data.split.test": 0.25})
    began = bench.moment.state.step
    wait_until(lambda: bench.moment.state.step > 400)
    steps, curves, _ = bench.past.curves(np.array([0]))
    known = np.isfinite(curves["validation objective"][:, 0])
    np.testing.assert_array_equal(known, np.array(steps) > began)
    assert np.isfinite(curves["objective"]).all() and bench.is_playing


def test_curves_keep_their_beginning(opened, monkeypatch):
    monkeypatch.setattr(TrainingPace, "evaluates_too_often", property(lambda pace: pace.updates > 1))
    bench = opened()
    bench.advance(5_000)
    steps = [point.step for point in bench.past.points]
    bench.advance(5_000)
    assert [point.step for point in bench.past.points][: len(steps)] == steps and len(steps) > 3


@pytest.mark.parametrize("broken", ["evaluate_members", "choose"])
def test_no_error_ends_the_thread(opened, monkeypatch, broken):
    bench = opened()
    with monkeypatch.context() as patched:
        patched.setattr(workbench, broken, lambda *given: 1 / 0)
        bench._given_engine = bench._engine = None
        bench.play()
        wait_until(lambda: bench.failure)
        assert bench.failure == "the training failed: division by zero; change a setting, or reset it"
        assert not bench.is_playing
    bench.reset()
    bench.advance(3)
    assert bench.moment.state.step == 3 and bench.failure == ""


def test_an_engine_that_fails_ends_in_a_sentence_and_can_go_on(opened):
    bench = opened()
    advance = bench.engine.advance
    bench.engine.advance = lambda *given: (_ for _ in ()).throw(MemoryError("no room"))
    bench.play()
    wait_until(lambda: bench.failure)
    assert bench.failure == "the training failed: no room; change a setting, or reset it" and not bench.is_playing
    bench.engine.advance = advance
    bench.reset()
    bench.advance(3)
    assert bench.moment.state.step == 3 and bench.failure == ""


def test_a_study_is_judged_by_its_own_criterion():
    bench = Workbench(recipe_to_play("encoder"), ReferenceEngine())
    bench.advance(200)
    bench.close()
    moment = bench.moment
    x = moment.dataset.train.x
    outputs = ReferenceEngine().outputs(moment.problem, moment.state, x)[1]
    np.testing.assert_array_equal(moment.is_solved, ((outputs > 0.5) == (x > 0.5)).all((1, 2)))
    assert 0 < moment.is_solved.sum() <= moment.problem.members


def test_solved_members_are_those_at_or_above_the_criterion(opened):
    bench = opened()
    bench.advance(400)
    moment = bench.moment
    np.testing.assert_array_equal(moment.is_solved, moment.values["accuracy"] >= 0.95)


def test_parameters_carry_over_to_other_rows_of_the_same_width(opened):
    bench = opened()
    other = opened(data={"name": {"name": "circles", "samples": 30}})
    state = carry_over(bench.moment.problem, bench.moment.state, other.moment.problem)
    assert state is not None and (state.theta == bench.moment.state.theta).all()
