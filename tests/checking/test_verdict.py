"""What a check proves, and what it refuses to call right."""

from itertools import count
from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss
from refusals import refuses

from deltarule import Network, RunFailed, check_gradient


def test_vacuous_checks_are_not_proved() -> None:
    ones, calls = np.ones(3), count()
    reasons = {
        "constant": check_gradient(lambda w: 7.0, lambda w: 0 * w, ones),
        "0 in every entry, as one": check_gradient(lambda w: (w**2).sum(), lambda w: 0 * w, 0 * ones),
        "changes between calls": check_gradient(lambda w: w.sum() + next(calls), lambda w: 1 + 0 * w, ones),
        "changes w": check_gradient(_changing, lambda w: 2 * w, ones),
        "dead layer": check_gradient(_two_layers, _two_layers_back, [-np.ones((4, 3)), np.ones(3)]),
    }
    assert np.array_equal(ones, np.ones(3))
    for words, report in reasons.items():
        assert not report.ok and report.verdict == "not proved" and words in (report.vacuous or ""), words
        with refuses(report.vacuous, error=RunFailed):
            report.raise_if_wrong()
    assert "params[0]" in (reasons["dead layer"].vacuous or "")


def _changing(w: Any) -> Any:
    w *= 2
    return (w**2).sum()


def _two_layers(W: list[Any]) -> Any:
    return (np.maximum(X**2 @ W[0], 0) @ W[1] + W[1].sum()).sum()


def _two_layers_back(W: list[Any]) -> Any:
    z = X**2 @ W[0]
    return [(X**2).T @ (W[1] * (z > 0)), np.maximum(z, 0).sum(0) + len(X)]


def test_bias_before_batch_norm_is_noted_as_unused() -> None:
    """Batch norm takes the bias away; so its gradient is 0 and right. Far away p is 1 and log(1 − p) is infinite."""
    x, y = X[:, :1], np.arange(8)[:, None] % 2 == 1

    def both(w: Any, b: Any) -> Any:
        z = w * x + b
        normal = (z - z.mean()) / np.sqrt(((z - z.mean()) ** 2).mean())
        p = 1 / (1 + np.exp(-10 * w * normal))
        slope = 10 * ((p - y) * normal).sum()
        return -np.log(np.where(y, p, 1 - p)).sum(), (slope.reshape(w.shape), 0 * b)

    report = check_gradient(both, None, [np.array([0.3]), np.array([0.2])])
    assert report.ok, str(report)
    assert any("does not depend on" in note for note in report.notes)


def test_wrong_shape_is_noted_without_a_worst_entry() -> None:
    report = check_gradient(loss, lambda p: {**gradient(p), "W": gradient(p)["W"].T}, PARAMS)
    assert [mistake.code for mistake in report.diagnosis] == ["transposed"] and report.worst is None
    assert "the gradient of W has the shape (2, 4), W itself (4, 2)" in report.notes


def test_wrong_loss_has_no_worst_entry() -> None:
    def table(p: dict[str, Any]) -> Any:
        return ((X @ p["W"][:, :1] - Y[:, 0]) ** 2).mean()  # (N, 1) against (N,)

    def slope(p: dict[str, Any]) -> Any:
        error = 2 * (X @ p["W"][:, :1] - Y[:, :1].mean()) / len(X)
        return {"W": X.T @ error}

    like = Network([4, 1], bias=False)
    report = check_gradient(table, slope, {"W": PARAMS["W"][:, :1]}, like=like, x=X, y=Y[:, 0])
    assert not report.ok and [mistake.code for mistake in report.diagnosis] == ["broadcast"] and report.worst is None


def test_output_of_user_code_is_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(params: dict[str, Any]) -> Any:
        print("loss", loss(params))
        return loss(params)

    assert check_gradient(loud, gradient, PARAMS).ok
    assert capsys.readouterr().out.count("loss") < 10


def test_cached_values_of_user_code_are_restored() -> None:
    kept: dict[str, Any] = {}

    def value(w: Any) -> Any:
        kept["w"] = w  # a script with globals would do so
        return (w**2).sum()

    w = np.array([1.0, 2.0], np.float32)
    assert check_gradient(value, lambda w: 2 * w, w).ok
    assert kept["w"].dtype == np.float32 and kept["w"].tolist() == [1.0, 2.0]


