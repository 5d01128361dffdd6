"""The causes that keep a network from learning: what each looks like in numbers, and from which limit on it is named.

Another cause is another function with `@_cause`.

Each limit below has its reason beside it. They were tried on the development runs of benchmarks/why_not_learning.py,
and are judged by its final ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.problem.problem import Floats
from deltarule.symptoms.observations import Observation, Snapshot

LEARNED = 0.6
"""Skill from which on a member counts as having learned: more than half of what a constant loses is won. What it has
of large inputs or flat units did not stop it then."""

TINY_WEIGHTS = 1e-3
"""Weights of a thousandth of Glorot's size pass on a thousandth of every difference between rows: none, in effect."""

LARGE_INPUTS, SMALL_INPUTS = 10.0, 0.02
"""Root mean squares of a column. Initial weights are made for about 1; curvature grows with the square, so at 10 a rate
that would have been right is 100 times too high, and at 0.02 it is 2,500 times too low."""
OFF_CENTER = 10.0
"""|mean| / deviation of a column: from 10 on, 99 % of its square is a constant that says nothing of the rows."""

FLAT_LAYER = 0.2
"""Mean slope of a layer's bounded units, as a share of the largest slope. Usual weights begin above 0.5; at 0.2 a unit
with z of deviation 2 in tanh still has 0.4."""
DEAD_UNIT = 0.01
"""Slope up to which a unit that is flat on one side counts as dead: it lets one row in a hundred through."""
DEAD_LAYER = 0.8
"""Share of a layer's units that are dead."""

PENALTY, ANY_PENALTY = 0.25, 0.01
"""Length of the penalty's gradient at the first weights, as a share of the data's. A penalty is a correction: usual
strengths, 1e-5 to 1e-3, are at 0.005 or less. From the second limit on it is named where weights shrank as well."""
SHRUNK = 0.1
"""Length of all weights at the end, as a share of their first: the data alone make weights grow."""
VANISHED = 1e-3
"""δ of the first layer as a share of the largest. A sigmoid's slope is 1/4 at most, so five of them make it 1e-3."""

BETTER, A_LITTLE_BETTER = 0.7, 0.9
"""The range test's least objective, as a share of the run's at its end, both above the least possible. A run has more
updates than the test, so it should be at 1 or far above."""
TOO_HIGH = 1.5
"""Run's rate / the test's best: of ordinary runs the best is several times the run's own, for the test is short."""
TOO_LOW = 10.0
"""The test's best / the run's rate, and the updates that the run needed for the test's objective / the test's own. Both
beside an objective that still falls, or weights that hardly moved."""
UNMOVED = 0.15
"""Change of the weights as a share of their first length: those of networks that learn change by a third at least."""
GROWN = 20.0
"""Length of the weights at the end, as a multiple of their first: by small steps they grow ten times at most."""

RELATED = 0.01
"""Share of shuffled targets that are predicted as well from which on the true ones count as unrelated."""
MIN_CLASS_ROWS = 2
"""Rows of a class that are needed to accuse a network of never predicting it."""


@dataclass(frozen=True)
class Evidence:
    """What was found of one cause in one member: a sentence, and the numbers in it. `excess`: by what factor, beyond
    the limit, its main number is; the members of a run are compared by it."""

    sentence: str
    excess: float
    numbers: Mapping[str, float] = field(default_factory=dict)


Find = Callable[[Observation], Evidence | None]


@dataclass(frozen=True)
class Cause:
    """A cause: its code, what can be done, and what finds it in a member."""

    code: str
    fix: str
    find: Find


_ENDED = "mend what stands above this; if nothing does, a lower rate kills and saturates fewer units"
_CAUSES: list[Cause] = []
"""In the order in which one brings about another: large inputs saturate units, dead units make the gradient vanish,
and whatever keeps a network from learning leaves it with classes that it never predicts."""


def _cause(code: str, fix: str) -> Callable[[Find], Find]:
    """Add a cause behind those above."""

    def add(find: Find) -> Find:
        _CAUSES.append(Cause(code, fix, find))
        return find

    return add


