"""Programs, or why there is none, once for all problems of one structure.

A structure is everything on which a program depends: sizes, formulas, and which parts of a problem are in use.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from deltarule.engines.compiled import codegen_large, codegen_small, evaluation
from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_formulas import update_numbers
from deltarule.engines.compiled.codegen_lanes import Shape, Space
from deltarule.engines.compiled.formula_printer import NotCompilable, is_library_function
from deltarule.formulas.tracer import NotTraceable, trace
from deltarule.maths.elementary import Fixed
from deltarule.problem.problem import Problem

_structure_cache: dict[Any, dict[Any, Any]] = {}
"""What was computed for problems of one structure, by `structure_key`."""


@dataclass(frozen=True)
class Structure:
    """The structure of a problem, with what was computed for that structure."""

    problem: Problem
    computed: dict[Any, Any]

    def cached(self, purpose: Any, compute: Callable[[], Any]) -> Any:
        if purpose not in self.computed:
            self.computed[purpose] = compute()
        return self.computed[purpose]

    @property
    def not_compilable(self) -> str:
        """What the program for small networks lacks, or ""."""
        return str(self.cached("lanes", lambda: codegen_small.not_compilable(self.problem)))

    @property
    def not_fusible(self) -> str:
        """What the program for large networks lacks, or ""."""
        return str(self.cached("fused", lambda: codegen_large.not_fusible(self.problem)))

    @property
    def reason_against(self) -> str:
        """Why there is no program of either form, or ""."""
        return self.problem.unusual_update or (self.not_compilable and self.not_fusible)

    def lane_program(self, shape: Shape, batch_size: int) -> tuple[Callable[..., Any], dict[str, Space]]:
        """Return the program for small networks, and its scratch arrays."""
        run = self.cached(shape, lambda: load(codegen_small.program(self.problem, shape)))
        return run, self.cached((shape, batch_size), lambda: codegen_small.scratch(self.problem, shape, batch_size))

    def large_program(self) -> Callable[..., Any]:
        run: Callable[..., Any] = self.cached("large", lambda: load(codegen_large.program(self.problem)))
        return run

    def evaluation_program(self, lanes: int, asked: tuple[str, ...]) -> Callable[..., Any]:
        run: Callable[..., Any] = self.cached(
            (lanes, asked), lambda: load(evaluation.program(self.problem, lanes, asked))
        )
        return run


def structure_of(problem: Problem) -> Structure:
    return Structure(problem, _structure_cache.setdefault(structure_key(problem), {}))


def structure_key(problem: Problem) -> Any:
    """Return what problems of one structure share, with custom formulas traced anew."""
    if problem not in _structures:
        formulas = list(_formulas(problem))
        functions = [formula.function if is_library_function(formula.function) else None for formula in formulas]
        custom = [formula for formula in formulas if not is_library_function(formula.function)]
        _structures[problem] = (*functions, *_described(problem)), custom
    described, custom = _structures[problem]
    return described, *(_traced(formula, problem.dtype) for formula in custom)


class _Formula(NamedTuple):
    """A formula's function, its count of positional arguments, and named ones."""

    function: Callable[..., Any]
    positional: int
    named: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = Fixed()
    is_of_step: bool = False  # computed once a step, in float64


_structures: "WeakKeyDictionary[Problem, tuple[Any, list[_Formula]]]" = WeakKeyDictionary()
"""By problem: what is `_described` with its built-in functions, and its custom formulas."""


def _traced(formula: _Formula, dtype: "np.dtype[Any]") -> str:
    names, dtype = (
        [f"x{index}" for index in range(formula.positional)],
        np.dtype(float) if formula.is_of_step else dtype,
    )
    try:
        return str(trace(formula.function, names, dtype, formula.named, formula.parameters))
    except NotTraceable as reason:
        return str(reason)


def _formulas(problem: Problem) -> Iterator[_Formula]:
    for layer in problem.network.layers:
        activation = layer.activation
        yield _Formula(activation.function, 1, parameters=activation.parameters)
        yield _Formula(activation.derivative, 2, parameters=activation.parameters)
    for loss in (problem.loss, problem.loss.fused_with(problem.network.output)):
        if loss is not None:
            yield _Formula(loss.value, 2, parameters=problem.loss.parameters)
            yield _Formula(loss.derivative, 2, parameters=problem.loss.parameters)
    if problem.penalty is not None:
        yield _Formula(problem.penalty.value, 1)
        yield _Formula(problem.penalty.derivative, 1)
    optimizer, schedule = problem.optimizer, problem.schedule
    if optimizer.once_a_step is not None:
        yield _Formula(optimizer.once_a_step, 1, ("learning_rate", *optimizer.parameters), is_of_step=True)
    with suppress(NotCompilable):  # the reason of a custom `once_a_step` is traced above
        yield _Formula(optimizer.update, 2 + len(optimizer.slots), update_numbers(optimizer))
    yield _Formula(schedule.rate, 2, tuple(problem.schedule_numbers), is_of_step=True)


def _described(problem: Problem) -> tuple[Any, ...]:
    """Return everything a program depends on, except its `Shape` and formulas."""
    activations = [layer.activation for layer in problem.network.layers]
    return (
        problem.dtype,
        *((layer.inputs, layer.units, layer.bias, layer.batch_norm, layer.scaling) for layer in problem.network.layers),
        *((activation.name, activation.rowwise, *activation.parameters.items()) for activation in activations),
        (problem.loss.name, *problem.loss.parameters.items()),
        problem.reduction,
        *(bool(rates.any()) for rates in problem.dropout.T),
        None if problem.penalty is None else problem.penalty.per_sample,
        *(bool(problem.penalized[entry.start]) for entry in problem.network.entries),
        problem.optimizer.name,
        problem.schedule.per,
        *(problem.update_ranges if problem.factors else ()),
    )
