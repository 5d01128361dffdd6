"""What a check proves, what it refuses to have proved, and how much it tells."""

import math
import re
from functools import wraps
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltarule import BadInput, Network, RunFailed, check_gradient, check_object, check_update, check_vjp

GENERATOR = np.random.default_rng(3)
X, Y = GENERATOR.normal(size=(8, 4)), GENERATOR.normal(size=(8, 2))
PARAMS = {"W": GENERATOR.normal(size=(4, 2)), "b": GENERATOR.normal(size=2)}
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1])


def loss(params: dict[str, Any]) -> Any:
    return ((X @ params["W"] + params["b"] - Y) ** 2).sum() / len(X)


def gradient(params: dict[str, Any]) -> dict[str, Any]:
    error = 2 * (X @ params["W"] + params["b"] - Y) / len(X)
    return {"W": X.T @ error, "b": error.sum(axis=0)}


def with_factor(share: float, name: str = "W", place: tuple[int, ...] = (0, 0)) -> Any:
    def wrong(params: dict[str, Any]) -> dict[str, Any]:
        found = gradient(params)
        found[name][place] *= share
        return found

    return wrong


@given(st.sampled_from(["W", "b"]), st.floats(5e-4, 10).flatmap(lambda e: st.sampled_from([1 + e, 1 - e])))
def test_an_entry_that_is_off_by_more_than_half_a_thousandth_is_found(name: str, share: float) -> None:
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


def test_a_right_gradient_is_proved_by_differences_and_the_complex_step() -> None:
    report = check_gradient(loss, gradient, PARAMS)
    assert report.ok and report.compared == report.entries == 10 and report.false_pass == 0
    assert report.methods == ("central differences", "the complex step") and not report.notes
    assert str(report).startswith("gradient: right")


def test_the_complex_step_is_dropped_where_the_code_loses_it_without_a_word() -> None:
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
        assert any("no complex step" in note for note in report.notes)


def rounded_on_the_way(
    seed: int, dtype: Any, delta: Any = np.float32, loss_in: Any = np.asarray, share: float = 1.0
) -> tuple[Any, list[Any]]:
    """A right network of softmax, but for a factor, that computes δ or its loss in fewer digits, and its parameters."""
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(15, 4)), np.eye(3)[generator.integers(0, 3, 15)]

    def both(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        h = np.tanh(x @ W1 + b1)
        p = np.exp(h @ W2 + b2)
        p = p / p.sum(axis=1, keepdims=True)
        d = ((p - y) / 15).astype(delta)
        dz = (d @ W2.T) * (1 - h * h)
        return loss_in(-(y * np.log(p)).sum() / 15), (share * (x.T @ dz), dz.sum(axis=0), h.T @ d, d.sum(axis=0))

    return both, [generator.normal(size=shape).astype(dtype) for shape in ((4, 5), (5,), (5, 3), (3,))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_delta_that_is_rounded_to_float32_on_the_way_is_no_mistake(dtype: Any) -> None:
    for seed in range(12):
        both, params = rounded_on_the_way(seed, dtype)
        assert check_gradient(both, None, params).ok
        both, params = rounded_on_the_way(seed, dtype, share=1.0001)
        assert [one.code for one in check_gradient(both, None, params).diagnosis] == ["factor"]


@pytest.mark.slow
def test_a_loss_that_comes_in_float32_is_measured_in_the_digits_that_it_has() -> None:
    for seed in range(12):
        both, params = rounded_on_the_way(seed, np.float64, np.float64, np.float32)
        report = check_gradient(both, None, params)
        assert report.ok and any("in float32 an error under" in note for note in report.notes)
        both, params = rounded_on_the_way(seed, np.float64, np.float64, np.float32, share=2)
        assert [one.code for one in check_gradient(both, None, params).diagnosis] == ["factor_two"]


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1e8, 1e100])
def test_rounding_on_the_way_is_seen_however_large_the_loss(scale: float) -> None:
    for seed in range(6):
        both, params = rounded_on_the_way(seed, np.float64)

        def scaled(*params: Any, both: Any = both) -> Any:
            value, found = both(*params)
            return value * scale, tuple(scale * one.astype(float) for one in found)

        assert check_gradient(scaled, None, params).ok


def test_what_rounding_on_the_way_leaves_open_is_noted() -> None:
    noted = []
    for seed in range(12):
        both, params = rounded_on_the_way(seed, np.float64)
        noted += [note for note in check_gradient(both, None, params).notes if "has rounding errors" in note]
        both, params = rounded_on_the_way(seed, np.float64, np.float64)
        assert not any("has rounding errors" in note for note in check_gradient(both, None, params).notes)
    shares = [float(re.findall(r"an error of up to (\S+) of an array's largest entry", note)[0]) for note in noted]
    assert shares and all(1e-8 < share < 1e-5 for share in shares)


@pytest.mark.parametrize("rounded", [lambda one: np.round(one, 6), lambda one: np.trunc(one * 1e6) / 1e6])
def test_a_gradient_that_is_rounded_to_decimals_is_not_right(rounded: Any) -> None:
    def code(params: dict[str, Any]) -> dict[str, Any]:
        return {name: rounded(one) for name, one in gradient(params).items()}

    assert not check_gradient(loss, code, PARAMS).ok


@pytest.mark.slow
def test_kinks_of_many_samples_are_not_taken_for_rounding() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(100_000, 3)), generator.normal(size=(100_000, 1))
    params = [generator.normal(size=shape) for shape in ((3, 4), (4,), (4, 1), (1,))]

    def both(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        z = x @ W1 + b1
        a = np.maximum(z, 0)
        error = a @ W2 + b2 - y
        d2 = 2 * error / len(x)
        d1 = (d2 @ W2.T) * (z > 0) * (1 + 2e-5)
        return (error**2).sum() / len(x), (x.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0))

    report = check_gradient(both, None, params, most=40)
    assert [one.code for one in report.diagnosis] == ["factor"] and not any("on the way" in n for n in report.notes)


