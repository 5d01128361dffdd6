import numpy as np
import pytest

from deltarule.errors import BadInput
from deltarule.maths.losses import Loss
from deltarule.playground.play import open_session
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of
from deltarule.training.train import train

RANDOM = np.random.default_rng(3)
X, LABELS = RANDOM.standard_normal((30, 3)), [*range(4), *RANDOM.integers(0, 4, 26)]
ENCODER, XOR = load_recipe("encoder"), load_recipe("boundary-xor")
PROBLEMS = {
    "encoder": problem_of(ENCODER, dataset_of(ENCODER), seeds=2),
    "xor": problem_of(XOR, dataset_of(XOR), seeds=[5, 2]),
    "all settings": create_problem(
        Network([3, 5, 4, 4], ["tanh", {"name": "leaky_relu", "slope": 0.2}], "softmax", batch_norm=True),
        X,
        np.eye(4)[LABELS],
        loss="cross_entropy",
        penalty="l2",
        strength=0.01,
        optimizer={"name": "adam", "beta1": 0.8},
        learning_rate=0.02,
        learning_rate_factors={"b": 0.5},
        schedule={"name": "step", "every": 3, "factor": 0.5, "per": "epoch"},
        batch_size=7,
        dropout=[0.1, 0.3],
        seeds=[1, 9],
        data_seeds=4,
        dtype="float32",
    ),
    "numbers": create_problem(
        Network([3, 2], bias=False), X, X[:, :2], optimizer="momentum", momentum=0.7, seeds=range(2)
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_play_a_run(name):
    run = train(PROBLEMS[name], engine="reference", max_steps=20)
    session = open_session(run)
    session.command("change", {"settings": {"run.engine": "reference"}})
    session.command("step", {"updates": 20})
    np.testing.assert_array_equal(session.workbench.moment.state.theta, run.state.theta)
    session.close()


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": [0.1, 0.2]},
        {"weights": [1.0, 2.0]},
        {"rows": [[0], [1]]},
        {"seeds": [1, 2], "dropout_seeds": [3, 4]},
        {"loss": Loss("squared_error", lambda p, y: p - y, lambda p, y: 1 + 0 * p)},
    ],
    ids=lambda options: list(options)[-1],
)
def test_unplayable_problem(options):
    problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], **options)
    with pytest.raises(BadInput, match="no recipe gives the problem"):
        open_session(problem)
