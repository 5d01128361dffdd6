"""Updates whose learning rate is not given, or is another one for each array."""

from typing import Any

import numpy as np
import pytest
from linear_code import X

from deltarule import check_update

Y = X @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.5


class Line:
    def __init__(self, rate_w: float = 0.05, rate_b: float = 0.05) -> None:
        self.w, self.b, self.rates = np.zeros(4), np.array([0.3]), (rate_w, rate_b)
        self.steps, self.moments = 0, [(np.zeros(4), np.zeros(4)), (np.zeros(1), np.zeros(1))]

    def loss(self) -> Any:
        return ((X @ self.w + self.b - Y) ** 2).mean() / 2

    def gradients(self) -> Any:
        error = X @ self.w + self.b - Y
        return X.T @ error / len(Y), np.array([error.mean()])

    def descend(self) -> None:
        for p, g, rate in zip((self.w, self.b), self.gradients(), self.rates, strict=True):
            p -= rate * g

    def curve(self) -> None:
        for p, g in zip((self.w, self.b), self.gradients(), strict=True):
            p -= 0.05 * g * (1 + np.abs(p))

    def adam(self) -> None:
        self.steps += 1
        for p, g, (m, v) in zip((self.w, self.b), self.gradients(), self.moments, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= 0.01 * m / (1 - 0.9**self.steps) / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)


def check(line: Line, step: Any, *rate: float, **options: Any) -> Any:
    return check_update(step, line.loss, [line.w, line.b], *rate, **options)


def test_rate_that_is_not_given_is_found() -> None:
    line, other = Line(0.037, 0.037), Line()
    for report, rate in ((check(line, line.descend), "0.037"), (check(other, other.adam), "0.01")):
        assert report.ok and any(f"right for a learning rate of {rate}, which" in note for note in report.notes)
    assert [array.name for array in check(line, line.descend).arrays] == ["w", "b"]


def test_wrong_step_is_right_for_no_rate() -> None:
    line, uphill = Line(), Line(-0.05, -0.05)
    assert check(line, line.curve).verdict == "WRONG"
    report = check(uphill, uphill.descend)
    assert report.verdict == "WRONG" and report.diagnosis[0].code == "sign"


@pytest.mark.parametrize("share", [0.5, 2.0, 3.0, 8.0])
@pytest.mark.parametrize("rate", [(0.05,), ()])
def test_another_rate_for_each_array_may_be_meant(share: float, rate: Any) -> None:
    line = Line(0.05, 0.05 * share)
    report = check(line, line.descend, *rate)
    assert report.verdict == "not proved"
    assert f"learning rates of 0.05 for w and {0.05 * share:.3g} for b" in str(report.vacuous)


def test_missing_mean_of_one_array_is_wrong_where_samples_are_known() -> None:
    line = Line(0.05, 0.05 * len(X))
    report = check(line, line.descend, 0.05, x=X, y=Y)
    assert report.verdict == "WRONG" and [one.code for one in report.diagnosis] == ["mean_missing"]


def test_any_rate_fits_a_single_number() -> None:
    w = np.array(0.5)

    def step() -> None:
        w[...] -= 3 * w

    report = check_update(step, lambda: w * w, w)
    assert report.verdict == "not proved" and "for some learning rate, here 1.5" in str(report.vacuous)
    assert check_update(step, lambda: w * w, w, 1.5).ok
