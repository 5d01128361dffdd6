"""Train the networks of a study, one for each seed, and summarize the run.

K members · T evaluations
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data.dataset import Dataset, Rows
from deltarule.engines.base import Engine
from deltarule.problem.problem import Floats, Integers
from deltarule.problem.recipe_sections import Criterion
from deltarule.recipes import Population, Recipe, problem_of, training_of
from deltarule.stats import metrics
from deltarule.stats.intervals import share_interval
from deltarule.training.populations import metrics_of
from deltarule.training.run import Run
from deltarule.training.train import Progress, train

if TYPE_CHECKING:
    from deltarule.symptoms.report import WhyReport


CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum over the members."""

    min: float
    median: float
    max: float


@dataclass(frozen=True)
class Solved:
    """How many members meet the study's criterion, and from which median step on.

    The step is exact to the interval of the evaluations. It is None if no member meets the criterion, and for a
    criterion on test rows, which are not evaluated during training. The interval of the share is Wilson's of 95 %.
    """

    criterion: str
    count: int
    of: int
    steps_median: float | None
    interval: tuple[float, float]


@dataclass(frozen=True)
class Outcome:
    """Summary of a run of a study, as `deltarule run --json` prints it.

    members, steps, member_steps   networks; the largest number of updates of a network; the updates of all
    seconds                        of training alone
    objective, accuracy            over all training rows at the end; accuracy is None for data without classes
    validation_accuracy, test_accuracy   None without such rows
    diverged                       for each member that diverged: member, step, layer, where
    out                            the folder of the records, or None
    why                            symptoms of the training, if they were asked for
    digest                         the SHA-256 of the parameters at the end, [K, P] in little-endian bytes
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
    digest: str = ""


# --- training --------------------------------------------------------------------------------------------------------


def population_of(recipe: Recipe, dataset: Dataset) -> Population:
    problem = problem_of(recipe, dataset)
    return Population(recipe, dataset, problem, np.zeros(problem.members, np.int64))


def train_population(population: Population, **options: Any) -> Run:
    rules = training_of(population.recipe, population.dataset, population.problem)
    return train(population.problem, **{"record": recorded_names(population), **rules, **options})


def recorded_names(population: Population) -> tuple[str, ...]:
    """Return what the history of a study holds, as `record` of `train`."""
    study = population.recipe.configuration.study
    return tuple(dict.fromkeys([*metrics_of(population.dataset, study.criterion), *study.record]))


def run_population(
    population: Population,
    *,
    engine: Engine | str = "auto",
    folder: Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train a study's networks as `train` does, with checkpoints in `folder`.

    The history of a small population includes the outputs.
    """
    return train_population(
        population,
        engine=engine,
        record=(*recorded_names(population), *(["outputs"] if is_small(population) else [])),
        checkpoint=folder / CHECKPOINT if folder else None,
        resume=resume,
        progress=progress,
    )


MAX_ROWS_WITH_OUTPUTS = 32
"""Training rows of which a reader would look at each output."""
MAX_NETWORKS_WITH_OUTPUTS = 1_000
"""Networks; of 4,096 encoders recording the outputs takes 0.6 GB and a third of the time."""


def is_small(population: Population) -> bool:
    """Whether the outputs for each training row are recorded along the run."""
    rows = len(population.dataset.train)
    networks = population.problem.members
    is_classifier = bool(population.dataset.classes)
    return is_classifier and rows <= MAX_ROWS_WITH_OUTPUTS and networks <= MAX_NETWORKS_WITH_OUTPUTS


# --- the summary of a run --------------------------------------------------------------------------------------------


