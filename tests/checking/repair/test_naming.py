"""The kind of a mistake is read off its wrong and its right line, or left open."""

import pytest

from deltarule.checking.catalog import LineChange
from deltarule.checking.repair.naming import name_of
from deltarule.checking.repair.program import Edit
from deltarule.checking.repair.roles import Facts

LINES = [
    ("d = y - p", "d = p - y", "sign"),
    ("dW = d.T @ x", "dW = x.T @ d", "transposed"),
    ("dx = d @ W", "dx = d @ W.T", "weights_not_transposed"),
    ("db = d", "db = d.sum(0)", "not_summed"),
    ("db = np.sum(d, axis=1)", "db = np.sum(d, axis=0)", "wrong_axis"),
    ("db = d.mean(0)", "db = d.sum(axis=0)", "mean_twice"),
    ("dW = x.T @ d", "dW = x.T @ d / len(x)", "mean_missing"),
    ("dz = da", "dz = da * (1 - a**2)", "derivative_missing"),
    ("dz = da * (1 - z**2)", "dz = da * (1 - a**2)", "derivative_of_z"),
    ("dz = da * (1 - np.tanh(a) ** 2)", "dz = da * (1 - a**2)", "derivative_at_output"),
    ("dz = da * a * (1 - a)", "dz = da * (1 - a**2)", "other_derivative"),
    ("dz = da * (a2 > 0)", "dz = da * (a1 > 0)", "other_mask"),
    ("dz = da * (da > 0)", "dz = da * (z > 0)", "mask_of_gradient"),
    ("dz = da * (z <= 0)", "dz = da * (z > 0)", "mask_inverted"),
    ("dW = x.T @ d + lam * W", "dW = x.T @ d + 2 * lam * W", "penalty_factor"),
    ("dW = x.T @ d", "dW = x.T @ d + lam * W", "penalty_missing"),
    ("U += 0.1 * (e * q - 0.2 * q)", "U += 0.1 * (e * q - 0.2 * p)", "penalty_other_weights"),
    ("U += 0.1 * (e * p - 0.2 * p)", "U += 0.1 * (e * q - 0.2 * p)", "wrong_input"),
    ("dx = i * g", "dx = i * (g - g.mean(0) - h * (g * h).mean(0))", "batch_norm_constants"),
    ("ds = p * g", "ds = p * (g - (p * g).sum(1, keepdims=True))", "softmax_elementwise"),
    ("d = s / 2", "d = s / 2 + r / 3", "path_missing"),
    ("d = softmax(s, 1) - t", "d = softmax(s, 0) - t", "wrong_axis"),
    ("d[i, y] = -1", "d[i, y] = -2", ""),
    ("d = f(s, 1)", "d = f(s, 0)", ""),
    ("d = e @ v / tau", "d = e @ v / (tau * na)", ""),
]


@pytest.mark.parametrize(("old", "new", "code"), LINES)
def test_kind_is_read_off_the_lines(old: str, new: str, code: str) -> None:
    edit = Edit(1, old, new, 0.0, list)
    assert name_of(edit, [LineChange(1, old, new)], Facts(("W", "b"))) == code
