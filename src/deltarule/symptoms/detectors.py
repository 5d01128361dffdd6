"""Detect the causes that keep a network from learning, each by documented limits.

Each limit has its reason beside it. They were chosen on the development runs of benchmarks/why_not_learning.py and are
validated on its final ones.
"""

from dataclasses import dataclass

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.symptoms.observations import GivenNumbers, Observation
from deltarule.symptoms.rate_tests import RangeTestResult

LEARNED = 0.6
"""Skill from which a member counts as having learned: then large inputs or flat units did not prevent it."""

SMALL_WEIGHTS = 0.02
"""Product of the sizes of two layers' weights, as shares of Glorot's: with a tenth in both XOR is not learned."""
TINY_WEIGHTS = 1e-3
"""Weights of a thousandth of Glorot's size reduce every difference between rows to a thousandth, in effect to
nothing."""

LARGE, SMALL = 10.0, 0.02
"""Root mean squares of a column of inputs or targets. Initial weights are made for about 1; curvature grows with the
square, so at 10 the right rate is 100 times lower, and at 0.02 it is 2,500 times higher."""
OFF_CENTER = 10.0
"""|mean| / deviation of a column: from 10 on, 99 % of its square is a constant without information."""

FLAT_LAYER = 0.2
"""Mean slope of a layer's bounded units, as a share of the largest slope. Usual initial weights give above 0.5; at 0.2
a unit with z of deviation 2 in tanh still has 0.4."""
DEAD_UNIT = 0.01
"""A one-sided unit with at most this mean slope counts as dead: it passes one row in a hundred."""
DEAD_LAYER = 0.8
"""Share of a layer's units that are dead."""

CONSTANT_ERROR, CONSTANT_TARGETS = 0.25, 0.5
"""Shares of the square of errors and of targets that are a constant: errors of a network with biases end near 0."""

PENALTY, ANY_PENALTY = 0.25, 0.01
"""Norm of the penalty's gradient at the initial weights, as a share of the data's: usual strengths, 1e-5 to 1e-3, give
0.005 or less. Above the second limit the penalty is reported if the weights also shrank."""
SHRUNK = 0.1
"""Norm of all weights at the end, as a share of the initial one: without a penalty weights grow."""
VANISHED = 1e-3
"""δ of the first layer as a share of the largest. A sigmoid's slope is 1/4 at most, so five of them make it 1e-3."""

BETTER, A_LITTLE_BETTER = 0.7, 0.9
"""The range test's least objective, as a share of the run's at its end, both above the least possible. A run has more
updates than the test, so it should be at 1 or far above."""
TOO_HIGH = 1.5
"""The run's rate / the test's best: in ordinary runs the best is several times the run's own, because the test is
short."""
TOO_LOW = 10.0
"""The test's best / the run's rate, and the updates that the run needed for the test's objective / the test's own. Both
count only if the objective still falls or the weights hardly changed."""
NOTHING_WON, IDLE_SOONER = 0.1, 3.0
"""Skill below which a run has learned nothing yet. Then a third of its updates counts as sooner: the objective is about
that of a constant, which no rate leaves quickly."""
UNMOVED = 0.15
"""Norm of the weights' change, as a share of the initial norm: in networks that learn it is at least a third."""
GROWN, EXPLODED = 20.0, 1000.0
"""Norm of the weights at the end, as a multiple of the initial one: with small steps they grow at most tenfold. From
the second on the rate is too high even if the range test, once it has learned, bears a higher one."""

UNBOUNDED = 1e6
"""Outputs that can be as large count as unbounded."""
OUT_OF_RANGE = 0.02
"""Share of the targets that no output reaches: a few may be noise."""

MAX_P_VALUE = 0.01
"""If more than this share of shuffled targets is predicted as well, the true ones count as unrelated to the inputs."""
MIN_CLASS_ROWS = 2
"""A class with fewer rows is not reported as never predicted."""


