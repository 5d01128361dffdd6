"""Export a training run as one NumPy script with all passes written out.

The script trains one member, with one line for each step of a layer. Its formulas are the source of `maths` itself, so
its losses equal those of the reference engine to the last digit.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import BadInput, one_line
from deltarule.export.script_parts import ScriptArrays, render_script
from deltarule.maths import random
from deltarule.maths.layers import batch_norm, batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Layer, views
from deltarule.problem import validation
from deltarule.problem.problem import Problem, UpdateRange
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import initial_state

MAX_SCRIPT_NUMBERS = 20_000_000
"""Maximum total size of data and weights: 20 million numbers take 200 MB or more as packed text."""

Lines = list[str]


def training_script(
    problem: Problem, *, member: int = 0, steps: int, losses: Mapping[int, float], title: str = "A training"
) -> str:
    """The training of one member as the text of a NumPy script.

    `losses` are the objective over all rows, without dropout, by number of updates; the script prints its own, too.
    """
    member = validation.member(member, problem.members, "give one from")
    _refuse_unsupported(problem)
    problem = problem.take(np.array([member]))
    arrays, statements = ScriptArrays(problem.dtype), TrainingStatements(problem)
    shape = "-".join(map(str, problem.network.sizes))
    written = {
        "forward_evaluation": statements.forward(training=False),
        "forward_training": statements.forward(training=True),
        "loss": statements.loss(),
        "row_order": statements.row_order(),
        "backward": statements.backward(),
        "update": statements.update(),
    }
    adaptive = {name: repr(float(value[0])) for name, value in problem.schedule_numbers.items()}
    return render_script(
        "training_script",
        arrays,
        statements.functions,
        standard_modules=["os"],
        title=one_line(f"{title}: a network {shape}, {steps:,} updates").replace("\\", "/").replace('"', "'"),
        statements=statements,
        updates=steps,
        losses=losses,
        batches=statements.batches_per_epoch,
        batch_rows=problem.batch_rows(0),
        data_seed=int(problem.data_seeds[0]),
        dropout_seed=int(problem.dropout_seeds[0]),
        sums_losses=problem.reduction == "sum",  # the sums of the batches add up to the epoch's loss
        adaptive=adaptive if problem.schedule.adaptive else None,
        data=_data_statements(problem, arrays),
        start=_initial_statements(problem, arrays),
        **written,
    )


def _refuse_unsupported(problem: Problem) -> None:
    formulas: list[tuple[str, Any]] = [(kind, getattr(problem, kind)) for kind in ("loss", "optimizer", "schedule")]
    formulas += [("activation", layer.activation) for layer in problem.network.layers]
    formulas += [("penalty", problem.penalty)] if problem.penalty else []
    for kind, formula in formulas:
        if not is_built_in(formula):
            raise BadInput(f"the {kind} '{formula.name}' is your own; a script holds deltarule's formulas alone")
    count = problem.x.size + problem.y.size + problem.network.parameters
    if count > MAX_SCRIPT_NUMBERS:
        raise BadInput(f"data and weights are {count:,} numbers; a script carries {MAX_SCRIPT_NUMBERS:,} at most")


def _data_statements(problem: Problem, arrays: ScriptArrays) -> Lines:
    rows = slice(None) if problem.rows is None else problem.rows[0]
    lines = [arrays.assignment("x", problem.x[rows]), arrays.assignment("y", problem.y[rows])]
    if problem.weights is not None:
        weights = problem.weights[0] if problem.weights.ndim == 2 else problem.weights
        lines.append(arrays.assignment("w", weights[rows][:, None]))
    return lines


def _initial_statements(problem: Problem, arrays: ScriptArrays) -> Lines:
    state, network, lines = initial_state(problem), problem.network, []
    for name, array in views(state.theta[0], network.entries).items():
        lines.append(arrays.assignment(name, array))
        lines += [f"{slot}_{name} = np.zeros_like({name})" for slot in problem.optimizer.slots]
    for name, array in views(state.buffers[0], network.buffers).items():
        lines.append(arrays.assignment(f"running_{name}", array))
    return lines


class TrainingStatements:
    """Writes the statements for a problem of one member."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network, self.layers = problem, problem.network, problem.network.layers
        self.functions: dict[str, Callable[..., Any]] = {}
        self.fused = problem.loss.fused_with(problem.network.output)
        hidden = zip(problem.network.layers, problem.dropout[0].tolist(), strict=False)
        self.dropout = {layer.number: rate for layer, rate in hidden if rate}
        self.batches_per_epoch = problem.steps_per_epoch(0)
        self.is_weighted = problem.weights is not None
        self.array_names = [entry.name for entry in self.network.entries]
        self.penalized_names = [entry.name for entry in self.network.entries if problem.penalized[entry.start] > 0]
        self.output_name = "logits" if self.fused else "outputs"
        self.loss_argument = f"{'z' if self.fused else 'a'}{len(self.layers)}"

    # --- terms ---------------------------------------------------------------------------------------------------

    def format_call(self, function: Callable[..., Any], *arguments: str, **parameters: str) -> str:
        """The text of a call, such as "relu(z1)"; the script holds the function."""
        # Names of schedules, such as step, would collide with others.
        name = "scheduled_rate" if function is self.problem.schedule.rate else function.__name__
        self.functions[name] = function
        return f"{name}({', '.join([*arguments, *(f'{key}={value}' for key, value in parameters.items())])})"

    def format_number(self, value: float) -> str:
        return repr(float(value)) if self.problem.dtype == np.float64 else f"np.float32({float(value)!r})"

    def batch_name(self, name: str) -> str:
        return f"{name}b" if self.batches_per_epoch > 1 else name

    def loss_call(self, outputs: str, batch: bool) -> str:
        names = ["y", "w"] if self.is_weighted else ["y"]
        return f"loss({', '.join([outputs, *(self.batch_name(name) if batch else name for name in names)])})"

    def row_order(self) -> str:
        """The call that draws an epoch's order of rows; "" if a batch has all rows."""
        if self.batches_per_epoch == 1:
            return ""
        return self.format_call(random.permutation, "DATA_SEED", "epoch", "len(x)")

    # --- forward -------------------------------------------------------------------------------------------------

    def forward(self, training: bool) -> Lines:
        x, w, lines = self.batch_name("x") if training else "x", self.batch_name("w"), []
        if training and self.network.buffers:  # batch norm: each sample's share of the batch
            share = f"{w} / {w}.sum(0, keepdims=True), {w}.sum()" if self.is_weighted else f"1 / len({x}), len({x})"
            lines.append(f"part, count = {share}")
        return lines + [line for layer in self.layers for line in self.forward_layer(layer, training, x)]

    def forward_layer(self, layer: Layer, training: bool, x: str) -> Lines:
        n, source = layer.number, f"z{layer.number}"
        lines = [f"s{n} = {x} * scale{n}"] if layer.scaling else []
        lines.append(f"z{n} = {self.input_name(n, training, x)} @ W{n}" + (f" + b{n}" if layer.bias else ""))
        if layer.batch_norm:
            source, given, epsilon = f"n{n}", (f"z{n}", f"gamma{n}", f"beta{n}"), repr(BATCH_NORM_EPSILON)
            if training:
                called = self.format_call(batch_norm, *given, "part", epsilon)
                lines.append(f"n{n}, back{n}, mean{n}, variance{n} = {called}")
            else:
                running = f"running_mean{n}", f"running_variance{n}"
                lines.append(f"n{n}, _ = {self.format_call(batch_norm_evaluation, *given, *running, epsilon)}")
        if layer is not self.layers[-1] or not self.fused:
            activation = layer.activation
            called = self.format_call(activation.function, source, **_format_parameters(activation.parameters))
            lines.append(f"a{n} = {called}")
        if training and n in self.dropout:
            rate = f"np.array([{self.dropout[n]!r}])"
            mask = self.format_call(random.keep_mask, "DROPOUT_SEED", str(n), "step", "rows", str(layer.units), rate)
            lines.append(f"gain{n} = {mask}[0] / (1 - {self.format_number(self.dropout[n])})")
            lines.append(f"d{n} = a{n} * gain{n}")
        return lines

    def input_name(self, n: int, training: bool, x: str) -> str:
        """The variable of layer `n`'s inputs, such as "a1"."""
        if n == 1:
            return "s1" if self.layers[0].scaling else x
        return f"d{n - 1}" if training and n - 1 in self.dropout else f"a{n - 1}"

    # --- the loss ------------------------------------------------------------------------------------------------

    def loss_share(self, y: str, w: str) -> str:
        """The expression for each sample's weight in J, by the reduction."""
        if self.problem.reduction == "sum":
            return w if self.is_weighted else "1.0"
        count = f"{w}.sum(0, keepdims=True)" if self.is_weighted else f"len({y})"
        if self.problem.reduction == "mean_elements" and self.network.outputs > 1:
            count = f"({count} * {self.network.outputs})"
        return f"{w if self.is_weighted else 1} / {count}"

    def penalty_strength(self, y: str, w: str) -> str:
        assert self.problem.penalty is not None
        strength = self.format_number(self.problem.strength[0])
        count = f"{w}.sum()" if self.is_weighted else f"len({y})"
        return f"{strength} / {count}" if self.problem.penalty.per_sample else strength

    def loss(self) -> Lines:
        """The body of the script's function `loss`, which computes J."""
        share = f"share = {self.loss_share('y', 'w')}"
        value, parameters = (self.fused or self.problem.loss).value, _format_parameters(self.problem.loss.parameters)
        data_term = f"(share * {self.format_call(value, self.loss_argument, 'y', **parameters)}).sum()"
        if self.problem.penalty is None:
            return [share, f"return {data_term}"]
        penalty = self.format_call(self.problem.penalty.value, "theta")
        masks = [f"np.{'ones' if name in self.penalized_names else 'zeros'}_like({name})" for name in self.array_names]
        return [
            share,
            f"J = {data_term}",
            f"theta = np.concatenate([{', '.join(self.array_names)}], axis=None)",
            f"counted = np.concatenate([{', '.join(masks)}], axis=None)",
            f"return J + ({self.penalty_strength('y', 'w')} * counted * {penalty}).sum()",
        ]

    # --- backward ------------------------------------------------------------------------------------------------

    def backward(self) -> Lines:
        """The statements of the backward pass, from the loss to the first layer."""
        loss, y = self.problem.loss, self.batch_name("y")
        slope, parameters = (self.fused or loss).derivative, _format_parameters(loss.parameters)
        called = self.format_call(slope, self.loss_argument, y, **parameters)
        lines = [f"share = {self.loss_share(y, self.batch_name('w'))}", f"d{self.loss_argument} = share * {called}"]
        for layer in reversed(self.layers):
            lines += self.back_through(layer)
        return lines

    def back_through(self, layer: Layer) -> Lines:
        n, lines = layer.number, []
        if n in self.dropout:
            lines.append(f"da{n} = dd{n} * gain{n}")
        if layer is not self.layers[-1] or not self.fused:
            source, activation = "n" if layer.batch_norm else "z", layer.activation
            values = [f"{source}{n}", f"a{n}", *([f"da{n}"] if activation.rowwise else [])]
            called = self.format_call(activation.derivative, *values, **_format_parameters(activation.parameters))
            lines.append(f"d{source}{n} = {called}{'' if activation.rowwise else f' * da{n}'}")
        if layer.batch_norm:
            lines.append(f"dz{n}, dgamma{n}, dbeta{n} = back{n}(dn{n})")
        inputs = self.input_name(n, True, self.batch_name("x"))
        lines.append(f"dW{n} = {inputs}.T @ dz{n}{self.penalty_gradient_term(f'W{n}')}")
        if layer.bias:
            lines.append(f"db{n} = dz{n}.sum(0, keepdims=True){self.penalty_gradient_term(f'b{n}')}")
        if n > 1 or layer.scaling:
            lines.append(f"d{inputs} = dz{n} @ W{n}.T")
        if layer.scaling:
            lines.append(f"dscale{n} = (ds{n} * {self.batch_name('x')}).sum(0, keepdims=True)")
        return lines

    def penalty_gradient_term(self, name: str) -> str:
        """The text " + …" that adds the penalty's gradient to that of the array `name`."""
        penalty = self.problem.penalty
        if penalty is None or name not in self.penalized_names:
            return ""
        strength = self.penalty_strength(self.batch_name("y"), self.batch_name("w"))
        return f" + {strength} * {self.format_call(penalty.derivative, name)}"

    # --- update --------------------------------------------------------------------------------------------------

    def update(self) -> Lines:
        lines, numbers = [f"rate = {self.learning_rate()}"], ""
        for part in self.problem.update_ranges:
            rate, values = self.range_numbers(part)
            if self.problem.optimizer.once_a_step:
                before, numbers = numbers, f"numbers = {self.step_numbers(rate, values)}"
                lines += [numbers] if numbers != before else []
            names = [entry.name for entry in self.network.entries if part.start <= entry.start < part.stop]
            lines += [self.array_update(name, rate, values) for name in names]
        for layer in self.layers:
            lines += self.running_statistics(layer.number) if layer.batch_norm else []
        return lines

    def array_update(self, name: str, rate: str, values: Mapping[str, float]) -> str:
        optimizer = self.problem.optimizer
        slots, keywords = [f"{slot}_{name}" for slot in optimizer.slots], {}
        arguments = [name, f"d{name}", *slots]
        if optimizer.once_a_step:
            arguments.append("*numbers")
        else:
            keywords["learning_rate"] = rate if self.problem.dtype == np.float64 else f"np.float32({rate})"
            keywords |= {key: self.format_number(value) for key, value in values.items()}
        if optimizer.norms:
            keywords["norm"] = f"np.sqrt((d{name} * d{name}).sum())"
        called = self.format_call(optimizer.update, *arguments, **keywords)
        return f"{', '.join([name, *slots]) if slots else f'({name},)'} = {called}"

    def learning_rate(self) -> str:
        problem, schedule = self.problem, self.problem.schedule
        rate = repr(float(problem.numbers["learning_rate"][0]))
        if schedule.adaptive:
            return f"{rate} * cut"
        if schedule.name != "constant":
            done = f"step // {self.batches_per_epoch}" if schedule.per == "epoch" else "step"
            parameters = {key: repr(float(value[0])) for key, value in problem.schedule_numbers.items()}
            return self.format_call(schedule.rate, f"np.array([float({done})])", rate, **parameters)
        return rate

    def range_numbers(self, part: UpdateRange) -> tuple[str, dict[str, float]]:
        """The learning rate and the optimizer's other numbers for a range of arrays."""
        numbers = {key: self.problem.numbers[key] for key in self.problem.optimizer.parameters}
        of_range = self.problem.range_numbers(part, {"learning_rate": np.ones(1), **numbers})
        factor, *others = (float(value[0]) for value in of_range.values())
        return "rate" if factor == 1 else f"rate * {factor!r}", dict(zip(numbers, others, strict=True))

    def step_numbers(self, rate: str, numbers: Mapping[str, float]) -> str:
        """The call that computes the numbers of a step, in the precision of the arrays."""
        once_a_step = self.problem.optimizer.once_a_step
        assert once_a_step is not None
        keywords = {"learning_rate": rate, **_format_parameters(numbers)}
        called = self.format_call(once_a_step, "np.array([step + 1.0])", **keywords)
        single = self.problem.dtype == np.float32
        return f"[np.asarray(number, np.float32) for number in {called}]" if single else called

    def running_statistics(self, n: int) -> Lines:
        new = {"mean": f"mean{n}", "variance": f"(variance{n} * max(count, 1) / max(count - 1, 1))"}
        m = BATCH_NORM_MOMENTUM
        return [f"running_{kind}{n} = (1 - {m}) * running_{kind}{n} + {m} * {value}" for kind, value in new.items()]


def _format_parameters(parameters: Mapping[str, float]) -> dict[str, str]:
    return {key: repr(value) for key, value in parameters.items()}
