"""`deltarule train`: train a model on a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from deltarule.cli.options import Dates, Json, TextOptions, argument, grouped, option
from deltarule.cli.output import Result, Shown, console, is_watched, remark, show_elapsed_time, show_shares
from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput, collect_warnings, count_of, one_line
from deltarule.reports.table import Pairs

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.estimators.tabular.scores import Scores
    from deltarule.tables.frame import Frame
    from deltarule.tables.readings import ColumnReading

Table = Annotated[Path, argument("TABLE", "File (CSV, TSV, XLSX, Parquet) with named columns, or - for stdin.")]
Target = Annotated[str, option("--target", "Column to predict.", "COLUMN")]
Task = Annotated[Literal["auto", "classify", "regress"], option("--task", "auto decides by the target.")]
Types = Annotated[
    list[str] | None,
    option(
        "--type",
        "Make it a number, category, text, unused, or say the order, as size=low<high; repeatable.",
        "COLUMN=KIND",
    ),
]
Missing = Annotated[
    list[str] | None,
    option("--missing", "Code for missing values, of one column or all, such as age=99; repeatable.", "[COLUMN=]CODE"),
]
Group = Annotated[
    str | None, option("--group", "What a row belongs to, such as a patient: score on other groups.", "COLUMN")
]
Time = Annotated[
    str | None,
    option("--time", "Numbers or dates, which stay inputs: score on rows later than those trained on.", "COLUMN"),
]
Weight = Annotated[
    str | None, option("--weight", "How much each row counts in training, scores and intervals; no input.", "COLUMN")
]
Preset = Annotated[
    Literal["default", "fast", "best"],
    option(
        "--preset",
        "best trains four networks of each kind; fast compares four settings and trains at most two networks.",
    ),
]
Metric = Annotated[
    Literal["accuracy", "auc", "log_loss", "r2", "mae"] | None,
    option("--metric", "Choose settings by it; default accuracy or r2."),
]
TimeLimit = Annotated[
    float | None,
    option("--time-limit", "Take about this long at most; the result then depends on the computer.", "SECONDS"),
]
Seed = Annotated[int, option("--seed", "Seed of everything random.", "S", min=0, max=2**32 - 1)]
Out = Annotated[Path | None, option("--out", "Write the model to this file.", "MODEL"), Output("model")]
MAX_LISTED_COLUMNS, MAX_CELL_CHARACTERS = 30, 12
KIND_NAMES = {
    "number": "of numbers",
    "category": "of categories",
    "text": "of text",
    "date": "of dates",
    "unused": "unused",
}


@dataclass(frozen=True)
class TrainOutcome:
    """Result of training on a table, with the fields of `deltarule train --json`.

    columns    name, type ("kind"), the reason for it and the inputs of each column
    settings   hyperparameters of the best candidate
    scores     on `validation_rows` of the rows
    readings   some cells of each column, as they are written and as they are read
    kinds      number of kinds of networks whose mean the predictions are
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
    metric: str
    settings: dict[str, Any]
    scores: "Scores"
    notes: list[str]
    seconds: float
    kinds: int
    readings: Sequence["ColumnReading"]
    out: str | None


