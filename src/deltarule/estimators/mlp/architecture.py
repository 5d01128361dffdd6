"""The architecture of a fitted network in plain values, and the network of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from itertools import starmap
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.maths.activations import Activation
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.problem import registry
from deltarule.problem.network import Network
from deltarule.problem.registry import Named

ACTIVATION_ALIASES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that deltarule names differently."""

OUTPUT_ACTIVATIONS = {"logistic": "sigmoid", "softmax": "softmax", "identity": "identity", "exp": "exponential"}
"""deltarule's output activation for each of scikit-learn's names."""

ACTIVATION_TEST_POINTS = (-97.3, -20.7, -5.3, -1.9, -0.71, -0.23, -0.013, 0.0, 0.013, 0.23, 0.71, 1.9, 5.3, 20.7, 97.3)
"""Points at which a custom activation is compared with the one of a model file: values are the same on every machine up
to rounding, while bytecode depends on the version of Python."""


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network in plain values, which any file can hold.

    sizes        from the inputs to the outputs
    activations  one for each hidden layer
    output       scikit-learn's name of the output activation
    values       of each custom activation at `ACTIVATION_TEST_POINTS`, once the network has been built
    """

    sizes: tuple[int, ...]
    activations: tuple[Named, ...]
    output: str
    batch_norm: bool = False
    values: tuple[tuple[float, ...], ...] | None = field(default=None, compare=False)
    scaling_layer: bool = False

    def network(self) -> Network:
        """The network of this architecture, the same one in every call.

        >>> Architecture((2, 3, 1), ("logistic",), "identity").network()
        Network 2-3-1 (sigmoid, identity), 13 parameters
        """
        return self._network

    @cached_property
    def _network(self) -> Network:
        """The network, built once per model."""
        names = tuple(map(_resolve_alias, self.activations))
        if self.values is None:
            hidden = tuple(map(registry.activation, names))
            saved: Sequence[tuple[float, ...]] = ((),) * len(hidden)
        else:
            hidden = tuple(starmap(_matching_activation, zip(names, self.values, strict=True)))
            saved = self.values  # empty tuples in older files
        values = tuple(old or _test_values(activation) for old, activation in zip(saved, hidden, strict=True))
        object.__setattr__(self, "values", values)
        return _make_network(self.sizes, hidden, self.output, self.batch_norm, self.scaling_layer)

    def __getstate__(self) -> dict[str, Any]:
        """Plain values only: the network has functions, which cannot be pickled."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


# Cached, for predictions of single rows; keyed by the formulas, because a name may be registered again.
@lru_cache(maxsize=64)
def _make_network(
    sizes: tuple[int, ...], hidden: tuple[Activation, ...], output: str, batch_norm: bool, scaling_layer: bool
) -> Network:
    """Build a network with scikit-learn's initializer."""
    logistic = bool(hidden) and all(activation.name == "sigmoid" for activation in hidden)
    return Network(
        list(sizes),
        hidden,
        OUTPUT_ACTIVATIONS[output],
        batch_norm=batch_norm,
        scaling_layer=scaling_layer,
        initializer=GLOROT_LOGISTIC if logistic else GLOROT,
    )


def _resolve_alias(name: Named) -> Named:
    if isinstance(name, str):
        return ACTIVATION_ALIASES.get(name, name)
    if "name" not in (name if isinstance(name, Mapping) else ()):
        return name  # the registry rejects it
    return {**name, "name": ACTIVATION_ALIASES.get(str(name["name"]), name["name"])}


def _matching_activation(named: Named, values: Sequence[float]) -> Activation:
    """The registered activation that matches the one of the fit."""
    name = named if isinstance(named, str) else named["name"]
    if name not in registry.names("activation"):
        raise BadInput(f"the model has the activation '{name}', which is not registered here; register it first")
    activation = registry.activation(named)
    expected = np.array(values, float)
    if len(values) and not np.allclose(_test_values(activation), expected, rtol=1e-6, atol=1e-9, equal_nan=True):
        raise BadInput(
            f"the model was made with another formula named '{name}' than the one that is registered here; register "
            "the one that it was made with"
        )
    return activation


def _test_values(activation: Activation) -> tuple[float, ...]:
    if registry.is_built_in(activation) or activation.rowwise:
        return ()
    with np.errstate(all="ignore"):
        return tuple(activation.forward(np.array([ACTIVATION_TEST_POINTS]))[0][0].tolist())


def _glorot_logistic(fan_in: int, fan_out: int) -> float:
    return float(np.sqrt(2 / (fan_in + fan_out)))


GLOROT = replace(INITIALIZERS["glorot_uniform"], biases="same")
GLOROT_LOGISTIC = Initializer("glorot_logistic", "uniform", _glorot_logistic, biases="same")
"""scikit-learn's initializers: biases start like weights, and both are smaller for logistic units."""
