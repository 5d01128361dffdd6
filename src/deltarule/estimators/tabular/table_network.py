"""The networks of tabular estimators.

D inputs · H units of a hidden layer
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted_network import (
    Architecture,
    FittedNetwork,
    TrainingRows,
    set_network,
    set_weights,
    weights_of_members,
)
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.maths.losses import smooth_labels
from deltarule.maths.network import views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State

FIRST_LAYER_FACTOR = 6.0
"""RealMLP multiplies each feature by a weight with six times the learning rate of others; here inputs are multiplied.
With half of it there were 9 % more errors on the table phoneme, with twice as much 2 % fewer."""

LABEL_SMOOTHING = 0.1
"""As in RealMLP. Without it the logits on the table phoneme were four times as large as they should be."""

MAX_FLOAT32_INPUT = 1e3
"""In standard deviations: the squares of larger inputs would lose too many digits in float32."""


class TableNetwork(BaseMLP):
    """A network that is initialized and trained like RealMLP if it is deep.

    Hidden weights start with the variance 1 / fan_in, hidden biases with the variance 1, and output weights at 0.
    RealMLP divides the sums of a layer by √fan_in, so that under Adam the weights of the first layer, with D inputs,
    learn √(H / D) times as fast as those of a hidden layer with H inputs. Here the inputs are multiplied by this factor
    for training, which has the same effect under Adam, and keeps one compiled program for networks of all depths.

    Networks with hidden units are trained in float32, in half of the time; the fitted weights are float64.
    See Holzmüller, Grinsztajn & Steinwart, Better by Default, 2024, section 3.
    """

    @property
    def _is_deep(self) -> bool:
        return len(self._fitted.architecture.sizes) > 3

    @property
    def _input_factor(self) -> float:
        inputs, hidden, *_ = self._fitted.architecture.sizes
        return FIRST_LAYER_FACTOR * math.sqrt(hidden / inputs) if self._is_deep else 1.0

    def _create_problem(self, rows: TrainingRows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        """Use float32 for hidden layers where the inputs allow it, and smooth the labels of deep classifiers."""
        is_float32 = len(self._fitted.architecture.sizes) > 2 and np.abs(rows.x).max() < MAX_FLOAT32_INPUT
        dtype = np.float32 if is_float32 else np.float64
        weights = None if rows.w is None else rows.w.astype(dtype)
        x = (self._input_factor * rows.x).astype(dtype)
        problem = super()._create_problem(TrainingRows(x, rows.y.astype(dtype), weights), generator, rows_seen)
        if not (self._is_deep and is_classifier(self)):
            return problem
        return replace(problem, y=np.asarray(smooth_labels(problem.loss, problem.y, LABEL_SMOOTHING), dtype))

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        """The initial state, with RealMLP's weights in a new deep network."""
        state = super()._initial_state(problem, is_new_fit)
        arrays = views(state.theta, problem.network.entries)
        if is_new_fit and self._is_deep:
            self._start_deep(arrays, problem.seeds.tolist())
        arrays["W1"] /= self._input_factor
        return state

    def _start_deep(self, arrays: dict[str, Floats], seeds: list[int]) -> None:
        """Draw hidden weights and biases for RealMLP; the last layer starts at 0."""
        *hidden, last = [name for name in arrays if name.startswith("W")]
        for member, seed in enumerate(seeds):
            random = np.random.default_rng(seed)
            for name in hidden:
                fan_in, units = arrays[name][member].shape
                arrays[name][member] = random.normal(size=(fan_in, units)) / math.sqrt(fan_in)
                arrays[name.replace("W", "b")][member] = random.normal(size=units)
        arrays[last][...] = 0.0

    def _set_state(self, network: Network, state: State) -> None:
        super()._set_state(network, state)
        self.coefs_ = [weights.astype(np.float64) for weights in self.coefs_]
        self.coefs_[0] *= self._input_factor
        self.intercepts_ = [biases.astype(np.float64) for biases in self.intercepts_]


def blend_networks(models: Sequence[BaseMLP], used_inputs: Sequence[Any]) -> BaseMLP:
    """One ensemble of all members of several, each of which has some inputs of the first, all of the same weight.

    All become as deep and wide as the largest. Identity layers after ReLU and units of weight 0 change nothing, and a
    linear model's z is max(0, z) − max(0, −z).
    """
    if len(models) == 1:
        return models[0]
    blended = copy.copy(max(models, key=lambda model: len(model.coefs_)))
    members = max(model._fitted.members for model in models)
    layers = [_deepened(model, len(blended.coefs_)) for model in models]
    inputs = layers[0][0][0].shape[1]
    sizes = (inputs, *(max(part[n][0].shape[2] for part in layers) for n in range(len(blended.coefs_))))
    arrays: dict[str, Floats] = {}
    for n, (fan_in, units) in enumerate(pairwise(sizes)):
        weights = np.zeros((len(models), members, fan_in, units))
        biases = np.zeros((len(models), members, 1, units))
        for index, (part, used) in enumerate(zip(layers, used_inputs, strict=True)):
            own_weights, own_biases = part[n]
            rows = used if n == 0 else slice(own_weights.shape[1])
            weights[index][:, rows, : own_weights.shape[2]] = own_weights
            biases[index][:, :, : own_biases.shape[2]] = own_biases
        arrays |= {f"W{n + 1}": weights.reshape(-1, fan_in, units), f"b{n + 1}": biases.reshape(-1, 1, units)}
    blended.n_features_in_ = inputs
    hidden = sizes[1:-1]
    blended.set_params(hidden_layer_sizes=hidden, n_members=len(arrays["W1"]))
    architecture = Architecture(sizes, ("relu",) * len(hidden), blended.out_activation_)
    set_network(blended, FittedNetwork(architecture, len(arrays["W1"])))
    set_weights(blended, arrays)
    return blended


def _deepened(model: BaseMLP, count: int) -> list[tuple[Floats, Floats]]:
    """Weights and biases of a network with so many layers and the same output.

    The shapes are [K, D, H] and [K, 1, H].
    """
    arrays = weights_of_members(model)
    layers = [(arrays[f"W{n}"], arrays[f"b{n}"]) for n in range(1, len(model.coefs_) + 1)]
    if len(layers) == 1 < count:
        weights, biases = layers[0]
        identity = np.eye(weights.shape[2])[None]
        signed = np.concatenate([weights, -weights], axis=2), np.concatenate([biases, -biases], axis=2)
        layers = [signed, (np.concatenate([identity, -identity], axis=1), np.zeros_like(biases))]
    units = layers[0][0].shape[2]
    identity_layer = np.eye(units)[None], np.zeros((1, 1, units))
    return [layers[0], *[identity_layer] * (count - len(layers)), *layers[1:]]


class TableNetworkClassifier(TableNetwork, MLPClassifier):
    """The network of a `TabularClassifier`; a deep one is trained on smoothed labels."""


class TableNetworkRegressor(TableNetwork, MLPRegressor):
    """The network of a `TabularRegressor`."""
