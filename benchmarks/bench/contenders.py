"""What a contender of the benchmark is, and our own engines as contenders; `peers_*` and `floors` make the others."""

from collections.abc import Callable
from dataclasses import dataclass

from deltarule.engines import selection
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state

OURS = "compiled"
"""The name of the contender that every ratio of times refers to."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A library or engine that does a piece of work.

    name, about : its name, and how it does the work.
    members : how many of the problem's members it trains, the first ones; if it trains one after another, a few of them
        are enough to measure its time.
    advance : makes n updates from the problem's initial state and returns θ [members, P]; None if there is nothing to
        compare, such as for a floor that trains nothing.
    """

    name: str
    about: str
    members: int
    advance: Callable[[int], Floats | None]


class LeftOut(Exception):
    """Raised if a contender cannot do a piece of work: its library is missing, or has no such network."""


def our_engine(name: str, problem: Problem) -> Contender:
    """The contender for our engine of this name, which trains all members at once; `LeftOut` if it is missing.

    >>> from bench.workloads import encoder
    >>> our_engine("reference", encoder("", 2).problem).advance(3).shape
    (2, 59)
    """
    try:
        engine = selection.engine(name)
    except BadInput as error:
        raise LeftOut(str(error)) from None
    state = initial_state(problem)
    about = {"reference": "ours, NumPy", "compiled": "ours, LLVM", "autograd": "ours, PyTorch"}[name]
    return Contender(name, about, problem.members, lambda n: engine.advance(problem, state, n)[0].theta)


def describe_threads(count: int) -> str:
    """Describe a number of threads in words.

    >>> describe_threads(1), describe_threads(2)
    ('1 thread', '2 threads')
    """
    return "1 thread" if count == 1 else f"{count} threads"