@_cause("zero_weights", "draw the weights at random (glorot_uniform, the default); only biases may begin at 0")
def _zero_weights(seen: Observation) -> Evidence | None:
    share = seen.first.size / seen.first.usual
    pairs = np.maximum(share[:-1], share[1:])  # one array of zeros is left by its gradient, two in a row are not
    if seen.skill >= LEARNED or not len(pairs) or pairs.min() > TINY_WEIGHTS:
        return None
    layer = int(pairs.argmin()) + 1
    return Evidence(
        f"the weights of layers {layer} and {layer + 1} begin at {_or_as_good_as(pairs.min())}: "
        "no difference between rows, and none between units, passes through them",
        _over(TINY_WEIGHTS, pairs.min()),
        {"layer": layer, "first size of usual": float(pairs.min())},
    )


@_cause("symmetric_weights", "draw the weights at random (glorot_uniform, the default), so that units differ")
def _symmetric_weights(seen: Observation) -> Evidence | None:
    drawn = seen.first.size / seen.first.usual > TINY_WEIGHTS  # twins of 0 are told as zeros
    layers = [n for n, twins in enumerate(seen.first.twins, 1) if twins and drawn[n - 1 : n + 1].any()]
    if seen.skill >= LEARNED or not layers:
        return None
    layer = layers[0]
    units = len(seen.first.slopes[layer - 1])
    alike = seen.last.twins[layer - 1]
    return Evidence(
        f"all {units} units of layer {layer} begin with the same weights, in and out, so each gets the same gradient"
        + (" and they ended the same: one unit" if alike else ""),
        float(units),
        {"layer": layer, "units": units},
    )


@_cause(
    "shuffled_labels",
    "see whether inputs and targets are in the same order: print a few rows beside their targets",
)
def _shuffled_labels(seen: Observation) -> Evidence | None:
    told = seen.relation
    if told is None or told.p <= RELATED or seen.validated:
        return None
    return Evidence(
        "the inputs tell nothing of the targets: for held-out rows R² is "
        f"{told.neighbors:.2f} by their neighbors and {told.line:.2f} by a line, "
        f"and shuffled targets do as well (p = {told.p:.2g})",
        told.p / RELATED,
        {"R² of neighbors": told.neighbors, "R² of a line": told.line, "p": told.p},
    )


@_cause(
    "unscaled_inputs",
    "standardize the inputs: subtract each column's mean and divide by its deviation on the training rows",
)
def _unscaled_inputs(seen: Observation) -> Evidence | None:
    if seen.skill >= LEARNED:
        return None
    x = seen.batch.x.astype(np.float64)
    size, mean, spread = np.sqrt((x * x).mean(0)), np.abs(x.mean(0)), x.std(0)
    off = np.where(spread > 0, mean / np.where(spread > 0, spread, 1), 0)  # a constant column is a bias
    large, column = float(size.max()), int(size.argmax())
    numbers = {"column": column, "root mean square": large, "smallest of the columns": float(size.min())}
    if large > LARGE_INPUTS:
        return Evidence(
            f"input {column} has a root mean square of {large:.3g}, and initial weights are made for inputs of about 1",
            large / LARGE_INPUTS,
            numbers,
        )
    if large < SMALL_INPUTS:
        return Evidence(
            f"the largest input, {column}, has a root mean square of {large:.3g}: next to the biases nothing comes in",
            _over(SMALL_INPUTS, large),
            numbers,
        )
    if off.max() > OFF_CENTER:
        column = int(off.argmax())
        return Evidence(
            f"input {column} is {mean[column]:.3g} away from 0 and varies by {spread[column]:.3g}: "
            "nearly all of it is a constant",
            float(off.max() / OFF_CENTER),
            {"column": column, "mean": float(x[:, column].mean()), "deviation": float(spread[column])},
        )
    return None


@_cause(
    "saturated_units",
    "begin with smaller weights (initial_scale, or glorot_uniform); for tanh, sigmoid and softmax units z of about 1",
)
def _saturated_at_first(seen: Observation) -> Evidence | None:
    return _flat(seen, seen.first, "begin", _is_bounded)


@_cause(
    "dead_units",
    "begin with biases of 0 and weights of both signs (he_normal), center the inputs, or take leaky_relu",
)
def _dead_at_first(seen: Observation) -> Evidence | None:
    return _flat(seen, seen.first, "begin", _is_one_sided)


