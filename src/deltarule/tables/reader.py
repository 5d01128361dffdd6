"""Read tables from text files, Excel's workbooks and Parquet files.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import io
import warnings
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

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
from deltarule.tables.table_lines import find_names
from deltarule.tables.text_files import (
    ESCAPED_DELIMITERS,
    Line,
    decode_text,
    lines_of_json,
    read_content,
    refuse_other_formats,
    split_text,
)

TABLE_FILE = "a CSV, TSV, JSON, Excel or Parquet file"
MISSING_WORDS = frozenset(
    r"- -- – . n.a. n.a na n/v k.a. nil (null) \n none missing unknown #div/0! #value! #ref! #name?".split()
)
"""Texts that stand for missing values in a column of numbers, besides those that always do."""


@dataclass(frozen=True)
class TextFormat:
    """How a file's text is to be read; what is not said is guessed, with a warning.

    sep        what separates columns, default a comma, or a tab in .tsv and .tab files
    decimal    the decimal point, default a point, or a comma where a point separates thousands
    thousands  what separates thousands
    encoding   default UTF-8, or UTF-16 with its mark; what is neither is guessed
    sheet      of a workbook the sheet's name, or its number from 1; default the first
    skip       how many lines above the names of the columns are left out; default what looks like a title
    missing    texts that stand for missing values, each with its column, or "" for all columns
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    skip: int | None = None
    missing: Collection[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        if self.thousands and self.thousands == self.decimal:
            raise BadInput(f"--thousands and --decimal are both {self.decimal!r}; give two different characters")
        for name in ("sep", "decimal", "thousands"):
            value = getattr(self, name)
            if value and len(ESCAPED_DELIMITERS.get(value, value)) != 1:
                raise BadInput(f"--{name} is {value!r}, which is more than one character; give a single one")

    def refuse_lines_and_sheets(self, path: Path, kind: str) -> None:
        """Refuse options that choose a sheet or lines of a file that has neither."""
        for name in ("sheet", "skip"):
            if (value := getattr(self, name)) is not None:
                raise BadInput(f"--{name} is {value}, but {path} is {kind}, which has none; leave out --{name}")


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
    if path.suffix.lower() == ".parquet":
        text_format.refuse_lines_and_sheets(path, "a Parquet file")
        return _read_parquet(path)
    lines = _read_lines(path, text_format, has_header)
    names, rows = find_names(path, lines, guess_title=text_format.skip is None)
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    frame = Frame()
    diagnostics = []
    for name, cells in zip(names, columns, strict=True):
        texts = [text.strip() for text in cells]
        kept = _classes_like_missing(texts, classes.get(name))
        diagnostics += [Diagnostic("class-like-missing", name, {"name": shorten_repr(each)}) for each in sorted(kept)]
        missing = (MISSING - kept) | {code for column, code in text_format.missing if column in ("", name)}
        texts = ["" if text in missing else text for text in texts]
        parsed = None
        if name not in categories and not kept and not are_codes(texts):
            parsed, doubts = _parse_column(name, texts, text_format, forms.get(name))
            diagnostics += doubts
        if parsed is None:
            frame[name] = np.array(texts, object)
        else:
            frame[name] = parsed.numbers
            frame.forms[name] = parsed.form
            if parsed.example:
                frame.written[name] = np.array(texts, object)
    for sentence in render_diagnostics(diagnostics):
        warnings.warn(sentence, stacklevel=2)
    return frame


def _read_lines(path: Path, text_format: TextFormat, has_header: bool) -> list[Line]:
    """The lines of a text file or workbook, with names of columns."""
    if str(path) != "-":
        check_is_file(path, TABLE_FILE)
    content = read_content(path)
    refuse_other_formats(path, content)
    if path.suffix.lower() in (".xlsx", ".xlsm") or content.startswith(b"PK\x03\x04"):
        lines = _read_workbook(path, content, text_format.sheet)
    else:
        text = decode_text(path, content, text_format.encoding)
        if lines := lines_of_json(path, text):
            text_format.refuse_lines_and_sheets(path, "JSON")
            return lines
        if text_format.sheet is not None:
            raise BadInput(f"--sheet is {text_format.sheet}, but {path} is no workbook of Excel; leave out --sheet")
        lines = split_text(path, text, text_format.sep, text_format.skip or 0)
    if text_format.skip:
        lines = [line for line in lines if line.number > text_format.skip]
    if not has_header and lines:
        lines = [Line(0, [f"column {number}" for number in range(1, 1 + len(lines[0].cells))]), *lines]
    return lines


def _read_parquet(path: Path) -> Frame:
    """Report a damaged file, whatever PyArrow raises, as bad input."""
    import pandas as pd

    check_is_file(path, TABLE_FILE)
    _require("pyarrow.parquet", "Parquet", "frames")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, TypeError, OverflowError) as error:  # PyArrow's own errors are among them
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error
    return frame_of(table)


