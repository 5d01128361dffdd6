"""Compare the losses of contenders, then time them in turn, round after round.

A machine that slows down for a while slows down all of them, so the ratios are what counts.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench import floors, peers_jax, peers_sklearn, peers_torch
from bench.contenders import OURS, Contender, LeftOut, our_engine
from bench.workloads import Work, objectives, title
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
        """The minimum, median and maximum of some values.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(least=1.0, median=2.0, most=3.0)
        """
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Timed:
    """The result of a contender in a row of the benchmark.

    name, about    the contender, and how it works
    members, updates   how many members it trained, and how many updates in a turn
    loss           the first member's objective over all rows after the compared updates; None for floors
    difference     the greatest relative difference of its members' objectives from those of the reference engine
    microseconds   time of an update of one member; None if the losses differ, because it is not timed then
    ratio          its median divided by that of our compiled engine
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
    """A measured row of the benchmark: its work, the results of all contenders, and why others were left out."""

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
    "encoder": ("SIMD C", floors.encoder_in_c),
}


def measure(work: Work, pace: Pace, chosen: Sequence[str] | None = None) -> Measured:
    """Measure a row of the benchmark: compare the losses of its chosen (None: all) contenders, then time them in turn.

    Parameters: `work` of the row; `pace`, how long to measure; `chosen`, the names of the contenders, None for all.

    >>> from bench.workloads import encoder
    >>> row = measure(encoder("encoder", 2), Pace(1, 0.001), ["reference", "scikit-learn"])
    >>> [contender.name for contender in row.contenders], row.left_out["scikit-learn"]
    (['reference'], 'no squared error behind a sigmoid')
    """
    problem = work.problem
    contenders, left_out = _make_contenders(work, chosen)
    losses = {contender.name: _losses(problem, contender.advance(CHECKED)) for contender in contenders}
    differences = {name: _relative_difference(loss, losses["reference"]) for name, loss in losses.items()}
    tolerance = TOLERANCES[problem.dtype.name]
    agreeing = [contender for contender in contenders if _losses_agree(differences[contender.name], tolerance)]
    updates = {contender.name: _updates_per_turn(contender, pace) for contender in agreeing}
    times = _time_rounds(agreeing, updates, pace)
    median = times[OURS].median if OURS in times else None
    timed = [
        Timed(
            name=contender.name,
            about=contender.about,
            members=contender.members,
            updates=updates.get(contender.name, 0),
            loss=_first_loss(losses[contender.name]),
            difference=differences[contender.name],
            microseconds=times.get(contender.name),
            ratio=times[contender.name].median / median if median and contender.name in times else None,
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


def _make_contenders(work: Work, chosen: Sequence[str] | None) -> tuple[list[Contender], dict[str, str]]:
    """Make the contenders (all if `chosen` is None), and collect the reasons of those that cannot do the work."""
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
    """The objectives [K'] of a contender's members; None for a floor, which trains nothing."""
    return None if theta is None else objectives(problem, theta)


def _relative_difference(losses: Floats | None, expected: Floats | None) -> float | None:
    """The largest relative difference of losses [K'] from the first K' of the expected [K]; None if one is None."""
    if losses is None or expected is None:
        return None
    return float(np.abs(losses / expected[: len(losses)] - 1).max())


def _losses_agree(difference: float | None, tolerance: float) -> bool:
    """Whether losses agree within the tolerance, or are not compared; NaN never agrees."""
    return difference is None or difference <= tolerance


def _first_loss(losses: Floats | None) -> float | None:
    return None if losses is None else float(losses[0])


def _updates_per_turn(contender: Contender, pace: Pace) -> int:
    """Find the number of updates that takes about `pace.seconds`, and run them, so that all is compiled for it."""
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


def _time_rounds(contenders: Sequence[Contender], updates: Mapping[str, int], pace: Pace) -> dict[str, Spread]:
    """Time `updates` of each contender in turn; return the spread of microseconds per update of a member, by name.

    Each round begins with another contender.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(pace.rounds):
        first = turn % max(1, len(contenders))
        for contender in [*contenders[first:], *contenders[:first]]:
            # The threads of a library keep spinning for a moment, and would slow down the next contender.
            time.sleep(0.005)
            seconds[contender.name].append(_seconds(contender, updates[contender.name]))
    return {
        contender.name: Spread.of(
            [value * 1e6 / updates[contender.name] / contender.members for value in seconds[contender.name]]
        )
        for contender in contenders
    }


def _seconds(contender: Contender, n: int) -> float:
    """The seconds that a contender takes for n updates."""
    started = time.perf_counter()
    contender.advance(n)
    return time.perf_counter() - started
