"""Record a run's first member in detail, for figures and the page of the run.

S snapshots · N rows · D inputs · H units · C outputs · P parameters · G points along an input
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import load_arrays, save_arrays
from deltarule.data.dataset import Dataset, Rows
from deltarule.problem.problem import Floats, Integers
from deltarule.problem.state import State, initial_state
from deltarule.stats.planes import decision_plane, predicted_classes
from deltarule.training.run import Run

MAX_PARAMETERS, MAX_ROWS = 2_000, 400
"""Networks and data up to this size are recorded throughout training; larger ones at its beginning and end."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A detailed record of a run's first member.

    steps [S]           the updates before each snapshot, from 0 to the member's end
    arrays              of small networks, by name, at each snapshot: "W1" [S, D, H], "b1" [S, 1, H] …, the activations
                        of each row "a1" [S, N, H] …
    x [N, D]            those rows, and `answers` [N] or [N, C], their targets
    plane               for two inputs: their values "first" and "second" [G], and "outputs" [S, G, G, C]
    images              for images: "initial" and "final" [D, H], first-layer weights in the order of `image_shape`
    confusion           counts [C, C] by part of the data, a row for each true class
    """

    sizes: tuple[int, ...]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    image_shape: tuple[int, ...]
    steps: Integers
    arrays: Mapping[str, Floats]
    x: Floats
    answers: Floats
    plane: Mapping[str, Floats]
    images: Mapping[str, Floats]
    confusion: Mapping[str, Integers]


def portrait_of(dataset: Dataset, run: Run) -> Portrait:
    """Record a run's first member in detail.

    >>> from deltarule.recipes import dataset_of, load_recipe, problem_of
    >>> from deltarule.training.train import train
    >>> recipe = load_recipe("encoder")
    >>> dataset = dataset_of(recipe)
    >>> portrait = portrait_of(dataset, train(problem_of(recipe, dataset, seeds=2), max_steps=100))
    >>> portrait.arrays["W1"].shape == (len(portrait.steps), 8, 3), portrait.steps[[0, -1]]
    (True, array([  0, 100]))
    """
    with np.errstate(all="ignore"):  # of a member that diverged
        run = run.take(np.array([0]))
        network = run.problem.network
        is_small = network.parameters <= MAX_PARAMETERS and len(dataset.train) <= MAX_ROWS
        states = _snapshots(run) if is_small else []
        rows = dataset.train
        return Portrait(
            sizes=network.sizes,
            features=dataset.features if is_small else (),
            classes=dataset.classes,
            image_shape=_image_shape(dataset),
            steps=np.array([state.step for state in states], np.int64),
            arrays=_snapshot_arrays(run, states, rows) if is_small else {},
            x=np.asarray(rows.x, np.float64) if is_small else np.empty((0, dataset.inputs)),
            answers=np.asarray(rows.answers, np.float64) if is_small else np.empty(0),
            plane=_plane_arrays(run, states, rows) if is_small and dataset.inputs == 2 else {},
            images=_first_layer_images(run, _image_shape(dataset)),
            confusion=_confusions(dataset, run),
        )


DESCRIBED, ROWS = ("sizes", "features", "classes", "image_shape"), ("steps", "x", "answers")
GROUPS = {"array": "arrays", "plane": "plane", "image": "images", "rows": "confusion"}
"""In the file, the first word of the names of a field's arrays."""


def write_portrait(path: Path, portrait: Portrait) -> None:
    arrays = {name: getattr(portrait, name) for name in ROWS}
    for group, field in GROUPS.items():
        arrays |= {f"{group} {name}": values for name, values in getattr(portrait, field).items()}
    save_arrays(path, arrays, {name: list(getattr(portrait, name)) for name in DESCRIBED})


def read_portrait(path: Path) -> Portrait:
    """Read a portrait that `write_portrait` wrote."""
    arrays, about = load_arrays(path)
    parts: dict[str, Any] = {name: tuple(about[name]) for name in DESCRIBED} | {name: arrays[name] for name in ROWS}
    for group, field in GROUPS.items():
        names = [key.removeprefix(f"{group} ") for key in arrays if key.startswith(f"{group} ")]
        # Weights before activations, each by layer.
        names.sort(key=lambda name: (name.startswith("a"), "".join(filter(str.isdigit, name)).zfill(4), name))
        parts[field] = {name: arrays[f"{group} {name}"] for name in names}
    return Portrait(**parts)


def _snapshots(run: Run) -> list[State]:
    """The states of a run's only member at up to 24 steps."""
    problem = run.problem
    first = initial_state(run.problem)
    last = int(run.steps[0] if run.best_steps is None else run.best_steps[0])
    work = problem.network.parameters * problem.row_count(0) * last
    # Larger products of rows, parameters and updates would take too long to train again.
    if work > 2 * 10**9 or last == 0:
        return [first, replace(run.state, step=last)] if last else [first]
    states = [first]
    for step in np.unique(np.rint(last * np.linspace(0, 1, 24) ** 2).astype(int))[1:].tolist():
        states.append(run.engine.advance(problem, states[-1], step - states[-1].step)[0])
    return states


def _snapshot_arrays(run: Run, states: list[State], rows: Rows) -> dict[str, Floats]:
    """Parameters and activations by name, with an axis [S] of states."""
    snapshots: dict[str, list[Floats]] = {}
    for state in states:
        at_state = replace(run, state=state)
        activations = {name: a for name, a in at_state.activations(rows.x).items() if name.startswith("a")}
        for name, values in (at_state.parameters | activations).items():
            snapshots.setdefault(name, []).append(values[0])
    return {name: np.stack(values).astype(np.float64) for name, values in snapshots.items()}


def _plane_arrays(run: Run, states: list[State], rows: Rows) -> dict[str, Floats]:
    runs = [replace(run, state=state) for state in states]
    planes = [decision_plane(lambda x, run=run: run.outputs(x)[0], rows.x, points=41) for run in runs]
    outputs = np.stack([plane.outputs for plane in planes])
    return {"first": planes[0].first, "second": planes[0].second, "outputs": outputs}


def _image_shape(dataset: Dataset) -> tuple[int, ...]:
    if dataset.image is None:
        return ()
    channels, rows, columns = dataset.image
    return (rows, columns) if channels == 1 else (rows, columns, channels)


def _first_layer_images(run: Run, shape: tuple[int, ...]) -> dict[str, Floats]:
    """First-layer weights [D, H] before and after training, with the colors last."""
    if not shape:
        return {}
    before = replace(run, state=initial_state(run.problem))
    order = np.arange(np.prod(shape))
    if len(shape) == 3:  # the data set has one color after the other
        rows, columns, colors = shape
        order = order.reshape(colors, rows, columns).transpose(1, 2, 0).ravel()
    weights = {"initial": before.parameters["W1"][0], "final": run.parameters["W1"][0]}
    return {name: np.asarray(values[order], np.float64) for name, values in weights.items()}


def _confusions(dataset: Dataset, run: Run) -> dict[str, Integers]:
    """The counts [true class, predicted class] by part of the data."""
    count = len(dataset.classes)
    if not 1 < count <= 16:
        return {}
    confusions = {}
    for part, rows in dataset.parts.items():
        counts = np.zeros((count, count), np.int64)
        np.add.at(counts, (rows.answers, predicted_classes(run.outputs(rows.x)[0])), 1)
        confusions[part] = counts
    return confusions
