"""Find the loop in which a script trains, and check some of its turns."""

import ast
import traceback
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from deltarule.checking.scripts.answers import accuse_by_answers
from deltarule.checking.scripts.candidates import is_own_loss
from deltarule.checking.scripts.foretell import arrays_not_foretold
from deltarule.checking.scripts.further_runs import look_again
from deltarule.checking.scripts.measurement import LoopTurn, can_fork, measure
from deltarule.checking.scripts.numbers_met import is_called
from deltarule.checking.scripts.own_losses import other_loss
from deltarule.checking.scripts.quiet import quiet_script
from deltarule.checking.scripts.report import ScriptFindings
from deltarule.checking.scripts.slopes import StepSlopes
from deltarule.checking.scripts.source import Loop, Read, read_source
from deltarule.checking.scripts.step_judge import judge_step
from deltarule.checking.scripts.tracing import LoopFinder, Sources, TracedRun
from deltarule.checking.scripts.verdict import HELD, NOT_FOUND, StepVerdict

_PYTHON_2 = ("Missing parentheses in call to", "multiple exception types must be parenthesized", "leading zeros in")
"""How the messages begin with which Python refuses what was right in Python 2."""
_MAX_SPAN = 30
_STATUS_OF_BAD_USE = 2
"""With which argparse and click leave a program that lacks an argument."""
MAX_STEPS = 3
"""Steps of a loop that are checked: an error may vanish in one of them."""


def search_loops(
    script: Path,
    deadline: float,
    loss: str | None = None,
    fork: bool = True,
    seconds_to_correct: float = 0.0,
    arguments: Sequence[str] = (),
) -> Iterator[ScriptFindings]:
    """Run a script, find the loops that train, and check steps of them from the innermost loop outwards.

    What is found comes first without a correction, which takes longer, then perhaps with one.
    """
    try:
        sources = Sources(read_source(script), arguments)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        message = getattr(error, "msg", str(error))
        if message.startswith(_PYTHON_2):
            message = (
                "this is Python 2; convert it to Python 3, as with `pip install modernize` and `modernize -w FILE`"
            )
        yield ScriptFindings(problem=f"{script.name}{where}: {message}", is_failure=True)
        return
    verdicts: list[StepVerdict] = []
    with quiet_script():
        if imports_pytorch(sources) and find_spec("torch") is not None:
            from deltarule.checking.scripts.backward import check_backward  # which imports PyTorch

            verdicts = check_backward(sources, deadline)
    if verdicts:
        yield ScriptFindings(tuple(verdicts))
        return
    with quiet_script():
        finder = LoopFinder(sources, deadline).start()
        problem = describe_failure(finder, script)
        if finder.updates:
            verdicts = _check_loops(sources, finder, deadline, loss, fork)
    if not verdicts or (problem and not any(verdict.right or verdict.wrong for verdict in verdicts)):
        reason = problem or f"{script.name} updates no array or number again and again in a loop"
        yield ScriptFindings(problem=reason, is_failure=bool(problem))
        return
    yield ScriptFindings(tuple(verdicts))
    first = verdicts[0]
    if seconds_to_correct <= 0 or not (first.wrong or first.own_loss or first.used_before is not None):
        return
    from deltarule.checking.scripts.corrected_file import accepted_correction  # imports as much again as all before

    can_fork_now = fork and can_fork()

    def check_again(corrected: Sources, loss: str | None) -> StepVerdict:
        return check_step(LoopTurn(corrected, deadline, first.loop, first.turn, can_fork_now, first.span), loss)

    with quiet_script():
        seconds = min(seconds_to_correct, deadline - monotonic())
        correction = accepted_correction(sources, deadline, first, seconds, check_again)
    if correction is not None:
        yield ScriptFindings(tuple(verdicts), correction=correction)


def imports_pytorch(sources: Sources) -> bool:
    """Whether a script says that it imports PyTorch."""
    nodes = [node for node in ast.walk(sources.script.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in nodes for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] == "torch" for name in names)


def _check_loops(
    sources: Sources, finder: LoopFinder, deadline: float, loss: str | None, fork: bool
) -> list[StepVerdict]:
    often = {loop: len(turns) for loop, turns in finder.updates.items()}
    repeated = sorted((loop for loop in often if often[loop] >= 2), key=lambda loop: -often[loop])
    best: list[StepVerdict] = []
    for loop in repeated or list(often)[:1]:
        first, *others = _fullest_turns(finder, loop)
        turn = LoopTurn(sources, deadline, loop, first, fork and can_fork())
        turns = [turn, *(replace(turn, number=number) for number in others)]
        of_several = [replace(turns[0], number=number, span=span) for number, span in _steps_of_turns(finder, loop)]
        is_screened = [loop] != repeated[-1:]
        verdicts = _check_turns(of_several, loss, is_screened) if of_several else []
        if _confidence(verdicts)[0] < 1:
            alone = _check_turns(turns, loss, is_screened)
            if not verdicts or alone[0].is_move or _are_variables(alone[0].gradients.values()):
                verdicts = alone
        if not best or _confidence(verdicts) > _confidence(best):
            best = verdicts
        # An array that looks wrong in an inner loop may be moved as it should be in the whole of an outer one.
        if _confidence(best)[0] >= 2 or monotonic() > deadline:
            break
    # Where others move, it is no mistake that one loop leaves what it finds.
    return list(map(_without_accusing_still_arrays, best)) if finder.moved else best


