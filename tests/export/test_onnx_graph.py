"""onnxruntime's answers beside ours, over random inputs."""

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from layers_of_any_form import LAYERS
from refusals import refuses
from skl2onnx.common import data_types
from sklearn import neural_network
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from unproved import unproved

from deltarule import (
    BadInput,
    MLPClassifier,
    MLPRegressor,
    Network,
    TabularClassifier,
    TabularRegressor,
    create_problem,
    register_activation,
    register_layer,
    register_onnx_converters,
    to_onnx,
    train,
    unregister,
)
from deltarule.export.model_scripts import numpy_script
from deltarule.export.onnx_program import Graph, Value, add_network
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.elementary import select
from deltarule.tables.frame import frame_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("one_candidate"),
]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
SHORT: dict[str, Any] = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
MODELS = {
    "two classes": (MLPClassifier(**SHORT), X[:, 0] > 0),
    "words": (MLPClassifier(**SHORT, n_members=3), np.array(list("abc") * 20)),
    "words as objects": (MLPClassifier(**SHORT), np.array(["a", "bcd"] * 30, object)),
    "numbers as classes": (MLPClassifier(**SHORT, batch_norm=True), np.array([1, 5, 7] * 20)),
    "fractions as classes": (MLPClassifier(**SHORT), np.array([1.0, 2.0] * 30)),
    "labels": (MLPClassifier(**SHORT), (X > 0).astype(int)),
    "whole numbers without a sign": (MLPClassifier(**SHORT), np.array([3, 200] * 30, np.uint8)),
    "one class": (MLPClassifier(**SHORT), np.ones(60, int)),
    "several numbers": (MLPRegressor(**SHORT, scale_target=True, n_members=2), 100 + 50 * X[:, :2]),
    "counts": (MLPRegressor("poisson", **SHORT), np.arange(60) % 7),
    "no hidden layer": (MLPRegressor(**SHORT | {"hidden_layer_sizes": ()}), X[:, 0]),
}


def session_of(model: Any, folder: Path) -> onnxruntime.InferenceSession:
    to_onnx(model, folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx")


def agree(model: Any, session: onnxruntime.InferenceSession, table: Any, inputs: dict[str, Any]) -> None:
    answers = dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))
    if "prediction" in answers:
        np.testing.assert_allclose(answers["prediction"], model.predict(table), rtol=1e-5, atol=1e-5)
        return
    np.testing.assert_allclose(answers["probabilities"], model.predict_proba(table), rtol=0, atol=1e-5)
    assert answers["label"].tolist() == model.predict(table).tolist()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", MODELS)
def test_networks_predict_the_same_in_onnx(kind: str, dtype: Any, tmp_path: Path) -> None:
    model, y = MODELS[kind]
    session = session_of(model.fit(X.astype(dtype), y), tmp_path)
    asked = RANDOM.normal(scale=3, size=(200, 3)).astype(dtype)
    agree(model, session, asked, {"X": asked.astype(np.float64)})


@pytest.mark.parametrize("kind", ["two classes", "words", "labels"])
def test_equally_probable_classes_get_the_same_label(kind: str, tmp_path: Path) -> None:
    model = copy.deepcopy(MODELS[kind][0]).fit(X, MODELS[kind][1])
    for array in (*model.coefs_, *model.intercepts_):
        array[...] = 0
    agree(model, session_of(model, tmp_path), X, {"X": X})


@pytest.mark.needs("torch")
@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_every_activation_predicts_the_same_in_onnx(activation: str, tmp_path: Path) -> None:
    model = MLPRegressor(activation=activation, **SHORT).fit(X, X[:, 0])
    asked = np.r_[RANDOM.normal(scale=3, size=(200, 3)), np.zeros((1, 3))]
    session = session_of(model, tmp_path)
    agree(model, session, asked, {"X": asked})
    [answers] = session.run(None, {"X": asked})
    rounding = 1e-6 if activation == "gelu" else 1e-10  # its Erf is float32's
    np.testing.assert_allclose(answers, model.predict(asked), rtol=rounding, atol=rounding)


def test_custom_activation_predicts_the_same_in_onnx(tmp_path: Path) -> None:
    register_activation("isru", lambda z: z / np.sqrt(1 + z * z), lambda z, a: 1 / np.sqrt(1 + z * z) ** 3)
    try:
        model = MLPRegressor(activation="isru", **SHORT).fit(X, X[:, 0])
        agree(model, session_of(model, tmp_path), X, {"X": X})
    finally:
        unregister("activation", "isru")


