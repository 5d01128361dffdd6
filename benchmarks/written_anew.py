"""Twelve claims of two reports, written anew from the reports alone: `python benchmarks/written_anew.py [CLAIM ...]`.

They were drawn by `random.Random(20261201)` from the claims of the four small studies that had not been written anew.
Nothing here is deltarule's: the programs are plain NumPy, S networks at once, and each criterion (a docstring) was
fixed before its first run. Prints claim, reading, criterion, how many fulfill it, of how many.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

NETWORKS = 200
EPSILON = 1e-8


def points_of(data: str, random: np.random.Generator) -> tuple[Any, Any]:
    """100 points of the unit square on two sides of its diagonal, or 21 on both diagonals."""
    if data == "linear":
        x = random.uniform(0, 1, (100, 2))
        return x, (x[:, 0] > x[:, 1]).astype(float)
    steps = np.arange(11) / 10
    rising = np.stack([steps, steps], 1)
    falling = np.delete(np.stack([steps, 1 - steps], 1), 5, axis=0)
    return np.concatenate([rising, falling]), np.repeat([0.0, 1.0], [11, 10])


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def train(
    data: str,
    update: str = "plain",
    rate: float = 0.8,
    is_squared: bool = True,
    epochs: int = 1000,
    hidden: Sequence[int] = (3, 3),
    networks: int = NETWORKS,
    every: int = 0,
    to_the_end: bool = False,
) -> tuple[Any, Any, Any]:
    """Epochs to the early stop [S], `epochs` + 1 if it never comes; losses and accuracies by epoch [E, S].

    Weights and biases are standard normal. The rate is squared at epoch 0 and each 500 epochs (1,000 on XOR).
    """
    threshold = 0.015 if data == "linear" else 0.001
    every = every or (500 if data == "linear" else 1000)
    widths = [2, *hidden, 1]
    drawn = []
    for seed in range(networks):
        random = np.random.default_rng([7, seed])
        x, y = points_of(data, random)
        arrays = [random.standard_normal((into, out)) for out, into in zip([*widths[:-1]], widths[1:], strict=True)]
        drawn.append([x.T, y[None], *arrays, *(random.standard_normal((into, 1)) for into in widths[1:])])
    x, y, *parameters = (np.array(parts) for parts in zip(*drawn, strict=True))
    velocities = [np.zeros_like(array) for array in parameters]
    stop, below = np.full(networks, epochs + 1), np.zeros(networks, int)
    losses, accuracies = [], []
    for epoch in range(epochs + 1):
        a = [x]
        for w, b in zip(parameters[:3], parameters[3:], strict=True):
            a.append(sigmoid(w @ a[-1] + b))
        p = a[3]
        losses.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean((1, 2)))
        accuracies.append(((p > 0.5) == y).mean((1, 2)))
        below += losses[-1] < threshold
        stop[(below >= 3) & (stop > epochs)] = epoch
        if (stop <= epochs).all() and not to_the_end:
            break
        if is_squared and epoch % every == 0:
            rate *= rate
        delta = -(y / (p + EPSILON) - (1 - y) / (1 - p + EPSILON))
        gradients = [*parameters]
        for i in (2, 1, 0):
            delta = delta * a[i + 1] * (1 - a[i + 1])
            gradients[i] = delta @ a[i].swapaxes(1, 2) / x.shape[2]
            gradients[3 + i] = delta.sum(2, keepdims=True) / x.shape[2]
            delta = parameters[i].swapaxes(1, 2) @ delta
        for i, gradient in enumerate(gradients):
            step = rate * gradient
            if update == "adaptive":
                step /= np.sqrt((gradient**2).sum((1, 2), keepdims=True) + EPSILON)
            velocities[i] = (0.9 if update == "momentum" else 0.0) * velocities[i] - step
            parameters[i] = parameters[i] + velocities[i]
    return stop, np.array(losses), np.array(accuracies)


def fives(epochs: Any) -> Any:
    return epochs.reshape(-1, 5).mean(1)


def say(claim: str, reading: str, criterion: str, holds: Any) -> None:
    print(f"{claim},{reading},{criterion},{np.count_nonzero(holds)},{np.size(holds)}", flush=True)


def boundary_linear_3() -> None:
    """At the stop, or after 1,000 epochs, 99 % of the points are right."""
    for update in ("momentum", "plain"):
        stop, _, accuracies = train("linear", update)
        at_end = accuracies[np.minimum(stop, len(accuracies) - 1), np.arange(NETWORKS)]
        say("boundary-linear-3", update, "99 % right at the stop or after 1000 epochs", at_end >= 0.99)


def boundary_linear_6_and_19() -> None:
    """6: at most 5 points above one answer for all after 1,000 epochs, and 95 % right after 10,000.

    19: of the first 1,000 epochs 200 on end have a loss of 0.75 to 0.85.
    """
    _, losses, accuracies = train("linear", epochs=10000, hidden=(1, 1), to_the_end=True)
    ones = np.array([points_of("linear", np.random.default_rng([7, seed]))[1].mean() for seed in range(NETWORKS)])
    constant = np.maximum(ones, 1 - ones)
    run = longest = np.zeros(NETWORKS)
    for is_near in (losses[:1001] > 0.75) & (losses[:1001] < 0.85):
        run = (run + 1) * is_near
        longest = np.maximum(longest, run)
    few = accuracies[1000] <= constant + 0.05
    say("boundary-linear-6", "plain", "at most 5 points above one answer for all after 1000 epochs", few)
    say("boundary-linear-6", "plain", "95 % right after 10000 epochs", accuracies[10000] >= 0.95)
    say("boundary-linear-19", "plain", "200 epochs on end with a loss of 0.75 to 0.85", longest >= 200)


def boundary_linear_8() -> None:
    """With 100 and 100 units the loss, without ε, is not a number by epoch 100."""
    for update in ("plain", "momentum"):
        losses = train("linear", update, epochs=100, hidden=(100, 100), networks=20, to_the_end=True)[1]
        say("boundary-linear-8", update, "the loss is not a number by epoch 100", np.isnan(losses).any(0))


def boundary_linear_13() -> None:
    """The mean of five of momentum's epochs is smaller on the linear points, that of the adaptive update on XOR."""
    for is_squared, epochs in ((True, 1000), (False, 10000)):
        reading = f"squared; {epochs} epochs" if is_squared else f"never squared; {epochs} epochs"
        for data, better, other in (("linear", "momentum", "adaptive"), ("xor", "adaptive", "momentum")):
            first, second = (fives(train(data, u, is_squared=is_squared, epochs=epochs)[0]) for u in (better, other))
            say("boundary-linear-13", f"{data}; {reading}", f"the mean of five is smaller: {better}", first < second)


