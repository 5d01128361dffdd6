"""The compiled engine is the reference engine, faster: a covering array of programs, each of many parts at once."""

import dataclasses
import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from all_engines import all_engines
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import everything, examples

from deltarule.engines.compiled import cache, codegen_lanes, codegen_large, large_members
from deltarule.engines.compiled.codegen_formulas import read_program_sources
from deltarule.engines.compiled.codegen_lanes import Shape, is_tiled
from deltarule.engines.compiled.codegen_large import not_fusible
from deltarule.engines.compiled.codegen_small import not_compilable, program
from deltarule.engines.compiled.engine import CompiledEngine, group_by_rows
from deltarule.engines.compiled.structure_cache import structure_of
from deltarule.engines.reference import ReferenceEngine
from deltarule.files import temporary_folder
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state

HIDDEN = [[one, other] for one, other in zip(ACTIVATIONS, [*ACTIVATIONS][::-1], strict=True)][
    : (len(ACTIVATIONS) + 1) // 2
]
OPTIMIZER = [name for name, one in OPTIMIZERS.items() if one.update]
PENALTY = [None, *PENALTIES]
REDUCTION = ["sum", "mean_samples", "mean_elements"]
# A program takes seconds to compile, so each is made of many parts: every loss and fused form, and beside them every
# other part in turn.
CASES = [
    ("squared_error", "identity"),
    ("half_squared_error", "softmax"),
    ("absolute_error", "tanh"),
    ("huber", "softplus"),
    ("quantile", "sigmoid"),
    ("poisson", "exponential"),
    ("poisson", "softplus"),
    ("binary_cross_entropy", "sigmoid"),
    ("binary_cross_entropy", "softmax"),
    ("cross_entropy", "softmax"),
    ("naive_binary_cross_entropy", "sigmoid"),
    ("squared_error", "mish"),
]


