"""Updates: random steps, velocities and momentum."""

from typing import Any

import numpy as np
import pytest
import torch
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import check_update


@pytest.mark.parametrize("way", ["in place", "returned"])
def test_step_may_take_parameters_as_argument(way: str) -> None:
    def step(params: dict[str, Any], wrong: float = 1.0) -> Any:
        found = gradient(params)
        new = {name: params[name] - 0.1 * wrong * found[name] for name in params}
        if way == "returned":
            return new
        params.update(new)
        return None

    assert check_update(step, loss, PARAMS, 0.1).ok
    report = check_update(lambda params: step(params, 0.1), loss, PARAMS, 0.1)
    assert [mistake.code for mistake in report.diagnosis] == ["learning_rate"]


@pytest.mark.slow
def test_step_on_drawn_samples_is_random() -> None:
    """The gradient over some samples is none of the loss over all; each step has another one."""
    drawn, w = np.random.default_rng(0), 0.3 * np.ones(4)

    def loss() -> Any:
        return ((X @ w) ** 2).mean()

    def step(rows: Any) -> None:
        w[...] -= 0.1 * 2 * X[rows].T @ (X[rows] @ w) / len(rows)

    report = check_update(lambda: step(drawn.permutation(8)[:3]), loss, w, 0.1)
    assert report.verdict == "not proved" and "it is random (sample order?)" in report.vacuous and (w == 0.3).all()
    assert check_update(lambda: step(drawn.permutation(8)), loss, w, 0.1).ok  # all of them, in another order
    always = check_update(lambda: step(np.arange(3)), loss, w, 0.1)
    assert always.verdict == "WRONG"


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, -1.0])
def test_old_velocities_are_not_wrong(share: float) -> None:
    """A check leaves velocities behind. They show in the first of two updates, and the second is to follow from it."""
    line = torch.nn.Linear(4, 2, dtype=torch.float64)
    optimizer = torch.optim.SGD(line.parameters(), lr=0.05, momentum=0.9)

    def value() -> Any:
        return ((line(torch.tensor(X)) - torch.tensor(Y)) ** 2).mean()

    def step() -> None:
        optimizer.zero_grad()
        (share * value()).backward()
        optimizer.step()

    def report(momentum: float = 0.9) -> Any:
        return check_update(
            step, value, lambda: [one.detach().numpy() for one in line.parameters()], 0.05, momentum=momentum
        )

    reports = [report() for _ in range(3)]
    told = ["velocities are not 0" in (one.vacuous or "") for one in reports]
    if share == 1:
        assert [one.verdict for one in reports] == ["right", "not proved", "not proved"] and told == [False, True, True]
        assert report(0.5).verdict == "WRONG"
    else:
        assert [one.ok for one in reports] == [False] * 3 and told == [False] * 3
        assert reports[0].diagnosis[0].code == "sign"


@pytest.mark.parametrize(
    ("velocity", "first", "verdict"), [(0, 1, "right"), (1, 1, "not proved"), (0, 3.7, "not proved"), (0, -1, "WRONG")]
)
def test_wrong_first_update_is_found(velocity: float, first: float, verdict: str) -> None:
    """What the second update makes of it is right each time; only a sign is no work of velocities."""
    w, v, factor = 0.3 * np.ones(4), velocity * np.array([1.0, -2.0, 0.5, 3.0]), [first]

    def step() -> None:
        v[...] = 0.9 * v - 0.01 * (factor.pop() if factor else 1) * 2 * X.T @ (X @ w) / len(X)
        w[...] += v

    report = check_update(step, lambda: ((X @ w) ** 2).sum() / len(X), w, 0.01, momentum=0.9)
    assert report.verdict == verdict


@pytest.mark.slow
@pytest.mark.parametrize("without", [("b",), ("W", "b")])
def test_missing_velocity_is_not_named_penalty(without: tuple[str, ...]) -> None:
    """What begins at 0 is its own velocity after one update, so that β v is a multiple of the parameter too."""
    p = {"W": np.zeros((4, 2)), "b": np.zeros(2)}
    v = {name: np.zeros_like(one) for name, one in p.items()}

    def step() -> None:
        error = 2 * (X @ p["W"] + p["b"] - Y) / Y.size
        for name, slope in (("W", X.T @ error), ("b", error.sum(0))):
            v[name][...] = (0 if name in without else 0.9) * v[name] - 0.1 * slope
            p[name] += v[name]

    report = check_update(step, lambda: ((X @ p["W"] + p["b"] - Y) ** 2).mean(), p, 0.1, momentum=0.9)
    assert [(one.code, one.where) for one in report.diagnosis] == [("velocity_missing", without)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "decay", "codes"),
    [
        ({"W": 0.9, "b": 0.5}, 0.0, []),
        ({"W": 0.8, "b": 0.8}, 0.0, []),
        ({"W": 0.9, "b": 0.9}, 0.1, ["penalty_not_in_loss"]),
    ],
)
def test_other_beta_is_not_named_penalty(beta: dict[str, float], decay: float, codes: list[str]) -> None:
    """After two updates what began at 0 is no multiple of its velocity any more, as it is after one."""
    p = {"W": np.zeros((4, 2)), "b": np.zeros(2)}
    v = {name: np.zeros_like(one) for name, one in p.items()}

    def step() -> None:
        error = 2 * (X @ p["W"] + p["b"] - Y) / Y.size
        for name, slope in (("W", X.T @ error), ("b", error.sum(0) + decay * p["b"])):
            v[name][...] = beta[name] * v[name] - 0.1 * slope
            p[name] += v[name]

    report = check_update(step, lambda: ((X @ p["W"] + p["b"] - Y) ** 2).mean(), p, 0.1, momentum=0.9)
    assert [one.code for one in report.diagnosis] == codes
    assert report.verdict == ("not proved" if decay else "WRONG")  # decay may be meant