def _are_variables(gradients: Iterable[Read]) -> bool:
    """Whether gradients are read from variables: a product that is added up may be part of what is added."""
    texts = [text for _, _, text, _ in gradients]
    kinds = ast.Name | ast.Attribute | ast.Subscript
    return bool(texts) and all(isinstance(ast.parse(text, mode="eval").body, kinds) for text in texts)


def _without_accusing_still_arrays(verdict: StepVerdict) -> StepVerdict:
    return replace(verdict, wrong={}, doubtful=tuple(verdict.wrong)) if verdict.kind == "still" else verdict


def _check_turns(turns: list[LoopTurn], loss: str | None, is_screened: bool) -> list[StepVerdict]:
    """The verdict of a turn that says something, before those of others, as long as all is right."""
    verdicts: list[StepVerdict] = []
    names: Set[str] = frozenset()
    for turn in turns:
        if verdicts and (verdicts[0].confidence[0] == 1 or monotonic() > turn.deadline):
            break
        known = verdicts[0] if names else None
        verdicts.append(check_step(turn, loss, names, is_screened, known))
        is_surprise = verdicts[-1].kind == "not foretold" or (
            known is not None and known.own_loss and verdicts[-1].wrong
        )
        if known is not None and is_surprise:
            return verdicts[-1:]
        if verdicts[0].confidence[0] == 2:
            names = verdicts[0].right.keys()
        verdicts.sort(key=lambda verdict: verdict.confidence, reverse=True)
        if verdicts[0].confidence[0] < 1 and len(verdicts) == 2:
            break
    if verdicts[0].is_loss_made:  # what the script's own loss says of another turn is worth more
        verdicts.sort(key=lambda v: bool(v.wrong and not v.is_loss_made and v.confidence[1] > 0), reverse=True)
    return verdicts


def _confidence(verdicts: list[StepVerdict]) -> tuple[float, float]:
    """That of the first verdict, lower if an array is wrong in another step."""
    if not verdicts:
        return (-1.0, NOT_FOUND)
    wrong = [v.confidence for v in verdicts if v.kind == "loss" and v.loss == verdicts[0].loss and v.wrong]
    return min([verdicts[0].confidence, *wrong])


def _steps_of_turns(finder: LoopFinder, loop: Loop) -> list[tuple[int, int]]:
    """The first two steps of several turns, as (first turn, number of turns), where arrays move in every n-th only."""
    moved = finder.moved.get(loop, {})
    most = max(map(len, moved.values()), default=0)
    full = [turn for turn in sorted(moved) if len(moved[turn]) == most]
    between = set().union(*(updates for turn, updates in moved.items() if turn not in full))
    gaps = {after - before for before, after in zip(full[:3], full[1:3], strict=False)}
    if len(full) < 3 or len(gaps) > 1 or not between or not (moved[full[0]] - between) & finder.arrays:
        return []
    [gap] = gaps
    return [(turn + 1, gap) for turn in full[:2]] if 1 < gap <= _MAX_SPAN else []


def _fullest_turns(finder: LoopFinder, loop: Loop) -> list[int]:
    """Some turns of a loop with as many updates as there are, each of which has shown before where its arrays live."""
    turns, moved, lines = finder.updates[loop], finder.moved.get(loop, {}), finder.lines[loop]
    seen: set[Any] = set()
    usable = []
    for turn in sorted(turns):
        if turns[turn] <= seen:
            usable.append(turn)
        seen |= turns[turn]
    usable = usable or sorted(turns)[-1:]
    counts = {turn: (len(turns[turn]), len(moved.get(turn, ()))) for turn in usable}
    full = [turn for turn in usable if counts[turn] == max(counts.values())]
    chosen = [full[0], full[min(len(full) - 1, 3)], full[min(len(full) - 1, 20)]]
    longest = max(full, key=lambda turn: lines.get(turn, 0))
    return list(dict.fromkeys([chosen[0], longest, *chosen[1:]]))[:MAX_STEPS]


