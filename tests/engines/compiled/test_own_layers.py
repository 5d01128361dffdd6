"""Layers of any form are computed alike by the compiled engine and by NumPy.

Each layer is a random expression of its arrays: sums, products, slices, transposes and elementwise operations. Its
backward pass is another one, so it is no gradient; engines need not know.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from deltarule import Network, create_problem, register_layer, unregister
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

INPUTS, UNITS, BATCH, UPDATES = 4, 5, 7, 3
B = -1
"""The number of rows, which a layer does not know."""
ENGINE = CompiledEngine(threads=1, lanes_are="members")
TOLERANCES = {"float32": 2e-4, "float64": 1e-10}

ELEMENTWISE: list[Callable[[Any], Any]] = [np.tanh, np.exp, np.sin, np.square, np.negative, lambda a: a / 3]
PAIRWISE: list[Callable[[Any, Any], Any]] = [np.add, np.subtract, np.multiply, np.maximum, np.minimum]


def is_array(value: Any) -> bool:
    return not isinstance(value, float)


class Expressions:
    """Draws expressions [lines, columns] of some arrays; what has one line or column is repeated.

    given : lines, columns and the array itself.
    """

    def __init__(self, seed: int, given: list[tuple[int, int, Any]]) -> None:
        self.random, self.given = np.random.default_rng(seed), given

    def draw(self, lines: int, columns: int, depth: int = 3) -> Any:
        forms = [self.elementwise, self.pairwise, self.pairwise, self.chosen, self.sliced, self.product, self.turned]
        forms += [self.grouped, self.rearranged, self.joined, self.attended]
        if columns == 1:
            forms += [self.reduced] * 3
        if lines == 1:
            forms += [self.summed] * 3
        form = self.array if depth == 0 else self.pick(forms)
        value = form(lines, columns, depth - 1)
        return np.tanh(value) if is_array(value) else math.tanh(value)

    def pick(self, choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def array(self, lines: int, columns: int, depth: int) -> Any:
        """Return an array that fits, or columns of one, or a number."""
        found = [(array, width) for height, width, array in self.given if height in (lines, 1) and width >= columns > 0]
        if not found:
            return float(self.random.normal())
        array, width = self.pick(found)
        return array if width == columns else self.columns(array, width, columns)

    def columns(self, array: Any, width: int, count: int) -> Any:
        start = int(self.random.integers(width - count + 1))
        return array[..., start : start + count]

    def elementwise(self, lines: int, columns: int, depth: int) -> Any:
        value = self.draw(lines, columns, depth)
        return self.pick(ELEMENTWISE)(value) if is_array(value) else value

    def pairwise(self, lines: int, columns: int, depth: int) -> Any:
        pair = [self.draw(lines, columns, depth)]
        height, width = self.pick([(lines, columns), (lines, 1), (1, columns), (1, 1)])
        pair.insert(self.pick([0, 1]), self.draw(height, width, depth))
        return self.pick(PAIRWISE)(*pair) if any(map(is_array, pair)) else sum(pair)

    def chosen(self, lines: int, columns: int, depth: int) -> Any:
        test, yes, no = (self.draw(lines, columns, depth) for _ in range(3))
        return np.where(test > 0.1, yes, no) if is_array(test) else no

    def sliced(self, lines: int, columns: int, depth: int) -> Any:
        width = columns + int(self.random.integers(1, 4))
        wide = self.draw(lines, width, depth)
        is_wide = columns > 0 and is_array(wide) and int(wide.shape[-1]) == width
        return self.columns(wide, width, columns) if is_wide else wide

    def of_rows(self, columns: int, depth: int) -> Any:
        """Return an expression that has rows, whatever it is drawn from."""
        _, width, x = self.given[0]
        return self.columns(x, width, 1) * self.draw(B, columns, depth)

    def product(self, lines: int, columns: int, depth: int) -> Any:
        if lines == B:
            inner = self.pick([INPUTS, UNITS])
            left, right = self.of_rows(inner, depth), self.draw(inner, columns, depth)
        else:
            left, right = turned(self.of_rows(lines, depth)), self.of_rows(columns, depth)
        fits = is_array(right) and int(left.shape[-1]) == int(right.shape[-2])
        return left @ right if fits else self.draw(lines, columns, depth)

    def turned(self, lines: int, columns: int, depth: int) -> Any:
        return turned(self.draw(columns, lines, depth)) if lines != B else self.draw(lines, columns, depth)

    def reduced(self, lines: int, columns: int, depth: int) -> Any:
        array, name = self.draw(lines, self.pick([INPUTS, UNITS]), depth), self.pick(["sum", "mean", "max"])
        return getattr(array, name)(-1, keepdims=True) if is_array(array) else array

    def wide(self, lines: int, columns: int, depth: int) -> Any:
        """Return an array with so many columns; None where the one that is drawn has others."""
        array = self.draw(lines, columns, depth)
        return array if is_array(array) and int(array.shape[-1]) == columns else None

    def grouped(self, lines: int, columns: int, depth: int) -> Any:
        """Return the sum, mean or largest over some groups of columns."""
        count, name = int(self.random.integers(1, 4)), self.pick(["sum", "mean", "max"])
        array = self.wide(lines, count * columns, depth)
        if array is None:
            return self.draw(lines, columns, depth)
        groups = array.reshape(*array.shape[:-1], count, columns)
        return getattr(groups, name)(-2)

    def rearranged(self, lines: int, columns: int, depth: int) -> Any:
        """Return columns in another order, with a step between them, or with zeros beside them."""
        form, more = self.pick(["flip", "roll", "take", "step", "pad"]), int(self.random.integers(0, 3))
        narrow = max(1, columns - 1)
        array = self.wide(lines, {"step": 2 * columns + more, "pad": narrow}.get(form, columns), depth)
        if array is None or (form == "pad" and narrow == columns):
            return self.draw(lines, columns, depth)
        match form:
            case "flip":
                return np.flip(array, -1)
            case "roll":
                return np.roll(array, more, -1)
            case "take":
                return array[..., self.random.permutation(columns)]
            case "step":
                return array[..., more : more + 2 * columns : 2]
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [self.pick([(0, 1), (1, 0)])])

    def joined(self, lines: int, columns: int, depth: int) -> Any:
        """Return some columns of an array, and beside them others of another function of it."""
        array = self.wide(lines, columns, depth)
        if array is None or columns < 2:
            return self.draw(lines, columns, depth)
        return np.concatenate([np.sin(array[..., :1]), array[..., 1:]], -1)

    def attended(self, lines: int, columns: int, depth: int) -> Any:
        """Return products of stacks of arrays: groups of a row, with one another or with an array of parameters."""
        array = self.wide(lines, 2 * columns, depth)
        if array is None:
            return self.draw(lines, columns, depth)
        groups = array.reshape(*array.shape[:-1], 2, columns)
        if self.random.integers(2):
            return (turned(groups) @ np.tanh(groups @ turned(groups)))[..., 1]
        factors = self.wide(columns, columns, depth)
        fits = factors is not None and int(factors.shape[-2]) == columns
        return (groups @ factors[..., None, :, :] if fits else groups)[..., 0, :]

    def summed(self, lines: int, columns: int, depth: int) -> Any:
        return self.of_rows(columns, depth).sum(-2, keepdims=True)


def turned(array: Any) -> Any:
    return np.swapaxes(array, -1, -2) if is_array(array) else array


def dense_backward(x: Any, W: Any) -> Callable[[Any], tuple[Any, Any, Any]]:
    return lambda dz: (dz @ turned(W), turned(x) @ dz, dz.sum(-2, keepdims=True))


def random_layer(seed: int) -> Callable[..., Any]:
    """Return a layer x W + b + an expression, with derivatives that are expressions too."""

    def layer(x: Any, W: Any, b: Any) -> Any:
        inputs, units = int(x.shape[-1]), int(W.shape[-1])
        is_drawn = {inputs, units} == {INPUTS, UNITS}  # other sizes are those of the proof
        given = [(B, inputs, x), (inputs, units, W), (1, units, b)]
        z = x @ W + b

        def backward(dz: Any) -> Any:
            gradients = dense_backward(x, W)(dz)
            if not is_drawn:
                return gradients
            drawn = Expressions(seed + 1, [*given, (B, units, dz)])
            shapes = (B, inputs), (inputs, units), (1, units)
            return tuple(each + drawn.draw(*shape) / 10 for each, shape in zip(gradients, shapes, strict=True))

        return z + Expressions(seed, given).draw(B, units) if is_drawn else z, backward

    return layer


@contextmanager
def problem_with(function: Callable[..., Any], members: int, dtype: str, layers: int = 2) -> Iterator[Problem]:
    """A problem whose first layers are of such a function."""
    register_layer("own_layer", function, arrays={"W": "D H", "b": "1 H"}, derivative=False)
    try:
        own = [{"name": "own_layer", "units": units} for units in (UNITS, INPUTS)[:layers]]
        x = np.random.default_rng(0).normal(size=(20, INPUTS))
        options: dict[str, Any] = {"batch_size": BATCH, "learning_rate": 0.1, "seeds": range(members), "dtype": dtype}
        yield create_problem(Network([INPUTS, *own, 3]), x, x[:, :3], **options)
    finally:
        unregister("layer", "own_layer")


def distances_from_numpy(problem: Problem) -> list[float]:
    """Return how far from NumPy's parameters those of the compiled engine end, with members and units as lanes."""
    before = initial_state(problem)
    expected, _ = ReferenceEngine().advance(problem, before, UPDATES)
    engines = [CompiledEngine(threads=1, lanes_are=lanes_are) for lanes_are in ("members", "units")]
    assert not engines[0].notes(problem)
    return [abs(engine.advance(problem, before, UPDATES)[0].theta - expected.theta).max() for engine in engines]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("seed", range(12))
