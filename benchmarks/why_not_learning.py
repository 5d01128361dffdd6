"""How often `why_not_learning` is right: it is shown runs with a planted cause, and healthy ones.

    python benchmarks/why_not_learning.py [--runs 50] [--healthy 200] [--set final] [--lenient] [--json FILE]

A setting is drawn (data, network, loss, optimizer, sensible rates) and trained, and trained once more with a single
cause planted. A pair counts when the first training learned and the second did not, by the R² of their outputs on the
training rows, which `why_not_learning` never looks at. The thresholds of `why_not_learning` were chosen on the set
"development"; "final" has other seeds, and data sets that the development set has not.

K members · N rows · D inputs · C outputs
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.stats import metrics
from deltarule.symptoms.report import why_not_learning
from deltarule.training.run import Run
from deltarule.training.train import train

Random = np.random.Generator
MEMBERS = 4
USED = 2
"""Members of a setting that are counted at most: fifty runs are then of twenty-five settings or more."""
LEARNED = 0.15
"""R² that some member of a setting must reach: below it nobody could say who is healthy."""
ALIKE = 0.8
"""Share of the best member's R² from which on a member has learned as well."""
BROKEN = 0.5
"""Share of the healthy twin's R² up to which a planted cause counts as having stopped the learning."""


@dataclass(frozen=True)
class Setting:
    """What is trained: data, the network's description, the problem's numbers, and the length of the training."""

    data: str
    x: Any
    y: Any
    network: dict[str, Any]
    problem: dict[str, Any]
    steps: int

    def run(self) -> Run:
        """Train it."""
        problem = create_problem(Network(**self.network), self.x, self.y, **self.problem)
        return train(problem, max_steps=self.steps, engine="reference")

    def with_network(self, **changes: Any) -> "Setting":
        """The setting with some of the network's keys set otherwise."""
        return replace(self, network=self.network | changes)

    def with_problem(self, **changes: Any) -> "Setting":
        """The setting with some of the problem's keys set otherwise."""
        return replace(self, problem=self.problem | changes)


# Data: inputs [N, D] and classes [N] or numbers [N, C]. Inputs are standardized afterwards.


def blobs(random: Random) -> tuple[Any, Any]:
    """Normal clouds around 2 to 5 centers, some of them overlapping, some with more points than others."""
    classes, inputs = int(random.integers(2, 6)), int(random.integers(2, 9))
    centers = random.normal(size=(classes, inputs)) * random.uniform(1, 2.5)
    labels = random.choice(classes, 120, p=random.dirichlet(np.full(classes, 5.0)))
    return centers[labels] + random.normal(size=(120, inputs)), labels


def moons(random: Random) -> tuple[Any, Any]:
    """Two interleaved half circles."""
    from sklearn.datasets import make_moons

    return make_moons(120, noise=random.uniform(0.05, 0.25), random_state=int(random.integers(2**31)))


def quadrants(random: Random) -> tuple[Any, Any]:
    """Which points have coordinates of one sign: exclusive or, with many points and some labels wrong."""
    x = random.normal(size=(120, 2))
    return x, (x.prod(1) > 0) ^ (random.random(120) < random.uniform(0, 0.08))


def sine(random: Random) -> tuple[Any, Any]:
    """A sine of one input, with noise."""
    x = random.uniform(-1, 1, size=(120, 1))
    return x, np.sin(random.uniform(2, 5) * x) + random.normal(size=x.shape) * random.uniform(0, 0.3)


def plane(random: Random) -> tuple[Any, Any]:
    """One or two linear functions of some inputs, with noise."""
    x = random.normal(size=(120, int(random.integers(2, 12))))
    y = x @ random.normal(size=(x.shape[1], int(random.integers(1, 3))))
    return x, y + random.normal(size=y.shape) * y.std() * random.uniform(0.1, 0.8)


def one_hot(random: Random) -> tuple[Any, Any]:
    """The encoder's rows, each its own class."""
    size = int(random.integers(4, 11))
    return np.eye(size), np.arange(size)


def diagonals(random: Random) -> tuple[Any, Any]:
    """The boundary study's 21 points on two diagonals."""
    from deltarule.data.synthetic import xor

    return xor().train.x, xor().train.labels


