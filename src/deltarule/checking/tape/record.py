"""Record the forward pass of user code on a tape."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from deltarule.checking.tape.array_functions import tracing_numpy
from deltarule.checking.tape.backward import NO_LINE, Array, Line, Node, Recording
from deltarule.checking.tape.traced_array import Tape, TracedFloat, UntraceableError
from deltarule.checking.user_code.callables import Code
from deltarule.user_functions import quietly

_MAX_DEPTH = 9
"""References that are followed from a loss to the arrays that it reads: a list of modules may be within another one."""
_MAX_ITEMS = 200
"""Items of one dictionary or list that are searched for arrays."""


def record_loss(code: Code) -> Recording | None:
    """Record the loss of user code at its starting parameters.

    Its gradient may not be that of the loss, where user code makes a plain array of a traced one.
    """
    tape = Tape()
    traced = [tape.add("parameter", np.array(start, float), [], None) for start in code.start]
    parameters = [array.node for array in traced]
    try:
        with tracing_numpy(tape) as by_id:
            if code.store is None or code.loss_in_place is None:
                with _replaced_references(tape, by_id, [], code.roots):
                    result = quietly(lambda: code.loss(traced))  # type: ignore[arg-type]
            else:
                arrays, loss_in_place = code.store.find(), code.loss_in_place
                by_id |= {id(array): replacement for array, replacement in zip(arrays.leaves, traced, strict=True)}
                with _replaced_references(tape, by_id, arrays.leaves, code.roots):
                    result = quietly(lambda: loss_in_place(arrays))
        return _select_active(tape, parameters, result.node)
    except Exception:  # user code may do anything with objects that only resemble arrays
        return None


def _select_active(tape: Tape, parameters: Sequence[Node], loss: Node) -> Recording:
    """The recording of the operations between parameters and loss."""
    for node in parameters:
        node.is_active = True
    for node in tape.nodes:
        node.is_active = node.is_active or any(isinstance(entry, Node) and entry.is_active for entry in node.inputs)
    needed = {loss.index}
    for node in reversed(tape.nodes):
        if node.index in needed:
            needed |= {entry.index for entry in node.inputs if isinstance(entry, Node) and entry.is_active}
    sites: dict[Line, set[Line]] = {}
    for node in tape.nodes:
        sites.setdefault(node.line, set()).add(node.site)
    for node in tape.nodes:
        node.site = node.site if len(sites[node.line]) > 1 else NO_LINE
    if loss.value.shape:
        raise UntraceableError("the loss is no number")
    return Recording([node for node in tape.nodes if node.index in needed and node.is_active], parameters, loss)


def container_contents(roots: Sequence[Any]) -> Iterator[Any]:
    for root in roots:
        for container in _containers(root, _MAX_DEPTH):
            yield from (value for value, _ in _items(container))


@contextmanager
def _replaced_references(
    tape: Tape, by_id: Mapping[int, Any], arrays: Sequence[Array], roots: Sequence[Any]
) -> Iterator[None]:
    """A context in which user code's references to NumPy and parameters are replaced.

    Other arrays that can be reached from `roots` become traced constants: without that, x.dot(W) would not record W.
    """
    undo: list[Callable[[], None]] = []
    containers = {id(container): container for root in roots for container in _containers(root, _MAX_DEPTH)}
    if arrays:  # dictionaries of nothing but arrays are not listed here
        containers |= {id(container): container for container in gc.get_referrers(*arrays)}
    containers |= {id(names): names for names in gc.get_referrers(np) if _are_user_globals(names)}
    try:
        for container in list(containers.values()):
            for value, assign in list(_items(container)):
                replacement = by_id.get(id(value))
                if replacement is None and type(value) is np.ndarray and value.dtype.kind == "f" and value.size:
                    replacement = tape.add("constant", value, [], None)
                if replacement is not None:
                    assign(replacement)
                    undo.append(partial(assign, value))
            if isinstance(container, dict) and "__builtins__" in container and "float" not in container:
                container["float"] = TracedFloat  # the globals of a module, where float(x) would lose the trace
                undo.append(partial(container.pop, "float", None))
        yield
    finally:
        for restore in reversed(undo):
            restore()


def _containers(root: Any, depth: int) -> Iterator[Any]:
    """The containers that can be reached from an object by few references."""
    if depth < 0 or isinstance(root, type | np.ndarray | str | int | float | None) or _is_library(root):
        return
    inside: list[Any] = []
    if isinstance(root, dict):
        yield root
        inside = [value for name, value in root.items() if not str(name).startswith("__")]
    elif isinstance(root, list | tuple):
        if isinstance(root, list):
            yield root
        inside = list(root)
    elif isinstance(root, FunctionType):
        for cell in root.__closure__ or ():
            yield cell
            inside.append(_cell_content(cell))
        inside += [root.__defaults__, {name: root.__globals__.get(name) for name in root.__code__.co_names}]
        yield root.__globals__
    elif isinstance(root, MethodType):
        inside = [root.__self__, root.__func__]
    elif hasattr(root, "__dict__"):
        inside = [vars(root)]
    for value in inside[:_MAX_ITEMS]:
        yield from _containers(value, depth - 1)


def _is_library(root: Any) -> bool:
    return isinstance(root, ModuleType) and not _are_user_globals(vars(root))


def _are_user_globals(names: Any) -> bool:
    """Whether a dictionary is of a user's module, or of ours that converts its values."""
    if not isinstance(names, dict) or "__name__" not in names:
        return False
    file, name = names.get("__file__") or "", str(names["__name__"])
    package = name.partition(".")[0]
    is_library = "site-packages" in file or package in sys.stdlib_module_names or package in ("deltarule", "builtins")
    return not is_library or name.startswith("deltarule.checking.user_code.")


def _cell_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _items(container: Any) -> Iterator[tuple[Any, Callable[[Any], None]]]:
    """What is in a container, each with the function that replaces it."""
    if isinstance(container, CellType):
        yield _cell_content(container), partial(setattr, container, "cell_contents")
    elif isinstance(container, dict | list):
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            yield value, partial(container.__setitem__, key)
    elif hasattr(container, "__dict__") and not isinstance(container, type | ModuleType):
        yield from _items(vars(container))
