"""Notes of a report: a code with its values, and one table of sentences."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

NOTES = {
    "unexplained": "no single known mistake explains it; of several, begin with the first wrong array on the way back",
    "further": "there is more: another mistake in {names}; correct this one first, and check again",
    "more_with_like": "more kinds of mistakes are tried if you give the network: like=Network(…), with x and y",
    "no_complex_step": "no complex step: the code works in place, or loses a complex number's imaginary part",
    "few_digits": "in {dtype} an error under {share:.1%} of an entry may not show; in float64 it would",
    "at_edge": "{count:,} entries not measured, e.g. {entry}: {subject} is not finite a small step away",
    "rough": "{count:,} entries not measured, e.g. {entry}: {subject} is not smooth there",
    "sampled": "large arrays: a sample of entries, and {directions} random directions; an error of {share:.2%} of an "
    "array's gradient passes with a probability of {probability:.1g}",
    "other_shape": "the gradient of {name} has the shape {found}, {name} itself {expected}",
    "unused": "{subject} does not depend on {names} at all",
    "only_nearby": "at these parameters the mistake changes nothing; at parameters nearby it does",
    "constant": "{subject} is constant: it does not change, however far the {moved} moved",
    "flat": "the loss does not change when a parameter is moved a little, as if it counted or rounded",
    "rounded": "the gradient has rounding errors, as if computed in float32 or by differences: an error of up to "
    "{share:.1g} of an array's largest entry may not show",
    "moved": "the loss has a kink at these parameters, as ReLU at 0: it was checked with {names} moved by up to 0.02",
    "loss_recognized": "the loss was recognized: {loss}",
    "loss_unknown": "the loss is not one that is known for the network of `like`, so mistakes inside the network were "
    "not tried",
    "per_sample": "your dz and da are those of single samples: the mean is taken in dW and db",
    "right_before": "right before it: {names}",
    "value_shape": "{name} has the shape {found}, and should have {expected}",
    "code": "{text}",
}
"""By code of a note, its sentence."""
UNEXPLAINED = ("unexplained", "more_with_like")
"""Codes of notes for those who see which mistakes were found."""


class Note(str):
    """A sentence about what was not compared, made of a code and values."""

    code: str

    def __new__(cls, code: str, **values: Any) -> Self:  # noqa: D102 - as str
        note = super().__new__(cls, NOTES[code].format(**values))
        note.code = code
        return note


def without_notes(notes: Iterable[Note], codes: Sequence[str]) -> tuple[Note, ...]:
    """The notes with other codes than these."""
    return tuple(note for note in notes if note.code not in codes)
