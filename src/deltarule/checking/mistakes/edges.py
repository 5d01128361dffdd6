"""The inputs of operations through which a wrong gradient passes, and the values around these operations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.mistakes import rules
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, RecordedPass

MAX_CHANGED_SINGLY = 8
"""The largest number of operations on one line that are also changed one by one."""
_MAX_NEARBY = 48
"""The largest number of nearby operations; their values and gradients are tried."""

Nearest = Callable[[Node], Mapping[Any, Node]]
"""The nodes around a node, the nearest of each instruction."""


@dataclass(frozen=True, eq=False)
class Edge:
    """Input k of equal operations, or with `is_part` of one of several of a line.

    `parameter` is the one that this input is, perhaps through views.
    """

    recording: RecordedPass
    nodes: Sequence[Node]
    k: int
    is_part: bool
    parameter: Node | None

    @property
    def place(self) -> str:
        return rules.describe_line(self.nodes)

    def candidate(
        self, code: str, text: str, edge_rules: Mapping[int, EdgeRule] | EdgeRule, constants: int = 0
    ) -> rules.PlantedMistake:
        if not isinstance(edge_rules, Mapping):
            edge_rules = dict.fromkeys((node.index for node in self.nodes), edge_rules)
        return rules.PlantedMistake(code, text, Changes(rules=edge_rules), constants, self.parameter)

    def with_operands(
        self, code: str, text: str, values: Mapping[int, Array], constants: int = 0
    ) -> rules.PlantedMistake:
        """Products with other values of their second factor, by the indices of the operations."""
        edge_rules = {n.index: rules.with_operand(self.k, values[n.index]) for n in self.nodes if n.index in values}
        constants += len(edge_rules) < len(self.nodes)
        return self.candidate(code, f"{text}, at {self.place}", edge_rules, constants)


def whole_and_parts(group: Sequence[Node]) -> list[Sequence[Node]]:
    """A group of equal operations, and if they are few each of them."""
    return [group, *([node] for node in group if 1 < len(group) <= MAX_CHANGED_SINGLY)]


def find_edges(recording: RecordedPass, groups: Sequence[Sequence[Node]], wrong: Sequence[Node]) -> Iterator[Edge]:
    """Yield the inputs of operations through which a wrong gradient passes."""
    for group in groups:
        for members in whole_and_parts(group):
            if members[0].name == "join" and not any(map(np.ndim, members[0].values)):
                continue  # a list of numbers becomes an array
            for k in range(min(len(node.inputs) for node in members)):
                if any(rules.is_active(node, k) for node in members):
                    parameter = _common_parameter(recording, members, k)
                    if parameter is None or parameter in wrong:
                        yield Edge(recording, members, k, members is not group, parameter)


def _common_parameter(recording: RecordedPass, nodes: Sequence[Node], k: int) -> Node | None:
    """The parameter that input k of all nodes is; None if there is none, or there are several."""
    parameters = {id(p): p for p in (rules.parameter_of(recording, node.inputs[k]) for node in nodes)}
    return next(iter(parameters.values())) if len(parameters) == 1 else None


def nearby_values(edge: Edge, nearest: Nearest) -> list[list[tuple[Node, Node]]]:
    """The pairs of an edge's operations and the values around them, by instruction."""
    aligned: dict[Any, list[tuple[Node, Node]]] = {}
    for node in edge.nodes:
        for key, other in nearest(node).items():
            aligned.setdefault(key, []).append((node, other))
    return list({tuple(id(other.value) for _, other in pairs): pairs for pairs in aligned.values()}.values())


def nearest_by_instruction(recording: RecordedPass, node: Node) -> Mapping[Any, Node]:
    """The nodes around a node by users and inputs, the nearest of each instruction."""
    seen = {node.index}
    layer = [node]
    nearest: dict[Any, Node] = {}
    while layer and len(seen) <= _MAX_NEARBY:
        reached: dict[int, Node] = {}
        for near in layer:
            if near.name != "parameter":  # which is used everywhere
                reached |= {user.index: user for user in recording.users.get(near.index, [])}
            for k, entry in enumerate(near.inputs):
                other = as_node(entry)
                if other is not node:
                    nearest.setdefault((near.line, near.name, near.index > node.index, k), other)
                    reached[other.index] = other
        layer = [other for other in reached.values() if other.index >= 0 and other.index not in seen]
        seen |= set(reached)
        for other in layer:
            nearest.setdefault((other.line, other.name, other.index > node.index), other)
    return nearest


def as_node(entry: Any) -> Node:
    return entry if isinstance(entry, Node) else Node(-1, "constant", np.asarray(entry))
