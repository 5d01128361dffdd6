"""Treat an update of parameters as a gradient: g = (θ before − θ after) / α.

With momentum, v ← β v − α g and θ ← θ + v, the second of two updates gives g = (β v + θ before − θ after) / α.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.numerics.parameter_lines import gradient_at
from deltarule.checking.numerics.reference_gradient import ReferenceGradient, measure_gradient
from deltarule.checking.user_code.arrays import Arrays, ParameterStore, flatten, split_loss
from deltarule.checking.user_code.callables import Caller, Code, Values, caller_in_style_of, find_caller
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function

_REPETITIONS = 3
"""Steps from the same parameters: two growths show whether one is a multiple of the other."""
_FIND_PARAMS = "give params as a function that finds them, as lambda: [net.W, net.b]"


class Update:
    """A user's update step as code whose gradient can be evaluated once.

    `is_fixed`: the parameters are arrays, and a step that creates new ones is not noticed.
    """

    def __init__(
        self,
        params: Arrays,
        call_step: Caller,
        call_loss: Caller,
        store: ParameterStore | None,
        is_fixed: bool,
        learning_rate: float,
    ) -> None:
        self._params, self._call_step, self._call_loss = params, call_step, call_loss
        self._store, self._is_fixed, self._learning_rate = store, is_fixed, learning_rate
        self.steps: list[tuple[tuple[Floats, ...], tuple[Floats, ...]]] = []
        """The parameters at the begin and the end of each step, in order."""
        start = (value.copy() if store is not None else value.astype(np.float64) for value in params.values)
        self.code = self._code_from(tuple(start))

    def next_step(self, momentum: float) -> tuple[Code, Callable[[Evidence], Iterator[Hypothesis]]]:
        """The next step as code, and hypotheses about its velocity."""
        begin, end = self.steps[-1]
        if any(before.shape != after.shape for before, after in zip(begin, end, strict=True)):
            raise BadInput("the step changes the shape of a parameter; let it keep its shape")
        velocity = tuple(momentum * (after - before) for after, before in zip(end, begin, strict=True))
        code = self._code_from(end, velocity)

        def hypotheses(evidence: Evidence) -> Iterator[Hypothesis]:
            yield from _velocity_hypotheses([one / self._learning_rate for one in velocity], momentum, evidence)
            yield from _nesterov_hypothesis(code, velocity, evidence)

        return code, hypotheses

    def has_other_state(self) -> bool:
        """Whether repetitions of the step differ by more than a velocity would make them."""
        try:
            steps = [gradient_at(self.code, self.code.start) for _ in range(_REPETITIONS)]
        except BadInput:
            return False
        finally:
            self._restore()
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
        try:
            while len(self.steps) < count:
                self._recover_gradient(self.steps[-1][1], None)
        finally:
            self._restore()
        gradients = []
        for begin, end in self.steps:
            moved = [before - after for before, after in zip(begin, end, strict=True)]
            gradients.append(measure_gradient(self._code_from(begin), moved, max_entries=100))
        return gradients

    def _code_from(self, begin: tuple[Floats, ...], velocity: tuple[Floats, ...] | None = None) -> Code:
        """The step from the parameters `begin` as code."""
        arrays = zip(begin, self._params.values, velocity or (np.zeros(1),) * len(begin), strict=True)
        return Code(
            names=self._params.names,
            start=begin,
            loss=lambda values: split_loss(self._call_loss(values), "loss")[0],
            gradient=lambda values: self._recover_gradient(values, velocity),
            store=self._store,
            is_repeatable=False,
            rounding=tuple(_rounding_errors(*array, self._learning_rate) for array in arrays),
            restore=self._restore,
            notes=self._step_notes,
            roots=(self._call_loss.function, self._call_step.function, self._params.structure),
            loss_in_place=self._loss_in_place if self._call_loss.is_in_place else None,
        )

    def _loss_in_place(self, arrays: Arrays) -> Any:
        return split_loss(self._call_loss.call(arrays.structure), "loss")[0]

    def _restore(self) -> None:
        if self._store is not None:
            self._store.restore()

    def _step_from(self, values: Values) -> tuple[Floats, ...]:
        if self._call_step.is_in_place:
            assert self._store is not None
            self._call_step(values)
            return self._store.read()
        structure = self._params.rebuild([value.copy() for value in values])
        result = self._call_step.call(structure)
        try:
            returned = flatten(result)
        except BadInput:  # the step works in place
            returned = None
        if returned is None or len(returned.values) != len(values):
            returned = flatten(structure)
        return tuple(np.array(value) for value in returned.values)

    def _recover_gradient(self, values: Values, velocity: tuple[Floats, ...] | None) -> list[Floats]:
        end = self._step_from(values)
        if all(np.array_equal(before, after) for before, after in zip(values, end, strict=True)):
            raise BadInput(f"the step changes no parameter; if it creates new arrays, {_FIND_PARAMS}")
        self.steps.append((tuple(values), end))
        moved = [before - after for before, after in zip(values, end, strict=True)]
        if velocity:
            moved = [one + by_velocity for one, by_velocity in zip(moved, velocity, strict=True)]
        return [one / self._learning_rate for one in moved]

    def _step_notes(self) -> tuple[str, ...]:
        """Another reason why the first step may look wrong."""
        if not self._is_fixed or not self.steps:
            return ()
        arrays = list(zip(self.code.names, self.code.start, self.steps[0][1], strict=True))
        unchanged = [name for name, before, after in arrays if np.array_equal(before, after)]
        if not unchanged or any(before.shape != after.shape for _, before, after in arrays):
            return ()
        return (f"the step does not change {join_names(unchanged)}; if it creates new arrays, {_FIND_PARAMS}",)


def update_of_functions(
    step: Callable[..., Any], loss: Callable[..., Any], params: Any, learning_rate: float
) -> Update:
    """Make an `Update` from a step, a loss and `params`, or what returns these."""
    is_fixed = not callable(params)

    def find() -> Arrays:
        return flatten(params if is_fixed else call_user_function(params, (), {}, "params"))

    arrays = find()
    call_loss = find_caller(loss, arrays, "loss", lambda result: bool(split_loss(result, "loss")))
    call_step = caller_in_style_of(call_loss, step, arrays, "step")
    is_in_place = call_step.is_in_place or call_loss.is_in_place
    store = ParameterStore((lambda: arrays) if is_fixed else find) if is_in_place else None
    for call in (call_step, call_loss):
        call.store = store if call.is_in_place else None
    return Update(arrays, call_step, call_loss, store, is_in_place and is_fixed, learning_rate)


def _rounding_errors(begin: Floats, user_parameters: Floats, velocity: Floats, learning_rate: float) -> Floats:
    # The computation has the dtype of the user's parameters.
    eps = np.finfo(user_parameters.dtype if user_parameters.dtype.kind == "f" else np.float64).eps
    last_digit = np.finfo(begin.dtype).eps * np.abs(begin) + eps * np.abs(velocity).max()
    return np.asarray(4 * last_digit / learning_rate)


def _velocity_hypotheses(velocities: list[Floats], beta: float, evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield hypotheses that the velocity (β v / α) is missing or has a wrong factor."""
    velocity_of = dict(zip(evidence.parameters, velocities, strict=True))
    without = [one for one in evidence.wrong if one.fits(one.expected + velocity_of[one])]
    if without:
        names = join_names([parameter.name for parameter in without])
        yield one_mistake("velocity_missing", without, f"the update of {names} lacks the velocity")
    shares: dict[ParameterEvidence, float] = {}
    for parameter in evidence.wrong_by_size:
        share = parameter.fit_multiple(velocity_of[parameter], known_constants=tuple(shares.values()))
        if share is not None:
            shares[parameter] = share
    if shares:
        names_by_beta: dict[str, list[str]] = {}
        fitted = [parameter for parameter in evidence.parameters if parameter in shares]
        for parameter in fitted:
            fitted_beta = round(beta * (1 - shares[parameter]), 4) + 0.0
            names_by_beta.setdefault(f"{fitted_beta:g}", []).append(parameter.name)
        factors = join_names([f"by {factor} in {join_names(names)}" for factor, names in names_by_beta.items()])
        yield one_mistake("momentum_factor", fitted, f"the velocity is multiplied {factors}, not by {beta:g}", 1)


def _nesterov_hypothesis(code: Code, velocity: Values, evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield the hypothesis of a gradient at θ + β v, Nesterov's."""
    ahead = replace(code, start=tuple(start + step for start, step in zip(code.start, velocity, strict=True)))
    try:
        reference = measure_gradient(ahead, evidence.gradients, max_entries=200)
    except BadInput:  # there is no loss
        return
    if evidence.is_found([array.expected for array in reference.arrays]):
        names = join_names(evidence.names)
        sentence = f"the update of {names} takes the gradient at θ + β v, as Nesterov's momentum does"
        yield one_mistake("nesterov", evidence.parameters, sentence)
