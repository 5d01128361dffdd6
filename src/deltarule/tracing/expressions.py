"""Formulas as trees: one tree of a value is written with names, written with numbers, and evaluated.

So the formula, the formula with the numbers put in, and what these come to cannot drift apart. A tree is built with
Python's operators from references to the entries of named arrays:

>>> x, W = Ref("x", (0,), 2.0), Ref("W", (0,), -0.5)
>>> tree = 1 / (1 + exp(-x * W))
>>> with_names(tree), with_numbers(tree), evaluate(tree)
('1 / (1 + exp(-x[0] · W[0]))', '1 / (1 + exp(-2 · (-0.5)))', 0.2689414213699951)
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

Index = int | str
"""A place along an axis: a number, or the letter that stands for all of them."""

SAMPLES = "i"
"""The letter of the axis along which the samples of a batch lie."""

MOST_TERMS = 8
"""Terms of a sum that are written out; of more, the first and the last."""


class Expression:
    """A node of a tree; operators between trees, and between trees and numbers, make larger trees."""

    def __add__(self, other: "Operand") -> "Sum":
        return Sum((*_parts(self, Sum), _tree(other)))

    def __radd__(self, other: "Operand") -> "Sum":
        return Sum((_tree(other), *_parts(self, Sum)))

    def __sub__(self, other: "Operand") -> "Difference":
        return Difference(self, _tree(other))

    def __rsub__(self, other: "Operand") -> "Difference":
        return Difference(_tree(other), self)

    def __mul__(self, other: "Operand") -> "Product":
        return Product((*_parts(self, Product), _tree(other)))

    def __rmul__(self, other: "Operand") -> "Product":
        return Product((_tree(other), *_parts(self, Product)))

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


Operand = Expression | float


@dataclass(frozen=True)
class Number(Expression):
    """A number that belongs to the formula itself, such as the 2 of a square's derivative."""

    value: float


@dataclass(frozen=True)
class Ref(Expression):
    """An entry of a named array; without a value where an index is a letter."""

    name: str
    index: tuple[Index, ...]
    value: float | None


@dataclass(frozen=True)
class Sum(Expression):
    """Terms added up."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Difference(Expression):
    """One minus another."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Product(Expression):
    """Factors multiplied."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True)
class Quotient(Expression):
    """One divided by another."""

    above: Expression
    below: Expression


@dataclass(frozen=True)
class Power(Expression):
    """A base to an exponent."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True)
class Negative(Expression):
    """The same with the other sign."""

    of: Expression


@dataclass(frozen=True, eq=False)
class Function(Expression):
    """A function by its name; `call` evaluates it, for one that is not among `KNOWN`: the user's own."""

    name: str
    arguments: tuple[Expression, ...]
    call: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Series(Expression):
    """A sum over all places along some axes: their letters, their lengths, and the term at given places."""

    letters: tuple[str, ...]
    lengths: tuple[int, ...]
    term: Callable[..., Expression]

    def places(self) -> Iterator[tuple[int, ...]]:
        """Every combination of places, the last axis fastest."""
        yield from np.ndindex(*self.lengths)

    @property
    def count(self) -> int:
        """How many terms there are."""
        return math.prod(self.lengths)


OPPOSITES = {">": "≤", "<": "≥"}


@dataclass(frozen=True)
class Comparison:
    """A condition: left > right, or left < right; their opposites only tell that they do not hold."""

    left: Expression
    sign: str
    right: Expression

    @property
    def holds(self) -> bool:
        """Whether the numbers fulfil it; with a NaN they do not."""
        left, right = evaluate(self.left), evaluate(self.right)
        return left > right if self.sign == ">" else left < right

    @property
    def opposite(self) -> "Comparison":
        """The condition that holds where this one does not."""
        return Comparison(self.left, OPPOSITES[self.sign], self.right)


@dataclass(frozen=True)
class Cases(Expression):
    """A formula in pieces: the first whose condition holds, or the last one."""

    pieces: tuple[tuple[Comparison, Expression], ...]
    otherwise: Expression

    @property
    def selection(self) -> tuple[tuple[Comparison, ...], Expression]:
        """The conditions that hold and decide, and the piece that the numbers choose."""
        for condition, piece in self.pieces:
            if condition.holds:
                return (condition,), piece
        return tuple(condition.opposite for condition, _ in self.pieces), self.otherwise


