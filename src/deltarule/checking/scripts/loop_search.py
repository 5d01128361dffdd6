"""Find the loop in which a script trains, and check some of its turns."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from deltarule.checking.corrections import Correction
from deltarule.checking.scripts.correction import SECONDS_TO_CORRECT, correct_step
from deltarule.checking.scripts.further_runs import look_again
from deltarule.checking.scripts.measurement import can_fork, measure_by_forks, measure_by_repetition, single_moves
from deltarule.checking.scripts.numbers_met import HELD
from deltarule.checking.scripts.quiet import quiet_script
from deltarule.checking.scripts.slopes import StepSlopes
from deltarule.checking.scripts.source import Loop, read_source
from deltarule.checking.scripts.tracing import LoopFinder, Sources, TracedRun
from deltarule.checking.scripts.verdict import StepVerdict, judge_step, judge_together

MAX_STEPS = 3
"""Steps of a loop that are checked: an error may vanish in one of them."""


@dataclass(frozen=True)
class Findings:
    """What a script showed: the verdicts of some steps of one loop, or why there is none.

    problem     a sentence for the user if nothing was checked: the script fails, or has no updates
    is_failure  whether the script itself failed
    still       updates that ran without changing anything, as (function, target)
    correction  the line to change in the first step, if it is wrong
    """

    verdicts: tuple[StepVerdict, ...] = ()
    problem: str = ""
    is_failure: bool = False
    still: tuple[str, ...] = ()
    correction: Correction | None = None


def search_loops(
    script: Path,
    deadline: float,
    loss: str | None = None,
    fork: bool = True,
    seconds_to_correct: float = SECONDS_TO_CORRECT,
) -> Findings:
    """Run a script, find the loops that train, and check steps of them from the innermost loop outwards."""
    try:
        source = read_source(script)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        return Findings(problem=f"{script.name}{where}: {getattr(error, 'msg', error)}", is_failure=True)
    sources = Sources(source)
    with quiet_script():
        finder = LoopFinder(sources, deadline).start()
        problem = describe_failure(finder, script)
        if not finder.updates:
            reason = problem or f"{script.name} updates no array or number again and again in a loop"
            return Findings(problem=reason, is_failure=bool(problem))
        if not finder.moved:
            turns = (keys for turns in finder.updates.values() for keys in turns.values())
            return Findings(still=tuple(sorted({target for keys in turns for _, target in keys})))
        verdicts = _check_loops(sources, finder, deadline, loss, fork)
        seconds = min(seconds_to_correct, deadline - monotonic())
        correction = correct_step(sources, deadline, verdicts[0], seconds) if verdicts else None
        return Findings(tuple(verdicts), correction=correction)


def _check_loops(
    sources: Sources, finder: LoopFinder, deadline: float, loss: str | None, fork: bool
) -> list[StepVerdict]:
    often = {loop: len(turns) for loop, turns in finder.updates.items()}
    repeated = sorted((loop for loop in often if often[loop] >= 2), key=lambda loop: -often[loop])
    best: list[StepVerdict] = []
    for loop in repeated or list(often)[:1]:
        turns = _fullest_turns(finder.updates[loop], finder.lines[loop])
        verdicts = _check_turns(sources, deadline, loop, turns, loss, fork)
        if not best or _confidence(verdicts) > _confidence(best):
            best = verdicts
        # An array that looks wrong in an inner loop may be moved as it should be in the whole of an outer one.
        if _confidence(best)[0] >= 2 or monotonic() > deadline:
            break
    return best


def _check_turns(
    sources: Sources, deadline: float, loop: Loop, turns: list[int], loss: str | None, fork: bool
) -> list[StepVerdict]:
    """The verdict of a turn that says something, before those of others, as long as all is right."""
    verdicts: list[StepVerdict] = []
    for turn in turns:
        if verdicts and (verdicts[0].confidence[0] == 1 or monotonic() > deadline):
            break
        verdicts.append(check_step(sources, deadline, loop, turn, loss, fork))
        verdicts.sort(key=lambda one: one.confidence, reverse=True)
        if verdicts[0].confidence[0] < 1 and len(verdicts) == 2:
            break
    return verdicts


def _confidence(verdicts: list[StepVerdict]) -> tuple[float, float]:
    """That of the first verdict, lower if an array is wrong in another step."""
    wrong = [one.confidence for one in verdicts if one.kind == "loss" and one.loss == verdicts[0].loss and one.wrong]
    return min([verdicts[0].confidence, *wrong])


def _fullest_turns(turns: dict[int, set[Any]], lines: dict[int, int]) -> list[int]:
    """Some turns of a loop with as many updates as there are, each of which has shown before where its arrays live."""
    seen: set[Any] = set()
    usable = []
    for turn in sorted(turns):
        if turns[turn] <= seen:
            usable.append(turn)
        seen |= turns[turn]
    usable = usable or sorted(turns)[-1:]
    most = max(len(turns[turn]) for turn in usable)
    full = [turn for turn in usable if len(turns[turn]) == most]
    chosen = [full[0], full[min(len(full) - 1, 3)], full[min(len(full) - 1, 20)]]
    longest = max(full, key=lambda turn: lines.get(turn, 0))
    return list(dict.fromkeys([chosen[0], longest, *chosen[1:]]))[:MAX_STEPS]


def check_step(
    sources: Sources, deadline: float, loop: Loop, turn: int, loss: str | None, fork: bool = True
) -> StepVerdict:
    """Measure one step and judge it; without forks first with all arrays moved together."""
    if fork and can_fork():
        measurement = measure_by_forks(sources, deadline, loop, turn)
    else:
        measurement = measure_by_repetition(sources, deadline, loop, turn)
    run = measurement.run
    if run.record is None or not run.parameters:
        reason = "no array that is updated was in reach" if run.record else "the step was not finished"
        failure = describe_failure(run, Path(sources.script.path))
        return StepVerdict("unfinished", loop, turn, reason=failure or reason)
    if (None, 0, 1.0) in measurement.records:
        verdict = judge_together(StepSlopes.together(measurement), loop, turn, loss)
        if verdict is not None:
            return verdict
        singly = single_moves(len(run.parameters))
        measurement = measure_by_repetition(sources, deadline, loop, turn, singly)
    step = StepSlopes.of(measurement)
    verdict = judge_step(step, loop, turn, loss)
    verdict = look_again(step, verdict, fork and can_fork())
    if verdict.confidence[0] < 2 and run.met.sides and fork and can_fork() and loss is None:
        again = measure_by_forks(sources, deadline, loop, turn, run.met.sides)
        if again.run.record is not None:
            step = StepSlopes.of(again)
            with_constants = look_again(step, judge_step(step, loop, turn), fork=True)
            covered = (verdict.right or {}).keys() | (verdict.wrong or {}).keys() | set(verdict.doubtful)
            is_right = with_constants.confidence[0] == 2 and covered <= (with_constants.right or {}).keys()
            if is_right and HELD in with_constants.loss:
                return with_constants
    return verdict


def describe_failure(run: TracedRun, script: Path) -> str:
    """What a script raised, as one sentence with the line; nothing if it ran to its end, or we stopped it."""
    error = run.failure
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if run.sources.get(frame.filename)]
    where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else script.name
    if isinstance(error, SystemExit):
        return f"{where}: the script ends the program" + (f" ({error})" if str(error) else "")
    if isinstance(error, EOFError):
        return f"{where}: the script asks for input; give it a value there"
    return f"{where}: {type(error).__name__}: {error}".rstrip(": ")
