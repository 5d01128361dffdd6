"""The claims of the boundary report about its XOR points, and their criteria.

A claim about what a setting does must hold for 9 in 10 seeds. A figure read from one run, a usual result, and a
comparison must hold for more than half: the report shows one run, or five, and half of all runs are beyond the median.
A reading differs from the recipe in the experiment that names it, and in nothing else.
"""

import operator

from deltarule.reports.formatting import format_by_convention, format_median
from deltarule.studies.boundary_judges import (
    AS_ASSUMED,
    bounces_at_rate_10,
    larger_layers_learn,
    needs_fewer_epochs,
    no_activations_end_as_nan,
    one_unit_learns_nothing,
    readings,
    size_decides,
    standstill,
    stops_right,
    usual_accuracy,
)
from deltarule.studies.boundary_trainings import loss_at
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Claim, Evidence, claim

PRINTED = {0: 0.69831, 100: 0.48822, 200: 0.38723, 300: 0.00450}
"""The losses that the report prints of its run, by epoch."""

FROZEN = 7000
"""From the seventh squaring, at epoch 7,000 at the latest, the rate is under 1e-12 and nothing changes any more."""

SCHEDULES = {AS_ASSUMED: (), "not-squared-at-0": ("not-squared-at-0",), "schedule-off": ("schedule-off",)}

UPDATES: dict[str, tuple[str, ...]] = {"normalized-gradient": (), "adagrad": ("adagrad",)}
"""The two updates that go by the name of Adagrad, by the recipe's experiments: as it is coded, and as it is printed."""

boundary_2 = Claim(
    "boundary-2",
    says="XOR: the loss is under 0.001 and the accuracy 100 % within 300 to 400 epochs.",
    report="stops between epochs 300 and 400, loss 0.00092, 100 %",
    criterion="the early stop (loss under 0.001 for the third time) comes by epoch 400, the first line that the "
    "report's run does not print any more, with every point right",
    needed=0.5,
    contradicts_itself="the 21 predictions that the report prints have a cross-entropy of 0.00485, not 0.00092",
    judge=stops_right,
    settings={
        "by": 400,
        "printed": PRINTED,
        "readings": readings(
            "not-squared-at-0", "adagrad", "momentum", "plain", "biases-zero", "weights-glorot", "weights-uniform"
        ),
    },
    cause="the size: with 3 and 3 units some seeds wander for long, with 8 and 8 hardly any",
    control={"readings": {"8 and 8 units": ()}, "changes": {"network.layers": (2, 8, 8, 1)}},
)

boundary_3 = Claim(
    "boundary-3",
    says="The usual accuracy is 95 to 100 % on the XOR points.",
    report="95 to 100 %",
    criterion="at the early stop, or after 1,000 epochs, at least 95 % of the points are right (20 of the 21)",
    needed=0.5,
    judge=usual_accuracy,
    settings={"least": 0.95, "readings": readings("not-squared-at-0", "adagrad")},
)

boundary_5 = Claim(
    "boundary-5",
    says="At rate 10 the loss bounces severely on the XOR points; 0.8 is the best rate.",
    report="bounces severely",
    criterion="at rate 10 the loss rises by more than 0.1 (a seventh of a coin's) from one epoch to the next at least "
    "10 times in 1,000 epochs; and rate 0.8 ends with a lower loss than 0.001 and 10, a loss that is not a number "
    "counted as the worst",
    needed=0.5,
    judge=bounces_at_rate_10,
    settings={"readings": readings("not-squared-at-0", "schedule-off", "adagrad", "momentum", "plain")},
    cause="the squaring at epoch 0, which makes 100 of the rate 10: the first step saturates the network",
    control={"readings": {"not-squared-at-0": ("not-squared-at-0",)}},
)

boundary_6 = Claim(
    "boundary-6",
    says="One unit in each hidden layer learns nothing in 1,000 epochs (rate 0.8, schedule on).",
    report="loss about 0.83 after 1,000",
    criterion="after 1,000 epochs the loss is above 0.6 (a coin's is 0.693)",
    needed=0.9,
    judge=one_unit_learns_nothing,
    settings={"readings": readings("not-squared-at-0", "momentum", "plain")},
    cause="the optimizer: the adaptive update and momentum learn something with one unit, plain descent does not",
    control={"readings": {"plain": ("plain",)}},
)

boundary_7 = Claim(
    "boundary-7",
    says="Hidden layers of 20 and 7 units learn well, and are more than needed.",
    report="learns well",
    criterion="at the early stop, or after 1,000 epochs, at least 95 % of the points are right, with 20 and 7 units "
    "and with 3 and 3",
    needed=0.9,
    judge=larger_layers_learn,
    settings={"least": 0.95, "readings": readings("not-squared-at-0", "adagrad")},
    cause="the limit of 1,000 epochs, too early for some networks with 3 and 3 units",
    control={"readings": {"7,000 epochs": ()}, "epochs": FROZEN},
)

