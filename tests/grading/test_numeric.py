"""Derivatives that are taken by numbers rather than written out are found by running, and noted or refused."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from grading_examples import ASSIGNMENT, NEEDED, grade_texts

from deltarule.grading.disturbance import RELATIVE_ERROR, Disturbance

SOFTPLUS = """
title = "Softplus"
numeric = "forbid"
tolerance = 1e-5

[[checks]]
part = "backward"
call = "slopes(x, w)"
returns = ["dw"]
points = 4
gradient_of = "loss(x, w)"
by = ["w"]
"""
SOLUTION = """
import numpy as np

draws = np.random.default_rng(7)
x, w = draws.normal(size=(6, 3)), draws.normal(size=3)


def loss(x, w):
    return np.log(1 + np.exp(x @ w)).mean()


def slopes(x, w):
    return x.T @ (1 / (1 + np.exp(-x @ w))) / len(x)
"""
LOSS = """
import math
from decimal import Decimal

import numpy as np

def loss(x, w):
    return np.log(1 + np.exp(x @ w)).mean()

def slopes(x, w):
"""
BY_NUMBERS = {
    "in place": """
    found = []
    for i in range(3):
        w[i] += 1e-6
        above = loss(x, w)
        w[i] -= 2e-6
        found.append((above - loss(x, w)) / 2e-6)
        w[i] += 1e-6
    return np.array(found)
""",
    "in one expression": """
    return (np.log(1 + np.exp((w + 1e-30j * np.eye(3)) @ x.T)).mean(1)).imag / 1e-30
""",
    "of high order, all at once": """
    at = lambda s: np.log(1 + np.exp((w + s * 1e-2 * np.eye(3)) @ x.T)).mean(1)
    return sum(c * (at(s) - at(-s)) for s, c in zip((1, 2, 3), (3 / 4, -3 / 20, 1 / 60))) / 1e-2
""",
    "in other numbers": """
    def exact(w):
        dots = [sum(Decimal(a) * b for a, b in zip(row, w)) for row in x.tolist()]
        return sum((1 + dot.exp()).ln() for dot in dots) / len(dots)
    w, h = [Decimal(v) for v in w.tolist()], Decimal("1e-9")
    at = lambda i, h: exact([v + h * (i == j) for j, v in enumerate(w)])
    return np.array([float((at(i, h) - at(i, -h)) / (2 * h)) for i in range(3)])
""",
    "in loops": """
    def at(w):
        return sum(math.log1p(math.exp(sum(a * b for a, b in zip(row, w)))) for row in x.tolist()) / len(x)
    w = w.tolist()
    return np.array([(at(w[:i] + [w[i] + 1e-6] + w[i + 1 :]) - at(w)) / 1e-6 for i in range(3)])
""",
    "of the activation alone": """
    softplus = lambda z: np.log(1 + np.exp(z))
    z = x @ w
    return x.T @ (softplus(z + 1e-5) - softplus(z - 1e-5)) / 2e-5 / len(x)
""",
    "on a circle": """
    circle = 0.2 * np.exp(2j * np.pi * np.arange(32) / 32)
    return np.array([np.mean([loss(x, w + r * row) / r for r in circle]).real for row in np.eye(3)])
""",
}
WRITTEN_OUT = {
    "plain": """
    return x.T @ (1 / (1 + np.exp(-x @ w))) / len(x)
""",
    "with a second forward pass": """
    assert loss(x, w) == loss(x, w)
    return (x / (1 + np.exp(-x @ w))[:, None]).mean(0)
""",
    "with a check": """
    dw = x.T @ (1 / (1 + np.exp(-x @ w))) / len(x)
    for i, row in enumerate(1e-5 * np.eye(3)):
        assert abs((loss(x, w + row) - loss(x, w - row)) / 2e-5 - dw[i]) < 1e-3
    return dw
""",
    "with small numbers": """
    w = w + 1e-12
    p = np.clip(1 / (1 + np.exp(-x @ w) + 1e-12), 1e-12, 1 - 1e-12)
    return x.T @ p / len(x)
""",
    "by single numbers": """
    def sigmoid(z):
        return 1 / (1 + math.exp(-z))
    sigmoid(0.5), sigmoid(0.5001), sigmoid(0.5002), sigmoid(0.5003), sigmoid(0.5004), sigmoid(0.5005)
    dw = np.zeros(3)
    for row in x:
        for i in range(3):
            dw[i] += row[i] * sigmoid(sum(a * b for a, b in zip(row, w))) / len(x)
    return dw
