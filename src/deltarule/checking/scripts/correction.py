"""Correct a step of a script: the search of `repair`, which edits the body of the loop and the functions it calls."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from deltarule.checking.catalog import Correction
from deltarule.checking.repair.correct import find_correction
from deltarule.checking.repair.trials import measured
from deltarule.checking.scripts.further_runs import UPHILL
from deltarule.checking.scripts.loop_body import NAME
from deltarule.checking.scripts.numbers_met import NumbersMet
from deltarule.checking.scripts.places import float_leaves
from deltarule.checking.scripts.repeated_turn import RepeatedTurn
from deltarule.checking.scripts.source import Read, expression_code
from deltarule.checking.scripts.step_run import StepRun
from deltarule.checking.scripts.tracing import Sources, StopRun
from deltarule.checking.scripts.verdict import HELD, StepVerdict
from deltarule.checking.user_code.callables import Code
from deltarule.proofs.differences import Floats


def correct_step(sources: Sources, deadline: float, verdict: StepVerdict, seconds: float) -> Correction | None:
    """Run a script up to a step that was judged wrong, and look for the edit that makes its moves right."""
    if verdict.span > 1:
        return None  # what is repeated is one turn
    if verdict.used_before is not None:
        return _later_update(sources, verdict)
    if verdict.is_move and verdict.factor is not None:
        verdict = replace(verdict, factor=abs(verdict.factor))  # its gradient is wrong where all go uphill
    if seconds <= 0 or not verdict.wrong or verdict.factor is None or HELD in verdict.loss or verdict.is_loss_later:
        return None
    if any(UPHILL in remark for remark in verdict.wrong.values()):
        return None  # no gradient is wrong
    if not verdict.is_move and not set(verdict.wrong) <= verdict.gradients.keys():
        return None
    steps: list[RepeatableStep] = []

    def in_body(run: StepRun, frame: FrameType) -> None:
        with suppress(Exception):  # of whatever the script's own objects raise; the verdict stands
            steps.append(RepeatableStep(run, frame, verdict))
        raise StopRun

    run = StepRun(sources, deadline, verdict.loop, verdict.turn, lambda run: None)
    run.in_body = in_body
    run.start()
    for step in steps:  # outside of the run, in which nothing else can be traced
        main = sys.modules["__main__"]
        sys.modules["__main__"] = run.module
        try:
            with suppress(Exception), np.errstate(all="ignore"):
                return _find_correction(step, seconds)
        finally:
            sys.modules["__main__"] = main
    return None


def _later_update(sources: Sources, verdict: StepVerdict) -> Correction | None:
    """The update that comes too early; that all is right with later updates has been tried."""
    assert verdict.used_before is not None
    line, updated, line_of_use, name = verdict.used_before
    source = sources.get(verdict.loop[0])
    if source is None:
        return None
    count = len(verdict.right) + len(verdict.wrong)
    all_of_them = "both" if count == 2 else f"all {count}"
    proof = (
        f"update {updated} after {name} (line {line_of_use}), which needs the old values, or keep a copy of them: "
        f"with that {all_of_them} arrays are right"
    )
    return Correction(source.path, line, source.text_of(line), proof=proof, kind="updated_weights")


def _find_correction(step: "RepeatableStep", seconds: float) -> Correction | None:
    code = step.code()
    first, again = code.gradient(code.start), code.gradient(code.start)
    if not all(map(np.array_equal, first, again)):
        return None  # something that a turn leaves was not found
    return find_correction(code, measured(code).truth, seconds=seconds)


class RepeatableStep:
    """A turn of a loop that can be gone through again and again, from the state in which the script was."""

    def __init__(self, run: StepRun, frame: FrameType, verdict: StepVerdict) -> None:
        self.sources = run.sources
        self.verdict = verdict
        self.turn = RepeatedTurn(run, frame, is_edited=True)
        self.body = self.turn.body
        judged = {**verdict.right, **verdict.wrong}
        is_plain = {
            name: name in verdict.gradients if not verdict.is_move else not verdict.right.get(name) for name in judged
        }
        self.parameters = [parameter for parameter in self.turn.parameters if is_plain.get(parameter.name)]
        key = verdict.loss_function, verdict.loss
        self.key = (NAME, key[1]) if key[0] == frame.f_code.co_name else key
        self.is_variable = key[0] == frame.f_code.co_name and verdict.loss in self.body.names

    def code(self) -> Code:
        """The loss of the step, and what it does to its arrays in place of a gradient."""
        self.is_variable = self.is_variable and self._is_held_at_the_end()
        return Code(
            names=tuple(parameter.name for parameter in self.parameters),
            start=tuple(parameter.start.copy() for parameter in self.parameters),
            loss=self.loss,
            gradient=self.gradient,
            has_own_forward_pass=True,
            roots=tuple(self.turn.roots),
        )

    def gradient(self, values: Sequence[Floats]) -> list[Floats]:
        factor = self.verdict.factor
        assert factor is not None
        self._restore(values)
        try:
            if not self.verdict.is_move:
                read = self._arrays_read()
                return [read[self.verdict.gradients[parameter.name]] / factor for parameter in self.parameters]
            self.body.run()
            ends = [parameter.current() for parameter in self.parameters]
            return [(start - end) / factor for end, start in zip(ends, values, strict=True)]
        finally:
            self._restore()

    def _arrays_read(self) -> dict[Read, Floats]:
        """What updates read as gradients."""
        wanted = set(self.verdict.gradients.values())
        arrays = dict[Read, Floats]()
        texts = {read[:3] for read in wanted}
        counts: Counter[tuple[str, int, str]] = Counter()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            for path, line, text in texts:
                if event == "line" and line == frame.f_lineno and path == frame.f_code.co_filename:
                    for _, array in float_leaves(_evaluate(text, frame)):
                        read = path, line, text, counts[path, line, text]
                        counts[path, line, text] += 1
                        if read in wanted:
                            arrays[read] = array.copy()

        self._run_traced(note)
        return arrays

    def loss(self, values: Sequence[Floats]) -> float:
        self._restore(values)
        try:
            if self.is_variable:
                self.body.run()
                return float(np.asarray(self.body.values[self.verdict.loss]).reshape(-1)[0])
            return self._traced_loss()
        finally:
            self._restore()

    def _is_held_at_the_end(self) -> bool:
        """Whether the loss is what its variable holds after the step."""
        self._restore()
        traced = self._traced_loss()
        self._restore()
        self.body.run()
        value: Any = self.body.values.get(self.verdict.loss)
        self._restore()
        return bool(np.size(value) == 1 and float(np.asarray(value).reshape(-1)[0]) == traced)

    def _traced_loss(self) -> float:
        met = NumbersMet()
        last = dict[int, int]()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            source = self.sources.get(frame.f_code.co_filename)
            assert source is not None
            met.collect(frame, event, argument, last.get(id(frame)), source, _evaluate)
            last[id(frame)] = frame.f_lineno
            if event == "return":
                del last[id(frame)]

        self._run_traced(note)
        return met.values[self.key][self.verdict.which]

    def _run_traced(self, note: Callable[[FrameType, str, Any], None]) -> None:
        """Go through the body with a function that is called at each line, beside one that may be there already."""
        before = sys.gettrace()

        def enter(frame: FrameType, event: Any, argument: Any) -> Any:
            outer = before(frame, event, argument) if before is not None else None
            if self.sources.get(frame.f_code.co_filename) is None:
                return outer

            def follow(frame: FrameType, event: Any, argument: Any) -> Any:
                nonlocal outer
                outer = outer(frame, event, argument) if outer is not None else None
                note(frame, event, argument)
                return follow

            return follow

        sys.settrace(enter)
        try:
            self.body.run()
        finally:
            sys.settrace(before)

    def _restore(self, values: Sequence[Floats] = ()) -> None:
        """Bring everything back to the start of the step, perhaps with other parameters."""
        self.turn.restore()
        for parameter, value in zip(self.parameters, values, strict=False):
            if not np.array_equal(value, parameter.start):
                parameter.move(value - parameter.start)


def _evaluate(text: str, frame: FrameType) -> Any:
    with suppress(Exception):  # whatever the script's own objects raise
        return eval(expression_code(text), frame.f_globals, frame.f_locals)
