import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from deltarule.estimators.prediction import BLOCK_BYTES, NotFinite, block_size, outputs_of
from deltarule.maths.network import forward
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
def test_blocks_are_the_formula(rows: int) -> None:
    found = outputs_of(NETWORK, PARAMETERS, {}, X[:rows])
    p = PARAMETERS
    expected = np.tanh(X[:rows] @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_threads_change_no_bit() -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(outputs_of(NETWORK, PARAMETERS, {}, X))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "gelu"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_evaluation_is_that_of_training(activation: str, batch_norm: bool) -> None:
    network = Network([4, 300, 2], activation, "softmax", batch_norm=batch_norm)
    parameters = PARAMETERS | {name: RANDOM.normal(size=(1, 300)) for name in ("gamma1", "beta1")}
    running = {"mean1": RANDOM.normal(size=(1, 300)), "variance1": RANDOM.uniform(1, 2, size=(1, 300))}
    tape, _ = forward(network.layers, parameters, X[:50], buffers=running)
    expected = network.output.forward(tape[-1].value)[0]
    np.testing.assert_allclose(outputs_of(network, parameters, running, X[:50]), expected, rtol=1e-12)


def test_what_is_no_number_is_passed_on() -> None:
    spoiled = PARAMETERS | {"b1": np.full((1, 300), np.nan)}
    assert np.isnan(outputs_of(Network([4, 300, 2], "relu"), spoiled, {}, X[:3])).all()


def test_members_and_sparse_rows() -> None:
    population = {name: np.stack([array, 2 * array]) for name, array in PARAMETERS.items()}
    network = Network([4, 300, 2], "relu")
    found = outputs_of(network, population, {}, sparse.csr_matrix(X))
    assert found.shape == (2, len(X), 2)
    np.testing.assert_allclose(found[0], outputs_of(network, PARAMETERS, {}, X), rtol=1e-11)


@given(st.integers(0, ROWS - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_rows_that_are_not_finite_are_refused_wherever_they_are(row: int, value: float) -> None:
    spoiled = X.copy()
    spoiled[row, 2] = value
    with pytest.raises(NotFinite):
        outputs_of(NETWORK, PARAMETERS, {}, spoiled, check=True)
    assert np.isfinite(outputs_of(NETWORK, PARAMETERS, {}, X, check=True)).all()
