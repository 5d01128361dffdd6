"""Expression trees of references to array entries, and their values.

The same tree is evaluated and written with names or numbers (`expression_text.py`), so that these always agree.
The functions of `maths` and NumPy's elementwise functions give a tree where they get one.

>>> x, W = Ref("x", (0,), 2.0), Ref("W", (0,), -0.5)
>>> evaluate(1 / (1 + np.exp(-x * W)))
0.2689414213699951
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Index = int | str
"""An index along an axis, or the letter for all indices."""

SAMPLES = "i"
"""The letter of the axis along which the samples of a batch lie."""


class Expression:
    """A node of an expression tree, built with operators and NumPy's functions."""

    def __add__(self, other: "Operand") -> "Expression":
        return _sum(self, other)

    def __radd__(self, other: "Operand") -> "Expression":
        return _sum(_tree(other), self)

    def __sub__(self, other: "Operand") -> "Expression":
        return self if other == ZERO else Difference(self, _tree(other))

    def __rsub__(self, other: "Operand") -> "Difference":
        return Difference(_tree(other), self)

    def __mul__(self, other: "Operand") -> "Expression":
        if self == ZERO or other == 0:
            return ZERO
        *factors, last = _parts(self, Product)
        if last != other:
            return Product((*factors, last, _tree(other)))
        return Product((*factors, last**2)) if factors else last**2

    def __rmul__(self, other: "Operand") -> "Expression":
        return ZERO if other == 0 else Product((_tree(other), *_parts(self, Product)))

    def __truediv__(self, other: "Operand") -> "Quotient":
        return Quotient(self, _tree(other))

    def __rtruediv__(self, other: "Operand") -> "Quotient":
        return Quotient(_tree(other), self)

    def __pow__(self, exponent: "Operand") -> "Power":
        return Power(self, _tree(exponent))

    def __rpow__(self, base: "Operand") -> "Power":
        return Power(_tree(base), self)

    def __neg__(self) -> "Negative":
        return Negative(self)

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: "Operand") -> "Expression":
        """Apply one of NumPy's or SciPy's elementwise functions of one number."""
        [x] = map(_tree, inputs)
        match function.__name__:
            case "log1p":
                return Function("log", (1 + x,))
            case "expm1":
                return Function("exp", (x,)) - 1
        return Function(function.__name__, (x,), None if function.__name__ in KNOWN else function)

    def where_positive(self, yes: "Operand", no: "Operand") -> "Expression":
        """The formula `yes` where this one is above 0, `no` elsewhere."""
        yes, no = _tree(yes), _tree(no)
        match self:
            case Difference(left, right) if (yes, no) == (right, left):
                return Function("min", (yes, no))
            case Difference(left, right) if (yes, no) == (left, right):
                return Function("max", (yes, no))
            case Difference(left, right):
                condition = above(left, right)
            case Negative(negated):
                condition = below(negated, 0)
            case _:
                condition = above(self, 0)
        yes, no = _known(yes, condition, True), _known(no, condition, False)
        pieces, otherwise = (no.pieces, no.otherwise) if isinstance(no, Cases) else ((), no)
        return cases((condition, yes), *pieces, otherwise=otherwise)


Operand = Expression | float


@dataclass(frozen=True)
class Number(Expression):
    """A number that belongs to a formula, such as the 2 of a square's derivative."""

    value: float


ZERO = Number(0)


@dataclass(frozen=True)
class Ref(Expression):
    """A reference to an entry of a named array."""

    name: str
    index: tuple[Index, ...]
    value: float | None


@dataclass(frozen=True)
class Sum(Expression):
    """A sum of terms."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Difference(Expression):
    """`left` minus `right`."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Product(Expression):
    """A product of factors."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True)
class Quotient(Expression):
    """`numerator` divided by `denominator`."""

    numerator: Expression
    denominator: Expression


@dataclass(frozen=True)
class Power(Expression):
    """`base` to the power `exponent`."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True)
class Negative(Expression):
    """The negated expression."""

    negated: Expression


@dataclass(frozen=True, eq=False)
class Function(Expression):
    """A function by name; `call` evaluates it if it is custom and not among `KNOWN`."""

    name: str
    arguments: tuple[Expression, ...]
    call: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Series(Expression):
    """A sum of a term over all indices along some axes."""

    letters: tuple[str, ...]
    lengths: tuple[int, ...]
    term: Callable[..., Expression]

    def indices(self) -> Iterator[tuple[int, ...]]:
        """The index of every term, with the last axis fastest."""
        yield from np.ndindex(*self.lengths)

    @property
    def count(self) -> int:
        """The number of terms."""
        return math.prod(self.lengths)


