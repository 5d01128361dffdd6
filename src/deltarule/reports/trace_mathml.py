"""Expression trees as MathML: with names, or with numbers that link to their source.

Browsers break no lines within a <math>, so each term of a long sum is an element of its own.
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
"""Terms of a sum that are written out: the first ones and the last."""

_LETTERS = {"mean": "μ", "loss": "ℓ"}
_UPRIGHT = '<mo stretchy="false">{}</mo>'
"""A bracket that stays as it is; browsers would stretch it around every number that is a link."""


def with_names(tree: Expression) -> str:
    """The formula with the names of its entries.

    >>> with_names(Ref("W1", (0, 2), None) ** 2)  # doctest: +ELLIPSIS
    '<msup><mrow><msub><mi>W</mi><mn>1</mn></msub>...</mrow><mn>2</mn></msup>'
    """
    return _MathML(None).whole(tree)


def terms_with_numbers(tree: Expression, link: Callable[[Ref], str], sample: int | None = None) -> list[str]:
    """The formula with its numbers inserted, term by term; `link` gives the address of a number's source, and `sample`
    is the position of the sample whose term every sum over samples shows.

    >>> two, three = (Ref("x", (place,), 2.0 + place) for place in (0, 1))
    >>> len(terms_with_numbers(two + three, lambda ref: f"#{ref.name}"))
    2
    """
    writer = _MathML(link, sample)
    return [writer.whole(tree)] if isinstance(tree, Cases) else writer.terms(tree, first=True)


def symbol(name: str) -> str:
    """A name as a MathML symbol.

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
    """An entry of an array: its name with its index in brackets."""
    if not index:
        return symbol(name)
    places = "<mo>,</mo>".join(_place(place) for place in index)
    return f'{symbol(name)}<mrow class="index">{_UPRIGHT.format("[")}{places}{_UPRIGHT.format("]")}</mrow>'


def _place(place: Index) -> str:
    return f"<mn>{place}</mn>" if isinstance(place, int) else f"<mi>{place}</mi>"


def _split_name(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)(\d*)", name)
    assert found
    return found[1], found[2]


