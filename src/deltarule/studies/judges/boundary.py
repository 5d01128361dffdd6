"""The claims of the boundary report about linear and XOR points, with criteria.

A claim about what a setting does must hold for 9 in 10 seeds. A figure read from one run, a usual result, and a
comparison must hold for more than half: the report shows one run, or five. Every seed has weights and linear points of
its own. A reading differs from the recipe, the report's final program, in the experiments that it names.

The report's settings are its text, its listings and what it prints above a run. Its gradient is of the mean. It prints
plain descent for sizes of layers, and a rate that is never squared for rates of 0.001 and 10; where it names no
optimizer, plain descent is a reading, and what its final program uses is another.
"""

from collections.abc import Mapping
from typing import Any

from deltarule.studies.judges.boundary_judges import (
    LATER,
    LINEAR,
    OFF,
    PLAIN,
    XOR,
    Names,
    Points,
    bounces_at_rate_10,
    ends_as_nan,
    ends_lower,
    is_stuck_at_rate_10,
    is_usually_right,
    larger_layers_learn,
    learns_slowly,
    needs_fewer_epochs,
    one_unit_learns_nothing,
    only_optimizer,
    prints_the_loss_of_its_predictions,
    schedule_slows_down,
    size_decides,
    step_fits_best,
    stops_on_time,
)
from deltarule.studies.verdicts import Claim, Control

SECOND_READING = "read again from the report: "
SIZES = SECOND_READING + "the setting printed above the runs is plain descent with the schedule"
UNSTATED = SECOND_READING + "no optimizer is named, and the gradient is of the mean"


def _readings(points: Points) -> dict[str, Mapping[str, Any]]:
    """Final program and plain descent, scheduled from epoch 0 or the first step on."""
    return {
        points.final: {"names": ()},
        f"{points.final}, {LATER}": {"names": (LATER,)},
        PLAIN: {"names": (PLAIN,)},
        f"{PLAIN}, {LATER}": {"names": (PLAIN, LATER)},
    }


def _of_sizes(points: Points, *, final: bool = True) -> dict[str, Mapping[str, Any]]:
    """The setting that the report prints for sizes of layers, and the final program."""
    printed: dict[str, Mapping[str, Any]] = {
        "as printed": {"names": (PLAIN,)},
        f"as printed, {LATER}": {"names": (PLAIN, LATER)},
    }
    return {**printed, f"final program ({points.final})": {"names": ()}} if final else printed


def _of_optimizers(points: Points, *schedule: str) -> dict[str, Mapping[str, Any]]:
    """All optimizers of the report, where it names none."""
    return {
        "plain": {"names": (PLAIN, *schedule)},
        "momentum": {"names": (*points.momentum, *schedule)},
        "adaptive as coded": {"names": (*points.adaptive, *schedule)},
        "adaptive as printed": {"names": ("adagrad", *schedule)},
    }


def _of_schedules(**pairs: tuple[Names, Names]) -> dict[str, Mapping[str, Any]]:
    """Pairs of trainings under each reading of the schedule."""
    schedules: dict[str, Names] = {"squared at 0": (), LATER: (LATER,), OFF: (OFF,)}
    return {
        ", ".join(filter(None, [pair.replace("_", " "), schedule])): {
            "first": (*first, *names),
            "second": (*second, *names),
        }
        for schedule, names in schedules.items()
        for pair, (first, second) in pairs.items()
    }


