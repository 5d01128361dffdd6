"""A wrong gradient gets the line to change, and a correction that was tried."""

import random
import re
import runpy
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from repaired_programs import check_program

from deltarule import check_gradient
from deltarule.checking.repair.safety import no_effects
from deltarule.checking.repair.trials import measured
from deltarule.checking.user_code.callables import Code
from deltarule.errors import RunFailed

RECURRENT = """
import numpy as np
from deltarule import check_object

class Net:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.Wxh, self.Whh = rng.normal(size=(4, 3)), rng.normal(size=(4, 4))

    def loss(self, xs, target):
        self.xs, self.hs = xs, {-1: np.zeros(4)}
        for t, x in enumerate(xs):
            self.hs[t] = np.tanh(self.Wxh @ x + self.Whh @ self.hs[t - 1])
        self.error = self.hs[len(xs) - 1] - target
        return 0.5 * (self.error**2).sum()

    def backward(self):
        self.dWxh, self.dWhh = np.zeros((4, 3)), np.zeros((4, 4))
        d_h = self.error
        for t in reversed(range(len(self.xs))):
            temp = (1 - self.hs[t] ** 2) * d_h
            self.dWhh += np.outer(temp, self.hs[t - 1])
            self.dWxh += np.outer(temp, self.xs[t])
            d_h = self.Whh @ temp

rng = np.random.default_rng(0)
net, xs, target = Net(), rng.normal(size=(3, 3)), rng.normal(size=4)
report = check_object(net, params=["Wxh", "Whh"], grads=["dWxh", "dWhh"],
                      loss=lambda: net.loss(xs, target), backward=net.backward)
"""
AFFINE = """
import numpy as np
from deltarule import check_vjp

def forward(x, w, b):
    return x @ w + b, (x, w)

def backward(g, cache):
    x, w = cache
    return g @ w.T, x.T @ g, {bias}

rng = np.random.default_rng(0)
report = check_vjp(forward, backward, (rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)))
"""
TWO_MISTAKES = """
import numpy as np
from deltarule import check_gradient

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 4)), rng.normal(size=(7, 2))

def loss_and_gradient(W, b, V):
    z = X @ W + b
    h = np.tanh(z)
    e = h @ V - Y
    dV = e.T @ h
    dh = e @ V.T
    dz = dh * (1 - h)
    return 0.5 * (e**2).sum(), (X.T @ dz, dz.sum(0), dV)

report = check_gradient(loss_and_gradient, None,
                        (rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2))), seconds=60)
"""
WHOLE_BATCH = """
import numpy as np
from deltarule import check_gradient

def softmax(z):
    e = np.exp(z)
    return e / e.sum()

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(4, 6)), np.eye(3)[rng.integers(0, 3, 6)].T
loss = lambda W: -np.sum(Y * np.log(softmax(W @ X)))
gradient = lambda W: (softmax(W @ X) - Y) @ X.T
report = check_gradient(loss, gradient, rng.normal(size=(3, 4)))
"""


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_gradients_are_measured_around_parameters_of_any_size(a: float, b: float) -> None:
    start = np.array([a, b]), np.array(a)

    def loss(values: Sequence[np.ndarray]) -> float:
        return float((values[0] ** 2).sum() + 3 * values[1] ** 2)

    code = Code(names=("v", "s"), start=start, loss=loss, gradient=lambda values: [2 * values[0], 6 * values[1]])
    for found, right in zip(measured(code).truth, code.gradient(start), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-4)


def test_line_meaning_and_correction_of_a_recurrent_net(tmp_path: Path) -> None:
    report = check_program(tmp_path, RECURRENT)
    correction = report.correction
    assert correction.code == "d_h = self.Whh @ temp"
    assert [change.new for change in correction.changes] == ["d_h = self.Whh.T @ temp"]
    assert correction.meaning == "the gradient of self.hs[t] (line 13)"
    assert correction.proof == "with it both arrays are right"


def test_correction_stands_first_in_the_text_and_in_the_exception(tmp_path: Path) -> None:
    report = check_program(tmp_path, RECURRENT)
    label, code = next(report._lines())
    assert (label, code) == ("line 24", "d_h = self.Whh @ temp")
    assert re.search(r"^  try +d_h = self.Whh.T @ temp$", str(report), re.MULTILINE)
    assert "d_h = self.Whh.T @ temp" in report._repr_html_()
    with refuses("d_h = self.Whh.T @ temp", error=RunFailed):
        report.raise_if_wrong()


