"""Gradients and losses in float32, or rounded on the way."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss, two_layer_network

from deltarule import check_gradient


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


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_delta_rounded_to_float32_is_right(dtype: Any) -> None:
    for seed in range(12):
        both, params = rounded_on_the_way(seed, dtype)
        assert check_gradient(both, None, params).ok
        both, params = rounded_on_the_way(seed, dtype, share=1.0001)
        assert [one.code for one in check_gradient(both, None, params).diagnosis] == ["factor"]


@pytest.mark.slow
def test_float32_loss_is_measured_to_float32_precision() -> None:
    for seed in range(12):
        both, params = rounded_on_the_way(seed, np.float64, np.float64, np.float32)
        report = check_gradient(both, None, params)
        assert report.ok and any("in float32 an error under" in note for note in report.notes)
        both, params = rounded_on_the_way(seed, np.float64, np.float64, np.float32, share=2)
        assert [one.code for one in check_gradient(both, None, params).diagnosis] == ["factor_two"]


@pytest.mark.slow
def test_kinks_of_many_samples_do_not_count_as_rounding() -> None:
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

    report = check_gradient(both, None, params)
    assert [one.code for one in report.diagnosis] == ["factor"] and not any("on the way" in n for n in report.notes)


def test_right_gradient_is_called_only_a_few_times() -> None:
    calls = 0

    def counted(params: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return gradient(params)

    assert check_gradient(loss, counted, PARAMS).ok and calls < 10


@pytest.mark.slow
def test_float32_code_is_checked_to_float32_precision() -> None:
    narrow = {name: array.astype(np.float32) for name, array in PARAMS.items()}
    x, y = X.astype(np.float32), Y.astype(np.float32)
    held = narrow["W"], narrow["b"]  # a tuple, which can be given no other arrays

    def value() -> Any:
        return ((x @ held[0] + held[1] - y) ** 2).sum() / np.float32(8)

    def back(share: float = 1.0) -> Any:
        error = 2 * (x @ held[0] + held[1] - y) / np.float32(8)
        return {"W": np.float32(share) * (x.T @ error), "b": error.sum(axis=0)}

    assert value().dtype == np.float32
    report = check_gradient(value, back, narrow)
    assert report.ok and report.compared + report.faint == 10 and report.compared >= 8
    assert any("in float32 an error under" in note for note in report.notes)
    half = (np.full(3, 2.0, np.float16),)
    halves = check_gradient(lambda: (half[0] ** 2).sum(), lambda: 2 * half[0], half[0])
    assert any("in float16 an error under" in note for note in halves.notes)
    assert not check_gradient(value, lambda: back(1.005), narrow).ok
    assert np.array_equal(held[0], PARAMS["W"].astype(np.float32))
    # A function of its parameters is asked in float64, whatever they are given in.
    assert check_gradient(loss, gradient, narrow).methods[1:] == ("the complex step",)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_float32_network_is_proved_in_place(seed: int) -> None:
    """Beside the rounding errors of its loss many an entry is not to be seen, but the largest ones are."""
    p, both = two_layer_network(seed, dtype=np.float32)
    wide = {name: one.astype(np.float64) for name, one in p.items()}
    exact = check_gradient(two_layer_network(seed, dtype=np.float64)[1], None, wide)
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
def test_float32_layer_with_float64_loss_is_not_dead(seed: int) -> None:
    """A decay that is summed in Python's floats has all their digits, and the rest of the loss has not."""
    p, both = two_layer_network(seed, dtype=np.float32, size=0.01, decay=1e-4)
    assert all(np.abs(one).max() > 1e-7 for one in both(p)[1].values())
    report = check_gradient(lambda: both(p)[0], lambda: list(both(p)[1].values()), list(p.values()))
    assert report.verdict != "WRONG" and "dead layer" not in (report.vacuous or "")
