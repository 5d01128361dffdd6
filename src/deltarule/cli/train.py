"""`deltarule train`: train a model on a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deltarule.cli.options import Json, check_output
from deltarule.cli.progress_line import show_elapsed_time
from deltarule.cli.table_commands import (
    Decimal,
    Separator,
    collect_warnings,
    print_notes,
    print_pairs,
    read_with_target,
)
from deltarule.cli.terminal import console, is_watched, print_json
from deltarule.errors import BadInput, one_line

if TYPE_CHECKING:
    import numpy as np

    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.estimators.tabular.scores import Scores
    from deltarule.estimators.tabular.tabular import PreparedTable
    from deltarule.tables.targets import Target as InferredTarget

Table = Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet file with named columns.")]
Target = Annotated[str, typer.Option("--target", metavar="COLUMN", help="Column to predict.")]
Task = Annotated[
    Literal["auto", "classify", "regress"],
    typer.Option("--task", help="Predict classes or numbers; auto decides by the target."),
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="COLUMN=KIND", help="Declare a column a number, a category or unused; repeatable."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of everything random.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="MODEL", help="Write the model to this file.")]


@dataclass(frozen=True)
class TrainOutcome:
    """Result of training on a table, with the fields of `deltarule train --json`.

    columns    name, type ("kind"), the reason for it and the inputs of each column
    settings   hyperparameters of the best candidate
    scores     on `validation_rows` of the rows
    out        file of the model, or None
    """

    table: str
    target: str
    task: str
    classes: list[Any] | None
    rows: int
    validation_rows: int
    columns: list[dict[str, Any]]
    candidates: int
    settings: dict[str, Any]
    scores: "Scores"
    notes: list[str]
    seconds: float
    out: str | None


def train(
    table: Table,
    target: Target,
    task: Task = "auto",
    type: Types = None,
    sep: Separator = None,
    decimal: Decimal = ".",
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Train a model on a table.

    Column types are inferred, hyperparameters chosen, and the score stands beside a simple baseline.
    """
    from deltarule.tables.diagnostics import render_diagnostics
    from deltarule.tables.targets import describe_target, infer_target

    check_output(out, "model", table=table)
    target, pairs = target.strip(), [_parse_type(text) for text in type or ()]
    types = dict(pairs)
    for name, kind in pairs:
        if types[name] != kind:
            raise BadInput(f"--type {name} is given twice, as {kind} and as {types[name]}; give one of them")
    if target in types:
        raise BadInput(f"--type {target}={types[target]} names the target; give --task classify or regress instead")
    categories = [name for name, kind in types.items() if kind == "category"]
    with show_elapsed_time(f"{table} is read"):
        frame, y, notes = read_with_target(
            table, target, categories, lambda name: types.get(name) != "unused", sep=sep, decimal=decimal
        )
    inferred = infer_target(y, task, f"{table}, column {target!r}")
    model = _unfitted_model(inferred, types, seed)
    y = _as_classes(inferred) if inferred.is_classes else inferred.values
    notes += render_diagnostics(describe_target(inferred, target)) if task == "auto" else []
    with show_elapsed_time(f"{table}: its columns are looked at"), collect_warnings(notes):
        prepared = model._prepare(frame, y)
    _print_plan(prepared, model._describe_work(prepared), json)
    with show_elapsed_time(f"{table}: settings are compared, then an ensemble is trained"), collect_warnings(notes):
        model._fit(prepared)
    model.target_ = target
    if out is not None:
        model.save(out)
    outcome = _outcome(model, table, notes, out)
    if json:
        print_json(outcome)
        return
    _print_training(model, outcome)


def _parse_type(text: str) -> tuple[str, str]:
    name, equals, kind = text.rpartition("=")
    if not equals:
        raise BadInput(f"--type {text} has no =; give COLUMN=KIND, as in --type zip=category")
    return name.strip(), kind


def _unfitted_model(
    target: "InferredTarget", types: dict[str, str], seed: int
) -> "TabularClassifier | TabularRegressor":
    """A new classifier or regressor for a target; refuses an invalid seed."""
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor

    if not 0 <= seed < 2**32:
        raise BadInput(f"the seed is {seed}; give a whole number from 0 to {2**32 - 1}")
    return (TabularClassifier if target.is_classes else TabularRegressor)(types, random_state=seed)


def _as_classes(target: "InferredTarget") -> "np.ndarray":
    """The classes [N] of a file's target."""
    from deltarule.tables.targets import class_names

    if target.code == "fractions":  # an estimator would take them for quantities
        return class_names(target.values)
    return target.values.astype(int) if target.code == "whole-numbers" else target.values


def _outcome(
    model: "TabularClassifier | TabularRegressor", table: Path, notes: list[str], out: Path | None
) -> TrainOutcome:
    """The record of a training, from the fitted model."""
    report, classes = model.report_, getattr(model, "classes_", None)
    return TrainOutcome(
        table=str(table),
        target=model.target_,
        task="regress" if classes is None else "classify",
        classes=None if classes is None else classes.tolist(),
        rows=report.rows,
        validation_rows=report.validation_rows,
        columns=[{"name": c.name, "kind": c.kind, "why": c.why, "inputs": list(c.inputs)} for c in model.columns_],
        candidates=report.candidates,
        settings=report.settings,
        scores=report.scores,
        notes=[*notes, *(note for note in report.notes if note not in notes)],
        seconds=report.seconds,
        out=None if out is None else str(out),
    )


def _print_plan(prepared: "PreparedTable", work: str, json: bool) -> None:
    """Print the inferred columns and the work ahead."""
    from rich.table import Table as Grid

    from deltarule.tables.cell_parsing import shorten

    if not json:
        grid = Grid(box=None, pad_edge=False)
        for name in ("column", "kind", "why", "inputs"):
            grid.add_column(name, overflow="fold")
        for column in prepared.columns:
            grid.add_row(shorten(column.name), column.kind, column.why, str(len(column.inputs)))
        console().print(grid)
        console().print()
    screen = console(to_errors=True)
    if not is_watched(screen):  # a terminal shows the elapsed seconds
        screen.print(f"{work} …", soft_wrap=True)


def _print_training(model: "TabularClassifier | TabularRegressor", outcome: TrainOutcome) -> None:
    """Print the network, settings and scores of a training."""
    from deltarule.reports.model_scores import describe_network, describe_settings, score_lines
    from deltarule.tables.cell_parsing import shorten

    values = "a number" if outcome.classes is None else f"{len(outcome.classes)} classes"
    print_pairs(
        [
            ("target", f"{shorten(outcome.target)}, {values}"),
            ("rows", f"{outcome.rows:,}, of which {outcome.validation_rows:,} were set aside to score"),
            ("network", describe_network(outcome.settings)),
            ("settings", describe_settings(outcome.settings, outcome.candidates)),
            *score_lines(outcome.scores, model.usual_),
            ("seconds", f"{outcome.seconds:.0f}"),
        ]
    )
    print_notes(outcome.notes)
    location = (
        f"Model: {one_line(outcome.out)}"
        if outcome.out
        else "Nothing is kept; add --out model.safetensors to keep the model."
    )
    console().print(location, markup=False, soft_wrap=True)
