"""Train one member of a study up to an update, and trace that update."""

from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.reference import ReferenceEngine, first_nonfinite
from deltarule.errors import BadInput, count_of
from deltarule.problem.problem import Problem
from deltarule.problem.state import State
from deltarule.recipes import Recipe, problem_of, training_of
from deltarule.tracing.explain import explain_update
from deltarule.tracing.explanation import Explanation
from deltarule.training.options import StopRules, history_intervals
from deltarule.training.train import Progress, train


def explain_study(
    recipe: Recipe,
    dataset: Dataset,
    *,
    member: int = 0,
    step: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Explanation:
    """Train one member of a study up to an update, and trace that update.

    The reference engine trains the member alone, to the same bits as among the others, by the recipe's stop rules. At
    the training's end the update that would follow is traced; a later step, or an unknown member, raises `BadInput`.
    """
    problem = problem_of(recipe, dataset)
    if not 0 <= member < problem.members:
        raise BadInput(f"there is no member {member}; {recipe.name} has the members 0 to {problem.members - 1}")
    alone = problem.take(np.array([member]))
    state, notes = _train_to_step(recipe, dataset, alone, step, progress)
    study = f"{recipe.name}, {recipe.experiment}," if recipe.experiment else recipe.name
    return explain_update(
        alone,
        state,
        features=dataset.features,
        classes=dataset.classes if len(dataset.classes) == problem.network.outputs else (),
        title=f"{study} on {dataset.name}, member {member} (seed {problem.seeds[member]})",
        notes=notes,
    )


def _train_to_step(
    recipe: Recipe, dataset: Dataset, problem: Problem, step: int, progress: Callable[[Progress], None] | None
) -> tuple[State, tuple[str, ...]]:
    """Train one member for `step` updates: its state, and notes on its end."""
    rules = training_of(recipe, dataset, problem)
    stop_rules = StopRules(**{field.name: rules[field.name] for field in fields(StopRules)})
    limit = int(stop_rules.limits(problem)[0])
    if not 0 <= step <= limit:
        raise BadInput(f"the training ends after {count_of(limit, 'update')}; give a step from 0 to {limit}")
    # Rules that use the history need the evaluations of the whole training.
    rules["max_steps"] = step
    if rules["history_every"] is None:
        rules["history_every"] = int(history_intervals(problem, stop_rules).max())
    run = train(problem, engine=ReferenceEngine(), progress=progress, **rules)
    if run.interrupted:
        raise KeyboardInterrupt
    ended = int(run.steps[0])
    reason = run.reasons[0]
    if ended < step:
        raise BadInput(f"the training ends after {count_of(ended, 'update')} ({reason}); give a step from 0 to {ended}")
    if run.best_steps is not None:  # patience has put the best weights back; the update goes on from the last ones
        run = train(problem, engine=ReferenceEngine(), **rules | {"patience": None})
    return run.state, tuple(_notes(problem, run.state, reason, step == limit))


def _notes(problem: Problem, state: State, reason: str, at_limit: bool) -> Iterator[str]:
    """Notes that the training ends at this state, or that the next update diverges."""
    if at_limit or reason != "max_steps":
        ended = "at its limit" if reason == "max_steps" else f"by the rule of {reason}"
        yield f"the training ends here, {ended}; the update is the one that would follow"
    if ReferenceEngine().advance(problem, state, 1)[1].bad[0] >= 0:
        layer, where = first_nonfinite(problem, state)
        yield f"in this update the network diverges, {where} of layer {layer} first"
