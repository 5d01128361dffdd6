"""The layout of every kind of figure, held against a picture of it: what is where, not each pixel.

The pictures were looked at before they were kept. After a change of the layout that is meant, `python
tests/reports/test_snapshots.py` makes them anew: look at them, and at what else they change.
"""

import inspect
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltarule.reports import (
    comparison_figures,
    figures,
    heat_maps,
    model_figures,
    network_figures,
    style,
    sweep_figures,
)
from deltarule.reports.chart import Chart
from deltarule.stats.effects import effects
from deltarule.stats.ranking import ranking
from deltarule.training.history import History
from deltarule.training.range_test import RangeTest

FOLDER = Path(__file__).parent / "snapshots"
DPI = 50
BLOCK = 6
"""Pixels of a side of the blocks whose mean brightness is compared: fonts may be drawn a little otherwise."""
MOST = 0.12
"""How far the brightness of a block may differ, of 1."""

RANDOM = np.random.default_rng(0)
STEPS = np.arange(0, 210, 10)
FALLING = np.exp(-STEPS[:, None] / np.array([30, 60, 90])) + 0.01
GRID = [
    {"optimizer.learning_rate": rate, "network.activation": name, "optimizer.batch_size": size}
    for rate in (0.01, 0.1, 1.0)
    for name in ("tanh", "relu")
    for size in (32, 128)
]
SCORES = np.linspace(0.5, 0.95, 12)[:, None] + RANDOM.normal(0, 0.02, (12, 4))
POINTS = RANDOM.uniform(size=(40, 2))
WEIGHTS = RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(3, 8))
IMAGES = RANDOM.normal(size=(64, 9))
NAMES = [f"object {number}" for number in range(8)]


