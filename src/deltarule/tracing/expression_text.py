"""Write expression trees as text, with names or with numbers.

>>> x, W = Ref("x", (0,), 2.0), Ref("W", (0,), -0.5)
>>> with_names(-x * W), with_numbers(-x * W)
('-x[0] · W[0]', '-2 · (-0.5)')
"""

from itertools import islice

from deltarule.tracing.expressions import (
    SAMPLES,
    Cases,
    Comparison,
    Expression,
    Function,
    Index,
    Negative,
    Number,
    Operation,
    Ref,
    Series,
)

MAX_TERMS = 8
"""Terms of a sum that are written out: the first ones and the last."""
ADDED, MULTIPLIED, SIGNED, RAISED, WHOLE = range(5)
"""Precedence of a piece of text, from loose to tight."""


def with_names(tree: Expression) -> str:
    return Writer(has_names=True).formula(tree)


def with_numbers(tree: Expression, digits: int = 4, max_terms: int = MAX_TERMS, sample_index: int | None = None) -> str:
    """Write a formula with the numbers of its entries.

    A shortened sum over samples has the term of the batch's row `sample_index`, too.
    """
    return Writer(False, digits, max_terms, sample_index).formula(tree)


def format_significant(value: float, digits: int = 4) -> str:
    """Write a number with `digits` significant digits."""
    return f"{value + 0.0:.{digits}g}"


def shown_terms(series: Series, max_terms: int, sample_index: int | None = None) -> list[tuple[int, ...] | int]:
    """The indices of the terms of a sum to write out, and counts of omitted terms.

    These are the first ones and the last, and in a sum over samples that of the batch's row `sample_index`, if given.
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
    return f"{name}[{', '.join(map(str, index))}]" if index else name


class Writer:
    """Writes expression trees with the names or the numbers of their entries.

    Texts come with a precedence, from `ADDED` to `WHOLE`; `is_first` is whether a part begins the formula, where its
    sign needs no brackets. Dialects override the operators and the methods at the end.
    """

    plus, minus, times, sign, zero = " + ", " - ", " · ", "-", "0"

    def __init__(
        self, has_names: bool, digits: int = 4, max_terms: int = MAX_TERMS, sample_index: int | None = None
    ) -> None:
        self.has_names, self.digits, self.max_terms, self.sample_index = has_names, digits, max_terms, sample_index

    def formula(self, tree: Expression) -> str:
        return self._text_of(tree, True)[0]

    def terms(self, tree: Expression, is_first: bool) -> list[str]:
        """The texts of the terms of a sum, each with its sign; anything else is one term."""
        match tree:
            case Operation("+", (first, *others)):
                return [*self.terms(first, is_first), *(part for term in others for part in self._added_terms(term))]
            case Operation("-", (left, right)):
                return [*self.terms(left, is_first), self.minus + self.operand(right, MULTIPLIED)]
            case Series() if not self.has_names:
                parts: list[str] = []
                for index in shown_terms(tree, self.max_terms, self.sample_index):
                    if isinstance(index, int):  # a count of terms that are left out
                        parts.append(self.plus + self.omitted(index))
                    else:
                        term = tree.term(*index)
                        parts += self._added_terms(term) if parts else self.terms(term, is_first)
                return parts
        return [self.operand(tree, ADDED, is_first)]

    def _added_terms(self, term: Expression) -> list[str]:
        first, *others = self.terms(term, is_first=False) or [self.zero]
        return [self.plus + first, *others]

    def _text_of(self, tree: Expression, is_first: bool) -> tuple[str, int]:
        match tree:
            case Number(value):
                return self.number(value), SIGNED if value < 0 else WHOLE
            case Ref(name, index, value):
                if self.has_names or value is None:
                    return self.entry(name, index), WHOLE
                return self.entry_number(tree, value), SIGNED if value < 0 else WHOLE
            case Operation("+" | "-"):
                return "".join(self.terms(tree, is_first)), ADDED
            case Operation("·", factors):
                texts = [
                    self.operand(factor, MULTIPLIED, is_first and not index) for index, factor in enumerate(factors)
                ]
                return self.times.join(texts), MULTIPLIED
            case Operation("/", (numerator, denominator)):
                return self.quotient(numerator, denominator, is_first)
            case Operation("^", (base, exponent)):
                return self.power(base, exponent), RAISED
            case Negative(negated):
                return self.sign + self.operand(negated, MULTIPLIED), SIGNED
            case Function(name, arguments):
                return self.function(name, [self.operand(argument, ADDED, True) for argument in arguments])
            case Series():
                if not self.has_names:
                    return "".join(self.terms(tree, is_first)) or self.zero, ADDED
                return self.named_sum(tree.letters, self.operand(tree.term(*tree.letters), MULTIPLIED)), ADDED
            case Cases():
                if self.has_names:
                    return self.cases(tree), WHOLE
                conditions, piece = tree.selection
                return self.chosen_case(self.operand(piece, ADDED, True), conditions), ADDED - 1
        raise TypeError(f"{type(tree).__name__} is no formula")

    def operand(self, tree: Expression, min_precedence: int, is_first: bool = False) -> str:
        text, precedence = self._text_of(tree, is_first)
        has_sign = precedence == SIGNED or text.startswith(self.sign)
        fits = precedence >= min_precedence and (is_first or not has_sign)
        return text if fits else self.brackets(self.formula(tree))

    def condition(self, condition: Comparison) -> str:
        left, right = (self.operand(side, ADDED, True) for side in (condition.left, condition.right))
        return self.comparison(left, condition.sign, right)

    # --- what other dialects write differently ---

    def number(self, value: float) -> str:
        return format_significant(value, self.digits)

    def entry(self, name: str, index: tuple[Index, ...]) -> str:
        return format_index(name, index)

    def entry_number(self, ref: Ref, value: float) -> str:
        return self.number(value)

    def omitted(self, count: int) -> str:
        return f"… {count:,} more …"

    def quotient(self, numerator: Expression, denominator: Expression, is_first: bool) -> tuple[str, int]:
        dividend = self.operand(numerator, MULTIPLIED, is_first)
        return f"{dividend} / {self.operand(denominator, RAISED)}", MULTIPLIED

    def power(self, base: Expression, exponent: Expression) -> str:
        return f"{self.operand(base, WHOLE)}^{self.operand(exponent, WHOLE)}"

    def function(self, name: str, arguments: list[str]) -> tuple[str, int]:
        if name == "absolute":
            return f"|{arguments[0]}|", WHOLE
        return f"{'√' if name == 'sqrt' else name}({', '.join(arguments)})", WHOLE

    def named_sum(self, letters: tuple[str, ...], term: str) -> str:
        return f"Σ_{','.join(letters)} {term}"

    def cases(self, tree: Cases) -> str:
        pieces = [f"{self.formula(piece)} if {self.condition(condition)}" for condition, piece in tree.pieces]
        return f"{{{', '.join(pieces)}, else {self.formula(tree.otherwise)}}}"

    def chosen_case(self, piece: str, conditions: tuple[Comparison, ...]) -> str:
        """The piece that applies, and the conditions for it."""
        return f"{piece} since {' and '.join(map(self.condition, conditions))}"

    def comparison(self, left: str, sign: str, right: str) -> str:
        return f"{left} {sign} {right}"

    def brackets(self, text: str) -> str:
        return f"({text})"
