import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from deltarule import MLPClassifier, MLPRegressor
from deltarule.estimators.mlp.prediction import BLOCK_BYTES, NonFiniteInput, block_size, outputs_of
from deltarule.maths.network import evaluated
from deltarule.problem.network import Network

RANDOM = np.random.default_rng(0)
PARAMETERS = {
    "W1": RANDOM.normal(size=(4, 300)),
    "b1": RANDOM.normal(size=(1, 300)),
    "W2": RANDOM.normal(size=(300, 2)),
    "b2": RANDOM.normal(size=(1, 2)),
}
NETWORK = Network([4, 300, 2], "tanh")
ROWS = BLOCK_BYTES // (8 * 300) + 50
BLOCK = block_size(NETWORK, PARAMETERS["W1"], ROWS)
X = RANDOM.normal(size=(ROWS, 4))


@given(st.integers(1, len(X)))
def test_blocks_equal_the_formula(rows: int) -> None:
    found = outputs_of(NETWORK, PARAMETERS, X[:rows])
    p = PARAMETERS
    expected = np.tanh(X[:rows] @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_threads_change_no_bit() -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(outputs_of(NETWORK, PARAMETERS, X))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "gelu"])
@pytest.mark.parametrize("layers", [{}, {"batch_norm": True}, {"scaling_layer": True}], ids=str)
def test_evaluation_equals_the_training_network(activation: str, layers: dict[str, bool]) -> None:
    network = Network([4, 300, 2], activation, "softmax", **layers)
    parameters = PARAMETERS | {name: RANDOM.normal(size=(1, 300)) for name in ("gamma1", "beta1")}
    parameters["scale1"] = RANDOM.normal(size=(1, 4))
    running = {"mean1": RANDOM.normal(size=(1, 300)), "variance1": RANDOM.uniform(1, 2, size=(1, 300))}
    expected = network.output.forward(evaluated(network.layers, parameters | running, X[:50])["z2"])[0]
    np.testing.assert_allclose(outputs_of(network, {**parameters, **running}, X[:50]), expected, rtol=1e-12)


@given(st.integers(0, ROWS - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_nonfinite_rows_are_refused(row: int, value: float) -> None:
    spoiled = X.copy()
    spoiled[row, 2] = value
    with pytest.raises(NonFiniteInput):
        outputs_of(NETWORK, PARAMETERS, spoiled, check_rows_finite=True)
    assert np.isfinite(outputs_of(NETWORK, PARAMETERS, X, check_rows_finite=True)).all()


def spread(outputs: np.ndarray) -> np.ndarray:
    """The mean and the standard deviation over the members.   [K, N, C]  →  [2, N, C]"""
    return np.stack([outputs.mean(axis=0), outputs.std(axis=0, ddof=1)])


@given(
    rows=st.integers(1, 500),
    members=st.sampled_from([2, 9, 40]),
    outputs=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
@example(rows=101, members=500, outputs=1, dtype=np.float64)  # its last block is a single row
def test_transform_by_blocks(rows: int, members: int, outputs: int, dtype: type) -> None:
    random = np.random.default_rng(rows)
    shapes = {"W1": (4, 50), "b1": (1, 50), "W2": (50, outputs), "b2": (1, outputs)}
    parameters = {name: random.normal(size=(members, *shape)).astype(dtype) for name, shape in shapes.items()}
    network, x = Network([4, 50, outputs], "tanh", "sigmoid" if outputs == 1 else "softmax"), X[:rows].astype(dtype)
    found = outputs_of(network, parameters, x, transform=spread)
    expected = spread(outputs_of(network, parameters, x))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("made", [MLPClassifier, MLPRegressor])
def test_memory_of_an_ensemble(made: type) -> None:
    x = RANDOM.normal(size=(60, 3))
    members, rows, classes = 100, 20_000, 10
    y = np.arange(60) % classes if made is MLPClassifier else RANDOM.normal(size=(60, classes))
    model = made(hidden_layer_sizes=(2,), max_iter=1, n_members=members, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(x, y)
    asked = RANDOM.normal(size=(rows, 3))
    tracemalloc.start()
    try:
        with threadpool_limits(1, "blas"):
            model.predict(asked)
        assert tracemalloc.get_traced_memory()[1] < members * rows * classes * 8 / 10
    finally:
        tracemalloc.stop()