def test_a_right_gradient_is_asked_for_a_few_times_alone() -> None:
    calls = 0

    def counted(params: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return gradient(params)

    assert check_gradient(loss, counted, PARAMS).ok and calls < 10


def test_a_loss_that_stays_along_most_entries_is_not_taken_for_one_of_float32() -> None:
    report = check_gradient(
        lambda a: ((a[1] - 1) ** 2).sum(), lambda a: np.eye(40)[1] * 2 * (a[1] - 1) * 1.0001, np.zeros(40)
    )
    assert not report.ok and report.diagnosis and not any("float32" in note for note in report.notes)


def test_a_wrong_gradient_may_have_another_shape_elsewhere() -> None:
    w = np.array([1.0, 2.0, 3.0])
    report = check_gradient(lambda w: np.sin(w).sum(), lambda v: 1.3 * np.cos(v if (v == w).all() else v[None]), w)
    assert [one.code for one in report.diagnosis] == ["factor"]


def test_float32_is_checked_in_the_digits_that_it_has() -> None:
    narrow = {name: array.astype(np.float32) for name, array in PARAMS.items()}
    x, y = X.astype(np.float32), Y.astype(np.float32)
    W, b = narrow["W"], narrow["b"]

    def value() -> Any:
        return ((x @ W + b - y) ** 2).sum() / np.float32(8)

    def back(share: float = 1.0) -> Any:
        error = 2 * (x @ W + b - y) / np.float32(8)
        return {"W": np.float32(share) * (x.T @ error), "b": error.sum(axis=0)}

    assert value().dtype == np.float32
    report = check_gradient(value, back, narrow)
    assert report.ok and report.compared + report.faint == 10 and report.compared >= 8
    assert any("in float32 an error under" in note for note in report.notes)
    half = np.full(3, 2.0, np.float16)
    halves = check_gradient(lambda: (half**2).sum(), lambda: 2 * half, half)
    assert any("in float16 an error under" in note for note in halves.notes)
    assert not check_gradient(value, lambda: back(1.005), narrow).ok
    assert W.dtype == np.float32 and np.array_equal(W, PARAMS["W"].astype(np.float32))
    # A function of its parameters is asked in float64, whatever they are given in.
    assert check_gradient(loss, gradient, narrow).methods[1:] == ("the complex step",)


def test_kinks_are_reported_and_the_other_entries_decide() -> None:
    x = np.array([[1.0, 2.0]])

    def relu_loss(w: Any) -> Any:
        return np.maximum(x @ w, 0).sum()

    def relu_gradient(w: Any) -> Any:
        return x.T @ (x @ w > 0)

    w = np.array([[0.5, -2.0, 0.4], [0.25, 1.0, 0.1]])  # x @ w is 1, 0 and 0.6
    report = check_gradient(relu_loss, relu_gradient, w)
    assert report.ok and report.kinks == 2 and report.compared == 4
    assert not check_gradient(relu_loss, lambda w: 2 * relu_gradient(w), w).ok

    only_kinks = check_gradient(lambda w: np.abs(w).sum(), np.sign, np.zeros(3))
    assert not only_kinks.ok and only_kinks.kinks == 3 and only_kinks.compared == 0
    assert "3 entries at kinks" in (only_kinks.vacuous or "")


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_smooth_loss_has_no_kinks(wrong: int) -> None:
    """A network of tanh units has derivatives of all orders, however wrong a gradient is said to be."""
    generator = np.random.default_rng(1)
    x = generator.random((50, 150)) * (generator.random((50, 150)) < 0.2)
    y = np.eye(5)[generator.integers(0, 5, 50)]
    W1, W2 = generator.normal(size=(150, 30)) / 75**0.5, generator.normal(size=(30, 5)) / 15**0.5

    def both(W1: Any, W2: Any) -> Any:
        a = np.tanh(x @ W1)
        powers = np.exp(a @ W2)
        p = powers / powers.sum(1, keepdims=True)
        dW1 = x.T @ ((p - y) @ W2.T * (1 - a**2)) / 50
        dW1[:wrong] = 0
        return -(y * np.log(p)).sum() / 50, (dW1, a.T @ (p - y) / 50)

    report = check_gradient(both, None, [W1, W2], most=200)
    assert report.kinks == 0 and report.ok == (not wrong)


def test_entries_near_the_edge_of_a_loss_are_measured_in_steps_of_their_own_size() -> None:
    """The square root of 1e-9 has a slope of 16,000, and none a step of 1e-8 below."""
    w = np.array([1e-9, 1.0, 2.0])

    def loss(w: Any) -> Any:
        return np.sqrt(np.real(w)).sum()  # without the complex step, which needs no step to the side

    report = check_gradient(loss, lambda w: 0.5 / np.sqrt(w), w)
    assert report.ok and report.compared == 3
    wrong = check_gradient(loss, lambda w: np.array([1.01, 1, 1]) / 2 / np.sqrt(w), w)
    assert wrong.verdict == "WRONG" and wrong.worst is not None and wrong.worst.index == (0,)
    assert wrong.worst.expected == pytest.approx(wrong.worst.found / 1.01)
    exact = check_gradient(lambda w: np.sqrt(w).sum(), lambda w: 0.5 / np.sqrt(w), w)
    assert exact.ok and exact.compared == 3 and not exact.notes


@pytest.mark.parametrize("edge", [1e-30, 1e-300])
def test_a_large_entry_at_the_edge_of_a_loss_is_not_proved_right_and_the_others_can_be_wrong(edge: float) -> None:
    """Beside √1 the changes of √1e-30 are less than a rounding error."""
    w = np.array([edge, 1.0, 2.0])

    def loss(w: Any) -> Any:
        return np.sqrt(np.real(w)).sum()

    report = check_gradient(loss, lambda w: 0.5 / np.sqrt(w), w)
    assert report.verdict == "not proved" and report.compared == 2
    assert "the largest entry of w could not be measured" in (report.vacuous or "")
    assert any(note.startswith("1 not measured, w[0] for one: the loss is not finite") for note in report.notes)
    wrong = check_gradient(loss, lambda w: 7 / np.sqrt(w), w)
    assert wrong.verdict == "WRONG" and wrong.worst is not None and wrong.worst.index != (0,)
    assert wrong.worst.expected == pytest.approx(wrong.worst.found / 14)

    alone = check_gradient(loss, lambda w: 0.5 / np.sqrt(w), np.array([5e-324]))
    assert alone.verdict == "not proved" and "nothing to compare" in (alone.vacuous or "")


@pytest.mark.parametrize("edge", [1e-8, 1e-9, 1e-12, 1e-30])
def test_one_entry_at_the_edge_of_a_loss_does_not_hide_what_is_wrong(edge: float) -> None:
    w = np.array([edge, 1.0, 0.5])
    for share in (1.0, 1.001, 1.05, 1.5, -1.0):
        report = check_gradient(lambda w: -np.log(w).sum(), lambda w, share=share: -share / w, w)  # type: ignore[misc]
        assert report.verdict == ("right" if share == 1 else "WRONG"), share


@pytest.mark.parametrize("share", [1.0, 1.001, 0.0, -1.0])
def test_the_largest_entry_is_judged_however_large_the_input_is(share: float) -> None:
    """A step that is small beside 1 carries the units of such weights from one end of the sigmoid to the other."""
    x = -2285505.85883
    p = {
        "W": np.array([-7.76e-6, 2.225e-6, -7.53e-6, -6.2e-6]),
        "v": np.array([-0.0098, -0.0168, 0.0245, 0.0087]),
    }

    def both(p: Any) -> Any:
        s = 1 / (1 + np.exp(-p["W"] * x))
        z = (p["v"] * s).sum()
        d = -1 / (1 + np.exp(z))
        dW = d * p["v"] * s * (1 - s) * x
        dW[1] *= share
        return np.log(1 + np.exp(-z)), {"W": dW, "v": d * s}

    report = check_gradient(both, None, p)
    assert report.verdict == ("right" if share == 1 else "WRONG")
    if share != 1:
        assert report.worst is not None and report.worst.where == "W[1]"
        assert report.worst.expected == pytest.approx(-115.96299)


@pytest.mark.parametrize("w", [1e-6, -2.7e-7, 3e-7, 1e-5])
def test_a_right_gradient_by_large_inputs_is_not_accused(w: float) -> None:
    x, y = np.random.default_rng(0).normal(size=20) * 1e6, np.random.default_rng(1).normal(size=20)

    def loss(w: Any) -> Any:
        return np.abs(np.log(1 + np.exp(w[0] * x)) - y).mean()

    def gradient(w: Any) -> Any:
        return np.array([(np.sign(np.log(1 + np.exp(w[0] * x)) - y) * x / (1 + np.exp(-w[0] * x))).mean()])

    step = 1e-12  # which moves no z by more than 3e-6, and so meets no kink
    assert gradient([w])[0] == pytest.approx((loss([w + step]) - loss([w - step])) / (2 * step), rel=1e-5)
    report = check_gradient(loss, gradient, np.array([w]))
    assert report.ok and report.methods == ("central differences",)
    assert check_gradient(loss, lambda w: -gradient(w), np.array([w])).verdict == "WRONG"


def test_a_step_on_which_a_loss_overflows_says_nothing_of_how_large_its_gradient_is() -> None:
    x, t = np.random.default_rng(0).normal(size=20) * 1e7, np.arange(20) % 2
    w = np.array([2e-7, -1.0])

    def both(w: Any) -> Any:
        z = w[0] * x + w[1]
        d = (1 / (1 + np.exp(-z)) - t) / 20
        return (np.log(1 + np.exp(z)) - t * z).mean(), np.array([d @ x, d.sum()])

    with np.errstate(over="ignore"):
        assert both(w + 2.0**-10)[0] == np.inf
    assert check_gradient(both, None, w).ok


@pytest.mark.parametrize("seed", [1, 2, 3, 18])
def test_a_wrong_large_entry_among_kinks_is_not_passed_over(seed: int) -> None:
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
    assert any(note.startswith("1 not measured, b1[") for note in report.notes)


def of_two_layers(
    seed: int, *, dtype: Any, size: float = 0.5, inputs: float = 1.0, rows: int = 30, outputs: int = 1, decay: float = 0
) -> tuple[dict[str, Any], Any]:
    """Parameters of a network, and a function of them and of a share of W1's gradient: the loss and its gradient."""
    generator = np.random.default_rng(seed)
    x = (inputs * generator.normal(size=(rows, 4))).astype(dtype)
    y = generator.integers(2, size=(rows, outputs)).astype(dtype)
    shapes = {"W1": (4, 6), "b1": 6, "W2": (6, outputs), "b2": outputs}
    p: dict[str, Any] = {
        name: (size * generator.normal(size=shape)).astype(dtype) if name[0] == "W" else np.zeros(shape, dtype)
        for name, shape in shapes.items()
    }

    def both(p: dict[str, Any], share: float = 1.0) -> tuple[Any, dict[str, Any]]:
        a = np.tanh(x @ p["W1"] + p["b1"])
        z = a @ p["W2"] + p["b2"]
        d = (1 / (1 + np.exp(-z)) - y) / y.size
        dz = d @ p["W2"].T * (1 - a * a)
        found = {"W1": x.T @ dz, "b1": dz.sum(0), "W2": a.T @ d, "b2": d.sum(0)}
        J = (np.log(1 + np.exp(z)) - y * z).mean()
        if decay:
            J = float(J) + decay * sum(float((p[name] ** 2).sum()) for name in ("W1", "W2"))
            found |= {name: found[name] + dtype(2 * decay) * p[name] for name in ("W1", "W2")}
        found["W1"] = found["W1"] * dtype(share)
        return J, found

    return p, both


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_a_network_of_float32_is_proved_where_it_stands(seed: int) -> None:
    """Beside the rounding errors of its loss many an entry is not to be seen, but the largest ones are."""
    p, both = of_two_layers(seed, dtype=np.float32)
    wide = {name: one.astype(np.float64) for name, one in p.items()}
    exact = check_gradient(of_two_layers(seed, dtype=np.float64)[1], None, wide)
    assert exact.ok and len(exact.methods) == 2  # the very formulas, by the complex step
    for share, verdict in ((1.0, "right"), (1.1, "WRONG"), (-1.0, "WRONG")):
        net: dict[str, Any] = dict(p)

        def value(net: dict[str, Any] = net, share: float = share) -> Any:
            J, found = both(net, share)
            net.update({"d" + name: one for name, one in found.items()})
            return J

        report = check_gradient(
            lambda value=value: value(), lambda net=net: [net["d" + n] for n in p], list(p.values())
        )
        assert report.verdict == verdict, share


@pytest.mark.parametrize("seed", range(8))
def test_a_layer_of_float32_is_not_called_dead_for_a_loss_of_float64(seed: int) -> None:
    """A decay that is summed in Python's floats has all their digits, and the rest of the loss has not."""
    p, both = of_two_layers(seed, dtype=np.float32, size=0.01, decay=1e-4)
    assert all(np.abs(one).max() > 1e-7 for one in both(p)[1].values())
    report = check_gradient(lambda: both(p)[0], lambda: list(both(p)[1].values()), list(p.values()))
    assert report.verdict != "WRONG" and "dead layer" not in (report.vacuous or "")


@pytest.mark.parametrize(("seed", "inputs"), [(1, 30.0), (5, 30.0), (6, 30.0), (0, 255.0), (1, 255.0)])
def test_units_that_are_saturated_leave_the_complex_step_its_proof(seed: int, inputs: float) -> None:
    """Where tanh is 1 to the last digit its slope is 1 − 1 = 0 in the code, and 1e-31 by the complex step."""
    p, both = of_two_layers(seed, dtype=np.float64, inputs=inputs, rows=1, outputs=3)
    assert (both(p)[1]["W1"] == 0).any()
    report = check_gradient(both, None, p)
    assert report.ok and len(report.methods) == 2
    assert check_gradient(lambda p: both(p, 1.01), None, p).verdict == "WRONG"


@pytest.mark.parametrize(("seed", "rows"), [(1, 1), (3, 30), (9, 30)])
def test_right_entries_that_are_not_measured_are_counted_where_the_largest_is(seed: int, rows: int) -> None:
    """By inputs of a million a small step carries a unit from one flat end of tanh to the other."""
    p, both = of_two_layers(seed, dtype=np.float64, size=0.01, inputs=1e6, rows=rows, outputs=3, decay=1e-4)
    report = check_gradient(lambda: both(p)[0], lambda: list(both(p)[1].values()), list(p.values()))
    assert report.ok and report.compared < report.entries
    assert any(" not measured, params[0][" in note and "rough there, or has a kink" in note for note in report.notes)


def test_vacuous_passes_are_refused_and_told_apart() -> None:
    ones, drawn = np.ones(3), np.random.default_rng(0)
    reasons = {
        "constant": check_gradient(lambda w: 7.0, lambda w: 0 * w, ones),
        "0 in every entry, as one": check_gradient(lambda w: (w**2).sum(), lambda w: 2 * w, 0 * ones),
        "random": check_gradient(lambda w: w.sum() + drawn.normal(), lambda w: 1 + 0 * w, ones),
        "changes w": check_gradient(_changing, lambda w: 2 * w, ones),
        "dead layer": check_gradient(_two_layers, _two_layers_back, [-np.ones((4, 3)), np.ones(3)]),
    }
    assert np.array_equal(ones, np.ones(3))
    for words, report in reasons.items():
        assert not report.ok and report.verdict == "not proved" and words in (report.vacuous or ""), words
        with pytest.raises(RunFailed, match="proves nothing"):
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


def test_a_gradient_that_was_never_computed_is_wrong_where_the_right_one_is_not_zero() -> None:
    report = check_gradient(loss, lambda params: {name: 0 * one for name, one in params.items()}, PARAMS)
    assert not report.ok and not report.vacuous and report.diagnosis[0].code == "zero_gradient"


def test_where_nothing_was_compared_it_is_said() -> None:
    total = {name: 0 * one for name, one in PARAMS.items()}

    def accumulated(params: dict[str, Any]) -> dict[str, Any]:
        for name, one in gradient(params).items():
            total[name] = total[name] + one
        return dict(total)

    report = check_gradient(loss, accumulated, PARAMS)
    assert report.diagnosis[0].code == "accumulated" and report.compared == 0
    assert "  compared     nothing\n" in f"{report}\n" and "0 of 10" not in str(report)


def test_an_array_that_the_loss_does_not_depend_on_is_told() -> None:
    def more(params: dict[str, Any]) -> dict[str, Any]:
        return {**gradient(params), "c": 0 * params["c"]}

    report = check_gradient(loss, more, {**PARAMS, "c": np.ones(3)})
    assert report.ok and "the loss does not depend on c at all" in report.notes


def test_a_bias_before_batch_norm_is_told_though_the_loss_is_infinite_elsewhere() -> None:
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


def test_large_arrays_are_sampled_and_the_probability_is_stated() -> None:
    x = np.random.default_rng(0).normal(size=(20, 300))
    w = np.random.default_rng(1).normal(size=(300, 40)) / 20

    def value(w: Any) -> Any:
        return np.log(1 + np.exp(x @ w)).sum()

    def slope(w: Any) -> Any:
        return x.T @ (1 / (1 + np.exp(-(x @ w))))

    report = check_gradient(value, slope, w, most=200)
    assert report.ok and report.entries == 12_000 and 150 < report.compared <= 200
    assert 0 < report.false_pass < 1e-6 and any(f"{report.false_pass:.1g}" in note for note in report.notes)
    assert check_gradient(value, lambda w: 2 * slope(w), w, most=200).diagnosis[0].code == "factor_two"

    def one_row(w: Any) -> Any:
        found = slope(w)
        found[17] *= 1.01
        return found

    assert not check_gradient(value, one_row, w, most=200).ok

    def changed(*place: Any) -> Any:
        def wrong(w: Any) -> Any:
            found = slope(w)
            found[place] *= 1.5
            return found

        return check_gradient(value, wrong, w, most=200)

    # What the sample has missed is looked for along the direction that shows it, and told from what is wrong elsewhere.
    for place, code, where in (
        ((233, 11), "single_entry", "entry w[233, 11]"),
        ((17,), "single_row", "row w[17]"),
        ((slice(None), 5), "single_row", "column w[:, 5]"),
    ):
        report = changed(*place)
        assert [mistake.code for mistake in report.diagnosis] == [code]
        assert where in report.diagnosis[0].sentence
    assert changed(slice(100, 102)).diagnosis == ()

    square = np.random.default_rng(1).normal(size=(60, 60)) / 8
    x = x[:, :60]
    turned = check_gradient(value, lambda w: slope(w).T, square, most=100)
    assert [mistake.code for mistake in turned.diagnosis] == ["transposed"]


def test_errors_that_directions_miss_are_as_rare_as_is_said() -> None:
    """Of errors of a given length the share that stays within a limit in one direction is erf(limit / √2 length)."""
    from deltarule.checking.parameter_lines import chance_to_pass, normal_direction

    error = np.random.default_rng(0).normal(size=500)
    seen = np.array([abs(error @ normal_direction(0, d, 500)) for d in range(2000)])
    length = float(np.sqrt(error @ error))
    for limit in (0.1, 0.5, 1.5):
        assert np.mean(seen <= limit * length) == pytest.approx(chance_to_pass([limit * length], length), abs=0.04)


@pytest.mark.parametrize(
    ("hint", "where", "kind", "fix"),
    [
        ("pass", False, False, False),
        ("where", True, False, False),
        ("kind", True, True, False),
        ("fix", True, True, True),
    ],
)
def test_a_hint_sets_how_much_is_told(hint: str, where: bool, kind: bool, fix: bool) -> None:
    report = check_gradient(loss, lambda params: {n: 2 * one for n, one in gradient(params).items()}, PARAMS, hint=hint)
    text, page = str(report), report._repr_html_()
    assert not report.ok and (report.worst is not None) == where and bool(report.diagnosis) == kind
    for told, words in ((where, "worst entry"), (kind, "factor_two"), (fix, "likely fix")):
        assert (words in text) == told and (words in page) == told
    with pytest.raises(RunFailed, match="WRONG"):
        report.raise_if_wrong()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_of_a_report_is_wider_than_the_screen(width: int) -> None:
    report = check_gradient(loss, with_factor(len(X)), {**PARAMS})
    lines = report.text(width).splitlines()
    assert max(map(len, lines)) <= width and str(report) == report.text(100)
    fix = report.diagnosis[0].fix
    assert fix in " ".join(report.text(width).split())


def test_a_report_is_shown_as_html_without_holes() -> None:
    report = check_gradient(loss, with_factor(2), {**PARAMS})
    page = report._repr_html_()
    assert page.count("<tr>") == page.count("</tr>") > 2 and "WRONG" in page
    assert re.search(r"<(?!/?(b|span|table|tr|th|td)\b)", page) is None


def luminance(color: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize(
    ("value", "slope", "verdict"),
    [
        (loss, gradient, "right"),
        (loss, with_factor(2), "WRONG"),
        (lambda p: 0.0, lambda p: {n: 0 * one for n, one in p.items()}, "not proved"),
    ],
)
def test_the_verdict_is_read_on_light_and_dark_pages(value: Any, slope: Any, verdict: str) -> None:
    """WCAG 2 asks for 4.5 between letters and what is behind them, whatever the notebook's own background is."""
    page = check_gradient(value, slope, {**PARAMS})._repr_html_()
    found = re.search(r'style="color:(#\w{6});background:(#\w{6});[^"]*">([^<]*)<', page)
    assert found and found[3] == verdict
    dark, light = sorted(map(luminance, found.groups()[:2]))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def line(params: dict[str, Any]) -> Any:
    return loss(params)


def _like(**given: Any) -> Any:
    """A check of a network with a hidden layer, of its data or masks as they are given."""
    params = {"W1": np.ones((4, 3)), "b1": np.zeros(3), "W2": np.ones((3, 1)), "b2": np.zeros(1)}

    def value(p: dict[str, Any]) -> Any:
        return ((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]) ** 2).sum()

    data = {"like": Network([4, 3, 1], "tanh"), "x": X, "y": Y[:, 0]} | given
    return check_gradient(value, lambda p: p, params, **data)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_gradient(loss, lambda p: {"W": p["W"]}, PARAMS), "lacks the gradient of b"),
        (lambda: check_gradient(loss, lambda p: {**gradient(p), "c": 1.0}, PARAMS), "a gradient 'c', and there is no"),
        (lambda: check_gradient(loss, lambda p: {**gradient(p), "b": None}, PARAMS), "lacks the gradient of b"),
        (lambda: check_gradient(loss, lambda p: {"W": p["W"][:3], "b": p["b"]}, PARAMS), r"W has the shape \(3, 2\)"),
        (lambda: check_gradient(loss, lambda p: gradient(p)["W"], PARAMS), "where params holds W, b"),
        (
            lambda: check_gradient(loss, gradient, {"W": np.ones((4, 2), int), "b": PARAMS["b"]}),
            "W holds whole numbers",
        ),
        (lambda: check_gradient(loss, gradient, {"W": "w"}), "W is of the type str"),
        (lambda: check_gradient(loss, gradient, {}), "holds no arrays"),
        (lambda: check_gradient(loss, gradient, {**PARAMS, "b": np.array([1.0, np.nan])}), r"b\[1\] is nan"),
        (
            lambda: check_gradient(lambda p: len(3), gradient, PARAMS),
            r"loss raised TypeError.*test_check.py, line",
        ),
        (lambda: check_gradient(lambda p: X @ p["W"], gradient, PARAMS), r"shape \(8, 2\); a loss is one number"),
        (lambda: check_gradient(lambda p: True, gradient, PARAMS), "returns a bool; a loss is one number"),
        (lambda: check_gradient(lambda p: np.array([X[0, 0] > 0]), gradient, PARAMS), "a loss is one number"),
        (lambda: check_gradient(lambda p: "0.5", gradient, PARAMS), "returns a str; a loss is one number"),
        (lambda: check_gradient(lambda p: np.log(-1.0), gradient, PARAMS), "the loss is nan at these parameters"),
        (lambda: check_gradient(loss, lambda p: {**p, "b": p["b"] / 0}, PARAMS), r"gradient of b\[0\] is inf"),
        (lambda: check_gradient(lambda a, b, c, d: 1.0, gradient, PARAMS), r"takes \(a, b, c, d\) and params holds"),
        (lambda: check_gradient(loss, 3, PARAMS), "gradient is int, which cannot be called"),  # type: ignore[arg-type]
        (lambda: check_gradient(loss, None, PARAMS), "no gradient beside the loss"),
        (lambda: check_gradient(loss, gradient, PARAMS, hint="all"), "hint is 'all'; give one of pass, where"),
        (lambda: check_gradient(loss, gradient, PARAMS, most=0), "most is 0"),
        (lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 2])), "without its data; give x and y"),
        (lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 3]), x=X, y=Y), "do not fit the network"),
        (
            lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 2, 2]), x=X, y=Y),
            "but the network has",
        ),
        (lambda: check_gradient(loss, gradient, PARAMS, masks={1: X}), "masks are given without like"),
        (
            lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 2]), x=X, y=Y, masks={1: X}),
            "masks has a layer 1, and the network has no hidden layer; leave masks out",
        ),
        (lambda: _like(masks={2: X}), "masks has a layer 2; give a mask for a hidden layer, from 1 to 1"),
        (lambda: _like(masks=[1]), r"masks is list; give a dictionary of masks by layer, as \{1: mask\}"),
        (lambda: _like(masks={1: "on"}), "the mask of layer 1 holds <U2; give real numbers"),
        (lambda: _like(masks={1: np.ones((8, 2))}), r"the mask of layer 1 has the shape \(8, 2\); give \[N, 3\]"),
        (
            lambda: _like(masks={1: np.ones((7, 3))}),
            "the mask of layer 1 has 7 rows; give a row for each of the 8 samp",
        ),
        (lambda: _like(x=[["a"] * 4] * 8), "x holds <U1; give real numbers"),
        (lambda: _like(x=[[1.0], [1.0, 2.0]]), "x is a list whose items have different shapes; give an array"),
        (lambda: _like(y=["cat"] * 8), "y holds <U3; give real numbers"),
        (lambda: _like(x=np.where(X == X[1, 2], np.nan, X)), r"x\[1, 2\] is nan; give finite numbers"),
        (lambda: _like(y=[1.0] * 7 + [np.inf]), r"y\[7\] is inf; give finite numbers"),
        (lambda: check_gradient(loss, gradient, PARAMS, x=[[1.0], [1.0, 2.0]]), "x is a list whose items"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 0.1), "the step changes no parameter"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 0), "learning_rate is 0; give a number above 0"),
        (lambda: check_update(lambda p: None, loss, PARAMS, True), "learning_rate is True; give a number above 0"),
        (lambda: check_update(lambda p: None, loss, PARAMS, np.float32("nan")), "learning_rate is .*nan.*; give a num"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 10**400), "learning_rate is inf; give a number above 0"),
        (lambda: check_update(lambda p: None, loss, PARAMS, "0.1"), "learning_rate is '0.1'; give"),  # type: ignore[arg-type]
        (lambda: check_update(lambda p: None, loss, PARAMS, 0.1, momentum=1.0), "momentum is 1.0"),
        (lambda: check_object(object(), params=["W"], grads=["dW"], loss=lambda: 1.0), "there is no 'W' in the object"),
        (lambda: check_object(object(), params=["W"], grads=[], loss=lambda: 1.0), "a gradient for each parameter"),
        (lambda: check_vjp(np.tanh, None, X), "no backward function"),
        (lambda: check_vjp(lambda x: np.log(x), lambda g: g, X), "forward gives a number that is not finite at"),
        (lambda: check_gradient(_later, gradient, PARAMS), "_later is an async function; give a plain one"),
        (lambda: check_vjp(lambda x: x > 0, lambda g: g, X), "gives an array of bool"),
        (lambda: check_gradient(lambda: 1.0, lambda: [1.0], [0.5]), "is a plain number, which cannot be moved"),
        (
            lambda: check_gradient(lambda w: math.log(w[0]), lambda w: 1 / w, np.array([1e-12])),
            r"loss raised ValueError: .*, when w\[0\] was moved a little; check at parameters around which",
        ),
        (
            lambda: check_gradient(lambda w: math.asin(w[0]), lambda w: w, np.array([1 - 1e-5])),
            r"loss raised ValueError: .*, when w was moved a little; check at parameters around which",
        ),
        (lambda: check_vjp(lambda x: [], lambda g: g, X), "forward gives an empty list; give the output, or"),
        (lambda: check_vjp(lambda x: (), lambda g: g, X), "forward gives an empty tuple; give the output, or"),
        (lambda: check_vjp(lambda x: [x, x], lambda g: g, X[0]), r"give .*\(output, cache\) as a tuple"),
        (
            lambda: check_vjp(lambda x: [torch.tensor(x).to(torch.bfloat16)], lambda g: g, X),
            "a tensor cannot be read as an array",
        ),
        (lambda: check_vjp(lambda x: [[1.0], [1.0, 2.0]], lambda g: g, X), "a list whose items have different shapes"),
        (
            lambda: check_gradient(loss, gradient, {**PARAMS, "W": PARAMS["W"].view(np.matrix)}),
            "W is a np.matrix, whose",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call: Any, words: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(BadInput, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_without_the_network_x_tells_how_many_samples_there_are_whatever_it_holds() -> None:
    texts = pd.DataFrame({"size": X[:, 0], "color": "red"})
    for x in (np.full(X.shape, np.nan), texts, texts.to_numpy(str)):
        report = check_gradient(loss, lambda p: {name: len(X) * one for name, one in gradient(p).items()}, PARAMS, x=x)
        assert report.diagnosis[0].code == "mean_missing"


@pytest.mark.parametrize("y", [LABELS > 0, (LABELS > 0).tolist(), LABELS.astype(object)])
def test_labels_are_whole_numbers_whatever_holds_them(y: Any) -> None:
    def both(W: Any) -> Any:
        e = np.exp(X @ W)
        p = e / e.sum(1, keepdims=True)
        return -np.log(p[np.arange(len(X)), LABELS]).mean(), X.T @ (p - np.eye(2)[LABELS]) / len(X)

    network = Network([4, 2], output="softmax", bias=False)
    report = check_gradient(both, None, PARAMS["W"], like=network, x=X, y=y)
    assert report.ok and any(note.startswith("the loss was recognized") for note in report.notes)


async def _later(params: Any) -> Any:
    return loss(params)


@pytest.mark.parametrize(("rate", "momentum"), [(np.float32(0.5), 0.0), (np.int64(1), 0.0), (0.125, np.float32(0.5))])
def test_the_numbers_of_an_update_may_be_numbers_of_numpy(rate: Any, momentum: Any) -> None:
    w, v = np.array([1.0, 2.0]), np.zeros(2)

    def step() -> None:
        v[...] = float(momentum) * v - float(rate) * 2 * w
        w[...] += v

    assert check_update(step, lambda: w @ w, w, rate, momentum=momentum).ok


def test_a_layer_is_spoken_of_as_a_layer() -> None:
    drawn = np.random.default_rng(0)
    random = check_vjp(lambda x: x + drawn.normal(size=x.shape), lambda g: g, X)
    constant = check_vjp(lambda x: np.ones(3), lambda g: 0 * X, X)
    unused = check_vjp(lambda x, w: x**2, lambda g: (2 * X * g, 0 * X[0]), (X, X[0]))
    near = np.array([[1e-12, 1.0]])
    edge = check_vjp(lambda x: 2 * np.sqrt(x), lambda g: g / np.sqrt(near), near)
    for report in (random, constant, unused, edge):
        assert "loss" not in str(report), str(report)
    assert random.vacuous == (
        "the output of forward is random: with the same input it differs; set the seed inside, so that each call "
        "draws the same numbers"
    )
    assert constant.vacuous == ("the output of forward is constant: it does not change, however far the input is moved")
    assert any(note == "the output of forward does not depend on w at all" for note in unused.notes)


def test_data_may_be_a_tensor_that_requires_a_gradient() -> None:
    found, wanted = (
        check_gradient(loss, gradient, PARAMS, like=Network([4, 2]), x=x, y=y)
        for x, y in ((torch.tensor(X, requires_grad=True), torch.tensor(Y)), (X, Y))
    )
    assert str(found) == str(wanted) and "the loss was recognized" in str(found)


@pytest.mark.parametrize("seed", range(20))
def test_a_loss_in_float32_is_recognized(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, labels = generator.normal(size=(12, 3)).astype(np.float32), generator.integers(0, 3, 12)
    net = SimpleNamespace(
        W1=generator.normal(size=(3, 5)).astype(np.float32),
        b1=np.zeros(5, np.float32),
        W2=generator.normal(size=(5, 3)).astype(np.float32),
        b2=np.zeros(3, np.float32),
    )

    def value() -> Any:
        net.h = np.tanh(x @ net.W1 + net.b1)
        powers = np.exp(net.h @ net.W2 + net.b2)
        net.p = powers / powers.sum(1, keepdims=True)
        return -np.log(net.p[np.arange(12), labels]).mean()

    def back() -> None:
        d = (net.p - np.eye(3, dtype=np.float32)[labels]) / 12
        dz = d @ net.W2.T  # without 1 − h²
        net.dW1, net.db1, net.dW2, net.db2 = x.T @ dz, dz.sum(0), net.h.T @ d, d.sum(0)

    names = ["W1", "b1", "W2", "b2"]
    report = check_object(
        net,
        params=names,
        grads=[f"d{name}" for name in names],
        loss=value,
        backward=back,
        like=Network([3, 5, 3], "tanh", "softmax"),
        x=x,
        y=labels,
    )
    assert [mistake.code for mistake in report.diagnosis] == ["derivative_missing"], str(report)


def test_of_a_wrong_shape_the_shapes_are_told_and_no_right_entry_is_called_the_worst() -> None:
    report = check_gradient(loss, lambda p: {**gradient(p), "W": gradient(p)["W"].T}, PARAMS)
    assert [mistake.code for mistake in report.diagnosis] == ["transposed"] and report.worst is None
    assert "the gradient of W has the shape (2, 4), W itself (4, 2)" in report.notes


def test_of_a_wrong_loss_no_right_entry_of_the_gradient_is_called_the_worst() -> None:
    def table(p: dict[str, Any]) -> Any:
        return ((X @ p["W"][:, :1] - Y[:, 0]) ** 2).mean()  # (N, 1) against (N,)

    def slope(p: dict[str, Any]) -> Any:
        error = 2 * (X @ p["W"][:, :1] - Y[:, :1].mean()) / len(X)
        return {"W": X.T @ error}

    like = Network([4, 1], bias=False)
    report = check_gradient(table, slope, {"W": PARAMS["W"][:, :1]}, like=like, x=X, y=Y[:, 0])
    assert not report.ok and [mistake.code for mistake in report.diagnosis] == ["broadcast"] and report.worst is None


def test_what_code_prints_is_not_shown_a_thousand_times(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(params: dict[str, Any]) -> Any:
        print("loss", loss(params))
        return loss(params)

    assert check_gradient(loud, gradient, PARAMS).ok
    assert capsys.readouterr().out.count("loss") < 10


def test_what_code_keeps_of_its_parameters_is_of_the_right_ones_again() -> None:
    kept: dict[str, Any] = {}

    def value(w: Any) -> Any:
        kept["w"] = w  # a script with globals would do so
        return (w**2).sum()

    w = np.array([1.0, 2.0], np.float32)
    assert check_gradient(value, lambda w: 2 * w, w).ok
    assert kept["w"].dtype == np.float32 and kept["w"].tolist() == [1.0, 2.0]


def test_a_layer_is_checked_with_everything_that_it_takes() -> None:
    def affine(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b, (x, w)

    def back(upstream: Any, cache: Any) -> Any:
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0)

    given = (X, PARAMS["W"], PARAMS["b"])
    report = check_vjp(affine, back, given)
    assert report.ok and report.entries == 32 + 8 + 2

    def wrong(upstream: Any, cache: Any) -> Any:
        return upstream @ cache[1].T, cache[0].T @ upstream, upstream.mean(axis=0)

    report = check_vjp(affine, wrong, given)
    assert not report.ok and report.worst is not None and report.worst.name == "b"
    assert report.diagnosis[0].where == ("b",)


@pytest.mark.parametrize(
    ("backward", "code"),
    [
        (lambda z: lambda g: g, "derivative_missing"),
        (lambda z: lambda g: g * (1 - np.tanh(np.tanh(z)) ** 2), "derivative_at_output"),
        (lambda z: lambda g: g * (1 - np.tanh(z) ** 2) ** 2, "derivative_twice"),
        (lambda z: lambda g: 1 - np.tanh(z) ** 2, "upstream_ignored"),
        (lambda z: lambda g: -g * (1 - np.tanh(z) ** 2), "sign"),
    ],
)
def test_mistakes_of_a_layer_are_named_without_its_network(backward: Any, code: str) -> None:
    report = check_vjp(lambda z: (np.tanh(z), backward(z)), None, X)
    assert not report.ok and [mistake.code for mistake in report.diagnosis] == [code]


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: [np.tanh(row) for row in x], lambda g: g * (1 - np.tanh(X) ** 2)),
        (lambda x: np.tanh(x).tolist(), lambda g: (g * (1 - np.tanh(X) ** 2)).tolist()),
        (lambda x: [np.tanh(x), lambda g: g * (1 - np.tanh(X) ** 2)], None),
        (lambda x: torch.tanh(torch.tensor(x)), lambda g: torch.tensor(g) * (1 - torch.tanh(torch.tensor(X)) ** 2)),
        (lambda x: with_autograd(x), None),
    ],
)
def test_a_layer_may_give_lists_and_tensors(forward: Any, backward: Any) -> None:
    report = check_vjp(forward, backward, X)
    assert report.ok and report.compared == X.size
    wrong = check_vjp(lambda x: 2 * np.asarray(forward(x)), backward, X) if backward else None
    assert wrong is None or [mistake.code for mistake in wrong.diagnosis] == ["factor_two"]


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: [np.tanh(x), x], lambda g: g / np.cosh(X) ** 2),
        (lambda x: [np.tanh(x), {"x": x}, None], lambda g: g / np.cosh(X) ** 2),
        (lambda x: [np.tanh(x), x], lambda g, cache: g / np.cosh(cache) ** 2),
        (lambda x: [x @ X.T, x], lambda g: g @ X),
        (lambda x: list(map(list, torch.tanh(torch.tensor(x, requires_grad=True)))), lambda g: g / np.cosh(X) ** 2),
    ],
)
def test_a_list_may_hold_an_output_and_a_cache_or_rows_of_tensors(forward: Any, backward: Any) -> None:
    assert check_vjp(forward, backward, X).ok
    wrong = check_vjp(forward, wraps(backward)(lambda *given: 2 * backward(*given)), X)
    assert [mistake.code for mistake in wrong.diagnosis] == ["factor_two"]


