"""Networks whose biases are a row or column of their weights, or whose parameters are one vector, as in courses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import Network, check_gradient, check_update

N, D, H, C, LAMBDA = 10, 3, 5, 4, 1.3
SHAPES = {"W1": (D, H), "b1": (1, H), "W2": (H, C), "b2": (1, C)}
NETWORK = Network([D, H, C], "sigmoid", "sigmoid")
generator = np.random.default_rng(8)
x, labels = generator.normal(size=(N, D)), generator.integers(0, C, N)
y = np.eye(C)[labels]
PARAMS = {name: generator.normal(size=shape) for name, shape in SHAPES.items()}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def plain(p: dict[str, Any], mistake: str = "") -> tuple[Any, dict[str, Any]]:
    """The loss of a course's exercise, with a penalty on all but the biases, and its gradient."""
    z1 = x @ p["W1"] + p["b1"]
    a1 = sigmoid(z1)
    a2 = sigmoid(a1 @ p["W2"] + p["b2"])
    squares = (p["W1"] ** 2).sum() + (p["W2"] ** 2).sum()
    loss = -(y * np.log(a2) + (1 - y) * np.log(1 - a2)).sum() / N + LAMBDA / (2 * N) * squares
    d2 = y - a2 if mistake == "sign" else a2 - y
    d1 = d2 @ p["W2"].T * (sigmoid(a1) * (1 - sigmoid(a1)) if mistake == "derivative_at_output" else a1 * (1 - a1))
    share = 1 if mistake == "mean_missing" else N
    found = {"W1": x.T @ d1 / share, "b1": d1.sum(0) / share, "W2": a1.T @ d2 / share, "b2": d2.sum(0) / share}
    for name in SHAPES:
        if mistake == "penalty_on_biases" or (mistake != "penalty_missing" and name[0] == "W"):
            found[name] = found[name] + LAMBDA / N * p[name]
    return loss, {name: np.reshape(one, SHAPES[name]) for name, one in found.items()}


def _folded(p: dict[str, Any], first: bool) -> list[Any]:
    """Weights outputs × inputs, with the biases as a column."""
    pairs = [(p[f"W{n}"], p[f"b{n}"]) for n in (1, 2)]
    return [np.vstack([b, W] if first else [W, b]).T for W, b in pairs]


def _unfolded(blocks: list[Any], first: bool) -> dict[str, Any]:
    found = {}
    for n, block in enumerate(blocks, 1):
        found[f"W{n}"], found[f"b{n}"] = (
            (block[:, 1:].T, block[:, :1].T) if first else (block[:, :-1].T, block[:, -1:].T)
        )
    return found


def _cut(vector: Any, shapes: Any, order: Any = "C") -> list[Any]:
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape, order=order) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]


BLOCKS = [(H, D + 1), (C, H + 1)]
FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "columns": (lambda p: _folded(p, True), lambda own: _unfolded(own, True)),
    "last columns": (lambda p: _folded(p, False), lambda own: _unfolded(own, False)),
    "rows": (lambda p: [one.T for one in _folded(p, True)], lambda own: _unfolded([one.T for one in own], True)),
    "a vector of columns": (
        lambda p: np.concatenate([one.ravel() for one in _folded(p, True)]),
        lambda own: _unfolded(_cut(own, BLOCKS), True),
    ),
    "a vector in Fortran's order": (
        lambda p: np.concatenate([one.ravel("F") for one in _folded(p, True)]),
        lambda own: _unfolded(_cut(own, BLOCKS, "F"), True),
    ),
    "a vector of arrays": (
        lambda p: np.concatenate([one.ravel() for one in p.values()]),
        lambda own: dict(zip(SHAPES, _cut(own, SHAPES.values()), strict=True)),
    ),
    "a vector of weights, then biases": (
        lambda p: np.concatenate([p[name].ravel() for name in ("W1", "W2", "b1", "b2")]),
        lambda own: dict(
            zip(
                ("W1", "W2", "b1", "b2"),
                _cut(own, [SHAPES[name] for name in ("W1", "W2", "b1", "b2")]),
                strict=True,
            )
        ),
    ),
}


def checked(form: str, mistake: str = "", **data: Any) -> Any:
    fold, unfold = FORMS[form]

    def both(own: Any) -> Any:
        loss, found = plain(unfold(own), mistake)
        return loss, fold(found)

    return check_gradient(both, None, (fold(PARAMS),), **{"like": NETWORK, "x": x, "y": labels, **data})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "mistake", ["sign", "mean_missing", "penalty_missing", "penalty_on_biases", "derivative_at_output"]
)
def test_mistakes_are_named_in_every_packing(form: str, mistake: str) -> None:
    report = checked(form, mistake)
    assert [one.code for one in report.diagnosis] == [mistake], str(report)
    assert report.worst.name.startswith("own")  # the entry is the user's own


def test_unrecognized_arrays_are_checked_without_like() -> None:
    with_ones = np.hstack([np.ones((N, 1)), x])
    for data, why in (
        ({"x": with_ones}, "x has the shape (10, 4), but the network has 3 inputs; give x without its ones"),
        ({"x": with_ones.T}, "x has the shape (4, 10), but the network has 3 inputs; give x without its ones"),
        ({"y": (labels + 1) % C}, "whose arrays were not recognized"),
    ):
        report = checked("columns", **data)
        assert report.ok and any(note.startswith("checked without `like`") and why in note for note in report.notes)


def test_mistake_in_update_of_vector_is_named() -> None:
    fold, unfold = FORMS["a vector of columns"]
    theta = fold(PARAMS)

    def step() -> None:
        theta[...] -= 0.1 * fold(plain(unfold(theta), "penalty_missing")[1])

    report = check_update(step, lambda: plain(unfold(theta))[0], theta, 0.1, like=NETWORK, x=x, y=labels)
    assert report.diagnosis[0].code == "penalty_missing"
