"""Tables that fit any terminal, and lists of names with texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

GAP, MIN_GAP = 2, 1
"""Characters between columns, normally and in narrow terminals."""
MIN_TEXT_WIDTH = 12
"""Minimum width of a column of texts, enough for most words; in less room each cell gets a line."""


def fitted_table(headings: Sequence[str], rows: Sequence[Sequence[str]], are_texts: Sequence[bool]) -> "RenderableType":
    """Rows of cells below headings, numbers on the right and never broken.

    Where a terminal is too narrow for that, each cell gets a line.

    Parameters
    ----------
    headings, are_texts : the heading of each column, and whether it has texts.
    rows : of cells.

    Examples
    --------
    >>> from rich import print
    >>> print(fitted_table(["class", "rows"], [["plum", "12"], ["sweet cherry", "7"]], [True, False]))
    class         rows
    ──────────────────
    plum            12
    sweet cherry     7
    """
    return _FittingTable(headings, rows, are_texts)


@dataclass(frozen=True)
class _FittingTable:
    """A table that folds texts, or has a line for each cell if it is too wide."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    are_texts: Sequence[bool]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the table, or its cells, at the width of the console."""
        from rich.cells import cell_len
        from rich.text import Text

        columns = list(zip(self.are_texts, *self.rows, strict=True))
        for is_folded, gap in ((False, GAP), (True, MIN_GAP)):
            table, needed = plain_table(padding=(0, gap - 1, 0, 0), pad_edge=False), -gap
            for name, (is_text, *cells) in zip(self.headings, columns, strict=True):
                width = max(map(cell_len, cells), default=0)
                width = min(width, MIN_TEXT_WIDTH) if is_text and is_folded else width
                heading = _fold_heading(name, width) if is_folded else name
                width = max(width, *map(cell_len, heading.splitlines() or [""]))
                justify: Any = "left" if is_text else "right"
                table.add_column(Text(heading), justify=justify, min_width=width, no_wrap=not is_text, overflow="fold")
                needed += width + gap
            if needed <= options.max_width:
                for row in self.rows:
                    table.add_row(*map(Text, row))
                yield table
                return
        for index, row in enumerate(self.rows):
            if index:
                yield ""
            yield pairs([(name, cell) for name, cell in zip(self.headings, row, strict=True) if cell])


def _fold_heading(heading: str, width: int) -> str:
    spaced = re.sub(r"([_.])(?=\w)", r"\1 ", heading)
    return re.sub("([_.]) ", r"\1", fill(spaced, max(1, width), break_long_words=False, break_on_hyphens=False))


def pairs(rows: Sequence[tuple[str, str]]) -> "RenderableType":
    """Names with texts, each text beside its name, or below it in a narrow terminal."""
    return _Pairs(rows)


@dataclass(frozen=True)
class _Pairs:
    """Names with texts, beside each other or below."""

    rows: Sequence[tuple[str, str]]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the names and texts at the width of the console."""
        from rich.cells import cell_len
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, GAP, 0, 0))
        table.add_column(overflow="fold", style="bold")
        table.add_column(overflow="fold")
        longest = max((cell_len(name) for name, _ in self.rows), default=0)
        is_narrow = longest + GAP + MIN_TEXT_WIDTH > options.max_width
        for name, text in self.rows:
            if is_narrow:
                yield Text(name, "bold", overflow="fold")
                yield Padding(Text(text, overflow="fold"), (0, 0, 0, GAP))
            else:
                table.add_row(Text(name), Text(text))
        if not is_narrow:
            yield table


def plain_table(**options: Any) -> "Table":
    """An empty table with a rule below its headings; `options` are Rich's."""
    from rich import box
    from rich.table import Table

    return Table(**{"box": box.SIMPLE_HEAD, "show_edge": False, "padding": 0, "header_style": "bold", **options})