def with_autograd(x: Any) -> Any:
    given = torch.tensor(x, requires_grad=True)
    made = torch.tanh(given)
    return made, lambda g: torch.autograd.grad(made, given, torch.tensor(g))[0]


@pytest.mark.parametrize("way", ["in place", "returned"])
def test_an_update_of_what_it_is_handed(way: str) -> None:
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


def test_an_object_is_left_as_it_was_found() -> None:
    class Net:
        def __init__(self) -> None:
            self.params = {"W": PARAMS["W"].copy(), "b": PARAMS["b"].copy()}

        def loss(self) -> Any:
            self.grads = gradient(self.params)
            self.seen = self.params["W"].copy()
            return loss(self.params)

    net = Net()
    report = check_object(net, params=["params"], grads=["grads"], loss=net.loss)
    assert report.ok and report.entries == 10
    assert np.array_equal(net.params["W"], PARAMS["W"]) and np.array_equal(net.seen, PARAMS["W"])
    report = check_object(net, params=["params['W']"], grads=["grads['b']"], loss=net.loss)
    assert not report.ok


def test_where_no_mistake_is_known_that_is_said_and_what_else_could_be_told() -> None:
    def loss(w: Any) -> float:
        return float((w * w).sum())

    def wrong(w: Any) -> Any:
        return 2 * w + np.sin(np.arange(w.size)).reshape(w.shape)

    report = check_gradient(loss, wrong, np.random.default_rng(0).normal(size=(3, 4)))
    assert not report.ok and report.diagnosis == ()
    assert any("no single known mistake" in note for note in report.notes)
    assert any("like=Network" in note for note in report.notes)
    where = check_gradient(loss, wrong, np.random.default_rng(0).normal(size=(3, 4)), hint="where")
    assert where.worst and not any("mistake" in note or "like" in note for note in where.notes)


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


