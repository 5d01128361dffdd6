"""The CIFAR-10 study: its predicates on tables made by hand, its settings on the recipe's keys, its stored results."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables_by_hand import Table, Tables, rows

from deltarule.problem.configuration import with_changes
from deltarule.studies.cifar import claims, trainings
from deltarule.studies.recipes import load_recipe, with_experiment

RECIPE = load_recipe("cifar")
COMBINATIONS = dict.fromkeys(
    (trainings.BEST, trainings.TENTH, *trainings.TEN_WORST, *trainings.SLICE, *trainings.NEIGHBORS),
)


def networks(status=None, parts=None, **_):
    """The table of the combinations: validation accuracies by combination, 0.4 where none is given."""

    def of(one):
        validation = (parts or {}).get(one, 0.4)
        given = validation if isinstance(validation, dict) else {"validation": validation}
        columns = {f"{part}_accuracy": given.get(part, 0.4) for part in ("train", "validation", "test")}
        return rows(4, **columns, status=(status or {}).get(one, "done"))

    return Table([(trainings.settings_of(*one), of(one)) for one in COMBINATIONS])


def grid(rate=lambda number: 1e-3, status="done"):
    """A grid's table: fifteen rows, the first the best."""
    return Table(
        [
            (
                {"optimizer.learning_rate": rate(number), "n": number},
                rows(1, validation_accuracy=0.5 - number / 100, status=status),
            )
            for number in range(15)
        ]
    )


def deep(**accuracies):
    """The table of the 36: accuracies by "5 yes relu", 0.4 where none is given."""
    made = []
    for depth in trainings.HIDDEN:
        for norm in (True, False):
            for kind in trainings.ACTIVATIONS:
                value = accuracies.get(f"{kind}_{depth}_{'norm' if norm else 'plain'}", 0.4)
                made.append(
                    (
                        trainings.deep_settings(depth, norm, kind),
                        rows(4, validation_accuracy=value, test_accuracy=value),
                    )
                )
    return Tables(RECIPE, deep=Table(made))


def count(claim, study):
    return {name: int(np.sum(one)) for name, one in claim.judge(study).holds.items()}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_combinations_are_settings_of_the_recipe(combination):
    assert (
        with_changes(RECIPE.configuration, trainings.settings_of(*combination)).optimizer.batch_size == combination[2]
    )


def test_there_are_36_deeper_networks_and_their_settings_are_allowed():
    framework = with_experiment(RECIPE, "framework").configuration
    made = {
        str(with_changes(framework, trainings.deep_settings(depth, norm, kind)).network)
        for depth in trainings.HIDDEN
        for norm in (True, False)
        for kind in trainings.ACTIVATIONS
    }
    assert len(made) == 36
    assert all(len(hidden) == depth - 1 for depth, hidden in trainings.HIDDEN.items())


@pytest.mark.parametrize(
    ("train", "validation", "test", "expected"),
    [(0.687, 0.552, 0.545, 4), (0.65, 0.552, 0.545, 0), (0.687, 0.53, 0.545, 0), (0.687, 0.552, 0.51, 0)],
)
def test_1_all_three_figures_are_near(train, validation, test, expected):
    best = {"train": train, "validation": validation, "test": test}
    study = Tables(RECIPE, networks=networks(parts={trainings.BEST: best, trainings.TENTH: [0.5, 0.5, 0.5, 0.6]}))
    assert count(claims.cifar_1, study) == {"": expected}


def test_1_tells_the_lead_over_the_tenth():
    study = Tables(RECIPE, networks=networks(parts={trainings.BEST: 0.55, trainings.TENTH: [0.54, 0.54, 0.54, 0.58]}))
    assert "by 0.0 points of validation accuracy (-3.0 to 1.0 over the seeds)" in claims.cifar_1.judge(study).ours


@pytest.mark.parametrize(("place", "good", "expected"), [(10, 0.45, 4), (9, 0.45, 0), (10, 0.4, 0)])
def test_2_the_rate_of_the_ten_best(place, good, expected):
    table = grid(lambda number: 1e-3 if number < place else 1e-4)
    ours = {(200, steps, 256, 1e-3, 1e-3): good for steps in (3000, 4000, 5000)}
    study = Tables(RECIPE, grid=table, networks=networks(parts=ours))
    assert count(claims.cifar_2, study) == {"": expected}