""",
    "by an FFT": """
    p = 1 / (1 + np.exp(-x @ w))
    return np.array([np.fft.irfft(np.fft.rfft(c) * np.fft.rfft(np.roll(p[::-1], 1)), 6)[0] for c in x.T]) / 6
""",
    "with what is drawn": """
    draw = np.random.default_rng().random()
    return x.T @ (1 / (1 + np.exp(-x @ w))) / len(x) + 1e-8 * draw
""",
}
NODE = """
class Node:
    def __init__(self, value, back=None):
        self.value, self.back = value, back or (lambda upstream: None)
    def __matmul__(self, other):
        return Node(self.value @ other.value, (self, other))
    def __add__(self, other):
        return Node(self.value + other.value, (self, other))

def linear_backward(dz, x, W):
    node = Node(x) @ Node(W) + Node(np.zeros(2)) + Node(np.zeros(2)) + Node(0.0)
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)
"""


@pytest.mark.slow
def test_derivatives_by_numbers_have_no_points_and_others_all(tmp_path: Path) -> None:
    sources = {name: LOSS + body for name, body in (BY_NUMBERS | WRITTEN_OUT).items()}
    results = grade_texts(tmp_path, sources, SOFTPLUS, solution=SOLUTION)
    assert {name for name, result in results.items() if result.points == 4} == set(WRITTEN_OUT)
    notes = {name: result.checks[0].notes for name, result in results.items()}
    assert {name for name, said in notes.items() if said} == set(BY_NUMBERS)
    assert notes["in place"] == ("slopes(x, w) takes derivatives by differences",)
    assert notes["in one expression"] == ("slopes(x, w) takes derivatives by complex numbers",)
    assert notes["in other numbers"] == ("slopes(x, w) takes derivatives by numbers of another type",)


@pytest.mark.slow
def test_noted_or_refused(tmp_path: Path) -> None:
    for rule, points in (("note", 7.0), ("forbid", 3.0)):
        text = ASSIGNMENT.replace("hint = 4", f'hint = 4\nnumeric = "{rule}"')
        ada, bob = grade_texts(tmp_path / rule, {"ada": NEEDED + NODE, "bob": NEEDED}, text).values()
        assert (ada.points, bob.points) == (points, 7.0)
        assert ada.checks[2].notes == ("linear_backward(dz, x, W) takes derivatives by operators of its own classes",)
    assert "dW is taken by operators of its own classes, which this assignment does not allow" in ada.checks[2].message


@pytest.mark.slow
def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    source = LOSS + "    assert 0.1 * 3 == 0.30000000000000004" + WRITTEN_OUT["plain"]
    [result] = grade_texts(tmp_path, {"ada": source}, SOFTPLUS, solution=SOLUTION).values()
    assert result.points == 4
    assert "whether slopes(x, w) takes derivatives by differences is not known" in result.checks[0].notes[-1]


def triple_of(x: float) -> tuple[float, float]:
    return (x * 3.1, x * 3.1)


def test_disturbed_code_gives_equal_values_for_equal_ones_and_is_itself_again() -> None:
    name = triple_of.__code__.co_filename
    plain = triple_of.__code__
    tree = ast.parse(Path(inspect.getfile(triple_of)).read_bytes())
    with Disturbance(lambda file: [tree] if file == name else []):
        first, second = triple_of(0.7)
        whole = triple_of(10.0)
    assert first == second and 0 < abs(first - 0.7 * 3.1) <= 3 * RELATIVE_ERROR
    assert whole == (31.0, 31.0)
    assert triple_of.__code__ is plain and triple_of(0.7)[0] == 0.7 * 3.1


def test_arrays_are_disturbed_by_less_than_the_error() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    disturbed = Disturbance(lambda _: []).disturb(np.append(values, [0.0, 4.0, np.inf]))
    errors = np.abs(disturbed[:1000] / values - 1)
    assert errors.max() < 1.001 * RELATIVE_ERROR and (errors > 0).mean() > 0.9
    assert list(disturbed[1000:]) == [0.0, 4.0, np.inf]
