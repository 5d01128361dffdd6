"""The learning-rate range test.

Source: Smith 2015, "Cyclical learning rates for training neural networks", section 3.3. There the rate rises linearly,
and is read off the accuracy; the exponential rise and the suggestion are ours.
"""

from dataclasses import dataclass, replace

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.ranges import FINITE
from deltarule.problem.state import initial_state
from deltarule.problem.validation import problem as checked_problem
from deltarule.problem.validation import whole
from deltarule.training.history import Recorded, evaluate
from deltarule.training.options import check_engine

MAX_ROWS = 1_000
"""Rows on which the accuracy is evaluated: before each update, 50,000 images would take as long as 200 updates."""


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The result of a range test.

    Parameters
    ----------
    rates : ndarray of shape (n_steps,)
        The learning rate of each update.
    objective : ndarray of shape (n_steps, K)
        Each member's objective on its batch before that update.
    accuracy : ndarray of shape (n_steps, K), or None
        On up to 1,000 of the training rows before that update, or None if it was not requested.
    suggested : ndarray of shape (K,)
        The rate at which the smoothed objective falls fastest; NaN where it never falls.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, create_problem, range_test
    >>> tested = range_test(create_problem(Network([2, 2]), np.eye(2), np.eye(2), members=3), steps=20)
    >>> tested.rates.shape, tested.suggested.shape
    ((20,), (3,))
    """

    rates: Floats
    objective: Floats
    accuracy: Floats | None
    suggested: Floats

    def __repr__(self) -> str:
        finite_rates = self.suggested[np.isfinite(self.suggested)]
        text = f"median suggestion {np.median(finite_rates):.3g}" if len(finite_rates) else "none is suggested"
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
    """Train every member once with a rising learning rate, and suggest one.

    Parameters
    ----------
    problem : Problem
        Its own learning rate and schedule are ignored.
    lowest, highest : float, default=1e-05 and 10
        The ends of the range, above 0.
    steps : int, default=200
        Updates from one end to the other, at least 10.
    kind : {"exponential", "linear"}, default="exponential"
        "exponential" (each rate the same multiple of the one before) or "linear", as in Smith 2015.
    engine : Engine or str, default="auto"
        As in `train`.
    accuracy : bool, default=False
        Also evaluate the accuracy before each update, on up to 1,000 of each member's training rows.

    Returns
    -------
    RangeTest

    Raises
    ------
    BadInput
        For an invalid range, kind, problem or engine.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, create_problem, range_test
    >>> x = np.eye(8)
    >>> tested = range_test(create_problem(Network([8, 8], output="softmax"), x, x, loss="cross_entropy"), steps=50)
    >>> tested.objective.shape, bool(1e-5 < tested.suggested[0] <= 10)
    ((50, 1), True)
    """
    steps = whole("steps", steps, 10)
    ramped = _with_ramp(checked_problem(problem), lowest, highest, steps, kind)
    members = ramped.members
    engine = check_engine(engine)
    accuracy = switch("accuracy", accuracy)
    chosen = engine_for(engine, ramped, steps)
    state = initial_state(ramped)
    objectives = []
    accuracies = []
    member_rows = ramped.rows or (np.arange(len(ramped.x)),) * members
    some = {id(rows): rows[np.linspace(0, len(rows) - 1, min(MAX_ROWS, len(rows))).astype(int)] for rows in member_rows}
    sampled = replace(ramped, rows=tuple(some[id(rows)] for rows in member_rows))
    for _ in range(steps if accuracy else 1):
        if accuracy:
            accuracies.append(evaluate(sampled, chosen, state, Recorded(("accuracy",)), None)["accuracy"])
        state, trace = chosen.advance(ramped, state, 1 if accuracy else steps)
        objectives.append(trace.objective)
    rates = np.array([ramped.rates(np.array([0]), step)[0] for step in range(steps)])
    objective = np.concatenate(objectives)
    suggested = np.array([suggestion(rates, objective[:, member]) for member in range(members)])
    return RangeTest(rates, objective, np.stack(accuracies) if accuracy else None, suggested)


def suggestion(rates: Floats, objective: Floats) -> float:
    """Return the rate at which the smoothed objective falls fastest, or NaN.

    rates [n]   objective [n]   Only rates before the minimum of the objective count.
    """
    width = 2 * (len(objective) // 20) + 1
    padded = np.pad(np.asarray(objective, np.float64), width // 2, mode="edge")
    smoothed = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    # Diverged is what lies four times as high as the start above the lowest value so far, or 0 if none is negative.
    height = smoothed[0] - np.minimum.accumulate(np.fmin(smoothed, 0))
    usable = np.isfinite(smoothed) & (smoothed <= smoothed[0] + 3 * height)
    end = len(rates) if usable.all() else int(usable.argmin())
    if end < 3:
        return float("nan")
    length = max(int(smoothed[:end].argmin()) + 1, 3)
    slope = np.gradient(smoothed[:length], np.log(rates[:length]))
    steepest = int(slope.argmin())
    return float(rates[steepest]) if slope[steepest] < 0 else float("nan")


def _with_ramp(problem: Problem, lowest: float, highest: float, steps: int, kind: str) -> Problem:
    """Return the problem with a rate that rises from the lowest to the highest."""
    lowest, highest = FINITE.check("lowest", lowest), FINITE.check("highest", highest)
    if not 0 < lowest < highest:
        raise BadInput(f"the range goes from {lowest:g} to {highest:g}; give two rates above 0, the lower one first")
    if not isinstance(kind, str) or kind not in ("exponential", "linear"):
        raise BadInput(f'the kind of range test is {short_repr(kind)}; give "exponential" or "linear"')
    ramp = registry.schedule({"name": f"{kind}_ramp", "steps": steps, "highest": highest})
    return replace(
        problem,
        schedule=ramp,
        numbers={**problem.numbers, "learning_rate": np.full(problem.members, lowest)},
        schedule_numbers={name: np.full(problem.members, float(value)) for name, value in ramp.parameters.items()},
    )
