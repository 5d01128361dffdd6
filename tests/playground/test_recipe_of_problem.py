import numpy as np
import pytest

from deltarule.errors import BadInput
from deltarule.maths.losses import Loss
from deltarule.playground.play import open_session
from deltarule.playground.playable import recipe_of_problem
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of
from deltarule.training.train import train

RANDOM = np.random.default_rng(3)


def problems():
    x, labels = RANDOM.standard_normal((30, 3)), RANDOM.integers(0, 4, 30)
    labels[:4] = range(4)
    yield "encoder", problem_of(encoder := load_recipe("encoder"), dataset_of(encoder), seeds=2)
    yield "xor", problem_of(xor := load_recipe("boundary-xor"), dataset_of(xor), seeds=[5, 2])
    yield (
        "all settings",
        create_problem(
            Network([3, 5, 4, 4], ["tanh", {"name": "leaky_relu", "slope": 0.2}], "softmax", batch_norm=True),
            x,
            np.eye(4)[labels],
            loss="cross_entropy",
            penalty="l2",
            strength=0.01,
            optimizer={"name": "adam", "beta1": 0.8},
            learning_rate=0.02,
            schedule={"name": "step", "every": 3, "factor": 0.5, "per": "epoch"},
            batch_size=7,
            dropout=[0.1, 0.3],
            seeds=[1, 9],
            data_seeds=4,
            dtype="float32",
        ),
    )
    yield (
        "numbers",
        create_problem(Network([3, 2], bias=False), x, x[:, :2], optimizer="momentum", momentum=0.7, seeds=range(2)),
    )


@pytest.mark.parametrize(
    ("name", "problem"), list(problems()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_recipe_trains_like_problem(tmp_path, name, problem):
    recipe = recipe_of_problem(problem, tmp_path)
    again = problem_of(recipe, dataset_of(recipe))
    expected, found = (train(one, engine="reference", max_steps=9) for one in (problem, again))
    np.testing.assert_array_equal(found.state.theta, expected.state.theta)


def test_play_a_run():
    problem = dict(problems())["xor"]
    run = train(problem, engine="reference", max_steps=20)
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
def test_unplayable_problem(tmp_path, options):
    problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], **options)
    with pytest.raises(BadInput, match="no recipe gives the problem"):
        recipe_of_problem(problem, tmp_path)
