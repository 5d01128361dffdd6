"""Read, check and use typed formulas, without evaluating them as Python."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.problem import registry
from deltarule.problem.error_messages import as_toml
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.ranges import quoted

if TYPE_CHECKING:
    from deltarule.checking.report import CodeReport

Array = NDArray[Any]
Evaluate = Callable[[Mapping[str, Any]], Any]
"""A function that computes a part of a formula from the values of its variables, by name."""

MAX_CHARACTERS = 300
FUNCTIONS: dict[str, np.ufunc] = {
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "tanh", "cosh", "sin", "cos", "abs", "sign")},
    "max": np.maximum,
    "min": np.minimum,
}
CONSTANTS = {"pi": np.float64(math.pi), "e": np.float64(math.e)}
Operation = Callable[..., Array]
COMPARISONS: dict[str, Operation] = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
LEVELS: tuple[dict[str, Operation], ...] = ({"+": np.add, "-": np.subtract}, {"*": np.multiply, "/": np.true_divide})
"""Operators of two operands, the looser first."""
SIGNS: dict[str, Operation] = {"-": np.negative, "+": np.positive}
MAX_DEPTH = 30
"""Of parentheses, signs and powers within each other."""
_TOKEN = re.compile(r"[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[A-Za-z0-9_]+|<=|>=|\S")
"""Also a space of another alphabet separates; a digit or a letter of another alphabet is a token that is refused."""


def read_formula(text: str, names: Sequence[str]) -> Callable[..., Array]:
    """Read a formula, such as "max(z, 0)" or "1 - a^2", as a function of `names`."""
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"the formula has {len(text)} characters; give at most {MAX_CHARACTERS}")
    try:
        evaluate = _Reader(_TOKEN.findall(text.replace("**", "^")), names).read()
    except ValueError as error:
        allowed = ", ".join([*names, *CONSTANTS, *FUNCTIONS])
        raise BadInput(
            f'the formula "{text}" cannot be read: {error}; write it with numbers, + - * / ^ and {allowed}'
        ) from None

    def function(*values: Array) -> Array:
        x = values[0]
        with np.errstate(all="ignore"):
            result = evaluate({**CONSTANTS, **dict(zip(names, values, strict=True))}).astype(x.dtype)
        return np.where(x == x, result, result)  # a formula that is a number has the shape of x, too

    return function


class _Reader:
    """Reads the tokens of a formula by recursive descent, as the page's `typed.js` does."""

    def __init__(self, tokens: Sequence[str], names: Sequence[str]) -> None:
        self.tokens, self.names = tokens, names
        self.at = self.depth = 0

    def read(self) -> Evaluate:
        evaluate = self._whole()
        if self.at < len(self.tokens):
            raise ValueError(f'"{self.tokens[self.at]}" cannot stand there')
        return evaluate

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._next()
        if expected and token != expected:
            raise ValueError(f'"{token}" stands where "{expected}" should' if token else f'"{expected}" is missing')
        if not token:
            raise ValueError("it ends too early")
        self.at += 1
        return token

    def _deeper(self, read: Callable[[], Evaluate]) -> Evaluate:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("it is nested too deep")
        evaluate = read()
        self.depth -= 1
        return evaluate

    def _whole(self) -> Evaluate:
        """A comparison, of which none follows another, or a sum."""
        return self._deeper(self._compared)

    def _compared(self) -> Evaluate:
        left = self._binary(0)
        if self._next() not in COMPARISONS:
            return left
        compare = _apply(COMPARISONS[self._take()], left, self._binary(0))
        return lambda values: compare(values) * 1.0

    def _binary(self, level: int) -> Evaluate:
        if level == len(LEVELS):
            return self._signed()
        left = self._binary(level + 1)
        while self._next() in LEVELS[level]:
            left = _apply(LEVELS[level][self._take()], left, self._binary(level + 1))
        return left

    def _signed(self) -> Evaluate:
        if self._next() not in SIGNS:
            return self._power()
        return _apply(SIGNS[self._take()], self._deeper(self._signed))

    def _power(self) -> Evaluate:
        base = self._atom()
        if self._next() != "^":
            return base
        self._take()
        return _apply(np.power, base, self._deeper(self._signed))

    def _atom(self) -> Evaluate:
        token = self._take()
        if token == "(":
            inner = self._whole()
            self._take(")")
            return inner
        if token[0] in "0123456789" or (token[0] == "." and len(token) > 1):
            number = np.float64(token)
            return lambda values: number
        if token in self.names or token in CONSTANTS:
            return lambda values: values[token]
        if token not in FUNCTIONS:
            raise ValueError(f'"{token}" cannot stand in a formula')
        self._take("(")
        parts = [self._whole()]
        for _ in range(FUNCTIONS[token].nin - 1):
            self._take(",")
            parts.append(self._whole())
        self._take(")")
        return _apply(FUNCTIONS[token], *parts)


def _apply(function: Operation, *parts: Evaluate) -> Evaluate:
    return lambda values: function(*(part(values) for part in parts))


NAMES = {"activation": (("z",), ("z", "a")), "loss": (("p", "y"), ("p", "y"))}
"""The variables that the function and the derivative of each kind of formula may use."""
PRESETS = {
    "activation": {"tanh": ("tanh(z)", "1 - a^2"), "relu": ("max(z, 0)", "z > 0")},
    "loss": {"cross_entropy": ("-y * log(p)", "-y / p"), "squared_error": ("(p - y)^2", "2 * (p - y)")},
}
"""Examples of formulas to start from, (function, derivative) by kind and name."""

