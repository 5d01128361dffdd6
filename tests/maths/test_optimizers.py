"""Optimizers of several members: shapes, dtypes, numbers of their own, NaN and rescaled weights."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.maths.optimizers import OPTIMIZERS, Optimizer

BY_NAME = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=lambda optimizer: optimizer.name)

# Gradients as they come: none below 1e-3 in size but 0 itself, so that the order of a sum decides nothing.
GRADIENTS = st.one_of(st.just(0.0), st.floats(1e-3, 100), st.floats(-100, -1e-3))


def run(
    optimizer: Optimizer, theta: np.ndarray, gradients: np.ndarray, numbers: dict[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, ...]]:
    """θ and the slots after each update, the way an engine calls an optimizer: θ [K, P], gradients [n, K, P]."""
    slots: list[np.ndarray] = [np.zeros_like(theta) for _ in optimizer.slots]
    assert optimizer.update
    for step, g in enumerate(gradients):
        given = numbers
        if optimizer.once_a_step:
            given = optimizer.once_a_step(np.full((len(theta), 1), step + 1.0), **numbers)
        named = {name: np.asarray(value).astype(theta.dtype) for name, value in given.items()}
        if optimizer.norms:
            named["norm"] = np.abs(g)  # as if every parameter were an array of its own
        theta, *slots = optimizer.update(theta, g, *slots, **named)
        yield theta, *slots


def defaults(optimizer: Optimizer, members: int, learning_rate: float = 0.1) -> dict[str, np.ndarray]:
    return {
        name: np.full((members, 1), value)
        for name, value in {"learning_rate": learning_rate, **optimizer.parameters}.items()
    }


@given(arrays(np.float64, (2, 3), elements=GRADIENTS), st.floats(0.01, 10))
def test_the_normalized_gradient_takes_steps_of_one_length(g: np.ndarray, learning_rate: float) -> None:
    norm = np.sqrt((g * g).sum(-1, keepdims=True))
    (theta,) = OPTIMIZERS["normalized_gradient"].update(np.zeros((2, 3)), g, norm, learning_rate, 0.0 * norm + 1e-300)  # type: ignore[misc]
    assert np.sqrt((theta * theta).sum(-1)) == pytest.approx(np.where(norm[:, 0] > 0, learning_rate, 0), rel=1e-12)
    assert (np.sign(theta) == -np.sign(g)).all()


@BY_NAME
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_slots_start_at_0_and_keep_shape_and_dtype(optimizer: Optimizer, dtype: type, data: st.DataObject) -> None:
    members, parameters = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    shape = (members, parameters)
    gradients = data.draw(arrays(np.float64, (3, *shape), elements=GRADIENTS)).astype(dtype)
    theta = data.draw(arrays(np.float64, shape, elements=st.floats(-3, 3))).astype(dtype)
    for made in run(optimizer, theta, gradients, defaults(optimizer, members)):
        assert len(made) == 1 + len(optimizer.slots)
        for array in made:
            assert array.dtype == dtype and array.shape == shape


@BY_NAME
@given(data=st.data())
def test_each_member_has_its_own_numbers(optimizer: Optimizer, data: st.DataObject) -> None:
    gradients = data.draw(arrays(np.float64, (4, 3, 2), elements=GRADIENTS))
    theta = data.draw(arrays(np.float64, (3, 2), elements=st.floats(-3, 3)))
    numbers = {
        name: value * np.array(data.draw(st.lists(st.floats(0.5, 1), min_size=3, max_size=3)))[:, None]
        for name, value in defaults(optimizer, 3).items()
    }
    together = list(run(optimizer, theta, gradients, numbers))
    for k in range(3):
        one = slice(k, k + 1)
        alone = run(optimizer, theta[one], gradients[:, one], {name: value[one] for name, value in numbers.items()})
        for made, made_alone in zip(together, alone, strict=True):
            assert all(np.array_equal(a[one], b) for a, b in zip(made, made_alone, strict=True))


@BY_NAME
def test_nan_persists(optimizer: Optimizer) -> None:
    gradients = np.full((5, 1, 2), 0.5)
    gradients[1, 0, 0] = np.nan
    made = [theta[0] for theta, *_ in run(optimizer, np.zeros((1, 2)), gradients, defaults(optimizer, 1))]
    assert np.isfinite(made[0]).all()
    assert all(np.isnan(theta[0]) and np.isfinite(theta[1]) for theta in made[1:])


@BY_NAME
def test_arguments_are_not_changed(optimizer: Optimizer) -> None:
    theta, g = np.ones((1, 2)), np.full((3, 1, 2), -0.5)
    theta.flags.writeable = g.flags.writeable = False
    list(run(optimizer, theta, g, defaults(optimizer, 1)))


def test_corrections_are_computed_in_float64() -> None:
    """In float32, 1 − 0.999 is wrong by 5e-5 of itself, and so would be the first updates."""
    optimizer = OPTIMIZERS["adam"]
    numbers = defaults(optimizer, 1)
    of_float32 = [theta for theta, *_ in run(optimizer, np.zeros((1, 1), np.float32), np.ones((9, 1, 1)), numbers)]
    of_float64 = [theta for theta, *_ in run(optimizer, np.zeros((1, 1)), np.ones((9, 1, 1)), numbers)]
    assert np.ravel(of_float32) == pytest.approx(np.ravel(of_float64), rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
@given(c=st.floats(0.05, 20), seed=st.integers(0, 999))
def test_a_rescaled_weight_takes_the_rescaled_update(name: str, c: float, seed: int) -> None:
    """W = c V: the update of V, with the gradient c G, is that of W with the numbers that `rescaling` gives."""
    optimizer, rng = OPTIMIZERS[name], np.random.default_rng(seed)
    assert optimizer.rescaling is not None
    numbers = {"learning_rate": 0.1, **optimizer.parameters}
    numbers |= {key: 0.05 for key in ("epsilon", "smallest") if key in numbers}
    rescaled = {key: value * c ** optimizer.rescaling.get(key, 0) for key, value in numbers.items()}
    V = rng.normal(size=7)
    W, slots_of_V, slots_of_W = c * V, *([np.zeros(7) for _ in optimizer.slots] for _ in range(2))
    for t in range(1, 6):
        G = rng.normal(size=7)
        V, *slots_of_V = stepped(optimizer, t, V, c * G, slots_of_V, numbers)
        W, *slots_of_W = stepped(optimizer, t, W, G, slots_of_W, rescaled)
    np.testing.assert_allclose(W, c * V, rtol=1e-9, atol=1e-12)


def stepped(
    optimizer: Optimizer, t: int, theta: np.ndarray, g: np.ndarray, slots: list[np.ndarray], numbers: dict[str, float]
) -> tuple[np.ndarray, ...]:
    """An update of one array."""
    if optimizer.once_a_step:
        return optimizer.update(theta, g, *slots, **optimizer.once_a_step(t, **numbers))
    norm = {"norm": np.sqrt((g * g).sum())} if optimizer.norms else {}
    return optimizer.update(theta, g, *slots, **numbers, **norm)
