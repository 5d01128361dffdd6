"""Claims of the CIFAR-10 report, and the criterion of each, fixed before there were results.

A claim must hold for more than half of the seeds. An accuracy on the 1,000 validation images has a standard error of
1.6 points, and so has one on the report's 1,000 test images: a ranking by a point says nothing, and figures agree
within two or three points. The grid of 243 is trained from one seed, and what a claim needs of it from all seeds.
S seeds · D = 3,072 inputs · H hidden units · R rows of a table
Digests fix the judges' code: functions are imported under the names that it uses.
"""

import numpy as np

from deltarule.reports.formatting import format_by_convention as by_convention
from deltarule.reports.formatting import format_median as middle
from deltarule.reports.formatting import format_median_accuracy as accuracies
from deltarule.reports.formatting import format_share as percent
from deltarule.studies.cifar.trainings import (
    ACTIVATIONS,
    BAD_RATES,
    BEST,
    LARGER,
    LONGER,
    NO_PENALTY,
    SECOND,
    STRONGER,
    TEN_WORST,
    TENTH,
    all_deep_accuracies_on_both,
    control_weight_sweep,
    first_layers,
    first_weights,
    full_batch,
    grid,
    lengths,
    networks,
    roughness,
    settings_of,
)
from deltarule.studies.cifar.trainings import accuracies_of as of
from deltarule.studies.cifar.trainings import accuracies_on_both as on_both
from deltarule.studies.cifar.trainings import all_deep_accuracies as every_deep
from deltarule.studies.cifar.trainings import deep_accuracies as of_deep
from deltarule.studies.cifar.trainings import distance_from_best_other as from_the_others
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Evidence, claim

# --- the grid --------------------------------------------------------------------------------------------------------


@claim(
    "cifar-1",
    says="The best network is (200, 3000, 256, 0.001, 0.001): 68.7 % on the training, 55.2 % on the validation and "
    "54.5 % on the test images.",
    report="68.7 %, 55.2 %, 54.5 %",
    criterion="its accuracies are within three points of 68.7 %, two points of 55.2 % and three points of 54.5 %",
    needed=0.5,
    long=True,
)
def cifar_1(experiments: Experiments) -> Evidence:
    """Judge whether the best network has the report's accuracies within 2 or 3 points; add its lead over the tenth."""
    train, validation, test = (of(experiments, BEST, part) for part in ("train", "validation", "test"))
    holds = (abs(train - 0.687) <= 0.03) & (abs(validation - 0.552) <= 0.02) & (abs(test - 0.545) <= 0.03)
    lead = 100 * (validation - of(experiments, TENTH))
    told = ", ".join(map(accuracies, (train, validation, test)))
    return Evidence(
        f"{told}; before the report's tenth by {lead.mean():.1f} points of validation accuracy ({lead.min():.1f} to "
        f"{lead.max():.1f} over the seeds)",
        {"": holds},
    )


@cifar_1.control("how long it is trained: 4,000 iterations in place of 3,000")
def cifar_1_control(experiments: Experiments) -> Evidence:
    """Judge the same accuracies after 4,000 iterations, the next number in the report's grid."""
    train, validation, test = (of(experiments, LONGER, part) for part in ("train", "validation", "test"))
    holds = (abs(train - 0.687) <= 0.03) & (abs(validation - 0.552) <= 0.02) & (abs(test - 0.545) <= 0.03)
    return Evidence(", ".join(map(accuracies, (train, validation, test))), {"4,000 iterations": holds})