def case(i, members=8, sizes=(3, 2, 3, 2), batch_norm=False, **changed):
    """The i-th problem of the covering array: loss and output, and with them every other part in turn."""
    loss, output = CASES[i % len(CASES)]
    rng = np.random.default_rng(i)
    x, y = rng.normal(size=(11, 3)), rng.random((11, 2))
    if output == "softmax" and loss == "cross_entropy":
        y = np.eye(2)[rng.integers(0, 2, 11)]
    optimizer, penalty = OPTIMIZER[i % len(OPTIMIZER)], PENALTY[i % len(PENALTY)]
    given = {
        "loss": loss,
        "reduction": REDUCTION[i % 3],
        "penalty": penalty,
        "strength": np.linspace(0.001, 0.1, members) if penalty else 0.0,
        "penalize_biases": i % 4 == 1,
        "optimizer": optimizer,
        "learning_rate": np.linspace(0.001, 0.01, members),
        "schedule": {"name": list(SCHEDULES)[i % len(SCHEDULES)], "per": ["step", "epoch"][i % 2]},
        "learning_rate_factors": [{}, {"W2": 0.5, "W": 2}, {}, {}][i % 4],
        "parametrization": ["standard", "neural_tangent", "neural_tangent"][i // 2 % 3],
        "batch_size": [None, 4, 11, 3][i % 4],
        "dropout": [0.0, 0.3, [0.0, 0.5]][i % 3],
        "weights": [None, rng.random(11) + 0.1, rng.random((members, 11)) + 0.1][i % 3],
        "rows": [None, [rng.permutation(11)[: 7 + k % 2] for k in range(members)]][i % 2],
        "data_seeds": [0, range(members)][i // 2 % 2],
        "seeds": range(members),
        **changed,
    }
    network = Network(
        sizes,
        HIDDEN[i % len(HIDDEN)],
        output,
        # Batch norm takes every bias out again: its gradient is 0 but for rounding, of which Adam makes whole steps.
        bias=i % 5 != 3 and not batch_norm,
        batch_norm=batch_norm,
        initializer={"name": "glorot_normal", "biases": "same"},
    )
    return create_problem(network, x, y, **given)


ALL = pytest.mark.parametrize("i", range(len(CASES)))


def test_the_array_covers_everything():
    count = len(CASES)
    assert {loss for loss, _ in CASES} == set(LOSSES)
    assert {(loss.name, output) for loss in LOSSES.values() for output in loss.fused} <= set(CASES)
    assert set(OPTIMIZER) == {OPTIMIZER[i % len(OPTIMIZER)] for i in range(count)}
    assert set(PENALTY) == {PENALTY[i % len(PENALTY)] for i in range(count)}
    assert set(SCHEDULES) == {list(SCHEDULES)[i % len(SCHEDULES)] for i in range(count)}
    assert {name for names in HIDDEN for name in names} == set(ACTIVATIONS)
    assert len(HIDDEN) <= count


@pytest.mark.sampled(6)
@ALL
def test_one_step_is_the_reference_step(i):
    problem = case(i)
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)  # past the zeros of the slots
    ours, seen = CompiledEngine().advance(problem, state, 1)
    theirs, expected = ReferenceEngine().advance(problem, state, 1)
    assert not_compilable(problem) == ""
    scale = np.abs(theirs.theta).max(1, keepdims=True)
    assert (np.abs(ours.theta - theirs.theta) <= 1e-12 * scale).all()
    assert np.allclose(seen.objective, expected.objective, rtol=1e-12, atol=1e-14)
    for name, slot in theirs.slots.items():
        assert np.allclose(ours.slots[name], slot, rtol=1e-11, atol=1e-12 * max(np.abs(slot).max(), 1))
    assert ours.step == theirs.step and (seen.bad == expected.bad).all()


TILED = (3, 7, 5, 2)
ALONE = [(i, (3, 2, 3, 2), "float64") for i in range(0, len(CASES), 3)]
ALONE += [(i, (3, 2, 3, 2), "float32") for i in (2, 5, 9)]
ALONE += [(i, TILED, dtype) for i in (2, 5, 9) for dtype in ("float64", "float32")]


@pytest.mark.slow
@pytest.mark.parametrize(("i", "sizes", "dtype"), ALONE)
def test_a_member_alone_is_the_member_in_a_population(i, sizes, dtype):
    problem = case(i, sizes=sizes, dtype=dtype)
    # A member alone may take tiles where lanes go without.
    assert is_tiled(problem, 1, own_rows=False) == (sizes == TILED) and not is_tiled(problem, 16, own_rows=False)
    together, seen = CompiledEngine().advance(problem, initial_state(problem), 5)
    for member in (0, 7):
        only = np.array([member])
        alone, saw = CompiledEngine().advance(problem.take(only), initial_state(problem.take(only)), 5)
        assert np.array_equal(alone.theta[0], together.theta[member])
        assert np.array_equal(saw.objective[:, 0], seen.objective[:, member])


@given(st.sampled_from(range(0, len(CASES), 1 if everything() else 6)), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=examples(40))
def test_advancing_in_two_goes_is_advancing_in_one(i, first, second):
    problem = case(i)
    start = initial_state(problem)
    whole, seen = CompiledEngine().advance(problem, start, first + second)
    part, one = CompiledEngine().advance(problem, start, first)
    part, two = CompiledEngine().advance(problem, part, second)
    assert np.array_equal(whole.theta, part.theta) and whole.step == part.step
    assert all(np.array_equal(whole.slots[name], part.slots[name]) for name in whole.slots)
    assert np.array_equal(seen.objective, np.concatenate([one.objective, two.objective]))


# --- large networks: products of matrices and fused loops ------------------------------------------------------------

LARGE = (3, 30, 30, 2)  # 900 weights in a layer: more than are unrolled


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("i", "batch_norm"), [(0, 0), (1, 0), (3, 0), (5, 0), (6, 0), (8, 0), (9, 0), (1, 1), (7, 1), (9, 1)]
)
def test_a_large_network_makes_the_reference_step(i, batch_norm):
    problem = case(i, sizes=LARGE, batch_norm=bool(batch_norm))
    assert not_compilable(problem) and structure_of(problem).reason_against == ""
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    ours, seen = CompiledEngine().advance(problem, state, 1)
    theirs, expected = ReferenceEngine().advance(problem, state, 1)
    assert (np.abs(ours.theta - theirs.theta) <= 1e-12 * np.abs(theirs.theta).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective, expected.objective, rtol=1e-12, atol=1e-14)
    assert np.allclose(ours.buffers, theirs.buffers, rtol=1e-12, atol=1e-14)
    for name, slot in theirs.slots.items():
        assert np.allclose(ours.slots[name], slot, rtol=1e-11, atol=1e-12 * max(np.abs(slot).max(), 1))
    assert (seen.bad == expected.bad).all()
    # Alone as among others, in two goes as in one, on one thread as on two: bit for bit.
    together, _ = CompiledEngine(threads=2).advance(problem, state, 4)
    only = np.array([3])
    alone, _ = CompiledEngine(threads=1).advance(problem, state.take(only), 4)
    assert np.array_equal(alone.theta[0], together.theta[3]) and np.array_equal(alone.buffers[0], together.buffers[3])
    again, _ = CompiledEngine().advance(problem, ours, 3)
    assert np.array_equal(again.theta, together.theta)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "rprop"])
def test_rounding_moves_the_biases_that_batch_norm_takes_out_and_nothing_else_of_a_step(optimizer):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    network = Network([3, 6, 5, 2], ["tanh", "sigmoid"], batch_norm=True)
    problem = create_problem(network, x, y, optimizer=optimizer, seeds=range(4))
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    ours, seen = CompiledEngine().advance(problem, state, 3)
    theirs, expected = ReferenceEngine().advance(problem, state, 3)
    difference = np.abs(ours.theta - theirs.theta).max(0) / np.abs(theirs.theta).max()
    apart = {entry.name for entry in network.entries if difference[entry.start : entry.stop].max() > 1e-12}
    assert apart <= {"b1", "b2"} and np.allclose(seen.objective, expected.objective, rtol=1e-12)
    for entry in network.buffers:
        if entry.name.startswith("variance"):
            part = slice(entry.start, entry.stop)
            assert np.allclose(ours.buffers[:, part], theirs.buffers[:, part], rtol=1e-12)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("i", [0, 5, 8])
