"""What a model makes of the columns of a table: their kinds are guessed, and their values become inputs.

All that is learned is plain numbers and texts, which a model's file and an ONNX graph hold just so.

N rows · D inputs
"""

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.category_matching import TRUTHS, as_named
from deltarule.tables.cell_diagnosis import first_odd, first_text, how_to_write
from deltarule.tables.cell_parsing import as_text, list_names, number_of, shorten_repr
from deltarule.tables.frame import Frame, numbers_of_rows, rows_of

NUMBER, CATEGORY, UNUSED = KINDS = ("number", "category", "unused")
FEW_CATEGORIES, MAX_CATEGORIES = 50, 500
"""The most frequent ones have an input each, between so many and so many; the others have none, like those that come
later."""
MOST = sys.float_info.max
FARTHEST = 1e100
"""In standard deviations from the mean: of a number beyond it a network's answer may overflow."""


@dataclass(frozen=True)
class Column:
    """A column of the table as the model reads it.

    name   kind: number, category or unused   why: what made it be read so
    mean, scale   by which numbers are standardized   fill: the median, in the place of missing ones
    gaps   whether there were missing numbers, so that an input says where
    least, greatest   between which its numbers were   rows: how many had one; all 0 in files of earlier versions
    reach   how many times as wide as they lay others may lie outside of them; 3 in files that do not say it
    categories   those that have an input each; "" is what is missing
    """

    name: str
    kind: str
    why: str
    mean: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    gaps: bool = False
    categories: tuple[str, ...] = ()
    least: float = 0.0
    greatest: float = 0.0
    rows: float = 0.0
    reach: float = 3.0

    @property
    def clip_range(self) -> tuple[float, float]:
        """Within which bounds its numbers are held; what lies farther out counts as the bound.

        >>> Column("size", "number", "numbers", least=1.0, greatest=3.0, rows=50, reach=1).clip_range
        (-1.0, 5.0)
        """
        if not self.rows:  # of a file of an earlier version, which answers as it did
            return -MOST, MOST
        far = self.reach * (self.greatest - self.least)
        return max(self.least - far, -MOST), min(self.greatest + far, MOST)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs that it becomes.

        >>> Column("color", "category", "texts", categories=("blue", "red")).inputs
        ('color=blue', 'color=red')
        """
        if self.kind == NUMBER:
            return (self.name, f"{self.name} is missing") if self.gaps else (self.name,)
        return tuple(f"{self.name}={category or 'missing'}" for category in self.categories)


def too_large(name: str, values: Floats, row: int, middle: float, frame: Frame) -> BadInput:
    """The error for a number that is too far from the others to be standardized."""
    return BadInput(
        f"the column {shorten_repr(name)} holds {values[row]:g} in row {numbers_of_rows(frame)[row]} (counted from 0), "
        f"too large a number beside the others, which are around {middle:g}; correct it"
    )


def present_in(column: np.ndarray) -> np.ndarray:
    """The values of a column [N] that are not missing.

    >>> present_in(np.array([1.0, np.nan])), present_in(np.array(["", "red"], object))
    (array([1.]), array(['red'], dtype=object))
    """
    return column[column != ""] if column.dtype.kind == "O" else column[~np.isnan(column)]


def fit_columns(frame: Frame, kinds: Mapping[str, tuple[str, str]]) -> tuple[Column, ...]:
    """What has to be known of each column to make inputs of it, from the rows of a frame.

    >>> fit_columns({"size": np.array([1.0, 3.0, np.nan])}, {"size": ("number", "numbers")})
    (Column(name='size', kind='number', why='numbers', mean=2.0, scale=1.0, fill=2.0, gaps=True, categories=(), \
least=1.0, greatest=3.0, rows=2.0, reach=1.0),)
    """
    names = sum(kind == CATEGORY for kind, _ in kinds.values())
    # Between the two bounds as many as make 20 million numbers of rows · inputs.
    most = int(np.clip(20_000_000 // max(rows_of(frame) * names, 1), FEW_CATEGORIES, MAX_CATEGORIES))
    columns = []
    for name, (kind, why) in kinds.items():
        column = Column(name, kind, why)
        if kind == NUMBER:
            column = _learned_number(column, frame)
        elif kind == CATEGORY:
            column = _learned_category(column, frame, most)
        columns.append(column)
    return tuple(columns)


def _learned_number(column: Column, frame: Frame) -> Column:
    values = numbers_of_column(column, frame)
    present = present_in(values)
    if not len(present):
        return column
    size = float(np.abs(present).max()) or 1.0  # squares of very large numbers would overflow
    mean, scale = float((present / size).mean()) * size, float((present / size).std()) * size
    # A number farther outside of training's than so many times as wide as they lie counts as one just so far, and is
    # worth a note: nothing was learned of what lies there. R² of 43 targets in tables cut in the order of time, where
    # trends may go on, was better than with 3 times for 29 and worse for 2; of 51 with rows by chance for 15 and for 4.
    return dataclasses.replace(
        column,
        mean=mean,
        scale=scale or 1.0,
        fill=float(np.median(present / size)) * size,
        gaps=len(present) < len(values),
        least=float(present.min()),
        greatest=float(present.max()),
        rows=float(len(present)),
        reach=1.0,
    )


def _learned_category(column: Column, frame: Frame, most: int) -> Column:
    counts = Counter(texts_of(frame[column.name]))
    # What occurs once teaches nothing about its category.
    frequent = [name for name, count in counts.most_common(most) if count >= 2]
    return dataclasses.replace(column, categories=tuple(sorted(frequent)))


def encode_columns(columns: Sequence[Column], frame: Frame, together: bool = False) -> Floats:
    """The network's inputs [N, D].

    Parameters: `columns`; `frame`; `together`, whether `check_together` has passed it: then numbers far from those of
    other rows count as the farthest that there may be.
    Errors: `BadInput` for a column that is missing, for texts where the model needs numbers, and numbers too large.

    >>> color = Column("color", "category", "texts", categories=("blue", "red"))
    >>> encode_columns([color], {"color": np.array(["red", "green"], object)})
    array([[0., 1.],
           [0., 0.]])
    """
    used = [column for column in columns if column.kind != UNUSED]
    missing = [column.name for column in used if column.name not in frame]
    if missing:
        raise BadInput(
            f"the table lacks {list_names([shorten_repr(name) for name in missing])}, which the model was trained with"
        )
    x = np.zeros((rows_of(frame), sum(len(column.inputs) for column in used)))
    start = 0
    for column in used:
        part = x[:, start : start + len(column.inputs)]
        start += len(column.inputs)
        if column.kind == NUMBER:
            part[:] = _numbers(column, frame, together)
        else:
            found = _categories(column, frame)
            rows = np.flatnonzero(found >= 0)
            part[rows, found[rows]] = 1.0
    return x


def _numbers(column: Column, frame: Frame, together: bool) -> Floats:
    values = numbers_of_column(column, frame)
    gaps = np.isnan(values)
    with np.errstate(over="ignore"):  # which is told below
        standardized = (np.where(gaps, column.fill, values).clip(*column.clip_range) - column.mean) / column.scale
    if together:
        standardized = np.clip(standardized, -FARTHEST, FARTHEST)
    far = np.abs(standardized) > FARTHEST
    if far.any():
        raise too_large(column.name, values, int(far.argmax()), column.mean, frame)
    return np.stack([standardized, gaps] if column.gaps else [standardized], axis=1)


def numbers_of_column(column: Column, frame: Frame) -> Floats:
    """A column's numbers [N], also where they stand as texts.

    Errors: `BadInput` for a text that is none.

    >>> numbers_of_column(Column("size", "number", "numbers"), {"size": np.array(["1.5", ""], object)})
    array([1.5, nan])
    """
    values = frame[column.name]
    if values.dtype.kind != "O":
        return values
    if takes_truths(column):
        values = np.array([TRUTHS.get(text.lower(), text) for text in values.tolist()], object)
    if text := first_text(values, rows=numbers_of_rows(frame)):
        sentence = f"the column {shorten_repr(column.name)} holds {text}, where the model needs a number"
        raise BadInput(sentence + how_to_write(first_odd(values)))
    return np.array([number_of(text or "nan") for text in values])


def takes_truths(column: Column) -> bool:
    """Whether a column of numbers has the variance mean (1 − mean), so that it may have had nothing but 0 and 1.

    Of numbers from 0 to 1 only these have it; of others some, such as -1 beside eight of 0.5.

    >>> takes_truths(Column("ok", "number", "numbers", mean=0.2, scale=0.4))
    True
    """
    return 0 < column.mean < 1 and math.isclose(column.scale, math.sqrt(column.mean * (1 - column.mean)))


def _categories(column: Column, frame: Frame) -> Integers:
    """Which category each row has [N], −1 for those without an input."""
    place = {name: number for number, name in enumerate(column.categories)}
    texts = as_named(texts_of(frame[column.name]), column.categories)
    return np.array([place.get(text, -1) for text in texts], np.int64)


def named_columns(columns: Sequence[Column]) -> list[str]:
    """The columns whose cells are names, and are to be read so.

    >>> named_columns([Column("size", "number", "numbers"), Column("color", "category", "texts")])
    ['color']
    """
    return [column.name for column in columns if column.kind == CATEGORY]


def used_columns(columns: Sequence[Column]) -> frozenset[str]:
    """The columns that are looked at: of others it is all the same what they hold.

    >>> sorted(used_columns([Column("size", "number", "numbers"), Column("id", "unused", "an identifier")]))
    ['size']
    """
    return frozenset(column.name for column in columns if column.kind != UNUSED)


def texts_of(values: np.ndarray) -> list[str]:
    """Values [N] as the names of categories; numbers too, of frames that say so.

    >>> texts_of(np.array([2.0, 0.5])), texts_of(np.array(["", "red"], object))
    (['2', '0.5'], ['', 'red'])
    """
    return values.tolist() if values.dtype.kind == "O" else [as_text(value) for value in values.tolist()]
