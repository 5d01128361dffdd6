"""Mistakes to plant in a backward pass, and a table of them by operation.

g   the gradient of a node's output      k   the index of one of its inputs
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

import linecache
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.tape.backward import NO_LINE, Array, Changes, EdgeRule, Node, RecordedPass, unbroadcast

NETWORK_FILE = "<network>"
"""The file name of the program of a recognized network."""
PRODUCTS = ("multiply", "matmul", "einsum")
VIEWS = ("reshape", "transpose", "getitem", "repeat")
_WITHOUT_DERIVATIVE = (*VIEWS, "join", "sum", "negative", "positive", "einsum")
"""Operations that may have one input, and no derivative to be mistaken."""
FORMULAS: dict[str, dict[str, list[list[str]]]] = tomllib.loads(
    Path(__file__).with_name("wrong_formulas.toml").read_text(encoding="utf-8")
)
"""By kind and group, rows of a mistake, a text and a wrong formula."""


@dataclass(frozen=True, eq=False)
class PlantedMistake:
    """A mistake, and the changes of the backward pass that plant it.

    text         what the gradient has or lacks, such as "lacks the mask, at line 7 of net.py"
    constants    how many choices it has that could fit by coincidence
    parameter    the only parameter whose gradient changes, where the mistake is at a use of one
    """

    code: str
    text: str
    changes: Changes
    constants: int = 0
    parameter: Node | None = None
    activation: str = ""


def describe_line(nodes: Sequence[Node]) -> str:
    """Describe a line of user code, as "line 7 of net.py: z = x @ W"."""
    file, line, _ = nodes[0].line
    if not file:
        return "another array" if nodes[0].name in ("parameter", "constant") else "the output"
    text = linecache.getline(file, line).strip()
    if file == NETWORK_FILE:
        return f"{text} of the network"
    sites = {node.site for node in nodes}
    caller, number, _ = next(iter(sites)) if len(sites) == 1 else NO_LINE
    called = f", called at line {number}: {linecache.getline(caller, number).strip()}" if caller else ""
    shown = f": {text}" if text else ""
    return f"line {line} of {Path(file).name}{shown}{called}"


def changes_at(operations: Sequence[Node], rule: EdgeRule) -> Changes:
    return Changes(rules={node.index: rule for node in operations})


def with_gradient(node: Node, gradient: Array) -> Changes:
    return changes_at([node], lambda k, g, n: correct_gradient(k, gradient, n))


def correct_gradient(k: int, g: Array, node: Node, values: Sequence[Array] | None = None) -> Array:
    assert node.gradient is not None
    return node.gradient(k, g, node.values if values is None else values, node.value)


def at_input(input_index: int, function: Callable[[Array, Node], Array | None]) -> EdgeRule:
    """A rule that gives an input the gradient function(g, node), made of its shape."""

    def rule(k: int, g: Array, node: Node) -> Array | None:
        if k != input_index:
            return correct_gradient(k, g, node)
        gradient = function(g, node)
        return None if gradient is None else pass_through(k, np.asarray(gradient), node)

    return rule


def pass_through(k: int, g: Array, node: Node) -> Array:
    """The gradient g of a node's output, broadcast or summed to the shape of input k."""
    shape = np.shape(node.values[k])
    return unbroadcast(np.array(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape))), shape)


def with_operand(k: int, operand: Array) -> EdgeRule:
    return at_input(
        k, lambda g, n: correct_gradient(k, g, n, [n.values[0], operand] if k == 0 else [operand, n.values[1]])
    )


def rule_with_values(values: Mapping[int, Array]) -> EdgeRule:
    """A rule that computes gradients with other values of the inputs, by node index."""

    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(entry.index, value) if isinstance(entry, Node) else value
            for entry, value in zip(node.inputs, node.values, strict=True)
        ]
        return correct_gradient(k, g, node, changed)

    return rule


def is_active(node: Node, k: int) -> bool:
    return isinstance(node.inputs[k], Node) and bool(node.inputs[k].is_active)


def is_mask(array: Array) -> bool:
    """Whether all entries of an array are 0 or another number, and some are 0."""
    values = array[array != 0]
    return 0 < values.size < array.size and bool((values == values.flat[0]).all())


def parameter_of(recording: RecordedPass, entry: Any) -> Node | None:
    """The parameter that an input is, perhaps through views."""
    while isinstance(entry, Node) and entry.name in VIEWS:
        entry = entry.inputs[0]
    return next((parameter for parameter in recording.parameters if parameter is entry), None)