class TwoPasses:
    """A network whose backward pass reads what the last forward pass left, as in most courses."""

    def __init__(self) -> None:
        generator = np.random.default_rng(5)
        self.W1, self.W2 = generator.normal(size=(4, 3)), generator.normal(size=(3, 2))

    def loss(self) -> Any:
        self.hidden = np.tanh(X @ self.W1)
        self.error = self.hidden @ self.W2 - Y
        return (self.error**2).mean() + 0.05 * ((self.W1**2).sum() + (self.W2**2).sum())

    def backward(self, penalty: float = 0.1) -> dict[str, Any]:
        error = 2 * self.error / self.error.size
        hidden = error @ self.W2.T * (1 - self.hidden**2)
        return {"W1": X.T @ hidden + penalty * self.W1, "W2": self.hidden.T @ error + penalty * self.W2}

    def step(self) -> None:
        gradient = self.backward()
        self.W1 -= 0.1 * gradient["W1"]
        self.W2 -= 0.1 * gradient["W2"]


def test_a_backward_pass_comes_after_the_forward_pass_that_it_needs() -> None:
    net = TwoPasses()
    assert check_update(net.step, net.loss, [net.W1, net.W2], learning_rate=0.1).ok
    arrays = {"W1": net.W1, "W2": net.W2}

    def twice() -> None:
        net.W1 -= 0.2 * net.backward()["W1"]

    net.loss()
    wrong = check_update(twice, net.loss, [net.W1], learning_rate=0.1)
    assert [mistake.code for mistake in wrong.diagnosis] == ["factor_two"]
    for penalty, codes in ((0.1, []), (0.05, ["penalty_factor"]), (0.0, ["penalty_missing"])):
        report = check_gradient(lambda: net.loss(), lambda penalty=penalty: net.backward(penalty), arrays)
        assert [mistake.code for mistake in report.diagnosis] == codes


