"""Mistakes in losses, such as missing targets and ignored bounds."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.tape_candidates import (
    Candidate,
    changes_at,
    correct_gradient,
    describe_line,
    in_shape_of_input,
    rule_for_input,
)
from deltarule.checking.mistakes.tape_composites import ancestors
from deltarule.checking.tape.backward import Recording
from deltarule.checking.tape.operations import Array, Node

_MAX_STEPS = 3
"""Operations between the scores and the maximum of a hinge loss: a difference, and a margin that is added."""


def loss_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Wrong derivatives of hinge losses, branches of `np.where`, and bounds."""
    for node in recording.nodes:
        if node.name in ("maximum", "minimum"):
            yield from _hinge_mistakes(node)
            yield from _ignored_bounds(node)
        elif node.name == "where":
            yield from _single_branches(node)
        elif node.name == "subtract" and len(node.active_inputs) == 1:
            yield from _missing_targets(recording, node)


def _missing_targets(recording: Recording, node: Node) -> Iterator[Candidate]:
    """The mistake that p takes the place of p − y."""
    ((k, _),) = node.active_inputs
    value = node.values[k] if k == 0 else -node.values[k]
    if np.ndim(node.values[1 - k]) and value.shape == node.value.shape:

        def rule(k: int, g: Array, user: Node) -> Array:
            pairs = zip(user.inputs, user.values, strict=True)
            return correct_gradient(k, g, user, [value if entry is node else own for entry, own in pairs])

        text = f"the gradient lacks the targets of {describe_line([node])}"
        yield Candidate("target_missing", text, changes_at(recording.users.get(node.index, []), rule))


def _hinge_mistakes(node: Node) -> Iterator[Candidate]:
    """Wrong derivatives of a hinge loss by the correct class's score s_y.

    s_y is in the margin of every class, so that its derivative is minus the number of violated margins.
    """
    if not any(np.size(value) == 1 and not np.any(value) for value in node.values):
        return
    for difference in list(ancestors(node))[:_MAX_STEPS]:
        if difference.name != "subtract" or np.size(difference.values[1]) == difference.value.size:
            continue
        place = describe_line([difference])

        for is_everywhere in (True, False):
            text = f"the correct class's score counts one margin, not the number of violated margins, at {place}"
            rule = rule_for_input(1, lambda g, n, e=is_everywhere: _derivative_of_one_margin(g, n, is_everywhere=e))
            yield Candidate("hinge_count", text, changes_at([difference], rule))
        text = f"the derivative by the correct class's score is missing, at {place}"
        yield Candidate("target_missing", text, changes_at([difference], rule_for_input(1, lambda g, n: None)))


def _derivative_of_one_margin(g: Array, node: Node, *, is_everywhere: bool) -> Array | None:
    margin = np.abs(g).max() * np.ones_like(g) if is_everywhere else np.abs(g)
    shape = np.shape(node.values[1])
    axes = tuple(i for i, size in enumerate(shape) if size == 1)
    return -np.array(margin.max(axis=axes, keepdims=True)) if len(shape) == g.ndim else None


def _single_branches(node: Node) -> Iterator[Candidate]:
    """Mistakes that take the derivative of one branch of `np.where` in every entry."""
    for k, which in enumerate(("first", "second")):
        is_active = [isinstance(entry, Node) and entry.is_active for entry in node.inputs]
        if not is_active[k] or np.shape(node.values[k]) != node.value.shape:
            continue
        text = f"the derivative of the {which} branch is taken everywhere, at {describe_line([node])}"
        yield Candidate("branch_missing", text, changes_at([node], lambda i, g, n, k=k: g if i == k else None))


def _ignored_bounds(node: Node) -> Iterator[Candidate]:
    """Mistakes that ignore a constant bound, such as of np.clip, in the backward pass."""
    for k in range(2):
        other = node.inputs[1 - k]
        if isinstance(other, Node) and other.is_active or np.size(node.values[1 - k]) != 1:
            continue
        text = f"the derivative takes no notice of the bound, at {describe_line([node])}"
        rule = rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g, n, k))
        yield Candidate("branch_missing", text, changes_at([node], rule), 1)
