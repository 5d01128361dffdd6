import pytest

from deltarule.playground.picture import draw
from deltarule.playground.play import recipe_to_play
from deltarule.playground.settings import list_stories
from deltarule.playground.workbench import Workbench
from deltarule.studies.recipes import with_settings


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


def test_hidden_layer_story():
    assert not played("hidden-layer", 1000).moment.is_solved.any()
    with_layer = {"network.layers": ["auto", 4, "auto"], "network.activation": "tanh"}
    assert played("hidden-layer", 1000, **with_layer).moment.is_solved.all()


def test_symmetry_story():
    moment = played("symmetry", 500).moment
    scale = moment.problem.initial_scale
    assert not moment.is_solved[scale == 0].any() and moment.is_solved[scale == 1].all()


def test_batch_norm_story():
    assert not played("vanishing-gradients", 1000).moment.is_solved.any()
    assert played("batch-norm", 1000).moment.is_solved.any()