def test_random_layers_are_trained_as_by_numpy(seed: int) -> None:
    members, dtype = (1, 3, 17, 65)[seed % 4], ("float64", "float32")[seed // 4 % 2]
    with problem_with(random_layer(seed), members, dtype) as problem:
        assert max(distances_from_numpy(problem)) < TOLERANCES[dtype]


def beside_a_product(more: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return a layer x W + b + more(x, W), at the sizes of the test; others are those of the proof."""

    def layer(x: Any, W: Any, b: Any) -> Any:
        z = x @ W + b
        is_ours = {int(x.shape[-1]), int(W.shape[-1])} == {INPUTS, UNITS}
        return z + more(x, W) if is_ours else z, dense_backward(x, W)

    return layer


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "more",
    [
        lambda x, W: x[..., 0:1],
        lambda x, W: x[..., -2:-1] * x[..., :1],
        lambda x, W: x[..., 2:9].sum(-1, keepdims=True) + x[..., -1:],
    ],
)
def test_slices_are_those_of_numpy(more: Callable[..., Any]) -> None:
    """Of one column, which is repeated; counted from the end; open; and beyond the end."""
    with problem_with(beside_a_product(more), 5, "float64") as problem:
        assert max(distances_from_numpy(problem)) < TOLERANCES["float64"]


@pytest.mark.slow
def test_two_hundred_random_layers_are_trained_as_by_numpy() -> None:
    differences = {}
    for seed in range(100, 300):
        with problem_with(random_layer(seed), (1, 3, 17, 65)[seed % 4], "float64", layers=1) as problem:
            state = initial_state(problem)
            trained, expected = (engine.advance(problem, state, 2)[0].theta for engine in (ENGINE, ReferenceEngine()))
        differences[seed] = abs(trained - expected).max()
    assert [seed for seed, difference in differences.items() if not difference < TOLERANCES["float64"]] == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (lambda x, W: x[..., 9:].sum(-1, keepdims=True), "uses an array at"),
        (lambda x, W: np.sort(x, -1)[..., :1], "it uses np.sort in line"),
        (lambda x, W: x[..., :1] * x.sum(axis=x.ndim - 1)[..., None], "which is not counted from the last axis"),
    ],
)
def test_what_has_no_program_is_trained_by_numpy_and_said(more: Callable[..., Any], reason: str) -> None:
    with problem_with(beside_a_product(more), 5, "float64") as problem:
        assert reason in CompiledEngine().notes(problem)[0]
