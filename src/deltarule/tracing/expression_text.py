"""Write expression trees as text, with names or with numbers.

>>> x, W = Ref("x", (0,), 2.0), Ref("W", (0,), -0.5)
>>> with_names(-x * W), with_numbers(-x * W)
('-x[0] · W[0]', '-2 · (-0.5)')
"""

from dataclasses import dataclass
from itertools import islice

from deltarule.tracing.expressions import (
    SAMPLES,
    Cases,
    Comparison,
    Difference,
    Expression,
    Function,
    Index,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Ref,
    Series,
    Sum,
    Weighted,
    evaluate,
)

MAX_TERMS = 8
"""Terms of a sum that are written out: the first ones and the last."""
ADDED, MULTIPLIED, SIGNED, RAISED, WHOLE = range(5)
"""Precedence of a piece of text, from loose to tight."""


def with_names(tree: Expression) -> str:
    """Write a formula with the names of its entries."""
    return _Writer(names=True).whole(tree)


def with_numbers(tree: Expression, digits: int = 4, max_terms: int = MAX_TERMS, sample_index: int | None = None) -> str:
    """Write a formula with its entries' numbers to `digits` significant digits, and sums of about `max_terms` terms.

    In shortened sums over samples, the term of the batch's row `sample_index` is written out, if given.

    >>> with_numbers(Series(("i",), (100,), lambda i: Ref("x", (i,), i)), max_terms=4)
    '0 + 1 + 2 + … 96 more … + 99'
    """
    return _Writer(names=False, digits=digits, max_terms=max_terms, sample_index=sample_index).whole(tree)


def format_significant(value: float, digits: int = 4) -> str:
    """Write a number with `digits` significant digits.

    >>> [format_significant(value) for value in (-0.000012345, 3.0, -0.0, 1234567.0)]
    ['-1.234e-05', '3', '0', '1.235e+06']
    """
    return f"{value + 0.0:.{digits}g}"


def shown_terms(series: Series, max_terms: int, sample_index: int | None = None) -> list[tuple[int, ...] | int]:
    """The indices of the terms of a sum to write out, about `max_terms`; an int counts terms omitted in its place.

    These are the first ones and the last, and in a sum over samples that of the batch's row `sample_index`, if given.

    >>> shown_terms(Series(("i",), (100,), lambda i: Number(i)), 4, sample_index=50)
    [(0,), (1,), 48, (50,), 48, (99,)]
    """
    if series.count <= max_terms + 1:
        return list(series.indices())
    last = tuple(length - 1 for length in series.lengths)
    head = list(islice(series.indices(), max_terms - 1))
    if series.letters != (SAMPLES,) or sample_index is None or (sample_index,) in (*head, last):
        return [*head, series.count - max_terms, last]
    before, after = sample_index - (max_terms - 2), series.count - 2 - sample_index
    return [*head[:-1], *([before] if before else []), (sample_index,), *([after] if after else []), last]


def format_index(name: str, index: tuple[Index, ...]) -> str:
    """Write an entry of an array in Python's notation: W1[0, 2].

    >>> format_index("W1", (0, 2)), format_index("J", ())
    ('W1[0, 2]', 'J')
    """
    return f"{name}[{', '.join(map(str, index))}]" if index else name


@dataclass(frozen=True)
class _Writer:
    """Writes a tree as text with names, or else numbers, and with parentheses only where needed."""

    names: bool
    digits: int = 4
    max_terms: int = MAX_TERMS
    sample_index: int | None = None

    def whole(self, tree: Expression) -> str:
        """The text of a whole tree."""
        return self._text_of(tree, sign_allowed=True)[0]

    def _text_of(self, tree: Expression, sign_allowed: bool) -> tuple[str, int]:
        """The text of a part of a tree, and its precedence; `sign_allowed`: no brackets around a leading minus."""
        match tree:
            case Number(value):
                return self._text_number(value)
            case Ref(name, index, value):
                return (format_index(name, index), WHOLE) if self.names or value is None else self._text_number(value)
            case Sum(terms):
                return " + ".join(
                    self._with_brackets(term, ADDED, sign_allowed and not i) for i, term in enumerate(terms)
                ), ADDED
            case Difference(left, right):
                minuend = self._with_brackets(left, ADDED, sign_allowed)
                return f"{minuend} - {self._with_brackets(right, MULTIPLIED)}", ADDED
            case Product(factors):
                text = " · ".join(
                    self._with_brackets(factor, MULTIPLIED, sign_allowed and not i) for i, factor in enumerate(factors)
                )
                return text, MULTIPLIED
            case Quotient(numerator, denominator):
                dividend = self._with_brackets(numerator, MULTIPLIED, sign_allowed)
                return f"{dividend} / {self._with_brackets(denominator, RAISED)}", MULTIPLIED
            case Power(base, exponent):
                return f"{self._with_brackets(base, WHOLE)}^{self._with_brackets(exponent, WHOLE)}", RAISED
            case Negative(negated):
                return f"-{self._with_brackets(negated, MULTIPLIED)}", SIGNED
            case Function(name, arguments):
                return self._function(name, [self._with_brackets(argument, ADDED, True) for argument in arguments])
            case Series():
                return self._series(tree, sign_allowed)
            case Cases():
                return self._cases(tree)
            case Weighted(weight, term):
                return self._text_of(term, sign_allowed) if self.names or evaluate(weight) else ("0", WHOLE)
        raise TypeError(f"{type(tree).__name__} is no formula")

    def _with_brackets(self, tree: Expression, min_precedence: int, sign_allowed: bool = False) -> str:
        text, level = self._text_of(tree, sign_allowed)
        fits = level >= min_precedence and (sign_allowed or not text.startswith("-"))
        return text if fits else f"({self.whole(tree)})"

    def _text_number(self, value: float) -> tuple[str, int]:
        text = format_significant(value, self.digits)
        return text, SIGNED if text.startswith("-") else WHOLE

    def _function(self, name: str, arguments: list[str]) -> tuple[str, int]:
        if name == "abs":
            return f"|{arguments[0]}|", WHOLE
        return f"{'√' if name == 'sqrt' else name}({', '.join(arguments)})", WHOLE

    def _series(self, series: Series, sign_allowed: bool) -> tuple[str, int]:
        """The text and precedence of a sum over indices: with a Σ, or with its numbers written out."""
        if self.names:
            return (
                f"Σ_{','.join(series.letters)} {self._with_brackets(series.term(*series.letters), MULTIPLIED)}",
                ADDED,
            )
        texts = [
            f"… {index:,} more …"
            if isinstance(index, int)
            else self._with_brackets(series.term(*index), ADDED, sign_allowed and not i)
            for i, index in enumerate(shown_terms(series, self.max_terms, self.sample_index))
        ]
        return " + ".join(texts) or "0", ADDED

    def _cases(self, tree: Cases) -> tuple[str, int]:
        """The text and precedence of all cases or, with numbers, of the one that applies and why."""
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
