"""The claims of the boundary report about its linear points, and their criteria.

A claim about what a setting does must hold for 9 in 10 seeds. A figure read from one run, a usual result, and a
comparison must hold for more than half: the report shows one run, or five, and half of all runs are beyond the median.
Every seed has weights and points of its own. A reading differs from the recipe in the experiment that names it, and in
nothing else.
"""

from deltarule.reports.formatting import format_by_convention, format_median
from deltarule.studies.boundary_judges import (
    AS_ASSUMED,
    MAX_EPOCHS,
    large_layers_end_as_nan,
    larger_layers_learn,
    needs_fewer_epochs,
    one_unit_learns_late,
    readings,
    size_decides,
    standstill,
    stops_right,
    stuck_at_rate_10,
    swings_at_rate_0001,
    usual_accuracy,
)
from deltarule.studies.boundary_trainings import loss_at
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Claim, Evidence, claim

PRINTED = {0: 1.80744, 100: 0.67273, 200: 0.05513, 300: 0.03311, 400: 0.02316, 500: 0.01738}
"""The losses that the report prints of its run, by epoch."""

FROZEN = 3500
"""From the seventh squaring, at epoch 3,500 at the latest, the rate is under 1e-12 and nothing changes any more."""

SUMMED = "the gradient of the summed loss, whose steps are 100 times as long and drive every output to 0 or 1"
"""Why that reading fails; each reading differs from the recipe in one thing, so the recipe is its control."""

SCHEDULES = {AS_ASSUMED: (), "not-squared-at-0": ("not-squared-at-0",), "schedule-off": ("schedule-off",)}
UPDATES = ("normalized-gradient", "adagrad")

boundary_1 = Claim(
    "boundary-1",
    says="Linear: the loss is under 0.015 and the accuracy 100 % soon after 500 epochs.",
    report="stops between epochs 500 and 600, loss 0.01479, 100 %",
    criterion="the early stop (loss under 0.015 for the third time) comes by epoch 600, the first line that the "
    "report's run does not print any more, with every point right",
    needed=0.5,
    judge=stops_right,
    settings={
        "by": 600,
        "printed": PRINTED,
        "readings": readings("not-squared-at-0", "sum", "plain", "biases-zero", "weights-glorot", "weights-uniform"),
    },
    cause="the length of the steps: the summed loss makes them too long, plain descent too short",
    control={"readings": readings()},
)

boundary_3 = Claim(
    "boundary-3",
    says="The usual accuracy is 99 to 100 % on the linear points.",
    report="99 to 100 %",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right",
    needed=0.5,
    judge=usual_accuracy,
    settings={"least": 0.99, "readings": readings("not-squared-at-0", "sum")},
    cause=SUMMED,
    control={"readings": readings()},
)

boundary_4 = Claim(
    "boundary-4",
    says="At rate 0.001 without the schedule the loss is 0.68752 at the start and still 0.66980 at 1,800 epochs; the "
    "accuracy rises to 79 %, falls to 60 %, rises to 68 %.",
    report="0.66980 at 1,800; 79 %, 60 %, 68 %",
    criterion="the loss at 1,800 epochs is still above 0.6 (a coin's is 0.693), and up to then the accuracy, looked "
    "at every 100 epochs, rises, falls and rises again, by 5 points or more each",
    needed=0.5,
    judge=swings_at_rate_0001,
    settings={"readings": readings("plain", "sum")},
    cause="the start: the report's network begins at 0.68752, better than a coin, where ours begin at 0.79",
    control={"readings": readings(), "initial_loss": 0.68752},
)

boundary_5 = Claim(
    "boundary-5",
    says="Rate 10 is stuck at 55 % (loss 0.688) on the linear points; 0.8 is the best rate.",
    report="55 %, then 5.354 and 45 % at epoch 1,500",
    criterion="at rate 10 the accuracy after 1,000 epochs is no better than that of one answer for all points; and "
    "rate 0.8 ends with a lower loss than 0.001 and 10, a loss that is not a number counted as the worst",
    needed=0.5,
    contradicts_itself="the run whose epoch 1,500 is quoted is said to have 1,000 epochs",
    judge=stuck_at_rate_10,
    settings={"readings": readings("not-squared-at-0", "schedule-off", "sum")},
    cause=SUMMED,
    control={"readings": readings()},
)

boundary_6 = Claim(
    "boundary-6",
    says="One unit in each hidden layer learns nothing in 1,000 epochs and needs 10,000 on the linear points (rate "
    "0.8, schedule on).",
    report="loss about 0.8 after 1,000; needs 10,000",
    criterion="after 1,000 epochs the loss is above 0.6 (a coin's is 0.693), and after 10,000 at least 99 % of the "
    "points are right; trained for 3,500, as from there on the squared rate is under 1e-12 and nothing changes",
    needed=0.9,
    contradicts_itself="with that schedule the rate is nearly 0 long before 10,000 epochs",
    judge=one_unit_learns_late,
    settings={"epochs": FROZEN, "readings": readings("not-squared-at-0", "sum", "plain")},
    cause="plain descent, weights uniform between 0 and 1, and no schedule: of the variants tried the one that comes "
    "nearest",
    control={
        "epochs": MAX_EPOCHS,
        "readings": {"plain, weights-uniform, schedule-off": ("plain", "weights-uniform", "schedule-off")},
    },
)

