"""Programs, or why there is none, once for all problems of one structure.

A structure is everything on which a program depends: sizes, formulas, and which parts of a problem are in use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from numpy.typing import DTypeLike

from deltarule.engines.compiled import codegen_large, codegen_small, evaluation
from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_formulas import update_numbers
from deltarule.engines.compiled.codegen_lanes import Shape, Space
from deltarule.engines.compiled.formula_printer import NotCompilable, is_library_function
from deltarule.problem.problem import Problem
from deltarule.program.formula import trace
from deltarule.program.program import NotTraceable

Result = TypeVar("Result")

_structure_cache: dict[Any, dict[Any, Any]] = {}
"""What was computed for problems of one structure, by `structure_key`."""


@dataclass(frozen=True)
class Structure:
    """The structure of a problem, with what was computed for that structure."""

    problem: Problem
    computed: dict[Any, Any]

    def cached(self, purpose: Any, compute: Callable[[], Result]) -> Result:
        if purpose not in self.computed:
            self.computed[purpose] = compute()
        value: Result = self.computed[purpose]
        return value

    @property
    def not_compilable(self) -> str:
        """What the program for small networks lacks, or ""."""
        return self.cached("lanes", lambda: codegen_small.not_compilable(self.problem))

    @property
    def not_fusible(self) -> str:
        """What the program for large networks lacks, or ""."""
        return self.cached("fused", lambda: codegen_large.not_fusible(self.problem))

    @property
    def reason_against(self) -> str:
        """Why there is no program of either form, or ""."""
        return self.problem.unusual_update or (self.not_compilable and self.not_fusible)

    def lane_program(self, shape: Shape, batch_size: int) -> tuple[Callable[..., Any], dict[str, Space]]:
        """Return the program for small networks, and its scratch arrays."""
        run = self.cached(shape, lambda: load(codegen_small.program(self.problem, shape)))
        return run, self.cached((shape, batch_size), lambda: codegen_small.scratch(self.problem, shape, batch_size))

    def large_program(self) -> Callable[..., Any]:
        return self.cached("large", lambda: load(codegen_large.program(self.problem)))

    def evaluation_program(self, lanes: int, asked: tuple[str, ...]) -> Callable[..., Any]:
        return self.cached((lanes, asked), lambda: load(evaluation.program(self.problem, lanes, asked)))


def structure_of(problem: Problem) -> Structure:
    return Structure(problem, _structure_cache.setdefault(structure_key(problem), {}))


def structure_key(problem: Problem) -> Any:
    """Return what problems of one structure share.

    Custom formulas are traced each time: the globals, closures and attributes that they read may have changed.
    """
    if problem not in _keys:
        _keys[problem] = (*_formulas(problem), *_described(problem))
    return tuple(part() if isinstance(part, partial) else part for part in _keys[problem])


_keys: "WeakKeyDictionary[Problem, tuple[Any, ...]]" = WeakKeyDictionary()
"""By problem: the parts of its key, a custom formula as a call that gives what it computes now."""


def _traced(function: Callable[..., Any], *arguments: Any) -> str:
    try:
        return str(trace(function, *arguments))
    except NotTraceable as reason:
        return str(reason)


def _formulas(problem: Problem) -> Iterator[Any]:
    """Yield what identifies each formula: itself if it is ours, else a call that gives what it computes."""

    def identity(
        function: Callable[..., Any],
        arguments: int,
        named: Sequence[str] = (),
        parameters: Mapping[str, Any] = MappingProxyType({}),
        dtype: DTypeLike = problem.dtype,
    ) -> Any:
        if is_library_function(function):
            return function
        return partial(_traced, function, [f"x{index}" for index in range(arguments)], dtype, named, parameters)

    for layer in problem.network.layers:
        activation = layer.activation
        yield identity(activation.function, 1, parameters=activation.parameters)
        yield identity(activation.derivative, 2, parameters=activation.parameters)
    for loss in (problem.loss, problem.loss.fused_with(problem.network.output)):
        if loss is not None:
            yield identity(loss.value, 2, parameters=problem.loss.parameters)
            yield identity(loss.derivative, 2, parameters=problem.loss.parameters)
    if problem.penalty is not None:
        yield identity(problem.penalty.value, 1)
        yield identity(problem.penalty.derivative, 1)
    optimizer, schedule = problem.optimizer, problem.schedule
    if optimizer.once_a_step is not None:
        yield identity(optimizer.once_a_step, 1, ("learning_rate", *optimizer.parameters), dtype=float)
    with suppress(NotCompilable):  # the reason of a custom `once_a_step` is yielded above
        yield identity(optimizer.update, 2 + len(optimizer.slots), update_numbers(optimizer))
    yield identity(schedule.rate, 2, tuple(problem.schedule_numbers), dtype=float)


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
