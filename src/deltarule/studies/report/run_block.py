"""The block of a report for a run: facts, curves, and figures of its first member."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import load_arrays
from deltarule.json_files import read_json
from deltarule.problem import registry
from deltarule.problem.error_messages import as_toml
from deltarule.reports import figures, heat_maps, model_figures, network_figures
from deltarule.reports.chart import Chart, capitalize
from deltarule.reports.formatting import row_names
from deltarule.reports.report import ReportBlock, TrainingSlider
from deltarule.reports.summaries import run_facts
from deltarule.reports.table import Table, table
from deltarule.stats.metrics import METRICS
from deltarule.stats.planes import DecisionPlane, predicted_classes
from deltarule.studies.report.record_blocks import StudyBlock, format_setting, set_arguments, study_arguments
from deltarule.studies.representative_run import Portrait, read_portrait
from deltarule.training.history import History

MAX_NORM_GROWTH = 1e12
"""Largest displayed norm, as a multiple of its start: outputs may learn large targets."""
LabelsByTable = dict[str, Sequence[str]]
"""The labels of the rows or columns of tables, by the table's name."""


def run_block(folder: Path, id: str) -> StudyBlock:
    """Draw the block of the run in a folder, with its study's name."""
    run, recipe = read_json(folder / "run.json"), read_json(folder / "recipe.json")
    arrays, about = load_arrays(folder / "arrays.safetensors")
    portrait = read_portrait(folder / "portrait.safetensors")
    curves = figures.Curves(
        History.from_arrays(arrays),
        arrays["steps"],
        arrays["objective"],
        about["reasons"],
        tuple(about["names"]),
        about["told"],
        about["ended_at_best"],
    )
    fixes = [f"{capitalize(fix['sentence'])}. Fix: {fix['fix']}." for fix in (run.get("why") or {}).get("findings", ())]
    seed = arrays["seeds"].astype(np.uint64)[0]
    network_name = f"the {'first ' if run['members'] > 1 else ''}network (seed {seed})"
    experiment = f", {run['experiment']}" if run["experiment"] else ""
    block = ReportBlock(
        id=id,
        title=f"Run of {run['study']}{experiment}",
        facts=run_facts(run),
        commands=[_run_command(run, recipe)],
        assumed=[
            (assumption["what"], format_setting(assumption["value"]), assumption["why"])
            for assumption in recipe["assumptions"]
        ],
        settings=[
            (f"{name}.{key}", as_toml(value)) for name, keys in recipe["keys"].items() for key, value in keys.items()
        ],
        figures=[*_curve_figures(curves), *_portrait_figures(portrait, curves, recipe, network_name)],
        through=_training_slider(portrait, f"{id}-through"),
        notes=[*(f"{note}." for note in run["notes"]), *fixes],
        unfinished="the training was interrupted; continue it with --resume" if run["interrupted"] else "",
    )
    return str(run["study"]), block