@dataclass(frozen=True)
class Weighted(Expression):
    """A term that counts only with its weight: 0 where that is 0, even where the term itself is infinite."""

    weight: Expression
    term: Expression


def exp(x: Expression) -> Function:
    """eˣ"""
    return Function("exp", (x,))


def log(x: Expression) -> Function:
    """The natural logarithm."""
    return Function("log", (x,))


def sqrt(x: Expression) -> Function:
    """√x"""
    return Function("sqrt", (x,))


def above(left: Expression, right: Operand) -> Comparison:
    """left > right"""
    return Comparison(left, ">", _tree(right))


def below(left: Expression, right: Operand) -> Comparison:
    """left < right"""
    return Comparison(left, "<", _tree(right))


def cases(*pieces: tuple[Comparison, Operand], otherwise: Operand) -> Cases:
    """The first piece whose condition holds, or the last."""
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


# --- the number that a tree comes to ---------------------------------------------------------------------------------


def evaluate(tree: Expression) -> float:
    """The number that a formula comes to, in float64; infinite or NaN where it overflows or is not defined."""
    with np.errstate(all="ignore"):
        return float(_value(tree))


def _value(tree: Expression) -> Any:
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
        case Negative(of):
            return -_value(of)
        case Function(name, arguments, call):
            return np.float64((call or KNOWN[name])(*map(_value, arguments)))
        case Series():
            return sum((_value(tree.term(*place)) for place in tree.places()), np.float64(0))
        case Cases():
            return _value(tree.selection[1])
        case Weighted(weight, term):
            return _value(term) if _value(weight) else np.float64(0)
    raise TypeError(f"{type(tree).__name__} is no formula")


# --- text ------------------------------------------------------------------------------------------------------------

ADDED, MULTIPLIED, SIGNED, RAISED, WHOLE = range(5)
"""How tightly a piece of text holds together."""


def with_names(tree: Expression) -> str:
    """The formula, with the names of what stands in it."""
    return _Text(names=True).whole(tree)


def with_numbers(tree: Expression, digits: int = 4, terms: int = MOST_TERMS, sample: int | None = None) -> str:
    """The formula with the numbers put in, each with so many digits; long sums are folded to so many terms, that of a
    chosen sample among them.

    >>> with_numbers(Series(("i",), (100,), lambda i: Ref("x", (i,), i)), terms=4)
    '0 + 1 + 2 + … 96 more … + 99'
    """
    return _Text(names=False, digits=digits, terms=terms, sample=sample).whole(tree)


def number(value: float, digits: int = 4) -> str:
    """A number for people, with so many significant digits.

    >>> number(-0.000012345), number(3.0), number(-0.0), number(1234567.0)
    ('-1.234e-05', '3', '0', '1.235e+06')
    """
    return f"{value + 0.0:.{digits}g}"


def shown_terms(series: Series, most: int, sample: int | None = None) -> list[tuple[int, ...] | int]:
    """What is written out of a series: the places of the terms, and instead of the others how many these are.

    Of many terms the first ones are shown and the last; in a sum over the samples, that of the chosen sample too.

    >>> shown_terms(Series(("i",), (100,), lambda i: Number(i)), 4, sample=50)
    [(0,), (1,), 48, (50,), 48, (99,)]
    """
    if series.count <= most + 1:
        return list(series.places())
    last = tuple(length - 1 for length in series.lengths)
    head = list(islice(series.places(), most - 1))
    if series.letters != (SAMPLES,) or sample is None or (sample,) in (*head, last):
        return [*head, series.count - most, last]
    before, after = sample - (most - 2), series.count - 2 - sample
    return [*head[:-1], *([before] if before else []), (sample,), *([after] if after else []), last]


def format_index(name: str, index: tuple[Index, ...]) -> str:
    """An entry as one would write it in Python: W1[0, 2].

    >>> format_index("W1", (0, 2)), format_index("J", ())
    ('W1[0, 2]', 'J')
    """
    return f"{name}[{', '.join(map(str, index))}]" if index else name


