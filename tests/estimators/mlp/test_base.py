"""What scikit-learn's MLPs lack: each of it does what it says."""

import copy
import inspect
import pickle  # noqa: TID251, joblib and copies do the same
import re
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_sample_weight

from deltarule import MLPClassifier, MLPRegressor, load_model
from deltarule.estimators.mlp.fit import mean_curve
from deltarule.export.torch_modules import member_parts
from deltarule.training.epochs import Epoch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(120, 3))
NUMBERS = np.sin(X[:, 0]) + X[:, 1] ** 2 + RANDOM.normal(scale=0.1, size=120)
CLASSES = np.digitize(NUMBERS, [0.2, 1.2])


def classifier(**given: Any) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": 0, **given})


def regressor(**given: Any) -> MLPRegressor:
    return MLPRegressor(**{"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": 0, **given})


# --- layers ---


def test_activation_for_each_layer() -> None:
    given = {"hidden_layer_sizes": (4, 5), "activation": ["tanh", {"name": "leaky_relu", "slope": 0.3}]}
    model = regressor(**given).fit(X, NUMBERS)
    h = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    z = h @ model.coefs_[1] + model.intercepts_[1]
    h = np.where(z > 0, z, 0.3 * z)
    np.testing.assert_allclose(model.predict(X), (h @ model.coefs_[2] + model.intercepts_[2])[:, 0], rtol=1e-12)
    with refuses(1, 2, error=ValueError):
        regressor(**given | {"activation": ["tanh"]}).fit(X, NUMBERS)


def test_dropout_acts_in_training_only() -> None:
    plain, dropped = regressor().fit(X, NUMBERS), regressor(dropout=[0.5]).fit(X, NUMBERS)
    assert dropped.loss_curve_[0] > plain.loss_curve_[0]
    np.testing.assert_array_equal(dropped.predict(X), dropped.predict(X))
    np.testing.assert_array_equal(regressor(dropout=0.0).fit(X, NUMBERS).predict(X), plain.predict(X))


def test_batch_norm_removes_the_scale_of_features() -> None:
    """With λ = 0 and plain steps on whole batches, z = (W/c) (c x) has the same normalized values for every c."""
    given = {"batch_norm": True, "alpha": 0, "max_iter": 1, "solver": "lbfgs"}
    with refuses("solver='lbfgs'", "dropout", "batch_norm", error=ValueError):
        regressor(**given).fit(X, NUMBERS)
    given["solver"] = "adam"
    small, large = (regressor(**given).fit(X * c, NUMBERS) for c in (1.0, 50.0))
    assert large.loss_ == pytest.approx(small.loss_, rel=1e-3)
    assert regressor(alpha=0, max_iter=1).fit(X * 50.0, NUMBERS).loss_ > 10 * small.loss_


# --- rows ---


