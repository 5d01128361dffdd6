"""From a wrong gradient to the words of its correction."""

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.catalog import Correction, LineChange
from deltarule.checking.repair import labels
from deltarule.checking.repair.edits.pieces import evaluate
from deltarule.checking.repair.naming import name_of
from deltarule.checking.repair.probe import EditPlace, as_numpy, list_places, probed
from deltarule.checking.repair.program import Edit, applied
from deltarule.checking.repair.roles import Facts
from deltarule.checking.repair.safety import no_effects
from deltarule.checking.repair.search import Repair, Search
from deltarule.checking.repair.trials import Trials
from deltarule.checking.repair.wording import line_changes, source_of
from deltarule.checking.user_code.callables import Code
from deltarule.proofs.differences import Floats
from deltarule.user_functions import quietly

SECONDS_FOR_WORDS = 1.0
MAX_OTHERS = 3
MAX_MEASURED = 400
MAX_SHOWN = 6
"""Entries of a value that no edit corrects: of how many the right ones are measured, and of how many all are shown."""


def find_correction(
    code: Code,
    truth: Sequence[Floats],
    others: Sequence[Callable[[], Code]] = (),
    shorter: Sequence[Callable[[], Code]] = (),
    *,
    seconds: float,
) -> Correction | None:
    """Try small edits of the code for some seconds, and describe the one that makes the gradient right.

    `truth` has the right gradient of each array, NaN where it is not known. Where no edit helps, the line is described
    that is known to be wrong; None where no line is known either.
    """
    if seconds <= 0:
        return None
    return quietly(lambda: _find_correction(Trials(code, list(truth), others, shorter), seconds))


def _find_correction(trials: Trials, seconds: float) -> Correction | None:
    if not trials.points or not any(np.nan_to_num(array).any() for array in trials.points[0].truth):
        return None
    search = Search(trials, seconds)
    with no_effects():
        try:
            repairs = search.run()
            if search.where.mixed_samples is not None:
                return _mixed_samples(search.where.mixed_samples)
            return _describe(search, repairs) if repairs else _describe_first_wrong(search)
        finally:
            trials.state.restore()


def _mixed_samples(place: EditPlace) -> Correction:
    """The forward pass normalizes over the whole batch: no edit of the backward pass is a correction."""
    code = place.file.lines[place.line - 1].strip()
    proof = "all entries of this array add up to 1, not those of each sample: the forward pass is what is wrong"
    return Correction(place.file.path, place.line, code, proof=proof)


def _describe(search: Search, repairs: Sequence[Repair]) -> Correction:
    best = repairs[0]
    first, last = best.edits[0], best.edits[-1]
    assert first.file is not None
    changes = [change for edit in best.edits for change in (edit.described or line_changes(edit))]
    other_changes: list[LineChange] = []
    for repair in repairs[1:]:
        own = line_changes(repair.edits[-1])
        if len(own) == 1 and own[0] not in changes and own[0] not in other_changes:
            other_changes.append(own[0])
    meaning = _label_of_corrected_line(search, last) if len(best.edits) == 1 else None
    count = len(search.trials.code.names)
    proof = "with it both arrays are right" if count == 2 else f"with it all {count} arrays are right"
    if count == 1:
        proof = f"with it the gradient of {search.trials.code.names[0]} is right"
    return Correction(
        file=first.file.path,
        line=changes[0].line,
        code=changes[0].old,
        changes=tuple(changes),
        meaning=str(meaning) if meaning else "",
        proof=proof if len(changes) == 1 else proof.replace("with it", "with these"),
        kind=name_of(last, changes, _facts_of_place(search, last)) if len(best.edits) == 1 else "",
        others=tuple(other_changes[:MAX_OTHERS]),
    )


def _facts_of_place(search: Search, edit: Edit) -> Facts:
    """What the name of a mistake is read off, beside the lines that change."""
    near = [place for place in search.where.places if place.file is edit.file and place.line == edit.line]
    place = next((place for place in near if ast.unparse(place.node) == edit.old), near[0] if near else None)
    if place is None:
        return Facts(search.trials.code.names)
    is_backward = place.function.gradient_lines and not place.function.loss_lines
    inputs = [a.arg for a in place.function.node.args.args if a.arg not in ("self", "cls")] if is_backward else []

    def value_of(text: str) -> Any:
        try:
            return as_numpy(evaluate(text, place)[0])
        except Exception:  # a text that has no value there
            return None

    of_numbers = all(start.ndim == 0 for start in search.trials.code.start)
    return Facts(search.trials.code.names, tuple(inputs), value_of, of_numbers)


@contextmanager
def _in_tree(edit: Edit) -> Iterator[None]:
    """The syntax tree with an edit."""
    assert edit.file is not None
    try:
        with applied(edit.changes):
            edit.file.relink()
            yield
    finally:
        edit.file.relink()


def _label_of_corrected_line(search: Search, edit: Edit) -> labels.Label | None:
    """Which forward value's gradient the corrected line computes."""
    program = search.trials.program
    point = search.trials.points[0]
    end = thread_time() + SECONDS_FOR_WORDS
    with _in_tree(edit):
        changed = edit.changes[0].new
        node = changed[0] if isinstance(changed, list) and changed else changed
        node = getattr(node, "value", node) if isinstance(node, ast.stmt) else node
        places = list_places([function for function in program.functions if function.gradient_lines])
        place = next((place for place in places if place.node is node), None)
        if place is None:
            return None
        with probed(program, places) as probe:
            probe.is_recording = True
            point.gradient()
        whole = place.whole
        if whole is None or not whole.values:
            return None
        labelling = labels.Labelling(program, point, [whole], end)
        return labelling.meaning(whole, whole.values)


def _describe_first_wrong(search: Search) -> Correction | None:
    """The line of the mistake, where no correction was found."""
    labelling = search.where.labelling
    if labelling is None or labelling.first_wrong is None or search.kept:
        return None
    place, meant = labelling.first_wrong
    if place.statement is None:
        return None
    proof = "what it is computed from is right, but no small edit of it that was tried makes the gradient right"
    with suppress(Exception):  # whatever the user's code raises there; the line is a help without it
        proof += _right_value(search, place, meant)
    return Correction(
        place.file.path, place.line, source_of(place.file, place.statement), meaning=str(meant[0]), proof=proof
    )


def _right_value(search: Search, place: EditPlace, meant: Sequence[labels.Label]) -> str:
    """What should stand in a line that no edit corrects: all of a small array, or its worst entry; "" for several."""
    value = np.asarray(as_numpy(place.values[0]))
    if len(meant) != 1 or place.visits != 1 or not meant[0].line or value.size > MAX_MEASURED:
        return ""
    right = labels.right_gradient(search.trials.program, search.trials.points[0], meant[0]).reshape(value.shape)
    name = labels.assigned_name(place)
    if right.size <= MAX_SHOWN:
        return f"; right there is {name} = {np.array2string(right, precision=5, separator=', ')}".replace("\n", "")
    index = tuple(int(i) for i in np.unravel_index(np.abs(value - right).argmax(), value.shape))
    entry = f"{name}[{', '.join(map(str, index))}]"
    return f"; {entry} is {value[index]:.5g} and should be {right[index]:.5g}"