@pytest.mark.parametrize("wrong", ["g", "g.sum(1)", "g.sum()", "g.mean(0)", "-g.sum(0)"])
def test_bias_of_a_layer_is_summed_over_samples(tmp_path: Path, wrong: str) -> None:
    report = check_program(tmp_path, AFFINE.format(bias=wrong))
    (change,) = report.correction.changes
    assert change.new in (f"return g @ w.T, x.T @ g, g.sum({axis})" for axis in ("0", "axis=0"))


def test_right_program_gets_no_correction(tmp_path: Path) -> None:
    report = check_program(tmp_path, AFFINE.format(bias="g.sum(0)"))
    assert report.ok
    assert report.correction is None


UNHEARD_OF = """
import numpy as np
from deltarule import check_gradient

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))

def loss_and_gradient(W1, W2):
    z1 = X @ W1
    a1 = np.log(1 + z1**2) * np.sin(z1)
    z2 = a1 @ W2
    d2 = z2 - Y
    d1 = d2 @ W2.T * (0.3 + np.arctan(z1**3) - 1.7 * np.sqrt(np.abs(z1)))
    return 0.5 * ((z2 - Y)**2).sum(), (X.T @ d1, a1.T @ d2)

params = rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
report = check_gradient(loss_and_gradient, None, params, seconds=3)
z1 = X @ params[0]
d2 = np.log(1 + z1**2) * np.sin(z1) @ params[1] - Y
right = d2 @ params[1].T * (2 * z1 / (1 + z1**2) * np.sin(z1) + np.log(1 + z1**2) * np.cos(z1))
report.correction.proof.index(np.array2string(right, precision=5, separator=", ").replace("\\n", ""))
"""


def test_where_no_edit_fits_the_right_value_is_said(tmp_path: Path) -> None:
    correction = check_program(tmp_path, UNHEARD_OF).correction
    assert correction.code.startswith("d1 = d2 @ W2.T") and not correction.changes
    assert correction.meaning == "the gradient of z1 (line 9)"
    assert "right there is d1 = [[" in correction.proof


MOMENTUM = """
import numpy as np
from deltarule import check_update

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 4)), rng.normal(size=(7, 2))

class Net:
    def __init__(self):
        self.W, self.b, self.vW, self.vb = rng.normal(size=(4, 2)), rng.normal(size=2), 0, 0

    def loss(self):
        return 0.5 * ((X @ self.W + self.b - Y) ** 2).sum()

    def step(self):
        e = X @ self.W + self.b - Y
        self.vW = 0.9 * self.vW + X.T @ e
        self.vb = 0.9 * self.vb + e.sum(0)
        self.W = self.W - 0.01 * self.vW
        self.b -= 0.01 * self.vb

net = Net()
report = check_update(net.step, net.loss, lambda: [net.W, net.b], 0.01, momentum=0.9)
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("self.b -= 0.01 * self.vb", "self.b += 0.01 * self.vb"),
        ("self.vb = 0.9 * self.vb + e.sum(0)", "self.vb = 0.9 * self.vW[0] + e.sum(0)"),
        ("self.W = self.W - 0.01 * self.vW", "self.W = self.W + 0.01 * self.vW"),
    ],
)
def test_a_step_with_a_velocity_is_corrected(tmp_path: Path, right: str, wrong: str) -> None:
    program = MOMENTUM.replace(right, wrong)
    (change,) = check_program(tmp_path, program).correction.changes
    assert check_program(tmp_path, MOMENTUM).ok
    assert check_program(tmp_path, program.replace(change.old, change.new)).ok


def test_two_mistakes_are_corrected_one_after_the_other(tmp_path: Path) -> None:
    report = check_program(tmp_path, TWO_MISTAKES)
    assert {change.line for change in report.correction.changes} == {12, 14}


def test_no_edit_of_the_backward_pass_is_offered_where_the_forward_pass_is_wrong(tmp_path: Path) -> None:
    correction = check_program(tmp_path, WHOLE_BATCH).correction
    assert correction.line == 7
    assert not correction.changes
    assert "the forward pass is what is wrong" in correction.proof


@pytest.mark.parametrize("hint", [2, 3])
def test_hints_below_4_hide_the_correction(tmp_path: Path, hint: int) -> None:
    source = RECURRENT.replace("backward=net.backward)", f"backward=net.backward, hint={hint})")
    report = check_program(tmp_path, source)
    assert [one.code for one in report.diagnosis] == ["weights_not_transposed"]
    assert "temp" not in str(report).replace("d_h = self.Whh @ temp", "" if hint == 3 else "temp")
    assert (report.correction is not None) == (hint == 3)
    assert report.correction is None or report.correction.line == 24


def test_program_is_as_it_was_after_the_search(tmp_path: Path) -> None:
    written = tmp_path / "written.txt"
    source = f"""
