"""Split a data set into parts: validation and test rows, and folds for cross-validation."""

import numpy as np

from deltarule.data.dataset import Dataset, Rows, with_parts
from deltarule.errors import BadInput

DRAWS = ("random", "last")


def split(
    dataset: Dataset,
    validation: float | int = 0.0,
    test: float | int = 0.0,
    seed: int = 0,
    stratify: bool = True,
    draw: str = "random",
    extend: bool = False,
) -> Dataset:
    """Set aside rows of the training part for validation and test.

    Parameters: `validation`, `test`: a share of the training rows (a fraction from 0 to under 1) or a number of rows
    (a whole number); `draw`, "random" or "last": the last rows, those for validation before those for testing; of
    rows drawn at random `seed`, a whole number from 0, and `stratify`, keep the shares of the classes alike in all
    parts; `extend`, whether rows set aside are put before those of the same part that the data set has already.
    Returns: the data set with its new parts; in each part rows keep their order.
    Errors: `BadInput` when a share is neither, when a part is asked for that the data set has already and shall
    not extend, when too few rows would be left, and when a class has too few rows to be in every part.

    >>> from deltarule.data.bundled import iris
    >>> {name: len(rows) for name, rows in split(iris(), validation=0.2, test=30).parts.items()}
    {'train': 90, 'validation': 30, 'test': 30}
    """
    if not 0 <= seed < 2**32:
        raise BadInput(f"the seed of the split is {seed}; give a whole number from 0 to under 2**32")
    if draw not in DRAWS:
        raise BadInput(f"rows are set aside by {draw!r}; choose one of {', '.join(DRAWS)}")
    # Test first: its rows shall not depend on how many are set aside for validation.
    counts = {part: _count(share, part, dataset) for part, share in (("test", test), ("validation", validation))}
    for part, count in counts.items():
        if count and part in dataset.parts and not extend:
            raise BadInput(
                f"{dataset.name} has {len(dataset.parts[part])} {part} rows of its own; leave out split.{part}, or add "
                "to them by split.extend = true"
            )
    if sum(counts.values()) >= len(dataset.train):
        raise BadInput(
            f"{dataset.name} has {len(dataset.train)} rows to train on, so {counts['validation']} for validation and "
            f"{counts['test']} for test leave none; set fewer aside"
        )
    left = np.arange(len(dataset.train))
    parts = {}
    for part, count in counts.items():
        if count:
            if draw == "last":
                left, aside = left[:-count], left[-count:]
            else:
                left, aside = _set_aside(dataset, left, count, part, seed, stratify)
            parts[part] = _concatenate(dataset.train.take(aside), dataset.parts.get(part))
    return with_parts(dataset, parts | {"train": dataset.train.take(left)}) if parts else dataset


def _concatenate(rows: Rows, more: Rows | None) -> Rows:
    if more is None:
        return rows
    x, answers = np.concatenate([rows.x, more.x]), np.concatenate([rows.answers, more.answers])
    return Rows(x, targets=answers) if rows.labels is None else Rows(x, labels=answers)


def folds(rows: Rows, k: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide rows into k folds, each the validation rows of a network trained on the others.

    Parameters: `rows`, N rows, usually the training part; `k`, from 2 to N, and no more than the rows of the smallest
    class, since folds hold each class in the same share; `seed`, a whole number from 0.
    Returns: k pairs of row numbers, int64, ascending: training, validation.
    Errors: `BadInput` for another k.

    >>> from deltarule.data.synthetic import xor
    >>> [len(validation) for train, validation in folds(xor().train, k=3)]
    [7, 7, 7]
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    most = len(rows) if rows.labels is None else int(np.unique(rows.labels, return_counts=True)[1].min())
    if not 2 <= k <= most:
        what = "rows" if rows.labels is None else "rows in the smallest class"
        raise BadInput(f"{k} folds are impossible with {most} {what}; choose from 2 to {most}")
    divide = KFold if rows.labels is None else StratifiedKFold
    return list(divide(k, shuffle=True, random_state=seed).split(rows.x, rows.labels))


def _count(share: float | int, part: str, dataset: Dataset) -> int:
    """The number of rows of a share; at least one if the share is above 0."""
    if isinstance(share, int) and not isinstance(share, bool) and share >= 0:
        return share
    if isinstance(share, float) and 0 <= share < 1:
        return max(round(share * len(dataset.train)), int(share > 0))
    raise BadInput(f"the {part} share is {share!r}; give a fraction from 0 to under 1, or a whole number of rows")


def _set_aside(
    dataset: Dataset, index: np.ndarray, count: int, part: str, seed: int, stratify: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Divide row indices into the remaining ones and `count` that are set aside."""
    from sklearn.model_selection import train_test_split

    labels = dataset.train.labels if stratify else None
    try:
        stay, aside = train_test_split(
            index, test_size=count, random_state=seed, stratify=None if labels is None else labels[index]
        )
    except ValueError as error:
        raise BadInput(
            f"{dataset.name} cannot set {count} rows aside for {part} with every class in each part: "
            f"{str(error).rstrip('.')}; change the number of rows or turn stratify off"
        ) from error
    return np.sort(stay), np.sort(aside)
