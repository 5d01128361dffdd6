"""Measure how often the gradient checker is right: it must accept correct code, and find and name planted mistakes.

    python benchmarks/planted_mistakes.py [--correct 10000] [--planted 2000] [--scale relative=3] [--json]

Random networks in plain NumPy, written as a student would and without deltarule: samples as rows or as columns, weights
inputs × outputs or outputs × inputs, one to four layers, eight kinds of output and loss, penalties, dropout masks,
batch norm. A planted network has a single mistake, in one layer or in all; it counts if it changes an entry of the
gradient by more than 0.05 %. `--scale` multiplies one of the checker's tolerances, to see its effect.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.check import check_gradient
from deltarule.checking.report import CodeReport
from deltarule.problem.network import Network

MIN_RELATIVE_CHANGE = 5e-4

ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    # the function, its derivative as a function of z, and its derivative as a function of a
    "sigmoid": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        lambda a: a * (1 - a),
    ),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda a: 1 - a**2),
    "relu": (lambda z: z * (z.real > 0), lambda z: 1.0 * (z.real > 0), lambda a: 1.0 * (a.real > 0)),
    "softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z)), lambda a: 1 - np.exp(-a)),
    "leaky_relu": (
        lambda z: np.where(z.real > 0, z, 0.01 * z),
        lambda z: np.where(z.real > 0, 1.0, 0.01),
        lambda a: np.where(a.real > 0, 1.0, 0.01),
    ),
}


def softmax(z: Any) -> Any:
    """The softmax of each row of z."""
    e = np.exp(z - z.real.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@dataclass
class Student:
    """A network in plain NumPy (samples are rows inside), with at most one mistake.

    mean      whether the loss is a mean over samples     columns     whether users see samples as columns
    strength  of the penalty                              turned      whether weights are outputs × inputs
    masks     dropout masks by layer                      normalized  whether hidden layers have batch norm
    mistake   its name, or ""                             place       its layer, or 0 for all
    """

    sizes: list[int]
    hidden: str
    output: str
    loss: str
    mean: bool
    x: Any
    y: Any
    strength: float
    columns: bool
    turned: bool
    masks: dict[int, Any]
    normalized: bool
    mistake: str = ""
    place: int = 0
    rate: float = 0.1
    draws: Any = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def layers(self) -> int:
        """The number of layers with weights."""
        return len(self.sizes) - 1

    @property
    def share(self) -> float:
        """The factor of the sum of losses: 1 / N for a mean, else 1."""
        return 1 / len(self.x) if self.mean else 1.0

    def parameters(self, generator: np.random.Generator) -> dict[str, Any]:
        """Draw random parameters, by name."""
        arrays = {}
        for n in range(1, self.layers + 1):
            shape = (self.sizes[n - 1], self.sizes[n])
            arrays[f"W{n}"] = generator.normal(size=shape[::-1] if self.turned else shape) / np.sqrt(shape[0]) * 1.5
            bias = 0.5 * generator.normal(size=shape[1])
            arrays[f"b{n}"] = bias.reshape(-1, 1) if self.columns else bias
            if self.normalized and n < self.layers:
                arrays[f"gamma{n}"], arrays[f"beta{n}"] = 1 + 0.3 * generator.normal(size=(2, shape[1]))
        return arrays

    def weights(self, p: dict[str, Any], n: int) -> Any:
        """The weights of layer n as inputs × outputs."""
        return p[f"W{n}"].T if self.turned else p[f"W{n}"]

    def makes_mistake(self, name: str, n: int) -> bool:
        """Whether the network makes the mistake of this name in layer n."""
        return self.mistake == name and self.place in (0, n)

    def value(self, p: dict[str, Any]) -> Any:
        """The objective at parameters p."""
        return self.forward(p)[0]

    def gradient(self, p: dict[str, Any]) -> dict[str, Any]:
        """The gradient at parameters p, with the mistake, by name."""
        _, cache, d = self.forward(p)
        return self.backward(p, cache, d)

    def value_and_gradient(self, p: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The objective and the gradient at parameters p."""
        value, cache, d = self.forward(p)
        return value, self.backward(p, cache, d)

    def forward(self, p: dict[str, Any]) -> tuple[Any, list[Any], Any]:
        """The forward pass: the objective, a cache of each layer's values, and ∂J/∂z of the last layer."""
        a, cache = self.x, list[Any]([(None, None, self.x, None)])
        for n in range(1, self.layers + 1):
            z = a @ self.weights(p, n) + p[f"b{n}"].reshape(1, -1)
            normal = None
            if self.normalized and n < self.layers:
                centered = z - z.mean(0)
                deviation = np.sqrt((centered**2).mean(0) + 1e-5)
                normal = centered / deviation, deviation
                z = p[f"gamma{n}"] * normal[0] + p[f"beta{n}"]
            if n < self.layers:
                f = softmax if self.hidden == "softmax" else ACTIVATIONS[self.hidden][0]
                h = f(z)
                a = h * self.masks[n] if n in self.masks else h
                cache.append((z, h, a, normal))
        value, d = self.loss_and_delta(z)
        penalty = self.strength * sum((p[f"W{n}"] ** 2).sum() for n in range(1, self.layers + 1))
        return value + penalty, cache, d

    def loss_and_delta(self, z: Any) -> tuple[Any, Any]:
        """The loss of the data at the last layer's z, and ∂J/∂z, with mistakes in either."""
        y, c = self.y, self.share
        if self.output == "softmax":
            q = softmax(z)
            shown = softmax(q) if self.mistake == "activation_twice" else q
        elif self.output == "sigmoid":
            q = 1 / (1 + np.exp(-z))
            shown = 1 / (1 + np.exp(-q)) if self.mistake == "activation_twice" else q
        else:
            q = shown = z
        t = y.T if self.mistake == "broadcast" else y  # (N,) against (N, 1): a table
        if self.loss == "cross_entropy":
            value, dq, d = -(t * np.log(shown)).sum(), -y / q, q - y
        elif self.loss == "binary_cross_entropy":
            value = -(t * np.log(shown) + (1 - t) * np.log(1 - shown)).sum()
            if self.mistake == "loss_wrong":
                value = -(t * np.log(shown)).sum()
            dq, d = (1 - y) / (1 - q) - y / q, q - y
            if self.mistake == "epsilon":
                d = ((1 - y) / (1 - q + 1e-3) - y / (q + 1e-3)) * q * (1 - q)
        else:
            value, dq = ((shown - t) ** 2).sum(), 2 * (q - y)
            if self.mistake == "loss_wrong":
                value = ((shown - t) ** 4).sum()
            if self.mistake == "target_missing":
                dq = 2 * q
            d = dq * (1 if self.output == "identity" else q * (1 - q))
            if self.output == "softmax":
                d = q * (dq - (q * dq).sum(1, keepdims=True))
        if self.mistake == "broadcast" and self.mean:
            value = value / len(y)
        return c * value, c * self.output_delta(z, q, dq, d)

    def output_delta(self, z: Any, q: Any, dq: Any, d: Any) -> Any:
        """Return ∂J/∂z of the last layer with the network's mistake in it; `d` is the correct one, `dq` ∂J/∂q."""
        last = self.layers
        if self.mistake == "target_missing" and self.loss != "squared_error":
            d = q + 0 * d
        if self.output == "identity":
            return d
        if self.place in (0, last):
            if self.makes_mistake("derivative_missing", last):
                d = dq
            if self.makes_mistake("derivative_twice", last):
                d = q * (d - (q * d).sum(1, keepdims=True)) if self.output == "softmax" else d * q * (1 - q)
            if self.mistake == "derivative_at_output" and self.output == "sigmoid":
                s = 1 / (1 + np.exp(-q))
                d = dq * s * (1 - s)
            if self.mistake == "derivative_of_z" and self.output == "sigmoid":
                d = dq * z * (1 - z)
            if self.mistake == "softmax_elementwise" and self.output == "softmax":
                d = dq * q * (1 - q)
        if self.mistake == "wrong_axis_softmax" and self.loss == "cross_entropy":
            e = np.exp(z)
            d = e / e.sum(0) - self.y
        return d

    def backward(self, p: dict[str, Any], cache: list[Any], d: Any) -> dict[str, Any]:
        """The backward pass from ∂J/∂z of the last layer: the gradient by name, with the network's mistake."""
        g: dict[str, Any] = {}
        for n in range(self.layers, 0, -1):
            _, _, before, _ = cache[n - 1]
            if self.makes_mistake("summed_early", n):
                d = np.broadcast_to(d.sum(0, keepdims=True), d.shape)
            if n < self.layers and self.normalized:
                normal, deviation = cache[n][3]
                g[f"gamma{n}"], g[f"beta{n}"] = (d * normal).sum(0), d.sum(0)
                gain = p[f"gamma{n}"] / deviation
                if self.makes_mistake("batch_norm_constants", n):
                    d = gain * d
                else:
                    d = gain * (d - d.mean(0) - normal * (d * normal).mean(0))
            if self.makes_mistake("penalty_through_network", n) and n == self.layers:
                d = d + 2 * self.strength * self.weights(p, n).reshape(d.shape)
            inputs = before
            if self.makes_mistake("wrong_input", n) and n > 1:
                inputs = cache[n - 1][0]
            dW = inputs.T @ d
            db = d.sum(0)
            if self.mistake == "wrong_axis" and self.place == n:
                db = d.sum(1) if d.shape[0] == d.shape[1] else 0 * db + d.sum()
            if self.mistake == "not_summed" and self.place == n:
                db = d
            g[f"W{n}"] = dW + 2 * self.strength * self.weights(p, n)
            if n > 1:
                W = self.weights(p, n)
                if self.makes_mistake("updated_weights", n):
                    W = W - self.rate * g[f"W{n}"]
                if self.makes_mistake("weights_not_transposed", n) and W.shape[0] == W.shape[1]:
                    W = W.T
                if self.makes_mistake("other_weights", n):
                    others = [self.weights(p, m) for m in range(1, self.layers + 1) if m != n]
                    W = next((one for one in others if one.shape == W.shape), W)
                below = d @ W.T
                d = self.activation_backward(cache, n - 1, below)
            g[f"b{n}"] = db if db.ndim == 2 else db.reshape(p[f"b{n}"].shape)
            if db.ndim == 2 and self.columns:
                g[f"b{n}"] = db.T
        return self.finish_gradient(p, g)

    def activation_backward(self, cache: list[Any], n: int, d: Any) -> Any:
        """The backward pass through dropout and the activation of hidden layer n: ∂J/∂z from d = ∂J/∂a."""
        z, h, _, _ = cache[n]
        if n in self.masks and not self.makes_mistake("dropout_mask", n):
            d = d * self.masks[n]
        if self.makes_mistake("derivative_missing", n):
            return d
        if self.hidden == "softmax":
            if self.makes_mistake("softmax_elementwise", n):
                return d * h * (1 - h)
            return h * (d - (h * d).sum(1, keepdims=True))
        _, slope, slope_of_a = ACTIVATIONS[self.hidden]
        if self.makes_mistake("derivative_at_output", n):
            return d * slope(h)
        if self.makes_mistake("derivative_of_z", n):
            return d * slope_of_a(z)
        if self.makes_mistake("derivative_twice", n):
            return d * slope(z) ** 2
        if self.makes_mistake("other_mask", n):
            z = cache[self.layers - 1 if n < self.layers - 1 else 1][0] if self.place else cache[self.layers - 1][0]
        return d * slope(z)

    def finish_gradient(self, p: dict[str, Any], g: dict[str, Any]) -> dict[str, Any]:
        """Bring the gradient into the shapes of the parameters, and make the mistakes that are made at the end."""
        g = {name: array.T if self.turned and name[0] == "W" else array for name, array in g.items()}
        names = [f"W{n}" for n in range(1, self.layers + 1)]
        own = f"W{self.place or 1}"
        if self.mistake == "sign":
            g = {name: -array for name, array in g.items()}
        elif self.mistake == "factor_two":
            g = {name: array * (2 if self.place else 0.5) for name, array in g.items()}
        elif self.mistake in ("mean_missing", "mean_twice"):
            count = len(self.x) if self.mistake == "mean_missing" else 1 / len(self.x)
            add = {name: 2 * self.strength * p[name] if name[0] == "W" else 0.0 for name in g}
            chosen = g if not self.place else [own, f"b{self.place}"]
            g = {name: (dW - add[name]) * count + add[name] if name in chosen else dW for name, dW in g.items()}
        elif self.mistake == "factor":
            g = {name: array * 1.37 for name, array in g.items()}
        elif self.mistake == "transposed":
            g[own] = g[own].T
        elif self.mistake == "exchanged":
            same = [name for name in g if name != own and g[name].shape == g[own].shape]
            if same:
                g[own], g[same[0]] = g[same[0]], g[own]
        elif self.mistake == "penalty_missing":
            chosen = [own] if self.place else names
            g.update({name: g[name] - 2 * self.strength * p[name] for name in chosen})
        elif self.mistake == "penalty_factor":
            chosen = [own] if self.place else names
            g.update({name: g[name] - self.strength * p[name] for name in chosen})
        elif self.mistake == "penalty_on_biases":
            g.update({name: g[name] + 2 * self.strength * p[name] for name in g if name[0] == "b" and name[1] != "e"})
        elif self.mistake == "penalty_not_in_loss":
            g.update({name: g[name] + 0.02 * p[name] for name in names})
        elif self.mistake == "penalty_other_weights":
            same = [name for name in names if name != own and p[name].shape == p[own].shape]
            if same:
                g[own] = g[own] + 2 * self.strength * (p[same[0]] - p[own])
        elif self.mistake == "zero_gradient":
            g[own] = 0 * g[own]
        elif self.mistake == "single_entry":
            g[own] = g[own].copy()
            g[own].flat[self.draws.integers(g[own].size)] *= 1.01
            self.draws = np.random.default_rng(0)
        elif self.mistake == "single_row":
            g[own] = g[own].copy()
            if g[own].ndim == 2 and g[own][:-1].any() and (g[own][-1] != 0).sum() > 1:
                g[own][-1] = 0
        elif self.mistake == "random_gradient":
            g[own] = g[own] * self.draws.normal(size=g[own].shape)
        return g


