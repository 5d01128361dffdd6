"""Write a trace as one HTML page in which every number links to its source."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from deltarule.reports.formatting import load_template
from deltarule.reports.graph import computational_graph
from deltarule.reports.trace_mathml import entry, format_number, terms_with_numbers, with_names
from deltarule.tracing.explanation import TITLES, Explanation, Quantity, header
from deltarule.tracing.expression_text import format_index, with_numbers
from deltarule.tracing.expressions import SAMPLES, Ref

MAX_ROWS = MAX_COLUMNS = 16
"""Maximum size of a table of an array."""
MAX_WORKED = 64
"""Maximum number of entries of an array whose formulas are written out with numbers."""
LINE_CHARACTERS = 120
"""Characters that fit into a line of the page."""


def explanation_page(explanation: Explanation, sample: int | None = None, layer: int | None = None) -> str:
    """The trace as the text of an HTML page.

    Parameters
    ----------
    sample : a row of the data, to show only its rows of the arrays.
    layer : to show only that layer.

    Returns
    -------
    The content of the file.

    Raises
    ------
    BadInput
        For a row that is not in the batch, and for a layer that does not exist.

    Examples
    --------
    >>> import deltarule
    >>> network = deltarule.Network([1, 1])
    >>> page = explanation_page(deltarule.explain(network, [1.0, 0.0], [[2.0]], [3.0], "squared_error"))
    >>> page.startswith("<!doctype html>"), "<script" in page
    (True, False)
    """
    sample_index, chosen = explanation.place_of(sample), explanation.of_layer(layer)
    shown = [_ShownQuantity(number, quantity, sample_index) for number, quantity in enumerate(chosen)]
    shown_by_name = {one.quantity.name: one for one in shown}

    def link(ref: Ref) -> str:
        return shown_by_name[ref.name].address(ref.index) if ref.name in shown_by_name else ""

    sections = [
        {"id": name, "title": title, "quantities": [one.view(link) for one in shown if one.quantity.section == name]}
        for name, title in TITLES.items()
    ]
    return load_template("explanation.html").render(
        title=explanation.title or "One update, explained",
        header=header(explanation),
        shown=_describe_selection(sample, layer),
        graph=computational_graph(explanation, links={name: f"#{one.id}" for name, one in shown_by_name.items()}),
        sections=[section for section in sections if section["quantities"]],
        notes=explanation.notes,
    )


@dataclass(frozen=True)
class _ShownQuantity:
    """A quantity on the page: which of its entries are shown, and their addresses.

    `number` counts the quantities of the page; `sample` is the index of the only sample to show, if there is one.
    """

    number: int
    quantity: Quantity
    sample: int | None

    @property
    def id(self) -> str:
        return f"q{self.number}"

    @property
    def rows(self) -> list[int]:
        """The indices that are shown along the first of two axes; [0] with fewer axes."""
        value = self.quantity.value
        if value.ndim < 2:
            return [0]
        if self.sample is not None and self.quantity.axes[0] == SAMPLES:
            return [self.sample]
        return list(range(min(len(value), MAX_ROWS)))

    @property
    def indices(self) -> list[list[tuple[int, ...]]]:
        """The indices of the entries that are shown, row by row."""
        shape = self.quantity.value.shape
        columns = range(min(shape[-1], MAX_COLUMNS)) if shape else [0]
        if len(shape) < 2:
            return [[(column,) if shape else () for column in columns]]
        return [[(row, column) for column in columns] for row in self.rows]

    @property
    def worked_entries(self) -> list[tuple[int, ...]]:
        """The indices of the entries whose formulas are written out with numbers."""
        flat = [index for row in self.indices for index in row]
        return flat[:MAX_WORKED] if self.quantity.rule else []

    def cell_id(self, index: tuple[int, ...]) -> str:
        """The id of the cell of an entry."""
        return "-".join([self.id, *map(str, index)])

    def exact(self, index: tuple[int, ...]) -> str:
        """An entry with its name, index and all its digits, as text."""
        return f"{format_index(self.quantity.name, index)} = {float(self.quantity.value[index])!r}"

    def address(self, index: tuple[Any, ...]) -> str:
        """The link to an entry if it is shown, otherwise to its array."""
        is_shown = len(index) > 0 and index[-1] < MAX_COLUMNS and (len(index) < 2 or index[0] in self.rows)
        return f"#{self.cell_id(index)}" if is_shown else f"#{self.id}"

    def view(self, link: Callable[[Ref], str]) -> dict[str, Any]:
        """The data of the quantity for the template."""
        one = self.quantity
        formula = one.formula
        return {
            "id": self.id,
            "name": _math(entry(one.name, one.axes)),
            "plain": one.name,
            "about": one.about,
            "scalar": None if one.axes else format_number(float(one.value), 8),
            "size": " × ".join(f"{length:,}" for length in one.value.shape),
            "formula": None
            if formula is None
            else _math(f"{entry(one.name, one.axes)}<mo>=</mo>{with_names(formula)}"),
            "columns": self.column_names,
            "rows": [self._row(row) for row in self.indices] if one.axes else [],
            "left_out": self.left_out,
            "worked": [self._worked_formula(index, link) for index in self.worked_entries],
            "beside": self.formulas_per_row,
            "not_worked": sum(map(len, self.indices)) - len(self.worked_entries) if one.rule else 0,
        }

    @property
    def formulas_per_row(self) -> int:
        """The number of formulas that fit side by side, by the longest one."""
        rule = self.quantity.rule
        lengths = [len(with_numbers(rule(*index))) for index in self.worked_entries] if rule else []
        return max(1, min(3, LINE_CHARACTERS // (max(lengths, default=0) + 30)))

    @property
    def column_names(self) -> list[str]:
        """The labels of the columns that are shown."""
        one = self.quantity
        return [one.label(len(one.axes) - 1, index[-1]) for index in self.indices[0]] if one.axes else []

    @property
    def left_out(self) -> str:
        """How many rows and columns are not shown, as text."""
        value = self.quantity.value
        rows = len(value) - MAX_ROWS if value.ndim == 2 and len(self.rows) > 1 else 0
        columns = value.shape[-1] - MAX_COLUMNS if value.ndim else 0
        texts = [
            f"{count:,} more {noun}{'' if count == 1 else 's'}"
            for count, noun in ((rows, "row"), (columns, "column"))
            if count > 0
        ]
        return " and ".join(texts)

    def _row(self, indices: list[tuple[int, ...]]) -> dict[str, Any]:
        """The label and the cells of the row with these entries, for the template."""
        one = self.quantity
        cells = [
            {
                "id": self.cell_id(index),
                "text": format_number(float(one.value[index])),
                "exact": self.exact(index),
                "href": f"#w{self.cell_id(index)}"
                if index in self.worked_entries
                else (f"#f{self.id}" if one.rule else None),
            }
            for index in indices
        ]
        return {"label": one.label(0, indices[0][0]) if len(one.axes) == 2 else "", "cells": cells}

    def _worked_formula(self, index: tuple[int, ...], link: Callable[[Ref], str]) -> dict[str, Any]:
        """An entry's formula with numbers (name, terms and result), for the template."""
        one = self.quantity
        assert one.rule is not None
        value = float(one.value[index])
        result = f'<a href="{self.address(index)}" title="{escape(self.exact(index))}">{format_number(value, 8)}</a>'
        first_term, *terms = terms_with_numbers(one.rule(*index), link, self.sample)
        beginning = f"{entry(one.name, index)}<mo>=</mo>{first_term}"
        return {
            "id": f"w{self.cell_id(index)}",
            "exact": self.exact(index),
            "parts": [_math(part) for part in (beginning, *terms, f"<mo>=</mo><mn>{result}</mn>")],
        }


def _math(inside: str) -> Any:
    from markupsafe import Markup

    role = ' role="group"' if "<a " in inside else ""  # a math role would hide its links from screen readers
    return Markup(f'<math displaystyle="true"{role}>{inside}</math>')


def _describe_selection(sample: int | None, layer: int | None) -> str:
    parts = [f"row {sample} of the data"] if sample is not None else []
    parts += [f"layer {layer}"] if layer is not None else []
    return f"Shown: {' and '.join(parts)} alone." if parts else ""
