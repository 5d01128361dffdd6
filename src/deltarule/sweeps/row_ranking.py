"""By what the rows of a sweep rank: the metric, and the part of the data."""

from collections.abc import Iterable

from deltarule.errors import BadInput
from deltarule.sweeps.plan import Data, Source


def common_ranking(scored: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """By what all rows rank. Those that rank otherwise than others are refused."""
    kinds = list(dict.fromkeys(scored))
    if len(kinds) > 1:
        raise BadInput(
            f"some configurations rank by the {' and others by the '.join(describe_ranking(*kind) for kind in kinds)}; "
            "sweep them "
            "apart, each kind into a folder of its own"
        )
    return kinds[0]


def describe_ranking(metric: str, ranked: str) -> str:
    """By what rows rank, in words.

    >>> describe_ranking("r_squared", "train")
    'r_squared on the train rows'
    """
    return f"{metric} on the {ranked} rows"


def score_metric(data: Data, source: Source) -> tuple[str, str]:
    """The metric that scores a configuration's rows, and the part of the data by which they rank."""
    metric = "accuracy" if data.dataset.classes else "r_squared"
    return metric, "validation" if source.folds or data.dataset.validation is not None else "train"


def check_scored(data: Data, source: Source, metric: str, ranked: str) -> None:
    """Refuse to rank by R² of a single row, of which there is none."""
    rows = min([len(aside) for _, aside in data.folds] or [len(data.dataset.parts[ranked])])
    if metric == "r_squared" and rows < 2:
        advice = "take fewer folds" if source.folds else f"give {ranked} more rows"
        raise BadInput(
            f"configurations rank by the {describe_ranking(metric, ranked)}, and {rows} row has no R²; {advice}"
        )
