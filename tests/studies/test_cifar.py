"""The CIFAR-10 study: its predicates on tables made by hand, its settings on the recipe's keys, its stored results."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables_by_hand import Table, Tables, rows

from deltarule.problem.configuration import with_changes
from deltarule.studies.cifar import claims, trainings
from deltarule.studies.recipes import load_recipe

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
    return {name: int(np.sum(one)) for name, one in claim.evidence(study).holds.items()}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_combinations_are_valid_settings(combination):
    assert (
        with_changes(RECIPE.configuration, trainings.settings_of(*combination)).optimizer.batch_size == combination[2]
    )


@pytest.mark.parametrize(
    ("small", "large", "low", "expected"),
    [(0.45, 0.49, 0.3, 4), (0.495, 0.49, 0.3, 0), (0.45, 0.47, 0.3, 0), (0.45, 0.49, 0.5, 0)],
)
def test_cifar_4(small, large, low, expected):
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
def test_roughness_of_noise(seed, scale, shift):
    noise = np.random.default_rng(seed).normal(size=(1, 3072, 4))
    assert trainings.roughness(noise * scale + shift) == pytest.approx(trainings.roughness(noise))
    assert trainings.roughness(noise)[0] == pytest.approx(1, abs=0.1)


def test_controls_judge_the_whole_criterion():
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
    [holds] = claim.evidence(study, control=True).holds.values()
    return holds.tolist()


class Lengths:
    """Sweeps in which the first layer of every network is one weight, by what it sets; and a descent's ends."""

    seeds = 1

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
def test_cifar_11_needs_both_halves(penalized, ends, expected):
    study = Lengths(ends, penalized=[penalized] * 4, free=[1.0] * 4, strong=[penalized] * 4)
    assert {name: one.tolist() for name, one in claims.cifar_11.evidence(study).holds.items()} == {"": expected}
    assert controlled(claims.cifar_11, study) == expected
