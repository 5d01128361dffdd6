"""The statements of a training script, layer by layer: forward pass, loss, backward pass and update."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.maths import random
from deltarule.maths.activations import Activation
from deltarule.maths.layers import batch_norm, batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Layer
from deltarule.problem.problem import Problem

Lines = list[str]


class Steps:
    """The statements for a problem of one member; `functions` are the formulas that they call."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network, self.layers = problem, problem.network, problem.network.layers
        self.functions: list[Callable[..., Any]] = []
        self.fused = problem.loss.fused.get(problem.network.output.name)
        hidden = zip(problem.network.layers, problem.dropout[0].tolist(), strict=False)
        self.dropout = {layer.number: rate for layer, rate in hidden if rate}
        self.batches = problem.steps_per_epoch(0)
        self.weighted = problem.weights is not None
        self.names = [entry.name for entry in self.network.entries]
        self.counted = [entry.name for entry in self.network.entries if problem.penalized[entry.start] > 0]
        self.normalizes = bool(self.network.buffers)
        # Whether the forward pass of training differs from that of evaluation.
        self.has_modes = self.normalizes or bool(self.dropout)
        self.output_name = "logits" if self.fused else "outputs"

    # --- terms ---------------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: str) -> str:
        """A call of a formula, which is added to the script."""
        if function not in self.functions:
            self.functions.append(function)
        passed = [*arguments, *(f"{key}={value}" for key, value in parameters.items())]
        name = "scheduled_rate" if function is self.problem.schedule.rate else function.__name__
        return f"{name}({', '.join(passed)})"

    def number(self, value: float) -> str:
        """A number in the precision of the arrays."""
        return repr(float(value)) if self.problem.dtype == np.float64 else f"np.float32({float(value)!r})"

    @property
    def last(self) -> str:
        """The argument of the loss: the logits, or the outputs."""
        return f"{'z' if self.fused else 'a'}{len(self.layers)}"

    def data(self, name: str) -> str:
        """The name of a batch of the data."""
        return f"{name}b" if self.batches > 1 else name

    @property
    def values(self) -> list[str]:
        """The names of the quantities that the forward pass computes."""
        names = ["s1"] if self.layers[0].scaling else []
        names += [f"{letter}{layer.number}" for layer in self.layers for letter in "za"]
        return names[:-1] if self.fused else names

    @property
    def evaluation_outputs(self) -> str:
        """The argument of the loss for all rows, in evaluation mode."""
        if self.has_modes:
            return "evaluated(x)"
        return "forward(x)[-1]" if len(self.values) > 1 else "forward(x)"

    def loss_call(self, outputs: str, batch: bool) -> str:
        """The call of the loss, of a batch or of all rows."""
        names = ["y", "w"] if self.weighted else ["y"]
        return f"loss({', '.join([outputs, *(self.data(name) if batch else name for name in names)])})"

    # --- forward -------------------------------------------------------------------------------------------------

    def forward(self, training: bool) -> Lines:
        """The forward pass through all layers."""
        x = self.data("x") if training else "x"
        lines = self.sample_shares() if training and self.normalizes else []
        return lines + [line for layer in self.layers for line in self.forward_layer(layer, training, x)]

    def sample_shares(self) -> Lines:
        """The share of each sample in the statistics of batch norm, and their count."""
        x, w = self.data("x"), self.data("w")
        if self.weighted:
            return [f"part, count = {w} / {w}.sum(0, keepdims=True), {w}.sum()"]
        return [f"part, count = 1 / len({x}), float(len({x}))"]

    def forward_layer(self, layer: Layer, training: bool, x: str) -> Lines:
        """The forward pass of a layer."""
        n = layer.number
        inputs = self.inputs(n, training, x)
        lines = [f"s{n} = {x} * scale{n}"] if layer.scaling else []
        lines.append(f"z{n} = {inputs} @ W{n}" + (f" + b{n}" if layer.bias else ""))
        source = f"z{n}"
        if layer.batch_norm:
            source = f"n{n}"
            parameters, epsilon = f"gamma{n}, beta{n}", repr(BATCH_NORM_EPSILON)
            if training:
                called = self.call(batch_norm, f"z{n}", parameters, "part", epsilon)
                lines.append(f"n{n}, back{n}, mean{n}, variance{n} = {called}")
            else:
                running = f"running_mean{n}, running_variance{n}"
                lines.append(f"n{n}, _ = {self.call(batch_norm_evaluation, f'z{n}', parameters, running, epsilon)}")
        if layer is not self.layers[-1] or not self.fused:
            lines.append(f"a{n} = {self.activation_call(layer.activation, source)}")
        if training and n in self.dropout:
            rate = f"np.array([{self.dropout[n]!r}])"
            mask = self.call(random.keep_mask, "DROPOUT_SEED", str(n), "step", "rows", str(layer.units), rate)
            lines.append(f"gain{n} = {mask}[0] / (1 - {self.number(self.dropout[n])})")
            lines.append(f"d{n} = a{n} * gain{n}")
        return lines

    def inputs(self, n: int, training: bool, x: str) -> str:
        """The name of a layer's inputs."""
        if n == 1:
            return "s1" if self.layers[0].scaling else x
        return f"d{n - 1}" if training and n - 1 in self.dropout else f"a{n - 1}"

    def activation_call(self, activation: Activation, source: str) -> str:
        """The call of an activation."""
        return self.call(activation.function, source, **_format_parameters(activation.parameters))

    # --- the loss ------------------------------------------------------------------------------------------------

    def loss_of_each_output(self) -> str:
        """The loss of every output."""
        loss = self.problem.loss
        return self.call(
            self.fused.value if self.fused else loss.value, self.last, "y", **_format_parameters(loss.parameters)
        )

    def share(self, y: str, w: str) -> str:
        """The weight of a sample in J."""
        if self.problem.reduction == "sum":
            return w if self.weighted else "1.0"
        count = f"{w}.sum(0, keepdims=True)" if self.weighted else f"len({y})"
        if self.problem.reduction == "mean_elements":
            outputs = f" * {self.network.outputs}" if self.network.outputs > 1 else ""
            count = f"({count}{outputs})"
        return f"{w if self.weighted else 1} / {count}"

    def samples(self, y: str, w: str) -> str:
        """N: the number of samples, or the sum of their weights."""
        return f"{w}.sum()" if self.weighted else f"len({y})"

    def strength(self, y: str, w: str) -> str:
        """The factor of the penalty."""
        assert self.problem.penalty is not None
        strength = self.number(self.problem.strength[0])
        return f"{strength} / {self.samples(y, w)}" if self.problem.penalty.per_sample else strength

    def loss(self) -> Lines:
        """The body of the function that computes J."""
        share = f"share = {self.share('y', 'w')}"
        data_term = f"(share * {self.loss_of_each_output()}).sum()"
        if self.problem.penalty is None:
            return [share, f"return {data_term}"]
        penalty = self.call(self.problem.penalty.value, "theta")
        return [
            share,
            f"J = {data_term}",
            f"theta = np.concatenate([{', '.join(self.names)}], axis=None)",
            f"counted = np.concatenate([{', '.join(map(self._counts, self.names))}], axis=None)",
            f"return J + ({self.strength('y', 'w')} * counted * {penalty}).sum()",
        ]

    def _counts(self, name: str) -> str:
        return f"np.{'ones' if name in self.counted else 'zeros'}_like({name})"

    # --- backward ------------------------------------------------------------------------------------------------

    def backward(self) -> Lines:
        """The backward pass from the loss to the first layer."""
        loss, n, y = self.problem.loss, len(self.layers), self.data("y")
        lines = [f"share = {self.share(y, self.data('w'))}"]
        parameters = _format_parameters(loss.parameters)
        if self.fused:
            lines.append(f"dz{n} = share * {self.call(self.fused.derivative, f'z{n}', y, **parameters)}")
        else:
            lines.append(f"da{n} = share * {self.call(loss.derivative, f'a{n}', y, **parameters)}")
        for layer in reversed(self.layers):
            lines += self.back_through(layer)
        return lines

    def back_through(self, layer: Layer) -> Lines:
        """The backward pass of a layer."""
        n, lines = layer.number, []
        if n in self.dropout:
            lines.append(f"da{n} = dd{n} * gain{n}")
        if layer is not self.layers[-1] or not self.fused:
            lines.append(self.back_through_activation(layer))
        if layer.batch_norm:
            lines.append(f"dz{n}, dgamma{n}, dbeta{n} = back{n}(dn{n})")
        inputs = self.inputs(n, True, self.data("x"))
        lines.append(f"dW{n} = {inputs}.T @ dz{n}{self.penalty_part(f'W{n}')}")
        if layer.bias:
            lines.append(f"db{n} = dz{n}.sum(0, keepdims=True){self.penalty_part(f'b{n}')}")
        if n > 1 or layer.scaling:
            lines.append(f"d{inputs} = dz{n} @ W{n}.T")
        if layer.scaling:
            lines.append(f"dscale{n} = (ds{n} * {self.data('x')}).sum(0, keepdims=True)")
        return lines

    def back_through_activation(self, layer: Layer) -> str:
        """The backward pass of an activation."""
        n, activation = layer.number, layer.activation
        source = "n" if layer.batch_norm else "z"
        values, parameters = (f"{source}{n}", f"a{n}"), _format_parameters(activation.parameters)
        if activation.rowwise:
            return f"d{source}{n} = {self.call(activation.derivative, *values, f'da{n}', **parameters)}"
        return f"d{source}{n} = {self.call(activation.derivative, *values, **parameters)} * da{n}"

    def penalty_part(self, name: str) -> str:
        """The gradient of the penalty with respect to an array."""
        penalty = self.problem.penalty
        if penalty is None or name not in self.counted:
            return ""
        strength = self.strength(self.data("y"), self.data("w"))
        return f" + {strength} * {self.call(penalty.derivative, name)}"

    # --- update --------------------------------------------------------------------------------------------------

    def update(self) -> Lines:
        """The learning rate, every array, and the running statistics of batch norm."""
        problem, optimizer = self.problem, self.problem.optimizer
        lines = self.rate()
        numbers = {key: float(problem.numbers[key][0]) for key in optimizer.parameters}
        if optimizer.once_a_step and not problem.factors:
            lines += self.once_a_step(numbers)
        assert optimizer.update is not None
        for name in self.names:
            slots = [f"{slot}_{name}" for slot in optimizer.slots]
            arguments = [name, f"d{name}", *slots]
            if problem.factors and optimizer.once_a_step:
                lines += self.once_a_step_of(name)
                called = self.call(optimizer.update, *arguments, "*numbers")
            elif optimizer.once_a_step:
                decays = not optimizer.decay or name in self.counted
                called = self.call(optimizer.update, *arguments, "*numbers" if decays else "*without_decay")
            else:
                rate, of_array = self.numbers_of(name)
                if problem.factors and problem.dtype == np.float32:
                    rate = f"np.float32({rate})"
                own = {key: self.number(value) for key, value in of_array.items()}
                if optimizer.norms:
                    own["norm"] = f"np.sqrt((d{name} * d{name}).sum())"
                called = self.call(optimizer.update, *arguments, learning_rate=rate, **own)
            lines.append(f"{', '.join([name, *slots]) if slots else f'({name},)'} = {called}")
        for layer in self.layers:
            lines += self.running_statistics(layer.number) if layer.batch_norm else []
        return lines

    def rate(self) -> Lines:
        """The learning rate of a step."""
        problem, schedule = self.problem, self.problem.schedule
        initial = repr(float(problem.numbers["learning_rate"][0]))
        single = problem.dtype == np.float32 and not problem.optimizer.once_a_step and not problem.factors
        if schedule.name == "constant":
            return [f"rate = {f'np.float32({initial})' if single else initial}"]
        if schedule.adaptive:
            return [f"rate = np.float32({initial} * cut)" if single else f"rate = {initial} * cut"]
        done = f"step // {self.batches}" if schedule.per == "epoch" else "step"
        parameters = {key: repr(float(value[0])) for key, value in problem.schedule_numbers.items()}
        called = self.call(schedule.rate, f"np.array([float({done})])", initial, **parameters)
        return [f"rate = {called}{'.astype(np.float32)' if single else ''}"]

    def numbers_of(self, name: str) -> tuple[str, dict[str, float]]:
        """The learning rate of an array, as an expression, and the optimizer's other numbers for it."""
        problem = self.problem
        start = next(entry.start for entry in self.network.entries if entry.name == name)
        part = next(part for part in problem.update_ranges if part.start <= start < part.stop)
        numbers = {key: problem.numbers[key] for key in problem.optimizer.parameters}
        of_range = problem.range_numbers(part, {"learning_rate": np.ones(1), **numbers})
        factor, *others = (float(value[0]) for value in of_range.values())
        return "rate" if factor == 1 else f"rate * {factor!r}", dict(zip(numbers, others, strict=True))

    def once_a_step_of(self, name: str) -> Lines:
        """The numbers that Adam computes once per step for an array with factors of its own."""
        rate, numbers = self.numbers_of(name)
        return [f"numbers = {self.once_a_step_call(rate, numbers)}"]

    def once_a_step(self, numbers: Mapping[str, float]) -> Lines:
        """The numbers that Adam computes once per step."""
        optimizer = self.problem.optimizer
        assert optimizer.once_a_step is not None
        lines = []
        variants = [("numbers", numbers)]
        if optimizer.decay and len(self.counted) < len(self.names):
            variants.append(("without_decay", {**numbers, "weight_decay": 0.0}))
        for name, hyperparameters in variants:
            lines.append(f"{name} = {self.once_a_step_call('rate', hyperparameters)}")
        return lines

    def once_a_step_call(self, rate: str, numbers: Mapping[str, float]) -> str:
        """The call that computes them, in the precision of the arrays."""
        assert self.problem.optimizer.once_a_step is not None
        own = {key: repr(value) for key, value in numbers.items()}
        called = self.call(self.problem.optimizer.once_a_step, "np.array([step + 1.0])", learning_rate=rate, **own)
        single = self.problem.dtype == np.float32
        return f"[np.asarray(number, np.float32) for number in {called}]" if single else called

    def running_statistics(self, n: int) -> Lines:
        """The running statistics of a layer after a batch."""
        old, new = f"(1 - {BATCH_NORM_MOMENTUM!r})", repr(BATCH_NORM_MOMENTUM)
        unbiased = f"variance{n} * max(count, 1) / max(count - 1, 1)"
        return [
            f"running_mean{n} = {old} * running_mean{n} + {new} * mean{n}",
            f"running_variance{n} = {old} * running_variance{n} + {new} * ({unbiased})",
        ]


def _format_parameters(parameters: Mapping[str, float]) -> dict[str, str]:
    return {key: repr(value) for key, value in parameters.items()}
