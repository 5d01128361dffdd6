"""Sentences about what a check did not compare or prove."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

NOTES: dict[str, str] = tomllib.loads(Path(__file__).with_name("notes.toml").read_text(encoding="utf-8"))
"""By code of a note, its sentence."""
UNEXPLAINED = ("unexplained", "more_with_like")
"""Codes of notes for those who see which mistakes were found."""


class Note(str):
    """A sentence about what was not compared or proved, made of a code and values."""

    code: str

    def __new__(cls, code: str, **values: Any) -> Self:
        note = super().__new__(cls, NOTES[code].format(**values))
        note.code = code
        return note

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        return ("code",), {"text": str(self)}  # a copy has its own code from the state


def several(arrays: Sequence[object]) -> str:
    """The end of the sentence that nothing explains some arrays."""
    return "; of several, begin with the first wrong array on the way back" if len(arrays) > 1 else ""


def without_notes(notes: Iterable[Note], codes: Sequence[str]) -> tuple[Note, ...]:
    return tuple(note for note in notes if note.code not in codes)
