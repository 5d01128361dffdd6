from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deltarule.maths.initializers import INITIALIZERS, Initializer

FANS = [(200, 300), (300, 200), (500, 60)]
# As the papers give them, for fan_in D and fan_out H: limits of the uniform laws, deviations of the normal ones.
SPREADS = {
    "glorot_uniform": lambda D, H: sqrt(6 / (D + H)),
    "glorot_normal": lambda D, H: sqrt(2 / (D + H)),
    "he_uniform": lambda D, H: sqrt(6 / D),
    "he_normal": lambda D, H: sqrt(2 / D),
    "lecun_uniform": lambda D, H: sqrt(3 / D),
    "torch_uniform": lambda D, H: sqrt(1 / D),
    "lecun_normal": lambda D, H: sqrt(1 / D),
    "normal": lambda D, H: 0.01,
    "uniform": lambda D, H: 0.5,
    "positive_uniform": lambda D, H: 1.0,
}


def shape_of(law: Initializer, spread: float) -> Any:
    """The law as SciPy knows it."""
    if law.law == "normal":
        return stats.norm(0, spread)
    return stats.uniform(0, spread) if law.law == "positive" else stats.uniform(-spread, 2 * spread)


BY_NAME = pytest.mark.parametrize("law", INITIALIZERS.values(), ids=lambda law: law.name)
RANDOM = [law for law in INITIALIZERS.values() if law.law not in ("constant", "orthogonal")]


@pytest.mark.parametrize("fans", FANS)
@pytest.mark.parametrize("law", RANDOM, ids=lambda law: law.name)
def test_weights_follow_their_law(law: Initializer, fans: tuple[int, int]) -> None:
    drawn = law.weights(np.array([7]), 1, *fans)[0]
    assert drawn.shape == fans and drawn.dtype == np.float64
    spread = SPREADS[law.name](*fans)
    shape = shape_of(law, spread)
    assert stats.kstest(drawn.ravel(), shape.cdf).pvalue > 0.001
    assert abs(drawn.mean() - shape.mean()) < 5 * shape.std() / sqrt(drawn.size)
    if law.law != "normal":
        assert 0.999 * spread < np.abs(drawn).max() < spread


@BY_NAME
@pytest.mark.parametrize("biases", ["zeros", "same"])
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4), st.integers(1, 5), st.integers(1, 5))
def test_a_member_has_its_weights_alone_and_among_others(
    law: Initializer, biases: str, seeds: list[int], fan_in: int, fan_out: int
) -> None:
    law = Initializer(law.name, law.law, law.spread, law.parameters, biases)
    together = np.array(seeds, np.uint64)
    W, b = law.weights(together, 3, fan_in, fan_out), law.bias(together, 3, fan_in, fan_out)
    assert W.shape == (len(seeds), fan_in, fan_out) and b.shape == (len(seeds), 1, fan_out)
    for k in range(len(seeds)):
        assert np.array_equal(W[k], law.weights(together[k : k + 1], 3, fan_in, fan_out)[0])
        assert np.array_equal(b[k], law.bias(together[k : k + 1], 3, fan_in, fan_out)[0])


@pytest.mark.parametrize("law", RANDOM, ids=lambda law: law.name)
def test_seeds_layers_weights_and_biases_draw_apart(law: Initializer) -> None:
    same = Initializer(law.name, law.law, law.spread, law.parameters, "same")
    drawn = [same.weights(np.array([0, 1]), layer, 10, 10).ravel() for layer in (1, 2)]
    drawn += [same.bias(np.array([0, 1]), layer, 10, 10).ravel() for layer in (1, 2)]
    every = np.concatenate(drawn)
    assert len(np.unique(every)) == len(every)


@pytest.mark.parametrize("law", RANDOM, ids=lambda law: law.name)
def test_biases_of_the_same_law_have_the_spread_of_their_layer(law: Initializer) -> None:
    same = Initializer(law.name, law.law, law.spread, law.parameters, "same")
    b = same.bias(np.arange(2000), 1, 3, 7)
    assert b.std() == pytest.approx(shape_of(law, SPREADS[law.name](3, 7)).std(), rel=0.03)


def test_constants() -> None:
    seeds = np.arange(2)
    assert not INITIALIZERS["zeros"].weights(seeds, 1, 2, 3).any()
    assert (INITIALIZERS["constant"].weights(seeds, 1, 2, 3) == 0.1).all()
    assert not INITIALIZERS["constant"].bias(seeds, 1, 2, 3).any()


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 3))
def test_orthogonal_weights_keep_lengths(fan_in: int, fan_out: int, gain: float) -> None:
    law = Initializer("orthogonal", "orthogonal", lambda fan_in, fan_out: gain)
    W = law.weights(np.array([3, 4], np.uint64), 1, fan_in, fan_out)
    shorter = W if fan_in <= fan_out else W.swapaxes(-1, -2)
    products = shorter @ shorter.swapaxes(-1, -2)
    assert np.allclose(products, gain**2 * np.eye(min(fan_in, fan_out)), atol=1e-12)
    assert np.array_equal(law.weights(np.array([4], np.uint64), 1, fan_in, fan_out)[0], W[1])


def test_orthogonal_weights_have_no_preferred_direction() -> None:
    """Each entry of a uniform rotation of the plane is the cosine of a uniform angle."""
    W = INITIALIZERS["orthogonal"].weights(np.arange(3000, dtype=np.uint64), 1, 2, 2)
    for entry in W.reshape(-1, 4).T:
        assert stats.kstest(np.arccos(entry) / np.pi, "uniform").pvalue > 1e-4
