"""`deltarule predict`: print a model's predictions for the rows of a table as CSV."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

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
    used_column_filter,
)
from deltarule.cli.terminal import data_output, print_json
from deltarule.errors import BadInput
from deltarule.files import write_whole

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.tables.frame import Frame

Rows = Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet file with the model's columns.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the predictions to this file: CSV, or with tabs if it ends in .tsv."
    ),
]
BINARY_FORMATS = {".parquet": "Parquet", ".xlsx": "Excel's", ".xls": "Excel's", ".ods": "OpenDocument"}
"""Names of the formats of table files that are not text, by ending."""


def predict(
    model: Model, table: Rows, sep: Separator = None, decimal: Decimal = ".", out: Out = None, json: Json = False
) -> None:
    """Predict each row of a table: a class with the probability of each class, or a number."""
    from deltarule.reports.formatting import visible
    from deltarule.tables.column_encoder import category_columns
    from deltarule.tables.frame import count_rows
    from deltarule.tables.reader import DELIMITERS, read_frame

    ending = ".csv" if out is None else out.suffix.lower()
    if ending in BINARY_FORMATS:
        raise BadInput(
            f"{out} would be {BINARY_FORMATS[ending]}, but answers are written as text; end the name in .csv or .tsv"
        )
    check_output(out, "answers", table=table, model=model)
    trained = load_table_model(model)
    notes: list[str] = []
    with show_elapsed_time(f"{table} is read"):
        frame = read_frame(table, category_columns(trained.columns_), used_column_filter(trained), sep, decimal)
    if not count_rows(frame):
        raise BadInput(f"{table} has a header but no rows; add the rows to predict")
    with show_elapsed_time(f"{table} is answered"), collect_warnings(notes):
        predicted = _predict(trained, frame)
    print_notes(notes, to_errors=True)
    text = _as_csv(trained.target_, predicted, DELIMITERS.get(ending, ","))
    if out is not None:
        write_whole(out, text)
    if json:
        print_json({"model": str(model), "table": str(table), "target": trained.target_, "notes": notes} | predicted)
    elif out is None:
        stdout = data_output()
        stdout.write(visible(text) if stdout.isatty() else text)
        stdout.flush()


def _predict(model: "TabularClassifier | TabularRegressor", frame: "Frame") -> dict[str, Any]:
    """The predictions of all rows, with class probabilities from a classifier."""
    from deltarule.estimators.tabular.classifier import TabularClassifier

    if not isinstance(model, TabularClassifier):
        return {"predictions": model.predict(frame).tolist(), "classes": None, "probabilities": None}
    p = model.predict_proba(frame)
    return {
        "predictions": model.classes_[p.argmax(axis=1)].tolist(),
        "classes": model.classes_.tolist(),
        "probabilities": p.tolist(),
    }


def _as_csv(target: str, predicted: dict[str, Any], delimiter: str) -> str:
    """Format what `_predict` returns as CSV."""
    lines: list[str] = []
    # The writer quotes whatever may end a line; with its own line ends it also quotes a lone \r.
    stream = SimpleNamespace(write=lambda line: lines.append(line.removesuffix("\r\n") + "\n"))
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow([target, *(f"probability of {name}" for name in predicted["classes"] or ())])
    for row, prediction in enumerate(predicted["predictions"]):
        writer.writerow([prediction, *(predicted["probabilities"][row] if predicted["classes"] else ())])
    return "".join(lines)
