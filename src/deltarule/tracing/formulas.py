"""The formulas of `maths` as expression trees: its functions, run on trees.

Where `maths` computes in a form that no number overflows, the textbook's form stands here. A custom formula that cannot
be run on a tree appears as a function with its name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from numpy import exp, log, tanh

from deltarule.maths.activations import Activation
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.registry import is_built_in
from deltarule.tracing.expressions import Expression, Function, Index, Number, Ref, Series, replace_parts

E = Expression
Row = Callable[[Index], Expression]
"""The entries of a sample's row, as a function of their index."""
Numbers = Mapping[str, Expression]
"""Numbers by name: a formula's parameters, or an optimizer's slots."""


def run(name: str, function: Callable[..., Any], *arguments: E, **numbers: E) -> E:
    """Run a formula on trees; if it cannot, its name stands for it."""
    try:
        result = function(*arguments, **numbers)
        if isinstance(result, Expression | float | int):
            return result if isinstance(result, Expression) else Number(result)
    except Exception:  # whatever a formula of the user's raises on what is not an array
        pass

    def call(*values: Any) -> Any:
        count = len(arguments)
        return function(*values[:count], **dict(zip(numbers, values[count:], strict=True)))

    return Function(name, (*arguments, *numbers.values()), call)


# --- activations -----------------------------------------------------------------------------------------------------


def _sigmoid(z: E) -> E:
    return 1 / (1 + exp(-z))


def _tanh_of_softplus(z: E) -> E:
    return tanh(log(1 + exp(z)))


_ACTIVATIONS: Mapping[str, tuple[Callable[[E], E], Callable[[E, E], E]]] = {
    "sigmoid": (_sigmoid, lambda z, a: a * (1 - a)),
    "softplus": (lambda z: log(1 + exp(z)), lambda z, a: _sigmoid(z)),
    "silu": (lambda z: z / (1 + exp(-z)), lambda z, a: _sigmoid(z) * (1 + z * (1 - _sigmoid(z)))),
    "mish": (
        lambda z: z * _tanh_of_softplus(z),
        lambda z, a: _tanh_of_softplus(z) + z * _sigmoid(z) * (1 - _tanh_of_softplus(z) ** 2),
    ),
}
"""f(z) and f′ of z and a, where `maths` has another form."""


def activation_value(activation: Activation, z: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of the activation a[j] = f(z)[j]."""
    if activation.rowwise:
        softmax = exp(z(j)) / Series(("k",), (units,), lambda k: exp(z(k)))
        return softmax if is_built_in(activation) else None
    if is_built_in(activation) and activation.name in _ACTIVATIONS:
        return _ACTIVATIONS[activation.name][0](z(j))
    return run(activation.name, activation.function, z(j), **p)


def activation_backward(activation: Activation, z: Row, a: Row, da: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of ∂J/∂z[j] from the row da = ∂J/∂a."""
    if activation.rowwise:
        through_softmax = a(j) * (da(j) - Series(("k",), (units,), lambda k: a(k) * da(k)))
        return through_softmax if is_built_in(activation) else None
    if is_built_in(activation) and activation.name in _ACTIVATIONS:
        slope = _ACTIVATIONS[activation.name][1](z(j), a(j))
    else:
        slope = run(f"{activation.name}′", activation.derivative, z(j), a(j), **p)
    return slope * da(j)


# --- optimizers ------------------------------------------------------------------------------------------------------


def optimizer_update(
    optimizer: Optimizer, theta: E, g: E, old: Numbers, new: Numbers, numbers: Mapping[str, E | float]
) -> dict[str, E] | None:
    """The formulas of the parameter ("theta") and of each slot after an update.

    `new` are the slots after it that formulas may refer to; `numbers` are what the update takes.
    """
    if optimizer.whole_arrays:
        return None
    try:
        updated = optimizer.update(theta, g, *(old[slot] for slot in optimizer.slots), **numbers)
        formulas = dict(zip(("theta", *optimizer.slots), updated, strict=True))
    except Exception:  # as in `run`
        return None
    found = [(formulas[slot], new[slot]) for slot in new if not isinstance(formulas[slot], Ref)]
    return {
        name: replace_parts(formula, [pair for pair in found if pair[0] is not formula])
        for name, formula in formulas.items()
    }
