"""Export a training run as one NumPy script with the forward pass, the backward pass and the update written out.

The script trains one member, with one line for each step of a layer. Its formulas are the source of `maths` itself, so
its losses equal those of the reference engine to the last digit.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from deltarule.errors import BadInput, one_line
from deltarule.export.script_parts import UNPACK_FUNCTION, ScriptArrays, assemble_script, extract_sources, import_lines
from deltarule.export.training_script.loop import constants, functions, loop, wrap_statement
from deltarule.export.training_script.steps import Steps
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem import validation
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

MAX_SCRIPT_NUMBERS = 20_000_000
"""Limit for the numbers of data and weights: 20 million take 200 MB or more as packed text."""


def training_script(
    problem: Problem, *, member: int = 0, steps: int, losses: Mapping[int, float], title: str = "A training"
) -> str:
    """Write the training of one member as a script that needs NumPy alone.

    Parameters
    ----------
    member : which of the problem's members.
    steps : how many updates it makes.
    losses : the objective over all rows, dropout off, after so many updates: the script prints its own beside these.
    title : what is trained, for the first line.

    Returns the script's text.

    Raises `BadInput` for a member that does not exist, and for what a script cannot hold: L-BFGS, custom formulas, very
    large data.

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
    _check(problem)
    problem = problem.take(np.array([member]))
    arrays, written = ScriptArrays(problem.dtype), Steps(problem)
    given = _data_and_parameters(problem, arrays)
    network, training = functions(written), loop(written)
    sources, needed = extract_sources(written.functions, problem.dtype, {problem.schedule.rate: "scheduled_rate"})
    parts = [
        [
            _header(problem, steps, title),
            "",
            *import_lines(arrays, sources, needed, ["os"], environment=[SINGLE_BLAS_THREAD, ""]),
        ],
        [*constants(written, steps, losses), *(["", "", UNPACK_FUNCTION, ""] if arrays.has_packed else []), "", *given],
        [_title("the formulas"), *_separate(sources)],
        [_title("the network"), "", "", *map(wrap_statement, network)],
        [_title("the training"), "", "", REPORT, "", "", *map(wrap_statement, training)],
    ]
    return assemble_script(["\n".join(lines) for lines in parts], arrays)


SINGLE_BLAS_THREAD = 'os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two threads would add up in another order'

HEADER = '''
"""{told}.

Written by deltarule {version}; it needs NumPy and nothing else. It trains from the same start, by the same formulas and
in the same order as deltarule did, and prints its losses beside those that deltarule recorded. (On another processor or
with another NumPy the last digits may differ.)

x [N, D]  inputs     W [D, H]  weights     z = x W + b   pre-activations
y [N, C]  targets    b [1, H]  biases      a = f(z)      activations         dz is ∂J/∂z, and so on
"""
'''.strip()

REPORT = '''
def report(step, J):
    """Print a loss beside the one that deltarule recorded."""
    if step in RECORDED:
        known = RECORDED[step]
        told = "the same" if J == known else f"{abs(J - known):.1e} apart"
        print(f"update {step:>7}   J = {float(J)!r:<23} recorded {known!r:<23} {told}")
'''.strip()


def _header(problem: Problem, steps: int, title: str) -> str:
    shape = "-".join(map(str, problem.network.sizes))
    text = one_line(f"{title}: a network {shape}, {steps:,} updates").replace("\\", "/").replace('"', "'")
    return HEADER.format(told=text, version=version("deltarule"))


def _data_and_parameters(problem: Problem, arrays: ScriptArrays) -> list[str]:
    """The statements for the data and the initial parameters."""
    own = slice(None) if problem.rows is None else problem.rows[0]
    lines = [_title("the data"), "", arrays.assignment("x", problem.x[own]), arrays.assignment("y", problem.y[own])]
    if problem.weights is not None:
        weights = problem.weights[0] if problem.weights.ndim == 2 else problem.weights
        lines.append(arrays.assignment("w", weights[own][:, None]))
    start, network = initial_state(problem), problem.network
    lines += ["", _title("the start"), ""]
    for name, array in views(start.theta[0], network.entries).items():
        lines.append(arrays.assignment(name, array))
        lines += [f"{slot}_{name} = np.zeros_like({name})" for slot in problem.optimizer.slots]
    for name, array in views(start.buffers[0], network.buffers).items():
        lines.append(arrays.assignment(f"running_{name}", array))
    return lines


def _separate(sources: list[str]) -> list[str]:
    """Separate functions by two blank lines, but not constants."""
    lines: list[str] = []
    for index, source in enumerate(sources):
        function = source.startswith("def ")
        before = index == 0 or sources[index - 1].startswith("def ")
        lines += ["", ""] if function or before else []
        lines.append(source)
    return lines


def _title(text: str) -> str:
    return f"# --- {text} ".ljust(110, "-")


def _check(problem: Problem) -> None:
    if problem.optimizer.update is None:
        raise BadInput("L-BFGS makes no updates that a script could make; train with another optimizer")
    formulas: list[tuple[str, Any, Mapping[str, Any], str]] = [
        ("loss", problem.loss, LOSSES, "value"),
        ("optimizer", problem.optimizer, OPTIMIZERS, "update"),
        ("schedule", problem.schedule, SCHEDULES, "rate"),
        *(("activation", layer.activation, ACTIVATIONS, "function") for layer in problem.network.layers),
    ]
    if problem.penalty is not None:
        formulas.append(("penalty", problem.penalty, PENALTIES, "value"))
    for kind, formula, built_in, main in formulas:
        known = built_in.get(formula.name)
        if known is None or getattr(known, main) is not getattr(formula, main):
            raise BadInput(f"the {kind} '{formula.name}' is your own; a script holds deltarule's formulas alone")
    count = problem.x.size + problem.y.size + problem.network.parameters
    if count > MAX_SCRIPT_NUMBERS:
        raise BadInput(f"data and weights are {count:,} numbers; a script carries {MAX_SCRIPT_NUMBERS:,} at most")