def _claims(points: Points) -> list[Claim]:
    """The claims about one data set."""
    of = points.name
    least = f"{100 * points.usual_accuracy:.0f} %"
    linear = points is LINEAR
    initial: dict[str, Mapping[str, Any]] = {
        name: {"names": (name,)} for name in ("biases-zero", "weights-glorot", "weights-uniform")
    }
    threshold = "0.015" if linear else "0.001"
    claims = [
        Claim(
            "boundary-1" if linear else "boundary-2",
            says="Linear: the loss is under 0.015 and the accuracy 100 % soon after 500 epochs."
            if linear
            else "XOR: the loss is under 0.001 and the accuracy 100 % within 300 to 400 epochs.",
            report="stops between epochs 500 and 600, loss 0.01479, 100 %"
            if linear
            else "stops between epochs 300 and 400, loss 0.00092, 100 %",
            criterion=f"the early stop (loss under {threshold} for the third time) comes about epoch {points.stop:.0f} "
            "(within a factor √2), with every point right",
            judge=stops_on_time,
            settings={"points": points},
            readings={**_readings(points), **initial},
            control=None
            if linear
            else Control("8 and 8 units in place of 3 and 3", {"changes": {"network.layers": (2, 8, 8, 1)}}),
            contradicts_itself="" if linear else "the 21 printed predictions have a cross-entropy of 0.00485",
            changed=SECOND_READING
            + f"{'soon after 500' if linear else 'within 300 to 400'} is not any time before; and no optimizer is "
            "named, and the gradient is of the mean",
        ),
        Claim(
            "boundary-3",
            says=f"The usual accuracy is {points.usual_accuracy * 100:.0f} to 100 % on {of}.",
            report=f"{points.usual_accuracy * 100:.0f} to 100 %",
            criterion=f"at the early stop, or after 1,000 epochs, at least {least} of the points are right",
            judge=is_usually_right,
            settings={"points": points},
            readings=_readings(points),
            changed=UNSTATED,
        ),
        Claim(
            "boundary-6",
            says="One unit in each hidden layer learns nothing in 1,000 epochs"
            + (" and needs 10,000" if linear else "")
            + f" on {of} (rate 0.8, schedule on, plain descent); the loss remains around {points.one_unit_loss:g}.",
            report=f"loss around {points.one_unit_loss:g}" + ("; needs 10,000" if linear else " for the whole time"),
            criterion=f"after 100 and after 1,000 epochs the loss is within 0.1 of {points.one_unit_loss:g}"
            + (
                f", and after 10,000 at least {least} of the points are right; trained for 3,500, as from there on the "
                "squared rate is under 1e-12 and nothing changes"
                if linear
                else ""
            ),
            needed=0.9,
            judge=one_unit_learns_nothing,
            settings={"points": points, **({"epochs": points.frozen} if linear else {})},
            readings=_of_sizes(points, final=False),
            control=Control("weights uniform between 0 and 1", {"names": (PLAIN, "weights-uniform")}),
            contradicts_itself="with that schedule the rate is nearly 0 long before 10,000 epochs" if linear else "",
            changed=SIZES + "; and a loss around a figure is not any loss above 0.6",
        ),
        Claim(
            "boundary-7",
            says=f"Hidden layers of 20 and 7 units learn well on {of}, and are more than needed.",
            report="learns well",
            criterion=f"at the early stop, or after 1,000 epochs, at least {least} of the points are right, with 20 "
            "and 7 units and with 3 and 3",
            needed=0.9,
            judge=larger_layers_learn,
            settings={"points": points},
            readings=_of_sizes(points),
            control=Control("a rate that is not squared", {"names": (PLAIN, OFF)}),
            changed=SIZES,
        ),
        Claim(
            "boundary-10",
            says="The schedule, which squares the rate, takes big steps first and small ones later; with rate 0.001 it "
            "has negative effects.",
            report="negative effects on accuracy and loss",
            criterion="from rate 0.8 the rate falls at every squaring; and from rate 0.001 the loss after two steps of "
            "the schedule is higher than without the schedule",
            needed=0.9,
            judge=schedule_slows_down,
            settings={"points": points},
            readings=_readings(points),
            changed=SECOND_READING + "it says that the schedule does harm there, not that all learning stops",
        ),
        Claim(
            "boundary-11",
            says=f"Momentum 0.9 converges in {'far' if linear else 'some'} fewer epochs than none on {of} (rate 0.8, "
            "at most 10,000 epochs).",
            report=f"{'way quicker' if linear else 'also quicker, with more room'}, 5 runs each",
            criterion="from the same weights and points momentum comes to the early stop in "
            + ("less than half of the" if linear else "fewer")
            + f" epochs {'that plain descent needs' if linear else 'than plain descent'}, 10,000 where it does not "
            f"stop; squared rates are trained for {points.frozen:,} epochs, as from there on they are under 1e-12 and "
            "nothing changes",
            judge=needs_fewer_epochs,
            settings={"points": points, "ratio": (0.0, 0.5 if linear else 1.0)},
            readings=_of_schedules(**{"": (points.momentum, (PLAIN,))}),
            changed=SECOND_READING + "the gradient is of the mean",
        ),
        Claim(
            "boundary-12",
            says=f"The adaptive update cuts the epochs to about a tenth on {of}.",
            report="nearly 10 times",
            criterion="from the same weights and points the adaptive update comes to the early stop in a twentieth to "
            "a fifth of the epochs that plain descent needs, 10,000 where it does not stop; it is given 2,000 epochs, "
            "a fifth of these",
            judge=needs_fewer_epochs,
            settings={"points": points, "ratio": (0.05, 0.2), "epochs": 2000},
            readings=_of_schedules(as_coded=(points.adaptive, (PLAIN,)), as_printed=(("adagrad",), (PLAIN,))),
            changed=SECOND_READING + "about a tenth is not any share under a fifth",
        ),
        Claim(
            "boundary-13",
            says="The linear points favor momentum (the XOR points the adaptive update)."
            if linear
            else "The XOR points favor the adaptive update (the linear points momentum).",
            report=f"{'momentum' if linear else 'the adaptive update'} for {of}",
            criterion=f"from the same weights and points {points.final} comes to the early stop in fewer epochs than "
            f"{'the adaptive update' if linear else 'momentum'}, 10,000 where it does not stop",
            judge=needs_fewer_epochs,
            settings={"points": points},
            readings=_of_schedules(
                as_coded=((), points.adaptive if linear else points.momentum),
                as_printed=((), ("adagrad",)) if linear else (("adagrad",), points.momentum),
            ),
        ),
        Claim(
            "boundary-14",
            says="Hidden layers of 3 and 3 units, the mean of input and output neurons, are enough; size is what "
            f"decides on {of}.",
            report="3 and 3 are enough",
            criterion=f"at the early stop, or after 1,000 epochs, at least {least} of the points are right with 3 and "
            "3 units, and not with 1 and 1",
            needed=0.9,
            judge=size_decides,
            settings={"points": points},
            readings=_of_sizes(points),
            control=Control("a rate that is not squared", {"names": (PLAIN, OFF)}),
            contradicts_itself="the mean of 2 inputs and 1 output is 1.5, not 3",
            changed=SIZES,
        ),
        Claim(
            "boundary-15",
            says=f"Of the steps of the schedule {points.step:,} epochs fit best on {of}.",
            report=f"{points.step:,} epochs",
            criterion=f"from the same weights and points the rate that is squared every {points.step:,} epochs comes "
            f"to the early stop sooner than one that is squared every {points.other:,}; if neither comes to it, it "
            "ends with the lower loss",
            judge=step_fits_best,
            settings={"points": points},
            readings={points.final: {"names": ()}, PLAIN: {"names": (PLAIN,)}},
        ),
        Claim(
            "boundary-16",
            says=f"A fixed learning rate is not enough on {of}; the schedule is better.",
            report="not enough",
            criterion="from the same weights and points the schedule comes to the early stop in fewer epochs than the "
            "rate of 0.8 that is never squared, 10,000 where it does not stop",
            judge=needs_fewer_epochs,
            settings={"points": points},
            readings={
                name: {"first": reading["names"], "second": (*only_optimizer(reading["names"]), OFF)}
                for name, reading in _readings(points).items()
            },
            contradicts_itself="of its first trial the report says that the schedule has negative effects",
        ),
        Claim(
            "boundary-18",
            says="The loss that the report prints of its last run is that of the predictions that it prints.",
            report="0.014787" if linear else "0.000924",
            criterion="by arithmetic: the printed predictions have at most the printed cross-entropy, "
            + ("with the labels that fit them best" if linear else "with the labels of their points"),
            judge=prints_the_loss_of_its_predictions,
            settings={"points": points, "loss": 0.014787137786971157 if linear else 0.0009236305104568699},
            contradicts_itself="the loss and the predictions are not of the same network",
            any_data=True,
        ),
    ]
    return sorted([*claims, *(_only_linear() if linear else _only_xor())], key=lambda one: int(one.id.split("-")[1]))


