"""Load the data of a sweep, divide them into folds, and cache both."""

from dataclasses import replace
from typing import TypeVar

from deltarule.data import splits
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_key, load_and_split, prepare_dataset, scale_and_project
from deltarule.errors import BadInput
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration
from deltarule.sweeps.plan import Data, Folds, Source

Value = TypeVar("Value")

_fold_cache: dict[str, tuple[Dataset, Folds]] = {}

_data_cache: dict[str, Data] = {}


def data_of(configuration: Configuration, source: Source, fold: int | None = None) -> Data:
    """The prepared data of a configuration, of all folds or one, cached.

    Parameters
    ----------
    fold : as in `load_fold_data`.
    """
    key = f"{data_key(configuration)} {source} {fold}"
    return _data_cache.get(key) or _add_to_cache(_data_cache, key, load_fold_data(configuration, source, fold))


def forget_data() -> None:
    """Clear the cached data, because their files may have changed."""
    _data_cache.clear()
    _fold_cache.clear()


def load_fold_data(configuration: Configuration, source: Source, fold: int | None = None) -> Data:
    """Load and preprocess a configuration's data, with the row indices of its folds.

    Parameters
    ----------
    fold : the index of a fold to load alone, with scale and components from its own training rows; None for all folds.
    """
    if not source.folds:
        return Data(prepare_dataset(configuration, source.folder, source.data_dir), ())
    dataset, folds = load_folds(configuration, source)
    if fold is None:
        return Data(scale_and_project(dataset, configuration.data), folds)
    return Data(scale_and_project(fold_of(dataset, *folds[fold]), configuration.data), ())


def fold_of(dataset: Dataset, train_rows: Integers, held_out_rows: Integers) -> Dataset:
    """One fold as a data set, with its held-out rows as validation rows."""
    return replace(dataset, train=dataset.train.take(train_rows), validation=dataset.train.take(held_out_rows))


def _add_to_cache(cache: dict[str, Value], key: str, value: Value) -> Value:
    # Other sweeps of this process, and a cluster's workers, may do so at the same time in threads of their own.
    for old in list(cache)[:-1]:
        cache.pop(old, None)
    cache[key] = value
    return value


def load_folds(configuration: Configuration, source: Source) -> tuple[Dataset, Folds]:
    """The data before they are scaled, and the rows of each fold, cached."""
    key = f"{data_key(configuration)} {source}"
    return _fold_cache.get(key) or _add_to_cache(_fold_cache, key, _split_folds(configuration, source))


def _split_folds(configuration: Configuration, source: Source) -> tuple[Dataset, Folds]:
    """Load the unscaled data of a configuration, and draw the row indices of folds."""
    dataset = load_and_split(configuration, source.folder, source.data_dir)
    assert source.folds
    if dataset.validation is not None:
        raise BadInput(
            f"data.split.validation sets {len(dataset.validation)} rows aside and the {source.folds} folds do, too; "
            "leave one of them out"
        )
    if configuration.data.mirrored:
        raise BadInput(
            "data.mirrored puts copies of rows into the folds of others, which would be trained on and scored; "
            "set data.split.validation aside in the place of folds"
        )
    return dataset, tuple(splits.folds(dataset.train, source.folds, configuration.data.split.seed))
