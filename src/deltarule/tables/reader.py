"""Read tables from text files, Excel's workbooks and Parquet files.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import bz2
import csv
import gzip
import io
import lzma
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from deltarule.errors import BadInput, count_of, not_installed
from deltarule.files import check_is_file
from deltarule.tables.cell_texts import MISSING, are_codes, as_text, list_names, shorten_repr
from deltarule.tables.dates import are_dates
from deltarule.tables.diagnostics import Diagnostic, render_diagnostics
from deltarule.tables.frame import Frame, count_rows, frame_of, select_rows
from deltarule.tables.number_forms import (
    NumberForm,
    ParsedNumbers,
    has_number_form,
    is_number,
    may_be_thousands,
    parse_numbers,
)

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
GUESSED_DELIMITERS = ",;\t|"
ESCAPED_DELIMITERS = {"\\t": "\t", "tab": "\t"}
"""A tab as one writes it in a shell."""
ENCODINGS_BY_MARK = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SAMPLE_CHARACTERS, SAMPLE_LINES = 100_000, 100
END = "\0\0"
"""A last line, which is part of another where a quotation mark is open."""
MISSING_WORDS = frozenset("- -- – . n.a. n.a na nil none missing unknown #div/0! #value! #ref! #name?".split())
"""Texts that stand for missing values in a column of numbers, besides those that always do."""


@dataclass(frozen=True)
class TextFormat:
    """How a file's text is to be read; what is not said is guessed, with a warning.

    sep        what separates columns, default a comma, or a tab in .tsv and .tab files
    decimal    the decimal point, default a point, or a comma where a point separates thousands
    thousands  what separates thousands
    encoding   default UTF-8, or UTF-16 with its mark; what is neither is taken for cp1252
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.thousands and self.thousands == self.decimal:
            raise BadInput(f"--thousands and --decimal are both {self.decimal!r}; give two different characters")
        for name in ("sep", "decimal", "thousands"):
            value = getattr(self, name)
            if value and len(ESCAPED_DELIMITERS.get(value, value)) != 1:
                raise BadInput(f"--{name} is {value!r}, which is more than one character; give a single one")


class Line(NamedTuple):
    """The cells of a record, and the line of the file at which it ends."""

    number: int
    cells: list[str]


def read_frame(
    path: str | Path,
    categories: Collection[str] = (),
    text_format: TextFormat | None = None,
    has_header: bool = True,
    *,
    forms: Mapping[str, NumberForm | None] = MappingProxyType({}),
    classes: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Frame:
    """Read a table from a file, or from the standard input if the path is "-".

    Columns named in `categories` stay texts. Others become numbers if all cells are numbers in one form
    (`number_forms`) or missing, and are no codes. Whatever is guessed is warned of. Without a header the columns are
    called "column 1" and so on. `forms` are those that a model knows; `classes` has the name of a target, whose texts
    such as None are classes if they are known, or like the others.
    """
    path = Path(path)
    text_format = text_format or TextFormat()
    ending = path.suffix.lower()
    if str(path) != "-":
        check_is_file(path, "a CSV, TSV, Excel or Parquet file")
    if ending == ".parquet":
        return _read_parquet(path)
    if ending in (".xlsx", ".xlsm"):
        lines = _read_workbook(path)
    else:
        lines = _split_text(path, _decode(path, _read_bytes(path), text_format.encoding), text_format.sep)
    if not has_header and lines:
        lines = [Line(0, [f"column {number}" for number in range(1, 1 + len(lines[0].cells))]), *lines]
    names, rows = _find_names(path, lines)
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    frame = Frame()
    diagnostics = []
    for name, cells in zip(names, columns, strict=True):
        texts = [text.strip() for text in cells]
        kept = _classes_like_missing(texts, classes[name]) if name in classes else frozenset()
        diagnostics += [Diagnostic("class-like-missing", name, {"name": shorten_repr(each)}) for each in sorted(kept)]
        texts = ["" if text in MISSING and text not in kept else text for text in texts]
        if name in categories or kept or are_codes(texts):
            frame[name] = np.array(texts, object)
            continue
        parsed, found = _parse_column(name, texts, text_format, forms.get(name))
        frame[name] = np.array(texts, object) if parsed is None else parsed.numbers
        diagnostics += found
        if parsed is not None:
            frame.forms[name] = parsed.form
    for sentence in render_diagnostics(diagnostics):
        warnings.warn(sentence, stacklevel=2)
    return frame


def _read_parquet(path: Path) -> Frame:
    import pandas as pd

    _require("pyarrow.parquet", "Parquet", "frames")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, TypeError, OverflowError) as error:  # PyArrow's own errors are among them
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error
    return frame_of(table)