def bundled(name: str, most: int = 150) -> Callable[[Random], tuple[Any, Any]]:
    """Some rows of a data set that is installed with scikit-learn."""

    def drawn(random: Random) -> tuple[Any, Any]:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        rows = random.permutation(len(bunch.data))[:most]
        y = bunch.target[rows]
        return bunch.data[rows], y[:, None] if name == "diabetes" else y

    return drawn


def circles(random: Random) -> tuple[Any, Any]:
    """A circle within another."""
    from sklearn.datasets import make_circles

    noise, state = random.uniform(0.02, 0.15), int(random.integers(2**31))
    return make_circles(120, noise=noise, factor=0.5, random_state=state)


def friedman(random: Random) -> tuple[Any, Any]:
    """Friedman's first function: five inputs that matter and five that do not."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(120, noise=random.uniform(0, 2), random_state=int(random.integers(2**31)))
    return x, y[:, None]


DATA: dict[str, dict[str, Callable[[Random], tuple[Any, Any]]]] = {
    "development": {
        "blobs": blobs,
        "moons": moons,
        "quadrants": quadrants,
        "sine": sine,
        "plane": plane,
        "one_hot": one_hot,
        "diagonals": diagonals,
        "iris": bundled("iris"),
        "diabetes": bundled("diabetes"),
    }
}
DATA["final"] = DATA["development"] | {
    "circles": circles,
    "friedman": friedman,
    "wine": bundled("wine"),
    "breast_cancer": bundled("breast_cancer"),
    "digits": bundled("digits"),
}
SEEDS = {"development": 1, "final": 2}
FEW_ROWS = {"one_hot", "diagonals"}
MANY_ROWS = {"shuffled_labels", "class_never_predicted"}
"""Causes that need some rows of each class: a shuffled encoder is another encoder."""

RATES = {"sgd": (0.05, 0.5), "momentum": (0.01, 0.1), "adam": (0.003, 0.03), "rmsprop": (0.002, 0.01)}
"""Sensible learning rates for standardized inputs and a mean over samples."""


def setting(random: Random, which: str, cause: str = "") -> Setting:
    """Draw a setting that somebody with experience might have chosen; for some causes only certain data will do."""
    names = [name for name in DATA[which] if cause not in MANY_ROWS or name not in FEW_ROWS]
    while True:
        name = str(random.choice(names))
        x, y = DATA[which][name](random)
        if y.ndim == 1 or cause != "class_never_predicted":
            break
    x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    y, output, loss = _judged(random, y)
    hidden = [int(random.integers(6, 25)) for _ in range(random.integers(1, 4))]
    optimizer = str(random.choice(list(RATES), p=[0.35, 0.25, 0.3, 0.1]))
    rates = np.exp(random.uniform(*np.log(RATES[optimizer]), MEMBERS))
    steps = int(random.choice([300, 600, 1000]))
    schedules = ["constant", {"name": "cosine", "steps": steps}, {"name": "step", "every": steps // 3, "factor": 0.5}]
    batch_size = None if random.random() < 0.5 else int(random.choice([16, 32, 64]))
    reduction = str(random.choice(["mean_samples", "mean_elements", "sum"], p=[0.7, 0.15, 0.15]))
    if reduction == "sum" and optimizer in ("sgd", "momentum"):
        rates = rates / (batch_size or len(x))
    penalty = None if random.random() < 0.6 else str(random.choice(["l2", "weight_decay", "l1"]))
    return Setting(
        name,
        x,
        y,
        {
            "sizes": [x.shape[1], *hidden, y.shape[1]],
            "activation": str(
                random.choice(["relu", "tanh", "sigmoid", "leaky_relu", "elu"], p=[0.3, 0.3, 0.2, 0.1, 0.1])
            ),
            "output": output,
            "batch_norm": bool(random.random() < 0.1),
        },
        {
            "loss": loss,
            "reduction": reduction,
            "optimizer": optimizer,
            "learning_rate": rates,
            "schedule": schedules[random.choice(3, p=[0.7, 0.15, 0.15])],
            "batch_size": batch_size,
            "penalty": penalty,
            "strength": 0.0 if penalty is None else 10 ** random.uniform(-6, -4),
            "dropout": 0.0 if random.random() < 0.85 else random.uniform(0.1, 0.3),
            "seeds": random.integers(2**32, size=MEMBERS).tolist(),
            "data_seeds": int(random.integers(2**32)),
        },
        steps,
    )


def _judged(random: Random, y: Any) -> tuple[Any, str, str]:
    """Targets [N, C], with an output activation and a loss that suit them."""
    if y.ndim == 2:
        return (
            (y - y.mean(0)) / y.std(0),
            "identity",
            str(random.choice(["squared_error", "half_squared_error", "huber"])),
        )
    if y.max() == 1 and random.random() < 0.5:
        return y[:, None] * 1.0, "sigmoid", str(random.choice(["binary_cross_entropy", "squared_error"], p=[0.8, 0.2]))
    return np.eye(int(y.max()) + 1)[y.astype(int)], "softmax", "cross_entropy"


Pair = tuple[Setting, Setting]
"""A setting, and the same with a cause planted; mostly only the second differs from what was drawn."""


def zero_weights(random: Random, drawn: Setting) -> Pair:
    """All weights begin at 0, or as good as."""
    if random.random() < 0.5:
        return drawn, drawn.with_network(initializer="zeros")
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(-12, -8, MEMBERS))


def symmetric_weights(random: Random, drawn: Setting) -> Pair:
    """All weights of a layer begin alike."""
    biases = str(random.choice(["zeros", "same"]))
    law = {"name": "constant", "value": float(random.uniform(0.05, 1)), "biases": biases}
    return drawn, drawn.with_network(initializer=law)


def saturated_units(random: Random, drawn: Setting) -> Pair:
    """Weights begin so large that units sit in the flat ends of their function."""
    drawn = drawn.with_network(activation=str(random.choice(["tanh", "sigmoid"])), batch_norm=False)
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(1, 2.3, MEMBERS))


@dataclass(frozen=True)
class LowBiases(Initializer):
    """Another law's weights, with biases that switch most ReLU units off."""

    low: float = 0.0

    def bias(self, seed: Any, layer: int, fan_in: int, fan_out: int) -> Any:
        """Biases between half of `low` and one and a half."""
        drawn = replace(INITIALIZERS["uniform"], biases="same").bias(seed, layer, fan_in, fan_out)  # −0.5 … 0.5
        return self.low * (1 + drawn)