Formulas = Mapping[str, Activation | Loss | None]


def require_kind(kind: str) -> None:
    if kind not in NAMES:
        raise BadInput(f"kind is {as_toml(kind)}; give {quoted(tuple(NAMES))}")


def read_pair(kind: str, function: str, derivative: str) -> Activation | Loss:
    value, slope = (read_formula(text, names) for text, names in zip((function, derivative), NAMES[kind], strict=True))
    return Activation("yours", value, slope) if kind == "activation" else Loss("yours", value, slope)


POINTS = 25
STEP = 1e-5
TOLERANCE = 1e-4
ROUNDING = 1e-10
"""The error of a difference by rounding, as a share of the function's values."""


def judge_pair(formula: Activation | Loss) -> tuple[bool, str]:
    """Compare a typed derivative with central differences, as the page does without Python.

    Returns whether it is right, and a sentence. Raises `BadInput` for a function that is finite nowhere.
    """
    index = np.arange(POINTS)
    x: Array
    if isinstance(formula, Activation):
        f = formula.function
        name = "z"
        noun = "function"
        x = (index - 12) / 4.1 + 0.013
        found = formula.derivative(x, f(x))
        above, below = f(x + STEP), f(x - STEP)
    else:
        name = "p"
        noun = "loss"
        x = 0.05 + index * 0.036
        y = np.where(index % 2, 1.0, 0.0)
        found = formula.derivative(x, y)
        above = formula.value(x + STEP, y)
        below = formula.value(x - STEP, y)
    with np.errstate(all="ignore"):
        expected = (above - below) / (2 * STEP)
        error = np.abs(found - (above - below) / (2 * STEP))
        size = np.maximum(np.abs(found), np.abs(expected))
        rounding = ROUNDING * np.maximum(np.abs(above), np.abs(below))
        relative = np.where(np.isfinite(error), error / size, np.inf)
    compared = np.isfinite(above) & np.isfinite(below)
    wrong = np.flatnonzero(compared & ~(error <= TOLERANCE * size + rounding))
    count = int(compared.sum())
    if not count:
        where = f"{name} = {_short(x[0])} to {_short(x[-1])}"
        raise BadInput(f"the {noun} is finite at none of {POINTS} points from {where}; give another one")
    if len(wrong):
        worst = wrong[0]
        for point in wrong[1:]:
            worst = point if relative[point] > relative[worst] + 1e-6 else worst
        digits = 3 if _short(found[worst]) != _short(expected[worst]) else 6
        values = f"the derivative is {_short(found[worst], digits)} and should be {_short(expected[worst], digits)}"
        return False, f"Wrong at {len(wrong)} of {count} points: at {name} = {_short(x[worst])} {values}."
    if not expected[compared].any():
        return True, f"Right, but the {noun} is constant around each of {count} points: nothing is learned from it."
    if count == POINTS:
        return True, f"Right: the derivative agrees with differences at {POINTS} points."
    return True, f"Right at {count} of {POINTS} points; at the others the {noun} is not finite."


def _short(number: float, digits: int = 3) -> str:
    """Some significant digits of a number."""
    rounded = float(f"{number:.{digits}g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 2**53 else repr(rounded)


def explain_mistake(formula: Activation | Loss) -> str:
    """What the checker says of a wrong derivative: the mistake and its likely fix, "" where it names none."""
    try:
        diagnosis = check_pair(formula).diagnosis
    except BadInput:  # the function is not finite everywhere
        return ""
    return "\n".join(f"{one.code}: {one.sentence}; {one.fix}" for one in diagnosis)


def check_pair(formula: Activation | Loss) -> "CodeReport":
    from deltarule.checking.check_layers import (
        check_vjp,  # imported on use: it takes as long as drawing the first picture
    )

    random = np.random.default_rng(2026)
    if isinstance(formula, Activation):
        function = formula.function
        derivative = formula.derivative
        x = 2 * random.standard_normal((6, 4))
        return check_vjp(lambda z: (function(z), z), lambda upstream, z: upstream * derivative(z, function(z)), x)
    value = formula.value
    slope = formula.derivative
    x = random.uniform(0.05, 0.95, (6, 4))
    y = (random.random((6, 4)) < 0.5) * 1.0
    return check_vjp(lambda p: (value(p, y), p), lambda upstream, p: upstream * slope(p, y), x)


def with_formulas(problem: Problem, formulas: Formulas) -> Problem:
    """Replace a problem's hidden activations and its loss by custom formulas."""
    if isinstance(activation := formulas.get("activation"), Activation):
        old = problem.network
        options = {"bias": old.has_biases, "batch_norm": bool(old.buffers), "scaling_layer": old.has("scaling")}
        registry.accept(activation)  # `check_pair` has proved it
        hidden = [activation] * (old.depth - 1)
        network = Network(old.sizes, hidden, old.output, initializer=old.initializers, **options)
        problem = replace(problem, network=network)
    if isinstance(loss := formulas.get("loss"), Loss):
        problem = replace(problem, loss=loss)
    return problem
