"""The CIFAR-10 study: its predicates on tables made by hand, its settings on the recipe's keys, its stored results."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables_by_hand import Table, Tables, rows

from deltarule.problem.configuration import with_changes
from deltarule.recipes import load_recipe
from deltarule.studies.claims import all_conditions, claims_of_study
from deltarule.studies.judges import cifar_trainings as cifar

RECIPE = load_recipe("cifar")
CLAIMS = {claim.id: claim for claim in claims_of_study(RECIPE)}
NINE = [(200, steps, 256, rate, 1e-3) for steps in (3000, 4000, 5000) for rate in (1e-2, 1e-3, 1e-4)]
COMBINATIONS = dict.fromkeys(
    (cifar.BEST, *cifar.ROWS, *cifar.TEN_WORST, *NINE, *cifar.OF_BATCH.values(), *cifar.AT_RATES.values())
)


def networks(status=None, parts=None, **_):
    """The tables of the combinations: validation accuracies by combination, 0.4 where none is given."""

    def of(one):
        validation = (parts or {}).get(one, 0.4)
        given = validation if isinstance(validation, dict) else {"validation": validation}
        columns = {f"{part}_accuracy": given.get(part, 0.4) for part in ("train", "validation", "test")}
        return rows(4, **columns, status=(status or {}).get(one, "done"))

    table = Table(
        [
            ({**cifar.settings_of(*one), **schedule}, of(one))
            for one in COMBINATIONS
            for schedule in ({}, {"optimizer.schedule": "constant"})
        ]
    )
    return Tables(RECIPE, networks=table, weights=table)


def deep(**accuracies):
    """The table of the 36: accuracies by "5 yes relu", 0.4 where none is given."""
    made = []
    for depth in cifar.HIDDEN:
        for norm in (True, False):
            for kind in cifar.ACTIVATIONS:
                value = accuracies.get(f"{kind}_{depth}_{'norm' if norm else 'plain'}", 0.4)
                made.append(
                    (
                        cifar.deep_settings(depth, norm, kind),
                        rows(4, validation_accuracy=value, test_accuracy=value),
                    )
                )
    return Tables(RECIPE, deep_pytorch=Table(made), deep_small=Table(made))


def count(claim, study):
    return {name: int(np.sum(all_conditions(claim.evidence(study, name)))) for name in claim.readings}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_combinations_are_valid_settings(combination):
    assert with_changes(RECIPE.configuration, cifar.settings_of(*combination)).optimizer.batch_size == combination[2]


@pytest.mark.parametrize(("train", "expected"), [(0.67, 4), (0.65, 0)])
def test_cifar_1_asks_for_three_figures(train, expected):
    study = networks(parts={cifar.BEST: {"train": train, "validation": 0.56, "test": 0.53}})
    assert count(CLAIMS["cifar-1"], study) == {"rate falls": expected, "rate stays": expected}


@pytest.mark.parametrize(("high", "low", "expected"), [(0.1, 0.3, 4), (0.1, 0.51, 0), (0.51, 0.3, 0)])
def test_cifar_14_asks_for_both_rates(high, low, expected):
    ours = dict(zip(cifar.AT_RATES.values(), (high, 0.5, low), strict=True))
    assert count(CLAIMS["cifar-14"], networks(parts=ours)) == {"": expected}


@pytest.mark.parametrize(("row", "train", "validation", "expected"), [(0, 0, 0, 4), (8, 0.031, 0, 0), (0, 0, 0.021, 0)])
def test_cifar_15_asks_for_every_row(row, train, validation, expected):
    ours = {one: {"train": figures[0], "validation": figures[1]} for one, figures in cifar.ROWS.items()}
    changed = list(ours)[row]
    ours[changed] = {"train": ours[changed]["train"] + train, "validation": ours[changed]["validation"] - validation}
    assert count(CLAIMS["cifar-15"], networks(parts=ours)) == {"": expected}


def test_rows_2_to_10_are_the_reports():
    """The ten best, in order of their validation accuracy."""
    ranked = sorted(cifar.ROWS.values(), key=lambda figures: -figures[1])
    assert ranked[0] == (0.673837, 0.551) and ranked[-1] == (0.637571, 0.542) and len(ranked) == 9


@pytest.mark.parametrize(("good", "expected"), [(0.5, 4), (0.3, 0)])
def test_cifar_2_is_decided_by_the_seeds_own_networks(good, expected):
    study = networks(parts={one: good for one in NINE if one[3] == 1e-3})
    assert count(CLAIMS["cifar-2"], study) == {"": expected}


@pytest.mark.parametrize(
    ("share", "ended", "expected"), [(0.087, "diverged", 4), (0.088, "diverged", 0), (0.087, "done", 0)]
)
def test_cifar_3_asks_for_divergence_and_the_printed_shares(share, ended, expected):
    study = networks(status=dict.fromkeys(cifar.TEN_WORST, "diverged") | {cifar.TEN_WORST[0]: ended})
    parts = {"train": (49_000, 4_913), "validation": (1_000, round(1_000 * share))}
    study.dataset = SimpleNamespace(
        **{part: SimpleNamespace(answers=np.arange(n) >= k) for part, (n, k) in parts.items()}
    )
    assert count(CLAIMS["cifar-3"], study) == {"": expected}


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100), st.floats(-5, 5))
def test_roughness_of_noise(seed, scale, shift):
    noise = np.random.default_rng(seed).normal(size=(1, 3072, 4))
    assert cifar.roughness(noise * scale + shift) == pytest.approx(cifar.roughness(noise))
    assert cifar.roughness(noise)[0] == pytest.approx(1, abs=0.1)


def test_pixels_are_read_color_after_color():
    """A slope from left to right, the same in every color, is smooth; in the order of an image file it is not."""
    slope = np.tile(np.arange(32.0), (1, 3 * 32))[..., None]
    color_last = slope.reshape(1, 3, 32, 32).transpose(0, 2, 3, 1).reshape(1, 3072, 1)
    assert cifar.roughness(slope)[0] < 0.01 < cifar.roughness(color_last)[0]


@pytest.mark.parametrize(("first", "last", "expected"), [(0.1, 0.14, 4), (0.1, 0.15, 0), (0.5, None, 0)])
def test_cifar_8_trains_eight_networks_unless_the_first_refutes_it(first, last, expected):
    eight = [(depth, False, kind) for depth in (4, 5, 6, 7) for kind in ("relu", "leaky")]
    values = {eight[0]: first} if last is None else {**dict.fromkeys(eight, first), eight[-1]: last}
    table = Table([(cifar.deep_settings(*one), rows(4, validation_accuracy=value)) for one, value in values.items()])
    study = Tables(RECIPE, deep_pytorch=table, deep_small=table)
    assert set(count(CLAIMS["cifar-8"], study).values()) == {expected}


def test_cifar_9_compares_like_with_like():
    """A lead counts within an activation and batch norm; one is enough; and no depth may be far behind."""

    def found(**accuracies):
        seeds = count(CLAIMS["cifar-9"], deep(**accuracies))
        return seeds["50, small weights"], seeds["50 and 25, small weights"]

    best = {f"relu_{depth}_norm": 0.5 for depth in cifar.HIDDEN}
    assert found(**best) == (0, 0)
    assert found(**best, leaky_7_plain=0.3) == (4, 4)
    assert found(**best, leaky_2_plain=0.46) == (4, 0)
    assert found(**best, leaky_3_plain=0.46) == (0, 4)
    assert found(**best | {"relu_2_norm": 0.45}, leaky_7_plain=0.3) == (0, 4)


class Lengths:
    """Sweeps in which the first layer of every network is one weight, by what it sets."""

    seeds = 1

    def __init__(self, **weights):
        self.weights = weights

    def sweep(self, name, *_, **__):
        return self

    def rows_of(self, _, changes):
        kind = {1e-2: "penalized", 0.0: "free", 1.0: "strong"}[changes["loss.strength"]]
        return [{"key": weight} for weight in self.weights[kind]]

    def network(self, key):
        return SimpleNamespace(parameters={name: np.full((1, 1), key[name]) for name in ("W1", "W2")})


@pytest.mark.parametrize(("first", "second", "expected"), [(0.5, 0.5, True), (0.6, 0.5, False), (0.5, 0.6, False)])
def test_cifar_11_asks_all_layers(first, second, expected):
    small, free = {"W1": first, "W2": second}, {"W1": 1.0, "W2": 1.0}
    study = Lengths(penalized=[small] * 4, free=[free] * 4, strong=[small] * 4)
    for control in (None, *CLAIMS["cifar-11"].controls):
        assert all_conditions(CLAIMS["cifar-11"].evidence(study, control=control)).tolist() == [expected] * 4
