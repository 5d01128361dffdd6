"""docs/reference/why-not-learning.md shows each cause where it is; here, where it is not, and at its limits."""

from dataclasses import replace

import numpy as np
import pytest

from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.symptoms import detectors
from deltarule.symptoms.causes import CAUSES
from deltarule.symptoms.input_target_dependence import Dependence
from deltarule.symptoms.observations import observe_members
from deltarule.symptoms.rate_tests import RangeTestResult
from deltarule.training.train import train

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 2))
Y = (X.prod(1, keepdims=True) > 0) * 1.0


def seen_of(x=X, y=Y, layers=(2, 12, 1), activation="tanh", law="glorot_uniform", steps=300, **given):
    network = Network(layers, activation, "sigmoid", initializer=law, batch_norm=given.pop("batch_norm", False))
    given = {"loss": "binary_cross_entropy", "optimizer": "momentum", "learning_rate": 0.5, **given}
    return observe_members(train(create_problem(network, x, y, **given), max_steps=steps, engine="reference"), [0])[0]


LEARNED = seen_of()
FAILED = seen_of(steps=1, learning_rate=0.0)


def codes(observation):
    return [cause.code for cause in CAUSES if cause.detect(observation)]


def evidence(code, observation):
    found = [cause.detect(observation) for cause in CAUSES if cause.code == code]
    return next((one for one in found if one), None)


@pytest.mark.slow
def test_learned_network_has_no_cause():
    assert LEARNED.skill > 0.9 and codes(LEARNED) == []
    for odd in ({"x": 4 * X, "learning_rate": 0.02}, {"activation": "relu", "batch_norm": True}, {"dropout": 0.1}):
        observation = seen_of(steps=1500, **odd)
        assert observation.skill > detectors.LEARNED and codes(observation) == []


def test_zero_weights_are_reported_once():
    found = codes(seen_of(law="zeros"))
    assert found[0] == "zero_weights" and not {"symmetric_weights", "vanishing_gradient"} & set(found)


def test_symmetric_weights():
    told = evidence("symmetric_weights", seen_of(law="constant"))
    assert "all 12 units of layer 1" in told.sentence and "one unit" in told.sentence


def test_predicted_validation_rows_clear_labels():
    unrelated = replace(FAILED, dependence=Dependence(-0.1, 0.0, 0.4))
    assert "shuffled_labels" in codes(unrelated)
    assert "shuffled_labels" not in codes(replace(unrelated, validated=True))
    assert "shuffled_labels" not in codes(replace(unrelated, dependence=None))
    assert "shuffled_labels" in codes(replace(LEARNED, dependence=Dependence(-0.1, 0.0, 0.4)))  # learned by heart


def test_a_model_that_predicts_other_rows_counts_as_validated():
    network, x = Network([2, 12, 1], "tanh", "sigmoid"), RANDOM.normal(size=(240, 2))
    y = (x.prod(1, keepdims=True) > 0) * 1.0
    given = {"loss": "binary_cross_entropy", "optimizer": "momentum", "learning_rate": 0.5}
    for targets, predicted in ((y, True), (RANDOM.permutation(y), False)):
        problem = create_problem(network, x[:120], targets[:120], **given)
        run = train(problem, max_steps=300, validation=(x[120:], targets[120:]), engine="reference")
        assert observe_members(run, [0])[0].validated == predicted


@pytest.mark.parametrize(
    ("x", "named"),
    [
        (X * [1, 9.9 / np.sqrt((X[:, 1] ** 2).mean())], False),
        (X * [1, 10.1 / np.sqrt((X[:, 1] ** 2).mean())], True),
        (np.eye(2)[np.arange(120) % 2], False),
        (X * 0.03, False),
        (X * 0.01, True),
        (X + 5, False),
        (X + [0, 50], True),
        (np.column_stack([X[:, 0], np.ones(120)]), False),  # a bias of one's own
    ],
)
def test_unscaled_input_limits(x, named):
    assert (evidence("unscaled_inputs", seen_of(x=x, steps=1, learning_rate=0.0)) is not None) == named


