"""The update of θ in the program of a large network: the penalty, the optimizer, and the numbers that these take.

θ, g [P]   of one member, in ranges whose arrays are penalized alike and learn with the same numbers
"""

from functools import partial

from deltarule.engines.base import FLUSH_EVERY
from deltarule.engines.compiled.codegen_formulas import flush_lines, once_a_step_count, optimizer_step
from deltarule.engines.compiled.formula_compiler import Formulas
from deltarule.problem.problem import Problem, UpdateRange

LOOP = "@loop"
CHUNK = 1024
"""Numbers of θ that go through the loops of an update together: they stay in the nearest memory."""


def emit_update(problem: Problem, formulas: Formulas) -> str:
    """The penalty and the optimizer over a range of θ: the penalty's value, and whether a number is not finite."""
    optimizer, penalty = problem.optimizer, problem.penalty
    slots = [f"S{i}" for i in range(len(optimizer.slots))]
    # Settings in the precision of θ: with those of 64 bits every number of 32 would become one of 64, and come back.
    own = f"np.{problem.dtype.name}"
    if optimizer.once_a_step is not None:
        given = [f"{own}(numbers[{i}])" for i in range(once_a_step_count(optimizer))]
    else:
        given = [f"{name}={own}(numbers[{i}])" for i, name in enumerate(["learning_rate", *optimizer.parameters])]
    step, new = optimizer_step(problem, formulas, "t[p]", "d", [f"{slot.lower()}[p]" for slot in slots], given)
    slope = "" if penalty is None else formulas.call(penalty.derivative, "t[p]")
    body = ["d = g[p]", *([] if penalty is None else [f"d += {own}(strength) * {slope}"])]
    body += step
    # A truth, not a count: a number of 64 bits beside each of 32 would halve the vectors.
    body.append(f"unsound |= {' + '.join(f'({one} - {one})' for one in new)} != 0")
    # Parts of their own, from 0 on: of an index that may be negative, which counts from the end, no vectors are made.
    arrays = ["T", "G", *slots]
    lines = [
        f"def update(values, {', '.join(arrays)}, start, stop, strength, numbers, flush):",
        *([] if penalty is None else ["    values[:] = 0.0"]),
        "    unsound = False",
        f"    for first in range(start, stop, {CHUNK}):",
        f"        last = min(first + {CHUNK}, stop)",
        *(f"        {array.lower()} = part({array}, first, last)" for array in arrays),
    ]
    if penalty is not None:
        of_one = partial(formulas.call, penalty.value)
        # Partial sums side by side, and in a loop of its own: one sum alone would wait for each addition before the
        # next, and in one loop with all else it is asked too often whether the arrays overlap.
        lines += [
            "        for group in range(0, len(t) - 63, 64):",
            "            some = part(t, group, group + 64)",
            "            for l in range(64):",
            f"                values[l] += {of_one('some[l]')}",
            "        for p in range(len(t) - len(t) % 64, len(t)):",
            f"            values[p % 64] += {of_one('t[p]')}",
        ]
    lines += ["        for p in range(len(t)):", *(f"            {line}" for line in body)]
    lines += ["        if flush:", "            for p in range(len(t)):"]
    for array in ("t", *(slot.lower() for slot in slots)):
        lines += [f"                {line}" for line in flush_lines(problem.dtype, f"{array}[p]")]
    return (
        LOOP + "\n" + "\n".join([*lines, f"    return {'0.0' if penalty is None else 'sum_in_order(values)'}, unsound"])
    )


def emit_rate(problem: Problem, formulas: Formulas) -> str:
    """What the optimizer computes once a step, from the step's learning rate."""
    optimizer = problem.optimizer
    names = ["learning_rate", *optimizer.parameters]
    if optimizer.once_a_step is None:
        values = ", ".join(f"given[{i}]" for i in range(len(names)))
        return f"{LOOP}\ndef numbers_of(step, given):\n    return ({values},)"
    given = (f"{name}=given[{i}]" for i, name in enumerate(names))
    call = formulas.call_in_float64(optimizer.once_a_step, "(step + 1) * 1.0", *given)
    return f"{LOOP}\ndef numbers_of(step, given):\n    return {call}"