NEEDS_LIKE = {
    "derivative_at_output",
    "derivative_of_z",
    "derivative_missing",
    "derivative_twice",
    "activation_twice",
    "other_mask",
    "softmax_elementwise",
    "weights_not_transposed",
    "other_weights",
    "wrong_input",
    "summed_early",
    "target_missing",
    "updated_weights",
    "dropout_mask",
    "batch_norm_constants",
    "penalty_through_network",
    "epsilon",
    "loss_wrong",
    "broadcast",
    "wrong_axis_softmax",
    "mean_missing",
    "mean_twice",
}
PENALTIES = {"penalty_missing", "penalty_factor", "penalty_on_biases", "penalty_other_weights"}
WITHOUT = {
    "sign",
    "factor_two",
    "factor",
    "transposed",
    "wrong_axis",
    "not_summed",
    "exchanged",
    "penalty_not_in_loss",
    "zero_gradient",
    "single_entry",
    "single_row",
    "random_gradient",
}
MISTAKES = sorted(NEEDS_LIKE | PENALTIES | WITHOUT)
CODES = {"wrong_axis_softmax": "wrong_axis"}


def random_student(generator: np.random.Generator, mistake: str = "") -> Student:
    """Draw a random network in which the mistake can be made; "" for a correct network."""
    samples, layers = int(generator.integers(3, 9)), int(generator.integers(1, 5))
    if mistake in ("other_mask", "other_weights", "penalty_other_weights", "exchanged"):
        layers = max(layers, 3)
    elif mistake and mistake not in ("target_missing", "broadcast", "activation_twice", "epsilon", "loss_wrong"):
        layers = max(layers, 2)
    outputs = 1 if mistake == "broadcast" else int(generator.integers(1, 5))
    sizes = [int(generator.integers(2, 7)), *(int(n) for n in generator.integers(2, 7, size=layers - 1)), outputs]
    square = (
        "other_mask",
        "other_weights",
        "weights_not_transposed",
        "transposed",
        "penalty_other_weights",
        "exchanged",
    )
    if mistake in square:
        sizes[:-1] = [sizes[0]] * (len(sizes) - 1)
    if mistake == "penalty_through_network":
        sizes[-2] = samples
    kinds = [("identity", "squared_error"), ("sigmoid", "squared_error"), ("sigmoid", "binary_cross_entropy")]
    if outputs > 1:
        kinds += [("softmax", "squared_error"), ("softmax", "cross_entropy")] * 2
    if mistake == "epsilon":
        kinds = [("sigmoid", "binary_cross_entropy")]
    if mistake == "loss_wrong":
        kinds = kinds[:1] + kinds[2:3]
    if mistake == "activation_twice":
        kinds = kinds[1:]
    if mistake == "wrong_axis_softmax":
        sizes[-1] = max(outputs, 2)
        kinds = [("softmax", "cross_entropy")]
    output, loss = kinds[int(generator.integers(len(kinds)))]
    hidden = str(
        generator.choice([*ACTIVATIONS, "softmax"] if mistake in ("", "softmax_elementwise") else list(ACTIVATIONS))
    )
    if mistake == "softmax_elementwise":
        hidden, output, loss = (
            ("softmax", output, loss) if generator.random() < 0.5 else ("tanh", "softmax", "squared_error")
        )
        sizes[-1] = max(sizes[-1], 2)
    if mistake in ("derivative_at_output", "derivative_of_z"):
        hidden = str(generator.choice(["sigmoid", "tanh", "softplus"]))
    if mistake == "other_mask":
        hidden = str(generator.choice(["relu", "leaky_relu", "tanh"]))
    x = generator.normal(size=(samples, sizes[0]))
    if output == "softmax":
        y = np.eye(sizes[-1])[generator.integers(sizes[-1], size=samples)]
    elif output == "sigmoid":
        y = generator.integers(2, size=(samples, sizes[-1])).astype(float)
    else:
        y = generator.normal(size=(samples, sizes[-1]))
    masks = {}
    if mistake == "dropout_mask" or (not mistake and generator.random() < 0.2):
        masks = {n: (generator.random((samples, sizes[n])) < 0.7) / 0.7 for n in range(1, layers)}
    normalized = mistake == "batch_norm_constants" or (not mistake and generator.random() < 0.2 and samples > 2)
    penalized = mistake in PENALTIES or mistake == "penalty_through_network" or generator.random() < 0.5
    strength = float(10 ** generator.uniform(-3, -1)) if penalized else 0.0
    if mistake == "penalty_not_in_loss":
        strength = 0.0
    mean = mistake == "mean_missing" or bool(generator.random() < 0.6)
    place = _choose_place(generator, mistake, layers, output)
    columns, turned = bool(generator.random() < 0.4), bool(generator.random() < 0.4)
    return Student(
        sizes, hidden, output, loss, mean, x, y, strength, columns, turned, masks, normalized, mistake, place
    )


