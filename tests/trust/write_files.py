"""Write one small file of every kind, and what this version reads in it: later versions must read the same.

    python tests/trust/write_files.py

The files of a released version are never written again: the next version gets its own folder.
"""

import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_iris

from deltarule import MLPClassifier, Network, TabularClassifier, create_problem, sweep, train
from deltarule.files import make_folder
from deltarule.json_files import write_json
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Population, dataset_of, load_recipe, problem_of
from deltarule.studies.run_records import write_records, write_summary
from deltarule.studies.runner import outcome_of, train_population
from deltarule.training.run import Run

FOLDER = Path(__file__).with_name("files")

RECIPE = """
[data]
name = "one_hot"
[network]
layers = [8, 3, 8]
output = "sigmoid"
batch_norm = true
[loss]
name = "binary_cross_entropy"
[optimizer]
name = "momentum"
learning_rate = 0.5
batch_size = 2
[stopping]
max_steps = 40
[run]
seeds = 2
engine = "reference"
[grid]
"optimizer.learning_rate" = [0.5, 1e300]
"network.layers" = [[8, 3, 8], [8, 8]]
"""

INTERRUPTED_AT = 80


def flowers() -> tuple[dict[str, list[Any]], list[str]]:
    """A table with numbers, missing values and categories, and its labels."""
    x, kinds = load_iris(return_X_y=True)
    x, kinds = x[::3], kinds[::3]
    table: dict[str, list[Any]] = {
        "length": [None if index % 7 == 3 else float(row[0]) for index, row in enumerate(x)],
        "color": [["red", "blue", "white"][int(row[2]) % 3] for row in x],
        "width": [float(row[3]) for row in x],
    }
    return table, [f"kind {kind}" for kind in kinds]


def problem() -> Problem:
    """The problem of the checkpoint."""
    x = np.eye(4)
    return create_problem(
        Network([4, 2, 4], "sigmoid", "sigmoid"), x, x, optimizer="adam", batch_size=3, dropout=0.2, seeds=range(3)
    )


def trained(**options: Any) -> Run:
    """The training run of the checkpoint, with further arguments of `train`."""
    rules: dict[str, Any] = {"max_steps": 200, "threshold": 0.2, "metrics": ("accuracy",), "history_every": 20}
    return train(problem(), engine="reference", **rules, **options)


def write_models(folder: Path) -> dict[str, Any]:
    """Write the models of a network and of a table; returns their predictions."""
    x, kinds = load_iris(return_X_y=True)
    model = MLPClassifier((5,), batch_norm=True, max_iter=20, n_members=2, random_state=0).fit(x, kinds)
    model.save(folder / "model.safetensors")
    table, answers = flowers()
    of_table = TabularClassifier(random_state=0).fit(table, answers)
    of_table.save(folder / "table.safetensors")
    return {
        "model": model.predict_proba(x[::50]),
        "table": of_table.predict_proba({name: column[::20] for name, column in table.items()}),
    }


def write_the_run(folder: Path) -> dict[str, Any]:
    """Write the folder of a run; returns its losses."""
    recipe = load_recipe(folder.parent / "mine.toml")
    dataset = dataset_of(recipe)
    what = problem_of(recipe, dataset)
    population = Population(recipe, dataset, what, np.zeros(what.members, np.int64))
    run = train_population(population, engine="reference")
    write_records(folder, population, run)
    write_summary(folder, outcome_of(recipe, dataset, run, folder.relative_to(folder.parent)))
    return {"losses": run.history.objective, "steps": run.history.steps}


def write_all(folder: Path) -> None:
    """Write all files of this version, and what it reads in them."""
    make_folder(folder)
    (folder / "mine.toml").write_text(RECIPE, encoding="utf-8")
    told = write_models(folder) | {"run": write_the_run(folder / "run")}
    table = sweep(folder / "mine.toml", out=folder / "sweep", keep="all")
    told["sweep"] = [row | {"theta": table.network(row["key"]).theta} for row in table.rows()]
    table.close()
    (folder / "sweep" / "sweep.lock").unlink(missing_ok=True)

    def interrupt(seen: Any) -> None:
        if seen.step >= INTERRUPTED_AT:
            signal.raise_signal(signal.SIGINT)

    part = trained(checkpoint=folder / "checkpoint.safetensors", progress=interrupt)
    told["checkpoint"] = {"step": int(part.steps.max()), "losses": trained().history.objective}
    write_json(folder / "told.json", told)


if __name__ == "__main__":
    write_all(FOLDER / version("deltarule"))
