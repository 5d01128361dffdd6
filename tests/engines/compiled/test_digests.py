"""Trained parameters have the digests that they had before, on every processor, with members or units in the lanes.

The digests are those of today's sums and elementary functions: a change of them changes the last digits of everything
that was published, and is said in the changelog.
"""

import hashlib

import numpy as np
import pytest

from deltarule import Network, create_problem
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

DIGESTS = {
    "float32": "5ea2f18eeeac1a09",
    "float64": "1c29161c5c369a02",
}


def trained_with_everything(dtype: str) -> Problem:
    """A problem whose update has every kind of operation; its data and first weights are exact, whatever NumPy."""
    x = (np.arange(36).reshape(12, 3) * 7 % 11 - 5) / 8
    y = np.eye(3)[np.arange(12) * 5 % 3]
    network = Network([3, 9, 7, 3], ["tanh", "gelu"], "softmax", batch_norm=True, initializer="zeros")
    return create_problem(
        network,
        x,
        y,
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.05,
        penalty="weight_decay",
        strength=0.01,
        dropout=[0.2, 0.1],
        batch_size=5,
        clip_norm=2.0,
        schedule="exponential",
        members=3,
        dtype=dtype,
    )


@pytest.mark.sampled(5)
@pytest.mark.parametrize("dtype", DIGESTS)
@pytest.mark.parametrize(
    ("lanes_are", "lanes", "features"),
    [
        ("units", 8, None),
        ("units", 4, "+avx2,+fma"),
        ("members", 16, None),
        ("members", 4, "+sse4.2"),  # ten seconds to compile
    ],
)
def test_parameters_have_the_digest_of_before(dtype: str, lanes_are: str, lanes: int, features: str | None) -> None:
    problem = trained_with_everything(dtype)
    state = initial_state(problem)
    state.theta[:] = (np.arange(state.theta.size).reshape(state.theta.shape) * 13 % 31 - 15) / 32
    engine = CompiledEngine(threads=1, lanes=lanes, lanes_are=lanes_are, features=features)
    after, _ = engine.advance(problem, state, 40)
    assert hashlib.sha256(after.theta.astype("<f8").tobytes()).hexdigest()[:16] == DIGESTS[dtype]
