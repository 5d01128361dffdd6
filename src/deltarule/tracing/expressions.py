"""Expression trees of references to array entries, and their values.

The same tree is evaluated and written with names or numbers (`expression_text.py`), so that these always agree.
The functions of `maths` and NumPy's elementwise functions give a tree where they get one.

>>> x, W = Ref("x", (0,), 2.0), Ref("W", (0,), -0.5)
>>> evaluate(1 / (1 + np.exp(-x * W)))
0.2689414213699951
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Index = int | str
"""An index along an axis, or the letter for all indices."""

SAMPLES = "i"
"""The letter of the axis along which the samples of a batch lie."""


class Expression(NDArrayOperatorsMixin):
    """A node of an expression tree, built with operators and NumPy's functions."""

    # Nodes are compared, by identity or as dataclasses by their parts: operators alone are the mixin's.
    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: "Operand") -> "Expression":
        """Apply an operator, or one of NumPy's or SciPy's elementwise functions."""
        parts = tuple(map(_tree, inputs))
        match function.__name__, parts:
            case "add", (left, right):
                return _sum(left, right)
            case "subtract", (left, right):
                return left if right == ZERO else Operation("-", parts)
            case "multiply", (left, right):
                return _product(left, right)
            case "divide", _:
                return Operation("/", parts)
            case "power", _:
                return Operation("^", parts)
            case "negative", (negated,):
                return Negative(negated)
            case "log1p", (x,):
                return _tree(np.log(1 + x))
            case "expm1", (x,):
                return _tree(np.exp(x) - 1)
            case ("maximum" | "minimum") as name, _:
                return Function(name[:3], parts, function)
        return Function(function.__name__, parts, function)

    def where_positive(self, yes: "Operand", no: "Operand") -> "Expression":
        """The formula `yes` where this one is above 0, `no` elsewhere."""
        yes, no = _tree(yes), _tree(no)
        match self:
            case Operation("-", (left, right)) if (yes, no) == (right, left):
                return Function("min", (yes, no), min)
            case Operation("-", (left, right)) if (yes, no) == (left, right):
                return Function("max", (yes, no), max)
            case Operation("-", (left, right)):
                condition = Comparison(left, ">", right)
            case Negative(negated):
                condition = Comparison(negated, "<", ZERO)
            case _:
                condition = Comparison(self, ">", ZERO)
        first, rest = (condition, _known(yes, condition, True)), _known(no, condition, False)
        if isinstance(rest, Cases):
            return Cases((first, *rest.pieces), rest.otherwise)
        return Cases((first,), rest)


Operand = Expression | float


@dataclass(frozen=True)
class Number(Expression):
    """A number that belongs to a formula, such as the 2 of a square's derivative."""

    value: float


ZERO, ONE = Number(0), Number(1)


@dataclass(frozen=True)
class Ref(Expression):
    """A reference to an entry of a named array."""

    name: str
    index: tuple[Index, ...]
    value: float | None


@dataclass(frozen=True)
class Operation(Expression):
    """A sum, difference, product, quotient or power, by its sign: one of + - · / ^."""

    sign: str
    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Negative(Expression):
    """The negated expression."""

    negated: Expression


@dataclass(frozen=True, eq=False)
class Function(Expression):
    """A function of some arguments, with its name."""

    name: str
    arguments: tuple[Expression, ...]
    call: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Series(Expression):
    """A sum of a term over all indices along some axes."""

    letters: tuple[str, ...]
    lengths: tuple[int, ...]
    term: Callable[..., Expression]

    def indices(self) -> Iterator[tuple[int, ...]]:
        yield from np.ndindex(*self.lengths)

    @property
    def count(self) -> int:
        return math.prod(self.lengths)


@dataclass(frozen=True)
class Comparison:
    """A condition that compares two formulas, by one of the signs > < ≤ ≥."""

    left: Expression
    sign: str
    right: Expression

    @property
    def holds(self) -> bool:
        """Whether the condition holds for the numbers; never with a NaN."""
        left, right = evaluate(self.left), evaluate(self.right)
        return left > right if self.sign == ">" else left < right

    def with_sign(self, signs: Mapping[str, str]) -> "Comparison":
        return Comparison(self.left, signs[self.sign], self.right)


