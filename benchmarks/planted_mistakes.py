"""Measure how often the gradient checker is right: it must accept correct code, and find and name planted mistakes.

    python benchmarks/planted_mistakes.py [--correct 10000] [--planted 2000] [--scale relative=3] [--json]

Random networks in plain NumPy, written as a student would and without deltarule: samples as rows or as columns, weights
inputs × outputs or outputs × inputs, one to four layers, eight kinds of output and loss, penalties, dropout masks,
batch norm. A planted network has a single mistake, in one layer or in all; it counts if it changes an entry of the
gradient by more than 0.05 %. `--scale` multiplies one of the checker's tolerances, to see its effect.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from planted.students import ACTIVATIONS, Student

from deltarule.checking import tolerances
from deltarule.checking.check import check_gradient
from deltarule.checking.report import CodeReport
from deltarule.problem.network import Network

MIN_RELATIVE_CHANGE = 5e-4

NEEDS_LIKE = {
    "derivative_at_output",
    "derivative_of_z",
    "derivative_missing",
    "derivative_twice",
    "activation_twice",
    "other_mask",
    "softmax_elementwise",
    "weights_not_transposed",
    "other_weights",
    "wrong_input",
    "summed_early",
    "target_missing",
    "updated_weights",
    "dropout_mask",
    "batch_norm_constants",
    "penalty_through_network",
    "epsilon",
    "loss_wrong",
    "broadcast",
    "wrong_axis_softmax",
    "mean_missing",
    "mean_twice",
}
PENALTIES = {"penalty_missing", "penalty_factor", "penalty_on_biases", "penalty_other_weights"}
WITHOUT = {
    "sign",
    "factor_two",
    "factor",
    "transposed",
    "wrong_axis",
    "not_summed",
    "exchanged",
    "penalty_not_in_loss",
    "zero_gradient",
    "single_entry",
    "single_row",
    "random_gradient",
}
MISTAKES = sorted(NEEDS_LIKE | PENALTIES | WITHOUT)
CODES = {"wrong_axis_softmax": "wrong_axis"}


def random_student(generator: np.random.Generator, mistake: str = "") -> Student:
    """Draw a random network in which the mistake can be made; "" for a correct network."""
    samples, layers = int(generator.integers(3, 9)), int(generator.integers(1, 5))
    if mistake in ("other_mask", "other_weights", "penalty_other_weights", "exchanged"):
        layers = max(layers, 3)
    elif mistake and mistake not in ("target_missing", "broadcast", "activation_twice", "epsilon", "loss_wrong"):
        layers = max(layers, 2)
    outputs = 1 if mistake == "broadcast" else int(generator.integers(1, 5))
    sizes = [int(generator.integers(2, 7)), *(int(n) for n in generator.integers(2, 7, size=layers - 1)), outputs]
    square = (
        "other_mask",
        "other_weights",
        "weights_not_transposed",
        "transposed",
        "penalty_other_weights",
        "exchanged",
    )
    if mistake in square:
        sizes[:-1] = [sizes[0]] * (len(sizes) - 1)
    if mistake == "penalty_through_network":
        sizes[-2] = samples
    kinds = [("identity", "squared_error"), ("sigmoid", "squared_error"), ("sigmoid", "binary_cross_entropy")]
    if outputs > 1:
        kinds += [("softmax", "squared_error"), ("softmax", "cross_entropy")] * 2
    if mistake == "epsilon":
        kinds = [("sigmoid", "binary_cross_entropy")]
    if mistake == "loss_wrong":
        kinds = kinds[:1] + kinds[2:3]
    if mistake == "activation_twice":
        kinds = kinds[1:]
    if mistake == "wrong_axis_softmax":
        sizes[-1] = max(outputs, 2)
        kinds = [("softmax", "cross_entropy")]
    output, loss = kinds[int(generator.integers(len(kinds)))]
    hidden = str(
        generator.choice([*ACTIVATIONS, "softmax"] if mistake in ("", "softmax_elementwise") else list(ACTIVATIONS))
    )
    if mistake == "softmax_elementwise":
        hidden, output, loss = (
            ("softmax", output, loss) if generator.random() < 0.5 else ("tanh", "softmax", "squared_error")
        )
        sizes[-1] = max(sizes[-1], 2)
    if mistake in ("derivative_at_output", "derivative_of_z"):
        hidden = str(generator.choice(["sigmoid", "tanh", "softplus"]))
    if mistake == "other_mask":
        hidden = str(generator.choice(["relu", "leaky_relu", "tanh"]))
    x = generator.normal(size=(samples, sizes[0]))
    if output == "softmax":
        y = np.eye(sizes[-1])[generator.integers(sizes[-1], size=samples)]
    elif output == "sigmoid":
        y = generator.integers(2, size=(samples, sizes[-1])).astype(float)
    else:
        y = generator.normal(size=(samples, sizes[-1]))
    masks = {}
    if mistake == "dropout_mask" or (not mistake and generator.random() < 0.2):
        masks = {n: (generator.random((samples, sizes[n])) < 0.7) / 0.7 for n in range(1, layers)}
    normalized = mistake == "batch_norm_constants" or (not mistake and generator.random() < 0.2 and samples > 2)
    penalized = mistake in PENALTIES or mistake == "penalty_through_network" or generator.random() < 0.5
    strength = float(10 ** generator.uniform(-3, -1)) if penalized else 0.0
    if mistake == "penalty_not_in_loss":
        strength = 0.0
    mean = mistake == "mean_missing" or bool(generator.random() < 0.6)
    place = _choose_place(generator, mistake, layers, output)
    columns, turned = bool(generator.random() < 0.4), bool(generator.random() < 0.4)
    return Student(
        sizes, hidden, output, loss, mean, x, y, strength, columns, turned, masks, normalized, mistake, place
    )


def _choose_place(generator: np.random.Generator, mistake: str, layers: int, output: str) -> int:
    """Choose the layer in which the mistake is made; 0 for all layers."""
    if mistake in ("other_mask", "dropout_mask", "batch_norm_constants"):
        return int(generator.integers(0, layers))
    if mistake in ("transposed",):
        return int(generator.integers(1, layers))
    if mistake in ("weights_not_transposed", "other_weights", "wrong_input"):
        return int(generator.integers(2, layers)) if layers > 2 else 2
    if mistake == "updated_weights":
        return 0
    if mistake == "summed_early":
        return int(generator.integers(1, layers + 1))
    if mistake in ("derivative_missing", "derivative_twice", "derivative_at_output", "derivative_of_z"):
        end = layers if output == "identity" else layers + 1
        return int(generator.integers(0, end))
    if mistake in ("exchanged", "penalty_other_weights"):
        return int(generator.integers(1, layers))
    if mistake in ("wrong_axis", "not_summed", "zero_gradient", "single_entry", "single_row", "random_gradient"):
        return int(generator.integers(1, layers + 1))
    if mistake == "penalty_through_network":
        return layers
    return int(generator.integers(0, layers + 1))


def changes_gradient(student: Student, p: dict[str, Any]) -> bool:
    """Whether a network's mistake changes its objective, or an entry of its gradient, by more than 0.05 %."""
    value, wrong = student.value_and_gradient(p)
    mistake, student.mistake = student.mistake, ""
    right_value, right = student.value_and_gradient(p)
    student.mistake = mistake
    if abs(value - right_value) > MIN_RELATIVE_CHANGE * abs(right_value):
        return True
    for name, array in right.items():
        if array.shape != wrong[name].shape:
            return True
        if (np.abs(array - wrong[name]) > MIN_RELATIVE_CHANGE * np.abs(array)).any():
            return True
    return False


