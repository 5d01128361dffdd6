"""Explain every number of an update with its formula."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.errors import BadInput
from deltarule.maths.losses import Loss
from deltarule.maths.network import Entry, flatten, views
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import State, initial_state
from deltarule.problem.validation import fill_arrays
from deltarule.tracing.backward import backward
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.forward import add_inputs, forward, objective
from deltarule.tracing.trace_builder import TraceBuilder
from deltarule.tracing.update import update as trace_update


def explain(
    network: Network,
    params: Any,
    x: Any,
    y: Any,
    loss: Named | Loss,
    optimizer: Named | Optimizer | None = None,
    state: Mapping[str, Any] | None = None,
    **options: Any,
) -> Explanation:
    """Show every number of a forward and backward pass and of the update.

    Parameters
    ----------
    network : Network
        The architecture.
    params : dict of array-like, or array-like of shape (P,)
        The parameters: arrays by name (W1 [D, H], b1 [H] …), or one flat θ [P].
    x, y : array-like of shape (B, D) and (B, C)
        Inputs [B, D] and targets [B, C]; one sample may be [D] and [C].
    loss : str, mapping or Loss
        Name, or a table with name and parameters.
    optimizer : str, mapping, Optimizer or None
        Name, or a table with name and parameters; None omits the update.
    state : mapping, optional
        The optimizer's slots (v, or m and v …), arrays by name or a flat [P], 0 by default, and the `step`, the number
        of previous updates.
    **options : optional
        Other arguments of `create_problem`: reduction, penalty, strength, learning_rate, dropout, weights …

    Returns
    -------
    Explanation
        Print it, or get an array by its name.

    Raises
    ------
    BadInput
        For parameters that do not fit the network, several members, `clip_norm`, and as `create_problem`.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> network = Network([2, 1], output="sigmoid")
    >>> params = {"W1": [[1.0], [-1.0]], "b1": [0.5]}
    >>> explained = explain(network, params, [1.0, 2.0], [1.0], "binary_cross_entropy", "sgd", learning_rate=0.1)
    >>> print(explained.text(layer=1))  # doctest: +ELLIPSIS
    Step 0...
    >>> explained["z1"], explained["δ1"].round(4)
    (array([[-0.5]]), array([[-0.6225]]))
    """
    is_one_sample = isinstance(network, Network) and np.shape(x) == (network.inputs,)
    if is_one_sample and np.size(y) == network.outputs:
        x, y = np.reshape(x, (1, -1)), np.reshape(y, (1, -1))
    problem = create_problem(network, x, y, loss=loss, optimizer=optimizer or "sgd", **options)
    if problem.members != 1:
        raise BadInput(f"the options describe {problem.members} networks; give one number of each")
    theta = _flat_vector("params", params, network.entries)
    return explain_update(problem, _state(problem, theta, state or {}), update=optimizer is not None)


def explain_update(
    problem: Problem,
    state: State,
    *,
    features: Sequence[str] = (),
    classes: Sequence[str] = (),
    update: bool = True,
    title: str = "",
    notes: tuple[str, ...] = (),
) -> Explanation:
    """Show every number of the next update from a state of one member.

    `features` [D] and `classes` [C] are the names of inputs and outputs; without `update` the optimizer is left out.
    """
    if len(state.members) != 1:
        raise BadInput(f"the state holds {len(state.members)} networks; take one of them with State.take")
    if update and problem.unusual_update:
        raise BadInput(f"the problem has {problem.unusual_update}, which explain has no formulas for")
    rows = batch(problem, state.members, state.step)
    positions = np.asarray(rows.positions[0] if rows.positions.ndim == 2 else rows.positions)
    places = positions if problem.rows is None else problem.rows[state.members[0]][positions]
    trace = TraceBuilder(problem, state, rows, tuple(features), tuple(classes), tuple(map(str, places.tolist())))
    with one_blas_thread(), np.errstate(all="ignore"):
        add_inputs(trace)
        tape = forward(trace)
        objective(trace)
        backward(trace, tape)
        if update:
            trace_update(trace)
    settings = {name: one for name, one in trace.at.items() if one.section == "settings"}
    return Explanation(problem, state, places, {**settings, **trace.at}, title, notes)


def _state(problem: Problem, theta: Floats, user_state: Mapping[str, Any]) -> State:
    """The state with a user's parameters, slots and step."""
    state, slots = initial_state(problem, theta[None]), dict(user_state)
    step = int(slots.pop("step", 0))
    for name, value in slots.items():
        if name not in state.slots:
            raise BadInput(
                f"the state has {name!r}, which '{problem.optimizer.name}' does not have; it has "
                f"{', '.join(['step', *state.slots])}"
            )
        slots[name] = _flat_vector(name, value, problem.network.entries)[None].astype(problem.dtype)
    return replace(state, slots={**state.slots, **slots}, step=step)


def _flat_vector(what: str, value: Any, entries: Sequence[Entry]) -> Floats:
    """Convert parameters or slots, by name or flat, to a vector [P]."""
    length = entries[-1].stop
    if not isinstance(value, Mapping):
        vector = np.asarray(value, np.float64)
        if vector.shape != (length,):
            raise BadInput(f"{what} has the shape {list(vector.shape)}; give {length} numbers, or arrays by name")
        return vector
    arrays = views(np.zeros((1, length)), entries)
    if set(value) != set(arrays):
        raise BadInput(f"{what} hold {', '.join(value)}; give exactly {', '.join(arrays)}")
    fill_arrays(what, arrays, value)
    return flatten(arrays, entries)[0]