@claim(
    "cifar-2",
    says="The ten best combinations all have the rate 0.001.",
    report="ten of ten",
    criterion="of the grid, trained from one seed, the ten best on the validation images all have the rate 0.001; and "
    "of the nine networks with 200 units, batch 256 and λ 0.001 the seed's three best have it",
    needed=0.5,
    long=True,
)
def cifar_2(experiments: Experiments) -> Evidence:
    """Judge whether the ten best all have the rate 0.001; only a part of the grid is trained from all seeds."""
    best = grid(experiments).best(10, "validation")
    count = sum(row["optimizer.learning_rate"] == 1e-3 for row in best)
    steps = (3000, 4000, 5000)
    good = np.min([of(experiments, (200, n, 256, 1e-3, 1e-3)) for n in steps], axis=0)
    others = np.max([of(experiments, (200, n, 256, rate, 1e-3)) for n in steps for rate in (1e-2, 1e-4)], axis=0)
    ours = f"{count} of the ten best; with 200 units the worst at 0.001 has {accuracies(good)}, the best of the others"
    return Evidence(f"{ours} {accuracies(others)}", {"": (count == 10) & (good > others)})


@claim(
    "cifar-3",
    says="The ten worst combinations all have the rate 0.01 and 4,000 iterations, and sit at the share of class 0: "
    "they have diverged.",
    report="10.0265 % and 8.7 %, the shares of class 0",
    criterion="all ten diverge before their 4,000 iterations are done",
    needed=0.5,
    long=True,
)
def cifar_3(experiments: Experiments) -> Evidence:
    """Judge whether the report's ten worst diverge; a network with NaN always predicts class 0."""
    rows = [networks(experiments).rows_of(settings_of(*one)) for one in TEN_WORST]
    diverged = np.array([[row["status"] == "diverged" for row in of_one] for of_one in rows])
    worst = grid(experiments).rows()
    fast = [row["status"] == "diverged" for row in worst if row["optimizer.learning_rate"] == 1e-2]
    ours = f"{middle(diverged.sum(0))} of the ten (median); of the whole grid's 81 with this rate {sum(fast)}"
    return Evidence(ours, {"": diverged.all(0)})


@claim(
    "cifar-4",
    says="Batch 256 is best, 512 close, 128 worst; a higher rate does not make up for a larger batch; a smaller rate "
    "makes the second best worse.",
    report="256, 512, 128",
    criterion="at the best combination's other settings batch 256 has a higher validation accuracy than 128 and 512, "
    "the latter by at most two points, and 512 a higher one than 128; and with batch 512 both 0.01 and 0.0001 have a "
    "lower one than 0.001",
    needed=0.5,
    long=True,
)
def cifar_4(experiments: Experiments) -> Evidence:
    """Judge the order of batch sizes, 256, 512, 128, and whether other rates are worse for the report's second best."""
    small, middling, large = (of(experiments, (200, 3000, batch, 1e-3, 1e-3)) for batch in (128, 256, 512))
    high, right, low = (of(experiments, (*SECOND[:3], rate, SECOND[4])) for rate in (1e-2, 1e-3, 1e-4))
    in_order = (middling > large) & (middling - large <= 0.02) & (large > small)
    rates = (high < right) & (low < right)
    ours = f"batches of 128, 256, 512: {', '.join(map(accuracies, (small, middling, large)))}; in this order for "
    ours += (
        f"{percent(in_order)} of the seeds; rates 0.01, 0.001, 0.0001: {', '.join(map(accuracies, (high, right, low)))}"
    )
    return Evidence(ours, {"": in_order & rates})


