"""Print the passes of a network as statements of NumPy, with the names that formulas have.

x [N, D]  inputs     W [D, H]  weights     z [N, H]  pre-activations     dz is ∂J/∂z, and so on

Layers run once on recorded matrices. What they compute gets the name that it has in formulas or in their code; what has
no name, or is used once, stands where it is used.
"""

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count
from types import FrameType
from typing import Any

import numpy as np

from deltarule.maths import network
from deltarule.maths.activations import Activation
from deltarule.maths.network import PlacedLayer
from deltarule.maths.update import Objective
from deltarule.program.derivative import Noted
from deltarule.program.formula import OPERATORS
from deltarule.program.program import ONE, ROWS, Axis, NotTraceable, Operation, Program, Variable
from deltarule.program.recorder import Tape, as_axis

MAX_UNBROKEN_LENGTH = 90
"""Characters of an expression from which on it has brackets, within which a line can be broken."""
_FORMULAS = "deltarule.maths."
_TEXTS = {**OPERATORS, "matmul": "{} @ {}", "select": "np.where({} > 0, {}, {})", "transpose": "{}.T"}


class Passes:
    """The passes of what training minimizes, to be printed.

    `call(function, *arguments, **parameters)` returns the text of a call of a function that is not printed, as those of
    activations. `members` is the axis in front of the arrays of parameters, if there is one.
    """

    def __init__(
        self, objective: Objective, dtype: np.dtype[Any], call: Callable[..., str], members: tuple[Axis, ...] = ()
    ) -> None:
        self.objective, self.dtype, self.call, self.tape = objective, dtype, call, Tape([])
        self.arguments: dict[str, Variable] = {}
        self.labels: dict[str, str] = {}
        self.hints: dict[str, str] = {}
        entries, statistics, layers = objective.entries, objective.statistics, objective.layers
        self.parameters = {each.name: self._given(each.name, *members, *each.shape) for each in entries}
        self.running = {each.name: self._given(f"running_{each.name}", *members, *each.shape) for each in statistics}
        self.x, self.y = self._given("x", ROWS, layers[0].inputs), self._given("y", ROWS, layers[-1].units)
        output = PlacedLayer(objective.output, layers[-1].number, layers[-1].units, layers[-1].units)
        self.fused = objective.loss.fused_with(objective.output)
        self.layers = tuple(map(self._noted, layers if self.fused else (*layers, output)))

    def evaluation(self) -> list[str]:
        """Return the statements that compute the outputs, or the logits if the loss takes these."""
        values = network.evaluated(self.layers, self.parameters | self.running, self.x)
        return self._statements([values[self.layers[-1].name]], {})

    def training(self, texts: Mapping[str, str], penalized: Collection[str]) -> list[str]:
        """Return the statements of a forward and a backward pass, and of the running statistics.

        `texts` are what stands for arguments: "0.3" for dropout1. Dropout whose rate has none does nothing.
        """
        given = {"share": self._given("part", ROWS, ONE)} if self.running else {}
        for placed in self.layers:
            keep, rate = f"keep{placed.number}", f"dropout{placed.number}"
            if "keep" in placed.layer.given and rate in texts:
                given |= {keep: self._given(keep, ROWS, placed.units), rate: self._given(rate, ONE, ONE)}
        tape, statistics = network.forward(self.layers, self.parameters, self.x, given)
        loss, penalty = self.objective.loss, self.objective.penalty
        slope = self._run((self.fused or loss).derivative, tape[-1].value, self.y, **loss.parameters)
        results = []
        for name, gradient in network.backward(tape, self._given("share", ROWS, ONE) * slope).items():
            if penalty is not None and name in penalized:
                slope = self._run(penalty.derivative, self.parameters[name])
                gradient = gradient + self._given("strength", ONE, ONE) * slope
            results.append(self._label(f"d{name}", gradient))
        moved = network.updated_buffers(self.layers, self.running, statistics, self._given("count", ONE, ONE))
        results += [self._label(f"running_{name}", array) for name, array in moved.items()]
        return self._statements(results, texts)

    def _given(self, name: str, *axes: Any) -> Any:
        argument = Variable(name, self.dtype, tuple(map(as_axis, axes)))
        return self.tape.number(self.arguments.setdefault(name, argument))

    def _label(self, name: str, array: Any) -> Any:
        self.labels.setdefault(array.variable.name, name)
        return array

    def _run(self, function: Callable[..., Any], *arrays: Any, **parameters: Any) -> Any:
        """Record a call of a function."""
        text = self.call(function, *[f"{{{index}}}" for index in range(len(arrays))], **parameters)
        return self.tape.add(text, [array.variable for array in arrays], self.dtype)

    def _noted(self, placed: PlacedLayer) -> PlacedLayer:
        """Return a layer that names what it computes, as its variables are called."""
        if isinstance(placed.formula, Activation):  # whose functions are called
            f, slope = partial(self._run, placed.formula.function), partial(self._run, placed.formula.derivative)
            placed = replace(placed, formula=replace(placed.formula, function=f, derivative=slope))
        layer = placed.layer

        def noted(function: Callable[..., Any], *operands: Any, **options: Any) -> Any:
            returned, variables, inner = with_locals(function, *operands, **options)
            for name, array in (*variables.items(), *inner.items()):
                if hasattr(array, "variable"):
                    self.hints.setdefault(array.variable.name, f"{name}{placed.number}")
            return returned

        def run(function: Callable[..., Any], *operands: Any, **parameters: Any) -> Any:
            value, back, *statistics = noted(function, *operands, **parameters)
            for name, array in zip((placed.name, *placed.statistics), (value, *statistics), strict=False):
                self._label(name, array)
            return value, partial(run_back, back), *statistics

        def run_back(back: Callable[..., Any], upstream: Any, **options: Any) -> Any:
            return noted(back, self._label(f"d{placed.name}", upstream), **options)

        evaluation = layer.evaluation and partial(run, layer.evaluation)
        return replace(placed, formula=replace(layer, function=partial(run, layer.function), evaluation=evaluation))

    def _statements(self, results: Sequence[Any], texts: Mapping[str, str]) -> list[str]:
        """Return the statements of some results: one for each name, and for what is used more than once."""
        variables = tuple(result.variable for result in results)
        names = tuple(variable.name for variable in variables)
        program = Program((), tuple(self.tape.operations.values()), variables, names).cut(names)
        uses = Counter(operand for operation in program.operations for operand in operation.operands)
        known: dict[Any, str] = {each: texts.get(name, name) for name, each in self.arguments.items()}
        taken, lines = {*self.labels.values(), *texts}, []
        for operation in program.operations:
            result = operation.result
            text = _text(operation, [known.get(each) or _number(each) for each in operation.operands])
            name = self.labels.get(result.name)
            if name is None and uses[result] > 1 and operation.name != "transpose":
                hint = self.hints.get(result.name, result.name)
                name = next(each for each in chain([hint], (f"{hint}_{n}" for n in count(2))) if each not in taken)
                taken.add(name)
            if name:
                text = ast.unparse(ast.parse(text))  # without brackets that are not needed
                lines.append(f"{name} = {text}" if len(text) < MAX_UNBROKEN_LENGTH else f"{name} = ({text})")
            known[result] = name or f"({text})"
        return lines


