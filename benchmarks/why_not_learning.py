"""Measure how often `why_not_learning` is right, on runs with a planted cause and on healthy ones.

    python benchmarks/why_not_learning.py [--runs 50] [--healthy 200] [--set final] [--lenient] [--json FILE]

A setting is drawn (data, network, loss, optimizer, sensible rates) and trained, and trained once more with a single
cause planted. A pair counts if the first training learned and the second did not, by the R² of their outputs on the
training rows, which `why_not_learning` never uses. The thresholds of `why_not_learning` were chosen on the set
"development"; "final" has other seeds, and additional data sets.

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
MAX_MEMBERS_PER_SETTING = 2
"""Members of a setting that are counted at most, so that fifty runs come from twenty-five settings or more."""
MIN_R_SQUARED = 0.15
"""The R² that the best member of a setting must reach; below it nobody could say which members are healthy."""
MIN_SHARE_OF_BEST = 0.8
"""The share of the best member's R² from which a member has learned as well."""
MAX_SHARE_OF_TWIN = 0.5
"""The share of the healthy twin's R² up to which a planted cause counts as having stopped the learning."""


@dataclass(frozen=True)
class Setting:
    """What is trained: data, options of the network and of the problem, and the number of steps."""

    data: str
    x: Any
    y: Any
    network: dict[str, Any]
    problem: dict[str, Any]
    steps: int

    def run(self) -> Run:
        """Train the setting with the reference engine."""
        problem = create_problem(Network(**self.network), self.x, self.y, **self.problem)
        return train(problem, max_steps=self.steps, engine="reference")

    def with_network(self, **changes: Any) -> "Setting":
        """The setting with changed options of the network."""
        return replace(self, network=self.network | changes)

    def with_problem(self, **changes: Any) -> "Setting":
        """The setting with changed options of the problem."""
        return replace(self, problem=self.problem | changes)


# Data sets: functions that draw inputs [N, D], and classes [N] or numbers [N, C]. Inputs are standardized afterwards.


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
    """Exclusive or: whether both coordinates have the same sign, with some wrong labels."""
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
    """The encoder's one-hot rows, each its own class."""
    size = int(random.integers(4, 11))
    return np.eye(size), np.arange(size)


def diagonals(random: Random) -> tuple[Any, Any]:
    """The boundary study's 21 points on two diagonals."""
    from deltarule.data.synthetic import xor

    return xor().train.x, xor().train.labels


def bundled(name: str, max_rows: int = 150) -> Callable[[Random], tuple[Any, Any]]:
    """A function that draws rows of a data set that is installed with scikit-learn."""

    def draw_rows(random: Random) -> tuple[Any, Any]:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        rows = random.permutation(len(bunch.data))[:max_rows]
        y = bunch.target[rows]
        return bunch.data[rows], y[:, None] if name == "diabetes" else y

    return draw_rows


def circles(random: Random) -> tuple[Any, Any]:
    """A circle within another."""
    from sklearn.datasets import make_circles

    noise, state = random.uniform(0.02, 0.15), int(random.integers(2**31))
    return make_circles(120, noise=noise, factor=0.5, random_state=state)


def friedman(random: Random) -> tuple[Any, Any]:
    """Friedman's first function: five relevant and five irrelevant inputs."""
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
"""Causes that need several rows of each class: a shuffled encoder is only another encoder."""

RATES = {"sgd": (0.05, 0.5), "momentum": (0.01, 0.1), "adam": (0.003, 0.03), "rmsprop": (0.002, 0.01)}
"""Sensible learning rates for standardized inputs and a mean over samples."""


def draw_setting(random: Random, which: str, cause: str = "") -> Setting:
    """Draw a sensible setting with data of a set (`which`), of a kind in which the cause can be planted."""
    names = [name for name in DATA[which] if cause not in MANY_ROWS or name not in FEW_ROWS]
    while True:
        name = str(random.choice(names))
        x, y = DATA[which][name](random)
        if y.ndim == 1 or cause != "class_never_predicted":
            break
    x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    y, output, loss = _choose_loss(random, y)
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


