"""`deltarule evaluate`: how good a model is on rows whose target is known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.common import Json, print_json
from deltarule.cli.tables import Model, chosen_model, noted, score_lines, show_lines, tell, with_target

Rows = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A CSV, TSV or Parquet file with the model's columns and its target.")
]


def evaluate(model: Model, table: Rows, json: Json = False) -> None:
    """Score a model on a table that had no part in its training, beside a simple baseline."""
    from deltarule.estimators.columns import named_columns

    trained = chosen_model(model)
    classes, names = getattr(trained, "classes_", None), named_columns(trained.columns_)
    frame, y, notes = with_target(table, trained.target_, "regress" if classes is None else "classify", names)
    notes += _unknown(y, classes)
    with noted(notes):
        scores = trained.evaluate(frame, y)
    if json:
        print_json(
            {"model": str(model), "table": str(table), "target": trained.target_, "scores": scores, "notes": notes}
        )
        return
    show_lines([("target", trained.target_), *score_lines(scores, trained.usual_)])
    tell(notes)


def _unknown(y: Any, classes: Any) -> list[str]:
    """A sentence where the target has classes that the model does not know."""
    from deltarule.data.cells import as_named, as_text

    if classes is None:
        return []
    known = [as_text(name) for name in classes.tolist()]
    unknown = sorted({*as_named([as_text(value) for value in y.tolist()], known)} - {*known})
    told = ", ".join(map(repr, unknown[:5]))
    return [f"the model does not know the classes {told}, so it cannot say them"] if unknown else []
