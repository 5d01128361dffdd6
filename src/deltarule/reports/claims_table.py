"""The table of judged claims for the terminal; in narrow ones a block of lines for each claim."""

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
    """Show each claim with the report's number, ours, the share of seeds for which it holds, and the verdict.

    Parameters: `verdicts`, the judged claims, as `deltarule claims --json` lists them.

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
    """Claims as a table if it fits, else one below another."""

    verdicts: Sequence[Any]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        if options.max_width >= WIDE:
            yield self._claims_table()
            yield ""
        else:
            for verdict in self.verdicts:
                yield _claim_lines(verdict)
                yield ""
        counts = count_verdicts(one.verdict for one in self.verdicts)
        text = ", ".join(f"{count} {words}" for words, count in counts.values())
        yield f"{len(self.verdicts)} claim{'' if len(self.verdicts) == 1 else 's'}: {text}"

    def _claims_table(self) -> "Table":
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
                _verdict(verdict),
            )
            table.add_row(Text(verdict.id), claim, *cells)
        return table


def _claim_lines(one: Any) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{one.id}  ", "bold").append_text(_verdict(one))
    rows = [("claim", one.claim), ("report", one.report), ("ours", one.ours)]
    if one.share is not None:
        share, interval = _share_cells(one)
        rows.append(("seeds", f"{share} ({interval})"))
    rows += _remarks(one)
    return Group(head, pairs([(f"  {name}", text) for name, text in rows]))


def _remarks(one: Any) -> list[tuple[str, str]]:
    """Remarks on a judged claim."""
    texts = [("flag", f"the report contradicts itself: {one.contradicts_itself}")] if one.contradicts_itself else []
    if len(one.conventions) > 1:
        best = max(one.conventions, key=lambda name: one.conventions[name].count / one.conventions[name].of)
        texts.append(("under", f"{best} (the best of {len(one.conventions)} conventions)"))
    return texts + ([("cause", one.cause)] if one.cause else [])


def _verdict(one: Any) -> "Text":
    from rich.text import Text

    return Text(describe_verdict(one.verdict, one.conventions), VERDICT_STYLES.get(one.verdict, ""))


def _share_cells(one: Any) -> tuple[str, ...]:
    """The share of seeds for which a claim holds and its interval; empty if it was not tested."""
    if one.share is None:
        return ()
    low, high = one.interval
    return percent(one.share), f"{100 * low:.3g} to {percent(high)}"
