"""The judges of the CIFAR-10 report's claims.

An accuracy on the 1,000 validation images has a standard error of 1.6 points, and so has one on the report's 1,000 test
images: a ranking by a point says nothing, and figures agree within two or three points.
S seeds · R rows of a table
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.problem.problem import Problem
from deltarule.studies.claims import Evidence, until_refuted
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges.cifar_trainings import (
    ACTIVATIONS,
    AT_RATES,
    BAD_RATES,
    BEST,
    DEEP,
    NO_PENALTY,
    OF_BATCH,
    ROWS,
    TEN_WORST,
    TENTH,
    WEIGHTS,
    Combination,
    Deep,
    accuracies_of,
    accuracies_of_rows,
    deep_accuracies,
    deep_settings,
    roughness,
    rows_of,
    settings_of,
    weights_of,
)


def few_rows(problem: Problem) -> Problem:
    """Restrict a problem to its first 500 training images."""
    return _first_rows(problem, 500)


def a_tenth(problem: Problem) -> Problem:
    """Restrict a problem to the first tenth of its training images."""
    return _first_rows(problem, len(problem.x) // 10)


def _first_rows(problem: Problem, count: int) -> Problem:
    return replace(problem, rows=tuple(np.arange(count) for _ in range(problem.members)))


# --- the judges about the grid ----------------------------------------------------------------------------------------

IMAGES = "an accuracy on 1,000 images is uncertain by ±3 points beside the seeds"


def cifar_1(experiments: Experiments, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether the best network has about the report's accuracies."""
    rows = rows_of(experiments, (BEST, TENTH), changes)
    train, validation, test = (accuracies_of_rows(rows[BEST], part) for part in ("train", "validation", "test"))
    conditions = {
        "training": abs(train - 0.687) <= 0.03,
        "validation": abs(validation - 0.552) <= 0.02,
        "test": abs(test - 0.545) <= 0.03,
    }
    lead = validation - accuracies_of_rows(rows[TENTH], "validation")
    figures = {"training accuracy": train, "validation": validation, "test": test, "before the report's tenth": lead}
    return Evidence(conditions, figures, IMAGES)


def cifar_2(experiments: Experiments) -> Evidence:
    """Judge whether networks of the grid are best with rate 0.001."""
    nine = [(200, steps, 256, rate, 1e-3) for steps in (3000, 4000, 5000) for rate in (1e-3, 1e-2, 1e-4)]
    by_combination = dict(zip(nine, accuracies_of(experiments, nine), strict=True))
    good = np.min([values for combination, values in by_combination.items() if combination[3] == 1e-3], axis=0)
    others = np.max([values for combination, values in by_combination.items() if combination[3] != 1e-3], axis=0)
    return Evidence(good > others, {"worst of three at 0.001": good, "best of six at other rates": others})


def cifar_3(experiments: Experiments) -> Evidence:
    """Judge whether the ten worst diverge, at the shares of class 0.

    A program that goes on with values that are not numbers answers the first class.
    """
    rows = rows_of(experiments, TEN_WORST)
    diverged = np.array([[row["status"] == "diverged" for row in rows[combination]] for combination in TEN_WORST])
    parts = (experiments.dataset.train, experiments.dataset.validation)
    train, validation = (np.full(diverged.shape[1], (part.answers == 0).mean()) for part in parts if part is not None)
    conditions = {
        "all ten diverge": diverged.all(0),
        "shares of class 0": (abs(train - 0.100265) < 1e-6) & (abs(validation - 0.087) < 1e-6),
    }
    figures = {"diverged, of ten": diverged.sum(0), "class 0 in training": train, "in validation": validation}
    return Evidence(conditions, figures)


def cifar_4(experiments: Experiments) -> Evidence:
    """Show the accuracies of the report's best networks of each batch size."""
    accuracies = accuracies_of(experiments, OF_BATCH.values())
    return Evidence(None, {f"batch {size}": values for size, values in zip(OF_BATCH, accuracies, strict=True)}, IMAGES)


def cifar_5(experiments: Experiments, bad_rate: str) -> Evidence:
    """Judge whether weight images are smoother at rate 0.001 than at a bad rate."""
    rate = BAD_RATES[bad_rate]
    good, bad = (roughness(weights_of(experiments, changes)) for changes in ({}, {"optimizer.learning_rate": rate}))
    figures = {"roughness at 0.001": good, f"at {rate:g}": bad, "their ratio": good / bad}
    return Evidence(good < bad, figures, "1 is noise")


# --- deeper networks -------------------------------------------------------------------------------------------------


