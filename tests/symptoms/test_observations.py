import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from sklearn.metrics import log_loss

from deltarule.engines.reference import objective_and_gradient
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.network import views
from deltarule.problem.batches import all_rows
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.proofs.custom_formulas import register_loss, unregister
from deltarule.symptoms.observations import observe_members
from deltarule.training.train import train


def run_of(network, x, y, steps=20, **given):
    return train(create_problem(network, x, y, **given), max_steps=steps, engine="reference")


def seen_of(*words, **given):
    return observe_members(run_of(*words, **given), [0])[0]


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 3))
CLASSES = np.eye(3)[np.arange(30) % 3]


@settings(max_examples=examples(12))
@given(st.sampled_from(["tanh", "sigmoid", "relu"]), st.integers(1, 4), st.integers(0, 100))
def test_delta_is_bias_gradient(activation, hidden, seed):
    network = Network([3, *[4] * hidden, 2], activation)
    problem = create_problem(network, X[:1], [[1.0, 2.0]], seeds=[seed])
    observation = observe_members(train(problem, max_steps=1, engine="reference"), [0])[0]
    gradient = objective_and_gradient(problem, initial_state(problem), all_rows(problem, np.array([0]))).gradient
    biases = [np.sqrt((gradient_of_b**2).mean()) for name, gradient_of_b in named(network, gradient) if name[0] == "b"]
    np.testing.assert_allclose(observation.first.delta, biases, rtol=1e-10)


def named(network, gradient):
    return views(gradient[0], network.entries).items()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_learned_shares_and_smoothed_classes_have_full_skill(smoothing):
    """A cross-entropy is not 0 where the prediction is a share: what it is there counts as no error."""
    shares = 1 / (1 + np.exp(-X[:, :1]))
    given = {"loss": "binary_cross_entropy", "optimizer": "adam", "learning_rate": 0.05}
    soft = seen_of(Network([3, 1], output="sigmoid"), X, shares, 600, **given, label_smoothing=smoothing)
    assert soft.skill > 0.99


@pytest.mark.parametrize(
    ("loss", "output", "y", "least"),
    [
        ("squared_error", "identity", X[:, :1] ** 2, np.var(X[:, 0] ** 2)),
        ("absolute_error", "identity", X[:, :1] ** 2, np.abs(X[:, 0] ** 2 - np.median(X[:, 0] ** 2)).mean()),
        ("cross_entropy", "softmax", np.eye(3)[[0] * 15 + [1] * 10 + [2] * 5], None),
        ("binary_cross_entropy", "sigmoid", np.r_[np.ones(6), np.zeros(24)][:, None], None),
    ],
)
@pytest.mark.parametrize("reduction", ["mean_samples", "sum"])
def test_skill(loss, output, y, least, reduction):
    least = log_loss(y, np.tile(y.mean(0), (30, 1))) if least is None else least
    run = run_of(Network([3, 5, y.shape[1]], "tanh", output), X, y, loss=loss, reduction=reduction)
    objective = run.objective[0] / (30 if reduction == "sum" else 1)
    assert observe_members(run, [0])[0].skill == pytest.approx(1 - objective / least)


@pytest.mark.parametrize(
    ("loss", "best"), [("absolute_error", 100), ({"name": "quantile", "quantile": 0.3}, 100), ("squared_error", None)]
)
def test_skill_with_weights(loss, best):
    """99 % of the weight is in the rows at 100; a network of a bias alone says one number, here this one."""
    y, w = np.r_[np.zeros(40), np.full(20, 100.0)], np.r_[np.full(40, 0.25), np.full(20, 50.0)]
    network = Network([1, 1], initializer={"name": "constant", "value": best or (w * y).sum() / w.sum()})
    run = run_of(network, np.ones((60, 1)), y, loss=loss, weights=w, learning_rate=0.0)
    assert observe_members(run, [0])[0].skill == pytest.approx(0, abs=1e-12)


