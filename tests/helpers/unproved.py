"""Formulas that only tests may use without a proof, such as wrong ones."""

from typing import TypeVar

from deltarule.problem import registry

Formula = TypeVar("Formula")


def unproved(formula: Formula) -> Formula:
    registry.accept(formula)
    return formula
