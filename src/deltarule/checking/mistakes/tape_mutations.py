"""Exchange steps of a recorded backward pass for wrong ones, and run it as usual."""

from collections.abc import Callable, Mapping

import numpy as np

from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.network import Taped, backward

Back = Callable[[Array], tuple[Array, dict[str, Array]]]
Mutation = tuple[str, list[str], str, dict[str, Array]]
"""A mistake's code, where it is, a sentence, and the gradients that it leads to."""


def mutated_gradients(
    match: NetworkMatch, exchanged: Mapping[int, Back], slope: Array | None = None
) -> dict[str, Array]:
    """The gradients when steps of the tape, by their places, go back in another way."""
    tape = [taped._replace(backward=exchanged[i]) if i in exchanged else taped for i, taped in enumerate(match.tape)]
    return backward(tape, match.factor * match.objective.slope if slope is None else slope)


def input_of(match: NetworkMatch, i: int) -> Array:
    """What goes into a step of the tape."""
    return match.tape[i - 1].value if i else match.x


def slope_at(activation: Activation, z: Array) -> Array:
    """f′(z) of an elementwise activation."""
    a, back = activation.forward(z)
    return back(np.ones_like(a))


def slope_with_z_for_a(activation: Activation, z: Array) -> Array:
    """f′ by a formula that is meant for a = f(z), with z in the place of a."""
    if activation.name == "softplus":  # ours is a formula for z; people also write 1 − e⁻ᵃ
        return 1 - np.exp(-z)
    return activation.derivative(z, z, **activation.parameters)


def pass_through(upstream: Array) -> tuple[Array, dict[str, Array]]:
    """A step that passes on the upstream gradient."""
    return upstream, {}


def apply_twice(taped: Taped) -> Back:
    """A step that multiplies by its derivative twice."""
    return lambda upstream: taped.backward(taped.backward(upstream)[0])


def multiply_by(factor: Array) -> Back:
    """A step that multiplies by a factor."""
    return lambda upstream: (upstream * factor, {})
