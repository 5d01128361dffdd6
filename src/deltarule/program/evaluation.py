"""Record the program of an evaluation: the objective and metrics of rows, and their logits and outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.maths.activations import Activation
from deltarule.maths.losses import divisor
from deltarule.maths.network import PlacedLayer, buffer_entries, evaluated, parameter_entries, views
from deltarule.maths.objective import penalty_term
from deltarule.program.program import MEMBERS, ONE, ROWS, Program, Variable
from deltarule.program.recorder import Tape, as_axis, traceable
from deltarule.program.update import Recording, Structure, with_named_sizes


def record_evaluation(structure: Structure, metrics: Sequence[str]) -> Program:
    """Return the program of an evaluation, with some of the `METRICS`.

    Its arguments are those of an update that it needs, and `after`: for each output 0 if it is the target's largest, 1
    if it comes behind that, else -1. Its results are the logits z, the outputs a, J and the metrics. Sums over rows are
    made in float64.
    """
    with traceable():
        return _record(Recording(structure), metrics)


def _record(recording: Recording, metrics: Sequence[str]) -> Program:
    objective = recording.objective
    theta, buffers, (x, y, w) = recording.parameters(), recording.buffers(), recording.batch()
    running = views(buffers, objective.statistics) if objective.statistics else {}
    layers, output, dtype = objective.layers, objective.output, recording.structure.dtype
    z = evaluated(layers, views(theta, objective.entries) | running, x)[layers[-1].name].astype(dtype)
    a = output.forward(z)[0].astype(dtype)
    losses, _ = objective.loss.forward(output, z, y)
    total = w.astype(float).sum(-2)

    def summed(values: Any) -> Any:
        return (w * values).astype(float).sum((-2, -1), keepdims=True).reshape(MEMBERS, ONE)

    J = summed(losses.sum(-1, keepdims=True)) / divisor(objective.reduction, total, int(y.shape[-1]))
    if objective.penalty is not None:
        strength, penalized = recording.penalty()
        value, _ = penalty_term(objective.penalty, strength, theta, penalized, w.sum(-2))
        J = J + value.astype(float).reshape(MEMBERS, ONE)
    for name, array in {"z": z, "a": a, "J": J}.items():
        recording.label(name, array)
    for name in metrics:
        after = recording.given("after", y.shape) if name == "accuracy" and y.shape[-1] > 1 else None
        values = METRICS[name](a, y, after)
        recording.label(name, summed(np.where(w > 0, values, values.dtype.type(0))) / total)
    return recording.named()


def _accuracy(a: Any, y: Any, after: Any) -> Any:
    """1 for rows whose first largest output is the target's, if all outputs are finite."""
    if after is None:
        return _thresholded(a, y, after)
    chosen = np.where(after == 0, a, a.dtype.type(0)).sum(-1, keepdims=True)
    is_beaten = np.where(after < 0, a >= chosen, a > chosen)
    return _all(a, np.where(is_beaten, a.dtype.type(0), a.dtype.type(1)))


def _thresholded(a: Any, y: Any, after: Any) -> Any:
    above, wanted = (np.where(array > 0.5, a.dtype.type(1), a.dtype.type(0)) for array in (a, y))
    return _all(a, np.where(above == wanted, a.dtype.type(1), a.dtype.type(0)))


def _all(a: Any, truths: Any) -> Any:
    """1 for rows whose truths are all 1, and whose outputs are all finite."""
    count = (truths + (a - a)).sum(-1, keepdims=True)
    return np.where(count == float(a.shape[-1]), a.dtype.type(1), a.dtype.type(0))


def _correct_output(a: Any, y: Any, after: Any) -> Any:
    """1 for rows with an output above 0.5 whose target is above 0.5."""
    both = np.where((a > 0.5) & (y > 0.5), a.dtype.type(1), a.dtype.type(0)).sum(-1, keepdims=True)
    return np.where(both > 0, a.dtype.type(1), a.dtype.type(0))


def _squared(a: Any, y: Any, after: Any) -> Any:
    return ((a - y) * (a - y)).sum(-1, keepdims=True) / int(y.shape[-1])


def _absolute(a: Any, y: Any, after: Any) -> Any:
    return np.absolute(a - y).sum(-1, keepdims=True) / int(y.shape[-1])


def record_outputs(layers: tuple[PlacedLayer, ...], output: Activation, dtype: DTypeLike) -> Program:
    """Return the program of a network's outputs in evaluation, the result "outputs" [members, rows, units].

    Its arguments are x [rows, inputs], each array of parameters and each running statistic, [members, …], by name.
    """
    layers, tape = with_named_sizes(layers), Tape([])
    arguments = {"x": Variable("x", np.dtype(dtype), (ROWS, as_axis(layers[0].inputs)))}
    for entry in (*parameter_entries(layers), *buffer_entries(layers)):
        axes = (MEMBERS, *map(as_axis, entry.shape))
        arguments[entry.name] = Variable(entry.name, np.dtype(dtype), axes)
    given = {name: tape.number(argument) for name, argument in arguments.items()}
    with traceable():
        outputs = output.forward(evaluated(layers, given, given["x"])[layers[-1].name])[0]
    return tape.program([*arguments.values()], [tape.operand(outputs)], ["outputs"]).cut(["outputs"])


METRICS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "accuracy": _accuracy,
    "thresholded": _thresholded,
    "correct_output": _correct_output,
    "mean_squared_error": _squared,
    "mean_absolute_error": _absolute,
}
"""Metrics that are means over rows, as `stats.metrics` defines them: what a row counts."""
