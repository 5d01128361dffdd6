import csv
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from deltarule import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor, load_model
from deltarule.array_files import load_arrays
from deltarule.tables.column_encoder import encode_columns
from deltarule.tables.reader import read_frame


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "run"
    words = ["run", "encoder", "--experiment", "rate-1", "--seeds", "3", "--set", "stopping.max_steps=60", "--out"]
    subprocess.run([sys.executable, "-m", "deltarule", *words, str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_script_of_a_run(deltarule, run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    status, out, err = deltarule("export", run, "--to", "script", "--member", 2)
    assert (status, err) == (0, "") and str(run / "script.py") in out.replace("\n", "")
    done = subprocess.run([sys.executable, "-I", str(run / "script.py")], capture_output=True, encoding="utf-8")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) > 5 and all(line.endswith("the same") for line in lines)
    text = (run / "script.py").read_text(encoding="utf-8")
    assert text.startswith('"""encoder, rate-1 on one_hot, member 2 (seed 2): a network 8-3-8, 60 updates.')
    deltarule("export", run, "--to", "script", "--out", tmp_path / "other.py")
    assert (tmp_path / "other.py").read_text(encoding="utf-8") != text


@pytest.mark.slow
def test_layers_of_a_recipe_are_run_explained_checked_and_exported(deltarule, own_recipe, tmp_path):
    own_recipe(tmp_path)
    recipe = tmp_path / "own.toml"
    layers = '["auto", 3, "layer_norm", "tanh", {name="residual", skip="n1"}, {name="tied", W="W1"}, "auto"]'
    recipe.write_text(re.sub("layers = .*", f"layers = {layers}", recipe.read_text("utf-8")), encoding="utf-8")
    assert "layer_norm" in deltarule("explain", recipe)[1]
    assert "right" in deltarule("check", recipe)[1]
    assert deltarule("run", recipe, "--out", tmp_path / "run")[0] == 0
    assert deltarule("export", tmp_path / "run", "--to", "script", "--data", tmp_path)[0] == 0
    done = subprocess.run([sys.executable, str(tmp_path / "run" / "script.py")], capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and all(line.endswith("the same") for line in done.stdout.splitlines())
    status, _, err = deltarule("play", recipe, "--page", tmp_path / "page.html")
    assert status == 2 and 'network.layers has "layer_norm", and the page shows only' in err


@pytest.mark.slow
def test_data_beside_the_recipe(deltarule, own_recipe, tmp_path, monkeypatch):
    """Elsewhere the run is told of them; a script is never written over them."""
    own_recipe(tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert deltarule("run", tmp_path / "own.toml", "--out", "run")[0] == 0
    status, out, err = deltarule("export", "run", "--to", "script")
    assert (status, out) == (2, "") and "own.csv does not exist; check the name and the folder" in err
    status, _, err = deltarule("export", "run", "--to", "script", "--data", tmp_path, "--out", tmp_path / "own.csv")
    assert status == 2 and "own.csv, and would be lost; give the export another name" in err
    assert deltarule("export", "run", "--to", "script", "--data", tmp_path)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("RUN", "--to", "onnx"), 'there is no form "onnx" to export a run to; give --to script'),
        (("MODEL", "--to", "pickle"), "Invalid value for '--to': 'pickle' is not one of 'script', 'onnx'"),
        (("MODEL", "--to", "torch", "--member", "8"), "there is no member 8; the model has the members 0 to 7"),
        (("MODEL", "--to", "onnx", "--member", "1"), "--to onnx holds all members"),
        (("MODEL", "--to", "script", "--out", "MODEL"), "and would be lost; give the export another name"),
        (("TABLE", "--to", "onnx"), "is damaged or no safetensors file"),
        (("RUN", "--to", "script", "--member", "3"), "there is no member 3; the run has the members 0 to 2"),
        (("RUN", "--to", "script", "--member", "-1"), "there is no member -1"),
        (("gone", "--to", "onnx"), "gone does not exist; check the name and the folder"),
        ((".", "--to", "script"), "holds no run"),
        (("RUN", "--to", "script", "--out", "nowhere/script.py"), "nowhere"),
        (("RUN",), "--to"),
    ],
)
def test_bad_use(deltarule, request, tmp_path, monkeypatch, words, sentence):
    stand = {word: request.getfixturevalue(word.lower()) for word in ("RUN", "MODEL", "TABLE") if word in words}
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path, *(path.parent for path in stand.values())]
    before = [sorted(folder.rglob("*")) for folder in folders]
    status, out, err = deltarule("export", *(stand.get(word, word) for word in words))
    assert status == 2 and out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert [sorted(folder.rglob("*")) for folder in folders] == before


