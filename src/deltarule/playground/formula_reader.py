"""Parse formulas that a user types in the page into functions of arrays; nothing is evaluated as Python.

sum       product { (+ | −) product }            comparison   sum [ (< | > | ≤ | ≥) sum ]       1 or 0
product   power { (* | /) power }                power        atom [ ^ power ], with a sign before it
atom      number · name · function(comparison, …) · (comparison)
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput

Array = NDArray[Any]
Evaluate = Callable[[Mapping[str, Any]], Any]
"""A function that computes a part of a formula from the values of its variables, by name."""

MAX_CHARACTERS = 300
MAX_DEPTH = 30
FUNCTIONS: dict[str, tuple[int, Callable[..., Array]]] = {
    "exp": (1, np.exp),
    "log": (1, np.log),
    "sqrt": (1, np.sqrt),
    "tanh": (1, np.tanh),
    "cosh": (1, np.cosh),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "abs": (1, np.abs),
    "sign": (1, np.sign),
    "max": (2, np.maximum),
    "min": (2, np.minimum),
}
"""The functions by name, with the number of their arguments."""
CONSTANTS = {"pi": np.pi, "e": np.e}
COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "<": np.less,
    ">": np.greater,
}
_TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z]\w*)|(<=|>=|\*\*|[-+*/^(),<>]))")


def read_formula(text: str, names: Sequence[str]) -> Callable[..., Array]:
    """Parse a formula into a function of the values of its variables, in the order of `names`.

    Parameters
    ----------
    text : str
        Such as "max(z, 0)", "1 - a^2" or "z > 0".
    names : sequence of str
        The variables that it may use.

    Raises
    ------
    BadInput
        With the reason, for a text that is no formula or uses other names.

    Examples
    --------
    >>> read_formula("1 - a^2", ("z", "a"))(np.array([3.0]), np.array([0.5]))
    array([0.75])
    >>> read_formula("(z > 0) * z", ("z",))(np.array([-1.0, 2.0]))
    array([-0.,  2.])
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"the formula has {len(text)} characters; give at most {MAX_CHARACTERS}")
    evaluate = _Parser(text, names).parse()

    def function(*values: Array) -> Array:
        """Evaluate the formula at arrays, one for each variable, in the shape and dtype of the first one."""
        with np.errstate(all="ignore"):
            result = evaluate(dict(zip(names, values, strict=True)))
        return np.broadcast_to(np.asarray(result, values[0].dtype), values[0].shape).copy()

    return function


class _Parser:
    """Parses one formula by recursive descent, with a method for each rule of the grammar above."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text, self.names = text, names
        self.tokens = self._split()
        self.position = self.depth = 0

    def parse(self) -> Evaluate:
        """Parse the whole formula."""
        evaluate = self._comparison()
        if self.position < len(self.tokens):
            raise self._error(f"'{self.tokens[self.position]}' stands where an operator is expected")
        return evaluate

    def _split(self) -> list[str]:
        """Split the text into tokens: numbers, names and operators."""
        tokens, start = [], 0
        text = self.text.rstrip()
        while start < len(text):
            match = _TOKEN.match(text, start)
            if match is None:
                raise self._error(f"'{text[start:].strip()[0]}' cannot stand in a formula")
            tokens.append(match[0].strip())
            start = match.end()
        return tokens

    def _error(self, reason: str) -> BadInput:
        """The error for a formula that cannot be parsed for this reason."""
        allowed = ", ".join([*self.names, *CONSTANTS, *FUNCTIONS])
        return BadInput(
            f"the formula {self.text!r} cannot be read: {reason}; write it with numbers, + - * / ^ and {allowed}"
        )

    def _take(self, *tokens: str) -> str | None:
        """Move past the next token and return it, if it is one of these; otherwise return None."""
        if self.position < len(self.tokens) and self.tokens[self.position] in tokens:
            self.position += 1
            return self.tokens[self.position - 1]
        return None

    def _comparison(self) -> Evaluate:
        """Parse a comparison of two sums, which is 1 or 0, or a single sum."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"its brackets are nested more than {MAX_DEPTH} deep")
        left = self._sum()
        self.depth -= 1
        operator = self._take(*COMPARISONS)
        if operator is None:
            return left
        compare, right = COMPARISONS[operator], self._sum()
        return lambda values: compare(left(values), right(values)) * 1.0

    def _sum(self) -> Evaluate:
        return self._chain(self._product, {"+": np.add, "-": np.subtract})

    def _product(self) -> Evaluate:
        return self._chain(self._power, {"*": np.multiply, "/": np.true_divide})

    def _chain(self, parse_part: Callable[[], Evaluate], operators: Mapping[str, Callable[..., Any]]) -> Evaluate:
        """Parse parts that are joined by these operators, from left to right."""
        whole = parse_part()
        while (operator := self._take(*operators)) is not None:
            whole = _combine(operators[operator], whole, parse_part())
        return whole

    def _power(self) -> Evaluate:
        """Parse a signed power such as -z^2, which is -(z^2)."""
        if self._take("-"):
            negated = self._power()
            return lambda values: np.negative(negated(values))
        self._take("+")
        base = self._atom()
        return _combine(np.power, base, self._power()) if self._take("^", "**") else base

    def _atom(self) -> Evaluate:
        """Parse a number, a name, a function call or an expression in brackets."""
        if self.position == len(self.tokens):
            raise self._error("it ends too early")
        token = self.tokens[self.position]
        self.position += 1
        if token == "(":
            return self._expect_bracket(self._comparison())
        if token[0].isdigit() or token[0] == ".":
            number = np.float64(token)
            return lambda values: number
        if token in FUNCTIONS:
            return self._call(token)
        if token in CONSTANTS:
            constant = np.float64(CONSTANTS[token])
            return lambda values: constant
        if token in self.names:
            return lambda values: values[token]
        raise self._error(f"'{token}' is no name of it" if token[0].isalpha() else f"'{token}' stands where it cannot")

    def _call(self, name: str) -> Evaluate:
        """Parse the arguments of a call of the function with this name."""
        count, function = FUNCTIONS[name]
        if not self._take("("):
            raise self._error(f"'{name}' lacks its argument in brackets")
        arguments = [self._comparison()]
        while self._take(","):
            arguments.append(self._comparison())
        if len(arguments) != count:
            raise self._error(f"'{name}' takes {count} argument{'s' if count > 1 else ''}")
        return self._expect_bracket(lambda values: function(*(argument(values) for argument in arguments)))

    def _expect_bracket(self, inner: Evaluate) -> Evaluate:
        """Move past a closing bracket, and return `inner`, which it closes; raise `BadInput` if it is not next."""
        if not self._take(")"):
            raise self._error("a bracket is not closed")
        return inner


def _combine(operator: Callable[[Array, Array], Array], left: Evaluate, right: Evaluate) -> Evaluate:
    """The function that applies an operator to the values of two parts."""
    return lambda values: operator(left(values), right(values))
