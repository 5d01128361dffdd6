"""The block of a run in a report: its facts, curves, and the portrait of its first member."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.array_files import load_arrays
from deltarule.json_files import read_json
from deltarule.problem import registry
from deltarule.problem.error_messages import as_toml
from deltarule.reports import cell_figures, figures, network_figures, score_figures
from deltarule.reports.figure_builder import MAX_LINES
from deltarule.reports.formatting import describe_solved, percent, row_names
from deltarule.reports.report import Block, TrainingSlider
from deltarule.reports.svg_embed import EmbeddedFigures
from deltarule.reports.terminal_tables import ENDED
from deltarule.stats.planes import DecisionPlane
from deltarule.studies.report.claims_block import Made, plain_settings
from deltarule.studies.report.command_lines import set_words, study_words
from deltarule.studies.representative_run import MAX_ROWS, Portrait, read_portrait
from deltarule.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Named = dict[str, Sequence[str]]
"""The names of rows or columns, by the table that has them."""


def run_block(place: Path, id: str) -> Made:
    """The title and the block of the run in a folder."""
    run, recipe = read_json(place / "run.json"), read_json(place / "recipe.json")
    arrays, about = load_arrays(place / "arrays.safetensors")
    portrait = read_portrait(place / "portrait.safetensors")
    names = tuple(about.get("names", ()))
    curves = figures.Curves(
        History.from_arrays(arrays),
        arrays["steps"],
        arrays["objective"],
        names or tuple(f"member {member}" for member in range(min(len(arrays["steps"]), MAX_LINES))),
        str(about.get("told", "")),
        tuple(one["member"] for one in run["diverged"]),
        bool(about.get("ended_at_best", False)),
    )
    drawn = EmbeddedFigures(id)
    _draw_curves(drawn, curves)
    if portrait is not None:
        first = f"the {'first ' if run['members'] > 1 else ''}network (seed {arrays['seeds'].astype(np.uint64)[0]})"
        _draw_portrait(drawn, portrait, curves, recipe, first)
    experiment = f", {run['experiment']}" if run["experiment"] else ""
    block = Block(
        id=id,
        title=f"Run of {run['study']}{experiment}",
        facts=_facts(run),
        commands=[_command(run, recipe)],
        assumed=[
            (assumption["what"], plain_settings(assumption["value"]), assumption["why"])
            for assumption in recipe["assumptions"]
        ],
        settings=[
            (f"{name}.{key}", as_toml(value)) for name, keys in recipe["keys"].items() for key, value in keys.items()
        ],
        figures=drawn.all,
        through=None if portrait is None else _through(portrait, f"{id}-through"),
        notes=[f"{note}." for note in run["notes"]] + _describe_findings(run),
        unfinished="the training was interrupted; go on with it by --resume" if run["interrupted"] else "",
    )
    return str(run["study"]), block


def _facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    ended = ", ".join(f"{count:,} {ENDED.get(reason, reason)}" for reason, count in run["reasons"].items())
    found = [
        ("data", str(run["data"])),
        ("networks", f"{run['members']:,}, {run['dtype']}, {run['engine']} engine"),
        ("updates", f"{run['steps']:,} at most, {run['member_steps']:,} in all, in {run['seconds']:.2f} s"),
        ("ended", ended),
        ("objective", _format_spread(run["objective"], "{:.4g}".format)),
    ]
    for name in ("accuracy", "validation_accuracy", "test_accuracy"):
        if run[name] is not None:
            found.append((name.replace("_", " "), _format_spread(run[name], partial(percent, digits=4))))
    if run["solved"] is not None:
        solved = (run["solved"][name] for name in ("criterion", "count", "of", "steps_median"))
        found.append(("solved", describe_solved(*solved)))
    for one in run["diverged"][:5]:
        found.append(("diverged", f"member {one['member']} at update {one['step']:,}, in {one['where']}"))
    return found


def _format_spread(spread: Mapping[str, float | None], form: Callable[[float], str]) -> str:
    values = (spread[name] for name in ("min", "median", "max"))
    low, middle, high = ("diverged" if value is None else form(value) for value in values)
    return middle if low == high else f"median {middle}, from {low} to {high}"


def _describe_findings(run: Mapping[str, Any]) -> list[str]:
    """What stood out, and what to do, where that was asked for."""
    text = "{0}{1}. Fix: {2}."
    return [
        text.format(one["sentence"][:1].upper(), one["sentence"][1:], one["fix"])
        for one in (run.get("why") or {}).get("findings", ())
    ]


def _command(run: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    own: dict[str, Any] = {experiment["name"]: experiment["set"] for experiment in recipe["experiments"]}.get(
        run["experiment"], {}
    )
    settings = {key: value for key, value in recipe["settings"].items() if key not in own or own[key] != value}
    return shlex.join(["deltarule", "run", *study_words(run), *set_words(settings), "--engine", run["engine"]])


def _draw_curves(drawn: EmbeddedFigures, curves: figures.Curves) -> None:
    names = curves.history.names
    drawn.add(figures.objective_curves(curves))
    for metric in names:
        # Metrics that are shares of rows.
        if metric in ("accuracy", "thresholded", "correct_output", "error_rate"):
            drawn.add(figures.accuracy_curves(curves, metric))
    gradients = {
        name.removeprefix("gradient "): curves.history.series(name) for name in names if name.startswith("gradient ")
    }
    if gradients:
        drawn.add(score_figures.norm_curves(curves.history.steps, gradients, quantity="length of the gradient"))


def _draw_portrait(
    drawn: EmbeddedFigures, portrait: Portrait, curves: figures.Curves, recipe: Mapping[str, Any], first: str
) -> None:
    """Figures of the first network.    first   what it is called"""
    layers, last = len(portrait.sizes) - 1, {name: values[-1] for name, values in portrait.arrays.items()}
    labels, units = _row_names(portrait), _unit_names(portrait)
    hidden = recipe["keys"]["network"]["activation"]
    hidden = hidden[0] if isinstance(hidden, list) and len(hidden) == 1 else hidden
    if "outputs" in curves.history.names and labels and portrait.sizes[-1] == len(portrait.classes):
        right = curves.history.series("outputs")[:, 0, np.arange(len(labels)), portrait.answers.astype(int)]
        output = registry.activation(recipe["keys"]["network"]["output"])
        word = "probability" if output.range in ("unit", "simplex") else "value"
        quantity = f"{word} of the correct output"
        drawn.add(figures.object_curves(curves.history.steps, right, labels, quantity=quantity))
    if layers == 2 and 0 < len(labels) <= cell_figures.MAX_ROWS and max(portrait.sizes[1:]) <= cell_figures.MAX_COLUMNS:
        drawn.add(cell_figures.activation_cells(labels, last["a1"], last["a2"], activation=hidden, classes=units[2]))
    weights = {name: values for name, values in last.items() if name[0] in "Wb" and _fits(values)}
    if weights:
        drawn.add(cell_figures.weight_cells(weights, *_table_names(portrait, labels)))
    if layers == 2 and _gives_back(portrait) and {"W1", "W2"} <= set(weights):
        drawn.add(cell_figures.sign_agreement(last["W1"], last["W2"], portrait.features))
    if last and max(portrait.sizes) <= network_figures.MAX_UNITS:
        matrices = [last[f"W{layer}"] for layer in range(1, layers + 1)]
        drawn.add(network_figures.network_drawing(matrices, units[0], units[-1]))
    if portrait.plane and 1 < len(portrait.classes) <= score_figures.MAX_CLASSES:
        drawn.add(_boundary(portrait, last[f"a{layers}"], first), _predictions(portrait, last[f"a{layers}"]))
    if portrait.images:
        drawn.add(
            network_figures.weight_images(portrait.images["initial"], portrait.images["final"], portrait.image_shape)
        )
    for part_name, counts in portrait.confusion.items():
        if part_name == "test" or len(portrait.confusion) == 1:
            rows = f"{'training' if part_name == 'train' else part_name} rows"
            drawn.add(score_figures.confusion_matrix(counts, portrait.classes, rows=rows, predictor=first))
    _draw_norms(drawn, portrait)
    if isinstance(hidden, str):
        drawn.add(network_figures.activation_curves(hidden))


def _fits(values: Any) -> bool:
    rows, columns = values.shape
    return bool(rows <= cell_figures.MAX_ROWS and columns <= cell_figures.MAX_COLUMNS)


def _row_names(portrait: Portrait) -> list[str]:
    """The names of the rows: their classes where each is a class of its own; of data without classes none."""
    if not portrait.classes or portrait.answers.ndim != 1 or len(portrait.answers) > cell_figures.MAX_ROWS:
        return []
    return row_names([portrait.classes[int(label)] for label in portrait.answers])


def _unit_names(portrait: Portrait) -> list[Sequence[str]]:
    """The names of the inputs, and of each layer's units: none of outputs that are no classes."""
    hidden = [[f"h{number + 1}" for number in range(size)] for size in portrait.sizes[1:-1]]
    return [portrait.features, *hidden, portrait.classes if len(portrait.classes) == portrait.sizes[-1] else ()]


