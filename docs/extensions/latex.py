"""Formulas in LaTeX, read as what they say: each side becomes a function of the values that its letters stand for.

It is the subset of LaTeX that our derivations are written in. A letter with something above or below it is looked up as
it is printed; only if the values have no such name, what is above is a power and what is below an index.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from blackboard import Values, add, divide, entrywise, function, multiply, power, subtract, where

Side = Callable[[Values], Any]
"""A part of a formula: what it is, given the values."""

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]|\d+(?:\.\d+)?|\S")
_SILENT = {"\\left", "\\right"}
_GREEK = dict(
    (("alpha", "α"), ("beta", "β"), ("gamma", "γ"), ("delta", "δ"), ("varepsilon", "ε"), ("eta", "η"), ("theta", "θ"))
    + (("kappa", "κ"), ("lambda", "λ"), ("mu", "μ"), ("rho", "ρ"), ("sigma", "σ"), ("varphi", "φ"), ("psi", "ψ"))
    + (("Delta", "Δ"), ("Phi", "Φ"), ("ell", "ℓ"))
)
_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "\\le": lambda a, b: a <= b,
}
_BRACKETS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "\\lvert": ("\\rvert", abs),
    "\\lVert": ("\\rVert", lambda a: np.sqrt((a * a).sum())),
    "\\lfloor": ("\\rfloor", np.floor),
}
_PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {"": multiply, "\\cdot": multiply, "/": divide, "\\odot": entrywise}
_ENDS = {"", "+", "-", ")", "]", "}", ",", "&", "\\\\", "\\end", "\\leftarrow", *_RELATIONS}
_ENDS |= {closing for closing, _ in _BRACKETS.values()}


@dataclass(frozen=True)
class Equation:
    """Its sides; the name that it changes, if there is an arrow instead of equals signs; the letters of its indices."""

    sides: list[Side]
    changes: str
    letters: set[str]


def equations(text: str) -> Iterator[Equation]:
    """What is said in a formula; wide spaces are between one statement and the next."""
    for part in text.split("\\qquad"):
        tokens = [token for token in _TOKEN.findall(part) if token not in _SILENT]
        reader = _Reader(tokens)
        sides, changes = [reader.sum()], ""
        if reader.peek() == "\\leftarrow":
            changes = _Reader(tokens).name().printed
        while reader.peek() in ("=", "\\leftarrow"):
            reader.take()
            sides.append(reader.sum())
        if reader.peek() or len(sides) < 2:
            raise ValueError(f"cannot read {part!r} from {' '.join(reader.tokens[reader.at :]) or 'its end'!r} on")
        yield Equation(sides, changes, reader.letters)


class _Reader:
    """Reads tokens from left to right; each method reads one kind of thing and returns what it is, given values."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0
        self.letters: set[str] = set()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise ValueError(f"expected {expected or 'more'!r}, found {token!r} in {' '.join(self.tokens)!r}")
        self.at += 1
        return token

    def sum(self) -> Side:
        """a + b − c"""
        total = self._signed()
        while self.peek() in ("+", "-"):
            total = _both(add if self.take() == "+" else subtract, total, self.product())
        return total

    def _signed(self) -> Side:
        if self.peek() not in ("+", "-"):
            return self.product()
        negative = self.take() == "-"
        term = self.product()
        return (lambda values: -term(values)) if negative else term

    def product(self) -> Side:
        """a b, a / b, a ⊙ b, and f(x): whether f is a function or a number shows when the values are there"""
        factors: list[tuple[str, Side]] = [("", self.factor())]
        while self.peek() not in _ENDS:
            sign = self.take() if self.peek() in _PRODUCTS else ""
            factors.append((sign, self.factor()))
        return lambda values: _multiplied([(sign, factor(values)) for sign, factor in factors])

    def factor(self) -> Side:
        """Whatever has no sign of its own, with what is written above and below it."""
        token = self.take()
        if token[0].isdigit():
            return self._with_scripts(lambda values: float(token) if "." in token else int(token))
        if token == "(":
            return self._with_scripts(self._list())
        if token == "{":
            return self._with_scripts(self._until("}"))
        if token == "\\frac":
            return self._fraction()
        if token == "\\sqrt":
            return self._root()
        if token == "\\sum":
            return self._summation()
        if token == "\\begin":
            return self._cases()
        if token == "\\mathbb":
            return self._indicator()
        if token in _BRACKETS:
            closing, operation = _BRACKETS[token]
            return self._with_scripts(_of(operation, self._until(closing)))
        return self._name(token)

    def _until(self, end: str) -> Side:
        inside = self.sum()
        self.take(end)
        return inside

    def _list(self) -> Side:
        inside = [self.sum()]
        while self.peek() == ",":
            self.take()
            inside.append(self.sum())
        self.take(")")
        return lambda values: inside[0](values) if len(inside) == 1 else tuple(one(values) for one in inside)

    def group(self) -> list[str]:
        """The tokens between braces, or the one token that stands without."""
        if self.peek() != "{":
            return [self.take()]
        start, depth = self.at + 1, 0
        while True:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)
            if not depth:
                return self.tokens[start : self.at - 1]

    def _inner(self, tokens: list[str]) -> "_Reader":
        reader = _Reader(tokens)
        reader.letters = self.letters
        return reader

    def _root(self) -> Side:
        return _of(function("sqrt"), self._inner(self.group()).sum())

    def _fraction(self) -> Side:
        above, below = self.group(), self.group()
        if above[0] == below[0] == "\\partial":
            one, other = self._inner(above[1:]).name(), self._inner(below[1:]).name()
            self._note_letters(one.below + other.below)
            return lambda values: _derivative(one, other, values)
        return self._with_scripts(_both(divide, self._inner(above).sum(), self._inner(below).sum()))

    def _summation(self) -> Side:
        self.take("_")
        (letter, *first), last = self.group(), None
        if self.peek() == "^":
            self.take()
            last = self._inner(self.group()).sum()
        term = self.product()
        start = int(first[1]) if first else 1

        def summed(values: Values) -> Any:
            end = values.ranges[letter] if last is None else last(values)
            terms = [term(values.with_names(**{letter: number})) for number in range(start, end + 1)]
            total = terms[0]
            for one in terms[1:]:
                total = add(total, one)
            return total

        return summed

    def _indicator(self) -> Side:
        for token in "{1}[":
            self.take(token)
        condition = self._condition()
        self.take("]")
        return lambda values: where(condition(values), 1, 0)

    def _condition(self) -> Side:
        left = self.sum()
        relation = _RELATIONS[self.take()]
        return _both(relation, left, self.sum())

    def _cases(self) -> Side:
        self.group()
        branches: list[tuple[Side, Side]] = []
        while True:
            branch = self.sum()
            self.take("&")
            if self.peek() == "\\text":
                self.take()
                self.group()
                branches.append((branch, lambda values: True))
            else:
                branches.append((branch, self._condition()))
            if self.take() == "\\end":
                self.group()
                break

        def chosen(values: Values) -> Any:
            result = None
            for branch, condition in reversed(branches):
                result = where(condition(values), branch(values), result)
            return result

        return chosen

    def name(self) -> "_Name":
        """A letter, a word or a letter with an accent, with what is written above and below it."""
        return self._scripted(self.take())

    def _scripted(self, token: str) -> "_Name":
        if token in ("\\hat", "\\tilde", "\\bar"):
            base = f"{token[1:]} {_plain(self.group())}"
        elif token == "\\operatorname":
            base = "".join(self.group())
        else:
            base = _plain([token])
        while self.peek() == "'":
            base += self.take()
        above: list[str] = []
        below: list[str] = []
        transposed = False
        while self.peek() in ("^", "_"):
            if self.take() == "_":
                below = self.group()
            elif (script := self.group()) == ["\\top"]:
                transposed = True
            else:
                above = script
        return _Name(base, above, below, transposed)

    def _name(self, token: str) -> Side:
        name = self._scripted(token)
        self._note_letters(name.below)
        return lambda values: _looked_up(name, values)

    def _with_scripts(self, side: Side) -> Side:
        while self.peek() in ("^", "_"):
            if self.take() == "_":
                below = self.group()
                self._note_letters(below)
                side = _entry_of(side, below)
            elif (script := self.group()) == ["\\top"]:
                side = _of(_transposed, side)
            else:
                side = _both(power, side, self._inner(script).sum())
        return side

    def _note_letters(self, tokens: list[str]) -> None:
        self.letters.update(token for token in tokens if token.isalpha() and len(token) == 1)