N = 60
ROWS = np.random.default_rng(0)
TABLE = {
    "size": [f"{value:.3f}" if value > -1 else "" for value in ROWS.normal(size=N)],
    "color": ROWS.choice(["red", "blue", "NA", "once, or twice"], N).tolist(),
    "code": ROWS.choice(["1", "2.0"], N).tolist(),
}
KINDS = {
    "kind": TabularClassifier({"code": "category"}, random_state=0),
    "amount": TabularRegressor({"code": "category"}, random_state=0),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A table, and models of it."""
    folder = tmp_path_factory.mktemp("models")
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([list(TABLE), *zip(*TABLE.values(), strict=True)])
    frame = read_frame(folder / "table.csv")
    amount = 3 * np.nan_to_num(frame["size"]) + 5 * (frame["color"] == "red") + frame["code"]
    for name, model in KINDS.items():
        model.fit(frame, np.where(amount > 3, "much", "little") if name == "kind" else amount)
        model.save(folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def model(models):
    return models / "kind.safetensors"


@pytest.fixture
def table(models):
    return models / "table.csv"


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_script_of_a_model(deltarule, models, name):
    assert deltarule("export", models / f"{name}.safetensors", "--to", "script")[0] == 0
    words = [sys.executable, "-I", models / f"{name}.py", models / "table.csv"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8")
    answers = load_model(models / f"{name}.safetensors").predict(read_frame(models / "table.csv"))
    assert done.returncode == 0, done.stderr
    if name == "kind":
        assert done.stdout.split() == answers.tolist()
    else:
        np.testing.assert_allclose([float(line) for line in done.stdout.split()], answers, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_script_reports_missing_columns(deltarule, models, tmp_path):
    deltarule("export", models / "kind.safetensors", "--to", "script", "--out", tmp_path / "kind.py")
    (tmp_path / "table.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    (tmp_path / "no_rows.csv").write_text("a\n", encoding="utf-8")
    said = []
    for words in (["table.csv"], ["no_rows.csv"], []):
        command = [sys.executable, "-I", "kind.py", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
        said.append((done.returncode, done.stdout, done.stderr))
    no_rows = "no_rows.csv: it has no rows; add some below a line that names the columns\n"
    lacking = "table.csv: the table lacks size, color, code; give one with these columns, separated by commas\n"
    assert said == [(2, "", lacking), (2, "", no_rows), (2, "", "give one table: python THIS_FILE TABLE.csv\n")]


CELLS = [["NAN", "Nan", "-nan", " nan ", "1.5", "", "NA", "1e3"], ["red", " red ", "NULL", "", "pink", "1", "Nan"]]
CODES = {
    "numbers": ["1", "2.0", "01", "1.0", "1_0", "", "2e0", "x"],
    "texts": ["01", "1", "1A", "1.0", "", " 01 ", "NAN"],
}


@pytest.fixture(scope="module", params=CODES)
def coded(request, tmp_path_factory):
    """Models whose categories are called by numbers, and by texts that look like numbers; and cells to ask about."""
    folder = tmp_path_factory.mktemp("coded")
    codes = np.array([1.0, 2.0] * 30) if request.param == "numbers" else np.array(["01", "1A"] * 30, object)
    frame = {"size": np.where(ROWS.random(N) < 0.2, np.nan, ROWS.normal(size=N)), "code": codes}
    frame["color"] = np.array(["red", "blue", ""] * 20, object)
    y = np.nan_to_num(frame["size"]) + np.arange(N) % 2 + 5 * (frame["color"] == "red")
    TabularRegressor({"code": "category"}, random_state=0).fit(frame, y).save(folder / "model.safetensors")
    return folder / "model.safetensors", CODES[request.param]


@pytest.mark.slow
def test_script_reads_cells(deltarule, coded, tmp_path):
    """Whatever stands beside it: all cells of a column by themselves and together."""
    model, codes = coded
    deltarule("export", model, "--to", "script", "--out", tmp_path / "model.py")
    rows = [*itertools.product(*CELLS, codes)]
    for name, some in {"all": rows, **{f"{n}": [row] for n, row in enumerate(rows[::40])}}.items():
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["size", "color", "code"], *some])
    script = runpy.run_path(str(tmp_path / "model.py"))
    _, out, _ = deltarule("predict", model, tmp_path / "all.csv", "--json")
    together = json.loads(out)["predictions"]
    np.testing.assert_allclose(script["predict"](script["encode"](script["read"](tmp_path / "all.csv"))), together)
    for n, answer in enumerate(together[::40]):
        _, out, _ = deltarule("predict", model, tmp_path / f"{n}.csv", "--json")
        assert json.loads(out)["predictions"] == pytest.approx([answer])


@pytest.mark.slow
def test_network_script_refuses_bad_tables(deltarule, tmp_path):
    MLPRegressor(hidden_layer_sizes=(), solver="lbfgs").fit([[0.0, 0.0], [1.0, 2.0]], [1.0, 2.0]).save(tmp_path / "m")
    deltarule("export", tmp_path / "m", "--to", "script", "--out", tmp_path / "m.py")
    told = {
        "a,b\n1,x\n": "the column 'b' holds 'x', where the model needs a number; correct it",
        "a\n1\n": "columns of the table: 1, inputs of the network: 2; give one for each",
        "a,b\n1,nan\n": "a number is missing; fill it, or leave the row out",
    }
    for text, sentence in told.items():
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        command = [sys.executable, "-I", "m.py", "t.csv"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"t.csv: {sentence}\n")


@pytest.mark.slow
def test_script_prints_utf_8(deltarule, tmp_path):
    frame = {"x": np.arange(40.0) % 2, "k": np.array(["é", "x" * 200_000] * 20, object)}
    TabularClassifier(random_state=0).fit(frame, np.array(["grün", "rouge"] * 20)).save(tmp_path / "m")
    deltarule("export", tmp_path / "m", "--to", "script", "--out", tmp_path / "m.py")
    long = "x" * 200_000
    (tmp_path / "t.csv").write_text(f"\ufeff\n x , k\n0,é\n  \n\n 1 ,{long}\n", encoding="utf-8")
    _, out, _ = deltarule("predict", tmp_path / "m", tmp_path / "t.csv", "--json")
    command = [sys.executable, "m.py", "t.csv"]
    ascii = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=ascii)
    assert done.stdout.decode("utf-8").split() == json.loads(out)["predictions"] == ["grün", "rouge"]


@pytest.mark.parametrize("activation", ["relu", "gelu", {"name": "leaky_relu", "slope": 0.2}, "logistic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_script_of_a_network(deltarule, tmp_path, activation, dtype):
    x = ROWS.normal(size=(40, 3)).astype(dtype)
    given = {"activation": activation, "batch_norm": True, "dropout": 0.1, "n_members": 2, "max_iter": 3}
    models = {
        "one": (MLPRegressor(hidden_layer_sizes=(40, 50), scale_target=True, **given), x[:, 0]),
        "two": (MLPClassifier(hidden_layer_sizes=(5,), **given), x[:, 0] > 0),
        "three": (MLPClassifier(hidden_layer_sizes=(5,), **given), np.arange(40) % 3),
        "labels": (MLPClassifier(hidden_layer_sizes=(5,), **given), (x > 0).astype(int)),
    }
    for name, (model, y) in models.items():
        model.fit(x, y).save(tmp_path / name)
        assert deltarule("export", tmp_path / name, "--to", "script")[0] == 0
        predict = runpy.run_path(str(tmp_path / f"{name}.py"))["predict"]
        np.testing.assert_allclose(np.array(predict(x), float), model.predict(x), rtol=1e-4, atol=1e-5)
        assert deltarule("export", tmp_path / name, "--to", "torch", "--member", 1)[0] == 0
        module = runpy.run_path(str(tmp_path / f"{name}.torch.py"))["module"]
        assert type(module) is torch.nn.Sequential and not module.training
        with torch.no_grad():
            theirs = module(torch.tensor(x, dtype=torch.float64)).numpy()
        ours = model._predict_members(x, lambda outputs: outputs)[1]
        if name == "one":  # numbers in the target's unit
            ours = ours * x[:, 0].std() + x[:, 0].mean()
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["script", "onnx", "safetensors", "torch"])
def test_an_export_beside_the_model_overwrites_nothing(deltarule, models, tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.safetensors").write_bytes((models / "amount.safetensors").read_bytes())
    words = ("export", "own.safetensors", "--to", form)
    assert deltarule(*words)[0] == 0
    [path] = set(tmp_path.iterdir()) - {tmp_path / "own.safetensors"}
    path.write_bytes(b"mine")
    told = f"deltarule: {path.name} is there already; name it with --out to overwrite it, or another file\n"
    assert deltarule(*words) == (2, "", told) and path.read_bytes() == b"mine"
    assert deltarule(*words, "--out", path)[0] == 0 and path.stat().st_size > 100


def test_onnx_torch_and_weights_of_a_model_for_tables(deltarule, models):
    for form in ("onnx", "torch", "safetensors"):
        assert deltarule("export", models / "kind.safetensors", "--to", form)[0] == 0
    model, frame = load_model(models / "kind.safetensors"), read_frame(models / "table.csv")
    texts = np.array([str(int(code)) for code in frame["code"]], object)
    session = onnxruntime.InferenceSession(models / "kind.onnx")
    inputs = {name: column[:, None] for name, column in (frame | {"code": texts}).items()}
    assert session.run(["label"], inputs)[0].tolist() == model.predict(frame).tolist()
    made = runpy.run_path(str(models / "kind.torch.py"))
    with (models / "table.csv").open(encoding="utf-8", newline="") as file:
        x = made["encode"](list(csv.DictReader(file)))
    np.testing.assert_allclose(x, encode_columns(model.columns_, frame), rtol=1e-12)
    arrays, about = load_arrays(models / "kind.weights.safetensors")
    np.testing.assert_array_equal(arrays["W1"].reshape(model.model_.coefs_[0].shape), model.model_.coefs_[0])
    assert about["target_"] == "target"