def cifar_6(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether 3072-50-10 has an accuracy of 51.3 % within two points.

    One network of the 36 has a sweep of its own: this claim takes minutes, the others hours.
    """
    chosen = {"network.initializer": WEIGHTS[weights]}
    settings = [deep_settings(2, False, "relu")]
    table = experiments.sweep(f"two-layers-{weights}", settings, experiment="framework", set=chosen)
    rows = experiments.rows_of(table, settings[0])
    validation, test = (accuracies_of_rows(rows, part) for part in ("validation", "test"))
    return Evidence(abs(validation - 0.513) <= 0.02, {"accuracy": validation, "on the test images": test}, IMAGES)


def cifar_7(experiments: Experiments, weights: str, part: str) -> Evidence:
    """Judge whether the report's best deep network has 54.9 % and is about the best."""
    own_name = (5, True, "relu")
    names = [own_name, *(name for name in sorted(DEEP, key=_order_of_promise) if name != own_name)]

    def judge(names: list[Deep]) -> Evidence:
        accuracies = deep_accuracies(experiments, weights, part, names)
        own = accuracies[own_name]
        best = np.max(list(accuracies.values()), axis=0)
        depth, norm, kind = max(accuracies, key=lambda name: accuracies[name].mean())
        words = f"{depth} layers, {kind}, {'with' if norm else 'without'} batch norm"
        return Evidence(
            {"54.9 %": abs(own - 0.549) <= 0.02, "about the best": best - own <= 0.01},
            {"its accuracy": own, "best of the seed": best},
            f"{len(names)} of 36 networks trained; the best on average is {words}",
        )

    return until_refuted((names[:count] for count in (1, 2, 4, 8, 16, 36)), judge)


def _order_of_promise(name: Deep) -> tuple[bool, bool, int]:
    """Order networks: first those that may be better than the report's best.

    Of these, the cheaper networks come first.
    """
    depth, norm, kind = name
    return not norm, kind == "sigmoid", depth


def cifar_8(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether 4 to 7 layers without batch norm stay under 15 %."""
    names = [(depth, False, kind) for depth in (4, 5, 6, 7) for kind in ("relu", "leaky")]

    def judge(names: list[Deep]) -> Evidence:
        accuracies = list(deep_accuracies(experiments, weights, names=names).values())
        lowest = np.min(accuracies, axis=0)
        highest = np.max(accuracies, axis=0)
        figures = {"lowest accuracy": lowest, "highest": highest}
        return Evidence(highest < 0.15, figures, f"{len(names)} of 8 networks trained")

    return until_refuted((names[:1], names), judge)


def cifar_9(experiments: Experiments, weights: str, layers: int) -> Evidence:
    """Judge whether deeper networks can be much worse, and the best of each depth are alike."""
    shallow = [name for name in DEEP if name[0] == layers]
    stages = [[*shallow, (5, True, "relu")], [*shallow, (5, True, "relu"), (6, True, "relu")], list(DEEP)]

    def judge(names: list[Deep]) -> Evidence:
        table = deep_accuracies(experiments, weights, names=names)
        deeper = [name for name in table if name[0] > layers]
        leads = np.max([table[layers, norm, kind] - table[depth, norm, kind] for depth, norm, kind in deeper], axis=0)
        depths = sorted({name[0] for name in table if name[0] >= layers})
        best = [np.max([table[name] for name in table if name[0] == depth], axis=0) for depth in depths]
        # A depth that is not complete can only have a better best: what is above the shallow ones already stays there.
        spread = np.ptp(best, axis=0) if len(names) == len(DEEP) else np.max(best, axis=0) - best[0]
        is_far = (leads >= 0.05) | (len(names) < len(DEEP))
        return Evidence(
            {"five points better than some deeper one": is_far, "the best of each depth alike": spread <= 0.03},
            {"largest lead": leads, "spread of the best of each depth": spread},
            f"{len(names)} of 36 networks trained",
        )

    return until_refuted(stages, judge)


def cifar_10(experiments: Experiments) -> Evidence:
    """Judge whether the best combination is as good as the cheaper one."""
    costs = [(hidden, n) for hidden in (100, 200, 300) for n in (3000, 4000, 5000)]
    nine = dict(zip(costs, accuracies_of(experiments, [(*cost, 256, 1e-3, 1e-3) for cost in costs]), strict=True))
    own = nine[200, 3000]
    cheaper = nine[100, 3000]
    best = np.max(list(nine.values()), axis=0)
    return Evidence(
        {"no cheaper one is better": cheaper <= own, "none is two points better": best - own <= 0.02},
        {"its accuracy": own, "with 100 units": cheaper, "best of nine": best},
        IMAGES,
    )


def cifar_11(experiments: Experiments, strength: float = 1e-2) -> Evidence:
    """Judge whether the penalty halves the length of each layer's weights."""
    kinds: list[dict[str, Any]] = [{"loss.strength": strength}, NO_PENALTY]
    figures = {}
    for name in ("W1", "W2"):
        penalized, free = (np.linalg.norm(weights_of(experiments, kind, name), axis=(1, 2)) for kind in kinds)
        figures[f"length of {name}, as a share of that without a penalty"] = penalized / free
    return Evidence(np.max(list(figures.values()), axis=0) <= 0.5, figures)


def cifar_12(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether batch norm and ReLU or LeakyReLU give the best networks."""
    with_norm = [name for name in DEEP if name[1]]
    stages = [[*with_norm, (2, False, "relu"), (3, False, "relu")], list(DEEP)]

    def judge(names: list[Deep]) -> Evidence:
        accuracies = deep_accuracies(experiments, weights, names=names)
        table = np.array(list(accuracies.values()))
        has_norm = np.array([name[1] for name in accuracies])
        count = has_norm[np.argsort(-table, axis=0, kind="stable")[:10]].sum(0)
        means = {
            kind: np.mean([accuracies[name] for name in with_norm if name[2] == kind], axis=0) for kind in ACTIVATIONS
        }
        return Evidence(
            {
                "9 of the ten best": count >= 9,
                "sigmoid is worst": means["sigmoid"] < np.minimum(means["relu"], means["leaky"]),
            },
            {"with batch norm, of the ten best": count, **{f"mean of {kind}": mean for kind, mean in means.items()}},
            f"{len(names)} of 36 networks trained",
        )

    return until_refuted(stages, judge)


def cifar_13(experiments: Experiments) -> Evidence:
    """Measure how far apart full-batch descents from all seeds come to be."""
    settings = experiments.settings_of("full-batch")
    [run] = experiments.each(
        [settings], prepare=few_rows, history_every=5000, record=["accuracy", "thresholded", "gradients"]
    )
    slope = run.history.series("gradient W1")
    figures = {
        "objective above the lowest": run.objective / run.objective.min() - 1,
        "gradient, as a share of the first": slope[-1] / slope[0],
    }
    return Evidence(None, figures, "none has ended after 10,000 updates")


# --- more about the grid ----------------------------------------------------------------------------------------------


def cifar_14(experiments: Experiments) -> Evidence:
    """Judge whether the second best combination is worse with other rates."""
    high, right, low = accuracies_of(experiments, AT_RATES.values())
    return Evidence((high < right) & (low < right), {"rate 0.01": high, "0.001": right, "0.0001": low}, IMAGES)


def cifar_15(experiments: Experiments) -> Evidence:
    """Judge whether rows 2 to 10 of the ten best have about the report's accuracies."""
    names = list(ROWS)

    def judge(names: list[Combination]) -> Evidence:
        rows = rows_of(experiments, names)
        train, validation = (
            np.array([accuracies_of_rows(rows[name], part) for name in names]) for part in ("train", "validation")
        )
        printed = np.array([ROWS[name] for name in names])[..., None]  # [R, 2, 1]
        apart = abs(train - printed[:, 0]), abs(validation - printed[:, 1])
        return Evidence(
            {"training": (apart[0] <= 0.03).all(0), "validation": (apart[1] <= 0.02).all(0)},
            {"farthest in training": apart[0].max(0), "in validation": apart[1].max(0)},
            f"{len(names)} of 9 networks trained",
        )

    return until_refuted((names[:count] for count in range(1, 10)), judge)


def cifar_16(experiments: Experiments) -> Evidence:
    """Judge whether batch 128 is worst on all images, and not on a tenth of them."""
    part = experiments.dataset.validation
    assert part is not None
    settings = [settings_of(*combination) for combination in OF_BATCH.values()]
    runs = experiments.each(settings, prepare=a_tenth, record=[], history_every=0)
    few = [(run.outputs(part.x).argmax(-1) == part.answers).mean(-1) for run in runs]
    small, *others = accuracies_of(experiments, OF_BATCH.values())
    figures = {f"batch {size}, a tenth": values for size, values in zip(OF_BATCH, few, strict=True)}
    return Evidence(
        {"worst of three": small < np.min(others, axis=0), "not on a tenth": few[0] >= np.min(few[1:], axis=0)},
        {"batch 128": small, **figures},
        IMAGES,
    )
