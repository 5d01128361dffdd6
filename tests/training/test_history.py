import numpy as np
import pytest

from deltarule.engines import base
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.batches import all_rows
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.training.history import History, Recorded, evaluate


def test_a_look_at_the_history_of_some_members_changes_nothing_in_that_of_all() -> None:
    whole = History()
    whole.add(0, np.array([0, 1]), {"objective": np.ones(2)}, 2)
    part = whole.take(np.array([1]))
    part.add(1, np.array([0]), {"objective": np.zeros(1)}, 1)
    assert (whole.steps, whole.objective.tolist()) == ([0], [[1, 1]])
    assert (part.steps, part.objective.tolist()) == ([0, 1], [[1], [0]])


def test_members_of_equal_rows_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they share one list or have each its own."""
    monkeypatch.setattr(base, "MAX_COPIED_NUMBERS", 5)
    x = np.arange(8.0)[:, None]
    rows = [[0, 2, 4], [1, 3, 5], [0, 2, 4], [1, 3, 5], [0, 2, 4]]
    problem = create_problem(Network([1, 1]), x, x, rows=rows, seeds=range(5))
    seen = []
    monkeypatch.setattr(
        base, "all_rows", lambda problem, members: seen.append(members.tolist()) or all_rows(problem, members)
    )
    evaluate(problem, ReferenceEngine(), initial_state(problem), Recorded(), None)
    assert seen == [[0, 2, 4], [1, 3]]
