import tempfile

import numpy as np
import pytest

from deltarule.engines.reference import objective_and_gradient
from deltarule.maths.network import views
from deltarule.playground.picture import draw
from deltarule.playground.play import recipe_to_play
from deltarule.playground.session import Session
from deltarule.playground.settings import list_stories
from deltarule.playground.workbench import Workbench
from deltarule.problem.batches import batch
from deltarule.recipes import with_settings


def played(story, updates, engine="auto", **changes):
    bench = Workbench(with_settings(recipe_to_play(story), {"run.engine": engine}))
    bench.change(changes)
    bench.advance(updates)
    bench.close()
    return bench


@pytest.mark.parametrize("story", [story["name"].partition("-")[2] for story in list_stories()])
def test_story_is_drawn(story):
    bench = played(story, 5, "reference")
    header, _ = draw(bench, 0, None, bench.moment)
    assert header["step"] == 5 and header["members"] > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("story", "solved", "more"),
    [
        ("two-spirals", lambda counts: 18 <= counts[0] <= 23, None),
        ("hidden-layer", lambda counts: counts == [0], lambda counts: counts == [6]),
        ("too-high-a-rate", lambda counts: counts == [0, 0, 0, 1, 1, 1, 0, 0], None),
        ("symmetry", lambda counts: counts == [0, 1, 1, 1], None),
        ("encoder-code", lambda counts: counts[0] >= 23, None),
        ("momentum", lambda counts: counts == [0, 0, 1, 1], None),
        ("overfitting", lambda counts: counts == [0] * 4, None),
        ("softmax-hidden", lambda counts: counts == [0], lambda counts: 7 <= counts[0]),
        ("vanishing-gradients", lambda counts: counts == [0], None),
        ("batch-norm", lambda counts: counts == [6], None),
        ("regression", lambda counts: counts == [12], None),
        ("wrong-derivative", lambda counts: counts == [6, 0], None),
    ],
)
def test_story_shows_what_it_says(story, solved, more):
    """How many networks of each value have solved it where the story says that its point is reached."""
    session = Session(recipe_to_play(story), tempfile.TemporaryDirectory())
    [parts] = [one["parts"] for one in list_stories() if one["name"].endswith(story)]
    for part, holds in zip(parts, [solved, more], strict=False):
        for name, table in part.get("commands", []):
            session.command(name, table)
        if "formula" in part:
            session.command("formula", part["formula"])
        session.command("step", {"updates": part["updates"]})
        moment = session.workbench.moment
        grid = [len(values) for values in moment.recipe.configuration.grid.values()]
        grid = [2] if "formula" in part else grid
        assert holds(moment.is_solved.reshape(*grid, -1).sum(-1).reshape(-1).tolist()[: sum(grid) or 1])
        assert moment.is_solved.sum() >= part.get("solved", 0)
    session.close()


@pytest.mark.slow
def test_overfitting_story():
    bench = played("overfitting", 400)
    _, curves, _ = bench.moment.past.curves(np.arange(4))
    training, test = curves["objective"], curves["validation objective"]
    assert (test[-1] > 1.2 * test.min(0)).all() and (test[0] > 1.2 * test.min(0)).all()
    assert (training[-1] < 0.8 * training[len(training) // 3]).all() and test[-1, 0] > test[-1, 3]


def test_dead_relus_story():
    """Some units are 0 for every point, and member 0, which is shown first, has lost all of a layer."""
    moment = played("dead-relus", 100).moment
    network, theta = moment.problem.network, moment.state.theta
    hidden = moment.dataset.train.x @ theta[0, :20].reshape(2, 10) + theta[0, 20:30]
    assert network.sizes == (2, 10, 6, 2) and (hidden <= 0).all(0).sum() >= 2 and not moment.is_solved[0]


def test_vanishing_gradients_story():
    moment = played("vanishing-gradients", 150).moment
    state = moment.state.take([0])
    gradient = objective_and_gradient(moment.problem, state, batch(moment.problem, state.members, state.step)).gradient
    arrays = views(gradient[0], moment.problem.network.entries)
    assert np.abs(arrays["W1"]).max() < 0.01 * np.abs(arrays["W7"]).max()
