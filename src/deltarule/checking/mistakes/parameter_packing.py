"""Somebody's parameters in fewer arrays than the network has: biases within weights, or all of it in one vector.

Shapes often leave it open which number is which. Each way to take them apart is tried, and the one under which the
network is recognized, by its loss and the gradient of that, is the one meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes.diagnose import Evidence
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers


@dataclass(frozen=True, eq=False)
class Unfolding:
    """A way to take arrays apart.

    shapes  of the user's arrays
    places  by the network's names, in its shapes, where each number stands among all of the user's in a row
    words   what is read as what
    """

    shapes: tuple[tuple[int, ...], ...]
    places: dict[str, Integers]
    words: str

    def unpack(self, arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """The user's arrays as those of the network."""
        row = np.concatenate([one.ravel() for one in arrays])
        return tuple(row[places] for places in self.places.values())

    def together(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's arrays as the user's."""
        row = np.empty(sum(one.size for one in arrays), np.result_type(*arrays))
        for places, one in zip(self.places.values(), arrays, strict=True):
            row[places] = one
        return _split_row(row, self.shapes)

    def evidence(self, evidence: Evidence) -> Evidence:
        """What is known of a gradient, by the network's arrays; without what its penalties are."""
        found, expected, slack = (self.unpack(one) for one in (evidence.found, evidence.expected, evidence.slack))
        off = [np.abs(f - e) > s for f, e, s in zip(found, expected, slack, strict=True)]

        def right_outside(place: int, wrong: NDArray[np.bool_]) -> bool:
            # All else is left out, as it is where arrays stand for themselves: its kinks would hide what is right.
            masks = self.together([wrong if other == place else np.ones_like(one) for other, one in enumerate(off)])
            return all(evidence.right_outside(own, mask) for own, mask in enumerate(masks) if not mask.all())

        return replace(
            evidence,
            names=tuple(self.places),
            values=self.unpack(evidence.values),
            found=found,
            expected=expected,
            slack=slack,
            raw=self.unpack(evidence.raw),
            wrong=tuple(place for place, one in enumerate(off) if one.any()),
            shapes=("",) * len(found),
            kinks=self.unpack(evidence.kinks) if evidence.kinks else (),
            doubt=self.unpack(evidence.doubt) if evidence.doubt else (),
            right_outside=right_outside,
            penalties=lambda place: None,
        )


def unfoldings(values: Sequence[Floats], network: Network) -> Iterator[Unfolding]:
    """The ways in which a user's arrays may hold those of a network."""
    entries = {entry.name: entry.shape for entry in network.entries}
    given = tuple(value.shape for value in values)
    numbers = np.arange(network.parameters)
    is_vector = len(values) == 1 and max(given[0], default=1) == values[0].size
    weights = [name for name in entries if name[0] == "W"]
    others = [name for name in entries if name[0] != "W"]
    for names in ([*entries], weights + others, others + weights) if is_vector else ():
        for turned in (False, True):
            shapes = [entries[name][::-1] if turned and name in weights else entries[name] for name in names]
            arrays = dict(zip(names, _split_row(numbers, shapes), strict=True))
            places = {name: arrays[name].T if turned and name in weights else arrays[name] for name in entries}
            yield Unfolding(given, places, _describe_arrays(names, shapes))
    if others == [f"b{name[1:]}" for name in weights]:
        for turned in (True, False):
            shapes = [(entries[name][0] + 1, entries[name][1]) for name in weights]
            shapes = [shape[::-1] for shape in shapes] if turned else shapes
            if not is_vector and given != tuple(shapes):
                continue
            blocks = [block.T if turned else block for block in _split_row(numbers, shapes)]
            for first in (True, False):
                if is_vector and not first and not turned:
                    continue  # these are the network's arrays in a row
                places = {}
                for name, block in zip(weights, blocks, strict=True):
                    places[name], places[f"b{name[1:]}"] = (block[1:], block[:1]) if first else (block[:-1], block[-1:])
                where = f"{'first' if first else 'last'} {'column' if turned else 'row'}"
                words = f"{_describe_arrays(weights, shapes)}, with the biases in the {where} of each"
                yield Unfolding(given, places, words)


def _split_row(row: NDArray[Any], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(row, ends), shapes, strict=True)]


def _describe_arrays(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
