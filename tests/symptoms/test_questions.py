"""Questions that people ask about networks that do not learn, each with the answer that helped, as our own networks."""

from typing import Any

import numpy as np
import pytest

from deltarule import Network, create_problem, train, why_not_learning

RANDOM = np.random.default_rng(0)
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
XOR = np.array([0, 1, 1, 0.0])
ROWS = RANDOM.normal(size=(200, 3))
LINE = RANDOM.uniform(-100, 100, (200, 1))
SCORES = np.clip(np.round(2.5 + ROWS[:, 0]), 1, 4)


def normal(std: float) -> dict[str, Any]:
    return {"name": "normal", "std": std}


QUESTIONS: dict[str, tuple[str, Network, Any, Any, dict[str, Any]]] = {
    "exclusive or stays at a loss of 0.69 with weights of randn * 0.01": (
        "zero_weights",
        Network([2, 5, 1], "sigmoid", "sigmoid", initializer=normal(0.01)),
        CORNERS,
        XOR,
        {"loss": "binary_cross_entropy", "learning_rate": 0.1},
    ),
    "exclusive or answers 0.5 for everything after some thousand updates": (
        "rate_too_low",
        Network([2, 2, 1], "sigmoid", "sigmoid"),
        CORNERS,
        XOR,
        {"learning_rate": 0.1, "seeds": [0]},
    ),
    "exclusive or with weights between -50 and 50 never moves": (
        "saturated_units",
        Network([2, 3, 1], "tanh", "sigmoid"),
        CORNERS,
        XOR,
        {"learning_rate": 1.0, "initial_scale": 30.0},
    ),
    "all weights begin at zero": (
        "zero_weights",
        Network([3, 8, 1], "sigmoid", "sigmoid", initializer="zeros"),
        ROWS,
        (ROWS.prod(1) > 0) * 1.0,
        {"learning_rate": 0.5},
    ),
    "scores of 1 to 4 come out of a tanh": (
        "targets_out_of_range",
        Network([3, 8, 1], "tanh", "tanh"),
        ROWS,
        SCORES,
        {"learning_rate": 0.1},
    ),
    "labels of -1 and 1 come out of a sigmoid": (
        "targets_out_of_range",
        Network([3, 8, 1], "tanh", "sigmoid"),
        ROWS,
        np.sign(ROWS[:, 0]),
        {"learning_rate": 0.1},
    ),
    "a line that does not go through 0 is never reached without biases": (
        "missing_bias",
        Network([1, 8, 1], "tanh", "identity", bias=False),
        ROWS[:, :1],
        5 + ROWS[:, 0],
        {"learning_rate": 0.05},
    ),
    "prices of houses end as nan": (
        "unscaled_targets",
        Network([3, 16, 1], "relu", "identity"),
        ROWS,
        200_000 + 50_000 * ROWS[:, 0],
        {"learning_rate": 0.001},
    ),
    "prices of houses are far too low with Adam": (
        "unscaled_targets",
        Network([3, 16, 1], "relu", "identity"),
        ROWS,
        200_000 + 50_000 * ROWS[:, 0],
        {"optimizer": "adam", "learning_rate": 0.001},
    ),
    "a parabola from -100 to 100 is a constant": (
        "unscaled_inputs",
        Network([1, 20, 1], "sigmoid", "identity"),
        LINE,
        LINE[:, 0] ** 2 / 10_000,
        {"learning_rate": 0.01},
    ),
    "features and labels were shuffled apart": (
        "shuffled_labels",
        Network([3, 8, 1], "tanh", "sigmoid"),
        ROWS,
        RANDOM.permutation((ROWS[:, 0] > 0) * 1.0),
        {"learning_rate": 0.5},
    ),
    "seven sigmoid layers stay at chance": (
        "vanishing_gradient",
        Network([3, *7 * [12], 1], "sigmoid", "sigmoid"),
        ROWS,
        (ROWS[:, 0] > 0) * 1.0,
        {"learning_rate": 0.5},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_to_a_question_is_named_first(question: str) -> None:
    answer, network, x, y, given = QUESTIONS[question]
    run = train(create_problem(network, x, y, **given), max_steps=2000)
    assert [finding.code for finding in why_not_learning(run)][:1] == [answer]


@pytest.mark.parametrize("inputs", [4, 6])
@pytest.mark.parametrize("outputs", ["sigmoid", "softmax"])
def test_parity_is_not_called_a_rare_class(inputs: int, outputs: str) -> None:
    x = np.array([[number >> bit & 1 for bit in range(inputs)] for number in range(2**inputs)], float)
    y = x.sum(1) % 2 if outputs == "sigmoid" else np.eye(2)[(x.sum(1) % 2).astype(int)]
    network = Network([inputs, 8, 1 if outputs == "sigmoid" else 2], "tanh", outputs)
    run = train(create_problem(network, x, y, learning_rate=0.05), max_steps=300)
    assert "class_never_predicted" not in [finding.code for finding in why_not_learning(run)]
