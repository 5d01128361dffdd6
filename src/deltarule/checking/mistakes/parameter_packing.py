"""User parameters packed into fewer arrays than the network has.

Shapes often leave open which number is which. Each way to unpack them is tried, and the one with which the network is
recognized, by its loss and gradient, is used.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes.evidence import Evidence, ParameterEvidence, Penalty
from deltarule.checking.user_code.callables import Code
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers


@dataclass(frozen=True, eq=False)
class Packing:
    """A way in which a user's arrays hold those of a network.

    shapes         shapes of the user's arrays
    positions      by name and in the shapes of the network's arrays, the index of each number in the user's, flattened
    description    how the user's arrays are read, for the report
    """

    shapes: tuple[tuple[int, ...], ...]
    positions: dict[str, Integers]
    description: str

    def unpack(self, arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Convert the user's arrays to those of the network."""
        flat = np.concatenate([array.ravel() for array in arrays])
        return tuple(flat[positions] for positions in self.positions.values())

    def pack(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Convert the network's arrays to the user's."""
        flat = np.empty(sum(array.size for array in arrays), np.result_type(*arrays))
        for positions, array in zip(self.positions.values(), arrays, strict=True):
            flat[positions] = array
        return _split_vector(flat, self.shapes)

    def unpack_code(self, code: Code) -> Code:
        """The same code as a function of the network's arrays."""
        return replace(
            code,
            names=tuple(self.positions),
            start=self.unpack(code.start),
            loss=lambda values: code.loss(self.pack(values)),
            gradient=lambda values: list(self.unpack(code.gradient(self.pack(values)))),
        )

    def unpack_evidence(self, evidence: Evidence, find_penalty: Callable[[int], Penalty | None]) -> Evidence:
        """Convert the evidence to the network's arrays."""
        packed = evidence.parameters

        def is_right_outside(index: int, entries: NDArray[np.bool_]) -> bool:
            # All other arrays are excluded: a kink in one of them would hide that the rest is correct.
            masks = self.pack([entries if i == index else np.ones(shape.shape, bool) for i, shape in enumerate(shapes)])
            pairs = zip(packed, masks, strict=True)
            return all(parameter.is_right_outside(mask) for parameter, mask in pairs if not mask.all())

        shapes = list(self.positions.values())
        fields = ("value", "raw", "found", "expected", "tolerance", "uncertainty")
        unpacked = [self.unpack([getattr(parameter, field) for parameter in packed]) for field in fields]
        at_kink = self.unpack([np.broadcast_to(parameter.at_kink, parameter.value.shape) for parameter in packed])
        parameters = []
        for index, (name, *arrays) in enumerate(zip(self.positions, *unpacked, strict=True)):
            value, raw, found, expected, tolerance, uncertainty = arrays
            parameters.append(
                ParameterEvidence(
                    name=name,
                    value=value,
                    raw=raw,
                    found=found,
                    expected=expected,
                    tolerance=tolerance,
                    uncertainty=uncertainty,
                    is_wrong=bool((np.abs(found - expected) > tolerance).any()),
                    at_kink=at_kink[index],
                    is_right_outside=partial(is_right_outside, index),
                    find_penalty=partial(find_penalty, index),
                )
            )
        return replace(evidence, parameters=tuple(parameters))


def packings(values: Sequence[Floats], network: Network) -> Iterator[Packing]:
    """The ways in which the user's arrays `values` may hold those of a network."""
    yield from _single_vectors(values, network)
    yield from _biases_within_weights(values, network)


def _is_single_vector(values: Sequence[Floats]) -> bool:
    return len(values) == 1 and max(values[0].shape, default=1) == values[0].size


def _single_vectors(values: Sequence[Floats], network: Network) -> Iterator[Packing]:
    """All arrays one after the other in one vector, in the common orders."""
    if not _is_single_vector(values):
        return
    entries = {entry.name: entry.shape for entry in network.entries}
    weights = [name for name in entries if name[0] == "W"]
    others = [name for name in entries if name[0] != "W"]
    for names in ([*entries], weights + others, others + weights):
        for is_transposed in (False, True):
            turned = weights if is_transposed else []
            shapes = [entries[name][::-1] if name in turned else entries[name] for name in names]
            arrays = dict(zip(names, _split_vector(np.arange(network.parameters), shapes), strict=True))
            positions = {name: arrays[name].T if name in turned else arrays[name] for name in entries}
            yield Packing((values[0].shape,), positions, _describe_arrays(names, shapes))


def _biases_within_weights(values: Sequence[Floats], network: Network) -> Iterator[Packing]:
    """Biases as the first or last row or column of weights."""
    entries = {entry.name: entry.shape for entry in network.entries}
    weights = [name for name in entries if name[0] == "W"]
    if [name for name in entries if name[0] != "W"] != [f"b{name[1:]}" for name in weights]:
        return
    user_shapes, is_vector = tuple(value.shape for value in values), _is_single_vector(values)
    for is_transposed in (True, False):
        shapes = [(entries[name][0] + 1, entries[name][1]) for name in weights]
        shapes = [shape[::-1] for shape in shapes] if is_transposed else shapes
        if not is_vector and user_shapes != tuple(shapes):
            continue
        blocks = _split_vector(np.arange(network.parameters), shapes)
        for is_first in (True, False):
            if is_vector and not is_first and not is_transposed:
                continue  # these are the network's arrays in a row
            positions = {}
            for name, block in zip(weights, blocks, strict=True):
                rows = block.T if is_transposed else block
                positions[name] = rows[1:] if is_first else rows[:-1]
                positions[f"b{name[1:]}"] = rows[:1] if is_first else rows[-1:]
            line = f"{'first' if is_first else 'last'} {'column' if is_transposed else 'row'}"
            description = f"{_describe_arrays(weights, shapes)}, with the biases in the {line} of each"
            yield Packing(user_shapes, positions, description)


def _split_vector(flat: NDArray[Any], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]


def _describe_arrays(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
