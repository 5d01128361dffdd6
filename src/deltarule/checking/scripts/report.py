"""The report of a script that was checked, as a record and as text."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deltarule.checking.catalog import KINDS, Correction, join_names, short_names
from deltarule.checking.hints import HINT_OF_ARRAYS, HINT_OF_KIND, HINT_OF_LINE, MAX_HINT, limit_correction
from deltarule.checking.notes import NOTES, Note
from deltarule.checking.report_layout import WIDTH, report_as_html, wrapped_rows
from deltarule.checking.scripts.source import Loop, code_of
from deltarule.checking.scripts.verdict import HELD, StepVerdict
from deltarule.errors import RunFailed

RIGHT, RIGHT_UP_TO_A_FACTOR, RIGHT_FOR_ANOTHER_LOSS = "right", "right up to a factor", "right for another loss"
MAX_LISTED = 6
"""Arrays that a sentence lists one by one."""
MAX_REMARKS = 3
"""Remarks on arrays, each with all arrays of which it is said."""
MAX_LINES = 10
"""Lines of a report as text; what does not fit is in the report's fields."""


@dataclass(frozen=True)
class ScriptFindings:
    """What a script showed: the verdicts of some steps of one loop, or why there is none.

    problem     a sentence for the user if nothing was checked: the script fails, or has no updates
    is_failure  whether the script itself failed
    correction  the line to change in the first step, if it is wrong
    """

    verdicts: tuple[StepVerdict, ...] = ()
    problem: str = ""
    is_failure: bool = False
    correction: Correction | None = None


@dataclass(frozen=True)
class ScriptReport:
    """What a training script showed when it ran as it is.

    verdict    "right", "right up to a factor", "right for another loss", "WRONG" or "not proved"
    wrong      arrays whose update is not the gradient, by name, each with a remark
    right      arrays whose update is the gradient, each with a remark
    doubtful   arrays that could not be judged
    loop, loss, rate    what was taken for the training loop, the loss and the learning rate, in words
    reach      how many lines ran of the functions that the step calls, in words
    steps      the turns of the loop that were checked
    notes      what its author may not know
    question   what has to be known before more can be said
    candidates numbers of the script of which one may be the loss
    correction the line to change, and a correction that was tried; or None
    hint       how much is reported, from 0 to 4
    """

    script: str
    verdict: str
    wrong: dict[str, str]
    right: dict[str, str]
    doubtful: tuple[str, ...]
    loop: str
    loss: str
    rate: str
    reach: str
    steps: tuple[int, ...]
    notes: tuple[str, ...] = ()
    question: str = ""
    candidates: tuple[str, ...] = ()
    correction: Correction | None = None
    hint: int = MAX_HINT

    @property
    def ok(self) -> bool:
        return self.verdict in (RIGHT, RIGHT_UP_TO_A_FACTOR)

    def limited(self, hint: int) -> "ScriptReport":
        """A copy without what a hint hides from a student."""
        if hint == MAX_HINT or not self.wrong:
            return replace(self, hint=hint)
        report = replace(self, hint=hint, correction=limit_correction(self.correction, hint))
        if hint == HINT_OF_KIND and self.correction and self.correction.kind:
            report = replace(report, notes=(KINDS[self.correction.kind].meaning, *self.notes))
        if hint < HINT_OF_LINE:
            remarks = {name: re.sub(r"\(line \d+\) ", "", remark) for name, remark in self.wrong.items()}
            hidden = dict.fromkeys(self.wrong, "")
            report = replace(report, wrong=remarks if hint == HINT_OF_KIND else hidden)
        if hint < HINT_OF_ARRAYS:
            report = replace(report, wrong={}, right={}, doubtful=(), loop="", loss="", rate="", reach="", notes=())
        return report

    def raise_if_wrong(self) -> None:
        """Raise `RunFailed`, with the report, unless all is right: for use in tests."""
        if not self.ok:
            raise RunFailed("; ".join(f"{label} {text.strip()}".strip() for label, text in self._lines()))

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield (label, text) of all that is reported."""
        if self.correction and self.verdict != RIGHT_FOR_ANOTHER_LOSS:
            yield from self._lines_of_correction(self.correction)
        else:
            yield self.verdict, self._headline()
        if self.correction and self.verdict == RIGHT_FOR_ANOTHER_LOSS:
            yield from self._lines_of_both_corrections(self.correction)
        yield from (("", remark) for remark in _joined_remarks({**self.wrong, **self.right}))
        if self.wrong and (self.right or self.correction):
            right = f"; {join_names(short_names(self.right), MAX_LISTED)} right" if self.right else ""
            yield "checked", f"{join_names(short_names(self.wrong), MAX_LISTED)} wrong{right}"
        if self.doubtful and (self.right or self.wrong):
            yield "not judged", join_names(short_names(self.doubtful), MAX_LISTED)
        parts = "; ".join(filter(None, (self.loop, self.loss, self.rate, self.reach)))
        if parts:
            yield "found", parts
        yield from (("note", note) for note in self.notes if getattr(note, "code", "") != "own_loss")
        if self.question:
            yield "say", self.question

    def _lines_of_correction(self, correction: Correction) -> Iterator[tuple[str, str]]:
        (line, code), *others = correction.rows()
        yield self.verdict, f"{line}:  {code}"
        for label, text in others:  # the lines of code under each other
            yield label, " " * (len(line) + 3) + text
        if correction.kind:
            yield "mistake", KINDS[correction.kind].meaning

    def _lines_of_both_corrections(self, correction: Correction) -> Iterator[tuple[str, str]]:
        """The update for the script's own loss, and the loss for its update."""
        for change in (*correction.changes, *correction.others):
            yield f"line {change.line}", change.old
            yield "try" if change is correction.changes[0] else "or try", change.new

    def _headline(self) -> str:
        if self.wrong:
            verb = "is" if len(self.wrong) == 1 else "are"
            return f"{join_names(short_names(self.wrong), MAX_LISTED)} {verb} not updated along the gradient"
        names = join_names(short_names(self.right or self.doubtful), MAX_LISTED) or self.script
        other = next((note for note in self.notes if getattr(note, "code", "") == "own_loss"), "")
        return f"{names}: {other}" if other else names

    def text(self, width: int = WIDTH) -> str:
        """The report as lines of at most `width` characters, without what is less important than ten lines."""
        headline = tuple(note for note in self.notes if getattr(note, "code", "") == "own_loss")
        left_out: tuple[dict[str, Any], ...] = (
            {"reach": ""},
            {"rate": ""},
            {"right": dict.fromkeys(self.right, "")},
            {"notes": headline},
            {"wrong": dict.fromkeys(self.wrong, "")},
        )
        report = self
        lines = report._wrapped(width)
        for fields in left_out:
            if len(lines) > MAX_LINES:
                report = replace(report, **fields)
                lines = report._wrapped(width)
        return "\n".join(lines)

    def _wrapped(self, width: int) -> list[str]:
        return "\n".join(wrapped_rows(list(self._lines()), width, "", self.correction)).splitlines()

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return report_as_html(Path(self.script).name, self.verdict, self._lines(), self.correction)