def boundary_linear_15_and_16() -> None:
    """15: the stop comes earlier with steps of 500 than of 1,000. 16: and earlier than at a fixed rate."""
    for update in ("momentum", "plain"):
        stops = [train("linear", update, **how)[0] for how in ({}, {"every": 1000}, {"is_squared": False})]
        say("boundary-linear-15", update, "the stop comes earlier with 500 than with 1000", stops[0] < stops[1])
        say("boundary-linear-16", update, "the stop comes earlier than at a fixed rate", stops[0] < stops[2])


def boundary_linear_20() -> None:
    """Of the rates 0.001, 0.8 and 10, never squared, 0.8 has the least loss after 1,000 epochs."""
    for update in ("plain", "momentum", "adaptive"):
        rates = (0.001, 0.8, 10.0)
        final = [train("linear", update, rate, is_squared=False, to_the_end=True)[1][-1] for rate in rates]
        is_best = np.argmin(np.nan_to_num(final, nan=np.inf), 0) == 1
        say("boundary-linear-20", update, "0.8 has the least loss after 1000 epochs", is_best)


def boundary_xor_11() -> None:
    """The mean of five of momentum's epochs to the stop is smaller, within 10,000 epochs."""
    for is_squared in (True, False):
        first, second = (fives(train("xor", u, is_squared=is_squared, epochs=10000)[0]) for u in ("momentum", "plain"))
        reading = "squared" if is_squared else "never squared"
        say("boundary-xor-11", reading, "the mean of five is smaller: momentum", first < second)


