"""Measure what may explain why a member does not learn.

N rows · D inputs · H units of a layer · L layers · T evaluations of the history

Everything is measured on at most a thousand rows, with dropout off, by the hand-derived formulas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.maths.activations import Activation
from deltarule.maths.losses import divisor
from deltarule.maths.network import Taped, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.problem.batches import Batch, all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import State, initial_state
from deltarule.symptoms.input_target_dependence import Dependence, measure_dependence
from deltarule.symptoms.rate_tests import RangeTestResult, batch_share, run_range_tests
from deltarule.training.run import Run

MAX_ROWS = 1000
ROUNDING = 1e-12
"""Relative to the least loss: a constant prediction this close to it makes no error."""
_DOMAIN_LIMITS = {"unit": (1e-100, 1 - 2.0**-53), "simplex": (1e-100, 1 - 2.0**-53), "positive": (1e-100, np.inf)}


@dataclass(frozen=True, eq=False)
class Weights:
    """Measurements of weight matrices by layer.

    size [L]        root mean square of each W, as a share of that of Glorot's initial weights
    twins           for each hidden layer the number of its units if all have equal weights, in and out, else 0
    """

    size: Floats
    twins: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Snapshot(Weights):
    """Measurements of a member by layer, at its initial or final weights.

    length          norm of all W together
    data, penalty   norms of the two parts of an update's gradient, over all penalized weights
    delta [L]       root mean square of δ = ∂J/∂z of each layer, over rows and units
    slopes          for each hidden layer [H]: |f'(z)| as a share of the largest |f'|, the mean over rows; of units that
                    are flat at both ends the median, as a row of zeros saturates none
    """

    length: float
    data: float
    penalty: float
    delta: Floats
    slopes: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class Observation:
    """All measurements of one member of a run.

    skill            1 − loss / loss of the best constant prediction, both minus the least possible loss: 0 for a
                     constant prediction, NaN if the least is unknown
    objective        at the end, not finite if the member diverged; at_start: before the first update
    least            the least possible objective: 0 for built-in losses
    falling          share of the objective's decrease in the last two fifths of the evaluations
    moved            norm of the change of all W, as a share of their initial norm
    rate             the median scheduled learning rate
    diverged         where the member diverged; "" if it did not
    outputs [N, C]   at the end, for the rows `batch`
    course [T, 2]    step and objective of each evaluation
    validated        whether validation rows were ever predicted better than by a constant
    """

    problem: Problem
    batch: Batch
    first: Snapshot
    last: Snapshot
    skill: float
    at_start: float
    objective: float
    least: float
    falling: float
    moved: float
    rate: float
    steps: int
    diverged: str
    outputs: Floats
    course: Floats
    range_test: RangeTestResult | None
    dependence: Dependence | None
    validated: bool

    def updates_to(self, objective: float) -> float:
        reached = self.course[self.course[:, 1] <= objective, 0]
        return float(reached[0]) if len(reached) else float(self.steps)

    @cached_property
    def labels(self) -> Floats | None:
        return class_labels(self.batch.y)

    @property
    def output_range(self) -> tuple[float, float]:
        """The least and the largest number that the output's activation gives."""
        output = self.problem.network.output
        if output.rowwise:
            return 0.0, 1.0
        values = output.function(np.array([-1e9, -1.0, 0.0, 1.0, 1e9]), **output.parameters)
        return float(values.min()), float(values.max())


@dataclass(frozen=True, eq=False)
class Numbers:
    """A network from elsewhere, as far as it is known: parts that are not are empty.

    batch         inputs [N, D] and targets [N, C]            outputs [N, C]
    first, last   measurements of the given weights, which may be either
    """

    batch: Batch
    outputs: Floats
    dependence: Dependence | None
    first: Weights
    last: Weights
    validated: bool = False
    diverged: str = ""

    @cached_property
    def skill(self) -> float:
        y = self.batch.y
        largest = float(((y - y.mean(0)) ** 2).sum()) if self.outputs.size else 0.0
        return 1 - float(((self.outputs - y) ** 2).sum()) / largest if largest else np.nan

    @cached_property
    def labels(self) -> Floats | None:
        return class_labels(self.batch.y)

    @property
    def output_range(self) -> tuple[float, float]:
        """The activation's range if a tenth of the outputs reach its end, else all numbers."""
        for least, largest in ((0.0, 1.0), (-1.0, 1.0), (0.0, np.inf)):
            is_inside = least <= self.outputs.min() and self.outputs.max() <= largest and self.outputs.any()
            is_pressed = (self.outputs - least < 0.02) | (largest - self.outputs < 0.02)
            if is_inside and is_pressed.mean() >= 0.1:
                return least, largest
        return -np.inf, np.inf


def class_labels(y: Floats) -> Floats | None:
    """The class of each row [N] for one-hot or 0/1 targets; None otherwise."""
    if not np.isin(y, (0, 1)).all():
        return None
    if y.shape[1] == 1:
        return np.asarray(y[:, 0].astype(int))
    return np.asarray(y.argmax(1)) if (y.sum(1) == 1).all() else None


