"""The commands predict, evaluate and export, which use a trained model."""

import csv
import io
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from deltarule.cli.options import Data, Json, TextOptions, argument, grouped, option
from deltarule.cli.output import Result, Shown, data_output, remark, show_elapsed_time
from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput, collect_warnings, one_line, visible
from deltarule.files import check_can_write, write_whole
from deltarule.reports.table import Pairs

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.evaluation import Inspection
    from deltarule.estimators.tabular.predictor import TablePredictor
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.tables.frame import Frame
    from deltarule.tables.reader import TextFormat

Model = Annotated[Path, argument("MODEL", "Model file that `deltarule train --out` wrote.")]

# --- predict ----------------------------------------------------------------------------------------------------------

Rows = Annotated[Path, argument("TABLE", "File (CSV, TSV, XLSX, Parquet) with the model's columns, or - for stdin.")]
Out = Annotated[
    Path | None,
    option("--out", "Write to this file: CSV, or with tabs if it ends in .tsv.", "FILE"),
    Output("predictions"),
]
Interval = Annotated[
    float | None, option("--interval", "Also write limits of so many new numbers, as 0.9 of them.", "SHARE")
]
Keep = Annotated[list[str] | None, option("--keep", "Also write this column of the table; repeatable.", "COLUMN")]


@grouped
def predict(
    model: Model,
    table: Rows,
    text: TextOptions,
    keep: Keep = None,
    interval: Interval = None,
    out: Out = None,
    json: Json = False,
) -> Result:
    """Predict the class or the number of each row of a table."""
    from deltarule.estimators.model_file import load_predictor
    from deltarule.tables.column_encoder import texts_of
    from deltarule.tables.text_files import DELIMITERS

    ending = ".csv" if out is None else out.suffix.lower()
    if ending not in (*DELIMITERS, ".txt", ""):
        raise BadInput(f"{out}: answers are written as text; end the name in .csv or .tsv")
    predictor = load_predictor(model)
    if interval is not None:
        _check_interval(predictor, interval)
    notes: list[str] = []
    with show_elapsed_time(f"{table} is read"), collect_warnings(notes):
        frame = _read_rows(predictor, table, keep or [], text.text_format())
    with show_elapsed_time(f"{table} is answered"), collect_warnings(notes):
        answers = predictor.predict(frame)
    remark(f"Note: {note}." for note in notes)
    kept = {name: texts_of(frame[name]) for name in keep or ()}
    predicted = _predicted(predictor, answers, interval)
    written = _as_csv(predictor.target, predicted, kept, DELIMITERS.get(ending, ","))
    if out is not None:
        write_whole(out, written)
    elif not json:
        stdout = data_output()
        stdout.write(visible(written) if stdout.isatty() else written)
    return Result(
        {"model": str(model), "table": str(table), "target": predictor.target, "notes": notes, "kept": kept} | predicted
    )


def _read_rows(predictor: "TablePredictor", table: Path, keep: list[str], text_format: "TextFormat") -> "Frame":
    """Read the rows to predict, with columns that are kept as they are in the file."""
    from deltarule.tables.cell_texts import list_names
    from deltarule.tables.column_encoder import NUMBER, text_columns
    from deltarule.tables.frame import count_rows
    from deltarule.tables.reader import read_frame

    read_as_numbers = {c.name for c in predictor.columns if c.kind == NUMBER and not c.levels}
    texts = [*text_columns(predictor.columns), *({*keep} - read_as_numbers)]
    forms = {column.origin: column.form for column in predictor.columns}
    frame = read_frame(table, texts, text_format, forms=forms)
    if unknown := [name for name in keep if name not in frame]:
        raise BadInput(f"--keep {unknown[0]}: {table} has no such column; it has: {list_names(list(frame))}")
    if not count_rows(frame):
        raise BadInput(f"{table} has a header but no rows; add the rows to predict")
    return frame


def _check_interval(predictor: "TablePredictor", interval: float) -> None:
    if predictor.intervals is None or not 0 < interval < 1:
        reason = "the model predicts classes" if predictor.intervals is None else "give a share between 0 and 1"
        raise BadInput(f"--interval {interval:g} is for numbers, as 0.9; {reason}")


