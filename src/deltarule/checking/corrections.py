"""A correction of wrong gradient code that was tried: the line to change, and what makes the gradient right."""

from collections.abc import Iterator
from dataclasses import dataclass


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
