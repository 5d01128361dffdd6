import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.maths.activations import IDENTITY, SIGMOID, SOFTMAX
from deltarule.maths.losses import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, LOSSES, SQUARED_ERROR, Loss
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.penalties import PENALTIES, Penalty

PAIRS = [
    (SQUARED_ERROR, IDENTITY),
    (LOSSES["huber"], SIGMOID),
    (BINARY_CROSS_ENTROPY, SIGMOID),
    (CROSS_ENTROPY, SOFTMAX),
]


def batches(members: int, rows: int, outputs: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return st.tuples(
        arrays(np.float64, (members, rows, outputs), elements=st.floats(-5, 5)),
        arrays(np.float64, (rows, outputs), elements=st.floats(0, 1)),
        arrays(np.float64, (members, rows, 1), elements=st.floats(0.1, 3)),
    )


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@given(batches(2, 4, 3))
def test_reductions_divide_the_weighted_sum(loss: Loss, output: object, given: tuple[np.ndarray, ...]) -> None:
    z, y, w = given
    each, backward = loss.forward(output, z, y)  # type: ignore[arg-type]
    for k in range(2):
        total = sum(w[k, i, 0] * each[k, i, c] for i in range(4) for c in range(3))
        gradient = backward(np.ones((2, 4, 1)))[k] * w[k]
        for reduction, divisor in (("sum", 1), ("mean_samples", w[k].sum()), ("mean_elements", 3 * w[k].sum())):
            J, at_logits = data_term(loss, reduction, output, z, y, w)  # type: ignore[arg-type]
            assert J.shape == (2,)
            assert J[k] == pytest.approx(total / divisor, rel=1e-12, abs=1e-14)
            assert at_logits()[k] == pytest.approx(gradient / divisor, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("reduction", ["sum", "mean_samples", "mean_elements"])
@given(batches(1, 3, 2), st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any))
def test_a_whole_weight_is_that_many_rows(
    loss: Loss, output: object, reduction: str, given: tuple[np.ndarray, ...], times: list[int]
) -> None:
    z, y, _ = given
    weighted = data_term(loss, reduction, output, z, y, np.array(times, float)[:, None])[0]  # type: ignore[arg-type]
    repeated = np.repeat(z, times, axis=1), np.repeat(y, times, axis=0), np.ones((sum(times), 1))
    assert weighted == pytest.approx(data_term(loss, reduction, output, *repeated)[0], rel=1e-12, abs=1e-14)  # type: ignore[arg-type]


BY_HAND = {"l2": (25.0, [6.0, -8.0]), "weight_decay": (12.5, [3.0, -4.0]), "l1": (7.0, [1.0, -1.0])}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_by_hand(name: str) -> None:
    value, slope = BY_HAND[name.removesuffix("_per_sample")]
    shrunk = 8.0 if name.endswith("_per_sample") else 1.0
    theta, penalized = np.array([[3.0, 100.0, -4.0]]), np.array([1.0, 0.0, 1.0])
    term, gradient = penalty_term(PENALTIES[name], np.array([[0.5]]), theta, penalized, np.array([[8.0]]))
    assert term == pytest.approx([0.5 * value / shrunk])
    assert gradient() == pytest.approx(0.5 / shrunk * np.array([[slope[0], 0, slope[1]]]))


@pytest.mark.parametrize("name", PENALTIES)
@given(st.data())
def test_penalties_of_a_population_are_those_of_its_members(name: str, data: st.DataObject) -> None:
    theta = data.draw(arrays(np.float64, (3, 5), elements=st.floats(-10, 10)))
    strength, samples = (data.draw(arrays(np.float64, (3, 1), elements=st.floats(0.1, 9))) for _ in range(2))
    penalized = data.draw(arrays(np.float64, 5, elements=st.sampled_from([0.0, 1.0])))
    for dtype in (np.float32, np.float64):
        given = [array.astype(dtype) for array in (strength, theta, penalized, samples)]
        term, gradient = penalty_term(PENALTIES[name], *given)
        assert term.dtype == gradient().dtype == dtype and (term >= 0).all()
        for k in range(3):
            one = slice(k, k + 1)
            alone = penalty_term(PENALTIES[name], given[0][one], given[1][one], given[2], given[3][one])
            assert np.array_equal(term[one], alone[0]) and np.array_equal(gradient()[one], alone[1]())


@pytest.mark.parametrize("name", PENALTIES)
def test_a_strength_of_0_is_no_penalty_however_large_the_weights(name: str) -> None:
    theta, strength, samples = np.array([[1e200, -3.0], [3.0, -4.0]]), np.array([[0.0], [0.5]]), np.full((2, 1), 8.0)
    with np.errstate(over="ignore", invalid="ignore"):
        term, gradient = penalty_term(PENALTIES[name], strength, theta, np.ones(2), samples)
        alone, own = penalty_term(PENALTIES[name], strength[1:], theta[1:], np.ones(2), samples[1:])
        assert term.tolist() == [0, *alone] and gradient().tolist() == [[0, 0], *own().tolist()]


def test_a_penalty_of_strength_0_has_slope_0_even_where_it_is_infinite() -> None:
    quartic = Penalty("quartic", lambda w: w**4 / 4, lambda w: w**3)
    with np.errstate(over="ignore", invalid="ignore"):
        term, gradient = penalty_term(quartic, np.zeros((1, 1)), np.array([[1e200]]), np.ones(1), np.ones((1, 1)))
        assert (term.tolist(), gradient().tolist()) == ([0], [[0]])
