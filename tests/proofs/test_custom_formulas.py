import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from refusals import refuses

from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput, DeltaruleError, RunFailed
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.layers import Layer
from deltarule.maths.losses import LOSSES
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.proofs.custom_formulas import (
    register_activation,
    register_initializer,
    register_loss,
    register_metric,
    register_optimizer,
    register_penalty,
    register_schedule,
    unregister,
)
from deltarule.tracing.explain import explain
from deltarule.training.train import train

KINDS = ("activation", "loss", "penalty", "optimizer", "schedule")
XOR = ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Take away what a test registered."""
    before = {kind: set(registry.names(kind)) for kind in KINDS}
    yield
    for kind in KINDS:
        for name in set(registry.names(kind)) - before[kind]:
            unregister(kind, name)


# --- what is right is accepted: our own formulas under new names, and formulas as people write them


def register_again(kind: str, ours: Any) -> Any:
    """Register a formula of ours under the name "mine"."""
    if kind == "activation":
        own = {"range": ours.range, "kinks": ours.kinks, "parameters": ours.parameters}
        return register_activation("mine", ours.function, ours.derivative, **own)
    if kind == "loss":
        own = {"domain": ours.domain, "targets": ours.targets, "kinks": ours.kinks, "parameters": ours.parameters}
        return register_loss("mine", ours.value, ours.derivative, **own)
    if kind == "penalty":
        return register_penalty("mine", ours.value, ours.derivative, kinks=ours.kinks, per_sample=ours.per_sample)
    if kind == "optimizer":
        return register_optimizer("mine", ours.update, slots=ours.slots, parameters=ours.parameters)
    return register_schedule("mine", ours.rate, parameters=ours.parameters, per="epoch")


OURS = {
    "activation": [ours for ours in ACTIVATIONS.values() if not ours.rowwise],
    "loss": [ours for ours in LOSSES.values() if ours.exact],
    "penalty": PENALTIES.values(),
    "optimizer": [ours for ours in OPTIMIZERS.values() if ours.update and not (ours.once_a_step or ours.norms)],
    "schedule": SCHEDULES.values(),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("kind", "ours"),
    [pytest.param(kind, ours, id=ours.name) for kind, formulas in OURS.items() for ours in formulas],
)
def test_built_in_formulas_pass(kind: str, ours: Any) -> None:
    found = register_again(kind, ours)
    assert registry.find(kind, "mine") is found
    assert getattr(found, "per", "epoch") == "epoch"
    assert getattr(found, "per_sample", None) == getattr(ours, "per_sample", None)


AS_PEOPLE_WRITE_THEM: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]] = {
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype), {"range": "nonnegative", "kinks": 0}),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z, a: 1 / (1 + np.abs(z)) ** 2, {}),
    "naive sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a), {"range": "unit"}),
    "naive softplus": (lambda z: np.log(1 + np.exp(z)), lambda z, a: 1 / (1 + np.exp(-z)), {"range": "nonnegative"}),
    "bell": (lambda z: np.exp(-z * z), lambda z, a: -2 * z * a, {"range": "unit"}),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z, a: (np.abs(z) < 1).astype(z.dtype), {"kinks": [-1, 1]}),
    "swish": (
        lambda z, beta: z / (1 + np.exp(-beta * z)),
        lambda z, a, beta: beta * a + (1 - beta * a) / (1 + np.exp(-beta * z)),
        {"parameters": {"beta": 1.5}},
    ),
}


@pytest.mark.parametrize("name", AS_PEOPLE_WRITE_THEM)
def test_activations_as_people_write_them_pass(name: str) -> None:
    function, derivative, options = AS_PEOPLE_WRITE_THEM[name]
    register_activation("mine", function, derivative, **options)


# --- what is registered has a name everywhere


@pytest.mark.slow
@pytest.mark.needs("torch")
def test_all_custom_formulas_at_once() -> None:
    register_activation("sine", np.sin, lambda z, a: np.cos(z))
    register_loss("quartic", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
    register_penalty("log_square", lambda w: np.log(1 + w * w), lambda w: 2 * w / (1 + w * w))
    register_optimizer(
        "signs",
        lambda theta, g, learning_rate, floor: (theta - learning_rate * g / (abs(g) + floor),),
        parameters={"floor": 0.1},
    )
    register_schedule(
        "falling", lambda t, learning_rate, rate: learning_rate / (1 + rate * t), parameters={"rate": 0.01}
    )
    problem = create_problem(
        Network([2, 5, 1], "sine", "sine"),
        *XOR,
        loss="quartic",
        penalty="log_square",
        strength=[0.0, 1e-3],
        optimizer={"name": "signs", "floor": [0.1, 0.2]},
        schedule={"name": "falling", "rate": 0.02},
        learning_rate=[0.05, 0.02],
    )
    assert check_problem(problem).ok
    state, trace = ReferenceEngine().advance(problem, initial_state(problem), 300)
    assert (trace.objective[-1] < trace.objective[0] / 2).all()
    expected, _ = ReferenceEngine().advance(problem, state, 1)
    np.testing.assert_allclose(AutogradEngine().advance(problem, state, 1)[0].theta, expected.theta, rtol=1e-12)


# --- wrong derivatives are refused, with the worst point


def within(z: Any, low: float, high: float) -> Any:
    """10 % more between two numbers."""
    return np.where((low < z) & (z < high), 1.1, 1.0).astype(z.dtype)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.tanh, lambda z, a: 1.0005 * (1 - a * a)),
        (np.tanh, lambda z, a: 1 - a),
        (np.tanh, lambda z, a: 1 - z * z),
        (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: z * (1 - z)),
        (lambda z: np.abs(z) * z, lambda z, a: 2 * z),
        (lambda z: np.abs(z) * z, lambda z, a: 2.001 * np.abs(z)),
        (lambda z: z, lambda z, a: np.where(z < -30, 0, 1).astype(z.dtype)),
        (np.tanh, lambda z, a: (1 - a * a) * within(z, 3, 3.1)),
        (np.tanh, lambda z, a: (1 - a * a) * within(z, 1.5, 1.6)),
        (lambda z: np.abs(z) * z, lambda z, a: 2 * np.abs(z) * within(z, 5, 6)),
        (lambda z: z * z, lambda z, a: 2 * z * within(z, 100, np.inf)),
        (lambda z: np.clip(z, -4, 4), lambda z, a: (np.abs(z) < 4.9).astype(z.dtype)),
    ],
)
def test_a_wrong_derivative_is_refused(function: Callable[..., Any], derivative: Callable[..., Any]) -> None:
    with refuses("mine", error=RunFailed):
        register_activation("mine", function, derivative)
    assert "mine" not in registry.names("activation")


@pytest.mark.parametrize("place", [0.0, 0.1, 1.0, -1.0, 2.0, 5.0])
def test_wrong_single_point_is_refused(place: float) -> None:
    with refuses(f"z = {place:g}", error=RunFailed):
        register_activation("mine", np.tanh, lambda z, a: np.where(z == place, 0 * a, 1 - a * a))


@pytest.mark.parametrize("default", [1, 1.0, 2, -1.0, 0.0])
def test_derivative_right_only_at_default_is_refused(default: float) -> None:
    def square(a: float) -> float:
        return a**2 if a == default else a**2 + 1

    with refuses("activation", "mine", "slope", error=RunFailed):
        register_activation(
            "mine",
            lambda z, slope: slope**2 * np.tanh(z) + z,
            lambda z, a, slope: square(slope) * (1 - np.tanh(z) ** 2) + 1,
            parameters={"slope": default},
        )
    with refuses("loss", "mine", "slope", error=RunFailed):
        register_loss(
            "mine",
            lambda p, y, slope: (slope**2 + 1) * (p - y) ** 2,
            lambda p, y, slope: 2 * (square(slope) + 1) * (p - y),
            parameters={"slope": default},
        )


@pytest.mark.parametrize("frequency", [30, 34, 70])
@pytest.mark.parametrize("rough", [0.0, 1e-300], ids=["complex step", "differences alone"])
def test_a_fast_wave_passes(frequency: float, rough: float) -> None:
    wave = register_activation(
        "mine", lambda z: np.sin(frequency * z) + rough * abs(z), lambda z, a: frequency * np.cos(frequency * z)
    )
    assert wave.name == "mine"


# --- functions that cannot be used as they are


def in_place(z: np.ndarray) -> np.ndarray:
    z *= 2
    return z


@pytest.mark.slow
def test_repeated_registration_is_refused() -> None:
    def square(p: Any, y: Any) -> Any:
        return (p - y) ** 2

    def slope(p: Any, y: Any) -> Any:
        return 2 * (p - y)

    first = register_loss("mine", square, slope)
    assert register_loss("mine", square, slope) == first
    with refuses('unregister("loss", "mine")'):
        register_loss("mine", lambda p, y: (p - y) ** 2, slope)
    assert registry.loss("mine") is first


# --- optimizers and schedules


def activation(function: Any, derivative: Any = lambda z, a: 0 * z + 1, **options: Any) -> Callable[[], Any]:
    return lambda: register_activation("mine", function, derivative, **options)


def loss(value: Any, derivative: Any = lambda p, y: 0 * p + 1, **options: Any) -> Callable[[], Any]:
    return lambda: register_loss("mine", value, derivative, **options)


def optimizer(update: Any, **options: Any) -> Callable[[], Any]:
    return lambda: register_optimizer("mine", update, **options)


def schedule(rate: Any, **options: Any) -> Callable[[], Any]:
    return lambda: register_schedule("mine", rate, **options)


RETURNS = "it must return a tuple of"
FLOAT64 = "gives float64 numbers for float32 ones"
ARRAYS = r"cannot be called with arrays \("
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (loss("p - y", np.sign), "the loss 'mine' is given a str that cannot be called; give a function"),
    # names, numbers and kinks
    (lambda: register_schedule("two words", lambda t, learning_rate: t), "the name of the schedule is 'two words'"),
    (activation(lambda z, k: z, parameters={"name": 1.0}), "a parameter 'name', which .*; choose another name"),
    (optimizer(lambda theta, g, **k: (theta,), parameters={"seeds": 1.0}), "a parameter 'seeds', which"),
    # kinks have to be declared
    (activation(np.abs, lambda z, a: np.sign(z)), r"kink at z = 0; say so with kinks=\(0,\)"),
    # functions, derivatives and ranges
    (activation(in_place), "the activation 'mine' changes what it is given; let it make a new array"),
    (activation(lambda z: z * np.random.rand()), "the activation 'mine' is different from call to call"),
    (activation(lambda z: z - z.mean(0)), "the activation 'mine' is not elementwise"),
    (activation(lambda z: z.sum()), r"the activation 'mine' gives the shape \(\) for arrays of the shape"),
    (
        activation(lambda z: z * np.float64(2)),
        rf"the activation 'mine' {FLOAT64}, because of np.float64\(2.0\) in line \d+ of test_custom_formulas.py: .*;",
    ),
    (
        activation(lambda z: np.tanh(z) + np.where(z > 0, z / np.sqrt(2), z) - 1),
        rf"the activation 'mine' {FLOAT64}, because of np.float64\(1.4142135623730951\) in line .*; keep the dtype",
    ),
    (
        activation(lambda z: z * np.array([1.0])),
        f"{FLOAT64}, because of an array of float64 in line .*; keep",
    ),
    (activation(lambda z: z.astype(float)), f"the activation 'mine' {FLOAT64}; keep the dtype"),
    (activation(lambda z: 1 / z), "the activation 'mine' gives -?inf at"),
    (activation(lambda z: math.tanh(z)), f"the activation 'mine' {ARRAYS}TypeError: "),
    (activation(lambda z: 0 * z + 3), "the activation 'mine' has the slope 0 wherever one can be seen"),
    (
        activation(lambda z: z * z, lambda z, a: 2 * z, range="unit"),
        "gives numbers from 0 to 17187.2, outside its range 'unit'",
    ),
    (activation(lambda z: z, range="odd"), "range is 'odd'; give one of real, nonnegative, positive, unit, simplex"),
    # names that exist: nothing is said of the derivative
    (
        lambda: register_loss("huber", lambda p, y: (p - y) ** 2, lambda p, y: 2 * (p - y)),
        "the loss 'huber' exists already; choose another name",
    ),
    # updates
    (optimizer(lambda theta, g, learning_rate: theta - learning_rate * g), f"{RETURNS} 1: theta"),
    (
        optimizer(lambda theta, g, v, learning_rate: (theta - learning_rate * g,), slots=("v",)),
        f"{RETURNS} 2: theta, v",
    ),
    (
        optimizer(lambda theta, g, learning_rate: (theta - learning_rate * g / abs(g).max(),)),
        "theta .* is not elementwise",
    ),
    (optimizer(lambda theta, g, rate: (theta - rate * g,)), f"{ARRAYS}TypeError: .*learning_rate"),
    (
        optimizer(OPTIMIZERS["sgd"].update, parameters={"learning_rate": 0.001}),
        "the optimizer 'mine' has a parameter 'learning_rate', .*; choose another name",
    ),
    # schedules
    (schedule(lambda t, learning_rate: learning_rate - t), "gives the rate -99999.2 at t = 100000; give 0 or more"),
]


@pytest.mark.parametrize(("register", "message"), REFUSED)
def test_formulas_that_cannot_be_used_are_refused(register: Callable[[], Any], message: str) -> None:
    with pytest.raises(DeltaruleError, match=message):
        register()


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1e7])
def test_an_optimizer_has_to_descend(factor: float) -> None:
    with refuses("mine", 300, 0.001, error=RunFailed):
        register_optimizer("mine", lambda theta, g, learning_rate: (theta - factor * learning_rate * g,))


def tempered(z: Any, t: float) -> Any:
    e = np.exp(z / t)
    return e / e.sum(-1, keepdims=True)


def tempered_product(z: Any, a: Any, da: Any, t: float) -> Any:
    return a * (da - (a * da).sum(-1, keepdims=True)) / t


def test_rowwise_activation_is_proved_trained_and_explained() -> None:
    register_activation("mine", tempered, tempered_product, rowwise=True, range="simplex", parameters={"t": 2.0})
    network = Network([3, 4, 2], {"name": "mine", "t": 0.7}, "mine")
    x, y = np.random.default_rng(0).normal(size=(7, 3)), np.eye(2)[[0, 1, 1, 0, 1, 0, 1]]
    problem = create_problem(network, x, y, loss="cross_entropy", optimizer="adam", members=2)
    assert check_problem(problem).ok
    thetas = [train(problem, max_steps=20, engine=engine).state.theta for engine in ("reference", "compiled")]
    np.testing.assert_allclose(*thetas, rtol=1e-10)
    explained = explain(network, thetas[0][0], x[0], [1.0, 0.0], "squared_error")
    assert "a1[i, j] = " in explained.text() and "δ1[i, j] = " in explained.text()


@pytest.mark.parametrize(
    ("function", "derivative", "options", "error", "message"),
    [
        (
            tempered,
            lambda z, a, da, t: a * da / t,
            {},
            RunFailed,
            "the backward pass of the activation 'mine' is wrong",
        ),
        (lambda z, t: t * z, lambda z, a, da, t: t * da, {"range": "simplex"}, BadInput, "gives a row that sums to"),
        (lambda z, t: z - z.mean(-2, keepdims=True), tempered_product, {}, BadInput, "gives a row other values alone"),
        (lambda z, t: z.sum(-1), tempered_product, {}, BadInput, "the activation 'mine' gives the shape"),
        (tempered, tempered_product, {"rowwise": False}, BadInput, "is not elementwise"),
        (tempered, tempered_product, {"rowwise": False, "range": "simplex"}, BadInput, "say rowwise=True"),
    ],
)
def test_rowwise_activation_that_is_wrong_is_refused(
    function: Any, derivative: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        register_activation("mine", function, derivative, **{"rowwise": True, "parameters": {"t": 2.0}} | options)


def length(M: Any) -> Any:
    return np.sqrt((M * M).sum(-1, keepdims=True).sum(-2, keepdims=True))


def muon(theta: Any, g: Any, m: Any, learning_rate: Any, momentum: Any) -> Any:
    m = momentum * m + g
    X = m / (length(m) + 1e-7)
    for _ in range(5):
        A = X @ np.swapaxes(X, -1, -2)
        X = 3.4445 * X + (-4.7750 * A + 2.0315 * A @ A) @ X
    return theta - learning_rate * X, m


@pytest.mark.parametrize(
    "engine", ["reference", "compiled", pytest.param("autograd", marks=pytest.mark.needs("torch"))]
)
def test_optimizer_of_whole_arrays_is_tested_and_trains(engine: str) -> None:
    register_optimizer("mine", muon, slots=["m"], parameters={"momentum": 0.9}, whole_arrays=True)
    x, y = np.random.default_rng(0).normal(size=(7, 3)), np.ones((7, 1))
    options = {"optimizer": "mine", "learning_rate": [0.02, 0.05], "learning_rate_factors": {"b": 0.5}, "seeds": [0, 0]}
    problem = create_problem(Network([3, 4, 1], "tanh"), x, y, **options)
    first = initial_state(problem)
    state = train(problem, max_steps=1, engine=engine).state
    changes = views(state.theta - first.theta, problem.network.entries)
    values = np.linalg.svd(changes["W1"], compute_uv=False) / np.array([[0.02], [0.05]])
    assert ((0.5 < values) & (values < 1.4)).all()  # Newton and Schulz bring singular values near 1
    np.testing.assert_allclose(abs(changes["b2"].ravel()), [0.01, 0.025], rtol=0.4)


@pytest.mark.parametrize(
    ("update", "error", "message"),
    [
        (lambda theta, g, learning_rate: (theta + learning_rate * g,), RunFailed, "does not descend"),
        (
            lambda theta, g, learning_rate: (theta - learning_rate * g * (1 + (g * g).mean()),),
            BadInput,
            "gives a member other numbers alone",
        ),
        (lambda theta, g, learning_rate: (theta - learning_rate * g / length(g),), BadInput, "or for a gradient of 0"),
        (lambda theta, g, learning_rate: (theta.sum(-1),), BadInput, "gives the shape"),
        (lambda theta, g, learning_rate: theta, BadInput, "it must return a tuple of 1: theta"),
    ],
)
def test_optimizer_of_whole_arrays_that_is_wrong_is_refused(update: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)), np.errstate(all="ignore"):
        register_optimizer("mine", update, whole_arrays=True)


@pytest.mark.parametrize(
    "use",
    [
        lambda: Network([1, 1, 1], Activation("own", np.sin, lambda z, a: np.cos(z))),
        lambda: Network([1, 1, Activation("own", np.sin, lambda z, a: np.cos(z)), 1]),
        lambda: Network([1, Layer("own", "h", lambda x: (x, lambda d: d)), 1]),
        lambda: create_problem(
            Network([1, 1]), [[1]], [[1]], optimizer=Optimizer("own", lambda t, g, learning_rate: t)
        ),
        lambda: create_problem(Network([1, 1]), [[1]], [[1]], loss=replace(LOSSES["huber"], derivative=np.subtract)),
    ],
)
def test_what_is_not_proved_cannot_be_handed_over(use: Callable[[], Any]) -> None:
    with pytest.raises(BadInput, match="register_"):
        use()


def test_a_metric_of_ones_own_is_recorded_and_stops() -> None:
    register_metric("furthest", lambda a, y, w: np.abs(a - y).max((-2, -1)), more_is_better=False)
    try:
        x = np.eye(3)
        problem = create_problem(Network([3, 3]), x, x, members=2, learning_rate=0.5)
        run = train(problem, max_steps=200, metric="furthest", threshold=0.1, history_every=1)
        assert run.reasons == ("threshold", "threshold")
        assert np.allclose(run.history.series("furthest")[-1], np.abs(run.outputs(x) - x).max((1, 2)))
        with refuses("furthest"):
            register_metric("furthest", np.sum, more_is_better=True)
    finally:
        unregister("metric", "furthest")
    with refuses("furthest"):
        unregister("metric", "furthest")
    with refuses("sum", "()", 3):
        register_metric("sum", lambda a, y, w: a.sum(), more_is_better=True)


def test_an_initializer_of_ones_own_draws_by_its_spread() -> None:
    register_initializer("tenth", lambda fan_in, fan_out, scale: scale / fan_in, law="uniform", parameters={"scale": 2})
    try:
        network = Network([10, 400, 1], initializer=["tenth", {"name": "tenth", "scale": 0}])
        weights = train(create_problem(network, np.eye(10), np.ones(10)), max_steps=0).parameters
        assert 0.19 < np.abs(weights["W1"]).max() <= 0.2 and not weights["W2"].any()
    finally:
        unregister("initializer", "tenth")
    with refuses("nowhere", "nan", "(1, 1)"):
        register_initializer("nowhere", lambda fan_in, fan_out: float("nan"))
    with refuses("initializers", 2, 1):
        Network([2, 1], initializer=["zeros", "zeros"])
