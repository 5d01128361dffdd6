"""`Contender`: something that does a piece of work; and our own engines as contenders."""

from collections.abc import Callable
from dataclasses import dataclass

from deltarule.engines import selection
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state

OURS = "compiled"
"""The contender by whose times the others are divided."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A library or engine that does a piece of work.

    name, about : who it is, and how it goes about the work.
    members : how many of the problem's members it trains, the first ones; one after another where that is its way, and
        then a few of them tell the time of all.
    advance : makes n updates from the problem's initial state and returns θ [members, P]; None where there is nothing
        to compare, as of a floor that trains nothing.
    """

    name: str
    about: str
    members: int
    advance: Callable[[int], Floats | None]


class LeftOut(Exception):
    """Raised by a contender that cannot do a piece of work: its library is missing, or it has no such network."""


def our_engine(name: str, problem: Problem) -> Contender:
    """One of our engines as a contender, all members as one population.

    >>> from deltarule.benchmarks.workloads import encoder
    >>> our_engine("reference", encoder("", 2).problem).advance(3).shape
    (2, 59)
    """
    try:
        engine = selection.engine(name)
    except BadInput as error:
        raise LeftOut(str(error)) from None
    state = initial_state(problem)
    about = {"reference": "ours, NumPy", "compiled": "ours, Numba", "autograd": "ours, PyTorch"}[name]
    return Contender(name, about, problem.members, lambda n: engine.advance(problem, state, n)[0].theta)


def describe_threads(count: int) -> str:
    """A number of threads in words.

    >>> describe_threads(1), describe_threads(2)
    ('1 thread', '2 threads')
    """
    return "1 thread" if count == 1 else f"{count} threads"
