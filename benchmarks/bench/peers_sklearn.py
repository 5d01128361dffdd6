"""scikit-learn's MLPClassifier as a contender: one network after another, with our initial weights and row order.

With full batches, `fit` makes all updates in one call. Otherwise each epoch has a different order of rows, and is a
call of `partial_fit`.
"""

import warnings
from typing import Any

import numpy as np

from bench.contenders import Contender, LeftOut
from bench.peers_torch import ONE_BY_ONE
from bench.workloads import batches, penalty_strength
from deltarule.maths.network import flatten, views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def classifier(problem: Problem) -> Contender:
    """The contender MLPClassifier, one network after another; raises `LeftOut` for a loss that it does not support."""
    from sklearn.neural_network import MLPClassifier

    if problem.loss.name not in ("cross_entropy", "binary_cross_entropy"):
        raise LeftOut("no squared error behind a sigmoid")
    members = min(ONE_BY_ONE, problem.members)
    start = initial_state(problem).theta[:members]
    activation = problem.network.activations[1].name
    model = MLPClassifier(
        problem.network.sizes[1:-1],
        activation={"sigmoid": "logistic", "relu": "relu"}[activation],
        solver="adam" if problem.optimizer.name == "adam" else "sgd",
        alpha=penalty_strength(problem) * problem.batch_rows(0),
        batch_size=problem.batch_rows(0),
        learning_rate_init=float(problem.numbers["learning_rate"][0]),
        shuffle=False,  # the rows come in our order
        momentum=float(problem.numbers["momentum"][0]) if problem.optimizer.name == "momentum" else 0.0,
        nesterovs_momentum=False,
        warm_start=True,
        tol=0.0,
    )
    labels = problem.y.argmax(1) if problem.network.outputs > 1 else problem.y[:, 0].astype(int)
    model.partial_fit(problem.x, labels, classes=np.unique(labels))  # creates the arrays that we overwrite
    epochs = _Epochs(problem, labels)

    def train(theta: Floats, n: int) -> Floats:
        """Train one network from θ [P] for n updates, and return its θ."""
        _set_weights(model, problem, theta)
        if problem.batch_size is None:
            model.set_params(max_iter=n, n_iter_no_change=n + 1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that n epochs were too few for it to converge
                model.fit(problem.x, labels)
        else:
            for x, y in epochs.ordered_rows(n):
                model.partial_fit(x, y)
        arrays = {f"W{i + 1}": W for i, W in enumerate(model.coefs_)}
        arrays |= {f"b{i + 1}": b[None] for i, b in enumerate(model.intercepts_)}
        return flatten(arrays, problem.network.entries)

    def advance(n: int) -> Floats:
        return np.stack([train(theta, n) for theta in start])

    about = "fit" if problem.batch_size is None else "partial_fit, an epoch a call"
    return Contender("scikit-learn", f"{about}, one by one", members, advance)


class _Epochs:
    """The rows of each epoch in our order, the last of which may be partial; cached outside of the measured time."""

    def __init__(self, problem: Problem, labels: Any) -> None:
        self.problem, self.labels = problem, labels
        self.cache: dict[int, list[tuple[Floats, Any]]] = {}

    def ordered_rows(self, n: int) -> list[tuple[Floats, Any]]:
        """The inputs and labels of each epoch of n updates, in our order of rows."""
        if n not in self.cache:
            # For one n at a time, because it holds a copy of the data for each epoch.
            self.cache = {n: self._order_rows(n)}
        return self.cache[n]

    def _order_rows(self, n: int) -> list[tuple[Floats, Any]]:
        """Copy the inputs and labels of each epoch in the order of the batches."""
        ids = batches(self.problem, n)
        assert ids is not None
        each = self.problem.steps_per_epoch(0)
        parts = [ids[first : first + each].ravel() for first in range(0, n, each)]
        return [(self.problem.x[part], self.labels[part]) for part in parts]


def _set_weights(model: Any, problem: Problem, theta: Floats) -> None:
    """Set the weights of a fitted model to θ [P], and reset everything else."""
    arrays = views(theta, problem.network.entries)
    for i in range(len(model.coefs_)):
        model.coefs_[i][...] = arrays[f"W{i + 1}"]
        model.intercepts_[i][...] = arrays[f"b{i + 1}"][0]
    model.best_loss_, model._no_improvement_count = np.inf, 0
    if hasattr(model, "_optimizer"):
        del model._optimizer