def test_the_program_for_large_networks_serves_small_ones_where_it_is_asked_to(i):
    problem = case(i, sizes=(3, 5, 4, 2))
    assert not_compilable(problem) == not_fusible(problem) == ""
    assert CompiledEngine(own_shape=False).takes_products(problem) and not CompiledEngine().takes_products(problem)
    start = initial_state(problem)
    ours, seen = CompiledEngine(own_shape=False).advance(problem, start, 3)
    theirs, expected = ReferenceEngine().advance(problem, start, 3)
    assert (np.abs(ours.theta - theirs.theta) <= 1e-12 * np.abs(theirs.theta).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective, expected.objective, rtol=1e-12, atol=1e-14)
    one, _ = CompiledEngine(threads=1, own_shape=False).advance(problem, start.take(np.array([3])), 3)
    assert np.array_equal(one.theta[0], ours.theta[3])


def wide(members, hidden=(40,), **given):
    """Networks whose last batch has one row, less than threads."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(385, 30)), np.eye(3)[rng.integers(0, 3, 385)]
    settings = {"loss": "cross_entropy", "batch_size": 384, "penalty": "weight_decay", "strength": 0.01, "dropout": 0.3}
    layers = {name: given.pop(name) for name in ("batch_norm", "bias", "scaling_layer") if name in given}
    network = Network([30, *hidden, 3], "tanh", "softmax", **layers)
    return create_problem(network, x, y, **settings, learning_rate=0.1, seeds=range(members), **given)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "given"),
    [
        (1, {}),
        (3, {}),
        (5, {}),
        (1, {"batch_norm": True, "bias": False}),
        (1, {"hidden": (361, 367)}),
        (1, {"scaling_layer": True}),
    ],
)
def test_threads_that_share_a_member_change_nothing(members, given, monkeypatch):
    monkeypatch.setattr(large_members, "MIN_SHARED_WORK", 1)
    monkeypatch.setattr(large_members, "CHUNK_PARAMETERS", 100)
    problem = wide(members, optimizer="adam", **given)
    start = initial_state(problem)
    one, saw = CompiledEngine(threads=1).advance(problem, start, 6)
    for threads in (2, 3, 7):
        more, seen = CompiledEngine(threads=threads).advance(problem, start, 6)
        assert np.array_equal(one.theta, more.theta) and np.array_equal(saw.objective, seen.objective)
    alone, _ = CompiledEngine(threads=2).advance(problem, start.take(np.array([members - 1])), 6)
    assert np.array_equal(alone.theta[0], one.theta[members - 1])
    theirs, expected = ReferenceEngine().advance(problem, start, 6)
    assert np.abs(one.theta - theirs.theta).max() <= 1e-12
    assert np.allclose(saw.objective, expected.objective, rtol=1e-12)


SINGLE = [
    ("relu", {}, {}),
    ("gelu", {}, {"dropout": [[0.0], [0.3], [0.0]]}),
    ("softmax", {}, {}),
    ("tanh", {"bias": False}, {}),
    ("silu", {"batch_norm": True}, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "of_network", "given"), SINGLE)
def test_a_layer_before_a_single_unit_makes_the_reference_step(activation, of_network, given):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(107, 21)), rng.integers(0, 2, 107)
    network = Network([21, 33, 1], activation, "sigmoid", **of_network)
    about = {"loss": "binary_cross_entropy", "batch_size": 50, "learning_rate": 0.1, "optimizer": "momentum"}
    problem = create_problem(network, x, y, **about, seeds=range(3), **given)
    assert not_compilable(problem) and not not_fusible(problem)
    start = initial_state(problem)
    ours, seen = CompiledEngine().advance(problem, start, 5)  # batches of 50, 50 and 7 rows
    theirs, expected = ReferenceEngine().advance(problem, start, 5)
    assert np.abs(ours.theta - theirs.theta).max() <= 1e-12
    assert np.allclose(seen.objective, expected.objective, rtol=1e-11)


@pytest.mark.parametrize("own_rows", [True, False])
def test_how_many_members_go_through_updates_together_changes_nothing(own_rows, monkeypatch):
    rows = [np.random.default_rng(member).permutation(385)[:300] for member in range(7)] if own_rows else None
    problem = wide(7, optimizer="adam", rows=rows)
    start = initial_state(problem)
    results = []
    for least in (1, 3, 100):
        monkeypatch.setattr(large_members, "MIN_MEMBERS_TOGETHER", least)
        monkeypatch.setattr(
            large_members, "NEAR_BYTES", 3 * 3 * 8 * problem.network.parameters
        )  # three members of Adam
        results += [CompiledEngine(threads=threads).advance(problem, start, 6) for threads in (1, 2)]
    for after, seen in results:
        assert np.array_equal(after.theta, results[0][0].theta)
        assert np.array_equal(seen.objective, results[0][1].objective)


@pytest.mark.slow
def test_trainings_at_the_same_time_do_not_wait_for_each_other():
    problem = wide(1)
    expected, _ = CompiledEngine(threads=1).advance(problem, initial_state(problem), 30)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(CompiledEngine(threads=3).advance, problem, initial_state(problem), 30) for _ in range(8)]
        assert all(np.array_equal(job.result(timeout=60)[0].theta, expected.theta) for job in jobs)


@pytest.mark.slow
def test_products_in_panels_make_the_reference_step():
    for dtype, near in (("float64", 1e-12), ("float32", 1e-5)):
        problem = wide(2, hidden=(361, 367), dtype=dtype)
        ours, _ = CompiledEngine().advance(problem, initial_state(problem), 3)
        theirs, _ = ReferenceEngine().advance(problem, initial_state(problem), 3)
        assert np.abs(ours.theta - theirs.theta).max() <= near


def encoder(members, **given):
    x = np.eye(8)
    settings = {"loss": "binary_cross_entropy", "learning_rate": 2.0, "seeds": range(members), **given}
    return create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), x, x, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_a_hundred_steps_stay_together(optimizer):
    problem = encoder(20, optimizer=optimizer, learning_rate=0.1)
    ours, _ = CompiledEngine().advance(problem, initial_state(problem), 100)
    theirs, _ = ReferenceEngine().advance(problem, initial_state(problem), 100)
    assert np.abs(ours.theta - theirs.theta).max() <= 1e-12 * np.abs(theirs.theta).max()


@pytest.mark.slow
def test_threads_and_the_size_of_blocks_change_nothing():
    problem = encoder(150)
    one, saw = CompiledEngine(threads=1).advance(problem, initial_state(problem), 20)
    two, seen = CompiledEngine(threads=2).advance(problem, initial_state(problem), 20)
    assert np.array_equal(one.theta, two.theta) and np.array_equal(saw.objective, seen.objective)
    for chosen in (np.arange(3), np.arange(17), np.arange(40, 150)):
        some, _ = CompiledEngine().advance(problem, initial_state(problem).take(chosen), 20)
        assert np.array_equal(some.theta, one.theta[chosen])


def of_folds(network, loss, **given):
    """Members on three sets of rows, 27 + 6 + 3 of them, as the folds of a search are; their products go in tiles.

    Blocks of 24 rows and one of 5 make a batch of 29, whose share of the loss is no power of two; the last has 19.
    """
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 9)), rng.uniform(size=(60, network.outputs))
    sets = [rng.permutation(60)[:48] for _ in range(3)]
    rows = [sets[0]] * 27 + [sets[1]] * 6 + [sets[2]] * 3
    settings = {"batch_size": 29, "penalty": "weight_decay", "strength": 0.01, "optimizer": "adam", **given}
    return create_problem(network, x, y, loss=loss, rows=rows, seeds=range(36), data_seeds=[1] * 36, **settings)


FOLDS = [
    (
        Network([9, 8, 2], "softmax", "sigmoid", bias=False),
        "squared_error",
        {"weights": np.linspace(0.5, 2, 60)},
        1e-11,
    ),
    (Network([9, 11, 3, 1], "tanh", "sigmoid"), "binary_cross_entropy", {"dropout": 0.2, "dtype": "float32"}, 1e-4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "loss", "given", "tolerance"), FOLDS)
def test_members_with_the_same_rows_share_products_and_keep_their_bits(network, loss, given, tolerance, monkeypatch):
    problem = of_folds(network, loss, **given)
    start = initial_state(problem)
    assert is_tiled(problem, 16, own_rows=False) and not is_tiled(problem, 16, own_rows=True)
    assert [(len(some), own) for some, own in group_by_rows(problem, start.members, start.members)] == [
        *((27, False), (6, False), (3, False))
    ]
    one, saw = CompiledEngine(threads=1).advance(problem, start, 5)
    two, seen = CompiledEngine(threads=2).advance(problem, start, 5)
    assert np.array_equal(one.theta, two.theta) and np.array_equal(saw.objective, seen.objective)
    mixed = np.array([0, 1, 27, 28, 33, 34])
    for chosen in (np.array([3]), np.array([35]), np.arange(20, 33), mixed):
        some, of_these = CompiledEngine().advance(problem, start.take(chosen), 5)
        assert np.array_equal(some.theta, one.theta[chosen])
        assert np.array_equal(of_these.objective, saw.objective[:, chosen])
    theirs, expected = ReferenceEngine().advance(problem, start, 5)
    assert np.abs(one.theta - theirs.theta).max() <= tolerance
    assert np.allclose(saw.objective, expected.objective, rtol=tolerance)
    # Without tiles, in lanes that find their rows each for itself or all the same, the bits are these, too.
    monkeypatch.setattr(codegen_lanes, "MIN_TILED", 10_000)
    monkeypatch.setattr("deltarule.engines.compiled.structure_cache._structure_cache", {})
    for chosen in (mixed, np.arange(6)):
        some, of_these = CompiledEngine().advance(problem, start.take(chosen), 5)
        assert np.array_equal(some.theta, one.theta[chosen])
        assert np.array_equal(of_these.objective, saw.objective[:, chosen])


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("i", "sizes"), [*((i, (3, 2, 3, 2)) for i in range(0, 11, 2)), *((i, LARGE) for i in (1, 5, 9))]
)
def test_a_step_in_float32_is_within_a_millionth_of_the_reference_step(i, sizes):
    problem = case(i, sizes=sizes, dtype="float32")
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    ours, seen = CompiledEngine().advance(problem, state, 1)
    theirs, expected = ReferenceEngine().advance(problem, state, 1)
    assert ours.theta.dtype == seen.objective.dtype == np.float32
    assert (np.abs(ours.theta - theirs.theta) <= 1e-6 * np.abs(theirs.theta).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective, expected.objective, rtol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("outputs", "output", "loss"), [(1, "identity", "squared_error"), (2, "softmax", "poisson")])
def test_a_loss_of_float32_is_the_same_in_lanes_and_alone(outputs, output, loss):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.random(size=(7, outputs))
    problem = create_problem(Network([3, 4, outputs], "tanh", output), x, y, loss=loss, dtype="float32", seeds=range(8))
    together, seen = CompiledEngine().advance(problem, initial_state(problem), 100)
    only = problem.take(np.array([3]))
    alone, saw = CompiledEngine().advance(only, initial_state(only), 100)
    assert np.array_equal(alone.theta[0], together.theta[3])
    assert np.array_equal(saw.objective[:, 0], seen.objective[:, 3])


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 8])
@pytest.mark.parametrize("largest", [0.0, 1e4, 1e8, 1e16])
def test_a_cross_entropy_is_exact_however_large_the_logits(largest, members):
    """By hand: log(1 + e⁻²) for logits 2 apart, wherever they are."""
    given = {"loss": "cross_entropy", "learning_rate": 0.0, "seeds": range(members)}
    problem = create_problem(Network([1, 2], output="softmax"), [[0.0]], [[1.0, 0.0]], **given)
    state = initial_state(problem)
    state = dataclasses.replace(state, theta=np.tile([0.0, 0.0, largest, largest - 2], (members, 1)))
    engines = all_engines().values()
    for engine in engines:
        objective = engine.advance(problem, state, 1)[1].objective
        assert objective == pytest.approx(np.full((1, members), math.log1p(math.exp(-2))), rel=1e-14)


@pytest.mark.slow
def test_schedules_are_the_same_for_a_member_alone_and_for_one_among_others_of_a_large_network():
    rng = np.random.default_rng(0)
    settings = {"schedule": "inverse_scaling", "learning_rate": 0.1, "seeds": range(9)}
    problem = create_problem(Network([3, 300, 1], "tanh"), rng.normal(size=(20, 3)), rng.normal(size=20), **settings)
    together, _ = CompiledEngine().advance(problem, initial_state(problem), 100)
    only = problem.take(np.array([4]))
    alone, _ = CompiledEngine().advance(only, initial_state(only), 100)
    assert np.array_equal(alone.theta[0], together.theta[4])


@pytest.mark.slow
def test_a_divergence_is_seen_at_the_same_step():
    x = np.random.default_rng(0).normal(size=(6, 3))
    problem = create_problem(
        Network([3, 4, 1], "relu"), x, x[:, :1], learning_rate=[0.01, 10.0, 1e4, 1e200], seeds=range(4)
    )
    ours, seen = CompiledEngine().advance(problem, initial_state(problem), 60)
    theirs, expected = ReferenceEngine().advance(problem, initial_state(problem), 60)
    assert (seen.bad == expected.bad).all() and seen.bad[0] == -1 and (seen.bad[1:] >= 0).any()
    assert np.isfinite(ours.theta[0]).all()


def test_workers_of_a_pool_do_not_take_more_processors_than_they_are_given(monkeypatch):
    for least in ("0", "1"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", least)
        assert CompiledEngine().threads == 1
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1000")
    everything = CompiledEngine().threads
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert CompiledEngine().threads == everything >= 1


@pytest.mark.slow
def test_the_state_that_is_given_stays():
    problem = encoder(5, optimizer="adam")
    state = initial_state(problem)
    for array in (state.theta, *state.slots.values(), problem.x, problem.y):
        array.setflags(write=False)
    CompiledEngine().advance(problem, state, 3)


def test_what_has_no_program_is_advanced_by_the_reference_engine_and_said():
    x = np.eye(4)
    problem = create_problem(Network([4, 200, 4]), x, x, optimizer="normalized_gradient")
    ours, _ = CompiledEngine().advance(problem, initial_state(problem), 3)
    theirs, _ = ReferenceEngine().advance(problem, initial_state(problem), 3)
    assert np.array_equal(ours.theta, theirs.theta)
    (note,) = CompiledEngine().notes(problem)
    assert "normalized_gradient" in note and CompiledEngine().notes(encoder(1)) == ()


# --- formulas of one's own --------------------------------------------------------------------------------------------


def scaled_tanh(scale):
    return Activation("scaled tanh", lambda z: scale * np.tanh(2 * z / 3), lambda z, a: 2 / 3 * (scale - a * a / scale))


WITCH = Activation("witch", lambda z: z / (1 + z**2), lambda z, a: (1 - z**2) / (1 + z**2) ** 2)
BENT = Activation(
    "bent",
    lambda z: (z > 0) * z + (z + z**3 / 3) ** 3,
    lambda z, a: (z > 0) * 1 + 3 * (z + z**3 / 3) ** 2 * (1 + z**2),
)
FOURTH = Loss("fourth", lambda p, y, power=4: (p - y) ** power, lambda p, y: 4 * (p - y) ** 3)
LATE = Schedule("late", lambda t, learning_rate, k=2: np.where(t > k, learning_rate, 0.5 * learning_rate))
DESCENT = Optimizer("descent", lambda theta, g, learning_rate, k=2: (theta - learning_rate * g / k,))


@pytest.mark.slow
@pytest.mark.parametrize("own_shape", [True, False])
def test_formulas_of_ones_own_train_as_the_reference_engine_trains_them(own_shape):
    rng = np.random.default_rng(0)
    network = Network([3, 3, 3, 3, 3, 1], [WITCH, scaled_tanh(1.5), scaled_tanh(0.5), BENT])
    given = {"loss": FOURTH, "optimizer": DESCENT, "schedule": LATE, "learning_rate": 0.04}
    problem = create_problem(network, rng.normal(size=(9, 3)), rng.normal(size=(9, 1)), **given)
    start = initial_state(problem)
    ours, seen = CompiledEngine(own_shape=own_shape).advance(problem, start, 50)
    theirs, expected = ReferenceEngine().advance(problem, start, 50)
    assert structure_of(problem).reason_against == "" and (expected.bad < 0).all()
    assert np.abs(ours.theta - theirs.theta).max() <= 1e-12 * np.abs(theirs.theta).max()
    assert np.allclose(seen.objective, expected.objective, rtol=1e-11)


# --- programs on disk ------------------------------------------------------------------------------------------------

TRAINED = """
import sys
import numpy as np
from deltarule.engines.compiled import cache
from pathlib import Path
cache.folder = lambda: Path(sys.argv[1])
import deltarule.maths.activations as activations
from dataclasses import replace
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
exec(sys.argv[2])
problem = create_problem(Network([2, 2, 1], "sigmoid"), np.eye(2), [0.0, 1.0], learning_rate=1.0)
print(repr(CompiledEngine().advance(problem, initial_state(problem), 3)[0].theta.tolist()))
"""

EDITED = """
import types
source = 'def sigmoid_derivative(z, a):\\n    return 2 * a * (1 - a)\\n'
path = Path(sys.argv[1]) / "edited.py"
path.write_text(source)
space = {}
exec(compile(source, str(path), "exec"), space)
edited = space["sigmoid_derivative"]
edited.__module__ = "deltarule.maths.activations"
object.__setattr__(activations.SIGMOID, "derivative", edited)
"""


def trained(folder, edit=""):
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, str(folder), edit], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout


@pytest.mark.slow
def test_the_second_process_starts_from_the_disk_and_an_edited_derivative_is_never_served_stale(tmp_path):
    first = trained(tmp_path)
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert compiled and trained(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == compiled
    assert trained(tmp_path, EDITED) != first
    assert len(list(tmp_path.rglob("*.nbc"))) > len(compiled)
    assert trained(tmp_path) == first


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there no process can be given a smallest disk")
def test_a_disk_that_takes_no_more_stops_no_training(tmp_path, monkeypatch):
    programs, temporary = tmp_path / "programs", tmp_path / "temporary"
    for folder in (programs, temporary):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    found = trained(programs, FULL)  # the text fits, what Numba makes of it does not
    (text,) = programs.glob("*.py")
    assert not list(programs.rglob("*.nbc"))
    text.unlink()
    text.mkdir()  # so that nothing can be written there
    assert trained(programs) == found
    assert not list(temporary.iterdir()), "a temporary folder goes with its process"


def test_programs_need_no_home(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**30, raising=False)  # whom nobody knows
    assert sys.platform == "win32" or cache.folder.__wrapped__() == temporary_folder()


def test_large_networks_of_all_sizes_have_one_program():
    one = codegen_large.program(case(9, sizes=(3, 30, 40, 2), batch_norm=True))
    assert one == codegen_large.program(case(9, sizes=(3, 300, 50, 2), members=2, batch_norm=True))
    assert one != codegen_large.program(case(9, sizes=(3, 30, 40, 2)))
    assert not re.findall(r"(?:from|import) deltarule(?!\.maths)", one)


# --- the elementary functions ----------------------------------------------------------------------------------------

HARD = [0.0, 5e-324, 1e-310, 1e-17, 0.1, 0.25, 0.34999, 0.35, 0.5, 0.7071, 0.7072, 1.0, 1.4142, 2.0, 36.7, 709.7]
HARD = [*HARD, *(-value for value in HARD), 745.1, 1e4, 1e300, -36.9, -708.5, -744.9, -746.0, -1e4, -1e300]


@pytest.fixture(scope="module")
def vector(tmp_path_factory):
    """The elementary functions, compiled on their own, each within a function that Python can call."""
    import importlib.util

    from numba import njit

    path = tmp_path_factory.mktemp("vector") / "vector_functions.py"
    path.write_text("\n".join(read_program_sources("simd_math.py", "simd_math_float32.py")), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("vector_functions", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["vector_functions"] = module
    spec.loader.exec_module(module)

    def callable_from_python(inner):
        return njit(error_model="numpy")(lambda *numbers: inner(*numbers))

    elementary_names = ("exp", "expm1", "log", "log1p", "tanh")
    names = (*elementary_names, *(f"{name}_single" for name in elementary_names), "raised")
    return SimpleNamespace(**{name: callable_from_python(getattr(module, name)) for name in names})


def true_value(name, point):
    """The value of an elementary function to 50 digits."""
    with mpmath.workdps(50):
        return getattr(mpmath, name)(mpmath.mpf(float(point)))


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
def test_elementary_functions_are_within_two_units_of_the_last_place(vector, name):
    function, points = getattr(vector, name), HARD + list(np.random.default_rng(0).normal(size=300) * 20)
    if name in ("log", "log1p"):
        points = [abs(point) for point in points]
    for point in points:
        true = true_value(name, point) if point or name != "log" else -mpmath.inf
        expected = float(true) if abs(true) < mpmath.mpf(2) ** 1024 else float(mpmath.sign(true)) * np.inf
        found = function(float(point))
        if np.isinf(expected):
            assert found == expected
        else:
            assert abs(found - expected) <= 2 * np.spacing(abs(expected)), point
    assert np.isnan(function(np.nan))


HARD_IN_FLOAT32 = [1e-45, 1e-39, 1e-8, 0.34, 0.36, 0.5, 0.625825, 0.70711, 1.0, 4.23317, 38.4168, 86.9, 88.72, 3e38]


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
def test_elementary_functions_of_float32_are_within_1_6_units_of_the_last_place(vector, name):
    function = getattr(vector, f"{name}_single")
    generator = np.random.default_rng(0)
    points = np.float32([*HARD_IN_FLOAT32, *generator.normal(size=300) * 20, *generator.normal(size=300)])
    points = np.abs(points) if name == "log" else np.concatenate([points, -points])
    points = points[points > -1] if name == "log1p" else points
    for point in points:
        true, value = true_value(name, point), function(point)
        if true > np.finfo(np.float32).max:
            assert value == np.inf
        elif name == "exp" and true < 1.7e-38:
            assert 0 <= value <= 1.7e-38
        else:
            assert abs(value - true) <= 1.6 * float(np.spacing(np.float32(abs(float(true))))), point
    assert np.isnan(function(np.float32(np.nan)))


def test_infinite_numbers_of_float32_have_the_limits_of_the_functions(vector):
    infinite = np.float32(np.inf)
    assert vector.exp_single(infinite) == np.inf and vector.exp_single(-infinite) == 0
    assert vector.expm1_single(infinite) == np.inf and vector.expm1_single(-infinite) == -1
    assert vector.log_single(infinite) == vector.log1p_single(infinite) == np.inf
    assert vector.log_single(np.float32(0)) == vector.log1p_single(np.float32(-1)) == -np.inf
    assert np.isnan(vector.log_single(np.float32(-1))) and np.isnan(vector.log1p_single(np.float32(-2)))
    assert vector.tanh_single(infinite) == 1 and vector.tanh_single(-infinite) == -1


def test_the_loops_over_rows_of_a_program_of_float32_convert_no_numbers():
    """A number of Python's is of float64, and makes all lanes float64 that it meets."""
    problem = encoder(16, dtype="float32", penalty="weight_decay", optimizer="momentum")
    advance = cache.load(program(problem, Shape(16, False, "none", (False,))))
    CompiledEngine(threads=1).advance(problem, initial_state(problem), 1)
    (code,) = advance.inspect_llvm().values()
    # Vectors of float32 are twice as wide as those of float64 that a conversion makes of them.
    once_a_step = len(re.findall(r"fptrunc <\d+ x double>", code))
    assert once_a_step <= 8 and not re.search(r"fpext <\d+ x float>", code)


