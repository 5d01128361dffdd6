"""Read, check and use typed formulas, without evaluating them as Python."""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, count_of
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

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
OPERATORS: dict[type[ast.AST], Callable[..., Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


def read_formula(text: str, names: Sequence[str]) -> Callable[..., Array]:
    """Read a formula, such as "max(z, 0)" or "1 - a^2", as a function of `names`."""
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"the formula has {len(text)} characters; give at most {MAX_CHARACTERS}")
    try:
        evaluate = _read(ast.parse(text.strip().replace("^", "**"), mode="eval").body, names)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        # the last two for hundreds of brackets
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deep"
        allowed = ", ".join([*names, *CONSTANTS, *FUNCTIONS])
        raise BadInput(
            f"the formula {text!r} cannot be read: {reason}; write it with numbers, + - * / ^ and {allowed}"
        ) from None

    def function(*values: Array) -> Array:
        x = values[0]
        with np.errstate(all="ignore"):
            result = evaluate({**CONSTANTS, **dict(zip(names, values, strict=True))}).astype(x.dtype)
        return np.where(x == x, result, result)  # a formula that is a number has the shape of x, too

    return function


def _read(node: ast.expr, names: Sequence[str]) -> Evaluate:
    match node:
        case ast.Constant(value=float() | int() as value) if not isinstance(value, bool):
            number = np.float64(value)
            return lambda values: number
        case ast.Name(id=name) if name in (*names, *CONSTANTS):
            return lambda values: values[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return _apply(OPERATORS[type(op)], [operand], names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _apply(OPERATORS[type(op)], [left, right], names)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
            compare = _apply(OPERATORS[type(op)], [left, right], names)
            return lambda values: compare(values) * 1.0
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            function = FUNCTIONS[name]
            if len(arguments) != function.nin:
                raise ValueError(f"'{name}' takes {count_of(function.nin, 'argument')}")
            return _apply(function, arguments, names)
    raise ValueError(f"'{ast.unparse(node)}' cannot stand in a formula")


def _apply(function: Callable[..., Array], arguments: Sequence[ast.expr], names: Sequence[str]) -> Evaluate:
    parts = [_read(argument, names) for argument in arguments]
    return lambda values: function(*(part(values) for part in parts))


NAMES = {"activation": (("z",), ("z", "a")), "loss": (("p", "y"), ("p", "y"))}
"""The variables that the function and the derivative of each kind of formula may use."""
PRESETS = {
    "activation": {"tanh": ("tanh(z)", "1 - a^2"), "relu": ("max(z, 0)", "z > 0")},
    "loss": {"cross_entropy": ("-y * log(p)", "-y / p"), "squared_error": ("(p - y)^2", "2 * (p - y)")},
}
"""Examples of formulas to start from, (function, derivative) by kind and name."""

Formulas = Mapping[str, Activation | Loss | None]


def read_pair(kind: str, function: str, derivative: str) -> Activation | Loss:
    value, slope = (read_formula(text, names) for text, names in zip((function, derivative), NAMES[kind], strict=True))
    return Activation("yours", value, slope) if kind == "activation" else Loss("yours", value, slope)


def check_pair(formula: Activation | Loss) -> "CodeReport":
    from deltarule.checking.check import check_vjp  # imported on use: it takes as long as drawing the first picture

    random = np.random.default_rng(2026)
    if isinstance(formula, Activation):
        function, derivative, x = formula.function, formula.derivative, 2 * random.standard_normal((6, 4))
        return check_vjp(lambda z: (function(z), z), lambda upstream, z: upstream * derivative(z, function(z)), x)
    value, slope, x = formula.value, formula.derivative, random.uniform(0.05, 0.95, (6, 4))
    y = (random.random((6, 4)) < 0.5) * 1.0
    return check_vjp(lambda p: (value(p, y), p), lambda upstream, p: upstream * slope(p, y), x)


def with_formulas(problem: Problem, formulas: Formulas) -> Problem:
    """Replace a problem's hidden activations and its loss by custom formulas."""
    if isinstance(activation := formulas.get("activation"), Activation):
        old, first = problem.network, problem.network.layers[0]
        options = {"bias": first.bias, "batch_norm": first.batch_norm, "scaling_layer": first.scaling}
        hidden = [activation] * (len(old.layers) - 1)
        network = Network(old.sizes, hidden, old.output, initializer=old.initializers, **options)
        problem = replace(problem, network=network)
    if isinstance(loss := formulas.get("loss"), Loss):
        problem = replace(problem, loss=loss)
    return problem
