"""Shared by the commands for tables: read a table and a model, interpret the target, print notes."""

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
from deltarule.files import kind_of
from deltarule.reports.terminal_layout import pairs

if TYPE_CHECKING:
    import numpy as np

    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.tables.frame import Frame

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file that `deltarule train --out` wrote.")]


WITH_ZEROS = re.compile(r"0\d+")
"""A whole number with leading zeros, as codes are written."""


def chosen_model(path: Path) -> "TabularClassifier | TabularRegressor":
    """Load a table model from a file."""
    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor

    if kind_of(path) == "folder":
        raise BadInput(f"{path} is a folder; name a model's file in it")
    model = load_model(path)
    if not isinstance(model, TabularClassifier | TabularRegressor):
        raise BadInput(f"{path} holds an {type(model).__name__}, which takes no tables; make one with deltarule train")
    return model


def columns_used(model: "TabularClassifier | TabularRegressor") -> Callable[[str], bool] | None:
    """Predicate for the columns that a model uses, by name; None if it takes columns by position."""
    from deltarule.tables.column_encoder import used_columns

    if not hasattr(model, "feature_names_in_"):
        return None
    return used_columns(model.columns_).__contains__


def with_target(
    path: Path,
    target: str,
    task: str,
    names: Sequence[str] = (),
    is_used: Callable[[str], bool] | None = None,
    classes: Collection[str] | None = None,
    needed: Sequence[str] = (),
) -> "tuple[Frame, np.ndarray, list[str]]":
    """Read a table and split off its target; rows without a target are dropped, with a note.

    Columns in `names`, and a target that may be classes, are kept as written; columns that `is_used` rejects are not
    read. `classes` are those that a model knows, `needed` the columns that it uses.
    """
    from deltarule.tables.cell_parsing import PERHAPS_CLASSES, list_names
    from deltarule.tables.column_parsers import numbers_in
    from deltarule.tables.frame import count_rows, select_rows
    from deltarule.tables.reader import read_frame

    frame = read_frame(
        path,
        names if task == "regress" else [*names, target],
        is_used and (lambda name: name == target or is_used(name)),
        as_written=[target],
    )
    if target not in frame:
        raise BadInput(f"{path} has no column {target!r}; it has: {list_names(list(frame))}")
    if len(frame) == 1:
        which = f": {list_names([repr(name) for name in needed])}" if needed else ""
        raise BadInput(f"{path} has only the target column {target!r}; add the columns to predict it from{which}")
    if not count_rows(frame):
        raise BadInput(f"{path} has a header but no rows; add rows to it")
    written = frame.pop(target)
    y = _target_as_written(path, written, task, classes)
    notes = _check_target(path, target, y, task)
    numbers = y if PERHAPS_CLASSES & {*y.tolist()} else numbers_in(y)
    known = y != "" if numbers.dtype.kind == "O" else numbers == numbers
    gaps = int((~known).sum())
    if gaps == len(y):
        raise BadInput(f"{path} has no row with a {target!r}; add rows whose target is known")
    missing_texts = sorted({repr(one) for one in written[~known].tolist() if isinstance(one, str) and one})
    why = f", which {', '.join(missing_texts)} is taken to say," if missing_texts else ""
    if gaps:
        have, were = ("has", "was") if gaps == 1 else ("have", "were")
        notes.append(f"{gaps:,} of {count_rows(frame):,} rows {have} no {target!r}{why} and {were} passed over")
    y = (numbers if task == "regress" else y)[known]
    return select_rows(frame, known), y, notes + (_note_on_codes(y, target) if task == "auto" else [])


def _target_as_written(path: Path, written: "np.ndarray", task: str, classes: Collection[str] | None) -> "np.ndarray":
    """The target with decimal points for commas, for regression as plain numbers, and empty texts for missing values.

    Classes that the model knows are kept as written. A text such as "none" is a class if the model knows it or, before
    there is a model, if the other values are names.
    """
    import numpy as np

    from deltarule.tables.cell_diagnosis import diagnose_texts
    from deltarule.tables.cell_parsing import MISSING, PERHAPS_CLASSES, strip_missing
    from deltarule.tables.column_parsers import DECIMAL_COMMAS, PARSERS, as_plain_numbers, numbers_in
    from deltarule.tables.reader import takes_commas

    if written.dtype.kind != "O":
        return written
    y = np.array([strip_missing(text) for text in written.tolist()], object)
    parsers = PARSERS if task == "regress" else (DECIMAL_COMMAS,)  # a class is not called otherwise than it is written
    y = as_plain_numbers(y, [one for one in parsers if one is not DECIMAL_COMMAS or takes_commas(path)])
    if task == "regress" or (classes is None and (numbers_in(y).dtype.kind != "O" or diagnose_texts(y))):
        return y
    named = PERHAPS_CLASSES if classes is None else {*classes} - (MISSING - PERHAPS_CLASSES)
    return np.array([text if text in named else one for text, one in zip(written, y, strict=True)], object)


