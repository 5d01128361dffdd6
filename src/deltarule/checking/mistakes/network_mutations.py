"""Mutations: the backward pass of a recognized network with some steps replaced by wrong ones, and such wrong steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.network import Taped, backward

Back = Callable[[Array], tuple[Array, dict[str, Array]]]
"""A backward step: upstream gradient → gradient of the step's input, and gradients of its parameters by name."""


@dataclass(frozen=True, eq=False)
class Mutation:
    """A mistake planted in the backward pass of a network.

    code, where, sentence   of the mistake
    back                    by position on the tape, the wrong backward steps
    slope                   a wrong ∂J/∂z of the last layer, if any
    gradients               by parameter name, wrong gradients
    """

    code: str
    where: Sequence[str]
    sentence: str
    back: Mapping[int, Back] = field(default_factory=dict)
    slope: Array | None = None
    gradients: Mapping[str, Array] = field(default_factory=dict)

    def run(self, match: NetworkMatch) -> dict[str, Array]:
        """The parameter gradients, by name, that the network gives with this mistake."""
        return {**mutated_gradients(match, self.back, self.slope), **self.gradients}


def mutated_gradients(match: NetworkMatch, back: Mapping[int, Back], slope: Array | None = None) -> dict[str, Array]:
    """The parameter gradients with steps of the tape replaced by `back`, and ∂J/∂z of the last layer by `slope`."""
    tape = [taped._replace(backward=back[i]) if i in back else taped for i, taped in enumerate(match.tape)]
    return backward(tape, match.delta if slope is None else slope)


def slope_at(activation: Activation, z: Array) -> Array:
    """f′(z) of an elementwise activation."""
    a, back = activation.forward(z)
    return back(np.ones_like(a))


def slope_with_z_for_a(activation: Activation, z: Array) -> Array:
    """A wrong f′(z), from a formula in a = f(z), such as a (1 − a), with z put in place of a."""
    if activation.name == "softplus":  # ours is a formula for z; people also write 1 − e⁻ᵃ
        return 1 - np.exp(-z)
    return activation.derivative(z, z, **activation.parameters)


def pass_through(upstream: Array) -> tuple[Array, dict[str, Array]]:
    """A backward step that passes on the upstream gradient unchanged."""
    return upstream, {}


def apply_twice(taped: Taped) -> Back:
    """A backward step that multiplies by the derivative of its activation twice."""
    return lambda upstream: taped.backward(taped.backward(upstream)[0])


def multiply_by(factor: Array) -> Back:
    """A backward step that multiplies the upstream gradient by a factor."""
    return lambda upstream: (upstream * factor, {})