def _joined_remarks(remarks: dict[str, str]) -> Iterator[str]:
    """Sentences about arrays: what is said of several, but for its numbers, is said of the first of them."""
    alike: dict[str, list[str]] = {}
    for name, remark in remarks.items():
        if remark and not remark.startswith("gradient "):
            alike.setdefault(re.sub(r"with .*, which (is|are)|\d[\d.e-]*|lines?", "#", remark), []).append(name)
    for first, *others in list(alike.values())[:MAX_REMARKS]:
        verb = "does" if len(others) == 1 else "do"
        so = f"; so {verb} {join_names(short_names(others), MAX_LISTED)}" if others else ""
        yield f"{first} {remarks[first]}{so}"


def make_report(script: Path, findings: ScriptFindings) -> ScriptReport:
    """Put the verdicts of several steps together, in words."""
    first = findings.verdicts[0]
    alike = [verdict for verdict in findings.verdicts if (verdict.kind, verdict.loss) == (first.kind, first.loss)]
    wrong = {name: remark for verdict in reversed(alike) for name, remark in verdict.wrong.items()}
    right = {name: remark for verdict in reversed(alike) for name, remark in verdict.right.items() if name not in wrong}
    return ScriptReport(
        str(script),
        "WRONG" if wrong else _kind_of_right(first) if right else "not proved",
        wrong,
        right,
        first.doubtful,
        f"the loop in {_place(script, first.loop[0], first.loop[1], first.loop[2])}",
        _loss_sentence(first),
        _rate_sentence(first),
        _reach_sentence(alike),
        tuple(verdict.turn for verdict in alike),
        tuple(_notes(first)),
        _question(first),
        first.candidates,
        findings.correction,
    )


def _kind_of_right(verdict: StepVerdict) -> str:
    if verdict.own_loss:
        return RIGHT_FOR_ANOTHER_LOSS
    is_rate_known = verdict.rate is not None or not verdict.is_move
    return RIGHT if verdict.kind != "loss" or is_rate_known else RIGHT_UP_TO_A_FACTOR


