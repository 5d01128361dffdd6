"""Corrections with which the corrected file, checked anew, is right; others of one turn of a loop are none."""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from deltarule.checking.catalog import Correction, LineChange
from deltarule.checking.repair.wording import without_comment
from deltarule.checking.scripts.correction import correct_step
from deltarule.checking.scripts.loss_correction import loss_changes
from deltarule.checking.scripts.source import ScriptSource
from deltarule.checking.scripts.tracing import Sources
from deltarule.checking.scripts.verdict import StepVerdict

CheckAgain: TypeAlias = Callable[[Sources, str | None], StepVerdict]
"""Checks the same step of a corrected script, perhaps by the loss of a name."""


def accepted_correction(
    sources: Sources, deadline: float, verdict: StepVerdict, seconds: float, check: CheckAgain
) -> Correction | None:
    """Find a correction; where the moves follow another loss than the script's own, of the update and of the loss."""

    def is_right(correction: Correction, loss: str | None) -> bool:
        corrected = corrected_sources(sources, correction)
        if corrected is None:
            return correction.file != sources.script.path
        return is_right_again(check(corrected, loss), verdict)

    if verdict.mixed_shapes is not None and not verdict.own_loss:
        flat = _flat_column(sources.script, verdict.loop[2], *verdict.mixed_shapes)
        corrected = corrected_sources(sources, flat)
        again = check(corrected, None) if corrected is not None else verdict
        if corrected is not None and again.wrong:  # a mistake that the square table has hidden
            second = correct_step(corrected, deadline, again, seconds)
            flat = replace(flat, changes=(*flat.changes, *second.changes)) if second else flat
        return flat if is_right(flat, None) else replace(flat, changes=())
    if not verdict.own_loss:
        correction = correct_step(sources, deadline, verdict, seconds)
        loss = verdict.loss if verdict.is_loss_given else None
        return correction if correction and (not correction.changes or is_right(correction, loss)) else None
    update = None
    for share in (1.0, 0.5):  # a mean of squares is often followed without its factor 2
        own = following_own_loss(verdict, share)
        found = correct_step(sources, deadline, own, seconds / 2)
        if found and found.changes and is_right(found, own.loss):
            update = found
            break
    for change in loss_changes(sources.script, verdict):
        of_loss = Correction(sources.script.path, change.line, change.old, (change,))
        if is_right(of_loss, None):
            return replace(update, others=(change,)) if update else of_loss
    return update


def _flat_column(source: ScriptSource, header: int, line: int, column: str, row: str) -> Correction:
    """The correction that a column is flattened wherever the loop uses it."""
    loop = next(
        node for node in ast.walk(source.tree) if isinstance(node, ast.For | ast.While) and node.lineno == header
    )
    lines = range(loop.body[0].lineno, (loop.end_lineno or line) + 1)
    pattern = re.compile(rf"(?<![\w.]){re.escape(column)}(?![\w(\[]|\.(ravel|T\b|reshape)|\s*=[^=])")
    changes = [
        LineChange(number, old, new)
        for number in lines
        if (new := pattern.sub(lambda match: f"{match[0]}.ravel()", old := without_comment(source.text_of(number))))
        != old
    ]
    changes.sort(key=lambda change: change.line != line)
    reason = "their difference is a square table, not one error for each sample"
    proof = f"{column} is a column, and {row} has one axis: {reason}"
    return Correction(source.path, line, without_comment(source.text_of(line)), tuple(changes), proof=proof)


def following_own_loss(verdict: StepVerdict, share: float) -> StepVerdict:
    """The verdict that the arrays should follow the script's own loss, at a rate that it names or a share of it."""
    function, line, which = verdict.own_loss_place
    rates = verdict.named_rates
    return replace(
        verdict,
        loss=verdict.own_loss,
        loss_function=function,
        loss_line=line or None,
        which=which,
        is_loss_made=False,
        own_loss="",
        factor=share * (verdict.rate or (rates[0] if rates else verdict.factor or 1.0)),
        right={},
        wrong=dict.fromkeys(verdict.right, ""),
    )


def corrected_sources(sources: Sources, correction: Correction) -> Sources | None:
    """The script with a correction in its text; None for one of another file, or that makes no program."""
    script = sources.script
    if correction.file != script.path or not correction.changes:
        return None
    try:
        return Sources(ScriptSource(script.path, changed_text(script.lines, correction.changes)), sources.arguments)
    except SyntaxError:
        return None


def changed_text(lines: Sequence[str], changes: Sequence[LineChange]) -> str:
    """The text of a file with lines changed; all other lines keep their numbers."""
    new = list(lines)
    ends = {
        node.lineno: node.end_lineno or node.lineno
        for node in ast.walk(ast.parse("\n".join(lines) + "\n"))
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    }
    for change in changes:
        line = lines[change.line - 1]
        if change.old in line:
            new[change.line - 1] = line.replace(change.old, change.new or "pass", 1)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        last = ends.get(change.line, change.line)
        new[change.line - 1 : last] = [indent + (change.new or "pass"), *[""] * (last - change.line)]
    return "\n".join(new) + "\n"


def is_right_again(verdict: StepVerdict, before: StepVerdict) -> bool:
    """Whether a verdict says that all arrays are right that another one has judged."""
    judged = before.right.keys() | before.wrong.keys()
    return not verdict.wrong and not verdict.own_loss and judged <= verdict.right.keys()
