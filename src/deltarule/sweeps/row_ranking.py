"""The ranking of a sweep's rows: the metric, and the part of the data (training or validation) that it scores."""

from collections.abc import Iterable

from deltarule.errors import BadInput
from deltarule.sweeps.plan import Data, Source


def common_ranking(rankings: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The ranking that all configurations share, (metric, part of the data); raise `BadInput` if theirs differ."""
    distinct = list(dict.fromkeys(rankings))
    if len(distinct) > 1:
        described = " and others by the ".join(describe_ranking(*ranking) for ranking in distinct)
        raise BadInput(
            f"some configurations rank by the {described}; sweep them apart, each kind into a folder of its own"
        )
    return distinct[0]


def describe_ranking(metric: str, ranked: str) -> str:
    """Describe a ranking in words; `ranked` is the part of the data whose rows the metric scores.

    >>> describe_ranking("r_squared", "train")
    'r_squared on the train rows'
    """
    return f"{metric} on the {ranked} rows"


def choose_ranking(data: Data, source: Source) -> tuple[str, str]:
    """The metric and the part of the data by which rows are ranked, such as ("accuracy", "validation")."""
    metric = "accuracy" if data.dataset.classes else "r_squared"
    return metric, "validation" if source.folds or data.dataset.validation is not None else "train"


def check_ranking(data: Data, source: Source, metric: str, ranked: str) -> None:
    """Raise `BadInput` for a ranking by R² on a single row, where it is undefined."""
    rows = min([len(held_out) for _, held_out in data.folds] or [len(data.dataset.parts[ranked])])
    if metric == "r_squared" and rows < 2:
        advice = "take fewer folds" if source.folds else f"give {ranked} more rows"
        raise BadInput(
            f"configurations rank by the {describe_ranking(metric, ranked)}, and {rows} row has no R²; {advice}"
        )
