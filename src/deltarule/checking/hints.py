"""How much a student reads of what a check found."""

from dataclasses import replace
from typing import TYPE_CHECKING

from deltarule.errors import BadInput

if TYPE_CHECKING:
    from deltarule.checking.catalog import Correction

HINT_OF_ARRAYS, HINT_OF_KIND, HINT_OF_LINE, MAX_HINT = 1, 2, 3, 4
"""How much a student reads: 0 the verdict, then wrong arrays, the kind of mistake, its line, the correction."""


def validate_hint(hint: int) -> int:
    if isinstance(hint, bool) or not isinstance(hint, int) or not 0 <= hint <= MAX_HINT:
        levels = "0 the verdict, 1 which arrays, 2 the kind of mistake, 3 its line, 4 the correction"
        raise BadInput(f"the hint is {hint!r}; give {levels}")
    return hint


def limit_correction(correction: "Correction | None", hint: int) -> "Correction | None":
    """A correction as a hint shows it: from level 3 on the line and what it is meant to be, and with 4 all of it."""
    if correction is None or hint >= MAX_HINT:
        return correction
    return replace(correction, changes=(), others=(), proof="") if hint >= HINT_OF_LINE else None
