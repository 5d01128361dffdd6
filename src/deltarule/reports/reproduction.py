"""The table of a reproduction: every study with its verdicts, and what was left out, for the terminal."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from deltarule.reports.tables import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType


def reproduction_table(done: Any) -> "RenderableType":
    """Tell of each study how many claims came out how, then what was left out and where all of it is.

    Parameters: `done`, the record of a reproduction, its fields those of `deltarule reproduce --json`.

    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> said = {"mine-1": "agrees", "mine-2": "agrees", "mine-3": "mixed"}
    >>> mine = record(study="mine", data="digits", seeds=20, seconds=3, notes=(), verdicts=said, left_out=["mine-4"])
    >>> print(reproduction_table(record(studies=[mine], left_out=["mine: 20 seeds in place of 100"], report=None)))
    study  data    seeds  agrees  mixed  left out  seconds
    ──────────────────────────────────────────────────────
    mine   digits     20       2      1         1        3
    <BLANKLINE>
    Left out: mine: 20 seeds in place of 100.
    """
    from rich.console import Group
    from rich.text import Text

    verdicts = list(dict.fromkeys(name for one in done.studies for name in one.verdicts.values()))
    table = plain_table(padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("study", "data"):
        table.add_column(column)
    for column in ("seeds", *verdicts, "left out", "seconds"):
        table.add_column(column, justify="right")
    for one in done.studies:
        counts = Counter(one.verdicts.values())
        numbers = one.seeds, *(counts[name] for name in verdicts), len(one.left_out)
        table.add_row(one.study, one.data, *(f"{number:,}" for number in numbers), f"{one.seconds:,.0f}")
    told = [f"Left out: {one}." for one in done.left_out]
    told += [f"Note: {one.study}: {note}." for one in done.studies for note in one.notes]
    told += [f"Written: {done.report}"] if done.report else []
    return Group(table, "", *map(Text, told))
