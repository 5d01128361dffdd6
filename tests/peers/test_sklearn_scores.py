"""With other weights and other orders of rows than scikit-learn's, the scores differ by no more than chance."""

from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import deltarule

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SEEDS = range(12)


def score(library: Any, kind: str, data: tuple[Any, Any], settings: dict[str, Any], seed: int) -> float:
    x, x_test, y, y_test = train_test_split(*data, random_state=seed, test_size=0.3)
    scaler = StandardScaler().fit(x)
    model = getattr(library, kind)(random_state=seed, **settings).fit(scaler.transform(x), y)
    return float(model.score(scaler.transform(x_test), y_test))


CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("MLPClassifier", load_breast_cancer, {"max_iter": 25, "batch_size": 50}),
    ("MLPClassifier", load_breast_cancer, {"max_iter": 25, "batch_size": 50, "early_stopping": True}),
    ("MLPClassifier", load_breast_cancer, {"solver": "lbfgs", "max_iter": 40}),
    (
        "MLPClassifier",
        load_breast_cancer,
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05, "max_iter": 25},
    ),
    ("MLPRegressor", load_diabetes, {"learning_rate_init": 0.1, "max_iter": 60, "activation": "tanh"}),
]


@pytest.mark.parametrize(("kind", "load", "settings"), CASES)
def test_scores_are_within_the_noise(kind: str, load: Any, settings: dict[str, Any]) -> None:
    data = load(return_X_y=True)
    ours, theirs = (
        np.array([score(library, kind, data, settings, seed) for seed in SEEDS])
        for library in (deltarule, neural_network)
    )
    differences = ours - theirs
    # Student's t for 11 degrees of freedom: 99.9 % of means lie within, where nothing but chance is at work.
    margin = 4.437 * differences.std(ddof=1) / len(SEEDS) ** 0.5
    assert abs(differences.mean()) < margin
    assert margin < 0.05, "so few seeds could not tell"