@dataclass(frozen=True)
class Cases(Expression):
    """A piecewise formula: the first piece whose condition holds, or `otherwise`."""

    pieces: tuple[tuple[Comparison, Expression], ...]
    otherwise: Expression

    @property
    def selection(self) -> tuple[tuple[Comparison, ...], Expression]:
        """The conditions that hold for the current numbers and the selected piece."""
        for condition, piece in self.pieces:
            if condition.holds:
                return (condition,), piece
        return tuple(condition.with_sign({">": "≤", "<": "≥"}) for condition, _ in self.pieces), self.otherwise


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "·": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}


def evaluate(tree: Expression) -> float:
    """The value of a formula in float64, without overflow warnings."""
    with np.errstate(all="ignore"):
        return float(_value(tree))


def _value(tree: Expression) -> Any:
    """The value of a formula as a NumPy float64, with overflow warnings."""
    match tree:
        case Number(value):
            return np.float64(value)
        case Ref(name, index, value):
            assert value is not None, f"{name}{list(index)} has no number"
            return np.float64(value)
        case Operation(sign, parts):
            return reduce(OPERATORS[sign], map(_value, parts))
        case Negative(negated):
            return -_value(negated)
        case Function(_, arguments, call):
            return np.float64(call(*map(_value, arguments)))
        case Series():
            return sum((_value(tree.term(*index)) for index in tree.indices()), np.float64(0))
        case Cases():
            return _value(tree.selection[1])
    raise TypeError(f"{type(tree).__name__} is no formula")


def replace_parts(tree: Any, replacements: Sequence[tuple[Expression, Expression]]) -> Any:
    """A formula in which parts, known by identity, are replaced by other formulas."""
    return _mapped(tree, lambda part: next((new for old, new in replacements if part is old), None))


def _known(tree: Any, condition: Comparison, holds: bool) -> Any:
    """A formula without the cases that a condition, true or false, decides."""

    def decided(part: Any) -> Any:
        if not isinstance(part, Cases):
            return None
        (first, piece), *others = part.pieces
        if first == condition and holds:
            return piece
        if first == condition or (holds and first == condition.with_sign({">": "<", "<": ">"})):
            return _known(Cases(tuple(others), part.otherwise) if others else part.otherwise, condition, holds)
        return None

    return _mapped(tree, decided)


def _mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """A formula with the parts that `change` gives; a part stays where it gives None."""
    if (changed := change(tree)) is not None:
        return changed
    if not isinstance(tree, tuple | Expression | Comparison):
        return tree
    parts = tree if isinstance(tree, tuple) else [getattr(tree, field.name) for field in fields(tree)]  # type: ignore[arg-type]
    mapped = [_mapped(part, change) for part in parts]
    if all(new is old for new, old in zip(mapped, parts, strict=True)):
        return tree
    return tuple(mapped) if isinstance(tree, tuple) else type(tree)(*mapped)


def _sum(left: Expression, right: Expression) -> Expression:
    if left == ZERO:  # `maths` adds 0 · x for the shape of x
        return right
    return left if right == ZERO else Operation("+", (*_parts(left, "+"), right))


def _product(left: Expression, right: Expression) -> Expression:
    if ZERO in (left, right):
        return ZERO
    if isinstance(left, Number):
        return right if left == ONE else Operation("·", (left, *_parts(right, "·")))
    *factors, last = _parts(left, "·")
    if last != right:
        return Operation("·", (*factors, last, right))
    square = Operation("^", (last, Number(2)))
    return Operation("·", (*factors, square)) if factors else square


def _parts(tree: Expression, sign: str) -> tuple[Expression, ...]:
    return tree.parts if isinstance(tree, Operation) and tree.sign == sign else (tree,)


def _tree(operand: Operand) -> Expression:
    return operand if isinstance(operand, Expression) else Number(operand)
