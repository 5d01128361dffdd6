"""The report of a check of user code, for a terminal, a notebook or a test."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deltarule.checking.array_results import ArrayResult
from deltarule.checking.catalog import Correction, Mistake
from deltarule.checking.hints import HINT_OF_ARRAYS, HINT_OF_KIND, HINT_OF_LINE, MAX_HINT, limit_correction
from deltarule.checking.notes import UNEXPLAINED, Note, without_notes
from deltarule.checking.report_layout import WIDTH, report_as_html, wrapped_rows
from deltarule.errors import RunFailed
from deltarule.proofs.differences import Floats
from deltarule.tracing.expression_text import format_index


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error."""

    name: str
    index: tuple[int, ...]
    found: float
    expected: float
    error: float

    @property
    def where(self) -> str:
        """The entry in Python's notation, such as W1[0, 2]."""
        return format_index(self.name, self.index)


@dataclass(frozen=True)
class Check:
    """The result of checking a problem's gradient by one method.

    ok, tolerance         whether something was compared, and the error is within the tolerance
    error                 the worst scaled error, at `index` of the array `name` of member `member`; without an index,
                          along a direction that moves all entries of the array
    found, expected       what the gradient is there, and what the method gives
    compared              number of entries and directions that were compared
    kinks, faint          number of those at a kink, where there is no derivative; too small beside rounding errors
    """

    method: str
    ok: bool
    error: float
    tolerance: float
    name: str
    index: tuple[int, ...]
    member: int
    found: float
    expected: float
    compared: int
    kinks: int
    faint: int

    @property
    def where(self) -> str:
        """The worst entry as text: "W1[0, 2] of member 1"."""
        entry = format_index(self.name, self.index)
        return f"{entry} of member {self.member}" if self.member else entry

    @property
    def sentence(self) -> str:
        """A sentence that compares the worst entry with the expected one."""
        return (
            f"the gradient at {self.where} is {self.found:.12g}, by {self.method} it is {self.expected:.12g}: "
            f"a scaled error of {self.error:.2g}, allowed is {self.tolerance:g}"
        )

    @property
    def counts(self) -> str:
        counts = ((self.compared, "compared"), (self.kinks, "at kinks"), (self.faint, "too faint"))
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing compared"


