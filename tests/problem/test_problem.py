from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.training.checkpoint import problem_digest

NETWORK = Network([1, 1])
ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=5)


def make(**given: Any) -> Problem:
    return create_problem(NETWORK, np.zeros((10, 1)), np.zeros(10), **given)


@given(ROWS, st.one_of(st.none(), st.integers(1, 15)))
def test_an_epoch_has_as_many_steps_as_batches(rows: list[list[int]], batch_size: int | None) -> None:
    problem = make(rows=rows, batch_size=batch_size)
    assert problem.row_counts.tolist() == [len(own) for own in rows]
    for member, own in enumerate(rows):
        assert problem.row_count(member) == len(own)
        size = min(batch_size or len(own), len(own))
        assert problem.batch_rows(member) == size
        assert problem.steps_per_epoch(member) == len(range(0, len(own), size))


@given(ROWS)
def test_the_row_table_holds_each_members_rows(rows: list[list[int]]) -> None:
    table = make(rows=rows).row_table
    assert table is not None and table.shape == (len(rows), max(map(len, rows)))
    assert [line[: len(own)].tolist() for line, own in zip(table, rows, strict=True)] == rows
    assert make().row_table is None


@given(ROWS, st.integers(1, 12), st.integers(0, 40), st.data())
def test_rates_count_steps_or_the_members_own_epochs(
    rows: list[list[int]], batch_size: int, step: int, data: st.DataObject
) -> None:
    learning_rates = [0.1 * (k + 1) for k in range(len(rows))]
    chosen = np.array(data.draw(st.permutations(range(len(rows)))))[: data.draw(st.integers(1, len(rows)))]
    for per in ("step", "epoch"):
        schedule = {"name": "step", "every": 2, "factor": 0.5, "per": per}
        problem = make(rows=rows, batch_size=batch_size, learning_rate=learning_rates, schedule=schedule)
        for member, rate in zip(chosen, problem.rates(chosen, step), strict=True):
            counted = step if per == "step" else step // problem.steps_per_epoch(int(member))
            assert rate == pytest.approx(learning_rates[member] * 0.5 ** (counted // 2), rel=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_a_rate_is_the_same_alone_and_among_others(name: str, members: int) -> None:
    """NumPy finds a power by another way where all exponents are one number, as the 1/2 of inverse_scaling."""
    problem, steps = make(schedule=name, learning_rate=[0.1 * (k + 1) for k in range(members)]), np.arange(300)
    together = problem.rates(np.arange(members), steps)
    for member in range(members):
        only = np.array([member])
        assert np.array_equal(problem.rates(only, steps)[:, 0], together[:, member])
        assert [problem.rates(only, step).item() for step in steps[:60]] == together[:60, member].tolist()


@given(ROWS, st.data())
def test_take_selects_all_data_of_the_members(rows: list[list[int]], data: st.DataObject) -> None:
    K = len(rows)
    problem = create_problem(
        Network([1, 2, 1]),
        np.zeros((10, 1)),
        np.zeros(10),
        seeds=range(K),
        data_seeds=range(10, 10 + K),
        dropout_seeds=range(20, 20 + K),
        learning_rate=np.linspace(0.1, 1, K),
        initial_scale=np.linspace(1, 2, K),
        penalty="l2",
        strength=np.linspace(0, 1, K),
        schedule={"name": "step", "every": list(range(1, K + 1))},
        optimizer="momentum",
        momentum=np.linspace(0, 0.9, K),
        dropout=np.linspace(0, 0.9, K)[:, None],
        weights=np.arange(1.0, 10 * K + 1).reshape(K, 10),
        rows=rows,
        batch_size=3,
    )
    chosen = np.array(data.draw(st.lists(st.integers(0, K - 1), min_size=1, max_size=K)))
    taken = problem.take(chosen)
    assert taken.members == len(chosen)
    for place, member in enumerate(chosen):
        for step in (0, 5):
            assert taken.rates(np.array([place]), step) == problem.rates(np.array([member]), step)
        assert taken.rows is not None and problem.rows is not None and taken.weights is not None
        assert taken.rows[place] is problem.rows[member]
        assert taken.steps_per_epoch(place) == problem.steps_per_epoch(int(member))
        assert problem.weights is not None and np.array_equal(taken.weights[place], problem.weights[member])
        for name in ("strength", "dropout", "initial_scale", "seeds", "data_seeds", "dropout_seeds"):
            assert np.array_equal(getattr(taken, name)[place], getattr(problem, name)[member])
        for own, all_members in (
            (taken.numbers, problem.numbers),
            (taken.schedule_numbers, problem.schedule_numbers),
        ):
            assert {name: value[place] for name, value in own.items()} == {
                name: value[member] for name, value in all_members.items()
            }


RATES = st.floats(1e-6, 10)


@given(st.one_of(RATES, st.lists(RATES, min_size=3, max_size=3)), st.floats(0, 0.99))
def test_a_problem_with_replaced_numbers_is_one_created_with_them(rate: Any, momentum: float) -> None:
    options = {"optimizer": "momentum", "seeds": range(3), "rows": [[0, 1], [2], [3, 4, 5]]}
    first, numbers = make(**options), {"learning_rate": rate, "momentum": momentum}
    assert problem_digest(first.replace(**numbers)) == problem_digest(make(**options, **numbers))
    assert problem_digest(first) == problem_digest(make(**options))


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"learning_rate": -1.0}, "learning_rate is -1; give"),
        ({"learning_rate": [0.1, 0.2, 0.3]}, "learning_rate has 3 numbers for 2 members; give one number, or one a"),
        ({"momentum": 0.9}, "'momentum' cannot be replaced, only learning_rate; create a problem with it"),
    ],
)
def test_numbers_that_cannot_be_replaced_are_refused(numbers: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        make(members=2).replace(**numbers)
