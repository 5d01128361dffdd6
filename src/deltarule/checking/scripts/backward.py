"""Check the gradients of PyTorch: `backward()` tells the loss and the parameters, which are then moved a little.

What a call adds to the gradients of the parameters is compared with how the loss itself changes: in the turn of the
loop as the script has it, and with all parameters elsewhere. Own `autograd.Function`s are wrong there, and nothing of
PyTorch is.
"""

import ast
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from gc import get_objects
from types import FrameType
from typing import Any

import numpy as np

from deltarule.checking.scripts.foretell import deviation, tolerance_at_points
from deltarule.checking.scripts.measurement import LoopTurn, follow_plan, measure
from deltarule.checking.scripts.numbers_met import Key, Sides
from deltarule.checking.scripts.places import MovedArray, Storage, as_floats
from deltarule.checking.scripts.points import points_around
from deltarule.checking.scripts.repeated_turn import RepeatedTurn, RunAgain
from deltarule.checking.scripts.slopes import Number, StepSlopes
from deltarule.checking.scripts.source import Loop, ScriptSource
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import AtStep, StepRun
from deltarule.checking.scripts.tracing import Pending, Sources, StopRun, TracedRun, loop_of
from deltarule.checking.scripts.verdict import NOT_FOUND, StepVerdict
from deltarule.proofs.differences import Floats

MAX_CALLS = 3
"""Calls of backward() in a turn that are checked: a network against another one has two."""
NOT_CLEARED = "is updated with the gradients of earlier turns too: call zero_grad() before backward()"

Follow = Callable[[Any, Any, FrameType, Callable[[], None]], None]
"""What is done in a call of backward(): of a tensor, its gradient, the frame that calls, and what the call does."""


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
            run.call = self.call
            run.in_body = self._note_turn
            with _followed_backward(run.follow):
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

    def find_parameters(self, frame: FrameType) -> list[MovedArray]:
        return []

    def updates_at(self, frame: FrameType, source: ScriptSource, line: int) -> Iterator[Pending]:
        return iter(())

    def follow(self, tensor: Any, gradient: Any, frame: FrameType, call: Callable[[], None]) -> None:
        self.calls += self.is_in_step
        if not self.is_in_step or self.calls <= self.call:
            return call()
        self.loss = loss_of(frame, self.sources)
        self.leaves = _named_leaves(tensor, frame)
        raise StopRun


class _BackwardAgain(RunAgain):
    """The turn up to the call, and the call: what it adds to gradients is the opposite of how arrays move."""

    calls = 0

    def watching(self) -> AbstractContextManager[None]:
        self.gradients: list[Floats] = []
        return _followed_backward(self._follow)

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


@contextmanager
def _followed_backward(follow: Follow) -> Iterator[None]:
    """Call a function in place of each call of backward()."""
    import torch

    tensors: Any = torch.Tensor
    plain = tensors.backward

    def backward(self: Any, gradient: Any = None, *arguments: Any, **options: Any) -> None:
        follow(self, gradient, sys._getframe(1), lambda: plain(self, gradient, *arguments, **options))

    tensors.backward = backward
    try:
        yield
    finally:
        tensors.backward = plain


