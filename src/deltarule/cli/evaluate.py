"""`deltarule evaluate`: score a model on a table."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.options import Json, check_output
from deltarule.cli.progress_line import show_elapsed_time
from deltarule.cli.table_commands import (
    Decimal,
    Model,
    Separator,
    collect_warnings,
    load_table_model,
    print_notes,
    print_pairs,
    read_with_target,
    used_column_filter,
)
from deltarule.cli.terminal import console, print_json
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


def evaluate(
    model: Model, table: Rows, sep: Separator = None, decimal: Decimal = ".", report: Page = None, json: Json = False
) -> None:
    """Score a model on a table it was not trained on.

    The score stands beside a simple baseline, with details by class and by column.
    """
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.scores import baseline_warnings
    from deltarule.tables.column_encoder import UNUSED, category_columns

    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"--report is {report}; give the page a name that ends in .html")
    check_output(report, "page", model=model, table=table)
    trained = load_table_model(model)
    categories = category_columns(trained.columns_)
    if isinstance(trained, TabularClassifier):  # 01 stays a class, though all classes of this table are digits
        categories = [*categories, trained.target_]
    needed = [column.name for column in trained.columns_ if column.kind != UNUSED]
    with show_elapsed_time(f"{table} is read"):
        frame, y, notes = read_with_target(
            table, trained.target_, categories, used_column_filter(trained), needed, sep, decimal
        )
    with show_elapsed_time(f"{table} is answered, and each column shuffled"), collect_warnings(notes):
        inspection = trained.inspect(frame, y)
    notes += baseline_warnings(inspection.scores, inspection.targets, inspection.answers)
    if report is not None:
        from deltarule.reports.model_page import model_page

        command = shlex.join(["deltarule", "evaluate", str(model), str(table), "--report", str(report)])
        write_whole(report, model_page(trained, inspection, [command], notes))
    if json:
        summary = {"model": str(model), "table": str(table), "target": trained.target_, "scores": inspection.scores}
        details = {name: getattr(inspection, name) for name in ("classes", "mistakes", "calibration", "importances")}
        print_json(summary | details | {"notes": notes, "report": None if report is None else str(report)})
        return
    _print_evaluation(trained, inspection)
    print_notes(notes)
    if report is not None:
        console().print(f"Written: {one_line(report)}", markup=False, soft_wrap=True)


def _print_evaluation(model: "TabularClassifier | TabularRegressor", inspection: "Inspection") -> None:
    """Print the scores of an evaluation, and its tables by class and by column."""
    from deltarule.reports.model_scores import (
        SHUFFLED,
        class_table,
        importance_caveat,
        importance_table,
        score_lines,
    )
    from deltarule.tables.cell_parsing import shorten

    print_pairs([("target", shorten(model.target_)), *score_lines(inspection.scores, model.usual_)])
    for cells in (class_table(inspection), importance_table(inspection)):
        if len(cells) > 1:
            console().print()
            _show_table(cells[: MAX_SHOWN + 1])
            if len(cells) > MAX_SHOWN + 1:
                console().print(f"and {len(cells) - MAX_SHOWN - 1:,} more; --json and --report have them all")
    if inspection.importances:
        console().print(" ".join([SHUFFLED, importance_caveat(inspection)]).strip())


def _show_table(cells: list[list[str]]) -> None:
    """Print rows of cells without the columns that are empty below the heading."""
    from deltarule.reports.model_scores import TAKEN_FOR

    columns = [column for column in zip(*cells, strict=True) if any(column[1:])]
    headings, *rows = [list(row) for row in zip(*columns, strict=True)]
    are_names = [not index or name == TAKEN_FOR for index, name in enumerate(headings)]
    console().print(fitted_table(headings, rows, are_names))
