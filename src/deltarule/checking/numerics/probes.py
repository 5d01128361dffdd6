"""Probe user code at other parameters for properties of its loss and gradient."""

from collections.abc import Sequence

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.catalog import Mistake, join_names, make_mistake
from deltarule.checking.numerics import reference_gradient as lines
from deltarule.checking.numerics.reference_gradient import ReferenceGradient, measure_one_direction
from deltarule.checking.user_code.arrays import OTHER_SHAPE, check_finite, match_shape
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats

_PROBE_STREAM = 1 << 21
"""First index of the random directions of probes; those of arrays begin at 0, those of upstream gradients at 2²⁰."""
_STEP_OF_FLOAT32 = 2.0**-23
"""A step in which numbers of float32 still change, and which hardly meets a kink even of 10⁵ samples."""
_ROUNDED = 1e-10, 1e-5
"""Rounding leaves an error between these shares of the largest entry: below is float64, above a mistake."""


def finite_gradient(code: Code, values: Sequence[Floats]) -> list[Floats]:
    gradient = [np.array(array) for array in lines.gradient_at(code, values)]
    return [check_finite(f"the gradient of {name}", array) for name, array in zip(code.names, gradient, strict=True)]


def find_changes(code: Code) -> dict[str, list[str]]:
    """By function, the names of the parameters that a call changes."""
    changes = {}
    for name, call in zip(code.function_names, (code.loss, code.gradient)[: 1 + code.is_repeatable], strict=False):
        values = [start.copy() for start in code.start]
        call(values)
        after = values if code.store is None or code.loss_in_place is None else code.store.read()
        arrays = zip(code.names, code.start, values, after, strict=True)
        changed = [array for array, *all_of in arrays if not all(np.array_equal(all_of[0], again) for again in all_of)]
        if changed:
            changes[name] = changed
    return changes


def find_unrepeatable(code: Code, first_gradient: Sequence[Floats]) -> Mistake | None:
    """The mistake of a gradient that differs between identical calls."""
    second, third = (finite_gradient(code, code.start) for _ in range(2))
    by_name = dict(zip(code.names, zip(first_gradient, second, third, strict=True), strict=True))
    changed = {name: of for name, of in by_name.items() if np.abs(of[0] - of[1]).max() > 1e-6 * np.abs(of[0]).max()}
    if not changed:
        return None
    names = list(changed)
    growths = [(second - first, third - second) for first, second, third in changed.values()]
    if all(np.allclose(first, second, rtol=1e-5, atol=1e-9 * np.abs(first).max()) for first, second in growths):
        sentence = f"the gradient of {join_names(names)} grows by the same amount at every call"
        return make_mistake("accumulated", names, sentence)
    sentence = f"the gradient of {join_names(names)} is a different one at every call, but the loss is not"
    return make_mistake("random_gradient", names, sentence)


def find_stale(code: Code) -> Mistake | None:
    """The mistake of a gradient that uses values of an earlier call, if there is one.

    An array computed once, as in `lambda w: dW`, is no function, and shows nothing about other parameters. In float32
    the small error of a stale gradient nearby cannot be distinguished from rounding.
    """
    nearby = code.nearby
    try:
        first = lines.gradient_at(code, code.start)
        before = [array.copy() for array in first]
        raw = lines.gradient_at(nearby, nearby.start)
        gradient = _plain_gradient(raw, code.start)
        if gradient is None:
            return None
        directions = measure_one_direction(nearby, gradient)
    except BadInput:  # the loss is not defined there
        return None
    names = []
    for i, name in enumerate(code.names):
        is_constant = np.may_share_memory(raw[i], first[i]) and (raw[i] == before[i]).all()
        along = directions[i]
        size = max(float(np.sqrt((gradient[i] ** 2).sum())), abs(directions[i].value))
        allowed = max(tolerances.REFERENCE.stale * size, 10 * along.uncertainty)
        if not along.at_kink and abs(along.error(gradient[i])) > allowed and not is_constant:
            names.append(name)
    if not names:
        return None
    is_kept = all(map(np.array_equal, raw, before)) or depends_on_earlier_calls(nearby, code)
    why = ": it uses values of an earlier call" if is_kept else ""
    sentence = f"the gradient of {join_names(names)} is right at these parameters and wrong near them{why}"
    return make_mistake("stale", names, sentence)


def _plain_gradient(raw: Sequence[Floats], start: Sequence[Floats]) -> list[Floats] | None:
    """A gradient in the shapes of the parameters; None if it has others, is not finite, or all is not in float64."""
    matched = [match_shape(array, value) for array, value in zip(raw, start, strict=True)]
    if any(mistake for _, mistake in matched) or any(array.dtype != np.float64 for array in (*raw, *start)):
        return None
    gradient = [np.asarray(array, float) for array, _ in matched]
    return gradient if all(np.isfinite(array).all() for array in gradient) else None


