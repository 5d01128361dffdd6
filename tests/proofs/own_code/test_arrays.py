"""Which arrays are the gradient in what a function returned, whatever stands beside them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule import BadInput, check_gradient
from deltarule.proofs.own_code.arrays import gradient_arrays, taken_apart

PARAMS = {"W1": np.ones((2, 3)), "b1": np.zeros(3), "W2": np.ones((3, 1)), "b2": np.zeros(1)}
GIVEN = taken_apart(PARAMS)
GRADIENT = {f"d{name}": np.random.default_rng(0).normal(size=one.shape) for name, one in PARAMS.items()}
OTHERS = {"dz1": np.ones((5, 3)), "dA1": np.ones((5, 3)), "dA0": np.ones((5, 2)), "grad_x": np.ones((5, 2))}
CACHE = {"Z1": np.ones((5, 3)), "A1": np.ones((5, 3)), **PARAMS}


def assert_same(found: list[Any], wanted: dict[str, Any]) -> None:
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted.values(), strict=True))


@given(st.permutations([*GRADIENT, *OTHERS]), st.sampled_from([PARAMS, list(PARAMS.items())]))
def test_gradients_of_other_values_are_left_out(order: list[str], params: Any) -> None:
    given = GIVEN if params is PARAMS else taken_apart([one for _, one in params], names=list(PARAMS))
    returned = {name: (GRADIENT | OTHERS)[name] for name in order}
    assert_same(gradient_arrays(returned, given, "gradient"), GRADIENT)
    plain = {name.removeprefix("d") if name in GRADIENT else name: one for name, one in returned.items()}
    assert_same(gradient_arrays(plain, given, "gradient"), GRADIENT)


def test_a_cache_of_the_way_forward_is_no_gradient() -> None:
    assert_same(gradient_arrays((CACHE, GRADIENT), GIVEN, "gradient"), GRADIENT)
    with pytest.raises(BadInput, match="has a gradient 'Z1', and there is no such parameter; there are: W1, b1"):
        gradient_arrays(CACHE, GIVEN, "gradient")


def test_what_is_missing_is_told_with_what_is_there_instead() -> None:
    short = {name: one for name, one in (GRADIENT | OTHERS).items() if name != "db1"}
    with pytest.raises(BadInput, match="lacks the gradient of b1, and has 'dz1', which is that of no parameter; give"):
        gradient_arrays(short, GIVEN, "gradient")


@pytest.mark.parametrize("shape", [(2,), (2, 3), (1, 2, 1)])
def test_nested_lists_of_a_parameters_shape_are_its_gradient(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(size=shape)
    one, other = taken_apart(values), taken_apart({"w": values, "b": np.zeros(1)})
    assert_same(gradient_arrays(values.tolist(), one, "gradient"), {"w": values})
    assert_same(gradient_arrays((0.5, values.tolist()), one, "gradient"), {"w": values})
    assert_same(gradient_arrays({"dw": values.tolist(), "db": [1.0]}, other, "gradient"), {"w": values, "b": [1.0]})


@pytest.mark.parametrize("lists", [[[1.0], [1.0, 2.0]], [[1.0, 2.0, 3.0]], ["a", "b"]])
def test_lists_of_another_shape_are_refused(lists: Any) -> None:
    with pytest.raises(BadInput, match="as the gradient of w; give"):
        gradient_arrays({"dw": lists}, taken_apart({"w": np.ones(2)}), "gradient")


def test_a_gradient_with_others_beside_is_checked() -> None:
    x = np.random.default_rng(2).normal(size=(5, 2))

    def both(w: Any) -> Any:
        z = x @ w["W"]
        return (z**2).sum(), {"dz": 2 * z, "dW": (2 * x.T @ z).tolist()}

    assert check_gradient(both, None, {"W": np.array([[0.5], [1.0]])}).ok
