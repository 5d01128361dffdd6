"""What a wrong gradient is called: by what is true of all its numbers, and of nothing by coincidence."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule import Network, check_gradient, check_update, check_vjp, compare
from deltarule.checking.report import CodeReport

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


OUTPUTS = "the number of outputs, over which the loss averages or not"


@pytest.mark.parametrize(
    ("shape", "factor", "count"),
    [
        ((20, 4, 6, 3), 20, "the number of samples"),
        ((12, 4, 6, 3), 12, "the number of samples"),
        ((20, 4, 6, 3), 60, "the number of samples and outputs"),
        ((20, 3, 6, 3), 3, OUTPUTS),
        ((4, 2, 2, 1), 1 / 4, "the number of samples"),
        ((20, 4, 6, 3), 4, None),  # the inputs
        ((20, 4, 6, 3), 24, None),  # the inputs times the units
        ((20, 4, 6, 3), 1 / 12, None),
        ((20, 4, 6, 3), 120, None),
    ],
)
@pytest.mark.parametrize("columns", [False, True])
def test_counts_with_like_are_samples_and_outputs(
    shape: tuple[int, ...], factor: float, count: str | None, columns: bool
) -> None:
    n, d, h, c = shape
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(n, d)), generator.normal(size=(n, c))

    def code(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        a = np.tanh(x @ W1 + b1)
        error = a @ W2 + b2 - y
        d2 = factor * 2 * error / y.size
        d1 = (d2 @ W2.T) * (1 - a**2)
        return (error**2).mean(), (x.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0))

    params = [generator.normal(size=shape) for shape in ((d, h), (h,), (h, c), (c,))]
    data = {"x": x.T, "y": y.T} if columns else {"x": x, "y": y}
    (mistake,) = check_gradient(code, None, params, like=Network([d, h, c], "tanh"), **data).diagnosis
    if count is None:
        assert mistake.code == "factor"
    else:
        assert mistake.code == ("mean_missing" if factor > 1 else "mean_twice") and mistake.sentence.endswith(count)


BROKEN = st.builds(lambda whole, share: whole + share, st.integers(1, 10**6), st.sampled_from([0.0371, 0.293, 0.861]))
HUGE = st.integers(7, 300).map(lambda exponent: 0.777 * 10.0**exponent)
FACTORS = st.one_of(BROKEN, HUGE)


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None)
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
def test_factor_that_is_no_count_is_named_factor(k: float, samples: bool) -> None:
    report = checked(lambda right: [k * one for one in right], **({"x": X} if samples else {}))
    assert codes(report) == ["factor"] and f"{k:.6g} times" in report.diagnosis[0].sentence
    assert len(report.diagnosis[0].where) == 4


@pytest.mark.parametrize("count", [3, 8, 17, 250, 60_000])
def test_integer_factor_is_named_mean(count: int) -> None:
    assert codes(checked(lambda right: [count * one for one in right])) == ["mean_missing", "factor"]
    assert codes(checked(lambda right: [one / count for one in right])) == ["mean_twice", "factor"]
    known = codes(checked(lambda right: [count * one for one in right], x=X))
    assert known == (["mean_missing"] if count == N else ["factor"])  # 3 are the inputs


@pytest.mark.parametrize("with_y", [False, True])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("targets", ["one column", "labels", "two outputs"])
def test_number_of_features_is_not_that_of_samples(with_y: bool, columns: bool, targets: str) -> None:
    samples, features = 7, 5
    x = GENERATOR.normal(size=(samples, features))
    y = GENERATOR.normal(size=(samples, 2 if targets == "two outputs" else 1))
    given_y = y.ravel() if targets == "labels" else y.T if columns else y
    W, b = GENERATOR.normal(size=(features, y.shape[1])), GENERATOR.normal(size=y.shape[1])

    def code(factor: float) -> CodeReport:
        def both(W: Any, b: Any) -> Any:
            error = x @ W + b - y
            return (error**2).sum() / 2 / samples, (factor * x.T @ error / samples, factor * error.sum(0) / samples)

        more = {"y": given_y} if with_y else {}
        return check_gradient(both, None, [W, b], x=x.T if columns else x, **more)

    assert codes(code(samples)) == ["mean_missing"]
    assert "number of samples" not in str(code(features))


@pytest.mark.parametrize("axis", [0, 1])
def test_row_is_named_only_where_others_could_be_wrong_too(axis: int) -> None:
    """A single sample with one input that is not 0 leaves one row of the right gradient: any mistake is there."""
    x, W = np.array([0.0, 0.7, 0.0]), GENERATOR.normal(size=(3, 4))

    def slope(x: Any, W: Any) -> Any:
        return np.outer(x, 1 - np.tanh(x @ W) ** 3)  # ** 2

    def diagnosed(x: Any) -> list[str]:
        def wrong(w: Any) -> Any:
            found = slope(x, w.T if axis else w)
            found[[0, 2]] = np.outer(x, 1 - np.tanh(x @ (w.T if axis else w)) ** 2)[[0, 2]]
            return found.T if axis else found

        value = W.T.copy() if axis else W
        return codes(check_gradient(lambda w: np.tanh(x @ (w.T if axis else w)).sum(), wrong, value))

    assert "single_row" not in diagnosed(x)
    assert "single_row" in diagnosed(x + 0.3)


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
def test_penalty_of_some_arrays_is_named(
    in_loss: str, in_gradient: str, code: str, where: str, more: dict[str, Any]
) -> None:
    """Of biases behind softmax no penalty is seen, as the loss depends on them wherever all else is 0."""

    def penalized(*params: Any) -> Any:
        loss, found = both(*params)
        loss = loss + 0.05 * sum((params[int(i)] ** 2).sum() for i in in_loss)
        return loss, tuple(one + 0.1 * params[i] * (str(i) in in_gradient) for i, one in enumerate(found))

    report = check_gradient(penalized, None, PARAMS, **more)
    named = [(mistake.code, {*mistake.where}) for mistake in report.diagnosis]
    assert named == [(code, {f"PARAMS[{i}]" for i in where})]


@pytest.mark.parametrize(
    ("penalty", "share", "factor", "expected"),
    [
        *((penalty, 0.0, 1, ["penalty_missing"]) for penalty in ("l2", "weight_decay_per_sample", "l1")),
        *((penalty, 0.5, 1, ["penalty_factor"]) for penalty in ("l2", "weight_decay_per_sample", "l1")),
        ("l2", 3.0, 1, ["penalty_factor"]),
        ("l2", 0.5, 5, ["factor"]),
    ],
)
def test_known_strength_separates_missing_penalty_from_factor(
    penalty: str, share: float, factor: float, expected: list[str]
) -> None:
    W, b = PARAMS[0][:, :C], PARAMS[3]
    targets = X[:, :C] ** 2
    data = 2 * X.T @ (X @ W + b - targets) / N
    part = {"l2": 0.6 * W, "weight_decay_per_sample": 0.3 * W / N, "l1": 0.3 * np.sign(W)}[penalty]

    def compared(gradient: Any) -> CodeReport:
        options: Any = {"penalty": penalty, "strength": 0.3, "reduction": "mean_samples"}
        return compare({"dW1": gradient}, Network([D, C]), [W, b], X, targets, "squared_error", **options)

    assert compared(data + part).ok
    report = compared(factor * data + share * part)
    assert report.verdict == "WRONG" and codes(report) == expected


@pytest.mark.parametrize(
    "names",
    [
        "weights[0] weights[1] weights[2] weights[3]",
        "w wb whole rest",
        "W1 b1 W2 b2",
        "weight_ih_l0 bias_ih_l0 out_weight out_bias",
        "Wxh bh Why by",
    ],
)
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("wrong", [(1,), (1, 3)])
def test_array_role_by_name(names: str, outputs: int, wrong: tuple[int, ...]) -> None:
    """Beside weights (H, 1) a vector of H is a bias."""
    keys, targets = names.split(), X[:, :1] * np.arange(1, outputs + 1)
    values = [GENERATOR.normal(size=shape) for shape in ((D, H), (H,), (H, outputs), (outputs,))]
    inside = keys[0] == "weights[0]"

    def code(p: Any) -> Any:
        given = p["weights"] if inside else [p[key] for key in keys]
        a = np.tanh(X @ given[0] + given[1])
        d2 = (a @ given[2] + given[3] - targets) / N
        d1 = (d2 @ given[2].T) * (1 - a**2)
        found = [X.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0)]
        found = [one + 0.1 * given[i] * (i in (0, 2, *wrong)) for i, one in enumerate(found)]
        value = 0.5 * N * (d2**2).sum() + 0.05 * sum((given[i] ** 2).sum() for i in (0, 2))
        return value, {"weights": found} if inside else dict(zip(keys, found, strict=True))

    params = {"weights": values} if inside else dict(zip(keys, values, strict=True))
    [mistake] = check_gradient(code, None, params).diagnosis
    assert (mistake.code, mistake.where) == ("penalty_on_biases", tuple(keys[i] for i in wrong))


@pytest.mark.parametrize("wrong", ["number", "one by one", "row", "update"])
def test_number_in_place_of_a_matrix_is_a_clue(wrong: str) -> None:
    """A subtraction repeats it for every entry, without a word."""
    x, y = np.random.default_rng(5).normal(size=(2, 6, 3))
    W = np.random.default_rng(6).normal(size=(3, 3))

    def gradient(W: Any) -> Any:
        d = x @ W - y
        forms = {"number": (x * d).mean(), "one by one": np.array([[(x * d).sum()]]), "row": (x.T @ d).mean(0)}
        return forms.get(wrong, (x * d).mean())

    def loss(W: Any) -> Any:
        return ((x @ W - y) ** 2).sum() / 2

    is_update = wrong == "update"
    report = (
        check_update(lambda W: W - 0.1 * gradient(W), loss, W, 0.1) if is_update else check_gradient(loss, gradient, W)
    )
    assert [mistake.code for mistake in report.diagnosis] == ["wrong_shape"]


@pytest.mark.slow
def test_function_of_several_gates_is_named_by_who_calls_it() -> None:
    """Six steps of three gates call one sigmoid; the derivative is missing at one of these calls."""
    draws = np.random.default_rng(2)
    inputs, targets = draws.normal(size=(2, 6, 2))
    start = {name: draws.normal(size=(2, 4)) for name in ("input", "forget", "output")}

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def loss(p: dict[str, Any]) -> Any:
        h = c = np.zeros(2)
        steps, total = [], 0.0
        for x, y in zip(inputs, targets, strict=True):
            joined = np.concatenate([h, x])
            write = sigmoid(p["input"] @ joined)
            keep = sigmoid(p["forget"] @ joined)
            show = sigmoid(p["output"] @ joined)
            steps.append((joined, write, keep, show, c, y))
            c = keep * c + write
            h = show * c
            total = total + ((h - y) ** 2).sum() / 2
        g, dh, dc = {name: np.zeros((2, 4)) for name in p}, np.zeros(2), np.zeros(2)
        for joined, write, keep, show, before, y in reversed(steps):
            after = keep * before + write
            dh = dh + show * after - y
            dc = dc + dh * show
            slopes = {
                "input": dc * write * (1 - write),
                "forget": dc * before,
                "output": dh * after * show * (1 - show),
            }
            for name, slope in slopes.items():
                g[name] += np.outer(slope, joined)
            dh, dc = sum(p[name].T @ slope for name, slope in slopes.items())[:2], dc * keep
        return total, g

    [mistake] = check_gradient(loss, None, start).diagnosis
    assert mistake.code == "derivative_missing" and 'keep = sigmoid(p["forget"] @ joined)' in mistake.sentence


def recurrent(slip: str) -> Callable[..., Any]:
    """A recurrent network whose hidden states are rows of one array, with a slip in its backward pass."""
    inputs, targets = np.random.default_rng(8).normal(size=(2, 4, 3))

    def loss(Wx: Any, Wh: Any) -> Any:
        h = np.zeros((4, 3))
        for t in range(4):
            before = h[t - 1] if t > 0 else np.zeros(3)
            h[t] = np.tanh(inputs[t] @ Wx + before @ Wh)
        total, carried = ((h - targets) ** 2).sum() / 2, np.zeros(3)
        dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
        for t in reversed(range(4)):
            d = (h[t] - targets[t] + carried) * (1 - h[t] ** 2)
            dWx += np.outer(inputs[t], d)
            dWh += np.outer(h[t - 1], d) if t > 0 or slip == "wraps" else 0
            carried = d @ Wh.T
        scale = 0.5 / np.sqrt((dWx**2).sum() + (dWh**2).sum()) if slip == "norm" else 1.0
        if slip == "entries":
            return total, (np.clip(dWx, -0.5, 0.5), np.clip(dWh, -0.5, 0.5))
        return total, (scale * dWx, scale * dWh)

    return loss


def test_index_that_wraps_to_the_last_state_is_named() -> None:
    [mistake] = check_gradient(
        recurrent("wraps"), None, list(np.random.default_rng(9).normal(size=(2, 3, 3)))
    ).diagnosis
    assert mistake.code == "wrong_input" and "does an index of −1 take the last value?" in mistake.sentence


@pytest.mark.parametrize("slip", ["entries", "norm"])
def test_clipped_gradient_is_not_proved(slip: str) -> None:
    report = check_gradient(recurrent(slip), None, list(np.random.default_rng(9).normal(size=(2, 3, 3))))
    assert report.verdict == "not proved" and "before it is clipped" in str(report.vacuous)


@pytest.mark.parametrize(
    ("slip", "codes"),
    [
        ("missing", ["penalty_missing"]),
        ("half", ["penalty_factor"]),
        ("not averaged", ["penalty_factor"]),
        ("on the bias", ["penalty_on_biases"]),
    ],
)
def test_penalty_beside_a_column_of_biases(slip: str, codes: list[str]) -> None:
    """As courses have it: the bias is a column of the weights, and the loss leaves it out of the penalty."""
    draws = np.random.default_rng(4)
    x, y = np.c_[np.ones(7), draws.normal(size=(7, 3))], np.eye(2)[draws.integers(0, 2, 7)]

    def loss(T1: Any, T2: Any) -> Any:
        h = np.c_[np.ones(7), 1 / (1 + np.exp(-x @ T1.T))]
        p = 1 / (1 + np.exp(-h @ T2.T))
        total = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / 7
        total = total + 0.3 / 14 * ((T1[:, 1:] ** 2).sum() + (T2[:, 1:] ** 2).sum())
        d2 = p - y
        d1 = (d2 @ T2)[:, 1:] * h[:, 1:] * (1 - h[:, 1:])
        share = {"missing": 0.0, "half": 0.5, "not averaged": 7.0}.get(slip, 1.0)
        penalties = [T if slip == "on the bias" else np.c_[np.zeros(len(T)), T[:, 1:]] for T in (T1, T2)]
        return total, [(d.T @ a + share * 0.3 * P) / 7 for d, a, P in zip((d1, d2), (x, h), penalties, strict=True)]

    start = [draws.normal(size=(4, 4)), draws.normal(size=(2, 5))]
    assert [mistake.code for mistake in check_gradient(loss, None, start).diagnosis][:1] == codes


LOG_SOFTMAX = {
    "derivative_missing": lambda g, p: g,
    "softmax_elementwise": lambda g, p: g * (1 - p),
    "other_derivative": lambda g, p: p * (g - (p * g).sum(1, keepdims=True)),
    "sign_of_part": lambda g, p: g + p * g.sum(1, keepdims=True),
}


@pytest.mark.parametrize("code", LOG_SOFTMAX)
def test_log_softmax_has_names(code: str) -> None:
    z = np.random.default_rng(3).normal(size=(5, 4))

    def forward(z: Any) -> Any:
        shifted = z - z.max(1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))

    report = check_vjp(forward, lambda g: LOG_SOFTMAX[code](g, np.exp(forward(z))), z)
    assert [mistake.code for mistake in report.diagnosis] == [code]


def test_jacobian_that_is_summed_leaves_rounding_errors() -> None:
    """The columns of softmax's Jacobian sum to 0, and what is left is no factor."""
    z, p = np.random.default_rng(3).normal(size=(5, 4)), lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True)

    def backward(g: Any) -> Any:
        return np.array([row * (np.diag(q) - np.outer(q, q)).sum(0) for row, q in zip(g, p(z), strict=True)])

    [mistake] = check_vjp(p, backward, z).diagnosis
    assert mistake.code == "zero_gradient" and "Jacobian" in mistake.sentence