@cifar_4.control("chance in 1,000 images: on the validation and the test images together, which are 2,000")
def cifar_4_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion on validation and test images together."""
    small, middling, large = (on_both(experiments, (200, 3000, batch, 1e-3, 1e-3)) for batch in (128, 256, 512))
    high, right, low = (on_both(experiments, (*SECOND[:3], rate, SECOND[4])) for rate in (1e-2, 1e-3, 1e-4))
    in_order = (middling > large) & (middling - large <= 0.02) & (large > small)
    ours = f"batches of 128, 256, 512: {', '.join(map(accuracies, (small, middling, large)))}"
    return Evidence(ours, {"2,000 images": in_order & (high < right) & (low < right)})


@claim(
    "cifar-5",
    says="A well-chosen rate gives smooth weight images, a bad one noisy ones.",
    report="smooth, noisy",
    criterion="neighboring pixels of the first layer's weights at rate 0.001 differ, as a share of their variance, "
    "less than half as much as at the bad rate",
    needed=0.5,
    long=True,
)
def cifar_5(experiments: Experiments) -> Evidence:
    """Judge whether weight images are less than half as rough at rate 0.001 as at a bad rate, too high or too low."""
    good = roughness(first_weights(experiments, {}))
    holds, told = {}, {}
    for name, rate in BAD_RATES.items():
        bad = roughness(first_weights(experiments, {"optimizer.learning_rate": rate}))
        holds[name] = good < bad / 2
        told[name] = f"{middle(good)} at 0.001, {middle(bad)} at {rate:g} (1 is noise)"
    return Evidence(by_convention(told), holds)


@cifar_5.control("the initial weights: ten times as large, noise which a rate that is too low leaves as it is")
def cifar_5_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion from larger initial weights, against the low rate; the high one diverges."""
    table = control_weight_sweep(experiments)
    low = {**LARGER, "optimizer.learning_rate": BAD_RATES["too low"]}
    good, bad = (roughness(first_layers(table, changes)) for changes in (LARGER, low))
    ours = f"{middle(good)} at 0.001, {middle(bad)} at {BAD_RATES['too low']:g} (1 is noise)"
    return Evidence(ours, {"larger initial weights": good < bad / 2})


# --- deeper networks -------------------------------------------------------------------------------------------------


@claim(
    "cifar-6",
    says="The framework's network 3072-50-10 with ReLU has 51.3 % on the validation images after 10 epochs.",
    report="51.3 %",
    criterion="its accuracy is within two points of 51.3 %",
    needed=0.5,
    long=True,
)
def cifar_6(experiments: Experiments) -> Evidence:
    """Judge whether 3072-50-10 has 51.3 % within two points, on the validation or on the test images."""
    found = {part: of_deep(experiments, 2, False, "relu", part) for part in ("validation", "test")}
    told = {part: accuracies(one) for part, one in found.items()}
    return Evidence(by_convention(told), {part: abs(one - 0.513) <= 0.02 for part, one in found.items()})


@claim(
    "cifar-7",
    says="Of 36 networks the best is (250, 100, 50, 25) with batch norm and ReLU: 54.9 % on the validation images.",
    report="54.9 %",
    criterion="its accuracy is within two points of 54.9 %, and none of the 36 is more than a point better",
    needed=0.5,
    contradicts_itself="the worst ten have 10.0, 9.0 and 8.6 %, which are shares of classes in the first 1,000 test "
    "images and not in the validation images: the networks were chosen on test data",
    long=True,
)
def cifar_7(experiments: Experiments) -> Evidence:
    """Judge whether the report's best deep network has 54.9 % within two points and is within a point of the best."""
    holds, told = {}, {}
    for part in ("validation", "test"):
        found = every_deep(experiments, part)
        own, best = found[5, True, "relu"], np.max(list(found.values()), axis=0)
        holds[part] = (abs(own - 0.549) <= 0.02) & (best - own <= 0.01)
        depth, norm, kind = max(found, key=lambda name: found[name].mean())
        words = f"{depth} layers, {kind}, {'with' if norm else 'without'} batch norm"
        told[part] = f"{accuracies(own)}; the best on average ({words}) {accuracies(found[depth, norm, kind])}"
    return Evidence(by_convention(told), holds)


@cifar_7.control("chance in 1,000 images: on the validation and the test images together, which are 2,000")
def cifar_7_control(experiments: Experiments) -> Evidence:
    """Judge the same 36 networks on validation and test images together."""
    found = all_deep_accuracies_on_both(experiments)
    own, best = found[5, True, "relu"], np.max(list(found.values()), axis=0)
    holds = (abs(own - 0.549) <= 0.02) & (best - own <= 0.01)
    return Evidence(f"{accuracies(own)}; the best of each seed {accuracies(best)}", {"2,000 images": holds})


