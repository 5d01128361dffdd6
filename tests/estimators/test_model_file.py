import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from sklearn import neural_network

from deltarule import BadInput, MLPClassifier, MLPRegressor, load_model
from deltarule.estimators.model_file import save_model, save_weights
from deltarule.files import load_arrays, save_arrays
from deltarule.proofs.register import register_activation, unregister

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(3).normal(size=(60, 3))
FILES = Path(__file__).parents[2] / "docs" / "reference" / "files.md"
SHORT: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
MODELS = {
    "two classes": (MLPClassifier(**SHORT), X[:, 0] > 0),
    "words": (MLPClassifier(**SHORT, class_weight={"a": 1.0, "b": 2.0, "c": 0.5}), np.array(list("abc") * 20)),
    "words as objects": (MLPClassifier(**SHORT), np.array(["a", "bcd", "e"] * 20, object)),
    "numbers as classes": (MLPClassifier(**SHORT, class_weight={1: 2.0, 5: 1.0}), np.array([1, 5] * 30)),
    "labels": (MLPClassifier(**SHORT), (X > 0).astype(int)),
    "one class": (MLPClassifier(**SHORT), np.ones(60)),
    "a population with batch norm": (MLPClassifier(**SHORT, n_members=3, batch_norm=True), np.arange(60) % 4),
    "no hidden layer": (MLPRegressor(**SHORT | {"hidden_layer_sizes": ()}), X[:, 0]),
    "scaled targets": (MLPRegressor(**SHORT, scale_target=True, n_members=2), 100 + 50 * X[:, :2]),
    "tables": (
        MLPRegressor(
            loss={"name": "quantile", "quantile": 0.9},
            hidden_layer_sizes=(4, 5),
            activation=["tanh", {"name": "leaky_relu", "slope": 0.2}],
            solver={"name": "rmsprop", "decay": 0.8},
            n_iter_no_change=np.inf,
            max_iter=3,
            early_stopping=True,
        ),
        X[:, 0],
    ),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_as_it_was(kind: str, dtype: Any, tmp_path: Path) -> None:
    model, y = MODELS[kind]
    model.fit(X.astype(dtype), y)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.get_params() == model.get_params()
    for name in ("predict", "predict_proba"):
        if hasattr(model, name):
            one, other = (getattr(each, name)(X.astype(dtype)) for each in (model, again))
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    told = ("loss_", "loss_curve_", "n_iter_", "t_", "validation_scores_", "n_features_in_", "n_outputs_", "n_layers_")
    assert [getattr(again, name) for name in told] == [getattr(model, name) for name in told]
    for one, other in zip(again.coefs_ + again.intercepts_, model.coefs_ + model.intercepts_, strict=True):
        np.testing.assert_array_equal(one, other)
    again.set_params(warm_start=True).fit(X.astype(dtype), y)


def test_names_of_features_are_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["one", "two", "three"])
    MLPRegressor(**SHORT).fit(frame, X[:, 0]).save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.feature_names_in_.tolist() == ["one", "two", "three"]
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(frame[["two", "one", "three"]])


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    model, y = MODELS["words"]
    model.fit(X, y).save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        about = json.loads(file.metadata()["deltarule"])
        assert set(file.keys()) == {"theta"}
    assert about["classes"] == ["a", "b", "c"]
    assert about["architecture"]["sizes"] == [3, 4, 3]
    assert about["versions"]["deltarule"] and len(about["record"]["loss_curve_"]) == 3


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model, y = MODELS["two classes"]
    model.fit(X, y).save(path)
    return path.with_name("damaged.safetensors"), path.read_bytes()


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_file_gives_an_error_or_a_model(content: tuple[Path, bytes], data: st.DataObject) -> None:
    path, good = content
    place = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255))
    path.write_bytes(data.draw(st.sampled_from([good[:place], good[:place] + bytes([byte]) + good[place + 1 :]])))
    try:
        load_model(path).predict(X)
    except BadInput:
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Popen"},
        {"format": 99},
        {"classes": [0, 1, 2]},
        {"classes": [[1, 2], [3]]},
        {"parameters": {"hidden_layer_sizes": [4], "command": "rm"}},
        {"architecture": {"sizes": [3, 10**9, 1], "activations": ["relu"], "output": "logistic", "batch_norm": False}},
        {"architecture": {"sizes": [3, 4, 1], "activations": ["nothing"], "output": "logistic", "batch_norm": False}},
        {"architecture": None},
        {"record": {"predict": "something else"}},
    ],
    ids=str,
)
def test_a_hostile_description_is_refused(content: tuple[Path, bytes], change: dict[str, Any]) -> None:
    path, good = content
    path.write_bytes(good)
    arrays, about = load_arrays(path)
    save_arrays(path, arrays, about | change)
    with pytest.raises(BadInput, match="damaged.safetensors (is damaged|holds no model)"):
        load_model(path)


