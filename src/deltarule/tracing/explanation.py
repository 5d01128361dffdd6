"""The record of a trace and its text for the terminal.

B samples · D inputs of a layer · H units · C outputs
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

import numpy as np

from deltarule.errors import BadInput, count_of, one_line
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.tracing.expression_text import format_index, format_significant, with_names, with_numbers
from deltarule.tracing.expressions import SAMPLES, Expression, Index, Ref

MAX_ROWS = 8
"""Rows of an array in the text of a trace."""
MAX_LABEL_CHARACTERS = 12
"""Characters of a row's name in the text of a trace."""
MAX_WORKED = 16
"""Entries of an array of which the record of a trace works out the formula with numbers."""
TITLES = {
    "settings": "Settings",
    "data": "Data",
    "parameters": "Parameters",
    "forward": "Forward",
    "loss": "Loss",
    "backward": "Backward: ∂J by every array, δ by the z of a layer",
    "update": "Update",
}


@dataclass(frozen=True, eq=False)
class Quantity:
    """A named array of a trace, with its values and the formula of each entry.

    Parameters
    ----------
    name : str
        W1, z1, δ2, ∂J/∂W1, W1_new; an entry is W1[0, 2].
    section : str
        "settings", "data", "parameters", "forward", "loss", "backward" or "update".
    layer : int or None
        The number of its layer, from 1, or None.
    about : str
        A description of a few words.
    value : ndarray
        The engine's numbers, with 0, 1 or 2 axes.
    axes : tuple of str
        A letter for each axis: i samples, j units of the layer, d its inputs.
    labels : tuple of tuple of str or None
        The names along each axis, or None.
    rule : callable or None
        Index → the formula of that entry, or with the axes' letters of every entry; None for inputs.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> explained = explain(Network([1, 1]), {"W1": [[2.0]], "b1": [1.0]}, [[3.0]], [7.0], "squared_error")
    >>> quantity = explained.quantities["z1"]
    >>> quantity.section, quantity.value, quantity.axes
    ('forward', array([[7.]]), ('i', 'j'))
    """

    name: str
    section: str
    layer: int | None
    about: str
    value: Floats
    axes: tuple[str, ...]
    labels: tuple[tuple[str, ...] | None, ...]
    rule: Callable[..., Expression] | None = None

    def __call__(self, *index: Index) -> Ref:
        """A reference to an entry, for the formulas of other entries."""
        known = tuple(position for position in index if isinstance(position, int))
        return Ref(self.name, index, float(self.value[known]) if len(known) == len(index) else None)

    @property
    def formula(self) -> Expression | None:
        """The formula of every entry, with the letters of the axes as indices."""
        return None if self.rule is None else self.rule(*self.axes)

    def indices(self, sample_index: int | None = None) -> Iterator[tuple[int, ...]]:
        """The index of every entry, or of those of the batch's row `sample_index`."""
        if sample_index is None or self.axes[:1] != (SAMPLES,):
            yield from np.ndindex(*self.value.shape)
        else:
            yield from ((sample_index, *index) for index in np.ndindex(*self.value.shape[1:]))

    def first_nonzero_index(self, sample_index: int | None = None) -> tuple[int, ...]:
        """The first of `indices(sample_index)` that is not 0, else the first of all."""
        nonzero = (index for index in self.indices(sample_index) if self.value[index] != 0)
        return next(nonzero, next(self.indices(sample_index)))

    def label(self, axis: int, position: int) -> str:
        """The name at a position of an axis, both from 0, or the position as text."""
        names = self.labels[axis]
        return str(position) if names is None else names[position]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every number of one update of one network.

    `print` shows it; long arrays and sums are shortened, with the number of what is omitted.

    Parameters
    ----------
    problem : Problem
        The problem.
    state : State
        The state of its one member before the update.
    rows : ndarray of shape (B,)
        The data rows of the batch.
    quantities : mapping of str to Quantity
        The arrays by name, in the order of computation.
    title : str
        The context of the network, or "".
    notes : tuple of str
        Remarks, a sentence each.

    Examples
    --------
    >>> import deltarule
    >>> network = deltarule.Network([1, 1], output="sigmoid")
    >>> explained = deltarule.explain(network, {"W1": [[0.0]], "b1": [0.0]}, [[1.0]], [1.0], "squared_error")
    >>> explained["δ1"], [quantity.name for quantity in explained.of_layer(1)][:4]
    (array([[-0.25]]), ['W1', 'b1', 'z1', 'a1'])
    """

    problem: Problem
    state: State
    rows: Integers
    quantities: Mapping[str, Quantity]
    title: str = ""
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Floats:
        """An array by its name."""
        if name not in self.quantities:
            raise BadInput(f"nothing is called '{name}' here; there are: {', '.join(self.quantities)}")
        return self.quantities[name].value

    def of_layer(self, layer: int | None) -> tuple[Quantity, ...]:
        """The quantities of one layer, counted from 1, or all for None."""
        last = self.problem.network.depth
        if layer is not None and not 1 <= layer <= last:
            raise BadInput(f"there is no layer {layer}; give a layer from 1 to {last}")
        return tuple(quantity for quantity in self.quantities.values() if layer is None or quantity.layer == layer)

    def place_of(self, sample: int | None) -> int | None:
        """The index in the batch of the data row `sample`; None for None."""
        if sample is None:
            return None
        found = np.flatnonzero(self.rows == sample)
        if not len(found):
            rows = ", ".join(map(str, self.rows[:8].tolist()))
            raise BadInput(f"sample {sample} is not in the batch of step {self.state.step}, whose rows begin: {rows}")
        return int(found[0])

    def text(self, sample: int | None = None, layer: int | None = None, width: int = 80) -> str:
        """The trace as text, of the data row `sample` or one layer if given.

        Lines have at most `width` characters. Raises `BadInput` for a row that is not in the batch, or no layer.
        """
        sample_index, chosen = self.place_of(sample), self.of_layer(layer)
        heads = filter(None, (caution(self), one_line(self.title), header(self)))
        lines = [line for head in heads for line in textwrap.wrap(head, width)]
        for section, title in TITLES.items():
            here = [one for one in chosen if one.section == section]
            if here:
                lines += ["", title, "─" * min(width, len(title))]
            for one in here:
                lines += _quantity_lines(one, sample_index, width)
        for note in self.notes:
            lines += ["", *textwrap.wrap(f"Note: {note}.", width)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text(width=100))}</pre>"

    def __repr__(self) -> str:
        return f"Explanation: {header(self)}"


def caution(explanation: Explanation) -> str:
    """A sentence if the gradient is not the derivative of J, to be shown before everything else; else ""."""
    loss = explanation.problem.loss
    if loss.exact:
        return ""
    return (
        f"Caution: the gradient below is not the derivative of J. The loss '{loss.name}' has a published gradient, "
        "which training follows, and which differs from the derivative of its value."
    )


def explanation_record(explanation: Explanation, sample: int | None, layer: int | None) -> dict[str, Any]:
    """The trace as `deltarule explain --json` prints it."""
    sample_index = explanation.place_of(sample)
    return {
        "title": explanation.title,
        "network": repr(explanation.problem.network),
        "step": explanation.state.step,
        "rows": explanation.rows,
        "sample": sample,
        "layer": layer,
        "objective": float(explanation["J"]),
        "quantities": [_quantity_record(one, sample_index) for one in explanation.of_layer(layer)],
        "notes": (*filter(None, [caution(explanation)]), *explanation.notes),
    }


def _quantity_record(quantity: Quantity, sample_index: int | None) -> dict[str, Any]:
    formula, value, rule = quantity.formula, quantity.value, quantity.rule
    is_narrowed = sample_index is not None and quantity.axes[:1] == (SAMPLES,)
    worked = [
        {"index": index, "numbers": with_numbers(rule(*index), 17), "value": float(value[index])}
        for index in islice(quantity.indices(sample_index), MAX_WORKED)
        if rule is not None
    ]
    return {
        **{key: getattr(quantity, key) for key in ("name", "section", "layer", "about", "axes")},
        "formula": None if formula is None else with_names(formula),
        "value": value[sample_index] if is_narrowed else value,
        "worked": worked,
    }


def header(explanation: Explanation) -> str:
    samples, J = count_of(len(explanation.rows), "sample"), float(explanation["J"])
    return f"Step {explanation.state.step:,} of a {explanation.problem.network!r}, on {samples}: J = {J:.10g}."


def _quantity_lines(quantity: Quantity, sample_index: int | None, width: int) -> list[str]:
    """The values of a quantity, its formula, and one entry worked out."""
    name, value, formula, rule = quantity.name, quantity.value, quantity.formula, quantity.rule
    if quantity.axes:
        size = " × ".join(f"{length:,}" for length in value.shape)
        lines = ["", *_wrap(f"{name} [{', '.join(quantity.axes)}], {size}: {quantity.about}", width)]
        lines += _value_table(quantity, sample_index, width)
    elif formula is not None:
        lines = _wrap(f"{name}: {quantity.about}", width)
    else:
        lines = _wrap(f"{name} = {format_significant(float(value), 8)}   {quantity.about}", width)
    if formula is not None and rule is not None:
        index = quantity.first_nonzero_index(sample_index)
        worked, result = (
            with_numbers(rule(*index), sample_index=sample_index),
            format_significant(float(value[index]), 8),
        )
        lines += _wrap(f"{format_index(name, quantity.axes)} = {with_names(formula)}", width, "  ")
        lines += _wrap(f"{format_index(name, index)} = {worked} = {result}", width, "  ")
    return lines


def _value_table(quantity: Quantity, sample_index: int | None, width: int) -> list[str]:
    """A table of values, with a count of omitted rows and columns."""
    value = quantity.value
    if value.size > 1 and (value == value.flat[0]).all():
        return [f"  all {format_significant(float(value.flat[0]))}"]
    rows = _table_rows(quantity, sample_index)
    shown = rows[:MAX_ROWS]
    lines = _pad(["", *(_short_label(quantity, 0, row) if value.ndim == 2 else "" for row in shown)])
    omitted = 0
    for position, column in enumerate(np.atleast_2d(value)[shown].T):
        cells = _pad([_short_label(quantity, -1, position), *map(format_significant, column.tolist())])
        if omitted or len(lines[0] + cells[0]) > width:
            omitted += 1
        else:
            lines = [line + cell for line, cell in zip(lines, cells, strict=True)]
    counts = {"more row": len(rows) - len(shown), "more column": omitted}
    texts = [count_of(count, noun) for noun, count in counts.items() if count]
    return [*lines, f"  … {' and '.join(texts)} …"] if texts else lines


def _table_rows(quantity: Quantity, sample_index: int | None) -> list[int]:
    """The rows of a table of values: all, or that of a sample."""
    if quantity.value.ndim < 2:
        return [0]
    if sample_index is not None and quantity.axes[0] == SAMPLES:
        return [sample_index]
    return [*range(len(quantity.value))]


def _pad(texts: Sequence[str]) -> list[str]:
    size = max(map(len, texts))
    return [f"  {text:>{size}}" for text in texts]


def _short_label(quantity: Quantity, axis: int, position: int) -> str:
    text = one_line(quantity.label(axis, position))
    return text if len(text) <= MAX_LABEL_CHARACTERS else text[: MAX_LABEL_CHARACTERS - 1] + "…"


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
