"""Helpers of the commands for tables (train, predict, evaluate)."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.terminal import console, is_watched
from deltarule.errors import BadInput, count_of
from deltarule.reports.terminal_layout import pairs

if TYPE_CHECKING:
    import numpy as np

    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.tables.frame import Frame

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file that `deltarule train --out` wrote.")]


Separator = Annotated[
    str | None,
    typer.Option("--sep", metavar="CHARACTER", help="What separates the columns of the file, if not commas or tabs."),
]
Decimal = Annotated[
    str, typer.Option("--decimal", metavar="CHARACTER", help="Decimal point of the numbers in the file.")
]


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
    """A predicate that accepts the names of columns that a model uses."""
    from deltarule.tables.column_encoder import used_columns

    if not hasattr(model, "feature_names_in_"):
        return None
    return used_columns(model.columns_).__contains__


def read_with_target(
    path: Path,
    target: str,
    categories: Collection[str] = (),
    is_used: Callable[[str], bool] | None = None,
    needed_columns: Sequence[str] = (),
    sep: str | None = None,
    decimal: str = ".",
) -> "tuple[Frame, np.ndarray, list[str]]":
    """Read a table and split off its target.

    Columns in `categories` stay texts; columns that `is_used` rejects are not read; a model uses `needed_columns`.
    """
    from deltarule.tables.cell_parsing import list_names
    from deltarule.tables.diagnostics import Diagnostic, render_diagnostics
    from deltarule.tables.frame import count_rows, select_rows
    from deltarule.tables.reader import read_frame

    frame = read_frame(path, categories, is_used and (lambda name: name == target or is_used(name)), sep, decimal)
    if target not in frame:
        raise BadInput(f"{path} has no column {target!r}; it has: {list_names(list(frame))}")
    if len(frame) == 1:
        needed = f": {list_names([repr(name) for name in needed_columns])}" if needed_columns else ""
        raise BadInput(f"{path} has only the target column {target!r}; add the columns to predict it from{needed}")
    rows = count_rows(frame)
    if not rows:
        raise BadInput(f"{path} has a header but no rows; add rows to it")
    y = frame.pop(target)
    is_known = y != "" if y.dtype.kind == "O" else y == y
    missing = int((~is_known).sum())
    if missing == rows:
        raise BadInput(f"{path} has no row with a {target!r}; add rows whose target is known")
    if not missing:
        return frame, y, []
    diagnostic = Diagnostic("target-missing", target, {"missing": f"{missing:,}", "rows": count_of(rows, "row")})
    return select_rows(frame, is_known), y[is_known], render_diagnostics([diagnostic])


@contextmanager
def collect_warnings(notes: list[str]) -> Iterator[None]:
    """Append the UserWarnings of the code within to `notes`."""
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
