"""Choose an engine by name or by the shortest expected time.

K members · B rows of a batch · D inputs · P parameters

The expected time is that of the updates, and of compiling. With these few rounded prices trainings take 1.003 times as
long on average as with the right choice, and at most 1.7 times, in 1,008 measured cases (`benchmarks/costs.py`).
"""

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem

NAMES = ("auto", "reference", "compiled", "cuda", "autograd")

PRICES = {"reference": (60e-6, 11e-9, 12e-9, 0.0), "compiled": (0.33e-6, 0.6e-9, 0.43e-9, 0.05e-9)}
"""Seconds of an update: for each layer, each member's parameter, and each unit and parameter of a member's rows."""

SECONDS_TO_COMPILE = (0.15, 0.3)
"""The seconds of compiling an update and an evaluation, for each layer and for each program."""
TRAININGS_OF_A_PROGRAM, FITS_OF_A_PROGRAM = 3, 10
"""How many trainings, and how many fits of an estimator, are assumed to share a program: it is kept for others of this
shape, in any process, and cross-validation and searches fit again and again."""


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
    if name in ("compiled", "cuda"):
        try:
            import llvmlite.binding  # noqa: F401
        except Exception as error:
            raise BadInput(
                f'the engine "{name}" needs llvmlite, which cannot be loaded ({str(error).rstrip(".")}); install it, '
                'or use "reference"'
            ) from error
        if name == "cuda":
            from deltarule.engines.cuda.driver import driver
            from deltarule.engines.cuda.engine import CudaEngine

            driver()
            return CudaEngine()
        from deltarule.engines.compiled.engine import CompiledEngine

        return CompiledEngine()
    raise BadInput(f"there is no engine '{name}'; there are: {', '.join(NAMES)}")


def engine_for(
    engine_or_name: Engine | str, problem: Problem, steps: int, trainings: int = TRAININGS_OF_A_PROGRAM
) -> Engine:
    """Return the engine for `steps` updates: as given, by name, or by the expected time of so many such trainings."""
    if not isinstance(engine_or_name, str):
        return engine_or_name
    if engine_or_name != "auto":
        return engine(engine_or_name)
    # Whether it was compiled before does not count: the choice, and with it the last digits, is the same every day.
    seconds = expected_seconds("compiled", problem, steps) + startup_seconds(problem, trainings)
    if seconds >= expected_seconds("reference", problem, steps):
        return ReferenceEngine()
    from deltarule.engines.compiled.engine import reason_against, warn_once

    try:
        compiled = engine("compiled")
    except BadInput:
        return ReferenceEngine()
    if reason := reason_against(problem):
        reference = ReferenceEngine(reason)
        warn_once(reference.notes(problem)[0])
        return reference
    return compiled


def expected_seconds(name: str, problem: Problem, steps: int) -> float:
    """Estimate the seconds of `steps` updates with an engine, without compilation."""
    rows = float(problem.batch_sizes.sum())
    units = sum(problem.network.sizes)
    parameters = problem.network.parameters
    amounts = problem.network.depth, problem.members * parameters, rows * units, rows * parameters
    return float(steps * np.dot(amounts, PRICES[name]))


def startup_seconds(problem: Problem, trainings: int = TRAININGS_OF_A_PROGRAM) -> float:
    """Return the seconds of compiling that each of some trainings counts."""
    return float(np.polyval(SECONDS_TO_COMPILE, problem.network.depth)) / trainings
