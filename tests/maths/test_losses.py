from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mpmath import mpf

from deltarule.maths.activations import ACTIVATIONS, SIGMOID, SOFTMAX
from deltarule.maths.losses import (
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    LOSSES,
    REDUCTIONS,
    Fused,
    Loss,
    divisor,
    meaningful,
    smooth_labels,
)

mpmath.mp.dps = 50
LABELS = arrays(np.int64, (4,), elements=st.integers(0, 2))
EPS = 2.0**-52
TINY = 5e-324

REAL = [(0.0, 0.0), (1e-300, 0.0), (1e4, -1e4), (-1e4, 1e4), (3.0, 3.0), (0.1, 0.3), (1.0, 2.0), (2.0, 1.0)]
REAL += [(745.0, -0.0), (-36.0, 36.0), (1e150, -1e150), (1 + EPS, 1.0)]
COUNTS = [(1.0, 0.0), (1e-300, 0.0), (0.0, 0.0), (1e-300, 1.0), (2.5, 3.0), (3.0, 3.0), (1e4, 1e4), (1e300, 2.0)]
SHARES = [(p, y) for p in (1e-300, 1e-17, 0.3, 0.5, 1 - EPS / 2) for y in (0.0, 1e-300, 0.2, 1.0)]
SHARES += [(0.0, 0.0), (1.0, 1.0)]


def weighted_log(weight: mpf, p: mpf) -> mpf:
    return weight * mpmath.log(p) if weight else mpf(0)


def ratio(weight: mpf, p: mpf) -> mpf:
    return weight / p if weight else mpf(0)


def sign(number: mpf) -> int:
    return (number > 0) - (number < 0)


# Each: the terms of the value (their sum is it, their sizes say how exact it can be), the slope's, hard (p, y).
EXACT: dict[str, tuple[Callable[..., list[mpf]], Callable[..., list[mpf]], list[tuple[float, float]]]] = {
    "squared_error": (lambda p, y: [(p - y) ** 2], lambda p, y: [2 * (p - y)], REAL),
    "half_squared_error": (lambda p, y: [(p - y) ** 2 / 2], lambda p, y: [p - y], REAL),
    "absolute_error": (lambda p, y: [abs(p - y)], lambda p, y: [mpf(sign(p - y))], REAL),
    "huber": (
        lambda p, y: [(p - y) ** 2 / 2 if abs(p - y) <= 1 else abs(p - y) - mpf(1) / 2],
        lambda p, y: [p - y if abs(p - y) <= 1 else mpf(sign(p - y))],
        REAL,
    ),
    "quantile": (lambda p, y: [abs(p - y) / 2], lambda p, y: [mpf(sign(p - y)) / 2], REAL),
    "poisson": (
        lambda p, y: [p, -y, weighted_log(y, y), -weighted_log(y, p)],
        lambda p, y: [mpf(1), -ratio(y, p)],
        COUNTS,
    ),
    "binary_cross_entropy": (
        lambda p, y: [-weighted_log(y, p), -weighted_log(1 - y, 1 - p)],
        lambda p, y: [-ratio(y, p), ratio(1 - y, 1 - p)],
        SHARES,
    ),
    "cross_entropy": (lambda p, y: [-weighted_log(y, p)], lambda p, y: [-ratio(y, p)], SHARES),
    "naive_binary_cross_entropy": (
        lambda p, y: [-weighted_log(y, p), -weighted_log(1 - y, 1 - p)],
        lambda p, y: [-y / (p + mpf(1e-8)), (1 - y) / (1 - p + mpf(1e-8))],
        SHARES[:-2],
    ),
}
CASES = [(name, p, y) for name, (_, _, pairs) in EXACT.items() for p, y in pairs]
BY_NAME = pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)


def test_every_loss_is_tested_here() -> None:
    assert set(EXACT) == set(LOSSES)


