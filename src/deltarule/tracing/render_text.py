"""A trace as plain text, folded to fit a screen: what is large is cut, and it is said how much is left out."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deltarule.errors import one_line
from deltarule.tracing.expressions import format_index, number, with_names, with_numbers

if TYPE_CHECKING:
    from deltarule.tracing.explanation import Explanation, Quantity

MOST_ROWS = 8
LONGEST_LABEL = 12
TITLES = {
    "settings": "Settings",
    "data": "Data",
    "parameters": "Parameters",
    "forward": "Forward",
    "loss": "Loss",
    "backward": "Backward: ∂J by everything, δ by the z of a layer",
    "update": "Update",
}


def render(explanation: "Explanation", sample: int | None = None, layer: int | None = None, width: int = 80) -> str:
    """The trace as text of at most `width` characters a line: of one row of the data, of one layer, or of all."""
    place, chosen = explanation.place_of(sample), explanation.of_layer(layer)
    lines = textwrap.wrap(one_line(explanation.title), width) + textwrap.wrap(header(explanation), width)
    for section, title in TITLES.items():
        here = [one for one in chosen if one.section == section]
        if here:
            lines += ["", title, "─" * min(width, len(title))]
        for one in here:
            lines += _quantity(one, place, width)
    for note in explanation.notes:
        lines += ["", *textwrap.wrap(f"Note: {note}.", width)]
    return "\n".join(lines)


def header(explanation: "Explanation") -> str:
    """What is explained, in a sentence.

    >>> import deltarule
    >>> print(header(deltarule.explain(deltarule.Network([1, 1]), [1.0, 0.0], [[2.0]], [2.0], "squared_error")))
    Step 0 (no update was made before) of a Network 1-1 (identity), 2 parameters, on 1 sample: J = 0.
    """
    step, count = explanation.state.step, len(explanation.rows)
    before = "no update was" if not step else f"{step:,} update{'s were' if step > 1 else ' was'}"
    samples = f"{count:,} sample{'' if count == 1 else 's'}"
    return (
        f"Step {step:,} ({before} made before) of a {explanation.problem.network!r}, on {samples}: "
        f"J = {float(explanation['J']):.10g}."
    )


def _quantity(one: "Quantity", sample: int | None, width: int) -> list[str]:
    """A quantity: what it is, its values, the formula, and the formula with the numbers of its first entry."""
    formula = one.formula
    if not one.axes:
        if formula is None:
            return _wrap(f"{one.name} = {number(float(one.value), 8)}   {one.about}", width)
        lines = _wrap(f"{one.name}: {one.about}", width)
    else:
        size = " × ".join(f"{length:,}" for length in one.value.shape)
        lines = ["", *_wrap(f"{one.name} [{', '.join(one.axes)}], {size}: {one.about}", width)]
        lines += _value_table(one, sample, width)
    if formula is not None:
        lines += _wrap(f"{format_index(one.name, one.axes)} = {with_names(formula)}", width, "  ")
        lines += _worked_entry(one, sample, width)
    return lines


def _worked_entry(one: "Quantity", sample: int | None, width: int) -> list[str]:
    """The first entry with its numbers put in; where that is 0, the first that is not."""
    assert one.rule is not None
    index = one.first(sample)
    told = with_numbers(one.rule(*index), sample=sample)
    result = number(float(one.value[index]), 8)
    return _wrap(f"{format_index(one.name, index)} = {told} = {result}", width, "  ")


def _value_table(one: "Quantity", sample: int | None, width: int) -> list[str]:
    """The values: a row for each place along the first axis, as many columns as fit."""
    if one.value.size > 1 and (one.value == one.value.flat[0]).all():
        return [f"  all {number(float(one.value.flat[0]))}"]
    rows = list(range(len(one.value))) if len(one.axes) == 2 else [0]
    if sample is not None and one.axes[0] == "i" and len(one.axes) == 2:
        rows = [sample]
    shown = rows[:MOST_ROWS]
    cells = [[number(float(value)) for value in (one.value[row] if len(one.axes) == 2 else one.value)] for row in shown]
    columns = [_label(one, len(one.axes) - 1, place) for place in range(len(cells[0]))]
    labels = [_label(one, 0, row) for row in shown] if len(one.axes) == 2 else [""]
    left = max(map(len, labels))
    fitting, used = 0, 2 + left
    for place, name in enumerate(columns):
        used += 2 + max(len(name), *(len(row[place]) for row in cells))
        if used > width:
            break
        fitting += 1
    return _align_columns(columns[:fitting], labels, [row[:fitting] for row in cells], left) + _left_out(
        len(rows) - len(shown), len(columns) - fitting
    )


def _align_columns(
    columns: Sequence[str], labels: Sequence[str], cells: Sequence[Sequence[str]], left: int
) -> list[str]:
    widths = [max(len(name), *(len(row[place]) for row in cells)) for place, name in enumerate(columns)]
    lines = ["  " + " " * left + "".join(f"  {name:>{size}}" for name, size in zip(columns, widths, strict=True))]
    for label, row in zip(labels, cells, strict=True):
        told = "".join(f"  {cell:>{size}}" for cell, size in zip(row, widths, strict=True))
        lines.append(f"  {label:>{left}}{told}")
    return lines


def _left_out(rows: int, columns: int) -> list[str]:
    told = [f"{count:,} more {what}{'' if count == 1 else 's'}" for count, what in ((rows, "row"), (columns, "column"))]
    told = [text for text, count in zip(told, (rows, columns), strict=True) if count]
    return [f"  … {' and '.join(told)} …"] if told else []


def _label(one: "Quantity", axis: int, place: int) -> str:
    text = one_line(one.label(axis, place))
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
