"""Train a population, and score each member at every step limit that a row of the table asks for.

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
from deltarule.files import make_folder
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.sweeps.fold_data import data_of, forget_data
from deltarule.sweeps.grid import limit_of, population_problem
from deltarule.sweeps.plan import Data, Source, Unit
from deltarule.training.history import EvaluationSchedule, evaluate, evaluate_rows, map_blocks
from deltarule.training.populations import training_of
from deltarule.training.run import Progress, Run
from deltarule.training.train import train

NO_LAYER = -1
"""The value of the column `layer` for a member that did not diverge."""


@dataclass
class Table:
    """Completed rows, a list for each column, and the weights of those whose weights are kept, by their keys.

    steps, best_step              updates that were made; with patience, the step of the best weights
    train_objective … test_score  the scores, NaN if the data have no such part
    layer, where                  of a member that diverged; −1 and "" of others
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
        """Append a row, given as a value for each column."""
        for column in COLUMNS:
            getattr(self, column).append(values[column])

    def __len__(self) -> int:
        return len(self.key)


COLUMNS = tuple(column.name for column in fields(Table) if column.name != "weights")


@dataclass
class UnitResult:
    """The result of training a unit: rows, layer sizes, name of the engine, seconds, whether Ctrl-C interrupted it."""

    table: Table
    sizes: tuple[int, ...]
    engine: str
    seconds: float
    interrupted: bool


