"""The kinds of mistakes that the checker can name."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
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


def join_names(names: Sequence[str]) -> str:
    """Join names for a sentence, by commas and "and"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
