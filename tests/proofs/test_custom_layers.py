from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from refusals import refuses

from deltarule import Network, create_problem, register_layer, train, unregister
from deltarule.checking.problem_gradient import check_problem
from deltarule.errors import BadInput, RunFailed
from deltarule.maths.layers import glu, layer_norm, tied
from deltarule.problem import registry
from deltarule.problem.network import describe_layer
from deltarule.program.derivative import with_derived_backward
from deltarule.tracing.explain import explain_update

GATE = {"W": "D H", "b": "1 H", "V": "D H", "c": "1 H"}


def turned(M: Any) -> Any:
    return np.swapaxes(M, -1, -2)


def gate(x: Any, W: Any, b: Any, V: Any, c: Any) -> Any:
    return (x @ W + b) / (1 + np.exp(-(x @ V + c)))


def gate_by_hand(x: Any, W: Any, b: Any, V: Any, c: Any) -> Any:
    u, s = x @ W + b, 1 / (1 + np.exp(-(x @ V + c)))

    def backward(dz: Any) -> Any:
        du, dv = dz * s, dz * u * s * (1 - s)
        x_t = turned(x)
        return (
            *(du @ turned(W) + dv @ turned(V), x_t @ du, du.sum(-2, keepdims=True)),
            *(x_t @ dv, dv.sum(-2, keepdims=True)),
        )

    return u * s, backward


def step(x: Any) -> Any:
    return np.where(x > 0, 1.0 + 0 * x, 0 * x), lambda upstream: upstream


@pytest.fixture(autouse=True)
def own_layers_removed() -> Iterator[None]:
    yield
    for name in registry.names("layer"):
        if name.startswith("own"):
            unregister("layer", name)


@pytest.mark.parametrize("function", [gate, gate_by_hand])
def test_an_own_layer_is_proved_compiled_and_computes_what_the_built_in_one_does(function: Callable[..., Any]) -> None:
    layer = register_layer("own_gate", function, arrays=GATE)
    assert all(cosine == pytest.approx(1) for cosine in layer.agreement.values())
    x = np.random.default_rng(0).normal(size=(20, 3))

    def problem(name: str) -> Any:
        return create_problem(Network([3, {"name": name, "units": 4}, 2]), x, x[:, :2], learning_rate=0.1, members=3)

    built_in, reference, compiled = (
        train(problem(name), max_steps=40, engine=engine)
        for name, engine in (("glu", "reference"), ("own_gate", "reference"), ("own_gate", "compiled"))
    )
    assert not compiled.notes and check_problem(problem("own_gate")).checks[0].ok
    for run in (reference, compiled):
        assert run.state.theta == pytest.approx(built_in.state.theta, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("layer", "names"), [(glu, "xWbVc"), (layer_norm, "x12"), (tied, "xbW")])
def test_the_derived_backward_pass_is_the_one_written_by_hand(layer: Callable[..., Any], names: str) -> None:
    shapes = {"x": (5, 3), "W": (3, 4), "V": (3, 4), "b": (1, 4), "c": (1, 4), "1": (1, 3), "2": (1, 3)}
    if layer is tied:
        shapes["W"] = (4, 3)
    random, options = np.random.default_rng(0), {"epsilon": 1e-5} if layer is layer_norm else {}
    arrays = [random.normal(size=(2, *shapes[name])) for name in names]
    value, by_hand = layer(*arrays, **options)
    upstream = random.normal(size=value.shape)

    def forward(*values: Any, **numbers: Any) -> Any:
        if layer is glu:
            return gate(*values)
        if layer is tied:
            return values[0] @ np.swapaxes(values[2], -1, -2) + values[1]
        x, gamma, beta = values
        centered = x - np.mean(x, axis=-1, keepdims=True)
        return gamma * centered / np.sqrt(np.mean(centered**2, axis=-1, keepdims=True) + numbers["epsilon"]) + beta

    found, derived = with_derived_backward(forward)(*arrays, **options)
    assert found == pytest.approx(value, rel=1e-12, abs=1e-14)
    for ours, theirs in zip(derived(upstream), by_hand(upstream), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        *(np.exp, np.expm1, np.tanh, np.sin, np.cos, np.sinh, np.cosh, np.arctan, np.square, np.absolute),
        *(
            lambda x: np.log(1 + x * x),
            lambda x: np.log1p(x * x),
            lambda x: np.sqrt(1 + x**2),
            lambda x: 1 / (2 + x * x),
        ),
        *(lambda x: np.maximum(x, 0.3 * x), lambda x: np.minimum(x, -x), lambda x: np.where(x > 0.1, x * x, -x)),
        *(lambda x: np.reciprocal(2 + x * x), lambda x: 2.0**x, lambda x: x.max(-1, keepdims=True) - x),
        lambda x: np.exp(x - np.max(x, axis=-1, keepdims=True)) / np.sum(np.exp(x), axis=-1, keepdims=True),
    ],
)
def test_the_tape_derives_each_operation(function: Callable[..., Any]) -> None:
    assert register_layer("own_formula", function).agreement["x"] == pytest.approx(1)


