"""The table of a sweep's best configurations, for the terminal."""

from typing import TYPE_CHECKING, Any

from deltarule.reports.tables import plain_table
from deltarule.stats.effects import said

if TYPE_CHECKING:
    from rich.console import RenderableType


def best_configurations(outcome: Any) -> "RenderableType":
    """Tell in a table which configurations of a sweep came out best, by the mean over their folds and seeds.

    Parameters: `outcome`, the record of a sweep, its fields those of `deltarule sweep --json`.

    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> best = record(settings={"optimizer.learning_rate": 0.1}, rows=5, diverged=1, mean=0.9, least=0.8, greatest=1.0)
    >>> outcome = record(study="mine", metric="accuracy", ranked="validation", rows=10, diverged=1, out=None, notes=())
    >>> print(best_configurations(record(**vars(outcome), configurations=[best])))
    learning_rate  accuracy   least  greatest  rows
    ───────────────────────────────────────────────
    0.1              0.9000  0.8000    1.0000     5
    <BLANKLINE>
    mine: 10 rows, 1 of them diverged; mean accuracy on the validation rows
    """
    from rich.console import Group

    keys = list(outcome.configurations[0].settings) if outcome.configurations else []
    table = plain_table(padding=(0, 1, 0, 0), pad_edge=False)
    for key in keys:
        table.add_column(_short(key, keys))
    for column in (outcome.metric, "least", "greatest", "rows"):
        table.add_column(column, justify="right")
    for one in outcome.configurations:
        scores = ("–" if value is None else f"{value:.4f}" for value in (one.mean, one.least, one.greatest))
        table.add_row(*map(said, one.settings.values()), *scores, f"{one.rows:,}")
    told = f"{outcome.study}: {outcome.rows:,} rows, {outcome.diverged:,} of them diverged; "
    told += f"mean {outcome.metric} on the {outcome.ranked} rows" + (f"; in {outcome.out}" if outcome.out else "")
    return Group(table, "", told, *(f"Note: {note}." for note in outcome.notes))


def _short(key: str, keys: list[str]) -> str:
    """The last part of a dotted key, or all of it where two keys end alike."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key