def _read_workbook(path: Path, content: bytes, sheet: str | None) -> list[Line]:
    """The cells of one sheet as texts."""
    import pandas as pd

    _require("openpyxl", "a workbook of Excel", "excel")
    try:
        with pd.ExcelFile(io.BytesIO(content)) as book:
            names = list(map(str, book.sheet_names))
            name = _choose_sheet(path, names, sheet)
            cells = pd.read_excel(book, sheet_name=name, header=None, dtype=object, na_filter=False)
            unknown = _cells_without_values(content, book.book[name])
    except BadInput:
        raise
    except Exception as error:  # a damaged one raises a dozen kinds, from zipfile to XML
        raise BadInput(f"{path} is no workbook of Excel, or damaged; save the table as CSV") from error
    if sheet is None and len(names) > 1:
        told = f"of its {len(names)} sheets the first, {name!r}, is read; --sheet chooses another"
        warnings.warn(f"{path}: {told}", stacklevel=4)
    if unknown:
        told = f"{count_of(len(unknown), 'formula')} without a stored value, as in {unknown[0]}"
        advice = "open it in Excel or LibreOffice and save it, or save it as CSV"
        warnings.warn(f"{path} has {told}, which count as missing; {advice}", stacklevel=4)
    rows = [[as_text(cell) for cell in row] for row in cells.itertuples(index=False)]
    return [Line(number, row) for number, row in enumerate(rows, 1) if any(row)]


def _choose_sheet(path: Path, names: list[str], sheet: str | None) -> str:
    """The sheet of this name or number."""
    if sheet is None or sheet in names:
        return sheet or names[0]
    if sheet.isdecimal() and 0 < int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise BadInput(f"--sheet is {sheet!r}, but {path} has the sheets {list_names(names)}; give a name or a number")


def _cells_without_values(content: bytes, values: Any) -> list[str]:
    """The cells of a sheet of openpyxl with a formula that no program has computed, such as C2."""
    from openpyxl import load_workbook

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        if not any(b"f>" in archive.read(part) for part in parts):  # to read all cells again takes time
            return []
    formulas = load_workbook(io.BytesIO(content), read_only=True)[values.title]
    formulas.reset_dimensions()  # as pandas does: a program may have written wrong ones
    pairs = zip(chain(*formulas.iter_rows()), chain(*values.iter_rows()), strict=True)
    # The type of a stored text that is empty is "str".
    return [
        formula.coordinate
        for formula, value in pairs
        if formula.data_type == "f" and value.value is None and value.data_type == "n"
    ]


def _require(module: str, feature: str, extra: str) -> None:
    """Import what pandas needs, whose own message names two libraries and pip."""
    try:
        import_module(module)
    except ImportError as error:
        raise not_installed(feature, module.partition(".")[0], extra, error) from None


def _classes_like_missing(texts: list[str], known: Collection[str] | None) -> frozenset[str]:
    """The texts of a target that mean missing elsewhere, but are classes here: known ones, or like the others.

    None is a class beside texts (Mild, Severe). NA is one among codes (EU, AS), and missing beside yes and no. For
    other columns `known` is None.
    """
    if known is None:
        return frozenset()
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
    decimal, thousands = _marks(text_format, expected or NumberForm(decimal=""))
    parse = partial(parse_numbers, decimal=decimal, thousands=thousands, expected=expected)
    is_declared = text_format.decimal or text_format.thousands
    if decimal not in ("", ".") and not is_declared and parse(texts) is None:
        parse = partial(parse_numbers, expected=expected)  # this file has points
    diagnostics = []
    parsed = parse(texts)
    if parsed is None:
        present, word = _without_missing_words(texts)
        parsed = parse(present) if word else None
        if parsed is None:
            return None, []
        diagnostics.append(Diagnostic("missing-text", name, {"example": shorten_repr(word)}))
    if parsed.form.thousands and not is_declared and parsed.form != expected:
        example = next(text for text in texts if "." in text)
        values = {"example": shorten_repr(example), "number": f"{parsed.numbers[texts.index(example)]:.10g}"}
        diagnostics.append(Diagnostic("points-between-thousands", name, values))
    elif parsed.example and not thousands and parsed.form != expected:
        number = f"{parsed.numbers[texts.index(parsed.example)]:.10g}"
        diagnostics.append(Diagnostic("number-form", name, {"example": shorten_repr(parsed.example), "number": number}))
    elif text_format.decimal is None and parsed.form.decimal == "." and may_be_thousands(texts):
        example = next(text for text in texts if "." in text)
        diagnostics.append(Diagnostic("thousands", name, {"example": shorten_repr(example)}))
    return parsed, diagnostics


def _marks(text_format: TextFormat, known: NumberForm) -> tuple[str, str]:
    """The decimal point and what separates thousands: as declared, else as in training."""
    decimal = text_format.decimal or ("," if text_format.thousands == "." else known.decimal)
    return decimal, text_format.thousands or known.thousands


def _without_missing_words(texts: list[str]) -> tuple[list[str], str]:
    """The texts with "" for words that stand for missing values, and such a word; "" unless there are others too."""
    words = {text for text in texts if text.lower() in MISSING_WORDS}
    present = ["" if text in words else text for text in texts]
    return present, min(words, default="") if any(present) else ""


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
