"""The page's engine, run by Node, gives the numbers of the reference engine."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from node_process import NodeProcess, needs_node
from random_problems import EVERY_FORMULA, problems
from scripts import benchmark
from traceable_formulas import results_of

from deltarule.engines.reference import (
    ReferenceEngine,
    apply_optimizer,
    dropout_masks,
    objective_and_gradient,
)
from deltarule.maths.initializers import INITIALIZERS
from deltarule.playground import page_bundle
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import State, initial_state

pytestmark = needs_node
PAGE_MODULES = benchmark("page_modules")
MODULES = PAGE_MODULES.MODULES
FORMULAS = [pytest.param(*each, id=each[0]) for each in benchmark("page_kernels").formulas()]
FOLDER = Path(page_bundle.__file__).parent / "page" / "engine"


class PageEngine(NodeProcess):
    """A Node process that trains problems by the page's engine."""

    def __init__(self, folder):
        super().__init__(Path(__file__).with_name("engine_runner.mjs"), (folder / "training.js").as_uri())

    def run(self, problem, updates, copies=False):
        """The state after some updates, the gradient there, and the state after one more.

        Arrays lie in the memory of WebAssembly, or are copied there for each function.
        """
        return self.ask({"problem": described(problem), "updates": updates, "copies": copies})


@pytest.fixture(scope="module")
def page_engine():
    engine = PageEngine(FOLDER)
    yield engine
    engine.close()


def described(problem):
    """A problem as the page's engine takes it."""
    network, optimizer = problem.network, problem.optimizer
    [rows] = problem.rows or [np.arange(len(problem.x))]
    weights = None if problem.weights is None else np.atleast_2d(problem.weights)[0, rows].tolist()
    numbers = {name: value.tolist() for name, value in problem.numbers.items()}
    schedule = {name: value.tolist() for name, value in problem.schedule_numbers.items()}
    return {
        "sizes": network.sizes,
        "activations": [{"name": one.name, **one.parameters} for one in network.activations.values()],
        "bias": network.has_biases,
        "batch_norm": bool(network.buffers),
        "scaling": network.has("scaling"),
        "initializer": {"name": network.initializers[0].name, "biases": network.initializers[0].biases}
        | dict(network.initializers[0].parameters),
        "loss": {"name": problem.loss.name, **problem.loss.parameters},
        "reduction": problem.reduction,
        "penalty": problem.penalty and problem.penalty.name,
        "penalize_biases": bool(
            problem.penalized.sum() > sum(e.stop - e.start for e in network.entries if e[0] == "W")
        ),
        "optimizer": optimizer.name,
        "schedule": problem.schedule.name,
        "schedule_per": problem.schedule.per,
        "factors": problem.factors,
        "batch_size": problem.batch_size,
        "x": problem.x[rows].ravel().tolist(),
        "y": problem.y[rows].ravel().tolist(),
        "weights": weights,
        "members": [
            {
                "seed": str(problem.seeds[k]),
                "data_seed": str(problem.data_seeds[k]),
                "dropout_seed": str(problem.dropout_seeds[k]),
                "initial_scale": problem.initial_scale[k],
                "learning_rate": numbers["learning_rate"][k],
                "numbers": {name: value[k] for name, value in numbers.items()},
                "schedule_numbers": {name: value[k] for name, value in schedule.items()},
                "strength": problem.strength[k],
                "dropout": problem.dropout[k].tolist(),
            }
            for k in range(problem.members)
        ],
    }


def state_of(problem, table, step):
    arrays = {name: np.array([[float(one) for one in table[name]]]) for name in ("theta", "buffers")}
    slots = {
        name: np.array([[float(one) for one in slot]])
        for name, slot in zip(problem.optimizer.slots, table["slots"], strict=True)
    }
    return State(**arrays, slots=slots, factor=np.ones(1), members=np.arange(1), step=step)


def assert_close(ours, theirs, tolerance=1e-12):
    ours, theirs = np.array([float(one) for one in np.ravel(ours)]), np.ravel(theirs)
    scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-300)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)


def check(page_engine, problem, updates):
    """Compare the first weights, and after some updates the gradient and one more update from the same state."""
    answer = page_engine.run(problem, updates)
    first = initial_state(problem).theta[0]
    if problem.network.initializers[0].law == "normal":
        assert_close(answer["first"][0]["theta"], first, 1e-14)
    else:
        np.testing.assert_array_equal(answer["first"][0]["theta"], first)
    state, after = (state_of(problem, answer[one][0], updates + (one == "after")) for one in ("before", "after"))
    if not np.isfinite(state.theta).all():
        return
    rows = batch(problem, state.members, updates)
    np.testing.assert_array_equal(answer["positions"], rows.positions.ravel())
    masks = dropout_masks(problem, state, rows)
    for index, rate in enumerate(problem.dropout[0]):
        if rate:
            np.testing.assert_array_equal(answer["masks"][index], masks[f"keep{index + 1}"].ravel())
    with np.errstate(all="ignore"):
        expected = objective_and_gradient(problem, state, rows)
        gradient = np.array([[float(one) for one in answer["gradient"]]])
        theta, slots = apply_optimizer(problem, state, gradient)
    assert_close([answer["objective"]], expected.objective)
    assert_close(gradient, expected.gradient)
    assert_close(after.buffers, expected.buffers)
    assert_close(after.theta, theta)
    for name, slot in slots.items():
        assert_close(after.slots[name], slot)


