"""Blocks of lanes, which are divided once for the members of a problem and used again in the next call."""

import numpy as np

from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state


def population(**given):
    x = np.linspace(-1, 1, 20).reshape(10, 2)
    settings = {"learning_rate": np.linspace(0.1, 0.5, 24), "seeds": range(24), "dropout": 0.3, **given}
    return create_problem(Network([2, 4, 1], "tanh"), x, x.sum(1), **settings)


def test_members_that_leave_a_population_between_calls_change_nothing_for_the_others():
    problem, engine = population(), CompiledEngine(threads=2)
    whole, _ = engine.advance(problem, initial_state(problem), 8)
    chosen = np.arange(3, 24, 2)
    begun, _ = engine.advance(problem, initial_state(problem), 3)
    ended, _ = engine.advance(problem, begun.take(chosen), 5)
    assert ended.theta.tobytes() == whole.theta[chosen].tobytes()


def test_a_change_of_threads_between_calls_changes_nothing():
    problem = population()
    begun, _ = CompiledEngine(threads=1).advance(problem, initial_state(problem), 3)
    ended, _ = CompiledEngine(threads=3).advance(problem, begun, 5)
    whole, _ = CompiledEngine(threads=3).advance(population(), initial_state(problem), 8)
    assert ended.theta.tobytes() == whole.theta.tobytes()


def test_problems_that_differ_in_numbers_alone_do_not_share_them():
    engine, slow, fast = CompiledEngine(), population(), population(learning_rate=1.0)
    after = [engine.advance(problem, initial_state(problem), 2)[0].theta for problem in (slow, fast, slow)]
    assert np.array_equal(after[0], after[2]) and not np.array_equal(after[0], after[1])


def test_few_members_see_their_own_rows():
    """They are advanced one by one, by fewer calls than there are members."""
    members = {"learning_rate": 0.1, "seeds": [7] * 5, "dropout": 0.0}
    problem = population(**members, rows=[np.arange(k, k + 5) for k in range(5)])
    ended, _ = CompiledEngine(threads=1).advance(problem, initial_state(problem), 8)
    expected, _ = ReferenceEngine().advance(problem, initial_state(problem), 8)
    np.testing.assert_allclose(ended.theta, expected.theta, rtol=1e-12)
