"""The rows of a report as lines of a terminal, and as HTML."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from deltarule.checking.catalog import Correction

WIDTH = 100
"""Default number of characters of a line of a report."""


def wrapped_rows(
    rows: Sequence[tuple[str, str]], width: int, margin: str, correction: Correction | None = None
) -> Iterator[str]:
    """Rows of a report as lines of at most `width` characters, labels in a column; code stays in one line."""
    left = max(len(label) for label, _ in rows) + 2
    code = tuple(correction.code_rows) if correction else ()
    for label, text in rows:
        first = margin + label.ljust(left)
        if code and text.endswith(code):
            yield first + text
            continue
        indent = " " * (len(first) + len(text) - len(text.lstrip()))
        yield textwrap.fill(
            text,
            max(width, left + 24),
            initial_indent=first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )


_COLORS = {
    "right": "#1a7f37",
    "right up to a factor": "#1a7f37",
    "right for another loss": "#9a6700",
    "WRONG": "#cf222e",
    "not proved": "#9a6700",
}


def report_as_html(
    what: str, verdict: str, lines: Iterable[tuple[str, str]], correction: Correction | None = None
) -> str:
    """A report for notebooks: a headline and a table, in which the line to change and the line to write are marked."""
    old = correction.code if correction else ""
    new = tuple(correction.code_rows - {old}) if correction else ()
    rows = []
    for word, text in lines:
        shown = escape(text)
        if correction and text.endswith((old, *new)):
            shown = f'<code style="color:{_COLORS["right" if text.endswith(new) else "WRONG"]}">{shown}</code>'
        cells = f'<th style="text-align:left">{escape(word)}</th><td style="text-align:left">{shown}</td>'
        rows.append(f"<tr>{cells}</tr>")
    # White on its own background color: the background of a notebook may be light or dark.
    badge = f'<span style="color:#ffffff;background:{_COLORS[verdict]};padding:0 0.4em">{verdict}</span>'
    return f"<b>{escape(what)}: {badge}</b><table>{''.join(rows)}</table>"