RuleRow = tuple[str, str, EdgeRule]
"""A mistake's code, the end of the sentence "the gradient …", and the wrong rule; it may raise ValueError."""


def _spread(share_of: Callable[[Array, Array, Array], Any]) -> EdgeRule:
    """A rule that gives a window's entries share_of(entries, maximum, minimum) of the gradient."""

    def rule(k: int, g: Array, node: Node) -> Array:
        _, axes, keepdims = node.data
        value = node.values[0] if node.name == "max" else -node.values[0]
        wide = g if keepdims else np.expand_dims(g, axes)
        shares = share_of(value, value.max(axis=axes, keepdims=True), value.min(axis=axes, keepdims=True))
        return np.array(np.broadcast_to(wide * shares, value.shape))

    return rule


def _to_exchanged_axes(k: int, g: Array, node: Node) -> Array:
    result = correct_gradient(k, g, node)
    axes = node.data[1]
    if len(axes) < 2 or len({result.shape[axis] for axis in axes[-2:]}) > 1:
        raise ValueError("the window is no square")
    return np.swapaxes(result, *axes[-2:])


def _one_margin(is_everywhere: bool) -> EdgeRule:
    """A rule by which one margin of each sample counts for the compared score."""

    def gradient(g: Array, node: Node) -> Array:
        shape = np.shape(node.values[1])
        if len(shape) != g.ndim:
            raise ValueError("no score for each sample")
        margin = np.abs(g).max() * np.ones_like(g) if is_everywhere else np.abs(g)
        return -np.array(margin.max(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True))

    return at_input(1, gradient)


_MAXIMUM: list[RuleRow] = [
    ("pool_routing", "of a maximum goes to the entry with row and column exchanged", _to_exchanged_axes),
    ("pool_routing", "of a maximum goes to every entry that ties with it", _spread(lambda v, high, low: v == high)),
    ("pool_routing", "of a maximum goes to the smallest entry", _spread(lambda v, high, low: v == low)),
    ("pool_routing", "of a maximum goes to all entries", _spread(lambda v, high, low: 1)),
    ("pool_routing", "of a maximum is averaged over all entries", _spread(lambda v, high, low: high.size / v.size)),
]
_BRANCHES: list[RuleRow] = [
    (
        "branch_missing",
        f"is that of the {which} branch everywhere",
        lambda k, g, n, branch=branch: pass_through(k, g, n) if k == branch else None,
    )
    for branch, which in enumerate(("first", "second"))
]


def evaluate(formula: Any, names: Mapping[str, Any]) -> Any:
    return eval(formula, {"np": np, **names})


@cache
def _compiled(formula: str) -> Any:
    return compile(formula, "<formula>", "eval")


def formulas_of(kind: str, group: str, **words: str) -> Iterator[tuple[str, str, Any]]:
    """The mistake, the text and the compiled formula of each row of a group."""
    for code, text, formula in FORMULAS[kind].get(group, ()):
        yield code.format(**words), text.format(**words), _compiled(formula)


def _rows(group: str, input_index: int | None = None, **words: str) -> Iterator[RuleRow]:
    """The rows of a group of formulas, which hold for one input, or for all."""
    for code, text, formula in formulas_of("operation", group, **words):
        yield code, text, partial(_by_formula, formula, input_index)


def _by_formula(formula: Any, input_index: int | None, k: int, g: Array, node: Node) -> Array:
    def gradient(g: Array, values: Sequence[Array] | None = None) -> Array:
        return correct_gradient(k, g, node, values)

    if input_index not in (None, k):
        return gradient(g)
    names = {"g": g, "k": k, "x": node.values, "y": node.value, "gradient": gradient}
    return pass_through(k, np.asarray(evaluate(formula, names)), node)


def _rows_of(node: Node) -> list[RuleRow]:
    """The wrong derivatives of an operation, but for those of products, bounds and margins."""
    match node.name:
        case "power":
            lacking, without = _rows("power")
            return [lacking, *_rows("power_of_base", 0), without]
        case "divide":
            return [*_rows("divisor", 1)]
        case "pad":
            return [*_rows("pad")]
        case "max" | "min":
            return [*_MAXIMUM]
        case "where":
            return [*_BRANCHES]
    is_function = len(node.inputs) == 1 and node.name not in _WITHOUT_DERIVATIVE
    return [*_rows("function", name=node.name)] if is_function else []


