import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.datasets import load_iris

from deltarule import MLPClassifier, TabularClassifier
from deltarule.estimators.tabular.calibration import SCALE_BOUNDS, calibrate, fit_calibration


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.4, 2.5))
def test_the_scale_and_the_biases_that_logits_lack_are_found(seed: int, classes: int, scale: float) -> None:
    """Of classes drawn with their true probabilities, some of which are rare."""
    random = np.random.default_rng(seed)
    biases, logits = random.normal(size=classes), 1.5 * random.normal(size=(4000, classes))
    biases -= biases.mean()
    true = softmax(logits + biases, axis=1)
    drawn = (random.random((4000, 1)) > true.cumsum(axis=1)[:, :-1]).sum(axis=1)
    found, added = fit_calibration(drawn, softmax(logits / scale, axis=1))
    assert found == pytest.approx(scale, rel=0.15)
    np.testing.assert_allclose(added, biases, atol=0.5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(20, 300))
def test_classes_are_as_frequent_in_the_mean_as_they_are(seed: int, classes: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    probabilities, known = softmax(2 * random.normal(size=(rows, classes)), axis=1), random.integers(classes, size=rows)
    scale, biases = fit_calibration(known, probabilities)
    means = softmax(scale * np.log(probabilities) + biases, axis=1).mean(axis=0)
    np.testing.assert_allclose(means, np.bincount(known, minlength=classes) / rows, atol=1 / rows + 1e-3)


def test_a_few_right_answers_do_not_make_others_certain() -> None:
    few, many = (
        fit_calibration(np.arange(n) % 2, np.tile([[0.9, 0.1], [0.1, 0.9]], (n // 2, 1)))[0] for n in (30, 30_000)
    )
    assert 1 < few < many <= SCALE_BOUNDS[1]
    assert softmax(few * np.log([0.9, 0.1]))[0] == pytest.approx(1 - 1 / 32 / 2, abs=1e-3)


def test_wrong_answers_that_were_certain_keep_to_the_bounds() -> None:
    scale, _ = fit_calibration(np.array([1, 0] * 5), np.array([[1.0, 0.0], [0.0, 1.0]] * 5))
    assert scale == pytest.approx(SCALE_BOUNDS[0])


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("biases", [[0.9, 0.1], [0.5, -0.3, 0.2]])
def test_the_probabilities_of_a_network_are_calibrated(biases: list[float]) -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[y < len(biases)], y[y < len(biases)]
    model = MLPClassifier((5,), max_iter=20, random_state=0).fit(x, y)
    expected = softmax(0.4 * np.log(model.predict_proba(x)) + biases, axis=1)
    calibrate(model, 0.4, np.array(biases))
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-9)


def test_a_class_of_two_rows_in_one_fold_does_not_stop_a_fit() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    y = np.where(x[:, 0] > 0, "above", "below")
    y[:2] = "rare"
    model = TabularClassifier(random_state=0).fit(x, y)
    assert model.predict_proba(x).shape == (60, 3)
