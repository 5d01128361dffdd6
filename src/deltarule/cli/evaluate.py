"""`deltarule evaluate`: score a model on new rows, show its mistakes and the importance of each column."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.options import Json, check_output
from deltarule.cli.progress_line import show_elapsed_time
from deltarule.cli.table_commands import (
    Model,
    chosen_model,
    collect_warnings,
    columns_used,
    print_notes,
    show_lines,
    with_target,
)
from deltarule.cli.terminal import as_written, console, name_as_written, print_json
from deltarule.errors import BadInput, one_line
from deltarule.files import write_whole
from deltarule.reports.terminal_layout import fitted_table

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.evaluation import Inspection
    from deltarule.estimators.tabular.regressor import TabularRegressor

Rows = Annotated[
    Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet file with the model's columns and its target.")
]
Page = Annotated[
    Path | None, typer.Option("--report", metavar="PAGE", help="Also write an HTML page; its name ends in .html.")
]

MAX_SHOWN = 10
"""Classes and columns printed on the screen; JSON and the page have all."""


def evaluate(model: Model, table: Rows, report: Page = None, json: Json = False) -> None:
    """Score a model on a table it was not trained on.

    The score stands beside a simple baseline, with details by class and by column.
    """
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.scores import baseline_warnings
    from deltarule.tables.column_encoder import UNUSED, category_columns
    from deltarule.tables.target_validation import class_names

    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"--report is {report}; give the page a name that ends in .html")
    check_output(report, "page", model=model, table=table)
    trained = chosen_model(model)
    classes = class_names(trained.classes_).tolist() if isinstance(trained, TabularClassifier) else None
    names, task = category_columns(trained.columns_), "regress" if classes is None else "classify"
    needed = [column.name for column in trained.columns_ if column.kind != UNUSED]
    with show_elapsed_time(f"{table} is read"):
        frame, y, notes = with_target(table, trained.target_, task, names, columns_used(trained), classes, needed)
    with show_elapsed_time(f"{table} is answered, and each column shuffled"), collect_warnings(notes):
        found = trained.inspect(frame, y)
    notes += baseline_warnings(found.scores, found.targets, found.answers)
    if report is not None:
        _write_page(report, trained, found, shlex.join(["deltarule", "evaluate", str(model), str(table)]), notes)
    if json:
        asked = {"model": str(model), "table": str(table), "target": trained.target_, "scores": found.scores}
        details = {name: getattr(found, name) for name in ("classes", "mistakes", "calibration", "importances")}
        print_json(asked | details | {"notes": notes, "report": None if report is None else str(report)})
        return
    _print_evaluation(trained, found)
    print_notes(notes)
    if report is not None:
        console().print(f"Written: {one_line(report)}", markup=False, soft_wrap=True)


def _write_page(
    page: Path, model: "TabularClassifier | TabularRegressor", found: "Inspection", command: str, notes: list[str]
) -> None:
    from deltarule.estimators.tabular.model_page import model_page

    write_whole(page, model_page(model, found, [f"{command} --report {shlex.quote(str(page))}"], notes))


def _print_evaluation(model: "TabularClassifier | TabularRegressor", found: "Inspection") -> None:
    from deltarule.estimators.tabular.formatting import (
        SHUFFLED,
        class_table,
        importance_caveat,
        importance_table,
        score_lines,
    )
    from deltarule.tables.cell_parsing import shorten

    show_lines([("target", shorten(model.target_)), *score_lines(found.scores, model.usual_)])
    for cells in (class_table(found), importance_table(found)):
        if len(cells) > 1:
            console().print()
            _show_table(cells[: MAX_SHOWN + 1])
            if len(cells) > MAX_SHOWN + 1:
                console().print(f"and {len(cells) - MAX_SHOWN - 1:,} more; --json and --report have them all")
    if found.importances:
        console().print(" ".join([SHUFFLED, importance_caveat(found)]).strip())


def _show_table(cells: list[list[str]]) -> None:
    """Print a table without its empty columns."""
    from deltarule.estimators.tabular.formatting import TAKEN_FOR

    cells = [list(row) for row in zip(*(one for one in zip(*cells, strict=True) if any(one[1:])), strict=True)]
    are_names = [not index or name == TAKEN_FOR for index, name in enumerate(cells[0])]
    written = [name_as_written if are else as_written for are in are_names]
    rows = [[write(cell) for write, cell in zip(written, row, strict=True)] for row in cells[1:]]
    console().print(fitted_table([as_written(name) for name in cells[0]], rows, are_names))
