"""Mistakes that overwrite a gradient instead of adding to it."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator, Sequence
from itertools import combinations

from deltarule.checking.mistakes.tape_candidates import (
    Candidate,
    describe_line,
)
from deltarule.checking.tape.backward import Changes, Recording
from deltarule.checking.tape.operations import Node


def overwritten_gradients(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that write `=` for `+=` in a value's gradient."""
    uses: dict[int, int] = {}
    for node in recording.nodes:
        for entry in node.inputs:
            if isinstance(entry, Node) and entry.is_active:
                uses[entry.index] = uses.get(entry.index, 0) + 1
    several = [node for node in recording.nodes if uses.get(node.index, 0) > 1]
    parameters = [node for node in recording.parameters if uses.get(node.index, 0) > 1]
    sets: list[tuple[Sequence[Node], str]] = [
        (parameters, "the gradients of parameters that are used several times are overwritten, not added up"),
        (several, "the gradients of all values that are used several times are overwritten, not added up"),
    ]
    alone = parameters if len(parameters) > 1 else []
    pairs = list(combinations(parameters, 2)) if 2 < len(parameters) <= 6 else []
    sets += [
        (nodes, "the gradient of a parameter that is used several times is overwritten, not added up")
        for nodes in [*([node] for node in alone), *pairs]
    ]
    sets += [
        ([node], f"the gradient of the value of {describe_line([node])} is overwritten by its last use, not added up")
        for node in several[:60]
        if node not in parameters
    ]
    for nodes, sentence in sets:
        if nodes:
            indices = frozenset(node.index for node in nodes)
            for is_first in (False, True):
                changes = Changes(overwrite=indices, is_first=is_first)
                yield Candidate("gradient_overwritten", sentence, changes)
    yield from _overwriting_operations(recording)


def _overwriting_operations(recording: Recording) -> Iterator[Candidate]:
    """Mistakes by which operations overwrite the gradients of their inputs."""
    by_name: dict[str, list[Node]] = {}
    for node in recording.nodes:
        if node.gradient is not None:
            by_name.setdefault(node.name, []).append(node)
    sets = [(nodes, f"each {name}") for name, nodes in by_name.items()]
    per_sample = [node for name in ("matmul", "add", "getitem", "einsum") for node in by_name.get(name, [])]
    sets.append((per_sample, "each sample"))
    sets += [(group, describe_line(group)) for group in recording.operation_groups() if len(group) > 1]
    for nodes, place in sets:
        sentence = f"the gradients of values that are used several times are overwritten by {place}, not added up"
        for is_first in (False, True):
            changes = Changes(writers=frozenset(node.index for node in nodes), is_first=is_first)
            yield Candidate("gradient_overwritten", sentence, changes)