def _table_names(portrait: Portrait, labels: Sequence[str]) -> tuple[Named, Named]:
    """The names of the rows, and of the columns, of weights, biases and activations."""
    units = _unit_names(portrait)
    rows = {f"W{layer}": names for layer, names in enumerate(units[:-1], 1)}
    rows |= {f"a{layer}": labels for layer in range(1, len(units))}
    columns = {f"{letter}{layer}": names for letter in "Wba" for layer, names in enumerate(units)}
    return {table: row for table, row in rows.items() if row}, {
        table: column for table, column in columns.items() if column
    }


def _gives_back(portrait: Portrait) -> bool:
    """Whether the outputs shall be the inputs again, as an encoder's: only then do W1 and W2 mirror each other."""
    answers = portrait.answers
    if answers.ndim == 1 and portrait.sizes[-1] == len(portrait.classes) > 0:
        answers = np.eye(portrait.sizes[-1])[answers.astype(int)]
    return np.array_equal(portrait.x, answers)


def _predicted_classes(outputs: Any) -> Any:
    return (outputs[..., 0] > 0.5).astype(int) if outputs.shape[-1] == 1 else outputs.argmax(-1)


def _boundary(portrait: Portrait, outputs: Any, first: str) -> "Figure":
    plane = DecisionPlane((0, 1), portrait.plane["first"], portrait.plane["second"], portrait.plane["outputs"][-1])
    return score_figures.true_and_predicted(
        portrait.x,
        portrait.answers.astype(int),
        _predicted_classes(outputs),
        plane=plane,
        features=portrait.features,
        classes=portrait.classes,
        rows="training rows",
        predictor=first,
    )