def observe_numbers(given: Mapping[str, Floats], weights: Sequence[Floats]) -> Numbers:
    """Observe what is given of outputs, targets, inputs [N, ·] and weights."""
    nothing = np.empty((len(next(iter(given.values()), ())), 0))
    x, y = given.get("inputs", nothing), given.get("targets", nothing)
    batch = Batch(x, y, np.ones((len(y), 1)), np.arange(len(y)))
    dependence = measure_dependence(x, y) if x.size and y.size else None
    measured = _measure_weights({f"W{number}": matrix for number, matrix in enumerate(weights, 1)})
    return Numbers(batch, given.get("outputs", nothing), dependence, measured, measured)


def observe_members(run: Run, members: Sequence[int]) -> list[Observation]:
    chosen = run.take(np.array(members))
    tests = run_range_tests(chosen.problem)
    dependences: dict[bytes, Dependence | None] = {}
    observations = []
    for index in range(len(members)):
        alone = chosen.take(np.array([index]))
        rows = b"" if alone.problem.rows is None else alone.problem.rows[0].tobytes()
        if rows not in dependences:
            everything = all_rows(alone.problem, np.array([0]))
            dependences[rows] = measure_dependence(everything.x, everything.y)
        observations.append(_observe_member(alone, tests[index], dependences[rows]))
    return observations


def _observe_member(run: Run, range_test: RangeTestResult | None, dependence: Dependence | None) -> Observation:
    problem = replace(run.problem, dropout=np.zeros_like(run.problem.dropout))
    rows = _some_rows(problem)
    start = initial_state(problem)
    with one_blas_thread(), np.errstate(all="ignore"):
        logits, outputs = (array[0] for array in ReferenceEngine().outputs(problem, run.state, rows.x))
        loss, _ = data_term(problem.loss, problem.reduction, problem.network.output, logits, rows.y, rows.w)
        scale = _loss_scale(problem, rows)
        first, last = _snapshot(problem, start, rows), _snapshot(problem, run.state, rows)
        moved = _norm((run.state.theta - start.theta)[0, problem.penalized.astype(bool)]) / max(first.length, 1e-300)
    course = np.column_stack([run.history.steps, run.history.objective[:, 0]])
    course = course[np.isfinite(course[:, 1])]
    diverged = run.diverged[0].where if run.diverged else ""
    return Observation(
        problem=problem,
        batch=rows,
        first=first,
        last=last,
        skill=-np.inf if diverged else scale.skill(float(loss)),
        at_start=float(course[0, 1]) if len(course) else np.nan,
        objective=np.inf if diverged else float(run.objective[0]),
        least=_least_objective(problem, rows, scale),
        falling=_late_decrease_share(course[:, 1]),
        moved=moved,
        rate=_median_rate(run),
        steps=int(run.steps[0]),
        diverged=diverged,
        outputs=outputs,
        course=course,
        range_test=range_test,
        dependence=dependence,
        validated=_beats_constant_on_validation(run, scale),
    )


def _some_rows(problem: Problem) -> Batch:
    rows = all_rows(problem, np.array([0]))
    chosen = np.linspace(0, len(rows.positions) - 1, min(len(rows.positions), MAX_ROWS)).astype(int)
    x, y, w = (np.squeeze(part, 0) if part.ndim == 3 else part for part in (rows.x, rows.y, rows.w))
    return Batch(x[chosen], y[chosen], w[chosen], rows.positions[chosen])


@dataclass(frozen=True)
class _LossScale:
    constant: float
    least: float

    def skill(self, loss: float) -> float:
        largest, rounding = self.constant - self.least, ROUNDING * abs(self.least)
        if not np.isfinite(largest) or largest < -rounding:
            return np.nan
        return float(1 - (loss - self.least) / largest) if largest > rounding else 1.0