def _flat(seen: Observation, moment: Snapshot, when: str, kind: Callable[[Activation], bool]) -> Evidence | None:
    """The layer whose units are nearest to flat, of those whose activation is of a kind."""
    layers = [layer for layer in seen.problem.network.layers[:-1] if kind(layer.activation)]
    if seen.skill >= LEARNED or not layers:
        return None
    layer = min(layers, key=lambda layer: float(moment.slopes[layer.number - 1].mean()))
    slopes = moment.slopes[layer.number - 1]
    mean, dead = float(slopes.mean()), int((slopes <= DEAD_UNIT).sum())
    numbers = {"layer": layer.number, "units": len(slopes), "flat units": dead, "mean slope": mean}
    numbers |= {f"mean slope of layer {n}": float(slope.mean()) for n, slope in enumerate(moment.slopes, 1)}
    if kind is _is_bounded and mean < FLAT_LAYER:
        sentence = (
            f"the {layer.activation.name} units of layer {layer.number} {when} saturated: "
            f"their slope is {mean:.2g} of the largest, on average over rows and units"
        )
        return Evidence(sentence, _over(FLAT_LAYER, mean), numbers)
    if kind is _is_one_sided and dead >= DEAD_LAYER * len(slopes):
        sentence = (
            f"{dead} of the {len(slopes)} {layer.activation.name} units of layer {layer.number} {when} dead: "
            "flat for every row, or for nearly all"
        )
        return Evidence(sentence, dead / (DEAD_LAYER * len(slopes)), numbers)
    return None


def _end_slopes(activation: Activation) -> Floats:
    """|f'| far out on the left and on the right."""
    z = np.array([-30.0, 30.0])
    a = activation.function(z, **activation.parameters)
    return np.asarray(np.abs(activation.derivative(z, a, **activation.parameters)) + 0 * z)


def _is_bounded(activation: Activation) -> bool:
    return activation.rowwise or bool((_end_slopes(activation) < 1e-6).all())


def _is_one_sided(activation: Activation) -> bool:
    return not activation.rowwise and int((_end_slopes(activation) < 1e-6).sum()) == 1


@_cause(
    "vanishing_gradient",
    "take fewer layers, relu instead of sigmoid, larger first weights (he_normal), or batch norm",
)
def _vanishing_gradient(seen: Observation) -> Evidence | None:
    delta = seen.first.delta
    if seen.skill >= LEARNED or len(delta) < 2 or not np.isfinite(delta).all() or not delta.max() > 0:
        return None
    share = float(delta[0] / delta.max())
    if not 0 < share <= VANISHED:  # nothing at all is no vanishing: something is 0, or cancels
        return None
    return Evidence(
        f"at the first weights δ of layer 1 is {share:.1e} of the largest δ, that of layer {int(delta.argmax()) + 1}: "
        "the early layers are told next to nothing",
        _over(VANISHED, share),
        {"share": share} | {f"δ of layer {n}": float(each) for n, each in enumerate(delta, 1)},
    )


@_cause("dominating_penalty", "divide the strength by 100; then look for the best one on validation rows")
def _dominating_penalty(seen: Observation) -> Evidence | None:
    ratio = _over(seen.first.penalty, seen.first.data)
    shrunk = _over(seen.last.length, seen.first.length)
    if seen.skill >= LEARNED or ratio <= (ANY_PENALTY if shrunk <= SHRUNK else PENALTY):
        return None
    return Evidence(
        f"at the first weights the penalty pulls {ratio:.2g} times as hard as the data; "
        f"the weights ended at {shrunk:.2g} of their first size",
        ratio / PENALTY,
        {"penalty / data": ratio, "last size / first": shrunk, "strength": float(seen.problem.strength[0])},
    )


@_cause("rate_too_high", "lower the rate to a third of the range test's best, or less")
def _rate_too_high(seen: Observation) -> Evidence | None:
    tested = seen.tested
    if seen.skill >= LEARNED or tested is None:
        return None
    # Far targets make weights grow and units flat, too, though the best rate may be above the run's own.
    marked = _over(seen.last.length, seen.first.length) > GROWN or bool(_died_while_training(seen))
    too_far = seen.rate > TOO_HIGH * tested.best or (marked and seen.rate >= tested.best)
    if not seen.diverged and not (too_far and _came_farther(seen, BETTER)):
        return None
    course = (
        f"it diverged after {seen.steps:,} updates ({seen.diverged})"
        if seen.diverged
        else f"the objective ended at {seen.objective:.3g}"
    )
    return Evidence(
        f"with a rate of {seen.rate:.3g} {course}{_died_while_training(seen)}; {_range_test_told(seen)}",
        _over(seen.rate, tested.best),
        _rates(seen) | {"last length of the weights / first": _over(seen.last.length, seen.first.length)},
    )


