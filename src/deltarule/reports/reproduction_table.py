"""Show a reproduction as a table on the terminal."""

from typing import TYPE_CHECKING, Any

from deltarule.reports.claims_table import VERDICT_STYLES
from deltarule.reports.terminal_layout import plain_table
from deltarule.reports.verdict_words import count_verdicts

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def reproduction_table(reproduction: Any) -> "RenderableType":
    """Show for each study how many claims have which verdict, and what was left out.

    Parameters
    ----------
    reproduction : a record with the fields of `deltarule reproduce --json`.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> said = {"mine-1": "agrees", "mine-2": "agrees", "mine-3": "mixed"}
    >>> mine = record(study="mine", data="digits", seeds=20, seconds=3, notes=(), verdicts=said, left_out=["mine-4"])
    >>> print(reproduction_table(record(studies=[mine], left_out=["mine: 20 seeds in place of 100"], report=None)))
    study  data    seeds  claims                                        seconds
    ───────────────────────────────────────────────────────────────────────────
    mine   digits     20  2 supported, 1 supported in part, 1 left out        3
    <BLANKLINE>
    Left out: mine: 20 seeds in place of 100.
    """
    from rich.console import Group
    from rich.text import Text

    table = plain_table(padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("study", no_wrap=True)
    table.add_column("data", no_wrap=True)
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column("claims")
    table.add_column("seconds", justify="right", no_wrap=True)
    for study in reproduction.studies:
        seeds = "–" if study.seeds is None else f"{study.seeds:,}"
        table.add_row(study.study, study.data, seeds, _verdict_counts(study), f"{study.seconds:,.0f}")
    texts = [f"Left out: {text}." for text in reproduction.left_out]
    texts += [f"Note: {study.study}: {note}." for study in reproduction.studies for note in study.notes]
    texts += [f"Written: {reproduction.report}"] if reproduction.report else []
    return Group(table, "", *map(Text, texts))


def _verdict_counts(study: Any) -> "Text":
    """The number of a study's claims with each verdict, as text."""
    from rich.text import Text

    counts = count_verdicts([*study.verdicts.values(), *["left out"] * len(study.left_out)])
    return Text(", ").join(
        Text(f"{count:,} {words}", VERDICT_STYLES.get(code, "")) for code, (words, count) in counts.items()
    )
