import numpy as np
import pytest

from deltarule.maths.network import evaluated, views
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of, load_recipe, problem_of, training_of, with_settings
from deltarule.studies.representative_run import portrait_of, read_portrait, write_portrait
from deltarule.training.train import train


def trained(study, **settings):
    recipe = with_settings(load_recipe(study), {"run.seeds": 2, **settings})
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    return dataset, train(problem, **training_of(recipe, dataset, problem))


XOR = trained("boundary-xor", **{"stopping.max_epochs": 60})


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_first_and_last_snapshot(engine):
    recipe = with_settings(load_recipe("encoder"), {"run.seeds": 2, "stopping.max_steps": 300})
    dataset = dataset_of(recipe)
    run = train(problem_of(recipe, dataset), engine=engine, max_steps=300)
    portrait = portrait_of(dataset, run)
    assert portrait.steps[0] == 0 and portrait.steps[-1] == 300
    assert (np.diff(portrait.steps) > 0).all()
    began = views(initial_state(run.problem).theta[0], run.problem.network.entries)
    for name, values in run.parameters.items():
        assert np.array_equal(portrait.arrays[name][-1], values[0])
        assert np.array_equal(portrait.arrays[name][0], began[name])


def test_activations_are_those_of_the_weights_beside_them():
    dataset, run = XOR
    portrait = portrait_of(dataset, run)
    for at in range(len(portrait.steps)):
        parameters = {name: portrait.arrays[name][at] for name in run.parameters}
        seen = evaluated(run.problem.network.layers, parameters, portrait.x)
        for layer in (1, 2):
            np.testing.assert_allclose(portrait.arrays[f"a{layer}"][at], seen[f"a{layer}"], rtol=1e-12)


def test_the_plane_is_what_the_network_answers():
    dataset, run = XOR
    plane = portrait_of(dataset, run).plane
    row, column = 7, 30
    point = [[plane["first"][column], plane["second"][row]]]
    assert plane["outputs"][-1, row, column] == pytest.approx(run.outputs(point)[0, 0])


def test_confusion_counts_the_rows_of_each_part():
    dataset, run = trained("digits", **{"stopping.max_epochs": 2})
    portrait = portrait_of(dataset, run)
    assert set(portrait.confusion) == set(dataset.parts)
    for name, rows in dataset.parts.items():
        predicted = run.outputs(rows.x)[0].argmax(1)
        counts = portrait.confusion[name]
        for true in range(10):
            for other in range(10):
                assert counts[true, other] == ((rows.answers == true) & (predicted == other)).sum()


def test_images_are_the_first_layer_before_and_after():
    dataset, run = trained("digits", **{"stopping.max_epochs": 1})
    portrait = portrait_of(dataset, run)
    assert portrait.image_shape == (8, 8)
    assert np.array_equal(portrait.images["final"], run.parameters["W1"][0])
    assert not np.array_equal(portrait.images["initial"], portrait.images["final"])
    assert len(portrait.steps) == 0 and len(portrait.x) == 0, "too large to be shown through training"


def test_it_is_read_as_it_was_written(tmp_path):
    portrait = portrait_of(*XOR)
    write_portrait(tmp_path / "one.safetensors", portrait)
    again = read_portrait(tmp_path / "one.safetensors")
    for name, value in vars(portrait).items():
        other = getattr(again, name)
        if isinstance(value, dict):
            assert value.keys() == other.keys()
            assert all(np.array_equal(value[key], other[key]) for key in value)
        else:
            assert np.array_equal(value, other), name


def test_components_of_images_are_no_images():
    dataset, run = trained("digits", **{"stopping.max_epochs": 1, "data.components": 64})
    assert portrait_of(dataset, run).images == {}
