"""Compute what the page shows of a training run at one step, without training.

K members · M small multiples · G points along an axis · U units · N rows · C classes · P parameters
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.data.dataset import Dataset, Rows
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.json_files import to_jsonable
from deltarule.maths.network import forward, views
from deltarule.playground.past import Past, Present, evaluate_members
from deltarule.playground.view_axes import ViewAxes, principal_directions
from deltarule.playground.workbench import Workbench
from deltarule.problem.batches import batch
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats.intervals import share_interval
from deltarule.stats.planes import predicted_classes
from deltarule.studies.recipes import Recipe
from deltarule.training.moment import activations_of
from deltarule.training.populations import seeds_of

PLANE_POINTS, MULTIPLE_POINTS, UNIT_POINTS = 72, 24, 20
"""Points along each side of the large plane, of a small multiple and of the plane in a unit."""
MAX_MULTIPLES = 24
MAX_DRAWN_UNITS = 12
"""The number of units of a layer that are drawn, the first ones."""
MAX_DRAWN_ROWS = 1_000
"""More points than this cover one another, and each frame sends and draws all of them."""
MAX_MISSED = 8
"""Images of wrong predictions in a frame: one row of the page."""
BINS = 24
"""Bins of the histograms of activations and gradients, which are drawn small."""


@dataclass(frozen=True)
class View:
    """The step and the members that a page shows."""

    member: int = 0
    step: int | None = None
    first_multiple: int = 0


def draw(
    workbench: Workbench, axes: ViewAxes, view: View, moment: Present | None = None
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Compute what a page shows of a view, as a header and float32 arrays by name."""
    moment = moment or workbench.moment
    dataset, classes = moment.dataset, len(moment.dataset.classes)
    members = np.arange(view.first_multiple, min(view.first_multiple + MAX_MULTIPLES, moment.problem.members))
    with one_blas_thread(), np.errstate(all="ignore"):
        problem, state = workbench.state_at(view.step, np.unique(np.append(members, view.member)), moment)
        chosen, several = (state.take(np.isin(state.members, shown)) for shown in (view.member, members))
        arrays = {
            "multiples": _plane_predictions(problem, several, axes.grid(MULTIPLE_POINTS), classes),
            "plane": _plane_predictions(problem, chosen, axes.grid(PLANE_POINTS), classes)[0],
            "theta": chosen.theta[0],
            **_unit_activations(problem, chosen, axes, dataset),
            **_activation_statistics(problem, chosen, dataset),
            **_gradients(problem, chosen),
            **_curves(moment.past, view.member, moment.problem.members),
        }
        if classes:
            arrays |= {
                f"confusion {part}": _confusion(problem, chosen, rows, classes) for part, rows in dataset.parts.items()
            }
        missed, images = _misclassified_rows(problem, chosen, dataset)
        arrays |= images
    values = evaluate_members(dataset, problem, chosen, moment.score)
    arrays["objective of members"] = moment.values["objective"]
    arrays["solved members"] = moment.is_solved
    solved = int(moment.is_solved.sum())
    interval = share_interval(solved, problem.members)
    header = {
        "step": state.step,
        "last_step": moment.state.step,
        "epoch": state.step / problem.steps_per_epoch(view.member),
        "version": moment.version,
        "playing": workbench.is_playing,
        "members": problem.members,
        "member": view.member,
        "multiples": members.tolist(),
        "score": moment.score,
        "values": {name: float(value[0]) for name, value in values.items()},
        "missed": missed,
        "varied": _varied_values(moment.recipe, members),
        "solved": [solved, interval.low, interval.high],
        "rate": float(problem.rates(np.array([view.member]), state.step)[0] * chosen.factor[0]),
        "layers": [
            {"units": layer.units, "activation": layer.activation.name, "inputs": layer.inputs}
            for layer in problem.network.layers
        ],
        "entries": [[entry.name, *entry.shape, entry.start] for entry in problem.network.entries],
        "changes": list(moment.past.changes),
        "diverged": [[one.member, one.step, one.layer, one.where] for one in workbench.divergences.values()],
        "failure": workbench.failure,
        "loading": workbench.is_loading,
        "engine": workbench.engine_name,
    }
    return header, _as_float32(arrays)


