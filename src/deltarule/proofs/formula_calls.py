"""Check that custom formulas can be called as engines call them.

z, p, y, w  arrays [n]       θ, g, slots  arrays [n], or [K, n] with numbers [K, 1], one a member
"""

import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed
from deltarule.maths.elementary import Fixed
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.problem import Floats
from deltarule.problem.registry import check_parameter
from deltarule.program.recorder import location

_SAME_RESULT = 1e-9
"""Relative difference of an entry at different positions in an array: vector units compute most numbers in groups of
eight and the rest singly, and differences amplify last bits."""
_ENTRIES_BEHIND = 32
"""Entries behind the first one, from whose result np.vectorize takes its dtype."""


_RESERVED_PARAMETERS = {
    "optimizer": ("learning_rate", "strength", "initial_scale", "seeds", "data_seeds", "dropout_seeds"),
    "schedule": ("per",),
}
"""Names that no parameter may have, besides "name": recipes and problems use them."""


def check_new(kind: str, name: Any, *functions: Any) -> None:
    """Check the name and the functions of a custom formula."""
    if not isinstance(name, str) or not name.isidentifier():
        raise BadInput(f"the name of the {kind} is {name!r}; give letters, digits and underscores, not a digit first")
    for given in functions:
        if not callable(given):
            raise BadInput(
                f"the {kind} '{name}' is given a {type(given).__name__} that cannot be called; give a function"
            )


