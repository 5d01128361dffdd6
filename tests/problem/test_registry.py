from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.maths.activations import TANH
from deltarule.problem import registry

KINDS = {
    "activation": registry.activation,
    "loss": registry.loss,
    "penalty": registry.penalty,
    "optimizer": registry.optimizer,
    "schedule": registry.schedule,
    "initializer": registry.initializer,
}
ALL = [(kind, name) for kind in KINDS for name in registry.names(kind)]


@pytest.fixture
def own() -> Iterator[str]:
    registry.add("activation", replace(TANH, name="my_tanh"))
    yield "my_tanh"
    if "my_tanh" in registry.names("activation"):
        registry.remove("activation", "my_tanh")


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_name_table_and_formula_are_equivalent(kind: str, name: str) -> None:
    found = KINDS[kind](name)
    assert found.name == name
    assert KINDS[kind](found) is found
    assert KINDS[kind]({"name": name}) == found
    assert KINDS[kind](registry.describe_formula(found)) == found


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_defaults_are_allowed(kind: str, name: str) -> None:
    found = KINDS[kind](name)
    for key, default in getattr(found, "parameters", {}).items():
        again = KINDS[kind]({"name": name, key: np.float64(default)})
        assert again.parameters == found.parameters
        assert type(again.parameters[key]) is float  # a NumPy number would make float64 of a float32 formula
        assert registry.describe_formula(again)["name"] == name  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("loss", "crossentropy", "there is no loss 'crossentropy'; did you mean 'cross_entropy'?"),
        ("penalty", "L2", "there is no penalty 'L2'; did you mean 'l2'?"),
        ("optimizer", "ADAM", "there is no optimizer 'ADAM'; did you mean 'adam'?"),
        ("initializer", "glorot", "there is no initializer 'glorot'; did you mean 'glorot_normal'?"),
        ("activation", {"name": "elu", "slope": 1}, "activation 'elu' has no parameter 'slope'; its parameters: alpha"),
        ("penalty", {"name": "l2", "strength": 1}, "penalty 'l2' has no parameter 'strength'; its parameters: none"),
        ("schedule", {"name": "constant", "every": 1}, "'constant' has no parameter 'every'; its parameters: per"),
        ("initializer", {"name": "zeros", "std": 1}, "'zeros' has no parameter 'std'; its parameters: biases"),
        ("schedule", {"name": "step", "per": "day"}, "per of the schedule 'step' is 'day'; give \"step\" or \"epoch\""),
        ("loss", {"name": "huber", "delta": 0}, "'huber' is 0; give a number above 0"),
        ("loss", {"name": "quantile", "quantile": 1}, "'quantile' is 1; give a number between 0 and 1"),
        ("initializer", {"name": "normal", "std": -0.1}, "'normal' is -0.1; give a number of 0 or more"),
        ("optimizer", {"name": "momentum", "momentum": 1}, "'momentum' is 1; give a number from 0 to under 1"),
        ("optimizer", {"name": "momentum", "momentum": [0.5, float("nan")]}, "'momentum' is nan; give a number from"),
        ("optimizer", {"name": "rprop", "decrease": 0}, "'rprop' is 0; give a number above 0, up to 1"),
        ("schedule", {"name": "step", "every": 0}, "'step' is 0; give a number of 1 or more"),
        ("schedule", {"name": "squaring", "at_start": 2}, "'squaring' is 2; give 0 or 1"),
        ("schedule", {"name": "linear_ramp", "steps": 1}, "'linear_ramp' is 1; give a number of 2 or more"),
    ],
)
def test_wrong_formula_is_refused(kind: str, given: Any, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind](given)
    assert told in str(refused.value)


NO_NUMBERS = [float("nan"), float("inf"), "0.1", None, True, [[0.1]], 10**400]


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("activation", "leaky_relu", "slope"),
        ("loss", "huber", "delta"),
        ("optimizer", "adam", "beta1"),
        ("schedule", "step", "every"),
        ("initializer", "normal", "std"),
    ],
)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_parameter_is_a_finite_number(kind: str, name: str, key: str, value: object) -> None:
    with refuses(key, kind, name):
        KINDS[kind]({"name": name, key: value})


def test_optimizer_parameters_may_differ_by_member() -> None:
    momentum = registry.optimizer({"name": "momentum", "momentum": np.array([0.5, 0.9])})
    assert momentum.parameters["momentum"] == [0.5, 0.9]
    assert registry.schedule({"name": "step", "every": [1, 2]}).parameters["every"] == [1, 2]


def test_a_schedule_counts_steps_or_epochs() -> None:
    assert registry.schedule("step").per == "step"
    assert registry.schedule({"name": "step", "per": "epoch"}).per == "epoch"
    assert registry.describe_formula(registry.schedule({"name": "constant", "per": "epoch"})) == {
        "name": "constant",
        "per": "epoch",
    }


def test_custom_formula_can_be_removed(own: str) -> None:
    assert registry.activation(own).function is TANH.function
    assert own in registry.names("activation")
    registry.remove("activation", own)
    with refuses("tanh"):
        registry.activation(own)


def test_no_name_is_given_twice(own: str) -> None:
    with refuses("tanh"):
        registry.add("activation", TANH)
    before = registry.activation(own)
    for other in ({"function": lambda z: TANH.function(z)}, {"range": "unit"}, {"parameters": {"slope": 0.1}}):
        with refuses(f'unregister("activation", "{own}")'):
            registry.add("activation", replace(before, **other))
        assert registry.activation(own) is before


@pytest.mark.parametrize("name", ["tanh", "no_such", None, ["tanh"]])
def test_built_in_formulas_cannot_be_removed(name: Any) -> None:
    with refuses(repr(name)):
        registry.remove("activation", name)
    assert "tanh" in registry.names("activation")


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_built_in_formulas_have_no_digest(kind: str, name: str) -> None:
    found = KINDS[kind](name)
    assert registry.own_digest(found) is None
    assert registry.custom_formula(kind, name) is None
    changed = {"momentum": 0.5} if "momentum" in getattr(found, "parameters", {}) else {}
    assert registry.own_digest(KINDS[kind]({"name": name, **changed})) is None


def test_digest_depends_on_the_computation(own: str) -> None:
    mine, relu = registry.custom_formula("activation", own), registry.activation("relu")
    again = replace(relu, name="relu", derivative=TANH.derivative)
    other = replace(relu, name=own)
    digests = {registry.own_digest(one) for one in (mine, other, again)}
    assert len(digests) == 3 and None not in digests
    assert registry.own_digest(replace(mine, kinks=(1.0,), range="unit")) == registry.own_digest(mine)


def test_a_digest_is_that_of_the_operations_however_they_are_written() -> None:
    def scaled(c: float) -> Any:
        return lambda z: [c * np.tanh(z + 0 * z) for _ in range(1)][0]

    of_rows = lambda z: z - z.max(-1, keepdims=True), lambda z: z + z.max(-1, keepdims=True)
    written = lambda z: 0.3 * np.tanh(z + 0 * z), scaled(0.3), scaled(0.4), *of_rows
    first, same, other, *untraced = (registry.own_digest(replace(TANH, function=function)) for function in written)
    assert first == same != other
    assert len({first, other, *untraced}) == 4, "what cannot be traced counts with its code"
