"""Write expression trees as MathML, with names or with linked numbers.

Browsers break no lines within a <math> element, so each term of a long sum becomes one.
"""

from collections.abc import Callable
from html import escape

from deltarule.tracing.expression_text import RAISED, WHOLE, Writer, format_index, format_significant
from deltarule.tracing.expressions import Cases, Comparison, Expression, Index, Number, Ref

DIGITS = 4
MAX_TERMS = 12
"""Maximum number of terms of a sum that are written out: the first ones and the last."""

_LETTERS = {"mean": "μ", "loss": "ℓ"}
_UPRIGHT = '<mo stretchy="false">{}</mo>'
"""A bracket with a fixed height; browsers would stretch it around every number that is a link."""


def with_names(tree: Expression) -> str:
    return _MathML(None).formula(tree)


def terms_with_numbers(tree: Expression, link: Callable[[Ref], str], sample: int | None = None) -> list[str]:
    """The terms of a formula as MathML with linked numbers.

    `link` returns the address of a number's source, "" for none. Sums over samples show the term of `sample`.
    """
    writer = _MathML(link, sample)
    return [writer.formula(tree)] if isinstance(tree, Cases) else writer.terms(tree, is_first=True)


def symbol(name: str) -> str:
    """The name of an array as a MathML symbol."""
    if name.startswith("∂J/∂"):
        return f"<mfrac><mrow><mi>∂</mi><mi>J</mi></mrow><mrow><mi>∂</mi>{symbol(name[4:])}</mrow></mfrac>"
    if name.endswith("_new"):
        return f"<msup><mrow>{symbol(name[:-4])}</mrow><mtext>new</mtext></msup>"
    if name.startswith("norm_"):
        return f"<mrow><mo>‖</mo>{symbol('∂J/∂' + name[5:])}<mo>‖</mo></mrow>"
    if "_" in name:
        above, below = name.split("_", 1)
        if above in ("weight", "warm"):  # words of their own
            return f"<mi>{escape(name.replace('_', ' '))}</mi>"
        named = symbol(below) if below[-1:].isdigit() else f"<mtext>{escape(below.replace('_', ' '))}</mtext>"
        return f"<msub><mi>{escape(above)}</mi>{named}</msub>"
    letters = name.rstrip("0123456789")
    digits = name.removeprefix(letters)
    if letters == "variance":
        return f"<msubsup><mi>σ</mi><mn>{digits}</mn><mn>2</mn></msubsup>"
    base = (
        "<mover><mi>z</mi><mo>^</mo></mover>"
        if letters == "zhat"
        else f"<mi>{escape(_LETTERS.get(letters, letters))}</mi>"
    )
    return f"<msub>{base}<mn>{digits}</mn></msub>" if digits else base


def entry(name: str, index: tuple[Index, ...]) -> str:
    if not index:
        return symbol(name)
    indices = "<mo>,</mo>".join(f"<mn>{one}</mn>" if isinstance(one, int) else f"<mi>{one}</mi>" for one in index)
    return f'{symbol(name)}<mrow class="index">{_UPRIGHT.format("[")}{indices}{_UPRIGHT.format("]")}</mrow>'


class _MathML(Writer):
    """The dialect of MathML, with numbers or, if `link` is None, with names."""

    plus, minus = '<mo form="infix">+</mo>', '<mo form="infix">−</mo>'
    times, sign, zero = "<mo>·</mo>", "<mo>−</mo>", "<mn>0</mn>"

    def __init__(self, link: Callable[[Ref], str] | None, sample: int | None = None) -> None:
        super().__init__(link is None, DIGITS, MAX_TERMS, sample)
        self.link = link

    def number(self, value: float) -> str:
        return f"<mn>{format_number(value)}</mn>"

    def entry(self, name: str, index: tuple[Index, ...]) -> str:
        return entry(name, index)

    def entry_number(self, ref: Ref, value: float) -> str:
        address = escape(self.link(ref)) if self.link else ""
        if not address:
            return self.number(value)
        title = escape(f"{format_index(ref.name, ref.index)} = {float(value)!r}")
        return f'<mn><a href="{address}" title="{title}">{format_number(value)}</a></mn>'

    def omitted(self, count: int) -> str:
        return f"<mtext>… {count:,} more …</mtext>"

    def quotient(self, numerator: Expression, denominator: Expression, is_first: bool) -> tuple[str, int]:
        above, below = self.formula(numerator), self.formula(denominator)
        return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>", RAISED

    def power(self, base: Expression, exponent: Expression) -> str:
        text = self.formula(exponent)
        text = text if isinstance(exponent, Number) else f"<mrow>{text}</mrow>"
        return f"<msup><mrow>{self.operand(base, WHOLE)}</mrow>{text}</msup>"

    def function(self, name: str, arguments: list[str]) -> tuple[str, int]:
        if name == "exp":
            return f"<msup><mi>e</mi><mrow>{arguments[0]}</mrow></msup>", RAISED
        if name == "sqrt":
            return f"<msqrt><mrow>{arguments[0]}</mrow></msqrt>", WHOLE
        if name in ("absolute", "floor"):
            left, right = {"absolute": ("|", "|"), "floor": ("⌊", "⌋")}[name]
            return _in_brackets(left, arguments[0], right), WHOLE
        return f"<mrow><mi>{escape(name)}</mi>{_in_brackets('(', '<mo>,</mo>'.join(arguments), ')')}</mrow>", WHOLE

    def named_sum(self, letters: tuple[str, ...], term: str) -> str:
        indices = "<mo>,</mo>".join(f"<mi>{letter}</mi>" for letter in letters)
        return f"<munder><mo>∑</mo><mrow>{indices}</mrow></munder>{term}"

    def cases(self, tree: Cases) -> str:
        rows = [(self.formula(piece), f"<mtext>if&#xA0;</mtext>{self.condition(test)}") for test, piece in tree.pieces]
        rows.append((self.formula(tree.otherwise), "<mtext>else</mtext>"))
        cells = "".join(f"<mtr><mtd>{piece}</mtd><mtd>{when}</mtd></mtr>" for piece, when in rows)
        return f'<mrow><mo>{{</mo><mtable class="cases">{cells}</mtable></mrow>'

    def chosen_case(self, piece: str, conditions: tuple[Comparison, ...]) -> str:
        reason = "<mtext>&#xA0;and&#xA0;</mtext>".join(map(self.condition, conditions))
        return f"{piece}<mtext>&#xA0;since&#xA0;</mtext>{reason}"

    def comparison(self, left: str, sign: str, right: str) -> str:
        return f"{left}<mo>{escape(sign)}</mo>{right}"

    def brackets(self, text: str) -> str:
        return _in_brackets("(", text, ")")


def _in_brackets(left: str, inside: str, right: str) -> str:
    is_tall = any(tag in inside for tag in ("<mfrac", "<munder", "<mtable"))
    left, right = (f"<mo>{side}</mo>" if is_tall else _UPRIGHT.format(side) for side in (left, right))
    return f"<mrow>{left}{inside}{right}</mrow>"


def format_number(value: float, digits: int = DIGITS) -> str:
    """Format a number for print, with a true minus sign."""
    return format_significant(value, digits).replace("-", "−")
