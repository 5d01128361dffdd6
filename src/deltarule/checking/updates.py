"""Treat an update of parameters as a gradient: g = (θ before − θ after) / α.

With momentum, v ← β v − α g and θ ← θ + v, the second of two updates gives g = (β v + θ before − θ after) / α.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.mistakes.evidence import GradientEvidence, Hypothesis, fit_ratio, one_mistake
from deltarule.checking.mistakes.planting import without_epsilon
from deltarule.checking.numerics.reference_gradient import ReferenceGradient, gradient_at, measure_slopes
from deltarule.checking.repair.safety import ProgramState
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.arrays import NamedArrays, ParameterStore, as_numpy, flatten, named_leaves, split_loss
from deltarule.checking.user_code.attributes import find_attribute, names_in_program
from deltarule.checking.user_code.callables import Code, Values, caller_in_style_of, code_of_loss, find_caller
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.user_functions import call_user_function

_REPETITIONS = 3
"""Steps from the same parameters: two growths show whether one is a multiple of the other."""


class Update:
    """A user's update step as code whose gradient can be evaluated once.

    `params` may be a function that finds the parameters. If they are arrays, a step that creates new ones is not
    noticed.
    """

    def __init__(
        self, step: Callable[..., Any], loss: Callable[..., Any], params: Any, learning_rate: float | None
    ) -> None:
        is_fixed = not callable(params)
        first = params if is_fixed else call_user_function(params, (), {}, "params")
        names = names_in_program(first, (step, loss))

        def find() -> NamedArrays:
            if is_fixed:
                return flatten(params, item_names=names)
            arrays = flatten(call_user_function(params, (), {}, "params"), item_names=names)
            # A list that is made anew at each call is no place for numbers: those stand in attributes.
            places = [find_attribute(leaf, params) for leaf in arrays.leaves]
            named = [place[0] if place else name for place, name in zip(places, arrays.names, strict=True)]
            return replace(arrays, names=tuple(named), assigners=tuple(place[1] if place else None for place in places))

        self._params = find()
        self.learning_rate = learning_rate or 1.0
        self._first_end: tuple[Floats, ...] | None = None
        call_loss = find_caller(loss, self._params, "loss", lambda result: bool(split_loss(result, "loss")))
        self._call_step = caller_in_style_of(call_loss, step, "step")
        is_in_place = self._call_step.is_in_place or call_loss.is_in_place
        self.is_fixed = is_in_place and is_fixed
        self.divides_by_zero = False
        self._store = ParameterStore(find) if is_in_place else None
        for call in (self._call_step, call_loss):
            call.store = self._store if call.is_in_place else None
        self.steps: list[tuple[tuple[Floats, ...], tuple[Floats, ...]]] = []
        """The parameters at the begin and the end of each step, in order."""
        code = code_of_loss(
            call_loss,
            self._recover_gradient,
            self._store,
            is_repeatable=False,
            restore=self.restore,
            roots=(loss, step, self._params.structure),
        )
        self.code = self._code_from(code, code.start)
        if learning_rate is None:
            self._find_rate(code)

    def _find_rate(self, code: Code) -> None:
        """Take the first step, and find its learning rate."""
        self._first_end = self._step_from(code.start)
        moved = [before - after for before, after in zip(code.start, self._first_end, strict=True)]
        if any(map(np.any, moved)) and all(np.isfinite(array).all() for array in moved):
            reference = measure_slopes(self.code, moved, max_entries=200)
            self.learning_rate = _fit_rate(moved, [array.expected for array in reference.arrays])
            self.code = self._code_from(code, code.start)

    def next_step(self, momentum: float) -> tuple[Code, Callable[[GradientEvidence], Iterator[Hypothesis]]]:
        """The next step as code, and hypotheses about its velocity."""
        begin, end = self.steps[-1]
        if any(before.shape != after.shape for before, after in zip(begin, end, strict=True)):
            raise BadInput("the step changes the shape of a parameter; let it keep its shape")
        velocity = tuple(momentum * (after - before) for after, before in zip(end, begin, strict=True))
        code = self._code_from(self.code, end, velocity)
        ahead = replace(code, start=tuple(start + step for start, step in zip(end, velocity, strict=True)))

        def hypotheses(evidence: GradientEvidence) -> Iterator[Hypothesis]:
            velocities = [array / self.learning_rate for array in velocity]
            pairs = zip(evidence.parameters, velocities, strict=True)
            without = [array for array, v in pairs if array.is_wrong and array.fits(array.expected + v)]
            if without:
                sentence = f"the update of {join_names([array.name for array in without])} lacks the velocity"
                yield one_mistake("velocity_missing", without, sentence)
            with suppress(BadInput):  # there is no loss
                reference = measure_slopes(ahead, evidence.gradients, max_entries=200)
                if evidence.is_found([array.expected for array in reference.arrays]):
                    names = join_names(evidence.names)
                    sentence = f"the update of {names} takes the gradient at θ + β v, as Nesterov's momentum does"
                    yield one_mistake("nesterov", evidence.parameters, sentence)

        return code, hypotheses

    def repeatable_code(self) -> Code | None:
        """The step as code that can be called again and again; None if it keeps anything, as a velocity."""
        with suppress(BadInput):  # a second step may change nothing
            first, second = (self._recover_gradient(self.code.start) for _ in range(2))
            if all(map(np.array_equal, first, second)):
                return replace(self.code, is_repeatable=True, has_own_forward_pass=True)
        return None

    def with_velocity(self, momentum: float) -> Code:
        """Two steps as code: what the second adds to β times the first is −α g, whatever the velocity was before."""
        functions = [root for root in self.code.roots if isinstance(root, FunctionType)]
        state = ProgramState(functions, list(self.code.roots))

        def gradient(values: Values) -> list[Floats]:
            state.restore()
            moves = [(begin, self._step_from(begin)) for begin in (self.code.start, tuple(values))]
            state.restore()
            first, second = ([after - before for before, after in zip(*move, strict=True)] for move in moves)
            return [(momentum * v - move) / self.learning_rate for v, move in zip(first, second, strict=True)]

        return replace(self.code, gradient=gradient, is_repeatable=True, has_own_forward_pass=True)

    def has_other_state(self) -> bool:
        """Whether repetitions of the step differ by more than a velocity would make them."""
        try:
            steps = [gradient_at(self.code, self.code.start) for _ in range(_REPETITIONS)]
        except BadInput:
            return False
        roundings = self.code.rounding or ()
        for arrays, rounding in zip(zip(*steps, strict=True), roundings, strict=True):
            earlier, later = np.diff(np.array(arrays), axis=0)
            square = float((earlier * earlier).sum())
            # Each growth is β times the one before it. Biases may have no velocity, so each array is fitted alone.
            beta = np.clip((later * earlier).sum() / square, -1, 1) if square else 0.0
            unexplained = float(np.abs(later - beta * earlier).max())
            if unexplained > 1e-6 * float(np.abs(arrays[-1]).max()) + 8 * rounding.max():
                return True
        return False

    def next_steps(self, count: int) -> list[ReferenceGradient]:
        """Follow the last step by up to `count` others; the correct gradients of each."""
        while len(self.steps) < count:
            self._recover_gradient(self.steps[-1][1])
        gradients = []
        for begin, end in self.steps:
            moved = [before - after for before, after in zip(begin, end, strict=True)]
            gradients.append(measure_slopes(self._code_from(self.code, begin), moved, max_entries=100))
        return gradients

    def gradients_without_epsilon(self) -> list[list[Floats]]:
        """The gradients at each step without the ε in the loss, if it has one."""
        gradients = []
        for begin, _ in self.steps:
            recording = record_loss(self._code_from(self.code, begin))
            epsilon, of_step = (0.0, []) if recording is None else without_epsilon(recording)
            if not epsilon:
                return []
            gradients.append(of_step)
        return gradients

    def _code_from(self, code: Code, begin: tuple[Floats, ...], velocity: tuple[Floats, ...] | None = None) -> Code:
        """The step from the parameters `begin` as code."""
        rounding = []
        for start, own, v in zip(begin, self._params.values, velocity or (np.zeros(1),) * len(begin), strict=True):
            # The computation has the dtype of the user's parameters.
            eps = np.finfo(own.dtype if own.dtype.kind == "f" else np.float64).eps
            last_digit = np.finfo(start.dtype).eps * np.abs(start) + eps * np.abs(v).max()
            rounding.append(np.asarray(4 * last_digit / self.learning_rate))
        gradient = partial(self._recover_gradient, velocity=velocity)
        return replace(code, start=begin, gradient=gradient, rounding=tuple(rounding))

    def restore(self) -> None:
        if self._store is not None:
            self._store.restore()

    def _step_from(self, values: Values) -> tuple[Floats, ...]:
        if self._call_step.is_in_place:
            assert self._store is not None
            self._call_step(values)
            self.divides_by_zero = not self.steps and not _is_finite(self._params.structure)
            return self._store.read()
        structure = self._params.rebuild([value.copy() for value in values])
        result = self._call_step.call(structure)
        self.divides_by_zero = not self.steps and not (_is_finite(result) and _is_finite(structure))
        returned = flatten(structure)  # of a step that works in place
        with suppress(BadInput):
            new = flatten(result)
            returned = new if len(new.values) == len(values) else returned
        return tuple(np.array(value) for value in returned.values)

    def _recover_gradient(self, values: Values, velocity: tuple[Floats, ...] | None = None) -> list[Floats]:
        end = self._first_end or self._step_from(values)
        self._first_end = None
        if all(map(np.array_equal, values, end)):
            raise BadInput(
                "the step changes no parameter; if it creates new arrays, give params as a function that finds them, "
                "as lambda: [net.W, net.b]; if it has momentum, let it compute the velocity before it adds it"
            )
        self.steps.append((tuple(values), end))
        moved = [before - after for before, after in zip(values, end, strict=True)]
        if velocity:
            moved = [array + by_velocity for array, by_velocity in zip(moved, velocity, strict=True)]
        return [array / self.learning_rate for array in moved]


@np.errstate(all="ignore")
def _fit_rate(moved: Sequence[Floats], gradients: Sequence[Floats]) -> float:
    """The rate of a step: that of the most arrays, or its length where all entries move by the same, as Adam's do."""
    steps = np.concatenate([array[np.isfinite(of)] for array, of in zip(moved, gradients, strict=True)])
    sizes = np.abs(steps[steps != 0])
    if len(sizes) > 1 and np.ptp(sizes) <= 1e-3 * sizes.max():
        return float(np.median(sizes))
    ratios = []
    for array, of in zip(moved, gradients, strict=True):
        ratio = fit_ratio(array, of, of)
        error = np.nanmax(np.abs(array - ratio * of), initial=0)
        ratios += [abs(ratio)] * (3 if error <= 1e-4 * np.abs(array).max(initial=0) else 1) if ratio else []
    ratios.sort(key=lambda ratio: -sum(abs(ratio - other) <= 1e-4 * ratio for other in ratios))
    return ratios[0] if ratios else 1.0


def _is_finite(structure: Any) -> bool:
    leaves = [np.asarray(as_numpy(leaf)) for _, leaf in named_leaves(structure)]
    return all(np.isfinite(leaf).all() for leaf in leaves if leaf.dtype.kind == "f")
