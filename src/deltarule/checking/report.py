"""The record of a check of somebody's code, on a terminal, in a notebook and in a test."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from deltarule.checking.arrays import format_entry
from deltarule.checking.mistakes.catalog import Mistake
from deltarule.errors import BadInput, RunFailed

HINTS = ("pass", "where", "kind", "fix")
WIDTH = 100


@dataclass(frozen=True)
class Worst:
    """The entry that is off most: what was found there, what is expected, and the error scaled by the larger."""

    name: str
    index: tuple[int, ...]
    found: float
    expected: float
    error: float

    @property
    def where(self) -> str:
        """The entry as one would write it."""
        return format_entry(self.name, self.index)


@dataclass(frozen=True)
class CodeReport:
    """Whether somebody's gradient, layer, update or intermediate values are right; and if not, why not.

    what         what was checked
    ok           nothing wrong was found, and something was proved
    vacuous      why the check proves nothing, though it may have found nothing wrong
    worst        the entry that is off most, of what was compared
    entries      how many numbers there are      compared   how many were compared one by one
    kinks        entries without a derivative, left out    faint  entries too small to be judged, left out
    methods      what the numbers were held against
    false_pass   the probability that an array wrong by 0.05 % of its length passes; 0 where all entries were compared
    diagnosis    the mistakes that explain what was found: at most two, or more that nothing can tell apart
    formula      in a comparison, the formula that gives the right value
    notes        what was not compared, and why
    hint         how much is told: "pass", "where", "kind" or "fix"
    """

    what: str
    ok: bool
    vacuous: str | None
    worst: Worst | None
    entries: int
    compared: int
    kinks: int
    faint: int
    methods: tuple[str, ...]
    false_pass: float
    diagnosis: tuple[Mistake, ...]
    notes: tuple[str, ...]
    hint: str
    formula: str = ""

    @property
    def verdict(self) -> str:
        """In a word or two: right, WRONG, or not proved."""
        return "right" if self.ok else "not proved" if self.vacuous else "WRONG"

    def raise_if_wrong(self) -> None:
        """Raise `RunFailed`, with one sentence, unless all is right: for use in tests."""
        if not self.ok:
            raise RunFailed(
                f"{self.what}: {self.verdict}{''.join(f'; {word}: {text}' for word, text in self._failures())}"
            )

    def _failures(self) -> Iterator[tuple[str, str]]:
        """What there is to say about what is not right, each with a word for it."""
        if self.vacuous:
            yield "proves nothing", self.vacuous
        if self.worst and not self.ok and 0 < self.worst.error < float("inf"):
            yield (
                "worst entry",
                f"{self.worst.where} is {self.worst.found:.8g} and should be {self.worst.expected:.8g}, "
                f"a scaled error of {self.worst.error:.1e}",
            )
        if self.formula:
            yield "right is", self.formula
        for mistake in self.diagnosis:
            yield mistake.code, mistake.sentence
            if mistake.fix:
                yield "likely fix", mistake.fix

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield from self._failures()
        left_out = [f"{n:,} {why}" for n, why in ((self.kinks, "at kinks"), (self.faint, "too faint")) if n]
        counted = f"{self.compared:,} of {self.entries:,} entries with {' and '.join(self.methods)}"
        yield "compared", ", ".join([counted, *left_out]) if self.compared or left_out else "nothing"
        for note in self.notes:
            yield "note", note

    def text(self, width: int = WIDTH) -> str:
        """The report in lines of at most `width` characters, or of as many as its longest word needs."""
        lines = list(self._lines())
        left = max(len(word) for word, _ in lines)
        wrapped = [
            textwrap.fill(
                text,
                max(width, left + 24),
                initial_indent=f"  {word.ljust(left)}  ",
                subsequent_indent=" " * (left + 4),
                break_long_words=False,
                break_on_hyphens=False,
            )
            for word, text in lines
        ]
        return "\n".join([f"{self.what}: {self.verdict}", *wrapped])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        color = "#1a7f37" if self.ok else "#9a6700" if self.vacuous else "#cf222e"
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(word)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for word, text in self._lines()
        )
        # White on a color of its own: the background of a notebook may be light or dark.
        badge = f'<span style="color:#ffffff;background:{color};padding:0 0.4em">{self.verdict}</span>'
        return f"<b>{escape(self.what)}: {badge}</b><table>{rows}</table>"


def checked_hint(hint: str) -> str:
    """A hint that there is."""
    if hint not in HINTS:
        raise BadInput(f"the hint is {hint!r}; give one of {', '.join(HINTS)}")
    return hint


UNEXPLAINED = "no single mistake that is known explains it"
MORE_WITH_LIKE = "more kinds are looked for where the network is told: like=Network(…), with x and y"


def limit_to_hint(report: CodeReport, hint: str) -> CodeReport:
    """The report with only as much in it as the hint allows; the rest is not there to be peeked at.

    "pass" tells right or wrong; "where" the worst entry too; "kind" also what the mistake is; "fix" everything.
    """
    level = HINTS.index(checked_hint(hint))
    return replace(
        report,
        hint=hint,
        worst=report.worst if level >= 1 else None,
        diagnosis=tuple(
            one if level >= 3 else replace(one, fix="") for one in (report.diagnosis if level >= 2 else ())
        ),
        formula=report.formula if level >= 3 else "",
        notes=tuple(
            note
            for note in (report.notes if level >= 1 or report.vacuous else ())
            if level >= 2 or note not in (UNEXPLAINED, MORE_WITH_LIKE)
        ),
    )
