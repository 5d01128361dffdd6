"""Wrong forms of the gradient at the output, ∂J/∂z = (p − y) / N with p = softmax(z) or sigmoid(z)."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.functions import sigmoid, softmax
from deltarule.checking.mistakes.rules import Candidate, with_gradient
from deltarule.checking.tape.backward import Array, Recording


def output_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Wrong forms of ∂J/∂z = (p − y) / N, with p = softmax(z) or sigmoid(z)."""
    count_found = 0
    for node in reversed(recording.nodes):
        z, gradient = node.value, recording.gradients.get(node.index)
        if gradient is None or z.ndim not in (1, 2) or z.size < 2:
            continue
        for axis in (*(axis for axis in range(z.ndim) if z.shape[axis] > 1), None):
            p = sigmoid(z) if axis is None else softmax(z, axis)
            for N in dict.fromkeys((z.shape[0], z.shape[-1], 1, z.size)):
                difference = p - N * gradient
                y = np.round(difference)
                if not (np.abs(difference - y) < 1e-7).all() or y.min() != 0 or y.max() != 1:
                    continue
                for code, text, wrong in _wrong_output_gradients(z, p, y, N, axis):
                    yield Candidate(code, f"∂J/∂z of the output {text}", with_gradient(node, wrong / N))
                count_found += 1
        if count_found > 3:  # z, −z and z without its bias
            return


def _wrong_output_gradients(z: Array, p: Array, y: Array, N: int, axis: int | None) -> Iterator[tuple[str, str, Array]]:
    """Wrong forms of p − y for softmax over an axis, or for sigmoid."""
    yield "targets_not_averaged", "divides p by N and not y: p / N − y", p - N * y
    yield "targets_not_averaged", "divides y by N and not p: p − y / N", N * p - y
    yield "target_missing", "lacks the targets", p
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) * p * (1 - p)
    if axis is None:
        text = "has a wrong sign inside the loss's derivative"
        yield "loss_derivative_sign", text, -y * (1 - p) - (1 - y) * p
        return
    yield "wrong_axis", "has softmax over the samples", softmax(z, z.ndim - 1 - axis) - y
    for over in range(y.ndim):
        text = "has 1 subtracted in the whole columns of all targets"
        yield "target_indexing", text, p - y.max(axis=over, keepdims=True)