@pytest.mark.filterwarnings("ignore:Got `batch_size`")
@settings(max_examples=examples(10))
@given(weights=st.lists(st.integers(0, 3), min_size=120, max_size=120).filter(any))
def test_sample_weight_equals_repeated_rows(weights: list[int]) -> None:
    weighted = regressor(max_iter=3, batch_size=500).fit(X, NUMBERS, sample_weight=weights)
    repeated = regressor(max_iter=3, batch_size=500).fit(np.repeat(X, weights, axis=0), np.repeat(NUMBERS, weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8, atol=1e-10)


# --- losses ---


def test_gradient_is_that_of_the_reported_loss() -> None:
    """One plain step on two outputs is −α times the central difference of ½ Σ (p − y)² / N + ½ λ ‖W‖² / N."""
    y = np.stack([NUMBERS, X[:, 2]], axis=1)
    given = {"solver": "sgd", "momentum": 0, "alpha": 3.0, "activation": "tanh", "warm_start": True, "max_iter": 1}
    model = regressor(**given).fit(X, y)
    before, bias = [c.copy() for c in model.coefs_], [b.copy() for b in model.intercepts_]

    def loss(change: float) -> float:
        W = [before[0].copy(), before[1]]
        W[0][1, 2] += change
        p = np.tanh(X @ W[0] + bias[0]) @ W[1] + bias[1]
        return float(((p - y) ** 2).sum() / 2 / 120 + 3.0 / 2 * sum((w**2).sum() for w in W) / 120)

    model.fit(X, y)
    assert model.loss_ == pytest.approx(loss(0.0), rel=1e-12)
    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert (model.coefs_[0] - before[0])[1, 2] == pytest.approx(-0.001 * slope, rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_quantiles(share: float) -> None:
    given = {"loss": {"name": "quantile", "quantile": share}, "solver": "lbfgs", "max_iter": 300}
    below = NUMBERS < regressor(**given).fit(X, NUMBERS).predict(X)
    assert abs(below.mean() - share) < 0.06


@pytest.mark.parametrize("loss", ["absolute_error", {"name": "huber", "delta": 0.1}])
def test_robust_losses(loss: Any) -> None:
    spoiled = NUMBERS.copy()
    spoiled[::10] += 50
    given = {"max_iter": 300, "learning_rate_init": 0.02}
    robust, squared = (regressor(loss=name, **given).fit(X, spoiled) for name in (loss, "squared_error"))
    clean = np.arange(120) % 10 > 0
    assert robust.score(X[clean], NUMBERS[clean]) > 0.7 > squared.score(X[clean], NUMBERS[clean])


def test_scale_target_is_invariant() -> None:
    for more in ({}, {"solver": "lbfgs"}, {"early_stopping": True}):
        one = regressor(scale_target=True, **more).fit(X, NUMBERS)
        other = regressor(scale_target=True, **more).fit(X, 1000 * NUMBERS - 7e4)
        np.testing.assert_allclose(other.predict(X), 1000 * one.predict(X) - 7e4, rtol=1e-6)
    with refuses("loss='poisson'", error=ValueError):
        regressor(loss="poisson", scale_target=True).fit(X, np.ones(120))


def test_scale_target_with_weights() -> None:
    y, weights = 5 + X[:, :2], np.where(X[:, 0] > 0, 3, 1)
    model = regressor(scale_target=True).fit(X, y, sample_weight=weights)
    repeated = np.repeat(y, weights, axis=0)
    np.testing.assert_allclose(model.target_mean_, repeated.mean(axis=0))
    np.testing.assert_allclose(model.target_scale_, repeated.std(axis=0))


def test_scale_target_of_a_constant() -> None:
    model = regressor(scale_target=True).fit(X, np.stack([NUMBERS, np.full(120, 7.0)], axis=1))
    assert (model.target_mean_[1], model.target_scale_[1]) == (7, 1)
    assert np.isfinite(model.predict(X)).all()


# --- optimizers and schedules ---


@pytest.mark.parametrize(
    "solver", ["rmsprop", "adagrad", "adamw", "rprop", "nesterov", {"name": "rmsprop", "decay": 0.5}]
)
def test_other_optimizers(solver: Any) -> None:
    model = regressor(solver=solver, learning_rate_init=0.01, max_iter=60).fit(X, NUMBERS)
    assert model.loss_ < 0.7 * model.loss_curve_[0]


@pytest.mark.parametrize("solver", ["rmsprop", {"name": "rmsprop", "decay": 0.5}])
def test_adams_numbers_are_refused_by_other_optimizers_that_have_such_a_number(solver: Any) -> None:
    with refuses("solver={'name': 'rmsprop', 'epsilon': 0.001}", error=ValueError):
        regressor(solver=solver, epsilon=1e-3).fit(X, NUMBERS)
    regressor(solver="sgd", epsilon=1e-3, beta_1=0.5, max_iter=1).fit(X, NUMBERS)  # as in scikit-learn


def rates(**given: Any) -> list[float]:
    seen: list[float] = []
    regressor(callbacks=lambda epoch, model: seen.append(epoch.learning_rate), batch_size=40, **given).fit(X, NUMBERS)
    return seen


# --- validation ---


def test_schedules() -> None:
    halved = {"name": "step", "every": 2, "factor": 0.5, "per": "epoch"}
    assert rates(learning_rate=halved, max_iter=5) == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4])
    scaled = rates(learning_rate="invscaling", solver="sgd", power_t=0.5, max_iter=3)
    assert scaled == pytest.approx([1e-3, 1e-3 / 121**0.5, 1e-3 / 241**0.5])
    with refuses("tol", "n_iter_no_change", error=ValueError):
        rates(learning_rate={"name": "adaptive", "patience": 3}, solver="sgd")


def test_validation_rows_are_scored_every_epoch() -> None:
    train, held = slice(0, 80), slice(80, 120)
    seen: list[Epoch] = []
    model = classifier(callbacks=lambda epoch, model: seen.append(epoch))
    model.fit(X[train], CLASSES[train], X_val=X[held], y_val=CLASSES[held])
    assert model.validation_scores_ is not None and len(model.validation_scores_) == model.n_iter_ == 8
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[held], CLASSES[held]))
    told = log_loss(CLASSES[held], model.predict_proba(X[held]))
    assert model.validation_loss_curve_[-1] == pytest.approx(told)
    assert [one.validation_loss for one in seen] == pytest.approx(model.validation_loss_curve_)
    assert [one.validation_score for one in seen] == pytest.approx(model.validation_scores_)
    assert [one.loss for one in seen] == pytest.approx(model.loss_curve_)


