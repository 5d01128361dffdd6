"""Show judged claims on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltarule.reports.formatting import percent
from deltarule.reports.terminal_layout import pairs, plain_table
from deltarule.reports.verdict_words import count_verdicts, describe_verdict

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text


WIDE = 120
"""Minimum width in characters for a table of claims."""


VERDICT_STYLES = {"agrees": "bold green", "disagrees": "bold red", "mixed": "bold yellow", "undecided": "bold cyan"}


def claims_table(verdicts: Sequence[Any]) -> "RenderableType":
    """Show each claim with the report's number, ours, the share and the verdict.

    Parameters
    ----------
    verdicts : the judged claims, as `deltarule claims --json` lists them.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> print(claims_table([record(id="encoder-8", claim="8 different codes", report="8 codes", ours="8 codes",
    ...     share=0.97, interval=(0.92, 0.99), verdict="agrees", contradicts_itself="", cause="", conventions={})]))
    encoder-8  supported
      claim    8 different codes
      report   8 codes
      ours     8 codes
      seeds    97 % (92 to 99 %)
    <BLANKLINE>
    1 claim: 1 supported
    """
    return _Claims(tuple(verdicts))


@dataclass(frozen=True)
class _Claims:
    """Judged claims as a table if it fits, otherwise as a block of lines each."""

    verdicts: Sequence[Any]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the claims, and below them how many have which verdict."""
        if options.max_width >= WIDE:
            yield self._claims_table()
            yield ""
        else:
            for verdict in self.verdicts:
                yield _claim_lines(verdict)
                yield ""
        counts = count_verdicts(verdict.verdict for verdict in self.verdicts)
        text = ", ".join(f"{count} {words}" for words, count in counts.values())
        yield f"{len(self.verdicts)} claim{'' if len(self.verdicts) == 1 else 's'}: {text}"

    def _claims_table(self) -> "Table":
        """The table for a wide console, with a row for each claim."""
        from rich.text import Text

        table = plain_table(leading=1, padding=(0, 1, 0, 0), expand=True)
        table.add_column("id", no_wrap=True)
        for header, ratio in (("claim", 9), ("report", 5), ("ours", 6)):
            table.add_column(header, ratio=ratio)
        table.add_column("seeds", no_wrap=True)
        table.add_column("verdict", width=20)
        for verdict in self.verdicts:
            claim = Text("\n".join([verdict.claim, *(f"{name}: {text}" for name, text in _remarks(verdict))]))
            cells = (
                Text(verdict.report),
                Text(verdict.ours),
                Text("\n".join(_share_cells(verdict))),
                _verdict_text(verdict),
            )
            table.add_row(Text(verdict.id), claim, *cells)
        return table


def _claim_lines(claim: Any) -> "RenderableType":
    """A judged claim as a heading with lines below it."""
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{claim.id}  ", "bold").append_text(_verdict_text(claim))
    rows = [("claim", claim.claim), ("report", claim.report), ("ours", claim.ours)]
    if claim.share is not None:
        share, interval = _share_cells(claim)
        rows.append(("seeds", f"{share} ({interval})"))
    rows += _remarks(claim)
    return Group(head, pairs([(f"  {name}", text) for name, text in rows]))


def _remarks(claim: Any) -> list[tuple[str, str]]:
    """Remarks on a judged claim, each with its name."""
    remarks = []
    if claim.contradicts_itself:
        remarks.append(("flag", f"the report contradicts itself: {claim.contradicts_itself}"))
    if len(claim.conventions) > 1:
        best = max(claim.conventions, key=lambda name: claim.conventions[name].count / claim.conventions[name].of)
        remarks.append(("under", f"{best} (the best of {len(claim.conventions)} conventions)"))
    if claim.cause:
        remarks.append(("cause", claim.cause))
    return remarks


def _verdict_text(claim: Any) -> "Text":
    from rich.text import Text

    return Text(describe_verdict(claim.verdict, claim.conventions), VERDICT_STYLES.get(claim.verdict, ""))


def _share_cells(claim: Any) -> tuple[str, ...]:
    if claim.share is None:
        return ()
    low, high = claim.interval
    return percent(claim.share), f"{100 * low:.3g} to {percent(high)}"
