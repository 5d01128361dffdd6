"""`deltarule lr-range`: run the learning-rate range test of a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli.options import (
    Data,
    Device,
    EngineName,
    ExperimentName,
    Json,
    Out,
    Seed,
    Seeds,
    Settings,
    Study,
    chosen_engine,
    chosen_recipe,
)
from deltarule.cli.terminal import console, print_json
from deltarule.files import make_folder

if TYPE_CHECKING:
    from deltarule.data.dataset import Dataset
    from deltarule.problem.problem import Floats
    from deltarule.studies.recipes import Recipe
    from deltarule.training.range_test import RangeTest

Lowest = Annotated[float, typer.Option("--from", metavar="RATE", help="First rate.")]
Highest = Annotated[float, typer.Option("--to", metavar="RATE", help="Last rate.")]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Number of updates.")]
Linear = Annotated[bool, typer.Option("--linear", help="Raise the rate linearly instead of exponentially.")]


def lr_range(
    study: Study,
    experiment: ExperimentName = None,
    set: Settings = None,
    seed: Seed = None,
    seeds: Seeds = None,
    lowest: Lowest = 1e-5,
    highest: Highest = 10.0,
    steps: Steps = 200,
    linear: Linear = False,
    engine: EngineName = None,
    device: Device = None,
    data: Data = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Raise the learning rate during one run, and suggest the rate at which the objective falls fastest."""
    import numpy as np

    from deltarule.json_files import write_json
    from deltarule.studies.recipes import dataset_of, problem_of
    from deltarule.training.range_test import range_test

    recipe = chosen_recipe(study, experiment, set, seed, seeds)
    dataset = dataset_of(recipe, data)
    problem = problem_of(recipe, dataset)
    folder = None if out is None else make_folder(out)
    tested = range_test(
        problem,
        lowest=lowest,
        highest=highest,
        steps=steps,
        kind="linear" if linear else "exponential",
        accuracy=bool(dataset.classes),
        engine=chosen_engine(engine, recipe, device),
    )
    suggested = tested.suggested[np.isfinite(tested.suggested)]
    record = _record(recipe, dataset, tested, suggested, folder)
    if folder is not None:
        from deltarule.reports.figures import range_test_curves

        write_json(folder / "lr_range.json", record)
        range_test_curves(tested).save(folder / "lr_range")
    if json:
        print_json(record)
    elif not len(suggested):
        console().print(f"Between {lowest:g} and {highest:g} no rate makes the objective fall; try another range.")
    else:
        _print_suggestion(suggested, len(tested.suggested), recipe, folder)


def _record(
    recipe: "Recipe", dataset: "Dataset", tested: "RangeTest", suggested: "Floats", folder: Path | None
) -> dict[str, Any]:
    """The fields of the JSON object."""
    import numpy as np

    return {
        "study": recipe.name,
        "experiment": recipe.experiment,
        "settings": recipe.settings,
        "data": dataset.name,
        "members": len(tested.suggested),
        "suggested": float(np.median(suggested)) if len(suggested) else None,
        "suggested_by_member": tested.suggested,
        "rates": tested.rates,
        "objective": tested.objective,
        "accuracy": tested.accuracy,
        "out": None if folder is None else str(folder),
    }


def _print_suggestion(suggested: "Floats", members: int, recipe: "Recipe", folder: Path | None) -> None:
    """Print the suggested learning rate beside the recipe's."""
    import numpy as np

    screen = console()
    remark = f"of {len(suggested)} of {members} members"
    if len(suggested) > 1:
        remark = f"median {remark}, from {suggested.min():.3g} to {suggested.max():.3g}"
    screen.print(f"Suggested learning rate: {np.median(suggested):.3g}{f' ({remark})' if members > 1 else ''}")
    screen.print(f"The recipe's own is {recipe.configuration.optimizer.learning_rate:g}.")
    if folder is not None:
        screen.print(f"Curves: {folder / 'lr_range.svg'}")


lr_range.command_name = "lr-range"  # type: ignore[attr-defined]
