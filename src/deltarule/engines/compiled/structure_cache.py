"""Programs, or why there is none, once for all problems of one structure.

A structure is everything on which a program depends: sizes, formulas, and which parts of a problem are in use.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_lanes import Shape
from deltarule.engines.compiled.codegen_large import not_fusible
from deltarule.engines.compiled.codegen_small import not_compilable, program, scratch
from deltarule.engines.compiled.formula_compiler import formula_key
from deltarule.engines.compiled.formula_rewriter import is_library_function
from deltarule.problem.problem import Problem

_structure_cache: dict[Any, Any] = {}
"""What was computed for problems of one structure, by `structure_key`."""


def cached_for_structure(problem: Problem, purpose: Any, compute: Callable[[], Any]) -> Any:
    key = structure_key(problem, purpose)
    if key not in _structure_cache:
        _structure_cache[key] = compute()
    return _structure_cache[key]


def structure_key(problem: Problem, purpose: Any) -> Any:
    """Return a cache key, for which custom formulas' globals are read each time."""
    if problem not in _structures:
        _structures[problem] = (
            _structure(problem),
            [formula for formula in _formulas(problem) if not is_library_function(formula)],
        )
    structure, custom_formulas = _structures[problem]
    return purpose, structure, *map(formula_key, custom_formulas)


_structures: "WeakKeyDictionary[Problem, tuple[Any, list[Callable[..., Any]]]]" = WeakKeyDictionary()
"""By problem: its `_structure`, and the functions of its custom formulas."""


def _formulas(problem: Problem) -> list[Callable[..., Any]]:
    pairs = [(layer.activation.function, layer.activation.derivative) for layer in problem.network.layers]
    fused = problem.loss.fused_with(problem.network.output)
    terms = [term for term in (problem.loss, fused, problem.penalty) if term is not None]
    pairs += [(term.value, term.derivative) for term in terms]
    optimizer = problem.optimizer
    updates = [function for function in (optimizer.update, optimizer.once_a_step) if function is not None]
    return [*chain.from_iterable(pairs), *updates, problem.schedule.rate]


def is_custom_formula_error(problem: Problem, error: Exception) -> bool:
    from numba.core.errors import NumbaError

    return isinstance(error, NumbaError) and not all(map(is_library_function, _formulas(problem)))


def _structure(problem: Problem) -> tuple[Any, ...]:
    """Return everything a program depends on, except its `Shape` and globals."""
    activations = [layer.activation for layer in problem.network.layers]
    return (
        problem.dtype,
        *((layer.inputs, layer.units, layer.bias, layer.batch_norm, layer.scaling) for layer in problem.network.layers),
        *((activation.name, activation.rowwise, *activation.parameters.items()) for activation in activations),
        *(formula if is_library_function(formula) else None for formula in _formulas(problem)),
        (problem.loss.name, *problem.loss.parameters.items()),
        problem.reduction,
        *(bool(rates.any()) for rates in problem.dropout.T),
        None if problem.penalty is None else problem.penalty.per_sample,
        *(bool(problem.penalized[entry.start]) for entry in problem.network.entries),
        problem.optimizer.name,
        problem.schedule.per,
        *(problem.update_ranges if problem.factors else ()),
    )


def not_compilable_of(problem: Problem) -> str:
    """Return what the program for small networks lacks for a problem, or ""."""
    reason: str = cached_for_structure(problem, "reason", lambda: not_compilable(problem))
    return reason


def not_fusible_of(problem: Problem) -> str:
    reason: str = cached_for_structure(problem, "fused", lambda: not_fusible(problem))
    return reason


def reason_against(problem: Problem) -> str:
    """Return why there is no compiled program of either form, or ""."""
    return not_compilable_of(problem) and not_fusible_of(problem)


def load_lane_program(
    problem: Problem, shape: Shape, batch_size: int
) -> tuple[Callable[..., Any], tuple[tuple[int, type], ...]]:
    run: Callable[..., Any] = cached_for_structure(problem, shape, lambda: load(program(problem, shape)))
    spaces: tuple[tuple[int, type], ...] = cached_for_structure(
        problem, (shape, batch_size), lambda: scratch(problem, shape, batch_size)
    )
    return run, spaces


def refuse_custom_formulas(problem: Problem) -> None:
    """Note that Numba cannot compile the custom formulas of a problem's structure."""
    for purpose in ("reason", "fused"):
        _structure_cache[structure_key(problem, purpose)] = "a formula of your own, which Numba cannot compile"