@pytest.mark.parametrize(("spared", "expected"), [(0, 4), (1, 0)])
def test_3_all_ten_diverge(spared, expected):
    status = dict.fromkeys(trainings.TEN_WORST[spared:], "diverged")
    study = Tables(RECIPE, grid=grid(), networks=networks(status=status))
    assert count(claims.cifar_3, study) == {"": expected}


@pytest.mark.parametrize(
    ("small", "large", "low", "expected"),
    [(0.45, 0.49, 0.3, 4), (0.495, 0.49, 0.3, 0), (0.45, 0.47, 0.3, 0), (0.45, 0.49, 0.5, 0)],
)
def test_4_the_order_of_batches_and_rates(small, large, low, expected):
    second = trainings.SECOND
    ours = {
        (200, 3000, 128, 1e-3, 1e-3): small,
        trainings.BEST: 0.5,
        (200, 3000, 512, 1e-3, 1e-3): large,
        second: 0.5,
        (*second[:3], 1e-2, second[4]): 0.1,
        (*second[:3], 1e-4, second[4]): low,
    }
    assert count(claims.cifar_4, Tables(RECIPE, networks=networks(parts=ours))) == {"": expected}


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100), st.floats(-5, 5))
def test_roughness_of_noise_is_1_whatever_its_scale_and_mean(seed, scale, shift):
    noise = np.random.default_rng(seed).normal(size=(1, 3072, 4))
    assert trainings.roughness(noise * scale + shift) == pytest.approx(trainings.roughness(noise))
    assert trainings.roughness(noise)[0] == pytest.approx(1, abs=0.1)


def test_roughness_sees_neighbors_in_the_images_order_of_rows_columns_and_colors():
    image = np.zeros((32, 32, 3))
    image[:16] = 1  # one edge, which 32 of the 31 · 32 steps down cross, and none across
    found = trainings.roughness(image.reshape(1, 3072, 1))
    assert found[0] == pytest.approx(32 / (31 * 32) / 2 / (2 * 0.25))


@pytest.mark.parametrize(("accuracy", "expected"), [(0.513, 4), (0.495, 4), (0.49, 0)])
def test_6_the_frameworks_network(accuracy, expected):
    assert set(count(claims.cifar_6, deep(relu_2_plain=accuracy)).values()) == {expected}


@pytest.mark.parametrize(("own", "other", "expected"), [(0.549, 0.55, 4), (0.549, 0.565, 0), (0.52, 0.5, 0)])
def test_7_the_best_of_the_36(own, other, expected):
    assert set(count(claims.cifar_7, deep(relu_5_norm=own, sigmoid_2_plain=other)).values()) == {expected}


@pytest.mark.parametrize(("last", "expected"), [(0.1, 4), (0.2, 0)])
def test_8_all_eight_deep_ones_stay_near_chance(last, expected):
    low = {f"{kind}_{depth}_plain": 0.1 for kind in ("relu", "leaky") for depth in (4, 5, 6, 7)}
    assert count(claims.cifar_8, deep(**{**low, "leaky_7_plain": last})) == {"": expected}


@pytest.mark.parametrize(("flat", "expected"), [(0.41, 4), (0.4, 0)])
def test_9_two_layers_beat_some_deeper_ones(flat, expected):
    assert count(claims.cifar_9, deep(leaky_2_norm=flat)) == {"": expected}


@pytest.mark.parametrize(("cheaper", "dearer", "expected"), [(0.49, 0.5, 4), (0.51, 0.5, 0), (0.49, 0.53, 0)])
def test_10_nothing_cheaper_is_better_and_nothing_much_better(cheaper, dearer, expected):
    ours = {trainings.BEST: 0.5, (100, 3000, 256, 1e-3, 1e-3): cheaper, (300, 5000, 256, 1e-3, 1e-3): dearer}
    assert count(claims.cifar_10, Tables(RECIPE, networks=networks(parts=ours))) == {"": expected}