def _choose_loss(random: Random, y: Any) -> tuple[Any, str, str]:
    """Encode targets as [N, C], and choose an output activation and a loss that fit them."""
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
"""A healthy setting, and the same with a cause planted; the first is mostly the one that was drawn."""


def zero_weights(random: Random, drawn: Setting) -> Pair:
    """Plant initial weights of 0, or almost 0."""
    if random.random() < 0.5:
        return drawn, drawn.with_network(initializer="zeros")
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(-12, -8, MEMBERS))


def symmetric_weights(random: Random, drawn: Setting) -> Pair:
    """Plant equal initial weights in each layer."""
    biases = str(random.choice(["zeros", "same"]))
    law = {"name": "constant", "value": float(random.uniform(0.05, 1)), "biases": biases}
    return drawn, drawn.with_network(initializer=law)


def saturated_units(random: Random, drawn: Setting) -> Pair:
    """Plant initial weights so large that units are saturated."""
    drawn = drawn.with_network(activation=str(random.choice(["tanh", "sigmoid"])), batch_norm=False)
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(1, 2.3, MEMBERS))


@dataclass(frozen=True)
class LowBiases(Initializer):
    """An initializer with the weights of another one, and biases that switch most ReLU units off."""

    low: float = 0.0

    def bias(self, seed: Any, layer: int, fan_in: int, fan_out: int) -> Any:
        """Biases from 0.5 to 1.5 times `low`."""
        drawn = replace(INITIALIZERS["uniform"], biases="same").bias(seed, layer, fan_in, fan_out)  # −0.5 … 0.5
        return self.low * (1 + drawn)


def dead_units(random: Random, drawn: Setting) -> Pair:
    """Plant ReLU units that are 0 for every row at first: low biases, or negative inputs and positive weights."""
    drawn = drawn.with_network(activation="relu", batch_norm=False)
    if random.random() < 0.5:
        law = LowBiases("low_biases", "uniform", INITIALIZERS["glorot_uniform"].spread, low=-random.uniform(3, 12))
        return drawn, drawn.with_network(initializer=law)
    negative = replace(drawn, x=(drawn.x - drawn.x.max(0)) / 3)
    return negative, negative.with_network(
        initializer={"name": "positive_uniform", "range": float(random.uniform(0.3, 1))}
    )


def unscaled_inputs(random: Random, drawn: Setting) -> Pair:
    """Plant unscaled inputs: large, small, in different units, or far from 0."""
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


def _of_numbers(drawn: Setting) -> Setting:
    """The setting with its targets as standardized numbers, and outputs without a range."""
    drawn = drawn.with_network(output="identity", batch_norm=False).with_problem(loss="squared_error")
    return replace(drawn, y=(drawn.y - drawn.y.mean(0)) / drawn.y.std(0))


def unscaled_targets(random: Random, drawn: Setting) -> Pair:
    """Plant targets that are large, small, or far from 0."""
    drawn = _of_numbers(drawn)
    kind = random.integers(3)
    if kind == 2:
        return drawn, replace(drawn, y=drawn.y + 10 ** random.uniform(1.3, 3))
    return drawn, replace(drawn, y=drawn.y * 10 ** (random.uniform(1.5, 5) if kind else random.uniform(-6, -3)))


def missing_bias(random: Random, drawn: Setting) -> Pair:
    """Plant a network without biases, beside targets that are not centered."""
    drawn = _of_numbers(drawn)
    drawn = replace(drawn, y=drawn.y + random.uniform(2, 5) * random.choice([-1, 1]))
    return drawn, drawn.with_network(bias=False)


def rate_too_high(random: Random, drawn: Setting) -> Pair:
    """Plant a learning rate 5 to 1,000 times as large as a sensible one."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] * 10 ** random.uniform(0.7, 3, MEMBERS)
    )


def rate_too_low(random: Random, drawn: Setting) -> Pair:
    """Plant a learning rate so small that the training ends long before it has converged."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] / 10 ** random.uniform(1.5, 4, MEMBERS)
    )


