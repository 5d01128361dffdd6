"""The data of a sweep's folds, kept while they are needed."""

from dataclasses import replace
from typing import TypeVar

from deltarule.data import splits
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_key, load_and_split, prepare_dataset, scale_and_project
from deltarule.errors import BadInput
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration
from deltarule.sweeps.plan import Data, Folds, Source

Kept = TypeVar("Kept")

_whole: dict[str, tuple[Dataset, Folds]] = {}

_kept: dict[str, Data] = {}


def data_of(configuration: Configuration, source: Source, fold: int | None = None) -> Data:
    """The rows of a configuration, loaded once in a process; of several data sets only the last two are kept.

    Parameters: `fold`, as in `load`.
    """
    key = f"{data_key(configuration)} {source} {fold}"
    return _kept.get(key) or _keep(_kept, key, load(configuration, source, fold))


def forget_data() -> None:
    """Load rows anew when they are asked for next: their files may have changed."""
    _kept.clear()
    _whole.clear()


def load(configuration: Configuration, source: Source, fold: int | None = None) -> Data:
    """Load the rows of a configuration, and divide them into folds where there are any.

    Parameters: `fold`, to load the rows of one fold, with scale and components as its own training rows say.
    """
    if not source.folds:
        return Data(prepare_dataset(configuration, source.folder, source.data_dir), ())
    dataset, folds = load_folds(configuration, source)
    if fold is None:
        return Data(scale_and_project(dataset, configuration.data), folds)
    return Data(scale_and_project(fold_of(dataset, *folds[fold]), configuration.data), ())


def fold_of(dataset: Dataset, own: Integers, aside: Integers) -> Dataset:
    """A fold as a data set: its training rows, and those held out as validation rows."""
    return replace(dataset, train=dataset.train.take(own), validation=dataset.train.take(aside))


def _keep(kept: dict[str, Kept], key: str, value: Kept) -> Kept:
    # Other sweeps of this process, and a cluster's workers, may do so at the same time in threads of their own.
    for old in list(kept)[:-1]:
        kept.pop(old, None)
    kept[key] = value
    return value


def load_folds(configuration: Configuration, source: Source) -> tuple[Dataset, Folds]:
    """The rows before they are scaled, and how they are divided into folds; loaded once for all folds."""
    key = f"{data_key(configuration)} {source}"
    return _whole.get(key) or _keep(_whole, key, _split_folds(configuration, source))


def _split_folds(configuration: Configuration, source: Source) -> tuple[Dataset, Folds]:
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
