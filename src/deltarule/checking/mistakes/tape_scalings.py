"""Recognize normalized, scaled and centered arrays by their values, and list their wrong derivatives."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator

import numpy as np

from deltarule.checking.tape.operations import Array

Rule = Callable[[Array, Array, Array], Array]
"""(g, u, v) → a gradient of the input u, from the gradient g of the output v."""


def is_close(first: Array, second: Array) -> bool:
    """Whether two arrays are equal up to rounding."""
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def normalization_mistakes(u: Array, v: Array) -> Iterator[tuple[tuple[str, str, Rule], ...]]:
    """Wrong rules for each axis over which v = (u − mean) / deviation: a code, the end of a sentence, and the rule."""
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] < 2:
            continue
        deviation = u - u.mean(axis=axis, keepdims=True)
        scale = np.sqrt((deviation**2).sum(axis=axis, keepdims=True) / (v**2).sum(axis=axis, keepdims=True))
        excess = scale**2 - u.var(axis=axis, keepdims=True)
        if np.isfinite(scale).all() and is_close(deviation / scale, v) and (np.abs(excess) < 1e-2 * scale**2).all():
            axis = axis if axis == 0 else axis - u.ndim
            yield tuple(_normalization_rules(axis, 1 / scale))


def scaling_mistakes(u: Array, v: Array) -> Iterator[tuple[str, tuple[tuple[str, str, Rule], ...]]]:
    """The names and wrong rules of what v may be: u over its length or root mean square along an axis, or u − mean."""
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


def _normalization_rules(axis: int, inverse: Array) -> Iterator[tuple[str, str, Rule]]:
    """Wrong rules for v = (u − mean) · inverse over an axis, where `inverse` is 1 / deviation."""

    def mean(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes mean and variance as constants", lambda g, u, v: inverse * g
    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: inverse * (g - v * mean(g * v))
    yield "batch_norm_constants", "takes the variance as a constant", lambda g, u, v: inverse * (g - mean(g))
    yield (
        "wrong_axis",
        "takes means over the other axis",
        lambda g, u, v: inverse * (g - mean(g, other) - v * mean(g * v, other)),
    )
    for in_mean, in_variance in ((other, axis), (axis, other)):
        yield (
            "wrong_axis",
            "takes one of its means over the other axis",
            lambda g, u, v, a=in_mean, b=in_variance: inverse * (g - mean(g, a) - v * mean(g * v, b)),
        )
    for text, power in (
        ("1 / deviation too much", 1),
        ("1 / deviation too little", -1),
        ("1 / deviation² too much", 2),
        ("1 / deviation² too little", -2),
    ):
        yield (
            "scale_missing",
            f"has {text} in the variance's part",
            lambda g, u, v, power=power: inverse * (g - mean(g) - inverse**power * v * mean(g * v)),
        )
    for text, factor in (("twice", 2.0), ("half", 0.5)):
        yield (
            "power_rule",
            f"has {text} the variance's part",
            lambda g, u, v, factor=factor: inverse * (g - mean(g) - factor * v * mean(g * v)),
        )
    yield (
        "mean_missing",
        "lacks the N of N g in its compact form",
        lambda g, u, v: inverse * (g / u.shape[axis] - mean(g) - v * mean(g * v)),
    )
    yield "scale_missing", "lacks the 1 / deviation", lambda g, u, v: g - mean(g) - v * mean(g * v)
    yield (
        "scale_missing",
        "lacks the 1 / deviation in its first part",
        lambda g, u, v: g - inverse * (mean(g) + v * mean(g * v)),
    )
    yield "scale_missing", "has 1 / variance", lambda g, u, v: inverse**2 * (g - mean(g) - v * mean(g * v))
    yield (
        "sign_of_part",
        "has the wrong sign in what comes back through the variance",
        lambda g, u, v: inverse * (g - mean(g) + v * mean(g * v)),
    )
    yield (
        "sign_of_part",
        "has the wrong sign in what comes back through the mean",
        lambda g, u, v: inverse * (g + mean(g) - v * mean(g * v)),
    )
    for text, first, second in (
        ("mean's", True, False),
        ("variance's", False, True),
        ("mean's and variance's", True, True),
    ):
        yield (
            "mean_missing",
            f"has a sum for the mean in the {text} part",
            lambda g, u, v, first=first, second=second: (
                inverse
                * (g - mean(g) * (u.shape[axis] if first else 1) - v * mean(g * v) * (u.shape[axis] if second else 1))
            ),
        )


def _length_rules(axis: int, inverse: Array, count: int) -> Iterator[tuple[str, str, Rule]]:
    """Wrong rules for v = u · inverse with Σ v² = count over an axis; correct is inverse (g − v Σ g v / count)."""

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


def _centering_rules(axis: int) -> Iterator[tuple[str, str, Rule]]:
    """Wrong rules for v = u − mean over an axis; correct is g − mean g."""

    def mean(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: g
    yield "wrong_axis", "takes the mean over the other axis", lambda g, u, v: g - mean(g, other)
    yield "mean_missing", "has a sum for the mean", lambda g, u, v: g - g.shape[axis] * mean(g)
    text = "has the wrong sign in what comes back through the mean"
    yield "sign_of_part", text, lambda g, u, v: g + mean(g)