@dataclass(frozen=True)
class _Text:
    """Writes a tree as text, with parentheses where they are needed and nowhere else."""

    names: bool
    digits: int = 4
    terms: int = MOST_TERMS
    sample: int | None = None

    def whole(self, tree: Expression) -> str:
        return self._text_of(tree, first=True)[0]

    def _text_of(self, tree: Expression, first: bool) -> tuple[str, int]:
        """The text of a tree, and how tightly it holds together; `first`: whether it may begin with a sign."""
        match tree:
            case Number(value):
                return self._text_number(value)
            case Ref(name, index, value):
                return (format_index(name, index), WHOLE) if self.names or value is None else self._text_number(value)
            case Sum(terms):
                return " + ".join(
                    self._with_brackets(term, ADDED, first and not i) for i, term in enumerate(terms)
                ), ADDED
            case Difference(left, right):
                return f"{self._with_brackets(left, ADDED, first)} - {self._with_brackets(right, MULTIPLIED)}", ADDED
            case Product(factors):
                told = " · ".join(
                    self._with_brackets(factor, MULTIPLIED, first and not i) for i, factor in enumerate(factors)
                )
                return told, MULTIPLIED
            case Quotient(numerator, denominator):
                return (
                    f"{self._with_brackets(numerator, MULTIPLIED, first)} / {self._with_brackets(denominator, RAISED)}",
                    MULTIPLIED,
                )
            case Power(base, exponent):
                return f"{self._with_brackets(base, WHOLE)}^{self._with_brackets(exponent, WHOLE)}", RAISED
            case Negative(of):
                return f"-{self._with_brackets(of, MULTIPLIED)}", SIGNED
            case Function(name, arguments):
                return self._function(name, [self._with_brackets(argument, ADDED, True) for argument in arguments])
            case Series():
                return self._series(tree, first)
            case Cases():
                return self._cases(tree)
            case Weighted(weight, term):
                return self._text_of(term, first) if self.names or evaluate(weight) else ("0", WHOLE)
        raise TypeError(f"{type(tree).__name__} is no formula")

    def _with_brackets(self, tree: Expression, least: int, first: bool = False) -> str:
        """The text of a tree where it must hold together at least so tightly; a sign may stand only at the front."""
        text, level = self._text_of(tree, first)
        fits = level >= least and (first or not text.startswith("-"))
        return text if fits else f"({self.whole(tree)})"

    def _text_number(self, value: float) -> tuple[str, int]:
        text = number(value, self.digits)
        return text, SIGNED if text.startswith("-") else WHOLE

    def _function(self, name: str, arguments: list[str]) -> tuple[str, int]:
        if name == "abs":
            return f"|{arguments[0]}|", WHOLE
        return f"{'√' if name == 'sqrt' else name}({', '.join(arguments)})", WHOLE

    def _series(self, series: Series, first: bool) -> tuple[str, int]:
        if self.names:
            return (
                f"Σ_{','.join(series.letters)} {self._with_brackets(series.term(*series.letters), MULTIPLIED)}",
                ADDED,
            )
        told = [
            f"… {place:,} more …"
            if isinstance(place, int)
            else self._with_brackets(series.term(*place), ADDED, first and not i)
            for i, place in enumerate(shown_terms(series, self.terms, self.sample))
        ]
        return " + ".join(told) or "0", ADDED

    def _cases(self, tree: Cases) -> tuple[str, int]:
        if self.names:
            pieces = [f"{self.whole(piece)} if {self._condition(condition)}" for condition, piece in tree.pieces]
            return f"{{{', '.join(pieces)}, else {self.whole(tree.otherwise)}}}", WHOLE
        conditions, piece = tree.selection
        reason = " and ".join(map(self._condition, conditions))
        return f"{self._with_brackets(piece, ADDED, True)} since {reason}", ADDED - 1

    def _condition(self, condition: Comparison) -> str:
        return (
            f"{self._with_brackets(condition.left, ADDED, True)} {condition.sign} "
            f"{self._with_brackets(condition.right, ADDED, True)}"
        )


def _parts(tree: Expression, kind: type[Any]) -> tuple[Expression, ...]:
    if isinstance(tree, kind):
        parts: tuple[Expression, ...] = tree.terms if kind is Sum else tree.factors
        return parts
    return (tree,)


def _tree(operand: Operand) -> Expression:
    return operand if isinstance(operand, Expression) else Number(operand)
