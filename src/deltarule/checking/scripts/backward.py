"""Check the gradients of PyTorch: `backward()` tells the loss and the parameters, which are then moved a little.

What a call adds to the gradients of the parameters is compared with how the loss itself changes: in the turn of the
loop as the script has it, and with all parameters elsewhere. Own `autograd.Function`s are wrong there, and nothing of
PyTorch is.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from deltarule.checking.scripts.backward_finder import BackwardFinder, followed_backward, loss_of, named_leaves
from deltarule.checking.scripts.detached import detached_values_held
from deltarule.checking.scripts.foretell import deviation, tolerance_at_points
from deltarule.checking.scripts.measurement import LoopTurn, follow_plan, measure
from deltarule.checking.scripts.numbers_met import Key, Sides
from deltarule.checking.scripts.places import MovedArray, Storage, as_floats
from deltarule.checking.scripts.points import points_around
from deltarule.checking.scripts.repeated_turn import RepeatedTurn, RunAgain
from deltarule.checking.scripts.slopes import Number, StepSlopes
from deltarule.checking.scripts.source import ScriptSource
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import AtStep, StepRun
from deltarule.checking.scripts.tracing import Pending, Sources, StopRun
from deltarule.checking.scripts.verdict import NOT_FOUND, StepVerdict
from deltarule.proofs.differences import Floats

MAX_CALLS = 3
"""Calls of backward() in a turn that are checked: a network against another one has two."""
NOT_CLEARED = "is updated with the gradients of earlier turns too: call zero_grad() before backward()"


def check_backward(sources: Sources, deadline: float) -> list[StepVerdict]:
    """The verdict of the calls of backward() in a turn of the loop.

    There is none where the script has no optimizer of PyTorch: then what it updates itself says more. The turns are
    repeated in this process; what cannot be repeated is not judged.
    """
    import torch

    torch.set_num_threads(1)
    finder = BackwardFinder(sources, (time.monotonic() + deadline) / 2)  # the rest is for a script without backward()
    if not finder.find() or finder.loop is None or not finder.has_optimizer:
        return []
    turn = max(finder.turns)
    verdicts = []
    for call in range(min(finder.turns[turn], MAX_CALLS)):
        verdict = _check_call(BackwardTurn(sources, deadline, finder.loop, turn, call=call))
        left = verdict.right.keys() & finder.not_cleared
        verdicts.append(verdict.accusing(dict.fromkeys(sorted(left), NOT_CLEARED), 2.0))
    return [_joined(verdicts)]


def _joined(verdicts: list[StepVerdict]) -> StepVerdict:
    """The verdicts of several calls, each with its loss, as one: an array is right if it is in all of them."""
    first, *others = sorted(verdicts, key=lambda verdict: (not verdict.wrong, not verdict.right))
    for verdict in [other for other in others if other.loss]:
        wrong = first.wrong | verdict.wrong
        right = {name: remark for name, remark in (first.right | verdict.right).items() if name not in wrong}
        doubtful = tuple(dict.fromkeys(n for n in (*first.doubtful, *verdict.doubtful) if n not in wrong | right))
        first = replace(first, right=right, wrong=wrong, doubtful=doubtful)
        if verdict.loss != first.loss:
            first = replace(first, loss=f"{first.loss}, {verdict.loss}", loss_line=None)
    return first


def _check_call(turn: "BackwardTurn") -> StepVerdict:
    run = turn.unmoved()
    empty = StepVerdict("unfinished", turn.loop, turn.number, confidence=(0.0, NOT_FOUND), is_loss_given=True)
    if run.record is None:
        return replace(empty, reason="the turn of the loop could not be repeated up to backward()")
    step = StepSlopes.of(measure(turn))
    number = turn.loss, 1
    points = [step, *points_around(step, range(step.count))]
    verdict = replace(empty, kind="loss", factor=1.0, is_move=False, confidence=(2.0, 0.0))
    verdict = replace(verdict, loss=number[0][1], loss_function=number[0][0], which=1)
    verdict = replace(verdict, loss_line=run.met.lines.get(number[0]))
    right, wrong, doubtful = {}, {}, []
    for i, name in enumerate(step.names):
        deviations = [deviation(point, number, True, i, 1.0) for point in points]
        seen = [off for off in deviations if off is not None]
        if not seen:
            doubtful.append(name)
        elif max(seen) <= tolerance_at_points(step, i):
            right[name] = ""
        else:
            wrong[name] = _remark(step, number, i)
    return replace(verdict, right=right, wrong=wrong, doubtful=tuple(doubtful))


def _remark(step: StepSlopes, number: Number, i: int) -> str:
    slopes = step.numbers.get(number)
    if slopes is None or not slopes.values[i].any():
        return ""
    values = slopes.values[i]
    ratio = float(step.descent[i] @ values / (values @ values))
    return f"has {ratio:.3g} times the gradient of the loss" if step.fits(step.descent[i], slopes, i, ratio) else ""


@dataclass
class BackwardTurn(LoopTurn):
    """The part of a turn up to a call of backward(), the gradients of which are its moves."""

    call: int = 0
    loss: Key = ("", "")

    def unmoved(self, held: Sides | None = None, is_simultaneous: bool = False) -> StepRun:
        if self._unmoved is None:
            self._unmoved = run = _RunToBackward(self.sources, self.deadline, self.loop, self.number, lambda run: None)
            run.call, run.detached = self.call, []
            run.in_body = self._note_turn
            with followed_backward(run.follow):
                run.start()
            self.loss = run.loss
            repeated = self._repeated
            if repeated is None or not run.leaves:
                self._repeated = None
                return run
            repeated.kind = _BackwardAgain
            repeated.restore()
            repeated.parameters = [
                MovedArray.at(name, [(Storage(name, "in place", leaf), ())]) for name, leaf in run.leaves.items()
            ]
            run.parameters = [replace(parameter) for parameter in repeated.parameters]
            run.choose_directions()
            first, second = repeated.again(lambda run: None), repeated.again(lambda run: None)
            if first is not None and second is not None and first.record == second.record:
                run.record, run.met = first.record, first.met
                run.parameters = [replace(p, end=q.end) for p, q in zip(run.parameters, first.parameters, strict=True)]
        return self._unmoved

    def follow(self, plan: Any, held: Sides | None = None, is_simultaneous: bool = False) -> Any:
        run, repeated = self.unmoved(), self._repeated

        def again(prepare: AtStep) -> StepRecord | None:
            other = repeated.again(prepare) if repeated is not None else None
            return None if other is None else other.record

        return run, follow_plan(plan, run, again)

    def _note_turn(self, run: StepRun, frame: FrameType) -> None:
        run.in_body = None
        with suppress(Exception):  # of whatever the script's own objects raise
            self._repeated = RepeatedTurn(run, frame)


class _RunToBackward(StepRun):
    """A run of the script up to a call of backward(), which tells the loss and the parameters."""

    call = 0
    loss: Key = ("", "")
    calls = 0
    leaves: dict[str, Any] = {}
    detached: list[Any]

    def find_parameters(self, frame: FrameType) -> list[MovedArray]:
        return []

    def updates_at(self, frame: FrameType, source: ScriptSource, line: int) -> Iterator[Pending]:
        return iter(())

    def follow(self, tensor: Any, gradient: Any, frame: FrameType, call: Callable[[], None]) -> None:
        self.calls += self.is_in_step
        if not self.is_in_step or self.calls <= self.call:
            return call()
        self.loss = loss_of(frame, self.sources)
        self.leaves = named_leaves(tensor, frame)
        raise StopRun


class _BackwardAgain(RunAgain):
    """The turn up to the call, and the call: what it adds to gradients is the opposite of how arrays move."""

    calls = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.gradients: list[Floats] = []
        first, shift = self.repeated.run, self.shift
        assert isinstance(first, _RunToBackward)

        def move(times: float) -> None:
            if shift is not None:
                self.shift_by((shift[0], shift[1], times * shift[2]))
                self.shift = shift

        with followed_backward(self._follow), detached_values_held(first.detached, shift is not None, move):
            yield

    def _follow(self, tensor: Any, gradient: Any, frame: FrameType, call: Callable[[], None]) -> None:
        first = self.repeated.run
        assert isinstance(first, _RunToBackward)
        self.calls += 1
        if self.calls <= first.call:
            return call()
        leaves = first.leaves.values()
        before = [None if leaf.grad is None else leaf.grad.clone() for leaf in leaves]
        call()
        for leaf, old in zip(leaves, before, strict=True):
            new = leaf.new_zeros(leaf.shape) if leaf.grad is None else leaf.grad
            self.gradients.append(np.array(as_floats(new if old is None else new - old), float))
        value = tensor if gradient is None else (tensor * gradient).sum()
        self.met.note(first.loss, value, frame.f_lineno)
        self._finish()

    def _moved_values(self, i: int) -> Floats:
        return -self.gradients[i]

    def _finish(self) -> None:
        self.record = StepRecord(self.met.values, self.moves())
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.end = parameter.start - gradient
        raise StopRun