def test_what_overflows_is_infinite_and_what_is_not_a_number_says_so(vector):
    assert vector.exp(np.inf) == np.inf and vector.exp(-np.inf) == 0
    assert vector.log(np.inf) == np.inf and np.isnan(vector.log(-1.0))
    assert vector.tanh(np.inf) == 1 and vector.tanh(-np.inf) == -1
    assert (
        vector.raised(0.0, 0.0) == 1
        and vector.raised(0.0, 2.0) == 0
        and vector.raised(0.9, 100.0) == pytest.approx(0.9**100, rel=1e-13)
    )
    for base, power in ((1.0, np.inf), (1.0, -np.inf), (0.5, np.inf), (2.0, np.inf), (1.0, np.nan), (np.nan, 2.0)):
        assert np.array_equal(vector.raised(base, power), math.pow(base, power), equal_nan=True)


# --- numbers of Python's in float32 -----------------------------------------------------------------------------------


def slope_by_a_product_with_a_truth(z, a):
    high = (a > 0) * 0.9  # of float64 in NumPy, and not rounded
    return np.where(a >= high, 0 * z, 1 + 0 * z) + np.where(high >= 0.9, 1 + 0 * z, 0 * z)


def heavy(theta, g, v, learning_rate, mu):
    v = mu * v - learning_rate * g
    return theta + np.where(mu >= 0.9, mu * v - learning_rate * g, v), v