@pytest.mark.parametrize("depth", [60, 900, 100_000])
def test_lists_in_lists_in_lists_are_refused(content: tuple[Path, bytes], depth: int) -> None:
    path, good = content
    path.write_bytes(good)
    arrays, about = load_arrays(path)
    text = json.dumps(about | {"parameters": about["parameters"] | {"activation": "LISTS"}}).replace(
        '"LISTS"', depth * "[" + depth * "]"
    )
    path.write_bytes(safetensors.numpy.save(arrays, {"deltarule": text}))
    with pytest.raises(BadInput, match="damaged.safetensors (is damaged|was not written by deltarule)"):
        load_model(path)


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("two classes", lambda arrays: {"theta": arrays["theta"] * np.nan}, "theta holds numbers that are not finite"),
        ("a population with batch norm", lambda arrays: {"running": -arrays["running"] - 1}, "a variance is negative"),
        ("scaled targets", lambda arrays: {"target_scale": arrays["target_scale"] / 0}, "target_scale holds numbers"),
        ("scaled targets", lambda arrays: {"target_scale": None}, "of the scale and the mean of targets one is"),
        ("scaled targets", lambda arrays: {"target_mean": None}, "of the scale and the mean of targets one is"),
        ("scaled targets", lambda arrays: {"theta": None}, "'theta'"),
        ("scaled targets", lambda arrays: {"theta": arrays["theta"].astype(int)}, "θ has the shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_numbers_that_no_training_leaves_are_refused(kind: str, change: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model, y = MODELS[kind]
    model.fit(X, y).save(path)
    arrays, about = load_arrays(path)
    changed = {name: array for name, array in (arrays | change(arrays)).items() if array is not None}
    save_arrays(path, changed, about)
    with pytest.raises(BadInput, match=f"is damaged.*{sentence}"):
        load_model(path)


def test_only_fitted_models_are_saved(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be saved; give a fitted estimator"):
        MLPClassifier().save(tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="cannot be saved; give .* of a model of scikit-learn what from_sklearn makes"):
        save_model(neural_network.MLPClassifier(**SHORT).fit(X, X[:, 0] > 0), tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_could_not_be_read_again_are_not_saved(number: float, tmp_path: Path) -> None:
    model = MLPRegressor(**SHORT).fit(X, X[:, 0])
    model.coefs_[1][2] = number
    for write in (save_model, save_weights):
        with pytest.raises(BadInput, match="the model's theta holds numbers that are not finite, .*; fit it anew"):
            write(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


DAYS = np.array(["2026-01-01", "2026-01-02"] * 30, "datetime64[ns]")


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (DAYS, r"datetime64\[ns\]"),
        (DAYS - DAYS[0], r"timedelta64\[ns\]"),
        (DAYS.astype("datetime64[s]").astype(object), "object, such as datetime"),
        (np.array(["a", "b" * 100_000] * 30), "<U100000, such as 'a'"),
    ],
    ids=["dates", "durations", "dates as objects", "long texts"],
)
def test_classes_that_could_not_be_read_again_are_not_saved(y: Any, kind: str, tmp_path: Path) -> None:
    model = MLPClassifier(**SHORT).partial_fit(X, y, classes=y)
    with pytest.raises(BadInput, match=f"the classes are of the type {kind}.*which a file cannot hold; fit to numbers"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_long_names_and_numbers_among_objects_are_read_again(tmp_path: Path) -> None:
    for y in (np.array(["a", "b" * 99_999] * 30), np.array([np.int64(3), np.int64(5)] * 30, object)):
        MLPClassifier(**SHORT).partial_fit(X, y, classes=y).save(tmp_path / "model.safetensors")
        again = load_model(tmp_path / "model.safetensors").classes_
        assert again.dtype == y.dtype and again.tolist() == y[:2].tolist()


def test_the_reference_names_all_that_is_in_a_file(tmp_path: Path) -> None:
    section = FILES.read_text(encoding="utf-8").partition("## A model: ")[2].partition("\n## ")[0]
    for kind in ("a population with batch norm", "scaled targets"):
        model, y = MODELS[kind]
        model.fit(X, y).save(tmp_path / "model.safetensors")
        arrays, about = load_arrays(tmp_path / "model.safetensors")
        assert [name for name in (*arrays, *about) if f"`{name}`" not in section] == []


@pytest.mark.parametrize("callbacks", [print, [print], (print, repr)], ids=["one", "list", "several"])
def test_functions_stay_behind(callbacks: Any, tmp_path: Path) -> None:
    MLPClassifier(**SHORT, callbacks=lambda epoch, model: None).fit(X, X[:, 0] > 0).set_params(
        callbacks=callbacks
    ).save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.callbacks is None
    again.set_params(warm_start=True).fit(X, X[:, 0] > 0)


def test_an_activation_that_is_not_registered_any_more_is_named(tmp_path: Path) -> None:
    register_activation("passing", lambda z: z * 1.0, lambda z, a: z * 0 + 1)
    try:
        MLPRegressor("squared_error", (3,), "passing", max_iter=1).fit(X, X[:, 0]).save(tmp_path / "m.safetensors")
        assert load_model(tmp_path / "m.safetensors").activation == "passing"
    finally:
        unregister("activation", "passing")
    with pytest.raises(BadInput, match=r"not registered here \(there is no activation 'passing'.*; register it first"):
        load_model(tmp_path / "m.safetensors")
