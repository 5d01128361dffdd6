"""Reports on terminals, in notebooks, and with hints."""

import copy
import pickle  # noqa: TID251  (as a worker of joblib does)

import numpy as np
import pytest
from linear_code import PARAMS, X, gradient, loss, with_factor
from refusals import refuses

from deltarule import RunFailed, check_gradient


@pytest.mark.parametrize(
    ("hint", "where", "kind", "fix"),
    [
        (0, False, False, False),
        (1, True, False, False),
        (2, True, True, False),
        (3, True, True, False),
        (4, True, True, True),
    ],
)
def test_hint_limits_the_report(hint: int, where: bool, kind: bool, fix: bool) -> None:
    report = check_gradient(loss, lambda params: {n: 2 * one for n, one in gradient(params).items()}, PARAMS, hint=hint)
    text, page = str(report), report._repr_html_()
    assert not report.ok and (report.worst is not None) == where and bool(report.diagnosis) == kind
    for told, words in ((where, "worst entry"), (kind, "factor_two"), (fix, "likely fix")):
        assert (words in text) == told and (words in page) == told
    with refuses("WRONG", error=RunFailed):
        report.raise_if_wrong()


def test_copies_of_a_report_keep_its_notes() -> None:
    unused = {"c": np.zeros(2)}
    report = check_gradient(loss, lambda params: gradient(params) | unused, PARAMS | unused)
    for copied in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert copied.notes == report.notes != ()
        assert [note.code for note in copied.notes] == [note.code for note in report.notes]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_report_lines_fit_the_width(width: int) -> None:
    report = check_gradient(loss, with_factor(len(X)), {**PARAMS})
    lines = report.text(width).splitlines()
    assert max(map(len, lines)) <= width and str(report) == report.text(100)
    fix = report.diagnosis[0].fix
    assert fix in " ".join(report.text(width).split())