def dead_units(random: Random, drawn: Setting) -> Pair:
    """ReLU units that begin at 0 for every row: low biases, or inputs of one sign and weights of the other."""
    drawn = drawn.with_network(activation="relu", batch_norm=False)
    if random.random() < 0.5:
        law = LowBiases("low_biases", "uniform", INITIALIZERS["glorot_uniform"].spread, low=-random.uniform(3, 12))
        return drawn, drawn.with_network(initializer=law)
    negative = replace(drawn, x=(drawn.x - drawn.x.max(0)) / 3)
    return negative, negative.with_network(
        initializer={"name": "positive_uniform", "range": float(random.uniform(0.3, 1))}
    )


def unscaled_inputs(random: Random, drawn: Setting) -> Pair:
    """Inputs as they were measured: large, small, of units that differ, or far from 0."""
    drawn = drawn.with_network(batch_norm=False)
    columns, kind = drawn.x.shape[1], random.integers(4)
    if kind == 0:
        x = drawn.x * 10 ** random.uniform(1.5, 3.5)
    elif kind == 3:
        x = drawn.x / 10 ** random.uniform(2, 4)
    elif kind == 1:
        x = drawn.x * 10 ** random.uniform(-1, 4, columns)
    else:
        x = drawn.x + 10 ** random.uniform(1.3, 3) * random.choice([-1, 1], columns)
    return drawn, replace(drawn, x=x)


def rate_too_high(random: Random, drawn: Setting) -> Pair:
    """A rate some ten to some thousand times what is sensible."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] * 10 ** random.uniform(0.7, 3, MEMBERS)
    )


def rate_too_low(random: Random, drawn: Setting) -> Pair:
    """A rate so small that the training ends long before it is done."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] / 10 ** random.uniform(1.5, 4, MEMBERS)
    )


