"""Show a sweep's best configurations as a table on the terminal."""

from typing import TYPE_CHECKING, Any

from deltarule.reports.terminal_layout import fitted_table
from deltarule.stats.effects import format_value

if TYPE_CHECKING:
    from rich.console import RenderableType


def format_score(score: float) -> str:
    """Format a score with four decimals, or four significant digits if it is large.

    >>> format_score(0.97), format_score(-5.9e105)
    ('0.9700', '-5.9e+105')
    """
    return f"{score:z.4f}" if abs(score) < 1e6 else f"{score:.4g}"


def best_configurations(outcome: Any) -> "RenderableType":
    """Show the best configurations of a sweep, by the mean score over folds and seeds.

    Parameters
    ----------
    outcome : a record with the fields of `deltarule sweep --json`.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> best = record(settings={"optimizer.learning_rate": 0.1}, rows=5, diverged=1, mean=0.9, least=0.8, greatest=1.0)
    >>> outcome = record(study="mine", metric="accuracy", ranked="validation", rows=10, diverged=1, out=None, notes=())
    >>> print(best_configurations(record(**vars(outcome), configurations=[best])))
    learning_rate  accuracy   least  greatest  rows
    ───────────────────────────────────────────────
              0.1    0.9000  0.8000    1.0000     5
    <BLANKLINE>
    mine: 10 rows, 1 of them diverged; mean accuracy on the validation rows
    """
    from rich.console import Group

    keys = list(outcome.configurations[0].settings) if outcome.configurations else []
    headings = [*(_short_key(key, keys) for key in keys), outcome.metric, "least", "greatest", "rows"]
    rows = []
    for configuration in outcome.configurations:
        scores = (
            "–" if value is None else format_score(value)
            for value in (configuration.mean, configuration.least, configuration.greatest)
        )
        rows.append([*map(format_value, configuration.settings.values()), *scores, f"{configuration.rows:,}"])
    columns = [[configuration.settings[key] for configuration in outcome.configurations] for key in keys]
    are_texts = [not all(type(value) in (int, float) for value in values) for values in columns]  # True is no number
    table = fitted_table(headings, rows, [*are_texts, *[False] * 4])
    text = f"{outcome.study}: {outcome.rows:,} rows, {outcome.diverged:,} of them diverged; "
    text += f"mean {outcome.metric} on the {outcome.ranked} rows" + (f"; in {outcome.out}" if outcome.out else "")
    return Group(table, "", text, *(f"Note: {note}." for note in outcome.notes))


def _short_key(key: str, keys: list[str]) -> str:
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key