@claim(
    "cifar-8",
    says="Without batch norm the deep ones (4 to 7 layers) stay near 10 %, ReLU and LeakyReLU alike.",
    report="8.6 to 10 %",
    criterion="each of these eight has a validation accuracy under 15 %",
    needed=0.5,
    long=True,
)
def cifar_8(experiments: Experiments) -> Evidence:
    """Judge whether the eight networks of 4 to 7 layers without batch norm have validation accuracies under 15 %."""
    found = [of_deep(experiments, depth, False, kind) for depth in (4, 5, 6, 7) for kind in ("relu", "leaky")]
    told = f"from {accuracies(np.min(found, axis=0))} to {accuracies(np.max(found, axis=0))}"
    return Evidence(told, {"": np.max(found, axis=0) < 0.15})


@claim(
    "cifar-9",
    says="Depth is not decisive: some networks of two layers beat deeper ones.",
    report="some",
    criterion="with batch norm the best of two layers has a higher validation accuracy than some deeper network",
    needed=0.5,
    long=True,
)
def cifar_9(experiments: Experiments) -> Evidence:
    """Judge whether, with batch norm, the best network of two layers beats some deeper one on validation images."""
    found = every_deep(experiments)
    flat = np.max([one for (depth, norm, _), one in found.items() if norm and depth == 2], axis=0)
    deeper = np.array([one for (depth, norm, _), one in found.items() if norm and depth > 2])
    beaten = (deeper < flat).sum(0)
    return Evidence(f"it beats {middle(beaten)} of {len(deeper)} (median)", {"": beaten > 0})


@claim(
    "cifar-10",
    says="The best combination is also the best balance of speed and result: fewest iterations, a small hidden layer.",
    report="200 units, 3,000 iterations",
    criterion="with batch 256, rate 0.001 and λ 0.001 no network of fewer or as many units and iterations has a higher "
    "validation accuracy, and none at all has one that is more than two points higher",
    needed=0.5,
    long=True,
)
def cifar_10(experiments: Experiments) -> Evidence:
    """Judge whether the best combination is as good as the cheaper one, and within two points of the best of nine."""
    own, cheaper = of(experiments, BEST), of(experiments, (100, 3000, 256, 1e-3, 1e-3))
    nine = {
        (hidden, n): of(experiments, (hidden, n, 256, 1e-3, 1e-3))
        for hidden in (100, 200, 300)
        for n in (3000, 4000, 5000)
    }
    best = np.max(list(nine.values()), axis=0)
    told = f"{accuracies(own)}; with 100 units {accuracies(cheaper)}; the best of the nine {accuracies(best)}"
    return Evidence(told, {"": (cheaper <= own) & (best - own <= 0.02)})


@cifar_10.control("chance in 1,000 images: on the validation and the test images together, which are 2,000")
def cifar_10_control(experiments: Experiments) -> Evidence:
    """Judge the same nine on validation and test images together."""
    nine = {
        (hidden, n): on_both(experiments, (hidden, n, 256, 1e-3, 1e-3))
        for hidden in (100, 200, 300)
        for n in (3000, 4000, 5000)
    }
    own, cheaper, best = nine[200, 3000], nine[100, 3000], np.max(list(nine.values()), axis=0)
    told = f"{accuracies(own)}; with 100 units {accuracies(cheaper)}; the best of the nine {accuracies(best)}"
    return Evidence(told, {"2,000 images": (cheaper <= own) & (best - own <= 0.02)})


