"""The class `Dataset`, which holds up to three parts of rows.

N rows · D inputs · C outputs.    x [N, D]    labels [N]    targets [N, C]
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deltarule.errors import BadInput


@dataclass(frozen=True, eq=False)
class Rows:
    """The inputs of some samples with their labels or targets.

    Parameters
    ----------
    x : array-like of shape (N, D)
        N and D at least 1, finite; kept as uint8, float32 or float64, made float64 otherwise.
    labels : array-like of shape (N,), or None
        Class numbers from 0 (`Dataset` refuses others), made int64.
    targets : array-like of shape (N, C), or None
        Finite, made float64. Exactly one of labels and targets is given.

    Raises
    ------
    BadInput
        For anything else.

    Examples
    --------
    >>> from deltarule import Rows
    >>> Rows(x=[[0.0, 1.0], [1.0, 0.0]], labels=[0, 1]).labels
    array([0, 1])
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.labels is None) == (self.targets is None):
            raise BadInput("rows need either labels (classification) or targets (regression); give exactly one of them")
        # Images stay small in memory; every other kind of number becomes float64.
        object.__setattr__(self, "x", _validate_matrix(self.x, "x", ("uint8", "float32", "float64")))
        if self.labels is not None:
            object.__setattr__(self, "labels", _validate_labels(self.labels))
        else:
            object.__setattr__(self, "targets", _validate_matrix(self.targets, "targets", ("float64",)))
        if len(self.x) != len(self.answers):
            raise BadInput(f"there are {len(self.x)} rows of x but {len(self.answers)} answers; give one for each row")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def answers(self) -> np.ndarray:
        """The labels [N] or the targets [N, C], whichever these rows have.

        >>> from deltarule import Rows
        >>> Rows(x=[[1.0]], targets=[[2.5]]).answers
        array([[2.5]])
        """
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        return answers

    def take(self, index: np.ndarray) -> "Rows":
        """The rows with the indices `index` [M], in this order.

        >>> import numpy as np
        >>> from deltarule import Rows
        >>> Rows(x=[[0.0], [1.0], [2.0]], labels=[0, 1, 0]).take(np.array([2, 1])).x.tolist()
        [[2.0], [1.0]]
        """
        return _like(self, self.x[index], self.answers[index])


def concatenate(first: Rows, second: Rows) -> Rows:
    """The rows of both, which are of the same kind."""
    return _like(first, np.concatenate([first.x, second.x]), np.concatenate([first.answers, second.answers]))