def _loss_scale(problem: Problem, rows: Batch) -> _LossScale:
    """The losses of the best constant, a mean or quantile, and of the targets."""
    loss, is_weighted = problem.loss, rows.w[:, 0] != 0
    y, w = rows.y[is_weighted].astype(np.float64), rows.w[is_weighted].astype(np.float64)
    if not len(y):
        return _LossScale(np.nan, np.nan)
    mean = (w * y).sum(0) / w.sum()
    constants, exact = np.stack([mean, *np.quantile(y, np.linspace(0, 1, 33), axis=0)]), y
    if loss.domain == "simplex":
        constants, exact = mean[None] / mean.sum(), y / y.sum(-1, keepdims=True)

    def totals(p: Floats) -> Floats:
        if not is_built_in(loss):  # a custom formula may say 0 log 0
            p = np.clip(p, *_DOMAIN_LIMITS.get(loss.domain, (-np.inf, np.inf)))
        return np.asarray((w * loss.value(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))

    of_constants = np.array([totals(p) for p in constants])
    constant = np.where(np.isfinite(of_constants), of_constants, np.inf).min(0).sum()
    least = 0.0 if is_built_in(loss) else totals(exact).sum()
    parts = divisor(problem.reduction, rows.w.sum(), rows.y.shape[1])
    return _LossScale(float(constant / parts), float(least / parts))


def _least_objective(problem: Problem, rows: Batch, scale: _LossScale) -> float:
    if not np.isfinite(scale.least):
        return np.nan
    return scale.least * (problem.row_count(0) / len(rows.w) if problem.reduction == "sum" else 1.0)


def _snapshot(problem: Problem, state: State, rows: Batch) -> Snapshot:
    """Measure weights, gradients and slopes of a state's only member on some rows."""
    network = problem.network
    done = objective_and_gradient(replace(problem, penalty=None), state, rows)
    logits = done.tape[-1].value
    _, at_logits = data_term(problem.loss, problem.reduction, network.output, logits, rows.y, rows.w)
    penalty = np.zeros_like(done.gradient)
    if problem.penalty is not None:
        samples = problem.batch_rows(0) * rows.w.sum(-2) / len(rows.w)
        term = penalty_term(problem.penalty, problem.strength[:, None], state.theta, problem.penalized, samples)
        penalty = term[1]()
    W = problem.penalized.astype(bool)
    parameters = {name: value[0] for name, value in views(state.theta, network.entries).items()}
    hidden = [(layer.number, layer.activation) for layer in network.layers[:-1]]
    return Snapshot(
        **vars(_measure_weights(parameters)),
        length=_norm(state.theta[0, W]),
        data=_norm(done.gradient[0, W]) * batch_share(problem),
        penalty=_norm(penalty[0, W]),
        delta=_deltas(done.tape, at_logits()),
        slopes=tuple(_slopes(done.tape, number, activation) for number, activation in hidden),
    )


def _measure_weights(parameters: Mapping[str, Floats]) -> Weights:
    weights = [array for name, array in parameters.items() if name.startswith("W")]
    return Weights(
        size=np.array([_root_mean_square(W) / np.sqrt(2 / sum(W.shape)) for W in weights]),
        twins=tuple(_count_twins(parameters, number) for number in range(1, len(weights))),
    )


def _deltas(tape: Sequence[Taped], upstream: Floats) -> Floats:
    """The root mean square of δ of every layer [L]."""
    sizes = []
    for taped in reversed(tape):
        if taped.kind == "dense":
            sizes.append(_root_mean_square(upstream))
        upstream, _ = taped.backward(upstream)
    return np.array(sizes[::-1])


def _slopes(tape: Sequence[Taped], number: int, activation: Activation) -> Floats:
    """The relative slopes |f'(z)| of a hidden layer's units [H], as in `Snapshot`."""
    index = next(i for i, taped in enumerate(tape) if taped.name == f"a{number}")
    z, a = tape[index - 1].value[0], tape[index].value[0]
    if activation.rowwise:
        slope, largest = a * (1 - a), 0.25  # softmax: ∂aⱼ/∂zⱼ
    else:
        slope = np.broadcast_to(np.abs(activation.derivative(z, a, **activation.parameters)), z.shape)
        largest = _largest_slope(activation)
    over_rows = np.median if activation.flat == "both" else np.mean
    return np.asarray(over_rows(np.minimum(slope / largest, 1), axis=0))


def _largest_slope(activation: Activation) -> float:
    z = np.linspace(-5, 5, 1001)
    slope = np.abs(activation.derivative(z, activation.function(z, **activation.parameters), **activation.parameters))
    return float(min(np.max(slope), 1.2))


def _count_twins(parameters: Mapping[str, Floats], number: int) -> int:
    into, out = parameters[f"W{number}"], parameters[f"W{number + 1}"]
    arrays = [into, out.T] + ([parameters[f"b{number}"]] if f"b{number}" in parameters else [])
    units = into.shape[1]
    return units if units > 1 and all(bool((array == array[:, :1]).all()) for array in arrays) else 0


def _median_rate(run: Run) -> float:
    steps = np.linspace(0, max(int(run.steps[0]) - 1, 0), 101).astype(int)
    return float(np.median([run.problem.rates(np.array([0]), int(step))[0] for step in steps]) * run.state.factor[0])


def _late_decrease_share(objectives: Floats) -> float:
    if len(objectives) < 5 or not objectives[0] > objectives.min():
        return 0.0
    return float((objectives[int(0.6 * len(objectives))] - objectives[-1]) / (objectives[0] - objectives.min()))


def _beats_constant_on_validation(run: Run, scale: _LossScale) -> bool:
    if "validation objective" not in run.history.names:
        return False
    best = np.nanmin(run.history.series("validation objective")[:, 0])
    return bool(best - scale.least < 0.9 * (scale.constant - scale.least))


def _norm(vector: Floats) -> float:
    return float(np.sqrt((vector.astype(np.float64) ** 2).sum()))


def _root_mean_square(array: Floats) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).mean()))
