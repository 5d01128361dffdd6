"""The record of a gradient check."""

from dataclasses import dataclass

from deltarule.errors import RunFailed


@dataclass(frozen=True)
class Check:
    """What one method says of a gradient.

    `error` is the worst scaled error: at `index` of the array `name` of member `member` the gradient is `found` and
    the method gives `expected`; the name "direction" stands for a move of all entries at once. `compared` counts what
    was compared. `kinks` entries stand at or next to a kink, where there is no derivative; `faint` ones the method
    cannot see: too small beside the rounding of the objective. `ok`: something was compared, and the error is within
    the `tolerance`.
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
        """The worst entry as one would write it."""
        place = f"{self.name}[{', '.join(map(str, self.index))}]"
        return f"{place} of member {self.member}" if self.member else place


@dataclass(frozen=True)
class GradientReport:
    """Whether a gradient is right, and what says so.

    `vacuous` says why a check that found nothing wrong proves nothing; `ok` is False then. `notes` say what was not
    compared and why. `entries` is how many numbers the gradient has, of all members together.
    """

    ok: bool
    checks: tuple[Check, ...]
    vacuous: str | None
    notes: tuple[str, ...]
    entries: int

    def raise_if_wrong(self) -> None:
        """Raise `RunFailed`, with one sentence, unless the gradient is proved right: for use in tests."""
        for check in self.checks:
            if not check.ok and check.compared:
                raise RunFailed(
                    f"the gradient at {check.where} is {check.found:.12g}, where the method of {check.method} gives "
                    f"{check.expected:.12g}: a scaled error of {check.error:.2g}, allowed is {check.tolerance:g}"
                )
        if not self.ok:
            raise RunFailed(f"the gradient check proves nothing: {self.vacuous}")

    def __str__(self) -> str:
        wrong = any(check.compared and not check.ok for check in self.checks)
        verdict = "right" if self.ok else "WRONG" if wrong else "not proved"
        titles = ("method", "worst error", "allowed", "at", "gradient", "expected", "compared", "kinks", "faint")
        cells = [titles, *(_cells(check) for check in self.checks)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        ending = [f"proves nothing: {self.vacuous}"] if self.vacuous else []
        return "\n".join([f"gradient of {self.entries:,} entries: {verdict}", *table, *ending, *self.notes])


def _cells(check: Check) -> tuple[str, ...]:
    numbers = f"{check.error:.1e}", f"{check.tolerance:.0e}", check.where
    counts = map(str, (check.compared, check.kinks, check.faint))
    return check.method, *numbers, f"{check.found:.9g}", f"{check.expected:.9g}", *counts