@pytest.fixture
def shifted():
    """A squared error, and the same without 7.5: no gradient differs."""
    register_loss("shifted", lambda p, y: (p - y) ** 2 - 7.5, lambda p, y: 2 * (p - y))
    yield ["squared_error", "shifted"]
    unregister("loss", "shifted")


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["mean_samples", "sum"])
@pytest.mark.parametrize("rows", [30, 2000])
def test_offset_of_loss_is_irrelevant(shifted, reduction, rows):
    x = RANDOM.normal(size=(rows, 3))
    given = {"reduction": reduction, "learning_rate": 0.1 if reduction == "mean_samples" else 0.1 / rows}
    plain, lower = (seen_of(Network([3, 4, 1], "tanh"), x, x[:, 0], loss=loss, **given) for loss in shifted)
    assert 0.1 < lower.skill == pytest.approx(plain.skill, rel=1e-9) and plain.least == 0
    assert lower.least == pytest.approx(-7.5 * (rows if reduction == "sum" else 1))
    assert lower.objective - lower.least == pytest.approx(plain.objective, rel=1e-9)
    assert lower.falling == pytest.approx(plain.falling, rel=1e-9) and lower.range_test.best == plain.range_test.best


@pytest.mark.slow
def test_penalty_gradient_of_batch():
    """In a sum over mini-batches, and for a penalty per sample, as strongly as in the mean over all rows."""
    given = {"steps": 1, "learning_rate": 0.0, "loss": "cross_entropy", "penalty": "l2"}
    network = Network([3, 4, 3], "tanh", "softmax")
    mean, summed, per_sample = (
        seen_of(network, X, CLASSES, **(given | more)).first
        for more in (
            {"strength": 0.1},
            {"strength": 0.1 * 10, "reduction": "sum", "batch_size": 10},
            {"strength": 0.1 * 10, "penalty": "l2_per_sample", "batch_size": 10},
        )
    )
    assert mean.penalty / mean.data == pytest.approx(summed.penalty / summed.data)
    assert mean.penalty / mean.data == pytest.approx(per_sample.penalty / per_sample.data)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_slopes_are_shares(activation):
    (slopes,) = seen_of(Network([3, 6, 1], activation), X, X[:, 0], steps=1).first.slopes
    assert slopes.shape == (6,) and (slopes >= 0).all() and (slopes <= 1).all()


def test_slopes_of_relu_and_sigmoid():
    relu = run_of(Network([3, 6, 1], "relu"), X, X[:, 0], learning_rate=0.0)
    z = relu.activations(X)["z1"][0]
    np.testing.assert_allclose(observe_members(relu, [0])[0].first.slopes[0], (z > 0).mean(0))
    small, large = (
        seen_of(Network([3, 6, 1], "sigmoid"), X, X[:, 0], initial_scale=scale).first.slopes[0].mean()
        for scale in (0.01, 100)
    )
    assert small == pytest.approx(1, abs=1e-3) and large < 0.1


def test_member_alone_and_among_others():
    network = Network([3, 4, 3], "tanh", "softmax")
    rows = [np.arange(20), np.arange(5, 30)]
    given = {"loss": "cross_entropy", "learning_rate": 0.1}
    both = observe_members(run_of(network, X, CLASSES, rows=rows, seeds=[0, 1], **given), [0, 1])
    alone = seen_of(network, X[rows[1]], CLASSES[rows[1]], seeds=[1], **given)
    assert both[1].skill == pytest.approx(alone.skill)
    assert both[1].range_test.best == pytest.approx(alone.range_test.best)
    np.testing.assert_allclose(both[1].first.delta, alone.first.delta)


def test_range_test_of_parabola():
    """Of J = (w − 1)² gradient descent diverges from a rate of 1 on; ½ gets there in one step."""
    tested = seen_of(Network([1, 1], bias=False), [[1.0]], [1.0], learning_rate=0.1).range_test
    assert 0.3 < tested.best < 3 and tested.objective < 1e-6
