"""Generate a problem's numbers and formulas for the program for large networks.

θ, g [P]   of one member, in ranges whose arrays are penalized alike and trained with the same hyperparameters

All else is `program_sources/large_training.py`: one program serves all sizes.
"""

from deltarule.engines.base import FLUSH_EVERY
from deltarule.engines.compiled.codegen_formulas import (
    elementary_source_files,
    flush_lines,
    is_softmax_cross_entropy,
    loss_calls,
    once_a_step_call,
    optimizer_step,
    read_program_sources,
    update_numbers,
)
from deltarule.engines.compiled.formula_printer import Formulas, NotCompilable
from deltarule.maths.activations import Activation
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from deltarule.maths.random import DROPOUT
from deltarule.problem.problem import Problem
from deltarule.problem.registry import is_built_in

CHUNK = 1024
"""Parameters that go through the loops of an update together: they stay in the nearest memory."""


def not_fusible(problem: Problem) -> str:
    """Return what the program for large networks lacks for a problem, or ""."""
    for layer in problem.network.layers:
        if layer.activation.rowwise and not is_built_in(layer.activation):
            return f"the activation '{layer.activation.name}', which couples units"
    if problem.optimizer.norms:
        return f"large networks with the optimizer '{problem.optimizer.name}'"
    try:
        program(problem)
    except NotCompilable as reason:
        return str(reason)
    return ""


def program(problem: Problem) -> str:
    """Return the program's source text, without code for what no member uses."""
    formulas, names = Formulas(problem.dtype), ["linking.py", *elementary_source_files(problem.dtype)]
    names += ["shared_tiles.py", "array_views.py", "large_ops.py", "large_training.py"]
    constants = "\n".join(f"{name} = {value!r}" for name, value in _constants(problem).items())
    parts = [*_activation_functions(problem, formulas), _loss_and_slope(problem, formulas)]
    parts += [_update(problem, formulas), _numbers_of(problem, formulas)]
    return "\n\n\n".join([*read_program_sources(*names), constants, *formulas.texts, *parts])


def hidden_activations(problem: Problem) -> list[Activation]:
    """Return the distinct hidden activations; a layer's `kind` is an index into them."""
    distinct: list[Activation] = []
    for layer in problem.network.layers[:-1]:
        if layer.activation not in distinct:
            distinct.append(layer.activation)
    return distinct


def _constants(problem: Problem) -> dict[str, float]:
    """Return a problem's values of the numbers in capitals."""
    penalty, output = problem.penalty, problem.network.output
    return {
        "HAS_SCALING": problem.network.layers[0].scaling,
        "HAS_NORM": bool(problem.network.buffers),
        "HAS_DROPOUT": bool(problem.dropout.any()),
        "HAS_PENALTY": penalty is not None and any(part.penalized for part in problem.update_ranges),
        "PENALTY_PER_SAMPLE": penalty is not None and penalty.per_sample,
        "HAS_NUMBERS_OF_RANGES": len(problem.number_ranges) > 1,
        "IS_ROWWISE": output.rowwise,
        "IS_FUSED": problem.loss.fused_with(output) is not None,
        "IS_CROSS_ENTROPY": is_softmax_cross_entropy(problem),
        "IS_SUM": problem.reduction == "sum",
        "IS_MEAN_OF_ELEMENTS": problem.reduction == "mean_elements",
        "NORM_EPSILON": BATCH_NORM_EPSILON,
        "NORM_MOMENTUM": BATCH_NORM_MOMENTUM,
        "DROPOUT_PURPOSE": DROPOUT,
        "FLUSH_EVERY": FLUSH_EVERY,
    }


def _activation_functions(problem: Problem, formulas: Formulas) -> list[str]:
    """Generate the functions for a = f(z) and for ∂J/∂z = f'(z) ∂J/∂a."""
    # All numbers in one loop, not row by row: the last few of each row would not fill a vector.
    activate = ["@loop", "def activate(kind, z, a, largest, totals):", "    from_z, to_a = flat(z), flat(a)"]
    slope = ["@loop", "def slope(kind, z, a, d):", "    from_z, from_a, to_d = flat(z), flat(a), flat(d)"]
    for kind, function in enumerate(hidden_activations(problem)):
        for lines in (activate, slope):
            lines.append(f"    if kind == {kind}:")
        if function.rowwise:
            activate.append("        softmax_rows(z, a, largest, totals)")
            slope += ["        for i in range(len(a)):", "            softmax_row_back(a, d, i)"]
            continue
        value = formulas.call(function.function, "from_z[p]", parameters=function.parameters)
        derivative = formulas.call(function.derivative, "from_z[p]", "from_a[p]", parameters=function.parameters)
        activate += ["        for p in range(len(from_z)):", f"            to_a[p] = {value}"]
        slope += ["        for p in range(len(to_d)):", f"            to_d[p] *= {derivative}"]
    return ["\n".join(lines) for lines in (activate, slope)]


