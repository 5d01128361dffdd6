"""A training as one plain NumPy script: data, forward, backward and update written out, to read and to run anywhere.

The script is written for one member, line by line for its layers; the formulas in it are the source of `maths` itself.
So it comes to the losses of the reference engine, to the last digit.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from deltarule.errors import BadInput, one_line
from deltarule.export.training_script.arrays import UNPACK_FUNCTION, Arrays
from deltarule.export.training_script.loop import constants, functions, loop, wrap_statement
from deltarule.export.training_script.sources import extract_sources
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
"""Numbers of data and weights that a script carries at most."""


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

    Raises `BadInput` for a member that there is not, and for what a script cannot hold: L-BFGS, a formula of the user's
    own, data of very many numbers.

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
    arrays, written = Arrays(problem.dtype), Steps(problem)
    given = _data_and_parameters(problem, arrays)
    network, training = functions(written), loop(written)
    sources, needed = extract_sources(written.functions, problem.dtype, {problem.schedule.rate: "scheduled_rate"})
    parts = [
        [_header(problem, steps, title), "", *_imports(sources, needed, arrays)],
        [*constants(written, steps, losses), *(["", "", UNPACK_FUNCTION, ""] if arrays.has_packed else []), "", *given],
        [_title("the formulas"), *_separate(sources)],
        [_title("the network"), "", "", *map(wrap_statement, network)],
        [_title("the training"), "", "", REPORT, "", "", *map(wrap_statement, training)],
    ]
    return "\n\n\n".join("\n".join(lines) for lines in parts) + "\n" + arrays.packed_lines()


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
    told = one_line(f"{title}: a network {shape}, {steps:,} updates").replace("\\", "/").replace('"', "'")
    return HEADER.format(told=told, version=version("deltarule"))


def _imports(sources: list[str], needed: list[str], arrays: Arrays) -> list[str]:
    """What the script needs; the number of threads is set before NumPy is loaded."""
    lines = ["import base64"] if arrays.has_packed else []
    lines += ["import math"] if any("math.erf" in source for source in sources) else []
    lines += ["import os"]
    lines += ["import zlib", "from pathlib import Path"] if arrays.has_packed else []
    lines += ["", 'os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two threads would add up in another order', ""]
    lines += ["import numpy as np"]
    return lines + ([f"from numpy import {', '.join(needed)}"] if needed else [])


def _data_and_parameters(problem: Problem, arrays: Arrays) -> list[str]:
    """The data, and the parameters that training starts from."""
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
    """Functions with two lines between them, constants without."""
    lines: list[str] = []
    for place, source in enumerate(sources):
        function = source.startswith("def ")
        before = place == 0 or sources[place - 1].startswith("def ")
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