@np.errstate(over="ignore", invalid="ignore")
def estimate_rounding(code: Code, raw: Sequence[Floats]) -> tuple[Floats, ...]:
    """Estimate the rounding errors of a gradient by entry.

    Fourth differences of the gradient on three short lines leave nothing but its rounding errors, about six times each.
    A row is off in proportion to its input, a column in proportion to its δ: the tolerance from rounding in large
    entries must not be applied to small ones.
    """
    none = tuple(np.zeros(start.shape) for start in code.start)
    if any(start.dtype != np.float64 for start in code.start):
        return none
    try:
        by_line = [_fourth_differences(code, _normal_arrays(code, draw)) for draw in range(3)]
    except BadInput:  # errors a step away are reported where the loss is measured
        return none
    errors = [np.stack(line).max(0) for line in zip(*by_line, strict=True)]
    return tuple(_rounding_of_array(array, error) for array, error in zip(raw, errors, strict=True))


def _fourth_differences(code: Code, directions: Sequence[Floats]) -> list[Floats]:
    """The fourth differences of the gradient along a short line."""
    pairs = list(zip(code.start, directions, strict=True))
    steps = [_STEP_OF_FLOAT32 * np.maximum(1, np.abs(start)) * direction for start, direction in pairs]
    points = ([start + t * step for start, step in zip(code.start, steps, strict=True)] for t in (-2, -1, 0, 1, 2))
    gradients = [finite_gradient(code, point) for point in points]
    matched = [[match_shape(*pair)[0] for pair in zip(arrays, code.start, strict=True)] for arrays in gradients]
    weights = (1.0, -4.0, 6.0, -4.0, 1.0)
    return [np.abs(np.tensordot(weights, np.stack(arrays), 1)) for arrays in zip(*matched, strict=True)]


def _rounding_of_array(raw: Floats, error: Floats) -> Floats:
    """The rounding errors of an array by entry, or 0 if implausible."""
    size = float(np.abs(raw).max())
    if not _ROUNDED[0] * size < error.max() < _ROUNDED[1] * size:
        return np.zeros(error.shape)
    if error.ndim < 2:
        return 2 * error
    return np.minimum(error.max(0, keepdims=True), error.max(-1, keepdims=True))


def rough_size(code: Code, loss: float) -> list[Floats]:
    """A rough size of each array's gradient."""
    sizes = []
    for i, start in enumerate(code.start):
        for exponent in (10, 20, 30, 40):
            step = 2.0**-exponent * np.maximum(1, np.abs(start))
            change = abs(lines.loss_at(code, lines.with_array(code.start, i, start + step)) - loss)
            if np.isfinite(change):
                break
        change = max(change if np.isfinite(change) else 0.0, 1e-6 * abs(loss))
        sizes.append(np.full(start.shape, change / float(step.max())))
    return sizes


def reference_size(raw: Floats, start: Floats, rough: Floats) -> Floats:
    """The gradient size to which the reference's accuracy is relative.

    Relative to nearly 0, steps would be so small that every bend looks like a kink.
    """
    gradient, shape_mistake = match_shape(raw, start)
    size = float(np.abs(raw).max())
    if size < tolerances.FLOAT64.zero * rough.max():
        return rough
    return np.full(start.shape, size) if shape_mistake == OTHER_SHAPE else gradient


def relative_noise(code: Code) -> float:
    """The relative difference up to which two losses count as equal."""
    return 1e-5 if code.is_in_place and code.start[0].dtype != np.float64 else 1e-10


def depends_on(code: Code, index: int) -> bool:
    for draw, length in enumerate((0.0, 0.1, 1.0, 10.0)):
        shifts, further = _normal_arrays(code, 3 + 2 * draw), _normal_arrays(code, 4 + 2 * draw)
        around = [array + length * shift for array, shift in zip(code.start, shifts, strict=True)]
        moved = around[index] + (1 + length) * further[index]
        try:
            before, after = lines.loss_at(code, around), lines.loss_at(code, lines.with_array(around, index, moved))
        except BadInput:  # code that fails far away depends on the array
            return True
        if np.isfinite(before) and not abs(after - before) <= relative_noise(code) * abs(before):
            return True
    return False


def _normal_arrays(code: Code, draw: int) -> list[Floats]:
    streams = enumerate(code.start, _PROBE_STREAM)
    return [lines.normal_direction(stream, draw, start.size).reshape(start.shape) for stream, start in streams]


def count_kinks(reference: ReferenceGradient) -> int:
    directions = sum(direction.at_kink for array in reference.arrays for direction in array.directions)
    return directions + sum(int(array.at_kink.sum()) for array in reference.arrays)


def depends_on_earlier_calls(code: Code, moved: Code) -> bool:
    before = [array.copy() for array in lines.gradient_at(code, code.start)]
    lines.loss_at(moved, moved.start)
    return not all(map(np.array_equal, before, lines.gradient_at(code, code.start)))