def capped(z):
    return np.where(z < 0.9, z, 0.9 + 0 * z)


HIDDEN_OF_NUMBERS = [
    Activation("capped", capped, lambda z, a: np.where(a < 0.9, 1 + 0 * z, 0 * z)),
    Activation("capped otherwise", capped, slope_by_a_product_with_a_truth),
    Activation(  # 1 − rest is computed before it is rounded: of a rounded 0.99999 the rest has three digits
        "beyond",
        lambda z, rest: np.minimum(z, (1 - rest) ** 2),
        lambda z, a, rest: np.where(a < (1 - rest) ** 2, 1 + 0 * z, 0 * z),
        parameters={"rest": 0.99999},
    ),
]
OF_NUMBERS = {
    "loss": Loss(
        "judged",
        lambda p, y: np.where(y >= 0.9, 1.0, 3.0) * (p - y) ** 2,
        lambda p, y: np.where(y >= 0.9, 2.0, 6.0) * (p - y),
    ),
    "penalty": Penalty(
        "bounded", lambda w: np.where(w >= 0.9, w * w, 3 * w * w), lambda w: np.where(w >= 0.9, 2 * w, 6 * w)
    ),
    "strength": 0.3,
    "schedule": Schedule("halved", lambda t, learning_rate: np.where(learning_rate >= 0.9, 0.05, 0.1)),
    "optimizer": Optimizer("heavy", heavy, ("v",), {"mu": 0.9}),
}
KEPT = Optimizer(
    "kept",
    lambda theta, g, rate: (theta - rate * g,),
    once_a_step=lambda t, learning_rate: {"rate": np.where(learning_rate >= 0.9, 0.1, 0.2) * learning_rate},
)
QUANTILE = {"name": "quantile", "quantile": 0.99999}