@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_nobody_is_accused_where_kinks_are_nearer_than_steps_can_be(size: float) -> None:
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


def test_of_a_loss_that_does_not_change_it_is_said() -> None:
    generator = np.random.default_rng(2)
    params = {"W": generator.normal(size=(4, 2)), "b": generator.normal(size=2)}
    constant = check_gradient(lambda p: 3.0, gradient, params)
    assert constant.verdict == "WRONG" and any("the loss is constant" in note for note in constant.notes)
    labels = Y.argmax(1)
    accuracy = check_gradient(lambda p: ((X @ p["W"] + p["b"]).argmax(1) == labels).mean(), gradient, params)
    assert accuracy.verdict == "WRONG" and any("does not change when" in note for note in accuracy.notes)
    at_minimum = check_gradient(lambda w: 5 + (w**2).sum(), lambda w: 2 * w + 1, np.zeros(3))
    assert at_minimum.verdict == "WRONG" and not any("does not change" in note for note in at_minimum.notes)


def test_a_step_that_draws_samples_is_told() -> None:
    """The gradient over some samples is none of the loss over all; each step has another one."""
    drawn, w = np.random.default_rng(0), 0.3 * np.ones(4)

    def loss() -> Any:
        return ((X @ w) ** 2).mean()

    def step(rows: Any) -> None:
        w[...] -= 0.1 * 2 * X[rows].T @ (X[rows] @ w) / len(rows)

    report = check_update(lambda: step(drawn.permutation(8)[:3]), loss, w, 0.1)
    assert [mistake.code for mistake in report.diagnosis] == ["random_gradient"] and (w == 0.3).all()
    assert not any("no single known mistake" in note for note in report.notes)
    assert check_update(lambda: step(drawn.permutation(8)), loss, w, 0.1).ok  # all of them, in another order
    always = check_update(lambda: step(np.arange(3)), loss, w, 0.1)
    assert not always.ok and "random_gradient" not in [mistake.code for mistake in always.diagnosis]


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_with_a_velocity_and_biases_without_are_not_taken_for_random(sign: int) -> None:
    """The second step is 1.9 times as far for weights and as far for biases, so on no line with the first."""
    generator = np.random.default_rng(0)
    params, velocity = [generator.normal(size=(4, 2)), generator.normal(size=2)], np.zeros((4, 2))
    targets = generator.normal(size=(8, 2))

    def loss(p: Any) -> Any:
        return ((X @ p[0] + p[1] - targets) ** 2).mean()

    def step(p: Any) -> Any:
        error = 2 * (X @ p[0] + p[1] - targets) / targets.size
        velocity[...] = 0.9 * velocity - 0.1 * X.T @ error
        return [p[0] + velocity, p[1] - sign * 0.1 * error.sum(0)]

    report = check_update(step, loss, params, 0.1, momentum=0.9)
    codes = [mistake.code for mistake in report.diagnosis]
    assert report.verdict == "WRONG" and "random_gradient" not in codes
    assert sign == 1 or codes == ["sign"]


