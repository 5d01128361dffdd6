import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn import metrics
from sklearn.datasets import make_classification

from deltarule import TabularClassifier
from deltarule.estimators.tabular import candidate_search
from deltarule.estimators.tabular.calibration import (
    LogitCalibration,
    apply_calibration,
    calibrate_arrays,
    cross_calibrate,
    fit_calibration,
)
from deltarule.problem.network import Network


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.4, 2.5))
def test_scale_and_biases_are_recovered(seed: int, classes: int, scale: float) -> None:
    """Of classes drawn with their true probabilities, some of which are rare."""
    random = np.random.default_rng(seed)
    biases, logits = random.normal(size=classes), 1.5 * random.normal(size=(20_000, classes))
    biases -= biases.mean()
    true = softmax(logits + biases, axis=1)
    drawn = (random.random((20_000, 1)) > true.cumsum(axis=1)[:, :-1]).sum(axis=1)
    found, added = fit_calibration(drawn, softmax(logits / scale, axis=1))
    assert found == pytest.approx(scale, rel=0.15)
    np.testing.assert_allclose(added, biases, atol=0.5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(20, 300))
def test_mean_probabilities_equal_shares(seed: int, classes: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    probabilities, known = softmax(2 * random.normal(size=(rows, classes)), axis=1), random.integers(classes, size=rows)
    scale, biases = fit_calibration(known, probabilities)
    means = softmax(scale * np.log(probabilities) + biases, axis=1).mean(axis=0)
    np.testing.assert_allclose(means, np.bincount(known, minlength=classes) / rows, atol=1 / rows + 1e-3)


@pytest.mark.parametrize("biases", [[0.9, 0.1], [0.5, -0.3, 0.2]])
def test_a_network_in_parts_is_calibrated(biases: list[float]) -> None:
    classes = len(biases)
    network = Network([2, 3, classes if classes > 2 else 1], output="softmax" if classes > 2 else "sigmoid")
    random, x = np.random.default_rng(0), np.random.default_rng(1).normal(size=(20, 2))
    arrays = {entry.name: random.normal(size=entry.shape) for entry in network.entries}

    def probabilities(arrays: dict[str, np.ndarray]) -> np.ndarray:
        z = np.maximum(x @ arrays["W1"] + arrays["b1"], 0) @ arrays["W2"] + arrays["b2"]
        return softmax(z if classes > 2 else np.hstack([0 * z, z]), axis=1)

    calibration = LogitCalibration(0.4, np.array(biases))
    calibrated = calibrate_arrays(arrays, 2, calibration)
    np.testing.assert_allclose(probabilities(calibrated), apply_calibration(probabilities(arrays), calibration))


@pytest.mark.slow
@pytest.mark.usefixtures("one_candidate")
@pytest.mark.parametrize("seed", [0, 2])
def test_ensembles_are_calibrated_though_few_rows_are_searched(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Single networks, trained on a few rows, are far too certain; the ensemble of all rows is not."""
    monkeypatch.setattr(candidate_search, "search_rows", lambda candidates, inputs, rows, outputs=1: min(rows, 400))
    shape = {"n_informative": 6, "n_clusters_per_class": 4, "flip_y": 0.1, "random_state": seed}
    x, y = make_classification(6000, 10, **shape)
    model = TabularClassifier(random_state=0).fit(x[:3000], y[:3000])
    logits = np.log(model.predict_proba(x[3000:]))
    factors = np.linspace(0.3, 3, 109)
    losses = [-log_softmax(factor * logits, axis=1)[np.arange(3000), y[3000:]].mean() for factor in factors]
    assert 0.85 < factors[np.argmin(losses)] < 1.2
    scores = model.report_.scores
    assert scores.confidence == pytest.approx(model.predict_proba(x[3000:]).max(axis=1).mean(), abs=0.03)
    assert scores.log_loss == pytest.approx(min(losses), abs=0.05)


def test_each_fold_is_calibrated_by_the_others() -> None:
    random = np.random.default_rng(0)
    probabilities, classes = random.dirichlet([1, 1], 400), random.integers(2, size=400)
    own = apply_calibration(probabilities, fit_calibration(classes, probabilities))
    crossed = cross_calibrate(classes, probabilities)
    assert (
        metrics.log_loss(classes, own) < metrics.log_loss(classes, crossed) < metrics.log_loss(classes, probabilities)
    )