# A program takes seconds to compile, so each is made of many parts.
@pytest.mark.slow
@pytest.mark.parametrize(("own_shape", "members"), [(True, 1), (True, 8), (False, 2)])
@pytest.mark.parametrize(
    ("hidden", "given"),
    [
        (HIDDEN_OF_NUMBERS, OF_NUMBERS),
        (["tanh"], {"loss": QUANTILE, "optimizer": KEPT}),
    ],
)
def test_numbers_in_formulas_are_rounded_where_numpy_rounds_them(hidden, given, own_shape, members):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.choice([0.3, 0.9], size=(30, 1))
    network = Network([4, *(6 for _ in hidden), 1], hidden)
    given = {"learning_rate": 0.9, "dtype": "float32", "seeds": range(members), **given}
    problem = create_problem(network, x, y, **given)
    state = initial_state(problem)
    theta = np.where(rng.random(state.theta.shape) < 0.2, np.float32(0.9), state.theta)
    state = dataclasses.replace(state, theta=theta)
    ours, seen = CompiledEngine(own_shape=own_shape).advance(problem, state, 1)
    theirs, expected = ReferenceEngine().advance(problem, state, 1)
    assert structure_of(problem).reason_against == ""
    assert (np.abs(ours.theta - theirs.theta) <= 1e-6 * np.abs(theirs.theta).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective, expected.objective, rtol=2e-6)
    assert np.array_equal(seen.bad, expected.bad)


ENGINES = tuple(all_engines().values())


@pytest.mark.slow
@pytest.mark.parametrize("rest", [0.01, 1e-4, 1e-6, 1e-9])
def test_what_rmsprop_adds_of_each_gradient_keeps_its_digits_in_float32(rest):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 5)), rng.normal(size=(10, 1))
    settings = {"name": "rmsprop", "decay": 1 - rest, "epsilon": 1e-8}
    single, double = (
        create_problem(Network([5, 1], bias=False), x, y, optimizer=settings, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    expected, _ = ReferenceEngine().advance(double, initial_state(double), 1)
    for engine in ENGINES:
        found, _ = engine.advance(single, initial_state(single), 1)
        assert np.abs(found.theta - expected.theta).max() <= 1e-6 * np.abs(expected.theta).max()