def boundary_xor_18() -> None:
    """The printed predictions, with the labels of the points in their order, have the printed loss within 1 %."""
    texts = """3.53002697e-05 9.99990798e-01 3.45737266e-05 9.99992486e-01 2.88710731e-05 9.99996292e-01 1.25302498e-05
        9.99998197e-01 3.46734057e-06 9.99071635e-01 8.92500173e-02 3.07873043e-03 9.99896401e-01 1.18350964e-03
        9.99960918e-01 9.65717612e-04 9.99964506e-01 9.15441353e-04 9.99964842e-01 8.99293117e-04 9.99964860e-01"""
    p = np.array(texts.split(), float)
    is_one = np.isin(
        np.arange(21), [1, 3, 5, 7, 9, 12, 14, 16, 18, 20]
    )  # the middle of the rising diagonal stands alone
    loss = -np.log(np.where(is_one, p, 1 - p)).mean()
    say("boundary-xor-18", f"a loss of {loss:.5f}", "it is 0.000924 within 1 %", [abs(loss / 0.0009236305 - 1) < 0.01])


def train_relu(rate: float, hidden: int = 3, all_rows: bool = False, networks: int = 100) -> tuple[Any, Any, Any]:
    """An 8-H-8 network, ReLU in the middle, for 50,000 steps on one row each or on all: the loss that each step has.

    Also the largest output of each row [S, 8], and the lengths of the rows' gradients in each array [4, S, 8].
    """
    random = np.random.default_rng(11)
    w1, w2 = random.standard_normal((networks, 8, hidden)), random.standard_normal((networks, hidden, 8))
    b1, b2 = random.standard_normal((networks, 1, hidden)), random.standard_normal((networks, 1, 8))
    losses = np.empty((50000, networks))
    for step in range(len(losses)):
        x = np.eye(8)[slice(None) if all_rows else [step % 8]]
        z = x @ w1 + b1
        h = np.maximum(z, 0)
        error = h @ w2 + b2 - x
        losses[step] = (error**2).mean((1, 2))
        delta2 = 2 * error / error[0].size
        delta1 = delta2 @ w2.swapaxes(1, 2) * (z > 0)
        w2 -= rate * h.swapaxes(1, 2) @ delta2
        w1 -= rate * x.T @ delta1
        b2 -= rate * delta2.sum(1, keepdims=True)
        b1 -= rate * delta1.sum(1, keepdims=True)
    z = w1 + b1
    h = np.maximum(z, 0)
    outputs = h @ w2 + b2
    delta2 = outputs - np.eye(8)
    length1 = np.linalg.norm(delta2 @ w2.swapaxes(1, 2) * (z > 0), axis=2)
    length2 = np.linalg.norm(delta2, axis=2)
    lengths = np.array([length1, length1, np.linalg.norm(h, axis=2) * length2, length2])
    return losses, np.abs(outputs).max(2), lengths


def encoder_relu_2() -> None:
    """At rate 0.01 the rises of the curve sum to a tenth of its fall."""
    for all_rows in (False, True):
        losses = train_relu(0.01, all_rows=all_rows)[0]
        rises = np.maximum(np.diff(losses, axis=0), 0).sum(0)
        reading = "all rows at once" if all_rows else "the loss of each step on one row"
        say("encoder-relu-2", reading, "rises sum to a tenth of the fall", rises >= 0.1 * (losses[0] - losses[-1]))


def encoder_relu_8() -> None:
    """At rate 0.0001 the rank correlation of a row's largest output and gradient is at least 0.5 in each array."""
    for hidden in (3, 8):
        _, largest, lengths = train_relu(0.0001, hidden)
        ranks = [[spearmanr(row, array[s])[0] for array in lengths] for s, row in enumerate(largest)]
        holds = (np.array(ranks) >= 0.5).all(1)
        say("encoder-relu-8", f"{hidden} units; rate 0.0001", "rank correlation of 0.5 in each array", holds)


EXPERIMENTS = [value for name, value in list(globals().items()) if name.startswith(("boundary_", "encoder_"))]

if __name__ == "__main__":
    with np.errstate(all="ignore"):  # saturated units are what some claims are about
        for experiment in EXPERIMENTS:
            if not sys.argv[1:] or any(claim.replace("-", "_") in experiment.__name__ for claim in sys.argv[1:]):
                experiment()
