"""Helpers of the commands for tables (train, predict, evaluate): read models and tables, parse targets, print notes."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.terminal import console, is_watched
from deltarule.errors import BadInput
from deltarule.reports.terminal_layout import pairs

if TYPE_CHECKING:
    import numpy as np

    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.tables.frame import Frame

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file that `deltarule train --out` wrote.")]


LEADING_ZEROS = re.compile(r"0\d+")
"""A whole number with leading zeros, as codes are written."""


def load_table_model(path: Path) -> "TabularClassifier | TabularRegressor":
    """Load a model of `deltarule train` from a file; any other model is refused."""
    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor

    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a model's file in it")
    model = load_model(path)
    if not isinstance(model, TabularClassifier | TabularRegressor):
        raise BadInput(f"{path} holds an {type(model).__name__}, which takes no tables; make one with deltarule train")
    return model


def used_column_filter(model: "TabularClassifier | TabularRegressor") -> Callable[[str], bool] | None:
    """A predicate that accepts the names of columns that a model uses; None if it takes columns by position."""
    from deltarule.tables.column_encoder import used_columns

    if not hasattr(model, "feature_names_in_"):
        return None
    return used_columns(model.columns_).__contains__


def read_with_target(
    path: Path,
    target: str,
    task: str,
    text_columns: Sequence[str] = (),
    is_used: Callable[[str], bool] | None = None,
    classes: Collection[str] | None = None,
    needed_columns: Sequence[str] = (),
) -> "tuple[Frame, np.ndarray, list[str]]":
    """Read a table and split off its target; return features, target and notes. Rows without a target are dropped.

    Columns in `text_columns`, and a target that may be classes, are kept as written; columns that `is_used` rejects are
    not read. `classes` are those that a model knows, `needed_columns` the columns that it uses.
    """
    from deltarule.tables.cell_parsing import PERHAPS_CLASSES, list_names
    from deltarule.tables.column_parsers import numbers_in
    from deltarule.tables.frame import count_rows, select_rows
    from deltarule.tables.reader import read_frame

    frame = read_frame(
        path,
        text_columns if task == "regress" else [*text_columns, target],
        is_used and (lambda name: name == target or is_used(name)),
        as_written=[target],
    )
    if target not in frame:
        raise BadInput(f"{path} has no column {target!r}; it has: {list_names(list(frame))}")
    if len(frame) == 1:
        needed = f": {list_names([repr(name) for name in needed_columns])}" if needed_columns else ""
        raise BadInput(f"{path} has only the target column {target!r}; add the columns to predict it from{needed}")
    if not count_rows(frame):
        raise BadInput(f"{path} has a header but no rows; add rows to it")
    cells = frame.pop(target)
    y = _normalize_target(path, cells, task, classes)
    notes = _check_target(path, target, y, task)
    numbers = y if PERHAPS_CLASSES & {*y.tolist()} else numbers_in(y)
    is_known = y != "" if numbers.dtype.kind == "O" else numbers == numbers
    missing = int((~is_known).sum())
    if missing == len(y):
        raise BadInput(f"{path} has no row with a {target!r}; add rows whose target is known")
    missing_texts = sorted({repr(one) for one in cells[~is_known].tolist() if isinstance(one, str) and one})
    why = f", which {', '.join(missing_texts)} is taken to say," if missing_texts else ""
    if missing:
        have, were = ("has", "was") if missing == 1 else ("have", "were")
        notes.append(f"{missing:,} of {count_rows(frame):,} rows {have} no {target!r}{why} and {were} passed over")
    y = (numbers if task == "regress" else y)[is_known]
    return select_rows(frame, is_known), y, notes + (_note_on_codes(y, target) if task == "auto" else [])


def _normalize_target(path: Path, cells: "np.ndarray", task: str, classes: Collection[str] | None) -> "np.ndarray":
    """Make decimal commas points, missing values empty texts, and for regression durations and thousands plain numbers.

    Classes that the model knows are kept as written. A text such as "none" is a class if the model knows it or, before
    there is a model, if the other values are names.
    """
    import numpy as np

    from deltarule.tables.cell_diagnosis import diagnose_texts
    from deltarule.tables.cell_parsing import MISSING, PERHAPS_CLASSES, strip_missing
    from deltarule.tables.column_parsers import DECIMAL_COMMAS, PARSERS, as_plain_numbers, numbers_in
    from deltarule.tables.reader import takes_commas

    if cells.dtype.kind != "O":
        return cells
    y = np.array([strip_missing(text) for text in cells.tolist()], object)
    parsers = PARSERS if task == "regress" else (DECIMAL_COMMAS,)  # the name of a class stays as it is written
    y = as_plain_numbers(y, [one for one in parsers if one is not DECIMAL_COMMAS or takes_commas(path)])
    if task == "regress" or (classes is None and (numbers_in(y).dtype.kind != "O" or diagnose_texts(y))):
        return y
    class_names = PERHAPS_CLASSES if classes is None else {*classes} - (MISSING - PERHAPS_CLASSES)
    return np.array([cell if cell in class_names else text for cell, text in zip(cells, y, strict=True)], object)


def _check_target(path: Path, target: str, y: "np.ndarray", task: str) -> list[str]:
    """Refuse texts among numbers, which are probably mistakes; return notes about doubtful classes.

    Among a few classes that are numbers a name may be a class, which is reported. A mere sign is no class, such as the
    missing values of Stata and SAS: ., ._ and .a to .z.
    """
    from deltarule.data.numeric_tables import MAX_CLASSES
    from deltarule.tables.cell_diagnosis import describe_first_text, diagnose_texts, first_non_number, how_to_write

    if y.dtype.kind != "O":
        return []
    if task == "regress" and (text := describe_first_text(y)):
        text += how_to_write(first_non_number(y))
        raise BadInput(f"{path}, column {target!r}: it holds {text}, where numbers are needed; correct it")
    looks = diagnose_texts(y) if task == "auto" else ""
    are_many = len(set(y.tolist())) > min(MAX_CLASSES, len(y) // 2)
    is_refused = are_many or not looks.startswith("numbers with a unit")  # 1 AM to 12 AM are names, too
    if is_refused and looks.startswith("numbers" if are_many else "numbers with"):
        raise BadInput(f"{path}, column {target!r}: it holds {looks}; correct it, or give --task classify")
    if looks.startswith("numbers") and (sign := describe_first_text(y, _may_be_a_class)):
        raise BadInput(
            f"{path}, column {target!r}: it holds numbers, but for {sign}; leave such cells empty if nothing is known "
            "there, or give --task classify"
        )
    return (
        [f"the classes of {target!r} look like {looks}; if that is a slip, correct it"]
        if looks.startswith("numbers")
        else []
    )


def _may_be_a_class(text: str) -> bool:
    """Whether a text has a letter or digit, and is no missing value of Stata or SAS."""
    return any(map(str.isalnum, text)) and not re.fullmatch(r"\.[A-Za-z_]", text)


def parse_target(y: "np.ndarray", task: str) -> "np.ndarray":
    """Convert a target to numbers, or to classes: whole numbers if written as such, otherwise texts.

    With the task "auto", few different numbers, and numbers that are all written like codes, are classes.
    """
    from deltarule.data.numeric_tables import looks_like_classes
    from deltarule.tables.cell_parsing import WHOLE_AS_WRITTEN
    from deltarule.tables.column_parsers import numbers_in

    numbers = numbers_in(y)
    if numbers.dtype.kind == "O" or task == "regress":
        return numbers
    if task == "auto" and not looks_like_classes(numbers):
        return y if _find_codes(y)[1] else numbers
    is_whole = (numbers == numbers.round()).all() and abs(numbers).max() < 2**53
    if y.dtype.kind == "O":  # 01 and 1 are two classes, and 1.50 is not called 1.5
        texts = set(y.tolist())
        is_whole = is_whole and len(texts) == len(set(numbers.tolist())) and all(map(WHOLE_AS_WRITTEN.fullmatch, texts))
    return numbers.astype(int) if is_whole else y


def _note_on_codes(y: "np.ndarray", target: str) -> list[str]:
    """A list with a note if many whole numbers are written like codes, e.g. 037, otherwise empty."""
    from deltarule.tables.cell_parsing import shorten_repr

    code, are_classes = _find_codes(y)
    interpretation, alternative = (
        ("classes", "amounts, say --task regress") if are_classes else ("numbers", "classes, say --task classify")
    )
    return [
        f"the cells of {shorten_repr(target)} are written like codes, {shorten_repr(code)}, and are taken for "
        f"{interpretation}; if they are {alternative}"
    ] * bool(code)


def _find_codes(y: "np.ndarray") -> tuple[str, bool]:
    """A number with a leading zero among many whole numbers ("" if there is none), and whether all are classes.

    They are classes if all have the same length, enough have leading zeros, each occurs twice on average, and those
    that occur once are few enough to be left out.
    """
    from deltarule.data.numeric_tables import looks_like_classes
    from deltarule.estimators.tabular.tabular import MAX_SINGLE_ROW_SHARE
    from deltarule.tables.cell_parsing import WHOLE
    from deltarule.tables.column_parsers import numbers_in

    texts = y.tolist() if y.dtype.kind == "O" else []
    codes = [text for text in texts if LEADING_ZEROS.fullmatch(text)]
    if not codes or not all(map(WHOLE.fullmatch, texts)) or looks_like_classes(numbers_in(y)):
        return "", False
    counts = list(Counter(texts).values())
    are_frequent = len(counts) <= len(texts) // 2 and counts.count(1) <= MAX_SINGLE_ROW_SHARE * len(texts)
    are_alike = len({*map(len, texts)}) == 1 and all(map(str.isdecimal, texts))
    # Share with a leading zero from which all are codes; fewer may be typing errors among amounts.
    return codes[0], are_frequent and are_alike and len(codes) >= 0.05 * len(texts)


@contextmanager
def collect_warnings(notes: list[str]) -> Iterator[None]:
    """Append the different UserWarnings of the code within to `notes` instead of printing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    texts = [str(one.message).rstrip(".") for one in caught if issubclass(one.category, UserWarning)]
    notes += [text for text in dict.fromkeys(texts) if text not in notes]


def print_notes(notes: list[str], to_errors: bool = False) -> None:
    """Print each note as a sentence, to stdout or stderr."""
    screen = console(to_errors)
    for note in notes:  # wrapped on a terminal, otherwise a line each
        screen.print(f"Note: {note}.", markup=False, soft_wrap=not is_watched(screen))


def print_pairs(names_with_texts: list[tuple[str, str]]) -> None:
    """Print names with their texts, wrapped on a terminal, otherwise a line each."""
    screen = console()
    if is_watched(screen):
        screen.print(pairs(names_with_texts))
        return
    width = max(len(name) for name, _ in names_with_texts) + 2
    for name, text in names_with_texts:
        screen.print(f"{name:{width}}{text}", markup=False, soft_wrap=True)
