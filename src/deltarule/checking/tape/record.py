"""Record the forward pass of user code."""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from deltarule.checking.tape.backward import Recording
from deltarule.checking.tape.numpy_tracing import tracing_numpy
from deltarule.checking.tape.operations import Array, Node
from deltarule.checking.tape.traced_array import Tape, TracedArray, TracedFloat, UntraceableError
from deltarule.checking.user_code.callables import Code
from deltarule.user_functions import quietly

_MAX_DEPTH = 9
"""References that are followed from a loss to the arrays that it reads: a list of modules may be within another one."""
_MAX_ITEMS = 200


def record_loss(code: Code) -> Recording | None:
    """The tape of a code's loss at its start; None if it does something that a tape does not know."""
    tape = Tape()
    traced = [tape.add("parameter", np.array(start, float), [], None) for start in code.start]
    parameters = [one.node for one in traced]
    try:
        with tracing_numpy(tape):
            if code.read_in_place is None:
                with _replaced_references(tape, [], [], code.roots):
                    result = quietly(lambda: code.loss(traced))  # type: ignore[arg-type]
            else:
                arrays, call = code.read_in_place()
                with _replaced_references(tape, arrays, traced, code.roots):
                    result = quietly(call)
        loss = _find_loss(tape, result)
        return _active_part(tape, parameters, loss) if loss is not None else None
    except Exception:  # whatever user code does with arrays that are none
        return None


def _find_loss(tape: Tape, result: Any) -> Node | None:
    """The node of the loss; of a loss that is a plain number, the one that was converted to it, or their sum."""
    if type(result) is TracedArray:
        return result.node
    value, converted = float(result), tape.conversions
    for node in reversed(converted):
        if float(node.value) == value:
            return node
    for share in (1, len(converted)):
        if converted and np.isclose(sum(float(node.value) for node in converted) / share, value, rtol=1e-12):
            total = TracedArray(tape, converted[0])
            for node in converted[1:]:
                total = total + TracedArray(tape, node)
            return (total / share).node
    return None


def _active_part(tape: Tape, parameters: Sequence[Node], loss: Node) -> Recording:
    """The operations that depend on a parameter, and on which the loss depends."""
    for node in parameters:
        node.is_active = True
    for node in tape.nodes:
        node.is_active = node.is_active or any(isinstance(one, Node) and one.is_active for one in node.inputs)
    needed = {loss.index}
    for node in reversed(tape.nodes):
        if node.index in needed:
            needed |= {one.index for one in node.inputs if isinstance(one, Node) and one.is_active}
    if loss.value.shape:
        raise UntraceableError("the loss is no number")
    return Recording([node for node in tape.nodes if node.index in needed and node.is_active], parameters, loss)


def find_holders(roots: Sequence[Any]) -> Iterator[list[Any]]:
    """What is in the dictionaries, lists and closures that are reached from some objects and functions."""
    for root in roots:
        for holder in _holders(root, _MAX_DEPTH):
            if isinstance(holder, dict):
                yield list(holder.values())
            else:
                yield [_content_of(holder)] if isinstance(holder, CellType) else list(holder)


@contextmanager
def _replaced_references(
    tape: Tape, arrays: Sequence[Array], replacements: Sequence[TracedArray], roots: Sequence[Any]
) -> Iterator[None]:
    """A context in which whatever refers to some arrays, as attributes and globals, refers to others instead.

    Other arrays that the code refers to are traced as constants: x.dot(W) does not ask W what it is.
    """
    undo: list[Callable[[], None]] = []
    new = {id(old): (old, replacement) for old, replacement in zip(arrays, replacements, strict=True)}
    holders = {id(one): one for root in roots for one in _holders(root, _MAX_DEPTH)}
    if arrays:  # dictionaries of nothing but arrays are not listed here
        holders |= {id(one): one for one in gc.get_referrers(*arrays)}
    try:
        for holder in list(holders.values()):
            _replace_within(holder, new, tape, undo)
            if isinstance(holder, dict) and "__builtins__" in holder and "float" not in holder:
                holder["float"] = TracedFloat  # the globals of a module, where float(x) would lose the trace
                undo.append(partial(holder.pop, "float", None))
        yield
    finally:
        for one in reversed(undo):
            one()


def _holders(root: Any, depth: int) -> Iterator[Any]:
    """Dictionaries, lists and closure cells that are reached from an object or a function."""
    if depth < 0 or isinstance(root, type | np.ndarray | str | int | float | None) or _is_library(root):
        return
    inside: list[Any] = []
    if isinstance(root, dict):
        yield root
        inside = [one for name, one in root.items() if not str(name).startswith("__")]
    elif isinstance(root, list | tuple):
        if isinstance(root, list):
            yield root
        inside = list(root)
    elif isinstance(root, FunctionType):
        for cell in root.__closure__ or ():
            yield cell
            inside.append(_content_of(cell))
        inside += [root.__defaults__, {name: root.__globals__.get(name) for name in root.__code__.co_names}]
        yield root.__globals__
    elif isinstance(root, MethodType):
        inside = [root.__self__, root.__func__]
    elif hasattr(root, "__dict__"):
        inside = [vars(root)]
    for one in inside[:_MAX_ITEMS]:
        yield from _holders(one, depth - 1)


def _is_library(root: Any) -> bool:
    """Whether an object is a module that the user did not write."""
    if not isinstance(root, ModuleType):
        return False
    file, name = getattr(root, "__file__", None) or "", root.__name__.partition(".")[0]
    return "site-packages" in file or name in sys.stdlib_module_names or name in ("deltarule", "builtins")


def _content_of(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _replace_within(holder: Any, new: dict[int, Any], tape: Tape, undo: list[Callable[[], None]]) -> None:
    def replacement(value: Any) -> Any:
        if id(value) in new and new[id(value)][0] is value:
            return new[id(value)][1]
        if type(value) is np.ndarray and value.dtype.kind == "f" and value.size:
            return tape.add("constant", value, [], None)
        return None

    if isinstance(holder, dict | list):
        items = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
        for key, value in items:
            other = replacement(value)
            if other is not None:
                holder[key] = other
                undo.append(partial(holder.__setitem__, key, value))
    elif isinstance(holder, CellType):
        value = _content_of(holder)
        other = replacement(value)
        if other is not None:
            holder.cell_contents = other
            undo.append(partial(setattr, holder, "cell_contents", value))
    elif hasattr(holder, "__dict__") and not isinstance(holder, type | ModuleType):
        _replace_within(vars(holder), new, tape, undo)
