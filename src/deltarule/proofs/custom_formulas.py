"""Register custom formulas, from activations to metrics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.maths.activations import Activation
from deltarule.maths.initializers import LAWS, Initializer
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats
from deltarule.proofs import formula_calls as calls
from deltarule.proofs.custom_layers import prove_rowwise
from deltarule.proofs.formula_proofs import prove_formula
from deltarule.stats import metrics

_RANGES = {"real": -np.inf, "nonnegative": 0.0, "positive": 0.0, "unit": 0.0, "simplex": 0.0}


def register_activation(
    name: str,
    function: Callable[..., Any],
    derivative: Callable[..., Any],
    *,
    range: str = "real",
    flat: str = "",
    rowwise: bool = False,
    kinks: float | Sequence[float] = (),
    parameters: Mapping[str, float] | None = None,
) -> Activation:
    """Prove the derivative of a custom activation, then register it.

    Parameters
    ----------
    name : str
        What it is called in `Network` and in recipes.
    function : callable
        `function(z, **parameters)` gives a = f(z), element by element.
    derivative : callable
        `derivative(z, a, **parameters)` gives ∂a/∂z. With `rowwise`, `derivative(z, a, da, **parameters)` gives ∂J/∂z.
    range : {"real", "nonnegative", "positive", "unit", "simplex"}, default="real"
        The numbers that come out: "real", "nonnegative", "positive", "unit" (0 to 1) or, with `rowwise`, "simplex" (a
        row sums to 1); losses ask for it.
    flat : {"", "left", "both"}, default=""
        Where the slope goes to 0: "left" (z → −∞), "both" or "" (nowhere). Dead and saturated units are found by it.
    rowwise : bool, default=False
        Whether the units of a row depend on each other, as in a softmax: then arrays are [.., B, H], and da is ∂J/∂a.
    kinks : float or sequence of float, default=()
        The z, one or several, at which there is no derivative; not needed with `rowwise`.
    parameters : mapping of str to float, optional
        Names and default values of further parameters.

    Returns
    -------
    Activation

    Raises
    ------
    RunFailed
        Where the derivative is not that of the function, with the worst point.
    BadInput
        Where a function cannot be used as it is, and for a name that is taken (`unregister` it first).

    Examples
    --------
    >>> from deltarule import Network, register_activation, unregister
    >>> import numpy as np
    >>> found = register_activation("cube", lambda z: z**3, lambda z, a: 3 * z**2)
    >>> Network([2, 4, 1], activation="cube")
    Network 2-4-1 (cube, identity), 17 parameters
    >>> unregister("activation", "cube")
    """
    calls.check_new("activation", name, function, derivative)
    calls.check_choice("range", range, _RANGES)
    calls.check_choice("flat", flat, ("", "left", "both"))
    numbers = calls.check_parameters("activation", name, parameters)
    rowwise = switch("rowwise", rowwise)
    activation = Activation(name, function, derivative, range, flat, rowwise, numbers, calls.as_numbers(kinks))
    if rowwise:
        a = prove_rowwise(activation)
    elif range == "simplex":
        raise BadInput(f"'{name}' has the range simplex, in which a row sums to 1; say rowwise=True, or another range")
    else:
        a = prove_formula(f"the activation '{name}'", activation)
    if range == "simplex" and not np.allclose(a.sum(-1), 1):
        total = a.sum(-1).flat[0]
        raise BadInput(f"'{name}' gives a row that sums to {total:g}, not to 1; give a wider range than 'simplex'")
    if a.min() < _RANGES[range] or (range in ("unit", "simplex") and a.max() > 1):
        raise BadInput(
            f"'{name}' gives numbers from {a.min():g} to {a.max():g}, outside its range '{range}'; give a wider one"
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
    kinks: float | Sequence[float] = (),
    parameters: Mapping[str, float] | None = None,
) -> Loss:
    """Prove the derivative of a custom loss, then register it.

    Parameters
    ----------
    name : str
        What it is called in `create_problem` and in recipes.
    value : callable
        `value(p, y, **parameters)` gives the loss of each output, element by element, before any reduction.
    derivative : callable
        `derivative(p, y, **parameters)` gives ∂value/∂p.
    domain : {"real", "positive", "unit", "simplex"}, default="real"
        The predictions that it can judge: "real", "positive", "unit" (0 to 1) or "simplex" (of a softmax).
    targets : {"real", "nonnegative", "unit"}, default="real"
        The targets that it can judge: "real", "nonnegative" or "unit".
    kinks : float or sequence of float, default=()
        The p − y at which there is no derivative.
    parameters : mapping of str to float, optional
        Names and default values of further parameters.

    Returns
    -------
    Loss

    Raises
    ------
    RunFailed
        Where the derivative is not that of the value, with the worst point.
    BadInput
        Where a function cannot be used as it is, and for a name that is taken (`unregister` it first).

    Examples
    --------
    >>> from deltarule import register_loss, unregister
    >>> import numpy as np
    >>> found = register_loss("log_cosh", lambda p, y: np.log(np.cosh(p - y)), lambda p, y: np.tanh(p - y))
    >>> unregister("loss", "log_cosh")
    """
    calls.check_new("loss", name, value, derivative)
    calls.check_choice("domain", domain, ("real", "positive", "unit", "simplex"))
    calls.check_choice("targets", targets, ("real", "nonnegative", "unit"))
    numbers = calls.check_parameters("loss", name, parameters)
    loss = Loss(name, value, derivative, domain, targets, parameters=numbers, kinks=calls.as_numbers(kinks))
    prove_formula(f"the loss '{name}'", loss)
    registry.add("loss", loss)
    return loss


def register_penalty(
    name: str,
    value: Callable[[Any], Any],
    derivative: Callable[[Any], Any],
    *,
    kinks: float | Sequence[float] = (),
    per_sample: bool = False,
) -> Penalty:
    """Prove the derivative of a custom penalty, then register it.

    Parameters
    ----------
    name : str
        What it is called in `create_problem` and in recipes.
    value, derivative : callable
        `value(w)` of each weight, without the strength λ, and its derivative.
    kinks : float or sequence of float, default=()
        The w at which there is no derivative.
    per_sample : bool, default=False
        Whether it is divided by the samples of the batch.

    Returns
    -------
    Penalty

    Raises
    ------
    RunFailed
        Where the derivative is not that of the value, with the worst point.
    BadInput
        Where a function cannot be used as it is, and for a name that is taken (`unregister` it first).

    Examples
    --------
    >>> from deltarule import register_penalty, unregister
    >>> found = register_penalty("quartic", lambda w: w**4 / 4, lambda w: w**3)
    >>> unregister("penalty", "quartic")
    """
    calls.check_new("penalty", name, value, derivative)
    penalty = Penalty(name, value, derivative, switch("per_sample", per_sample), calls.as_numbers(kinks))
    prove_formula(f"the penalty '{name}'", penalty)
    registry.add("penalty", penalty)
    return penalty


def register_optimizer(
    name: str,
    update: Callable[..., Any],
    *,
    slots: Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
    whole_arrays: bool = False,
) -> Optimizer:
    """Test a custom optimizer, then register it.

    Parameters
    ----------
    name : str
        What it is called in `create_problem` and in recipes.
    update : callable
        `update(theta, g, *slots, learning_rate=…, **parameters)` returns (theta, *slots), element by element.
    slots : sequence of str
        Names of the arrays that it keeps for each parameter; 0 at the start.
    parameters : mapping of str to float, optional
        Names and default values of its numbers, which are arrays as learning_rate is: one number per member.
    whole_arrays : bool, default=False
        Whether the update is that of a whole array, as of Muon or LARS: then it is called for W1, for b1 and so on,
        with θ, g and slots [.., rows, columns] and numbers [.., 1, 1]. Biases have one row.

    Returns
    -------
    Optimizer

    Raises
    ------
    RunFailed
        Where it does not minimize a simple quadratic at a small learning rate.
    BadInput
        Where the update cannot be used as it is, and for a name that is taken (`unregister` it first).

    Examples
    --------
    >>> from deltarule import register_optimizer, unregister
    >>> import numpy as np
    >>> found = register_optimizer("signs", lambda theta, g, learning_rate: (theta - learning_rate * np.sign(g),))
    >>> unregister("optimizer", "signs")
    """
    calls.check_new("optimizer", name, update)
    numbers = calls.check_parameters("optimizer", name, parameters)
    optimizer = Optimizer(name, update, tuple(slots), numbers, whole_arrays=switch("whole_arrays", whole_arrays))
    calls.check_update(optimizer)
    calls.check_descent(optimizer)
    registry.add("optimizer", optimizer)
    return optimizer


def register_schedule(
    name: str, rate: Callable[..., Any], *, parameters: Mapping[str, float] | None = None, per: str = "step"
) -> Schedule:
    """Test a custom schedule, then register it.

    Parameters
    ----------
    name : str
        What it is called in `create_problem` and in recipes.
    rate : callable
        `rate(t, learning_rate, **parameters)` gives the rate of update t, which is 0 for the first.
    parameters : mapping of str to float, optional
        Names and default values of its numbers, which are arrays as t and learning_rate are.
    per : {"step", "epoch"}, default="step"
        What t counts, "step" (updates) or "epoch".

    Returns
    -------
    Schedule

    Raises
    ------
    BadInput
        Where a rate is negative, not finite, or different from call to call, and for a name that is taken.

    Examples
    --------
    >>> from deltarule import register_schedule, unregister
    >>> found = register_schedule("halving", lambda t, learning_rate: learning_rate * 0.5**t)
    >>> unregister("schedule", "halving")
    """
    calls.check_new("schedule", name, rate)
    calls.check_choice("per", per, ("step", "epoch"))
    schedule = Schedule(name, rate, calls.check_parameters("schedule", name, parameters), per)
    t = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 99.0, 200.0, 500.0, 1e3, 3e3, 1e4, 1e5])
    numbers = {key: np.full(len(t), float(value)) for key, value in schedule.parameters.items()}

    def rates_of(t: Floats, learning_rate: Floats, *values: Floats) -> Any:
        return rate(t, learning_rate, **dict(zip(numbers, values, strict=True)))

    inputs = [t, np.linspace(0.1, 0.8, len(t)), *numbers.values()]
    hint = "; parameters are arrays, too, one number per member" if numbers else ""
    rates = calls.check_elementwise(f"the schedule '{name}'", rates_of, inputs, in_float32=False, hint=hint)
    if rates.min() < 0:
        raise BadInput(
            f"the schedule '{name}' gives the rate {rates.min():g} at t = {t[rates.argmin()]:g}; give 0 or more"
        )
    registry.add("schedule", schedule)
    return schedule


def register_initializer(
    name: str, spread: Callable[..., Any], *, law: str = "normal", parameters: Mapping[str, float] | None = None
) -> Initializer:
    """Register a custom law of initial weights.

    Parameters
    ----------
    name : str
        What it is called in `Network` and in recipes.
    spread : callable
        `spread(fan_in, fan_out, **parameters)` gives a number for a layer's weights, whose meaning `law` says.
    law : str
        "normal" (a deviation), "uniform" (± a limit), "positive" (0 to a limit), "constant" (a value) or "orthogonal"
        (the length of a row or column).
    parameters : mapping of str to float, optional
        Names and default values of further parameters.

    Returns
    -------
    Initializer

    Raises
    ------
    BadInput
        Where the spread is no finite number, and for a name that is taken.

    Examples
    --------
    >>> from deltarule import register_initializer, unregister
    >>> found = register_initializer("mean_field", lambda fan_in, fan_out: 1 / fan_in)
    >>> unregister("initializer", "mean_field")
    """
    calls.check_new("initializer", name, spread)
    calls.check_choice("law", law, LAWS)
    initializer = Initializer(name, law, spread, calls.check_parameters("initializer", name, parameters))
    for fans in ((1, 1), (3, 5), (784, 10)):
        value = spread(*fans, **initializer.parameters)
        if not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise BadInput(f"the spread of the initializer '{name}' is {value!r} for {fans}; give a finite number")
    registry.add("initializer", initializer)
    return initializer


def register_metric(name: str, value: Callable[..., Any], *, more_is_better: bool) -> metrics.Metric:
    """Register a custom metric, for `record`, stop rules and the ranking of sweeps.

    Parameters
    ----------
    name : str
        What it is called in `train` and in recipes.
    value : callable
        `value(a, y, w)` gives a number for each member, [K], for outputs a [K, N, C], targets y [N, C] or [K, N, C],
        and weights w [N, 1] or [K, N, 1].
    more_is_better : bool
        Whether the best members are those with the most.

    Returns
    -------
    Metric

    Raises
    ------
    BadInput
        Where it does not give a number for each member, and for a name that is taken.

    Examples
    --------
    >>> from deltarule import register_metric, unregister
    >>> found = register_metric("bias", lambda a, y, w: (w * (a - y)).mean((-2, -1)), more_is_better=False)
    >>> unregister("metric", "bias")
    """
    calls.check_new("metric", name, value)
    if name in (*metrics.METRICS, "objective"):
        raise BadInput(f"the metric '{name}' exists already; choose another name")
    given = np.linspace(0.1, 0.9, 30).reshape(3, 5, 2)
    for y, w in ((given[0], np.ones((5, 1))), (given[::-1], np.ones((3, 5, 1)))):
        found = np.asarray(value(given, y, w))
        if found.shape != (3,) or found.dtype.kind not in "biuf":
            raise BadInput(f"the metric '{name}' gives the shape {found.shape} for 3 members; give a number for each")
    return metrics.METRICS.setdefault(name, metrics.Metric(name, value, switch("more_is_better", more_is_better)))


def unregister(kind: str, name: str) -> None:
    """Remove a custom formula from the registry.

    Parameters
    ----------
    kind : str
        "activation", "layer", "loss", "penalty", "optimizer", "schedule", "initializer" or "metric".
    name : str
        The name under which it was registered.

    Returns
    -------
    None

    Raises
    ------
    BadInput
        For a name that is no custom formula of this kind.

    Examples
    --------
    >>> from deltarule import register_penalty, unregister
    >>> found = register_penalty("fourth_power", lambda w: w**4, lambda w: 4 * w**3)
    >>> unregister("penalty", "fourth_power")
    """
    kinds = ("activation", "layer", "loss", "penalty", "optimizer", "schedule", "initializer", "metric")
    calls.check_choice("kind", kind, kinds)
    if kind == "metric":
        metrics.remove(name)
    else:
        registry.remove(kind, name)
