"""Every gradient that a network can have here, proved three ways: the full product, each problem with a random shape.

Activations (hidden and output) × losses × layers are problems of their own. Penalties, added to the objective, and
reductions, which scale it, take turns: each meets every other part, but not all of them at once. Each check proves two
networks, the members of one population: one without sample weights and dropout, and one with both.
"""

from itertools import product

import numpy as np
import pytest
from lanes import everything
from refusals import refuses

from deltarule.checking.problem_gradient import TOLERANCES, check_problem
from deltarule.checking.report import CodeReport
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.losses import LOSSES, REDUCTIONS, Loss, meaningful
from deltarule.maths.penalties import PENALTIES
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

PAIRS = list(product(ACTIVATIONS.values(), LOSSES.values()))
EXACT = [(output, loss) for output, loss in PAIRS if meaningful(loss, output) and loss.exact]
REFUSED = [(output, loss) for output, loss in PAIRS if not meaningful(loss, output)]
EVERY = 1 if everything() else 3
LAYERS = ({"bias": True}, {"bias": False}, {"batch_norm": True})
PENALTIES_OR_NONE = (None, *PENALTIES)


def named(value: object) -> str:
    return getattr(value, "name", "")


def targets(loss: Loss, random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Soft targets, one of them hard, such as the loss allows.

    Real ones lie on both sides of softmax's predictions in the first row: where all lie on one side, Σ |p − y| does not
    depend on p, whose sum is 1, and there is nothing to prove.
    """
    y = random.uniform(0.05, 0.95, shape) if loss.targets == "unit" else random.uniform(0.1, 3, shape)
    y[0, 0] = 1.0 if loss.targets == "unit" else 0.0
    if loss.targets == "real":
        y[0, 1] = 3.0
        return y - 1.5
    return y


def population(
    hidden: str,
    output: Activation,
    loss: Loss,
    layer: dict[str, bool],
    penalty: str,
    reduction: str,
    random: np.random.Generator,
) -> Problem:
    """Two members, both penalised: without sample weights and dropout, and with them."""
    sizes, rows = random.integers([1, 2, 2], [4, 4, 4]).tolist(), int(random.integers(3, 6))
    network = Network(sizes, hidden, output, **layer, initializer={"name": "glorot_uniform", "biases": "same"})
    weights = np.array([np.ones(rows), random.uniform(0.2, 2, rows)])
    return create_problem(
        network,
        random.uniform(-1, 1, size=(rows, sizes[0])),
        targets(loss, random, (rows, sizes[-1])),
        loss=loss,
        reduction=reduction,
        penalty=penalty,
        strength=0.1 if penalty else 0,
        penalize_biases=bool(random.integers(2)),
        initial_scale=0.5,  # behind exponentials, predictions are to be near 1 but not equal to it
        weights=weights,
        dropout=[[0.0], [0.3]],
        seeds=random.integers(2**32, size=2).tolist(),
    )


def assert_proved(report: CodeReport, problem: str) -> None:
    assert report.ok, f"{problem}\n{report}"
    assert [check.method for check in report.checks] == list(TOLERANCES)
    assert all(check.error <= TOLERANCES[check.method] for check in report.checks), problem


@pytest.mark.slow
@pytest.mark.needs("torch")
@pytest.mark.parametrize("number", range(len(EXACT)), ids=lambda number: "-".join(map(named, EXACT[number])))
def test_gradients_of_the_full_product(number: int) -> None:
    """In the fast lane every third problem of each pair of output and loss, from another one on for each pair."""
    output, loss = EXACT[number]
    parts = list(product(LAYERS, ACTIVATIONS))
    for count in range(number % EVERY, len(parts), EVERY):
        layer, hidden = parts[count]
        penalty, reduction = (names[(number + count) % len(names)] for names in (PENALTIES_OR_NONE, REDUCTIONS))
        random = np.random.default_rng([number, count])
        problem = population(hidden, output, loss, layer, penalty, reduction, random)
        assert_proved(check_problem(problem), f"{number}, {count}: {hidden}, {layer}, {penalty}")


@pytest.mark.parametrize(("output", "loss"), REFUSED, ids=named)
def test_pairs_without_meaning_are_refused(output: Activation, loss: Loss) -> None:
    with refuses(loss.name, output.name):
        create_problem(Network([1, 2], output=output), [[1.0]], [[0.5, 0.5]], loss=loss)