def _died_while_training(seen: Observation) -> str:
    """That units which were not flat at first are so in the end, in words; nothing where there are none."""
    pairs = (_saturated_at_first, _saturated_at_last, "saturated"), (_dead_at_first, _dead_at_last, "dead")
    words = [word for first, last, word in pairs if last(seen) and not first(seen)]
    return f", and its units are {words[0]} since" if words else ""


@_cause("rate_too_low", "raise the rate towards the range test's best, or train for longer")
def _rate_too_low(seen: Observation) -> Evidence | None:
    tested = seen.tested
    if seen.skill >= LEARNED or tested is None or seen.diverged:
        return None
    # Share of the fall in the last two fifths: 0.4 is a straight line, 0 an end.
    slow = seen.falling >= 0.1 or seen.moved <= UNMOVED
    farther = _came_farther(seen, A_LITTLE_BETTER)
    sooner = seen.updates_to(tested.objective) >= TOO_LOW * tested.updates
    if not slow or tested.best < TOO_LOW * seen.rate or not (farther or sooner):
        return None
    course = (
        f"the objective fell from {seen.at_start:.3g} to {seen.objective:.3g} in {seen.steps:,} updates, "
        f"{max(0.0, seen.falling):.0%} of that in the last two fifths, and the weights changed by {seen.moved:.1%}"
        if seen.moved
        else f"no weight changed in {seen.steps:,} updates"
    )
    return Evidence(
        f"with a rate of {seen.rate:.3g} {course}; {_range_test_told(seen)}",
        _over(tested.best, seen.rate),
        _rates(seen) | {"late share of the fall": seen.falling, "change of the weights": seen.moved},
    )


def _came_farther(seen: Observation, share: float) -> bool:
    """Whether the range test came to this share of what the run ended at, both above the least possible."""
    assert seen.tested is not None
    return seen.tested.objective - seen.least <= share * (seen.objective - seen.least)


def _range_test_told(seen: Observation) -> str:
    assert seen.tested is not None
    return (
        f"the range test, {seen.tested.updates} updates with rates from {seen.tested.lowest:.3g} to "
        f"{seen.tested.highest:.3g}, came to {seen.tested.objective:.3g} at {seen.tested.best:.2g}"
    )


def _rates(seen: Observation) -> dict[str, float]:
    assert seen.tested is not None
    return {
        "rate": seen.rate,
        "objective": seen.objective,
        "range test's best rate": seen.tested.best,
        "range test's least objective": seen.tested.objective,
        "range test's suggestion": seen.tested.suggested,
    }


@_cause("saturated_units", _ENDED)
def _saturated_at_last(seen: Observation) -> Evidence | None:
    return _flat(seen, seen.last, "ended", _is_bounded)


@_cause("dead_units", _ENDED)
def _dead_at_last(seen: Observation) -> Evidence | None:
    return _flat(seen, seen.last, "ended", _is_one_sided)


@_cause(
    "class_never_predicted",
    "if nothing stands above this, give the rows of rare classes more weight (weights), or get more of them",
)
def _class_never_predicted(seen: Observation) -> Evidence | None:
    if seen.labels is None or seen.diverged:
        return None
    outputs = seen.outputs
    predicted = (outputs[:, 0] > 0.5).astype(int) if outputs.shape[1] == 1 else outputs.argmax(1)
    classes, counts = np.unique(seen.labels, return_counts=True)
    never = [(count, one) for one, count in zip(classes, counts, strict=True) if one not in predicted]
    never = [(count, one) for count, one in never if count >= MIN_CLASS_ROWS]
    if not never:
        return None
    count, one = max(never)
    own = outputs[seen.labels == one]
    output = float((own[:, 0] if one else 1 - own[:, 0]).max() if outputs.shape[1] == 1 else own[:, one].max())
    others = f", and {len(never) - 1} more classes neither" if len(never) > 1 else ""
    return Evidence(
        f"class {one} is never predicted, for none of its {count} of {len(seen.labels)} rows{others}; "
        f"its output on these rows is {output:.2g} at most",
        float(len(never)),
        {"class": int(one), "rows": int(count), "of": len(seen.labels), "largest output": output},
    )


def _or_as_good_as(share: float) -> str:
    return "0" if share == 0 else f"{share:.0e} of their usual size"


def _over(value: float, least: float) -> float:
    return float(value) / max(float(least), 1e-300)


CAUSES = tuple(_CAUSES)
