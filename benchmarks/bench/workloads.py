"""The rows of the benchmark: the problems that all contenders train.

Other libraries can train all of them with equal results: there is no dropout (other random numbers would give other
losses), learning rates are constant, and batches divide the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from deltarule.engines.reference import whole_objective
from deltarule.errors import BadInput
from deltarule.problem.batches import positions_of
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import initial_state

MAX_NUMBERS_AT_ONCE = 4_000_000
"""How many numbers an evaluation computes at a time: 32 megabytes, so that it needs little memory."""


@dataclass(frozen=True, eq=False)
class Work:
    """The work of a row: its name, description and problem.

    floor : the lower bound on its time, "products" (its matrix products alone), "encoder" (a C program with members in
        SIMD lanes), or "" for none.
    """

    name: str
    about: str
    problem: Problem
    floor: str = ""


def encoder(name: str, members: int, hidden: int = 3, dtype: str = "float64") -> Work:
    """The work of the encoder study: eight one-hot vectors through sigmoid units, all eight in every update.

    >>> encoder("encoder", 1).problem.network
    Network 8-3-8 (sigmoid, sigmoid), 59 parameters
    """
    x = np.eye(8)
    problem = create_problem(
        Network([8, hidden, 8], "sigmoid", "sigmoid"),
        x,
        x,
        penalty="weight_decay_per_sample",
        strength=1e-5,
        learning_rate=10.0,
        seeds=range(members),
        dtype=dtype,
    )
    about = "8 one-hot vectors, all in every update; squared error, weight decay, SGD"
    return Work(name, about, problem, "encoder" if members > 1 and hidden == 3 else "")


def boundary(name: str, members: int) -> Work:
    """The work of the boundary study: 100 points of the unit square, classified by side of the diagonal."""
    x = np.random.default_rng(0).random((100, 2))
    problem = create_problem(
        Network([2, 3, 3, 1], "sigmoid", "sigmoid"),
        x,
        (x[:, 0] > x[:, 1]).astype(float),
        loss="binary_cross_entropy",
        optimizer="momentum",
        learning_rate=0.64,
        seeds=range(members),
    )
    return Work(name, "100 points, all in every update; binary cross-entropy, momentum", problem)


def digits(name: str, members: int) -> Work:
    """The work of the digits study without dropout: 1,792 of scikit-learn's images, in 56 full batches of 32."""
    from sklearn.datasets import load_digits

    bundled = load_digits()
    problem = create_problem(
        Network([64, 128, 10], "relu", "softmax", initializer="he_normal"),
        bundled.data[:1_792] / 16,
        np.eye(10)[bundled.target[:1_792]],
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.003,
        batch_size=32,
        seeds=range(members),
        dtype="float32",
    )
    return Work(name, "1,792 images of 8 × 8 pixels, batches of 32; cross-entropy, Adam", problem, "products")


def middle(
    name: str, members: int, inputs: int = 2, hidden: int = 32, outputs: int = 3, dtype: str = "float32"
) -> Work:
    """Work of a medium size: random features through two layers with the same number of ReLU units.

    >>> middle("", 1).problem.network
    Network 2-32-32-3 (relu, relu, softmax), 1,251 parameters
    """
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1_024, inputs))
    labels = (x @ generator.normal(size=(inputs, outputs))).argmax(axis=1)
    problem = create_problem(
        Network([inputs, hidden, hidden, outputs], "relu", "softmax", initializer="he_normal"),
        x,
        np.eye(outputs)[labels],
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.003,
        batch_size=32,
        seeds=range(members),
        dtype=dtype,
    )
    return Work(
        name, f"1,024 rows of {inputs} random features, batches of 32; cross-entropy, Adam", problem, "products"
    )


def images(name: str, members: int, inputs: int = 784, hidden: int = 100, batch: int = 256, batches: int = 20) -> Work:
    """Work of a large size: random pixels, as many as MNIST's (784) or CIFAR-10's (3,072), through one ReLU layer."""
    generator = np.random.default_rng(0)
    rows = batch * batches
    problem = create_problem(
        Network([inputs, hidden, 10], "relu", "softmax"),
        generator.random((rows, inputs), np.float32),
        np.eye(10)[generator.integers(0, 10, rows)],
        loss="cross_entropy",
        optimizer="momentum",
        learning_rate=0.01,
        batch_size=batch,
        seeds=range(members),
        dtype="float32",
    )
    about = f"{rows:,} rows of {inputs:,} random pixels, batches of {batch}; cross-entropy, momentum"
    return Work(name, about, problem, "products")


