"""Trace the update of every array by the optimizer."""

from functools import partial

import numpy as np
from numpy import sqrt

from deltarule.engines.reference import apply_optimizer
from deltarule.maths.network import Entry, views
from deltarule.maths.optimizers import HYPERPARAMETERS, LEARNING_RATE
from deltarule.maths.update import array_norms
from deltarule.problem.problem import Floats
from deltarule.problem.registry import is_built_in
from deltarule.tracing import formulas
from deltarule.tracing.expressions import ZERO, Expression, Index, Number, Ref, Series, evaluate, replace_parts
from deltarule.tracing.trace_builder import TraceBuilder, layer_number


def update(trace: TraceBuilder) -> None:
    """Add the optimizer's numbers and every array before and after the update."""
    shared = _add_optimizer_numbers(trace)
    theta, slots = apply_optimizer(trace.problem, trace.state, trace.forward_pass.gradient)
    for entry in trace.network.entries:
        _add_updated_array(trace, entry, shared, theta, slots)


def _add_updated_array(
    trace: TraceBuilder, entry: Entry, shared: dict[str, Ref], theta: Floats, slots: dict[str, Floats]
) -> None:
    """Add an array after the update and its slots before and after it."""
    optimizer, name, at = trace.problem.optimizer, entry.name, trace.at
    axes = "".join(at[name].axes)
    numbers = _numbers_of_array(trace, entry, shared)
    for slot in optimizer.slots:
        value = _array_of(trace.state.slots[slot], entry)
        trace.add(f"{slot}_{name}", "update", value, axes, f"{slot} of {name} before the update")

    def rule(after: str, *index: Index) -> Expression | None:
        """The formula of an entry of θ ("theta") or of a slot."""
        old = {slot: at[f"{slot}_{name}"](*index) for slot in optimizer.slots}
        new = {slot: at[f"{slot}_{name}_new"](*index) for slot in optimizer.slots if f"{slot}_{name}_new" in at}
        found = formulas.optimizer_update(optimizer, at[name](*index), at[f"∂J/∂{name}"](*index), old, new, numbers)
        return None if found is None else found[after]

    for slot in optimizer.slots:
        value, about = _array_of(slots[slot], entry), f"{slot} of {name} after it"
        trace.add(f"{slot}_{name}_new", "update", value, axes, about, partial(rule, slot))
    about = f"{name} after the update by {optimizer.name}"
    trace.add(f"{name}_new", "update", _array_of(theta, entry), axes, about, partial(rule, "theta"))


def _add_gradient_norm(trace: TraceBuilder, entry: Entry) -> Ref:
    gradient = trace.at[f"∂J/∂{entry.name}"]

    def rule() -> Expression:
        return sqrt(Series(gradient.axes, gradient.value.shape, lambda *index: gradient(*index) ** 2))

    value = array_norms(trace.network.entries, trace.forward_pass.gradient)[0, entry.start]
    return trace.add(f"norm_{entry.name}", "update", value, "", f"length of {gradient.name}", rule)()


def _add_optimizer_numbers(trace: TraceBuilder) -> dict[str, Ref]:
    """Add the optimizer's numbers and return references to them by name."""
    optimizer, values = trace.problem.optimizer, trace.problem.numbers
    numbers = {"learning_rate": _add_learning_rate(trace)}
    for key in optimizer.parameters:
        symbol, about = f"{key}_optimizer", f"parameter of {optimizer.name}"
        if is_built_in(optimizer):
            symbol, about, _ = HYPERPARAMETERS[optimizer.name][key]
        numbers[key] = trace.add_setting(symbol, values[key][trace.member], about)
    return numbers


def _numbers_of_array(trace: TraceBuilder, entry: Entry, shared: dict[str, Ref]) -> dict[str, Expression | float]:
    """Add the numbers of this array alone, and return what its update takes."""
    optimizer, index, n = trace.problem.optimizer, trace.network.entries.index(entry), layer_number(entry.name)
    factors = {key: of_arrays[index] for key, of_arrays in trace.problem.factors.items() if of_arrays[index] != 1}
    numbers: dict[str, Expression | float] = dict(shared)
    for key, factor in factors.items():
        before = shared[key]
        assert before.value is not None
        about = f"{before.name} of {entry.name}, {factor:.4g} times that of others"
        value, formula = before.value * factor, before * Number(factor)
        numbers[key] = trace.add_setting(f"{before.name}_{entry.name}", value, about, formula, n)
    if optimizer.decay and not trace.problem.penalized[entry.start]:  # a bias does not decay
        numbers["weight_decay"] = 0
    if optimizer.norms:
        numbers["norm"] = _add_gradient_norm(trace, entry)
    if optimizer.once_a_step:
        return _add_corrected_numbers(trace, numbers, f"_{entry.name}" if factors else "", n if factors else None)
    return numbers


def _add_corrected_numbers(
    trace: TraceBuilder, numbers: dict[str, Expression | float], ending: str, n: int | None
) -> dict[str, Expression | float]:
    """Add the numbers that depend on the step, and return what an update takes."""
    optimizer = trace.problem.optimizer
    t = trace.add_setting("t", trace.state.step + 1, "number of this update, 1 for the first")
    assert optimizer.once_a_step is not None
    known = HYPERPARAMETERS.get(optimizer.name, {})
    found = optimizer.once_a_step(t, **numbers)
    for name, formula in found.items():
        if isinstance(formula, Expression) and replace_parts(formula, [(t, ZERO)]) is not formula:
            symbol = f"{known[name].symbol}_t" if name in known else name
            about = f"corrected, as {' and '.join(optimizer.slots)} began with zeros"
            value = np.asarray(evaluate(formula), trace.problem.dtype)
            found[name] = trace.add_setting(f"{symbol}{ending}", value, about, formula, n)
    return found


def _add_learning_rate(trace: TraceBuilder) -> Ref:
    problem, step, members = trace.problem, trace.state.step, trace.state.members
    schedule, factor = problem.schedule, float(trace.state.factor[0])
    rate, (symbol, about, _) = problem.numbers["learning_rate"][trace.member], LEARNING_RATE
    if schedule.name in ("constant", "adaptive") and factor == 1:
        return trace.add_setting(symbol, rate, about)
    start = trace.add_setting("α0", rate, "learning rate at the start")
    count = step // problem.steps_per_epoch(trace.member) if schedule.per == "epoch" else step
    done = trace.add_setting("done", count, f"{schedule.per}s done before this update")
    numbers: dict[str, Expression] = {}
    for key in schedule.parameters:
        value, what = problem.schedule_numbers[key][trace.member], f"parameter of the schedule {schedule.name}"
        # Training reads those of an adaptive schedule, and its formula does not depend on them.
        numbers[key] = Number(value) if schedule.adaptive else trace.add_setting(f"{key}_schedule", value, what)
    tree = formulas.run(schedule.name, schedule.rate, done, start, **numbers)
    if factor != 1:
        tree = tree * trace.add_setting("cut", factor, "factor by which training cut the rate when the loss stalled")
    value = problem.rates(members, step) * trace.state.factor
    return trace.add_setting(symbol, value, f"{about} of this update, by the schedule {schedule.name}", tree)


def _array_of(vector: Floats, entry: Entry) -> Floats:
    return views(vector[0], [entry])[entry.name]