def operation_mistakes(recording: RecordedPass, operations: Sequence[Node]) -> Iterator[PlantedMistake]:
    """Wrong derivatives of equal operations."""
    node = operations[0]
    place = describe_line(operations)
    rows = _rows_of(node)
    for k in _FACTORS.get(node.name, ()):
        if not any(is_active(operation, k) for operation in operations):
            continue
        if is_mask(node.values[1 - k]):
            scales = list(filter(None, (_constant_scale_after(recording, operation) for operation in operations)))
            is_scaled = len(scales) == len(operations)
            missing = "dropout_mask" if node.values[1 - k].max() != 1 or is_scaled else "mask_missing"
            rows += _rows("mask", k, missing=missing)
            if is_scaled:
                changes = Changes(rules=dict.fromkeys((each.index for each in (*operations, *scales)), pass_through))
                yield PlantedMistake(missing, f"lacks the mask and its scale, at {place}", changes)
        else:
            rows += _rows_of_factor(node, k)
    if node.name == "subtract":
        rows += _rows_of_margin(recording, node)
    for code, text, rule in rows:
        yield PlantedMistake(code, f"{text}, at {place}", changes_at(operations, rule))
    if node.name == "subtract":
        yield from _without_targets(recording, operations)


_FACTORS = {"multiply": (0, 1), "divide": (0,)}
"""By operation, the inputs that another one is a factor or divisor of."""


def _rows_of_factor(node: Node, k: int) -> list[RuleRow]:
    if _is_count(node):
        return [*_rows("factor", k, what="1 / N", missing="mean_missing", twice="mean_twice")]
    what = "divisor" if node.name == "divide" else "factor"
    return [*_rows("factor", k, what=what, missing="scale_missing", twice="scale_missing")]


def _without_targets(recording: RecordedPass, differences: Sequence[Node]) -> Iterator[PlantedMistake]:
    """The mistake that takes p in the place of a single p − y."""
    difference = differences[0]
    if len(differences) != 1 or len(difference.active_inputs) != 1:
        return
    [(k, prediction)] = difference.active_inputs
    if np.ndim(difference.values[1 - k]) and prediction.value.shape == difference.value.shape:
        rule = rule_with_values({difference.index: prediction.value * (1 if k == 0 else -1)})
        changes = changes_at(recording.users.get(difference.index, []), rule)
        yield PlantedMistake("target_missing", f"lacks the targets of {describe_line([difference])}", changes)


_FACTORS = {"multiply": (0, 1), "divide": (0,)}
"""By operation, the inputs that another one is a factor or divisor of."""


def _rows_of_margin(recording: RecordedPass, node: Node) -> list[RuleRow]:
    """The wrong derivatives of the correct class's score in a hinge loss."""
    if np.size(node.values[1]) >= node.value.size or not _is_margin(recording, node):
        return []
    text = "of the correct class's score counts one margin, not all that are violated"
    rows: list[RuleRow] = [("hinge_count", text, _one_margin(is_everywhere)) for is_everywhere in (True, False)]
    return [*rows, ("target_missing", "of the correct class's score is missing", at_input(1, lambda g, n: None))]


def _is_margin(recording: RecordedPass, node: Node) -> bool:
    """Whether a difference of scores, perhaps with a margin, enters a maximum with 0."""
    users = recording.users.get(node.index, [])
    for _ in range(3):
        if any(user.name == "maximum" and any(not np.any(value) for value in user.values) for user in users):
            return True
        users = [later for user in users for later in recording.users.get(user.index, [])]
    return False


def _constant_scale_after(recording: RecordedPass, node: Node) -> Node | None:
    users = recording.users.get(node.index, [])
    if len(users) != 1 or users[0].name not in ("multiply", "divide") or users[0].inputs[0] is not node:
        return None
    return users[0] if not is_active(users[0], 1) and users[0].values[1].size == 1 else None


def _is_count(node: Node) -> bool:
    """Whether a quotient is a mean: its divisor is a length of what was summed."""
    if node.name != "divide" or node.values[1].size > 1:
        return False
    sizes = {*node.values[0].shape, node.values[0].size}
    source = node.inputs[0]
    while isinstance(source, Node) and source.name in ("sum", "negative"):
        sizes |= {*source.values[0].shape, source.values[0].size}
        source = source.inputs[0]
    return float(node.values[1].reshape(())) in (sizes - {1} or range(2, 10_000))