def vanishing_gradient(random: Random, drawn: Setting) -> Pair:
    """Many layers that each make the gradient smaller: sigmoids, or small weights."""
    sizes, hidden = drawn.network["sizes"], int(random.integers(5, 10))
    deep = drawn.with_network(sizes=[sizes[0], *[sizes[1]] * hidden, sizes[-1]], batch_norm=False)
    deep = deep.with_problem(dropout=0.0)
    if random.random() < 0.5:
        return deep.with_network(activation="tanh"), deep.with_network(activation="sigmoid")
    deep = deep.with_network(activation=str(random.choice(["tanh", "relu", "elu"])), initializer="he_normal")
    return deep, deep.with_problem(initial_scale=random.uniform(0.1, 0.5, MEMBERS))


def class_never_predicted(random: Random, drawn: Setting) -> Pair:
    """A class with few rows, or with rows that hardly count."""
    labels = (drawn.y[:, 0] > 0.5) if drawn.y.shape[1] == 1 else drawn.y.argmax(1)
    chosen = random.integers(labels.max() + 1)
    if random.random() < 0.5:
        weights = np.where(labels == chosen, 10 ** random.uniform(-3, -1.3), 1.0)
        return drawn, drawn.with_problem(weights=weights)
    few = max(2, round(0.03 * len(labels)))
    kept = np.sort(np.concatenate([np.flatnonzero(labels != chosen), np.flatnonzero(labels == chosen)[:few]]))
    return drawn, replace(drawn, x=drawn.x[kept], y=drawn.y[kept])


def shuffled_labels(random: Random, drawn: Setting) -> Pair:
    """The targets in another order than the inputs."""
    return drawn, replace(drawn, y=random.permutation(drawn.y))


def dominating_penalty(random: Random, drawn: Setting) -> Pair:
    """A penalty so strong that the weights serve it and not the data."""
    penalty = str(random.choice(["l2", "weight_decay", "l1"]))
    strength = 10 ** random.uniform(-1.5, 0.5, MEMBERS)
    if drawn.problem["reduction"] == "sum":
        strength = strength * (drawn.problem["batch_size"] or len(drawn.x))
    return drawn, drawn.with_problem(penalty=penalty, strength=strength)


PLANTS: dict[str, Callable[[Random, Setting], Pair]] = {
    plant.__name__: plant
    for plant in (
        zero_weights,
        symmetric_weights,
        saturated_units,
        dead_units,
        unscaled_inputs,
        rate_too_high,
        rate_too_low,
        vanishing_gradient,
        class_never_predicted,
        shuffled_labels,
        dominating_penalty,
    )
}


def learned(run: Run) -> Any:
    """R² of the outputs on the training rows, [K]: 0 at least, and for members that diverged."""
    outputs, weights = run.outputs(run.problem.x), np.ones((len(run.problem.x), 1))
    with np.errstate(all="ignore"):
        score = metrics.find("r_squared").value(outputs, run.problem.y, weights)
    fine = np.isfinite(score) & np.array([reason != "diverged" for reason in run.reasons])
    return np.where(fine, np.maximum(score, 0), 0.0)


def healthy_members(run: Run, lenient: bool = False) -> Any:
    """The members of a population that learned, as places: about as well as the best of it, and every class.

    One that learned much less than another of the same setting, or never says some class, has something to be told of.
    With `lenient` one that learned anything at all counts as healthy.
    """
    score = learned(run)
    if lenient:
        return np.flatnonzero(score >= LEARNED)
    members = np.flatnonzero(score >= max(LEARNED, ALIKE * score.max()))
    return np.array([member for member in members if not never_predicted(run, member)], int)


def planted_members(cause: str, healthy: Run, planted: Run) -> Any:
    """The members, as places, that learn without the planted cause and do not with it."""
    twins = healthy_members(healthy)
    if cause == "class_never_predicted":
        return twins[[never_predicted(planted, member) for member in twins]]
    if cause == "shuffled_labels":
        return twins  # what was learned of them, if anything, is wrong
    return twins[learned(planted)[twins] <= BROKEN * learned(healthy)[twins]]