@pytest.mark.slow
def test_unexplained_gradient_is_noted() -> None:
    def loss(w: Any) -> float:
        return float((w * w).sum())

    def wrong(w: Any) -> Any:
        return 2 * w + np.sin(np.arange(w.size)).reshape(w.shape)

    report = check_gradient(loss, wrong, np.random.default_rng(0).normal(size=(3, 4)))
    assert not report.ok and report.diagnosis == ()
    assert "no single known mistake explains it" in report.notes  # of one array there is no first
    assert any("like=Network" in note for note in report.notes)
    where = check_gradient(loss, wrong, np.random.default_rng(0).normal(size=(3, 4)), hint=1)
    assert where.worst and not any("mistake" in note or "like" in note for note in where.notes)


def test_arrays_without_effect_are_said_to_have_none() -> None:
    w, unused, inert = np.array([0.5, -1.0]), np.array([0.3, 0.2]), np.array([1.0, 3.0])

    def both(w: Any, unused: Any, inert: Any) -> Any:
        return (w**4).sum() + (inert - inert).sum(), (4 * w**3, np.array([0.31, 0.1]), 1e-17 * inert)

    report = check_gradient(both, None, [w, unused, inert])
    assert "the loss does not depend on unused at all" in report.notes
    assert "inert right (has no effect here)" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("point", [3.0, np.float64(3.0), np.array(3.0)], ids=["number", "NumPy's number", "array"])
def test_a_parameter_may_be_a_number(point: Any) -> None:
    assert check_gradient(lambda w: w**2, lambda w: 2 * w, point).ok
    params = {"w": X[0], "b": point}
    report = check_gradient(
        lambda p: (X[0] @ p["w"] + p["b"]) ** 2,
        lambda p: {"w": 2 * (X[0] @ p["w"] + p["b"]) * X[0], "b": X[0] @ p["w"] + p["b"]},
        params,
    )
    assert [(mistake.code, mistake.where) for mistake in report.diagnosis] == [("factor_two", ("b",))]
    assert not report.notes


@pytest.mark.slow
def test_constant_loss_is_noted() -> None:
    generator = np.random.default_rng(2)
    params = {"W": generator.normal(size=(4, 2)), "b": generator.normal(size=2)}
    constant = check_gradient(lambda p: 3.0, gradient, params)
    assert constant.verdict == "WRONG" and any("the loss is constant" in note for note in constant.notes)
    labels = Y.argmax(1)
    accuracy = check_gradient(lambda p: ((X @ p["W"] + p["b"]).argmax(1) == labels).mean(), gradient, params)
    assert accuracy.verdict == "WRONG" and any("does not change when" in note for note in accuracy.notes)
    at_minimum = check_gradient(lambda w: 5 + (w**2).sum(), lambda w: 2 * w + 1, np.zeros(3))
    assert at_minimum.verdict == "WRONG" and not any("does not change" in note for note in at_minimum.notes)


def test_constant_loss_is_not_matched_with_a_network() -> None:
    report = check_gradient(lambda _: 1.25, gradient, PARAMS, like=Network([4, 2]), x=X, y=Y)
    assert not report.ok and report.diagnosis == () and any("the loss is constant" in note for note in report.notes)


@pytest.mark.parametrize("factor", [1, 2])
def test_gradient_that_vanishes_by_symmetry_is_checked_nearby(factor: int) -> None:
    """Weights of 0 are how logistic units begin; with as many targets of 0 as of 1 nothing but zeros comes back."""
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])

    def loss(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        h = np.tanh(x @ W1 + b1)
        p = 1 / (1 + np.exp(-(h @ W2 + b2)))
        d = (p - y) / 4
        d1 = d @ W2.T * (1 - h * h)
        gradients = (factor * x.T @ d1, d1.sum(0), h.T @ d, d.sum(0))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(), gradients

    report = check_gradient(loss, None, [np.zeros(shape) for shape in ((2, 3), 3, (3, 1), 1)])
    assert report.verdict == ("right" if factor == 1 else "WRONG")
    assert any("which hides mistakes: it was checked with all of them moved" in note for note in report.notes)


@pytest.mark.parametrize(("factor", "verdict"), [(1, "not proved"), (2, "WRONG")])
def test_gradient_that_adds_up_may_be_meant(factor: int, verdict: str) -> None:
    x, w, grad = np.arange(6.0).reshape(3, 2), np.ones(2), np.zeros(2)

    def gradient(w: Any) -> Any:
        grad[...] += 2 * factor * x.T @ (x @ w)
        return grad.copy()

    report = check_gradient(lambda w: ((x @ w) ** 2).sum(), gradient, w)
    assert report.verdict == verdict and report.diagnosis[0].code == "accumulated"
