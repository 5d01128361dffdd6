import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor, load_model
from deltarule.estimators.mlp.fit import Fit
from deltarule.estimators.tabular import candidate_search
from deltarule.estimators.tabular.table_network import (
    FIRST_LAYER_FACTOR,
    TableNetworkClassifier,
    TableNetworkRegressor,
    blend_networks,
)

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:the features are not scaled")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 20))
Y = X[:, 0] * X[:, 1] + X[:, 2]
DEEP = {"hidden_layer_sizes": (80, 80), "random_state": 0, "batch_size": 200, "alpha": 0.0}


def planned(x: np.ndarray, **settings: Any) -> Any:
    """The plan of a training."""
    model = TableNetworkRegressor(**DEEP, **settings)
    return Fit(model, x, Y).plan()


def test_networks_without_two_hidden_layers_are_ordinary_ones() -> None:
    for hidden, tolerance in (((), 0.0), ((7,), 1e-4)):  # those with hidden units are trained in float32
        settings: dict[str, Any] = {"hidden_layer_sizes": hidden, "max_iter": 3, "random_state": 0}
        for kind, usual, y in (
            (TableNetworkRegressor, MLPRegressor, Y),
            (TableNetworkClassifier, MLPClassifier, Y > 0),
        ):
            found, expected = kind(**settings).fit(X, y), usual(**settings).fit(X, y)
            for one, other in zip(found.coefs_, expected.coefs_, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_blend_predicts_the_mean_of_its_networks(classes: int) -> None:
    """Of networks of any depth, some with fewer inputs."""
    kind: Any = TableNetworkClassifier if classes else TableNetworkRegressor
    y = np.digitize(Y, [0, 1][: classes - 1]) if classes else Y
    used = [slice(None), np.arange(20) < 9, slice(None), np.arange(20) % 2 == 0]
    shapes: list[tuple[int, ...]] = [(), (), (7,), (5, 6, 4)]
    models = [
        kind(hidden_layer_sizes=hidden, max_iter=2, random_state=0, n_members=3 if hidden else 1).fit(X[:, own], y)
        for hidden, own in zip(shapes, used, strict=True)
    ]

    def answers(model: Any, x: np.ndarray) -> np.ndarray:
        return model.predict_proba(x) if classes else model.predict(x)

    blend: Any = blend_networks(models, used)
    mean = np.mean([answers(model, X[:, own]) for model, own in zip(models, used, strict=True)], axis=0)
    np.testing.assert_allclose(answers(blend, X), mean, atol=1e-12)
    assert blend.n_members == 12 and blend_networks(models[:1], used[:1]) is models[0]
    linear = blend_networks(models[:2], used[:2])
    assert linear.hidden_layer_sizes == ()


def test_hidden_weights_start_with_a_variance_of_one_over_their_inputs_and_outputs_with_zero() -> None:
    plan = planned(X, n_members=8)
    plan.state.theta[:, : 20 * 80] *= FIRST_LAYER_FACTOR * math.sqrt(80 / 20)  # by which the inputs are multiplied
    first, biases, second, _, last, _ = np.split(plan.state.theta, np.cumsum([20 * 80, 80, 80 * 80, 80, 80]), axis=1)
    assert first.std() == pytest.approx(1 / math.sqrt(20), rel=0.03)
    assert second.std() == pytest.approx(1 / math.sqrt(80), rel=0.03)
    assert biases.std() == pytest.approx(1.0, rel=0.1)
    assert not last.any()
    assert len(np.unique(plan.state.theta[:, 0])) == 8  # members differ


def test_the_first_layer_learns_six_times_as_fast_and_faster_for_few_inputs() -> None:
    """Adam's first updates of a weight are as large as its learning rate. Weights of the outputs start at 0, and
    let no gradient through to hidden layers before the second update."""
    model = TableNetworkRegressor(**DEEP, max_iter=2, learning_rate_init=1e-2, tol=0).fit(X, Y)
    start = planned(X).state.theta[0]
    factor = FIRST_LAYER_FACTOR * math.sqrt(80 / 20)
    first = np.abs(model.coefs_[0].ravel() - factor * start[: 20 * 80])
    second = np.abs(model.coefs_[1].ravel() - start[20 * 80 + 80 :][: 80 * 80])
    assert np.median(first) / np.median(second) == pytest.approx(factor, rel=0.05)


def test_a_deep_classifier_learns_smoothed_labels() -> None:
    """A tenth of each label is spread over the classes, as RealMLP does."""
    for y, kept in ((Y > 0, 0.95), (np.digitize(Y, [-1, 1]), 0.9 + 0.1 / 3)):
        model = TableNetworkClassifier(**DEEP)
        problem = Fit(model, X, y).plan().problem
        np.testing.assert_allclose(problem.y.max(axis=1)[y > 0], kept, rtol=1e-6)
        assert problem.dtype == problem.y.dtype == np.float32


@pytest.mark.parametrize(("largest", "dtype"), [(900.0, np.float32), (1e9, np.float64)])
def test_it_learns_in_float32_where_that_can_hold_the_inputs(largest: float, dtype: type) -> None:
    x = X.copy()
    x[0, 0] = largest
    assert planned(x).problem.dtype == dtype
    assert TableNetworkRegressor(**DEEP, max_iter=1).fit(x, Y).coefs_[0].dtype == np.float64


@pytest.mark.sampled(2)
@pytest.mark.parametrize("classify", [True, False])
def test_a_deep_network_of_a_table_is_saved_and_exported(
    classify: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = {"hidden_layer_sizes": [candidate_search.DEEP_HIDDEN_SIZES], "learning_rate_init": [0.004]}
    monkeypatch.setattr(candidate_search, "CANDIDATES", (deep | {"alpha": [1e-4], "max_iter": [10]},))
    kind: Any = TabularClassifier if classify else TabularRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(random_state=0).fit(X[:, :4], np.where(Y > 0, "above", "below") if classify else Y)
    assert model.report_.settings["hidden_layer_sizes"] == candidate_search.DEEP_HIDDEN_SIZES
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    answers = (lambda one: one.predict_proba(X[:, :4])) if classify else (lambda one: one.predict(X[:, :4]))
    np.testing.assert_array_equal(answers(loaded), answers(model))
    assert loaded.report_ == model.report_
