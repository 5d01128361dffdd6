"""Code that only updates, as a gradient: g = (θ before − θ after) / α.

With momentum, v ← β v − α g and θ ← θ + v, the second of two updates gives g = (β v + θ before − θ after) / α.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.proofs.mistakes.diagnose import Evidence, Hypothesis, extra
from deltarule.proofs.mistakes.kinds import listed, named
from deltarule.proofs.own_code.arrays import Arrays, number_of, taken_apart
from deltarule.proofs.own_code.calling import Code, Standing, Values, caller, caller_like, run
from deltarule.proofs.own_code.measure import gradient_at, loss_at, measured, with_one

_ELSEWHERE = 0.01
_AS_LONG = 1e-2
_FEW = 8
_SOME = 200
_FINDS_THEM = "give params as a function that finds them, as lambda: [net.W, net.b]"


@dataclass(frozen=True, eq=False)
class Update:
    """A step as code whose gradient can be had once.

    second  of the momentum, the step after the last one that was made, whose velocity that one shows, and then the
            one after that; and the hypotheses that it lacks that velocity, has another multiple of it, or looks ahead
    random  whether the step, made again and again from where it began, goes elsewhere than velocities would take it
    """

    code: Code
    second: Callable[[float], tuple[Code, Callable[[Evidence], Iterator[Hypothesis]]]]
    random: Callable[[], bool]


def from_update(step: Callable[..., Any], loss: Callable[..., Any], params: Any, learning_rate: float) -> Update:
    """A step and the loss that it lowers.

    params  the structure, or a function that gives what stands there now

    Raises `BadInput` for a step that changes nothing.
    """
    find = (lambda: taken_apart(run(params, (), {}, "params"))) if callable(params) else None
    given = find() if find else taken_apart(params)
    call_loss = caller(loss, given, "loss", lambda result: bool(number_of(result, "loss")))
    call_step = caller_like(call_loss, step, given, "step")
    held = call_step.held or call_loss.held
    holder = Standing(find or given) if held else None
    start = given.values if held else tuple(value.astype(np.float64) for value in given.values)
    start = tuple(value.copy() for value in start)

    def value(values: Values) -> Any:
        return number_of(call_loss(values, holder), "loss")[0]

    def after(values: Values) -> tuple[Floats, ...]:
        """The parameters after a step from these."""
        if call_step.held:
            assert holder is not None
            call_step(values, holder)
            return holder.read()
        structure = given.rebuilt([value.copy() for value in values])
        result = call_step.handed(structure)
        return tuple(np.array(one) for one in (_returned(result, given) or taken_apart(structure)).values)

    begun: list[tuple[Floats, ...]] = []  # where the first step went
    # From where to where the last one went.
    last: list[tuple[tuple[Floats, ...], tuple[Floats, ...]]] = []

    def recovered(values: Values, velocity: tuple[Floats, ...] | None = None) -> list[Floats]:
        ends = after(values)
        if all(np.array_equal(one, other) for one, other in zip(values, ends, strict=True)):
            raise BadInput(f"the step changes no parameter; where it makes new arrays, {_FINDS_THEM}")
        last[:] = [(tuple(values), ends)]
        begun.extend([ends][: not begun])
        moved = [one - other for one, other in zip(values, ends, strict=True)]
        if velocity:
            moved = [one + other for one, other in zip(moved, velocity, strict=True)]
        return [one / learning_rate for one in moved]

    def blur(begin: Floats, value: Floats, velocity: Any) -> Floats:
        """What is left of the last digits of parameters after a difference of two, and of velocities, which have as
        many as the parameters were given with."""
        eps = np.finfo(value.dtype if value.dtype.kind == "f" else np.float64).eps
        last = np.finfo(begin.dtype).eps * np.abs(begin) + eps * np.abs(velocity).max()
        return np.asarray(4 * last / learning_rate)

    def code_from(begin: tuple[Floats, ...], velocity: tuple[Floats, ...] | None = None) -> Code:
        return Code(
            names=given.names,
            start=begin,
            loss=value,
            gradient=lambda values: recovered(values, velocity),
            held=held,
            repeatable=False,
            blur=tuple(map(blur, begin, given.values, velocity or [0.0] * len(begin))),
            restore=lambda: _put_back(holder),
            changed=lambda: {"loss": tuple(names)} if (names := call_loss.changes(holder)) else {},
            notes=lambda: tuple(_notes(first, begun[0], held and find is None)) if begun else (),
        )

    first = code_from(start)

    def second(momentum: float) -> tuple[Code, Callable[[Evidence], Iterator[Hypothesis]]]:
        ((begin, end),) = last
        for name, one, other in zip(given.names, begin, end, strict=True):
            if one.size != other.size:
                raise BadInput(f"the step makes {name} of shape {other.shape} from {one.shape}; let it keep its shape")
        velocity = tuple(momentum * (one - other) for one, other in zip(end, begin, strict=True))
        code = code_from(end, velocity)

        def wrong(evidence: Evidence) -> Iterator[Hypothesis]:
            yield from _other_velocities([one / learning_rate for one in velocity], momentum, evidence)
            yield from _looks_ahead(code, velocity, evidence)

        return code, wrong

    def random() -> bool:
        try:
            steps = [gradient_at(first, start) for _ in range(3)]
        except BadInput:
            return False
        finally:
            _put_back(holder)
        left = max(_beside(three - two, two - one) for one, two, three in zip(*steps, strict=True))
        return left > _ELSEWHERE * max(float(np.abs(one).max()) for one in steps[-1])

    return Update(first, second, random)


def _beside(later: Floats, earlier: Floats) -> float:
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
        sentence = f"the update of {evidence.listed(places)} lacks the velocity"
        yield Hypothesis(frozenset(places), (named("velocity_missing", names, sentence),), 0)
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
        each = listed([f"by {own} in {listed(names)}" for own, names in by_beta.items()])
        names = [evidence.names[place] for place in sorted(shares)]
        sentence = f"the velocity is multiplied {each}, not by {beta:g}"
        yield Hypothesis(frozenset(shares), (named("momentum_factor", names, sentence),), 1)


def _looks_ahead(code: Code, velocity: Values, evidence: Evidence) -> Iterator[Hypothesis]:
    """That the gradient is the one at θ + β v, as in Nesterov's momentum.    Source: Sutskever et al. 2013

    velocity  β v by parameter
    """
    ahead = replace(code, start=tuple(one + by for one, by in zip(code.start, velocity, strict=True)))
    try:
        there = measured(ahead, list(evidence.found), _SOME)
    except BadInput:  # there is no loss
        return
    if evidence.is_found(there.expected):
        sentence = f"the update of {listed(evidence.names)} takes the gradient at θ + β v, as Nesterov's momentum does"
        yield Hypothesis(frozenset(range(len(evidence.names))), (named("nesterov", evidence.names, sentence),), 0)


def _notes(first: Code, end: tuple[Floats, ...], in_place: bool) -> Iterator[str]:
    """What else the first step may be than a wrong update.

    in_place  whether arrays are read where they stood, and new ones would not be seen
    """
    if any(one.shape != other.shape for one, other in zip(first.start, end, strict=True)):
        return
    moved = [other - one for one, other in zip(first.start, end, strict=True)]
    still = [name for name, one in zip(first.names, moved, strict=True) if not one.any()]
    if still and in_place:
        yield f"the step leaves {listed(still)} as it stands; where it makes new arrays, {_FINDS_THEM}"
    lengths = np.concatenate([np.abs(one[one != 0]) for one in moved])
    if lengths.size > 2 and _alike(lengths) and not _alike(_some_slopes(first, moved)):
        yield (
            f"every entry moves by about {lengths.mean():.3g}, however large its gradient, as with Adam, RMSprop or "
            "AdaGrad: only gradient descent, with or without momentum, is checked"
        )


def _alike(sizes: Floats) -> bool:
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


def _returned(result: Any, given: Arrays) -> Arrays | None:
    """The parameters that a step returned, if it did."""
    try:
        found = taken_apart(result)
    except BadInput:
        return None
    return found if len(found.values) == len(given.values) else None


def _put_back(holder: Standing | None) -> None:
    if holder is not None:
        holder.restore()
