from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

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
    ("kind", "name", "meant"),
    [
        ("activation", "sigmoyd", "sigmoid"),
        ("loss", "crossentropy", "cross_entropy"),
        ("penalty", "L2", "l2"),
        ("optimizer", "ADAM", "adam"),
        ("schedule", "cosin", "cosine"),
        ("initializer", "glorot", "glorot_normal"),
    ],
)
def test_unknown_name_suggests_the_nearest(kind: str, name: str, meant: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind](name)
    assert str(refused.value) == f"there is no {kind} '{name}'; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "known"),
    [
        ("activation", "elu", "slope", "alpha"),
        ("penalty", "l2", "strength", "none"),
        ("optimizer", "adam", "momentum", "beta1, beta2, epsilon"),
        ("schedule", "constant", "every", "per"),
        ("initializer", "zeros", "std", "biases"),
    ],
)
def test_unknown_parameter_lists_known_ones(kind: str, name: str, wrong: str, known: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind]({"name": name, wrong: 1})
    assert str(refused.value) == f"the {kind} '{name}' has no parameter '{wrong}'; its parameters: {known}"


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
    with pytest.raises(BadInput, match=f"^the parameter '{key}' of the {kind} '{name}' is .*; give .*number"):
        KINDS[kind]({"name": name, key: value})


def test_optimizer_parameters_may_differ_by_member() -> None:
    assert registry.optimizer({"name": "momentum", "momentum": np.array([0.5, 0.9])}).parameters["momentum"] == [
        0.5,
        0.9,
    ]
    assert registry.schedule({"name": "step", "every": [1, 2]}).parameters["every"] == [1, 2]
    with pytest.raises(
        BadInput, match="^the parameter 'momentum' of the optimizer 'momentum' is nan; give a number from"
    ):
        registry.optimizer({"name": "momentum", "momentum": [0.5, float("nan")]})


@pytest.mark.parametrize(
    ("kind", "name", "key", "wrong", "allowed"),
    [
        ("loss", "huber", "delta", 0, "a number above 0"),
        ("loss", "quantile", "quantile", 1, "a number between 0 and 1"),
        ("initializer", "normal", "std", -0.1, "a number of 0 or more"),
        ("optimizer", "momentum", "momentum", 1, "a number from 0 to under 1"),
        ("optimizer", "rprop", "decrease", 0, "a number above 0, up to 1"),
        ("schedule", "step", "every", 0, "a number of 1 or more"),
        ("schedule", "squaring", "at_start", 2, "0 or 1"),
        ("schedule", "linear_ramp", "steps", 1, "a number of 2 or more"),
    ],
)
def test_parameter_outside_its_range_is_refused(kind: str, name: str, key: str, wrong: float, allowed: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind]({"name": name, key: wrong})
    assert str(refused.value) == f"the parameter '{key}' of the {kind} '{name}' is {wrong!r}; give {allowed}"


def test_a_schedule_counts_steps_or_epochs() -> None:
    assert registry.schedule("step").per == "step"
    assert registry.schedule({"name": "step", "per": "epoch"}).per == "epoch"
    assert registry.describe_formula(registry.schedule({"name": "constant", "per": "epoch"})) == {
        "name": "constant",
        "per": "epoch",
    }
    with pytest.raises(BadInput) as refused:
        registry.schedule({"name": "step", "per": "day"})
    assert str(refused.value) == "per of the schedule 'step' is 'day'; give \"step\" or \"epoch\""


def test_custom_formula_can_be_removed(own: str) -> None:
    assert registry.activation(own).function is TANH.function
    assert own in registry.names("activation")
    registry.remove("activation", own)
    with pytest.raises(BadInput, match="did you mean 'tanh'"):
        registry.activation(own)


def test_no_name_is_given_twice(own: str) -> None:
    with pytest.raises(BadInput) as refused:
        registry.add("activation", TANH)
    assert str(refused.value) == "the activation 'tanh' exists already; choose another name"
    before = registry.activation(own)
    for other in ({"function": lambda z: TANH.function(z)}, {"range": "unit"}, {"parameters": {"slope": 0.1}}):
        with pytest.raises(BadInput) as refused:
            registry.add("activation", replace(before, **other))
        way_out = f'choose another name, or take that one away first: unregister("activation", "{own}")'
        assert str(refused.value) == f"the activation '{own}' of your own exists already; {way_out}"
        assert registry.activation(own) is before


@pytest.mark.parametrize("name", ["tanh", "no_such", None, ["tanh"]])
def test_built_in_formulas_cannot_be_removed(name: Any) -> None:
    with pytest.raises(BadInput) as refused:
        registry.remove("activation", name)
    assert str(refused.value) == f"{name!r} is no activation of your own; only those can be removed"
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