def curves(members):
    values = list(np.exp(-STEPS[:, None] / np.linspace(20, 90, members)) + 0.01)
    history = History(STEPS.tolist(), {"objective": values, "accuracy": [1 - row / 2 for row in values]})
    names = tuple(f"seed {number}" for number in range(members)) if members <= 8 else ()
    ends = ["threshold"] * (members // 2) + ["max_steps"] * (members - members // 2)
    return figures.Curves(history, np.full(members, 200), values[-1], ends, names, "Network 8-3-8 (sigmoid, sigmoid).")


def answer(rows):
    return 1 / (1 + np.exp(9 - 9 * np.asarray(rows).sum(1, keepdims=True)))


def importances():
    losses = np.array([0.5, 0.3, 0.1, 0.01])
    columns = ["size", "color", "a long name of a column in a table", "weight"]
    return model_figures.column_importances(columns, losses, np.stack([losses - 0.05, losses + 0.1], 1), score="R²")


MADE = {
    "objective-of-few": lambda: figures.objective_curves(curves(3)),
    "objective-of-many": lambda: figures.objective_curves(curves(20)),
    "accuracy": lambda: figures.accuracy_curves(curves(3)),
    "objects": lambda: figures.object_curves(STEPS, 1 - FALLING, NAMES[:3]),
    "range-test": lambda: figures.range_test_curves(
        RangeTest(np.logspace(-3, 0, 21), FALLING[:, :1], 1 - FALLING[:, :1], np.array([0.05]))
    ),
    "comparison": lambda: figures.comparison_curves(
        {"0.1": (STEPS, FALLING[:, 0]), "1": (STEPS, FALLING[:, 2])}, parameter="learning rate"
    ),
    "activations": lambda: heat_maps.activation_cells(NAMES, 1 / (1 + np.exp(-WEIGHTS[0])), np.eye(8)),
    "weights": lambda: heat_maps.weight_cells({"W1": WEIGHTS[0], "b1": WEIGHTS[1][:1, :3], "W2": WEIGHTS[1]}),
    "weight-images": lambda: network_figures.weight_images(
        IMAGES, np.outer(np.linspace(-1, 1, 64), np.arange(9)), (8, 8)
    ),
    "weight-images-of-several": lambda: network_figures.weight_images(
        IMAGES[:48, :4],
        {f"rate {rate}": np.outer(np.linspace(-rate, rate, 48), np.arange(4)) for rate in (0.1, 1, 10)},
        (4, 4, 3),
    ),
    "network": lambda: network_figures.network_drawing(WEIGHTS, NAMES, NAMES),
    "boundary": lambda: model_figures.decision_boundary(answer, POINTS, (POINTS[:, 0] > 0.4).astype(int)),
    "classes": lambda: model_figures.true_and_predicted(POINTS, np.arange(40) % 8, np.arange(40) % 7),
    "importances": importances,
    "calibration": lambda: model_figures.calibration_curve(
        [0.55, 0.75, 0.95], [0.5, 0.7, 0.97], [[0.3, 0.7], [0.6, 0.82], [0.93, 0.99]]
    ),
    "numbers": lambda: model_figures.true_and_predicted_numbers(POINTS[:, 0], POINTS.mean(1), target="price"),
    "errors": lambda: model_figures.errors_by_prediction(POINTS[:, 0], POINTS.mean(1), target="price"),
    "roc": lambda: model_figures.roc_chart(POINTS[:, 0] > 0.4, POINTS.mean(1), positive="late"),
    "epochs": lambda: model_figures.loss_by_epoch(FALLING[:, 1]),
    "confusion": lambda: model_figures.confusion_matrix([[50, 3, 1], [2, 47, 0], [9, 0, 60]], ["cat", "dog", "fish"]),
    "spreads": lambda: comparison_figures.spreads(
        {"none": np.linspace(400, 900, 9), "0.9": np.linspace(40, 90, 9)}, option="momentum", quantity="epochs"
    ),
    "claims": lambda: comparison_figures.shares_with_needed(
        ["encoder-1", "encoder-2"], [1.0, 0.2], [[0.96, 1.0], [0.1, 0.3]], [0.9, 0.5], confidence=0.875
    ),
    "effects": lambda: sweep_figures.effects_matrix(effects(GRID, SCORES), quantity="accuracy"),
    "ranking": lambda: sweep_figures.ranking_with_intervals(GRID, ranking(SCORES), quantity="accuracy"),
}


def picture(chart):
    """A chart as gray pixels from 0 to 1."""
    content, figure = BytesIO(), chart.figure()
    with style.style_context():
        figure.savefig(content, format="png", dpi=DPI)
    return Image.open(content).convert("L")


def blocks(image):
    """The mean brightness of each block."""
    gray = np.asarray(image, np.float64) / 255
    rows, columns = (size - size % BLOCK for size in gray.shape)
    return gray[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).mean((1, 3))


def difference(image, kept):
    """The largest difference of a block; pictures of other sizes differ altogether."""
    if max(abs(one - other) for one, other in zip(image.size, kept.size, strict=True)) > 2:
        return 1.0
    one, other = blocks(image), blocks(kept)
    rows, columns = (min(sizes) for sizes in zip(one.shape, other.shape, strict=True))
    return float(np.abs(one[:rows, :columns] - other[:rows, :columns]).max())


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", MADE)
def test_layout_is_that_of_the_picture(name):
    with Image.open(FOLDER / f"{name}.png") as kept:
        assert difference(picture(MADE[name]()), kept) <= MOST


def test_every_function_that_returns_a_chart_has_a_picture():
    modules = (heat_maps, comparison_figures, figures, model_figures, network_figures, sweep_figures)
    functions = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__annotations__.get("return") is Chart and function.__module__ == module.__name__
    }
    used = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in functions if f".{name}(" not in used} == set()
    assert {file.stem for file in FOLDER.glob("*.png")} == set(MADE)


def test_a_missing_label_and_a_moved_line_are_noticed():
    with Image.open(FOLDER / "comparison.png") as kept:
        chart = MADE["comparison"]()
        panel = chart.panels[0]
        bare = replace(chart, panels=[replace(panel, y=replace(panel.y, label=""))])
        assert difference(picture(bare), kept) > MOST
        moved = figures.comparison_curves(
            {"0.1": (STEPS, FALLING[:, 1]), "1": (STEPS, FALLING[:, 2])}, parameter="learning rate"
        )
        assert difference(picture(moved), kept) > MOST


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for made in sys.argv[1:] or MADE:
        picture(MADE[made]()).save(FOLDER / f"{made}.png", optimize=True)
