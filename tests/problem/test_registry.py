from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
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
BY_KIND = pytest.mark.parametrize("kind", KINDS)
ALL = [(kind, name) for kind in KINDS for name in registry.names(kind)]


@pytest.fixture
def own() -> Iterator[str]:
    registry.add("activation", replace(TANH, name="my_tanh"))
    yield "my_tanh"
    if "my_tanh" in registry.names("activation"):
        registry.remove("activation", "my_tanh")


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_name_a_table_and_the_formula_itself_mean_the_same(kind: str, name: str) -> None:
    found = KINDS[kind](name)
    assert found.name == name
    assert KINDS[kind](found) is found
    assert KINDS[kind]({"name": name}) == found
    assert KINDS[kind](registry.describe_formula(found)) == found


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_parameter_can_be_given_and_its_default_is_allowed(kind: str, name: str) -> None:
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
        ("activation", "ReLU", "relu"),
        ("activation", "leakyrelu", "leaky_relu"),
        ("loss", "crossentropy", "cross_entropy"),
        ("loss", "huber_loss", "huber"),
        ("penalty", "L2", "l2"),
        ("optimizer", "ADAM", "adam"),
        ("optimizer", "nesterow", "nesterov"),
        ("schedule", "cosin", "cosine"),
        ("initializer", "glorot", "glorot_normal"),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest(kind: str, name: str, meant: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind](name)
    assert str(refused.value) == f"there is no {kind} '{name}'; did you mean '{meant}'?"


@BY_KIND
def test_a_name_unlike_all_others_is_reported_with_all(kind: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind]("qqqqqqqqqq")
    assert str(refused.value) == f"there is no {kind} 'qqqqqqqqqq'; there are: {', '.join(registry.names(kind))}"


@BY_KIND
@pytest.mark.parametrize("given", [None, 3, True, ["relu"], {"slope": 1}, {"name": 3}, {}, b"relu"])
def test_what_is_neither_name_nor_table_is_refused(kind: str, given: object) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind](given)  # type: ignore[operator]
    assert str(refused.value) == f"the {kind} is {given!r}; give its name, or a table with its name and parameters"


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "known"),
    [
        ("activation", "elu", "slope", "alpha"),
        ("activation", "relu", "slope", "none"),
        ("penalty", "l2", "strength", "none"),
        ("optimizer", "adam", "momentum", "beta1, beta2, epsilon"),
        ("schedule", "squaring", "factor", "every, at_start, per"),
        ("schedule", "constant", "every", "per"),
        ("initializer", "zeros", "std", "biases"),
    ],
)
def test_an_unknown_parameter_is_reported_with_the_known_ones(kind: str, name: str, wrong: str, known: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind]({"name": name, wrong: 1})
    assert str(refused.value) == f"the {kind} '{name}' has no parameter '{wrong}'; its parameters: {known}"


NO_NUMBERS = [float("nan"), float("inf"), -float("inf"), "0.1", None, True, 1j, [[0.1]], {}, 10**400, Fraction(1, 2)]


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
def test_a_parameter_is_a_finite_number(kind: str, name: str, key: str, value: object) -> None:
    with pytest.raises(BadInput, match=f"^the parameter '{key}' of the {kind} '{name}' is .*; give .*number"):
        KINDS[kind]({"name": name, key: value})


@pytest.mark.parametrize(("kind", "name", "key"), [("activation", "elu", "alpha"), ("loss", "huber", "delta")])
def test_a_parameter_of_the_formulas_shape_is_one_for_all_members(kind: str, name: str, key: str) -> None:
    for several in ([1.0, 2.0], (1.0, 2.0), np.array([1.0, 2.0])):
        with pytest.raises(
            BadInput, match=f"^the parameter '{key}' of the {kind} '{name}' is .*; give one number, for"
        ):
            KINDS[kind]({"name": name, key: several})


