import numpy as np
import pytest
from refusals import refuses

from deltarule.maths.network import views
from deltarule.recipes import Population, dataset_of, load_recipe, problem_of, with_settings
from deltarule.studies.explain_study import explain_study
from deltarule.studies.runner import train_population

RECIPE = """
[data]
name = "xor"
[network]
layers = ["auto", 4, "auto"]
activation = "tanh"
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
[optimizer]
name = "momentum"
learning_rate = 0.5
[stopping]
max_steps = 400
[run]
seeds = 3
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    return load_recipe(tmp_path / "mine.toml")


def trained(recipe, **given):
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    return train_population(Population(recipe, dataset, problem, np.zeros(problem.members, np.int64)), **given)


@pytest.mark.parametrize("step", [0, 1, 57, 400])
def test_it_is_the_update_of_the_studys_own_training(recipe, step):
    explanation = explain_study(recipe, dataset_of(recipe), member=2, step=step)
    for ending, end in (("", step), ("_new", step + 1)):
        if end > 400:
            continue
        run = trained(recipe, max_steps=end)
        for name, array in views(run.state.theta[2], run.problem.network.entries).items():
            assert np.array_equal(explanation[name + ending], array.reshape(explanation[name].shape))
    assert explanation.title == "mine on xor, member 2 (seed 2)" and explanation.state.step == step
    assert bool(explanation.notes) == (step == 400)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"stopping.threshold": 0.6}, "threshold"),
        ({"stopping.threshold": 0.9, "stopping.metric": "accuracy"}, "threshold"),
        ({"stopping.tolerance": 0.01}, "tolerance"),
        ({"stopping.patience": 3, "data.split.validation": 10, "network.layers": ["auto", 20, "auto"]}, "patience"),
    ],
)
def test_it_ends_where_the_studys_training_ends(recipe, settings, reason):
    recipe = with_settings(recipe, {**settings, "stopping.max_steps": 3000})
    run = trained(recipe)
    [end] = {int(end) for end, why in zip(run.steps[:1], run.reasons[:1], strict=True) if why == reason}
    assert explain_study(recipe, dataset_of(recipe), step=end).state.step == end
    with refuses(f"{end:,}", reason, 0):
        explain_study(recipe, dataset_of(recipe), step=end + 1)


def test_patience_does_not_put_back_the_best_weights_on_the_way(recipe):
    settings = {"stopping.patience": 3, "data.split.validation": 10, "network.layers": ["auto", 20, "auto"]}
    recipe = with_settings(recipe, settings)
    run = trained(recipe)
    step = int(run.steps[0])
    assert run.best_steps[0] < step
    explanation = explain_study(recipe, dataset_of(recipe), step=step)
    plain = trained(recipe, patience=None, max_steps=step)
    assert np.array_equal(explanation["W1"], views(plain.state.theta[0], plain.problem.network.entries)["W1"])


def test_a_divergence_is_told(recipe):
    settings = {"optimizer.learning_rate": 1e300, "network.activation": "relu", "network.output": "identity"}
    recipe = with_settings(recipe, {**settings, "loss.name": "squared_error"})
    run = trained(recipe)
    [first] = [one for one in run.diverged if one.member == 0]
    explanation = explain_study(recipe, dataset_of(recipe), step=first.step)
    assert explanation.notes == (f"in this update the network diverges, {first.where} of layer {first.layer} first",)
    assert "nan" in explanation.text() or "inf" in explanation.text()
