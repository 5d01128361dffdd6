import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from deltarule.estimators.prediction import BLOCK, outputs_of
from deltarule.problem.network import Network

RANDOM = np.random.default_rng(0)
PARAMETERS = {
    "W1": RANDOM.normal(size=(4, 5)),
    "b1": RANDOM.normal(size=(1, 5)),
    "W2": RANDOM.normal(size=(5, 2)),
    "b2": RANDOM.normal(size=(1, 2)),
}
X = RANDOM.normal(size=(BLOCK + 50, 4))


@given(st.integers(1, BLOCK + 50))
def test_blocks_are_the_formula(rows: int) -> None:
    found = outputs_of(Network([4, 5, 2], "tanh"), PARAMETERS, {}, X[:rows])
    p = PARAMETERS
    expected = np.tanh(X[:rows] @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_members_and_sparse_rows() -> None:
    population = {name: np.stack([array, 2 * array]) for name, array in PARAMETERS.items()}
    network = Network([4, 5, 2], "relu")
    found = outputs_of(network, population, {}, sparse.csr_matrix(X))
    assert found.shape == (2, len(X), 2)
    np.testing.assert_allclose(found[0], outputs_of(network, PARAMETERS, {}, X), rtol=1e-12)
