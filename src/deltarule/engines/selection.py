"""Choose an engine by name, or by how long a training would take in NumPy.

K members · B rows of a batch · H units · P parameters

A compiled program is faster for every network, and has paid for its compilation once NumPy would have taken about as
long. With these few rounded constants trainings take 1.014 times as long on average as with the right choice,
and at most 4.5 times, in 1,760 measured cases (`benchmarks/costs.py`).
"""

from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem

NAMES = ("auto", "reference", "compiled", "cuda", "autograd")

SECONDS_A_LAYER, SECONDS_A_DROPOUT, SECONDS_A_PARAMETER, SECONDS_A_UNIT = 75e-6, 200e-6, 12e-9, 20e-9
"""The seconds of an update in NumPy, for each layer, each dropout, each member's parameter, and each unit of each
member's rows."""
SECONDS_TO_COMPILE, SECONDS_TO_COMPILE_A_LAYER = 0.15, 0.05
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
    """Return the engine for `steps` updates: as given, by name, or by what takes so many trainings least time."""
    if not isinstance(engine_or_name, str):
        return engine_or_name
    if engine_or_name != "auto":
        return engine(engine_or_name)
    # Whether it was compiled before does not count: the choice, and with it the last digits, is the same every day.
    if reference_seconds(problem, steps) <= seconds_to_compile(problem) / trainings:
        return ReferenceEngine()
    from deltarule.engines.compiled.engine import reason_against, warn_once

    try:
        compiled = engine("compiled")
    except BadInput:
        return ReferenceEngine("llvmlite, which the compiled engine needs, cannot be loaded")
    if reason := reason_against(problem):
        reference = ReferenceEngine(reason)
        warn_once(reference.notes(problem)[0])
        return reference
    return compiled


def reference_seconds(problem: Problem, steps: int) -> float:
    """Estimate the seconds of `steps` updates in NumPy."""
    network = problem.network
    layers = network.depth * SECONDS_A_LAYER + len(network.dropouts) * problem.drops * SECONDS_A_DROPOUT
    parameters = problem.members * network.parameters * SECONDS_A_PARAMETER
    units = float(problem.batch_sizes.sum()) * sum(network.sizes[1:]) * SECONDS_A_UNIT
    return steps * (layers + parameters + units)


def seconds_to_compile(problem: Problem) -> float:
    """Estimate the seconds in which the program of a problem's updates is printed and compiled."""
    return SECONDS_TO_COMPILE + problem.network.depth * SECONDS_TO_COMPILE_A_LAYER
