"""Parameters that are plain numbers, lists, or arrays of whole numbers; and the names of arrays."""

from math import exp
from typing import Any

import numpy as np
import pytest
from linear_code import X

from deltarule import check_gradient, check_object, check_update, check_vjp

Y = X @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.5


def loss(w: Any, b: Any) -> Any:
    return ((X @ np.asarray(w) + b - Y) ** 2).mean() / 2


def gradient(w: Any, b: Any) -> Any:
    error = X @ np.asarray(w) + b - Y
    return X.T @ error / len(Y), error.mean()


@pytest.mark.parametrize("w", [np.array([1, 0, 2, -1]), [0.5, 1.0, -1.0, 2.0], np.zeros(4, np.float32)])
@pytest.mark.parametrize("b", [0, 0.25])
def test_whole_numbers_and_lists_are_parameters(w: Any, b: Any) -> None:
    assert check_gradient(loss, gradient, [w, b]).ok
    wrong = check_gradient(loss, lambda w, b: (gradient(w, b)[0], 2 * gradient(w, b)[1]), [w, b])
    assert [array.verdict for array in wrong.arrays] == ["right", "wrong"]


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_numbers_in_a_dictionary_are_updated_in_place(rate: float) -> None:
    x, p = X[:, 0], {"w": 0.5, "b": 0}

    def step() -> None:
        error = x * p["w"] + p["b"] - Y
        p["w"] -= rate * (error * x).mean()
        p["b"] -= 0.1 * error.mean()

    report = check_update(step, lambda: ((x * p["w"] + p["b"] - Y) ** 2).mean() / 2, p, 0.1)
    assert [array.name for array in report.arrays] == ["w", "b"] and report.ok == (rate == 0.1)
    assert p == {"w": 0.5, "b": 0}


@pytest.mark.slow
@pytest.mark.parametrize("slip", [False, True])
def test_network_of_lists_and_dictionaries_is_updated_in_place(slip: bool) -> None:
    network: Any = [
        [{"weights": [0.13, 0.84, 0.76]}, {"weights": [-0.3, 0.2, 0.1]}],
        [{"weights": [0.25, 0.49, 0.3]}, {"weights": [0.1, -0.2, 0.4]}],
    ]
    row, wanted = [1.0, 0.5], [0, 1]

    def forward() -> Any:
        inputs = row
        for layer in network:
            for neuron in layer:
                z = neuron["weights"][-1] + sum(w * x for w, x in zip(neuron["weights"], inputs, strict=False))
                neuron["output"] = 1 / (1 + exp(-z))
            inputs = [neuron["output"] for neuron in layer]
        return inputs

    def step() -> None:
        forward()
        for i in (1, 0):
            for j, neuron in enumerate(network[i]):
                error = neuron["output"] - wanted[j]
                if i == 0:
                    error = sum(later["weights"][0 if slip else j] * later["delta"] for later in network[1])
                neuron["delta"] = error * neuron["output"] * (1 - neuron["output"])
        for i, layer in enumerate(network):
            inputs = row if i == 0 else [neuron["output"] for neuron in network[0]]
            for neuron in layer:
                for j, x in enumerate([*inputs, 1.0]):
                    neuron["weights"][j] -= 0.5 * neuron["delta"] * x

    def value() -> Any:
        return sum((out - want) ** 2 for out, want in zip(forward(), wanted, strict=True)) / 2

    for _ in range(2):  # the second time the network keeps outputs beside its weights
        report = check_update(step, value, network, 0.5)
        wrong = [array.name for array in report.arrays if array.verdict == "wrong"]
        assert wrong == (["network[0][1].weights"] if slip else [])
    assert network[0][0]["weights"] == [0.13, 0.84, 0.76]


def test_rows_of_lists_stay_the_same_lists() -> None:
    neurons = [[0.5, -1.0]]
    w, data = neurons[0], [([1.0, 2.0], 1.0), ([0.5, -1.0], 0.0)]

    def out(x: Any) -> Any:
        return sum(a * b for a, b in zip(w, x, strict=True))

    def step() -> None:
        errors = [out(x) - t for x, t in data]
        for i in range(2):
            w[i] -= 0.1 * sum(e * x[i] for e, (x, _) in zip(errors, data, strict=True))

    assert check_update(step, lambda: sum((out(x) - t) ** 2 for x, t in data) / 2, neurons, 0.1).ok
    assert neurons[0] is w and w == [0.5, -1.0]


@pytest.mark.slow
def test_arrays_have_the_names_of_variables() -> None:
    W1, b1 = np.ones((4, 2)), np.zeros(2)

    def value() -> Any:
        return ((X @ W1 + b1) ** 2).sum() / 2

    def slope() -> Any:
        return [X.T @ (X @ W1 + b1), (X @ W1 + b1).sum(axis=0)]

    def step() -> None:
        of_w, of_b = slope()
        W1[...] -= 0.1 * of_w
        b1[...] -= 0.1 * of_b

    product = check_vjp(lambda both: both[0] * both[1], lambda g: (g * b1, g * W1), (W1, b1))
    for report in (check_gradient(value, slope, [W1, b1]), check_update(step, value, (W1, b1), 0.1), product):
        assert [array.name for array in report.arrays] == ["W1", "b1"]


class Line:
    def __init__(self) -> None:
        self.w, self.b = np.zeros(4), 0

    def backward(self) -> None:
        self.dw, self.db = gradient(self.w, self.b)


def test_attribute_may_be_a_whole_number() -> None:
    line = Line()
    report = check_object(
        line, params=["w", "b"], grads=["dw", "db"], loss=lambda: loss(line.w, line.b), backward=line.backward
    )
    assert report.ok and line.b == 0


def test_arrays_of_an_object_have_the_names_of_its_attributes() -> None:
    line = Line()
    line.b = np.zeros(1)

    def step() -> None:
        line.backward()
        line.w, line.b = line.w - 0.1 * line.dw, line.b - 0.1 * line.db

    report = check_update(step, lambda: loss(line.w, line.b), lambda: [line.w, line.b], 0.1)
    assert report.ok and [array.name for array in report.arrays] == ["line.w", "line.b"]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_number_in_an_attribute_is_updated(rate: float) -> None:
    line = Line()

    def step() -> None:
        line.backward()
        line.w, line.b = line.w - 0.1 * line.dw, line.b - rate * line.db

    report = check_update(step, lambda: loss(line.w, line.b), lambda: [line.w, line.b], 0.1)
    assert [array.name for array in report.arrays] == ["line.w", "line.b"] and report.ok == (rate == 0.1)
    assert line.b == 0
