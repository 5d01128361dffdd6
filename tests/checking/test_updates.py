"""What is said of a step whose gradient is read from where it goes: of its velocity, its arrays and its optimizer."""

from typing import Any

import numpy as np
import pytest

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


@pytest.mark.slow
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
