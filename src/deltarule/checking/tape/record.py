"""Record the forward pass of user code on a tape."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.tape.array_functions import tracing_numpy
from deltarule.checking.tape.backward import NO_LINE, Array, Line, Node, Recording
from deltarule.checking.tape.traced_array import Tape, TracedFloat, UntraceableError
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.references import are_user_globals, containers_of, items_of
from deltarule.user_functions import quietly


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


@contextmanager
def _replaced_references(
    tape: Tape, by_id: Mapping[int, Any], arrays: Sequence[Array], roots: Sequence[Any]
) -> Iterator[None]:
    """A context in which user code's references to NumPy and parameters are replaced.

    Other arrays that can be reached from `roots` become traced constants: without that, x.dot(W) would not record W.
    """
    undo: list[Callable[[], None]] = []
    containers = {id(container): container for root in roots for container in containers_of(root)}
    if arrays:  # dictionaries of nothing but arrays are not listed here
        containers |= {id(container): container for container in gc.get_referrers(*arrays)}
    containers |= {id(names): names for names in gc.get_referrers(np) if are_user_globals(names)}
    try:
        for container in list(containers.values()):
            for value, assign in list(items_of(container)):
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