def check_step(
    turn: LoopTurn,
    loss: str | None = None,
    names: Set[str] = frozenset(),
    is_screened: bool = False,
    known: StepVerdict | None = None,
) -> StepVerdict:
    """Measure one step and judge it.

    A verdict that is `known` from another turn has to foretell this one.
    """
    measurement = measure(turn, names=names, is_screened=is_screened)
    run = measurement.run
    if run.record is None or not run.parameters:
        reason = "no array that is updated was in reach" if run.record else "the step was not finished"
        failure = describe_failure(run, Path(turn.sources.script.path))
        return StepVerdict("unfinished", turn.loop, turn.number, reason=failure or reason)
    step = StepSlopes.of(measurement)
    verdict = look_again(step, judge_step(step, loss, is_point=known is not None))
    if known is not None and (surprise := _surprise(step, known, verdict)) is not None:
        return surprise
    if (verdict.confidence[0] == 2 and not verdict.is_loss_made) or not measurement.records:
        return verdict
    return (
        _with_later_loss(step, verdict, loss) or (_with_constants(step, verdict) if loss is None else None) or verdict
    )


def _surprise(step: StepSlopes, known: StepVerdict, verdict: StepVerdict) -> StepVerdict | None:
    """The verdict where a known one does not foretell what arrays do at this turn; None if it does.

    With momentum, or gradients that an optimizer divides or clips, the moves of another turn have other numbers; then
    how they answer to gradients is compared, or the gradients are.
    """
    if known.is_loss_later or HELD in known.loss:
        sides = step.turn.unmoved().met.sides if HELD in known.loss else None
        measurement = measure(step.turn, sides, known.is_loss_later, names=known.right.keys())
        if measurement.run.record is None:
            return None
        step = replace(StepSlopes.of(measurement), descent=step.descent)
    off = set(arrays_not_foretold(step, known))
    if off and known.is_move:
        accused, linear = accuse_by_answers(step, known)
        if accused.wrong:
            return replace(accused, turn=verdict.turn)
        off -= linear | (verdict.right.keys() if not verdict.is_move else set())
    if not off:
        return None
    names = tuple(known.right)
    known = replace(known, turn=verdict.turn, right={})
    if known.own_loss:  # which they do not follow either
        line = known.own_loss_place[1] or None
        known = replace(known, loss=known.own_loss, loss_line=line, is_loss_made=False, own_loss="")
        return replace(known, factor=None, wrong=dict.fromkeys(names, ""), confidence=(1.0, 0.0))
    return replace(known, kind="not foretold", doubtful=names, confidence=(0.0, 0.0))


def _with_later_loss(step: StepSlopes, verdict: StepVerdict, loss: str | None) -> StepVerdict | None:
    """The verdict by a loss that the script computes after its updates, if that says more.

    If all updates wait for the end of the step, such a loss is that of the arrays as they were.
    """
    if not any(is_own_loss(key) and (loss is None or is_called(key, loss)) for key in step.run.after_updates):
        return None
    measurement = measure(step.turn, is_simultaneous=True)
    if measurement.run.record is None:
        return None
    later = replace(StepSlopes.of(measurement), descent=step.descent)
    again = look_again(later, replace(judge_step(later, loss), is_loss_later=True))
    kinds = {"loss", "another loss"} if verdict.kind == "nothing found" else {"loss"}
    says_more = verdict.right.keys() <= again.right.keys() | again.wrong.keys()
    is_own = again.kind in kinds and is_own_loss((again.loss_function, again.loss))
    if is_own and says_more:
        return again
    right = [step.names.index(name) for name in verdict.right]
    own, place = other_loss(later, verdict.loss, right, [n for n in later.numbers if n[0] in step.run.after_updates])
    is_other = verdict.kind == "loss" and verdict.is_loss_made and own
    return replace(verdict, own_loss=own, own_loss_place=place) if is_other else None


def _with_constants(step: StepSlopes, verdict: StepVerdict) -> StepVerdict | None:
    """The verdict that all is right, or goes uphill, if one side of a difference is meant as a constant."""
    if verdict.confidence[0] == 2 or not step.run.met.sides:
        return None
    measurement = measure(step.turn, held=step.run.met.sides)
    if measurement.run.record is None:
        return None
    held = StepSlopes.of(measurement)
    again = look_again(held, judge_step(held))
    judged = verdict.right.keys() | verdict.wrong.keys() | set(verdict.doubtful)
    is_right = judged <= again.right.keys() and again.confidence[0] == 2
    is_uphill = judged <= again.wrong.keys() and (again.factor or 0.0) < 0
    return again if (is_right or is_uphill) and HELD in again.loss else None


def describe_failure(run: TracedRun, script: Path) -> str:
    """What a script raised, as one sentence with the line; nothing if it ran to its end, or we stopped it."""
    error = run.failure
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if run.sources.get(frame.filename)]
    where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else script.name
    if isinstance(error, SystemExit) and error.code == _STATUS_OF_BAD_USE and not run.sources.arguments:
        return f"{where}: the script wants arguments; give them after `--`, as in deltarule check {script.name} -- …"
    if isinstance(error, SystemExit):
        return f"{where}: the script ends the program" + (f" ({error})" if str(error) else "")
    if isinstance(error, EOFError):
        return f"{where}: the script asks for input; give it a value there"
    return f"{where}: {type(error).__name__}: {error}".rstrip(": ")
