"""Generate the update of θ in the program for large networks.

θ, g [P]   of one member, in ranges whose arrays are penalized alike and trained with the same hyperparameters
"""

from functools import partial

from deltarule.engines.base import FLUSH_EVERY
from deltarule.engines.compiled.codegen_formulas import flush_lines, once_a_step_call, optimizer_step, update_numbers
from deltarule.engines.compiled.formula_printer import Formulas
from deltarule.problem.problem import Problem, UpdateRange

LOOP = "@loop"
CHUNK = 1024
"""Parameters that go through the loops of an update together: they stay in the nearest memory."""


def emit_update(problem: Problem, formulas: Formulas) -> str:
    """Generate `update`, which returns the penalty and whether a number is not finite."""
    optimizer, penalty = problem.optimizer, problem.penalty
    slots = [f"S{i}" for i in range(len(optimizer.slots))]
    # Settings have the precision of θ: beside float64 settings, float32 numbers would be converted to it and back.
    dtype = f"np.{problem.dtype.name}"
    settings = {name: f"{dtype}(numbers[{i}])" for i, name in enumerate(update_numbers(optimizer))}
    step, new = optimizer_step(optimizer, formulas, "t[p]", "d", [f"{slot.lower()}[p]" for slot in slots], settings)
    slope = "" if penalty is None else formulas.call(penalty.derivative, "t[p]")
    body = ["d = g[p]", *([] if penalty is None else [f"d += {dtype}(strength) * {slope}"])]
    body += step
    # A boolean, not a count: a number of 64 bits beside each of 32 would halve the vectors.
    body.append(f"nonfinite |= {' + '.join(f'({name} - {name})' for name in new)} != 0")
    # Parts that are indexed from 0: loops over an index that may be negative, from the end, are not vectorized.
    arrays = ["T", "G", *slots]
    lines = [
        f"def update(values, {', '.join(arrays)}, start, stop, strength, numbers, flush):",
        *([] if penalty is None else ["    values[:] = 0.0"]),
        "    nonfinite = False",
        f"    for first in range(start, stop, {CHUNK}):",
        f"        last = min(first + {CHUNK}, stop)",
        *(f"        {array.lower()} = part({array}, first, last)" for array in arrays),
    ]
    if penalty is not None:
        penalty_of = partial(formulas.call, penalty.value)
        # Partial sums side by side, and in a loop of their own: one sum alone would wait for each addition before the
        # next, and in one loop with all else it would be tested too often whether the arrays overlap.
        lines += [
            "        for group in range(0, len(t) - 63, 64):",
            "            some = part(t, group, group + 64)",
            "            for l in range(64):",
            f"                values[l] += {penalty_of('some[l]')}",
            "        for p in range(len(t) - len(t) % 64, len(t)):",
            f"            values[p % 64] += {penalty_of('t[p]')}",
        ]
    lines += ["        for p in range(len(t)):", *(f"            {line}" for line in body)]
    lines += ["        if flush:", "            for p in range(len(t)):"]
    for array in ("t", *(slot.lower() for slot in slots)):
        lines += [f"                {line}" for line in flush_lines(problem.dtype, f"{array}[p]")]
    return (
        LOOP
        + "\n"
        + "\n".join([*lines, f"    return {'0.0' if penalty is None else 'sum_in_order(values)'}, nonfinite"])
    )


def emit_numbers(problem: Problem, formulas: Formulas) -> str:
    """Generate the text of `numbers_of`, the optimizer's numbers of a step."""
    optimizer = problem.optimizer
    names = ["learning_rate", *optimizer.parameters]
    if optimizer.once_a_step is None:
        values = ", ".join(f"hyperparameters[{i}]" for i in range(len(names)))
        return f"{LOOP}\ndef numbers_of(step, hyperparameters):\n    return ({values},)"
    numbers = {name: f"hyperparameters[{i}]" for i, name in enumerate(names)}
    call = once_a_step_call(optimizer, formulas, numbers)
    numbers_of = f"({call},)" if len(update_numbers(optimizer)) == 1 else call
    return f"{LOOP}\ndef numbers_of(step, hyperparameters):\n    return {numbers_of}"


def emit_step(problem: Problem, slot_names: list[str]) -> list[str]:
    """Generate the lines that update a member's θ and record its objective."""
    ranges = problem.update_ranges
    per_sample = problem.penalty is not None and problem.penalty.per_sample
    has_penalty = any(part.penalized for part in ranges)
    lines = [
        *emit_barrier(),
        "if thread == 0:",
        "    J = 0.0",
        "    for block in range(blocks):",
        "        J += losses[block]",
        f"strength = strengths[k]{' / total' if per_sample else ''}",
        *([_numbers_line(problem, 0)] if len(problem.number_ranges) == 1 else []),
    ]
    slot_arguments = "".join(f"{slot}_of, " for slot in slot_names)
    lines += [f"flush = (t + 1) % {FLUSH_EVERY} == 0", "for chunk in range(thread, blocks, threads):"]
    parts: list[tuple[int | str, UpdateRange]] = list(enumerate(ranges))
    indent = "    "
    if len(ranges) > 1 and len({part.penalized for part in ranges}) == 1:
        # Ranges differ only in their numbers: one loop compiles faster than the lines of each range in turn.
        lines.append(f"    for r in range({len(ranges)}):")
        parts, indent = [("r", ranges[0])], "        "
    for index, part in parts:
        strength = "strength" if part.penalized else "0.0"
        penalty = "strength * value if strength != 0 else 0.0" if part.penalized else "0.0"
        if len(problem.number_ranges) > 1:
            lines.append(f"{indent}{_numbers_line(problem, index)}")
        after = index + 1 if isinstance(index, int) else f"{index} + 1"
        lines += [
            f"{indent}begin, length = ranges[{index}], ranges[{after}] - ranges[{index}]",
            f"{indent}low, high = begin + chunk * length // blocks, begin + (chunk + 1) * length // blocks",
            f"{indent}add(G, low, high)",
            f"{indent}result = update(sums, T, G[0], {slot_arguments}low, high, {strength}, numbers, flush)",
            f"{indent}value, is_nonfinite = result",
            # 0 · ∞ is no number
            f"{indent}values[{index}, chunk], nonfinite[{index}, chunk] = {penalty}, is_nonfinite",
        ]
    return [
        *lines,
        *emit_barrier(),
        "if thread == 0:",
        "    nonfinite_count = 0",
        *(["    for value in flat(values):", "        J += value"] if has_penalty else []),
        "    for is_nonfinite in flat(nonfinite):",
        "        nonfinite_count += is_nonfinite",
        *(
            ["    for value in buffers[index]:", "        nonfinite_count += 1 if value - value != 0 else 0"]
            if problem.network.buffers
            else []
        ),
        "    objective[i, index] = J",
        "    if bad[index] < 0 and (nonfinite_count or not np.isfinite(objective[i, index])):",
        "        bad[index] = t",
    ]


def _numbers_line(problem: Problem, index: int | str) -> str:
    """Generate the line that computes the optimizer's numbers of a range of θ."""
    settings = [f"hyperparameters[k, {index}, {number}]" for number in range(1 + len(problem.optimizer.parameters))]
    return f"numbers = numbers_of(t, (rates[i, k] * {', '.join(settings)},))"


def emit_barrier() -> list[str]:
    return [
        "if threads > 1:",
        "    expected_arrivals += threads",
        "    wait(barrier.ctypes.data, expected_arrivals, yield_address)",
    ]
