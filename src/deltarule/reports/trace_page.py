"""Write a trace as one HTML page in which every number links to its source, with formulas in MathML.

Browsers break no lines within a <math> element, so each term of a long sum becomes one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from markupsafe import Markup

from deltarule.errors import count_of
from deltarule.reports.formatting import load_template
from deltarule.reports.graph import computational_graph
from deltarule.tracing.explanation import TITLES, Explanation, Quantity, caution, header
from deltarule.tracing.expression_text import RAISED, WHOLE, Writer, format_index, format_significant
from deltarule.tracing.expressions import SAMPLES, Cases, Comparison, Expression, Index, Number, Ref

MAX_ROWS = MAX_COLUMNS = 16
"""Maximum size of a table of an array."""
MAX_WORKED = 64
"""Maximum number of entries of an array whose formulas are written out with numbers."""


def explanation_page(explanation: Explanation, sample: int | None = None, layer: int | None = None) -> str:
    """The trace as the text of an HTML page.

    Parameters
    ----------
    sample : a row of the data, to show only its rows of the arrays.
    layer : to show only that layer.

    Raises `BadInput` for a row that is not in the batch, and for a layer that does not exist.

    >>> import deltarule
    >>> network = deltarule.Network([1, 1])
    >>> page = explanation_page(deltarule.explain(network, [1.0, 0.0], [[2.0]], [3.0], "squared_error"))
    >>> page.startswith("<!doctype html>"), "<script" in page
    (True, False)
    """
    sample_index = explanation.place_of(sample)
    chosen = explanation.of_layer(layer)
    shown = {item.name: _ShownQuantity(f"q{number}", item, sample_index) for number, item in enumerate(chosen)}

    def link(ref: Ref) -> str:
        return shown[ref.name].address(ref.index) if ref.name in shown else ""

    narrowed = ([f"row {sample} of the data"] if sample is not None else []) + ([f"layer {layer}"] if layer else [])
    return load_template("explanation.html", number=format_number).render(
        title=explanation.title or "One update, explained",
        header=" ".join(filter(None, (caution(explanation), header(explanation)))),
        narrowed=" and ".join(narrowed),
        graph=computational_graph(explanation, links={name: f"#{item.id}" for name, item in shown.items()}),
        sections=[
            (name, title, [item for item in shown.values() if item.quantity.section == name])
            for name, title in TITLES.items()
        ],
        link=link,
        notes=explanation.notes,
    )


@dataclass(frozen=True)
class _ShownQuantity:
    """A quantity on the page: which of its entries are shown, and their addresses.

    `sample` is the index of the only sample to show, if there is one.
    """

    id: str
    quantity: Quantity
    sample: int | None

    @cached_property
    def rows(self) -> list[list[tuple[int, ...]]]:
        """The indices of the entries that are shown, row by row; none of a single number."""
        shape = self.quantity.value.shape
        if not shape:
            return []
        columns = range(min(shape[-1], MAX_COLUMNS))
        if len(shape) == 1:
            return [[(column,) for column in columns]]
        is_narrowed = self.sample is not None and self.quantity.axes[0] == SAMPLES
        rows = [self.sample or 0] if is_narrowed else range(min(shape[0], MAX_ROWS))
        return [[(row, column) for column in columns] for row in rows]

    @cached_property
    def worked(self) -> list[tuple[int, ...]]:
        indices: list[tuple[int, ...]] = [index for row in self.rows for index in row] or [()]
        return indices[:MAX_WORKED] if self.quantity.rule else []

    @property
    def left_out(self) -> str:
        shape = self.quantity.value.shape
        rows = shape[0] - MAX_ROWS if len(shape) == 2 and len(self.rows) > 1 else 0
        columns = shape[-1] - MAX_COLUMNS
        counts = ((rows, "more row"), (columns, "more column"))
        return " and ".join(count_of(count, noun) for count, noun in counts if count > 0)

    def cell_id(self, index: tuple[int, ...]) -> str:
        return "-".join([self.id, *map(str, index)])

    def exact(self, index: tuple[int, ...]) -> str:
        return f"{format_index(self.quantity.name, index)} = {float(self.quantity.value[index])!r}"

    def address(self, index: tuple[Any, ...]) -> str:
        is_shown = any(index in row for row in self.rows)
        return f"#{self.cell_id(index)}" if is_shown else f"#{self.id}"

    @property
    def name(self) -> Markup:
        return _math(entry(self.quantity.name, self.quantity.axes))

    @property
    def formula(self) -> Markup:
        quantity = self.quantity
        assert quantity.formula is not None
        return _math(f"{entry(quantity.name, quantity.axes)}<mo>=</mo>{with_names(quantity.formula)}")

    def worked_formula(self, index: tuple[int, ...], link: Callable[[Ref], str]) -> list[Markup]:
        """An entry's formula with numbers: name, terms and result."""
        quantity = self.quantity
        assert quantity.rule is not None
        number = format_number(float(quantity.value[index]), 8)
        result = f'<a href="{self.address(index)}" title="{escape(self.exact(index))}">{number}</a>'
        first_term, *terms = terms_with_numbers(quantity.rule(*index), link, self.sample)
        beginning = f"{entry(quantity.name, index)}<mo>=</mo>{first_term}"
        return [_math(part) for part in (beginning, *terms, f"<mo>=</mo><mn>{result}</mn>")]


def _math(inside: str) -> Markup:
    role = ' role="group"' if "<a " in inside else ""  # a math role would hide its links from screen readers
    return Markup(f'<math displaystyle="true"{role}>{inside}</math>')


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
    indices = "<mo>,</mo>".join(f"<mn>{axis}</mn>" if isinstance(axis, int) else f"<mi>{axis}</mi>" for axis in index)
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