@grouped
def train(
    *,
    table: Table,
    target: Target,
    task: Task = "auto",
    type: Types = None,
    text: TextOptions,
    dates: Dates = None,
    missing: Missing = None,
    group: Group = None,
    time: Time = None,
    weight: Weight = None,
    preset: Preset = "default",
    metric: Metric = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> Result:
    """Train a model on a table.

    Column types are inferred, hyperparameters chosen, and the score stands beside a simple baseline.
    """
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.reports.model_page import score_line
    from deltarule.tables.column_types import levels_of
    from deltarule.tables.diagnostics import render_diagnostics
    from deltarule.tables.reader import read_with_target
    from deltarule.tables.targets import describe_target, infer_target

    target = target.strip()
    types = _parse_types(type or [])
    if target in types:
        raise BadInput(f"--type {target}={types[target]} names the target; give --task classify or regress instead")
    texts = [name for name, kind in types.items() if kind in ("category", "text") or levels_of(kind)]
    notes: list[str] = []
    with show_elapsed_time(f"{table} is read"), collect_warnings(notes):
        text_format = replace(text.text_format(), missing=_parse_codes(missing or []))
        frame, y, left_out = read_with_target(table, target, texts, text_format)
    notes += left_out
    codes: dict[str, list[str]] = {}
    for name, code in text_format.missing:
        for column in [name] if name else frame:
            codes.setdefault(column, []).append(code)
    codes.pop(target, None)  # rows without it are left out
    groups = _named_column(frame, group, "--group", is_input=False)
    times = _named_column(frame, time, "--time", is_input=True)
    weights = _named_column(frame, weight, "--weight", is_input=False)
    inferred = infer_target(y, task, f"{table}, column {target!r}")
    model = (TabularClassifier if inferred.is_classes else TabularRegressor)(
        types, random_state=seed, dates=dates, missing=codes, preset=preset, metric=metric, time_limit=time_limit
    )
    notes += render_diagnostics(describe_target(inferred, target)) if task == "auto" else []
    with show_elapsed_time(f"{table}: its columns are looked at"), collect_warnings(notes):
        prepared = model._prepare(frame, inferred.labels, groups, times, weights)
    notes += _notes_on_time(model, time)
    if not json:
        remark(_column_lines(model, prepared.readings), to_errors=False)
    if not is_watched(console(to_errors=True)):  # a terminal shows the elapsed seconds
        remark(["settings are compared, then an ensemble is trained …"])
    with show_shares(str(table)) as progress, collect_warnings(notes):
        model._fit(prepared, progress)
    model.target_, model.target_form_ = target, frame.forms.get(target)
    if out is not None:
        model.save(out)
    outcome = _train_outcome(model, table, notes, out)
    return Result(outcome, _training_lines(model, outcome), verdict=score_line(outcome.scores, model.usual_))


def _notes_on_time(model: "TabularClassifier | TabularRegressor", time: str | None) -> list[str]:
    name = (time or "").strip()
    if time is None or not any(column.origin == name and column.inputs for column in model.columns_):
        return []
    return [f"{name!r} stays an input; say --type {name}=unused to leave it out"]


def _column_lines(model: "TabularClassifier | TabularRegressor", readings: Sequence["ColumnReading"]) -> Shown:
    """The number of columns of each kind, those that are no plain numbers or texts, and some cells of each column."""
    from deltarule.reports.model_page import reading_table, type_table

    columns = {column.origin: column for column in model.columns_}
    kinds = Counter("date" if column.part else column.kind for column in columns.values())
    yield f"{count_of(len(columns), 'column')}: " + ", ".join(
        f"{count:,} {KIND_NAMES[kind]}" for kind, count in kinds.most_common()
    )
    exceptions = type_table(model, exceptions_only=True)
    if 0 < len(exceptions.rows) <= MAX_LISTED_COLUMNS:
        yield exceptions
    elif exceptions.rows:
        yield f"{len(exceptions.rows)} of them are read in another way than most; --json lists them"
    yield ""
    changed = [each for each in readings if any(raw != read for raw, read in (each.first, each.largest))]
    listed = readings if len(readings) <= MAX_LISTED_COLUMNS else changed[:MAX_LISTED_COLUMNS]
    if listed:
        yield from (reading_table(listed, MAX_CELL_CHARACTERS), "")


def _parse_codes(texts: list[str]) -> list[tuple[str, str]]:
    """Codes for missing values, each with its column, or "" for all."""
    parts = [text.rpartition("=") for text in texts]
    return [(name.strip(), code.strip()) for name, _, code in parts]


def _named_column(frame: "Frame", name: str | None, option: str, is_input: bool) -> Any:
    """The values of a column that an option names; one that is no input is taken out of the table."""
    from deltarule.tables.cell_texts import list_names

    if name is None:
        return None
    if name.strip() not in frame:
        raise BadInput(
            f"{option} {name}: there is no such column besides the target; name one of {list_names(list(frame))}"
        )
    return frame[name.strip()] if is_input else frame.pop(name.strip())


def _parse_types(texts: list[str]) -> dict[str, str]:
    """The kinds of columns by name, from COLUMN=KIND."""
    types: dict[str, str] = {}
    for text in texts:
        name, equals, kind = text.partition("=") if "<" in text else text.rpartition("=")
        if not equals:
            raise BadInput(f"--type {text} has no =; give COLUMN=KIND, as in --type zip=category")
        types[name.strip()] = kind
    return types


def _train_outcome(
    model: "TabularClassifier | TabularRegressor", table: Path, notes: list[str], out: Path | None
) -> TrainOutcome:
    classes = getattr(model, "classes_", None)
    report = vars(model.report_)
    more_notes = [note for note in report["notes"] if note not in notes]
    return TrainOutcome(
        table=str(table),
        target=model.target_,
        task="regress" if classes is None else "classify",
        classes=None if classes is None else classes.tolist(),
        columns=[{"name": c.name, "kind": c.kind, "why": c.why, "inputs": list(c.inputs)} for c in model.columns_],
        out=None if out is None else str(out),
        **report | {"notes": [*notes, *more_notes]},
    )


def _training_lines(model: "TabularClassifier | TabularRegressor", outcome: TrainOutcome) -> Shown:
    from deltarule.reports.model_page import describe_networks, describe_settings, score_lines
    from deltarule.tables.cell_texts import shorten

    values = "a number" if outcome.classes is None else f"{len(outcome.classes)} classes"
    yield Pairs(
        [
            ("target", f"{shorten(outcome.target)}, {values}"),
            ("rows", f"{outcome.rows:,}, of which {outcome.validation_rows:,} were set aside to score"),
            ("network", describe_networks(model)),
            ("settings", describe_settings(outcome.settings, outcome.candidates, outcome.metric)),
            *score_lines(outcome.scores, model.usual_),
            ("seconds", f"{outcome.seconds:.0f}"),
        ]
    )
    yield from (f"Note: {note}." for note in outcome.notes)
    if outcome.out:
        yield f"Model: {one_line(outcome.out)}"
    else:
        yield "Nothing is kept; add --out model.safetensors to keep the model."