def _choose_place(generator: np.random.Generator, mistake: str, layers: int, output: str) -> int:
    """Choose the layer in which the mistake is made; 0 for all layers."""
    if mistake in ("other_mask", "dropout_mask", "batch_norm_constants"):
        return int(generator.integers(0, layers))
    if mistake in ("transposed",):
        return int(generator.integers(1, layers))
    if mistake in ("weights_not_transposed", "other_weights", "wrong_input"):
        return int(generator.integers(2, layers)) if layers > 2 else 2
    if mistake == "updated_weights":
        return 0
    if mistake == "summed_early":
        return int(generator.integers(1, layers + 1))
    if mistake in ("derivative_missing", "derivative_twice", "derivative_at_output", "derivative_of_z"):
        end = layers if output == "identity" else layers + 1
        return int(generator.integers(0, end))
    if mistake in ("exchanged", "penalty_other_weights"):
        return int(generator.integers(1, layers))
    if mistake in ("wrong_axis", "not_summed", "zero_gradient", "single_entry", "single_row", "random_gradient"):
        return int(generator.integers(1, layers + 1))
    if mistake == "penalty_through_network":
        return layers
    return int(generator.integers(0, layers + 1))


def changes_gradient(student: Student, p: dict[str, Any]) -> bool:
    """Whether a network's mistake changes its objective, or an entry of its gradient, by more than 0.05 %."""
    value, wrong = student.value_and_gradient(p)
    mistake, student.mistake = student.mistake, ""
    right_value, right = student.value_and_gradient(p)
    student.mistake = mistake
    if abs(value - right_value) > MIN_RELATIVE_CHANGE * abs(right_value):
        return True
    for name, array in right.items():
        if array.shape != wrong[name].shape:
            return True
        if (np.abs(array - wrong[name]) > MIN_RELATIVE_CHANGE * np.abs(array)).any():
            return True
    return False