@dataclass(frozen=True)
class SymptomEvidence:
    """The evidence for a cause in one member."""

    sentence: str
    excess: float


def zero_weights(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect two successive layers whose initial weights are (nearly) zero."""
    share = member.first.size
    products = share[:-1] * share[1:]  # one zero array can grow by its gradient, two in a row cannot
    if not len(products) or products.min() > SMALL_WEIGHTS:
        return None
    layer = int(products.argmin())
    first, second = share[layer : layer + 2]
    return SymptomEvidence(
        f"the weights of layers {layer + 1} and {layer + 2} begin at {first:.1g} and {second:.1g} of their usual size: "
        "hardly a difference between rows, or between units, passes through them",
        _ratio(SMALL_WEIGHTS, products.min()),
    )


def symmetric_weights(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect a layer whose units all have the same initial weights."""
    drawn = member.first.size > TINY_WEIGHTS  # zeros are reported as zero_weights
    layers = [n for n, units in enumerate(member.first.twins, 1) if units and drawn[n - 1 : n + 1].any()]
    if not layers:
        return None
    layer = layers[0]
    units = member.first.twins[layer - 1]
    alike = member.last.twins[layer - 1]
    return SymptomEvidence(
        f"all {units} units of layer {layer} begin with the same weights, in and out, so each gets the same gradient"
        + (" and they ended the same: one unit" if alike else ""),
        float(units),
    )


def targets_out_of_range(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect targets that the output's activation cannot give."""
    y = member.batch.y
    low, high = member.output_range
    slack = 1e-6 * max(1.0, float(np.abs(y).max(initial=0)))
    outside = float(((y < low - slack) | (y > high + slack)).mean())
    if outside <= OUT_OF_RANGE:
        return None
    return SymptomEvidence(
        f"targets go from {y.min():.3g} to {y.max():.3g}, and the outputs from {low:.3g} to {high:.3g} at most: "
        f"{outside:.0%} of the targets are out of reach",
        outside / OUT_OF_RANGE,
    )


def shuffled_labels(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect targets that do not depend on the inputs, such as those in another order."""
    dependence = member.dependence
    if dependence is None or dependence.p <= MAX_P_VALUE or member.validated:
        return None
    return SymptomEvidence(
        "the inputs say nothing about the targets: for held-out rows R² is "
        f"{dependence.neighbors:.2f} by their neighbors and {dependence.linear:.2f} by a line, "
        f"and shuffled targets do as well (p = {dependence.p:.2g})",
        dependence.p / MAX_P_VALUE,
    )


def unscaled_inputs(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect inputs that are too large, too small or not centered."""
    return _unscaled_evidence(member.batch.x, "input", "initial weights are made for inputs of about 1")


def unscaled_targets(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect numbers to be predicted that are too large, too small or not centered."""
    if member.labels is not None or max(map(abs, member.output_range)) < UNBOUNDED:
        return None
    return _unscaled_evidence(member.batch.y, "target", "the first outputs are about 1")


def _unscaled_evidence(values: Floats, name: str, beside: str) -> SymptomEvidence | None:
    values = values.astype(np.float64)
    size = np.sqrt((values * values).mean(0))
    mean = np.abs(values.mean(0))
    spread = values.std(0)
    off = np.where(spread > 0, mean / np.where(spread > 0, spread, 1), 0)  # a constant column is a bias
    largest, center = int(size.argmax()), int(off.argmax())
    measured = f"{name} {largest}, the largest, has a root mean square of {size[largest]:.3g}"
    limits = (
        (size[largest] / LARGE, f"{measured}, and {beside}"),
        (_ratio(SMALL, size[largest]), f"{measured}: next to biases it is almost nothing"),
        (
            off[center] / OFF_CENTER,
            f"{name} {center} is {mean[center]:.3g} away from 0 and varies by {spread[center]:.3g}: nearly all of it "
            "is a constant",
        ),
    )
    return next((SymptomEvidence(sentence, float(excess)) for excess, sentence in limits if excess > 1), None)


def missing_bias(member: Observation) -> SymptomEvidence | None:
    """Detect targets, or errors, that are mostly a constant, which a bias would give."""
    names = [entry.name for entry in member.problem.network.entries]
    if member.diverged or any(name.startswith("b") for name in names):
        return None
    y = member.batch.y
    errors = member.outputs - member.batch.y
    of_errors, of_targets = (
        _ratio(float((values.mean(0) ** 2).sum()), float((values**2).mean(0).sum())) for values in (errors, y)
    )
    if member.labels is None and of_targets >= CONSTANT_TARGETS:
        told = f"{of_targets:.0%} of the targets' square is a constant"
        excess = of_targets / CONSTANT_TARGETS
    elif of_errors >= CONSTANT_ERROR:
        told = f"{of_errors:.0%} of the squared error is a constant"
        excess = of_errors / CONSTANT_ERROR
    else:
        return None
    return SymptomEvidence(
        f"no layer has biases, and {told}: without them inputs of 0 always give the same output", excess
    )


def flat_layer(member: Observation, *, flat: str, at_first: bool) -> SymptomEvidence | None:
    """Detect that the flattest layer is saturated (`flat` "both") or dead ("left")."""
    snapshot, verb = (member.first, "begin") if at_first else (member.last, "ended")
    hidden = list(member.problem.network.activations.items())[:-1]
    layers = [(*pair, slopes) for pair, slopes in zip(hidden, snapshot.slopes, strict=True) if pair[1].flat == flat]
    if not layers:
        return None
    number, activation, slopes = min(layers, key=lambda layer: float(layer[2].mean()))
    mean = float(slopes.mean())
    dead = int((slopes <= DEAD_UNIT).sum())
    if flat == "both" and mean < FLAT_LAYER:
        sentence = (
            f"the {activation.name} units of layer {number} {verb} saturated: "
            f"their slope is {mean:.2g} of the largest, on average over rows and units"
        )
        return SymptomEvidence(sentence, _ratio(FLAT_LAYER, mean))
    if flat == "left" and dead >= DEAD_LAYER * len(slopes):
        sentence = (
            f"{dead} of the {len(slopes)} {activation.name} units of layer {number} {verb} dead: "
            "flat for every row, or for nearly all"
        )
        return SymptomEvidence(sentence, dead / (DEAD_LAYER * len(slopes)))
    return None


def vanishing_gradient(member: Observation) -> SymptomEvidence | None:
    """Detect a vanishing gradient in the first layer at the initial weights."""
    delta = member.first.delta
    if len(delta) < 2 or not np.isfinite(delta).all() or not delta.max() > 0:
        return None
    share = float(delta[0] / delta.max())
    if not 0 < share <= VANISHED:  # exactly 0 has another cause: something is 0 or cancels
        return None
    return SymptomEvidence(
        f"at the first weights δ of layer 1 is {share:.1e} of the largest δ, that of layer {int(delta.argmax()) + 1}: "
        "the early layers get almost no gradient",
        _ratio(VANISHED, share),
    )


def dominating_penalty(member: Observation) -> SymptomEvidence | None:
    """Detect a penalty whose gradient is large compared with the data's."""
    ratio = _ratio(member.first.penalty, member.first.data)
    shrunk = _ratio(member.last.length, member.first.length)
    if ratio <= (ANY_PENALTY if shrunk <= SHRUNK else PENALTY):
        return None
    return SymptomEvidence(
        f"at the first weights the gradient of the penalty is {ratio:.2g} times that of the loss; "
        f"the weights ended at {shrunk:.2g} of their first size",
        ratio / PENALTY,
    )


def rate_too_high(member: Observation) -> SymptomEvidence | None:
    """Detect divergence or a learning rate that is too high."""
    range_test = member.range_test
    if range_test is None:
        return None
    # Large targets also make weights grow and units flat, even if the best rate is above the run's own.
    grown = _ratio(member.last.length, member.first.length)
    marked = grown > GROWN or bool(_died_while_training(member))
    is_above = member.rate > TOO_HIGH * range_test.best or (marked and member.rate >= range_test.best)
    too_far = is_above or grown > EXPLODED
    if not member.diverged and not (too_far and _reached_farther(range_test, member, BETTER)):
        return None
    course = (
        f"it diverged after {member.steps:,} updates ({member.diverged})"
        if member.diverged
        else f"the objective ended at {member.objective:.3g}"
    )
    return SymptomEvidence(
        f"with a rate of {member.rate:.3g} {course}{_died_while_training(member)}; {_describe_range_test(range_test)}",
        _ratio(member.rate, range_test.best),
    )


def _died_while_training(member: Observation) -> str:
    for flat, state in (("both", "saturated"), ("left", "dead")):
        if flat_layer(member, flat=flat, at_first=False) and not flat_layer(member, flat=flat, at_first=True):
            return f", and its units became {state}"
    return ""


def rate_too_low(member: Observation, *, idle: bool = False) -> SymptomEvidence | None:
    """Detect a rate too low for a run that has not ended, or, `idle`, won nothing."""
    range_test = member.range_test
    if range_test is None or member.diverged or (idle and member.skill >= NOTHING_WON):
        return None
    # Share of the fall in the last two fifths: 0.4 is a straight line, 0 an end.
    slow = idle or member.falling >= 0.1 or member.moved <= UNMOVED
    farther = _reached_farther(range_test, member, A_LITTLE_BETTER)
    reached = member.course[member.course[:, 1] <= range_test.objective, 0]
    updates = reached[0] if len(reached) else member.steps
    sooner = updates >= (IDLE_SOONER if idle else TOO_LOW) * range_test.updates
    if not slow or range_test.best < TOO_LOW * member.rate or not (farther or sooner):
        return None
    course = (
        f"the objective fell from {member.at_start:.3g} to {member.objective:.3g} in {member.steps:,} updates, "
        f"{max(0.0, member.falling):.0%} of that in the last two fifths, and the weights changed by {member.moved:.1%}"
        if member.moved
        else f"no weight changed in {member.steps:,} updates"
    )
    return SymptomEvidence(
        f"with a rate of {member.rate:.3g} {course}; {_describe_range_test(range_test)}",
        _ratio(range_test.best, member.rate),
    )


def _reached_farther(range_test: RangeTestResult, member: Observation, share: float) -> bool:
    return range_test.objective - member.least <= share * (member.objective - member.least)


def _describe_range_test(range_test: RangeTestResult) -> str:
    return (
        f"the range test, {range_test.updates} updates with rates from {range_test.lowest:.3g} to "
        f"{range_test.highest:.3g}, reached {range_test.objective:.3g} at {range_test.best:.2g}"
    )


def class_never_predicted(member: GivenNumbers) -> SymptomEvidence | None:
    """Detect classes that are not predicted for any row."""
    if member.labels is None or member.diverged:
        return None
    outputs = member.outputs
    predicted = (outputs[:, 0] > 0.5).astype(int) if outputs.shape[1] == 1 else outputs.argmax(1)
    classes, counts = np.unique(member.labels, return_counts=True)
    is_never = ~np.isin(classes, predicted) & (counts >= MIN_CLASS_ROWS)
    if not is_never.any():
        return None
    count, label = max(zip(counts[is_never].tolist(), classes[is_never].tolist(), strict=True))
    others = f"; {is_never.sum() - 1} more classes are never predicted either" if is_never.sum() > 1 else ""
    return SymptomEvidence(
        f"class {label} is never predicted, although {count} of {len(member.labels)} rows belong to it{others}",
        float(is_never.sum()),
    )


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator) / max(float(denominator), 1e-300)