boundary_9 = Claim(
    "boundary-9",
    says="Without activations XOR cannot be solved; the loss becomes nan.",
    report="nan",
    criterion="after 1,000 epochs the loss is not a number, and some point is wrong",
    needed=0.9,
    judge=no_activations_end_as_nan,
    settings={"readings": readings("adagrad", "momentum", "plain")},
)


@claim(
    "boundary-10",
    says="The schedule, which squares the rate, takes big steps first and small ones later; with rate 0.001 it stops "
    "learning.",
    report="stops learning",
    criterion="from rate 0.8 the rate falls at every squaring; from rate 0.001 the loss after 2,000 and 4,000 epochs "
    "is the same to the 5 decimals that the report prints, still above 0.001, while without the schedule it is not",
    needed=0.9,
)
def boundary_10(experiments: Experiments) -> Evidence:
    """Judge whether rate 0.001 stops learning once squaring brings it to 1e-12."""
    holds, told = {}, {}
    for update, experiment in {"normalized-gradient": (), "momentum": ("momentum",)}.items():
        for schedule, names in readings("not-squared-at-0").items():
            seeds, *runs = standstill(experiments, experiment, names, at=(2000, 4000), above=0.001)
            with_it, without = (
                f"{format_median(loss_at(run, 2000))} and {format_median(loss_at(run, 4000))}" for run in runs
            )
            holds[f"{update}, {schedule}"] = seeds
            told[f"{update}, {schedule}"] = f"{with_it}, without the schedule {without}"
    return Evidence(f"median loss after 2,000 and 4,000 epochs: {format_by_convention(told)}", holds)


boundary_11 = Claim(
    "boundary-11",
    says="Momentum 0.9 converges in some fewer epochs than none on the XOR points (rate 0.8, at most 10,000 epochs).",
    report="some fewer, 5 runs each",
    criterion="from the same weights momentum comes to the early stop in fewer epochs than plain descent, 10,000 where "
    "there is no stop; squared rates are trained for 7,000 epochs, as from there on they are under 1e-12 and nothing "
    "changes",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {name: (("momentum", *set), ("plain", *set)) for name, set in {**SCHEDULES, "sum": ("sum",)}.items()},
        "wins": operator.lt,
        "frozen": FROZEN,
    },
    cause="the gradient of the summed loss, whose steps are 21 times as long: neither arrives",
    control={"pairs": {AS_ASSUMED: (("momentum",), ("plain",))}},
)

AS_CODED = "Adagrad as it is printed, whose steps shrink for good; what was run is the update as it is coded"

boundary_12 = Claim(
    "boundary-12",
    says="The adaptive update cuts the epochs to about a tenth.",
    report="about a tenth",
    criterion="from the same weights the adaptive update comes to the early stop in at most a fifth (twice a tenth) of "
    "the epochs that plain descent needs, 10,000 where there is no stop",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {
            f"{name}, {schedule}": ((*update, *set), ("plain", *set))
            for schedule, set in SCHEDULES.items()
            for name, update in UPDATES.items()
        },
        "wins": lambda adaptive, plain: adaptive <= plain / 5,
        "frozen": FROZEN,
    },
    cause=AS_CODED,
    control={"pairs": {name: (set, ("plain", *set)) for name, set in SCHEDULES.items()}},
)

boundary_13 = Claim(
    "boundary-13",
    says="The XOR points favour the adaptive update (the linear points favour momentum).",
    report="the adaptive update for XOR",
    criterion="from the same weights the adaptive update comes to the early stop in fewer epochs than momentum, 10,000 "
    "where there is no stop",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {
            f"{name}, {schedule}": ((*update, *set), ("momentum", *set))
            for schedule, set in SCHEDULES.items()
            for name, update in UPDATES.items()
        },
        "wins": operator.lt,
        "frozen": FROZEN,
    },
    cause=AS_CODED,
    control={"pairs": {name: (set, ("momentum", *set)) for name, set in SCHEDULES.items()}},
)

boundary_14 = Claim(
    "boundary-14",
    says="Hidden layers of 3 and 3 units, the mean of input and output neurons, are enough; size is what decides.",
    report="3 and 3 are enough",
    criterion="at the early stop, or after 1,000 epochs, at least 95 % of the points are right with 3 and 3 units, and "
    "not with 1 and 1",
    needed=0.9,
    contradicts_itself="the mean of 2 inputs and 1 output is 1.5, not 3",
    judge=size_decides,
    settings={"least": 0.95, "readings": readings("not-squared-at-0", "adagrad")},
    cause="the limit of 1,000 epochs, too early for some networks with 3 and 3 units",
    control={"readings": {"7,000 epochs": ()}, "epochs": FROZEN},
)
