"""Split a data set into parts or folds."""

from dataclasses import replace

import numpy as np

from deltarule.data.dataset import Dataset, Rows, concatenate
from deltarule.errors import BadInput, count_of


def split(
    dataset: Dataset,
    validation: float | int = 0.0,
    test: float | int = 0.0,
    seed: int = 0,
    stratify: bool = True,
    draw: str = "random",
    extend: bool = False,
) -> Dataset:
    """Move some of the training rows to a validation and a test part.

    `validation` and `test` are fractions of the training rows, or whole numbers of rows. The rows that are drawn "last"
    are for validation before those for testing. With `stratify` a random draw keeps the shares of the classes equal in
    all parts; with `extend` the rows are added, in front, to a part that the data set has already.
    In each part rows keep their order.
    """
    # Test first, so that its rows do not depend on the number of validation rows.
    counts = {part: _part_size(share, dataset) for part, share in (("test", test), ("validation", validation))}
    for part, count in counts.items():
        if count and part in dataset.parts and not extend:
            raise BadInput(f"{dataset.name} has {part} rows of its own; leave out split.{part}, or set split.extend")
    if sum(counts.values()) >= len(dataset.train):
        raise BadInput(
            f"{sum(counts.values())} rows set aside leave none of {len(dataset.train)} to train on; set fewer aside"
        )
    remaining = np.arange(len(dataset.train))
    parts = {}
    for part, count in counts.items():
        if count:
            if draw == "last":
                remaining, drawn = remaining[:-count], remaining[-count:]
            else:
                remaining, drawn = _draw_rows(dataset, remaining, count, part, seed, stratify)
            rows = dataset.train.take(drawn)
            parts[part] = concatenate(rows, dataset.parts[part]) if part in dataset.parts else rows
    if not parts:
        return dataset
    return replace(dataset, train=dataset.train.take(remaining), **parts)  # type: ignore[arg-type]


def folds(rows: Rows, k: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide N rows into k random folds: pairs of row indices (training, validation).

    Each fold is the validation part of a network that is trained on the others. k is at most the number of rows of the
    smallest class, since folds hold each class in the same share.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    max_folds = len(rows) if rows.labels is None else int(np.unique(rows.labels, return_counts=True)[1].min())
    if not 2 <= k <= max_folds:
        limit = "rows" if rows.labels is None else "rows in the smallest class"
        raise BadInput(f"{k} folds are impossible with {max_folds} {limit}; choose from 2 to {max_folds}")
    divide = KFold if rows.labels is None else StratifiedKFold
    return list(divide(k, shuffle=True, random_state=seed).split(rows.x, rows.labels))


def _part_size(share: float | int, dataset: Dataset) -> int:
    return share if isinstance(share, int) else max(round(share * len(dataset.train)), int(share > 0))


def _draw_rows(
    dataset: Dataset, indices: np.ndarray, count: int, part: str, seed: int, stratify: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the remaining and the drawn indices, sorted; refuse to stratify classes that are too small."""
    from sklearn.model_selection import train_test_split

    labels = dataset.train.labels[indices] if stratify and dataset.train.labels is not None else None
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() < 2 or min(count, len(indices) - count) < len(counts):
            raise BadInput(
                f"{dataset.name} cannot set {count} of {len(indices)} rows aside for {part} with every class in each "
                f"part: it has {len(counts)} classes, the smallest with {count_of(int(counts.min()), 'row')}; change "
                "the number of rows or turn stratify off"
            )
    remaining, drawn = train_test_split(indices, test_size=count, random_state=seed, stratify=labels)
    return np.sort(remaining), np.sort(drawn)