import numpy as np
from deltarule import check_gradient

calls, x = [], np.array([[1.0, 2.0], [3.0, 5.0]])

def loss(w):
    return ((x @ w) ** 2).sum()

def gradient(w):
    print("gradient")
    if len(calls) > 1:
        open({str(written)!r}, "w")
    error = x @ w
    return x.T @ error

code, before = gradient.__code__, x.copy()
report = check_gradient(loss, gradient, np.array([0.5, -1.0]))
unchanged = gradient.__code__ is code and np.array_equal(x, before) and not calls
"""
    path = tmp_path / "program.py"
    path.write_text(source, encoding="utf-8")
    random.seed(3)
    state = random.getstate()
    found = runpy.run_path(str(path))
    assert found["unchanged"]
    assert found["report"].correction.changes
    assert random.getstate() == state
    assert not written.exists()


def test_edit_that_never_ends_is_stopped_and_the_correction_found(tmp_path: Path) -> None:
    source = """
import numpy as np
from deltarule import check_gradient

def loss(w):
    return (w ** 3).sum()

def gradient(w):
    n = 3
    result = np.ones_like(w)
    while n > 1:
        result = result * w
        n = n - 1
    return 2 * result

report = check_gradient(loss, gradient, np.array([0.5, -1.0]))
"""
    report = check_program(tmp_path, source)
    assert report.correction is not None
    assert report.correction.changes


def test_network_is_refused_while_edits_are_tried() -> None:
    with no_effects(), pytest.raises(PermissionError, match="refused while edits are tried"):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)


def test_code_without_source_gets_a_verdict_without_correction() -> None:
    names: dict[str, object] = {}
    exec("def gradient(w):\n    return w\n", names)
    report = check_gradient(lambda w: (w**2).sum(), names["gradient"], np.array([1.0, 2.0]))  # type: ignore[arg-type]
    assert report.verdict == "WRONG"
    assert report.correction is None or not report.correction.changes


FORGOTTEN_DERIVATIVE = """
import numpy as np
from deltarule import check_gradient

rng = np.random.default_rng(0)
x, t = rng.normal(size=(7, 4)), rng.normal(size=(7, 2))

def both(W1, b1, W2):
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    e = a1 @ W2 - t
    d2 = e / len(x)
    d1 = d2 @ W2.T
    return (e**2).sum() / 2 / len(x), (x.T @ d1, d1.sum(0), a1.T @ d2)

report = check_gradient(both, None, [rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2))])
"""
FUNCTION_OF_PYTORCH = """
import torch
from deltarule import check_gradient

class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        a = torch.tanh(z)
        ctx.save_for_backward(a)
        return a

    @staticmethod
    def backward(ctx, g):
        a, = ctx.saved_tensors
        return g * (1 - a)