@claim(
    "cifar-11",
    says="L2 makes the weights much smaller; full-batch descent reaches the global optimum.",
    report="much smaller; the global optimum",
    criterion="L2: with λ 0.01 the first layer's weights are at most half as long as with no penalty; and full batch: "
    "the descent on 500 images ends with an objective within 0.1 % of the lowest that the other seeds end with",
    needed=0.5,
    changed="the lowest of all seeds was compared with itself, so that one of four held whatever the four came to; and "
    "the two halves of the sentence counted as two readings of it, so that one of them could not refute it",
    long=True,
)
def cifar_11(experiments: Experiments) -> Evidence:
    """Judge whether λ 0.01 at least halves W1's length, and full-batch descent ends within 0.1 % of the best seed."""
    penalized = lengths(first_weights(experiments, {"loss.strength": 1e-2}))
    free = lengths(first_weights(experiments, NO_PENALTY))
    run = full_batch(experiments)
    slope = run.history.series("gradient W1")
    above = run.objective.max() / run.objective.min() - 1
    told = {
        "L2": f"length of W1 {middle(penalized)} with λ 0.01, {middle(free)} without",
        "full batch": f"objectives up to {100 * above:.2f} % above the lowest; the gradient of W1 is "
        f"{middle(slope[-1] / slope[0])} of its first length",
    }
    return Evidence(by_convention(told), {"": (penalized <= free / 2) & (from_the_others(run.objective) <= 1e-3)})


@cifar_11.control("the strength of the penalty, which is next to nothing: λ 1 in place of 0.01")
def cifar_11_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion with λ 1 in place of 0.01; full-batch descent is the same."""
    penalized = lengths(first_layers(control_weight_sweep(experiments), STRONGER))
    free = lengths(first_weights(experiments, NO_PENALTY))
    alike = from_the_others(full_batch(experiments).objective) <= 1e-3
    told = f"length of W1 {middle(penalized)} with λ 1, {middle(free)} without, at most half for "
    told += f"{percent(penalized <= free / 2)}; full batch, which is the same, {percent(alike)}"
    return Evidence(told, {"λ 1": (penalized <= free / 2) & alike})


@claim(
    "cifar-12",
    says="Batch norm gives the best results, 9 of the ten best; ReLU and LeakyReLU beat sigmoid.",
    report="9 of 10",
    criterion="at least 9 of the ten best on the validation images have batch norm, and among those with it the mean "
    "over the depths is lower for sigmoid than for ReLU and for LeakyReLU",
    needed=0.5,
    long=True,
)
def cifar_12(experiments: Experiments) -> Evidence:
    """Judge whether batch norm has 9 of the ten best networks, and ReLU and LeakyReLU beat sigmoid, for each seed."""
    found = every_deep(experiments)
    names, table = list(found), np.array(list(found.values()))
    with_norm = np.array([norm for _, norm, _ in names])
    count = with_norm[np.argsort(-table, axis=0, kind="stable")[:10]].sum(0)
    means = {kind: table[[norm and one == kind for _, norm, one in names]].mean(0) for kind in ACTIVATIONS}
    holds = (count >= 9) & (means["sigmoid"] < np.minimum(means["relu"], means["leaky"]))
    told = ", ".join(f"{kind} {accuracies(mean)}" for kind, mean in means.items())
    return Evidence(f"{middle(count)} of the ten best (median); with batch norm on average {told}", {"": holds})


@cifar_12.control("chance in 1,000 images: on the validation and the test images together, which are 2,000")
def cifar_12_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion on validation and test images together."""
    found = all_deep_accuracies_on_both(experiments)
    names, table = list(found), np.array(list(found.values()))
    with_norm = np.array([norm for _, norm, _ in names])
    count = with_norm[np.argsort(-table, axis=0, kind="stable")[:10]].sum(0)
    means = {kind: table[[norm and one == kind for _, norm, one in names]].mean(0) for kind in ACTIVATIONS}
    holds = (count >= 9) & (means["sigmoid"] < np.minimum(means["relu"], means["leaky"]))
    return Evidence(f"{middle(count)} of the ten best (median)", {"2,000 images": holds})