def _run_command(run: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """The command line that repeats a run, from its records."""
    experiments: dict[str, Any] = {experiment["name"]: experiment["set"] for experiment in recipe["experiments"]}
    of_experiment: dict[str, Any] = {}
    for name in (run["experiment"] or "").split(", "):
        of_experiment |= experiments.get(name, {})
    settings = {
        key: value
        for key, value in recipe["settings"].items()
        if key not in of_experiment or of_experiment[key] != value
    }
    return shlex.join(["deltarule", "run", *study_arguments(run), *set_arguments(settings), "--engine", run["engine"]])


def _curve_figures(curves: figures.Curves) -> Iterator[Chart]:
    """The curves of objective, recorded metrics and gradients."""
    names = curves.history.names
    yield figures.objective_curves(curves)
    for metric in (METRICS[name] for name in names if name in METRICS):
        yield (figures.accuracy_curves if metric.is_share else figures.objective_curves)(curves, metric.name)
    gradients = {
        name.removeprefix("gradient "): (curves.history.steps, curves.history.series(name))
        for name in names
        if name.startswith("gradient ")
    }
    if gradients:
        quantity = "length of the gradient"
        yield figures.comparison_curves(gradients, parameter="layer", quantity=quantity, max_growth=MAX_NORM_GROWTH)


def _portrait_figures(
    portrait: Portrait, curves: figures.Curves, recipe: Mapping[str, Any], network_name: str
) -> Iterator[Chart]:
    """The figures of a run's first network."""
    last = {name: values[-1] for name, values in portrait.arrays.items()}
    labels = _row_names(portrait)
    yield from _answer_curves(portrait, curves, recipe, labels)
    yield from _array_figures(portrait, recipe, last, labels)
    if portrait.plane and 1 < len(portrait.classes) <= model_figures.MAX_CLASSES:
        outputs = last[f"a{len(portrait.sizes) - 1}"]
        boundary = model_figures.true_and_predicted(
            portrait.x,
            portrait.answers.astype(int),
            predicted_classes(outputs),
            plane=DecisionPlane(portrait.plane["first"], portrait.plane["second"], portrait.plane["outputs"][-1]),
            features=portrait.features,
            classes=portrait.classes,
            predictions=f"predictions of {network_name} for training rows",
        )
        yield replace(boundary, numbers=_prediction_table(portrait, outputs))
    if portrait.images:
        yield network_figures.weight_images(portrait.images["initial"], portrait.images["final"], portrait.image_shape)
    for part_name, counts in portrait.confusion.items():
        if part_name == "test" or len(portrait.confusion) == 1:
            rows = "training rows" if part_name == "train" else f"{part_name} rows"
            predictions = f"predictions of {network_name} for {rows}"
            yield model_figures.confusion_matrix(counts, portrait.classes, predictions=predictions)


def _answer_curves(
    portrait: Portrait, curves: figures.Curves, recipe: Mapping[str, Any], labels: list[str]
) -> Iterator[Chart]:
    """The correct output of each row, if outputs were recorded."""
    if "outputs" in curves.history.names and labels and portrait.sizes[-1] == len(portrait.classes):
        right = curves.history.series("outputs")[:, 0, np.arange(len(labels)), portrait.answers.astype(int)]
        output = registry.activation(recipe["keys"]["network"]["output"])
        word = "probability" if output.range in ("unit", "simplex") else "value"
        yield figures.object_curves(curves.history.steps, right, labels, quantity=f"{word} of the correct output")


def _array_figures(
    portrait: Portrait, recipe: Mapping[str, Any], last: dict[str, Any], labels: list[str]
) -> Iterator[Chart]:
    """The activations and weights at the end, as far as they fit into tables, and the network."""
    layers = len(portrait.sizes) - 1
    units = _unit_names(portrait)
    most_rows, most_columns = heat_maps.MAX_ROWS, heat_maps.MAX_COLUMNS
    if layers == 2 and 0 < len(labels) <= most_rows and max(portrait.sizes[1:]) <= most_columns:
        hidden = recipe["keys"]["network"]["activation"]
        hidden = hidden[0] if isinstance(hidden, list) and len(hidden) == 1 else hidden
        yield heat_maps.activation_cells(labels, last["a1"], last["a2"], activation=hidden, classes=units[2])
    weights = {
        name: values
        for name, values in last.items()
        if name[0] in "Wb" and values.shape[0] <= most_rows and values.shape[1] <= most_columns
    }
    if weights:
        yield heat_maps.weight_cells(weights, *_table_names(portrait, labels))
    if last and max(portrait.sizes) <= network_figures.MAX_UNITS:
        matrices = [last[f"W{layer}"] for layer in range(1, layers + 1)]
        yield network_figures.network_drawing(matrices, units[0], units[-1])


def _row_names(portrait: Portrait) -> list[str]:
    if not portrait.classes or portrait.answers.ndim != 1 or len(portrait.answers) > heat_maps.MAX_ROWS:
        return []
    return row_names([portrait.classes[int(label)] for label in portrait.answers])


def _unit_names(portrait: Portrait) -> list[Sequence[str]]:
    hidden = [[f"h{number + 1}" for number in range(size)] for size in portrait.sizes[1:-1]]
    return [portrait.features, *hidden, portrait.classes if len(portrait.classes) == portrait.sizes[-1] else ()]


def _table_names(portrait: Portrait, labels: Sequence[str]) -> tuple[LabelsByTable, LabelsByTable]:
    units = _unit_names(portrait)
    rows = {f"W{layer}": names for layer, names in enumerate(units[:-1], 1)}
    rows |= {f"a{layer}": labels for layer in range(1, len(units))}
    columns = {f"{letter}{layer}": names for letter in "Wba" for layer, names in enumerate(units)}
    return rows, columns


def _prediction_table(portrait: Portrait, outputs: Any) -> Table:
    """A table of all rows: features, true class, predicted class, and outputs."""
    output_names = ["output"] if outputs.shape[-1] == 1 else [f"output {name}" for name in portrait.classes]
    rows = []
    for x, answer, predicted, output in zip(
        portrait.x, portrait.answers.astype(int), predicted_classes(outputs), outputs, strict=True
    ):
        classes = [portrait.classes[answer], portrait.classes[predicted]]
        outputs_as_text = [f"{value:.4g}" if abs(value) >= 1e6 else f"{value:.4f}" for value in output]
        rows.append([*(f"{value:.4g}" for value in x), *classes, *outputs_as_text])
    return table([*portrait.features, "true", "predicted", *output_names], rows)


def _training_slider(portrait: Portrait, id: str) -> TrainingSlider | None:
    """The slider through training, with tables and the plane."""
    if not len(portrait.steps):
        return None
    labels = _row_names(portrait)
    # Larger tables would make the page too large.
    tables = {
        name: values
        for name, values in portrait.arrays.items()
        if values.ndim == 3 and values.shape[1] * values.shape[2] <= 512 and values.shape[2] <= 16
        if not name.startswith("a") or labels
    }
    if not tables:
        return None
    plane = np.empty((0, 0, 0), np.int64)
    levels = 0
    points = list[tuple[float, float, int]]()
    if portrait.plane and 1 < len(portrait.classes) <= model_figures.MAX_CLASSES:
        outputs = portrait.plane["outputs"]
        single = outputs.shape[-1] == 1
        levels = 100 if single else outputs.shape[-1] - 1
        shares = np.nan_to_num(outputs[..., 0]).clip(0, 1)  # those of a diverged network may be anything
        plane = np.rint(100 * shares).astype(int) if single else outputs.argmax(-1)
        spans = [(portrait.plane[name][0], np.ptp(portrait.plane[name])) for name in ("first", "second")]
        shares_of_span = [(portrait.x[:, index] - low) / span for index, (low, span) in enumerate(spans)]
        points = [
            (round(x, 4), round(y, 4), int(label))
            for (x, y), label in zip(np.stack(shares_of_span, 1).tolist(), portrait.answers, strict=True)
        ]
    return TrainingSlider(id, portrait.steps, tables, *_table_names(portrait, labels), plane, levels, points)
