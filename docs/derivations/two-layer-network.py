"""What the letters on the page about the two-layer network stand for. Samples are columns here, as in the report.

N samples · D inputs · H hidden units · K classes
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from blackboard import Values
from derivatives import jacobian

from deltarule.maths.activations import SOFTMAX, softmax
from deltarule.maths.losses import CROSS_ENTROPY
from deltarule.maths.network import backward, forward
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.penalties import PENALTIES
from deltarule.problem.network import Network

STRENGTH = 0.3


def network() -> Iterator[Values]:
    """A network of unequal sizes, and one whose sizes are all equal, so that every product conforms."""
    yield from from_code(N=6, D=4, H=5, K=3)
    yield from from_code(N=3, D=3, H=3, K=3)


def arrays(N: int, D: int, H: int, K: int) -> dict[str, Any]:
    """Inputs, targets, weights and biases, in the page's orientation; rows where it speaks of rows."""
    generator = np.random.default_rng(N)
    shapes = {"X": (N, D), "W^1": (H, D), "b^1": (H, 1), "W^2": (K, H), "b^2": (K, 1)}
    drawn = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    return {**drawn, "Y": np.eye(K)[generator.integers(K, size=N)]}


def from_code(N: int, D: int, H: int, K: int) -> Iterator[Values]:
    """What the code computes, whose arrays are transposed, and derivatives by the complex step."""
    given = arrays(N, D, H, K)
    ours = {f"{name[0]}{name[2]}": array.T for name, array in given.items() if name[1:2] == "^"}
    tape, _ = forward(Network([D, H, K], "relu").layers, ours, given["X"], {})
    Z2, A2, Z3 = (taped.value for taped in tape)
    J, at_logits = data_term(CROSS_ENTROPY, "mean_samples", SOFTMAX, Z3, given["Y"], np.ones((N, 1)))
    gradients, penalty = backward(tape, at_logits()), PENALTIES["l2"]
    penalties, slopes = zip(
        *(penalty_term(penalty, STRENGTH, ours[W].ravel(), 1.0, N) for W in ("W1", "W2")), strict=True
    )
    by_code = {f"∂J/∂{name[0]}^{name[1]}": found.T for name, found in gradients.items()}
    for W, slope in zip(("W^1", "W^2"), slopes, strict=True):
        shape = given[W].T.shape
        by_code[f"∂tilde J/∂{W}"] = by_code[f"∂J/∂{W}"] + slope().reshape(shape).T
    later = derivatives_of_values(given, Z2, A2, Z3)
    names = {**columns(given, Z2, A2, Z3), **later, "J": J, "tilde J": J + sum(penalties), "ψ": column_softmax}
    for found in (by_code, by_step(given)):
        yield Values({**names, **found}, {"i": N, "j": N, "k": K})


def columns(given: dict[str, Any], Z2: Any, A2: Any, Z3: Any) -> dict[str, Any]:
    """Everything by its name on the page: samples as columns in small letters, as rows in capitals."""
    rows = {"x": given["X"], "Δ": given["Y"], "z^2": Z2, "a^2": A2, "z^3": Z3}
    numbers = {"N": len(Z2), "λ": STRENGTH}
    return {**given, "Z^2": Z2, "A^2": A2, "Z^3": Z3, **numbers, **{name: one[..., None] for name, one in rows.items()}}


def column_softmax(z: Any) -> Any:
    """The softmax of a column."""
    return softmax(z[:, 0])[:, None]


def objective(given: dict[str, Any], Z3: Any, penalized: bool = False) -> Any:
    """J, or J̃, of logits: written anew, without the code of the package."""
    powers = np.exp(Z3)
    J = -(given["Y"] * np.log(powers / powers.sum(-1, keepdims=True))).sum() / len(Z3)
    return J + STRENGTH * ((given["W^1"] ** 2).sum() + (given["W^2"] ** 2).sum()) if penalized else J


def logits(given: dict[str, Any]) -> Any:
    """Z³ of all samples, written anew."""
    Z2 = given["X"] @ given["W^1"].T + given["b^1"].T
    return (Z2 * (Z2.real > 0)) @ given["W^2"].T + given["b^2"].T


def by_step(given: dict[str, Any]) -> dict[str, Any]:
    """The derivatives of J and J̃ by weights and biases."""
    found = {}
    for name in ("W^1", "b^1", "W^2", "b^2"):
        for letter, penalized in (("J", False), ("tilde J", True)):

            def moved(array: Any, name: str = name, penalized: bool = penalized) -> Any:
                other = {**given, name: array}
                return objective(other, logits(other), penalized)

            found[f"∂{letter}/∂{name}"] = jacobian(moved, given[name])
    return found


def derivatives_of_values(given: dict[str, Any], Z2: Any, A2: Any, Z3: Any) -> dict[str, Any]:
    """The derivatives of J by what is between inputs and logits, as rows and as columns."""
    W2, b2 = given["W^2"].T, given["b^2"].T
    rows = {
        "Z^3": jacobian(lambda Z3: objective(given, Z3), Z3),
        "A^2": jacobian(lambda A2: objective(given, A2 @ W2 + b2), A2),
        "Z^2": jacobian(lambda Z2: objective(given, (Z2 * (Z2.real > 0)) @ W2 + b2), Z2),
    }
    found = {f"∂J/∂{name}": array for name, array in rows.items()}
    found |= {f"∂J/∂{name.lower()}": array[..., None] for name, array in rows.items()}
    return {**found, "∂tilde J/∂z^3": found["∂J/∂z^3"]}


VALUES = dict.fromkeys(
    (
        "Forward",
        "Question 2a: the logits",
        "Question 2b: the second layer",
        "Question 2c: the first layer",
        "With all samples at once",
        "The report's mistakes",
    ),
    network,
)
