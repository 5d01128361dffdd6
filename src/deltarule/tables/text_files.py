"""The lines and cells of tables in text files: their encoding, what separates columns, and the columns' names."""

import bz2
import csv
import gzip
import io
import lzma
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from deltarule.errors import BadInput, count_of
from deltarule.tables.cell_texts import shorten_repr
from deltarule.tables.number_forms import has_number_form

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
GUESSED_DELIMITERS = ",;\t|"
ESCAPED_DELIMITERS = {"\\t": "\t", "tab": "\t"}
"""A tab as one writes it in a shell."""
ENCODINGS_BY_MARK = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SAMPLE_CHARACTERS, SAMPLE_LINES = 100_000, 100
END = "\0\0"
"""A last line, which is part of another where a quotation mark is open."""


class Line(NamedTuple):
    """The cells of a record, and the line of the file at which it ends."""

    number: int
    cells: list[str]


def read_content(path: Path) -> bytes:
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


def decode_text(path: Path, content: bytes, encoding: str | None) -> str:
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
            warnings.warn(f"{path} is not text in UTF-8 and is read as cp1252; else say its --encoding", stacklevel=4)
        return text
    raise BadInput(f"{path} is not text in {encoding or 'UTF-8'}; save the table as CSV, or say another --encoding")


def split_text(path: Path, text: str, sep: str | None) -> list[Line]:
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
            warnings.warn(f"{path} has columns separated by {chosen!r}, not {default!r}", stacklevel=4)
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


def find_names(path: Path, lines: list[Line]) -> tuple[list[str], list[list[str]]]:
    if not lines:
        raise BadInput(f"{path} is empty; give a table whose first line names its columns")
    start = _header_index(lines)
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


def _header_index(lines: list[Line]) -> int:
    """The index of the line with the columns' names: a title above it has a single cell, a comment may have commas."""
    usual = Counter(len(line.cells) for line in lines).most_common(1)[0][0]
    return next(
        index
        for index, (_, cells) in enumerate(lines)
        if len(cells) == usual or (sum(map(bool, cells)) > 1 and not cells[0].startswith("#"))
    )