def test_early_stopping_restores_the_best_weights() -> None:
    train, held = slice(0, 60), slice(60, 120)
    model = regressor(early_stopping=True, hidden_layer_sizes=(50,), max_iter=400, learning_rate_init=0.03)
    model.fit(X[train], NUMBERS[train], X_val=X[held], y_val=NUMBERS[held])
    assert model.n_iter_ < 400
    assert model.score(X[held], NUMBERS[held]) == pytest.approx(max(model.validation_scores_))
    assert max(model.validation_scores_) > model.validation_scores_[-1]


@pytest.mark.parametrize(
    ("X_val", "y_val", "message"),
    [
        (X[:, :2], CLASSES, "X has 2 features, but MLPClassifier is expecting 3 features"),
        (X, CLASSES + 1, "`y` has classes not in `self.classes_`"),
        (X, np.eye(3, dtype=int)[CLASSES], "`y` holds classes and held labels"),
        (X, None, "requires y to be passed"),
    ],
)
def test_invalid_validation_rows(X_val: Any, y_val: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, CLASSES, X_val=X_val, y_val=y_val)


def test_lbfgs_refuses_parameters_of_epochs() -> None:
    with refuses("solver='lbfgs'", error=ValueError):
        classifier(solver="lbfgs").fit(X, CLASSES, X_val=X, y_val=CLASSES)
    with refuses("solver='lbfgs'", error=ValueError):
        classifier(solver="lbfgs", callbacks=print).fit(X, CLASSES)
    model = classifier(early_stopping=True).fit(X, CLASSES)
    model.set_params(solver="lbfgs", early_stopping=False).fit(X, CLASSES)
    names = ("best_loss_", "validation_scores_", "best_validation_score_", "validation_loss_curve_")
    assert [getattr(model, name) for name in names] == [None] * 4


@pytest.mark.parametrize(("make", "y"), [(classifier, CLASSES), (regressor, NUMBERS)])
def test_pipeline_transforms_X_val(make: Any, y: Any) -> None:
    wide, train, held = X * 1000 + 5000, slice(0, 80), slice(80, 120)
    scaler = StandardScaler().fit(wide[train])
    by_hand = make(early_stopping=True)
    by_hand.fit(scaler.transform(wide[train]), y[train], X_val=scaler.transform(wide[held]), y_val=y[held])
    with config_context(enable_metadata_routing=True), warnings.catch_warnings(action="error", category=UserWarning):
        warnings.filterwarnings("ignore", ".*Maximum iterations")
        network = make(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        model = make_pipeline(StandardScaler(), network, transform_input=["X_val"])
        model.fit(wide[train], y[train], X_val=wide[held], y_val=y[held])
    assert model[-1].validation_scores_ == by_hand.validation_scores_
    np.testing.assert_array_equal(model.predict(wide), by_hand.predict(scaler.transform(wide)))


# --- callbacks, progress ---


def test_callback_may_end_the_fit() -> None:
    seen = []

    def stop(epoch: Epoch, model: Any) -> bool:
        seen.append(model.score(X, NUMBERS))
        return epoch.number == 3

    model = regressor(callbacks=[stop, lambda epoch, model: None]).fit(X, NUMBERS)
    assert len(seen) == model.n_iter_ == 3
    assert seen[-1] == model.score(X, NUMBERS)
    same = regressor(max_iter=3).fit(X, NUMBERS)
    np.testing.assert_array_equal(same.predict(X), model.predict(X))


def test_verbose_fit(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.perf_counter()
    model = classifier(verbose=True, max_iter=2, early_stopping=True).fit(X, CLASSES)
    taken = time.perf_counter() - started
    first, score, last, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"Iteration 1, loss = {model.loss_curve_[0]:.8f}, at most ")
    assert float(first.split()[-3]) <= taken + 1
    assert score == f"Validation score: {model.validation_scores_[0]:f}"
    assert last.endswith("at most 0 s left")


def test_a_divergence_names_its_epoch() -> None:
    """Plain descent at far too high a rate: `fit` names the epoch whose call of `partial_fit` diverges, too."""
    rows = np.random.default_rng(0).normal(size=(40, 3))
    settings = {"activation": "identity", "solver": "sgd", "momentum": 0.0, "batch_size": 40}
    model = MLPRegressor(hidden_layer_sizes=(4,), learning_rate_init=20.0, random_state=0, **settings)
    calls = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="non-finite parameter weights") as of_calls:
            while calls < 50:
                calls += 1
                model.partial_fit(rows, rows @ [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match=f"It happened in epoch {calls}[.]") as of_fit:
            model.fit(rows, rows @ [1.0, 2.0, 3.0])
    assert str(of_calls.value) == str(of_fit.value)


def too_fast(**given: Any) -> MLPRegressor:
    """Plain descent at far too high a rate, which diverges after some epochs."""
    return regressor(activation="identity", solver="sgd", max_iter=40, learning_rate_init=3.0, momentum=0.0, **given)


def test_early_stopping_keeps_the_best_weights_of_a_training_that_diverges(tmp_path: Path) -> None:
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch \d+; the weights .* best .* are kept.* Reduce"):
        model = too_fast(early_stopping=True).fit(X, NUMBERS)
    assert np.isnan(model.validation_scores_[-1])
    best = int(np.nanargmax(model.validation_scores_)) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        until_best = too_fast(early_stopping=True).set_params(max_iter=best).fit(X, NUMBERS)
    np.testing.assert_array_equal(model.predict(X), until_best.predict(X))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "model.safetensors").predict(X), model.predict(X))


