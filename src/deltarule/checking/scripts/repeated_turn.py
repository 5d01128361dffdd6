"""Go through a turn of a loop again and again in one process, each time from the state in which the script was."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from gc import get_objects
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from deltarule.checking.repair.safety import ProgramState
from deltarule.checking.scripts.loop_body import LoopBody
from deltarule.checking.scripts.places import MovedArray, Storage
from deltarule.checking.scripts.step_run import AtStep, StepRun
from deltarule.checking.scripts.tracing import StopRun
from deltarule.checking.user_code.random_numbers import RandomNumbers

SECONDS_OF_A_STEP = 5.0


class RepeatedTurn:
    """The body of a loop as a function of its frame's variables, and the state of the script where a turn enters it.

    parameters   the arrays of the step, with the variables of the frame as those of the body
    later        what the header of the loop assigns in the next turns
    roots        what the state was found from
    kind         what follows the turn when it is repeated
    """

    kind: "type[RunAgain]"

    def __init__(self, run: StepRun, frame: FrameType, is_edited: bool = False) -> None:
        path = frame.f_code.co_filename
        source = run.sources.get(path)
        assert source is not None
        self.run = run
        self.frame = frame
        self.body = LoopBody(path, source.lines, run.loop[2], frame, is_edited)
        self.parameters = [self._in_body(parameter, frame) for parameter in run.parameters]
        if not all(np.array_equal(parameter.current(), parameter.start) for parameter in run.parameters):
            raise ValueError("the header of the loop changes what would be moved")
        functions = [f for f in get_objects() if type(f) is FunctionType and run.sources.get(f.__code__.co_filename)]
        self.roots: list[Any] = [self.body.function, *self.body.values.values()]
        self.roots += [place.owner for p in run.parameters for place, _ in p.parts if place.kind != "variable"]
        self._state = ProgramState([self.body.function, *functions], self.roots)
        self._numbers = RandomNumbers(self.roots)
        self._tensors = _tensors_in_reach() if "torch" in sys.modules else []
        self.later: list[dict[str, Any]] = []

    def note_turn(self, frame: FrameType) -> None:
        """Note what the header has assigned in a turn after the step."""
        self.later.append({name: frame.f_locals[name] for name in self.body.targets if name in frame.f_locals})

    def _in_body(self, parameter: MovedArray, frame: FrameType) -> MovedArray:
        def moved(place: Storage) -> Storage:
            is_own = place.kind == "variable" and place.owner is frame and place.key in self.body.values
            return replace(place, kind="item", owner=self.body.values) if is_own else replace(place)

        return replace(parameter, parts=[(moved(place), path) for place, path in parameter.parts])

    def restore(self) -> None:
        """Bring everything back to where the turn begins."""
        self._state.restore()
        self._numbers.restore()
        for tensor, values, gradient in self._tensors:
            tensor.detach().copy_(values)
            tensor.grad = None if gradient is None else gradient.clone()
        self.body.begin()

    def again(self, prepare: AtStep) -> StepRun | None:
        """The turn after a preparation; None if it fails or takes too long."""
        self.restore()
        first = self.run
        run = self.kind(first.sources, first.deadline, first.loop, first.turn, lambda run: None)
        run.repeated = self
        run.deadline = min(run.deadline, time.monotonic() + SECONDS_OF_A_STEP)
        run.go_on_from(first, [replace(parameter) for parameter in self.parameters])
        with self._in_script(), suppress(Exception, SystemExit, StopRun), np.errstate(all="ignore"):
            prepare(run)
            with run.watching():
                self._go(run)
        return run if run.record is not None else None

    def _go(self, run: StepRun) -> None:
        sys.settrace(run._enter)
        try:
            self.body.run()
            for variables in self.later:
                run.turn_over()
                self.body.assign(variables)
                self.body.run()
            run.turn_over()
        finally:
            sys.settrace(None)

    @contextmanager
    def _in_script(self) -> Iterator[None]:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = self.run.module
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _tensors_in_reach() -> list[tuple[Any, Any, Any]]:
    """The tensors of the process that no operation has made, as parameters are: (tensor, values, gradient)."""
    import torch

    tensors = [item for item in get_objects() if issubclass(type(item), torch.Tensor)]
    own = [item for item in tensors if item.grad_fn is None and item.device.type == "cpu" and item._base is None]
    return [(item, item.detach().clone(), None if item.grad is None else item.grad.clone()) for item in own]


class RunAgain(StepRun):
    """A turn that is repeated: variables of the frame are those of the body."""

    repeated: RepeatedTurn

    def watching(self) -> AbstractContextManager[None]:
        """What is changed while the turn runs."""
        return nullcontext()

    def place_of_variable(self, frame: FrameType, name: str) -> Storage:
        body = self.repeated.body
        if frame.f_code is not body.function.__code__:
            return super().place_of_variable(frame, name)
        if name in body.values.cells:
            return Storage(name, "item", body.values, name)
        return Storage(name, "variable", self.repeated.frame, name)


RepeatedTurn.kind = RunAgain