def train_unit(
    unit: Unit,
    members: Integers,
    source: Source,
    *,
    keep: str,
    ranked: str,
    folder: Path,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> UnitResult:
    """Train some members (by index) of a unit, from their checkpoint in `folder` if there is one, and score their rows.

    Parameters: `members`, indices of those that no earlier run has trained; `keep`, whose weights are returned: "none",
    "best" of these rows, or "all"; `ranked`, the part of the data by which the best row is found; `folder` of the
    checkpoints, from which the training resumes; `threads`, how many the compiled engine may use, None for all;
    `progress`, called with the progress of the training.
    Errors: `RunFailed` if the data have changed since the sweep was planned.
    """
    data = _load_unit_data(unit, source)
    part, engine = unit.take(members), _engine_of(unit, threads)
    problem = population_problem(part.members, data)
    steps = _scoring_steps(part, problem)
    file = _checkpoint_file(folder, part)
    scorer = _RowScorer(part, problem, data, engine, keep, ranked)
    try:
        run = _train_and_score(scorer, steps, file, True, progress)
    except BadInput:
        if file is None or not file.exists():
            raise
        # This version cannot resume from the checkpoint.
        scorer = _RowScorer(part, problem, data, engine, keep, ranked)
        run = _train_and_score(scorer, steps, file, False, progress)
    if not run.interrupted:
        scorer.score_remaining(run)
    return UnitResult(scorer.table, tuple(problem.network.sizes), engine.name, run.seconds, run.interrupted)


def _engine_of(unit: Unit, threads: int | None) -> Engine:
    """The engine of a unit; a compiled one uses this number of threads, or if None, as many as there are processors."""
    engine = engine_of_name(unit.engine)
    if isinstance(engine, CompiledEngine):
        engine.threads, engine.own_shape = threads or engine.threads, unit.own_shape
    return engine


def _train_and_score(
    scorer: "_RowScorer",
    steps: Integers,
    checkpoint: Path | None,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> Run:
    """Train the scorer's members, scored at steps [T, K]; `checkpoint` None: none is written, nor resumed from."""
    unit, problem, data = scorer.unit, scorer.problem, scorer.data
    first = unit.members[0]
    rules = training_of(first.configuration, data.dataset, problem) | {"progress": progress}
    if checkpoint is not None:
        rows = checkpoint.with_suffix(".rows")
        if resume and checkpoint.exists() and rows.exists():
            scorer.restore(read_completed_rows(rows))
        # Rows before the checkpoint: a training that resumes from it does not reach them again.
        rules |= {"before_checkpoint": lambda: write_completed_rows(rows, scorer.table)}
    if unit.at_once:
        rules |= {"max_steps": int(steps.max()), "max_epochs": None, "validation": None, "with_history": False}
        # A metric without a threshold stops nothing, but the history would be computed for it.
        rules |= {"metric": "objective", "observe": steps, "observer": scorer.observe}
    else:
        rules |= {"validation": _validation_rows(data, first.fold, problem)}
    resume = resume and checkpoint is not None
    return train(problem, engine=scorer.engine, checkpoint=checkpoint, resume=resume, **rules)


def _checkpoint_file(folder: Path, unit: Unit) -> Path | None:
    """Create the folder, and return the checkpoint file of a unit; None on a machine where this is impossible."""
    try:
        return checkpoint_files(make_folder(folder), unit)[0]
    except BadInput:
        return None


def _load_unit_data(unit: Unit, source: Source) -> Data:
    """Load the data of a unit, and raise `RunFailed` if they have changed since the sweep was planned."""
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


def _scoring_steps(unit: Unit, problem: Problem) -> Integers:
    """The steps at which the rows of each member end, [T, K], ascending; a member with fewer rows repeats its last."""
    ends = [
        sorted(limit_of(row, problem.steps_per_epoch(index)) for row in member.rows)
        for index, member in enumerate(unit.members)
    ]
    count = max(map(len, ends))
    return np.array([end + end[-1:] * (count - len(end)) for end in ends]).T


def _validation_rows(data: Data, fold: int, problem: Problem) -> tuple[Floats, Floats] | None:
    """The inputs and encoded targets of the rows that validate the members of a fold, in the problem's data type."""
    dataset = data.dataset
    rows = dataset.train.take(data.folds[fold][1]) if data.folds else dataset.validation
    if rows is None:
        return None
    return np.asarray(rows.x, problem.dtype), dataset.encode(rows, problem.network.outputs).astype(problem.dtype)


class _RowScorer:
    """Scores the rows of a unit when training reaches their steps; its table is stored beside each checkpoint."""

    def __init__(self, unit: Unit, problem: Problem, data: Data, engine: Engine, keep: str, ranked: str) -> None:
        self.unit, self.problem, self.data, self.engine = unit, problem, data, engine
        self.keep, self.ranked = keep, ranked
        self.metric = "accuracy" if data.dataset.classes else "r_squared"
        self.table = Table()
        self.done: set[str] = set()
        self.best = (np.inf, np.inf)
        self.validation_rows: dict[int, tuple[Floats, Floats] | None] = {}
        epochs = [problem.steps_per_epoch(member) for member in range(problem.members)]
        # The keys of each member's rows, by the step at which they end; two rows may end at one step.
        self.rows: list[dict[int, list[str]]] = []
        for member, epoch in zip(unit.members, epochs, strict=True):
            self.rows.append({})
            for row in member.rows:
                self.rows[-1].setdefault(limit_of(row, epoch), []).append(row.key)

    def restore(self, table: Table) -> None:
        """Replace the table by the rows that an interrupted training stored beside its checkpoint."""
        self.table, self.done = table, set(table.key)
        kept = (index for index, key in enumerate(table.key) if key in table.weights)
        self.best = min(map(self._sort_key, kept), default=self.best)

    def observe(self, run: Run, members: Integers) -> None:
        """Score the rows that end at the current step, for these members, which still train."""
        step = int(run.state.step)
        due = [member for member in members.tolist() if not self.done.issuperset(self.rows[member].get(step, ()))]
        self._score(run, {member: self.rows[member][step] for member in due})

    def score_remaining(self, run: Run) -> None:
        """Score the rows whose step was never reached, because their members stopped before."""
        remaining = {
            index: [key for keys in by_step.values() for key in keys if key not in self.done]
            for index, by_step in enumerate(self.rows)
        }
        self._score(run, {member: keys for member, keys in remaining.items() if keys})

    def _score(self, run: Run, keys_by_member: dict[int, list[str]]) -> None:
        """Score members in their current state, and add rows with these keys, {member: keys}, to the table."""
        if not keys_by_member:
            return
        members = np.array(sorted(keys_by_member))
        state = run.state.take(members)
        scores = self._score_parts(state)
        divergences = {divergence.member: divergence for divergence in run.diverged}
        for i, member in enumerate(members.tolist()):
            divergence, reason = divergences.get(member), run.reasons[member]
            for key in keys_by_member[member]:
                self.table.add(
                    key=key,
                    reason="max_steps" if reason == "interrupted" else reason,
                    steps=int(run.steps[member]),
                    best_step=int(run.steps[member] if run.best_steps is None else run.best_steps[member]),
                    layer=NO_LAYER if divergence is None else divergence.layer,
                    where="" if divergence is None else divergence.where,
                    **{name: float(values[i]) for name, values in scores.items()},
                )
                self.done.add(key)
                if self._should_keep_weights():
                    self.table.weights[key] = state.theta[i].copy(), state.buffers[i].copy()

    def _should_keep_weights(self) -> bool:
        """Whether to keep the latest row's weights; if only the best are kept, delete those of worse rows."""
        # Among equally good rows the store chooses.
        if self.keep != "best":
            return self.keep == "all"
        sort_key = self._sort_key(-1)
        if sort_key < self.best:
            self.best = sort_key
            self.table.weights.clear()
        return sort_key == self.best

    def _sort_key(self, index: int) -> tuple[float, float]:
        """The sort key of a row of the table, as the store ranks rows: by score, then by objective, null first."""
        score, objective = (getattr(self.table, f"{self.ranked}_{name}")[index] for name in ("score", "objective"))
        return -score if np.isfinite(score) else np.inf, objective if np.isfinite(objective) else -np.inf

    def _score_parts(self, state: State) -> dict[str, Floats]:
        """Objectives and scores [K] on training, validation and test rows, by column; NaN for missing parts."""
        count = len(state.members)
        scores = {
            f"{part}_{measure}": np.full(count, np.nan)
            for part in ("train", "validation", "test")
            for measure in ("objective", "score")
        }
        results = evaluate(self.problem, self.engine, state, EvaluationSchedule(1, (self.metric,)), None)
        scores["train_objective"], scores["train_score"] = results["objective"], results[self.metric]
        folds = np.array([self.unit.members[member].fold for member in state.members.tolist()])
        for fold in np.unique(folds).tolist():
            if fold not in self.validation_rows:
                self.validation_rows[fold] = _validation_rows(self.data, fold, self.problem)
            self._score_part("validation", self.validation_rows[fold], state, np.flatnonzero(folds == fold), scores)
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
        members: Integers,
        scores: dict[str, Floats],
    ) -> None:
        """Write the scores of members (indices into `state`) on a part's rows (x, y) to `scores`; nothing if None."""
        if rows is None:
            return

        def evaluate_block(block: Integers) -> tuple[Integers, dict[str, Floats]]:
            return block, evaluate_rows(self.problem, self.engine, state.take(block), *rows, (self.metric,))

        for block, results in map_blocks(evaluate_block, self.problem, members, len(rows[0])):
            scores[f"{part}_objective"][block] = results["objective"]
            scores[f"{part}_score"][block] = results[self.metric]


# --- a table as a file -----------------------------------------------------------------------------------------------


def write_completed_rows(file: Path, table: Table) -> None:
    """Write completed rows to a file, so that a training that resumes need not compute them again."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, (theta, buffers) in enumerate(table.weights.values()):
        arrays |= {f"theta {number}": theta, f"buffers {number}": buffers}
    columns = {name: getattr(table, name) for name in COLUMNS}
    # JSON has no NaN, and loses no digit of any other number.
    save_arrays(file, arrays, {"columns": columns, "weights": list(table.weights)})


def read_completed_rows(file: Path) -> Table:
    """Read the rows that `write_completed_rows` wrote; raise `BadInput` for a damaged file."""
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


def checkpoint_files(folder: Path, part: Unit) -> tuple[Path, Path]:
    """The two files of a unit's unfinished training: its checkpoint, and its completed rows."""
    file = folder / f"{part.name}.safetensors"
    return file, file.with_suffix(".rows")
