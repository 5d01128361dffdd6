"""Measure right gradients: kinks, edges, rounding errors, float32 and large arrays."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_code import PARAMS, X, Y, gradient, loss, two_layer_network, with_factor

from deltarule import check_gradient
from deltarule.checking.numerics import reference_gradient


@pytest.fixture
def few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 200 entries are compared one by one, so that small arrays are sampled, too."""
    monkeypatch.setattr(reference_gradient, "_affordable_entries", lambda code, max_entries: 200)


@pytest.mark.slow
@given(st.sampled_from(["W", "b"]), st.floats(5e-4, 10).flatmap(lambda e: st.sampled_from([1 + e, 1 - e])))
def test_entry_wrong_by_half_a_thousandth_is_found(name: str, share: float) -> None:
    place = (2, 1) if name == "W" else (1,)
    report = check_gradient(loss, with_factor(share, name, place), PARAMS)
    assert not report.ok and report.worst is not None
    assert report.worst.name == name and report.worst.index == place
    right = gradient(PARAMS)[name][place]
    assert report.worst.expected == pytest.approx(right, rel=1e-9)
    assert report.worst.found == pytest.approx(share * right)
    assert report.worst.error == pytest.approx(abs(share - 1) / max(1, abs(share)), rel=1e-4)
    if name == "W":
        assert [mistake.code for mistake in report.diagnosis] == ["single_entry"]


def test_right_gradient_is_proved_by_differences_and_complex_step() -> None:
    report = check_gradient(loss, gradient, PARAMS)
    assert report.ok and report.compared == report.entries == 10 and report.false_pass == 0
    assert report.methods == ("central differences", "the complex step") and not report.notes
    assert str(report).startswith("gradient: right")


@pytest.mark.slow
def test_complex_step_is_not_used_if_code_loses_imaginary_part() -> None:
    def through_abs(w: Any) -> Any:
        return np.sum(np.abs(w) ** 3 + w)

    def through_var(w: Any) -> Any:
        return np.var(w) + np.sum(w**2)

    def through_float(w: Any) -> Any:
        return float(np.sum(w.astype(float) ** 2))

    def through_max(w: Any) -> Any:
        return max(w[0] * w[1], -10.0) + np.real(w @ w)

    w = np.array([0.5, -1.0, 2.0])
    for function, slope in (
        (through_abs, lambda w: 3 * w * np.abs(w) + 1),
        (through_var, lambda w: 2 * (w - w.mean()) / 3 + 2 * w),
        (through_float, lambda w: 2 * w),
        (through_max, lambda w: 2 * w + np.array([w[1], w[0], 0])),
    ):
        report = check_gradient(function, slope, w)
        assert report.ok and report.methods == ("central differences",)
        assert not any("no complex step" in note for note in report.notes)  # it changes no verdict


def test_kinks_are_reported_and_skipped() -> None:
    x = np.array([[1.0, 2.0]])

    def relu_loss(w: Any) -> Any:
        return np.maximum(x @ w, 0).sum()

    def relu_gradient(w: Any) -> Any:
        return x.T @ (x @ w > 0)

    w = np.array([[0.5, -2.0, 0.4], [0.25, 1.0, 0.1]])  # x @ w is 1, 0 and 0.6
    report = check_gradient(relu_loss, relu_gradient, w)
    assert report.ok and report.kinks == 2 and report.compared == 4
    assert not check_gradient(relu_loss, lambda w: 2 * relu_gradient(w), w).ok

    only_kinks = check_gradient(lambda w: np.abs(w).sum(), lambda w: np.zeros((2, 3)), np.zeros((2, 3)))
    assert not only_kinks.ok and only_kinks.kinks == 6 and only_kinks.compared == 0
    assert "6 entries at kinks" in (only_kinks.vacuous or "")


def test_large_entry_at_the_edge_of_the_domain_is_not_proved() -> None:
    """log w at 1e-12 changes within a distance that no step is narrow enough for."""
    w = np.array([1e-12, 1.0, 0.5])
    for share in (1.0, 1.001, -1.0):
        report = check_gradient(lambda w: -np.log(np.real(w)).sum(), lambda w, share=share: -share / w, w)  # type: ignore[misc]
        assert report.verdict == "not proved", share
    report = check_gradient(lambda w: np.sqrt(np.real(w)).sum(), lambda w: 0.5 / np.sqrt(w), np.array([1e-30, 1.0]))
    assert "the largest entry of w could not be measured" in (report.vacuous or "")