def test_a_training_that_diverges_without_best_weights_is_an_error() -> None:
    """Validation rows that stop nothing restore nothing; and no epoch may have had a finite score."""
    for model, X_val in ((too_fast(), X), (too_fast(early_stopping=True, batch_size=1), None)):
        given = {} if X_val is None else {"X_val": X_val, "y_val": NUMBERS}
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            model.fit(X, NUMBERS, **given)
        assert not hasattr(model, "coefs_")


def test_interrupt_keeps_the_model() -> None:
    def press(epoch: Epoch, model: Any) -> None:
        if epoch.number == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = regressor(callbacks=press).fit(X, NUMBERS)
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(regressor(max_iter=2).fit(X, NUMBERS).predict(X), model.predict(X))


@pytest.mark.parametrize("given", [{}, {"solver": "lbfgs"}, {"callbacks": lambda epoch, model: signal.raise_signal(2)}])
def test_warnings_as_errors_keep_the_fit(given: dict[str, Any]) -> None:
    model = regressor(**{"max_iter": 2, "callbacks": None, **given})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="interrupted by user|converge"):
            model.fit(X, NUMBERS)
        assert model.n_iter_ == (1 if model.callbacks else 2)
        before = deeply(model)
        with pytest.raises(UserWarning, match="are not scaled"):  # which is told before
            model.fit(X * 1e5, NUMBERS)
    assert deeply(model) == before


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_scaling_layer_is_trained_and_resumed(engine: str) -> None:
    """Two fits of an epoch each are a fit of two epochs, if the order of rows is fixed."""
    given = {"scaling_layer": True, "shuffle": False, "solver": "sgd", "momentum": 0.0, "engine": engine}
    whole = regressor(max_iter=2, **given).fit(X, NUMBERS)
    parts = regressor(max_iter=1, warm_start=True, **given).fit(X, NUMBERS).fit(X, NUMBERS)
    scales = member_parts(whole, 0)[1]["scale1"]
    assert scales.shape == (1, X.shape[1]) and (scales != 1).all()
    np.testing.assert_array_equal(member_parts(parts, 0)[1]["scale1"], scales)
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))
    with pytest.raises(ValueError, match="fit a new one"):
        parts.set_params(scaling_layer=False).fit(X, NUMBERS)


# --- fits that come to nothing ---


def fitted(kind: Any, **given: Any) -> Any:
    """A classifier or regressor with all that a model may hold: curves, scores, a scale, running statistics, slots."""
    if kind is MLPRegressor:
        given = {"scale_target": True, **given}
    model = kind(hidden_layer_sizes=(6,), max_iter=3, random_state=0, batch_norm=True, dropout=0.1, **given)
    model.fit(X, words(CLASSES) if kind is MLPClassifier else NUMBERS)
    return model


def words(classes: Any) -> Any:
    return np.array(["no", "perhaps", "yes"])[classes]


def stop(epoch: Epoch, model: Any) -> None:
    if epoch.number == 2:
        raise KeyError("enough")


def press(epoch: Epoch, model: Any) -> None:
    raise KeyboardInterrupt