def test_a_backward_pass_that_is_meant_to_be_another_one_is_compared() -> None:
    with refuses("own_step", "∂J/∂x", error=RunFailed):
        register_layer("own_step", step)
    assert register_layer("own_step", step, derivative=False).agreement == {"x": 0}
    with refuses("own_step"):
        register_layer("own_step", lambda x: (x, lambda upstream: upstream))

    def aligned(x: Any, W: Any) -> Any:  # feedback by a fixed matrix of ones
        return x @ W, lambda dz: (dz @ turned(0 * W + 1), turned(x) @ dz)

    agreement = register_layer("own_aligned", aligned, arrays={"W": "D H"}, derivative=False).agreement
    assert agreement["W"] == pytest.approx(1) and abs(agreement["x"]) < 0.9
    network = Network([2, {"name": "own_aligned", "units": 3}, "own_step", {"name": "own_aligned", "units": 1}])
    runs = [
        train(create_problem(network, np.eye(2), [0, 1]), max_steps=9, engine=name)
        for name in ("reference", "compiled")
    ]
    assert runs[1].state.theta == pytest.approx(runs[0].state.theta, rel=1e-12) and not runs[1].notes


def test_an_own_layer_may_share_parameters_and_take_earlier_values() -> None:
    register_layer("own_tied", lambda x, W: x @ np.swapaxes(W, -1, -2), shared={"W": "H D"})
    register_layer(
        "own_mean",
        lambda x, other, share: share * x + (1 - share) * other,
        earlier=["other"],
        parameters={"share": 0.25},
    )
    layers = [3, 4, "tanh", {"name": "own_tied", "W": "W1"}, {"name": "own_mean", "other": "x", "share": 0.5}, 3]
    problem = create_problem(Network(layers), np.eye(3), np.eye(3))
    assert check_problem(problem).ok and problem.network.parameters == 3 * 4 + 4 + 3 * 3 + 3


