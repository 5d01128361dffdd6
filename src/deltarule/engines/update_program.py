"""The programs of a problem's update and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import is_
from typing import Any

from deltarule.engines.reference import objective_of
from deltarule.maths.elementary import Fixed
from deltarule.problem.formula_fingerprint import reads_only_fixed
from deltarule.problem.kept import once_for_problem
from deltarule.problem.problem import Problem, UpdateRange
from deltarule.problem.registry import is_built_in
from deltarule.program.evaluation import record_evaluation
from deltarule.program.program import Program
from deltarule.program.update import Range, Structure, record_update


def update_program(problem: Problem, own: frozenset[str] = frozenset()) -> Program:
    """Return the program of one update, recorded once, or anew if what a custom formula reads has changed.

    own : which of "rows", "weights" and "entry_factors" each member has for itself.
    """
    programs: dict[Any, Program] = kept_while_unchanged(problem)
    if own not in programs:
        programs[own] = record_update(structure_of(problem, own))
    return programs[own]


def kept_while_unchanged(problem: Problem) -> dict[Any, Any]:
    """What is kept of a problem until its custom formulas read other globals and variables of functions around them.

    Nothing is kept where they read what may change in place.
    """
    of_functions: dict[int, tuple[Any, ...]] = {}
    if not reads_only_fixed(custom_functions(problem), of_functions):
        return {}
    read = [*chain.from_iterable(of_functions.values())]
    last = _last_recording(problem)
    if len(read) != len(last.read) or not all(map(is_, read, last.read)):
        last.read, last.programs = read, {}
    return last.programs


@dataclass
class _Recording:
    """What custom formulas read when programs were recorded, and the programs."""

    read: list[Any] = field(default_factory=list)
    programs: dict[Any, Any] = field(default_factory=dict)


@once_for_problem
def _last_recording(problem: Problem) -> _Recording:
    return _Recording()


@once_for_problem
def custom_functions(problem: Problem) -> tuple[Any, ...]:
    """The functions of formulas that are a user's own."""
    formulas: list[Any] = [*(placed.formula for placed in problem.network.layers), problem.network.output]
    formulas += [problem.loss, problem.penalty, problem.optimizer, problem.schedule]
    custom = [each for each in formulas if each is not None and not is_built_in(each)]
    fused = [form for each in custom for form in getattr(each, "fused", {}).values()]
    return tuple(each for one in (*custom, *fused) for each in vars(one).values() if callable(each))


def evaluation_program(problem: Problem, own: frozenset[str], metrics: Sequence[str]) -> Program:
    """Return the program of an evaluation with some metrics; `own` as for an update."""
    return record_evaluation(structure_of(problem, own), metrics)


def structure_of(problem: Problem, own: frozenset[str] = frozenset()) -> Structure:
    """Return all on which the program of a problem's update depends."""
    return Structure(
        objective=objective_of(problem),
        optimizer=problem.optimizer,
        schedule=problem.schedule,
        schedule_numbers=tuple(problem.schedule_numbers),
        ranges=tuple(Range(part.start, part.stop, _factors(problem, part)) for part in problem.number_ranges),
        dropped=tuple(
            placed.number
            for placed, rates in zip(problem.network.dropouts, problem.dropout.T, strict=True)
            if rates.any()
        ),
        own=own,
        clips=problem.clip_norm is not None,
        has_entry_factors=problem.entry_factors is not None,
        dtype=problem.dtype,
    )


def _factors(problem: Problem, part: UpdateRange) -> Mapping[str, float]:
    factors = dict(zip(problem.factors, part.factors, strict=False))
    if problem.optimizer.decay and not part.penalized:
        factors["weight_decay"] = 0.0
    return Fixed(factors)
