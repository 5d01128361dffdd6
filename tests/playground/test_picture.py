import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from node_process import NodeProcess, needs_node
from playground_examples import decode
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix

from deltarule.data.dataset import Dataset, Rows
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.maths.network import views
from deltarule.playground import page_bundle
from deltarule.playground.picture import describe_data, draw, encode
from deltarule.playground.play import recipe_to_play
from deltarule.playground.workbench import Workbench
from deltarule.problem.batches import batch
from deltarule.problem.network import Network
from deltarule.recipes import with_settings


@pytest.fixture(scope="module")
def page():
    page = NodeProcess(
        Path(__file__).with_name("picture_runner.mjs"), (Path(page_bundle.__file__).parent / "page").as_uri()
    )
    yield page
    page.close()


def ask(page, data, frame=None, columns=None):
    messages = {"data": data, "frame": frame}
    coded = {name: base64.b64encode(encode(*one)).decode() for name, one in messages.items() if one}
    answer = page.ask({**coded, "columns": columns})
    arrays = {
        name: np.array([float(one) for one in array["data"]], np.float64).reshape(array["shape"])
        for name, array in answer["arrays"].items()
    }
    return answer["header"], arrays


@pytest.fixture
def drawn(page):
    """Draw a view of a workbench as the page does: the header and the arrays by name."""

    def draw_view(bench, **view):
        moment = bench.moment
        return ask(
            page,
            describe_data(moment.dataset, moment.problem.network),
            draw(bench, view.get("member", 0), view.get("step"), moment),
        )

    return draw_view


@needs_node
def test_plane_of_classes(opened, drawn):
    bench = opened(data={"name": {"name": "clusters", "samples": 60}})
    bench.advance(100)
    moment, dataset = bench.moment, bench.moment.dataset
    _, arrays = drawn(bench, member=1)
    low, high = arrays["grid"].min(0), arrays["grid"].max(0)
    assert (low < dataset.train.x.min(0)).all() and (high > dataset.train.x.max(0)).all()
    outputs = ReferenceEngine().outputs(moment.problem, moment.state.take([1]), arrays["grid"])[1][0]
    sure = np.sort(outputs, 1)[:, -1] - np.sort(outputs, 1)[:, -2] > 1e-4  # float32 decides otherwise in a near tie
    np.testing.assert_array_equal(np.floor(arrays["plane"])[sure], outputs.argmax(1)[sure])
    np.testing.assert_allclose(arrays["plane"] % 1, np.minimum((outputs.max(1) - 1 / 3) * 1.5, 0.999), atol=1e-4)


@needs_node
def test_plane_of_numbers(opened, drawn):
    bench = opened(data={"name": "hills"}, network={"output": "identity"}, loss={"name": "squared_error"})
    _, arrays = drawn(bench)
    outputs = ReferenceEngine().outputs(bench.moment.problem, bench.moment.state.take([0]), arrays["grid"])[1][0, :, 0]
    np.testing.assert_allclose(arrays["plane"], outputs, atol=1e-5)


@needs_node
def test_numbers_of_a_member(opened, drawn):
    bench = opened(data={"split": {"test": 12}})
    bench.advance(30)
    moment = bench.moment
    header, arrays = drawn(bench, member=2)
    state = moment.state.take([2])
    np.testing.assert_array_equal(arrays["theta"], state.theta[0].astype(np.float32))
    gradient = objective_and_gradient(moment.problem, state, batch(moment.problem, state.members, state.step)).gradient
    np.testing.assert_array_equal(arrays["gradient"], gradient[0].astype(np.float32))
    for part, rows in moment.dataset.parts.items():
        predicted = ReferenceEngine().outputs(moment.problem, state, rows.x)[1][0].argmax(1)
        expected = confusion_matrix(rows.labels, predicted, labels=[0, 1])
        np.testing.assert_array_equal(arrays[f"confusion {part}"], expected)
    names = [entry[0] for entry in header["entries"]]
    assert names == list(views(state.theta, moment.problem.network.entries))


