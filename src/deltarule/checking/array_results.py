"""The verdict for each array of a report, and the mistake's location.

The backward pass visits layers from the last to the first: the first wrong array on that way is where to look.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import prod

from deltarule.checking.catalog import join_names

RIGHT, WRONG, NOT_MEASURED, AT_KINK = "right", "wrong", "not measured", "at a kink"
MAX_LISTED_NAMES = 6
"""Names that a sentence lists one by one."""


@dataclass(frozen=True)
class ArrayResult:
    """The verdict for one array.

    verdict   "right", "wrong", "not measured" or "at a kink"
    error     the norm of its error as a share of the larger norm, over the measured entries; None if there are none,
              or if right and 0 everywhere
    """

    name: str
    verdict: str
    error: float | None = None

    def __str__(self) -> str:
        if self.error is None:
            return f"{self.name} {self.verdict}{' (has no effect here)' if self.verdict == RIGHT else ''}"
        return f"{self.name} {self.verdict} ({f'{self.error:.1e}' if self.error >= 1e-9 else '< 1e-9'})"


def describe_location(
    arrays: Sequence[ArrayResult], subject: str = "the gradient of", shapes: Sequence[tuple[int, ...]] = ()
) -> str:
    """Describe where the mistake is, according to the arrays' verdicts.

    Where names are only positions, the shapes of W, b, W, b show the layers.
    """
    wrong = [array.name for array in arrays if array.verdict == WRONG]
    right = [array.name for array in arrays if array.verdict == RIGHT]
    if not wrong:
        return ""
    if len(arrays) == 1:
        return f"{subject} {wrong[0]} is wrong"
    layers = _layers_backward(arrays, shapes)
    if len(wrong) == len(arrays):
        everything = "the whole gradient" if subject == "the gradient of" else f"{subject} every array"
        first = _listed([array.name for array in layers[0][1]]) if layers else ""
        begin = f", and {first} come first on the backward pass: begin at the derivative of the loss by the output"
        return f"{everything} is wrong{begin if layers else ''}"
    sentence = f"{subject} {_listed(right)} is right, that of {_listed(wrong)} is wrong"
    if len(wrong) == 1 or not 0 < len(right) <= MAX_LISTED_NAMES:
        sentence = f"only {subject} {_listed(wrong)} is wrong"
    return sentence + _layer_hint(layers)


def first_wrong_layer(arrays: Sequence[ArrayResult], shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """The wrong arrays of the first wrong layer on the way back; all without layers."""
    layers = _layers_backward(arrays, shapes) or [("", list(arrays))]
    wrong = [[array.name for array in members if array.verdict == WRONG] for _, members in layers]
    return next((names for names in wrong if names), [])


_listed = partial(join_names, most=MAX_LISTED_NAMES)


def _layer_hint(layers: Sequence[tuple[str, list[ArrayResult]]]) -> str:
    """The end of a sentence on the layer in which the mistake is."""
    if len(layers) < 2:
        return ""
    states = [{array.verdict for array in members} - {NOT_MEASURED, AT_KINK} for _, members in layers]
    first = next(i for i, state in enumerate(states) if WRONG in state)
    wrong = [array.name for array in layers[first][1] if array.verdict == WRONG]
    later = set().union(*states[first + 1 :])
    label = layers[first][0]
    if RIGHT in states[first] and WRONG not in later:
        return f": the mistake is in the line that computes it, as what comes back to {label} is right"
    if RIGHT in states[first] or first == 0:
        return f": the first wrong one on the backward pass is that of {join_names(wrong)}"
    return f": the mistake is between {layers[first - 1][0]} and {label}"


def _layers_backward(
    arrays: Sequence[ArrayResult], shapes: Sequence[tuple[int, ...]]
) -> list[tuple[str, list[ArrayResult]]]:
    numbers = _layer_numbers([array.name for array in arrays], shapes)
    if not numbers or len(set(numbers)) < 2:
        return []
    indices = sorted(range(len(arrays)), key=lambda i: -numbers[i])
    return [
        (f"layer {number}", [arrays[i] for i in members])
        for number, members in groupby(indices, key=numbers.__getitem__)
    ]


def _layer_numbers(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """The layer number of each array, by its name or position."""
    numbers = [re.findall(r"\d+", name) for name in names]
    if not all(numbers):
        return []
    stems = {re.sub(r"\d+", "", name) for name in names}
    if len(stems) > 1:
        return [int(digits[0]) for digits in numbers]
    return [1 + i // 2 for i in range(len(names))] if _are_dense_layers(shapes) else []


def _are_dense_layers(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether shapes are those of consecutive dense layers W, b, W, b."""
    weights, biases = shapes[::2], shapes[1::2]
    if len(weights) < 2 or len(weights) != len(biases) or any(len(shape) != 2 for shape in weights):
        return False
    lengths = [max(shape, default=1) for shape in biases]
    pairs = [*zip(weights, lengths, strict=True), *zip(weights[1:], lengths, strict=False)]
    return all(length in shape for shape, length in pairs) and all(max(bias) == prod(bias) for bias in biases if bias)
