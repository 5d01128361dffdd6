import pytest

from deltarule.playground.picture import View, draw
from deltarule.playground.play import recipe_to_play
from deltarule.playground.playable import list_stories
from deltarule.playground.view_axes import view_axes

NAMES = [story["name"].partition("-")[2] for story in list_stories()]


@pytest.mark.parametrize("name", NAMES)
def test_story_is_drawn(opened, name):
    from deltarule.engines.reference import ReferenceEngine
    from deltarule.playground.workbench import Workbench

    bench = Workbench(recipe_to_play(name), ReferenceEngine())
    bench.advance(5)
    dataset = bench.moment.dataset
    header, _ = draw(bench, view_axes(dataset.train.x, dataset.features), View())
    bench.close()
    assert header["step"] == 5 and header["members"] > 1


def played(name, updates, **changes):
    from deltarule.playground.workbench import Workbench

    bench = Workbench(recipe_to_play(name))
    if changes:
        bench.change(changes)
    bench.advance(updates)
    bench.close()
    return bench.moment


def test_hidden_layer_story():
    assert not played("hidden-layer", 1000).is_solved.any()
    with_layer = {"network.layers": ["auto", 4, "auto"], "network.activation": "tanh"}
    assert played("hidden-layer", 1000, **with_layer).is_solved.all()


def test_symmetry_story():
    moment = played("symmetry", 500)
    scale = moment.problem.initial_scale
    assert not moment.is_solved[scale == 0].any() and moment.is_solved[scale == 1].all()


def test_batch_norm_story():
    assert not played("vanishing-gradients", 1000).is_solved.any()
    assert played("batch-norm", 1000).is_solved.any()