def wider_middle(name: str, members: int, dtype: str = "float32") -> Work:
    """Work of a medium size: 20 random features through two layers of 64 ReLU units."""
    return middle(name, members, inputs=20, hidden=64, outputs=5, dtype=dtype)


def wide(name: str, members: int, **shape: int) -> Work:
    """Work of the largest size: random pixels, as many as CIFAR-10's, through 200 ReLU units."""
    return images(name, members, **{"inputs": 3_072, "hidden": 200, "batches": 10, **shape})


@dataclass(frozen=True)
class Row:
    """A row of the benchmark: how to make its work, the number of members, and the sizes of a quick run."""

    make: Callable[..., Work]
    members: int
    quick: Mapping[str, int]


SMALL = {"batch": 32, "batches": 5}
ROWS: dict[str, Row] = {
    "encoder": Row(encoder, 1, {}),
    "encoders": Row(encoder, 4_096, {"members": 64}),
    "boundary": Row(boundary, 20, {"members": 3}),
    "digits": Row(digits, 10, {"members": 2}),
    "2-32-32-3": Row(middle, 1, {}),
    "2-32-32-3-many": Row(middle, 64, {"members": 3}),
    "20-64-64-5": Row(wider_middle, 1, {}),
    "20-64-64-5-many": Row(wider_middle, 64, {"members": 3}),
    "64-128-10": Row(digits, 1, {}),
    "64-128-10-many": Row(digits, 64, {"members": 3}),
    "784-100-10": Row(images, 1, SMALL),
    "784-100-10-many": Row(images, 96, {"members": 3, **SMALL}),
    "3072-200-10": Row(wide, 1, SMALL),
    "3072-200-10-many": Row(wide, 27, {"members": 2, **SMALL}),
}
"""The rows by name."""


def work_of(name: str, quick: bool = False, **sizes: int) -> Work:
    """Make the work of a row by its name, with its quick run's sizes if `quick`, or other ones, such as members=2.

    Errors: `BadInput` for an unknown name.

    >>> work_of("encoders").problem.members, work_of("encoders", members=2).problem.members
    (4096, 2)
    """
    if name not in ROWS:
        raise BadInput(f"there is no row '{name}'; there are: {', '.join(ROWS)}")
    row = ROWS[name]
    return row.make(name, **{"members": row.members, **(row.quick if quick else {}), **sizes})


def title(problem: Problem) -> str:
    """Describe the number and the layer sizes of a problem's networks.

    >>> title(encoder("encoders", 4_096).problem)
    '4,096 of 8-3-8'
    """
    sizes = "-".join(map(str, problem.network.sizes))
    return f"{problem.members:,} of {sizes}" if problem.members > 1 else f"one {sizes}"


def batches(problem: Problem, n: int) -> Integers | None:
    """The row indices of the first n batches [n, B], equal for all members; None for full batches.

    >>> batches(images("", 1, inputs=2, batch=4, batches=2).problem, 3).shape
    (3, 4)
    """
    if problem.batch_size is None:
        return None
    return np.stack([positions_of(problem, np.array([0]), step) for step in range(n)])


def penalty_strength(problem: Problem) -> float:
    """The factor λ / B of the problem's penalty ½ λ / B ‖W‖² on the weights; 0 without a penalty."""
    if problem.penalty is None:
        return 0.0
    assert problem.penalty.name == "weight_decay_per_sample"
    return float(problem.strength[0]) / problem.batch_rows(0)


def objectives(problem: Problem, theta: Floats) -> Floats:
    """The objective [K'] over all rows of the first K' members, with parameters theta [K', P], by our NumPy formulas.

    >>> work = encoder("", 3)
    >>> objectives(work.problem, np.zeros((2, 59)))
    array([2., 2.])
    """
    state = initial_state(problem)
    values = []
    # A few members at a time: all rows of all members at once would need much memory.
    size = max(1, MAX_NUMBERS_AT_ONCE // (len(problem.x) * sum(problem.network.sizes)))
    for start in range(0, len(theta), size):
        members = np.arange(start, min(start + size, len(theta)))
        values.append(whole_objective(problem, replace(state.take(members), theta=theta[members])))
    return np.concatenate(values)