def vanishing_gradient(random: Random, drawn: Setting) -> Pair:
    """Plant many layers that each reduce the gradient: sigmoids, or small weights."""
    sizes, hidden = drawn.network["sizes"], int(random.integers(5, 10))
    deep = drawn.with_network(sizes=[sizes[0], *[sizes[1]] * hidden, sizes[-1]], batch_norm=False)
    deep = deep.with_problem(dropout=0.0)
    if random.random() < 0.5:
        return deep.with_network(activation="tanh"), deep.with_network(activation="sigmoid")
    deep = deep.with_network(activation=str(random.choice(["tanh", "relu", "elu"])), initializer="he_normal")
    return deep, deep.with_problem(initial_scale=random.uniform(0.1, 0.5, MEMBERS))


def class_never_predicted(random: Random, drawn: Setting) -> Pair:
    """Plant a class with few rows, or with rows of tiny weights."""
    labels = (drawn.y[:, 0] > 0.5) if drawn.y.shape[1] == 1 else drawn.y.argmax(1)
    chosen = random.integers(labels.max() + 1)
    if random.random() < 0.5:
        weights = np.where(labels == chosen, 10 ** random.uniform(-3, -1.3), 1.0)
        return drawn, drawn.with_problem(weights=weights)
    few = max(2, round(0.03 * len(labels)))
    kept = np.sort(np.concatenate([np.flatnonzero(labels != chosen), np.flatnonzero(labels == chosen)[:few]]))
    return drawn, replace(drawn, x=drawn.x[kept], y=drawn.y[kept])


def targets_out_of_range(random: Random, drawn: Setting) -> Pair:
    """Plant an output whose range holds few of the targets."""
    drawn = _of_numbers(drawn)
    return drawn, drawn.with_network(output=str(random.choice(["sigmoid", "tanh"])))


def shuffled_labels(random: Random, drawn: Setting) -> Pair:
    """Plant targets in another order than the inputs."""
    return drawn, replace(drawn, y=random.permutation(drawn.y))


def dominating_penalty(random: Random, drawn: Setting) -> Pair:
    """Plant a penalty so strong that it dominates the loss."""
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
        targets_out_of_range,
        shuffled_labels,
        dominating_penalty,
        missing_bias,
        unscaled_targets,
    )
}


def training_r_squared(run: Run) -> Any:
    """R² of each member's outputs on the training rows, [K]; 0 if it is negative or the member diverged."""
    outputs, weights = run.outputs(run.problem.x), np.ones((len(run.problem.x), 1))
    with np.errstate(all="ignore"):
        score = metrics.find("r_squared").value(outputs, run.problem.y, weights)
    is_finite = np.isfinite(score) & np.array([reason != "diverged" for reason in run.reasons])
    return np.where(is_finite, np.maximum(score, 0), 0.0)


def healthy_members(run: Run, lenient: bool = False) -> Any:
    """The indices of members that learned about as well as the best one, and predict every class.

    A member that learned much less than another of the same setting, or never predicts some class, has a cause to be
    reported. With `lenient`, every member that learned anything counts as healthy.
    """
    score = training_r_squared(run)
    if lenient:
        return np.flatnonzero(score >= MIN_R_SQUARED)
    members = np.flatnonzero(score >= max(MIN_R_SQUARED, MIN_SHARE_OF_BEST * score.max()))
    return np.array([member for member in members if not never_predicted(run, member)], int)


def planted_members(cause: str, healthy: Run, planted: Run) -> Any:
    """The indices of members that learn without the planted cause and do not learn with it."""
    twins = healthy_members(healthy)
    if cause == "class_never_predicted":
        return twins[[never_predicted(planted, member) for member in twins]]
    if cause == "shuffled_labels":
        return twins  # whatever was learned from shuffled targets is wrong
    return twins[training_r_squared(planted)[twins] <= MAX_SHARE_OF_TWIN * training_r_squared(healthy)[twins]]


