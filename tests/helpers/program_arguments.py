"""The arguments of an update's program, as the reference engine has them."""

from typing import Any

import numpy as np

from deltarule.engines.reference import dropout_masks
from deltarule.problem.batches import Batch
from deltarule.problem.problem import Problem
from deltarule.problem.state import State


def own_arrays(problem: Problem, rows: Batch) -> frozenset[str]:
    own = {"rows": rows.x.ndim == 3, "weights": rows.w.ndim == 3}
    own["entry_factors"] = problem.entry_factors is not None and problem.entry_factors.ndim == 2
    return frozenset(name for name, is_own in own.items() if is_own)


def arguments_of(problem: Problem, state: State, rows: Batch) -> dict[str, Any]:
    """The arguments of `record_update` for the update of a state on a batch."""
    members, step = state.members, state.step
    epoch = step // problem.epoch_steps[members]
    column = {name: value[members, None] for name, value in problem.numbers.items()}
    column |= {f"schedule_{name}": value[members, None] for name, value in problem.schedule_numbers.items()}
    return {
        "θ": state.theta,
        **state.slots,
        "buffers": state.buffers,
        **{"x": rows.x, "y": rows.y, "w": rows.w},
        **dropout_masks(problem, state, rows),
        "strength": problem.strength[members, None],
        "penalized": problem.penalized,
        **column,
        "updates": np.array([[step]]),
        "counted": epoch[:, None] if problem.schedule.per == "epoch" else np.full((len(members), 1), step),
        "factor": state.factor[:, None],
        "longest": None if problem.clip_norm is None else problem.clip_norm[members, None],
        "entry_factors": problem.entry_factors,
    }
