"""`deltarule evaluate`: how good a model is on rows whose target is known."""

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.common import Json, print_json
from deltarule.cli.tables import Model, chosen_model, columns_used, noted, score_lines, show_lines, tell, with_target

Rows = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A CSV, TSV or Parquet file with the model's columns and its target.")
]


def evaluate(model: Model, table: Rows, json: Json = False) -> None:
    """Score a model on a table that had no part in its training, beside a simple baseline."""
    from deltarule.estimators.columns import UNUSED, named_columns
    from deltarule.estimators.tabular import TabularClassifier
    from deltarule.estimators.targets import named

    trained = chosen_model(model)
    classes = named(trained.classes_).tolist() if isinstance(trained, TabularClassifier) else None
    names, task = named_columns(trained.columns_), "regress" if classes is None else "classify"
    needed = [column.name for column in trained.columns_ if column.kind != UNUSED]
    frame, y, notes = with_target(table, trained.target_, task, names, columns_used(trained), classes, needed)
    with noted(notes):
        scores = trained.evaluate(frame, y)
    if json:
        print_json(
            {"model": str(model), "table": str(table), "target": trained.target_, "scores": scores, "notes": notes}
        )
        return
    show_lines([("target", trained.target_), *score_lines(scores, trained.usual_)])
    tell(notes)
