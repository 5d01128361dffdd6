"""The learning-rate range test: raise the rate during one run, and see where the objective falls, and where it breaks.

Source: Smith 2015, "Cyclical learning rates for training neural networks", section 3.3. There the rate rises linearly,
and is read off the accuracy; the exponential rise and the suggestion are not from there.
"""

from dataclasses import dataclass, replace

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state
from deltarule.problem.validation import finite, whole
from deltarule.problem.validation import problem as checked_problem
from deltarule.training.history import EvaluationSchedule, evaluate
from deltarule.training.options import check_engine

MAX_ROWS = 1_000
"""Rows on which the accuracy is looked at: before each update 50,000 images would take as long as 200 updates."""


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What a range test saw.

    rates [n]         the learning rate of each update
    objective [n, K]  each member's objective on its batch before that update
    accuracy [n, K]   on up to 1,000 of the training rows before that update, or None where it was not asked for
    suggested [K]     the rate at which the smoothed objective falls fastest; NaN where it never falls
    """

    rates: Floats
    objective: Floats
    accuracy: Floats | None
    suggested: Floats

    def __repr__(self) -> str:
        found = self.suggested[np.isfinite(self.suggested)]
        text = f"median suggestion {np.median(found):.3g}" if len(found) else "none is suggested"
        return (
            f"RangeTest of {count_of(len(self.rates), 'rate')} from {self.rates[0]:.3g} to {self.rates[-1]:.3g} "
            f"with {count_of(len(self.suggested), 'member')}: {text}"
        )


def range_test(
    problem: Problem,
    *,
    lowest: float = 1e-5,
    highest: float = 10.0,
    steps: int = 200,
    kind: str = "exponential",
    accuracy: bool = False,
    engine: Engine | str = "auto",
) -> RangeTest:
    """Train every member once with a rate that rises from `lowest` to `highest`, and suggest one.

    Parameters
    ----------
    problem : its own learning rate and schedule are set aside.
    lowest, highest : the ends of the range, above 0.
    steps : updates from one end to the other.
    kind : "exponential" (each rate the same multiple of the one before) or "linear", as in Smith 2015.
    engine : as in `train`.
    accuracy : also look at the accuracy before each update, on up to 1,000 of each member's training rows.

    Raises `BadInput` for a range or a kind that makes no sense, for what is no problem or engine, and for an optimizer
    that makes no single updates.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> x = np.eye(8)
    >>> tested = range_test(create_problem(Network([8, 8], output="softmax"), x, x, loss="cross_entropy"), steps=50)
    >>> tested.objective.shape, bool(1e-5 < tested.suggested[0] <= 10)
    ((50, 1), True)
    """
    lowest, highest = finite("lowest", lowest), finite("highest", highest)
    if not 0 < lowest < highest:
        raise BadInput(f"the range goes from {lowest:g} to {highest:g}; give two rates above 0, the lower one first")
    if not isinstance(kind, str) or kind not in ("exponential", "linear"):
        raise BadInput(f'the kind of range test is {short_repr(kind)}; give "exponential" or "linear"')
    problem, engine = checked_problem(problem), check_engine(engine)
    if problem.optimizer.update is None:
        raise BadInput(
            f"a range test needs single updates, which the optimizer '{problem.optimizer.name}' does not make; choose "
            "another optimizer"
        )
    steps, accuracy = whole("steps", steps, 10), switch("accuracy", accuracy)
    ramp = registry.schedule({"name": f"{kind}_ramp", "steps": steps, "highest": highest})
    members = problem.members
    numbers = {**problem.numbers, "learning_rate": np.full(members, lowest)}
    ramped = replace(
        problem,
        schedule=ramp,
        numbers=numbers,
        schedule_numbers={name: np.full(members, float(value)) for name, value in ramp.parameters.items()},
    )
    chosen = engine_for(engine, ramped, steps)
    state, objective, accuracies, watched = initial_state(ramped), [], [], _on_some_rows(ramped)
    for _ in range(steps if accuracy else 1):
        if accuracy:
            accuracies.append(evaluate(watched, chosen, state, EvaluationSchedule(1, ("accuracy",)), None)["accuracy"])
        state, trace = chosen.advance(ramped, state, 1 if accuracy else steps)
        objective.append(trace.objective)
    seen, rates = np.concatenate(objective), np.array([ramped.rates(np.array([0]), step)[0] for step in range(steps)])
    suggested = np.array([suggestion(rates, seen[:, member]) for member in range(members)])
    return RangeTest(rates, seen, np.stack(accuracies) if accuracy else None, suggested)


def _on_some_rows(problem: Problem) -> Problem:
    """The problem on some of each member's rows, taken evenly; members that share theirs share these."""
    own = problem.rows or (np.arange(len(problem.x)),) * problem.members
    some = {id(rows): rows[np.linspace(0, len(rows) - 1, min(MAX_ROWS, len(rows))).astype(int)] for rows in own}
    return replace(problem, rows=tuple(some[id(rows)] for rows in own))


def suggestion(rates: Floats, objective: Floats) -> float:
    """The rate at which the smoothed objective falls fastest on a logarithmic scale, before it is at its least.

    rates [n]   objective [n]

    >>> rates = np.logspace(-4, 1, 101)
    >>> falling = 1 / (1 + (rates / 0.1) ** 2) + (rates > 2) * rates
    >>> 0.05 < suggestion(rates, falling) < 0.2
    True
    """
    smoothed = _smooth(np.asarray(objective, np.float64))
    usable = np.isfinite(smoothed) & (smoothed <= _broken_above(smoothed))
    end = len(rates) if usable.all() else int(usable.argmin())
    if end < 3:
        return float("nan")
    least = int(smoothed[:end].argmin())
    slope = np.gradient(smoothed[: max(least + 1, 3)], np.log(rates[: max(least + 1, 3)]))
    steepest = int(slope.argmin())
    return float(rates[steepest]) if slope[steepest] < 0 else float("nan")


def _broken_above(objective: Floats) -> Floats:
    """Four times the first objective: a rise by three times its height above 0, or above the least up to an update [n]
    where that is lower.

    >>> _broken_above(np.array([5.0, 1.0])), _broken_above(np.array([-2.0, -6.0, 40.0, -99.0]))
    (array([20., 20.]), array([ -2.,  10.,  10., 289.]))
    """
    return np.asarray(4 * objective[0] - 3 * np.minimum.accumulate(np.fmin(objective, 0)))


def _smooth(objective: Floats) -> Floats:
    """A centered mean over a tenth of the updates: wide enough for the noise of mini-batches, and not behind the rates
    as a trailing mean would be."""
    width = 2 * (len(objective) // 20) + 1
    padded = np.pad(objective, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")
