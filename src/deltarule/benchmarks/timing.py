"""Compare the losses of contenders, then time them in turn, round after round.

A machine that slows down for a while slows down all of them, so what counts are the ratios.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.benchmarks import floors, peers_jax, peers_sklearn, peers_torch
from deltarule.benchmarks.contenders import OURS, Contender, LeftOut, our_engine
from deltarule.benchmarks.workloads import Work, objectives, title
from deltarule.problem.problem import Floats, Problem

CHECKED = 20
"""Number of updates before losses are compared."""
TOLERANCES = {"float64": 1e-9, "float32": 1e-3}
"""Largest allowed difference of losses, relative to the reference engine's. In float32 a sum in another order may turn
a ReLU unit on that another library leaves off, and Adam divides tiny numbers by tiny numbers."""


@dataclass(frozen=True)
class Pace:
    """How long to measure: the number of rounds, and about how many seconds each contender runs per round."""

    rounds: int
    seconds: float


FULL, QUICK = Pace(7, 0.3), Pace(2, 0.01)


@dataclass(frozen=True)
class Spread:
    """The minimum, median and maximum over rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of some values.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(least=1.0, median=2.0, most=3.0)
        """
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Timed:
    """The result of a contender in a row.

    name, about    who, and how
    members, updates   how many members it trained, and how many updates in a turn
    loss           the first member's objective over all rows after the compared updates; None of floors
    difference     the greatest relative difference of its members' objectives from the reference engine's
    microseconds   for an update of one member; None where the losses differ, for then it is not timed
    ratio          its median over that of our compiled engine
    """

    name: str
    about: str
    members: int
    updates: int
    loss: float | None
    difference: float | None
    microseconds: Spread | None
    ratio: float | None


@dataclass(frozen=True)
class Measured:
    """A measured row: the work, the results of all contenders, and who was left out and why."""

    name: str
    title: str
    about: str
    members: int
    parameters: int
    batch: int
    dtype: str
    contenders: tuple[Timed, ...]
    left_out: Mapping[str, str]


MAKERS: dict[str, Callable[[Problem], Contender]] = {
    "reference": lambda problem: our_engine("reference", problem),
    "compiled": lambda problem: our_engine("compiled", problem),
    "autograd": lambda problem: our_engine("autograd", problem),
    "PyTorch": peers_torch.eager,
    "PyTorch vmap": peers_torch.vmap_population,
    "JAX scan": peers_jax.scan,
    "JAX vmap": peers_jax.vmap_population,
    "scikit-learn": peers_sklearn.classifier,
}
FLOORS: dict[str, tuple[str, Callable[[Problem], Contender]]] = {
    "products": ("products alone", floors.products),
    "encoder": ("SIMD C", floors.encoder),
}


def measure(work: Work, pace: Pace, chosen: Sequence[str] | None = None) -> Measured:
    """Measure a row: compare the losses, then time all contenders in turn.

    Parameters: `chosen`, the names of the contenders, or None for all that there are.

    >>> from deltarule.benchmarks.workloads import encoder
    >>> row = measure(encoder("encoder", 2), Pace(1, 0.001), ["reference", "scikit-learn"])
    >>> [one.name for one in row.contenders], row.left_out["scikit-learn"]
    (['reference'], 'no squared error behind a sigmoid')
    """
    problem = work.problem
    contenders, left_out = _contenders(work, chosen)
    losses = {contender.name: _losses(problem, contender.advance(CHECKED)) for contender in contenders}
    differences = {name: _difference(found, losses["reference"]) for name, found in losses.items()}
    tolerance = TOLERANCES[problem.dtype.name]
    fair = [contender for contender in contenders if _losses_agree(differences[contender.name], tolerance)]
    updates = {one.name: _updates(one, pace) for one in fair}
    times = _rounds(fair, updates, pace)
    middle = times[OURS].median if OURS in times else None
    timed = [
        Timed(
            name=contender.name,
            about=contender.about,
            members=contender.members,
            updates=updates.get(contender.name, 0),
            loss=_first(losses[contender.name]),
            difference=differences[contender.name],
            microseconds=times.get(contender.name),
            ratio=times[contender.name].median / middle if middle and contender.name in times else None,
        )
        for contender in contenders
    ]
    return Measured(
        name=work.name,
        title=title(problem),
        about=work.about,
        members=problem.members,
        parameters=problem.network.parameters,
        batch=problem.batch_rows(0),
        dtype=problem.dtype.name,
        contenders=tuple(timed),
        left_out=left_out,
    )


def _contenders(work: Work, chosen: Sequence[str] | None) -> tuple[list[Contender], dict[str, str]]:
    makers = {name: make for name, make in MAKERS.items() if chosen is None or name in chosen}
    if work.floor and chosen is None:
        name, make = FLOORS[work.floor]
        makers[name] = make
    made, left_out = [], {}
    for name, make in makers.items():
        try:
            made.append(make(work.problem))
        except LeftOut as reason:
            left_out[name] = str(reason)
    return made, left_out


def _losses(problem: Problem, theta: Floats | None) -> Floats | None:
    return None if theta is None else objectives(problem, theta)


def _difference(found: Floats | None, expected: Floats | None) -> float | None:
    if found is None or expected is None:
        return None
    return float(np.abs(found / expected[: len(found)] - 1).max())


def _losses_agree(difference: float | None, tolerance: float) -> bool:
    """Whether losses agree within the tolerance, or are not compared; NaN never agrees."""
    return difference is None or difference <= tolerance


def _first(losses: Floats | None) -> float | None:
    return None if losses is None else float(losses[0])


def _updates(contender: Contender, pace: Pace) -> int:
    """The number of updates that fill a turn; afterwards everything for that number is compiled."""
    n = CHECKED
    seconds = _seconds(contender, n)
    while seconds < pace.seconds / 4:
        n *= 4
        contender.advance(n)
        seconds = _seconds(contender, n)
    if seconds > 2 * pace.seconds:
        n = max(1, round(n * pace.seconds / seconds))
        contender.advance(n)
    return n


def _rounds(contenders: Sequence[Contender], updates: Mapping[str, int], pace: Pace) -> dict[str, Spread]:
    """Microseconds per update of a member, for each round; each round begins with another contender."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(pace.rounds):
        first = turn % max(1, len(contenders))
        for one in [*contenders[first:], *contenders[:first]]:
            # Seconds between two turns: the threads of a library go on spinning for a moment, and would slow the next
            # one.
            time.sleep(0.005)
            seconds[one.name].append(_seconds(one, updates[one.name]))
    return {
        contender.name: Spread.of(
            [value * 1e6 / updates[contender.name] / contender.members for value in seconds[contender.name]]
        )
        for contender in contenders
    }


def _seconds(contender: Contender, n: int) -> float:
    started = time.perf_counter()
    contender.advance(n)
    return time.perf_counter() - started
