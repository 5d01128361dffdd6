"""The lines and cells of tables in text files: their encoding, and what separates columns."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import unicodedata
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from deltarule.errors import BadInput, count_of
from deltarule.tables.number_forms import has_number_form

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
GUESSED_DELIMITERS = ",;\t|"
ESCAPED_DELIMITERS = {"\\t": "\t", "tab": "\t"}
"""A tab as one writes it in a shell."""
ENCODINGS_BY_MARK = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SAMPLE_CHARACTERS, SAMPLE_LINES = 100_000, 100
OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel (.xls)",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database of SQLite",
    b"RDX": "a file of R",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<table": "an HTML page",
    b"<?xml": "an XML file",
}
"""What a file is that begins like this, in small letters."""
END = "\0\0"
"""A last line, which is part of another where a quotation mark is open."""


class Line(NamedTuple):
    """The cells of a record, and the line of the file at which it ends."""

    number: int
    cells: list[str]


def read_content(path: Path) -> bytes:
    """Read standard input for "-" and unpack gz, bz2, xz and zip archives of one file."""
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


def refuse_other_formats(path: Path, content: bytes) -> None:
    """Refuse what is no text and no workbook that can be read."""
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    format = next((name for mark, name in OTHER_FORMATS.items() if start.startswith(mark.lower())), None)
    if b"opendocument" in start:
        format = "a workbook of LibreOffice (.ods)"
    if format:
        raise BadInput(f"{path} is {format}; open it in the program that shows it, and save the table as CSV or .xlsx")


def decode_text(path: Path, content: bytes, encoding: str | None) -> str:
    """Use the given encoding, else the byte order mark's, else UTF-8, else a guess with a warning."""
    marked = next((name for mark, name in ENCODINGS_BY_MARK.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding or marked)
    except LookupError as error:
        raise BadInput(f"--encoding {encoding} is unknown; give one that Python knows, such as utf-16") from error
    except UnicodeDecodeError:
        guess = None if b"\0" in content else _guess_encoding(content)
    if encoding or not guess:
        hint = f", such as {guess}" if guess else ""
        raise BadInput(
            f"{path} is not text in {encoding or 'UTF-8'}; save the table as CSV, or say another --encoding{hint}"
        )
    warnings.warn(f"{path} is not text in UTF-8 and is read as {guess}; else say its --encoding", stacklevel=4)
    return content.decode(guess)


def _guess_encoding(content: bytes) -> str | None:
    """The likely encoding of a text that is not UTF-8: cp1252 for Latin letters, whose encodings differ little."""
    from charset_normalizer import from_bytes

    sample = content[:SAMPLE_CHARACTERS]
    alone = re.findall(rb"(?<![\x80-\xff])[\xc0-\xff](?![\x80-\xff])", sample)  # as accents in a word
    guesses = ["cp1252"]
    if 2 * len(alone) < len(re.findall(rb"[\x80-\xff]", sample)) and (best := from_bytes(sample).best()):
        letters = [letter for letter in str(best) if letter.isalpha() and letter > "\x7f"]
        are_latin = 2 * sum("LATIN" in unicodedata.name(letter, "") for letter in letters) > len(letters)
        guesses.insert(are_latin, best.encoding.replace("_", "-"))
    for encoding in guesses:
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return None


def lines_of_json(path: Path, text: str) -> list[Line]:
    """The lines of a table in JSON: an object for each row, in a list or in lines of their own; [] for other texts."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    read = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
    try:
        rows = read(text)
    except ValueError:
        try:
            rows = [read(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            rows = None
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        if rows is None and path.suffix.lower() not in (".json", ".jsonl", ".ndjson"):
            return []
        raise BadInput(f"{path} is JSON, but no table; write an object for each row, in a list or one on each line")
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = (names, *([_json_cell(row.get(name)) for name in names] for row in rows))
    return [Line(number, cells) for number, cells in enumerate(lines)]


def _json_cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | bool) else json.dumps(value)


def split_text(path: Path, text: str, sep: str | None, skip: int = 0) -> list[Line]:
    """The lines of a text below the first ones that are skipped."""
    # Blank lines in their place keep the numbers of the lines.
    text = "\n" * skip + "".join(io.StringIO(text).readlines()[skip:]) if skip else text
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