def test_an_own_layer_predicts_the_same_and_one_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    register_layer("own_powers", lambda x, W: x / (1 + (x @ W).sum(-1, keepdims=True) ** 2), arrays={"W": "D D"})
    register_layer(
        "own_shift",
        lambda x, b: (x + np.sort(b, axis=-1), lambda dz: (dz, dz.sum(-2, keepdims=True))),
        arrays={"b": "1 D"},
        derivative=False,
    )
    try:
        run = train(create_problem(Network([3, "own_powers", 2]), X[:9, :3], X[:9, :2]), max_steps=5)
        to_onnx(run, tmp_path / "run.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "run.onnx")
        x = X[:9, :3]
        np.testing.assert_allclose(session.run(["outputs"], {"X": x})[0], run.outputs(x)[0], rtol=1e-12)
        odd = train(create_problem(Network([3, "own_shift", 2]), x, X[:9, :2]), max_steps=5, engine="reference")
        with refuses("own_shift", "ONNX"):
            to_onnx(odd, tmp_path / "odd.onnx")
        with refuses("member", 1, 0):
            to_onnx(run, tmp_path / "run.onnx", member=1)
    finally:
        unregister("layer", "own_powers")
        unregister("layer", "own_shift")


FUSES_NOTHING = onnxruntime.SessionOptions()
FUSES_NOTHING.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
"""ONNX Runtime 1.19 to 1.26 fuse x @ y.T of float64 into an operation that they have for float32 alone."""


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_any_form_predicts_the_same(name: str, tmp_path: Path) -> None:
    function, options, place = LAYERS[name]
    register_layer("of_any_form", function, **options)
    try:
        x = np.random.default_rng(0).normal(size=(9, 8))
        problem = create_problem(Network([8, "tanh", {"name": "of_any_form", **place}, 3]), x, x[:, :3], members=2)
        run = train(problem, max_steps=2, engine="reference")
        to_onnx(run, tmp_path / "run.onnx", member=1)
        session = onnxruntime.InferenceSession(tmp_path / "run.onnx", FUSES_NOTHING)
        np.testing.assert_allclose(session.run(["outputs"], {"X": x})[0], run.outputs(x)[1], rtol=1e-12, atol=1e-14)
    finally:
        unregister("layer", "of_any_form")


def of_choices(z: Any) -> Any:
    truths = (z > -1) & ~(z >= 2) | (z < -2)
    chosen = np.where(z, np.minimum(z, 0.5), 2) + select(truths, z, -1.0) + select(z, 1.0, np.maximum(z, -0.5))
    return chosen + truths * 0.3 + ((z == 0.5) + (z <= -3)) * 1.0 + np.where(z > 0, 1, 0)


def of_functions(z: Any) -> Any:
    waves = np.sin(z) * np.cos(z) + np.tanh(z) + np.floor(z) * np.sign(z) + np.ceil(z)
    return waves + np.log1p(np.abs(z)) + np.expm1(-z * z) + np.sqrt(z**2) + np.exp(-z) + sum(c * z for c in (1.0, 2.0))


def add_own(function: Any, graph: Graph) -> Value:
    """A network of one weight of 1, whose output has an activation that nobody has proved."""
    network = Network([1, 1], output=unproved(Activation("own", function, function)), bias=False)
    return add_network(network, {"W1": np.ones((1, 1, 1))}, graph.input("X", np.float64, 1))


@pytest.mark.parametrize("function", [of_choices, of_functions, lambda z: z > 0])
def test_each_operation_of_a_traced_activation_has_its_form_in_onnx(function: Any) -> None:
    graph, z = Graph(), np.linspace(-4, 4, 33)[:, None]
    value = add_own(function, graph)
    graph.output("a", value, np.float64, [1, "N", 1])
    session = onnxruntime.InferenceSession(graph.model("own").SerializeToString())
    np.testing.assert_allclose(session.run(None, {"X": z})[0][0], function(z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda z: z - z.prod(-1, keepdims=True), "it uses .prod in line"),
        (lambda z: np.fmod(z, 3.0), "it uses fmod"),
        (lambda z: 1.0, "it is a number"),
    ],
)
def test_an_activation_without_a_form_in_onnx_is_refused_with_its_reason(function: Any, reason: str) -> None:
    with pytest.raises(BadInput, match=f"^the activation 'own' is your own; ONNX has no form for it: {reason}"):
        add_own(function, Graph())