OPPOSITES = {">": "≤", "<": "≥"}


@dataclass(frozen=True)
class Comparison:
    """A condition that compares two formulas."""

    left: Expression
    sign: str
    right: Expression

    @property
    def holds(self) -> bool:
        """Whether the condition holds for the numbers; never with a NaN."""
        left, right = evaluate(self.left), evaluate(self.right)
        return left > right if self.sign == ">" else left < right

    @property
    def mirrored(self) -> "Comparison":
        """The condition with < for > or > for <, which excludes this one."""
        return Comparison(self.left, "<" if self.sign == ">" else ">", self.right)

    @property
    def opposite(self) -> "Comparison":
        """The negated condition."""
        return Comparison(self.left, OPPOSITES[self.sign], self.right)


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
        return tuple(condition.opposite for condition, _ in self.pieces), self.otherwise


@dataclass(frozen=True)
class Weighted(Expression):
    """A product of a weight and a term, which is 0 if the weight is 0."""

    weight: Expression
    term: Expression


def above(left: Expression, right: Operand) -> Comparison:
    """The condition left > right."""
    return Comparison(left, ">", _tree(right))


def below(left: Expression, right: Operand) -> Comparison:
    """The condition left < right."""
    return Comparison(left, "<", _tree(right))


def cases(*pieces: tuple[Comparison, Operand], otherwise: Operand) -> Expression:
    """A piecewise formula of (condition, formula) pairs."""
    if not pieces:
        return _tree(otherwise)
    return Cases(tuple((condition, _tree(piece)) for condition, piece in pieces), _tree(otherwise))


KNOWN: dict[str, Callable[..., float]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "cos": np.cos,
    "erf": math.erf,
    "floor": np.floor,
    "abs": abs,
    "min": min,
    "max": max,
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
        case Sum(terms):
            return sum((_value(term) for term in terms[1:]), _value(terms[0]))
        case Difference(left, right):
            return _value(left) - _value(right)
        case Product(factors):
            return math.prod((_value(factor) for factor in factors[1:]), start=_value(factors[0]))
        case Quotient(numerator, denominator):
            return _value(numerator) / _value(denominator)
        case Power(base, exponent):
            return _value(base) ** _value(exponent)
        case Negative(negated):
            return -_value(negated)
        case Function(name, arguments, call):
            return np.float64((call or KNOWN[name])(*map(_value, arguments)))
        case Series():
            return sum((_value(tree.term(*index)) for index in tree.indices()), np.float64(0))
        case Cases():
            return _value(tree.selection[1])
        case Weighted(weight, term):
            return _value(term) if _value(weight) else np.float64(0)
    raise TypeError(f"{type(tree).__name__} is no formula")


def replace_parts(tree: Any, replacements: Sequence[tuple[Expression, Expression]]) -> Any:
    """A formula in which parts, known by identity, are replaced by other formulas.

    >>> v = Ref("m", (), 2.0) * Ref("v", (), 0.5)
    >>> replace_parts(1 - v, [(v, Ref("v_new", (), 1.0))])
    Difference(left=Number(value=1), right=Ref(name='v_new', index=(), value=1.0))
    """

    def replacement(part: Any) -> Any:
        return next((new for old, new in replacements if part is old), None)

    return _mapped(tree, replacement)


def _known(tree: Any, condition: Comparison, holds: bool) -> Any:
    """A formula without the cases that a condition, true or false, decides."""

    def decided(part: Any) -> Any:
        if not isinstance(part, Cases):
            return None
        (first, piece), *others = part.pieces
        if first == condition and holds:
            return piece
        if first == condition or (holds and first == condition.mirrored):
            return _known(cases(*others, otherwise=part.otherwise), condition, holds)
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


def _sum(left: Expression, right: Operand) -> Expression:
    if left == ZERO:  # `maths` adds 0 · x for the shape of x
        return _tree(right)
    return left if right == ZERO else Sum((*_parts(left, Sum), _tree(right)))


def _parts(tree: Expression, kind: type[Any]) -> tuple[Expression, ...]:
    if isinstance(tree, kind):
        parts: tuple[Expression, ...] = tree.terms if kind is Sum else tree.factors
        return parts
    return (tree,)


def _tree(operand: Operand) -> Expression:
    return operand if isinstance(operand, Expression) else Number(operand)