@pytest.mark.parametrize("kind, name", [one for one in EVERY_FORMULA if one[1] != "adaptive"], ids=str)
def test_gradient_and_update_are_those_of_the_reference_engine(page_engine, kind, name):
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(problem=problems(dtypes=("float64",), **{kind: name}), updates=st.integers(0, 7))
    def compare(problem, updates):
        if problem.schedule.name != "adaptive":
            check(page_engine, problem, updates)

    compare()


@pytest.mark.parametrize("name, function, arrays, numbers", FORMULAS)
def test_printed_formulas_give_the_numbers_of_numpy_to_rounding(page_engine, name, function, arrays, numbers):
    random = np.random.default_rng(0)

    def draw(argument, count):
        return random.normal(0, 3, count) if argument in "zgwx" else random.uniform(0.01, 0.99, count)

    given, single = [draw(one, 200) for one in arrays], [draw(one, 1)[0] for one in numbers]
    expected = results_of(function(*given, *single))
    found = page_engine.ask({"formula": [name, [one.tolist() for one in given], single, len(expected)]})
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.array(ours, float), np.broadcast_to(theirs, len(ours)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_printed_modules_are_what_is_printed(file):
    assert file.read_text(encoding="utf-8") == MODULES[file]()


def test_the_assembled_functions_are_those_that_are_printed():
    assert PAGE_MODULES.KERNELS.read_text(encoding="utf-8").startswith(PAGE_MODULES.print_module_head())


SMOOTH = ["tanh", "sigmoid", "softplus", "silu", "mish", "gelu", "softsign", "softmax"]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), optimizer=st.sampled_from(["sgd", "momentum", "nesterov", "adam"]))
def test_fifty_updates_stay_together(page_engine, data, optimizer):
    hidden = data.draw(st.lists(st.sampled_from(SMOOTH), max_size=2))
    loss = data.draw(st.sampled_from(["squared_error", "cross_entropy"]))
    drawn = problems(dtypes=("float64",), optimizer=optimizer, hidden=hidden, loss=loss, penalty="l2", schedule="step")
    problem = data.draw(drawn)
    # Batch norm takes the bias before it away: Adam would divide the rounding of a gradient that is 0 by itself.
    assume(optimizer != "adam" or not problem.network.buffers)
    answer = page_engine.run(problem, 49)
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 50)
    if np.isfinite(state.theta).all() and np.abs(state.theta).max() < 1e3:  # what explodes parts ways by rounding
        assert_close(answer["after"][0]["theta"], state.theta, 1e-10)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(problem=problems(dtypes=("float64",)), updates=st.integers(0, 12))
def test_arrays_in_the_memory_of_webassembly_have_the_bits_of_copied_ones(page_engine, problem, updates):
    assert page_engine.run(problem, updates) == page_engine.run(problem, updates, copies=True)


@pytest.mark.parametrize("name", sorted(INITIALIZERS.keys() - {"orthogonal"}))  # the page has no decomposition
def test_first_weights_and_orders_are_those_of_python(page_engine, name):
    network = Network([3, 40, 2], "tanh", "identity", initializer={"name": name, "biases": "same"})
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.zeros((60, 2))
    problem = create_problem(network, x, y, loss="squared_error", batch_size=7, seeds=[2**63 + 5], dropout=0.3)
    check(page_engine, problem, 11)


MUTANTS = [
    ("kernels.js", "units, inputs, 1, units]", "units, inputs, units, 1]"),
    ("network.js", "? one : one * correction", "? one : one / correction"),
    ("network.js", "statistics, share]", "share, statistics]"),
    ("network.js", "backward(given, gradient", "forward(given, gradient"),
    ("network.js", "fill(1); // for the biases", "fill(2); // for the biases"),
    ("random.js", "c1 ^ k0", "c1 ^ k1"),
    ("training.js", "layer + 1, this.step", "layer, this.step"),
]


@pytest.mark.parametrize("file, right, wrong", MUTANTS, ids=[f"{one[0]}: {one[2]}" for one in MUTANTS])
def test_a_mutated_engine_fails(tmp_path, file, right, wrong):
    shutil.copytree(FOLDER.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    folder = tmp_path / FOLDER.name
    text = (folder / file).read_text(encoding="utf-8")
    assert right in text
    (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
    x, y = np.random.default_rng(0).normal(size=(9, 2)), np.eye(3)[np.arange(9) % 3]
    mutant = PageEngine(folder)
    try:
        with pytest.raises(AssertionError):
            for output, loss in (("softmax", "cross_entropy"), ("identity", "squared_error")):
                network = Network([2, 4, 4, 3], "tanh", output, batch_norm=True)
                check(mutant, create_problem(network, x, y, loss=loss, dropout=0.3, batch_size=5), 3)
    finally:
        mutant.close()
