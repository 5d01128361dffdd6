"""scikit-learn's MLPClassifier as a contender: one network after another, with our initial weights and row order.

Where a batch is all the rows, `fit` makes all updates in one call. Else each epoch has an order of its own, and is a
call of `partial_fit`.
"""

import warnings
from typing import Any

import numpy as np

from deltarule.benchmarks.contenders import Contender, LeftOut
from deltarule.benchmarks.peers_torch import ONE_BY_ONE
from deltarule.benchmarks.workloads import batches, penalty_strength
from deltarule.maths.network import flatten, views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def classifier(problem: Problem) -> Contender:
    """The networks that MLPClassifier supports: one hidden activation, cross-entropy."""
    from sklearn.neural_network import MLPClassifier

    if problem.loss.name not in ("cross_entropy", "binary_cross_entropy"):
        raise LeftOut("no squared error behind a sigmoid")
    members = min(ONE_BY_ONE, problem.members)
    start = initial_state(problem).theta[:members]
    hidden = problem.network.layers[:-1]
    model = MLPClassifier(
        [layer.units for layer in hidden],
        activation={"sigmoid": "logistic", "relu": "relu"}[hidden[0].activation.name],
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
    model.partial_fit(problem.x, labels, classes=np.unique(labels))  # makes its arrays, which are then ours
    epochs = _Epochs(problem, labels)

    def train(theta: Floats, n: int) -> Floats:
        _set_weights(model, problem, theta)
        if problem.batch_size is None:
            model.set_params(max_iter=n, n_iter_no_change=n + 1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that n epochs were too few for it to converge
                model.fit(problem.x, labels)
        else:
            for x, y in epochs.of(n):
                model.partial_fit(x, y)
        arrays = {f"W{i + 1}": W for i, W in enumerate(model.coefs_)}
        arrays |= {f"b{i + 1}": b[None] for i, b in enumerate(model.intercepts_)}
        return flatten(arrays, problem.network.entries)

    def advance(n: int) -> Floats:
        return np.stack([train(theta, n) for theta in start])

    about = "fit" if problem.batch_size is None else "partial_fit, an epoch a call"
    return Contender("scikit-learn", f"{about}, one by one", members, advance)


class _Epochs:
    """The rows of whole epochs in our order, and of a partial last one; arranged outside of the measured time."""

    def __init__(self, problem: Problem, labels: Any) -> None:
        self.problem, self.labels = problem, labels
        self.ordered: dict[int, list[tuple[Floats, Any]]] = {}

    def of(self, n: int) -> list[tuple[Floats, Any]]:
        if n not in self.ordered:
            self.ordered = {n: self._of(n)}  # one length at a time: each holds a copy of the data for each epoch
        return self.ordered[n]

    def _of(self, n: int) -> list[tuple[Floats, Any]]:
        ids = batches(self.problem, n)
        assert ids is not None
        each = self.problem.steps_per_epoch(0)
        parts = [ids[first : first + each].ravel() for first in range(0, n, each)]
        return [(self.problem.x[part], self.labels[part]) for part in parts]


def _set_weights(model: Any, problem: Problem, theta: Floats) -> None:
    """Set our weights in a fitted model, with everything else reset."""
    arrays = views(theta, problem.network.entries)
    for i in range(len(model.coefs_)):
        model.coefs_[i][...] = arrays[f"W{i + 1}"]
        model.intercepts_[i][...] = arrays[f"b{i + 1}"][0]
    model.best_loss_, model._no_improvement_count = np.inf, 0
    if hasattr(model, "_optimizer"):
        del model._optimizer
