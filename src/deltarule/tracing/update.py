"""The update, noted: the learning rate, the optimizer's numbers, and every array before and after."""

import numpy as np

from deltarule.engines.reference import apply_optimizer, array_norms
from deltarule.maths.network import BATCH_NORM_MOMENTUM, Entry, views
from deltarule.problem.problem import Floats
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Function, Index, Number, Ref, Series, sqrt
from deltarule.tracing.trace_builder import Notes, Rule, number_in

SYMBOLS = {
    "learning_rate": ("α", "learning rate"),
    "momentum": ("β", "momentum"),
    "epsilon": ("ε", "keeps the division finite"),
    "decay": ("ρ", "what the mean of the squares keeps of itself"),
    "beta1": ("β1", "what the mean of the gradients keeps of itself"),
    "beta2": ("β2", "what the mean of the squares keeps of itself"),
    "weight_decay": ("weight_decay", "strength of the decay"),
    "increase": ("increase", "how steps grow while the sign stays"),
    "decrease": ("decrease", "how steps shrink when the sign turns"),
    "smallest": ("smallest", "the least step"),
    "largest": ("largest", "the greatest step"),
}
"""An optimizer's numbers: what its equation calls them, and what they are; all others go by their names."""


def update(notes: Notes) -> None:
    """Every array before and after, and the running statistics of batch norm."""
    numbers = _note_optimizer_numbers(notes)
    theta, slots = apply_optimizer(notes.problem, notes.state, notes.done.gradient)
    for entry in notes.network.entries:
        _note_updated_array(notes, entry, numbers, theta, slots)
    for entry in notes.network.buffers:
        _note_running_statistic(notes, entry)


def _note_updated_array(
    notes: Notes, entry: Entry, numbers: dict[str, Ref], theta: Floats, slots: dict[str, Floats]
) -> None:
    optimizer, name, at = notes.problem.optimizer, entry.name, notes.at
    n, axes = number_in(name), "".join(notes.at[name].axes)
    rules = formulas.optimizer_update(optimizer)
    if optimizer.norms:
        numbers = numbers | {"norm": _norm(notes, entry)}
    if optimizer.decay and not notes.problem.penalized[entry.start]:  # a bias does not decay
        numbers = {key: number for key, number in numbers.items() if key != "weight_decay"}

    def rule(made: formulas.Update | None) -> Rule | None:
        def of_entry(*index: Index) -> Expression | None:
            old = {slot: at[f"{slot}_{name}"](*index) for slot in optimizer.slots}
            new = {slot: at[f"{slot}_{name}_new"](*index) for slot in optimizer.slots if f"{slot}_{name}_new" in at}
            return made and made(at[name](*index), at[f"∂J/∂{name}"](*index), old, new, numbers)

        return None if made is None else of_entry  # type: ignore[return-value]

    for slot in optimizer.slots:
        value = _array(notes.state.slots[slot], entry)
        notes.note(f"{slot}_{name}", "update", value, axes, f"{slot} of {name} before the update", layer=n)
    for slot in optimizer.slots:
        value, made = _array(slots[slot], entry), rule(rules and rules[0][slot])
        notes.note(f"{slot}_{name}_new", "update", value, axes, f"{slot} of {name} after it", made, layer=n)
    about = f"{name} after the update by {optimizer.name}"
    notes.note(f"{name}_new", "update", _array(theta, entry), axes, about, rule(rules and rules[1]), layer=n)


def _norm(notes: Notes, entry: Entry) -> Ref:
    gradient = notes.at[f"∂J/∂{entry.name}"]

    def rule() -> Expression:
        return sqrt(Series(gradient.axes, gradient.value.shape, lambda *index: gradient(*index) ** 2))

    value, n = array_norms(notes.problem, notes.done.gradient)[0, entry.start], number_in(entry.name)
    return notes.note(f"norm_{entry.name}", "update", value, "", f"length of {gradient.name}", rule, layer=n)()


