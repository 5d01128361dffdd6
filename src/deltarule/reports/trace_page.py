"""Write a trace as one HTML page in which every number links to its source."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from markupsafe import Markup

from deltarule.errors import count_of
from deltarule.reports.formatting import load_template
from deltarule.reports.graph import computational_graph
from deltarule.reports.trace_mathml import entry, format_number, terms_with_numbers, with_names
from deltarule.tracing.explanation import TITLES, Explanation, Quantity, caution, header
from deltarule.tracing.expression_text import format_index
from deltarule.tracing.expressions import SAMPLES, Ref

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
    shown = {one.name: _ShownQuantity(f"q{number}", one, sample_index) for number, one in enumerate(chosen)}

    def link(ref: Ref) -> str:
        return shown[ref.name].address(ref.index) if ref.name in shown else ""

    narrowed = ([f"row {sample} of the data"] if sample is not None else []) + ([f"layer {layer}"] if layer else [])
    return load_template("explanation.html", number=format_number).render(
        title=explanation.title or "One update, explained",
        header=" ".join(filter(None, (caution(explanation), header(explanation)))),
        narrowed=" and ".join(narrowed),
        graph=computational_graph(explanation, links={name: f"#{one.id}" for name, one in shown.items()}),
        sections=[
            (name, title, [one for one in shown.values() if one.quantity.section == name])
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
        one = self.quantity
        assert one.formula is not None
        return _math(f"{entry(one.name, one.axes)}<mo>=</mo>{with_names(one.formula)}")

    def worked_formula(self, index: tuple[int, ...], link: Callable[[Ref], str]) -> list[Markup]:
        """An entry's formula with numbers: name, terms and result."""
        one = self.quantity
        assert one.rule is not None
        number = format_number(float(one.value[index]), 8)
        result = f'<a href="{self.address(index)}" title="{escape(self.exact(index))}">{number}</a>'
        first_term, *terms = terms_with_numbers(one.rule(*index), link, self.sample)
        beginning = f"{entry(one.name, index)}<mo>=</mo>{first_term}"
        return [_math(part) for part in (beginning, *terms, f"<mo>=</mo><mn>{result}</mn>")]


def _math(inside: str) -> Markup:
    role = ' role="group"' if "<a " in inside else ""  # a math role would hide its links from screen readers
    return Markup(f'<math displaystyle="true"{role}>{inside}</math>')