def _read_workbook(path: Path) -> list[Line]:
    """The cells of the first sheet as texts."""
    import pandas as pd

    _require("openpyxl", "a workbook of Excel", "excel")
    try:
        with pd.ExcelFile(path) as book:
            sheet = pd.read_excel(book, header=None, dtype=object, na_filter=False)
            first, *others = book.sheet_names
    except Exception as error:  # a damaged one raises a dozen kinds, from zipfile to XML
        raise BadInput(f"{path} is no workbook of Excel, or damaged; save the table as CSV") from error
    if others:
        warnings.warn(f"{path}: of its {1 + len(others)} sheets the first, {first!r}, is read", stacklevel=3)
    rows = [[as_text(cell) for cell in row] for row in sheet.itertuples(index=False)]
    return [Line(number, row) for number, row in enumerate(rows, 1) if any(row)]


def _require(module: str, feature: str, extra: str) -> None:
    """Import what pandas needs, whose own message names two libraries and pip."""
    try:
        import_module(module)
    except ImportError as error:
        raise not_installed(feature, module.partition(".")[0], extra, error) from None


# --- text ------------------------------------------------------------------------------------------------------------


def _read_bytes(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                if len(archive.namelist()) != 1:
                    raise BadInput(f"{path} holds {count_of(len(archive.namelist()), 'file')}; name the table itself")
                return archive.read(archive.namelist()[0])
        openers: dict[str, Callable[..., io.BufferedIOBase]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
        with openers.get(path.suffix.lower(), open)(path, "rb") as file:
            return file.read()
    except (OSError, EOFError, RuntimeError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path} cannot be read: {str(error).strip()}") from error


def _decode(path: Path, content: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in ENCODINGS_BY_MARK.items() if content.startswith(mark)), "utf-8")
    for each in (encoding,) if encoding else (marked, "cp1252"):
        try:
            text = content.decode(each)
        except LookupError as error:
            raise BadInput(f"--encoding {encoding} is unknown; give one that Python knows, such as utf-16") from error
        except UnicodeDecodeError:
            continue
        if each == "cp1252" and not encoding:
            if "\0" in text:
                break
            warnings.warn(f"{path} is not text in UTF-8 and is read as cp1252; else say its --encoding", stacklevel=3)
        return text
    raise BadInput(f"{path} is not text in {encoding or 'UTF-8'}; save the table as CSV, or say another --encoding")


def _split_text(path: Path, text: str, sep: str | None) -> list[Line]:
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:  # as Excel writes it
        text = f"\n{rest}"
        sep = sep or first[4]
    default = DELIMITERS.get(path.suffix.lower(), ",")
    guess = _guess_delimiter(text[:SAMPLE_CHARACTERS], default)
    if sep is not None:
        chosen = ESCAPED_DELIMITERS.get(sep, sep)
        header = next((line for line in text.splitlines() if line), "")
        if guess != chosen and chosen not in header and guess in header:
            raise BadInput(f"{path} has no {chosen!r} in its first line, but {guess!r}; say --sep {guess!r}")
    else:
        chosen = guess
        if chosen != default:
            warnings.warn(f"{path} has columns separated by {chosen!r}, not {default!r}", stacklevel=3)
    *lines, last = _records(chain(io.StringIO(text, newline=""), [END]), chosen)
    if last.cells != [END]:
        after = f" after line {lines[-1].number}" if lines else ""
        raise BadInput(f"{path} has a quotation mark{after} that is never closed; close or remove it")
    return lines


def _records(text: Iterable[str], delimiter: str) -> list[Line]:
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    try:
        # A line of blanks is no row, however many columns there are.
        return [Line(reader.line_num, cells) for cells in reader if len(cells) > 1 or (cells and cells[0].strip())]
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num} of the table cannot be read: {error}") from error


def _guess_delimiter(sample: str, default: str) -> str:
    """The delimiter that splits most lines alike, into the most cells, and numbers."""

    def fit(delimiter: str) -> tuple[float, int, int, bool]:
        lines = _records(io.StringIO(sample, newline=""), delimiter)
        widths = Counter(len(line.cells) for line in lines[:-1] or lines)  # the last line may be cut
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        numbers = sum(has_number_form(cell.strip()) for line in lines[:SAMPLE_LINES] for cell in line.cells)
        return (count / widths.total() if width > 1 else 0.0), width, numbers, delimiter == default

    fits = {delimiter: fit(delimiter) for delimiter in dict.fromkeys([default, *GUESSED_DELIMITERS])}
    best = max(fits, key=lambda delimiter: fits[delimiter])
    if fits[best][0] == 0:  # nothing splits: by blanks, if they split every line alike
        return " " if fit(" ")[0] == 1 else default
    return best


