"""The outcome of a study's run: the numbers that `deltarule run` prints and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.array_files import save_arrays
from deltarule.data.dataset import Dataset, Rows
from deltarule.files import make_folder, remove
from deltarule.json_files import write_json
from deltarule.problem.problem import Floats, Integers
from deltarule.reports.figures import Curves
from deltarule.stats import metrics
from deltarule.studies.recipes import Recipe, explain_recipe
from deltarule.training.run import Run

if TYPE_CHECKING:
    from deltarule.symptoms.report import WhyReport


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the greatest of the members' numbers; one that diverged counts as infinite."""

    min: float
    median: float
    max: float


@dataclass(frozen=True)
class Solved:
    """How many members meet the study's criterion at the end, and the median first step from which each holds it.

    The step is known to the nearest look at the history; it is None where no member holds the criterion, and where
    the criterion looks at the test rows, which nobody looks at on the way.
    """

    criterion: str
    count: int
    of: int
    steps_median: float | None


@dataclass(frozen=True)
class Outcome:
    """What a run of a study came to: these fields, by these names, are the JSON object of `deltarule run --json`.

    members, steps, member_steps   how many networks, the most updates that any made, the updates of all together
    seconds                        of training alone
    objective, accuracy            over all training rows at the end; accuracy is None where there are no classes
    validation_accuracy, test_accuracy   on rows that were set aside, where there are any
    diverged                       a list of member, step, layer, where
    out                            the folder that was written to, or None
    why                            what stands out in the training, where that was asked for
    """

    study: str
    experiment: str | None
    data: str
    engine: str
    dtype: str
    members: int
    steps: int
    member_steps: int
    seconds: float
    objective: Spread
    accuracy: Spread | None
    validation_accuracy: Spread | None
    test_accuracy: Spread | None
    solved: Solved | None
    reasons: Mapping[str, int]
    diverged: list[dict[str, Any]]
    interrupted: bool
    notes: tuple[str, ...]
    out: str | None
    why: "WhyReport | None" = None


def outcome_of(
    recipe: Recipe, dataset: Dataset, run: Run, out: Path | None = None, why: "WhyReport | None" = None
) -> Outcome:
    """The outcome of a run of a study's recipe."""
    return Outcome(
        study=recipe.name,
        experiment=recipe.experiment,
        data=dataset.name,
        engine=run.engine.name,
        dtype=run.problem.dtype.name,
        members=run.problem.members,
        steps=int(run.steps.max()),
        member_steps=int(run.steps.sum()),
        seconds=run.seconds,
        objective=_median_and_range(run.objective),
        accuracy=_accuracy(dataset, dataset.train, run),
        validation_accuracy=_accuracy(dataset, dataset.validation, run),
        test_accuracy=_accuracy(dataset, dataset.test, run),
        solved=count_solved(recipe, dataset, run),
        reasons={reason: run.reasons.count(reason) for reason in dict.fromkeys(run.reasons)},
        diverged=[vars(one) for one in run.diverged],
        interrupted=run.interrupted,
        notes=run.notes,
        out=None if out is None else str(out),
        why=why,
    )


def count_solved(recipe: Recipe, dataset: Dataset, run: Run) -> Solved | None:
    """How many members meet the study's own criterion; None where the study has none."""
    criterion = recipe.configuration.study.criterion
    rows = getattr(dataset, criterion.part) if criterion else None
    if criterion is None or rows is None:
        return None
    now = scores(dataset, rows, run, criterion.name) >= criterion.at_least
    first = None
    if criterion.part != "test" and now.any():
        series = criterion.name if criterion.part == "train" else f"validation {criterion.name}"
        first = float(np.median(holding_since(run, run.history.series(series) >= criterion.at_least)[now]))
    text = f"{criterion.name} of at least {criterion.at_least:g} on the {criterion.part} rows"
    return Solved(text, int(now.sum()), len(now), first)


def holding_since(run: Run, holds: Floats) -> Floats:
    """The first look from which on a condition holds until the member's end: its step [K], NaN where it fails last.

    holds [T, K], the condition at each look; looks after a member's end do not count
    """
    return since(np.array(run.history.steps), run.steps, holds)


def since(looks: Integers, ends: Integers, holds: Floats) -> Floats:
    """The same, of the steps of the looks [T] and those at which members ended [K]."""
    found = np.full(len(ends), np.nan)
    for member, end in enumerate(ends):
        looked = looks <= end
        fails = np.flatnonzero(looked & ~holds[:, member])
        first = 0 if not len(fails) else int(fails[-1]) + 1
        if first < looked.sum():
            found[member] = looks[first]
        elif first == looked.sum():
            found[member] = end  # it holds at the end, and at no look before
    return found


def scores(dataset: Dataset, rows: Rows, run: Run, name: str) -> Floats:
    """A metric of every member on some rows, [K]."""
    outputs = run.outputs(rows.x)
    y = dataset.encode(rows, outputs.shape[-1])
    return metrics.find(name).value(outputs, y, np.ones((len(y), 1)))


def write_run(folder: Path, recipe: Recipe, outcome: Outcome, run: Run) -> None:
    """Write a run's records into a folder: `run.json`, `recipe.json` and `arrays.safetensors`, each file whole.

    The `run.json` of an earlier run goes first, and the new one comes last.
    """
    make_folder(folder)
    remove(folder / "run.json")  # of an earlier run: its numbers must not stand beside the arrays of this one
    write_json(folder / "recipe.json", explain_recipe(recipe))
    arrays = {
        "theta": run.state.theta,
        "buffers": run.state.buffers,
        "steps": run.steps,
        "seeds": run.problem.seeds.astype(np.int64),
        "objective": run.objective,
        **{f"slot {name}": slot for name, slot in run.state.slots.items()},
        **run.history.arrays(),
    }
    curves = Curves.of(run)
    about = {
        "format": "deltarule run 1",
        "study": recipe.name,
        "sizes": list(run.problem.network.sizes),
        "arrays": [[entry.name, *entry.shape, entry.start, entry.stop] for entry in run.problem.network.entries],
        "reasons": list(run.reasons),
        "names": curves.names,
        "told": curves.told,
        "ended_at_best": curves.ended_at_best,
    }
    save_arrays(folder / "arrays.safetensors", arrays, about)
    write_json(folder / "run.json", outcome)  # last: whoever finds it finds the others


def _accuracy(dataset: Dataset, rows: Rows | None, run: Run) -> Spread | None:
    if rows is None or not dataset.classes:
        return None
    return _median_and_range(scores(dataset, rows, run, "accuracy"))


def _median_and_range(values: Floats) -> Spread:
    values = np.where(np.isfinite(values), values, np.inf)  # of a member that diverged: worse than any other
    return Spread(float(np.min(values)), float(np.median(values)), float(np.max(values)))
