"""`deltarule evaluate`: how good a model is on rows whose target is known, where it errs, what its answers hang on."""

import shlex
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.common import Json, as_written, check_output, console, print_json
from deltarule.cli.tables import (
    Model,
    chosen_model,
    columns_used,
    noted,
    seen_at_work,
    show_lines,
    tell,
    with_target,
)
from deltarule.errors import BadInput, one_line

if TYPE_CHECKING:
    from deltarule.estimators.inspection import Inspection
    from deltarule.estimators.tabular import TabularClassifier, TabularRegressor

Rows = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A CSV, TSV or Parquet file with the model's columns and its target.")
]
Page = Annotated[
    Path | None, typer.Option("--report", metavar="PAGE", help="Draw it as one page, too: a file that ends in .html.")
]

MOST_SHOWN = 10
"""Classes and columns on the screen; all of them are in JSON and on the page."""
GAP = 2
"""Characters between the columns of a table."""


def evaluate(model: Model, table: Rows, report: Page = None, json: Json = False) -> None:
    """Score a model on a table that had no part in its training: beside a simple baseline, by class and by column."""
    from deltarule.estimators.columns import UNUSED, named_columns
    from deltarule.estimators.scores import doubts
    from deltarule.estimators.tabular import TabularClassifier
    from deltarule.estimators.targets import named

    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"--report is {report}; give the page a name that ends in .html")
    check_output(report, "page", model=model, table=table)
    trained = chosen_model(model)
    classes = named(trained.classes_).tolist() if isinstance(trained, TabularClassifier) else None
    names, task = named_columns(trained.columns_), "regress" if classes is None else "classify"
    needed = [column.name for column in trained.columns_ if column.kind != UNUSED]
    with seen_at_work(f"{table} is read"):
        frame, y, notes = with_target(table, trained.target_, task, names, columns_used(trained), classes, needed)
    with seen_at_work(f"{table} is answered, and each column shuffled"), noted(notes):
        found = trained.inspect(frame, y)
    notes += doubts(found.scores, found.targets, found.answers)
    if report is not None:
        _draw(report, trained, found, shlex.join(["deltarule", "evaluate", str(model), str(table)]), notes)
    if json:
        asked = {"model": str(model), "table": str(table), "target": trained.target_, "scores": found.scores}
        details = {name: getattr(found, name) for name in ("classes", "mistakes", "calibration", "importances")}
        print_json(asked | details | {"notes": notes, "report": None if report is None else str(report)})
        return
    _show(trained, found)
    tell(notes)
    if report is not None:
        console().print(f"Written: {one_line(report)}", markup=False, soft_wrap=True)


def _draw(
    page: Path, model: "TabularClassifier | TabularRegressor", found: "Inspection", command: str, notes: list[str]
) -> None:
    from deltarule.estimators.model_page import model_page
    from deltarule.files import write_whole

    write_whole(page, model_page(model, found, [f"{command} --report {shlex.quote(str(page))}"], notes))


def _show(model: "TabularClassifier | TabularRegressor", found: "Inspection") -> None:
    from deltarule.data.cells import shown
    from deltarule.estimators.wording import SHUFFLED, classes_told, columns_told, score_lines

    show_lines([("target", shown(model.target_)), *score_lines(found.scores, model.usual_)])
    for cells in (classes_told(found), columns_told(found)):
        if len(cells) > 1:
            console().print()
            _show_table(cells[: MOST_SHOWN + 1])
            if len(cells) > MOST_SHOWN + 1:
                console().print(f"and {len(cells) - MOST_SHOWN - 1:,} more; --json and --report have them all")
    if found.importances:
        console().print(SHUFFLED)


def _show_table(cells: list[list[str]]) -> None:
    """Print rows of cells below their headings: numbers to the right, in one piece on a narrow screen too."""
    from rich.cells import cell_len
    from rich.text import Text

    from deltarule.estimators.wording import TAKEN_FOR
    from deltarule.reports.tables import plain_table

    screen = console()
    head, *rows = [[as_written(cell) for cell in row] for row in cells]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    whole = sum(max(cell_len(name), width) + GAP + 1 for name, width in zip(head, widths, strict=True)) - 1
    table = plain_table(padding=(0, GAP, 0, 0))
    for place, (name, width) in enumerate(zip(head, widths, strict=True)):
        if not place or name == TAKEN_FOR:
            table.add_column(name, overflow="fold")
        else:
            broken = name if whole <= screen.width else fill(name, max(1, width), break_long_words=False)
            table.add_column(broken, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    screen.print(table)