def _place(script: Path, file: str, function: str, line: int) -> str:
    inside = "" if function == "<module>" else f" of {function}()"
    beside = "" if Path(file).name == script.name else f" in {Path(file).name}"
    return f"line {line}{inside}{beside}"


def _loss_sentence(verdict: StepVerdict) -> str:
    if not verdict.loss:
        return ""
    line = f" in line {verdict.loss_line}" if verdict.loss_line else ""
    made = ", which the script does not compute itself" if verdict.is_loss_made else ""
    if verdict.loss.startswith("return"):
        name = f" that {verdict.loss_function}() returns"
    else:
        name = "" if verdict.loss == "loss" else f" {verdict.loss}"
    return f"the loss{name}{line}{made}"


def _rate_sentence(verdict: StepVerdict) -> str:
    if verdict.kind != "loss" or verdict.factor is None:
        return ""
    if not verdict.is_move:
        return "the gradients that an optimizer takes"
    if verdict.rate is not None:
        return f"the rate {verdict.rate:.6g}" + (f" in line {verdict.rate_line}" if verdict.rate_line else "")
    return f"the rate would be {verdict.factor:.6g}, which no line of the script names"


def _reach_sentence(verdicts: Sequence[StepVerdict]) -> str:
    """How many lines of the loop, and of the functions that its step calls, ran in one of the steps."""
    names = []
    count = 0
    missing = []
    for path in dict.fromkeys(path for verdict in verdicts for path in verdict.lines_run):
        run = {line for verdict in verdicts for line in verdict.lines_run.get(path, ())}
        for name, lines in _loop_and_functions(path, verdicts[0].loop):
            left = [statement.start for statement in lines if run.isdisjoint(statement)]
            if len(left) < len(lines):
                names.append(name)
                count += len(lines) - len(left)
                missing += left
    if not names:
        return ""
    shown = join_names(names) if len(names) <= 3 else f"the loop and {len(names) - 1} functions"
    left_out = f", not {', '.join(map(str, sorted(missing)[:4]))}{' …' if len(missing) > 4 else ''}" if missing else ""
    return f"{count} of {count + len(missing)} lines of {shown} reached{left_out}"


def _loop_and_functions(path: str, loop: Loop) -> Iterator[tuple[str, list[range]]]:
    """The loop and the functions of a file, but for that around the loop, each with its statements' lines."""
    file, function, header = loop
    for node in ast.walk(ast.parse(code_of(Path(path)))):
        if isinstance(node, ast.For | ast.While) and (path, node.lineno) == (file, header):
            yield "the loop", list(_lines_of_statements(node))
        elif isinstance(node, ast.FunctionDef) and (path, node.name) != (file, function):
            yield f"{node.name}()", list(_lines_of_statements(node))


def _lines_of_statements(node: ast.AST) -> Iterator[range]:
    """The lines of each simple statement of a loop or function, without functions inside."""
    for statement in ast.iter_child_nodes(node):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Global | ast.Nonlocal):
            continue
        if isinstance(statement, ast.stmt) and not hasattr(statement, "body"):
            if not isinstance(getattr(statement, "value", None), ast.Constant) or not isinstance(statement, ast.Expr):
                yield range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        elif isinstance(statement, ast.stmt | ast.ExceptHandler):
            yield from _lines_of_statements(statement)


def _notes(verdict: StepVerdict) -> Iterator[str]:
    if HELD in verdict.loss:
        yield Note("constant_side", side=verdict.loss.partition(HELD)[2])
    if verdict.own_loss:
        _, line, _ = verdict.own_loss_place
        verb = "prints" if verdict.own_loss.startswith('"') else "computes"
        yield Note("own_loss", followed=verdict.loss, loss=verdict.own_loss, line=line, verb=verb)
    if f"step {verdict.kind}" in NOTES:
        yield Note(f"step {verdict.kind}", loss=verdict.loss, reason=verdict.reason)


def _question(verdict: StepVerdict) -> str:
    if verdict.kind not in ("no gradient", "nothing found") or verdict.is_loss_given:
        return ""
    names = verdict.candidates
    if not names:
        return "no number that the script computes depends on what it updates; compute the loss in the loop"
    losses, arrays = join_names(names, MAX_LISTED), join_names(short_names(verdict.doubtful), MAX_LISTED)
    return f"{losses} {'depend' if len(names) > 1 else 'depends'} on {arrays}: which is the loss? --loss {names[0]}"
