"""The programs of a problem's update and evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from deltarule.engines.reference import objective_of
from deltarule.maths.elementary import Fixed
from deltarule.problem.formula_fingerprint import Reading
from deltarule.problem.problem import Problem, UpdateRange
from deltarule.problem.registry import formula_parts, is_built_in
from deltarule.program.evaluation import record_evaluation
from deltarule.program.program import Program
from deltarule.program.update import Range, Structure, record_update

_kept: "WeakKeyDictionary[Problem, tuple[str | None, dict[Any, Any]]]" = WeakKeyDictionary()
_custom: "WeakKeyDictionary[Problem, Reading]" = WeakKeyDictionary()


def update_program(problem: Problem, own: frozenset[str] = frozenset()) -> Program:
    """Return the program of one update, recorded once, or anew if what a custom formula reads has changed.

    own : which of "rows", "weights" and "entry_factors" each member has for itself.
    """
    programs: dict[Any, Program] = kept_while_unchanged(problem)
    if own not in programs:
        programs[own] = record_update(structure_of(problem, own))
    return programs[own]


def kept_while_unchanged(problem: Problem) -> dict[Any, Any]:
    """What is kept of a problem until the globals and closures that its custom formulas read have changed.

    Nothing is kept where they may read what cannot be compared.
    """
    if problem not in _custom:
        formulas: list[Any] = [*(placed.formula for placed in problem.network.layers), problem.network.output]
        formulas += [problem.loss, problem.penalty, problem.optimizer, problem.schedule]
        custom = [formula_parts(each) for each in formulas if each is not None and not is_built_in(each)]
        _custom[problem] = Reading(custom)
    reads = _custom[problem].digest
    if reads is None:
        return {}
    if problem not in _kept or _kept[problem][0] != reads:
        _kept[problem] = reads, {}
    return _kept[problem][1]


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
