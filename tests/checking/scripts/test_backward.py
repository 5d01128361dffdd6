"""Scripts of PyTorch: what `backward()` gives the parameters, against the loss itself; and scripts of JAX and Numba."""

import pytest

from deltarule.checking.scripts.backward import NOT_CLEARED
from deltarule.checking.scripts.check_script import check_script

pytest.importorskip("torch")

CLASSIFIER = """
import torch
import torch.nn as nn
torch.manual_seed(3)
X, y = torch.rand(30, 2), torch.randint(0, 3, (30,))
class Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log1p(torch.exp(x))
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * torch.sigmoid(x)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(2, 6), nn.BatchNorm1d(6)
        self.last, self.drop = nn.Linear(6, 3), nn.Dropout(0.2)
    def forward(self, x):
        return self.last(self.drop(Softplus.apply(self.norm(self.first(x)))))
class Trainer:
    def __init__(self):
        self.net = Net()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)
    def step(self, rows):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.net(X[rows]), y[rows])
        loss.backward()
        self.optimizer.step()
def main():
    trainer = Trainer()
    for epoch in range(4):
        for rows in torch.randperm(30).split(10):
            trainer.step(rows)
if __name__ == "__main__":
    main()
"""
PLAYERS = """
import torch
from torch import nn
torch.manual_seed(0)
maker, judge = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
of_maker, of_judge = torch.optim.Adam(maker.parameters()), torch.optim.Adam(judge.parameters())
score = nn.BCEWithLogitsLoss()
for step in range(20):
    made = maker(torch.randn(8, 2))
    of_judge.zero_grad()
    doubt = score(judge(torch.randn(8, 2) + 2), torch.ones(8, 1)) + score(judge(made.detach()), torch.zeros(8, 1))
    doubt.backward()
    of_judge.step()
    of_maker.zero_grad()
    praise = score(judge(made), torch.ones(8, 1))
    praise.backward()
    of_maker.step()
"""
ROWS = """
import torch
torch.manual_seed(1)
w, b = torch.randn(3, requires_grad=True), torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([w, b], lr=0.01)
x, y = torch.randn(20, 3), torch.randn(20)
for row in range(60):
    loss = (x[row % 20] @ w + b - y[row % 20]).square().sum()
    loss.backward()
    if row % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()
"""
ACTOR = """
import torch
from torch import nn
torch.manual_seed(4)
body, policy, value = nn.Linear(3, 8), nn.Linear(8, 2), nn.Linear(8, 1)
optimizer = torch.optim.Adam([*body.parameters(), *policy.parameters(), *value.parameters()])
for step in range(20):
    state, new, reward = torch.randn(6, 3), torch.randn(6, 3), torch.randn(6)
    with torch.no_grad():
        goal = reward + 0.9 * value(body(new).tanh())[:, 0]
    hidden = body(state).tanh()
    estimate = value(hidden)[:, 0]
    chances = torch.distributions.Categorical(logits=policy(hidden))
    loss = (goal - estimate).square().mean() - (chances.log_prob(chances.sample()) * (goal - estimate).detach()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BY_HAND = """
import torch
torch.manual_seed(1)
w, b = torch.randn(3, requires_grad=True), torch.zeros(1, requires_grad=True)
x, y = torch.randn(20, 3), torch.randn(20)
for epoch in range(30):
    loss = (x @ w + b - y).square().mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad = b.grad = None
"""


def check_text(folder, text):
    path = folder / "train.py"
    path.write_text(text, encoding="utf-8")
    return check_script(path, seconds=120, seconds_to_correct=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "names"),
    [
        (CLASSIFIER, {"self.net.first.weight", "self.net.norm.bias", "self.net.last.weight"}),
        (PLAYERS, {"maker.weight", "maker.bias", "judge.0.weight", "judge.2.bias"}),
        (ROWS, {"w", "b"}),
        (ACTOR, {"body.weight", "policy.bias", "value.weight"}),
        (ACTOR.replace(".detach()", ".data"), {"body.weight", "policy.bias", "value.weight"}),
        (BY_HAND, {"w", "b"}),
    ],
)
def test_right_scripts_are_right(tmp_path, text, names):
    report = check_text(tmp_path, text)
    assert report.verdict == "right" and names <= report.right.keys(), str(report)


@pytest.mark.slow
def test_a_wrong_function_makes_wrong_what_is_behind_it(tmp_path):
    report = check_text(tmp_path, CLASSIFIER.replace("g * torch.sigmoid(x)", "g * torch.tanh(x)"))
    assert "self.net.norm.weight" in report.wrong and "self.net.last.weight" in report.right, str(report)
    report = check_text(tmp_path, CLASSIFIER.replace("g * torch.sigmoid(x)", "3 * g * torch.sigmoid(x)"))
    assert report.wrong["self.net.norm.bias"] == "has 3 times the gradient of the loss", str(report)


@pytest.mark.slow
def test_gradients_that_are_never_cleared(tmp_path):
    text = ROWS.replace("row % 4 == 3", "True").replace("        optimizer.zero_grad()\n", "")
    assert check_text(tmp_path, text).wrong == {"b": NOT_CLEARED, "w": NOT_CLEARED}


OF_JAX = """
import jax
import jax.numpy as jnp
X = jax.random.normal(jax.random.PRNGKey(2), (20, 3))
y = X @ jnp.array([1.0, -2.0, 0.5])
@jax.jit
def loss_of(w):
    return jnp.mean((X @ w - y) ** 2)
w, slope = jnp.zeros(3), jax.jit(jax.grad(loss_of))
for step in range(20):
    loss = loss_of(w)
    w = w - 0.1 * slope(w)
"""
OF_NUMBA = """
import numpy as np
from numba import njit
rng = np.random.default_rng(5)
X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
@njit
def fit(X, y, w, turns):
    for turn in range(turns):
        error = X @ w - y
        loss = (error ** 2).mean()
        w -= 0.1 * 2 * X.T @ error / len(y)
    return w
fit(X, y, np.zeros(3), 40)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "text", "wrong"),
    [
        ("jax", OF_JAX, ("slope(w)\n", "slope(w) * jnp.arange(3.0)\n")),
        ("numba", OF_NUMBA, ("X.T @ error", "X.T @ error ** 3")),
    ],
)
def test_compiled_functions_are_followed(tmp_path, library, text, wrong):
    pytest.importorskip(library)
    assert list(check_text(tmp_path, text).right) == ["w"]
    assert check_text(tmp_path, text.replace(*wrong)).verdict == "WRONG"