def _text(operation: Operation, operands: Sequence[str]) -> str:
    name = operation.name
    if name == "transpose" and operands[0].endswith(".T)"):
        return operands[0].removesuffix(".T)").removeprefix("(")
    if name == "sum":
        return f"{operands[0]}.sum({len(operation.result.axes) + operation.detail[0]}, keepdims=True)"
    if name == "broadcast":
        if operation.operands[0].axes[-1] != ONE or operation.operands[0].axes[:-1] != operation.result.axes[:-1]:
            raise NotTraceable("it repeats rows")
        return f"np.repeat({operands[0]}, {int(operation.result.axes[-1])}, -1)"
    text = name if "{" in name else _TEXTS.get(name, f"np.{name}({', '.join(['{}'] * len(operands))})")
    return text.format(*operands)


def _number(constant: Any) -> str:
    value = float(str(constant.dtype.type(constant.value)))  # with the digits that its type has
    return str(int(value) if value.is_integer() else value)


def with_locals(
    function: Callable[..., Any], *operands: Any, **parameters: Any
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return what a function returns, its variables by name, and those of the formulas that it calls."""
    variables: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    before: Any = sys.getprofile()
    code = getattr(inspect.unwrap(function), "__code__", None)

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            of_tape = {name: each.value for name, each in frame.f_locals.items() if isinstance(each, Noted)}
            variables.update(frame.f_locals | of_tape)
        elif event == "return" and frame.f_globals.get("__name__", "").startswith(_FORMULAS):
            inner.update(frame.f_locals)

    sys.setprofile(note)
    try:
        return function(*operands, **parameters), variables, inner
    finally:
        sys.setprofile(None)
        if hasattr(before, "enable"):  # cProfile's is no function
            before.enable()
        else:
            sys.setprofile(before)
