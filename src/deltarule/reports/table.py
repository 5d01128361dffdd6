"""Tables as data, shown on a terminal, on a page, or in Markdown."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as RichTable

GAP, MIN_GAP = 2, 1
"""Characters between columns, normally and in narrow terminals."""
MIN_TEXT_WIDTH = 12
NUMBER = re.compile(r"""[^\w'"]*([\d¼-¾∞]|(inf|nan)$)""")
"""The beginning of a cell with a number, possibly after signs; a cell in quotes is text."""


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    is_text   whether its cells are texts, which stand to the left and may be folded; None: none begins with a number
    format    the text of a value
    style     the style of a value's text on a terminal, for Rich; what it says is in the text, too
    min_width the characters to which texts may be folded, enough for most words
    """

    name: str
    is_text: bool | None = None
    format: Callable[[Any], str] = str
    style: Callable[[Any], str] = lambda value: ""
    min_width: int = MIN_TEXT_WIDTH


@dataclass(frozen=True)
class Table:
    """Rows of values below columns; each cell gets a line in a narrow terminal."""

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Any]]

    @property
    def cells(self) -> list[list[str]]:
        return [[column.format(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def without_empty_columns(self) -> "Table":
        kept = [index for index, texts in enumerate(zip(*self.cells, strict=True)) if any(texts)]
        rows = [[row[index] for index in kept] for row in self.rows]
        return Table([self.columns[index] for index in kept], rows)

    def markdown(self) -> str:
        lines = [[column.name for column in self.columns], *self.cells]
        lines = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in line] for line in lines]
        heading, *rows = (f"| {' | '.join(line)} |" for line in lines)
        return "\n".join([heading, "|---" * len(self.columns) + "|", *rows])

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        for is_folded in (False, True):
            grid, widths = self._grid(is_folded)
            gap = MIN_GAP if is_folded else GAP
            if sum(widths) + gap * (len(widths) - 1) <= options.max_width:
                yield grid
                return
        names = [column.name for column in self.columns]
        for index, row in enumerate(self.cells):
            if index:
                yield ""
            yield Pairs([pair for pair in zip(names, row, strict=True) if pair[1]])

    def _grid(self, is_folded: bool) -> "tuple[RichTable, list[int]]":
        """The table for Rich, and the minimum widths of its columns."""
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table as RichTable
        from rich.text import Text

        gap = MIN_GAP if is_folded else GAP
        cells = self.cells
        widths = []
        grid = RichTable(
            box=box.SIMPLE_HEAD, show_edge=False, padding=(0, gap - 1, 0, 0), pad_edge=False, header_style="bold"
        )
        for index, column in enumerate(self.columns):
            width = max((cell_len(row[index]) for row in cells), default=0)
            width = min(width, column.min_width) if column.is_text and is_folded else width
            heading = _fold_heading(column.name, width) if is_folded else column.name
            width = max(width, *map(cell_len, heading.splitlines() or [""]))
            justify: Any = "left" if column.is_text else "right"
            grid.add_column(
                Text(heading), justify=justify, min_width=width, no_wrap=not column.is_text, overflow="fold"
            )
            widths.append(width)
        for values, texts in zip(self.rows, cells, strict=True):
            styles = (column.style(value) for column, value in zip(self.columns, values, strict=True))
            grid.add_row(*map(Text, texts, styles))
        return grid, widths


def table(columns: Sequence[str | TableColumn], rows: Sequence[Sequence[Any]]) -> Table:
    """A table of rows of values below columns, which may be names."""
    described = []
    for index, column in enumerate(columns):
        column = TableColumn(column) if isinstance(column, str) else column
        if column.is_text is None:
            is_text = not any(NUMBER.match(column.format(row[index])) for row in rows)
            column = replace(column, is_text=is_text)
        described.append(column)
    return Table(described, rows)


@dataclass(frozen=True)
class Pairs:
    """Names with texts beside them."""

    rows: Sequence[tuple[str, str]]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.cells import cell_len
        from rich.table import Table as RichTable
        from rich.text import Text

        longest = max((cell_len(name) for name, _ in self.rows), default=0)
        if options.no_wrap:
            for name, text in self.rows:
                yield Text(name.ljust(longest + GAP) + text.replace("\n", "\n" + " " * (longest + GAP)))
            return
        grid = RichTable.grid(padding=(0, GAP, 0, 0))
        grid.add_column(overflow="fold", style="bold")
        grid.add_column(overflow="fold")
        for name, text in self.rows:
            grid.add_row(Text(name), Text(text))
        yield grid


def _fold_heading(heading: str, width: int) -> str:
    spaced = re.sub(r"([_.])(?=\w)", r"\1 ", heading)
    return re.sub("([_.]) ", r"\1", fill(spaced, max(1, width), break_long_words=False, break_on_hyphens=False))