@pytest.mark.slow
@needs_node
def test_plane_of_a_typed_activation(session, page):
    typed = {"kind": "activation", "function": "max(z, 0) ^ 2 / (1 + abs(z))", "derivative": "1"}
    session.command("formula", typed)
    bench = session.workbench
    moment = bench.moment
    data = describe_data(moment.dataset, moment.problem.network, typed["function"])
    _, arrays = ask(page, data, draw(bench, 0, None, moment))
    outputs = ReferenceEngine().outputs(moment.problem, moment.state.take([0]), arrays["grid"])[1][0]
    sure = abs(outputs[:, 0] - 0.5) > 1e-4
    np.testing.assert_array_equal(np.floor(arrays["plane"])[sure], outputs.argmax(1)[sure])
    assert decode(session.data())[0]["network"]["activations"][0]["function"] == typed["function"]


@needs_node
def test_dead_units(opened, drawn):
    bench = opened(network={"activation": "relu", "initial_scale": 0.0})
    assert drawn(bench)[1]["dead 1"].tolist() == [1, 1, 1, 1]


@pytest.mark.slow
@needs_node
def test_images(drawn):
    bench = Workbench(with_settings(recipe_to_play("digits"), {"run.engine": "reference"}))
    bench.advance(3)
    bench.close()
    moment = bench.moment
    _, arrays = drawn(bench)
    weights = views(moment.state.theta[0], moment.problem.network.entries)["W1"]
    np.testing.assert_allclose(arrays["units 1"][2].reshape(8, 8)[::-1], weights[:, 2].reshape(8, 8), rtol=1e-6)


@needs_node
def test_nonfinite_picture(opened, drawn):
    bench = opened(optimizer={"name": "sgd", "learning_rate": 1e300}, network={"activation": "relu"})
    bench.advance(5)
    header, arrays = drawn(bench)
    assert np.isnan(arrays["plane"]).any() and header["diverged"]


@pytest.mark.parametrize("spread", [0.0, 1e-40, 1e-17, 1e30], ids=["constant", "denormal", "nearly equal", "huge"])
@needs_node
def test_histogram_of_any_spread(opened, drawn, spread):
    bench = opened(network={"activation": "identity"})
    bench.advance(1)
    theta = np.full_like(bench.moment.state.theta, spread)
    theta[:, 8:12] = 1.0  # the biases of layer 1
    bench.moment = replace(bench.moment, state=replace(bench.moment.state, theta=theta))
    _, arrays = drawn(bench)
    assert arrays["activations 1"].sum() == 160 and np.isfinite(arrays["activations 1"]).all()


@needs_node
def test_fifty_classes_and_constant_columns(session, drawn):
    rows = "\n".join(f"{n % 50},{n // 50},7,{'k' + str(n % 50)}" for n in range(200))
    session.command("own-data", {"csv": "a,b,constant,class\n" + rows, "settings": {"data.scale": "standardize"}})
    session.command("step", {"updates": 2})
    _, arrays = drawn(session.workbench)
    assert arrays["confusion train"].shape == (50, 50)
    assert np.isfinite(arrays["plane"]).all()


ROWS = np.random.default_rng(0).standard_normal((30, 4)) * [3, 1, 2, 0.5]


def described(rows):
    names = tuple(f"x{column}" for column in range(rows.shape[1]))
    train = Rows(rows.astype(np.float64), np.arange(len(rows)) % 2)
    return describe_data(
        Dataset("rows", train, features=names, classes=("a", "b")), Network([rows.shape[1], 2], [], "softmax")
    )


@needs_node
def test_principal_components(page):
    header, arrays = ask(page, described(ROWS))
    expected = PCA(2).fit_transform(ROWS)
    signs = np.sign((arrays["points train"] * expected).sum(0))
    np.testing.assert_allclose(arrays["points train"] * signs, expected, atol=1e-4)
    assert header["axes"] == ["component 1", "component 2"]


@needs_node
def test_chosen_columns(page):
    header, arrays = ask(page, described(ROWS), columns=[2, 0])
    np.testing.assert_allclose(arrays["points train"], ROWS[:, [2, 0]], rtol=1e-6)
    assert header["axes"] == ["x2", "x0"]
    np.testing.assert_allclose(arrays["grid"][:, [1, 3]], np.tile(ROWS[:, [1, 3]].mean(0), (96 * 96, 1)), rtol=1e-5)


@needs_node
@pytest.mark.parametrize("rows", [np.zeros((1, 1)), np.zeros((3, 2)), np.ones((1, 5))], ids=["one", "equal", "wide"])
def test_data_without_a_range(page, rows):
    header, arrays = ask(page, described(rows))
    assert np.isfinite(arrays["grid"]).all() and (np.array(header["high"]) > header["low"]).all()
