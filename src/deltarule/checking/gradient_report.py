"""`GradientReport`: the result of a gradient check, and its text."""

from dataclasses import dataclass

from deltarule.errors import RunFailed


@dataclass(frozen=True)
class Check:
    """The result of checking a gradient by one method.

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
        entry = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        return f"{entry} of member {self.member}" if self.member else entry

    @property
    def sentence(self) -> str:
        """A sentence that compares the worst entry with the expected one."""
        return (
            f"the gradient at {self.where} is {self.found:.12g}, by {self.method} it is {self.expected:.12g}: "
            f"a scaled error of {self.error:.2g}, allowed is {self.tolerance:g}"
        )


@dataclass(frozen=True)
class GradientReport:
    """Whether a gradient is correct, with the check of each method.

    `vacuous` says why checks that passed prove nothing; `ok` is False then. `notes` say what was not compared and why.
    `entries` is the number of entries of the gradient, of all members together.
    """

    ok: bool
    checks: tuple[Check, ...]
    vacuous: str | None
    notes: tuple[str, ...]
    entries: int

    @property
    def wrong(self) -> tuple[str, ...]:
        """A sentence for each method that finds the gradient wrong."""
        return tuple(check.sentence for check in self.checks if check.compared and not check.ok)

    def raise_if_wrong(self) -> None:
        """Raise `RunFailed` unless the gradient is proved correct; for use in tests."""
        if self.wrong:
            raise RunFailed(self.wrong[0])
        if not self.ok:
            raise RunFailed(f"the gradient check proves nothing: {self.vacuous}")

    def __str__(self) -> str:
        header, rows, remarks = parts(self)
        cells = [HEAD, *rows] if rows else []
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([header, *table, *remarks])


HEAD = ("method", "worst error", "allowed", "at", "compared", "left out")
ARE_TEXTS = (True, False, False, True, False, True)
"""For each column, whether it holds texts; the others hold numbers."""


def parts(report: GradientReport) -> tuple[str, list[tuple[str, ...]], list[str]]:
    """The verdict, table rows and remarks of a printed report."""
    verdict = "right" if report.ok else "WRONG" if report.wrong else "not proved"
    header = f"gradient of {report.entries:,} entries: {verdict}"
    vacuous = [f"proves nothing: {report.vacuous}"] if report.vacuous else []
    rows: list[tuple[str, ...]] = []
    for check in report.checks:
        skipped = (check.kinks, "at kinks"), (check.faint, "too faint")
        left_out = ", ".join(f"{count:,} {why}" for count, why in skipped if count) or "-"
        numbers = f"{check.error:.1e}", f"{check.tolerance:.0e}"
        rows.append((check.method, *numbers, check.where, f"{check.compared:,}", left_out))
    return header, rows, [*report.wrong, *vacuous, *report.notes]
