"""Which arrays are the gradient in what a function returned, whatever stands beside them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule import BadInput, check_gradient
from deltarule.checking.user_code.arrays import flatten
from deltarule.checking.user_code.gradient_arrays import gradient_arrays

PARAMS = {"W1": np.ones((2, 3)), "b1": np.zeros(3), "W2": np.ones((3, 1)), "b2": np.zeros(1)}
GIVEN = flatten(PARAMS)
GRADIENT = {f"d{name}": np.random.default_rng(0).normal(size=one.shape) for name, one in PARAMS.items()}
OTHERS = {"dz1": np.ones((5, 3)), "dA1": np.ones((5, 3)), "dA0": np.ones((5, 2)), "grad_x": np.ones((5, 2))}
CACHE = {"Z1": np.ones((5, 3)), "A1": np.ones((5, 3)), **PARAMS}


def assert_same(found: list[Any], wanted: dict[str, Any]) -> None:
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted.values(), strict=True))


@given(st.permutations([*GRADIENT, *OTHERS]), st.sampled_from([PARAMS, list(PARAMS.items())]))
def test_gradients_of_other_values_are_ignored(order: list[str], params: Any) -> None:
    given = GIVEN if params is PARAMS else flatten([one for _, one in params], item_names=list(PARAMS))
    returned = {name: (GRADIENT | OTHERS)[name] for name in order}
    assert_same(gradient_arrays(returned, given, "gradient"), GRADIENT)
    plain = {name.removeprefix("d") if name in GRADIENT else name: one for name, one in returned.items()}
    assert_same(gradient_arrays(plain, given, "gradient"), GRADIENT)


def test_forward_cache_is_no_gradient() -> None:
    assert_same(gradient_arrays((CACHE, GRADIENT), GIVEN, "gradient"), GRADIENT)
    with refuses("Z1", "parameter"):
        gradient_arrays(CACHE, GIVEN, "gradient")


def test_gradients_beside_parameters() -> None:
    for returned in ({**PARAMS, **GRADIENT}, {**GRADIENT, **PARAMS}):
        assert_same(gradient_arrays(returned, GIVEN, "gradient"), GRADIENT)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (1, 2, 1)])
def test_nested_lists_are_gradients(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(size=shape)
    one, other = flatten(values), flatten({"w": values, "b": np.zeros(1)})
    assert_same(gradient_arrays(values.tolist(), one, "gradient"), {"w": values})
    assert_same(gradient_arrays((0.5, values.tolist()), one, "gradient"), {"w": values})
    assert_same(gradient_arrays({"dw": values.tolist(), "db": [1.0]}, other, "gradient"), {"w": values, "b": [1.0]})


def test_gradient_beside_others() -> None:
    x = np.random.default_rng(2).normal(size=(5, 2))

    def both(w: Any) -> Any:
        z = x @ w["W"]
        return (z**2).sum(), {"dz": 2 * z, "dW": (2 * x.T @ z).tolist()}

    assert check_gradient(both, None, {"W": np.array([[0.5], [1.0]])}).ok


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loss", "cost", "J"])
def test_dictionary_with_loss_and_gradients(name: str) -> None:
    def flat(w: Any) -> Any:
        return {name: (w["W"] ** 2).sum(), "dW": 2 * w["W"], "dz": np.ones(3)}

    def nested(w: Any) -> Any:
        return {"cache": w, name: (w["W"] ** 2).sum(), "grads": {"W": 2 * w["W"]}}

    params = {"W": np.array([0.5, -1.0])}
    assert check_gradient(flat, None, params).ok and check_gradient(nested, None, params).ok
    assert check_gradient(lambda W: {name: (W**2).sum(), "gradient": 2 * W}, None, [params["W"]]).ok
    wrong = check_gradient(lambda w: {**flat(w), "dW": w["W"]}, None, params)
    assert [mistake.code for mistake in wrong.diagnosis] == ["factor_two"]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"value": 1.0, "dW": np.ones(2)}, "a dictionary of value, dW; give the loss in it the name 'loss', 'cost' or"),
        ({"loss": np.ones(2), "dW": np.ones(2)}, r"an array of shape \(2,\); a loss is one number"),
        ({"loss": 1.0}, "no gradient beside the loss"),
        ({"loss": 1.0, "other": np.ones(2)}, "lacks the gradient of W; give one"),
    ],
)
def test_dictionary_without_loss_is_refused(result: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check_gradient(lambda w: result, None, {"W": np.ones(2)})
