"""What a right verdict says that it did not reach."""

from typing import Any

import numpy as np
import pytest

from deltarule import CodeReport, check_gradient, check_vjp

GENERATOR = np.random.default_rng(4)
SMALL = 0.1 * GENERATOR.normal(size=(5, 4))


def not_reached(report: CodeReport) -> list[str]:
    assert report.ok, str(report)
    return [str(note).removeprefix("not reached: ") for note in report.notes if str(note).startswith("not reached")]


def huber(x: Any) -> Any:
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


@pytest.mark.parametrize(("scale", "is_reached"), [(1.0, False), (20.0, True)])
def test_side_of_where_that_is_never_taken(scale: float, is_reached: bool) -> None:
    x = scale * SMALL
    notes = not_reached(check_vjp(huber, lambda g: g * np.clip(x, -1, 1), x))
    assert bool(notes) != is_reached
    assert is_reached or notes[0].startswith("one side of np.where in line") and "test_reach.py" in notes[0]


@pytest.mark.parametrize(("x", "count"), [(np.abs(SMALL), 1), (SMALL, 0)])
def test_side_of_a_maximum_that_is_never_taken(x: Any, count: int) -> None:
    notes = not_reached(check_vjp(lambda x: np.maximum(x, 0), lambda g: g * (x > 0), x))
    assert len(notes) == count and all("one side of the maximum" in note for note in notes)


@pytest.mark.parametrize(("ids", "count"), [([0, 3, 4], 1), ([0, 3, 3], 0)])
def test_indices_that_never_repeat(ids: list[int], count: int) -> None:
    rows = np.array(ids)

    def slope(table: Any) -> Any:
        gradient = np.zeros_like(table)
        np.add.at(gradient, rows, table[rows])
        return gradient

    report = check_gradient(lambda table: (table[rows] ** 2).sum() / 2, slope, GENERATOR.normal(size=(6, 3)))
    notes = not_reached(report)
    assert len(notes) == count and all("no index repeats" in note for note in notes)


@pytest.mark.parametrize(("steps", "count"), [(1, 2), (3, 0)])
def test_loop_over_one_step(steps: int, count: int) -> None:
    inputs = GENERATOR.normal(size=(steps, 3))

    def both(W: Any) -> Any:
        hidden = [np.ones(3)]
        for t in range(steps):
            hidden.append(np.tanh(W @ hidden[-1] + inputs[t]))
        gradient, d = np.zeros_like(W), hidden[-1]
        for t in reversed(range(steps)):
            dz = d * (1 - hidden[t + 1] ** 2)
            gradient += np.outer(dz, hidden[t])
            d = W.T @ dz
        return (hidden[-1] ** 2).sum() / 2, gradient

    notes = not_reached(check_gradient(both, None, GENERATOR.normal(size=(3, 3))))
    assert len(notes) == count and all("ran once" in note for note in notes)


class Layer:
    def __init__(self, stride: int) -> None:
        self.stride, self.is_training = stride, True

    def forward(self, x: Any) -> Any:
        self.x = x
        if self.is_training:
            self.y = np.tanh(x[:, :: self.stride])
        else:
            self.y = 3 * x
        return self.y

    def backward(self, dy: Any) -> Any:
        if not isinstance(dy, np.ndarray):
            raise TypeError
        dx = np.zeros_like(self.x)
        dx[:, :: self.stride] = dy * (1 - self.y**2)
        return dx


@pytest.mark.slow
def test_branch_that_never_ran_and_stride_of_one() -> None:
    wide, narrow = Layer(2), Layer(1)
    [branch] = not_reached(check_vjp(wide.forward, wide.backward, SMALL))
    assert branch.endswith("never ran: self.y = 3 * x")
    assert not_reached(check_vjp(narrow.forward, narrow.backward, SMALL)) == [
        branch,
        "stride is 1; another one was not tried",
    ]
