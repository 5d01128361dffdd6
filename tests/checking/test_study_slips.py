"""The slips of two published reports, as code in their own letters, found by machine. See STUDIES in the docs."""

from typing import Any

import numpy as np
import pytest

from deltarule import Network, check_gradient, check_update

LAMBDA = 0.03


def relu(z: Any) -> Any:
    return z * (z.real > 0)


def softmax(z: Any) -> Any:
    e = np.exp(z)
    return e / e.sum(axis=0)


def two_layers(slip: str, N: int, D: int, H: int, K: int) -> dict[str, Any]:
    """The cifar report's network: samples are columns, weights outputs × inputs, J̃ = J + λ(‖W¹‖² + ‖W²‖²)."""
    generator = np.random.default_rng(11)
    x, targets = generator.normal(size=(D, N)), np.eye(K)[generator.integers(K, size=N)].T
    params = {
        "W1": generator.normal(size=(H, D)),
        "b1": generator.normal(size=(H, 1)),
        "W2": generator.normal(size=(K, H)),
        "b2": generator.normal(size=(K, 1)),
    }

    def loss_and_gradient(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        z2 = W1 @ x + b1
        a2 = relu(z2)
        psi = softmax(W2 @ a2 + b2)
        J = -(targets * np.log(psi)).sum() / N + LAMBDA * ((W1**2).sum() + (W2**2).sum())
        dz3 = psi / N if slip == "(7)" else (psi - targets) / N
        if slip == "(11)":
            dz3 = np.tile(dz3.sum(axis=1, keepdims=True), (1, N))
        dW2, db2 = dz3 @ a2.T + 2 * LAMBDA * W2, dz3.sum(axis=1, keepdims=True)
        if slip == "3.2, sum":
            dz3 = dz3.sum(axis=1, keepdims=True)
        if slip == "3.2, penalty":
            dz3 = dz3 + 2 * LAMBDA * W2
            dW2, db2 = dz3 @ a2.T + 2 * LAMBDA * W2, dz3.sum(axis=1, keepdims=True)
        da2 = (dz3.T @ W2.T).T if slip == "Part1" else (dz3.T @ W2).T
        dz2 = da2 * (z2 > 0)
        dW1, db1 = dz2 @ x.T + 2 * LAMBDA * (W2 if slip == "(20)" else W1), dz2.sum(axis=1, keepdims=True)
        return J, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

    network = Network([D, H, K], activation="relu", output="softmax")
    return {"loss": loss_and_gradient, "gradient": None, "params": params, "like": network, "x": x, "y": targets}


SIZES = [(6, 4, 5, 3), (4, 4, 4, 4)]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_cifar_reports_network_is_right_without_slips(sizes: tuple[int, ...]) -> None:
    assert check_gradient(**two_layers("", *sizes)).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slip", "sizes", "codes"),
    [
        ("(7)", SIZES[0], ["target_missing"]),
        ("(11)", SIZES[0], ["summed_early"]),
        ("3.2, sum", SIZES[0], ["summed_early"]),
        ("3.2, penalty", SIZES[1], ["penalty_through_network"]),
        ("Part1", SIZES[1], ["weights_not_transposed"]),
        ("(20)", SIZES[1], ["penalty_other_weights"]),
    ],
)
def test_the_slips_of_the_cifar_report_are_named(slip: str, sizes: tuple[int, ...], codes: list[str]) -> None:
    report = check_gradient(**two_layers(slip, *sizes))
    assert not report.ok and [mistake.code for mistake in report.diagnosis] == codes


class Boundary:
    """The boundary report's 2-3-3-1 network: sigmoid everywhere, binary cross-entropy with an ε in its divisions."""

    def __init__(self, epsilon: float = 0.0, slip: bool = False) -> None:
        generator = np.random.default_rng(5)
        self.x, self.y = generator.random((20, 2)), generator.integers(2, size=(20, 1)).astype(float)
        self.W = [generator.normal(size=shape) for shape in ((2, 3), (3, 3), (3, 1))]
        self.b = [generator.normal(size=(1, n)) for n in (3, 3, 1)]
        self.v = [np.zeros_like(W) for W in self.W]
        self.vb = [np.zeros_like(b) for b in self.b]
        self.epsilon, self.slip = epsilon, slip

    def forward(self) -> Any:
        self.a = [self.x]
        for W, b in zip(self.W, self.b, strict=True):
            self.a.append(1 / (1 + np.exp(-(self.a[-1] @ W + b))))
        p = self.a[-1]
        return -(self.y * np.log(p) + (1 - self.y) * np.log(1 - p)).mean()

    def gradients(self) -> tuple[list[Any], list[Any]]:
        self.forward()
        p = self.a[-1]
        da = ((1 - self.y) / (1 - p + self.epsilon) - self.y / (p + self.epsilon)) / len(p)
        dW, db = [], []
        for n in (2, 1, 0):
            dz = da * self.a[n + 1] * (1 - self.a[n + 1])
            dW.insert(0, self.a[n].T @ dz)
            db.insert(0, dz.sum(axis=0, keepdims=True))
            da = dz @ self.W[n].T
        return dW, db

    def update(self, rate: float = 0.8, beta: float = 0.9) -> None:
        dW, db = self.gradients()
        for n in range(3):
            self.v[n] = beta * self.v[n] - rate * dW[n]
            self.vb[n] = beta * self.vb[n] - rate * db[n]
            self.W[n] = self.W[n] + self.v[n]
            self.b[n] = self.b[n] + (self.v[n] if self.slip else self.vb[n])

    def arrays(self) -> dict[str, Any]:
        return {f"{name}{n + 1}": getattr(self, name)[n] for n in range(3) for name in "Wb"}


@pytest.mark.slow
def test_the_boundary_listing_adds_the_weights_velocity_to_the_biases() -> None:
    right = Boundary()
    assert check_update(right.update, right.forward, right.arrays, 0.8, momentum=0.9).ok
    wrong = Boundary(slip=True)
    report = check_update(wrong.update, wrong.forward, wrong.arrays, 0.8, momentum=0.9)
    [mistake] = report.diagnosis
    assert not report.ok and mistake.code == "wrong_velocity"
    assert mistake.where == ("b1", "b2", "b3") and "b2 is that of W2" in mistake.sentence


@pytest.mark.slow
def test_the_boundary_listing_has_its_epsilon_in_the_gradient_alone() -> None:
    net = Boundary(epsilon=1e-8)
    net.b[2] -= 12  # predictions near 0, where the ε is seen
    like: dict[str, Any] = {"like": Network([2, 3, 3, 1], "sigmoid", "sigmoid"), "x": net.x, "y": net.y}

    def gradient() -> dict[str, Any]:
        dW, db = net.gradients()
        return {**{f"W{n + 1}": dW[n] for n in range(3)}, **{f"b{n + 1}": db[n] for n in range(3)}}

    report = check_gradient(net.forward, gradient, net.arrays(), **like)
    [mistake] = report.diagnosis
    assert not report.ok and mistake.code == "epsilon" and "1e-08" in mistake.sentence
    net.epsilon = 0.0
    assert check_gradient(net.forward, gradient, net.arrays(), **like).ok
