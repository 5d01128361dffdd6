"""Sensible settings, drawn at random: data, network, loss, optimizer and rates with which a network learns.

K members · N rows · D inputs · C outputs
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.run import Run
from deltarule.training.train import train

Random = np.random.Generator
MEMBERS = 4


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
