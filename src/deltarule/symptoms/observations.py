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
from deltarule.problem.state import State, initial_state
from deltarule.symptoms.input_target_dependence import Dependence, measure_dependence
from deltarule.symptoms.rate_tests import RangeTestResult, batch_share, run_range_tests
from deltarule.training.run import Run

MAX_ROWS = 1000


@dataclass(frozen=True, eq=False)
class Weights:
    """Measurements of weight matrices by layer.

    size [L]        root mean square of each W, as a share of that of Glorot's initial weights
    twins           for each hidden layer the number of its units if all have equal weights, in and out, else 0
    """

    size: Floats
    twins: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LayerMeasurements(Weights):
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


@dataclass(frozen=True, eq=False, kw_only=True)
class GivenNumbers:
    """A network from elsewhere, as far as it is known: parts that are not are empty.

    batch            inputs [N, D] and targets [N, C]
    outputs [N, C]   for these rows, at the end
    first, last      measurements of the weights at the beginning and at the end
    skill            1 − loss / loss of the best constant prediction, both minus the least possible loss: 0 for a
                     constant prediction, NaN if the least is unknown
    diverged         where the member diverged; "" if it did not
    validated        whether validation rows were ever predicted better than by a constant
    """

    batch: Batch
    outputs: Floats
    dependence: Dependence | None
    first: Weights
    last: Weights
    skill: float
    diverged: str = ""
    validated: bool = False

    @cached_property
    def labels(self) -> Floats | None:
        """The class of each row [N] for one-hot or 0/1 targets; None otherwise."""
        y = self.batch.y
        if not np.isin(y, (0, 1)).all():
            return None
        if y.shape[1] == 1:
            return np.asarray(y[:, 0].astype(int))
        return np.asarray(y.argmax(1)) if (y.sum(1) == 1).all() else None

    @property
    def output_range(self) -> tuple[float, float]:
        """The activation's range if a tenth of the outputs reach its end, else all numbers."""
        for least, largest in ((0.0, 1.0), (-1.0, 1.0), (0.0, np.inf)):
            is_inside = least <= self.outputs.min() and self.outputs.max() <= largest and self.outputs.any()
            is_pressed = (self.outputs - least < 0.02) | (largest - self.outputs < 0.02)
            if is_inside and is_pressed.mean() >= 0.1:
                return least, largest
        return -np.inf, np.inf


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation(GivenNumbers):
    """All measurements of one member of a run.

    objective        at the end, not finite if the member diverged; at_start: before the first update
    least            the least possible objective, that where predictions equal targets
    falling          share of the objective's decrease in the last two fifths of the evaluations
    moved            norm of the change of all W, as a share of their initial norm
    rate             the median scheduled learning rate
    course [T, 2]    step and objective of each evaluation
    """

    problem: Problem
    first: LayerMeasurements
    last: LayerMeasurements
    at_start: float
    objective: float
    least: float
    falling: float
    moved: float
    rate: float
    steps: int
    course: Floats
    range_test: RangeTestResult | None

    @property
    def output_range(self) -> tuple[float, float]:
        """The least and the largest number that the output's activation gives."""
        output = self.problem.network.output
        if output.rowwise:
            return 0.0, 1.0
        values = output.function(np.array([-1e9, -1.0, 0.0, 1.0, 1e9]), **output.parameters)
        return float(values.min()), float(values.max())


def observe_numbers(given: Mapping[str, Floats], weights: Sequence[Floats]) -> GivenNumbers:
    """Observe what is given of outputs, targets, inputs [N, ·] and weights."""
    nothing = np.empty((len(next(iter(given.values()), ())), 0))
    x, y, outputs = (given.get(name, nothing) for name in ("inputs", "targets", "outputs"))
    largest = float(((y - y.mean(0)) ** 2).sum()) if outputs.size else 0.0
    measured = _measure_weights({f"W{number}": matrix for number, matrix in enumerate(weights, 1)})
    return GivenNumbers(
        batch=Batch(x, y, np.ones((len(y), 1)), np.arange(len(y))),
        outputs=outputs,
        dependence=measure_dependence(x, y) if x.size and y.size else None,
        first=measured,
        last=measured,
        skill=1 - float(((outputs - y) ** 2).sum()) / largest if largest else np.nan,
    )


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


def _course_of(run: Run) -> Floats:
    """Return step and objective of each evaluation, [T, 2]; the start is added where the history has epochs alone."""
    history = run.history
    course = np.column_stack([history.steps_of(history.objective_name), history.objective[:, 0]])
    if course[0, 0] > 0:
        at_start = run.engine.evaluate(run.problem, initial_state(run.problem), None, {})["objective"][0]
        course = np.concatenate([[[0, at_start]], course])
    return np.asarray(course[np.isfinite(course[:, 1])])


