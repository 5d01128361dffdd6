"""Train a population, and score each member at the step limits of its rows.

K members · R rows of the table · P parameters
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.data.dataset import Rows
from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, RunFailed
from deltarule.problem import registry
from deltarule.problem.configuration import NUMERICS_VERSIONS
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.sweeps.grid import limit_of, population_problem
from deltarule.sweeps.plan import Additions, Data, PlannedRow, Source, Unit, data_of, forget_data
from deltarule.training.history import Recorded, call_functions
from deltarule.training.moment import Moment
from deltarule.training.populations import training_of
from deltarule.training.run import Progress, Run
from deltarule.training.train import train


@dataclass
class UnitResult:
    """The result of training a unit.

    rows      the completed rows by column; scores are NaN if the data have no such part
    weights   parameters [P] and running statistics [Q] of the rows by key, if they are kept
    records   what the functions of `record` gave, by key and name
    """

    rows: list[dict[str, Any]]
    weights: dict[str, tuple[Floats, Floats]]
    sizes: tuple[int, ...]
    records: dict[tuple[str, str], float]


def train_unit(
    unit: Unit,
    source: Source,
    threads: int | None = None,
    formulas: Mapping[tuple[str, str], Any] = MappingProxyType({}),
    progress: Callable[[Progress], None] | None = None,
    additions: Additions | None = None,
) -> UnitResult:
    """Train the members of a unit, and score their rows."""
    additions = additions or Additions()
    registry.take_over(formulas)  # replaces formulas of an earlier sweep that have the same names
    metrics.METRICS.update({name: metric for (kind, name), metric in formulas.items() if kind == "metric"})
    data = _load_unit_data(unit, source)
    engine = engine_of_name(unit.engine)
    if isinstance(engine, CompiledEngine):
        engine.threads = threads or engine.threads
    problem = population_problem(unit.members, data)
    scorer = _RowScorer(unit, source, problem, data, engine, additions)
    first = unit.members[0]
    rules = training_of(first.configuration, data.dataset, problem)
    if unit.at_once:
        limits = [max(by_step) for by_step in scorer.rows]
        rules |= {"max_steps": limits, "max_epochs": None, "validation": None, "history_every": 0}
        # A metric without a threshold stops nothing, but the history would be computed for it.
        steps = sorted({step for by_step in scorer.rows for step in by_step})
        rules |= {"metric": "objective", "every": steps, "record": {"rows": scorer.observe}}
    else:
        rules |= {"validation": _encode_rows(_held_out(data, first.fold), data, problem)}
    run = train(problem, engine=engine, start=additions.start, progress=progress, **rules)
    if run.interrupted:
        raise KeyboardInterrupt
    scorer.score_remaining(run)
    dtype = problem.dtype.name
    shared = {"data": unit.data, "dtype": dtype, "numerics": NUMERICS_VERSIONS[dtype], "engine": engine.name}
    shared["train_seconds"] = run.seconds / len(unit.members)
    rows = [row | shared for row in scorer.table]
    return UnitResult(rows, scorer.weights, tuple(problem.network.sizes), scorer.records)


def _load_unit_data(unit: Unit, source: Source) -> Data:
    """Load the data of a unit, and check that they are as planned."""
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


def _encode_rows(rows: Rows | None, data: Data, problem: Problem) -> tuple[Floats, Floats] | None:
    if rows is None:
        return None
    y = data.dataset.encode(rows, problem.network.outputs)
    return np.asarray(rows.x, problem.dtype), y.astype(problem.dtype)


def _held_out(data: Data, fold: int) -> Rows | None:
    return data.dataset.train.take(data.folds[fold][1]) if data.folds else data.dataset.validation


class _RowScorer:
    """Scores the rows of a unit when training reaches their steps, in a table."""

    def __init__(
        self, unit: Unit, source: Source, problem: Problem, data: Data, engine: Engine, additions: Additions
    ) -> None:
        self.unit, self.source, self.problem, self.engine = unit, source, problem, engine
        self.keep = additions.keep
        self.recorded = Recorded((), additions.record)
        self.metric = unit.metric
        self.table: list[dict[str, Any]] = []
        self.weights: dict[str, tuple[Floats, Floats]] = {}
        self.records: dict[tuple[str, str], float] = {}
        self.test_rows = _encode_rows(data.dataset.test, data, problem)
        folds = {member.fold for member in unit.members}
        self.held_out = {fold: _encode_rows(_held_out(data, fold), data, problem) for fold in folds}
        # Each member's rows that are not scored yet, by the step at which they end; two rows may end at one step.
        self.rows: list[dict[int, list[PlannedRow]]] = []
        for index, member in enumerate(unit.members):
            self.rows.append({})
            for row in member.rows:
                self.rows[-1].setdefault(limit_of(row, problem.steps_per_epoch(index)), []).append(row)

    def observe(self, moment: Moment) -> None:
        step = moment.step
        ending = {"reason": "max_steps", "steps": step, "best_step": step, "layer": None, "where": None}
        rows = {member: self.rows[member].pop(step, []) for member in moment.members.tolist()}
        self._score(moment.state, rows, [ending] * len(self.rows))

    def score_remaining(self, run: Run) -> None:
        """Score the rows whose step was never reached."""
        divergences = {divergence.member: divergence for divergence in run.diverged}
        best_steps = run.steps if run.best_steps is None else run.best_steps
        endings = []
        for member, reason in enumerate(run.reasons):
            divergence = divergences.get(member)
            where = {} if divergence is None else {"layer": divergence.layer, "where": divergence.where}
            steps = {"steps": int(run.steps[member]), "best_step": int(best_steps[member])}
            endings.append({"reason": reason, "layer": None, "where": None} | steps | where)
        rows = {member: sum(by_step.values(), []) for member, by_step in enumerate(self.rows)}
        self._score(run.state, rows, endings)

    def _score(self, state: State, rows_by_member: dict[int, list[PlannedRow]], endings: list[dict[str, Any]]) -> None:
        """Score members in a state, and add their rows to the table."""
        state = state.take(np.isin(state.members, [member for member, rows in rows_by_member.items() if rows]))
        if not len(state.members):
            return
        scores = self._score_parts(state)
        recorded = self._record(state)
        for i, member in enumerate(state.members.tolist()):
            shared = {
                "fold": self.source.fold_name(self.unit.members[member].fold),
                "seed": self.unit.members[member].seed,
                **endings[member],
                **{name: float(values[i]) for name, values in scores.items()},
            }
            for row in rows_by_member[member]:
                self.table.append({"key": row.key, "configuration": row.configuration, **shared})
                self.records |= {(row.key, name): float(values[i]) for name, values in recorded.items()}
                if self.keep:
                    self.weights[row.key] = state.theta[i].copy(), state.buffers[i].copy()

    def _record(self, state: State) -> dict[str, Floats]:
        """Return what the functions of `record` give, [A] by name."""
        values = call_functions(self.recorded, Moment(self.problem, self.engine, state))
        for name in self.recorded.functions:
            if name not in values or values[name].ndim != 1:
                raise BadInput(f"{name!r} of record gives no number for each member; return one, to be a column")
        return values

    def _score_parts(self, state: State) -> dict[str, Floats]:
        """Objectives and scores [K] on training, validation and test rows, by column."""
        folds = np.array([self.unit.members[member].fold for member in state.members.tolist()])
        everyone = np.ones(len(folds), bool)
        parts = [
            ("train", None, everyone),
            *(("validation", self.held_out[fold], folds == fold) for fold in np.unique(folds).tolist()),
            ("test", self.test_rows, everyone),
        ]
        scores: dict[str, Floats] = {}
        for part, rows, chosen in parts:
            columns = {"objective": f"{part}_objective", self.metric: f"{part}_score"}
            for column in columns.values():
                scores.setdefault(column, np.full(len(folds), np.nan))
            if rows is not None or part == "train":
                metric = {self.metric: metrics.find(self.metric).value}
                results = self.engine.evaluate(self.problem, state.take(chosen), rows, metric)
                for name, column in columns.items():
                    scores[column][chosen] = results[name]
        return scores