def _predicted(predictor: "TablePredictor", answers: Any, interval: float | None) -> dict[str, Any]:
    """Predictions as lists: classes with their probabilities, or numbers, perhaps with limits."""
    if (classes := predictor.classes) is not None:
        best = classes[answers.argmax(axis=1)]
        return {"predictions": best.tolist(), "classes": classes.tolist(), "probabilities": answers.tolist()}
    predicted: dict[str, Any] = {"predictions": answers.tolist(), "classes": None, "probabilities": None}
    if predictor.intervals is not None and interval is not None:
        limits = predictor.intervals.quantiles(answers, [(1 - interval) / 2, (1 + interval) / 2]).T.tolist()
        predicted |= {"low": limits[0], "high": limits[1]}
    return predicted


def _as_csv(target: str, predicted: dict[str, Any], kept: dict[str, list[str]], delimiter: str) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    beside = [f"probability of {name}" for name in predicted["classes"] or ()]
    numbers = predicted["probabilities"] or [()] * len(predicted["predictions"])
    if "low" in predicted:
        beside = [f"{target}: low", f"{target}: high"]
        numbers = [*zip(predicted["low"], predicted["high"], strict=True)]
    writer.writerow([*kept, target, *beside])
    for row, (prediction, others) in enumerate(zip(predicted["predictions"], numbers, strict=True)):
        writer.writerow([*(texts[row] for texts in kept.values()), prediction, *others])
    return stream.getvalue()


# --- evaluate ---------------------------------------------------------------------------------------------------------

EvaluatedRows = Annotated[Path, argument("TABLE", "File as for predict, with the target, too; or - for stdin.")]
Page = Annotated[
    Path | None, option("--report", "Also write an HTML page; its name ends in .html.", "PAGE"), Output("page")
]


@grouped
def evaluate(
    model: Model,
    table: EvaluatedRows,
    text: TextOptions,
    report: Page = None,
    json: Json = False,
) -> Result:
    """Score a model on a table it was not trained on.

    The score stands beside a simple baseline, with details by class and by column.
    """
    from deltarule.estimators.model_file import load_model, load_predictor
    from deltarule.estimators.tabular.scores import baseline_warnings
    from deltarule.reports.model_page import score_line
    from deltarule.tables.cell_texts import as_text
    from deltarule.tables.column_encoder import NUMBER, Column, numbers_of_column, text_columns
    from deltarule.tables.frame import Frame
    from deltarule.tables.reader import read_with_target

    load_predictor(model)  # refuses what takes no tables
    trained = load_model(model)
    categories = text_columns(trained.columns_)
    if hasattr(trained, "classes_"):  # 01 stays a class, though all classes of this table are digits
        categories = [*categories, trained.target_]
    notes: list[str] = []
    with show_elapsed_time(f"{table} is read"), collect_warnings(notes):
        of_target = Column(trained.target_, NUMBER, form=getattr(trained, "target_form_", None))
        frame, y, missing = read_with_target(
            table,
            trained.target_,
            categories,
            text.text_format(),
            forms={column.origin: column.form for column in (*trained.columns_, of_target)},
            classes=[*map(as_text, getattr(trained, "classes_", ()))],
        )
    if not hasattr(trained, "classes_"):
        y = numbers_of_column(of_target, Frame({trained.target_: y}, frame.forms))
    notes += missing
    with show_elapsed_time(f"{table} is answered, and each column shuffled"), collect_warnings(notes):
        inspection = trained.inspect(frame, y)
    notes += baseline_warnings(inspection.scores, inspection.targets, inspection.answers)
    if report is not None:
        from deltarule.reports.model_page import model_page

        command = shlex.join(["deltarule", "evaluate", str(model), str(table), "--report", str(report)])
        write_whole(report, model_page(trained, inspection, [command], notes))
    summary = {"model": str(model), "table": str(table), "target": trained.target_, "scores": inspection.scores}
    details = {name: getattr(inspection, name) for name in ("classes", "mistakes", "calibration", "importances")}
    record = summary | details | {"notes": notes, "report": None if report is None else str(report)}
    score = score_line(inspection.scores, trained.usual_)
    return Result(record, _evaluation_lines(trained, inspection, notes, report), verdict=score)