def test_a_velocity_is_not_taken_for_random() -> None:
    w, velocity = 0.3 * np.ones(4), np.zeros(4)

    def step() -> None:
        velocity[...] = 0.9 * velocity + 2 * X.T @ (X @ w)  # not divided by the samples
        w[...] -= 0.01 * velocity

    report = check_update(step, lambda: ((X @ w) ** 2).mean(), w, 0.01)
    assert [mistake.code for mistake in report.diagnosis] == ["mean_missing", "factor"]


@pytest.mark.parametrize("share", [1.0, -1.0])
def test_an_update_with_velocities_of_an_earlier_one_is_not_called_wrong(share: float) -> None:
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
def test_a_wrong_first_update_is_not_right(velocity: float, first: float, verdict: str) -> None:
    """What the second update makes of it is right each time; only a sign is no work of velocities."""
    w, v, factor = 0.3 * np.ones(4), velocity * np.array([1.0, -2.0, 0.5, 3.0]), [first]

    def step() -> None:
        v[...] = 0.9 * v - 0.01 * (factor.pop() if factor else 1) * 2 * X.T @ (X @ w) / len(X)
        w[...] += v

    report = check_update(step, lambda: ((X @ w) ** 2).sum() / len(X), w, 0.01, momentum=0.9)
    assert report.verdict == verdict


