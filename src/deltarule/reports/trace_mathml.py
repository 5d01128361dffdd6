"""Write expression trees as MathML, with names or with linked numbers.

Browsers break no lines within a <math> element, so each term of a long sum becomes one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from deltarule.tracing.expression_text import (
    ADDED,
    MULTIPLIED,
    RAISED,
    SIGNED,
    WHOLE,
    format_index,
    format_significant,
    shown_terms,
)
from deltarule.tracing.expressions import (
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

DIGITS = 4
MAX_TERMS = 12
"""Maximum number of terms of a sum that are written out: the first ones and the last."""

_LETTERS = {"mean": "μ", "loss": "ℓ"}
_UPRIGHT = '<mo stretchy="false">{}</mo>'
"""A bracket with a fixed height; browsers would stretch it around every number that is a link."""


def with_names(tree: Expression) -> str:
    """A formula as MathML with the names of its entries.

    >>> with_names(Ref("W1", (0, 2), None) ** 2)  # doctest: +ELLIPSIS
    '<msup><mrow><msub><mi>W</mi><mn>1</mn></msub>...</mrow><mn>2</mn></msup>'
    """
    return _MathML(None).formula(tree)


def terms_with_numbers(tree: Expression, link: Callable[[Ref], str], sample: int | None = None) -> list[str]:
    """The terms of a formula as MathML with linked numbers.

    Parameters
    ----------
    link : returns the address of a number's source, "" for none.
    sample : the index of the sample whose term every sum over samples shows.

    Examples
    --------
    >>> two, three = (Ref("x", (place,), 2.0 + place) for place in (0, 1))
    >>> len(terms_with_numbers(two + three, lambda ref: f"#{ref.name}"))
    2
    """
    writer = _MathML(link, sample)
    return [writer.formula(tree)] if isinstance(tree, Cases) else writer.terms(tree, is_first=True)


def symbol(name: str) -> str:
    """The name of an array as a MathML symbol.

    >>> symbol("W1"), symbol("∂J/∂b2")
    ('<msub><mi>W</mi><mn>1</mn></msub>', '<mfrac><mrow><mi>∂</mi><mi>J</mi></mrow><mrow><mi>∂</mi><msub><mi>b</mi>\
<mn>2</mn></msub></mrow></mfrac>')
    """
    if name.startswith("∂J/∂"):
        return f"<mfrac><mrow><mi>∂</mi><mi>J</mi></mrow><mrow><mi>∂</mi>{symbol(name[4:])}</mrow></mfrac>"
    if name.endswith("_new"):
        return f"<msup><mrow>{symbol(name[:-4])}</mrow><mtext>new</mtext></msup>"
    if name.startswith("norm_"):
        return f"<mrow><mo>‖</mo>{symbol('∂J/∂' + name[5:])}<mo>‖</mo></mrow>"
    if name.startswith("running_"):
        return f"<mrow><mtext>running&#xA0;</mtext>{symbol(name[8:])}</mrow>"
    if "_" in name:
        above, below = name.split("_", 1)
        if above in ("weight", "warm"):  # words of their own
            return f"<mi>{escape(name.replace('_', ' '))}</mi>"
        named = symbol(below) if below[-1:].isdigit() else f"<mtext>{escape(below.replace('_', ' '))}</mtext>"
        return f"<msub><mi>{escape(above)}</mi>{named}</msub>"
    letters, digits = _split_name(name)
    if letters == "variance":
        return f"<msubsup><mi>σ</mi><mn>{digits}</mn><mn>2</mn></msubsup>"
    base = (
        "<mover><mi>z</mi><mo>^</mo></mover>"
        if letters == "zhat"
        else f"<mi>{escape(_LETTERS.get(letters, letters))}</mi>"
    )
    return f"<msub>{base}<mn>{digits}</mn></msub>" if digits else base


def entry(name: str, index: tuple[Index, ...]) -> str:
    """An entry of an array as MathML: its name with its index in brackets."""
    if not index:
        return symbol(name)
    indices = "<mo>,</mo>".join(map(_index_mathml, index))
    return f'{symbol(name)}<mrow class="index">{_UPRIGHT.format("[")}{indices}{_UPRIGHT.format("]")}</mrow>'


def _index_mathml(index: Index) -> str:
    return f"<mn>{index}</mn>" if isinstance(index, int) else f"<mi>{index}</mi>"


def _split_name(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*?)(\d*)", name)
    assert match
    return match[1], match[2]


@dataclass(frozen=True)
class _MathML:
    """A writer of trees as MathML: with numbers, or with names if `link` is None.

    `is_first` is whether a part begins the formula, where its sign needs no brackets.
    """

    link: Callable[[Ref], str] | None
    sample: int | None = None

    def formula(self, tree: Expression) -> str:
        """The MathML of a complete formula."""
        return self._mathml_of(tree, True)[0]

    def terms(self, tree: Expression, is_first: bool) -> list[str]:
        """The MathML of the terms of a sum, each with its sign; anything else is one term."""
        match tree:
            case Sum(terms):
                return [
                    part for index, term in enumerate(terms) for part in self._added_terms(term, is_first and not index)
                ]
            case Difference(left, right):
                return [*self.terms(left, is_first), f'<mo form="infix">−</mo>{self._operand(right, MULTIPLIED)}']
            case Series() if self.link:
                parts: list[str] = []
                for index in shown_terms(tree, MAX_TERMS, self.sample):
                    if isinstance(index, int):  # a count of terms that are left out
                        parts.append(f'<mo form="infix">+</mo><mtext>… {index:,} more …</mtext>')
                    else:
                        parts += self._added_terms(tree.term(*index), is_first and not parts)
                return parts
        return [self._operand(tree, ADDED, is_first)]

    def _added_terms(self, term: Expression, is_first: bool) -> list[str]:
        parts = self.terms(term, is_first)
        return parts if is_first else [f'<mo form="infix">+</mo>{parts[0]}', *parts[1:]]

    def _mathml_of(self, tree: Expression, is_first: bool) -> tuple[str, int]:
        """The MathML of a tree, and the precedence of its operator."""
        match tree:
            case Number(value):
                return self._mathml_number(value)
            case Ref():
                return self._ref(tree)
            case Sum() | Difference():
                return "".join(self.terms(tree, is_first)), ADDED
            case Product(factors):
                texts = [
                    self._operand(factor, MULTIPLIED, is_first and not index) for index, factor in enumerate(factors)
                ]
                return "<mo>·</mo>".join(texts), MULTIPLIED
            case Quotient(numerator, denominator):
                above, below = self.formula(numerator), self.formula(denominator)
                return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>", RAISED
            case Power(base, exponent):
                return f"<msup><mrow>{self._operand(base, WHOLE)}</mrow>{self._exponent(exponent)}</msup>", RAISED
            case Negative(of):
                return f"<mo>−</mo>{self._operand(of, MULTIPLIED)}", SIGNED
            case Function(name, arguments):
                return self._function(name, arguments)
            case Series():
                return self._series(tree, is_first)
            case Cases():
                return self._cases(tree)
            case Weighted(weight, term):
                return self._mathml_of(term, is_first) if not self.link or evaluate(weight) else ("<mn>0</mn>", WHOLE)
        raise TypeError(f"{type(tree).__name__} is no formula")

    def _operand(self, tree: Expression, min_precedence: int, is_first: bool = False) -> str:
        text, precedence = self._mathml_of(tree, is_first)
        has_sign = precedence == SIGNED or text.startswith("<mo>−</mo>")
        needs_no_brackets = precedence >= min_precedence and (is_first or not has_sign)
        return text if needs_no_brackets else _in_brackets("(", self.formula(tree), ")")

    def _exponent(self, tree: Expression) -> str:
        text = self.formula(tree)
        return text if isinstance(tree, Number) else f"<mrow>{text}</mrow>"

    def _mathml_number(self, value: float) -> tuple[str, int]:
        return f"<mn>{format_number(value)}</mn>", SIGNED if value < 0 else WHOLE

    def _ref(self, ref: Ref) -> tuple[str, int]:
        """The MathML of an entry, as its name or its linked value, and its precedence."""
        if self.link is None or ref.value is None:
            return entry(ref.name, ref.index), WHOLE
        title = escape(f"{format_index(ref.name, ref.index)} = {float(ref.value)!r}")
        address = escape(self.link(ref))
        formatted = (
            f'<a href="{address}" title="{title}">{format_number(ref.value)}</a>'
            if address
            else format_number(ref.value)
        )
        return f"<mn>{formatted}</mn>", SIGNED if ref.value < 0 else WHOLE

    def _function(self, name: str, arguments: tuple[Expression, ...]) -> tuple[str, int]:
        """The MathML of a function's call, and its precedence."""
        texts = [self._operand(argument, ADDED, True) for argument in arguments]
        if name == "exp":
            return f"<msup><mi>e</mi><mrow>{texts[0]}</mrow></msup>", RAISED
        if name == "sqrt":
            return f"<msqrt><mrow>{texts[0]}</mrow></msqrt>", WHOLE
        if name in ("abs", "floor"):
            left, right = {"abs": ("|", "|"), "floor": ("⌊", "⌋")}[name]
            return _in_brackets(left, texts[0], right), WHOLE
        return f"<mrow><mi>{escape(name)}</mi>{_in_brackets('(', '<mo>,</mo>'.join(texts), ')')}</mrow>", WHOLE

    def _series(self, series: Series, is_first: bool) -> tuple[str, int]:
        """The MathML of a sum over indices, and its precedence."""
        if self.link:
            return "".join(self.terms(series, is_first)), ADDED
        letters = "<mo>,</mo>".join(f"<mi>{letter}</mi>" for letter in series.letters)
        term = self._operand(series.term(*series.letters), MULTIPLIED)
        return f"<munder><mo>∑</mo><mrow>{letters}</mrow></munder>{term}", ADDED

    def _cases(self, tree: Cases) -> tuple[str, int]:
        """The MathML of a definition by cases, and its precedence."""
        if self.link:
            conditions, piece = tree.selection
            reason = "<mtext>&#xA0;and&#xA0;</mtext>".join(map(self._condition, conditions))
            return f"{self._operand(piece, ADDED, True)}<mtext>&#xA0;since&#xA0;</mtext>{reason}", ADDED - 1
        rows = [(self.formula(piece), f"<mtext>if&#xA0;</mtext>{self._condition(test)}") for test, piece in tree.pieces]
        rows.append((self.formula(tree.otherwise), "<mtext>else</mtext>"))
        cells = "".join(f"<mtr><mtd>{piece}</mtd><mtd>{when}</mtd></mtr>" for piece, when in rows)
        return f'<mrow><mo>{{</mo><mtable class="cases">{cells}</mtable></mrow>', WHOLE

    def _condition(self, condition: Comparison) -> str:
        left, right = (self._operand(side, ADDED, True) for side in (condition.left, condition.right))
        return f"{left}<mo>{escape(condition.sign)}</mo>{right}"


def _in_brackets(left: str, inside: str, right: str) -> str:
    is_tall = any(tag in inside for tag in ("<mfrac", "<munder", "<mtable"))
    left, right = (f"<mo>{side}</mo>" if is_tall else _UPRIGHT.format(side) for side in (left, right))
    return f"<mrow>{left}{inside}{right}</mrow>"


def format_number(value: float, digits: int = DIGITS) -> str:
    """Format a number for print, with a true minus sign.

    >>> format_number(-0.25), format_number(1.5e-7)
    ('−0.25', '1.5e−07')
    """
    return format_significant(value, digits).replace("-", "−")