def _note_optimizer_numbers(notes: Notes) -> dict[str, Ref]:
    optimizer, given = notes.problem.optimizer, notes.problem.numbers
    found = {"learning_rate": _learning_rate(notes)}
    for key in optimizer.parameters:
        symbol, about = f"{key}_optimizer", f"parameter of {optimizer.name}"
        if formulas.is_built_in(optimizer):
            symbol, about = SYMBOLS.get(key, (key, about))
        found[key] = notes.note_setting(symbol, given[key][notes.member], about)
    if "beta1" in found and formulas.is_built_in(optimizer):
        return found | _corrections(notes, found)
    return found


def _learning_rate(notes: Notes) -> Ref:
    """α of this update: what was given, or what the schedule makes of it."""
    problem, step, members = notes.problem, notes.state.step, notes.state.members
    schedule, factor = problem.schedule, float(notes.state.factor[0])
    given, (symbol, about) = problem.numbers["learning_rate"][notes.member], SYMBOLS["learning_rate"]
    if schedule.name in ("constant", "adaptive") and factor == 1:
        return notes.note_setting(symbol, given, about)
    start = notes.note_setting("α0", given, "learning rate at the start")
    count = step // problem.steps_per_epoch(notes.member) if schedule.per == "epoch" else step
    done = notes.note_setting("done", count, f"{schedule.per}s done before this update")
    numbers = {}
    for key in () if schedule.adaptive else schedule.parameters:  # what an adaptive one looks at is not in the formula
        value = problem.schedule_numbers[key][notes.member]
        what = f"parameter of the schedule {schedule.name}"
        numbers[key] = notes.note_setting(f"{key}_schedule", value, what)
    tree = formulas.scheduled_rate(schedule, done, start, numbers)
    if factor != 1:
        tree = tree * notes.note_setting("cut", factor, "what training has cut the rate to, when the loss stalled")
    value = problem.rates(members, step) * notes.state.factor
    return notes.note_setting(symbol, value, f"{about} of this update, by the schedule {schedule.name}", lambda: tree)


def _corrections(notes: Notes, numbers: dict[str, Ref]) -> dict[str, Ref]:
    """What Adam computes once a step: its rate and its ε, with the corrections of m and √v."""
    optimizer, dtype = notes.problem.optimizer, notes.problem.dtype
    assert optimizer.once_a_step is not None
    t = notes.note_setting("t", notes.state.step + 1, "number of this update, 1 for the first")
    plain = {key: np.full((1, 1), number.value) for key, number in numbers.items()}
    *_, rate, _, _, _, _, epsilon = optimizer.once_a_step(np.full((1, 1), notes.state.step + 1.0), **plain)

    def rate_rule() -> Expression:
        return numbers["learning_rate"] * sqrt(1 - numbers["beta2"] ** t) / (1 - numbers["beta1"] ** t)

    def epsilon_rule() -> Expression:
        return numbers["epsilon"] * sqrt(1 - numbers["beta2"] ** t)

    return {
        "rate": notes.note_setting("rate", rate.astype(dtype), "α, corrected as m and v began with zeros", rate_rule),
        "epsilon": notes.note_setting("ε_t", epsilon.astype(dtype), "ε, corrected as v began with zeros", epsilon_rule),
    }


def _note_running_statistic(notes: Notes, entry: Entry) -> None:
    at, n, kind = notes.at, number_in(entry.name), entry.name.rstrip("0123456789")
    before, after = (views(vector[0], [entry])[entry.name] for vector in (notes.state.buffers, notes.done.buffers))
    name, count = f"running_{entry.name}", at["N"]()

    def rule(j: Index) -> Expression:
        new: Expression = at[entry.name](j)
        if kind == "variance":
            new = new * (Function("max", (count, Number(1))) / Function("max", (count - 1, Number(1))))
        return (1 - BATCH_NORM_MOMENTUM) * at[name](j) + BATCH_NORM_MOMENTUM * new

    notes.note(name, "update", before, "j", f"running {kind} of z{n} before the update", layer=n)
    about = f"running {kind} of z{n} after it: a tenth of the way to the batch's own"
    notes.note(f"{name}_new", "update", after, "j", about, rule, layer=n)


def _array(vector: Floats, entry: Entry) -> Floats:
    return views(vector[0], [entry])[entry.name]