def never_predicted(run: Run, member: int) -> bool:
    """Whether targets are classes, and some class is never predicted on the training rows."""
    outputs, y = run.outputs(run.problem.x)[member], run.problem.y
    if run.problem.network.output.name not in ("sigmoid", "softmax"):
        return False
    if y.shape[1] == 1:
        return len(np.unique(outputs > 0.5)) < 2
    return len(np.unique(outputs.argmax(1))) < y.shape[1]


def planted_runs(which: str, cause: str, count: int) -> Iterator[tuple[Setting, Run, Any]]:
    """Settings with a planted cause, their runs, and the members of these that count; `count` members in all."""
    place = list(PLANTS).index(cause)
    left, drawn = count, 0
    while left:
        random = np.random.default_rng([SEEDS[which], place, drawn])
        first = setting(random, which, cause)
        healthy, planted = PLANTS[cause](random, first)
        drawn += 1
        twin = healthy.run()
        if not len(healthy_members(twin)):
            continue
        run = planted.run()
        chosen = planted_members(cause, twin, run)[: min(USED, left)]
        left -= len(chosen)
        if len(chosen):
            yield planted, run, chosen


def healthy_runs(which: str, count: int, lenient: bool) -> Iterator[tuple[Setting, Run, Any]]:
    """Settings as they were drawn, their runs, and the members of these that are healthy; `count` members in all."""
    left, drawn = count, 0
    while left:
        random = np.random.default_rng([SEEDS[which], len(PLANTS), drawn])
        plain = setting(random, which)
        drawn += 1
        run = plain.run()
        chosen = healthy_members(run, lenient)[: min(USED, left)]
        left -= len(chosen)
        if len(chosen):
            yield plain, run, chosen


@dataclass(frozen=True)
class Named:
    """What was named in the runs of one planted cause, or in healthy ones ("nothing" is what is wanted there).

    first   how often each code was named first        settings   how many were drawn to find them
    """

    cause: str
    runs: int
    settings: int
    first: dict[str, int]
    seconds: float

    @property
    def right(self) -> int:
        """How often the cause was named first."""
        return self.first.get(self.cause, 0)


def named(which: str, cause: str, count: int, lenient: bool = False) -> Named:
    """Let `why_not_learning` judge runs of one cause, or healthy ones where the cause is "nothing"."""
    started, first, settings = time.perf_counter(), Counter[str](), 0
    healthy = cause == "nothing"
    for _, run, members in healthy_runs(which, count, lenient) if healthy else planted_runs(which, cause, count):
        settings += 1
        for member in members.tolist():
            findings = why_not_learning(run, [member]).findings
            first[findings[0].code if findings else "nothing"] += 1
    return Named(cause, sum(first.values()), settings, dict(first.most_common()), time.perf_counter() - started)


def told(done: Named) -> str:
    """A line of the table."""
    others = ", ".join(f"{code} {count}" for code, count in done.first.items() if code != done.cause)
    return f"{done.cause:24}{done.right:4} of {done.runs:3}   {others}"


def main() -> None:
    """Judge every cause and healthy runs, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="planted runs of each cause")
    parser.add_argument("--healthy", type=int, default=200, help="healthy runs")
    parser.add_argument("--set", choices=list(DATA), default="final", dest="which")
    parser.add_argument("--causes", nargs="*", default=[*PLANTS, "nothing"], help="only these")
    parser.add_argument("--lenient", action="store_true", help="count whatever learned anything at all as healthy")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    given = parser.parse_args()
    results = []
    print(f"{'planted':24}{'named first':14}named first instead", flush=True)
    for cause in given.causes:
        count = given.healthy if cause == "nothing" else given.runs
        results.append(named(given.which, cause, count, given.lenient))
        print(told(results[-1]), flush=True)
    planted = [done for done in results if done.cause != "nothing"]
    right, runs = sum(done.right for done in planted), sum(done.runs for done in planted)
    print(f"planted, all causes: {right} of {runs} named first")
    for done in results:
        if done.cause == "nothing":
            print(f"healthy: {done.runs - done.right} of {done.runs} accused")
    print(f"{sum(done.seconds for done in results):.0f} s")
    if given.json:
        given.json.write_text(json.dumps([vars(done) for done in results], indent=2), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