@pytest.mark.parametrize(("name", "p", "y"), CASES)
def test_values_and_slopes_are_exact_to_a_part_of_their_terms(name: str, p: float, y: float) -> None:
    loss, (value_terms, slope_terms, _) = LOSSES[name], EXACT[name]
    with np.errstate(all="raise", under="ignore"):
        found = (
            loss.value(np.array([p]), np.array([y]), **loss.parameters)[0],
            loss.derivative(np.array([p]), np.array([y]), **loss.parameters)[0],
        )
    for number, terms in zip(found, (value_terms(mpf(p), mpf(y)), slope_terms(mpf(p), mpf(y))), strict=True):
        size = sum(abs(term) for term in terms)
        # 1 − p is rounded where p is small; its logarithm is then wrong by that rounding, 1e−16 at most.
        assert abs(mpf(number) - sum(terms)) <= 4 * EPS * size + EPS * (name in SHARES_NAMES) * abs(size + 1) + 2 * TINY


SHARES_NAMES = {"binary_cross_entropy", "naive_binary_cross_entropy"}


# From logits: the true value is finite for every finite logit, however certain the network is.
LOGITS = [0.0, -0.0, 1e-300, -1e-17, 0.5, -0.5, 5.0, -5.0, 36.0, -36.0, 37.5, -37.5, 745.0, -745.0, 1e4, -1e4, 1e300]


@pytest.mark.parametrize("z", [*LOGITS, -1e300])
@pytest.mark.parametrize("y", [0.0, 1e-300, 0.2, 0.5, 1.0])
def test_binary_cross_entropy_from_logits(z: float, y: float) -> None:
    def softplus(z: mpf) -> mpf:
        return max(z, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(z)))

    fused = BINARY_CROSS_ENTROPY.fused["sigmoid"]
    with np.errstate(all="raise", under="ignore"):
        value, slope = fused.value(np.array([z]), np.array([y]))[0], fused.derivative(np.array([z]), np.array([y]))[0]
    exact = (1 - mpf(y)) * softplus(mpf(z)) + mpf(y) * softplus(-mpf(z))
    assert abs(mpf(value) - exact) <= 8 * EPS * exact + 2 * TINY
    assert abs(mpf(slope) - (1 / (1 + mpmath.exp(-mpf(z))) - mpf(y))) <= 2 * EPS


@pytest.mark.parametrize(
    "z", [[0.0, 0.0], [1e4, -1e4], [-745.0, 0.0, 745.0], [36.0, -36.0], [1e300, 0.0, -1e300], [0.1, 0.2, 0.3]]
)
def test_cross_entropy_from_logits(z: list[float]) -> None:
    largest = mpf(max(z))
    log_sum = mpmath.log(mpmath.fsum([mpmath.exp(mpf(one) - largest) for one in z]))
    certain = np.eye(len(z))
    fused = CROSS_ENTROPY.fused["softmax"]
    for y in (*certain, np.full(len(z), 1 / len(z)), 0.9 * certain[0] + 0.1 * certain[1]):
        with np.errstate(all="raise", under="ignore"):
            values, slopes = fused.value(np.array(z), y), fused.derivative(np.array(z), y)
        for i, one in enumerate(z):
            exact = mpf(y[i]) * (log_sum + largest - mpf(one))
            assert abs(mpf(values[i]) - exact) <= 4 * EPS * (exact + mpf(y[i]))
            slope = mpmath.exp(mpf(one) - largest - log_sum) * mpmath.fsum(map(mpf, y)) - mpf(y[i])
            assert abs(mpf(slopes[i]) - slope) <= 800 * EPS * abs(slope) + 4 * EPS


@pytest.mark.parametrize("z", [0.0, 1e-300, -36.0, 36.0, -745.0, -1e4, 700.0])
@pytest.mark.parametrize("y", [0.0, 1e-300, 1.0, 7.0, 1e4])
def test_poisson_from_logits(z: float, y: float) -> None:
    fused = LOSSES["poisson"].fused["exponential"]
    with np.errstate(all="raise", under="ignore"):
        value, slope = fused.value(np.array([z]), np.array([y]))[0], fused.derivative(np.array([z]), np.array([y]))[0]
    terms = [mpmath.exp(mpf(z)), -mpf(y), weighted_log(mpf(y), mpf(y)), -mpf(y) * mpf(z)]
    assert abs(mpf(value) - sum(terms)) <= 4 * EPS * sum(map(abs, terms)) + 2 * TINY
    assert abs(mpf(slope) - terms[0] - terms[1]) <= 2 * EPS * (terms[0] - terms[1]) + 2 * TINY