def check_student(student: Student, p: dict[str, Any], like: bool) -> CodeReport:
    """Check a student's gradient at parameters p; with `like`, the checker is given the network and the data, too."""
    options: dict[str, Any] = {}
    if like:
        network = Network(student.sizes, student.hidden, student.output, batch_norm=student.normalized)
        options = {
            "like": network,
            "x": student.x.T if student.columns else student.x,
            "y": student.y.T if student.columns else student.y,
        }
    if student.place % 2:  # some as one function, some as two
        return check_gradient(student.value_and_gradient, None, p, seconds=0.0, **options)
    return check_gradient(student.value, student.gradient, p, seconds=0.0, **options)


def count_correct(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` correct networks; return how many are accused, how many are not proved, and which are accused.

    A network with a dead layer is not proved: the whole gradient of an array is 0, as if it was never computed.
    """
    outcomes: Counter[str] = Counter()
    accused = []
    for number in range(count):
        generator = np.random.default_rng([seed, 1, number])
        student = random_student(generator)
        p = student.parameters(generator)
        report = check_student(student, p, like=number % 4 == 0)
        is_dead = report.vacuous and has_dead_layer(student.gradient(p))
        outcomes["right" if report.ok else "not proved" if is_dead else "accused"] += 1
        if not report.ok and not is_dead:
            accused.append(number)
    return {"correct": count, "accused": outcomes["accused"], "not_proved": outcomes["not proved"], "which": accused}


def has_dead_layer(gradient: dict[str, Any]) -> bool:
    """Whether the gradient of an array is 0 in all entries, except for rounding."""
    sizes = [np.abs(array).max() for array in gradient.values()]
    return bool(min(sizes) <= 1e-13 * max(sizes))


def count_planted(count: int, seed: int = 0) -> dict[str, Any]:
    """Check `count` networks with a planted mistake; return how many are rejected, and how many named correctly."""
    table: dict[str, Counter[str]] = {name: Counter() for name in MISTAKES}
    missed = []
    number = done = 0
    while done < count:
        mistake = MISTAKES[done % len(MISTAKES)]
        generator = np.random.default_rng([seed, 2, number])
        number += 1
        student = random_student(generator, mistake)
        p = student.parameters(generator)
        if not changes_gradient(student, p):
            continue
        report = check_student(student, p, like=mistake in NEEDS_LIKE)
        codes = [diagnosed.code for diagnosed in report.diagnosis]
        named = CODES.get(mistake, mistake) in codes
        table[mistake].update(planted=1, rejected=not report.ok, named=named)
        if not named or report.ok:
            missed.append({"number": number - 1, "planted": mistake, "ok": report.ok, "diagnosis": codes})
        done += 1
    total = sum(table.values(), Counter())
    return {
        "planted": count,
        "rejected": total["rejected"],
        "named": total["named"],
        "by_mistake": {name: dict(row) for name, row in table.items() if row},
        "missed": missed,
    }


def scale_tolerance(name: str, factor: float) -> None:
    """Multiply a tolerance of the checker, by its name in `checking/tolerances.py`."""
    for constant in ("FLOAT64", "FLOAT32", "REFERENCE", "FIT"):
        policy = getattr(tolerances, constant)
        if hasattr(policy, name):
            setattr(tolerances, constant, replace(policy, **{name: factor * getattr(policy, name)}))


def main() -> int:
    """Check correct and planted networks, and print the counts; return 1 if a goal is missed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--correct", type=int, default=10_000)
    parser.add_argument("--planted", type=int, default=2_000)
    parser.add_argument("--scale", metavar="NAME=FACTOR", help="multiply a tolerance of the checker")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.scale:
        name, factor = given.scale.split("=")
        scale_tolerance(name, float(factor))
    correct, planted = count_correct(given.correct), count_planted(given.planted)
    if given.json:
        print(json.dumps({"correct": correct, "planted": planted}, indent=2))
    else:
        counts = f"accused {correct['accused']}, not proved as a layer is dead {correct['not_proved']}"
        print(f"correct networks: {correct['correct']:,}, {counts}")
        share = planted["named"] / max(1, planted["planted"])
        print(
            f"planted mistakes: {planted['planted']:,}, rejected {planted['rejected']:,}, "
            f"named by the right code {planted['named']:,} ({share:.1%})"
        )
        for name, row in planted["by_mistake"].items():
            print(f"  {name:26s} planted {row['planted']:4d}  rejected {row['rejected']:4d}  named {row['named']:4d}")
    good = not correct["accused"] and planted["rejected"] == planted["planted"]
    return 0 if good and planted["named"] >= 0.95 * planted["planted"] else 1


if __name__ == "__main__":
    sys.exit(main())