@pytest.mark.parametrize("seed", [1, 2, 3, 18])
def test_wrong_large_entry_among_kinks_is_not_proved(seed: int) -> None:
    """Steps that meet kinks of the absolute values give slopes on both sides of what is 1 % wrong."""
    generator = np.random.default_rng(seed)
    x, y = 1e-3 * generator.normal(size=(20, 3)), generator.normal(size=(20, 1))
    shapes = {"W1": (3, 4), "b1": (4,), "W2": (4, 1)}
    p = {name: generator.normal(size=shape) for name, shape in shapes.items()} | {"b2": np.zeros(1)}

    def both(p: Any, share: float = 1.0) -> Any:
        z = x @ p["W1"] + p["b1"]
        a = np.maximum(z, 0)
        error = a @ p["W2"] + p["b2"] - y
        d = np.sign(error) / 20
        dz = d @ p["W2"].T * (z > 0)
        db = dz.sum(0)
        db[np.abs(db).argmax()] *= share
        return np.abs(error).mean(), {"W1": x.T @ dz, "b1": db, "W2": a.T @ d, "b2": d.sum(0)}

    assert check_gradient(both, None, p).ok
    report = check_gradient(lambda p: both(p, 1.01), None, p)
    assert report.verdict == "not proved" and not report.faint
    assert "the largest entry of b1 could not be measured" in (report.vacuous or "")
    assert any(note.startswith("1 entries not measured, e.g. b1[") for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "inputs"), [(1, 30.0), (5, 30.0), (6, 30.0), (0, 255.0), (1, 255.0)])
def test_saturated_units_do_not_disable_complex_step(seed: int, inputs: float) -> None:
    """Where tanh is 1 to the last digit its slope is 1 − 1 = 0 in the code, and 1e-31 by the complex step."""
    p, both = two_layer_network(seed, dtype=np.float64, inputs=inputs, rows=1, outputs=3)
    assert (both(p)[1]["W1"] == 0).any()
    report = check_gradient(both, None, p)
    assert report.ok and len(report.methods) == 2
    assert check_gradient(lambda p: both(p, 1.01), None, p).verdict == "WRONG"


@pytest.mark.slow
@pytest.mark.usefixtures("few_entries")
def test_large_arrays_are_sampled_with_stated_probability() -> None:
    x = np.random.default_rng(0).normal(size=(20, 300))
    w = np.random.default_rng(1).normal(size=(300, 40)) / 20

    def value(w: Any) -> Any:
        return np.log(1 + np.exp(x @ w)).sum()

    def slope(w: Any) -> Any:
        return x.T @ (1 / (1 + np.exp(-(x @ w))))

    report = check_gradient(value, slope, w)
    assert report.ok and report.entries == 12_000 and 150 < report.compared <= 200
    assert 0 < report.false_pass < 1e-6 and any(f"{report.false_pass:.1g}" in note for note in report.notes)
    assert check_gradient(value, lambda w: 2 * slope(w), w).diagnosis[0].code == "factor_two"

    def one_row(w: Any) -> Any:
        found = slope(w)
        found[17] *= 1.01
        return found

    assert not check_gradient(value, one_row, w).ok

    square = np.random.default_rng(1).normal(size=(60, 60)) / 8
    x = x[:, :60]
    turned = check_gradient(value, lambda w: slope(w).T, square)
    assert [mistake.code for mistake in turned.diagnosis] == ["transposed"]


def test_directions_miss_errors_as_rarely_as_stated() -> None:
    """Of errors of a given length the share that stays within a limit in one direction is erf(limit / √2 length)."""
    from deltarule.checking.numerics.reference_gradient import chance_to_pass, normal_direction

    error = np.random.default_rng(0).normal(size=500)
    seen = np.array([abs(error @ normal_direction(0, d, 500)) for d in range(2000)])
    length = float(np.sqrt(error @ error))
    for limit in (0.1, 0.5, 1.5):
        assert np.mean(seen <= limit * length) == pytest.approx(chance_to_pass([limit * length], length), abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_right_gradient_with_kinks_nearer_than_steps_is_not_wrong(size: float) -> None:
    def loss_and_gradient(p: list[Any]) -> Any:
        hidden = np.maximum(X @ p[0] + p[1], 0)
        error = 2 * (hidden @ p[2] - Y) / len(X)
        below = error @ p[2].T * (hidden > 0)
        return (error**2).sum() * len(X) / 4, [X.T @ below, below.sum(0), hidden.T @ error]

    verdicts = set()
    for seed in range(10):
        generator = np.random.default_rng(seed)
        params = [size * generator.normal(size=(4, 5)), np.zeros(5), size * generator.normal(size=(5, 2))]
        verdicts.add(check_gradient(loss_and_gradient, None, params).verdict)
    assert verdicts <= {"right", "not proved"}
    assert size < 1e-4 or "right" in verdicts