OTHER = {MLPClassifier: np.array(["cat", "dog"])[np.arange(120) % 2], MLPRegressor: 1e5 * NUMBERS + 1e6}
ENDED: dict[str, tuple[dict[str, Any], Any]] = {
    "validation rows": ({}, lambda model, y: model.fit(X, y, X_val=X[:9], y_val=X[:9])),
    "other layers": ({"hidden_layer_sizes": (7, 3), "dropout": [0.1]}, lambda model, y: model.fit(X, y)),
    "a rate that leads nowhere": ({"solver": "sgd", "learning_rate_init": 1e300}, lambda model, y: model.fit(X, y)),
    "a callback": ({"callbacks": stop}, lambda model, y: model.fit(X, y)),
    "Ctrl-C in a callback": ({"callbacks": press}, lambda model, y: model.fit(X, y, X_val=X, y_val=y)),
    "a callback that goes on": (
        {"callbacks": stop, "warm_start": True, "batch_norm": True},
        lambda model, y: model.fit(X, words(CLASSES) if model.__class__ is MLPClassifier else NUMBERS),
    ),
    "a piece": ({}, lambda model, y: model.partial_fit(X[:, :2], y)),
    "a piece that leads nowhere": (
        {"solver": "sgd", "learning_rate_init": 1e300, "batch_size": 10},
        lambda model, y: model.partial_fit(X, words(CLASSES) if model.__class__ is MLPClassifier else NUMBERS),
    ),
}


def deeply(model: Any) -> Any:
    """All that a model holds, by its bytes, without what was set for the next fit."""
    parameters = model.get_params()
    return {name: pickle.dumps(value) for name, value in vars(model).items() if name not in parameters}


@pytest.mark.filterwarnings("ignore:the features", "ignore:Got `batch_size`")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("ended", ENDED)
def test_error_in_fit_leaves_the_model_unchanged(kind: Any, ended: str) -> None:
    given, fit = ENDED[ended]
    model, same = fitted(kind), fitted(kind)
    before, held, answers = deeply(model), dict(vars(model)), model.predict(X)
    parameters = model.get_params()
    with pytest.raises((ValueError, KeyError, KeyboardInterrupt)):
        fit(model.set_params(**given), OTHER[kind])
    model.set_params(**parameters)
    assert deeply(model) == before
    assert all(vars(model)[name] is one for name, one in held.items())
    np.testing.assert_array_equal(model.predict(X), answers)
    y = words(CLASSES) if kind is MLPClassifier else NUMBERS
    np.testing.assert_array_equal(model.partial_fit(X, y).coefs_[0], same.partial_fit(X, y).coefs_[0])


@settings(max_examples=examples(20))
@given(
    calls=st.lists(st.sampled_from(["fit", "warm", "partial", "lbfgs", "scored"]), min_size=1, max_size=4),
    members=st.integers(1, 2),
    engine=st.sampled_from(["reference", "auto"]),
)
def test_fits_do_not_write_into_old_arrays(calls: list[str], members: int, engine: str) -> None:
    """So that a shallow copy, or what a fit notes before it begins, stays as it is."""
    model = classifier(n_members=members, engine=engine, learning_rate="adaptive", solver="sgd", max_iter=3)
    model.fit(X, CLASSES)
    for call in calls:
        noted, before = copy.copy(model), deeply(model)
        model.set_params(warm_start=call == "warm", solver="lbfgs" if call == "lbfgs" else "sgd")
        if call == "partial":
            model.partial_fit(X, CLASSES)
        else:
            model.fit(X, CLASSES, **({"X_val": X, "y_val": CLASSES} if call == "scored" else {}))
        assert deeply(noted) == before


# --- ensembles ---


def test_ensemble_mean_and_std() -> None:
    model = regressor(n_members=4).fit(X, NUMBERS)
    each = []
    for member in range(4):
        h = np.maximum(X @ model.coefs_[0][member] + model.intercepts_[0][member], 0)
        each.append((h @ model.coefs_[1][member] + model.intercepts_[1][member])[:, 0])
    mean, spread = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-10)
    np.testing.assert_allclose(spread, np.std(each, axis=0, ddof=1), rtol=1e-8)
    np.testing.assert_array_equal(model.predict(X), mean)
    assert (spread > 0).all()


def test_ensemble_curves_are_means() -> None:
    def errors(model: Any) -> Any:
        each = zip(*model.coefs_, *model.intercepts_, strict=True)
        answers = [(np.maximum(X @ W1 + b1, 0) @ W2 + b2)[:, 0] for W1, W2, b1, b2 in each]
        return np.mean((np.array(answers) - NUMBERS) ** 2, axis=1)

    model = regressor(n_members=3, solver="lbfgs", alpha=0).fit(X, NUMBERS)
    assert model.loss_ == pytest.approx(errors(model).mean() / 2)
    model = regressor(n_members=3, early_stopping=True).fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    assert model.best_validation_score_ == pytest.approx(1 - errors(model).mean() / NUMBERS.var())


