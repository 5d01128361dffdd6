"""Parameters that are tensors of PyTorch or arrays of JAX, in every form in which functions take them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from deltarule import check_gradient

DRAWS = np.random.default_rng(3)
X, Y = DRAWS.normal(size=(6, 2)), DRAWS.normal(size=6)
START = {"w": [0.5, -1.0], "b": 0.25}
LIBRARIES: dict[str, Any] = {
    "torch": lambda value: torch.tensor(value, dtype=torch.float64, requires_grad=True),
    "jax": jnp.asarray,
}


def residuals(w: Any, b: Any) -> Any:
    x, y = (torch.tensor(X), torch.tensor(Y)) if isinstance(w, torch.Tensor) else (jnp.asarray(X), jnp.asarray(Y))
    assert type(w) is type(b)
    return x, x @ w + b - y


def loss(p: Any) -> Any:
    return (residuals(p["w"], p["b"])[1] ** 2).sum()


def gradient(p: Any) -> Any:
    x, error = residuals(p["w"], p["b"])
    return {"w": 2 * x.T @ error, "b": 2 * error.sum()}


@pytest.mark.parametrize("library", LIBRARIES)
def test_parameters_may_be_tensors(library: str) -> None:
    params = {name: LIBRARIES[library](value) for name, value in START.items()}
    assert check_gradient(loss, gradient, params).ok
    wrong = check_gradient(loss, lambda p: {**gradient(p), "w": -gradient(p)["w"]}, params)
    assert [array.verdict for array in wrong.arrays] == ["wrong", "right"]
    assert wrong.diagnosis[0].code == "sign"
    assert all(np.allclose(params[name].tolist(), START[name]) for name in START)


def test_gradients_of_autograd_are_right() -> None:
    params = {name: LIBRARIES["torch"](value) for name, value in START.items()}

    def gradient_of(p: Any) -> Any:
        return dict(zip(p, torch.autograd.grad(loss(p), list(p.values())), strict=True))

    assert check_gradient(loss, gradient_of, params).ok
    assert check_gradient(loss, jax.grad(loss), {name: jnp.asarray(value) for name, value in START.items()}).ok
