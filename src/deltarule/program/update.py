"""Record the program of one whole update: forward and backward pass, the optimizer's step, the layers' statistics.

The functions of `maths` run on recorded arrays, unmodified. Sizes that know their axis name the axes of all arrays:
units0 are the inputs of a network, units1 the units of its first layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.maths.layers import DROPOUT
from deltarule.maths.network import Entry, PlacedLayer, Taped, buffer_entries, numbered, parameter_entries, views
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.schedules import Schedule
from deltarule.maths.update import Objective, TrainingPass, optimizer_step, training_pass
from deltarule.program.program import MEMBERS, ONE, ROWS, Axis, Operand, Program, Variable
from deltarule.program.recorder import Axes, Tape, Traced, traceable


@dataclass(frozen=True)
class Range:
    """Neighboring arrays of θ whose numbers of the optimizer are multiplied alike: {number: factor}."""

    start: int
    stop: int
    factors: Mapping[str, float]


@dataclass(frozen=True)
class Structure:
    """Everything on which the program of an update depends.

    objective, optimizer, schedule : the formulas.
    schedule_numbers : the names of the schedule's parameters.
    ranges : of θ, with their factors of the optimizer's numbers.
    dropped : the layers with dropout, by number.
    own : which of "rows", "weights" and "entry_factors" each member has for itself; others are shared.
    clips : whether long gradients are shortened.
    has_entry_factors : whether factors of single entries multiply the update.
    dtype : of the arrays.
    """

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule
    schedule_numbers: tuple[str, ...]
    ranges: tuple[Range, ...]
    dropped: tuple[int, ...]
    own: frozenset[str]
    clips: bool
    has_entry_factors: bool
    dtype: np.dtype[Any]


def record_update(structure: Structure) -> Program:
    """Return the program of an update.

    Its arguments:

    θ, v …                      parameters and the optimizer's slots, [members, parameters]
    buffers                     the layers' running statistics
    x, y, w                     a batch and the weights of its rows; a short last batch has fewer rows
    keep1, dropout1             a layer's masks, drawn from counters, and its rates
    strength, penalized         of the penalty
    learning_rate, momentum …   the optimizer's numbers, in float64
    schedule_steps …            the schedule's numbers, in float64
    updates, counted            the updates before this one, and what the schedule counts: updates or epochs
    factor                      what training multiplies the learning rate with
    longest, entry_factors      of gradients that are clipped, and of single entries

    Its results are J, θ′, v′ …, buffers′ and, by the names that formulas have, W1, z1, a1, δ1, ∂J/∂W1 …
    """
    with traceable():
        return _UpdateRecording(structure).program()


class Recording:
    """The arguments of a program, and the names of what it computes.

    objective : that of the structure, with sizes that name their axes.
    """

    def __init__(self, structure: Structure) -> None:
        layers = with_named_sizes(structure.objective.layers)
        self.structure = structure
        self.objective = replace(
            structure.objective,
            layers=layers,
            entries=parameter_entries(layers),
            statistics=buffer_entries(layers),
        )
        self.tape = Tape([])
        self.arguments: dict[str, Variable] = {}
        self.labels: dict[str, Operand] = {}

    def given(self, name: str, axes: Axes, dtype: Any = None) -> Any:
        """Return an argument of the program."""
        argument = Variable(name, np.dtype(dtype or self.structure.dtype), axes)
        return self.tape.number(self.arguments.setdefault(name, argument))

    def label(self, name: str, array: Any) -> Any:
        """Give an array the name that formulas have for it."""
        self.labels.setdefault(name, self.tape.operand(array))
        return array

    @property
    def parameter_axis(self) -> Axis:
        return Axis("parameters", self.objective.entries[-1].stop)

    def parameters(self, name: str = "θ") -> Any:
        """Return θ, or a vector like it."""
        return self.given(name, (MEMBERS, self.parameter_axis))

    def buffers(self) -> Any:
        """Return the running statistics, None if there are none."""
        running = self.objective.statistics
        return self.given("buffers", (MEMBERS, Axis("statistics", running[-1].stop))) if running else None

    def batch(self) -> tuple[Any, Any, Any]:
        """Return x, y and w."""
        own, layers = self.structure.own, self.objective.layers
        rows = (MEMBERS, ROWS) if "rows" in own else (ROWS,)
        weights = (MEMBERS, ROWS) if own & {"rows", "weights"} else (ROWS,)
        x, y = self.given("x", (*rows, layers[0].inputs)), self.given("y", (*rows, layers[-1].units))  # type: ignore[arg-type]
        return x, y, self.given("w", (*weights, ONE))

    def penalty(self) -> tuple[Any, Any]:
        """Return the penalty's strength, and the entries that it counts."""
        return self.given("strength", (MEMBERS, ONE)), self.given("penalized", (self.parameter_axis,))

    def named(self) -> Program:
        """Return the program, with labels as the names of variables that have none."""
        names: dict[str, str] = {}
        for label, operand in self.labels.items():
            if isinstance(operand, Variable) and operand.name not in self.arguments:
                names.setdefault(operand.name, label)
        return self.tape.program([*self.arguments.values()], [*self.labels.values()], [*self.labels]).renamed(names)


