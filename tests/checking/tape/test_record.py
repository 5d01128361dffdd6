"""The recorded forward pass of user code, and its gradient."""

import copy
import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deltarule import check_gradient, check_object
from deltarule.checking.tape.backward import Changes, RecordedPass, parameter_gradients, run_backward
from deltarule.checking.tape.record import record_loss
from deltarule.checking.tape.tangents import added_along, tangents
from deltarule.checking.user_code.callables import code_of_functions

GENERATOR = np.random.default_rng(5)
X, W, K = GENERATOR.normal(size=(6, 3)), GENERATOR.normal(size=(3, 3)), GENERATOR.normal(size=(2, 2))
LABELS = np.array([0, 2, 1, 1, 0, 2])
DIRECTION = GENERATOR.normal(size=(3, 3))


def assert_tangents_are_right(recording: RecordedPass, direction: Any) -> None:
    """They and the gradient give the same derivative of the loss along a direction."""
    moved = tangents(recording, [direction])
    assert all(moved[node.index].shape == node.value.shape for node in recording.nodes)
    expected = float((parameter_gradients(recording)[0] * direction).sum())
    assert float(moved[recording.loss.index]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def _softmax_loss(w: Any) -> Any:
    z = X.dot(w)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return -np.log((e / e.sum(axis=1, keepdims=True))[np.arange(6), LABELS]).mean()


def _recurrent(w: Any) -> float:
    h, total = np.zeros(3), 0.0
    for row in X:
        h = np.tanh(row + h @ w)
        total += float((h**2).sum())
    return total


def _normalized(w: Any) -> Any:
    z = X @ w
    return (np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)) ** 3).sum()


def _convolved(k: Any) -> Any:
    image = np.pad(X @ X.T, 1)
    out = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            out[i, j] = np.sum(image[i : i + 2, j : j + 2] * k)
    out[out < 0] *= 0.1
    return np.maximum(out[:6, :6].reshape(3, 2, 3, 2).max(axis=(1, 3)), 0).sum() + np.einsum("ij,ij->", k, k)


def _masked(w: Any) -> Any:
    z = X @ w
    return ((z > 0) * z**2).sum() + np.eye(3)[LABELS].dot(w).sum()


def _scalars(w: Any) -> Any:
    total = 0.0
    for i in range(3):
        total = total + math.exp(w[i, i]) * math.tanh(w[i, 0]) + np.outer(w[i], w[0]).std()
    return total


class _Scalar:
    def __init__(self, value: Any) -> None:
        self.value = float(value)

    def __mul__(self, other: "_Scalar") -> "_Scalar":
        return _Scalar(self.value * other.value)


def _scalar_nodes(w: Any) -> Any:
    nodes = [_Scalar(value) for value in w[0]]
    zeros = np.zeros(3, dtype=float)
    assert isinstance(nodes[0].value, float) and f"{nodes[0].value:.2f}"
    return (nodes[0] * nodes[1] * nodes[2]).value + float((zeros + w[1]) @ w[2])


