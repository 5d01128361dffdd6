"""Export a training run as one NumPy script with all passes written out.

The script trains one member, with one line for each step of a layer. Its formulas are the source of `maths` itself, so
its losses equal those of the reference engine to the last digit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import BadInput, one_line
from deltarule.export.script_parts import ScriptArrays, render_script
from deltarule.export.training_script.statements import TrainingStatements
from deltarule.maths import random
from deltarule.maths.network import views
from deltarule.problem import validation
from deltarule.problem.problem import Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import initial_state

MAX_SCRIPT_NUMBERS = 20_000_000
"""Maximum total size of data and weights: 20 million numbers take 200 MB or more as packed text."""

SINGLE_BLAS_THREAD = 'os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two threads would add in another order'


def training_script(
    problem: Problem, *, member: int = 0, steps: int, losses: Mapping[int, float], title: str = "A training"
) -> str:
    """The training of one member as the text of a NumPy script.

    Parameters
    ----------
    problem : Problem
        What was trained.
    member : int
        The index of one of the problem's members.
    steps : int
        The number of updates.
    losses : dict from int to float
        The objective over all rows, without dropout, by number of updates; the script prints its own beside these.
    title : str
        The title in the first line of the script.

    Returns
    -------
    str
        The text of the script.

    Raises
    ------
    BadInput
        For a member that does not exist, and for what no script can contain: custom formulas, very large data.

    Examples
    --------
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> problem = create_problem(Network([2, 1], output="sigmoid"), [[0, 1], [1, 0]], [0, 1], learning_rate=0.5)
    >>> script = training_script(problem, steps=1, losses={})
    >>> print(script[script.index("    # backward") : script.index("    # update")].rstrip())
        # backward: da1 is ∂J/∂a1, and so on
        share = 1 / len(y)
        da1 = share * squared_error_derivative(a1, y)
        dz1 = sigmoid_derivative(z1, a1) * da1
        dW1 = x.T @ dz1
        db1 = dz1.sum(0, keepdims=True)
    """
    member = validation.member(member, problem.members, "give one from")
    _refuse_unsupported(problem)
    problem = problem.take(np.array([member]))
    arrays, statements = ScriptArrays(problem.dtype), TrainingStatements(problem)
    shape = "-".join(map(str, problem.network.sizes))
    statement_lists = {
        "forward_evaluation": statements.forward(training=False),
        "loss": statements.loss(),
        "row_order": statements.format_call(random.permutation, "DATA_SEED", "epoch", "len(x)")
        if statements.batches_per_epoch > 1
        else "",
        "forward_training": statements.forward(training=True) if statements.has_modes else [],
        "backward": statements.backward(),
        "update": statements.update(),
    }
    return render_script(
        "training_script",
        arrays,
        statements.functions,
        new_names={problem.schedule.rate: "scheduled_rate"},
        standard_modules=["os"],
        statements_before_numpy=[SINGLE_BLAS_THREAD, ""],
        title=one_line(f"{title}: a network {shape}, {steps:,} updates").replace("\\", "/").replace('"', "'"),
        statements=statements,
        updates=steps,
        losses=losses,
        batches=statements.batches_per_epoch,
        batch_rows=problem.batch_rows(0),
        data_seed=int(problem.data_seeds[0]),
        dropout_seed=int(problem.dropout_seeds[0]),
        sums_losses=problem.reduction == "sum",  # the sums of the batches add up to the epoch's loss
        adaptive={name: repr(float(value[0])) for name, value in problem.schedule_numbers.items()}
        if problem.schedule.adaptive
        else None,
        data=_data_statements(problem, arrays),
        start=_initial_statements(problem, arrays),
        **statement_lists,
    )


def _data_statements(problem: Problem, arrays: ScriptArrays) -> list[str]:
    """The statements that assign the only member's data to x, y and w."""
    rows = slice(None) if problem.rows is None else problem.rows[0]
    lines = [arrays.assignment("x", problem.x[rows]), arrays.assignment("y", problem.y[rows])]
    if problem.weights is not None:
        weights = problem.weights[0] if problem.weights.ndim == 2 else problem.weights
        lines.append(arrays.assignment("w", weights[rows][:, None]))
    return lines


def _initial_statements(problem: Problem, arrays: ScriptArrays) -> list[str]:
    """The statements that set the initial parameters, slots and running statistics."""
    state, network, lines = initial_state(problem), problem.network, []
    for name, array in views(state.theta[0], network.entries).items():
        lines.append(arrays.assignment(name, array))
        lines += [f"{slot}_{name} = np.zeros_like({name})" for slot in problem.optimizer.slots]
    for name, array in views(state.buffers[0], network.buffers).items():
        lines.append(arrays.assignment(f"running_{name}", array))
    return lines


def _refuse_unsupported(problem: Problem) -> None:
    """Raise `BadInput` for a problem that no script can train."""
    formulas: list[tuple[str, Any]] = [(kind, getattr(problem, kind)) for kind in ("loss", "optimizer", "schedule")]
    formulas += [("activation", layer.activation) for layer in problem.network.layers]
    formulas += [("penalty", problem.penalty)] if problem.penalty else []
    for kind, formula in formulas:
        if not is_built_in(formula):
            raise BadInput(f"the {kind} '{formula.name}' is your own; a script holds deltarule's formulas alone")
    count = problem.x.size + problem.y.size + problem.network.parameters
    if count > MAX_SCRIPT_NUMBERS:
        raise BadInput(f"data and weights are {count:,} numbers; a script carries {MAX_SCRIPT_NUMBERS:,} at most")