def describe_data(dataset: Dataset, axes: ViewAxes) -> tuple[dict[str, Any], dict[str, Floats]]:
    arrays = {}
    for part, rows in dataset.parts.items():
        drawn = rows.take(_evenly_spaced_rows(len(rows)))
        arrays[f"points {part}"] = axes.coordinates(drawn.x)
        arrays[f"answers {part}"] = drawn.answers if dataset.classes else drawn.answers[:, 0]
    answers = dataset.train.answers
    header = {
        "name": dataset.name,
        "features": list(dataset.features),
        "classes": list(dataset.classes),
        "axes": list(axes.names),
        "low": axes.low.tolist(),
        "high": axes.high.tolist(),
        "range": [0, 1] if dataset.classes else [float(answers[:, 0].min()), float(answers[:, 0].max())],
        "rows": {part: len(rows) for part, rows in dataset.parts.items()},
    }
    return header, _as_float32(arrays)


def _varied_values(recipe: Recipe, members: Integers) -> list[str]:
    for values in recipe.configuration.grid.values():
        seeds = len(seeds_of(recipe.configuration))
        return [str(values[member // seeds]) for member in members.tolist()]
    return []


def _as_float32(arrays: Mapping[str, Floats]) -> dict[str, Floats]:
    with np.errstate(over="ignore"):  # numbers that are too large become infinite
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _plane_predictions(problem: Problem, state: State, x: Floats, classes: int) -> Floats:
    """The prediction of each member at each point of the plane, [K, G · G].

    For classes, this is the number of the predicted class plus its confidence, from 0 (no better than chance) to under
    1; for a regression (`classes` is 0), the first output.
    """
    network = problem.network
    parameters, buffers = (
        views(vector.astype(np.float32), entries)  # precise enough for a picture, in half of the time
        for vector, entries in ((state.theta, network.entries), (state.buffers, network.buffers))
    )
    tape, _ = forward(network.layers, parameters, x.astype(np.float32), buffers=buffers)
    outputs = network.output.forward(tape[-1].value)[0]
    if not classes:
        return outputs[..., 0]
    if network.outputs == 1:
        outputs = np.concatenate([1 - outputs, outputs], -1)
    return _class_and_confidence(outputs)


def _class_and_confidence(outputs: Floats) -> Floats:
    """The predicted class of outputs [..., C] plus its confidence below 1."""
    classes = outputs.shape[-1]
    best = outputs.argmax(-1)
    total = np.maximum(np.abs(outputs).sum(-1), 1e-12)
    share = np.take_along_axis(outputs, best[..., None], -1)[..., 0] / total
    confidence = np.clip((share - 1 / classes) / (1 - 1 / classes), 0, 0.999)
    return np.where(np.isfinite(outputs).all(-1), best + confidence, np.nan)


def _unit_activations(problem: Problem, state: State, axes: ViewAxes, dataset: Dataset) -> dict[str, Floats]:
    """The activation of each drawn unit over the plane, by layer."""
    x = axes.grid(UNIT_POINTS)
    by_layer = [x, *_activations(problem, state, x)]
    units = {f"units {layer}": values[:, :MAX_DRAWN_UNITS].T for layer, values in enumerate(by_layer)}
    if dataset.image is not None and len(problem.network.layers) > 1:
        weights = views(state.theta[0], problem.network.entries)["W1"]
        units["units 1"] = _as_images(weights[:, :MAX_DRAWN_UNITS].T, dataset.image)
    return units


def _as_images(rows: Floats, image: tuple[int, int, int]) -> Floats:
    gray = rows.reshape(-1, *image).mean(1)
    return np.asarray(gray[:, ::-1].reshape(len(rows), -1))  # the page draws the lowest line first


def _misclassified_rows(problem: Problem, state: State, dataset: Dataset) -> tuple[list[list[int]], dict[str, Floats]]:
    """The first misclassified images with their classes and pixels."""
    rows = dataset.test or dataset.validation or dataset.train
    if dataset.image is None or rows.labels is None:
        return [], {}
    predicted = _predict_classes(problem, state, rows)
    wrong = np.flatnonzero(predicted != rows.labels)[:MAX_MISSED]
    table = np.stack([wrong, rows.labels[wrong], predicted[wrong]], 1).tolist()
    return table, {"missed": _as_images(np.asarray(rows.x[wrong], np.float64), dataset.image)}


def _activation_statistics(problem: Problem, state: State, dataset: Dataset) -> dict[str, Floats]:
    """Histograms, dead units and a projection of the activations, by name."""
    chosen = _evenly_spaced_rows(len(dataset.train))
    activations = _activations(problem, state, np.asarray(dataset.train.x[chosen], problem.dtype))
    statistics: dict[str, Floats] = {}
    for layer, values in enumerate(activations, start=1):
        statistics[f"activations {layer}"], statistics[f"activations {layer} range"] = _histogram(values)
        statistics[f"dead {layer}"] = (values == values[:1]).all(0)
    statistics["hidden space"] = _reduce_to_plane(activations[-2] if len(activations) > 1 else activations[-1])
    return statistics


def _reduce_to_plane(values: Floats) -> Floats:
    if values.shape[1] == 1:
        return np.concatenate([values, np.zeros_like(values)], 1)
    if values.shape[1] == 2 or not np.isfinite(values).all():
        return values[:, :2]
    return np.asarray((values - values.mean(0)) @ principal_directions(values).T)


def _gradients(problem: Problem, state: State) -> dict[str, Floats]:
    """The gradient of the next update [P] and histograms of it, by name."""
    gradient = objective_and_gradient(problem, state, batch(problem, state.members, state.step)).gradient
    arrays: dict[str, Floats] = {"gradient": gradient[0]}
    by_parameter = views(gradient[0], problem.network.entries)
    for layer in problem.network.layers:
        name = f"gradients {layer.number}"
        arrays[name], arrays[f"{name} range"] = _histogram(by_parameter[f"W{layer.number}"])
    return arrays


def _curves(past: Past, member: int, members: int) -> dict[str, Floats]:
    steps, curves, bands = past.curves(np.array([member]))
    arrays = {"curve steps": np.array(steps), **{f"curve {name}": values[:, 0] for name, values in curves.items()}}
    return arrays | ({"curve quantiles": bands.T} if members > 1 else {})


def _confusion(problem: Problem, state: State, rows: Rows, classes: int) -> Floats:
    assert rows.labels is not None
    predicted = _predict_classes(problem, state, rows)
    return np.bincount(rows.labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _predict_classes(problem: Problem, state: State, rows: Rows) -> Integers:
    _, outputs = ReferenceEngine().outputs(problem, state, rows.x)
    return predicted_classes(outputs[0])


def _activations(problem: Problem, state: State, x: Floats) -> list[Floats]:
    """The activations [N, H] of every layer at rows x [N, D]."""
    values = activations_of(problem, state, x)
    return [value[0] for name, value in values.items() if name.startswith("a")]


def _histogram(values: Floats) -> tuple[Floats, Floats]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(BINS), np.array([0.0, 1.0])
    low, high = float(finite.min()), float(finite.max())
    shares = (finite / 2 - low / 2) / (high / 2 - low / 2 or 1.0)  # of halves, whose difference is finite
    bins = np.minimum((shares * BINS).astype(np.int64), BINS - 1)
    return np.bincount(bins, minlength=BINS), np.array([low, high])


def _evenly_spaced_rows(count: int) -> Integers:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_DRAWN_ROWS)).astype(np.int64))


def encode(header: Mapping[str, Any], arrays: Mapping[str, Floats]) -> bytes:
    """Encode a header and arrays by name as the bytes of a frame.

    A frame is the length of the header, uint32; the header, UTF-8, with spaces to a multiple of four bytes; and the
    arrays, one after another, which the header names with their shapes under "arrays". Numbers are little-endian.
    """
    table = {**header, "arrays": [[name, list(array.shape)] for name, array in arrays.items()]}
    text = json.dumps(to_jsonable(table), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    parts = [struct.pack("<I", len(text)), text]
    return b"".join([*parts, *(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values())])
