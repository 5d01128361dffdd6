"""Read a user's table, in whatever form, as numbers on which networks learn.

The separator, decimal commas and a missing header are recognized. The encoding is that of `deltarule train`, fitted to
all rows: a category becomes a column of 0 and 1, a missing number the median, with a column that marks it. The target
of a regression is standardized. What is recognized, changed or left out is said in notes.
"""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import BadInput, collect_warnings, count_of
from deltarule.tables.cell_texts import as_text
from deltarule.tables.column_encoder import NUMBER, UNUSED, encode_columns, fit_columns, texts_of
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.diagnostics import columns_of_kind, render_diagnostics
from deltarule.tables.frame import Frame, count_rows, select_rows
from deltarule.tables.number_forms import has_number_form, parse_numbers
from deltarule.tables.reader import TextFormat, read_frame
from deltarule.tables.targets import Target, infer_target

MIN_ROWS_TO_SPLIT = 100
"""If there are fewer rows, all are used for training."""
MAX_BYTES = 32 * 2**20
MAX_CELLS = 500_000
"""Cells of a table that a page can wait for: some seconds."""


class OwnTable(NamedTuple):
    """A numeric table that can be loaded, its target, and what a user should know."""

    path: Path
    target: str | None
    rows: int
    notes: list[str]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a recipe that trains on the table."""
        return {
            "data.name": "none",
            "data.file": str(self.path),
            "data.target": self.target or "none",
            "data.scale": "standardize",
            **test_split(self.rows),
        }


def test_split(rows: int) -> dict[str, Any]:
    """The settings that set a fifth of enough rows apart."""
    return {"data.split.test": 0.2 if rows >= MIN_ROWS_TO_SPLIT else 0, "data.split.stratify": False}


def read_own_table(path: Path, target: str | None, folder: Path) -> OwnTable:
    """Read a file as a numeric table: itself, or an encoded copy in `folder`.

    The target "" stands for the last column. Rows without a target are left out.
    """
    notes: list[str] = []
    as_it_is = OwnTable(path, target or None, 0, notes)  # what is wrong with it is reported when the data are loaded
    if path.suffix.lower() == ".npz":
        return as_it_is
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} has {path.stat().st_size / 2**20:.0f} MB; choose fewer rows, or use `deltarule train`")
    frame = _read(path, notes)
    if target is None or len(frame) == 1 or (target and target not in frame):
        return as_it_is
    _require_few_cells(path, count_rows(frame) * len(frame))
    target = target or list(frame)[-1]
    y = frame.pop(target)
    is_known = ~np.isin(np.array(texts_of(y), object), ("", "nan"))
    if not is_known.any():
        raise BadInput(f"no row of {path} has a value of {target!r}; choose another target")
    if not is_known.all():
        notes.append(f"left out: {count_of(int((~is_known).sum()), 'row')} without a value of {target!r}")
    y = y[is_known]
    answers = infer_target(y, name=f"{path}: the target {target!r}")
    if answers.is_classes and not notes and all(map(_is_finite, frame.values())):
        return OwnTable(path, target, len(y), notes)
    copy = _write_encoded(path, folder, select_rows(frame, is_known), y, answers, notes, target)
    return OwnTable(copy, target, len(y), notes)


def _is_finite(column: Any) -> bool:
    return column.dtype.kind == "f" and bool(np.isfinite(column).all())


def _write_encoded(
    path: Path, folder: Path, features: Frame, y: Any, answers: Target, notes: list[str], target: str
) -> Path:
    """Write the columns as numbers, with the target as it is or, of numbers, standardized."""
    # A column that counts the rows is a time here, to be learned from.
    numbers = {name: NUMBER for name, column in features.items() if column.dtype.kind == "f" and len(set(column)) > 1}
    columns = fit_columns(features, infer_column_types(features, numbers).values())
    notes += render_diagnostics(columns_of_kind(columns, UNUSED, "unused"))
    names = [name for column in columns for name in column.inputs]
    outputs = texts_of(y)
    if not answers.is_classes:
        mean = answers.values.mean()
        deviation = answers.values.std() or 1.0
        outputs = ((answers.values - mean) / deviation).tolist()
        notes.append(f"{target!r} is scaled: what is learned is ({target!r} − {mean:.4g}) / {deviation:.4g}")
    _require_few_cells(path, len(y) * len(names))
    copy = folder / f"{path.stem} encoded.csv"
    rows = zip(encode_columns(columns, features).tolist(), outputs, strict=True)
    with copy.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*names, target], *([*row, output] for row, output in rows)])
    return copy


def _require_few_cells(path: Path, cells: int) -> None:
    if cells > MAX_CELLS:
        raise BadInput(
            f"{path} has about {cells:,} cells, and the page takes at most {MAX_CELLS:,}; choose fewer rows or "
            "columns, or train with `deltarule train`"
        )


def _read(path: Path, notes: list[str]) -> Frame:
    """The columns of a table, also without a header or with decimal commas."""
    with collect_warnings(notes):
        frame = read_frame(path)
    has_commas = _has_decimal_commas(frame)
    lacks_header = _lacks_header(frame)
    if has_commas or lacks_header:
        notes += ["commas are read as decimal points"] * has_commas
        notes += ["the first line is read as a row; the columns are called column 1, column 2, …"] * lacks_header
        with collect_warnings(notes):
            text_format = TextFormat(decimal="," if has_commas else None)
            frame = read_frame(path, text_format=text_format, has_header=not lacks_header)
    notes[:] = [note.replace(str(path), path.name) for note in notes]
    return frame


def _has_decimal_commas(frame: Frame) -> bool:
    """Whether some columns are numbers with commas, and none numbers with points."""
    texts = [[text for text in column if text] for column in frame.values() if column.dtype.kind == "O"]
    have_points = any((column % 1 > 0).any() for column in frame.values() if column.dtype.kind == "f")
    return not have_points and any(column and parse_numbers(column, ",") for column in texts)


def _lacks_header(frame: Frame) -> bool:
    """Whether the columns of numbers, and they alone, have numbers as names, but not pandas' own."""
    are_numbers = list(map(has_number_form, frame))
    if not any(are_numbers) or list(frame) == [str(number) for number in range(len(frame))]:
        return False
    return are_numbers == [has_number_form(as_text(column[0])) for column in frame.values()]
