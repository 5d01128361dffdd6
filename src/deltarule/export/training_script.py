"""Export a training run as one NumPy script with all passes written out.

The script trains one member, with one line for each step of a layer. Its formulas are the source of `maths` itself, so
its losses equal those of the reference engine to the last digit.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from deltarule.engines.reference import objective_of
from deltarule.errors import BadInput, one_line
from deltarule.export.script_parts import ScriptArrays, call_text, render_script, script_templates
from deltarule.maths import random
from deltarule.maths.network import views
from deltarule.problem import validation
from deltarule.problem.problem import Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import initial_state
from deltarule.program.numpy_text import Passes
from deltarule.program.program import NotTraceable


def training_script(
    problem: Problem, *, member: int = 0, steps: int, losses: Mapping[int, float], title: str = "A training"
) -> str:
    """The training of one member as the text of a NumPy script.

    `losses` are the objective over all rows, without dropout, by number of updates; the script prints its own, too.
    """
    member = validation.member(member, problem.members, "give one from")
    _refuse_unsupported(problem)
    problem = problem.take(np.array([member]))
    arrays, terms = ScriptArrays(problem.dtype), ScriptTerms(problem)
    shape = "-".join(map(str, problem.network.sizes))
    rows = slice(None) if problem.rows is None else problem.rows[0]
    data = [arrays.assignment("x", problem.x[rows]), arrays.assignment("y", problem.y[rows])]
    if problem.weights is not None:
        weights = problem.weights[0] if problem.weights.ndim == 2 else problem.weights
        data.append(arrays.assignment("w", weights[rows][:, None]))
    state, start = initial_state(problem), []
    for name, array in views(state.theta[0], problem.network.entries).items():
        start.append(arrays.assignment(name, array))
        start += [f"{slot}_{name} = np.zeros_like({name})" for slot in problem.optimizer.slots]
    for name, array in views(state.buffers[0], problem.network.buffers).items():
        start.append(arrays.assignment(f"running_{name}", array))
    statements = script_templates().get_template("training_statements.py.jinja")
    functions = {"permutation": random.permutation, "keep_mask": random.keep_mask}
    try:
        body = statements.render(problem=problem, terms=terms, **functions)
    except NotTraceable as reason:
        own = [placed.layer.name for placed in problem.network.layers if not is_built_in(placed.formula)]
        raise BadInput(f"the layer '{own[0]}' is your own; a script has no form for it: {reason}") from None
    return render_script(
        "training_script",
        arrays,
        terms.functions,
        standard_modules=["os"],
        title=one_line(f"{title}: a network {shape}, {steps:,} updates").replace("\\", "/").replace('"', "'"),
        problem=problem,
        terms=terms,
        updates=steps,
        losses=losses,
        data=data,
        start=start,
        statements=body,
    )


def _refuse_unsupported(problem: Problem) -> None:
    formulas: list[tuple[str, Any]] = [(kind, getattr(problem, kind)) for kind in ("loss", "optimizer", "schedule")]
    formulas += [("activation", activation) for activation in problem.network.activations.values()]
    formulas += [("penalty", problem.penalty)] if problem.penalty else []
    if problem.fresh is not None:
        raise BadInput("the rows of the problem are a function; a script holds the rows themselves, so give arrays")
    if problem.unusual_update:
        raise BadInput(f"the problem has {problem.unusual_update}; a script has no statements for them")
    for kind, formula in formulas:
        if not is_built_in(formula):
            raise BadInput(f"the {kind} '{formula.name}' is your own; a script holds deltarule's formulas alone")


class ScriptTerms:
    """The terms of a script's statements, for a problem of one member.

    `y` and `w` are the names of the targets and the weights: of all rows, or of a batch.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.functions: dict[str, Callable[..., Any]] = {}
        self.call = partial(call_text, self.functions)
        self.passes = Passes(objective_of(problem), problem.dtype, self.call)
        self.fused = problem.loss.fused_with(problem.network.output)
        self.loss_argument = problem.network.layers[-1].name if self.fused else f"a{problem.network.depth}"
        places = zip(problem.network.dropouts, problem.dropout[0].tolist(), strict=True)
        self.dropout = {placed: rate for placed, rate in places if rate}
        self.batches = problem.steps_per_epoch(0)
        self.is_weighted = problem.weights is not None
        self.schedule_numbers = {key: float(value[0]) for key, value in problem.schedule_numbers.items()}
        self.is_penalized = {entry.name: problem.penalized[entry.start] > 0 for entry in problem.network.entries}

    def training(self, x: str, y: str, w: str) -> list[str]:
        """The statements of the forward pass, of the backward pass, and of the running statistics."""
        texts = {"x": x, "y": y, "strength": self.strength(y, w) if self.problem.penalty else ""}
        texts |= {f"dropout{placed.number}": self.number(rate) for placed, rate in self.dropout.items()}
        return self.passes.training(texts, [name for name, is_so in self.is_penalized.items() if is_so])

    def number(self, value: float) -> str:
        return repr(float(value)) if self.problem.dtype == np.float64 else f"np.float32({float(value)!r})"

    def share(self, y: str, w: str) -> str:
        """The expression for each sample's weight in J, by the reduction."""
        if self.problem.reduction == "sum":
            return w if self.is_weighted else "1.0"
        count = f"{w}.sum(0, keepdims=True)" if self.is_weighted else f"len({y})"
        if self.problem.reduction == "mean_elements" and self.problem.network.outputs > 1:
            count = f"({count} * {self.problem.network.outputs})"
        return f"{w if self.is_weighted else 1} / {count}"

    def strength(self, y: str, w: str) -> str:
        assert self.problem.penalty is not None
        strength = self.number(self.problem.strength[0])
        count = f"{w}.sum()" if self.is_weighted else f"len({y})"
        return f"{strength} / {count}" if self.problem.penalty.per_sample else strength

    def learning_rate(self) -> str:
        schedule, rate = self.problem.schedule, repr(float(self.problem.numbers["learning_rate"][0]))
        if schedule.adaptive:
            return f"{rate} * cut"
        if schedule.name == "constant":
            return rate
        done = f"step // {self.batches}" if schedule.per == "epoch" else "step"
        return self.call(schedule.rate, f"np.array([float({done})])", rate, **self.schedule_numbers)

    def update_ranges(self) -> Iterator[tuple[str, dict[str, float], list[str]]]:
        """Ranges of arrays: learning rate, the optimizer's other numbers, and names."""
        for part in self.problem.update_ranges:
            numbers = {key: self.problem.numbers[key] for key in self.problem.optimizer.parameters}
            of_range = self.problem.range_numbers(part, {"learning_rate": np.ones(1), **numbers})
            factor, *others = (float(value[0]) for value in of_range.values())
            names = [entry.name for entry in self.problem.network.entries if part.start <= entry.start < part.stop]
            yield "rate" if factor == 1 else f"rate * {factor!r}", dict(zip(numbers, others, strict=True)), names

    def step_numbers(self, rate: str, numbers: Mapping[str, float]) -> str:
        """The call that computes the numbers of a step, in the precision of the arrays."""
        once_a_step = self.problem.optimizer.once_a_step
        assert once_a_step is not None
        called = self.call(once_a_step, "np.array([step + 1.0])", learning_rate=rate, **numbers)
        single = self.problem.dtype == np.float32
        return f"{{name: np.float32(number) for name, number in {called}.items()}}" if single else called

    def array_update(self, name: str, rate: str, numbers: Mapping[str, float]) -> str:
        optimizer = self.problem.optimizer
        slots, keywords = [f"{slot}_{name}" for slot in optimizer.slots], {}
        arguments = [name, f"d{name}", *slots]
        if optimizer.once_a_step:
            arguments.append("**numbers")
        else:
            keywords["learning_rate"] = rate if self.problem.dtype == np.float64 else f"np.float32({rate})"
            keywords |= {key: self.number(value) for key, value in numbers.items()}
        if optimizer.norms:
            keywords["norm"] = f"np.sqrt((d{name} * d{name}).sum())"
        called = self.call(optimizer.update, *arguments, **keywords)
        return f"{', '.join([name, *slots]) if slots else f'({name},)'} = {called}"
