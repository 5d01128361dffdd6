from dataclasses import replace

import numpy as np
import pytest
from all_engines import all_engines

from deltarule.engines.base import FLUSH_EVERY, Engine, flush_subnormals
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

NAMES, ENGINES = zip(*all_engines().items(), strict=True)


def denormal(array: np.ndarray) -> int:
    return int(((array != 0) & (np.abs(array) < np.finfo(array.dtype).tiny)).sum())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
@pytest.mark.parametrize("members", [1, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_has_become_denormal_becomes_0_now_and_then(engine: Engine, members: int, dtype: str) -> None:
    problem = create_problem(
        Network([2, 2, 1], "relu"),
        [[0.5, 1.0], [1.0, -1.0]],
        [1.0, 2.0],
        optimizer="momentum",
        learning_rate=0.01,
        seeds=range(members),
        dtype=dtype,
    )
    start = initial_state(problem)
    theta, velocity = start.theta.copy(), start.slots["v"].copy()
    never = [0, 2, 4]  # the weights and the bias of a unit that is never active: its gradient is 0
    theta[:, never], velocity[:, [0, 2]] = np.finfo(dtype).tiny / 8, np.finfo(dtype).tiny / 4
    theta[:, 4] = -100
    before = replace(start, theta=theta, slots={"v": velocity}, step=FLUSH_EVERY - 3)
    two, _ = engine.advance(problem, before, 2)
    left = 0 if engine.name == "compiled" else 2 * members  # its programs flush all that they compute
    assert denormal(two.theta) == left and denormal(two.slots["v"]) == left
    three, trace = engine.advance(problem, before, 3)
    assert denormal(three.theta) == denormal(three.slots["v"]) == 0
    assert (three.theta[:, [0, 2]] == 0).all() and (three.theta[:, [1, 3]] != 0).any() and (trace.bad == -1).all()
    again, _ = engine.advance(problem, two, 1)
    assert again.theta.tobytes() == three.theta.tobytes()


def test_what_is_no_number_or_infinite_stays() -> None:
    array = np.array([np.inf, -np.inf, np.nan, 5e-324, -0.0, 2.2250738585072014e-308])
    np.testing.assert_array_equal(flush_subnormals(array), [np.inf, -np.inf, np.nan, 0, 0, 2.2250738585072014e-308])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
@pytest.mark.parametrize("members", [2, 7])
@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e25), ("float64", 1e160)])
def test_a_member_without_a_penalty_is_what_it_is_where_nobody_has_one(
    engine: Engine, members: int, dtype: str, large: float
) -> None:
    """0 times the sum of squared weights, which is infinite, is 0 in its objective and no NaN."""

    def problem(penalty: str | None, strength: list[float]) -> Problem:
        network = Network([2, 3, 1], "tanh", initializer={"name": "normal", "std": large})
        return create_problem(
            network,
            [[0.5, 1.0], [1.0, -1.0]],
            [1.0, 2.0],
            loss="absolute_error",
            penalty=penalty,
            strength=strength,
            seeds=range(members),
            dtype=dtype,
        )

    plain, mixed = problem(None, [0.0] * members), problem("l2", [0.0, *[1.0] * (members - 1)])
    (alone, wanted), (among, found) = (engine.advance(one, initial_state(one), 3) for one in (plain, mixed))
    assert found.bad.tolist() == [-1, *[0] * (members - 1)]
    np.testing.assert_array_equal(found.objective[:, 0], wanted.objective[:, 0])
    np.testing.assert_array_equal(among.theta[0], alone.theta[0])