FUSED = [(loss, name) for loss in LOSSES.values() for name in loss.fused]
TARGETS = {"unit": st.floats(0, 1), "nonnegative": st.floats(0, 100), "real": st.floats(-100, 100)}


def unfused(loss: Loss, name: str, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, through_output = ACTIVATIONS[name].forward(z)
    return loss.value(p, y, **loss.parameters), through_output(loss.derivative(p, y, **loss.parameters))


@pytest.mark.parametrize(("loss", "name"), FUSED, ids=lambda given: getattr(given, "name", given))
@given(data=st.data())
def test_fused_forms_are_the_loss_of_the_activation(loss: Loss, name: str, data: st.DataObject) -> None:
    z = data.draw(arrays(np.float64, (2, 3, 4), elements=st.floats(-8, 8)))
    y = data.draw(arrays(np.float64, z.shape, elements=TARGETS[loss.targets]))
    value, slope = unfused(loss, name, z, y)
    fused: Fused = loss.fused[name]
    assert np.allclose(fused.value(z, y), value, rtol=1e-11, atol=1e-11)
    assert np.allclose(fused.derivative(z, y), slope, rtol=1e-11, atol=1e-11)
    through_forward, backward = loss.forward(ACTIVATIONS[name], z, y)
    assert np.array_equal(through_forward, fused.value(z, y))
    dl = np.arange(1.0, 7).reshape(2, 3, 1)
    assert np.array_equal(backward(dl), dl * fused.derivative(z, y))


@BY_NAME
@given(data=st.data())
def test_nothing_is_below_the_loss_of_the_target_itself(loss: Loss, data: st.DataObject) -> None:
    elements = {"positive": st.floats(1e-3, 100), "real": st.floats(-100, 100)}.get(loss.domain, st.floats(1e-3, 0.999))
    if loss.name == "naive_binary_cross_entropy":
        elements = st.floats(1e-3, 0.999)
    p, y = (data.draw(arrays(np.float64, 5, elements=elements)) for _ in range(2))
    if loss.name == "cross_entropy":  # least at the target only among predictions that sum to 1
        p, y = p / p.sum(), y / y.sum()
    values, least = (loss.value(one, y, **loss.parameters).sum() for one in (p, y))
    assert values >= least - 1e-12 * (1 + np.abs(p).sum() + np.abs(y).sum()) * 10
    if loss.targets != "unit":
        assert abs(least) <= 1e-11


@BY_NAME
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_nan_is_passed_on(loss: Loss, dtype: type, p: float, y: float) -> None:
    good = np.array([p], dtype), np.array([y], dtype)
    bad = np.array([np.nan], dtype)
    for function in (loss.value, loss.derivative):
        assert np.isfinite(function(*good, **loss.parameters)).all()
        assert np.isnan(function(bad, good[1], **loss.parameters)).all()
        assert np.isnan(function(good[0], bad, **loss.parameters)).all()
    for fused in loss.fused.values():
        for of_logits in (fused.value, fused.derivative):
            assert np.isnan(of_logits(bad, good[1])).all()
            assert np.isnan(of_logits(good[0], bad)).all()


@BY_NAME
@given(data=st.data())
def test_dtype_stays_and_a_population_is_its_members(loss: Loss, data: st.DataObject) -> None:
    p = data.draw(arrays(np.float64, (3, 2, 4), elements=st.floats(0.01, 0.99)))
    y = data.draw(arrays(np.float64, p.shape[data.draw(st.integers(0, 1)) :], elements=st.floats(0, 1)))
    functions = [
        lambda p, y: loss.value(p, y, **loss.parameters),
        lambda p, y: loss.derivative(p, y, **loss.parameters),
        *[function for fused in loss.fused.values() for function in (fused.value, fused.derivative)],
    ]
    for function in functions:
        for dtype in (np.float32, np.float64, np.complex128):
            of_all = function(p.astype(dtype), y.astype(np.float32 if dtype == np.float32 else np.float64))
            assert of_all.dtype == dtype and of_all.shape == p.shape
            for k in range(3):
                own = y if y.ndim == 2 else y[k]
                alone = function(p[k].astype(dtype), own.astype(np.float32 if dtype == np.float32 else np.float64))
                assert np.array_equal(of_all[k], alone)


SMOOTHING = st.floats(0, 0.9)


@given(z=arrays(np.float64, (4, 3), elements=st.floats(-30, 30)), y=LABELS, smoothing=SMOOTHING)
def test_pytorch_smooths_the_same_labels(z: np.ndarray, y: np.ndarray, smoothing: float) -> None:
    """The loss of smoothed targets, and its gradient, are those of PyTorch's own `label_smoothing`."""
    theirs = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(theirs, torch.tensor(y), reduction="sum", label_smoothing=smoothing)
    expected.backward()
    each, backward = CROSS_ENTROPY.forward(SOFTMAX, z, smooth_labels(CROSS_ENTROPY, np.eye(3)[y], smoothing))
    assert each.sum() == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    assert np.allclose(backward(np.ones((4, 1))), theirs.grad.numpy(), rtol=1e-12, atol=1e-14)


@given(z=arrays(np.float64, (4, 1), elements=st.floats(-30, 30)), y=LABELS, smoothing=SMOOTHING)
def test_a_smoothed_single_output_is_the_softmax_of_two(z: np.ndarray, y: np.ndarray, smoothing: float) -> None:
    binary = (y[:, None] > 0) * 1.0
    single, _ = BINARY_CROSS_ENTROPY.forward(SIGMOID, z, smooth_labels(BINARY_CROSS_ENTROPY, binary, smoothing))
    pair = np.concatenate([1 - binary, binary], -1)
    logits = np.concatenate([0 * z, z], -1)
    double, _ = CROSS_ENTROPY.forward(SOFTMAX, logits, smooth_labels(CROSS_ENTROPY, pair, smoothing))
    assert np.allclose(single[:, 0], double.sum(-1), rtol=1e-12, atol=1e-12)


@BY_NAME
def test_kinks_are_where_the_slope_jumps(loss: Loss) -> None:
    left, right = loss.derivative(np.array([0.5 - 1e-9, 0.5 + 1e-9]), np.array([0.5, 0.5]), **loss.parameters)
    assert loss.kinks == ((0.0,) if abs(left - right) > 1e-6 else ())


def test_the_naive_loss_fails_as_its_report_says() -> None:
    loss = LOSSES["naive_binary_cross_entropy"]
    value, slope = loss.value, loss.derivative
    with np.errstate(all="ignore"):
        certain, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
        assert np.isnan(value(certain, y, epsilon=1e-8)[[0, 3]]).all()
        assert np.isinf(value(certain, y, epsilon=1e-8)[[1, 2]]).all()
        assert slope(certain, y, epsilon=1e-8) == pytest.approx([1, -1e8, 1e8, -1], rel=1e-6)
        assert np.isnan(value(np.array([-0.5, 1.5]), np.array([0.5, 0.5]), epsilon=1e-8)).all()


def test_meaningful_pairs_of_loss_and_output() -> None:
    """Written out from what each loss needs: a count's rate above 0, a probability, a distribution."""
    positive = {"softplus", "exponential", "sigmoid", "softmax"}
    allowed = {"poisson": positive, "binary_cross_entropy": {"sigmoid", "softmax"}, "cross_entropy": {"softmax"}}
    for loss in LOSSES.values():
        fitting = {name for name, activation in ACTIVATIONS.items() if meaningful(loss, activation)}
        assert fitting == allowed.get(loss.name, set(ACTIVATIONS))


@given(st.floats(0.1, 1e6), st.integers(1, 100))
def test_divisors(total: float, outputs: int) -> None:
    assert [divisor(reduction, total, outputs) for reduction in REDUCTIONS] == [1, total, total * outputs]
    of_float32 = divisor("mean_elements", np.full((2, 1), total, np.float32), outputs)
    assert of_float32.dtype == np.float32