def _observe_member(run: Run, range_test: RangeTestResult | None, dependence: Dependence | None) -> Observation:
    problem = replace(run.problem, dropout=np.zeros_like(run.problem.dropout))
    rows = _some_rows(problem)
    start = initial_state(problem)
    with one_blas_thread(), np.errstate(all="ignore"):
        logits, outputs = (array[0] for array in ReferenceEngine().outputs(problem, run.state, rows.x))
        loss, _ = data_term(problem.loss, problem.reduction, problem.network.output, logits, rows.y, rows.w)
        constant, least = loss_bounds(problem, rows)
        first, last = _snapshot(problem, start, rows), _snapshot(problem, run.state, rows)
        moved = _norm((run.state.theta - start.theta)[0, problem.penalized.astype(bool)]) / max(first.length, 1e-300)
    course = _course_of(run)
    diverged = run.diverged[0].where if run.diverged else ""
    skill = 1.0 if constant <= least else float(1 - (loss - least) / (constant - least))
    last_step = max(int(run.steps[0]) - 1, 0)
    rates = [run.problem.rates(np.array([0]), int(step))[0] for step in np.linspace(0, last_step, 101).astype(int)]
    return Observation(
        problem=problem,
        batch=rows,
        first=first,
        last=last,
        skill=-np.inf if diverged else skill,
        at_start=float(course[0, 1]) if len(course) else np.nan,
        objective=np.inf if diverged else float(run.objective[0]),
        least=least * (problem.row_count(0) / len(rows.w) if problem.reduction == "sum" else 1.0),
        falling=_late_decrease_share(course[:, 1]),
        moved=moved,
        rate=float(np.median(rates) * run.state.factor[0]),
        steps=int(run.steps[0]),
        diverged=diverged,
        outputs=outputs,
        course=course,
        range_test=range_test,
        dependence=dependence,
        validated=_beats_constant_on_validation(run, constant, least),
    )


def _some_rows(problem: Problem) -> Batch:
    rows = all_rows(problem, np.array([0]))
    chosen = np.linspace(0, len(rows.positions) - 1, min(len(rows.positions), MAX_ROWS)).astype(int)
    x, y, w = (np.squeeze(part, 0) if part.ndim == 3 else part for part in (rows.x, rows.y, rows.w))
    return Batch(x[chosen], y[chosen], w[chosen], rows.positions[chosen])


def loss_bounds(problem: Problem, rows: Batch) -> tuple[float, float]:
    """The losses of the best constant, a mean or quantile, and of the targets."""
    loss = problem.loss
    is_weighted = rows.w[:, 0] != 0
    y = rows.y[is_weighted].astype(np.float64)
    w = rows.w[is_weighted].astype(np.float64)
    if not len(y):
        return np.nan, np.nan
    mean = (w * y).sum(0) / w.sum()
    constants = np.stack([mean, *np.quantile(y, np.linspace(0, 1, 33), axis=0)])
    exact = y
    if loss.domain == "simplex":
        constants, exact = mean[None] / mean.sum(), y / y.sum(-1, keepdims=True)

    def totals(p: Floats) -> Floats:
        return np.asarray((w * loss.value(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))

    of_constants = np.array([totals(p) for p in constants])
    constant = np.where(np.isfinite(of_constants), of_constants, np.inf).min(0).sum()
    constant = constant if np.isfinite(constant) else np.nan  # no constant is allowed
    least = totals(exact).sum() if loss.exact else 0.0
    parts = divisor(problem.reduction, rows.w.sum(), rows.y.shape[1])
    return float(constant / parts), float(least / parts)


def _snapshot(problem: Problem, state: State, rows: Batch) -> LayerMeasurements:
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
    hidden = list(network.activations.items())[:-1]
    return LayerMeasurements(
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
    """The relative slopes |f'(z)| of a hidden layer's units [H], as in `LayerMeasurements`."""
    index = next(i for i, taped in enumerate(tape) if taped.name == f"a{number}")
    z = tape[index - 1].value[0]
    a = tape[index].value[0]
    if activation.rowwise:
        # softmax: ∂aⱼ/∂zⱼ
        slope = a * (1 - a)
        largest = 0.25
    else:
        p = activation.parameters
        grid = np.linspace(-5, 5, 1001)
        slope = np.broadcast_to(np.abs(activation.derivative(z, a, **p)), z.shape)
        largest = min(float(np.abs(activation.derivative(grid, activation.function(grid, **p), **p)).max()), 1.2)
    over_rows = np.median if activation.flat == "both" else np.mean
    return np.asarray(over_rows(np.minimum(slope / largest, 1), axis=0))


def _count_twins(parameters: Mapping[str, Floats], number: int) -> int:
    into, out = parameters[f"W{number}"], parameters[f"W{number + 1}"]
    arrays = [into, out.T] + ([parameters[f"b{number}"]] if f"b{number}" in parameters else [])
    units = into.shape[1]
    return units if units > 1 and all(bool((array == array[:, :1]).all()) for array in arrays) else 0


def _late_decrease_share(objectives: Floats) -> float:
    if len(objectives) < 5 or not objectives[0] > objectives.min():
        return 0.0
    return float((objectives[int(0.6 * len(objectives))] - objectives[-1]) / (objectives[0] - objectives.min()))


def _beats_constant_on_validation(run: Run, constant: float, least: float) -> bool:
    if "validation objective" not in run.history.names:
        return False
    best = np.nanmin(run.history.series("validation objective")[:, 0])
    return bool(best - least < 0.9 * (constant - least))


def _norm(vector: Floats) -> float:
    return float(np.sqrt((vector.astype(np.float64) ** 2).sum()))


def _root_mean_square(array: Floats) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).mean()))
