"""Extreme numbers: exact losses, and training that gives numbers or names the diverged member, step and layer."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

from deltarule import BadInput, MLPClassifier, MLPRegressor, Network, create_problem, train
from deltarule.maths.activations import sigmoid

ENGINES = ("reference", "compiled", "autograd")
RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(12, 3))

# Inputs [12, 3] that are hard for floating-point arithmetic, by name.
HARD = {
    "huge": PLAIN * 1e30,
    "tiny": PLAIN * 1e-30,
    "denormal": PLAIN * 1e-310,
    "largest": np.sign(PLAIN) * np.finfo(np.float64).max,
    "mixed scales": PLAIN * np.array([1e30, 1.0, 1e-30]),
    "constant columns": np.ones((12, 3)) * np.array([0.0, 1.0, -1e30]),
    "duplicate rows": np.repeat(PLAIN[:1], 12, 0),
    "far from zero": PLAIN + 1e15,
}
CLASSES = np.arange(12) % 2


@pytest.fixture(autouse=True)
def no_warning_escapes() -> Iterator[None]:
    """Turn every warning into an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_losses_and_derivatives_agree_with_fifty_digits(hard_numbers: ModuleType) -> None:
    compared = hard_numbers.compare()
    assert compared.total > 10_000 and not compared.differ, compared.differ[:5]


def test_the_comparison_detects_an_inexact_loss(hard_numbers: ModuleType) -> None:
    compared = hard_numbers.Compared()
    for z in (40.0, 1e4):
        with np.errstate(all="ignore"):
            naive = -np.log(1 - sigmoid(np.array(z)))
        compared.add("naive", naive, hard_numbers.binary_terms(hard_numbers.mpf(z), hard_numbers.mpf(0)), z)
    assert len(compared.differ) == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", HARD)
def test_training_on_hard_inputs_gives_finite_states_or_reports_divergence(name: str, engine: str) -> None:
    network = Network([3, 4, 1], activation="tanh", output="sigmoid")
    rates = [1e-300, 0.1, 1e30]
    problem = create_problem(network, HARD[name], CLASSES, loss="binary_cross_entropy", learning_rate=rates)
    run = train(problem, max_steps=5, engine=engine)
    diverged = {divergence.member: divergence for divergence in run.diverged}
    for member, reason in enumerate(run.reasons):
        assert reason == ("diverged" if member in diverged else "max_steps")
        assert np.isfinite(run.state.theta[member]).all(), "the state is the last finite one"
    for divergence in diverged.values():
        assert 0 <= divergence.step < 5 and divergence.where


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.empty((0, 3)), np.empty((0, 1))),
        (np.empty((3, 0)), np.empty((3, 1))),
        (PLAIN * np.nan, CLASSES),
        (np.where(PLAIN > 0, np.inf, PLAIN), CLASSES),
        (PLAIN, np.where(CLASSES, np.nan, 0.0)),
        (PLAIN, np.where(CLASSES, -np.inf, 0.0)),
        (np.where(PLAIN == PLAIN[0, 0], None, PLAIN.astype(object)), CLASSES),
        (np.where(PLAIN == PLAIN[0, 0], "1.0", PLAIN.astype(object)), CLASSES),
        (PLAIN.astype(str), CLASSES),
        (PLAIN + 1j, CLASSES),
        (PLAIN, CLASSES[:-1]),
    ],
)
def test_invalid_numbers_and_shapes_are_refused_in_a_sentence(x: Any, y: Any) -> None:
    with pytest.raises(BadInput) as error:
        create_problem(Network([3, 1]), x, y)
    assert str(error.value).isprintable()


LABELS = {
    "texts": np.array(["no", "yes"])[CLASSES],
    "objects": np.array(["no", "yes"], object)[CLASSES],
    "booleans": CLASSES.astype(bool),
    "signs": 2 * CLASSES - 1,
    "floats": CLASSES * 2.0,
    "large numbers": CLASSES * (2**62) + 1,
    "names of markup": np.array(["<b>", "\x1b[2J"], object)[CLASSES],
}


@pytest.mark.parametrize("name", LABELS)
def test_predictions_keep_the_values_and_dtype_of_labels(name: str) -> None:
    labels, x = LABELS[name], PLAIN + 10 * CLASSES[:, np.newaxis]
    given: dict[str, Any] = {"solver": "lbfgs", "random_state": 0, "max_iter": 50}
    model = MLPClassifier((4,), **given).fit(x, labels)
    predicted = model.predict(x)
    # Texts in an object array become NumPy texts, as in scikit-learn.
    assert predicted.dtype == neural_network.MLPClassifier((4,), **given).fit(x, labels).predict(x).dtype
    assert predicted.tolist() == labels.tolist()
    assert model.classes_.tolist() == sorted(set(labels.tolist()))


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_estimators_fit_hard_inputs_or_explain_in_a_sentence(kind: Any, name: str) -> None:
    model = kind(hidden_layer_sizes=(3,), random_state=0, max_iter=3, batch_size=5)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it has not converged, in a sentence
            model.fit(HARD[name], CLASSES)
    except ValueError as error:
        assert str(error).isprintable() and len(str(error)) > 20
    else:
        assert np.isfinite(model.predict(HARD[name])).all()


TABLES = {
    "one class": ("x,y\n1,a\n2,a\n3,a\n", "there must be at least two"),
    "one row": ("x,y\n1,a\n", ""),
    "not a number": ("x,y\nnan,a\n2,b\n", "column 'x': it holds missing values"),
    "infinite": ("x,y\n1e400,a\n2,b\n", "column 'x': it holds inf"),
    "no rows": ("x,y\n", "has a header but no rows"),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_unusable_table_is_refused_in_a_sentence(tmp_path: Path, deltarule, name: str) -> None:
    text, message = TABLES[name]
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        '[data]\nfile = "t.csv"\ntarget = "y"\n[network]\nlayers = ["auto", "auto"]\noutput = "softmax"\n'
        '[loss]\nname = "cross_entropy"\n[stopping]\nmax_steps = 1\n',
        encoding="utf-8",
    )
    status, out, err = deltarule("run", tmp_path / "r.toml")
    assert status == 2 and message in err and err.count("\n") == 1 and not out
