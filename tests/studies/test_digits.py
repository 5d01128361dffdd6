import numpy as np
import pytest

from deltarule.stats.metrics import accuracy
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of, training_of
from deltarule.training.train import train


@pytest.mark.slow
def test_digits_test_accuracy() -> None:
    recipe = load_recipe("digits")
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset, seeds=10)
    test = dataset.parts["test"]
    run = train(problem, **training_of(recipe, dataset, problem))
    right = accuracy(run.outputs(test.x), dataset.encode(test, 10), np.ones((len(test), 1)))
    assert np.median(right) >= 0.97
    assert len(test) == round(0.2 * 1797)