def test_parameters_of_optimizers_and_schedules_may_be_one_a_member() -> None:
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
        ("loss", "quantile", "quantile", 0, "a number between 0 and 1"),
        ("loss", "quantile", "quantile", 1, "a number between 0 and 1"),
        ("loss", "naive_binary_cross_entropy", "epsilon", -1, "a number of 0 or more"),
        ("initializer", "normal", "std", -0.1, "a number of 0 or more"),
        ("initializer", "uniform", "range", -0.1, "a number of 0 or more"),
        ("optimizer", "momentum", "momentum", 1, "a number from 0 to under 1"),
        ("optimizer", "nesterov", "momentum", -0.1, "a number from 0 to under 1"),
        ("optimizer", "rmsprop", "decay", 1, "a number from 0 to under 1"),
        ("optimizer", "adam", "beta1", 1.5, "a number from 0 to under 1"),
        ("optimizer", "adamw", "beta2", 1, "a number from 0 to under 1"),
        ("optimizer", "adamw", "weight_decay", -1, "a number of 0 or more"),
        ("optimizer", "adagrad", "epsilon", -1, "a number of 0 or more"),
        ("optimizer", "rprop", "increase", 0.9, "a number of 1 or more"),
        ("optimizer", "rprop", "decrease", 0, "a number above 0, up to 1"),
        ("optimizer", "rprop", "largest", 0, "a number above 0"),
        ("schedule", "step", "every", 0, "a number of 1 or more"),
        ("schedule", "step", "factor", -0.5, "a number above 0"),
        ("schedule", "exponential", "factor", 0, "a number above 0"),
        ("schedule", "inverse_scaling", "power", -1, "a number of 0 or more"),
        ("schedule", "adaptive", "divide", 0.5, "a number of 1 or more"),
        ("schedule", "adaptive", "patience", 0, "a number of 1 or more"),
        ("schedule", "squaring", "every", -5, "a number of 1 or more"),
        ("schedule", "squaring", "at_start", 2, "0 or 1"),
        ("schedule", "cosine", "steps", 0, "a number of 1 or more"),
        ("schedule", "cosine", "lowest", -0.1, "a number of 0 or more"),
        ("schedule", "cosine", "warm_up", -1, "a number of 0 or more"),
        ("schedule", "warm_up", "steps", -1, "a number of 0 or more"),
        ("schedule", "linear_ramp", "steps", 1, "a number of 2 or more"),
        ("schedule", "exponential_ramp", "highest", 0, "a number above 0"),
    ],
)
def test_a_parameter_outside_its_range_is_refused(kind: str, name: str, key: str, wrong: float, allowed: str) -> None:
    with pytest.raises(BadInput) as refused:
        KINDS[kind]({"name": name, key: wrong})
    assert str(refused.value) == f"the parameter '{key}' of the {kind} '{name}' is {wrong!r}; give {allowed}"


def test_at_start_of_squaring_may_be_a_boolean() -> None:
    assert registry.schedule({"name": "squaring", "at_start": True}).parameters["at_start"] == 1


def test_a_schedule_counts_steps_or_epochs() -> None:
    assert registry.schedule("step").per == "step"
    assert registry.schedule({"name": "step", "per": "epoch"}).per == "epoch"
    assert registry.describe_formula(registry.schedule({"name": "constant", "per": "epoch"})) == {
        "name": "constant",
        "per": "epoch",
    }
    with pytest.raises(BadInput) as refused:
        registry.schedule({"name": "step", "per": "day"})
    assert str(refused.value) == 'a schedule counts per \'day\'; give "step" or "epoch"'


def test_biases_start_at_zeros_or_by_the_law() -> None:
    assert registry.initializer({"name": "normal", "biases": "same"}).biases == "same"
    with pytest.raises(BadInput) as refused:
        registry.initializer({"name": "normal", "biases": "ones"})
    assert str(refused.value) == 'initial biases are \'ones\'; give "zeros" or "same" (by the law of the weights)'


def test_a_custom_formula_is_found_by_name_until_it_is_removed(own: str) -> None:
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


def test_the_very_same_formula_may_be_given_its_name_again(own: str) -> None:
    before = registry.activation(own)
    registry.add("activation", replace(before))
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


def test_the_digest_of_a_custom_formula_depends_on_what_it_computes(own: str) -> None:
    mine, relu = registry.custom_formula("activation", own), registry.activation("relu")
    again = replace(relu, name="relu", derivative=TANH.derivative)
    other = replace(relu, name=own)
    digests = {registry.own_digest(one) for one in (mine, other, again)}
    assert len(digests) == 3 and None not in digests
    assert registry.own_digest(replace(mine, kinks=(1.0,), range="unit")) == registry.own_digest(mine)


def test_formulas_of_another_process_replace_those_of_the_same_name(own: str) -> None:
    relu = replace(registry.activation("relu"), name=own)
    registry.take_over({("activation", own): relu})
    assert registry.activation(own) is relu