boundary_7 = Claim(
    "boundary-7",
    says="Hidden layers of 20 and 7 units learn well, and are more than needed.",
    report="learns well",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right, with 20 and 7 units "
    "and with 3 and 3",
    needed=0.9,
    judge=larger_layers_learn,
    settings={"least": 0.99, "readings": readings("not-squared-at-0", "sum")},
    cause=SUMMED,
    control={"readings": readings()},
)

boundary_8 = Claim(
    "boundary-8",
    says="With hidden layers of 100 and 100 units the loss becomes nan, and the accuracy is 49 %.",
    report="nan, 49 % (of 100 points: 49 % of the 21 XOR points there is not)",
    criterion="after 200 epochs the loss is not a number, nor infinite in place of it, and the accuracy is no better "
    "than that of one answer for all points; 200 epochs, because a network of this size takes its time",
    needed=0.9,
    judge=large_layers_end_as_nan,
    settings={"readings": readings("sum", "plain")},
    # Every output is 1 to the last bit before any update, and 0 · log 0 is NaN.
    cause="the initial weights: uniform between 0 and 1, as NumPy's rand draws them, 100 units make outputs of 1",
    control={"readings": {"weights-uniform": ("weights-uniform",)}},
)


@claim(
    "boundary-10",
    says="The schedule, which squares the rate, takes big steps first and small ones later; with rate 0.001 it stops "
    "learning.",
    report="stops learning",
    criterion="from rate 0.8 the rate falls at every squaring; from rate 0.001 the loss after 1,000 and 2,000 epochs "
    "is the same to the 5 decimals that the report prints, still above 0.015, while without the schedule it is not",
    needed=0.9,
)
def boundary_10(experiments: Experiments) -> Evidence:
    """Judge whether rate 0.001 stops learning once squaring brings it to 1e-12."""
    holds, told = {}, {}
    for name, schedule in readings("not-squared-at-0").items():
        holds[name], run, without = standstill(experiments, (), schedule, at=(1000, 2000), above=0.015)
        told[name] = (
            f"loss {format_median(loss_at(run, 1000))} at 1,000 and {format_median(loss_at(run, 2000))} at 2,000"
        )
    at_1000, at_2000 = format_median(loss_at(without, 1000)), format_median(loss_at(without, 2000))
    return Evidence(f"{format_by_convention(told)}; without the schedule {at_1000} and {at_2000}", holds)


boundary_11 = Claim(
    "boundary-11",
    says="Momentum 0.9 converges in far fewer epochs than none on the linear points (rate 0.8, at most 10,000 epochs).",
    report="far fewer, 5 runs each",
    criterion="from the same weights and points momentum comes to the early stop in at most half of the epochs that "
    "plain descent needs, 10,000 where it does not stop; squared rates are trained for 3,500 epochs, as from there on "
    "they are under 1e-12 and nothing changes",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {name: (set, ("plain", *set)) for name, set in {**SCHEDULES, "sum": ("sum",)}.items()},
        "wins": lambda momentum, plain: momentum <= plain / 2,
        "frozen": FROZEN,
    },
    cause=SUMMED,
    control={"pairs": {AS_ASSUMED: ((), ("plain",))}},
)

boundary_12 = Claim(
    "boundary-12",
    says="The adaptive update cuts the epochs to about a tenth.",
    report="about a tenth",
    criterion="from the same weights and points the adaptive update comes to the early stop in at most a fifth (twice "
    "a tenth) of the epochs that plain descent needs, 10,000 where it does not stop; it is given 2,000 epochs, a fifth "
    "of these",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {
            f"{update}, {name}": ((update, *schedule), ("plain", *schedule))
            for name, schedule in SCHEDULES.items()
            for update in UPDATES
        },
        "wins": lambda adaptive, plain: adaptive <= plain / 5,
        "frozen": FROZEN,
        "fast_epochs": 2000,
    },
    cause="the schedule: while it squares the rate plain descent never arrives, at a constant rate it does",
    control={"pairs": {update: ((update,), ("plain",)) for update in UPDATES}},
)

boundary_13 = Claim(
    "boundary-13",
    says="The linear points favour momentum (the XOR points favour the adaptive update).",
    report="momentum for linear",
    criterion="from the same weights and points momentum comes to the early stop within 2,000 epochs, and in fewer "
    "than the adaptive update",
    needed=0.5,
    judge=needs_fewer_epochs,
    settings={
        "pairs": {
            f"{update}, {name}": (schedule, (update, *schedule))
            for name, schedule in SCHEDULES.items()
            for update in UPDATES
        },
        "wins": lambda momentum, adaptive: (momentum <= 2000) & (momentum < adaptive),
        "frozen": FROZEN,
        "slow_epochs": 2000,
    },
)

boundary_14 = Claim(
    "boundary-14",
    says="Hidden layers of 3 and 3 units, the mean of input and output neurons, are enough; size is what decides.",
    report="3 and 3 are enough",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right with 3 and 3 units, and "
    "not with 1 and 1",
    needed=0.9,
    contradicts_itself="the mean of 2 inputs and 1 output is 1.5, not 3",
    judge=size_decides,
    settings={"least": 0.99, "readings": readings("not-squared-at-0", "sum")},
    cause="the points: a single line divides the linear ones, and a single unit draws it; the XOR points need two",
    control={"readings": {"XOR points": ()}, "changes": {"data.name": "xor"}},
)