def check_choice(name: str, value: Any, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise BadInput(f"{name} is {value!r}; give one of {', '.join(allowed)}")


def as_numbers(kinks: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(np.atleast_1d(np.asarray(kinks, float)).tolist())


def check_parameters(kind: str, name: str, parameters: Mapping[str, float] | None) -> Mapping[str, float]:
    """Check the parameters of a formula and convert them to Python numbers."""
    for key in parameters or {}:
        if key in ("name", *_RESERVED_PARAMETERS.get(kind, ())):
            raise BadInput(
                f"the {kind} '{name}' has a parameter '{key}', which is the name of something else; choose another name"
            )
    return Fixed({key: check_parameter(kind, name, key, value) for key, value in (parameters or {}).items()})


def check_elementwise(
    what: str, function: Callable[..., Any], inputs: Sequence[Floats], in_float32: bool = True, hint: str = ""
) -> Floats:
    """Check that a function is elementwise and return its float64 results [n].

    They must be finite, equal at every call, of the inputs' shape and dtype, and independent of neighboring entries.
    """
    result = call_formula(what, function, inputs, hint)
    if not np.isfinite(result).all():
        worst = int(np.flatnonzero(~np.isfinite(result))[0])
        at = ", ".join(f"{values[worst]:g}" for values in inputs)
        raise BadInput(f"{what} gives {result[worst]} at ({at}); make it finite there")
    if not np.array_equal(result, call_formula(what, function, inputs)):
        raise BadInput(f"{what} is different from call to call; it may depend on nothing but what it is given")
    least = _SAME_RESULT * min(1.0, np.abs(result).max())
    count = len(result)
    for first in range(count):  # index arrays [.., 1, 1] with each entry first and some others behind it
        order = (first + np.arange(0, count, max(2, count // _ENTRIES_BEHIND)))[:, None, None] % count
        again = call_formula(what, function, [values[order] for values in inputs])
        if not np.allclose(again, result[order], rtol=_SAME_RESULT, atol=least):
            raise BadInput(
                f"{what} is not elementwise: a number's result depends on what stands beside it; take no mean, sum or "
                "maximum of an array, and give np.vectorize its otypes"
            )
    if in_float32:
        with np.errstate(over="ignore"):
            call_formula(what, function, [values.astype(np.float32) for values in inputs])
    return result


def call_formula(what: str, function: Callable[..., Any], inputs: Sequence[Floats], hint: str = "") -> Floats:
    """Call a formula and check its result; `hint` is for one that takes no arrays."""
    copies = [values.copy() for values in inputs]
    try:
        with np.errstate(all="ignore"):
            result = function(*copies)
    except Exception as error:  # a user's function may raise anything
        more = hint if isinstance(error, TypeError | ValueError) else ""
        raise BadInput(f"{what} cannot be called with arrays ({type(error).__name__}: {error}){more}") from None
    if not all(map(np.array_equal, copies, inputs)):
        raise BadInput(f"{what} changes what it is given; let it make a new array")
    shape = inputs[0].shape
    if np.shape(result) != shape:
        raise BadInput(
            f"{what} gives the shape {np.shape(result)} for arrays of the shape {shape}; give the same shape"
        )
    check_dtype(what, np.asarray(result).dtype, function, inputs)
    return np.asarray(result)


def check_dtype(what: str, dtype: np.dtype[Any], function: Callable[..., Any], inputs: Sequence[Floats]) -> None:
    """Raise `BadInput` if a function gives another dtype than that of its inputs, with the number that changes it."""
    if dtype == inputs[0].dtype:
        return
    watched = [values.copy().view(_Watched) for values in inputs]
    for values in watched:
        values.causes = []
    with np.errstate(all="ignore"):
        function(*watched)
    causes = [cause for values in watched for cause in values.causes]
    because = f", because of {causes[0]}" if causes else ""
    raise BadInput(
        f"{what} gives {dtype} numbers for {inputs[0].dtype} ones{because}; keep the dtype: Python's numbers, such as "
        "float(…), take it from the array beside them, and new arrays need .astype"
    )


class _Watched(np.ndarray):
    """An array that notes which number gives its results another dtype, in `causes`."""

    causes: list[str]

    def __array_finalize__(self, source: Any) -> None:
        self.causes = getattr(source, "causes", [])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        def plain(arrays: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(each.view(np.ndarray) if isinstance(each, _Watched) else each for each in arrays)

        if "out" in options:  # of `mean`, which divides its sum in place
            options["out"] = plain(options["out"])
        return self._noted(inputs, getattr(ufunc, method)(*plain(inputs), **options))

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        parts = [part for each in arguments for part in (each if isinstance(each, list | tuple) else [each])]
        return self._noted(parts, super().__array_function__(function, types, arguments, options))

    def _noted(self, inputs: Sequence[Any], result: Any) -> Any:
        if not isinstance(result, np.ndarray) or result.dtype.kind != "f":
            return result
        if result.dtype != self.dtype:
            others = (
                each for each in inputs if isinstance(each, np.ndarray | np.generic) and each.dtype == result.dtype
            )
            cause = next(others, None)
            if cause is not None and not isinstance(cause, _Watched):
                shown = repr(cause) if cause.ndim == 0 else f"an array of {cause.dtype}"
                self.causes.append(f"{shown}{location(traceback.extract_stack(sys._getframe(2), limit=20))}")
        noted = result.view(_Watched)
        noted.causes = self.causes
        return noted


def check_update(optimizer: Optimizer) -> None:
    """Check that an optimizer's update returns θ and all slots, and is elementwise unless it sees whole arrays."""
    names = ("theta", *optimizer.slots)
    random, count = np.random.default_rng(0), 40
    arrays = 10.0 ** random.uniform(-3, 1, count) * random.normal(size=(2 + len(optimizer.slots), count))
    arrays[2:] = np.abs(arrays[2:])  # a slot may hold a sum of squares
    arrays[0, 0] = arrays[1, 1] = 0.0
    arrays[2:, 2] = arrays[1:, 3] = 0.0  # initial slots, and those of an inactive unit
    numbers = {"learning_rate": 0.01, **optimizer.parameters}
    hint = "; learning_rate and parameters are arrays, too, one number per member"

    def updated_array(*inputs: Floats, i: int) -> Any:
        keywords = dict(zip(numbers, inputs[len(arrays) :], strict=True))
        returned = optimizer.update(*inputs[: len(arrays)], **keywords)
        if not isinstance(returned, tuple) or len(returned) != len(names):
            raise TypeError(f"it must return a tuple of {len(names)}: {', '.join(names)}")
        return returned[i]

    if optimizer.whole_arrays:
        for rows, columns in ((5, 4), (4, 5), (1, 20), (20, 1)):
            halves = [*arrays.reshape(-1, 2, rows, columns), *(np.full((2, 1, 1), float(n)) for n in numbers.values())]
            halves[1][1] = 0.0  # the gradient of a member that no longer moves
            for i, name in enumerate(names):
                _check_whole_arrays(_called(optimizer, name), partial(updated_array, i=i), halves, hint)
        return
    alone = [*arrays, *(np.full(count, float(n)) for n in numbers.values())]
    members = [*(np.stack([array, array]) for array in arrays), *(np.full((2, 1), float(n)) for n in numbers.values())]
    for i, name in enumerate(names):
        what = _called(optimizer, name)
        call_formula(what, partial(updated_array, i=i), members, hint)
        check_elementwise(what, partial(updated_array, i=i), alone)


def _called(optimizer: Optimizer, name: str) -> str:
    return f"the update of {name} by the optimizer '{optimizer.name}'"


def _check_whole_arrays(what: str, function: Callable[..., Any], inputs: Sequence[Floats], hint: str) -> None:
    """Check that a function of arrays is finite and computes each member by itself.

    The arrays have the shape [2, rows, columns]. The result for a member must equal the result for this member alone.
    """
    both = call_formula(what, function, inputs, f"{hint}, [members, 1, 1]")
    if not np.isfinite(both).all():
        raise BadInput(f"{what} is not finite for finite numbers, or for a gradient of 0; make it finite")
    alone = call_formula(what, function, [array[:1] for array in inputs])
    if not np.allclose(alone, both[:1], rtol=_SAME_RESULT, atol=_SAME_RESULT):
        raise BadInput(f"{what} gives a member other numbers alone; use axes -1 and -2, and keepdims=True")
    call_formula(what, function, [array.astype(np.float32) for array in inputs])


def check_descent(optimizer: Optimizer) -> None:
    """Check that 300 updates of an optimizer decrease ½ Σ c θ²."""
    curvature, theta = np.array([[0.5, 1.0, 2.0]]), np.array([[1.0, -2.0, 3.0]])
    if optimizer.whole_arrays:
        curvature, theta = curvature[..., None], theta[..., None]
    slots = [np.zeros_like(theta) for _ in optimizer.slots]
    numbers = {
        key: np.full_like(theta[..., :1, :1], value)
        for key, value in {"learning_rate": 1e-3, **optimizer.parameters}.items()
    }
    before = (curvature * theta * theta).sum() / 2
    with np.errstate(all="ignore"):
        for _ in range(300):
            theta, *slots = optimizer.update(theta, curvature * theta, *slots, **numbers)
    after = (curvature * theta * theta).sum() / 2
    if not after < before:
        raise RunFailed(
            f"the optimizer '{optimizer.name}' does not descend: 300 updates at a learning rate of 0.001 took a "
            f"quadratic from {before:g} to {after:g}"
        )