class _UpdateRecording(Recording):
    def program(self) -> Program:
        structure, entries = self.structure, self.objective.entries
        theta = self.parameters()
        slots = {name: self.parameters(name) for name in structure.optimizer.slots}
        for entry in entries:
            self.label(symbol_of(entry), views(theta, [entry])[entry.name])
        done = self._training_pass(theta)
        gradient = done.gradient()
        for entry in entries:
            self.label(
                f"∂J/∂{symbol_of(entry)}", gradient[..., entry.start : entry.stop].reshape(MEMBERS, *entry.shape)
            )
        options = {}
        if structure.clips:
            options["longest"] = self.given("longest", (MEMBERS, ONE))
        if structure.has_entry_factors:
            members = (MEMBERS,) if "entry_factors" in structure.own else ()
            options["factors"] = self.given("entry_factors", (*members, self.parameter_axis))
        optimizer, numbers = structure.optimizer, self._numbers()
        updated = optimizer_step(optimizer, entries, theta, gradient, [*slots.values()], numbers, **options)
        for name, array in zip(("θ", *slots), updated, strict=True):
            self.label(f"{name}′", array)
        if self.objective.statistics:
            self.label("buffers′", done.buffers)
        self.label("J", done.objective)
        return self.named()

    def _training_pass(self, theta: Any) -> TrainingPass:
        dropped = {}
        for placed in self.objective.layers:
            if placed.formula == DROPOUT and placed.number in self.structure.dropped:
                n = placed.number
                dropped[f"keep{n}"] = self.given(f"keep{n}", (MEMBERS, ROWS, placed.units))  # type: ignore[arg-type]
                dropped[f"dropout{n}"] = self.given(f"dropout{n}", (MEMBERS, ONE, ONE))
        options: dict[str, Any] = {"dropped": dropped}
        if self.objective.penalty is not None:
            options["strength"], options["penalized"] = self.penalty()
        done = training_pass(self.objective, theta, self.buffers(), *self.batch(), **options)
        done.tape[:] = map(self._labeled, done.tape)
        return done

    def _labeled(self, taped: Taped) -> Taped:
        """Label a step's result, and δ, ∂J/∂z, on the way back."""

        def backward(upstream: Any) -> Any:
            if taped.symbol == "z":
                self.label(f"δ{taped.layer}", upstream)
            return taped.backward(upstream)

        return taped._replace(value=self.label(taped.name, taped.value), backward=backward)

    def _numbers(self) -> dict[str, Any]:
        """Return what the optimizer's update takes: [members, 1], or [members, P] where ranges of θ differ."""
        structure, optimizer = self.structure, self.structure.optimizer

        def number(name: str) -> Any:
            return self.given(name, (MEMBERS, ONE), float)

        schedule = {name: number(f"schedule_{name}") for name in structure.schedule_numbers}
        rate = structure.schedule.rate(number("counted"), number("learning_rate"), **schedule) * number("factor")
        numbers = {"learning_rate": rate} | {name: number(name) for name in optimizer.parameters}
        by_range = []
        for part in structure.ranges:
            scaled = {
                name: value * part.factors[name] if name in part.factors else value for name, value in numbers.items()
            }
            if optimizer.once_a_step is not None:
                scaled = optimizer.once_a_step(self.given("updates", (ONE, ONE), float) + 1.0, **scaled)
            by_range.append({name: value.astype(structure.dtype) for name, value in scaled.items()})
        return {name: self._joined([each[name] for each in by_range]) for name in by_range[0]}

    def _joined(self, values: Sequence[Traced]) -> Any:
        """Return a number of each range of θ as one array, or the number if it is the same for all."""
        if all(value.variable == values[0].variable for value in values):
            return values[0]
        parts: list[Any] = []
        for part, value in zip(self.structure.ranges, values, strict=True):
            parts.append(np.broadcast_to(value, (MEMBERS, part.stop - part.start)))
        return np.concatenate(parts, axis=-1)


def symbol_of(entry: Entry) -> str:
    """Return the name of an array in formulas: γ1 and β1 for a norm's, as beta1 is a number of Adam."""
    greek = {"gamma": "γ", "beta": "β"}
    return numbered(greek.get(entry.symbol, entry.symbol), entry.layer)


def with_named_sizes(layers: tuple[PlacedLayer, ...]) -> tuple[PlacedLayer, ...]:
    """Name the axes of layers' units; where layers share arrays or values their axes are one, and have no names."""
    have_names = not any(placed.names for placed in layers)
    inputs, named = Axis("units0" if have_names else "", layers[0].inputs), []
    for placed in layers:
        name = f"units{placed.number}" if have_names else ""
        units = Axis(name, placed.units) if placed.layer.sets_units else inputs
        named.append(replace(placed, inputs=inputs, units=units))
        inputs = units
    return tuple(named)