torch.manual_seed(0)
x, w = torch.randn(6, 3, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

def gradient(w):
    w.grad = None
    (Tanh.apply(x @ w) ** 2).sum().backward()
    return w.grad

report = check_gradient(lambda w: (Tanh.apply(x @ w) ** 2).sum(), gradient, w)
"""


def test_forgotten_derivative_is_corrected_where_it_lacks(tmp_path: Path) -> None:
    """d1 is a right gradient, that of a1: no reason to leave its line alone."""
    correction = check_program(tmp_path, FORGOTTEN_DERIVATIVE).correction
    [change] = correction.changes
    assert re.fullmatch(r"d1 = \(?d2 @ W2\.T\)? \* \(1 - a1 ?\*\* ?2\)", change.new)
    assert correction.meaning.startswith("the gradient of z1")


def test_function_of_pytorch_is_corrected(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    [change] = check_program(tmp_path, FUNCTION_OF_PYTORCH).correction.changes
    assert re.fullmatch(r"return g \* \(1 - a ?\*\* ?2\)", change.new)


UPDATE = """
import numpy as np
from deltarule import check_update

rng = np.random.default_rng(0)
X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
W, v = rng.normal(size=(3, 1)), np.zeros((3, 1))

def loss():
    return ((X @ W - y) ** 2).sum() / 2

def step():
    {lines}

before = W.copy()
report = check_update(step, loss, W, 0.1)
assert (W == before).all()
"""


@pytest.mark.parametrize("wrong", ["X.T @ e**2", "X.T @ (e / 8)[::-1]", "X.T @ abs(e)"])
def test_wrong_update_is_corrected(wrong: str, tmp_path: Path) -> None:
    lines = f"e = X @ W - y\n    d = {wrong}\n    W[...] -= 0.1 * d"
    [change] = check_program(tmp_path, UPDATE.format(lines=lines)).correction.changes
    assert change.line == 14
    assert check_program(tmp_path, UPDATE.format(lines=lines.replace(change.old, change.new))).ok


def test_update_with_a_velocity_is_not_repaired_into_plain_descent(tmp_path: Path) -> None:
    lines = "v[...] = 0.9 * v - 0.2 * X.T @ (X @ W - y)\n    W[...] += v"
    report = check_program(tmp_path, UPDATE.format(lines=lines))
    assert not report.ok and report.correction is None


GATED = """
import numpy as np
from deltarule import check_gradient

rng = np.random.default_rng(0)
xs, target = rng.normal(size=(2, 5, 3)), rng.normal(size=(5, 4))
parameters = {key: 0.5 * rng.normal(size=(3 if key[0] == "W" else 4, 4)) for key in ("Wz", "Uz", "Wn", "Un")}

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def forward(p):
    h, tape = np.zeros((5, 4)), []
    for x in xs:
        z = sigmoid(x @ p["Wz"] + h @ p["Uz"])
        n = np.tanh(x @ p["Wn"] + h @ p["Un"])
        tape.append((x, h, z, n))
        h = (1 - z) * n + z * h
    return h, tape

def loss(p):
    return 0.5 * ((forward(p)[0] - target) ** 2).sum()

def gradient(p):
    h, tape = forward(p)
    g = {key: np.zeros_like(value) for key, value in p.items()}
    dh = h - target
    for x, before, z, n in reversed(tape):
        dz = dh * (before - n) * z * (1 - z)
        dn = dh * (1 - z) * (1 - n**2)
        for gate, d in (("z", dz), ("n", dn)):
            g["W" + gate] += x.T @ d
            g["U" + gate] += before.T @ d
        dh = dh * z + dz @ p["Uz"].T + dn @ p["Un"].T
    return g

report = check_gradient(loss, gradient, parameters)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("dz = dh * (before - n) * z * (1 - z)", "dz = dh * (before - n)"),
        ("dn = dh * (1 - z) * (1 - n**2)", "dn = dh * (1 - z)"),
        ("dh = dh * z + dz", "dh = dz"),
        ('dh = dh * z + dz @ p["Uz"].T + dn', "dh = dh * z + dn"),
        (' + dz @ p["Uz"].T + dn @ p["Un"].T', ' + dz @ p["Uz"].T'),
    ],
)
def test_gates_are_corrected_whose_arguments_have_no_names(tmp_path: Path, right: str, wrong: str) -> None:
    assert GATED.count(right) == 1
    source = GATED.replace(right, wrong)
    correction = check_program(tmp_path, source).correction
    (change,) = correction.changes
    assert wrong in source.split("\n")[change.line - 1]
    corrected = source.replace(change.old, change.new)
    assert check_program(tmp_path, corrected).ok


CLOSURES = """
import numpy as np
from deltarule import check_gradient

def dense(x, w):
    z = x @ w
    a = 1 / (1 + np.exp(-z))

    def backward(g):
        d = g * a * (1 - a)
        return d @ w.T, x.T @ d

    return a, backward

x = np.random.default_rng(0).normal(size=(5, 3))

def forward(weights):
    hidden, back1 = dense(x, weights[0])
    output, back2 = dense(hidden, weights[1])
    return output, back1, back2

def loss(weights):
    return 0.5 * (forward(weights)[0] ** 2).sum()

def gradient(weights):
    output, back1, back2 = forward(weights)
    g, dw2 = back2(output)
    return [back1(g)[1], dw2]

rng = np.random.default_rng(1)
report = check_gradient(loss, gradient, [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))])
"""


def test_a_variable_that_a_closure_lacks_is_taken_from_the_call_that_made_it(tmp_path: Path) -> None:
    right, wrong = "d = g * a * (1 - a)", "d = g * z * (1 - z)"
    report = check_program(tmp_path, CLOSURES.replace(right, wrong))
    assert not report.ok and [change.new for change in report.correction.changes] == [right]
    assert check_program(tmp_path, CLOSURES).ok