def test_ended_member_counts_with_its_last_value() -> None:
    assert mean_curve(np.array([[4.0, 2.0], [2.0, np.nan]])) == [3.0, 2.0]
    assert np.isnan(mean_curve(np.array([[np.nan, np.nan]]))).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ensemble_warm_start(solver: str) -> None:
    given = {"n_members": 2, "warm_start": True, "max_iter": 2, "solver": solver}
    model = regressor(**given).fit(X, NUMBERS)
    before = model.loss_
    assert model.fit(X, NUMBERS).loss_ < before
    with refuses("(3, 9, 1)", error=ValueError):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, NUMBERS)


# --- what stays the same ---


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_warm_start_keeps_the_dtype(kind: str, n_members: int) -> None:
    other = {"float32": "float64", "float64": "float32"}[kind]
    given = {"n_members": n_members, "warm_start": True, "scale_target": True}
    model, same = (regressor(**given).fit(X.astype(kind), NUMBERS) for _ in range(2))
    for name in ("partial_fit", "fit"):
        getattr(model, name)(X.astype(other), NUMBERS)
        getattr(same, name)(X.astype(other).astype(kind), NUMBERS)
        assert {array.dtype for array in (*model.coefs_, *model.intercepts_)} == {np.dtype(kind)}
        np.testing.assert_array_equal(model.coefs_[0], same.coefs_[0])
    theirs = SklearnRegressor(max_iter=1).fit(X.astype(kind), NUMBERS).partial_fit(X.astype(other), NUMBERS)
    assert theirs.coefs_[0].dtype == kind
    if kind == "float32":
        with pytest.raises(ValueError, match="Input X contains infinity or a value too large for dtype"):
            model.partial_fit(1e300 * X, NUMBERS)


@pytest.mark.parametrize("batch_size", [120, 25])
def test_partial_fit_equals_an_epoch(batch_size: int) -> None:
    given = {"batch_size": batch_size, "shuffle": False}
    fitted, parts = regressor(max_iter=4, **given).fit(X, NUMBERS), regressor(**given)
    for _ in range(4):
        parts.partial_fit(X, NUMBERS)
    np.testing.assert_allclose(parts.predict(X), fitted.predict(X), rtol=1e-9)
    assert parts.loss_curve_ == pytest.approx(fitted.loss_curve_)


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [{"shuffle": False}, {"solver": "sgd", "learning_rate": "invscaling", "n_members": 2}], ids=["adam", "sgd"]
)
def test_compiled_engine_with_scikit_learns_formulas(given: dict[str, Any]) -> None:
    given = {"batch_size": 50, "max_iter": 20, "learning_rate_init": 0.03, "epsilon": 1e-3, **given}
    reference, compiled = (regressor(engine=engine, **given).fit(X, NUMBERS) for engine in ("reference", "compiled"))
    np.testing.assert_allclose(compiled.predict(X), reference.predict(X), rtol=1e-8, atol=1e-10)
    assert compiled.loss_curve_ == pytest.approx(reference.loss_curve_, rel=1e-9)


# --- warnings ---


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"solver": "Adam"}, "Did you mean solver='adam'?"),
        ({"solver": "LBFGS"}, "Did you mean solver='lbfgs'?"),
        ({"activation": "ReLU"}, "Did you mean activation='relu'?"),
        ({"solver": "Adam", "activation": "ReLU"}, "Did you mean activation='relu' and solver='adam'?"),
        ({"solver": "???"}, "Got '???' instead."),
        ({"alpha": -1.0}, "Got -1.0 instead."),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"{re.escape(hint)}$"):
        regressor(**given).fit(X, NUMBERS)


def test_warning_for_unscaled_features() -> None:
    wide = X * np.array([1.0, 700.0, 1.0])
    with pytest.warns(UserWarning, match=r"the values of feature number 1 are around \d+, .* put a StandardScaler"):
        regressor().fit(wide, NUMBERS)
    with pytest.warns(UserWarning, match="the features are not scaled"):
        regressor().fit(X * 1e-5, NUMBERS)


