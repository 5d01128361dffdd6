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
    trained = chosen_model(model)
    frame, y, notes = with_target(table, trained.target_)
    y = _as_classes(y, getattr(trained, "classes_", None), notes)
    with noted(notes):
        scores = trained.evaluate(frame, y)
    if json:
        print_json(
            {"model": str(model), "table": str(table), "target": trained.target_, "scores": scores, "notes": notes}
        )
        return
    show_lines([("target", trained.target_), *score_lines(scores, trained.usual_)])
    tell(notes)


def _as_classes(y: Any, classes: Any, notes: list[str]) -> Any:
    """The target by the names of the model's classes; those that it does not know are noted."""
    import numpy as np

    from deltarule.data.frame import as_text

    if classes is None:
        return y
    if classes.dtype.kind in "OU" and y.dtype.kind != "O":  # this table happens to hold nothing but numbers
        y = np.array([as_text(value) for value in y.tolist()], object)
    unknown = sorted({as_text(value) for value in set(y.tolist()) - set(classes.tolist())})
    if unknown:
        notes.append(f"the model does not know the classes {', '.join(map(repr, unknown[:5]))}, so it cannot say them")
    return y
