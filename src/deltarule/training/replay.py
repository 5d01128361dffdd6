"""Members that ended within a chunk of updates, replayed from its start: each to its own last update."""

from collections.abc import Iterator

import numpy as np

from deltarule.engines.base import Engine
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.state import State


def replay(engine: Engine, problem: Problem, start: State, ends: Integers) -> Iterator[State]:
    """The final states of members, those with the same end together, the earliest first.

    Members are advanced together from one end to the next, so that all processors have something to do.

    Parameters: `start`, their state where the chunk began; `ends` [K], updates from there to each member's end.

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[1.0]], [1.0], seeds=range(3))
    >>> states = replay(ReferenceEngine(), problem, initial_state(problem), np.array([5, 2, 5]))
    >>> [(state.step, state.members.tolist()) for state in states]
    [(2, [1]), (5, [0, 2])]
    """
    state = start
    for end in np.unique(ends).tolist():
        if start.step + end > state.step:
            state, _ = engine.advance(problem, state, start.step + end - state.step)
        yield state.take(ends == end)
        state, ends = state.take(ends > end), ends[ends > end]