@pytest.mark.parametrize(("given", "factor"), [({}, 1), ({"solver": "lbfgs"}, 1), ({"batch_size": 500}, 1), ({}, 1e5)])
def test_warnings_have_the_users_line(given: dict[str, Any], factor: float) -> None:
    with pytest.warns(Warning) as seen:
        regressor(**{"max_iter": 1, **given}).fit(X * factor, NUMBERS)
    assert {one.filename for one in seen} == {__file__}


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [0.1, 1.0, 16.0])
def test_scaled_features_without_warning(scale: float) -> None:
    regressor().fit(X * scale, NUMBERS)
    regressor().fit(np.zeros((9, 2)), np.arange(9))


@pytest.mark.parametrize(("factor", "shift"), [(1e3, 0.0), (1e4, 2e5), (1.0, 1e6), (1e-4, 0.0), (0.5, 98.6)])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_unscaled_targets_are_named_with_what_scales_them(factor: float, shift: float, solver: str) -> None:
    y = (NUMBERS - NUMBERS.mean()) / NUMBERS.std() * factor + shift
    for targets in (y, np.stack([y, NUMBERS], axis=1)):
        with pytest.warns(UserWarning, match=r"the targets are not scaled: .* give scale_target=True") as seen:
            regressor(solver=solver).fit(X, targets)
        assert {one.filename for one in seen} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor(solver=solver, scale_target=True).fit(X, y)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_targets_that_need_no_scale_are_without_warning() -> None:
    """Standardized or near it, constant, counts with their own loss, and a class of one row in ten thousand."""
    for y in (NUMBERS, 20 * NUMBERS - 5, np.full(120, 7.0), np.zeros(120)):
        regressor().fit(X, y)
    regressor(loss="poisson").fit(X, np.arange(120) + 1000)
    rare = np.zeros(40_000)
    rare[:2] = 1
    classifier(max_iter=1).fit(np.resize(X, (40_000, 3)), rare)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_fast_path_of_predict(kind: Any) -> None:
    """Rows with nothing to check take a shorter way."""
    model = kind(hidden_layer_sizes=(5,), activation="logistic", max_iter=3, random_state=0).fit(X, X[:, 0] > 0)
    for rows in (X[:1], X, X.astype(np.float32)):
        np.testing.assert_array_equal(model.predict(rows), model.predict(sparse.csr_matrix(rows)))
    for wrong in (X[0], X[:0], X[:, :1], np.where(X > 0, np.nan, X), np.where(X > 0, np.inf, X)):
        with pytest.raises(ValueError, match=r"Expected 2D|minimum of 1|has 1 features|contains (NaN|infinity)"):
            model.predict(wrong)
    with pytest.raises(NotFittedError):
        kind().predict(X)


class Narrow(MLPClassifier):
    """With a constructor of its own, as scikit-learn's may be had, too."""

    def __init__(self, width: int = 3, random_state: Any = None) -> None:
        super().__init__((width,), solver="sgd", max_iter=4, random_state=random_state)
        self.width = width


def test_subclass_with_fewer_parameters() -> None:
    model = classifier(hidden_layer_sizes=(5,), solver="sgd", max_iter=4).fit(X, CLASSES)
    np.testing.assert_array_equal(Narrow(5, random_state=0).fit(X, CLASSES).predict_proba(X), model.predict_proba(X))


def test_curves_after_warm_start() -> None:
    warm = classifier(early_stopping=True, warm_start=True, max_iter=3).fit(X, CLASSES)
    first = list(warm.validation_scores_)
    warm.fit(X, CLASSES)
    assert len(warm.loss_curve_) == len(warm.validation_scores_) == len(warm.validation_loss_curve_) == 6
    assert warm.validation_scores_[:3] == first
    seen: list[Any] = []
    cold = classifier(max_iter=2, callbacks=lambda _, model: seen.append(model.validation_scores_))
    cold.fit(X, CLASSES, X_val=X, y_val=CLASSES).fit(X, CLASSES)
    assert seen == [None] * 4


@pytest.mark.parametrize("read_again", [False, True])
def test_partial_fit_follows_the_schedule(read_again: bool, tmp_path: Path) -> None:
    """Steps so small that the gradient stays as it is are to each other as the rates."""
    cosine = {"name": "cosine", "steps": 50, "per": "epoch"}
    model = regressor(solver="sgd", momentum=0, alpha=0, learning_rate=cosine, learning_rate_init=1e-6, shuffle=False)
    weights = []
    for rows in (slice(100), slice(2), slice(100), slice(100, 120), slice(100)):
        weights.append(model.partial_fit(X[rows], NUMBERS[rows]).coefs_[1].copy())
        if read_again:
            model.save(tmp_path / "model.safetensors")
            model = load_model(tmp_path / "model.safetensors")
    rates = [(1 + np.cos(np.pi * epoch / 50)) / 2 for epoch in range(5)]
    moved = np.diff(weights, axis=0)
    assert moved[0].any()
    np.testing.assert_allclose(moved[3] / moved[1], rates[4] / rates[2], rtol=1e-4)


