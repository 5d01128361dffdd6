"""Write the statements of a training script as text, layer by layer."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.maths import random
from deltarule.maths.layers import batch_norm, batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Layer
from deltarule.problem.problem import Problem

Lines = list[str]


class TrainingStatements:
    """Writes the statements for a problem of one member."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network, self.layers = problem, problem.network, problem.network.layers
        self.functions: list[Callable[..., Any]] = []
        self.fused = problem.loss.fused_with(problem.network.output)
        hidden = zip(problem.network.layers, problem.dropout[0].tolist(), strict=False)
        self.dropout = {layer.number: rate for layer, rate in hidden if rate}
        self.batches_per_epoch = problem.steps_per_epoch(0)
        self.is_weighted = problem.weights is not None
        self.array_names = [entry.name for entry in self.network.entries]
        self.penalized_names = [entry.name for entry in self.network.entries if problem.penalized[entry.start] > 0]
        self.has_batch_norm = bool(self.network.buffers)
        # Whether the forward pass of training differs from that of evaluation.
        self.has_modes = self.has_batch_norm or bool(self.dropout)
        self.output_name = "logits" if self.fused else "outputs"

    # --- terms ---------------------------------------------------------------------------------------------------

    def format_call(self, function: Callable[..., Any], *arguments: str, **parameters: str) -> str:
        """The text of a call, such as "relu(z1)"."""
        if function not in self.functions:
            self.functions.append(function)
        all_arguments = [*arguments, *(f"{key}={value}" for key, value in parameters.items())]
        name = "scheduled_rate" if function is self.problem.schedule.rate else function.__name__
        return f"{name}({', '.join(all_arguments)})"

    def format_number(self, value: float) -> str:
        """A number as text, in the precision of the arrays."""
        return repr(float(value)) if self.problem.dtype == np.float64 else f"np.float32({float(value)!r})"

    @property
    def loss_argument(self) -> str:
        """The name of the loss's first argument: the last layer's logits, or its outputs."""
        return f"{'z' if self.fused else 'a'}{len(self.layers)}"

    def batch_name(self, name: str) -> str:
        """The name of the current batch of the array `name`: "xb" or "x"."""
        return f"{name}b" if self.batches_per_epoch > 1 else name

    @property
    def forward_names(self) -> list[str]:
        """The names of the quantities that the forward pass computes."""
        names = ["s1"] if self.layers[0].scaling else []
        names += [f"{letter}{layer.number}" for layer in self.layers for letter in "za"]
        return names[:-1] if self.fused else names

    @property
    def evaluation_outputs(self) -> str:
        """The expression for the logits or outputs of all rows, in evaluation mode."""
        if self.has_modes:
            return "evaluated(x)"
        return "forward(x)[-1]" if len(self.forward_names) > 1 else "forward(x)"

    def loss_call(self, outputs: str, batch: bool) -> str:
        """The call of the function `loss` for the current batch or for all rows."""
        names = ["y", "w"] if self.is_weighted else ["y"]
        return f"loss({', '.join([outputs, *(self.batch_name(name) if batch else name for name in names)])})"

    # --- forward -------------------------------------------------------------------------------------------------

    def forward(self, training: bool) -> Lines:
        """The statements of the forward pass, in training mode or in evaluation mode."""
        x, w, lines = self.batch_name("x") if training else "x", self.batch_name("w"), []
        if training and self.has_batch_norm:  # each sample's share of the batch
            shares = (
                f"{w} / {w}.sum(0, keepdims=True), {w}.sum()" if self.is_weighted else f"1 / len({x}), float(len({x}))"
            )
            lines.append(f"part, count = {shares}")
        return lines + [line for layer in self.layers for line in self.forward_layer(layer, training, x)]

    def forward_layer(self, layer: Layer, training: bool, x: str) -> Lines:
        """The statements of a layer's forward pass in training or evaluation."""
        n = layer.number
        inputs = self.input_name(n, training, x)
        lines = [f"s{n} = {x} * scale{n}"] if layer.scaling else []
        lines.append(f"z{n} = {inputs} @ W{n}" + (f" + b{n}" if layer.bias else ""))
        source = f"z{n}"
        if layer.batch_norm:
            source = f"n{n}"
            parameters, epsilon = f"gamma{n}, beta{n}", repr(BATCH_NORM_EPSILON)
            if training:
                called = self.format_call(batch_norm, f"z{n}", parameters, "part", epsilon)
                lines.append(f"n{n}, back{n}, mean{n}, variance{n} = {called}")
            else:
                running = f"running_mean{n}, running_variance{n}"
                lines.append(
                    f"n{n}, _ = {self.format_call(batch_norm_evaluation, f'z{n}', parameters, running, epsilon)}"
                )
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
        if self.problem.reduction == "mean_elements":
            outputs = f" * {self.network.outputs}" if self.network.outputs > 1 else ""
            count = f"({count}{outputs})"
        return f"{w if self.is_weighted else 1} / {count}"

    def penalty_strength(self, y: str, w: str) -> str:
        """The expression for the penalty's factor, λ or λ / N."""
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
        loss, n, y = self.problem.loss, len(self.layers), self.batch_name("y")
        lines = [f"share = {self.loss_share(y, self.batch_name('w'))}"]
        parameters = _format_parameters(loss.parameters)
        if self.fused:
            lines.append(f"dz{n} = share * {self.format_call(self.fused.derivative, f'z{n}', y, **parameters)}")
        else:
            lines.append(f"da{n} = share * {self.format_call(loss.derivative, f'a{n}', y, **parameters)}")
        for layer in reversed(self.layers):
            lines += self.back_through(layer)
        return lines

    def back_through(self, layer: Layer) -> Lines:
        """The statements of a layer's backward pass."""
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
        """The statements of an update."""
        problem, optimizer = self.problem, self.problem.optimizer
        lines = self.learning_rate()
        shared = {key: float(problem.numbers[key][0]) for key in optimizer.parameters}
        if optimizer.once_a_step and not problem.factors:
            lines.append(f"numbers = {self.step_numbers('rate', shared)}")
            if optimizer.decay and len(self.penalized_names) < len(self.array_names):
                lines.append(f"without_decay = {self.step_numbers('rate', {**shared, 'weight_decay': 0.0})}")
        for name in self.array_names:
            slots = [f"{slot}_{name}" for slot in optimizer.slots]
            arguments, keywords = [name, f"d{name}", *slots], {}
            rate, numbers = self.array_numbers(name)
            if optimizer.once_a_step:
                if problem.factors:
                    lines.append(f"numbers = {self.step_numbers(rate, numbers)}")
                arguments.append("*numbers" if problem.factors or numbers == shared else "*without_decay")
            else:
                is_rounded = problem.factors and problem.dtype == np.float32
                keywords["learning_rate"] = f"np.float32({rate})" if is_rounded else rate
                keywords |= {key: self.format_number(value) for key, value in numbers.items()}
            if optimizer.norms:
                keywords["norm"] = f"np.sqrt((d{name} * d{name}).sum())"
            called = self.format_call(optimizer.update, *arguments, **keywords)
            lines.append(f"{', '.join([name, *slots]) if slots else f'({name},)'} = {called}")
        for layer in self.layers:
            lines += self.running_statistics(layer.number) if layer.batch_norm else []
        return lines

    def learning_rate(self) -> Lines:
        """The statement that sets `rate`, the learning rate of a step."""
        problem, schedule = self.problem, self.problem.schedule
        rate = repr(float(problem.numbers["learning_rate"][0]))
        if schedule.adaptive:
            rate = f"{rate} * cut"
        elif schedule.name != "constant":
            done = f"step // {self.batches_per_epoch}" if schedule.per == "epoch" else "step"
            parameters = {key: repr(float(value[0])) for key, value in problem.schedule_numbers.items()}
            rate = self.format_call(schedule.rate, f"np.array([float({done})])", rate, **parameters)
        single = problem.dtype == np.float32 and not problem.optimizer.once_a_step and not problem.factors
        return [f"rate = np.float32({rate})" if single else f"rate = {rate}"]

    def array_numbers(self, name: str) -> tuple[str, dict[str, float]]:
        """The learning rate and the optimizer's other numbers for the array `name`."""
        problem = self.problem
        start = next(entry.start for entry in self.network.entries if entry.name == name)
        part = next(part for part in problem.update_ranges if part.start <= start < part.stop)
        numbers = {key: problem.numbers[key] for key in problem.optimizer.parameters}
        of_range = problem.range_numbers(part, {"learning_rate": np.ones(1), **numbers})
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
        """The statements that update the running statistics of batch norm in layer `n`."""
        new = {"mean": f"mean{n}", "variance": f"(variance{n} * max(count, 1) / max(count - 1, 1))"}
        m = BATCH_NORM_MOMENTUM
        return [f"running_{kind}{n} = (1 - {m}) * running_{kind}{n} + {m} * {value}" for kind, value in new.items()]


def _format_parameters(parameters: Mapping[str, float]) -> dict[str, str]:
    return {key: repr(value) for key, value in parameters.items()}
