"""The functions of a training script, and its loop over the updates."""

from collections.abc import Mapping

from deltarule.export.training_script.steps import Lines, Steps
from deltarule.maths import random

MAX_LINE_LENGTH = 112
"""Characters of a line of the loop, which is indented by four more."""


def constants(steps: Steps, updates: int, losses: Mapping[int, float]) -> Lines:
    """The constants of the loop, and the losses that deltarule recorded."""
    problem, lines = steps.problem, [f"STEPS = {updates}"]
    if steps.batches > 1:
        lines.append(f"BATCHES, SIZE = {steps.batches}, {problem.batch_rows(0)}  # of an epoch; rows of a batch")
        lines.append(f"DATA_SEED = {int(problem.data_seeds[0])}")
    if steps.dropout:
        lines.append(f"DROPOUT_SEED = np.array([{int(problem.dropout_seeds[0])}], np.uint64)")
    texts = [f"    {step}: {loss!r}," for step, loss in losses.items()]
    return [*lines, "RECORDED = {  # the loss of all rows after so many updates, by deltarule", *texts, "}"]


def functions(steps: Steps) -> Lines:
    """The functions for the forward pass and the loss."""
    what = "logits" if steps.fused else "outputs"
    about = f"From the inputs to the {what}, with everything on the way."
    if steps.has_modes:
        about = f"The {what} as after training: no dropout, batch norm on its running statistics."
    lines = [line for layer in steps.layers for line in steps.forward(layer, False, "x")]
    return [
        f"def {'evaluated' if steps.has_modes else 'forward'}(x):",
        f'    """{about}"""',
        *_indent(lines),
        f"    return {steps.last if steps.has_modes else ', '.join(_values(steps))}",
        "",
        "",
        *steps.loss(),
    ]


def loop(steps: Steps) -> Lines:
    """The loop over the updates."""
    adaptive = steps.problem.schedule.adaptive
    body = [*_head(steps), "", f"# backward: d{steps.last} is ∂J/∂{steps.last}, and so on", *steps.backward()]
    body += ["", "# update", *steps.update(), *(["", *_adapt(steps)] if adaptive else [])]
    start = ["cut, best, stalled, total, seen = 1.0, np.inf, 0, 0.0, 0", ""] if adaptive else []
    return [*start, "for step in range(STEPS + 1):", *_indent(body)]


def wrap_statement(line: str) -> str:
    """Break a long statement into several lines within its brackets.

    >>> print(wrap_statement("m = f(" + ", ".join(["something"] * 12) + ")"))
    m = f(something, something, something, something, something, something, something, something, something,
        something, something, something)
    """
    within = " " * (len(line) - len(line.lstrip()) + 4)
    lines, depth = [], 0
    while len(line) > MAX_LINE_LENGTH:
        place, outside = 0, depth
        for at, sign in enumerate(line[:MAX_LINE_LENGTH]):
            outside += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
            if sign == " " and outside and line[:at].strip():
                place, depth = at, outside
        if not place:
            break
        lines.append(line[:place])
        line = within + line[place + 1 :]
    return "\n".join([*lines, line])


def _head(steps: Steps) -> Lines:
    """The first part of an update: report the loss, take the batch, run the forward pass."""
    stop = ["if step == STEPS:", "    break"]
    if not steps.has_modes and steps.batches == 1:
        objective = [f"J = {_loss_call(steps, steps.last)}", "report(step, J)"]
        return ["# forward", f"{', '.join(_values(steps))} = forward(x)", *objective, *stop]
    lines = [
        "if step in RECORDED:",
        f"    report(step, {_loss_call(steps, _evaluation_outputs(steps), whole=True)})",
        *stop,
        "",
    ]
    lines += [*_batch(steps), "# forward", *(_parts(steps) if steps.normalizes else [])]
    x = steps.data("x")
    if steps.has_modes:
        lines += [line for layer in steps.layers for line in steps.forward(layer, True, x)]
    else:
        lines.append(f"{', '.join(_values(steps))} = forward({x})")
    return lines + ([f"J = {_loss_call(steps, steps.last)}"] if steps.problem.schedule.adaptive else [])


def _loss_call(steps: Steps, of: str, whole: bool = False) -> str:
    """The call of the loss: of a batch, or of all rows."""
    names = ["y", *(["w"] if steps.weighted else [])]
    return f"loss({', '.join([of, *(name if whole else steps.data(name) for name in names)])})"


def _evaluation_outputs(steps: Steps) -> str:
    """The argument of the loss in evaluation mode, for all rows."""
    if steps.has_modes:
        return "evaluated(x)"
    return "forward(x)[-1]" if len(_values(steps)) > 1 else "forward(x)"


def _values(steps: Steps) -> Lines:
    """Names of the quantities computed in the forward pass."""
    names = [f"{letter}{layer.number}" for layer in steps.layers for letter in "za"]
    return names[:-1] if steps.fused else names


def _batch(steps: Steps) -> Lines:
    """The rows of this update."""
    if steps.batches == 1:
        return ["rows = np.arange(len(x))"] if steps.dropout else []
    names = ["x", "y", *(["w"] if steps.weighted else [])]
    return [
        "# the batch: each epoch visits all rows, in an order of its own",
        "epoch, place = divmod(step, BATCHES)",
        "if place == 0:",
        f"    order = {steps.call(random.permutation, 'DATA_SEED', 'epoch', 'len(x)')}",
        "rows = order[place * SIZE : (place + 1) * SIZE]",
        f"{', '.join(f'{name}b' for name in names)} = {', '.join(f'{name}[rows]' for name in names)}",
        "",
    ]


def _parts(steps: Steps) -> Lines:
    """The weight of a sample in batch norm."""
    x, w = steps.data("x"), steps.data("w")
    if steps.weighted:
        return [f"part, count = {w} / {w}.sum(0, keepdims=True), {w}.sum()"]
    return [f"part, count = 1 / len({x}), float(len({x}))"]


def _adapt(steps: Steps) -> Lines:
    """The adaptive schedule, driven by the mean loss of each epoch."""
    numbers = {key: float(value[0]) for key, value in steps.problem.schedule_numbers.items()}
    rows = f"len({steps.data('y')})"
    counted = f"total, seen = total + {rows} * float(J), seen + {rows}"
    if steps.problem.reduction == "sum":  # sums add up to the epoch's loss, means are averaged over its rows
        counted = "total, seen = total + float(J), 1"
    lines = [
        "mean, total, seen = total / seen, 0.0, 0",
        f"stalled = stalled + 1 if mean > best - {numbers['tolerance']!r} else 0",
        "best = min(best, mean)",
        f"if stalled >= {numbers['patience']!r}:",
        f"    cut, stalled = cut / {numbers['divide']!r}, 0",
    ]
    if steps.batches > 1:
        lines = ["if (step + 1) % BATCHES == 0:", *_indent(lines)]
    return ["# the schedule: where the mean loss of the epochs has stalled, the rate is cut", counted, *lines]


def _indent(lines: Lines) -> Lines:
    return [f"    {line}" if line else "" for line in lines]