def _find_names(path: Path, lines: list[Line]) -> tuple[list[str], list[list[str]]]:
    if not lines:
        raise BadInput(f"{path} is empty; give a table whose first line names its columns")
    usual = Counter(len(line.cells) for line in lines).most_common(1)[0][0]
    # A title has a single cell. A comment may have commas.
    start = next(
        index
        for index, (_, cells) in enumerate(lines)
        if len(cells) == usual or (sum(map(bool, cells)) > 1 and not cells[0].startswith("#"))
    )
    if start:
        above = shorten_repr(" ".join(lines[0].cells))
        warnings.warn(f"{path}: what is above the names of the columns is left out, as {above}", stacklevel=3)
    header = [cell.strip() for cell in lines[start].cells]
    names = [name or f"Unnamed: {index}" for index, name in enumerate(header)]  # as pandas calls it
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise BadInput(f"{path}: several columns are named {shorten_repr(repeated[0])}; give each one name")
    rows = []
    for number, cells in lines[start + 1 :]:
        if any(cells[len(names) :]):
            raise BadInput(
                f"{path}, line {number}: {len(cells)} cells, but {len(names)} names; add some or quote cells"
            )
        rows.append(cells[: len(names)] + [""] * (len(names) - len(cells)))
    return names, rows


def _classes_like_missing(texts: list[str], known: Collection[str]) -> frozenset[str]:
    """The texts of a target that mean missing elsewhere, but are classes here: known ones, or like the others.

    None is a class beside texts (Mild, Severe). NA is one among codes (EU, AS), and missing beside yes and no.
    """
    candidates = {text for text in texts if text} & MISSING
    if known:
        return frozenset(candidates & {*known})
    others = {text for text in texts if text} - MISSING
    if not candidates or not others or any(map(has_number_form, others)) or are_dates([*others]):
        return frozenset()
    are_short_codes = all(text.isalpha() and text.isupper() and len(text) <= 3 for text in others)
    return frozenset(candidates & {"None", *(["NA"] if are_short_codes else [])})


def _parse_column(
    name: str, texts: list[str], text_format: TextFormat, expected: NumberForm | None
) -> tuple[ParsedNumbers | None, list[Diagnostic]]:
    known = expected or NumberForm()
    decimal = text_format.decimal or ("," if text_format.thousands == "." else known.decimal)
    thousands = text_format.thousands or known.thousands
    parse = partial(parse_numbers, decimal=decimal, thousands=thousands, expected=expected)
    if decimal != "." and not text_format.decimal and not text_format.thousands and parse(texts) is None:
        parse = partial(parse_numbers, expected=expected)  # this file has points
    diagnostics = []
    parsed = parse(texts)
    if parsed is None:
        missing = {text for text in texts if text.lower() in MISSING_WORDS}
        without = ["" if text in missing else text for text in texts]
        parsed = parse(without) if missing and any(without) else None
        if parsed is None:
            return None, []
        diagnostics.append(Diagnostic("missing-text", name, {"example": shorten_repr(min(missing))}))
    if parsed.example and not thousands and parsed.form != expected:
        number = f"{parsed.numbers[texts.index(parsed.example)]:.10g}"
        diagnostics.append(Diagnostic("number-form", name, {"example": shorten_repr(parsed.example), "number": number}))
    elif text_format.decimal is None and decimal == "." and may_be_thousands(texts):
        example = next(text for text in texts if "." in text)
        diagnostics.append(Diagnostic("thousands", name, {"example": shorten_repr(example)}))
    return parsed, diagnostics


def read_with_target(
    path: str | Path,
    target: str,
    categories: Collection[str] = (),
    text_format: TextFormat | None = None,
    *,
    forms: Mapping[str, NumberForm | None] = MappingProxyType({}),
    classes: Collection[str] = (),
) -> tuple[Frame, np.ndarray, list[str]]:
    """A table without its target, the target, and notes on rows left out without one."""
    frame = read_frame(path, categories, text_format, forms=forms, classes={target: classes})
    if target not in frame:
        hint = "; is its first line a row? Then add one with names" if any(map(is_number, frame)) else ""
        raise BadInput(f"{path} has no column {target!r}; it has: {list_names(list(frame))}{hint}")
    if len(frame) == 1:
        raise BadInput(f"{path} has only the target column {target!r}; add the columns to predict it from")
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
