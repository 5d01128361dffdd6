"""The map of what can be trained: what becomes of many networks that differ in two settings.

K networks, one for each place of the map
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput
from deltarule.playground.custom_formulas import Formulas, with_formulas
from deltarule.playground.past import Present
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.recipes import populations_of_settings, with_settings
from deltarule.symptoms.observations import loss_bounds
from deltarule.training.populations import seeds_of

OUTCOMES = ("solved", "learning", "stuck", "diverged")
LEARNING = 0.1
"""The share of the loss of the best constant prediction that a network avoids which learns."""
EXPECTED_UPDATES = 20_000
"""As for the network that the page trains: the same engine gives the same bits."""
MAX_NETWORKS = 1000
"""Networks of one answer, so that a page that has zoomed waits only briefly."""


def outcomes_of(
    moment: Present, formulas: Formulas, keys: Sequence[str], values: Sequence[Sequence[float]], updates: int
) -> list[str]:
    """Train a network for each pair of values of two keys, with the first seed, and say what became of it."""
    are_pairs = all(len(pair) == 2 and all(isinstance(one, int | float) for one in pair) for pair in values)
    if len(keys) != 2 or not 1 <= len(values) <= MAX_NETWORKS or not are_pairs:
        raise BadInput(f"a map has two keys, and pairs of numbers; give 1 to {MAX_NETWORKS:,} pairs")
    configuration = moment.recipe.configuration
    [seed, *_] = seeds_of(configuration)
    recipe = with_settings(
        replace(moment.recipe, configuration=replace(configuration, grid={})), {"run.seeds": [int(seed)]}
    )
    columns = [list(dict.fromkeys(column)) for column in zip(*values, strict=True)]
    settings = [{key: value} for key, column in zip(keys, columns, strict=True) for value in column]
    populations = populations_of_settings(recipe, moment.dataset, [{}, *settings])
    if len(populations) > 1:
        raise BadInput(f"{' or '.join(keys)} gives networks of different shapes; take a number, such as learning_rate")
    problem = with_formulas(_problem_of_pairs(populations[0].problem, columns, values), formulas)
    engine = engine_for(configuration.run.engine, problem, EXPECTED_UPDATES)
    state, trace = engine.advance(problem, initial_state(problem), updates)
    after = replace(moment, recipe=recipe, problem=problem, state=state)
    after = replace(after, values=after.evaluate(engine))
    unpenalized = replace(problem, penalty=None)
    with one_blas_thread(), np.errstate(all="ignore"):
        losses = engine.evaluate(unpenalized, state, None, {})["objective"]
        constant, least = loss_bounds(problem, all_rows(problem, np.array([0])))
        is_learning = 1 - (losses - least) / (constant - least) >= LEARNING
    is_diverged = (trace.bad >= 0) | ~np.isfinite(losses)
    found = np.select([is_diverged, after.is_solved, is_learning], ["diverged", "solved", "learning"], "stuck")
    return [str(outcome) for outcome in found]


def _problem_of_pairs(
    problem: Problem, columns: Sequence[Sequence[float]], values: Sequence[Sequence[float]]
) -> Problem:
    """The problem with a member for each pair, from one with a plain member and one for each value of both columns.

    To check every pair of settings would take longer than to train its network.
    """
    first, second = columns
    plain = problem.take(np.zeros(len(values), np.int64))
    one = problem.take(np.array([1 + first.index(pair[0]) for pair in values]))
    other = problem.take(np.array([1 + len(first) + second.index(pair[1]) for pair in values]))

    def mixed(usual: Any, of_one: Any, of_other: Any) -> Any:
        if isinstance(usual, Mapping):
            return {name: mixed(usual[name], of_one[name], of_other[name]) for name in usual}
        return np.where(of_one == usual, of_other, of_one)

    names = ("numbers", "schedule_numbers", "strength", "dropout", "initial_scale")
    arrays = {name: mixed(*(getattr(part, name) for part in (plain, one, other))) for name in names}
    return replace(plain, **arrays)
