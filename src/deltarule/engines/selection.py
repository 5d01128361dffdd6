"""Choosing an engine: by its name, or for the work, by what each would need for it.

K members · B rows of a batch · D inputs · P parameters

What an update costs is a sum: something for the update itself, for each member, for every unit and parameter of a
member's rows, and for every parameter. The prices were measured, and stand beside the measurements in costs.json;
benchmarks/costs.py measures them anew.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Problem

NAMES = ("auto", "reference", "compiled", "autograd")

TRAININGS_OF_A_PROCESS, TRAININGS_OF_A_COMPUTER, SMALL_TRAININGS_OF_A_COMPUTER = 10, 100, 10
"""How many trainings are taken to share a program for large networks, which serves all sizes: it is loaded once in a
process, where a table is seldom fitted once, and compiled once on a computer. Of small networks fewer: for a training
that takes half a second nobody wants to wait six, and again for another activation."""


@dataclass(frozen=True)
class Choice:
    """An engine, why it was chosen, and what a person should be told of it."""

    engine: Engine
    why: str
    notes: tuple[str, ...] = ()


def engine(name: str, device: str | None = None) -> Engine:
    """The engine of a name; "auto" is no engine but a question, which `choose` answers for a problem.

    device : where the autograd engine computes, by PyTorch's name for it, as "cpu" or "cuda".

    Raises `BadInput` for a name that there is not, for an engine whose library is not installed or cannot be loaded,
    and for a device that is not there or is asked of another engine.

    >>> engine("reference").name
    'reference'
    """
    if device is not None and name != "autograd":
        raise BadInput(
            f"the engine '{name}' computes on the processor alone; for the device {device!r} take 'autograd'"
        )
    if name == "reference":
        from deltarule.engines.reference import ReferenceEngine

        return ReferenceEngine()
    if name == "autograd":
        from deltarule.engines.autograd import AutogradEngine

        return AutogradEngine(device or "cpu")
    if name == "compiled":
        from deltarule.engines.compiled.engine import CompiledEngine

        found = CompiledEngine()
        _load_numba()
        return found
    raise BadInput(f"there is no engine '{name}'; there are: {', '.join(NAMES)}")


def choose(name: str, problem: Problem, steps: int, one_of_many: bool = False, shapes: int = 1) -> Choice:
    """The engine for so many updates of a problem: the named one, or for "auto" the one that should be done first.

    one_of_many : whether trainings of other small networks will follow in this process, so that a program that serves
        all sizes may be worth loading where one for their very shape is not worth compiling. Where there are more
        members than go alone, that has lanes for them.
    shapes : how many problems that differ in their sizes alone are trained for so many updates each, as in a grid over
        hidden units: with several, one program that serves all sizes may be done before a program for each of them.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> choose("auto", create_problem(Network([1, 1]), [[0.0]], [0.0]), steps=10).why
    'reference: about 0.0 s, compiled about 2.5 s'
    """
    if name != "auto":
        return Choice(engine(name), "as named")
    from deltarule.engines.compiled.engine import FEW, CompiledEngine, notes_on, reason_against

    try:
        compiled = [CompiledEngine()]
    except BadInput:
        return Choice(engine("reference"), "reference: Numba is not installed, or switched off")
    reason = reason_against(problem)
    if reason:
        why = f"reference: the compiled engine has no program for {reason}"
        return Choice(engine("reference"), why, notes_on(reason))
    plain = expected_seconds("reference", problem, steps)
    # Whether it was compiled before does not count: the choice, and with it the last digits, is the same every day.
    small = form_of(compiled[0], problem) == "lanes"
    if small and (shapes > 1 or one_of_many and problem.members <= FEW):
        compiled.append(CompiledEngine(own_shape=False))
    forms = [form_of(one, problem) for one in compiled]
    needed = [expected_seconds(form, problem, steps) + _seconds_to_begin(form, small, shapes) for form in forms]
    fast = min(needed)
    if fast < plain:
        try:
            _load_numba()
        except BadInput as error:
            return Choice(engine("reference"), f"reference: {error}")
        chosen = compiled[needed.index(fast)]
        return Choice(chosen, f"compiled: about {fast:.1f} s, reference about {plain:.1f} s")
    return Choice(engine("reference"), f"reference: about {plain:.1f} s, compiled about {fast:.1f} s")


def _load_numba() -> None:
    """Import Numba, which refuses some values of its variables, and versions of NumPy that it does not know."""
    try:
        import numba  # noqa: F401
    except Exception as error:
        variables = sorted(name for name in os.environ if name.startswith("NUMBA_"))
        cure = f"correct or unset {', '.join(variables)}" if variables else "install it anew"
        text = f'the engine "compiled" needs Numba, which cannot be loaded ({str(error).rstrip(".")})'
        raise BadInput(f'{text}; {cure}, or use "reference"') from error


def engine_for(given: Engine | str, problem: Problem, steps: int, one_of_many: bool = False) -> Engine:
    """An engine as it is given, or the one of a name, for so many updates of a problem."""
    if not isinstance(given, str):
        return given
    # Of a small training to look at its formulas would take as long as several updates.
    if given == "auto" and expected_seconds("reference", problem, steps) <= _least_seconds_to_begin():
        return engine("reference")
    return choose(given, problem, steps, one_of_many).engine


def expected_seconds(form: str, problem: Problem, steps: int) -> float:
    """How long so many updates should take in a form, once its program is compiled.

    form : "reference", or "lanes" or "products" of the compiled engine.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> problem = create_problem(Network([1, 1]), [[0.0]], [0.0])
    >>> expected_seconds("lanes", problem, 1000) < expected_seconds("reference", problem, 1000) < 1
    True
    """
    per = prices()["nanoseconds"][f"{form} {problem.dtype}"]
    return float(steps * (quantities(problem) @ np.array(per)) * 1e-9)


def _seconds_to_begin(form: str, small: bool, shapes: int = 1) -> float:
    """What compiling is charged for a training: all of it, or its share where one program serves all sizes."""
    compiling, loading = (float(prices()[f"seconds_to_{what}"][form]) for what in ("compile", "load"))
    if form == "lanes":
        return compiling
    sharing = SMALL_TRAININGS_OF_A_COMPUTER if small else TRAININGS_OF_A_COMPUTER
    return loading / max(TRAININGS_OF_A_PROCESS, shapes) + compiling / max(sharing, shapes)


@cache
def _least_seconds_to_begin() -> float:
    """What any training is charged at least before a compiled program makes an update."""
    return min(_seconds_to_begin(form, small) for form in ("lanes", "products") for small in (True, False))


def form_of(chosen: Engine, problem: Problem) -> str:
    """What is measured apart: "reference", and of the compiled engine "lanes" or, for large networks, "products"."""
    from deltarule.engines.compiled.engine import CompiledEngine, not_compilable_of

    if chosen.name == "reference":
        return "reference"
    large = chosen.takes_products(problem) if isinstance(chosen, CompiledEngine) else not_compilable_of(problem)
    return "products" if large else "lanes"


def quantities(problem: Problem) -> Floats:
    """What there is of everything that has a price, in an update of all members.

    The update itself, layers, members, then over all members: rows · (inputs and units), rows · parameters, and
    parameters.
    """
    layers = problem.network.layers
    rows = float(sum(problem.batch_rows(member) for member in range(problem.members)))
    units, parameters = problem.network.inputs + sum(layer.units for layer in layers), problem.network.parameters
    members = problem.members
    return np.array([1, len(layers), members, rows * units, rows * parameters, members * parameters], float)


@cache
def prices() -> dict[str, Any]:
    """The prices and what they were fitted to, as they are kept."""
    text = resources.files("deltarule.engines").joinpath("costs.json").read_text(encoding="utf-8")
    kept: dict[str, Any] = json.loads(text)
    return kept
