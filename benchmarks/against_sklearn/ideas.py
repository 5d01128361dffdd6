"""Measure the effect of each idea of the deep networks in Tabular…: train without it, or with another one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from against_sklearn.tables import CHOOSING, accuracy, data_of, r_squared

SETS = (*CHOOSING, "breast_cancer", "diabetes")
"""The tables on which defaults were chosen, and bundled sets of similar difficulty."""
FOLDS, MEMBERS = 3, 4


@dataclass(frozen=True)
class Variant:
    """A change of the deep network.

    settings           parameters of the estimator
    first_layer        a function of the first layer's learning-rate factor, 6 √(H / D), that replaces it, or None
    usual_start        whether initial weights are drawn as those of other estimators
    hard_labels        whether labels are not smoothed
    coslog4            whether the learning rate follows that schedule
    inputs             a function (training inputs, inputs) that transforms standardized inputs
    """

    settings: dict[str, Any] = field(default_factory=dict)
    first_layer: Callable[[float], float] | None = None
    usual_start: bool = False
    hard_labels: bool = False
    coslog4: bool = False
    inputs: Callable[[Any, Any], Any] = lambda training, inputs: inputs


def robust_inputs(training: Any, inputs: Any) -> Any:
    """Scale inputs [n, D] by median and quartiles of the training rows, then x / √(1 + (x / 3)²), as RealMLP does.

    Columns of two values stay unchanged.
    """
    low, middle, high = np.quantile(training, [0.25, 0.5, 0.75], axis=0)
    width = np.where(high > low, high - low, np.ptp(training, axis=0) / 2)
    scaled = (inputs - middle) / np.where(width > 0, width, 1.0)
    is_binary = np.array([len(np.unique(column)) <= 2 for column in training.T])
    return np.where(is_binary, inputs, scaled / np.sqrt(1 + np.square(scaled / 3)))


def with_periodic_features(training: Any, inputs: Any) -> Any:
    """Append to inputs [n, D] eight features cos(2 π (w x + b)) of each number, with random w from N(0, 0.1²) and b.

    This is the first step of RealMLP's embeddings of numbers, whose w and b are learned.
    """
    random = np.random.default_rng(0)
    added = []
    for column, values in zip(inputs.T, training.T, strict=True):
        w, b = random.normal(0, 0.1, size=8), random.uniform(size=8)
        if len(np.unique(values)) > 2:
            added.append(np.cos(2 * np.pi * (column[:, None] * w + b)))
    return np.concatenate([inputs, *added], axis=1)


AS_IT_IS = "as it is"
VARIANTS = {
    AS_IT_IS: Variant(),
    "one hidden layer of 64, an ordinary network": Variant({"hidden_layer_sizes": (64,)}),
    "one network in place of four": Variant({"n_members": 1}),
    "the first layer learns √(H / D) times as fast": Variant(first_layer=lambda factor: factor / 6),
    "weights start as scikit-learn's": Variant(usual_start=True),
    "labels are not smoothed": Variant(hard_labels=True),
    "with β₂ of 0.95": Variant({"beta_2": 0.95}),
    "with SELU": Variant({"activation": "selu"}),
    "with Mish": Variant({"activation": "mish"}),
    "with the schedule coslog4": Variant(coslog4=True),
    "with dropout of 0.15": Variant({"dropout": 0.15}),
    "with inputs by quartiles, clipped smoothly": Variant(inputs=robust_inputs),
    "with periodic features of numbers": Variant(inputs=with_periodic_features),
}
"""Variants that begin with "with" are ideas of RealMLP."""


def network_of(variant: Variant, classify: bool, rows: int) -> Any:
    """The estimator of a variant for a table with this number of rows."""
    from deltarule.estimators.tabular import candidate_search, table_network

    kind: Any = table_network.TableNetworkClassifier if classify else table_network.TableNetworkRegressor

    class Changed(kind):  # type: ignore[misc]
        @property
        def _input_factor(self) -> float:
            factor: float = super()._input_factor
            return variant.first_layer(factor) if variant.first_layer and self._is_deep else factor

        def _smooth_targets(self, problem: Any) -> Any:
            return problem.y if variant.hard_labels else super()._smooth_targets(problem)

        def _start_deep(self, *given: Any) -> None:
            if not variant.usual_start:
                super()._start_deep(*given)

    Changed.__init__ = kind.__init__  # scikit-learn reads the parameters from its signature
    settings = candidate_search.training_settings(rows)
    if variant.coslog4:
        updates = settings["max_iter"] * math.ceil(rows / settings["batch_size"])
        settings["learning_rate"] = {"name": "coslog4", "steps": updates}
    settings |= {"hidden_layer_sizes": candidate_search.DEEP_HIDDEN_SIZES, "learning_rate_init": 0.004, "alpha": 1e-4}
    settings |= {"n_members": MEMBERS, "output_bias": "prior", "random_state": 0} | variant.settings
    return Changed(**settings, **({} if classify else {"scale_target": True}))


def folds_of(name: str) -> list[tuple[Any, Any, Any, Any, bool]]:
    """The folds of a set: training inputs and targets, test inputs and targets, and whether targets are classes."""
    from sklearn.model_selection import KFold, StratifiedKFold

    from deltarule.estimators.tabular.tabular import frame_of_input
    from deltarule.tables.column_encoder import encode_columns, fit_columns
    from deltarule.tables.column_types import infer_column_types
    from deltarule.tables.frame import select_rows

    x, y, classify = data_of(name)
    frame = frame_of_input(x)
    kinds = infer_column_types(frame).values()
    folds = (StratifiedKFold if classify else KFold)(FOLDS, shuffle=True, random_state=0)
    parts = []
    for train, test in folds.split(y, y):
        columns = fit_columns(select_rows(frame, train), kinds)
        train_inputs, test_inputs = (encode_columns(columns, select_rows(frame, rows)) for rows in (train, test))
        parts.append((train_inputs, y[train], test_inputs, y[test], classify))
    return parts


def score_variants(name: str) -> dict[str, dict[str, list[float]]]:
    """The errors of each variant (1 − accuracy or 1 − R²) on every fold of a set, and for classes the log loss."""
    from sklearn.metrics import log_loss

    from deltarule.estimators.mlp.fit_context import suppress_fit_warnings

    scores: dict[str, dict[str, list[float]]] = {variant: {"errors": [], "log_loss": []} for variant in VARIANTS}
    for train_inputs, y, test_inputs, y_test, classify in folds_of(name):
        for label, variant in VARIANTS.items():
            model = network_of(variant, classify, len(y))
            with suppress_fit_warnings():
                model.fit(variant.inputs(train_inputs, train_inputs), y)
            inputs = variant.inputs(train_inputs, test_inputs)
            if classify:
                scores[label]["errors"].append(1 - accuracy(y_test, model.predict(inputs)))
                scores[label]["log_loss"].append(log_loss(y_test, model.predict_proba(inputs), labels=model.classes_))
            else:
                scores[label]["errors"].append(1 - r_squared(y_test, model.predict(inputs)))
    return scores