def _loss_and_slope(problem: Problem, formulas: Formulas) -> str:
    output, lines = problem.network.output, ["@compiled", "def loss_and_slope(z, a, target, share):"]
    if is_softmax_cross_entropy(problem):  # which the program has itself
        return "\n".join([*lines, "    return z, a"])
    if not output.rowwise and problem.loss.fused_with(output) is None:
        lines.append(f"    a = {formulas.call(output.function, 'z', parameters=output.parameters)}")
    value, slope = loss_calls(problem, formulas, "z", "a", "target")
    return "\n".join([*lines, f"    return share * {value}, share * {slope}"])


def _update(problem: Problem, formulas: Formulas) -> str:
    """Generate `update`, which returns the penalty and whether a number is not finite."""
    optimizer, penalty = problem.optimizer, problem.penalty
    arrays = ["t", *(f"s{i}" for i in range(len(optimizer.slots)))]
    # Settings have the precision of θ: beside float64 settings, float32 numbers would be converted to it and back.
    dtype = f"np.{problem.dtype.name}"
    settings = {name: f"{dtype}(numbers[{i}])" for i, name in enumerate(update_numbers(optimizer))}
    step, new = optimizer_step(optimizer, formulas, "t[p]", "d", [f"{slot}[p]" for slot in arrays[1:]], settings)
    lines = [
        "@loop",
        "def update(values, T, G, slots, index, start, stop, strength, numbers, flush):",
        *([] if penalty is None else ["    values[:] = 0.0"]),
        "    nonfinite = False",
        f"    for first in range(start, stop, {CHUNK}):",
        f"        last = min(first + {CHUNK}, stop)",
        # Parts that are indexed from 0: loops over an index that may be negative, from the end, are not vectorized.
        "        t, g = part(T, first, last), part(G, first, last)",
        *(f"        s{i} = part(slots[{i}][index], first, last)" for i in range(len(optimizer.slots))),
    ]
    body = ["d = g[p]"]
    if penalty is not None:
        of_many, of_one = (formulas.call(penalty.value, weight) for weight in ("some[l]", "t[p]"))
        # Partial sums side by side, and in a loop of their own: one sum alone would wait for each addition before the
        # next, and in one loop with all else it would be tested too often whether the arrays overlap.
        lines += [
            "        for group in range(0, len(t) - 63, 64):",
            "            some = part(t, group, group + 64)",
            "            for l in range(64):",
            f"                values[l] += {of_many}",
            "        for p in range(len(t) - len(t) % 64, len(t)):",
            f"            values[p % 64] += {of_one}",
        ]
        body.append(f"d += {dtype}(strength) * {formulas.call(penalty.derivative, 't[p]')}")
    # A boolean, not a count: a number of 64 bits beside each of 32 would halve the vectors.
    body += [*step, f"nonfinite |= {' + '.join(f'({name} - {name})' for name in new)} != 0"]
    lines += ["        for p in range(len(t)):", *(f"            {line}" for line in body)]
    lines += ["        if flush:", "            for p in range(len(t)):"]
    for array in arrays:
        lines += [f"                {line}" for line in flush_lines(problem.dtype, f"{array}[p]")]
    return "\n".join([*lines, f"    return {'0.0' if penalty is None else 'sum_in_order(values)'}, nonfinite"])


def _numbers_of(problem: Problem, formulas: Formulas) -> str:
    optimizer = problem.optimizer
    numbers = {name: f"hyperparameters[{i}]" for i, name in enumerate(optimizer.parameters, 1)}
    numbers = {"learning_rate": "rate * hyperparameters[0]", **numbers}
    values = ", ".join(numbers.values())
    if optimizer.once_a_step is not None:
        values = once_a_step_call(optimizer, formulas, numbers)
    is_tuple = optimizer.once_a_step is not None and len(update_numbers(optimizer)) > 1
    return f"@loop\ndef numbers_of(step, rate, hyperparameters):\n    return {values if is_tuple else f'({values},)'}"
