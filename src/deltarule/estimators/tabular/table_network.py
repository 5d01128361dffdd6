"""The networks of tabular estimators.

D inputs · H units of a hidden layer
"""

import math
from dataclasses import replace

import numpy as np

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fit_context import Rows
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.maths.elementary import Fixed
from deltarule.maths.losses import smooth_labels
from deltarule.maths.network import views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State

FIRST_LAYER_FACTOR = 6.0
"""RealMLP multiplies each feature by a weight with six times the learning rate of others. Here the weights of the first
layer have it. With half of it there were 9 % more errors on the table phoneme, with twice as much 2 % fewer."""

LABEL_SMOOTHING = 0.1
"""As in RealMLP. Without it the logits on the table phoneme were four times as large as they should be."""

MAX_FLOAT32_INPUT = 1e3
"""In standard deviations: the squares of larger inputs would lose too many digits in float32."""


class TableNetwork(BaseMLP):
    """A network that is initialized and trained like RealMLP if it is deep.

    Hidden weights start with the variance 1 / fan_in, hidden biases with the variance 1, and output weights at 0.
    RealMLP divides the sums of a layer by √fan_in, so that under Adam the weights of the first layer, with D inputs,
    learn √(H / D) times as fast as those of a hidden layer with H inputs. Here their learning rate has this factor.

    Such networks are trained in float32, in half of the time; the fitted weights are float64.
    See Holzmüller, Grinsztajn & Steinwart, Better by Default, 2024, section 3.
    """

    def _create_problem(self, rows: Rows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        """Create the problem of a fit, with RealMLP's learning rates if it is deep."""
        if len(self._architecture.sizes) < 4:
            return super()._create_problem(rows, generator, rows_seen)
        if np.abs(rows.x).max() < MAX_FLOAT32_INPUT:
            rows = Rows(rows.x.astype(np.float32), rows.y.astype(np.float32), rows.w)
        problem = super()._create_problem(rows, generator, rows_seen)
        inputs, hidden, *_ = problem.network.sizes
        factors = Fixed({"W1": FIRST_LAYER_FACTOR * math.sqrt(hidden / inputs)})
        return replace(problem, y=self._smooth_targets(problem), learning_rate_factors=factors)

    def _smooth_targets(self, problem: Problem) -> Floats:
        return problem.y

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        """The initial state, with RealMLP's weights in a new deep network."""
        state = super()._initial_state(problem, is_new_fit)
        if len(problem.network.sizes) < 4 or not is_new_fit:
            return state
        arrays = views(state.theta, problem.network.entries)
        *hidden, last = range(1, len(problem.network.layers) + 1)
        for member, seed in enumerate(problem.seeds.tolist()):
            random = np.random.default_rng(seed)
            for n in hidden:
                fan_in, units = arrays[f"W{n}"][member].shape
                arrays[f"W{n}"][member] = random.normal(size=(fan_in, units)) / math.sqrt(fan_in)
                arrays[f"b{n}"][member] = random.normal(size=units)
        arrays[f"W{last}"][...] = 0.0
        return state

    def _set_state(self, network: Network, state: State) -> None:
        super()._set_state(network, state)
        self.coefs_ = [weights.astype(np.float64) for weights in self.coefs_]
        self.intercepts_ = [biases.astype(np.float64) for biases in self.intercepts_]


class TableNetworkClassifier(TableNetwork, MLPClassifier):
    """The network of a `TabularClassifier`; a deep one is trained on smoothed labels."""

    def _smooth_targets(self, problem: Problem) -> Floats:
        return smooth_labels(problem.loss, problem.y, LABEL_SMOOTHING).astype(problem.dtype)


class TableNetworkRegressor(TableNetwork, MLPRegressor):
    """The network of a `TabularRegressor`."""