COLORS = ["red", "blue", "green", ""]
TABLE = {
    "size in cm": np.where(RANDOM.random(60) < 0.2, np.nan, RANDOM.normal(100, 30, 60)),
    "whole": np.where(RANDOM.random(60) < 0.5, 0.0, RANDOM.normal(size=60)),
    "color": np.array(COLORS * 15, object),
    "same": np.ones(60),
}


@pytest.fixture(scope="module", params=["classes", "numbers"])
def tabular(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    y = np.nan_to_num(TABLE["size in cm"]) + 50 * (TABLE["color"] == "red")
    model: Any = TabularRegressor(random_state=0).fit(TABLE, y)
    if request.param == "classes":
        model = TabularClassifier(random_state=0).fit(TABLE, np.where(y > 90, "large", "small"))
    return model, session_of(model, tmp_path_factory.mktemp("onnx"))


WILD = st.sampled_from([np.nan, 999999.0, -1e30, 1e308, -sys.float_info.max, sys.float_info.max, 5e-324])
row = st.tuples(st.floats(-1e4, 1e4) | WILD, st.floats(-9, 9) | WILD, st.sampled_from([*COLORS, "новый"]))


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(row, min_size=1, max_size=20))
def test_tables_with_missing_values_and_new_categories_predict_the_same(tabular: Any, rows: list[Any]) -> None:
    model, session = tabular
    table = frame_of({name: [one[place] for one in rows] for place, name in enumerate(list(TABLE)[:3])})
    inputs = {name: column[:, None] for name, column in table.items()}
    assert sorted(one.name for one in session.get_inputs()) == sorted(inputs)
    inputs["color"] = np.array([[one[2]] for one in rows], object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(model, session, table, inputs)


@pytest.mark.parametrize(("mean", "scale"), [(1e9, 1.0), (1e-20, 1e-30)])
@pytest.mark.filterwarnings("ignore:the column .* alone predicts the target")
def test_numbers_of_any_size_predict_the_same(mean: float, scale: float, tmp_path: Path) -> None:
    table = {"a": mean + scale * X[:, 0]}
    model = TabularClassifier(random_state=0).fit(table, np.where(X[:, 0] > 0, "large", "small"))
    agree(model, session_of(model, tmp_path), table, {"a": table["a"][:, None]})


@pytest.mark.filterwarnings("ignore:the column .* alone predicts the target")
def test_columns_may_have_the_names_of_outputs(tmp_path: Path) -> None:
    taken = ["label", "predicted label", "probabilities", "X"]
    table = {name: np.roll(X[:, 0], place) for place, name in enumerate(taken)}
    model = TabularClassifier(random_state=0).fit(table, np.where(X[:, 0] > 0, "large", "small"))
    session = session_of(model, tmp_path)
    label, _ = session.run(None, {name: column[:, None] for name, column in table.items()})
    assert [one.name for one in session.get_outputs()] == ["predicted predicted label", "predicted probabilities"]
    assert label.tolist() == model.predict(table).tolist()


@pytest.mark.filterwarnings("ignore:the column .name. has in 60 rows categories without an input")
def test_a_column_whose_texts_all_occur_once_is_no_input(tmp_path: Path) -> None:
    table = {"x": X[:, 0] + X[:, 1], "name": np.array([f"n{n}" for n in range(60)], object)}
    model = TabularClassifier(random_state=0, types={"name": "category"}).fit(table, np.where(X[:, 0] > 0, "a", "b"))
    session = session_of(model, tmp_path)
    assert [one.name for one in session.get_inputs()] == ["x"]
    agree(model, session, table, {"x": table["x"][:, None]})


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_pipelines_predict_the_same_in_onnx(kind: Any, tmp_path: Path) -> None:
    before = StandardScaler(), VarianceThreshold(), PCA(2), MinMaxScaler()
    x = 5 + 3 * X
    y = np.where(X[:, 0] > 0, "yes", "no") if kind is MLPClassifier else X[:, 0]
    steps = make_pipeline(*before, kind(**SHORT)).fit(x, y)
    session = session_of(steps, tmp_path)
    agree(steps, session, x, {"X": x})


def mixed_columns() -> pd.DataFrame:
    """Columns of texts, of whole numbers and of numbers with gaps, and one that no step uses."""
    table = pd.DataFrame(
        {"age": X[:, 0], "unused": 0.0, "city": ["Bonn", "Köln", "Ulm"] * 20, "floor": [1, 2, 3, 4] * 15}
    )
    table["size"] = np.where(X[:, 1] > 0, "large", "small")
    table["wage"] = 1000 + X[:, 2]
    table.loc[::7, "age"] = np.nan
    return table


def steps_for_columns() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    codes = make_pipeline(OrdinalEncoder(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [("n", numbers, ["age", "wage"]), ("t", texts, ["city"]), ("c", codes, ["size", "floor"])], sparse_threshold=0.0
    )


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_columns_of_a_data_frame_are_inputs_of_a_pipeline(kind: Any, tmp_path: Path) -> None:
    table = mixed_columns()
    y = np.where(X[:, 0] > 0, "yes", "no") if kind is MLPClassifier else X[:, 0]
    steps = make_pipeline(steps_for_columns(), kind(**SHORT)).fit(table, y)
    session = session_of(steps, tmp_path)
    types = {each.name: each.type for each in session.get_inputs()}
    assert types == {
        "age": "tensor(double)",
        "city": "tensor(string)",
        "floor": "tensor(int64)",
        "size": "tensor(string)",
        "wage": "tensor(double)",
    }
    agree(steps, session, table, {name: table[name].to_numpy()[:, None] for name in types})


def test_the_remaining_columns_of_a_data_frame_are_inputs(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": X[:, 0], "name": ["a", "b"] * 30, "z": X[:, 1]})
    first = ColumnTransformer([("t", OneHotEncoder(), [1])], remainder="passthrough", sparse_threshold=0.0)
    steps = make_pipeline(first, MLPRegressor(**SHORT)).fit(table, X[:, 0])
    session = session_of(steps, tmp_path)
    agree(steps, session, table, {name: table[name].to_numpy()[:, None] for name in table})


def test_steps_without_a_form_are_refused_with_the_reason(tmp_path: Path) -> None:
    steps = make_pipeline(FunctionTransformer(np.abs), MLPRegressor(**SHORT)).fit(X, X[:, 0])
    with pytest.raises(BadInput, match=r"skl2onnx cannot convert the steps .*to_onnx\(pipeline\[-1\], path\)"):
        to_onnx(steps, tmp_path / "model.onnx")
    table = pd.DataFrame({"x": np.where(X[:, 0] > 0, X[:, 0], np.nan), "empty": np.full(60, np.nan)})
    columns = ColumnTransformer([("n", SimpleImputer(), ["x", "empty"])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        steps = make_pipeline(columns, MLPRegressor(**SHORT)).fit(table, X[:, 0])
    with pytest.raises(BadInput, match="drops a column that was empty in training"):
        to_onnx(steps, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def of_skl2onnx(model: Any, types: Any, **options: Any) -> Any:
    register_onnx_converters()
    return onnxruntime.InferenceSession(
        skl2onnx.convert_sklearn(model, initial_types=types, **options).SerializeToString()
    )


@pytest.mark.parametrize(("floats", "dtype", "tolerance"), [("Double", "f8", 1e-12), ("Float", "f4", 1e-5)])
@pytest.mark.parametrize("opset", [13, 17, 21])
def test_skl2onnx_converts_networks_behind_columns(floats: str, dtype: str, tolerance: float, opset: int) -> None:
    table = mixed_columns().drop(columns=["unused", "age"])
    steps = make_pipeline(
        ColumnTransformer([("n", StandardScaler(), ["wage"]), ("t", OneHotEncoder(), ["city", "size"])]),
        MLPClassifier(**SHORT),
    ).fit(table, np.digitize(X[:, 2], [-0.5, 0.5]))
    numbers, texts = getattr(data_types, f"{floats}TensorType"), data_types.StringTensorType
    types = [("wage", numbers([None, 1])), ("city", texts([None, 1])), ("size", texts([None, 1]))]
    session = of_skl2onnx(steps, types, options={id(steps[-1]): {"zipmap": False}}, target_opset=opset)
    feeds = {name: table[name].to_numpy()[:, None] for name, _ in types}
    feeds["wage"] = feeds["wage"].astype(dtype)
    label, p = session.run(None, feeds)
    assert p.dtype == dtype and label.dtype == np.int64
    np.testing.assert_allclose(p, steps.predict_proba(table), atol=100 * tolerance)
    assert (label == steps.predict(table)).mean() > 0.98


def test_skl2onnx_converts_regressors_classes_of_texts_and_ensembles_of_networks() -> None:
    types = [("X", data_types.FloatTensorType([None, X.shape[1]]))]
    x = X.astype(np.float32)
    for y in (X[:, 0], X[:, :2]):
        regressor = MLPRegressor(**SHORT).fit(X, y)
        [numbers] = of_skl2onnx(regressor, types).run(None, {"X": x})
        assert numbers.shape == (60, y.ndim)
        np.testing.assert_allclose(numbers.reshape(y.shape), regressor.predict(x), atol=1e-5)
    classifier = MLPClassifier(**SHORT).fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    label, by_class = of_skl2onnx(classifier, types).run(None, {"X": x})  # as dictionaries, skl2onnx's default
    assert label.tolist() == classifier.predict(x).tolist()
    assert by_class[0]["yes"] == pytest.approx(classifier.predict_proba(x)[0, 1], abs=1e-6)
    both = VotingRegressor([("a", MLPRegressor(**SHORT)), ("b", MLPRegressor(**SHORT))]).fit(X, X[:, 0])
    [numbers] = of_skl2onnx(both, types).run(None, {"X": x})
    np.testing.assert_allclose(numbers.ravel(), both.predict(x), atol=1e-5)


def test_several_labels_and_old_versions_are_refused_within_skl2onnx() -> None:
    types = [("X", data_types.FloatTensorType([None, X.shape[1]]))]
    with refuses("to_onnx"):
        of_skl2onnx(MLPClassifier(**SHORT).fit(X, X > 0), types, options={"zipmap": False})
    with refuses("target_opset", 11, 13):
        of_skl2onnx(MLPRegressor(**SHORT).fit(X, X[:, 0]), types, target_opset=11)


def test_levels_predict_the_same_and_words_are_refused(tmp_path: Path) -> None:
    table = {"size": np.array(["s", "m", "l", ""] * 15, object), "text": np.array(["a b", "c"] * 30, object)}
    kinds = {"size": ["s", "m", "l"], "text": "unused"}
    model = TabularRegressor(kinds, random_state=0, preset="fast").fit(table, X[:, 0])
    asked = {"size": np.array(["l", "m", "s", "", "xl"], object)}
    agree(model, session_of(model, tmp_path), asked, {"size": asked["size"][:, None]})
    of_words = TabularRegressor({"text": "text"}, random_state=0, preset="fast").fit(table, X[:, 0])
    with refuses("text", "ONNX"):
        to_onnx(of_words, tmp_path / "words.onnx")


def test_dates_as_classes_are_refused(tmp_path: Path) -> None:
    days = np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]")
    model = MLPClassifier(**SHORT).partial_fit(X, np.tile(days, 30), classes=days)
    with refuses("ONNX", "y.astype(str)"):
        to_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_other_models_are_refused(tmp_path: Path) -> None:
    with refuses("MLPClassifier", "MLPRegressor"):
        to_onnx(MLPClassifier(), tmp_path / "model.onnx")
    with refuses("a MLPRegressor", "deltarule"):
        to_onnx(neural_network.MLPRegressor(**SHORT).fit(X, X[:, 0]), tmp_path / "model.onnx")
    steps = make_pipeline(StandardScaler(), TabularClassifier(random_state=0, preset="fast")).fit(X, X[:, 0] > 0)
    with refuses("TabularClassifier", "MLPClassifier"):
        to_onnx(steps, tmp_path / "model.onnx")
    with refuses(tmp_path / "nowhere" / "model.onnx"):
        to_onnx(MLPRegressor(**SHORT).fit(X, X[:, 0]), tmp_path / "nowhere" / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_heavy_tails_and_codes_for_missing_predict_the_same(tmp_path: Path) -> None:
    heavy = np.exp(RANDOM.normal(0, 2, 200))
    table = {"a": np.where(RANDOM.random(200) < 0.1, -9999, heavy), "b": np.array(["x", "y", "?!", "x"] * 50, object)}
    model: Any = TabularRegressor(random_state=0, preset="fast", missing={"a": [-9999], "b": ["?!"]})
    model.fit(table, np.log(heavy) + 0.1 * RANDOM.normal(size=200))
    assert model.columns_[0].knots and model.columns_[0].gaps
    shown = {
        "a": table["a"][:, None],
        "b": np.where(table["b"] == "?!", "", table["b"]).astype(object)[:, None],
    }
    agree(model, session_of(model, tmp_path), table, shown)
    (tmp_path / "m.py").write_text(numpy_script(model), encoding="utf-8")
    rows = "".join(f"{a!r},{b}\n" for a, b in zip(table["a"].tolist(), table["b"], strict=True))
    (tmp_path / "t.csv").write_text(f"a,b\n{rows}", encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "m.py", tmp_path / "t.csv"], capture_output=True, check=True)
    np.testing.assert_allclose(np.array(done.stdout.split()[-200:], float), model.predict(table), rtol=1e-9)
