"""Lines through the parameters of user code, for derivatives of its loss.

A line moves one entry of an array, or all entries of an array at once along a random direction.
"""

from collections.abc import Mapping, Sequence
from math import erf
from typing import Any

import numpy as np

from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.maths import random
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs.differences import DIRECTIONS, share_entries
from deltarule.user_functions import quietly


class ParameterLines:
    """Lines along single entries, and along directions of whole arrays.

    array [n]       index of the array that a line moves
    entry [n]       its entry, in the array's flat order; −1 − d for direction d
    size [n]        the absolute value of the entry, but at least 1

    entries   by index of an array, the entries that move alone      vectors   the directions of all of its entries
    """

    def __init__(self, code: Code, entries: Mapping[int, Integers], vectors: Mapping[int, Sequence[Floats]]) -> None:
        self.code, self.middle = code, loss_at(code, code.start)
        self.lines: list[tuple[int, int]] = []
        self.vectors: dict[tuple[int, int], Floats] = {}
        for i, start in enumerate(code.start):
            self.lines += [(i, int(entry)) for entry in entries.get(i, ())]
            for d, vector in enumerate(vectors.get(i, ())):
                self.vectors[i, -1 - d] = vector.reshape(start.shape)
                self.lines.append((i, -1 - d))
        self.array, self.entry = np.array(self.lines, np.int64).reshape(-1, 2).T
        self.size = np.array([max(1.0, abs(float(code.start[i].flat[e]))) if e >= 0 else 1.0 for i, e in self.lines])

    def along(self, lines: Integers, t: Floats) -> Floats:
        """The losses on some lines at a real or imaginary distance t from the start."""
        if self.code.losses is not None:
            return self.code.losses(self._values_on_line(*one) for one in zip(lines, t, strict=True))
        return np.array(quietly(lambda: [self._loss_on_line(*one) for one in zip(lines, t, strict=True)]))

    def _values_on_line(self, line: int, t: Any) -> list[Floats]:
        i, e = self.lines[line]
        start = self.code.start[i]
        if e < 0:
            moved = move(start, t * self.vectors[i, e])
        else:
            moved = start.astype(np.result_type(t, start.dtype) if np.iscomplexobj(t) else start.dtype)
            moved.flat[e] += t
        return with_array(self.code.start, i, moved)

    def _loss_on_line(self, line: int, t: Any) -> Any:
        try:
            return self.code.loss(self._values_on_line(line, t))
        except BadInput as error:
            name, hint = self.code.names[self.array[line]], "check at parameters around which the loss is defined"
            raise BadInput(f"{error}, when {name} was moved a little; {hint}") from error

    def project(self, arrays: Sequence[Floats]) -> Floats:
        """The component of a gradient, given as arrays, along each line."""
        components = [arrays[i].flat[e] if e >= 0 else (arrays[i] * self.vectors[i, e]).sum() for i, e in self.lines]
        return np.array(components, float)


def loss_at(code: Code, values: Sequence[Floats]) -> float:
    """The loss at other values of the parameters, in the parameters' own dtype."""
    typed = [value.astype(start.dtype) for value, start in zip(values, code.start, strict=True)]
    return float(np.real(quietly(lambda: code.loss(typed))))


def gradient_at(code: Code, values: Sequence[Floats]) -> list[Floats]:
    if code.has_own_forward_pass:
        return list(quietly(lambda: code.gradient(values)))
    return list(quietly(lambda: (code.loss(values), code.gradient(values))[1]))


def with_array(values: Sequence[Floats], index: int, value: Floats) -> list[Floats]:
    return [*values[:index], value, *values[index + 1 :]]


def move(start: Floats, step: Any) -> Floats:
    """An array moved in its own dtype, or by an imaginary step."""
    return np.asarray(start + step if np.iscomplexobj(step) else (start + step).astype(start.dtype))


def sample_lines(code: Code, max_entries: int) -> ParameterLines:
    """Lines of at most `max_entries` entries, and directions of larger arrays."""
    entries, vectors = {}, {}
    counts = share_entries([start.size for start in code.start], max_entries)
    for i, (start, count) in enumerate(zip(code.start, counts, strict=True)):
        entries[i] = np.arange(start.size) if count == start.size else _sample_entries(i, start.shape, count)
        if len(entries[i]) < start.size:
            vectors[i] = [normal_direction(i, d, start.size) for d in range(DIRECTIONS)]
    return ParameterLines(code, entries, vectors)


def _sample_entries(i: int, shape: tuple[int, ...], quota: int) -> Integers:
    """Draw one flat index from each of `quota` parts of an array.

    In a square array their mirror images are included, which show a transposition.
    """
    size = int(np.prod(shape))
    is_square = len(shape) == 2 and shape[0] == shape[1]
    parts = max(1, quota // 2) if is_square else quota
    word, *_ = random.words(0, random.DIRECTIONS, np.arange(parts, dtype=np.uint32), np.uint32(i + 1), np.uint32(1))
    bounds = np.arange(parts + 1) * size // parts
    drawn = bounds[:-1] + (word.astype(np.int64) * (bounds[1:] - bounds[:-1]) >> 32)
    if is_square:
        row, column = np.divmod(drawn, shape[1])
        drawn = np.concatenate([drawn, column * shape[1] + row])
    return np.unique(drawn)


def normal_direction(i: int, d: int, size: int) -> Floats:
    """Reproducible standard normal direction of array i (Box & Muller 1958)."""
    words = random.words(0, random.DIRECTIONS, np.arange(size, dtype=np.uint32), np.uint32(i + 1), np.uint32(2 + d))
    radius, angle = random.fraction(words[0], words[1]), random.fraction(words[2], words[3])
    return np.asarray(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle))


def chance_to_pass(tolerances: Sequence[float], error_norm: float) -> float:
    """The probability that an error stays within the tolerance along all lines.

    Along a direction it is a normal number of standard deviation ℓ, its norm: within ±a with probability erf(a / √2 ℓ).
    """
    if error_norm <= 0:
        return 1.0
    return float(np.prod([erf(min(tolerance, 1e300) / error_norm / 2**0.5) for tolerance in tolerances]))