@dataclass(frozen=True)
class _MathML:
    """Writes a tree as MathML; without `link` with names instead of numbers."""

    link: Callable[[Ref], str] | None
    sample: int | None = None

    def whole(self, tree: Expression) -> str:
        return self._mathml_of(tree, True)[0]

    def terms(self, tree: Expression, first: bool) -> list[str]:
        """The terms of a sum, each with its sign."""
        match tree:
            case Sum(terms):
                return [part for index, term in enumerate(terms) for part in self._plus(term, first and not index)]
            case Difference(left, right):
                return [*self.terms(left, first), f'<mo form="infix">−</mo>{self._with_brackets(right, MULTIPLIED)}']
            case Series() if self.link:
                parts: list[str] = []
                for place in shown_terms(tree, MAX_TERMS, self.sample):
                    if isinstance(place, int):
                        parts.append(f'<mo form="infix">+</mo><mtext>… {place:,} more …</mtext>')
                    else:
                        parts += self._plus(tree.term(*place), first and not parts)
                return parts
        return [self._with_brackets(tree, ADDED, first)]

    def _plus(self, term: Expression, first: bool) -> list[str]:
        parts = self.terms(term, first)
        return parts if first else [f'<mo form="infix">+</mo>{parts[0]}', *parts[1:]]

    def _mathml_of(self, tree: Expression, first: bool) -> tuple[str, int]:
        """The MathML of a tree and its precedence; `first`: whether it may begin with a sign."""
        match tree:
            case Number(value):
                return self._mathml_number(value)
            case Ref():
                return self._ref(tree)
            case Sum() | Difference():
                return "".join(self.terms(tree, first)), ADDED
            case Product(factors):
                texts = [
                    self._with_brackets(factor, MULTIPLIED, first and not index) for index, factor in enumerate(factors)
                ]
                return "<mo>·</mo>".join(texts), MULTIPLIED
            case Quotient(above, below):
                return f"<mfrac><mrow>{self.whole(above)}</mrow><mrow>{self.whole(below)}</mrow></mfrac>", RAISED
            case Power(base, exponent):
                return f"<msup><mrow>{self._with_brackets(base, WHOLE)}</mrow>{self._row(exponent)}</msup>", RAISED
            case Negative(of):
                return f"<mo>−</mo>{self._with_brackets(of, MULTIPLIED)}", SIGNED
            case Function(name, arguments):
                return self._function(name, arguments)
            case Series():
                return self._series(tree, first)
            case Cases():
                return self._cases(tree)
            case Weighted(weight, term):
                return self._mathml_of(term, first) if not self.link or evaluate(weight) else ("<mn>0</mn>", WHOLE)
        raise TypeError(f"{type(tree).__name__} is no formula")

    def _with_brackets(self, tree: Expression, least: int, first: bool = False) -> str:
        text, level = self._mathml_of(tree, first)
        fits = level >= least and (first or level != SIGNED) and (first or not text.startswith("<mo>−</mo>"))
        return text if fits else _in_brackets("(", self.whole(tree), ")")

    def _row(self, tree: Expression) -> str:
        text = self.whole(tree)
        return text if isinstance(tree, Number) else f"<mrow>{text}</mrow>"

    def _mathml_number(self, value: float) -> tuple[str, int]:
        return f"<mn>{format_number(value)}</mn>", SIGNED if value < 0 else WHOLE

    def _ref(self, ref: Ref) -> tuple[str, int]:
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
        texts = [self._with_brackets(argument, ADDED, True) for argument in arguments]
        if name == "exp":
            return f"<msup><mi>e</mi><mrow>{texts[0]}</mrow></msup>", RAISED
        if name == "sqrt":
            return f"<msqrt><mrow>{texts[0]}</mrow></msqrt>", WHOLE
        if name in ("abs", "floor"):
            left, right = {"abs": ("|", "|"), "floor": ("⌊", "⌋")}[name]
            return _in_brackets(left, texts[0], right), WHOLE
        return f"<mrow><mi>{escape(name)}</mi>{_in_brackets('(', '<mo>,</mo>'.join(texts), ')')}</mrow>", WHOLE

    def _series(self, series: Series, first: bool) -> tuple[str, int]:
        if self.link:
            return "".join(self.terms(series, first)), ADDED
        letters = "<mo>,</mo>".join(f"<mi>{letter}</mi>" for letter in series.letters)
        term = self._with_brackets(series.term(*series.letters), MULTIPLIED)
        return f"<munder><mo>∑</mo><mrow>{letters}</mrow></munder>{term}", ADDED

    def _cases(self, tree: Cases) -> tuple[str, int]:
        if self.link:
            conditions, piece = tree.selection
            reason = "<mtext>&#xA0;and&#xA0;</mtext>".join(map(self._condition, conditions))
            return f"{self._with_brackets(piece, ADDED, True)}<mtext>&#xA0;since&#xA0;</mtext>{reason}", ADDED - 1
        rows = [(self.whole(piece), f"<mtext>if&#xA0;</mtext>{self._condition(test)}") for test, piece in tree.pieces]
        rows.append((self.whole(tree.otherwise), "<mtext>else</mtext>"))
        cells = "".join(f"<mtr><mtd>{piece}</mtd><mtd>{when}</mtd></mtr>" for piece, when in rows)
        return f'<mrow><mo>{{</mo><mtable class="cases">{cells}</mtable></mrow>', WHOLE

    def _condition(self, condition: Comparison) -> str:
        left, right = (self._with_brackets(side, ADDED, True) for side in (condition.left, condition.right))
        return f"{left}<mo>{escape(condition.sign)}</mo>{right}"


def _in_brackets(left: str, inside: str, right: str) -> str:
    """Put brackets around a formula, large ones around tall ones."""
    high = any(tag in inside for tag in ("<mfrac", "<munder", "<mtable"))
    left, right = (f"<mo>{one}</mo>" if high else _UPRIGHT.format(one) for one in (left, right))
    return f"<mrow>{left}{inside}{right}</mrow>"


def format_number(value: float, digits: int = DIGITS) -> str:
    """A number for print, with a true minus sign.

    >>> format_number(-0.25), format_number(1.5e-7)
    ('−0.25', '1.5e−07')
    """
    return format_significant(value, digits).replace("-", "−")