def test_partial_fit_with_another_solver() -> None:
    model = classifier(solver="sgd").partial_fit(X, CLASSES, classes=[0, 1, 2])
    for solver in ("rmsprop", "adam", "sgd"):
        before = model.coefs_
        model.set_params(solver=solver).partial_fit(X, CLASSES)
        assert all((old != new).any() for old, new in zip(before, model.coefs_, strict=True))


@pytest.mark.parametrize("given", [{}, {"solver": "sgd", "learning_rate": "adaptive", "n_members": 2}], ids=str)
def test_memory_mapped_model_continues(given: dict[str, Any], tmp_path: Path) -> None:
    model = classifier(**given).partial_fit(X, CLASSES, classes=[0, 1, 2])
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.coefs_[0].flags.writeable
    for _ in range(2):
        np.testing.assert_array_equal(mapped.partial_fit(X, CLASSES).coefs_[0], model.partial_fit(X, CLASSES).coefs_[0])
    assert mapped.loss_curve_ == model.loss_curve_


def test_batch_norm_needs_more_than_one_row() -> None:
    with refuses("batch_norm", 1, error=ValueError):
        regressor(batch_norm=True, batch_size=1).fit(X, NUMBERS)
    regressor(hidden_layer_sizes=(), batch_norm=True, batch_size=1).fit(X, NUMBERS)


@pytest.mark.parametrize("weight", [None, "balanced", {"a": 1.0, "b": 5.0, "c": 0.5}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_output_bias_prior(weight: Any, solver: str) -> None:
    """Where the features say nothing and nothing is learned, answers are the shares of the classes by weight."""
    y, nothing = np.array(list("aaaaaaaabbbc") * 5), np.zeros((60, 2))
    given: dict[str, Any] = {"hidden_layer_sizes": (), "solver": solver, "max_iter": 1, "learning_rate_init": 1e-9}
    given |= {"n_members": 3, "random_state": 0, "alpha": 0, "class_weight": weight, "output_bias": "prior"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier(**given).fit(nothing, y)
        plain = MLPClassifier(**given | {"output_bias": "random"}).fit(nothing, y)
    weights = compute_sample_weight(weight, y)
    shares = [weights[y == name].sum() / weights.sum() for name in "abc"]
    np.testing.assert_allclose(model.predict_proba(nothing)[0], shares, atol=1e-6)
    if solver == "adam":
        assert abs(plain.predict_proba(nothing)[0] - shares).max() > 0.01


# --- documentation ---


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_docstring_has_every_parameter_in_order_with_its_default(kind):
    section = kind.__doc__.partition("Parameters\n----------\n")[2].partition("\nAttributes\n")[0]
    documented = re.findall(r"^(\w+) : .*, default=(.*)$", section, re.MULTILINE)
    signature = inspect.signature(kind).parameters.values()
    assert [(name, eval(default)) for name, default in documented] == [(p.name, p.default) for p in signature]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_docstring_has_every_public_attribute_of_a_fit(kind):
    model = kind((2,), max_iter=1) if kind is MLPClassifier else kind(hidden_layer_sizes=(2,), max_iter=1)
    with pytest.warns(UserWarning):
        model.fit([[0.0], [1.0]], [0, 1])
    section = kind.__doc__.partition("\nAttributes\n")[2].partition("\nRaises\n")[0]
    for name in vars(model):
        if name.endswith("_") and not name.startswith("_"):
            assert re.search(rf"^(\w+_, )?{name}\b.* : ", section, re.MULTILINE), name


def test_early_stopping_by_the_loss_keeps_the_least_one() -> None:
    model = classifier(early_stopping=True, scoring="loss", learning_rate_init=0.1, max_iter=40).fit(X, CLASSES)
    least = min(model.validation_loss_curve_)
    assert model.best_validation_score_ == -least == max(model.validation_scores_)


def test_verbose_lbfgs_prints_its_iterations(capsys: pytest.CaptureFixture[str]) -> None:
    model = classifier(solver="lbfgs", verbose=True, max_iter=3).fit(X, CLASSES)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Iteration 1", "Iteration 2", "Iteration 3"]
    assert lines[-1].endswith(f"loss = {model.loss_:.8f}")