def _evaluation_lines(
    model: "TabularClassifier | TabularRegressor", inspection: "Inspection", notes: list[str], report: Path | None
) -> Shown:
    from deltarule.reports.model_page import SHUFFLED, class_table, importance_caveat, importance_table, score_lines
    from deltarule.tables.cell_texts import shorten

    yield Pairs([("target", shorten(model.target_)), *score_lines(inspection.scores, model.usual_)])
    for listed in (class_table(inspection), importance_table(inspection)):
        if listed.rows:
            yield from ("", listed.without_empty_columns())
    if inspection.importances:
        yield " ".join([SHUFFLED, importance_caveat(inspection)]).strip()
    yield from (f"Note: {note}." for note in notes)
    if report is not None:
        yield f"Written: {one_line(report)}"


# --- export -----------------------------------------------------------------------------------------------------------

FILE_ENDINGS = {"script": ".py", "onnx": ".onnx", "safetensors": ".weights.safetensors", "torch": ".torch.py"}
MAX_PRINTED_LOSSES = 12

Exported = Annotated[Path, argument("RUN|MODEL", "Folder of `deltarule run --out` or file of `deltarule train --out`.")]
Form = Literal["script", "onnx", "safetensors", "torch"]
To = Annotated[Form, option("--to", "script (plain NumPy); for a model also the others.")]
Member = Annotated[int, option("--member", "Network to export, from 0: of a run, or of a model with --to torch.", "K")]
File = Annotated[
    Path | None, option("--out", "File to write; default: beside what is exported.", "FILE"), Output("export")
]


def export(run: Exported, to: To, member: Member = 0, out: File = None, data: Data = None) -> Result:
    """Convert a trained run or model to NumPy, ONNX, plain arrays or PyTorch."""
    path = _export_run(run, to, member, out, data) if run.is_dir() else _export_model(run, to, member, out)
    return Result(None, [f"Written: {path}"])


def _export_model(source: Path, to: Form, member: int, out: Path | None) -> Path:
    from deltarule.estimators.model_file import load_model, save_weights
    from deltarule.export.model_scripts import numpy_script, torch_script
    from deltarule.export.onnx_graph import to_onnx

    if member and to != "torch":
        raise BadInput(f"--to {to} holds all members; leave --member out, or give --to torch")
    has_ending = source.suffix.lower() == ".safetensors"
    name = source.stem if has_ending else source.name  # any other ending is part of the name, as in churn-1.1
    path = source.with_name(name + FILE_ENDINGS[to]) if out is None else out
    if out is None:
        check_can_write(path)
        if path.exists():
            raise BadInput(f"{path} is there already; name it with --out to overwrite it, or another file")
    model: Any = load_model(source)
    if to == "onnx":
        to_onnx(model, path)
    elif to == "safetensors":
        save_weights(model, path)
    else:
        write_whole(path, numpy_script(model) if to == "script" else torch_script(model, member))
    return path


def _export_run(run: Path, to: Form, member: int, out: Path | None, data: Path | None) -> Path:
    """Write one network of a run as a NumPy script and return its path."""
    import numpy as np

    from deltarule.export.training_script import training_script
    from deltarule.reports.chart import select_evenly
    from deltarule.studies.run_records import read_run

    if to != "script":
        raise BadInput(f'there is no form "{to}" to export a run to; give --to script')
    recipe, dataset, trained = read_run(run, data)
    members = trained.problem.members
    if not 0 <= member < members:
        raise BadInput(f"there is no member {member}; the run has the members 0 to {members - 1}")
    ended = int(trained.steps[member])
    objective = trained.history.objective[:, member].tolist()
    losses = {step: loss for step, loss in zip(trained.history.steps, objective, strict=True) if step <= ended}
    shown = select_evenly(np.array([step for step, loss in losses.items() if np.isfinite(loss)]), MAX_PRINTED_LOSSES)
    study = f"{recipe.name}, {recipe.experiment}" if recipe.experiment else recipe.name
    script = training_script(
        trained.problem,
        member=member,
        steps=ended,
        losses={step: losses[step] for step in shown.tolist()},
        title=f"{study} on {dataset.name}, member {member} (seed {trained.problem.seeds[member]})",
    )
    path = run / "script.py" if out is None else out
    write_whole(path, script)
    return path