def test_flattest_layer_is_named():
    observation = seen_of(layers=(2, 6, 20, 1), initial_scale=40, steps=1, learning_rate=0.0)
    flattest = 1 + int(np.argmin([slopes.mean() for slopes in observation.first.slopes]))
    assert f"of layer {flattest} begin saturated" in evidence("saturated_units", observation).sentence


def test_dead_units_are_counted():
    negative = X - X.max(0)
    observation = seen_of(x=negative, activation="relu", law="positive_uniform", steps=1)
    told = evidence("dead_units", observation)
    assert "12 of the 12 relu units" in told.sentence


@pytest.mark.slow
def test_vanishing_gradient():
    shares = []
    for hidden in (2, 4, 6, 8):
        observation = seen_of(layers=(2, *[12] * hidden, 1), activation="sigmoid", steps=1, learning_rate=0.0)
        shares.append(observation.first.delta[0] / observation.first.delta.max())
        assert ("vanishing_gradient" in codes(observation)) == (shares[-1] <= detectors.VANISHED)
    assert shares == sorted(shares, reverse=True) and shares[0] > detectors.VANISHED > shares[-1]


def test_dominating_penalty():
    strong = seen_of(penalty="l2", strength=0.1)
    assert evidence("dominating_penalty", strong) is not None and strong.last.length < 0.1 * strong.first.length
    usual = seen_of(penalty="l2", strength=1e-4)
    assert usual.first.penalty < 0.02 * usual.first.data and codes(usual) == []


ANSWER = RangeTestResult(best=0.1, objective=0.2, updates=240, lowest=1e-5, highest=10.0)


@pytest.mark.parametrize(
    ("rate", "objective", "diverged", "named"),
    [
        (1.0, 0.7, "", True),
        (0.14, 0.7, "", False),  # no higher than the test's own best, but for its steps
        (1.0, 0.25, "", False),  # the test did hardly better
        (0.01, np.inf, "loss", True),
    ],
)
def test_rate_too_high(rate, objective, diverged, named):
    observation = replace(FAILED, range_test=ANSWER, rate=rate, objective=objective, diverged=diverged)
    assert (evidence("rate_too_high", observation) is not None) == named


def test_grown_weights_report_high_rate():
    observation = replace(FAILED, range_test=ANSWER, rate=0.1, objective=0.7)
    assert evidence("rate_too_high", observation) is None
    grown = replace(observation.last, length=25 * observation.first.length)
    flat = replace(observation.last, slopes=(np.full(12, 0.01),))
    assert evidence("rate_too_high", replace(observation, last=grown)) is not None
    assert "became saturated" in evidence("rate_too_high", replace(observation, last=flat)).sentence
    assert evidence("rate_too_high", replace(observation, first=flat, last=flat)) is None  # they were flat before


@pytest.mark.parametrize(
    ("rate", "objective", "falling", "moved", "named"),
    [
        (0.001, 0.7, 0.3, 0.2, True),
        (0.001, 0.7, 0.0, 0.01, True),
        (0.001, 0.7, 0.0, 0.5, False),  # it was at an end
        (0.02, 0.7, 0.3, 0.2, False),  # the test's best is no ten times as high
        (0.001, 0.15, 0.3, 0.2, False),  # it came farther than the test, and soon
    ],
)
def test_rate_too_low(rate, objective, falling, moved, named):
    course = np.array([[0, 0.75], [100, min(objective, 0.19)], [500, objective]])
    observation = replace(
        FAILED,
        skill=0.3,
        range_test=ANSWER,
        rate=rate,
        objective=objective,
        falling=falling,
        moved=moved,
        course=course,
    )
    assert (evidence("rate_too_low", observation) is not None) == named


def test_class_never_predicted():
    labels = np.arange(120) % 3
    y = np.eye(3)[labels]
    network = Network([2, 3], "tanh", "softmax")
    weights = np.where(labels == 1, 1e-3, 1.0)
    problem = create_problem(network, np.eye(3)[labels][:, :2] + X / 2, y, loss="cross_entropy", weights=weights)
    told = evidence("class_never_predicted", observe_members(train(problem, max_steps=200, engine="reference"), [0])[0])
    assert told.sentence.startswith("class 1 is never predicted, although 40 of 120 rows belong to it")
    assert "class_never_predicted" not in codes(seen_of(y=X[:, :1] / 10 + 0.5, loss="squared_error"))  # no classes
