"""The kinds of mistakes that the checker can name, and corrections of wrong code that were tried."""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A kind of mistake, with its likely fix.

    needs               the argument that is needed to name it, or ""
    is_factor           the gradient is a multiple of the right one
    describes_numbers   it describes the gradient's numbers, not the line of code that computes them
    wrong, right        lines with the mistake, and as they should be
    """

    meaning: str
    fix: str
    wrong: str
    right: str
    needs: str = ""
    is_factor: bool = False
    describes_numbers: bool = False


KINDS = {
    code: Kind(**kind)
    for code, kind in tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8")).items()
}


@dataclass(frozen=True)
class Mistake:
    """A mistake that explains a gradient, with its code and the likely fix."""

    code: str
    where: tuple[str, ...]
    sentence: str
    fix: str

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]


def make_mistake(code: str, where: Sequence[str], sentence: str) -> Mistake:
    return Mistake(code, tuple(where), sentence, KINDS[code].fix)


def join_names(names: Iterable[str], most: int = sys.maxsize) -> str:
    """Join names for a sentence, by commas and "and"; of more than `most`, the first ones."""
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def short_names(names: Iterable[str]) -> list[str]:
    """Names, those in a row that differ by one number alone as the first and the last of them."""
    short: list[str] = []
    for _, group in groupby(names, key=lambda name: re.sub(r"\d+", "#", name)):
        alike = list(group)
        short += alike if len(alike) < 4 else [f"{alike[0]} … {alike[-1]}"]
    return short


@dataclass(frozen=True)
class LineChange:
    """A line as it stands, and as it should be; `new` is empty for a line to remove."""

    line: int
    old: str
    new: str


@dataclass(frozen=True)
class Correction:
    """The lines to change, with what the first of them is meant to compute.

    file      the path of the program
    changes   the lines to change; none if only the line of the mistake is known
    line      the line of the mistake
    code      what stands there
    meaning   what it is meant to be, as "the gradient of h (line 14)"; or ""
    proof     what holds with the correction, as "with it all 5 arrays are right"; or why there is none
    kind      the code of the mistake in `kinds.toml`, read off the correction; or ""
    others    other corrections of one line that are right too
    """

    file: str
    line: int
    code: str
    changes: tuple[LineChange, ...] = ()
    meaning: str = ""
    proof: str = ""
    kind: str = ""
    others: tuple[LineChange, ...] = ()

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield (label, text) of the report; the text is code or a sentence."""
        yield f"line {self.line}", self.code
        if self.meaning:
            yield "", f"is meant to be {self.meaning}"
        for change in self.changes:
            label = "try" if change.line == self.line else f"and line {change.line}"
            yield label, change.new or f"remove line {change.line}"
        if self.proof:
            yield "", self.proof

    @property
    def code_rows(self) -> set[str]:
        """The rows that are code, which is never wrapped."""
        return {self.code, *(change.new for change in self.changes)}

    @property
    def sentence(self) -> str:
        """The correction in one line, for an exception."""
        return "; ".join(f"{label}: {text}" if label else text for label, text in self.rows())
