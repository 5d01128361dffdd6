import json
import pickle  # noqa: TID251, joblib and copies do the same
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses
from safetensors import safe_open
from sklearn import neural_network
from unproved import unproved

from deltarule import BadInput, MLPClassifier, MLPRegressor, TabularRegressor, load_model
from deltarule.array_files import load_arrays, save_arrays
from deltarule.estimators.model_file import ATTRIBUTES, save_model, save_weights
from deltarule.maths.activations import Activation
from deltarule.problem import registry

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("one_candidate"),
]

X = np.random.default_rng(3).normal(size=(60, 3))
FILES = Path(__file__).parents[2] / "docs" / "reference" / "files.md"
SHORT: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
MODELS = {
    "two classes": (MLPClassifier(**SHORT), X[:, 0] > 0),
    "words": (MLPClassifier(**SHORT, class_weight={"a": 1.0, "b": 2.0, "c": 0.5}), np.array(list("abc") * 20)),
    "words that look like numbers": (MLPClassifier(**SHORT), np.array(["nan", "inf", "1"] * 20)),
    "words as objects": (MLPClassifier(**SHORT), np.array(["a", "bcd", "e"] * 20, object)),
    "numbers as classes": (MLPClassifier(**SHORT, class_weight={1: 2.0, 5: 1.0}), np.array([1, 5] * 30)),
    "labels": (MLPClassifier(**SHORT), (X > 0).astype(int)),
    "one class": (MLPClassifier(**SHORT), np.ones(60)),
    "a population with batch norm": (MLPClassifier(**SHORT, n_members=3, batch_norm=True), np.arange(60) % 4),
    "weights of features": (MLPClassifier(**SHORT, n_members=2, scaling_layer=True), np.arange(60) % 3),
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
def test_save_and_load(kind: str, dtype: Any, tmp_path: Path) -> None:
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


def test_load_keeps_feature_names(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["one", "two", "three"])
    MLPRegressor(**SHORT).fit(frame, X[:, 0]).save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.feature_names_in_.tolist() == ["one", "two", "three"]
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(frame[["two", "one", "three"]])


INFINITE = np.float64("inf")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"hidden_layer_sizes": pd.Series([3, 4])}, {"hidden_layer_sizes": (3, 4)}),
        ({"n_iter_no_change": INFINITE, "max_iter": 2}, {"n_iter_no_change": np.inf, "max_iter": 2}),
        ({"alpha": np.float32(0.5), "shuffle": np.False_}, {"alpha": 0.5, "shuffle": False}),
    ],
    ids=["series", "infinity", "scalars"],
)
def test_load_keeps_parameters(given: Any, expected: Any, tmp_path: Path) -> None:
    MLPRegressor(**SHORT | given).fit(X, X[:, 0]).save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    params = again.get_params()
    assert {name: params[name] for name in expected} == expected
    again.fit(X, X[:, 0])


@pytest.mark.slow
def test_table_with_names_that_are_not_strings(tmp_path: Path) -> None:
    """Declared types are found by the names as strings, which a file holds."""
    names = [("b", "y"), pd.Timestamp("2024-01-01"), 7, " b "]
    frame = {"size": X[:, 0]} | {name: np.arange(60) % (3 + i) for i, name in enumerate(names)}
    y = X[:, 0] + sum(frame[name] for name in names)
    model = TabularRegressor(types=dict.fromkeys(names, "category"), random_state=0, preset="fast").fit(frame, y)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.types == dict.fromkeys(map(str, names), "category")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.fit(frame, y).columns_ == model.columns_


def test_metadata_of_a_file(tmp_path: Path) -> None:
    model, y = MODELS["words"]
    model.fit(X, y).save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        about = json.loads(file.metadata()["deltarule"])
        assert set(file.keys()) == {"W1", "W2", "b1", "b2"}
    assert about["classes_"] == ["a", "b", "c"]
    assert about["_architecture"]["sizes"] == [3, 4, 3]
    assert about["versions"]["deltarule"] and len(about["loss_curve_"]) == 3


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model, y = MODELS["two classes"]
    model.fit(X, y).save(path)
    return path.with_name("damaged.safetensors"), path.read_bytes()


