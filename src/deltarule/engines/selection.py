"""Choose an engine by name or by the shortest expected time.

K members · B rows of a batch · D inputs · P parameters

The expected time is that of the updates, and of compiling. With these few rounded prices trainings take 1.003 times as
long on average as with the right choice, and at most 1.7 times, in 1,008 measured cases (`benchmarks/costs.py`).
"""

import os
from importlib.util import find_spec

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem

NAMES = ("auto", "reference", "compiled", "autograd")

PRICES = {
    "reference": (60e-6, 0.0, 12e-9, 0.05e-9),
    "lanes": (0.0, 0.0, 2.5e-9, 0.05e-9),
    "products": (0.0, 1e-6, 2.5e-9, 0.05e-9),
}
"""Seconds of an update in each form: for each layer, each member, and each unit and parameter of a member's rows."""

SECONDS_TO_COMPILE = {"lanes": (0.011, 0.6, 1.7), "products": (3.6,)}
"""The seconds of compiling, as a polynomial of the number of layers; programs with products serve all depths."""
SECONDS_TO_LOAD = 0.25

TRAININGS_OF_A_PROCESS, TRAININGS_OF_A_COMPUTER, SMALL_TRAININGS_OF_A_COMPUTER = 10, 100, 10
"""How many trainings are assumed to share a program for large networks, which serves all sizes: it is loaded once in a
process, which seldom trains only once, and compiled once on a computer. Small networks are assumed to share it with
fewer: nobody wants to wait six seconds for a training of half a second, and again for another activation."""


def engine(name: str, device: str | None = None) -> Engine:
    """Return the engine with this name; `device` is PyTorch's, such as "cuda"."""
    if device is not None and name != "autograd":
        raise BadInput(
            f"the engine '{name}' computes on the processor alone; for the device {device!r} take 'autograd'"
        )
    if name == "reference":
        return ReferenceEngine()
    if name == "autograd":
        from deltarule.engines.autograd import AutogradEngine

        return AutogradEngine(device)
    if name == "compiled":
        from deltarule.engines.compiled.engine import CompiledEngine

        _load_numba()
        return CompiledEngine()
    if name == "llvm":  # not among NAMES until it serves all problems: see docs/architecture.md
        from deltarule.engines.llvm.engine import LlvmEngine

        return LlvmEngine()
    raise BadInput(f"there is no engine '{name}'; there are: {', '.join(NAMES)}")


def engine_for(
    engine_or_name: Engine | str, problem: Problem, steps: int, others_follow: bool = False, shapes: int = 1
) -> Engine:
    """Return the engine for `steps` updates: as given, by name, or by expected time.

    others_follow : whether trainings of other small networks will follow in this process, so that loading a program
        that serves all sizes may pay. It counts only for so few members that each is advanced alone.
    shapes : the number of problems that differ only in their sizes, as in a grid over hidden units: one program for all
        sizes may finish before one for each of them.
    """
    if not isinstance(engine_or_name, str):
        return engine_or_name
    if engine_or_name != "auto":
        return engine(engine_or_name)
    layers, reference_seconds = len(problem.network.layers), expected_seconds("reference", problem, steps)
    # For a small training, inspecting its formulas would take as long as several updates.
    if reference_seconds <= startup_seconds("products", False, layers, shapes):
        return ReferenceEngine()
    if find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return ReferenceEngine()
    from deltarule.engines.compiled.engine import MAX_MEMBERS_ALONE, CompiledEngine
    from deltarule.engines.compiled.structure_cache import structure_of

    compiled = [CompiledEngine()]
    if reason := structure_of(problem).reason_against:
        return ReferenceEngine(reason)
    # Whether it was compiled before does not count: the choice, and with it the last digits, is the same every day.
    is_small = form_of(compiled[0], problem) == "lanes"
    if is_small and (shapes > 1 or others_follow and problem.members <= MAX_MEMBERS_ALONE):
        compiled.append(CompiledEngine(own_shape=False))
    forms = [form_of(candidate, problem) for candidate in compiled]
    seconds = [
        expected_seconds(form, problem, steps) + startup_seconds(form, is_small, layers, shapes) for form in forms
    ]
    if min(seconds) >= reference_seconds:
        return ReferenceEngine()
    try:
        _load_numba()
    except BadInput:
        return ReferenceEngine()
    return compiled[seconds.index(min(seconds))]


def _load_numba() -> None:
    try:
        import numba  # noqa: F401
    except Exception as error:
        raise BadInput(
            f'the engine "compiled" needs Numba, which cannot be loaded ({str(error).rstrip(".")}); install it, '
            'correct its variables (NUMBA_…) of the environment, or use "reference"'
        ) from error


def expected_seconds(form: str, problem: Problem, steps: int) -> float:
    """Estimate the seconds of `steps` updates in a form, without compilation."""
    layers = problem.network.layers
    rows = float(sum(problem.batch_rows(member) for member in range(problem.members)))
    units = problem.network.inputs + sum(layer.units for layer in layers)
    amounts = len(layers), problem.members, rows * units, rows * problem.network.parameters
    return float(steps * np.dot(amounts, PRICES[form]))


def startup_seconds(form: str, is_small: bool, layers: int, shapes: int = 1) -> float:
    """Return the seconds of compiling and loading that a training counts."""
    compiling = float(np.polyval(SECONDS_TO_COMPILE[form], layers))
    if form == "lanes":
        return compiling
    trainings = SMALL_TRAININGS_OF_A_COMPUTER if is_small else TRAININGS_OF_A_COMPUTER
    return SECONDS_TO_LOAD / max(TRAININGS_OF_A_PROCESS, shapes) + compiling / max(trainings, shapes)


def form_of(engine: Engine, problem: Problem) -> str:
    """Return "reference", or the compiled engine's form, "lanes" or "products"."""
    from deltarule.engines.compiled.engine import CompiledEngine

    if not isinstance(engine, CompiledEngine):
        return "reference"
    return "products" if engine.takes_products(problem) else "lanes"