@dataclass(frozen=True)
class _Name:
    """A name as it is printed: what is above and below it may be part of it, or a power and an index."""

    base: str
    above: list[str]
    below: list[str]
    transposed: bool

    @property
    def printed(self) -> str:
        """The name with what stands above it."""
        return "^".join(filter(None, (self.base, _plain(self.above))))


def _looked_up(name: _Name, values: Values) -> Any:
    above, below = _plain(name.above), _plain(name.below)
    with_below = f"{name.base}_{below}"
    if above and name.printed in values.names:
        found = _entry(values.names[name.printed], name.below, values)
    elif name.base == "e" and above:
        found = function("exp")(_Reader(name.above).sum()(values))
    else:
        named = below and with_below in values.names
        found = values.names[with_below] if named else _entry(_value_of(name.base, values), name.below, values)
        found = power(found, _Reader(name.above).sum()(values)) if above else found
    return _transposed(found) if name.transposed else found


def _transposed(array: Any) -> Any:
    return array.swapaxes(-1, -2)


def _value_of(base: str, values: Values) -> Any:
    if base in values.names:
        return values.names[base]
    if base in ("log", "tanh", "cos", "erf"):
        return function(base)
    if base in ("max", "min"):
        return getattr(np, f"{base}imum")
    if base == "tr":
        return np.trace
    if base == "pi":
        return math.pi
    raise KeyError(f"there is no value for '{base}'; there are: {', '.join(values.names)}")