@pytest.mark.parametrize("without", [("b",), ("W", "b")])
def test_an_update_without_a_velocity_is_not_taken_for_one_with_a_penalty(without: tuple[str, ...]) -> None:
    """What begins at 0 is its own velocity after one update, so that β v is a multiple of the parameter too."""
    p = {"W": np.zeros((4, 2)), "b": np.zeros(2)}
    v = {name: np.zeros_like(one) for name, one in p.items()}

    def step() -> None:
        error = 2 * (X @ p["W"] + p["b"] - Y) / Y.size
        for name, gradient in (("W", X.T @ error), ("b", error.sum(0))):
            v[name][...] = (0 if name in without else 0.9) * v[name] - 0.1 * gradient
            p[name] += v[name]

    report = check_update(step, lambda: ((X @ p["W"] + p["b"] - Y) ** 2).mean(), p, 0.1, momentum=0.9)
    assert [(one.code, one.where) for one in report.diagnosis] == [("velocity_missing", without)]


@pytest.mark.parametrize(
    ("beta", "decay", "codes"),
    [
        ({"W": 0.9, "b": 0.5}, 0.0, ["momentum_factor"]),
        ({"W": 0.8, "b": 0.8}, 0.0, ["momentum_factor"]),
        ({"W": 0.9, "b": 0.0}, 0.1, []),
        ({"W": 0.9, "b": 0.9}, 0.1, ["penalty_on_biases", "penalty_factor"]),
    ],
)
def test_a_velocity_of_another_beta_is_not_taken_for_a_penalty(
    beta: dict[str, float], decay: float, codes: list[str]
) -> None:
    """After two updates what began at 0 is no multiple of its velocity any more, as it is after one."""
    p = {"W": np.zeros((4, 2)), "b": np.zeros(2)}
    v = {name: np.zeros_like(one) for name, one in p.items()}

    def step() -> None:
        error = 2 * (X @ p["W"] + p["b"] - Y) / Y.size
        for name, gradient in (("W", X.T @ error), ("b", error.sum(0) + decay * p["b"])):
            v[name][...] = beta[name] * v[name] - 0.1 * gradient
            p[name] += v[name]

    report = check_update(step, lambda: ((X @ p["W"] + p["b"] - Y) ** 2).mean(), p, 0.1, momentum=0.9)
    assert report.verdict == "WRONG" and [one.code for one in report.diagnosis] == codes


@pytest.mark.parametrize(("scale", "beta"), [(2.0, 0.9), (1.0, 0.5), (5.3, 0.9)])
def test_a_wrong_update_with_momentum_is_not_taken_for_random_when_it_is_checked_again(
    scale: float, beta: float
) -> None:
    """Neither a factor nor another β draws anything: each step is the same one, and β times how the last one grew."""
    w, v = [np.random.default_rng(0).normal(size=4), np.array([0.2])], [np.zeros(4), np.zeros(1)]

    def step() -> None:
        error = 2 * (X @ w[0] + w[1] - 1) / len(X)
        for one, velocity, gradient in zip(w, v, (X.T @ error, error.sum(keepdims=True)), strict=True):
            velocity[...] = beta * velocity - 0.02 * scale * gradient
            one += velocity

    for _ in range(3):
        report = check_update(step, lambda: ((X @ w[0] + w[1] - 1) ** 2).mean(), w, 0.02, momentum=0.9)
        assert report.verdict == "WRONG" and "random_gradient" not in [mistake.code for mistake in report.diagnosis]


def test_random_samples_are_told_with_momentum_too() -> None:
    w, v, drawn = 0.3 * np.ones(4), np.zeros(4), np.random.default_rng(0)

    def step() -> None:
        rows = drawn.permutation(8)[:3]
        v[...] = 0.9 * v - 0.1 * 2 * X[rows].T @ (X[rows] @ w) / 3
        w[...] += v

    for _ in range(2):
        report = check_update(step, lambda: ((X @ w) ** 2).mean(), w, 0.1, momentum=0.9)
        assert [mistake.code for mistake in report.diagnosis] == ["random_gradient"]


def test_weight_decay_in_an_update_has_both_its_names() -> None:
    """What the loss has of a penalty cannot be told from updates alone."""
    line = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)).double()
    optimizer = torch.optim.SGD(line.parameters(), lr=0.5, weight_decay=0.1)

    def value() -> Any:
        return ((line(torch.tensor(X)) - torch.tensor(Y)) ** 2).mean()

    def step() -> None:
        optimizer.zero_grad()
        value().backward()
        optimizer.step()

    report = check_update(step, value, lambda: [one.detach().numpy() for one in line.parameters()], 0.5)
    assert [mistake.code for mistake in report.diagnosis] == ["penalty_factor", "penalty_not_in_loss"]
    assert all(len(mistake.where) == 4 for mistake in report.diagnosis)


def test_of_several_numbers_it_is_said_which_was_taken_for_the_loss() -> None:
    y = np.arange(8) % 2

    def backwards(w: Any, b: Any) -> Any:
        p = 1 / (1 + np.exp(-(X @ w + b)))
        return X.T @ (p - y), (p - y).sum(), -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()

    report = check_gradient(backwards, None, (np.ones(4), 0.1))
    assert report.verdict == "WRONG"
    assert any("returns 2 numbers, and the first" in note and "the loss first" in note for note in report.notes)
    forwards = check_gradient(lambda w, b: backwards(w, b)[::-1][:1] + backwards(w, b)[:2], None, (np.ones(4), 0.1))
    assert forwards.ok and not forwards.notes


def test_parameters_in_the_same_memory_are_refused() -> None:
    class Tied:
        def __init__(self) -> None:
            self.W = np.random.default_rng(0).normal(size=(4, 2))
            self.V = self.W.T

    net = Tied()
    with pytest.raises(BadInput, match="W and V share memory, so that one moves the other; name one of them"):
        check_object(net, params=["W", "V"], grads=["W", "V"], loss=lambda: (net.W**2).sum())
    flat = np.random.default_rng(0).normal(size=6)
    even, odd = flat[::2], flat[1::2]  # entries by turns, and none in both
    assert check_gradient(lambda: (flat**2).sum(), lambda: (2 * even, 2 * odd), [even, odd]).ok


def test_layers_may_be_counted_from_the_end() -> None:
    class Net:
        def __init__(self) -> None:
            self.layers = [{"W": np.ones((4, 2))}, {"W": np.array([[0.5], [1.0]])}]

        def loss(self) -> Any:
            hidden = X @ self.layers[0]["W"]
            self.dW = 2 * hidden.T @ (hidden @ self.layers[1]["W"])
            return ((hidden @ self.layers[1]["W"]) ** 2).sum()

    net = Net()
    assert check_object(net, params=["layers[-1].W"], grads=["dW"], loss=net.loss).ok
    with pytest.raises(BadInput, match="there is no 'layers\\[-3\\].W'"):
        check_object(net, params=["layers[-3].W"], grads=["dW"], loss=net.loss)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_module_of_pytorch_is_moved_where_it_stands(wrong: bool) -> None:
    x, y = torch.tensor(X), torch.tensor(Y)

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(4, 2, dtype=torch.float64)

        def loss(self) -> Any:
            self.error = self.line(x) - y
            return (self.error**2).sum()

        def backward(self) -> None:
            with torch.no_grad():
                self.dW, self.db = 2 * self.error.T @ x, (1 if wrong else 2) * self.error.sum(0)

    net = Module()
    before = net.line.weight.detach().clone()
    names = {"params": ["line.weight", "line.bias"], "grads": ["dW", "db"]}
    report = check_object(net, loss=net.loss, backward=net.backward, **names)
    assert [mistake.code for mistake in report.diagnosis] == ["factor_two"] * wrong and report.ok != wrong
    assert torch.equal(net.line.weight, before)


def test_a_tensor_that_no_array_can_stand_for_is_refused() -> None:

    class Net:
        W = torch.ones(2, dtype=torch.bfloat16)

    with pytest.raises(BadInput, match="a tensor cannot be read as an array: .*; give one of floats on the CPU"):
        check_object(Net(), params=["W"], grads=["W"], loss=lambda: 1.0)


class Kept:
    """Two layers whose way back takes what the way forward kept: at once, only once, or of the call before."""

    def __init__(self, how: str) -> None:
        generator = np.random.default_rng(2)
        self.W, self.V = generator.normal(size=(4, 5)), generator.normal(size=(5, 2))
        self.how, self.calls, self.mean = how, 0, np.zeros(5)
        self.h: Any = None

    def loss(self) -> Any:
        h = np.tanh(X @ self.W)
        self.error = h @ self.V - Y
        self.before = h if self.h is None else self.h
        self.h = self.h if self.how == "once" and self.h is not None else h
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * h.mean(axis=0)  # as batch norm keeps for later
        return (self.error**2).sum()

    def backward(self) -> list[Any]:
        h = self.before if self.how == "late" else self.h
        d = 2 * self.error
        self.dV, self.dW = h.T @ d, X.T @ (d @ self.V.T * (1 - h * h))
        return [self.dW, self.dV]


