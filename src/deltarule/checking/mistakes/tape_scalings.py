"""Recognize normalized, scaled and centered arrays by their values."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator

import numpy as np

from deltarule.checking.tape.operations import Array

Rule = Callable[[Array, Array, Array], Array]
"""(g, u, v) → a gradient of the input u, from the gradient g of the output v."""
WrongRule = tuple[str, str, Rule]
"""A mistake's code, the end of the sentence "the derivative of tanh …", and the wrong rule for the gradient."""


def is_close(first: Array, second: Array) -> bool:
    """Whether two arrays are equal up to rounding."""
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def normalization_mistakes(u: Array, v: Array) -> Iterator[tuple[WrongRule, ...]]:
    """Wrong rules for each axis over which v = (u − mean) / deviation."""
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] < 2:
            continue
        deviation = u - u.mean(axis=axis, keepdims=True)
        scale = np.sqrt((deviation**2).sum(axis=axis, keepdims=True) / (v**2).sum(axis=axis, keepdims=True))
        excess = scale**2 - u.var(axis=axis, keepdims=True)
        if np.isfinite(scale).all() and is_close(deviation / scale, v) and (np.abs(excess) < 1e-2 * scale**2).all():
            axis = axis if axis == 0 else axis - u.ndim
            # Behind a centering of its own the mean is no part of this step.
            is_centered = is_close(deviation, u)
            yield tuple(_normalization_rules(axis, 1 / scale, is_centered))


def scaling_mistakes(u: Array, v: Array) -> Iterator[tuple[str, tuple[WrongRule, ...]]]:
    """The names and wrong rules of the scalings or centerings that v may be."""
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] < 2:
            continue
        axis = axis if axis == 0 else axis - u.ndim
        if is_close(u - u.mean(axis=axis, keepdims=True), v) and not is_close(u, v):
            yield "the centering", tuple(_centering_rules(axis))
        squares = (v**2).sum(axis=axis, keepdims=True)
        scale = np.sqrt((u**2).sum(axis=axis, keepdims=True) / squares)
        if np.isfinite(scale).all() and is_close(u / scale, v):
            for count, name in ((1, "unit length"), (u.shape[axis], "the division by the root mean square")):
                if (np.abs(squares - count) < 1e-2 * count).all():
                    yield name, tuple(_length_rules(axis, 1 / scale, count))


def _normalization_rules(axis: int, i: Array, is_centered: bool) -> Iterator[WrongRule]:
    """Wrong rules for the normalization v = (u − mean) / deviation."""

    def m(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    def o(x: Array) -> Array:
        return m(x, -1 if axis == 0 else 0)

    def p(g: Array, v: Array) -> Array:
        return v * m(g * v)

    text = "takes the variance as a constant" if is_centered else "takes mean and variance as constants"
    yield "batch_norm_constants", text, lambda g, u, v: i * g
    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: i * (g - p(g, v))
    yield "batch_norm_constants", "takes the variance as a constant", lambda g, u, v: i * (g - m(g))
    yield "wrong_axis", "takes means over the other axis", lambda g, u, v: i * (g - o(g) - v * o(g * v))
    text = "takes one of its means over the other axis"
    yield "wrong_axis", text, lambda g, u, v: i * (g - o(g) - p(g, v))
    yield "wrong_axis", text, lambda g, u, v: i * (g - m(g) - v * o(g * v))
    for name, power in (("much", 1), ("little", -1), ("much", 2), ("little", -2)):
        text = f"has 1 / deviation{'²' if abs(power) == 2 else ''} too {name} in the variance's part"
        yield "scale_missing", text, lambda g, u, v, e=power: i * (g - m(g) - i**e * p(g, v))
    for text, c in (("twice", 2.0), ("half", 0.5)):
        yield "power_rule", f"has {text} the variance's part", lambda g, u, v, c=c: i * (g - m(g) - c * p(g, v))
    text = "lacks the N of N g in its compact form"
    yield "mean_missing", text, lambda g, u, v: i * (g / u.shape[axis] - m(g) - p(g, v))
    yield "scale_missing", "lacks the 1 / deviation", lambda g, u, v: g - m(g) - p(g, v)
    yield "scale_missing", "lacks the 1 / deviation in its first part", lambda g, u, v: g - i * (m(g) + p(g, v))
    yield "scale_missing", "has 1 / variance", lambda g, u, v: i**2 * (g - m(g) - p(g, v))
    text = "has the wrong sign in what comes back through the "
    yield "sign_of_part", f"{text}variance", lambda g, u, v: i * (g - m(g) + p(g, v))
    yield "sign_of_part", f"{text}mean", lambda g, u, v: i * (g + m(g) - p(g, v))
    for name, is_first, is_second in (("mean", 1, 0), ("variance", 0, 1), ("mean's and variance", 1, 1)):
        yield (
            "mean_missing",
            f"has a sum for the mean in the {name}'s part",
            lambda g, u, v, a=is_first, b=is_second: i * (g - m(g) * u.shape[axis] ** a - p(g, v) * u.shape[axis] ** b),
        )


def _length_rules(axis: int, i: Array, count: int) -> Iterator[WrongRule]:
    """Wrong rules for v = u i with Σ v² = count over an axis."""

    def t(x: Array, along: int = axis) -> Array:
        return x.sum(axis=along, keepdims=True) / count

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes the length as a constant", lambda g, u, v: i * g
    yield "wrong_axis", "sums over the other axis", lambda g, u, v: i * (g - v * t(g * v, other))
    yield "scale_missing", "lacks the division by the length", lambda g, u, v: g - v * t(g * v)
    yield "scale_missing", "divides by the length twice", lambda g, u, v: i**2 * (g - v * t(g * v))
    yield "scale_missing", "divides its second part alone", lambda g, u, v: g - i * v * t(g * v)
    yield "scale_missing", "divides its first part alone", lambda g, u, v: i * g - v * t(g * v)
    text = "has the input for the scaled one in its second part"
    yield "scale_missing", text, lambda g, u, v: i * (g - u * t(g * u))
    yield "scale_missing", text, lambda g, u, v: i * (g - u * t(g * v))
    yield "upstream_ignored", "lacks the upstream gradient in its sum", lambda g, u, v: i * (g - v * t(v))
    yield "path_missing", "lacks the output in its sum", lambda g, u, v: i * (g - v * t(g))
    yield "sign_of_part", "has the wrong sign in its second part", lambda g, u, v: i * (g + v * t(g * v))
    if count > 1:
        text = "has a sum for the mean in its second part"
        yield "mean_missing", text, lambda g, u, v: i * (g - count * v * t(g * v))


def _centering_rules(axis: int) -> Iterator[WrongRule]:
    """Wrong rules for v = u − mean over an axis; correct is g − m(g)."""

    def m(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: g
    yield "wrong_axis", "takes the mean over the other axis", lambda g, u, v: g - m(g, -1 if axis == 0 else 0)
    yield "mean_missing", "has a sum for the mean", lambda g, u, v: g - g.shape[axis] * m(g)
    yield "sign_of_part", "has the wrong sign in what comes back through the mean", lambda g, u, v: g + m(g)
