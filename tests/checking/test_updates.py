"""What is said of a step whose gradient is read from where it goes: of its velocity, its arrays and its optimizer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule import check_update
from deltarule.checking.report import CodeReport

N, D, C, RATE = 8, 3, 2, 0.05


class Line:
    """A linear layer with its data, and its gradients."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.x, self.y = generator.normal(size=(N, D)), generator.normal(size=(N, C))
        self.W, self.b = generator.normal(size=(D, C)), generator.normal(size=C)

    def loss(self) -> Any:
        return 0.5 * ((self.x @ self.W + self.b - self.y) ** 2).sum() / N

    def gradients(self) -> tuple[Any, Any]:
        error = (self.x @ self.W + self.b - self.y) / N
        return self.x.T @ error, error.sum(0)


def stepped(seed: int, beta: dict[str, float], momentum: float) -> CodeReport:
    """A check of updates that multiply the velocities by numbers of their own."""
    line = Line(seed)
    velocity = {"W": np.zeros((D, C)), "b": np.zeros(C)}

    def step() -> None:
        for name, gradient in zip("Wb", line.gradients(), strict=True):
            velocity[name] = beta[name] * velocity[name] - RATE * gradient
            getattr(line, name)[...] += velocity[name]

    return check_update(step, line.loss, {"W": line.W, "b": line.b}, RATE, momentum=momentum)


BETAS = st.sampled_from([-0.9, -0.5, -0.1, 0.1, 0.5, 0.8, 0.95, 0.99, 1.0])


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 10**6), BETAS, st.sampled_from([0.9, 0.6]))
def test_other_beta_is_named(seed: int, own: float, momentum: float) -> None:
    report = stepped(seed, {"W": own, "b": own}, momentum)
    [mistake] = report.diagnosis
    assert (mistake.code, mistake.where) == ("momentum_factor", ("W", "b"))
    assert mistake.sentence == f"the velocity is multiplied by {own:g} in W and b, not by {momentum:g}"
    assert stepped(seed, {"W": momentum, "b": momentum}, momentum).ok


def test_beta_by_array() -> None:
    [mistake] = stepped(0, {"W": 0.5, "b": -0.9}, 0.9).diagnosis
    assert mistake.sentence == "the velocity is multiplied by 0.5 in W and by -0.9 in b, not by 0.9"
    [one] = stepped(0, {"W": 0.9, "b": -0.9}, 0.9).diagnosis
    assert one.sentence == "the velocity is multiplied by -0.9 in b, not by 0.9"


@pytest.mark.parametrize("factor", [1, -1])
def test_unchanged_array_is_noted_as_possibly_replaced(factor: int) -> None:
    """W is changed where it stands, b is made anew: where params holds the arrays themselves, that b is never seen."""
    line = Line(0)

    def step() -> None:
        dW, db = line.gradients()
        line.W -= factor * RATE * dW
        line.b = line.b - factor * RATE * db

    def said(report: CodeReport) -> bool:
        return any("does not change b; if it creates new arrays, give params" in note for note in report.notes)

    report = check_update(step, line.loss, {"W": line.W, "b": line.b}, RATE)
    assert report.verdict == "WRONG" and said(report)
    found = check_update(step, line.loss, lambda: {"W": line.W, "b": line.b}, RATE)
    assert found.ok == (factor == 1) and not said(found)