def _derivative(one: _Name, other: _Name, values: Values) -> Any:
    """∂J/∂z_i: an entry of what is called ∂J/∂z; the indices of the numerator come first."""
    found = values.names[f"∂{one.printed}/∂{other.printed}"]
    return _transposed(found) if other.transposed else _entry(found, one.below + other.below, values)


def _entry(array: Any, below: list[str], values: Values) -> Any:
    """The entry, or the row, with these indices; of the result, if it is a function's."""
    if not below:
        return array
    if callable(array):
        return lambda *arguments: _entry(array(*arguments), below, values)
    index = tuple(int(token) - 1 if token.isdigit() else values.names[token] - 1 for token in below if token != ",")
    if len(index) == array.ndim - 1 and array.shape[-1] == 1:
        return array[*index, 0]  # of a column
    if len(index) == 1 and array.ndim == 2 and len(array) == 1:
        return array[0, *index]  # of a row
    return array[index]


def _plain(tokens: list[str]) -> str:
    """How a name is written in the values."""
    return "".join(_GREEK.get(token.removeprefix("\\"), token.removeprefix("\\")) for token in tokens)


def _multiplied(factors: list[tuple[str, Any]]) -> Any:
    """The product of values from left to right; a function takes the value after it."""
    applied: list[tuple[str, Any]] = []
    for sign, one in reversed(factors):
        if callable(one):
            _, argument = applied.pop()
            one = one(*argument) if isinstance(argument, tuple) else one(argument)
        applied.append((sign, one))
    _, total = applied.pop()
    for sign, one in reversed(applied):
        total = _PRODUCTS[sign](total, one)
    return total


def _of(operation: Callable[[Any], Any], side: Side) -> Side:
    return lambda values: operation(side(values))


def _both(operation: Callable[[Any, Any], Any], left: Side, right: Side) -> Side:
    return lambda values: operation(left(values), right(values))


def _entry_of(side: Side, below: list[str]) -> Side:
    return lambda values: _entry(side(values), below, values)
