"""Hypotheses: one entry, one row or one column of a gradient is wrong, and everything else is correct."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake

_CONSTANTS = 3  # more than any other hypothesis: a wrong entry fits whatever explains nothing else


def single_entries(evidence: Evidence) -> Iterator[Hypothesis]:
    """The hypothesis that one entry, row or column of the only wrong gradient is wrong."""
    if len(evidence.wrong) != 1:
        return
    (parameter,) = evidence.wrong
    expected, name = parameter.expected, parameter.name
    wrong = np.isfinite(expected) & ~(np.abs(parameter.found - expected) <= parameter.tolerance)
    if expected.size < 2 or not wrong.any():
        return
    if wrong.sum() == 1:
        if parameter.is_right_outside(wrong):
            entry = ", ".join(map(str, np.argwhere(wrong)[0]))
            sentence = f"only the entry {name}[{entry}] of the gradient is wrong"
            yield one_mistake("single_entry", [parameter], sentence, _CONSTANTS)
        return
    if wrong.ndim != 2:
        return
    for axis, line, form in ((0, "row", "{}"), (1, "column", ":, {}")):
        lines = np.flatnonzero(wrong.any(1 - axis))
        if len(lines) == 1 and wrong.shape[axis] > 1:
            whole = np.zeros(wrong.shape, bool)
            whole[(lines, slice(None)) if axis == 0 else (slice(None), lines)] = True
            if parameter.is_right_outside(whole):
                sentence = f"only the {line} {name}[{form.format(lines[0])}] of the gradient is wrong"
                yield one_mistake("single_row", [parameter], sentence, _CONSTANTS)