def _check_target(path: Path, target: str, y: "np.ndarray", task: str) -> list[str]:
    """Refuse texts among numbers, which are probably mistakes; return notes about doubtful classes.

    Among a few classes that are numbers a name may be a class, which is reported. A sign alone is none, such as the
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
    return any(map(str.isalnum, text)) and not re.fullmatch(r"\.[A-Za-z_]", text)


def as_learned(y: "np.ndarray", task: str) -> "np.ndarray":
    """Convert a target to numbers or classes: whole numbers if written as such, otherwise the texts.

    If either is possible, few different numbers, and numbers that are all written like codes, are classes.
    """
    from deltarule.data.numeric_tables import looks_like_classes
    from deltarule.tables.cell_parsing import WHOLE_AS_WRITTEN
    from deltarule.tables.column_parsers import numbers_in

    numbers = numbers_in(y)
    if numbers.dtype.kind == "O" or task == "regress":
        return numbers
    if task == "auto" and not looks_like_classes(numbers):
        return y if _codes(y)[1] else numbers
    is_whole = (numbers == numbers.round()).all() and abs(numbers).max() < 2**53
    if y.dtype.kind == "O":  # 01 and 1 are two classes, and 1.50 is not called 1.5
        texts = set(y.tolist())
        is_whole = is_whole and len(texts) == len(set(numbers.tolist())) and all(map(WHOLE_AS_WRITTEN.fullmatch, texts))
    return numbers.astype(int) if is_whole else y


def _note_on_codes(y: "np.ndarray", target: str) -> list[str]:
    """A note if many whole numbers are written like codes, e.g. 037."""
    from deltarule.tables.cell_parsing import shorten_repr

    code, are_classes = _codes(y)
    taken, other = (
        ("classes", "amounts, say --task regress") if are_classes else ("numbers", "classes, say --task classify")
    )
    return [
        f"the cells of {shorten_repr(target)} are written like codes, {shorten_repr(code)}, and are taken for {taken}; "
        f"if they are {other}"
    ] * bool(code)


def _codes(y: "np.ndarray") -> tuple[str, bool]:
    """A code among many whole numbers ("" if there is none), and whether the numbers are classes.

    They are if all have the same length, enough have leading zeros, each occurs twice on average, and those that occur
    once are few enough to be left out.
    """
    from deltarule.data.numeric_tables import looks_like_classes
    from deltarule.estimators.tabular.tabular import MAX_SINGLE_ROW_SHARE
    from deltarule.tables.cell_parsing import WHOLE
    from deltarule.tables.column_parsers import numbers_in

    texts = y.tolist() if y.dtype.kind == "O" else []
    codes = [text for text in texts if WITH_ZEROS.fullmatch(text)]
    if not codes or not all(map(WHOLE.fullmatch, texts)) or looks_like_classes(numbers_in(y)):
        return "", False
    times = list(Counter(texts).values())
    is_learned = len(times) <= len(texts) // 2 and times.count(1) <= MAX_SINGLE_ROW_SHARE * len(texts)
    is_written = len({*map(len, texts)}) == 1 and all(map(str.isdecimal, texts))
    # Share with a leading zero from which all are codes; fewer may be typing errors among amounts.
    return codes[0], is_learned and is_written and len(codes) >= 0.05 * len(texts)


@contextmanager
def collect_warnings(notes: list[str]) -> Iterator[None]:
    """Append warnings to `notes` instead of printing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    texts = [str(one.message).rstrip(".") for one in caught if issubclass(one.category, UserWarning)]
    notes += [text for text in dict.fromkeys(texts) if text not in notes]


def print_notes(notes: list[str], to_errors: bool = False) -> None:
    """Print notes."""
    screen = console(to_errors)
    for note in notes:  # wrapped on a terminal, otherwise a line each
        screen.print(f"Note: {note}.", markup=False, soft_wrap=not is_watched(screen))


def show_lines(lines: list[tuple[str, str]]) -> None:
    """Print pairs of names and texts, wrapped on a terminal, otherwise a line each."""
    screen = console()
    if is_watched(screen):
        screen.print(pairs(lines))
        return
    width = max(len(name) for name, _ in lines) + 2
    for name, text in lines:
        screen.print(f"{name:{width}}{text}", markup=False, soft_wrap=True)