def check_student(student: Student, p: dict[str, Any], like: bool) -> CodeReport:
    """Check a student's gradient at parameters p; with `like`, the checker is given the network and the data, too."""
    options: dict[str, Any] = {}
    if like:
        network = Network(student.sizes, student.hidden, student.output, batch_norm=student.normalized)
        options = {
            "like": network,
            "x": student.x.T if student.columns else student.x,
            "y": student.y.T if student.columns else student.y,
        }
    if student.place % 2:  # some as one function, some as two
        return check_gradient(student.value_and_gradient, None, p, **options)
    return check_gradient(student.value, student.gradient, p, **options)


def count_correct(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` correct networks; return how many are accused, how many are not proved, and which are accused.

    A network with a dead layer is not proved: the whole gradient of an array is 0, as if it was never computed.
    """
    outcomes: Counter[str] = Counter()
    accused = []
    for number in range(count):
        generator = np.random.default_rng([seed, 1, number])
        student = random_student(generator)
        p = student.parameters(generator)
        report = check_student(student, p, like=number % 4 == 0)
        is_dead = report.vacuous and has_dead_layer(student.gradient(p))
        outcomes["right" if report.ok else "not proved" if is_dead else "accused"] += 1
        if not report.ok and not is_dead:
            accused.append(number)
    return {"correct": count, "accused": outcomes["accused"], "not_proved": outcomes["not proved"], "which": accused}


def has_dead_layer(gradient: dict[str, Any]) -> bool:
    """Whether the gradient of an array is 0 in all entries, except for rounding."""
    sizes = [np.abs(array).max() for array in gradient.values()]
    return bool(min(sizes) <= 1e-13 * max(sizes))


def count_planted(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` networks with a planted mistake; return how many are rejected, and how many named correctly."""
    table: dict[str, Counter[str]] = {name: Counter() for name in MISTAKES}
    missed = []
    number = done = 0
    while done < count:
        mistake = MISTAKES[done % len(MISTAKES)]
        generator = np.random.default_rng([seed, 2, number])
        number += 1
        student = random_student(generator, mistake)
        p = student.parameters(generator)
        if not changes_gradient(student, p):
            continue
        report = check_student(student, p, like=mistake in NEEDS_LIKE)
        codes = [diagnosed.code for diagnosed in report.diagnosis]
        named = CODES.get(mistake, mistake) in codes
        table[mistake].update(planted=1, rejected=not report.ok, named=named)
        if not named or report.ok:
            missed.append({"number": number - 1, "planted": mistake, "ok": report.ok, "diagnosis": codes})
        done += 1
    total = sum(table.values(), Counter())
    return {
        "planted": count,
        "rejected": total["rejected"],
        "named": total["named"],
        "by_mistake": {name: dict(row) for name, row in table.items() if row},
        "missed": missed,
    }


def scale_tolerance(name: str, factor: float) -> None:
    """Multiply a tolerance of the checker, by its name in `checking/tolerances.py`."""
    for constant in ("FLOAT64", "FLOAT32", "REFERENCE", "FIT"):
        policy = getattr(tolerances, constant)
        if hasattr(policy, name):
            setattr(tolerances, constant, replace(policy, **{name: factor * getattr(policy, name)}))


def main() -> int:
    """Check correct and planted networks, and print the counts; return 1 if a goal is missed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--correct", type=int, default=10_000)
    parser.add_argument("--planted", type=int, default=2_000)
    parser.add_argument("--scale", metavar="NAME=FACTOR", help="multiply a tolerance of the checker")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.scale:
        name, factor = given.scale.split("=")
        scale_tolerance(name, float(factor))
    correct, planted = count_correct(given.correct), count_planted(given.planted)
    if given.json:
        print(json.dumps({"correct": correct, "planted": planted}, indent=2))
    else:
        counts = f"accused {correct['accused']}, not proved as a layer is dead {correct['not_proved']}"
        print(f"correct networks: {correct['correct']:,}, {counts}")
        share = planted["named"] / max(1, planted["planted"])
        print(
            f"planted mistakes: {planted['planted']:,}, rejected {planted['rejected']:,}, "
            f"named by the right code {planted['named']:,} ({share:.1%})"
        )
        for name, row in planted["by_mistake"].items():
            print(f"  {name:26s} planted {row['planted']:4d}  rejected {row['rejected']:4d}  named {row['named']:4d}")
    good = not correct["accused"] and planted["rejected"] == planted["planted"]
    return 0 if good and planted["named"] >= 0.95 * planted["planted"] else 1


if __name__ == "__main__":
    sys.exit(main())