@dataclass(frozen=True)
class CodeReport:
    """Whether a gradient or other code is right and, if not, why not.

    Parameters
    ----------
    what : str
        What was checked.
    ok : bool
        Whether nothing wrong was found, and something was proved.
    vacuous : str or None
        Why the check proves nothing, though it may have found nothing wrong; or None.
    worst : Worst or None
        The compared entry with the largest error.
    entries, compared : int
        The number of entries, and how many of them were compared one by one.
    kinks, faint : int
        How many entries have no derivative, and how many are too small to be compared.
    methods : tuple of str
        What the entries were compared with.
    false_pass : float
        The probability that an array wrong by 0.05 % of its norm passes; 0 where all entries were compared.
    diagnosis : tuple of Mistake
        The mistakes that explain the errors, at most two.
    notes : tuple of Note
        What was not compared, and why.
    hint : int
        How much is reported: 0 the verdict, 1 which arrays, 2 the kind of mistake, 3 its line, 4 the correction.
    formula : str
        In a comparison, the formula of the correct value.
    arrays : tuple of ArrayResult
        The verdict for each array: right, wrong, not measured or at a kink, with its relative error.
    location : str
        Where the mistake is, according to these verdicts.
    checks : tuple of Check
        The check of a problem's gradient by each method, with its own counts and worst entry.
    correction : Correction or None
        The line to change, and a correction that was tried and makes the gradient right; or None.

    Examples
    --------
    >>> from deltarule import check_gradient
    >>> import numpy as np
    >>> report = check_gradient(lambda w: w @ w, lambda w: w, np.array([1.0, 2.0]))
    >>> report.verdict, report.location, report.diagnosis[0].code
    ('WRONG', 'the gradient of w is wrong', 'factor_two')
    """

    what: str
    ok: bool = False
    vacuous: str | None = None
    worst: Worst | None = None
    entries: int = 0
    compared: int = 0
    kinks: int = 0
    faint: int = 0
    methods: tuple[str, ...] = ("nothing",)
    false_pass: float = 1.0
    diagnosis: tuple[Mistake, ...] = ()
    notes: tuple[Note, ...] = ()
    hint: int = MAX_HINT
    formula: str = ""
    arrays: tuple[ArrayResult, ...] = ()
    location: str = ""
    checks: tuple[Check, ...] = ()
    correction: Correction | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """A sentence for each method that finds a problem's gradient wrong."""
        return tuple(check.sentence for check in self.checks if check.compared and not check.ok)

    @property
    def verdict(self) -> str:
        """One of "right", "WRONG" and "not proved"."""
        return "right" if self.ok else "not proved" if self.vacuous else "WRONG"

    def raise_if_wrong(self) -> None:
        """Raise `RunFailed`, with one sentence, unless all is right: for use in tests."""
        if not self.ok:
            rows = [(label, text) for label, text in self._failures() if label]
            failures = "".join(f"; {label}: {text}" for label, text in rows)
            raise RunFailed(f"{self.what}: {self.verdict}{failures}")

    def _failures(self) -> Iterator[tuple[str, str]]:
        """Yield (label, text) of what is wrong: correction, location, worst entry, mistakes and fixes."""
        if self.correction:
            yield from self.correction.rows()
        if self.location:
            yield "where", self.location
        if self.vacuous:
            yield "proves nothing", self.vacuous
        if self.worst and not self.ok and 0 < self.worst.error < float("inf"):
            expected = f"should be {self.worst.expected:.8g}"
            error = f"a scaled error of {self.worst.error:.1e}"
            is_hidden = np.isnan(self.worst.expected)
            value = f"{self.worst.where} is {self.worst.found:.8g}"
            yield "worst entry", f"{value}, which is wrong" if is_hidden else f"{value} and {expected}, {error}"
        if self.formula:
            yield "right is", self.formula
        for sentence in self.wrong:
            yield "wrong", sentence
        for mistake in self.diagnosis:
            yield mistake.code, mistake.sentence
            if mistake.fix:
                yield "likely fix", mistake.fix

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield (label, text) of all that is reported."""
        yield from self._failures()
        if self.arrays:
            yield "arrays", ", ".join(map(str, self.arrays))
        for check in self.checks:
            place = f" at {check.where}" if check.error else ""
            yield check.method, f"error {check.error:.1e}{place}, allowed is {check.tolerance:g}; {check.counts}"
        skipped = [f"{n:,} {why}" for n, why in ((self.kinks, "at kinks"), (self.faint, "too faint")) if n]
        compared = f"{self.compared:,} of {self.entries:,} entries with {' and '.join(self.methods)}"
        if not self.checks:
            yield "compared", ", ".join([compared, *skipped]) if self.compared or skipped else "nothing"
        for note in self.notes:
            yield "note", note

    def text(self, width: int = WIDTH) -> str:
        """The report as text in lines of at most `width` characters."""
        rows = wrapped_rows(list(self._lines()), width, "  ", self.correction)
        return "\n".join([f"{self.what}: {self.verdict}", *rows])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The report as HTML, for notebooks."""
        return report_as_html(self.what, self.verdict, self._lines(), self.correction)


def worst_entry(arrays: Iterable[tuple[str, Floats, Floats, Floats, Floats]]) -> Worst | None:
    worst = None
    highest = -np.inf
    for name, own, expected, error, rank in arrays:
        index = tuple(int(i) for i in np.unravel_index(int(rank.argmax()), rank.shape))
        if rank[index] > highest:
            highest = float(rank[index])
            worst = Worst(name, index, float(own[index]), float(expected[index]), float(error[index]))
    return worst


def limit_to_hint(report: CodeReport, hint: int) -> CodeReport:
    """A copy of a report without what the hint hides from a student."""
    if hint == MAX_HINT:
        return replace(report, hint=hint)
    named = tuple(_without_lines(mistake, hint) for mistake in report.diagnosis) if hint >= HINT_OF_KIND else ()
    correction = limit_correction(report.correction, hint)
    report = replace(report, hint=hint, formula="", diagnosis=named, correction=correction)
    if hint >= HINT_OF_KIND:
        return report
    notes = without_notes(report.notes, UNEXPLAINED)
    worst = report.worst and replace(report.worst, expected=float("nan"))
    if hint == HINT_OF_ARRAYS:
        return replace(report, worst=worst, notes=notes)
    return replace(report, worst=None, arrays=(), location="", notes=notes if report.vacuous else ())


def _without_lines(mistake: Mistake, hint: int) -> Mistake:
    """A mistake without its fix, and without the lines that its sentence quotes: their place is known with the line."""
    sentence = mistake.sentence if hint >= HINT_OF_LINE else re.sub(r",? at line \d+ of .*", "", mistake.sentence)
    is_quoted = sentence.startswith("line ") or (hint < HINT_OF_LINE and "line " in sentence)
    return replace(mistake, sentence=mistake.kind.meaning if is_quoted else sentence, fix="")
