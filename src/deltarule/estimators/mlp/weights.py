"""The architecture, weights and running statistics of a fitted model.

K members · D features · H outputs of a layer
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.network import flatten
from deltarule.problem import registry
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import State, initial_state

if TYPE_CHECKING:
    from deltarule.estimators.mlp.base import BaseMLP

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


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """What training leaves of a network beside `coefs_` and `intercepts_`.

    further         arrays of batch norm and the scaling layer, by name, [D, H] or [K, D, H]
    slots, updates  the optimizer's memory and its number of updates, with which a fit is continued
    factor          the factors [K] of divided learning rates
    """

    architecture: Architecture
    members: int = 1
    further: Mapping[str, Floats] = field(default_factory=dict)
    slots: Mapping[str, Floats] = field(default_factory=dict)
    updates: int = 0
    factor: Floats | None = None


def set_network(model: "BaseMLP", fitted: FittedNetwork) -> None:
    """Set a model's network, without its weights, which `set_weights` sets."""
    model._fitted, model.out_activation_ = fitted, fitted.architecture.output
    model.n_layers_, model.n_outputs_ = len(fitted.architecture.sizes), fitted.architecture.sizes[-1]


def set_weights(model: "BaseMLP", arrays: Mapping[str, Floats]) -> None:
    """Set scikit-learn's attributes from arrays [K, D, H]; one member has [D, H]."""
    members, arrays = len(arrays["W1"]), squeeze_members(arrays)
    numbers = range(1, 1 + sum(name.startswith("W") for name in arrays))
    model.coefs_ = [arrays[f"W{n}"] for n in numbers]
    model.intercepts_ = [arrays[f"b{n}"][..., 0, :] for n in numbers]
    further = {name: array for name, array in arrays.items() if name[0] not in "Wb" or name.startswith("beta")}
    model._fitted = replace(model._fitted, members=members, further=further)


def squeeze_members(arrays: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """The arrays [K, D, H] themselves, or [D, H] of a single member."""
    return {name: array[0] for name, array in arrays.items()} if len(arrays["W1"]) == 1 else arrays


def named_weights(model: "BaseMLP") -> dict[str, Floats]:
    """The parameters and the running statistics by name, [D, H] or [K, D, H]."""
    weights = {f"W{n}": np.asarray(array) for n, array in enumerate(model.coefs_, start=1)}
    weights |= {f"b{n}": np.asarray(array)[..., None, :] for n, array in enumerate(model.intercepts_, start=1)}
    return {**weights, **model._fitted.further}


def weights_of_members(model: "BaseMLP") -> dict[str, Floats]:
    """The parameters and the running statistics by name, [K, D, H]."""
    members = model._fitted.members
    return {name: array.reshape(members, *array.shape[-2:]) for name, array in named_weights(model).items()}


def fitted_state(model: "BaseMLP", problem: Problem) -> State:
    network, arrays = problem.network, weights_of_members(model)
    state = initial_state(problem, flatten(arrays, network.entries))
    if not network.buffers:
        return state
    return replace(state, buffers=flatten(arrays, network.buffers).astype(problem.dtype))


def resumed_state(model: "BaseMLP", state: State) -> State:
    """The state with the memory of a model's optimizer, unless that was another one."""
    fitted = model._fitted
    if set(fitted.slots) != set(state.slots):
        return state
    slots = {name: slot.astype(state.theta.dtype) for name, slot in fitted.slots.items()}
    return replace(state, slots=slots, step=fitted.updates)