class BackwardFinder(TracedRun):
    """A first run, which learns in which turns of which loop backward() is called.

    loop         the innermost loop around the calls
    turns        the turns of it with calls, at most two
    has_optimizer   whether there is an optimizer of PyTorch
    not_cleared  the names of parameters that it moved by gradients in which those of an earlier step still were
    """

    def __init__(self, sources: Sources, deadline: float) -> None:
        super().__init__(sources, deadline)
        self.loop: Loop | None = None
        self.turns: Counter[int] = Counter()
        self.has_optimizer = False
        self.not_cleared: set[str] = set()
        self._count: Counter[Loop] = Counter()
        self._used: dict[int, Any] = {}
        self._kept: dict[int, str] = {}

    def find(self) -> bool:
        """Run the script; whether backward() was called in a loop."""
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        hook = register_optimizer_step_pre_hook(lambda optimizer, arguments, options: self._note_step(optimizer))
        try:
            with _followed_backward(self._follow):
                self.start()
        finally:
            hook.remove()
        return self.loop is not None

    def loop_turned(self, frame: FrameType, loop: Loop) -> None:
        self._count[loop] += 1
        if loop == self.loop and len(self.turns) > 1:
            raise StopRun

    def _follow(self, tensor: Any, gradient: Any, frame: FrameType, call: Callable[[], None]) -> None:
        from torch.optim import Optimizer

        if self.loop is None:
            kinds = {type(item) for item in get_objects() if issubclass(type(item), Optimizer)}
            self.has_optimizer = any(kind.__module__.startswith("torch.") for kind in kinds)
        loop = self._innermost_loop(frame)
        self.loop = self.loop or loop
        if loop is not None and loop == self.loop:
            self.turns[self._count[loop]] += 1
        for name, leaf in _named_leaves(tensor, frame).items():
            self._kept.pop(id(leaf), None)
            used = self._used.get(id(leaf))
            if used is not None and leaf.grad is not None and leaf.grad.equal(used):
                self._kept[id(leaf)] = name
        call()

    def _note_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and bool(parameter.grad.any()):
                    self._used[id(parameter)] = parameter.grad.clone()
                    if id(parameter) in self._kept:
                        self.not_cleared.add(self._kept[id(parameter)])

    def _innermost_loop(self, frame: FrameType | None) -> Loop | None:
        while frame is not None:
            source = self.sources.get(frame.f_code.co_filename)
            headers = source.loops.get(frame.f_lineno, ()) if source else ()
            if headers:
                return loop_of(frame, max(headers))
            frame = frame.f_back
        return None


def _leaves(tensor: Any) -> list[Any]:
    """The parameters to whose gradients a tensor's backward() adds."""
    leaves: dict[int, Any] = {}
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves[id(node.variable)] = node.variable
        waiting += [following for following, _ in node.next_functions]
    return list(leaves.values())


def _named_leaves(tensor: Any, frame: FrameType) -> dict[str, Any]:
    """The same, in the order of the modules in reach, by the names that PyTorch has for them."""
    import torch

    leaves = {id(leaf): leaf for leaf in _leaves(tensor)}
    names: dict[int, str] = {}
    current: FrameType | None = frame
    while current is not None:
        variables = dict(current.f_locals)
        owner = variables.get("self")
        if owner is not None and not isinstance(owner, torch.nn.Module):
            variables |= {f"self.{name}": value for name, value in getattr(owner, "__dict__", {}).items()}
        for variable, value in variables.items():
            if isinstance(value, torch.nn.Module):
                for name, parameter in value.named_parameters():
                    names.setdefault(id(parameter), name if variable == "self" else f"{variable}.{name}")
            elif id(value) in leaves:
                names.setdefault(id(value), variable)
        current = current.f_back
    known = {name: leaves[key] for key, name in names.items() if key in leaves}
    rest = [leaf for leaf in leaves.values() if id(leaf) not in names]
    return known | {f"parameter {number} of shape {tuple(leaf.shape)}": leaf for number, leaf in enumerate(rest, 1)}


def loss_of(frame: FrameType, sources: Sources) -> Key:
    """The function in which backward() is called, and the expression of which it is called there."""
    source = sources.get(frame.f_code.co_filename)
    nodes = ast.walk(source.tree) if source is not None else ()
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.lineno <= frame.f_lineno]
    functions = [call.func for call in calls if frame.f_lineno <= (call.end_lineno or call.lineno)]
    texts = [ast.unparse(f.value) for f in functions if isinstance(f, ast.Attribute) and f.attr == "backward"]
    return frame.f_code.co_name, texts[0] if texts else "loss"