def _only_linear() -> list[Claim]:
    """The claims that the report makes of the linear points alone."""
    return [
        Claim(
            "boundary-4",
            says="At rate 0.001, which is never squared, the loss falls from 0.68752 to 0.66980 in 1,800 epochs, at a "
            "fairly slow pace; the accuracy rises to 79 %, falls to 60 %, rises to 68 %.",
            report="0.66980 at 1,800; 79 %, 60 %, 68 %",
            criterion="the loss after 1,800 epochs is lower than at first, by less than a tenth; and up to then the "
            "accuracy, looked at every 100 epochs, rises, falls and rises again, by 5 points or more each",
            judge=learns_slowly,
            readings=_of_optimizers(LINEAR, OFF),
            control=Control("Glorot's weights, which begin near 0.69", {"names": (PLAIN, OFF, "weights-glorot")}),
            changed=UNSTATED + "; and a loss that falls slowly is not any loss above 0.6",
        ),
        Claim(
            "boundary-5",
            says="Rate 10, which is never squared, is stuck at 55 % and a loss of 0.688 on the linear points; 0.8 is "
            "the best rate.",
            report="0.68814 and 55 % from 100 to 1,400; then 5.354 and 45 %",
            criterion="after 100 and after 1,000 epochs the accuracy is that of the best constant answer, and the loss "
            "within 0.01 of it; and rate 0.8 has a lower loss than 0.001 and 10 at the early stop or after 1,000 "
            "epochs, a loss that is not a number counted as the worst",
            judge=is_stuck_at_rate_10,
            readings=_of_optimizers(LINEAR, OFF),
            contradicts_itself="the run whose epoch 1,500 is quoted is said to have 1,000 epochs",
            changed=UNSTATED + ", the rate is not squared, and a loss of 354 is not 0.688",
        ),
        Claim(
            "boundary-8",
            says="With hidden layers of 100 and 100 units the loss becomes nan, and the accuracy is 49 %.",
            report="nan, 49 % (of 100 points: 49 % of the 21 XOR points there is not)",
            criterion="after 100 epochs, the first line that the report prints, the loss is not a number, and the "
            "accuracy is no better than that of one answer for all points",
            needed=0.9,
            judge=ends_as_nan,
            settings={"epochs": 100},
            readings={
                name: {"names": ("hidden-100-100", *reading["names"])} for name, reading in _of_sizes(LINEAR).items()
            },
            control=Control(
                "weights uniform between 0 and 1, as NumPy's rand draws them",
                {"names": ("hidden-100-100", PLAIN, "weights-uniform")},
            ),
            contradicts_itself="the division by zero is what the 1e-8 of section 2C avoids",
            changed=SIZES,
        ),
        Claim(
            "boundary-17",
            says="Momentum on the linear points ends with less loss and at 100 % accuracy.",
            report="less loss, 100 %",
            criterion="from the same weights and points momentum has less loss than plain descent, and every point "
            "right; both at their own end (the early stop or 10,000 epochs), or both where momentum ends",
            judge=ends_lower,
            settings={"points": LINEAR},
            readings={
                f"{name}, {'where momentum ends' if same else 'each at its end'}": {**reading, "same_epoch": same}
                for name, reading in _of_schedules(**{"": ((), (PLAIN,))}).items()
                for same in (False, True)
            },
        ),
    ]


