"""What the letters on the page about dense layers stand for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from blackboard import Values
from derivatives import gradient, jacobian, symbols

from deltarule.maths.layers import dense, scaling
from deltarule.maths.network import backward, forward
from deltarule.problem.network import Network


def layer() -> Iterator[Values]:
    """A layer in front of the objective Σ upstream · z: from the code, by the complex step, on symbols."""
    generator = np.random.default_rng(0)
    x, W, b, upstream = (generator.normal(size=size) for size in ((17, 5), (5, 7), (1, 7), (17, 7)))
    z, back = dense(x, W, b)
    yield named(x, W, b, z, upstream, *back(upstream))
    yield named(
        *(x, W, b, z, upstream),
        jacobian(lambda x: (upstream * (x @ W + b)).sum(), x),
        jacobian(lambda W: (upstream * (x @ W + b)).sum(), W),
        jacobian(lambda b: (upstream * (x @ W + b)).sum(), b),
    )
    x, W, b, upstream = symbols("x", 2, 3), symbols("W", 3, 2), symbols("b", 1, 2), symbols("u", 2, 2)
    z, _ = dense(x, W, b)
    J = (upstream * z).sum()
    yield named(x, W, b, z, upstream, *(gradient(J, array) for array in (x, W, b)))


def named(x: Any, W: Any, b: Any, z: Any, upstream: Any, dx: Any, dW: Any, db: Any) -> Values:
    """These arrays by the names of the page."""
    names = {"x": x, "W": W, "b": b, "z": z, "∂J/∂z": upstream, "∂J/∂x": dx, "∂J/∂W": dW, "∂J/∂b": db}
    return Values(names, {"n": len(x), "d": len(W), "h": b.shape[-1]})


def scaled() -> Iterator[Values]:
    """Scaled inputs in front of a layer and the objective Σ upstream · z: from the code, and by the complex step."""
    generator = np.random.default_rng(2)
    x, s, W, upstream = (generator.normal(size=size) for size in ((6, 4), (1, 4), (4, 3), (6, 3)))
    u, back = scaling(x, s)
    du, A = upstream @ W.T, x.T @ upstream
    by_step = (
        jacobian(lambda x: (upstream * ((x * s) @ W)).sum(), x),
        jacobian(lambda s: (upstream * ((x * s) @ W)).sum(), s),
    )
    for dx, ds in (back(du), by_step):
        names = {"x": x, "s": s[0], "u": u, "W": W, "A": A, "∂J/∂u": du, "∂J/∂x": dx, "∂J/∂s": ds[0]}
        yield Values(names, {"n": 6, "d": 4, "h": 3})


def two_layers() -> Iterator[Values]:
    """Two layers with tanh between them, δ of each taken by the complex step from its pre-activations on."""
    generator = np.random.default_rng(1)
    x, W1, b1, W2, b2, upstream = (
        generator.normal(size=size) for size in ((6, 4), (4, 5), (1, 5), (5, 3), (1, 3), (6, 3))
    )
    tape, _ = forward(Network([4, 5, 3], "tanh").layers, {"W1": W1, "b1": b1, "W2": W2, "b2": b2}, x, {})
    z1, a1, _ = (taped.value for taped in tape)
    found = backward(tape, upstream)
    yield Values(
        {
            "x": x,
            "W^2": W2,
            "z^1": z1,
            "a^1": a1,
            "δ^1": jacobian(lambda z1: (upstream * (np.tanh(z1) @ W2 + b2)).sum(), z1),
            "δ^2": upstream,
            "f'": lambda z: 1 / np.cosh(z) ** 2,
            "∂J/∂W^1": found["W1"],
            "∂J/∂W^2": found["W2"],
        }
    )


VALUES = {
    "Forward": layer,
    "Backward, entry by entry": layer,
    "Backward, as matrices": layer,
    "Scaling layer": scaled,
    "From layer to layer": two_layers,
}
