"""Code that only updates, as a gradient: g = (θ before − θ after) / α.

With momentum, v ← β v − α g and θ ← θ + v, the second of two updates gives g = (β v + θ before − θ after) / α.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.checking.arrays import Arrays, number_of, taken_apart
from deltarule.checking.callables import Caller, Code, Standing, Values, caller, caller_like, run
from deltarule.checking.mistakes.catalog import join_names, make_mistake
from deltarule.checking.mistakes.diagnose import Evidence, Hypothesis, extra
from deltarule.checking.reference_gradient import gradient_at, loss_at, measure_gradient, with_one
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

_ELSEWHERE = 0.01
_AS_LONG = 1e-2
_FEW = 8
_SOME = 200
_FINDS_THEM = "give params as a function that finds them, as lambda: [net.W, net.b]"


@dataclass(frozen=True, eq=False)
class _Calls:
    """A step and the loss that it lowers, each called as it wants its parameters.

    given     the parameters as they came, or were found first
    holder    the parameters where they stand, if step or loss reads them there
    in_place  whether arrays are read where they stood at first, and new ones would not be seen
    """

    given: Arrays
    call_step: Caller
    call_loss: Caller
    holder: Standing | None
    in_place: bool

    def start(self) -> tuple[Floats, ...]:
        """The parameters from which the first step is made."""
        if self.holder is not None:
            return tuple(value.copy() for value in self.given.values)
        return tuple(value.astype(np.float64).copy() for value in self.given.values)

    def loss(self, values: Values) -> Any:
        """The loss at these parameters."""
        return number_of(self.call_loss(values, self.holder), "loss")[0]

    def step_from(self, values: Values) -> tuple[Floats, ...]:
        """The parameters after a step from these."""
        if self.call_step.held:
            assert self.holder is not None
            self.call_step(values, self.holder)
            return self.holder.read_arrays()
        structure = self.given.rebuilt([value.copy() for value in values])
        result = self.call_step.call(structure)
        return tuple(
            np.array(one) for one in (_returned_parameters(result, self.given) or taken_apart(structure)).values
        )

    def changed_arrays(self) -> dict[str, tuple[str, ...]]:
        """The parameters that the loss changes, which should change none."""
        names = self.call_loss.changes(self.holder)
        return {"loss": tuple(names)} if names else {}

    def restore(self) -> None:
        """Put back the parameters where they stand."""
        if self.holder is not None:
            self.holder.restore()


class Update:
    """A step as code whose gradient can be had once: `code`, that of the first step."""

    def __init__(self, calls: _Calls, learning_rate: float) -> None:
        self._calls, self._learning_rate = calls, learning_rate
        self._first_end: tuple[Floats, ...] | None = None
        self._last: tuple[tuple[Floats, ...], tuple[Floats, ...]] | None = None  # from where to where the last one went
        self.code = self._code_from(calls.start())

    def second(self, momentum: float) -> tuple[Code, Callable[[Evidence], Iterator[Hypothesis]]]:
        """The step after the last one that was made, whose velocity that one shows; called again, the one after that.

        With it come the hypotheses that it lacks that velocity, has another multiple of it, or looks ahead.

        Raises `BadInput` where the last step changed the shape of a parameter.
        """
        assert self._last is not None
        begin, end = self._last
        for name, one, other in zip(self._calls.given.names, begin, end, strict=True):
            if one.size != other.size:
                raise BadInput(f"the step makes {name} of shape {other.shape} from {one.shape}; let it keep its shape")
        velocity = tuple(momentum * (one - other) for one, other in zip(end, begin, strict=True))
        code = self._code_from(end, velocity)

        def wrong(evidence: Evidence) -> Iterator[Hypothesis]:
            yield from _other_velocities([one / self._learning_rate for one in velocity], momentum, evidence)
            yield from _looks_ahead(code, velocity, evidence)

        return code, wrong

    def random(self) -> bool:
        """Whether the step, made again and again from where it began, goes elsewhere than velocities would take it."""
        try:
            steps = [gradient_at(self.code, self.code.start) for _ in range(3)]
        except BadInput:
            return False
        finally:
            self._calls.restore()
        left = max(_unexplained_growth(three - two, two - one) for one, two, three in zip(*steps, strict=True))
        return left > _ELSEWHERE * max(float(np.abs(one).max()) for one in steps[-1])

    def _code_from(self, begin: tuple[Floats, ...], velocity: tuple[Floats, ...] | None = None) -> Code:
        """The step from there, with β v of the step before, if there was one."""
        given, velocities = self._calls.given, velocity or (np.zeros(1),) * len(begin)
        arrays = zip(begin, given.values, velocities, strict=True)
        return Code(
            names=given.names,
            start=begin,
            loss=self._calls.loss,
            gradient=lambda values: self._recover_gradient(values, velocity),
            held=self._calls.holder is not None,
            repeatable=False,
            blur=tuple(_blur(*one, self._learning_rate) for one in arrays),
            restore=self._calls.restore,
            changed=self._calls.changed_arrays,
            notes=self._update_notes,
        )

    def _recover_gradient(self, values: Values, velocity: tuple[Floats, ...] | None) -> list[Floats]:
        """The gradient, from where a step goes.

        Raises `BadInput` for a step that changes nothing.
        """
        ends = self._calls.step_from(values)
        if all(np.array_equal(one, other) for one, other in zip(values, ends, strict=True)):
            raise BadInput(f"the step changes no parameter; where it makes new arrays, {_FINDS_THEM}")
        self._last = tuple(values), ends
        if self._first_end is None:
            self._first_end = ends
        moved = [one - other for one, other in zip(values, ends, strict=True)]
        if velocity:
            moved = [one + other for one, other in zip(moved, velocity, strict=True)]
        return [one / self._learning_rate for one in moved]

    def _update_notes(self) -> tuple[str, ...]:
        if self._first_end is None:
            return ()
        return tuple(_first_step_notes(self.code, self._first_end, self._calls.in_place))


def from_update(step: Callable[..., Any], loss: Callable[..., Any], params: Any, learning_rate: float) -> Update:
    """A step and the loss that it lowers.

    params  the structure, or a function that gives what stands there now

    Raises `BadInput` for a step or a loss that cannot be called with these parameters.
    """
    find = (lambda: taken_apart(run(params, (), {}, "params"))) if callable(params) else None
    given = find() if find else taken_apart(params)
    call_loss = caller(loss, given, "loss", lambda result: bool(number_of(result, "loss")))
    call_step = caller_like(call_loss, step, given, "step")
    held = call_step.held or call_loss.held
    holder = Standing(find or given) if held else None
    return Update(_Calls(given, call_step, call_loss, holder, in_place=held and find is None), learning_rate)


def _blur(begin: Floats, given: Floats, velocity: Floats, learning_rate: float) -> Floats:
    """What is left of the last digits of parameters after a difference of two, and of velocities, which have as many
    as the parameters were given with.

    velocity  β v
    """
    eps = np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps
    last = np.finfo(begin.dtype).eps * np.abs(begin) + eps * np.abs(velocity).max()
    return np.asarray(4 * last / learning_rate)


def _unexplained_growth(later: Floats, earlier: Floats) -> float:
    """The largest entry of what a velocity does not explain of how an array's steps grow.

    With any β from −1 to 1 each growth is β times the one before it. Weights may have a velocity where biases have
    none, so each array is looked at on its own.
    """
    square = float((earlier * earlier).sum())
    beta = np.clip((later * earlier).sum() / square, -1, 1) if square else 0.0
    return float(np.abs(later - beta * earlier).max())


def _other_velocities(velocity: list[Floats], beta: float, evidence: Evidence) -> Iterator[Hypothesis]:
    """That parameters go on without β v, which what was found has too much of then; or with β′ v, for a β′ of theirs.

    velocity  β v / α by parameter
    """
    places = [place for place in evidence.wrong if evidence.fits(place, evidence.expected[place] + velocity[place])]
    if places:
        names = [evidence.names[place] for place in places]
        sentence = f"the update of {evidence.names_of(places)} lacks the velocity"
        yield Hypothesis(frozenset(places), (make_mistake("velocity_missing", names, sentence),), 0)
    shares: dict[int, float] = {}
    # Large arrays first: in one of a single entry any β′ fits, and it has to be that of another array.
    for place in sorted(evidence.wrong, key=lambda place: -evidence.values[place].size):
        share = extra(evidence, place, velocity[place], known=tuple(shares.values()))
        if share is not None:
            shares[place] = share
    by_beta: dict[str, list[str]] = {}
    for place in sorted(shares):
        own = round(beta * (1 - shares[place]), 4) + 0.0
        by_beta.setdefault(f"{own:g}", []).append(evidence.names[place])
    if shares:
        each = join_names([f"by {own} in {join_names(names)}" for own, names in by_beta.items()])
        names = [evidence.names[place] for place in sorted(shares)]
        sentence = f"the velocity is multiplied {each}, not by {beta:g}"
        yield Hypothesis(frozenset(shares), (make_mistake("momentum_factor", names, sentence),), 1)


def _looks_ahead(code: Code, velocity: Values, evidence: Evidence) -> Iterator[Hypothesis]:
    """That the gradient is the one at θ + β v, as in Nesterov's momentum.    Source: Sutskever et al. 2013

    velocity  β v by parameter
    """
    ahead = replace(code, start=tuple(one + by for one, by in zip(code.start, velocity, strict=True)))
    try:
        there = measure_gradient(ahead, list(evidence.found), _SOME)
    except BadInput:  # there is no loss
        return
    if evidence.is_found(there.expected):
        sentence = (
            f"the update of {join_names(evidence.names)} takes the gradient at θ + β v, as Nesterov's momentum does"
        )
        yield Hypothesis(
            frozenset(range(len(evidence.names))), (make_mistake("nesterov", evidence.names, sentence),), 0
        )


def _first_step_notes(first: Code, end: tuple[Floats, ...], in_place: bool) -> Iterator[str]:
    """What else the first step may be than a wrong update.

    in_place  whether arrays are read where they stood, and new ones would not be seen
    """
    if any(one.shape != other.shape for one, other in zip(first.start, end, strict=True)):
        return
    moved = [other - one for one, other in zip(first.start, end, strict=True)]
    still = [name for name, one in zip(first.names, moved, strict=True) if not one.any()]
    if still and in_place:
        yield f"the step leaves {join_names(still)} as it stands; where it makes new arrays, {_FINDS_THEM}"
    lengths = np.concatenate([np.abs(one[one != 0]) for one in moved])
    if lengths.size > 2 and _nearly_equal(lengths) and not _nearly_equal(_some_slopes(first, moved)):
        yield (
            f"every entry moves by about {lengths.mean():.3g}, however large its gradient, as with Adam, RMSprop or "
            "AdaGrad: only gradient descent, with or without momentum, is checked"
        )


def _nearly_equal(sizes: Floats) -> bool:
    return bool(np.ptp(sizes) <= _AS_LONG * sizes.max())


def _some_slopes(first: Code, moved: list[Floats]) -> Floats:
    """The sizes of the loss's derivatives by a few of the entries that moved, measured roughly."""
    found = []
    for place, (start, one) in enumerate(zip(first.start, moved, strict=True)):
        entries = np.flatnonzero(one)
        for entry in entries[:: max(1, len(entries) // _FEW)]:
            step = np.zeros_like(start)
            step.flat[entry] = 2.0**-10 * max(1.0, abs(start.flat[entry]))
            up, down = (loss_at(first, with_one(first, place, start + by)) for by in (step, -step))
            found.append(abs(up - down) / (2 * step.flat[entry]))
    return np.array(found)


def _returned_parameters(result: Any, given: Arrays) -> Arrays | None:
    """The parameters that a step returned, if it did."""
    try:
        found = taken_apart(result)
    except BadInput:
        return None
    return found if len(found.values) == len(given.values) else None