def emit_step(problem: Problem, slots: list[str]) -> list[str]:
    """The optimizer's step over θ, in ranges that the penalty counts and ranges that it does not."""
    optimizer, ranges = problem.optimizer, problem.update_ranges
    per_sample = problem.penalty is not None and problem.penalty.per_sample
    counted = any(part.penalized for part in ranges)
    lines = [
        *emit_barrier(),
        "if me == 0:",
        "    J = 0.0",
        "    for block in range(blocks):",
        "        J += losses[block]",
        f"strength = strengths[k]{' / total' if per_sample else ''}",
        *([] if problem.factors else _shared_numbers(problem)),
    ]
    of = "".join(f"{slot}_of, " for slot in slots)
    lines += [f"flush = (t + 1) % {FLUSH_EVERY} == 0", "for chunk in range(me, blocks, threads):"]
    parts: list[tuple[int | str, UpdateRange]] = list(enumerate(ranges))
    indent = "    "
    if problem.factors and len({part.penalized for part in ranges}) == 1:
        # Ranges differ in their numbers alone: one loop compiles faster than their lines one after another.
        lines.append(f"    for r in range({len(ranges)}):")
        parts, indent = [("r", ranges[0])], "        "
    for index, part in parts:
        numbers = "without" if optimizer.decay and not part.penalized and not problem.factors else "numbers"
        strength = "strength" if part.penalized else "0.0"
        counts = "strength * value if strength != 0 else 0.0" if part.penalized else "0.0"
        if problem.factors:
            own = [f"given[k, {index}, {number}]" for number in range(1 + len(optimizer.parameters))]
            own[0] += " * rates[i, k]"
            lines.append(f"{indent}numbers = numbers_of(t, ({', '.join(own)},))")
        after = index + 1 if isinstance(index, int) else f"{index} + 1"
        lines += [
            f"{indent}begin, length = ranges[{index}], ranges[{after}] - ranges[{index}]",
            f"{indent}low, high = begin + chunk * length // blocks, begin + (chunk + 1) * length // blocks",
            f"{indent}add(G, low, high)",
            f"{indent}value, odd = update(sums, T, G[0], {of}low, high, {strength}, {numbers}, flush)",
            # 0 · ∞ is no number
            f"{indent}values[{index}, chunk], unsound[{index}, chunk] = {counts}, odd",
        ]
    return [
        *lines,
        *emit_barrier(),
        "if me == 0:",
        "    odd = 0",
        *(["    for value in flat(values):", "        J += value"] if counted else []),
        "    for one_odd in flat(unsound):",
        "        odd += one_odd",
        *(
            ["    for value in buffers[place]:", "        odd += 1 if value - value != 0 else 0"]
            if problem.network.buffers
            else []
        ),
        "    objective[i, place] = J",
        "    if bad[place] < 0 and (odd or not np.isfinite(objective[i, place])):",
        "        bad[place] = t",
    ]


def _shared_numbers(problem: Problem) -> list[str]:
    """The numbers of an update of all arrays, and those without decay for arrays that have none."""
    optimizer, ranges = problem.optimizer, problem.update_ranges
    own, lines = ["rates[i, k]", *(f"given[k, {1 + index}]" for index in range(len(optimizer.parameters)))], []
    if any(part.penalized for part in ranges) or not optimizer.decay:
        lines.append(f"numbers = numbers_of(t, ({', '.join(own)},))")
    if optimizer.decay and not all(part.penalized for part in ranges):
        own[1 + list(optimizer.parameters).index("weight_decay")] = "0.0"
        lines.append(f"without = numbers_of(t, ({', '.join(own)},))")
    return lines


def emit_barrier() -> list[str]:
    """Wait until all threads of a member have come so far."""
    return ["if threads > 1:", "    comers += threads", "    wait(gate.ctypes.data, comers, aside)"]
