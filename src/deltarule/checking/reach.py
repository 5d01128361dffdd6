"""What the check of right code did not reach: a mistake there would not show."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.notes import Note
from deltarule.checking.numerics.reference_gradient import gradient_at, loss_at
from deltarule.checking.report import CodeReport
from deltarule.checking.tape.backward import Node
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.references import containers_of, variables_of
from deltarule.checking.user_code.running_code import find_node, read_source, trace_lines
from deltarule.errors import BadInput
from deltarule.user_functions import quietly

_MAX_NOTES = 4
_STRIDES = ("stride", "strides", "dilation")


def with_reach(report: CodeReport, code: Code) -> CodeReport:
    """A right report with notes on what was not reached."""
    if not report.ok:
        return report
    try:
        return replace(report, notes=(*report.notes, *quietly(lambda: notes_on_reach(code))))
    finally:
        quietly(code.restore)


def notes_on_reach(code: Code) -> list[Note]:
    """Notes on branches, repetitions and strides that the code does not use at these values."""
    seen = [*_sides_never_taken(code), *_lines_never_run(code), *_strides_of_one(code)]
    notes = [Note("not_reached", what=what) for what in dict.fromkeys(seen)]
    return notes[:_MAX_NOTES]


def _sides_never_taken(code: Code) -> Iterator[str]:
    """Operations of the loss with a part that no entry takes."""
    recording = record_loss(code)
    with suppress(BadInput):  # replaces traced arrays that the code has cached
        loss_at(code, code.start)
    for group in recording.operation_groups() if recording else ():
        name = group[0].name
        place = _place(group[0])
        if name in _CHOICES and _takes_one_side(group):
            yield f"one side of {_CHOICES[name]}{place} is never taken"
        elif name == "absolute" and _have_one_sign(group):
            yield f"the values of abs{place} all have one sign"
        elif name == "getitem" and all(node.data[1:] and _never_repeats(node) for node in group):
            yield f"no index repeats{place}, so that it was not seen whether gradients add up there"


_CHOICES = {"where": "np.where", "maximum": "the maximum", "minimum": "the minimum"}


def _takes_one_side(group: Sequence[Node]) -> bool:
    taken = np.concatenate([_takes_first(node).ravel() for node in group])
    return taken.size == 0 or taken.all() == taken.any()


def _have_one_sign(group: Sequence[Node]) -> bool:
    signs = np.concatenate([np.sign(node.values[0]).ravel() for node in group])
    return signs.size > 0 and bool((signs == signs[0]).all())


def _takes_first(node: Node) -> Any:
    if node.name == "where":
        return node.data[0] >= 0
    first, second = np.broadcast_arrays(*node.values)
    return first > second if node.name == "maximum" else first < second


def _never_repeats(node: Node) -> bool:
    sources = node.data[0]
    return sources.size > 1 and len(np.unique(sources)) == sources.size < np.size(node.values[0])


def _place(node: Node) -> str:
    file, line, _ = node.line
    return f" in line {line} of {Path(file).name}" if file else ""


def _lines_never_run(code: Code) -> Iterator[str]:
    """Statements of the functions that run which do not run, and loops that run once."""

    def run() -> None:
        gradient_at(code, code.start)
        if code.has_own_forward_pass:
            loss_at(code, code.start)

    counts_by_owner = trace_lines(run)
    sources = {path: read_source(path) for path in {owner.co_filename for owner in counts_by_owner}}
    for owner, counts in counts_by_owner.items():
        source = sources[owner.co_filename]
        function = find_node(source, owner) if source else None
        if source is None or function is None or isinstance(function, ast.Lambda):
            continue
        file = Path(owner.co_filename).name
        for statement in _statements_never_run(function, set(counts)):
            yield f"line {statement.lineno} of {file} never ran: {source.lines[statement.lineno - 1].strip()}"
        for loop in ast.walk(function):
            if isinstance(loop, ast.For | ast.While) and _runs_once(loop, counts):
                yield f"the loop in line {loop.lineno} of {file} ran once: one step, or one repetition"


def _runs_once(loop: ast.For | ast.While, counts: Counter[int]) -> bool:
    """Whether a loop is gone through once at each entry, though it need not end at once."""
    passes = counts[loop.body[0].lineno]
    entries = counts[loop.lineno] - passes
    return 0 < passes <= entries and not any(isinstance(node, ast.Return | ast.Break) for node in loop.body)


def _statements_never_run(function: ast.AST, lines: set[int]) -> Iterator[ast.stmt]:
    """The first statement of each branch that never ran and that computes something."""
    for node in ast.walk(function):
        for field in ("body", "orelse"):
            branch = getattr(node, field, None)
            if node is function or not isinstance(node, ast.If | ast.For | ast.While) or not branch:
                continue
            computes = [
                child for child in branch if isinstance(child, ast.Assign | ast.AugAssign | ast.Return | ast.For)
            ]
            is_run = any(line in lines for child in branch for line in range(child.lineno, (child.end_lineno or 0) + 1))
            if computes and node.lineno in lines and not is_run:
                yield computes[0]


def _strides_of_one(code: Code) -> Iterator[str]:
    """Strides that code reads or that its layers hold, and that are 1."""
    spaces: list[Any] = []
    for root in code.roots:
        spaces += [*variables_of(root)[:1], *containers_of(getattr(root, "__self__", None))]
    held = [space for space in spaces if isinstance(space, Mapping) and "__builtins__" not in space]
    strides = [name for space in held for name, value in space.items() if _is_stride_of_one(name, value)]
    if strides:
        yield f"{join_names(list(dict.fromkeys(strides)))} is 1; another one was not tried"


def _is_stride_of_one(name: Any, value: Any) -> bool:
    return str(name).lower().lstrip("_") in _STRIDES and value in (1, (1, 1))
