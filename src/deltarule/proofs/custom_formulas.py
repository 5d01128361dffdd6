"""A user's own formulas: each is proved when it is registered, and has a name everywhere from then on.

z, a, p, y, w  arrays [.., B, H]  a formula is elementwise: it gives an array of the shape and the dtype that it got
θ, g, slots    arrays [K, P]      and its numbers [K, 1], one a member
t, α           arrays [K]         for a schedule
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, RunFailed
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Fixed
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs import elementwise
from deltarule.proofs.differences import IMAGINARY
from deltarule.proofs.error_scale import size

_RANGES = {"real": -np.inf, "nonnegative": 0.0, "positive": 0.0, "unit": 0.0}
_DOMAINS = ("real", "positive", "unit", "simplex")
_TARGETS = ("real", "nonnegative", "unit")
_TAKEN = {
    "optimizer": ("strength", "initial_scale", "seeds", "data_seeds", "dropout_seeds"),  # a problem's own numbers
    "schedule": ("per",),
}
"""What no parameter may be called, beside "name": it would be mistaken for what has that name already."""
_LARGEST = float(np.finfo(np.float64).max)
_NEAR = 1e-4  # to a kink, where the narrowest differences meet it
_MOST_NAMED = 5  # kinks in a sentence
_SLOPE_OF_NOTE = 1e-4  # of those around 0: far out, where a function is flat, no digits are left to be compared
_BESIDE = 2.0**-48
_SAME = 1e-9  # last bits, which a difference brings to the fore, may hang on a number's place in the array
_MOST_FIRST, _BEHIND = 1000, 32  # how many numbers stand first in turn: of that one np.vectorize has its dtype


def register_activation(
    name: str,
    function: Callable[..., Any],
    derivative: Callable[..., Any],
    *,
    range: str = "real",
    kinks: Sequence[float] = (),
    parameters: Mapping[str, float] | None = None,
) -> Activation:
    """Prove an activation of one's own and give it its name.

    Parameters
    ----------
    name : what it is called in `Network` and in recipes.
    function : `function(z, **parameters)` gives a = f(z), element by element.
    derivative : `derivative(z, a, **parameters)` gives ∂a/∂z.
    range : the numbers that come out: "real", "nonnegative", "positive" or "unit" (0 to 1); losses ask for it.
    kinks : the z at which there is no derivative.
    parameters : names and default values of further parameters.

    Returns the activation. Raises `RunFailed` where the derivative is not that of the function, with the worst point,
    also at other values of its parameters; `BadInput` where a function cannot be used as it is, and for a name that
    means something else already.

    >>> import numpy as np
    >>> found = register_activation("cube", lambda z: z**3, lambda z, a: 3 * z**2)
    >>> from deltarule.problem.network import Network
    >>> Network([2, 4, 1], activation="cube")
    Network 2-4-1 (cube, identity), 17 parameters
    >>> unregister("activation", "cube")
    """
    _check_name("activation", name)
    _check_functions({f"the activation '{name}'": function, f"the derivative of the activation '{name}'": derivative})
    _check_choice("range", range, _RANGES)
    numbers = _checked_parameters("activation", name, parameters)
    activation = Activation(name, function, derivative, range, parameters=numbers, kinks=_checked_kinks(kinks))
    curve = elementwise.of_activation(activation)
    (z,) = curve.inputs
    a = _checked_calls(f"the activation '{name}'", curve.function, [z])

    def slope(z: Floats, a: Floats) -> Any:
        return derivative(z, a, **numbers)

    _checked_calls(f"the derivative of the activation '{name}'", slope, [z, a])
    if a.min() < _RANGES[range] or (range == "unit" and a.max() > 1):
        raise BadInput(
            f"the activation '{name}' gives numbers from {a.min():g} to {a.max():g}, outside its range '{range}'; "
            f"give one of {', '.join(_RANGES)} that holds them"
        )
    _prove(f"the activation '{name}'", curve, slope, [z, a], z, activation.kinks)
    _prove_beside(
        f"the activation '{name}'",
        lambda others: elementwise.of_activation(replace(activation, parameters=others)),
        derivative,
        numbers,
        z,
        activation.kinks,
        handed=True,
    )
    registry.add("activation", activation)
    return activation


def register_loss(
    name: str,
    value: Callable[..., Any],
    derivative: Callable[..., Any],
    *,
    domain: str = "real",
    targets: str = "real",
    kinks: Sequence[float] = (),
    parameters: Mapping[str, float] | None = None,
) -> Loss:
    """Prove a loss of one's own and give it its name.

    Parameters
    ----------
    name : what it is called in `create_problem` and in recipes.
    value : `value(p, y, **parameters)` gives the loss of each output, element by element, before any reduction.
    derivative : `derivative(p, y, **parameters)` gives ∂value/∂p.
    domain : the predictions that it can judge: "real", "positive", "unit" (0 to 1) or "simplex" (of a softmax).
    targets : the targets that it can judge: "real", "nonnegative" or "unit".
    kinks : the p − y at which there is no derivative.
    parameters : names and default values of further parameters.

    Returns the loss. Raises `RunFailed` where the derivative is not that of the value, with the worst point, also at
    other values of its parameters; `BadInput` where a function cannot be used as it is.

    >>> import numpy as np
    >>> found = register_loss("log_cosh", lambda p, y: np.log(np.cosh(p - y)), lambda p, y: np.tanh(p - y))
    >>> unregister("loss", "log_cosh")
    """
    _check_name("loss", name)
    _check_functions({f"the loss '{name}'": value, f"the derivative of the loss '{name}'": derivative})
    _check_choice("domain", domain, _DOMAINS)
    _check_choice("targets", targets, _TARGETS)
    numbers = _checked_parameters("loss", name, parameters)
    loss = Loss(name, value, derivative, domain, targets, parameters=numbers, kinks=_checked_kinks(kinks))
    curve = elementwise.of_loss(loss)
    p, y = curve.inputs

    def slope(p: Floats, y: Floats) -> Any:
        return derivative(p, y, **numbers)

    _checked_calls(f"the loss '{name}'", curve.function, [p, y])
    _checked_calls(f"the derivative of the loss '{name}'", slope, [p, y])
    _prove(f"the loss '{name}'", curve, slope, [p, y], p - y, loss.kinks)
    _prove_beside(
        f"the loss '{name}'",
        lambda others: elementwise.of_loss(replace(loss, parameters=others)),
        derivative,
        numbers,
        p - y,
        loss.kinks,
        handed=False,
    )
    registry.add("loss", loss)
    return loss


def register_penalty(
    name: str,
    value: Callable[[Any], Any],
    derivative: Callable[[Any], Any],
    *,
    kinks: Sequence[float] = (),
    per_sample: bool = False,
) -> Penalty:
    """Prove a penalty of one's own and give it its name.

    Parameters
    ----------
    name : what it is called in `create_problem` and in recipes.
    value, derivative : `value(w)` of each weight, without the strength λ, and its derivative.
    kinks : the w at which there is no derivative.
    per_sample : whether it is divided by the samples of the batch.

    Returns the penalty. Raises `RunFailed` where the derivative is not that of the value, with the worst point;
    `BadInput` where a function cannot be used as it is.

    >>> found = register_penalty("quartic", lambda w: w**4 / 4, lambda w: w**3)
    >>> unregister("penalty", "quartic")
    """
    _check_name("penalty", name)
    _check_functions({f"the penalty '{name}'": value, f"the derivative of the penalty '{name}'": derivative})
    penalty = Penalty(name, value, derivative, switch("per_sample", per_sample), _checked_kinks(kinks))
    curve = elementwise.of_penalty(penalty)
    (w,) = curve.inputs
    _checked_calls(f"the penalty '{name}'", value, [w])
    _checked_calls(f"the derivative of the penalty '{name}'", derivative, [w])
    _prove(f"the penalty '{name}'", curve, derivative, [w], w, penalty.kinks)
    registry.add("penalty", penalty)
    return penalty


def register_optimizer(
    name: str,
    update: Callable[..., Any],
    *,
    slots: Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
) -> Optimizer:
    """Try out an optimizer of one's own and give it its name.

    Parameters
    ----------
    name : what it is called in `create_problem` and in recipes.
    update : `update(theta, g, *slots, learning_rate=…, **parameters)` returns (theta, *slots), element by element.
    slots : names of what it remembers of each parameter; 0 at the start.
    parameters : names and default values of its numbers; a member may have its own, so they are arrays, too, as
        learning_rate is: one number per member.

    Returns the optimizer. Raises `RunFailed` where it does not come down a simple quadratic at a small learning rate;
    `BadInput` where the update cannot be used as it is.

    >>> import numpy as np
    >>> found = register_optimizer("signs", lambda theta, g, learning_rate: (theta - learning_rate * np.sign(g),))
    >>> unregister("optimizer", "signs")
    """
    _check_name("optimizer", name)
    _check_functions({f"the optimizer '{name}'": update})
    numbers = _checked_parameters("optimizer", name, parameters)
    if "learning_rate" in numbers:
        raise BadInput(
            f"the optimizer '{name}' has a parameter learning_rate, which every update is given as the schedule says; "
            "leave it out of parameters"
        )
    optimizer = Optimizer(name, update, _checked_slots(name, slots, numbers), numbers)
    _check_update(optimizer)
    _check_descent(optimizer)
    registry.add("optimizer", optimizer)
    return optimizer


def register_schedule(
    name: str,
    rate: Callable[..., Any],
    *,
    parameters: Mapping[str, float] | None = None,
    per: str = "step",
) -> Schedule:
    """Try out a schedule of one's own and give it its name.

    Parameters
    ----------
    name : what it is called in `create_problem` and in recipes.
    rate : `rate(t, learning_rate, **parameters)` gives the rate of update t, which is 0 for the first.
    parameters : names and default values of its numbers; a member may have its own, so they are arrays, too, as t and
        learning_rate are: one number per member.
    per : what t counts, "step" (updates) or "epoch".

    Returns the schedule. Raises `BadInput` where a rate is negative, not finite, or different from call to call.

    >>> found = register_schedule("halving", lambda t, learning_rate: learning_rate * 0.5**t)
    >>> unregister("schedule", "halving")
    """
    _check_name("schedule", name)
    _check_functions({f"the schedule '{name}'": rate})
    _check_choice("per", per, ("step", "epoch"))
    schedule = Schedule(name, rate, _checked_parameters("schedule", name, parameters), per)
    t = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 99.0, 200.0, 500.0, 1e3, 3e3, 1e4, 1e5])
    given = np.linspace(0.1, 0.8, len(t))
    numbers = [np.full(len(t), float(value)) for value in schedule.parameters.values()]

    def rates_of(t: Floats, learning_rate: Floats, *own: Floats) -> Any:
        return rate(t, learning_rate, **dict(zip(schedule.parameters, own, strict=True)))

    what = f"the schedule '{name}'"
    if numbers:
        _call_formula(what, rates_of, [t, given, *numbers], "; parameters are arrays, too, one number per member")
    rates = _checked_calls(what, rates_of, [t, given, *numbers], precise=True)
    if rates.min() < 0:
        raise BadInput(
            f"the schedule '{name}' gives the rate {rates.min():g} at t = {t[rates.argmin()]:g}; give 0 or more"
        )
    registry.add("schedule", schedule)
    return schedule


def unregister(kind: str, name: str) -> None:
    """Take a formula of one's own away again.

    kind : "activation", "loss", "penalty", "optimizer" or "schedule"

    Raises `BadInput` for a name that is not one's own.
    """
    _check_choice("kind", kind, ("activation", "loss", "penalty", "optimizer", "schedule"))
    registry.remove(kind, name)


def _prove(
    what: str,
    curve: elementwise.Curve,
    derivative: Callable[..., Any],
    inputs: Sequence[Floats],
    place: Floats,
    kinks: Sequence[float],
    *,
    default: bool = True,
) -> None:
    """Hold a derivative against the complex step where the function keeps it, and against central differences.

    inputs   what the derivative takes, the function's values behind those of the curve where it is handed them
    place    [n]  what a kink is said of: z, w or p − y
    default  whether its parameters have their default values; at others it may have kinks elsewhere, and be flat
    """
    handed = len(inputs) > len(curve.inputs)
    with np.errstate(all="ignore"):
        found = derivative(*inputs)
        distance = _distance(place, kinks)
        scale = size(derivative, inputs, inputs, distance == 0)
        # Where it is wrong at a point alone it jumps to that and back: not from the one side of it to the other.
        before, across = [v - _BESIDE * np.abs(v) for v in inputs], [2 * v for v in inputs]
        scale = np.minimum(scale, size(derivative, before, across, distance == 0))
    central = elementwise.central_slopes(curve, 1e-7 * np.maximum(scale, _SLOPE_OF_NOTE), found)
    around = (np.abs(place) <= 1) & (distance > _NEAR) & ~central.kink
    usual = np.median(np.abs(central.value[around])) if around.any() else 0.0
    scale = np.maximum(scale, _SLOPE_OF_NOTE * max(1.0, usual))
    unknown = np.flatnonzero(central.kink & (distance > _NEAR))
    if default:
        _check_kinks(what, curve, unknown, place, "kink")
    exact = elementwise.complex_slopes(curve)
    if exact is None:
        method, expected, sure = "a central difference", central.value, ~central.kink & (central.doubt <= 1e-6 * scale)
    else:
        method, expected, sure = "the complex step", exact, (distance > 0) & np.isfinite(exact)
        sure[unknown] = False
    if default and not (expected[sure] != 0).any():
        raise RunFailed(f"{what} has the slope 0 wherever one can be seen, so that nothing is proved")
    difference, scale = np.abs(found - expected), np.maximum(scale, np.abs(expected))
    errors = np.divide(difference, scale, out=np.zeros(len(scale)), where=sure & (difference > IMAGINARY))
    worst = int(errors.argmax())
    if errors[worst] > (1e-6 if exact is None else 1e-10):
        raise RunFailed(
            f"the derivative of {what} is wrong: at {curve.point_name(worst)} it gives {found[worst]:.8g}, and "
            f"{method} of "
            f"the function gives {expected[worst]:.8g}"
        )
    if default:  # a derivative that is wrong between kinks jumps, too, and is told of above

        def slope(*at: Floats) -> Any:
            return derivative(*at, *([curve.function(*at)] * handed))

        _check_between(what, elementwise.unseen_jumps(curve, slope), kinks, "jump")
        _check_between(what, elementwise.unseen_kinks(curve, slope), kinks, "kink")


def _check_between(what: str, there: elementwise.Curve, kinks: Sequence[float], kind: str) -> None:
    """Refuse kinks or jumps, all points of a curve, that nobody has named."""
    place = np.subtract.reduce(there.inputs)  # z, w or p − y
    unnamed = _distance(place, kinks) > _NEAR
    for y in there.inputs[1:]:  # the hinge loss's kink, p y = 1, is another p − y for each target
        unnamed &= np.array([np.ptp(y[np.abs(place - one) <= _NEAR]) > 0 for one in place], bool)
    _check_kinks(what, there, np.flatnonzero(unnamed), place, kind)


def _distance(place: Floats, kinks: Sequence[float]) -> Floats:
    """How far the nearest kink is, in units of what a point is, or of 1."""
    away = np.min([np.abs(place - kink) for kink in (*kinks, np.inf)], axis=0)
    return np.asarray(away / np.maximum(1, np.abs(place)))


def _check_kinks(what: str, curve: elementwise.Curve, unknown: NDArray[np.int64], place: Floats, kind: str) -> None:
    """Refuse kinks or jumps that nobody has named, `unknown` among the points of a curve."""
    if len(unknown):
        nearest = unknown[np.abs(place[unknown]).argsort(kind="stable")]
        apart: list[float] = []
        for one in place[nearest] + 0.0:  # never -0
            if _distance(np.array([one]), apart)[0] > _NEAR:
                apart.append(one)
        first, *others = (f"{one:g}" for one in sorted(apart[:_MOST_NAMED]))
        more = f" and {len(apart) - _MOST_NAMED} more" if len(apart) > _MOST_NAMED else ""
        listed = f"({', '.join([first, *others])}{'' if others else ','})"
        raise BadInput(f"{what} has a {kind} at {curve.point_name(nearest[0])}; say so with kinks={listed}{more}")


def _prove_beside(
    what: str,
    curve_with: Callable[[Mapping[str, float]], elementwise.Curve],
    derivative: Callable[..., Any],
    parameters: Mapping[str, float],
    place: Floats,
    kinks: Sequence[float],
    *,
    handed: bool,
) -> None:
    """Prove a derivative where each parameter in turn is a little less or more than its default: 1² is 1.

    One of the two has to be right, since nobody has said that a parameter may have both.

    curve_with, the function of other parameters   handed, whether the derivative is handed the function's values, too
    """
    for key, default in parameters.items():
        failed = None
        for value in (0.95 * default, 1.05 * default) if default else (-0.05, 0.05):
            others = {**parameters, key: value}
            curve, slope = curve_with(others), partial(derivative, **others)
            inputs = _derivative_arguments(curve, slope, place, handed)
            if inputs is None:
                continue
            try:
                _prove(f"{what} with {key} = {value:g}", curve, slope, inputs, place, kinks, default=False)
            except (BadInput, RunFailed) as error:
                failed = failed or error
            else:
                failed = None
                break
        if failed is not None:
            raise failed


def _derivative_arguments(
    curve: elementwise.Curve, slope: Callable[..., Any], place: Floats, handed: bool
) -> list[Floats] | None:
    """What a derivative is handed, where function and derivative are made for such parameters; else None."""
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(curve.function(*curve.inputs))
            inputs = [*curve.inputs, values] if handed else list(curve.inputs)
            slopes = np.asarray(slope(*inputs))
    except Exception:  # whatever a stranger's function raises for values that it is not made for
        return None
    fine = values.shape == slopes.shape == place.shape and np.isfinite(values).all() and np.isfinite(slopes).all()
    return inputs if fine else None


def _checked_calls(what: str, function: Callable[..., Any], inputs: Sequence[Floats], precise: bool = False) -> Floats:
    """What an elementwise function gives; it must be usable as it is, whatever shape, dtype and order it meets."""
    result = _call_formula(what, function, inputs)
    if not np.isfinite(result).all():
        worst = int(np.flatnonzero(~np.isfinite(result))[0])
        at = ", ".join(f"{values[worst]:g}" for values in inputs)
        raise BadInput(f"{what} gives {result[worst]} at ({at}); make it finite there")
    if not np.array_equal(result, _call_formula(what, function, inputs)):
        raise BadInput(f"{what} is different from call to call; it may depend on nothing but what it is given")
    least = _SAME * min(1.0, np.abs(result).max())
    for some in _orders(inputs):
        again = _call_formula(what, function, [values[some] for values in inputs])
        if not np.allclose(again, result[some], rtol=_SAME, atol=least):
            raise BadInput(
                f"{what} is not elementwise: a number's result depends on what stands beside it; take no mean, sum or "
                "maximum of an array, and give np.vectorize its otypes"
            )
    if not precise:
        with np.errstate(over="ignore"):
            narrow = [values.astype(np.float32) for values in inputs]
        _call_formula(what, function, narrow)
    return result


def _orders(inputs: Sequence[Floats]) -> Iterator[Integers]:
    """Places [.., 1, 1] of some of n numbers, as a population has them: each, or one of many, stands first once.

    Zeros, and a prediction that is the target, always do: there formulas have branches of their own.
    """
    n = len(inputs[0])
    meet = inputs[0] == (inputs[1] if len(inputs) > 1 else 0)
    branches = np.flatnonzero(inputs[0] == 0), np.flatnonzero(meet)[:: 1 + meet.sum() // _MOST_FIRST]
    for first in np.unique(np.concatenate([np.arange(0, n, 1 + n // _MOST_FIRST), *branches])):
        yield (first + np.arange(0, n, max(2, n // _BEHIND)))[:, None, None] % n


def _call_formula(what: str, function: Callable[..., Any], inputs: Sequence[Floats], beside: str = "") -> Floats:
    """The result of one call, of the shape and the dtype of the inputs, which must be as they were.

    beside  what else to say where numbers are taken, and no arrays
    """
    given = [values.copy() for values in inputs]
    try:
        with np.errstate(all="ignore"):
            result = function(*given)
    except Exception as error:  # whatever a stranger's function raises
        more = beside if isinstance(error, TypeError | ValueError) else ""
        raise BadInput(f"{what} cannot be called with arrays ({type(error).__name__}: {error}){more}") from None
    if not all(map(np.array_equal, given, inputs)):
        raise BadInput(f"{what} changes what it is given; let it make a new array")
    shape, dtype = inputs[0].shape, inputs[0].dtype
    if np.shape(result) != shape:
        raise BadInput(
            f"{what} gives the shape {np.shape(result)} for arrays of the shape {shape}; give the same shape"
        )
    if np.asarray(result).dtype != dtype:
        raise BadInput(
            f"{what} gives {np.asarray(result).dtype} numbers for {dtype} ones; keep the dtype: Python's numbers take "
            "it from the array beside them, and what is made anew needs .astype"
        )
    return np.asarray(result)


def _check_update(optimizer: Optimizer) -> None:
    """Refuse an update that is not one array for θ and one for each slot, made element by element."""
    names = ("theta", *optimizer.slots)
    random, count = np.random.default_rng(0), 40
    sizes = 10.0 ** random.uniform(-3, 1, count)
    arrays = sizes * random.normal(size=(2 + len(optimizer.slots), count))
    arrays[2:] = np.abs(arrays[2:])  # what a slot holds may be a sum of squares
    arrays[0, 0] = arrays[1, 1] = 0.0
    arrays[2:, 2] = arrays[1:, 3] = 0.0  # as slots begin; and so do those of a unit that gives nothing
    numbers = {"learning_rate": 0.01, **optimizer.parameters}

    def whole(*inputs: Floats) -> Any:
        own = dict(zip(numbers, inputs[len(arrays) :], strict=True))
        return optimizer.update(*inputs[: len(arrays)], **own)  # type: ignore[misc]  # only L-BFGS has none

    def part(*inputs: Floats, i: int) -> Any:
        returned = whole(*inputs)
        if not isinstance(returned, tuple) or len(returned) != len(names):
            raise TypeError(f"it must return a tuple of {len(names)}: {', '.join(names)}")
        return returned[i]

    alone = [*arrays, *(np.full(count, float(n)) for n in numbers.values())]
    members = [*(np.stack([one, one]) for one in arrays), *(np.full((2, 1), float(n)) for n in numbers.values())]
    for given in (alone, members):
        _call_formula(
            f"the optimizer '{optimizer.name}'",
            lambda *inputs: (whole(*inputs), inputs[0])[1],
            given,
            "; learning_rate and parameters are arrays, too, one number per member",
        )
    for i, name in enumerate(names):
        what = f"the {name} of the optimizer '{optimizer.name}'"
        _checked_calls(what, partial(part, i=i), alone)
        _call_formula(what, partial(part, i=i), members)


def _check_descent(optimizer: Optimizer) -> None:
    """Refuse an optimizer that does not come down ½ Σ c θ² with small steps."""
    curvature, theta = np.array([[0.5, 1.0, 2.0]]), np.array([[1.0, -2.0, 3.0]])
    slots = [np.zeros_like(theta) for _ in optimizer.slots]
    numbers = {key: np.array([[value]]) for key, value in {"learning_rate": 1e-3, **optimizer.parameters}.items()}
    before = (curvature * theta * theta).sum() / 2
    with np.errstate(all="ignore"):
        for _ in range(300):
            theta, *slots = optimizer.update(theta, curvature * theta, *slots, **numbers)  # type: ignore[misc]
    after = (curvature * theta * theta).sum() / 2
    if not after < before:
        raise RunFailed(
            f"the optimizer '{optimizer.name}' does not descend: 300 updates at a learning rate of 0.001 took a "
            f"quadratic from {before:g} to {after:g}"
        )


def _check_name(kind: str, name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise BadInput(f"the name of the {kind} is {name!r}; give letters, digits and underscores, not a digit first")
    if name in registry.names(kind) and registry.custom_formula(kind, name) is None:  # else the proof might fail first
        raise BadInput(f"the {kind} '{name}' exists already; choose another name")


def _check_functions(functions: Mapping[str, Any]) -> None:
    for what, function in functions.items():
        if not callable(function):
            raise BadInput(f"{what} is {type(function).__name__}, which cannot be called; give a function")


def _check_choice(what: str, given: Any, allowed: Collection[str]) -> None:
    if not isinstance(given, str) or given not in allowed:
        raise BadInput(f"{what} is {given!r}; give one of {', '.join(allowed)}")


def _checked_parameters(kind: str, name: str, parameters: Mapping[str, float] | None) -> Mapping[str, float]:
    given = {} if parameters is None else parameters
    if not isinstance(given, Mapping):
        raise BadInput(f"the parameters of the {kind} '{name}' are {given!r}; give a table of names and default values")
    numbers = {key: _to_python_number(value) for key, value in given.items()}
    for key, number in numbers.items():
        if key in ("name", *_TAKEN.get(kind, ())):
            raise BadInput(
                f"the {kind} '{name}' has a parameter '{key}', which is the name of something else; choose another name"
            )
        if number is None:
            raise BadInput(f"the parameter '{key}' has the default {given[key]!r}; give a finite number")
    return Fixed(numbers)


def _checked_kinks(kinks: Any) -> tuple[float, ...]:
    numbers: list[Any] = [None]
    if not isinstance(kinks, str | bytes):
        with suppress(TypeError):  # a single number, or nothing at all
            numbers = [_to_python_number(kink) for kink in kinks]
    if None in numbers:
        raise BadInput(f"kinks are {kinks!r}; give a list of finite numbers, as (0,) for a single one")
    return tuple(map(float, numbers))


def _checked_slots(name: str, slots: Any, parameters: Mapping[str, float]) -> tuple[str, ...]:
    given = slots.tolist() if isinstance(slots, np.ndarray) else slots
    taken = {"theta", "g", "learning_rate", *parameters}
    if (
        not isinstance(given, list | tuple)
        or not all(isinstance(slot, str) and slot.isidentifier() and slot not in taken for slot in given)
        or len(set(given)) < len(given)
    ):
        raise BadInput(
            f"the slots of the optimizer '{name}' are {slots!r}; give a list of names, all different and none that of "
            "another argument, of letters, digits and underscores, not a digit first"
        )
    return tuple(given)


def _to_python_number(given: Any) -> Any:
    """A finite number, Python's or NumPy's, as Python's; None for anything else."""
    number = given.item() if isinstance(given, np.generic) else given
    is_real = isinstance(number, Real) and not isinstance(number, bool)
    if not is_real or not abs(number) <= _LARGEST:
        return None
    return number if isinstance(number, int) else float(number)