@pytest.mark.parametrize(
    ("function", "options", "sentence"),
    [
        (lambda x, W: (x @ W, lambda dz: (2 * dz @ turned(W), turned(x) @ dz)), {}, "is wrong: ∂J/∂x["),
        (lambda x, W: (x @ W, lambda dz: (dz @ turned(W), 1.001 * turned(x) @ dz)), {}, "is wrong: ∂J/∂W["),
        (lambda x, W: (x @ W, lambda dz: dz @ turned(W)), {}, "returns 1 array; return ∂J/∂x, ∂J/∂W, in this order"),
        (
            lambda x, W: (x @ W, lambda dz: (turned(x) @ dz, dz)),
            {},
            "gives ∂J/∂x the shape (2, 3, 4) for x of (2, 5, 3)",
        ),
        (lambda x, W: x @ W - (x @ W).mean(-2, keepdims=True), {}, "it may mix the units of a row, but no rows"),
        (lambda x, W: x @ W.T, {}, "use axes -1 and -2, and np.swapaxes(W, -1, -2) for Wᵀ"),
        (lambda x, W: x @ W + np.random.random(), {}, "is different from call to call"),
        (lambda x, W: np.cbrt(x @ W), {}, "no derived backward pass: it uses np.cbrt in line"),
        (lambda x, W: (x @ W).sum(-1), {}, "gives the shape (2, 5) for x of (2, 5, 3); give (2, 5, 4)"),
        (lambda x, W: x @ W / np.sum(x), {}, "it uses the sum over None, which is not counted from the last axis"),
        (lambda x, W: np.sort(x @ W, axis=-1), {}, "no derived backward pass: it uses np.sort in line"),
        (lambda x, W: 1 / 0, {}, "raised ZeroDivisionError: division by zero (test_custom_layers.py, line "),
        (lambda x, W: (x @ W, lambda dz: ()), {}, "returns 0 arrays"),
        (lambda x, W: x @ W * np.float64(1) * np.ones(1), {}, "because of np.float64(1.0) in line"),
        (lambda x, W: (x @ W) + (x * np.ones(1)).mean(-1, keepdims=True), {}, "because of an array of float64 in line"),
        (lambda x, W: np.maximum(x @ W, 0) + np.sqrt(3), {}, "because of np.float64(1.7320508075688772) in line"),
        (lambda x, W: x @ W, {"arrays": {"W": "D by H"}}, "has the shape 'D by H'; give two sizes, such as 'D H'"),
        (lambda x, W: x @ W, {"arrays": {"W": "D r"}}, "has the shape 'D r'; give two sizes"),
        (lambda x, W: x @ W, {"arrays": {"W": "D H/5"}}, "the layer 'own_bad': H/5 is no whole number"),
        (lambda x, W: x @ W, {"sizes": {"H": 2}}, "has a size called 'H'; give a name that is not D, H"),
        (lambda x, W: x @ W, {"sizes": {"r": 1.5}}, "the size 'r' of the layer 'own_bad' is 1.5; give a whole number"),
        (lambda x, P, P_: x @ P, {"arrays": {"W1": "D H", "W1_": "D H"}}, "takes two things of one name"),
        (lambda x, W: x @ W * (1.0 if x.ndim == W.ndim else 2.0), {}, "other values where all members share x"),
        (lambda x, W: x @ W, {"arrays": {"z": "D H"}}, "takes something called 'z'"),
        (lambda x, W: x @ W, {"arrays": {"W": ("D H", "0")}}, "starts at '0'; give a number"),
        (5, {}, "is given a int that cannot be called; give a function"),
    ],
)
def test_a_bad_declaration_gets_a_sentence(function: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((BadInput, RunFailed)) as refused:
        register_layer("own_bad", function, **{"arrays": {"W": "D H"}, **options})
    assert sentence in str(refused.value)
    assert "own_bad" not in registry.names("layer")


@pytest.mark.parametrize(
    "factor",
    [
        lambda count: count / count,
        lambda count: 1.0 if count > 0 else 2.0,
        lambda count: 1.0 if 0 < count else 2.0,
    ],
)
def test_a_layer_that_computes_with_the_number_of_rows_is_trained_by_the_reference_engine(factor: Any) -> None:
    def shifted(x: Any, b: Any) -> Any:
        return x + b * factor(x.shape[-2]), lambda dz: (dz, dz.sum(-2, keepdims=True))

    register_layer("own_shifted", shifted, arrays={"b": "1 D"})
    problem = create_problem(Network([2, "own_shifted", 2]), np.eye(2), np.eye(2), members=4)
    with pytest.warns(UserWarning, match="it computes with the number of rows in line"):
        assert train(problem, max_steps=3, engine="compiled").notes


def group_norm(x: Any, gamma: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Layer norm of each of four groups."""

    def in_groups(array: Any) -> Any:
        return array.reshape(*array.shape[:-1], 4, array.shape[-1] // 4)

    one = np.ones((1, 1), x.dtype)
    z, back, *_ = layer_norm(in_groups(x), one, 0 * one, epsilon=1e-5)

    def backward(dz: Any) -> tuple[Any, Any]:
        dx = back(in_groups(dz * gamma))[0].reshape(dz.shape)
        return dx, (dz * z.reshape(x.shape)).sum(-2, keepdims=True)

    return z.reshape(x.shape) * gamma, backward


SHAPES: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, Any], dict[str, tuple[int, int]]]] = {
    "low rank": (
        lambda x, P, Q: x @ P @ Q,
        {"arrays": {"P": "D r", "Q": "r H"}, "sizes": {"r": 2}},
        {"units": 6, "r": 3},
        {"P1": (8, 3), "Q1": (3, 6)},
    ),
    "one gate for all units": (
        lambda x, W, g: (x @ W) / (1 + np.exp(-(x @ g))),
        {"arrays": {"W": "D H", "g": "D 1"}},
        {"units": 6},
        {"W1": (8, 6), "g1": (8, 1)},
    ),
    "a number": (lambda x, scale: x * scale, {"arrays": {"scale": ("1 1", 1.0)}}, {}, {"scale1": (1, 1)}),
    "names with digits": (
        lambda x, C0, C1: x @ C0 + (x * x) @ C1,
        {"arrays": {"C0": "D H", "C1": "D H"}},
        {"units": 6},
        {"C0_1": (8, 6), "C1_1": (8, 6)},
    ),
    "half as many": (
        lambda x, P, Q: np.tanh(x @ P) @ Q,
        {"arrays": {"P": "D H/2", "Q": "H/2 H"}},
        {"units": 6},
        {"P1": (8, 3), "Q1": (3, 6)},
    ),
    "groups": (group_norm, {"arrays": {"gamma": ("1 D", 1.0)}}, {}, {"gamma1": (1, 8)}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_expressions_of_named_sizes(name: str) -> None:
    function, declared, place, shapes = SHAPES[name]
    register_layer("own_shaped", function, **declared)
    network = Network([8, {"name": "own_shaped", **place}, 2])
    problem = create_problem(network, np.eye(8), np.eye(8)[:, :2], members=3)
    arrays = train(problem, max_steps=3).parameters
    assert {key: arrays[key].shape[1:] for key in shapes} == shapes
    assert check_problem(problem).ok


def test_a_recipe_has_the_sizes_of_a_layer() -> None:
    function, declared, place, _ = SHAPES["low rank"]
    register_layer("own_shaped", function, **declared)
    given = {"name": "own_shaped", **place}
    assert describe_layer(given) == given
    assert describe_layer({"name": "own_shaped", "units": 6}) == {**given, "r": 2}


@pytest.mark.parametrize(
    ("name", "place", "sentence"),
    [
        ("low rank", {"units": 6, "r": 0}, "the size 'r' of 'own_shaped' is 0; give a whole number, 1 or more"),
        ("low rank", {"units": 6, "q": 2}, "has no parameter 'q'; its parameters: r"),
        ("half as many", {"units": 5}, "cannot have 10 inputs and 5 units: H/2 is no whole number"),
        ("groups", {}, "with these sizes the layer 'own_shaped' (h1) raised ValueError: cannot reshape array"),
    ],
)
def test_a_network_refuses_sizes_that_a_layer_cannot_take(name: str, place: dict[str, Any], sentence: str) -> None:
    function, declared, *_ = SHAPES[name]
    register_layer("own_shaped", function, **declared)
    with pytest.raises(BadInput) as refused:
        Network([10, {"name": "own_shaped", **place}, 2])
    assert sentence in str(refused.value)


def test_a_layer_has_no_name_of_an_activation() -> None:
    with refuses("relu"):
        register_layer("relu", lambda x: x)


def leaky(z: Any, slope: Any) -> Any:
    return np.where(z > 0, z, slope * z)


SLOPES = np.array([0.01, 0.1, 0.5, 1.0])


def population_of_slopes(engine: str) -> Any:
    register_layer("own_leaky", leaky, arrays={"slope": ("1 D", 0.01)})
    x = np.random.default_rng(0).normal(size=(20, 3))
    options = {"learning_rate": 0.1, "seeds": range(4), "optimizer": "adam"}
    network = Network([3, 8, "own_leaky", 5, "own_leaky", 1])
    problem = create_problem(network, x, np.sin(x[:, :1]), learning_rate_factors={"slope": 0}, **options)
    start = {f"slope{n}": np.tile(SLOPES[:, None, None], (1, 1, units)) for n, units in ((1, 8), (2, 5))}
    return train(problem, start=start, max_steps=60, engine=engine)


@pytest.mark.parametrize(
    ("engine", "tolerance"), [("reference", 0), pytest.param("compiled", 1e-12, marks=pytest.mark.slow)]
)
def test_members_may_differ_in_a_number_of_a_layer(engine: str, tolerance: float) -> None:
    """An array that is never updated: each member is as one with the built-in activation of its slope."""
    together = population_of_slopes(engine)
    assert together.notes == ()
    problem = together.problem
    for member, slope in enumerate(SLOPES.tolist()):
        network = Network([3, 8, 5, 1], {"name": "leaky_relu", "slope": slope})
        options = {"learning_rate": 0.1, "seeds": [member], "optimizer": "adam"}
        alone = train(create_problem(network, problem.x, problem.y, **options), max_steps=60, engine=engine)
        for name, array in alone.parameters.items():
            assert np.allclose(together.parameters[name][member], array[0], rtol=0, atol=tolerance), name
        assert np.allclose(together.outputs(problem.x)[member], alone.outputs(problem.x)[0], rtol=0, atol=tolerance)
        assert set(together.take([member]).parameters["slope1"].ravel().tolist()) == {slope}


def test_one_member_is_explained_with_its_own_number() -> None:
    run = population_of_slopes("reference")
    problem, end = run.problem.take([2]), run.take([2]).state
    explained = explain_update(problem, end)
    x = problem.x
    z = x @ run.parameters["W1"][2] + run.parameters["b1"][2]
    assert np.allclose(explained["h1"], np.where(z > 0, z, 0.5 * z), rtol=0, atol=1e-14)
