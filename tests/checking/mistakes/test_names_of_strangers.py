"""Mistakes of strangers that had a false name, or one that changed from run to run."""

from typing import Any

import numpy as np
import pytest

from deltarule import check_gradient, check_update, check_vjp

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(10, 3))


def codes(report: Any) -> list[str]:
    assert report.verdict == "WRONG", str(report)
    return [mistake.code for mistake in report.diagnosis]


class Value:
    """A number that remembers how it was made; its gradients are assigned, not added."""

    def __init__(self, data: float, made_of: Any = (), back: Any = lambda g: ()) -> None:
        self.data, self.grad, self.made_of, self.back = data, 0.0, set(made_of), back

    def __add__(self, other: Any) -> "Value":
        out = Value(self.data + other.data, (self, other))

        def back(g: float) -> None:
            self.grad = g
            other.grad = g

        out.back = back
        return out

    def __mul__(self, other: Any) -> "Value":
        out = Value(self.data * other.data, (self, other))

        def back(g: float) -> None:
            self.grad = other.data * g
            other.grad = self.data * g

        out.back = back
        return out

    def backward(self) -> None:
        order: list[Value] = []
        seen = set()

        def visit(value: Value) -> None:
            if value not in seen:
                seen.add(value)
                for one in value.made_of:
                    visit(one)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value.back(value.grad)


@pytest.mark.slow
def test_name_does_not_depend_on_the_order_of_a_set() -> None:
    def both(a: Any, b: Any, c: Any) -> Any:
        a, b, c = Value(float(a)), Value(float(b)), Value(float(c))
        total = a * b + b * c + a * c + a * a * b
        total.backward()
        return total.data, (a.grad, b.grad, c.grad)

    kept = []
    for _ in range(3):
        kept.append(Value(1.0))  # objects at other addresses
        assert codes(check_gradient(both, None, [np.array(2.0), np.array(3.0), np.array(-1.0)])) == [
            "gradient_overwritten"
        ]
    assert "set" not in globals()


@pytest.mark.slow
@pytest.mark.parametrize(("count", "names"), [(10, ["learning_rate", "mean_missing"]), (8, ["mean_missing"])])
def test_missing_mean_at_a_rate_of_1_over_N_has_two_names(count: int, names: list[str]) -> None:
    x, w = X[:count], GENERATOR.normal(size=3)
    y = GENERATOR.integers(0, 2, count)

    def p() -> Any:
        return 1 / (1 + np.exp(-x @ w))

    def step() -> None:
        w[...] += 0.1 * (y - p()) @ x

    found = codes(check_update(step, lambda: -np.mean(y * np.log(p()) + (1 - y) * np.log(1 - p())), w, 0.1))
    assert found[: len(names)] == names


def test_softmax_over_the_whole_batch_is_wrong_axis() -> None:
    def softmax(z: Any) -> Any:
        powers = np.exp(z)
        return powers / powers.sum()

    y = np.eye(3)[GENERATOR.integers(0, 3, 10)].T
    report = check_gradient(
        lambda W: -np.sum(y * np.log(softmax(W @ X.T))),
        lambda W: (softmax(W @ X.T) - y) @ X,
        GENERATOR.normal(size=(3, 3)),
    )
    assert codes(report) == ["wrong_axis"]
    assert "divides by the sum of all entries" in report.diagnosis[0].sentence


def test_derivative_of_a_part_of_an_activation_is_no_sign() -> None:
    report = check_vjp(lambda x: x - np.tanh(x), lambda g: g * (1 - np.tanh(X) ** 2), X)
    assert not {"sign", "gradient_overwritten"} & {*codes(report)}


def test_constant_target_is_a_missing_path() -> None:
    later, action, reward = GENERATOR.normal(size=(10, 3)), GENERATOR.integers(0, 3, 10), GENERATOR.normal(size=10)

    def both(W: Any) -> Any:
        target = reward + 0.9 * (later @ W).max(axis=1)
        error = (X @ W)[np.arange(10), action] - target
        d = np.zeros((10, 3))
        d[np.arange(10), action] = error / 10
        return 0.5 * (error**2).mean(), X.T @ d

    report = check_gradient(both, None, GENERATOR.normal(size=(3, 3)))
    assert codes(report)[0] == "path_missing" and "gradient_overwritten" not in codes(report)
    assert "unless it is meant to be a constant" in report.diagnosis[0].fix


@pytest.mark.parametrize("params", [[np.array(0.7)], [np.array([0.7, 0.2])]])
def test_constant_ratio_is_named_for_few_entries(params: Any) -> None:
    report = check_gradient(lambda w: (w**3).sum(), lambda w: 0.9 * 3 * w**2, params)
    assert codes(report) == ["factor"]
    if params[0].size == 1:
        assert codes_or_none(check_gradient(lambda w: np.sin(w).sum(), lambda w: w, params)) != ["factor"]


def codes_or_none(report: Any) -> list[str]:
    return [mistake.code for mistake in report.diagnosis]
