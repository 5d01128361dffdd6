"""Derivatives that are taken by numbers rather than written out are found by running, and noted or refused."""

from pathlib import Path

import pytest
from grading_examples import ASSIGNMENT, NEEDED, grade_texts, linear_assignment

from deltarule.grading import worker
from deltarule.grading.process import NUMERIC

DIFFERENCES = """
def objective(dz, x, W, b):
    return (dz * (x @ W + b)).sum()

def linear_backward(dz, x, W):
    b, found = np.zeros(W.shape[1]), []
    for array in (x, W, b):
        slope = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            old = array[i]
            array[i] = old + 1e-6
            above = objective(dz, x, W, b)
            array[i] = old - 1e-6
            slope[i] = (above - objective(dz, x, W, b)) / 2e-6
            array[i] = old
        found.append(slope)
    return found
"""
COMPLEX = """
def linear_backward(dz, x, W):
    slope = np.zeros_like(W)
    for i in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[i] += 1e-30j
        slope[i] = (dz * (x @ moved)).sum().imag / 1e-30
    return dz @ W.T, slope, dz.sum(axis=0)
"""
AUTOGRAD = """
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
BY_SAMPLES = """
def outer(a, b):
    return np.outer(a, b)

def linear_backward(dz, x, W):
    dW = np.zeros_like(W)
    for row, slope in zip(x, dz):
        dW += outer(row, slope)
    return np.array([W @ slope for slope in dz]), dW, dz.sum(axis=0)
"""
KINDS = {"differences": DIFFERENCES, "complex numbers": COMPLEX, "operators of its own classes": AUTOGRAD}


def numeric(folder: Path, source: str) -> list[str]:
    check = linear_assignment(folder).checks[2]
    namespace: dict[str, object] = {}
    worker.CELLS.add("hw.py")
    exec(compile(NEEDED + source, "hw.py", "exec"), namespace)
    answer = worker.answer(namespace, worker.unpack(worker.pack(check.request())))
    assert answer["errors"] == []
    return list(answer["numeric"])


@pytest.mark.parametrize("kind", KINDS)
def test_how_derivatives_are_taken(tmp_path: Path, kind: str) -> None:
    assert kind in NUMERIC and numeric(tmp_path, KINDS[kind]) == [kind]


@pytest.mark.parametrize("source", ["", BY_SAMPLES])
def test_derivatives_that_are_written_out(tmp_path: Path, source: str) -> None:
    assert numeric(tmp_path, source) == []


@pytest.mark.slow
def test_noted_or_refused(tmp_path: Path) -> None:
    for rule, points in (("note", 7.0), ("forbid", 3.0)):
        text = ASSIGNMENT.replace("hint = 4", f'hint = 4\nnumeric = "{rule}"\ntolerance = 1e-5')
        sources = {"ada": NEEDED + DIFFERENCES, "bob": NEEDED}
        ada, bob = grade_texts(tmp_path / rule, sources, text).values()
        assert (ada.points, bob.points) == (points, 7.0)
        assert ada.checks[2].notes == ("linear_backward(dz, x, W) takes derivatives by differences",)
    assert "dW is taken by differences, which this assignment does not allow" in ada.checks[2].message