def _only_xor() -> list[Claim]:
    """The claims that the report makes of the XOR points alone."""
    return [
        Claim(
            "boundary-5",
            says="At rate 10, which is never squared, the loss bounces severely on the XOR points; 0.8 is the best "
            "rate.",
            report="bounces severely",
            criterion="at rate 10 the loss rises by more than 0.1 (a seventh of a coin's) from one epoch to the next "
            "at least 10 times in 1,000 epochs; and rate 0.8 has a lower loss than 0.001 and 10 at the early stop or "
            "after 1,000 epochs, a loss that is not a number counted as the worst",
            judge=bounces_at_rate_10,
            readings=_of_optimizers(XOR, OFF),
            control=Control("the rate squared at epoch 0: the first step has 100", {"names": (PLAIN,)}, "plain"),
            changed=UNSTATED + ", and the rate is not squared",
        ),
        Claim(
            "boundary-9",
            says="Without activations XOR cannot be solved; the loss becomes nan.",
            report="nan",
            criterion="after 1,000 epochs the loss is not a number, and some point is wrong",
            needed=0.9,
            judge=ends_as_nan,
            settings={"epochs": 1000, "solved": 1.0},
            readings={
                name: {"names": ("no-activations", *reading["names"])} for name, reading in _of_optimizers(XOR).items()
            },
        ),
    ]


CLAIMS = {points.study: tuple(_claims(points)) for points in (LINEAR, XOR)}
