"""Draw the figures of the studies' pages into docs/studies: `python benchmarks/study_pictures.py`."""

from pathlib import Path

import numpy as np

from deltarule.reports.chart import Chart
from deltarule.reports.comparison_figures import spreads
from deltarule.reports.figures import comparison_curves, object_curves
from deltarule.reports.heat_maps import activation_cells
from deltarule.reports.render import file_content
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges import encoder_relu
from deltarule.studies.judges.boundary_trainings import epochs_needed, train

PAGES = Path(__file__).parents[1] / "docs" / "studies"
SEEDS = 40


def epochs_by_optimizer(study: str) -> Chart:
    """Epochs to the early stop without a schedule, by optimizer."""
    experiments = Experiments(study, seeds=SEEDS)
    # The final program, the recipe itself, has momentum for linear points, and the adaptive update for XOR.
    linear = study == "boundary-linear"
    optimizers = {
        "plain": ("plain",),
        "momentum": () if linear else ("momentum",),
        "adaptive (as coded)": ("normalized-gradient",) if linear else (),
        "Adagrad (as printed)": ("adagrad",),
    }
    limit = 4000
    found = {
        name: epochs_needed(train(experiments, *names, "schedule-off", epochs=limit), np.nan)
        for name, names in optimizers.items()
    }
    return spreads(found, option="optimizer", quantity="epochs to the early stop", limit=limit)


def encoder_charts() -> tuple[Chart, Chart]:
    """The outputs of the first network through training, and its activations at the end."""
    experiments = Experiments("encoder", seeds=1)
    x = experiments.dataset.train.x
    steps = [0, 25, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 2500, 3000]
    outputs = [experiments.run({"stopping.max_steps": step}).outputs(x)[0] for step in steps]
    objects = [f"object {number}" for number in range(8)]
    last = experiments.run({"stopping.max_steps": steps[-1]}).activations(x)
    cells = activation_cells(objects, last["a1"][0], last["a2"][0], classes=objects)
    return object_curves(steps, [np.diag(one) for one in outputs], objects), cells


def loss_by_rate(convention: str) -> Chart:
    """The median loss of the ReLU encoder at each of the report's rates."""
    experiments = Experiments("encoder-relu", seeds=SEEDS, engine="compiled")
    series = {}
    for rate in encoder_relu.RATES:
        names = (*encoder_relu.CONVENTIONS[convention], *encoder_relu.RATES[rate])
        run = experiments.run({**experiments.settings_of(*names), "run.history_every": 500})
        series[f"{rate:g}"] = run.history.steps, run.history.objective
    return comparison_curves(series, parameter="learning rate", quantity="loss over all eight vectors")


def write(name: str, chart: Chart) -> None:
    """Write a figure as SVG."""
    (PAGES / f"{name}.svg").write_bytes(file_content(chart.figure(), "svg"))
    print(name, *chart.sentences, sep="\n  ")


if __name__ == "__main__":
    write("boundary-linear", epochs_by_optimizer("boundary-linear"))
    write("boundary-xor", epochs_by_optimizer("boundary-xor"))
    curves, cells = encoder_charts()
    write("encoder-outputs", curves)
    write("encoder-codes", cells)
    write("encoder-relu-sum", loss_by_rate("hidden 3, sum"))
    write("encoder-relu-8", loss_by_rate("hidden 8, sum"))