def _predictions(portrait: Portrait, outputs: Any) -> list[list[str]]:
    """Every row with its true and its predicted class, and the outputs that say so."""
    named = ["output"] if outputs.shape[-1] == 1 else [f"output {name}" for name in portrait.classes]
    table = [[*portrait.features, "true", "predicted", *named]]
    for x, answer, predicted, output in zip(
        portrait.x, portrait.answers.astype(int), _predicted_classes(outputs), outputs, strict=True
    ):
        classes = [portrait.classes[answer], portrait.classes[predicted]]
        table.append([*(f"{value:.4g}" for value in x), *classes, *map(_output, output)])
    return table


def _output(value: float) -> str:
    return f"{value:.4f}" if not abs(value) >= 1e6 else f"{value:.4g}"


def _draw_norms(drawn: EmbeddedFigures, portrait: Portrait) -> None:
    norms = {name.removeprefix("norm "): values for name, values in portrait.arrays.items() if name.startswith("norm ")}
    gradients = {name.removeprefix("gradient "): norm for name, norm in norms.items() if name.startswith("gradient W")}
    activations = {name: values for name, values in norms.items() if not name.startswith("gradient ")}
    if len(portrait.steps) > 2 and len(norms) <= MAX_ROWS:
        for named, quantity in (
            (gradients, "length of the gradient"),
            (activations, "activation (root of the mean square)"),
        ):
            drawn.add(score_figures.norm_curves(portrait.steps, named, quantity=quantity))


def _through(portrait: Portrait, id: str) -> TrainingSlider | None:
    """What the slider shows: weights, biases and activations that a page has room for, and the plane."""
    if not len(portrait.steps):
        return None
    labels = _row_names(portrait)
    # Numbers of a table that the slider moves.
    tables = {
        name: values
        for name, values in portrait.arrays.items()
        if values.ndim == 3 and values.shape[1] * values.shape[2] <= 512 and values.shape[2] <= 16
        if not name.startswith("a") or labels
    }
    if not tables:
        return None
    plane, levels, points = np.empty((0, 0, 0), np.int64), 0, list[tuple[float, float, int]]()
    if portrait.plane and 1 < len(portrait.classes) <= score_figures.MAX_CLASSES:
        outputs = portrait.plane["outputs"]
        single = outputs.shape[-1] == 1
        levels = 100 if single else outputs.shape[-1] - 1
        shares = np.nan_to_num(outputs[..., 0]).clip(0, 1)  # of one that diverged they are anything
        plane = np.rint(100 * shares).astype(int) if single else outputs.argmax(-1)
        spans = [(portrait.plane[name][0], np.ptp(portrait.plane[name])) for name in ("first", "second")]
        places = np.stack([(portrait.x[:, at] - low) / span for at, (low, span) in enumerate(spans)], 1)
        points = [
            (round(x, 4), round(y, 4), int(label))
            for (x, y), label in zip(places.tolist(), portrait.answers, strict=True)
        ]
    return TrainingSlider(id, portrait.steps, tables, *_table_names(portrait, labels), plane, levels, points)