def outcome_of(
    recipe: Recipe, dataset: Dataset, run: Run, out: Path | None = None, why: "WhyReport | None" = None
) -> Outcome:
    """Summarize a run of a recipe."""
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
        objective=_spread(run.objective),
        accuracy=_accuracy(dataset, dataset.train, run),
        validation_accuracy=_accuracy(dataset, dataset.validation, run),
        test_accuracy=_accuracy(dataset, dataset.test, run),
        solved=count_solved(recipe, dataset, run),
        reasons={reason: run.reasons.count(reason) for reason in dict.fromkeys(run.reasons)},
        diverged=[vars(divergence) for divergence in run.diverged],
        interrupted=run.interrupted,
        notes=(*run.notes, *_comparison(recipe)),
        out=None if out is None else str(out),
        why=why,
        digest=_theta_hash(run.state.theta),
    )


def _comparison(recipe: Recipe) -> list[str]:
    """What the report of a study has for the run of its own settings."""
    compare = recipe.configuration.study.compare
    return [compare] if compare and recipe.experiment is None else []


def _theta_hash(theta: Floats) -> str:
    return hashlib.sha256(theta.astype(theta.dtype.newbyteorder("<")).tobytes()).hexdigest()


def count_solved(recipe: Recipe, dataset: Dataset, run: Run) -> Solved | None:
    """Count the members that meet the study's criterion."""
    criterion = recipe.configuration.study.criterion
    rows = getattr(dataset, criterion.part) if criterion else None
    if criterion is None or rows is None:
        return None
    is_solved = criterion.is_met(scores(dataset, rows, run, criterion.name))
    steps_median = None
    # With two points, at the start and at the end, nobody has looked when a member was solved.
    if criterion.part != "test" and is_solved.any() and len(run.history.steps) > 2:
        series = criterion.name if criterion.part == "train" else f"validation {criterion.name}"
        steps = holding_since(run, criterion.is_met(run.history.series(series)))
        steps_median = float(np.median(steps[is_solved]))
    count = int(is_solved.sum())
    members = len(is_solved)
    return Solved(_describe_criterion(criterion), count, members, steps_median, share_interval(count, members))


def _describe_criterion(criterion: Criterion) -> str:
    """A criterion in words: its score, its bounds and the rows it is computed on."""
    rows = "training rows" if criterion.part == "train" else f"{criterion.part} rows"
    least, most = criterion.bounds
    if criterion.name == "thresholded" and least == 1:
        return f"all {rows} right when outputs are cut at 0.5"
    bounds = {"at least": least, "at most": most}
    texts = [f"{words} {bound:g}" for words, bound in bounds.items() if np.isfinite(bound)]
    return f"{criterion.name} of {' and '.join(texts)} on {rows}"


def holding_since(run: Run, holds: Floats) -> Floats:
    """First step of a run from which a condition holds until each member's end, [K].

    `holds` [T, K] is the condition at each evaluation; evaluations after a member's end are ignored.
    """
    return first_holding_steps(np.array(run.history.steps), run.steps, holds)


def first_holding_steps(steps: Integers, ends: Integers, holds: Floats) -> Floats:
    """Compute `holding_since` [K] from arrays."""
    is_before_end = steps[:, None] <= ends
    has_failed = is_before_end & ~holds
    index = (has_failed * np.arange(1, len(steps) + 1)[:, None]).max(0, initial=0)
    # Where it holds at no evaluation before the end, it holds from the end on.
    return np.where(index < is_before_end.sum(0), np.append(steps, 0)[index], ends).astype(np.float64)


def scores(dataset: Dataset, rows: Rows, run: Run, metric: str) -> Floats:
    """Evaluate a metric of every member on some rows, [K]."""
    outputs = run.outputs(rows.x)
    y = dataset.encode(rows, outputs.shape[-1])
    return metrics.find(metric).value(outputs, y, np.ones((len(y), 1)))


def _accuracy(dataset: Dataset, rows: Rows | None, run: Run) -> Spread | None:
    if rows is None or not dataset.classes:
        return None
    return _spread(scores(dataset, rows, run, "accuracy"))


def _spread(values: Floats) -> Spread:
    values = np.where(np.isfinite(values), values, np.inf)
    return Spread(float(np.min(values)), float(np.median(values)), float(np.max(values)))
