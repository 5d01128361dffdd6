"""Choosing an engine: by its name, or for the work, by what each would need for it."""

from dataclasses import dataclass

from deltarule.engines.base import Engine
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem

NAMES = ("auto", "reference", "compiled", "autograd")

# Nanoseconds, measured on a 2-core AVX-512 machine: of a step, of a unit and of a parameter for a member's row.
REFERENCE = (60_000.0, 15.0, 0.3)
COMPILED = (3_000.0, 2.0, 0.25)
SECONDS_TO_COMPILE = 4.0


@dataclass(frozen=True)
class Choice:
    """An engine, and why it was chosen."""

    engine: Engine
    why: str


def engine(name: str) -> Engine:
    """The engine of a name; "auto" is no engine but a question, which `choose` answers for a problem.

    Raises `BadInput` for a name that there is not, and for an engine whose library is not installed.

    >>> engine("reference").name
    'reference'
    """
    if name == "reference":
        from deltarule.engines.reference import ReferenceEngine

        return ReferenceEngine()
    if name == "autograd":
        from deltarule.engines.autograd import AutogradEngine

        return AutogradEngine()
    if name == "compiled":
        from deltarule.engines.compiled.engine import CompiledEngine

        return CompiledEngine()
    raise BadInput(f"there is no engine '{name}'; there are: {', '.join(NAMES)}")


def choose(name: str, problem: Problem, steps: int) -> Choice:
    """The engine for so many updates of a problem: the named one, or for "auto" the one that should be done first.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> choose("auto", create_problem(Network([1, 1]), [[0.0]], [0.0]), steps=10).why
    'reference: about 0.0 s, compiled about 4.0 s'
    """
    if name != "auto":
        return Choice(engine(name), "as named")
    from deltarule.engines.compiled.engine import CompiledEngine, not_compilable_of

    try:
        compiled = CompiledEngine()
    except BadInput:
        return Choice(engine("reference"), "reference: Numba is not installed")

    reason = not_compilable_of(problem)
    if reason:
        return Choice(engine("reference"), f"reference: the compiled engine has no program for {reason}")
    plain = _seconds(REFERENCE, problem, steps)
    # As if it had to be compiled anew, so that the choice, and with it the last digits, is the same on every day.
    fast = _seconds(COMPILED, problem, steps) + SECONDS_TO_COMPILE
    if fast < plain:
        return Choice(compiled, f"compiled: about {fast:.1f} s, reference about {plain:.1f} s")
    return Choice(engine("reference"), f"reference: about {plain:.1f} s, compiled about {fast:.1f} s")


def engine_for(given: Engine | str, problem: Problem, steps: int) -> Engine:
    """An engine as it is given, or the one of a name, for so many updates of a problem."""
    return choose(given, problem, steps).engine if isinstance(given, str) else given


def _seconds(nanoseconds: tuple[float, float, float], problem: Problem, steps: int) -> float:
    per_step, per_unit, per_parameter = nanoseconds
    rows = sum(problem.batch_rows(member) for member in range(problem.members))
    units = sum(layer.units for layer in problem.network.layers)
    work = rows * (units * per_unit + problem.network.parameters * per_parameter)
    return steps * (per_step + work) * 1e-9