def never_predicted(run: Run, member: int) -> bool:
    """Whether targets are classes and a member never predicts one of them on the training rows."""
    outputs, y = run.outputs(run.problem.x)[member], run.problem.y
    if run.problem.network.output.name not in ("sigmoid", "softmax"):
        return False
    if y.shape[1] == 1:
        return len(np.unique(outputs > 0.5)) < 2
    return len(np.unique(outputs.argmax(1))) < y.shape[1]


def planted_runs(which: str, cause: str, count: int) -> Iterator[tuple[Setting, Run, Any]]:
    """Yield settings with a planted cause, their runs, and the indices of members that count, `count` in all."""
    cause_index = list(PLANTS).index(cause)
    remaining, drawn = count, 0
    while remaining:
        random = np.random.default_rng([SEEDS[which], cause_index, drawn])
        first = draw_setting(random, which, cause)
        healthy, planted = PLANTS[cause](random, first)
        drawn += 1
        twin = healthy.run()
        if not len(healthy_members(twin)):
            continue
        run = planted.run()
        chosen = planted_members(cause, twin, run)[: min(MAX_MEMBERS_PER_SETTING, remaining)]
        remaining -= len(chosen)
        if len(chosen):
            yield planted, run, chosen


def healthy_runs(which: str, count: int, lenient: bool) -> Iterator[tuple[Setting, Run, Any]]:
    """Yield drawn settings, their runs, and the indices of healthy members; `count` members in all."""
    remaining, drawn = count, 0
    while remaining:
        random = np.random.default_rng([SEEDS[which], len(PLANTS), drawn])
        plain = draw_setting(random, which)
        drawn += 1
        run = plain.run()
        chosen = healthy_members(run, lenient)[: min(MAX_MEMBERS_PER_SETTING, remaining)]
        remaining -= len(chosen)
        if len(chosen):
            yield plain, run, chosen


@dataclass(frozen=True)
class Named:
    """The causes that were named in runs of one planted cause, or in healthy runs (cause "nothing").

    first   how often each code was named first        settings   how many settings the runs come from
    """

    cause: str
    runs: int
    settings: int
    first: dict[str, int]
    seconds: float

    @property
    def right(self) -> int:
        """How often the planted cause was named first."""
        return self.first.get(self.cause, 0)


def count_named(which: str, cause: str, count: int, lenient: bool = False) -> Named:
    """Let `why_not_learning` judge runs with a planted cause, or healthy ones ("nothing"), and count what it names."""
    started, first, settings = time.perf_counter(), Counter[str](), 0
    healthy = cause == "nothing"
    for _, run, members in healthy_runs(which, count, lenient) if healthy else planted_runs(which, cause, count):
        settings += 1
        for member in members.tolist():
            findings = why_not_learning(run, [member]).findings
            first[findings[0].code if findings else "nothing"] += 1
    return Named(cause, sum(first.values()), settings, dict(first.most_common()), time.perf_counter() - started)


def format_line(result: Named) -> str:
    """Format the counts of one cause as a line of the table."""
    others = ", ".join(f"{code} {count}" for code, count in result.first.items() if code != result.cause)
    return f"{result.cause:24}{result.right:4} of {result.runs:3}   {others}"


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
        results.append(count_named(given.which, cause, count, given.lenient))
        print(format_line(results[-1]), flush=True)
    planted = [result for result in results if result.cause != "nothing"]
    right, runs = sum(result.right for result in planted), sum(result.runs for result in planted)
    print(f"planted, all causes: {right} of {runs} named first")
    for result in results:
        if result.cause == "nothing":
            print(f"healthy: {result.runs - result.right} of {result.runs} accused")
    print(f"{sum(result.seconds for result in results):.0f} s")
    if given.json:
        given.json.write_text(json.dumps([vars(result) for result in results], indent=2), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
