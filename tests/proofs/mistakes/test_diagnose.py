"""What a wrong gradient is called: by what is true of all its numbers, and of nothing by coincidence."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deltarule import Network, check_gradient
from deltarule.proofs.own_code.report import CodeReport

GENERATOR = np.random.default_rng(0)
N, D, H, C = 8, 3, 5, 2
X, Y = GENERATOR.normal(size=(N, D)), np.eye(C)[[0, 1, 1, 0, 1, 0, 0, 1]]
PARAMS = tuple(GENERATOR.normal(size=shape) for shape in ((D, H), (H,), (H, C), (C,)))
Gradient = tuple[Any, Any, Any, Any]


def both(W1: Any, b1: Any, W2: Any, b2: Any) -> tuple[Any, Gradient]:
    """Cross-entropy of a 3-5-2 net, and its gradient."""
    a = np.tanh(X @ W1 + b1)
    powers = np.exp(a @ W2 + b2)
    p = powers / powers.sum(1, keepdims=True)
    d2 = (p - Y) / N
    d1 = d2 @ W2.T * (1 - a**2)
    return -(Y * np.log(p)).sum() / N, (X.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0))


def checked(wrong: Callable[[Gradient], Any], params: Gradient = PARAMS, **more: Any) -> CodeReport:
    def code(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        loss, right = both(W1, b1, W2, b2)
        return loss, wrong(right)

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return check_gradient(code, None, params, **more)


def codes(report: CodeReport) -> list[str]:
    return [mistake.code for mistake in report.diagnosis]


def test_the_gradient_of_the_net_is_right() -> None:
    assert checked(lambda right: right).ok


@pytest.mark.parametrize("order", [(2, 3, 0, 1), (2, 1, 0, 3), (2, 3, 1, 0)])
def test_gradients_in_another_order_are_exchanged_and_nothing_else(order: tuple[int, ...]) -> None:
    report = checked(lambda right: tuple(right[place] for place in order))
    assert codes(report) == ["exchanged"]


BROKEN = st.builds(lambda whole, share: whole + share, st.integers(1, 10**6), st.sampled_from([0.0371, 0.293, 0.861]))
HUGE = st.integers(7, 300).map(lambda exponent: 0.777 * 10.0**exponent)
FACTORS = st.one_of(BROKEN, HUGE)


@settings(max_examples=25, deadline=None)
@given(FACTORS | FACTORS.map(lambda k: 1 / k), st.booleans())
@example(3.0002, False)
@example(250.02, True)
@example(447.956, False)
@example(12345.678, False)
@example(1000000.3, True)
@example(5.99e29, False)
@example(1e300, True)
@example(1e-300, False)
@example(1e-17, True)
def test_a_factor_that_is_no_count_is_called_a_factor(k: float, samples: bool) -> None:
    report = checked(lambda right: [k * one for one in right], **({"x": X} if samples else {}))
    assert codes(report) == ["factor"] and f"{k:.6g} times" in report.diagnosis[0].sentence
    assert len(report.diagnosis[0].where) == 4


@pytest.mark.parametrize("count", [3, 17, 250, 60_000])
def test_a_factor_that_is_a_count_is_one_of_samples(count: int) -> None:
    assert codes(checked(lambda right: [count * one for one in right])) == ["mean_missing", "factor"]
    assert codes(checked(lambda right: [one / count for one in right])) == ["mean_twice", "factor"]
    known = codes(checked(lambda right: [count * one for one in right], x=X))
    assert known == (["mean_missing"] if count == 3 else ["factor"])  # the samples are 8, the inputs 3


@pytest.mark.parametrize("rest", [0.0, 5e-17, -3e-17])
def test_a_total_of_rounding_errors_is_no_mean(rest: float) -> None:
    """The entries of softmax's p − y add up to 0 in each row; so does what is summed over the units too."""
    report = checked(lambda right: (*right[:3], right[3].sum() * 0 + rest))
    assert "wrong_axis" in codes(report) and not report.vacuous
    assert rest == 0 or codes(report) == ["wrong_axis"]


@pytest.mark.parametrize("rows", [slice(-1, None), slice(0, 1), slice(0, 4), slice(0, -1)])
def test_a_total_of_0_is_no_sign_of_a_wrong_axis(rows: slice) -> None:
    """Of softmax p − y adds up to 0 in each row, so that a sum over any rows has the right total, 0."""
    targets = np.eye(3)[[0, 2, 1, 1, 0, 2, 0, 1]]

    def code(W: Any, b: Any) -> Any:
        powers = np.exp(X @ W + b)
        p = powers / powers.sum(1, keepdims=True)
        return -(targets * np.log(p)).sum(), (X.T @ (p - targets), (p - targets)[rows].sum(0))

    W, b = GENERATOR.normal(size=(D, 3)), GENERATOR.normal(size=3)
    report = check_gradient(code, None, (W, b))
    assert report.verdict == "WRONG" and codes(report) == []


PENALIZED = {"like": Network([D, H, C], "tanh", "softmax"), "x": X, "y": Y}


@pytest.mark.parametrize("more", [{}, PENALIZED])
@pytest.mark.parametrize(
    ("in_loss", "in_gradient", "code", "where"),
    [
        ("0", "", "penalty_missing", "0"),
        ("2", "", "penalty_missing", "2"),
        ("2", "02", "penalty_not_in_loss", "0"),
        ("", "0123", "penalty_not_in_loss", "0123"),
        ("02", "0123", "penalty_on_biases", "13"),
    ],
)
def test_a_penalty_of_some_arrays_is_named_with_and_without_the_network(
    in_loss: str, in_gradient: str, code: str, where: str, more: dict[str, Any]
) -> None:
    """Of biases behind softmax no penalty is seen, as the loss depends on them wherever all else is 0."""

    def penalized(*params: Any) -> Any:
        loss, found = both(*params)
        loss = loss + 0.05 * sum((params[int(i)] ** 2).sum() for i in in_loss)
        return loss, tuple(one + 0.1 * params[i] * (str(i) in in_gradient) for i, one in enumerate(found))

    report = check_gradient(penalized, None, PARAMS, **more)
    named = [(mistake.code, {*mistake.where}) for mistake in report.diagnosis]
    assert named == [(code, {f"params[{i}]" for i in where})]


def test_zeros_among_right_gradients_are_called_zeros() -> None:
    """Their right entries add up to 0, which is no wrong axis."""
    assert codes(checked(lambda right: (*right[:3], 0 * right[3]))) == ["zero_gradient"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 2]))
@example(2, 1)
@example(33, 1)
@example(104, 1)
@example(106, 1)
def test_what_fits_by_coincidence_is_not_named(seed: int, units: int) -> None:
    """Gradients that are clipped or rounded are wrong, and no constant makes them."""
    generator = np.random.default_rng(seed)
    shapes = ((D, units), (units,), (units, C), (C,))
    params: Any = tuple(generator.normal(size=shape) for shape in shapes)
    clipped = checked(lambda right: [np.clip(one, -0.02, 0.02) for one in right], params)
    rounded = checked(lambda right: [np.round(one, 6) for one in right], params)
    assert {*codes(clipped), *codes(rounded)} <= {"single_entry", "single_row"}