@pytest.mark.parametrize(("plain", "sigmoid", "expected"), [(1, 0.3, 4), (2, 0.3, 0), (1, 0.5, 0)])
def test_12_nine_of_ten_have_batch_norm_and_sigmoid_is_behind(plain, sigmoid, expected):
    best = [f"{kind}_{depth}_norm" for kind in ("relu", "leaky") for depth in trainings.HIDDEN][: 10 - plain]
    without = [f"relu_{depth}_plain" for depth in trainings.HIDDEN][:plain]
    given = dict.fromkeys(best, 0.5) | dict.fromkeys(without, 0.55)
    given |= {f"sigmoid_{depth}_norm": sigmoid for depth in trainings.HIDDEN}
    assert count(claims.cifar_12, deep(**given)) == {"": expected}


def test_controls_judge_all_of_their_criterion():
    """A half that a control leaves out could not fail in it."""
    second = trainings.SECOND
    ours = {(200, 3000, 128, 1e-3, 1e-3): 0.45, trainings.BEST: 0.5, (200, 3000, 512, 1e-3, 1e-3): 0.49, second: 0.5}
    ours |= {(*second[:3], rate, second[4]): 0.3 for rate in (1e-2, 1e-4)}
    assert controlled(claims.cifar_4, Tables(RECIPE, networks=networks(parts=ours))) == [True] * 4
    slow = networks(parts=ours | {(*second[:3], 1e-4, second[4]): 0.6})
    assert controlled(claims.cifar_4, Tables(RECIPE, networks=slow)) == [False] * 4
    best = {f"{kind}_{depth}_norm": 0.5 for kind in ("relu", "leaky") for depth in trainings.HIDDEN}
    sigmoid = {f"sigmoid_{depth}_norm": 0.6 for depth in trainings.HIDDEN}
    assert controlled(claims.cifar_12, deep(**best)) == [True] * 4
    assert controlled(claims.cifar_12, deep(**best, **sigmoid)) == [False] * 4


def controlled(claim, study):
    [holds] = claim.control_judge(study).holds.values()
    return holds.tolist()


class Lengths:
    """Sweeps in which the first layer of every network is one weight, by what it sets; and a descent's ends."""

    def __init__(self, ends, **weights):
        self.ends, self.weights = np.array(ends), weights
        self.settings_of = Tables(RECIPE).settings_of

    def sweep(self, name, *_, **__):
        return self

    def rows_of(self, changes):
        kind = {1e-2: "penalized", 0.0: "free", 1.0: "strong"}[changes["loss.strength"]]
        return [{"key": weight} for weight in self.weights[kind]]

    def network(self, key):
        return SimpleNamespace(parameters=lambda: {"W1": np.full((1, 1), key)})

    def each(self, settings, **_):
        return [
            SimpleNamespace(
                objective=self.ends, history=SimpleNamespace(series=lambda name: np.ones((2, len(self.ends))))
            )
        ]


ALIKE, APART, TWO = [0.4, 0.4001, 0.4, 0.4], [0.4, 0.41, 0.42, 0.43], [0.4, 0.4001, 0.42, 0.43]


@pytest.mark.parametrize(
    ("penalized", "ends", "expected"),
    [
        (0.5, ALIKE, [True] * 4),
        (0.6, ALIKE, [False] * 4),
        (0.5, APART, [False] * 4),  # the lowest too: nothing shows that it is at the optimum
        (0.5, TWO, [True, True, False, False]),
    ],
)
def test_11_both_halves_hold_and_each_seed_is_held_against_the_others(penalized, ends, expected):
    study = Lengths(ends, penalized=[penalized] * 4, free=[1.0] * 4, strong=[penalized] * 4)
    assert {name: one.tolist() for name, one in claims.cifar_11.judge(study).holds.items()} == {"": expected}
    assert controlled(claims.cifar_11, study) == expected


def test_11_one_seed_alone_shows_no_optimum():
    study = Lengths([0.4], penalized=[0.5], free=[1.0])
    assert claims.cifar_11.judge(study).holds[""].tolist() == [False]