def _like(rows: Rows, x: np.ndarray, answers: np.ndarray) -> Rows:
    return Rows(x, targets=answers) if rows.labels is None else Rows(x, labels=answers)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Named rows for training, and optionally for validation and test.

    Parameters
    ----------
    name : str
        What it is called in records.
    train, validation, test : Rows
        The rows of each part; the latter two may be None.
    features : tuple of str
        The names of the D inputs; required.
    classes : tuple of str
        The names of the classes (empty: regression).
    note : str
        One sentence: what it is and where it is from.
    remark : str
        A warning for its users, or "".
    image : tuple of int or None
        If rows are images, (channels, rows, columns), in this order in a row of x.

    Raises
    ------
    BadInput
        For parts that do not fit each other and labels outside the classes.

    Examples
    --------
    >>> from deltarule import Dataset, Rows
    >>> rows = Rows(x=[[0.0], [1.0]], labels=[0, 1])
    >>> Dataset("coin", rows, features=("side",), classes=("tails", "heads"), note="A coin.").inputs
    1
    """

    name: str
    train: Rows
    validation: Rows | None = None
    test: Rows | None = None
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    note: str = ""
    remark: str = ""
    image: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        for part, rows in self.parts.items():
            where = f"the {part} part of {self.name}"
            if rows.x.shape[1] != len(self.features):
                raise BadInput(f"{where} has {rows.x.shape[1]} columns but {len(self.features)} feature names")
            if (rows.labels is None) == bool(self.classes):
                raise BadInput(f"{where} must have labels if there are names of classes, and targets if there are none")
            if rows.labels is not None:
                low = rows.labels.min()
                high = rows.labels.max()
                last = len(self.classes) - 1
                if low < 0 or high > last:
                    raise BadInput(f"{where} has labels from {low} to {high}, but its classes are 0 to {last}")
            elif rows.answers.shape[1] != self.train.answers.shape[1]:
                raise BadInput(f"{where} has other target columns than the training part; give all parts the same")

    @property
    def parts(self) -> dict[str, Rows]:
        """The existing parts by name: train, validation, test.

        >>> from deltarule.data.synthetic import xor
        >>> list(xor().parts)
        ['train']
        """
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in named.items() if rows is not None}

    @property
    def inputs(self) -> int:
        """D, the number of input columns.

        >>> from deltarule.data.synthetic import one_hot
        >>> one_hot(8).inputs
        8
        """
        return self.train.x.shape[1]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 (hexadecimal) of all parts and the names of the classes."""
        sha = hashlib.sha256(json.dumps(self.classes).encode())
        for name, rows in self.parts.items():
            for array in (rows.x, rows.answers):
                # The same digest on machines of either byte order.
                little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
                sha.update(json.dumps([name, little.dtype.str, little.shape]).encode())
                sha.update(little.ravel().data)
        return sha.hexdigest()

    def encode(self, rows: Rows, outputs: int) -> np.ndarray:
        """Encode labels or targets of rows as targets [N, C] of a network.

        Parameters
        ----------
        rows : N rows of this data set.
        outputs : C: the number of classes (one-hot), 1 for two classes (the label itself), or the number of target
            columns (regression).

        Returns
        -------
        Float64 [N, C].

        Raises
        ------
        BadInput
            For any other number of outputs.

        Examples
        --------
        >>> from deltarule import Dataset, Rows
        >>> rows = Rows(x=[[0.0], [1.0]], labels=[0, 1])
        >>> coin = Dataset("coin", rows, features=("side",), classes=("tails", "heads"))
        >>> coin.encode(rows, outputs=2).tolist(), coin.encode(rows, outputs=1).tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [[0.0], [1.0]])
        """
        if outputs not in self._possible_outputs:
            allowed = " or ".join(str(number) for number in self._possible_outputs)
            what = f"{len(self.classes)} classes" if self.classes else f"{self._possible_outputs[0]} target columns"
            raise BadInput(f"{self.name} has {what}, so the network needs {allowed} outputs, not {outputs}")
        if rows.labels is None:
            return rows.answers
        if outputs == 1:
            return rows.labels[:, np.newaxis].astype(np.float64)
        return np.eye(outputs)[rows.labels]

    def default_outputs(self, output_activation: str) -> int:
        """The default number of outputs of a network for this data set.

        For regression the number of target columns; for classes 1 if there are two and `output_activation`, that of the
        last layer, is "sigmoid", otherwise their number.
        """
        if len(self.classes) == 2 and output_activation == "sigmoid":
            return 1
        return self._possible_outputs[-1]

    @property
    def _possible_outputs(self) -> tuple[int, ...]:
        if not self.classes:
            return (self.train.answers.shape[1],)
        return (1, 2) if len(self.classes) == 2 else (len(self.classes),)


def _validate_matrix(values: object, name: str, dtypes: tuple[str, ...]) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 2 or 0 in array.shape:
        raise BadInput(f"{name} has the shape {array.shape}; give a table [rows, columns] with at least one of each")
    if array.dtype.kind not in "biuf":
        raise BadInput(f"{name} holds {array.dtype}, not real numbers; turn each column into numbers")
    dtype = array.dtype.newbyteorder("=") if array.dtype.name in dtypes else np.dtype("float64")
    array = array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        row, column = np.argwhere(~finite)[0]
        raise BadInput(f"{name} has {array[row, column]} in row {row}, column {column} (from 0); replace it")
    return array


def _validate_labels(values: object) -> np.ndarray:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        raise BadInput(f"labels are {labels.dtype} of shape {labels.shape}; give one class number from 0 for each row")
    return labels.astype(np.int64)
