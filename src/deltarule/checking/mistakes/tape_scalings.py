"""Wrong derivatives of vectors that are scaled to a length, or centered, along an axis."""

from collections.abc import Callable, Iterator

import numpy as np

from deltarule.checking.tape.operations import Array

Rule = Callable[[Array, Array, Array], Array]
"""The gradient of the input from g, the input u and the output v."""


def scaling_mistakes(u: Array, v: Array) -> Iterator[tuple[str, tuple[tuple[str, str, Rule], ...]]]:
    """What v = f(u) is, if it is u over its length or root mean square, or u − mean: a name and the wrong rules."""
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] < 2:
            continue
        axis = axis if axis == 0 else axis - u.ndim
        if _is_close(u - u.mean(axis=axis, keepdims=True), v) and not _is_close(u, v):
            yield "the centering", tuple(_centering_mistakes(axis))
        squares = (v**2).sum(axis=axis, keepdims=True)
        scale = np.sqrt((u**2).sum(axis=axis, keepdims=True) / squares)
        if np.isfinite(scale).all() and _is_close(u / scale, v):
            for count, name in ((1, "unit length"), (u.shape[axis], "the division by the root mean square")):
                if (np.abs(squares - count) < 1e-2 * count).all():
                    yield name, tuple(_length_mistakes(axis, 1 / scale, count))


def _is_close(first: Array, second: Array) -> bool:
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def _length_mistakes(axis: int, inverse: Array, count: int) -> Iterator[tuple[str, str, Rule]]:
    """Mistakes of v = u / scale, whose gradient is (g − v Σ g v / count) / scale."""

    def total(x: Array, along: int = axis) -> Array:
        return x.sum(axis=along, keepdims=True) / count

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes the length as a constant", lambda g, u, v: inverse * g
    yield "wrong_axis", "sums over the other axis", lambda g, u, v: inverse * (g - v * total(g * v, other))
    yield "scale_missing", "lacks the division by the length", lambda g, u, v: g - v * total(g * v)
    yield "scale_missing", "divides by the length twice", lambda g, u, v: inverse**2 * (g - v * total(g * v))
    yield "scale_missing", "divides its second part alone", lambda g, u, v: g - inverse * v * total(g * v)
    yield "scale_missing", "divides its first part alone", lambda g, u, v: inverse * g - v * total(g * v)
    text = "has the input for the scaled one in its second part"
    yield "scale_missing", text, lambda g, u, v: inverse * (g - u * total(g * u))
    yield "scale_missing", text, lambda g, u, v: inverse * (g - u * total(g * v))
    yield "upstream_ignored", "lacks the upstream gradient in its sum", lambda g, u, v: inverse * (g - v * total(v))
    yield "path_missing", "lacks the output in its sum", lambda g, u, v: inverse * (g - v * total(g))
    yield "sign_of_part", "has the wrong sign in its second part", lambda g, u, v: inverse * (g + v * total(g * v))
    if count > 1:
        text = "has a sum for the mean in its second part"
        yield "mean_missing", text, lambda g, u, v: inverse * (g - count * v * total(g * v))


def _centering_mistakes(axis: int) -> Iterator[tuple[str, str, Rule]]:
    """Mistakes of v = u − mean, whose gradient is g − mean g."""

    def mean(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: g
    yield "wrong_axis", "takes the mean over the other axis", lambda g, u, v: g - mean(g, other)
    yield "mean_missing", "has a sum for the mean", lambda g, u, v: g - g.shape[axis] * mean(g)
    text = "has the wrong sign in what comes back through the mean"
    yield "sign_of_part", text, lambda g, u, v: g + mean(g)