@pytest.mark.parametrize("called", [False, True], ids=["", "called before"])
@pytest.mark.parametrize(("how", "codes"), [("once", ["stale"]), ("late", ["stale"]), ("at once", [])])
def test_a_way_back_that_takes_values_of_an_earlier_call_is_found(how: str, codes: list[str], called: bool) -> None:
    net, script = Kept(how), Kept(how)
    if called:
        net.loss(), script.loss()
    for report in (
        check_object(net, params=["W", "V"], grads=["dW", "dV"], loss=net.loss, backward=net.backward),
        check_gradient(script.loss, script.backward, [script.W, script.V]),
    ):
        assert report.ok == (not codes) and [mistake.code for mistake in report.diagnosis] == codes


def test_a_gradient_that_never_changes_is_stale_unless_it_was_made_once() -> None:
    def loss_of(w: Any) -> Any:
        return ((X @ w - Y[:, 0]) ** 2).sum()

    kept: dict[str, Any] = {}
    w = np.array([0.5, -1.0, 2.0, 0.3])
    once = check_gradient(loss_of, lambda w: 2 * X.T @ (X @ kept.setdefault("w", w.copy()) - Y[:, 0]), w)
    assert str(once.diagnosis[0].sentence) == (
        "the gradient of w is right at these parameters and wrong near them, as one that uses values of an earlier "
        "call of the loss"
    )
    made = 2 * X.T @ (X @ w - Y[:, 0])
    assert check_gradient(loss_of, lambda w: made, w).ok


def test_what_is_set_by_the_first_call_is_set_at_the_parameters_and_not_stale() -> None:
    """A layer that centers by the first batch that it meets, as ActNorm does: Kingma & Dhariwal 2018."""

    class Centered:
        def __init__(self) -> None:
            self.W, self.mean = np.random.default_rng(4).normal(size=(4, 3)), None

        def loss(self) -> Any:
            h = X @ self.W
            self.mean = h.mean(axis=0) if self.mean is None else self.mean
            self.a = np.tanh(h - self.mean)
            return (self.a**2).sum()

        def backward(self) -> None:
            self.dW = X.T @ (2 * self.a * (1 - self.a**2))

    net = Centered()
    assert check_object(net, params=["W"], grads=["dW"], loss=net.loss, backward=net.backward).ok
    np.testing.assert_array_equal(net.mean, (X @ net.W).mean(axis=0))
    net = Centered()
    assert check_gradient(lambda _: net.loss(), lambda _: (net.backward(), net.dW)[1], net.W).ok
    np.testing.assert_array_equal(net.mean, (X @ net.W).mean(axis=0))
    seen: list[Any] = []
    check_vjp(lambda x: (seen.append(x.copy()), np.tanh(x))[1], lambda above: above * (1 - np.tanh(X) ** 2), X)
    np.testing.assert_array_equal(seen[0], X)


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        (lambda W, b: (W / 2 / np.linalg.norm(W), b), "factor"),
        (lambda W, b: (W, 0 * b), "zero_gradient"),
        (lambda W, b: (2 * W, b), "factor_two"),
    ],
    ids=["clipped", "0 while the bias is 0", "twice while the bias is 0"],
)
def test_what_is_wrong_here_and_right_nearby_is_not_called_stale(spoiled: Any, code: str) -> None:
    p = {**PARAMS, "b": np.zeros_like(PARAMS["b"])}

    def slope(p: Any) -> Any:
        found = gradient(p)
        if not p["b"].any():
            found["W"], found["b"] = spoiled(found["W"], found["b"])
        return found

    assert [mistake.code for mistake in check_gradient(loss, slope, p).diagnosis] == [code]


def test_masks_that_are_counted_do_not_make_a_gradient_stale() -> None:
    """Each call of the loss counts, and draws the mask of its layer's number, whatever was called before."""
    net, masks = Kept("at once"), iter(range(10**9))

    def value(p: Any) -> Any:
        next(masks)
        kept["mask"] = np.random.default_rng(3).random(p.shape) < 0.5
        return ((kept["mask"] * p) ** 2).sum()

    kept: dict[str, Any] = {}
    assert check_gradient(value, lambda p: 2 * kept["mask"] * p, net.W).ok


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("factor", "codes"), [(1, []), (-1, ["sign"])])
def test_a_loss_that_does_not_look_at_what_it_is_handed_is_moved_in_place(
    together: bool, factor: int, codes: list[str]
) -> None:
    held = {name: one.copy() for name, one in PARAMS.items()}

    def both(_: Any) -> Any:
        return loss(held), {name: factor * one for name, one in gradient(held).items()}

    given = (both, None) if together else (lambda _: both(_)[0], lambda _: both(_)[1])
    report = check_gradient(*given, held, like=Network([4, 2]), x=X, y=Y)
    assert report.ok == (not codes) and [one.code for one in report.diagnosis] == codes
    assert any("in place" in note for note in report.notes)
    assert all(np.array_equal(held[name], PARAMS[name]) for name in PARAMS)


def test_lists_that_a_loss_reads_where_they_stand_cannot_be_moved() -> None:
    lists = {name: one.tolist() for name, one in PARAMS.items()}

    def standing() -> Any:
        return {name: np.array(one) for name, one in lists.items()}

    with pytest.raises(BadInput, match=r"^W is a list, which cannot be moved from outside; make it an array$"):
        check_gradient(lambda _: loss(standing()), lambda _: gradient(standing()), lists)


def test_of_a_loss_that_is_constant_no_other_loss_is_named() -> None:
    report = check_gradient(lambda _: 1.25, gradient, PARAMS, like=Network([4, 2]), x=X, y=Y)
    assert not report.ok and report.diagnosis == () and any("the loss is constant" in note for note in report.notes)


class Foreign:
    """An array of another library, as those of JAX are: it turns into one of NumPy where it is asked to."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("factor", "codes"), [(1, []), (2, ["factor_two"])])
def test_arrays_of_another_library_are_read(dtype: Any, factor: int, codes: list[str]) -> None:
    def value_and_grad(w: Any) -> Any:
        w = np.asarray(w, dtype)
        return Foreign((X.astype(dtype) @ w * w.sum()).sum()), Foreign(factor * slope(w))

    def slope(w: Any) -> Any:
        x = X.astype(dtype)
        return x.sum(0) * w.sum() + (x @ w).sum()

    def forward(x: Any) -> Any:
        return Foreign(np.tanh(np.asarray(x, dtype)))

    def back(upstream: Any) -> Any:
        return (Foreign(factor * np.asarray(upstream, dtype) * (1 - np.tanh(X.astype(dtype)) ** 2)),)

    w = np.array([0.5, -1.0, 2.0, 0.3])
    pair = check_gradient(lambda w: value_and_grad(w)[0], lambda w: value_and_grad(w)[1], w)
    for report in (pair, check_gradient(value_and_grad, None, w), check_vjp(forward, back, X)):
        assert [mistake.code for mistake in report.diagnosis] == codes and report.ok == (not codes)


def test_rows_of_plain_numbers_are_one_array() -> None:
    def value(p: Any) -> Any:
        assert all(isinstance(p[name], list) for name in p)
        return loss({name: np.array(one) for name, one in p.items()})

    def slope(p: Any, columns: int = 2) -> Any:
        found = gradient({name: np.array(one) for name, one in p.items()})
        found["W"][:, columns:] = 0
        return {name: one.tolist() for name, one in found.items()}

    lists = {name: one.tolist() for name, one in PARAMS.items()}
    like: Any = {"like": Network([4, 2]), "x": X, "y": Y}
    assert check_gradient(value, slope, lists, **like).ok
    report = check_gradient(value, lambda p: slope(p, 1), lists)
    assert [mistake.code for mistake in report.diagnosis] == ["single_row"]
    assert report.diagnosis[0].sentence == "only the column W[:, 1] of the gradient is wrong"


@pytest.mark.parametrize(("how", "code"), [("mean", "running_mean"), ("nesterov", "nesterov")])
@pytest.mark.parametrize("beta", [0.9, 0.75])
def test_another_momentum_is_named(how: str, code: str, beta: float) -> None:
    w, v = 0.3 * np.ones(4), np.zeros(4)

    def step() -> None:
        g = 2 * X.T @ (X @ w) / len(X)
        v[...] = beta * v - 0.01 * g * (1 - beta if how == "mean" else 1)
        w[...] += beta * v - 0.01 * g if how == "nesterov" else v

    report = check_update(step, lambda: ((X @ w) ** 2).sum() / len(X), w, 0.01, momentum=beta)
    assert [mistake.code for mistake in report.diagnosis] == [code]


@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_infinite_nearby_is_no_reason_for_a_warning_of_numpys() -> None:
    report = check_gradient(lambda w: np.where(w > 0.3, np.inf, 2 * w).sum(), lambda w: 2 + 0 * w, np.full(3, 0.3))
    assert not report.ok