@settings(max_examples=examples(60))
@given(data=st.data())
def test_damaged_file_is_refused_or_read(content: tuple[Path, bytes], data: st.DataObject) -> None:
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
        {"classes_": [0, 1, 2]},
        {"feature_names_in_": ["p"]},
        {"loss_curve_": ["a"]},
        {"parameters": {"hidden_layer_sizes": [4], "command": "rm"}},
        {"_architecture": {"sizes": [3, 10**9, 1], "activations": ["relu"], "output": "logistic", "batch_norm": False}},
        {"_architecture": None},
    ],
    ids=str,
)
def test_hostile_metadata_are_refused(content: tuple[Path, bytes], change: dict[str, Any]) -> None:
    path, good = content
    path.write_bytes(good)
    arrays, about = load_arrays(path)
    save_arrays(path, arrays, about | change)
    with refuses("damaged.safetensors"):
        load_model(path)


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("scaled targets", lambda arrays: {"W1": None}, "'W1'"),
        ("scaled targets", lambda arrays: {"W2": arrays["W2"][..., :1]}, "the arrays are .*, and .* needs"),
        ("scaled targets", lambda arrays: {"b1": arrays["b1"].astype(int)}, "the arrays are .*, and .* needs"),
        ("a population with batch norm", lambda arrays: {"mean1": None}, "the arrays are .*, and .* needs"),
    ],
)
def test_invalid_arrays_are_refused(kind: str, change: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model, y = MODELS[kind]
    model.fit(X, y).save(path)
    arrays, about = load_arrays(path)
    changed = {name: array for name, array in (arrays | change(arrays)).items() if array is not None}
    save_arrays(path, changed, about)
    with pytest.raises(BadInput, match=f"is damaged.*{sentence}"):
        load_model(path)


def test_unfitted_models_are_not_saved(tmp_path: Path) -> None:
    with refuses("MLPClassifier()", "from_sklearn"):
        MLPClassifier().save(tmp_path / "model.safetensors")
    with refuses("from_sklearn"):
        save_model(neural_network.MLPClassifier(**SHORT).fit(X, X[:, 0] > 0), tmp_path / "model.safetensors")
    half = TabularRegressor()
    half.model_ = MLPRegressor(**SHORT).fit(X, X[:, 0])
    with refuses("TabularRegressor()"):
        half.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_classes_that_are_dates_are_not_saved(tmp_path: Path) -> None:
    days = np.array(["2026-01-01", "2026-01-02"] * 30, "datetime64[ns]")
    model = MLPClassifier(**SHORT).partial_fit(X, days, classes=days)
    with refuses("datetime64[ns]"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_reference_documents_all_metadata(tmp_path: Path) -> None:
    section = FILES.read_text(encoding="utf-8").partition("## A model file")[2].partition("\n## ")[0]
    for kind in ("a population with batch norm", "scaled targets"):
        model, y = MODELS[kind]
        model.fit(X, y).save(tmp_path / "model.safetensors")
        arrays, about = load_arrays(tmp_path / "model.safetensors")
        assert [name for name in (*arrays, *about, *ATTRIBUTES) if f"`{name.replace('2', '1')}`" not in section] == []


def in_a_file(model: Any, folder: Path) -> Callable[[], Any]:
    """Keeps a model; what is returned reads it and answers."""
    model.save(folder / "m.safetensors")
    return lambda: load_model(folder / "m.safetensors").predict(X)


def in_a_pickle(model: Any, folder: Path) -> Callable[[], Any]:
    kept = pickle.dumps(pickle.loads(pickle.dumps(model)))
    return lambda: pickle.loads(kept).predict(X)


@pytest.mark.parametrize("kept", [in_a_file, in_a_pickle])
@pytest.mark.parametrize("given", ["bent", {"name": "bent", "k": 0.5}], ids=str)
def test_custom_activation_must_be_registered(given: Any, kept: Any, tmp_path: Path) -> None:
    bent = unproved(Activation("bent", lambda z, k: k * np.tanh(z), lambda z, a, k: 0 * z + k, parameters={"k": 1.0}))
    registry.add("activation", bent)
    try:
        model = MLPRegressor(**SHORT, activation=given, engine="reference").fit(X, X[:, 0])
        read = kept(model, tmp_path)
        np.testing.assert_array_equal(read(), model.predict(X))
    finally:
        registry.remove("activation", "bent")
    with refuses("bent"):
        read()


def test_save_weights_includes_the_scaling_layer(tmp_path: Path) -> None:
    model = MLPRegressor(**SHORT, n_members=2, scaling_layer=True, activation="identity").fit(X, X[:, 0])
    save_weights(model, tmp_path / "w.safetensors")
    arrays = load_arrays(tmp_path / "w.safetensors")[0]
    assert {name: array.shape for name, array in arrays.items() if name.endswith("1")} == {
        "scale1": (2, 1, 3),
        "W1": (2, 3, 4),
        "b1": (2, 1, 4),
    }
    hidden = (X * arrays["scale1"]) @ arrays["W1"] + arrays["b1"]
    outputs = hidden @ arrays["W2"] + arrays["b2"]
    np.testing.assert_allclose(model.predict(X), outputs.mean(axis=0)[:, 0], rtol=1e-12)