@pytest.mark.parametrize(
    ("loss", "start"),
    [
        *[(_softmax_loss, W), (_recurrent, W), (_normalized, W), (_convolved, K), (_masked, W), (_scalars, W)],
        (_scalar_nodes, W),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_tape_gradient_is_right(loss: Callable[[Any], Any], start: Any) -> None:
    recording = record_loss(code_of_functions(loss, lambda w: w, start))
    assert recording is not None and recording.loss.value == pytest.approx(float(loss(start)))
    [gradient] = parameter_gradients(recording)
    assert check_gradient(lambda w: float(np.real(loss(w))), lambda w: gradient, start).verdict == "right"
    assert_tangents_are_right(recording, DIRECTION[: len(start), : len(start)])


@pytest.mark.parametrize("loss", [_softmax_loss, _recurrent, _normalized, _scalars])
def test_changed_pass_equals_a_whole_pass(loss: Callable[[Any], Any]) -> None:
    """What a planted mistake changes is computed alone, and is what a pass over all operations gives."""
    recording = record_loss(code_of_functions(loss, lambda w: w, W))
    assert recording is not None
    for node, later in itertools.pairwise(recording.nodes):
        changes = [Changes(rules={node.index: lambda k, g, n: 3 * g.sum() * np.ones_like(n.values[k])})]
        if node.value.shape == later.value.shape:
            changes += [Changes(upstream={(node.index, k): later.index for k, _ in node.active_inputs})]
        for change in changes:
            whole = run_backward(recording, change)
            [gradient] = parameter_gradients(recording, change)
            np.testing.assert_allclose(gradient, whole[recording.parameters[0].index], rtol=1e-9, atol=1e-9)
            [added] = added_along(recording, change, [tangents(recording, [DIRECTION])])
            expected = ((gradient - recording.right[0]) * DIRECTION).sum()
            assert added == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(gradient).max())


# One way each of writing a part of a forward pass in NumPy; w is 3 × 3.
NUMPY_CODE: dict[str, Callable[[Any], Any]] = {
    "length": lambda w: (w**2).sum() / len(w),
    "truth": lambda w: w[0, 0] * 2 if w[0, 0] else w[0, 1],
    "whole number": lambda w: w[int(w[1, 1] * 0), 0] ** 2,
    "index": lambda w: (w * [1, 2, 3][(w[0] * 0).astype(int)[0]]).sum(),
    "item": lambda w: (w @ w)[0, 1].item(),
    "into an array": lambda w: np.multiply(w, w, out=w + 1).sum(),
    "into zeros": lambda w: np.add(w, w**2, out=np.zeros((3, 3))).sum(),
    "ravel": lambda w: (w.ravel() * np.arange(9)).sum() + (w.flatten() ** 2).sum(),
    "squeeze": lambda w: (w.reshape(3, 1, 3).squeeze(1) @ w).sum(),
    "swapaxes": lambda w: (w.swapaxes(0, 1) @ X.T).sum() ** 2,
    "repeat": lambda w: (w.repeat(2, axis=0).T @ X).sum() + (np.repeat(w[0], 2) ** 2).sum(),
    "deep copy": lambda w: (copy.deepcopy(w) * copy.copy(w)).sum(),
    "list": lambda w: sum(value**2 for row in w.tolist() for value in row),
    "dot of numbers": lambda w: np.dot(w[0, 0], w).sum() + np.dot(w, np.ones((2, 3, 2))).sum(),
    "implicit einsum": lambda w: (np.einsum("ij,jk", w, w) ** 2).sum(),
    "tensordot": lambda w: np.tensordot(w, w) + (np.tensordot(w, X, axes=(0, 1)) ** 2).sum(),
    "where": lambda w: w[np.where(w > 0)].sum() + np.where(w > 0, w**2, 0).sum(),
    "clip": lambda w: (np.clip(w, -0.5, 0.5) * X[:3]).sum() + np.clip(w, a_min=0, a_max=None).sum(),
    "sum of converted numbers": lambda w: float(w[0, 0] ** 2) + float(w[1, 1] ** 3),
    "mean of converted numbers": lambda w: (float(w[0, 0] ** 2) + float(w[1, 1] ** 3)) / 2,
}


@pytest.mark.parametrize("name", NUMPY_CODE)
def test_numpy_functions_are_recorded(name: str) -> None:
    loss = NUMPY_CODE[name]
    recording = record_loss(code_of_functions(loss, lambda w: w, W))
    assert recording is not None and recording.loss.value == pytest.approx(float(loss(W)))
    [gradient] = parameter_gradients(recording)
    assert_tangents_are_right(recording, DIRECTION)
    report = check_gradient(lambda w: float(np.real(loss(w))), lambda w: gradient, W)
    assert report.verdict == "right", str(report)


@pytest.mark.parametrize(
    "loss",
    [
        lambda w: np.pad(w, 1, mode="edge").sum(),
        lambda w: np.einsum("ii->", w),
        lambda w: np.multiply.accumulate(w).sum(),
        lambda w: np.spacing(w).sum(),
        lambda w: w * 2,
    ],
    ids=["padded with edges", "trace", "accumulate", "spacing", "no number"],
)
def test_unsupported_functions_are_not_recorded(loss: Callable[[Any], Any]) -> None:
    assert record_loss(code_of_functions(loss, lambda w: w, W)) is None


def test_numpy_is_restored() -> None:
    before = np.zeros, np.asarray, math.exp
    assert record_loss(code_of_functions(lambda w: 1 / [], lambda w: w, W)) is None  # type: ignore[operator]
    assert (np.zeros, np.asarray, math.exp) == before


@pytest.mark.slow
def test_arrays_are_restored() -> None:
    net = SimpleNamespace(layers=[{"W": W.copy()}], x=X)
    array, inputs = net.layers[0]["W"], net.x

    def loss() -> Any:
        net.out = np.tanh(net.x @ net.layers[0]["W"])
        return (net.out**2).sum()

    def backward() -> None:
        net.layers[0]["dW"] = net.x.T @ (2 * net.out)

    report = check_object(net, params=["layers[0]['W']"], grads=["layers[0]['dW']"], loss=loss, backward=backward)
    assert [one.code for one in report.diagnosis] == ["derivative_missing"]
    assert "np.tanh(net.x" in report.diagnosis[0].sentence
    assert net.layers[0]["W"] is array and net.x is inputs and type(net.out) is np.ndarray


@pytest.mark.slow
def test_custom_vjp_of_jax_is_recorded() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    squash = jax.custom_vjp(lambda z: jnp.tanh(z))
    squash.defvjp(lambda z: (squash(z), z), lambda z, g: (g,))
    with jax.enable_x64(True):

        def loss(w: Any) -> Any:
            return jnp.sum(squash(X @ w))

        report = check_gradient(loss, jax.grad(loss), W)
    assert report.verdict == "WRONG" and "jax.custom_vjp(lambda z: jnp.tanh(z))" in report.diagnosis[0].sentence


def test_dropout_drawn_in_the_loss_is_named_as_with_a_fixed_mask() -> None:
    def drawn(w: Any) -> Any:
        np.random.seed(3)
        return (np.tanh(X @ w) * (np.random.rand(6, 3) < 0.5)).sum()

    np.random.seed(3)
    mask = np.random.rand(6, 3) < 0.5

    def fixed(w: Any) -> Any:
        return (np.tanh(X @ w) * mask).sum()

    names = []
    for loss in (drawn, fixed):
        report = check_gradient(loss, lambda w: X.T @ (1 - np.tanh(X @ w) ** 2), W)
        assert report.verdict == "WRONG"
        names.append([one.code for one in report.diagnosis])
    assert names[0] == names[1] and "mask_missing" in names[0]
