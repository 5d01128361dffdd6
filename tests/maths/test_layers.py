import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.maths.layers import batch_norm, batch_norm_evaluation, dense, dropout, scaling

EPSILON = 1e-5
SIDE = st.integers(1, 5)


def numbers(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(-10, 10))


@given(SIDE, SIDE, SIDE, SIDE, st.booleans(), st.booleans(), st.data())
def test_dense_is_a_weighted_sum_and_its_gradients_have_matching_shapes(
    K: int, B: int, D: int, H: int, shared: bool, biased: bool, data: st.DataObject
) -> None:
    x = data.draw(numbers((B, D) if shared else (K, B, D)))
    W, dz = data.draw(numbers((K, D, H))), data.draw(numbers((K, B, H)))
    b = data.draw(numbers((K, 1, H))) if biased else None
    z, backward = dense(x, W, b)
    own = np.broadcast_to(x, (K, B, D))
    for k in range(K):
        for i in range(B):
            for h in range(H):
                expected = sum(own[k, i, d] * W[k, d, h] for d in range(D)) + (b[k, 0, h] if b is not None else 0)
                assert z[k, i, h] == pytest.approx(expected, abs=1e-11)
    dx, dW, db = backward(dz)
    assert (dx.shape, dW.shape, db.shape) == ((K, B, D), (K, D, H), (K, 1, H))


@given(SIDE, SIDE, SIDE, st.booleans(), st.data())
def test_scaling_is_a_product_with_a_diagonal_matrix(K: int, B: int, D: int, shared: bool, data: st.DataObject) -> None:
    x = data.draw(numbers((B, D) if shared else (K, B, D)))
    s, du = data.draw(numbers((K, 1, D))), data.draw(numbers((K, B, D)))
    u, backward = scaling(x, s)
    by_dense, dense_backward = dense(x, s[:, 0, :, None] * np.eye(D), None)
    np.testing.assert_allclose(u, by_dense, atol=1e-11)
    dx, ds = backward(du)
    expected_dx, dW, _ = dense_backward(du)
    np.testing.assert_allclose(dx, expected_dx, atol=1e-11)
    np.testing.assert_allclose(ds[:, 0], np.diagonal(dW, axis1=1, axis2=2), atol=1e-11)
    assert backward(du, to_input=False)[0] is None


@given(numbers((3, 4, 2)), st.floats(0, 0.9), st.data())
def test_dropout_passes_what_is_kept_and_makes_up_for_the_rest(a: np.ndarray, rate: float, data: st.DataObject) -> None:
    keep = data.draw(arrays(np.float64, a.shape, elements=st.sampled_from([0.0, 1.0])))
    d, backward = dropout(a, keep, np.full((3, 1, 1), rate))
    expected = np.where(keep == 1, a / (1 - rate), 0)
    assert d == pytest.approx(expected, rel=1e-14) and backward(a) == pytest.approx(expected, rel=1e-14)


def batch_norm_of_torch(z: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> torch.nn.BatchNorm1d:
    layer = torch.nn.BatchNorm1d(z.shape[-1], eps=EPSILON, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(gamma.ravel()))
        layer.bias.copy_(torch.tensor(beta.ravel()))
    return layer


@pytest.mark.slow
@given(st.integers(2, 6), SIDE, st.data())
def test_batch_norm_is_pytorchs(B: int, H: int, data: st.DataObject) -> None:
    z = data.draw(numbers((B, H)))
    gamma, beta = data.draw(numbers((1, H))), data.draw(numbers((1, H)))
    layer = batch_norm_of_torch(z, gamma, beta)
    n, _, mean, variance = batch_norm(z, gamma, beta, np.full((B, 1), 1 / B), EPSILON)
    assert n == pytest.approx(layer(torch.tensor(z)).detach().numpy(), rel=1e-8, abs=1e-8)
    assert mean == pytest.approx(z.mean(0, keepdims=True), abs=1e-13)
    assert variance == pytest.approx(z.var(0, keepdims=True), abs=1e-12)
    assert layer.running_mean is not None and layer.running_var is not None
    layer.eval()
    running = layer.running_mean.numpy()[None], layer.running_var.numpy()[None]
    evaluated, _ = batch_norm_evaluation(z, gamma, beta, *running, EPSILON)
    assert evaluated == pytest.approx(layer(torch.tensor(z)).detach().numpy(), rel=1e-11, abs=1e-11)


@given(st.integers(1, 4), SIDE, st.data())
def test_batch_norm_takes_a_share_of_two_as_the_row_twice_and_of_none_as_no_row(
    B: int, H: int, data: st.DataObject
) -> None:
    z, dn = data.draw(numbers((B, H))), data.draw(numbers((B, H)))
    gamma, beta = data.draw(numbers((1, H))), data.draw(numbers((1, H)))
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=B, max_size=B).filter(any)))
    weighted, backward, *statistics = batch_norm(z, gamma, beta, times[:, None] / times.sum(), EPSILON)
    repeated, backward_repeated, *expected = batch_norm(
        np.repeat(z, times, axis=0), gamma, beta, np.full((times.sum(), 1), 1 / times.sum()), EPSILON
    )
    assert np.repeat(weighted, times, axis=0) == pytest.approx(repeated, rel=1e-7, abs=1e-7)
    assert np.ravel(statistics) == pytest.approx(np.ravel(expected), rel=1e-12, abs=1e-12)
    # The gradient that reaches a row of weight w is that of its w copies together.
    dz, dgamma, dbeta = backward(dn * times[:, None])
    dz_repeated, dgamma_repeated, dbeta_repeated = backward_repeated(np.repeat(dn, times, axis=0))
    groups = np.repeat(np.arange(B), times)
    summed = np.stack([dz_repeated[groups == row].sum(0) for row in range(B)])
    size = 1 + np.abs(summed).max()
    assert dz == pytest.approx(summed, abs=1e-6 * size)
    assert dgamma == pytest.approx(dgamma_repeated, rel=1e-7, abs=1e-6)
    assert dbeta == pytest.approx(dbeta_repeated, abs=1e-11)


@given(SIDE, SIDE, SIDE, st.data())
def test_layers_of_a_population_are_those_of_its_members(K: int, B: int, H: int, data: st.DataObject) -> None:
    z, W = data.draw(numbers((K, B, H))), data.draw(numbers((K, H, 3)))
    gamma, beta, running = (data.draw(numbers((K, 1, H))) for _ in range(3))
    share = np.full((K, B, 1), 1 / B)
    for dtype in (np.float32, np.float64):
        given = [array.astype(dtype) for array in (z, W, gamma, beta, share, running)]

        def outputs(z: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
            W, gamma, beta, share, running = others
            n, backward, mean, variance = batch_norm(z, gamma, beta, share, EPSILON)
            evaluated, backward_evaluated = batch_norm_evaluation(z, gamma, beta, running, running * running, EPSILON)
            product, backward_product = dense(z, W, None)
            return [n, mean, variance, evaluated, product, *backward(z), *backward_evaluated(z)] + [
                *backward_product(product)
            ]

        together = outputs(*given)
        for k in range(K):
            alone = outputs(*(array[k : k + 1] for array in given))
            for array, own in zip(together, alone, strict=True):
                assert array.dtype == dtype and np.array_equal(array[k : k + 1], own)
