"""The architecture of a fitted network in plain values, and the network of it."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.problem import registry
from deltarule.problem.network import Network
from deltarule.problem.registry import Named

ACTIVATION_ALIASES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that deltarule names differently."""

OUTPUT_ACTIVATIONS = {"logistic": "sigmoid", "softmax": "softmax", "identity": "identity", "exp": "exponential"}
"""deltarule's output activation for each of scikit-learn's names."""


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network in plain values, which any file can hold.

    There is an activation for each hidden layer; `output` is scikit-learn's name of the output activation.
    """

    sizes: tuple[int, ...]
    activations: tuple[Named, ...]
    output: str
    batch_norm: bool = False
    scaling_layer: bool = False

    @cached_property
    def network(self) -> Network:
        hidden = [registry.activation(_resolve_alias(activation)) for activation in self.activations]
        logistic = bool(hidden) and all(activation.name == "sigmoid" for activation in hidden)
        return Network(
            list(self.sizes),
            hidden,
            OUTPUT_ACTIVATIONS[self.output],
            batch_norm=self.batch_norm,
            scaling_layer=self.scaling_layer,
            initializer=GLOROT_LOGISTIC if logistic else GLOROT,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Plain values only: the network has functions, which cannot be pickled."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


def _resolve_alias(name: Named) -> Named:
    if isinstance(name, str):
        return ACTIVATION_ALIASES.get(name, name)
    return {**name, "name": ACTIVATION_ALIASES.get(str(name["name"]), name["name"])}


def _glorot_logistic(fan_in: int, fan_out: int) -> float:
    return float(np.sqrt(2 / (fan_in + fan_out)))


GLOROT = replace(INITIALIZERS["glorot_uniform"], biases="same")
GLOROT_LOGISTIC = Initializer("glorot_logistic", "uniform", _glorot_logistic, biases="same")
"""scikit-learn's initializers: biases start like weights, and both are smaller for logistic units."""
