"""The work on one population: train its members, and score each of them wherever one of its rows ends.

K members · R rows of the table · P parameters
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.array_files import load_arrays, save_arrays
from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, RunFailed
from deltarule.files import kind_of, make_folder
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.sweeps.fold_data import data_of, forget_data
from deltarule.sweeps.grid import limit_of, problem_of
from deltarule.sweeps.plan import Data, Source, Unit
from deltarule.training.history import EvaluationSchedule, evaluate, evaluate_rows, map_blocks
from deltarule.training.populations import training_of
from deltarule.training.run import Progress, Run
from deltarule.training.train import train

NO_LAYER = -1


@dataclass
class Table:
    """Rows that are done, a list for each column, and the weights of those whose weights are asked for.

    key, status, reason, steps   steps: those made, and of patience those of the best weights in `best_step`
    train_objective … test_score the scores, NaN where there are no such rows
    layer, where                 of a member that diverged, −1 and "" of others
    """

    key: list[str] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    best_step: list[int] = field(default_factory=list)
    train_objective: list[float] = field(default_factory=list)
    validation_objective: list[float] = field(default_factory=list)
    test_objective: list[float] = field(default_factory=list)
    train_score: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    test_score: list[float] = field(default_factory=list)
    layer: list[int] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    weights: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)

    def add(self, **values: Any) -> None:
        """Add a row: a value for each column."""
        for column in COLUMNS:
            getattr(self, column).append(values[column])

    def __len__(self) -> int:
        return len(self.key)


COLUMNS = tuple(column.name for column in fields(Table) if column.name != "weights")


@dataclass
class Done:
    """What became of a unit: its rows, the sizes of its networks, which engine trained it, for how long, and whether
    Ctrl-C ended it before."""

    table: Table
    sizes: tuple[int, ...]
    engine: str
    seconds: float
    interrupted: bool


def do(
    unit: Unit,
    places: Integers,
    source: Source,
    *,
    keep: str,
    ranked: str,
    folder: Path,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Done:
    """Train members of a unit and score their rows.

    Parameters: `places`, which members: those that no earlier run has trained; `keep`, whose weights are handed
    back: "none", "best" of these rows, "all"; `ranked`, the part of the data that says which is best;
    `folder`, where a checkpoint is written and taken up; `threads`, how many the compiled engine may use; `progress`,
    called with how far the training is.
    Errors: `RunFailed` where the data are other ones than when the sweep was planned.
    """
    data = _load_unit_data(unit, source)
    part, chosen = unit.take(places), _engine(unit, threads)
    problem = problem_of(part.members, data)
    points = _points(part, problem)
    file = None if problem.optimizer.name == "lbfgs" else _checkpoint(folder, part)  # which keeps none
    scoring = _RowScorer(part, problem, data, chosen, keep, ranked)
    try:
        run = _train_part(scoring, points, file, True, progress)
    except BadInput:
        if file is None or not kind_of(file):
            raise
        # The checkpoint is one that this version cannot take up.
        scoring = _RowScorer(part, problem, data, chosen, keep, ranked)
        run = _train_part(scoring, points, file, False, progress)
    if not run.interrupted:
        scoring.finish(run)
    return Done(scoring.table, tuple(problem.network.sizes), chosen.name, run.seconds, run.interrupted)


def _engine(unit: Unit, threads: int | None) -> Engine:
    """The engine of a unit, with so many threads where it has any; None for as many as there are processors."""
    chosen = engine_of_name(unit.engine)
    if isinstance(chosen, CompiledEngine):
        chosen.threads, chosen.own_shape = threads or chosen.threads, unit.own_shape
    return chosen


def _train_part(
    scoring: "_RowScorer",
    points: Integers,
    file: Path | None,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> Run:
    """Train the members of a part, showing them to `scoring` wherever a row ends."""
    unit, problem, data = scoring.unit, scoring.problem, scoring.data
    first = unit.members[0]
    rules = training_of(first.configuration, data.dataset, problem) | {"progress": progress}
    if file is not None:
        rows = file.with_suffix(".rows")
        if resume and kind_of(file) and kind_of(rows):
            scoring.go_on_with(read_table(rows))
        # First the rows: those that a checkpoint has passed by are not come to again.
        rules |= {"before_checkpoint": lambda: write_table(rows, scoring.table)}
    if unit.at_once:
        rules |= {"max_steps": int(points.max()), "max_epochs": None, "validation": None, "with_history": False}
        # A metric without a threshold, which ends nothing: the history would be made for it.
        rules |= {"metric": "objective", "observe": points, "observer": scoring.observe}
    else:
        rules |= {"validation": _validation(data, first.fold, problem)}
    return train(problem, engine=scoring.engine, checkpoint=file, resume=resume and file is not None, **rules)


def _checkpoint(folder: Path, part: Unit) -> Path | None:
    """The file of a checkpoint; a machine of a cluster on which there cannot be this folder goes without."""
    try:
        return files_of(make_folder(folder), part)[0]
    except BadInput:
        return None


def _load_unit_data(unit: Unit, source: Source) -> Data:
    """The rows of a unit, which must be those that the sweep was planned with."""
    configuration = unit.members[0].configuration
    if data_of(configuration, source, unit.fold).dataset.digest != unit.data:
        forget_data()  # this process may have loaded them for an earlier sweep
    data = data_of(configuration, source, unit.fold)
    if data.dataset.digest != unit.data:
        raise RunFailed(
            f"the rows of {data.dataset.name} are not those that the sweep was planned with; "
            "give all workers the same files, and start the sweep again"
        )
    return data


def _points(unit: Unit, problem: Problem) -> Integers:
    """The steps at which the rows of each member end, [T, K], ascending; a member with fewer rows repeats its last."""
    ends = [
        sorted(limit_of(row, problem.steps_per_epoch(index)) for row in member.rows)
        for index, member in enumerate(unit.members)
    ]
    most = max(map(len, ends))
    return np.array([end + end[-1:] * (most - len(end)) for end in ends]).T


def _validation(data: Data, fold: int, problem: Problem) -> tuple[Floats, Floats] | None:
    """The rows that a member's validation score is of, in the problem's own precision."""
    dataset = data.dataset
    rows = dataset.train.take(data.folds[fold][1]) if data.folds else dataset.validation
    if rows is None:
        return None
    return np.asarray(rows.x, problem.dtype), dataset.encode(rows, problem.network.outputs).astype(problem.dtype)


class _RowScorer:
    """Scores rows as they are reached, and keeps them beside the checkpoint of a training that is not done yet."""

    def __init__(self, unit: Unit, problem: Problem, data: Data, engine: Engine, keep: str, ranked: str) -> None:
        self.unit, self.problem, self.data, self.engine = unit, problem, data, engine
        self.keep, self.ranked = keep, ranked
        self.metric = "accuracy" if data.dataset.classes else "r_squared"
        self.table = Table()
        self.done: set[str] = set()
        self.best = (np.inf, np.inf)
        self.sides: dict[int, tuple[Floats, Floats] | None] = {}
        epochs = [problem.steps_per_epoch(place) for place in range(problem.members)]
        # The rows of each member by the step where they end; two rows may end at one.
        self.rows: list[dict[int, list[str]]] = []
        for member, epoch in zip(unit.members, epochs, strict=True):
            self.rows.append({})
            for row in member.rows:
                self.rows[-1].setdefault(limit_of(row, epoch), []).append(row.key)

    def go_on_with(self, table: Table) -> None:
        """Take up the rows that an earlier training came to, with its checkpoint."""
        self.table, self.done = table, set(table.key)
        kept = (index for index, key in enumerate(table.key) if key in table.weights)
        self.best = min(map(self._rank, kept), default=self.best)

    def observe(self, run: Run, members: Integers) -> None:
        """Score the rows that end at this step, of members that still train."""
        step = int(run.state.step)
        places = [member for member in members.tolist() if not self.done.issuperset(self.rows[member].get(step, ()))]
        self._score(run, {place: self.rows[place][step] for place in places})

    def finish(self, run: Run) -> None:
        """Score the rows that no one has reached: of members that ended before."""
        left = {
            index: [key for keys in by_step.values() for key in keys if key not in self.done]
            for index, by_step in enumerate(self.rows)
        }
        self._score(run, {place: keys for place, keys in left.items() if keys})

    def _score(self, run: Run, keys: dict[int, list[str]]) -> None:
        if not keys:
            return
        places = np.array(sorted(keys))
        state = run.state.take(places)
        scores = self._score_parts(state)
        ends = {one.member: one for one in run.diverged}
        for i, place in enumerate(places.tolist()):
            end, reason = ends.get(place), run.reasons[place]
            for key in keys[place]:
                self.table.add(
                    key=key,
                    reason="max_steps" if reason == "interrupted" else reason,
                    steps=int(run.steps[place]),
                    best_step=int(run.steps[place] if run.best_steps is None else run.best_steps[place]),
                    layer=NO_LAYER if end is None else end.layer,
                    where="" if end is None else end.where,
                    **{name: float(values[i]) for name, values in scores.items()},
                )
                self.done.add(key)
                if self._is_kept():
                    self.table.weights[key] = state.theta[i].copy(), state.buffers[i].copy()

    def _is_kept(self) -> bool:
        """Whether the weights of the latest row are kept: of the best of all rows so far alone, where these are asked
        for; of equal ones the store chooses."""
        if self.keep != "best":
            return self.keep == "all"
        if (rank := self._rank(-1)) < self.best:
            self.best = rank
            self.table.weights.clear()
        return rank == self.best

    def _rank(self, place: int) -> tuple[float, float]:
        """As the store ranks rows: by the score, then by the objective, of which null comes first."""
        score, objective = (getattr(self.table, f"{self.ranked}_{what}")[place] for what in ("score", "objective"))
        return -score if np.isfinite(score) else np.inf, objective if np.isfinite(objective) else -np.inf

    def _score_parts(self, state: State) -> dict[str, Floats]:
        """Objective and score of each member on training, validation and test rows, NaN where there are none."""
        count = len(state.members)
        scores = {
            f"{part}_{what}": np.full(count, np.nan)
            for part in ("train", "validation", "test")
            for what in ("objective", "score")
        }
        seen = evaluate(self.problem, self.engine, state, EvaluationSchedule(1, (self.metric,)), None)
        scores["train_objective"], scores["train_score"] = seen["objective"], seen[self.metric]
        folds = np.array([self.unit.members[member].fold for member in state.members.tolist()])
        for fold in np.unique(folds).tolist():
            if fold not in self.sides:
                self.sides[fold] = _validation(self.data, fold, self.problem)
            self._score_part("validation", self.sides[fold], state, np.flatnonzero(folds == fold), scores)
        test = self.data.dataset.test
        if test is not None:
            y = self.data.dataset.encode(test, self.problem.network.outputs).astype(self.problem.dtype)
            rows = np.asarray(test.x, self.problem.dtype), y
            self._score_part("test", rows, state, np.arange(count), scores)
        return scores

    def _score_part(
        self,
        part: str,
        rows: tuple[Floats, Floats] | None,
        state: State,
        places: Integers,
        scores: dict[str, Floats],
    ) -> None:
        if rows is None:
            return

        def see(block: Integers) -> tuple[Integers, dict[str, Floats]]:
            return block, evaluate_rows(self.problem, self.engine, state.take(block), *rows, (self.metric,))

        for block, seen in map_blocks(see, self.problem, places, len(rows[0])):
            scores[f"{part}_objective"][block], scores[f"{part}_score"][block] = seen["objective"], seen[self.metric]


# --- a table as a file -----------------------------------------------------------------------------------------------


def write_table(file: Path, table: Table) -> None:
    """Write rows that are done, whole: what a training that is gone on with need not come to again."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, (theta, buffers) in enumerate(table.weights.values()):
        arrays |= {f"theta {number}": theta, f"buffers {number}": buffers}
    columns = {name: getattr(table, name) for name in COLUMNS}
    # JSON has no NaN, and loses no digit of any other number.
    save_arrays(file, arrays, {"columns": columns, "weights": list(table.weights)})


def read_table(file: Path) -> Table:
    """The inverse of `write_table`."""
    arrays, about = load_arrays(file)
    try:
        columns = {name: list(about["columns"][name]) for name in COLUMNS}
        for name in COLUMNS:
            if name.endswith(("objective", "score")):
                columns[name] = [np.nan if value is None else float(value) for value in columns[name]]
        weights = {
            key: (arrays[f"theta {number}"], arrays[f"buffers {number}"]) for number, key in enumerate(about["weights"])
        }
        if len({len(column) for column in columns.values()}) > 1 or not set(weights) <= set(columns["key"]):
            raise ValueError("its columns do not fit each other")
    except (LookupError, TypeError, ValueError) as error:
        raise BadInput(f"{file} is damaged ({error}); delete it, and start without resume") from error
    return Table(**columns, weights=weights)


def files_of(folder: Path, part: Unit) -> tuple[Path, Path]:
    """The files that a unit's training leaves: its checkpoint and its rows."""
    file = folder / f"{part.name}.safetensors"
    return file, file.with_suffix(".rows")
